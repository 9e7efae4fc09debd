package procs

import "time"

const (
	// checkPackets is after how many packets the CPU time is looked at, a system call: less than 1 % of what they
	// cost.
	checkPackets = 256
	// raiseAfter is over what time at least it is measured before there are more processors, and raiseAtMost over
	// what time at most: a burst after a silence is no more than itself.
	raiseAfter, raiseAtMost = 25 * time.Millisecond, 250 * time.Millisecond
	// raiseLoad is the part of the processors' time, in percent, that must be in use for that.
	raiseLoad = 90
	// lowerEvery is how often it is looked whether fewer would do, and lowerLoad what part of the time of those
	// fewer ones may then be in use, in percent. It is so far below raiseLoad because with more processors the
	// same load costs more.
	lowerEvery = time.Second
	lowerLoad  = 60
)
