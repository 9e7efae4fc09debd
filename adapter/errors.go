package adapter

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// errnos maps what the layers below report to what a kernel would have reported
// for the same thing. The values exist on every platform; on Windows they are the
// portable ones of package syscall, for which errors.Is works the same.
var errnos = []struct {
	is    error
	errno syscall.Errno
}{
	{tcp.ErrReset, syscall.ECONNRESET},
	{tcp.ErrRefused, syscall.ECONNREFUSED},
	{tcp.ErrTimeout, syscall.ETIMEDOUT},
	{tcp.ErrNetUnreachable, syscall.ENETUNREACH},
	{tcp.ErrHostUnreachable, syscall.EHOSTUNREACH},
	{tcp.ErrProhibited, syscall.EHOSTUNREACH}, // RFC 1122 §3.2.2.1 codes 9, 10; as Linux has it
	{tcp.ErrProtocolUnreachable, syscall.ENOPROTOOPT},
	{tcp.ErrClosing, syscall.EPIPE},
	{tcp.ErrNotConnected, syscall.ENOTCONN},
	{ourstack.ErrLimit, syscall.ENOBUFS},
	{ourstack.ErrAddrInUse, syscall.EADDRINUSE},
	{ourstack.ErrAddrNotAvailable, syscall.EADDRNOTAVAIL},
	{ourstack.ErrUnreachable, syscall.ENETUNREACH},
	{ourstack.ErrMessageTooLong, syscall.EMSGSIZE},
	{ourstack.ErrCanceled, syscall.ECONNABORTED},
}

// systemError translates an error of the stack for the system call named call.
func systemError(call string, err error) error {
	switch {
	case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
		return err // from a gate
	case errors.Is(err, ourstack.ErrClosed), errors.Is(err, tcp.ErrAborted):
		return net.ErrClosed // by Close of the socket or of the Net
	case errors.Is(err, context.Canceled):
		return canceledError{}
	case errors.Is(err, context.DeadlineExceeded):
		return timeoutError{}
	}
	if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // our own, not wrapped yet
		return os.NewSyscallError(call, errno)
	}
	for i := range errnos {
		if errors.Is(err, errnos[i].is) {
			return os.NewSyscallError(call, errnos[i].errno)
		}
	}
	return err
}

// opError wraps err as package net does. Its system call has the name of the
// operation, except where they differ. A nil error and io.EOF stay as they are.
func opError(op, network string, source, addr net.Addr, err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // end of stream is bare by contract
		return err
	}
	call := op
	if op == "dial" {
		call = "connect"
	}
	return &net.OpError{Op: op, Net: network, Source: source, Addr: addr, Err: systemError(call, err)}
}

// timeoutError is what a dial or lookup returns when its context's deadline
// passed. Package net has the same, unexported.
type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// Is makes it match context.DeadlineExceeded, as in package net, and
// os.ErrDeadlineExceeded.
func (timeoutError) Is(err error) bool {
	return err == context.DeadlineExceeded || err == os.ErrDeadlineExceeded //nolint:errorlint // identity is the question
}

// canceledError is what a dial or lookup returns when its context was canceled.
type canceledError struct{}

func (canceledError) Error() string { return "operation was canceled" }

// Is makes it match context.Canceled, as in package net.
func (canceledError) Is(err error) bool {
	return err == context.Canceled //nolint:errorlint // identity is the question
}

// Faults of arguments, with the texts of package net.
var (
	errMissingAddress    = errors.New("missing address")
	errNoSuitableAddress = errors.New("no suitable address found")
)

// errInvalidWrite is the fault of a writer, with the text of package io.
var errInvalidWrite = errors.New("invalid write result")
