package hosttcp

const (
	// eventsMax is how many sockets of which there is something to tell are taken from the kernel at once.
	// More are taken in the next turn.
	eventsMax = 128

	// slicesMax is how many slices one WriteVector hands to the kernel; more are written in further calls.
	slicesMax = 16

	// addressTries is how often connect(2) may say that there is no local address or port before it is
	// believed. It may say so while the last free port is on its way back, golang.org/issue/3838.
	addressTries = 3
)
