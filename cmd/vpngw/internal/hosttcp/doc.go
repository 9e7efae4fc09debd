// Package hosttcp has this host's TCP sockets over IPv4 on Linux, without a goroutine that waits for any of
// them and without package net.
//
// A socket of package net is in the runtime's poller, whether or not a goroutine waits for it there: each
// segment that arrives then wakes a thread for nothing, and each connection costs a registration, two
// questions for its addresses and the set-up of what is never used. For a gateway that opens a socket for
// every connection of its clients that was a third of its work. Here a socket has one registration, with a
// [Poller], which calls whoever watches the socket; and one that is connected at once, as to a neighbour,
// has seen nothing but socket(2), its options, connect(2) and getsockname(2) when it is returned.
//
// No call here waits for anything but a dial for its answer, so the runtime is not told of system calls: it
// would look for another thread to run.
//
//	socket_linux.go   Socket
//	dial_linux.go     Poller.Dial
//	poller_linux.go   Poller
//	calls_linux.go    the system calls, some of which take pointers
//	limits.go         the sizes of batches
//
// On other systems there is nothing.
package hosttcp
