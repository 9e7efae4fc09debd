package gateway

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// An answer is what a client gets instead of a connection or a delivered datagram.
type answer uint8

const (
	answerNothing    answer = iota // as from a host that is off
	answerRefused                  // TCP: RST
	answerNoNet                    // ICMP 3/0, network unreachable
	answerNoHost                   // ICMP 3/1, host unreachable
	answerNoPort                   // ICMP 3/3, port unreachable
	answerProhibited               // ICMP 3/13, communication administratively prohibited
)

// A fate is how a dial ended.
type fate uint8

const (
	fateConnected fate = iota
	fateRefused
	fateUnreachable
	fateProhibited
	fateTimeout
	fateGaveUp  // the client did, or its peer was removed
	fateEvicted // gave way to a newer dial; counted there
	fateLocal   // this host has no file, port or memory for it
)

// errDialTimeout is the cause of a dial's context that ran out.
var errDialTimeout = errors.New("no answer within forward.dial_timeout")

// classifyDial says how a dial with ctx that returned err ended, and what its client is told: what
// connect(2) of its own would have told it.
func classifyDial(ctx context.Context, err error) (fate, answer) {
	if err == nil {
		return fateConnected, answerNothing
	}
	if cause := context.Cause(ctx); cause != nil {
		switch {
		case errors.Is(cause, errDialTimeout):
			return fateTimeout, answerNothing
		case errors.Is(cause, errEvicted):
			return fateEvicted, answerNothing
		}
		return fateGaveUp, answerNothing
	}
	switch {
	case errors.Is(err, errOwnAddress):
		return fateProhibited, answerProhibited
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return fateTimeout, answerNothing
	}
	return classifyErrno(err)
}

// classifyErrno does so for the system's error numbers, which mean the same for TCP and UDP.
func classifyErrno(err error) (fate, answer) {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return fateUnreachable, answerNoHost
	}
	switch errno {
	case syscall.ECONNREFUSED, syscall.ECONNRESET:
		return fateRefused, answerRefused
	case syscall.ENETUNREACH, syscall.ENETDOWN:
		return fateUnreachable, answerNoNet
	case syscall.EACCES, syscall.EPERM: // a packet filter of this host
		return fateProhibited, answerProhibited
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EAGAIN:
		return fateLocal, answerNothing
	default: // EHOSTUNREACH, EHOSTDOWN, and what nobody expects
		return fateUnreachable, answerNoHost
	}
}
