package adapter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

func TestSystemError(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		in, is error
	}{
		{tcp.ErrReset, syscall.ECONNRESET},
		{tcp.ErrRefused, syscall.ECONNREFUSED},
		{tcp.ErrTimeout, syscall.ETIMEDOUT},
		{tcp.ErrNetUnreachable, syscall.ENETUNREACH},
		{tcp.ErrHostUnreachable, syscall.EHOSTUNREACH},
		{tcp.ErrProhibited, syscall.EHOSTUNREACH},
		{tcp.ErrClosing, syscall.EPIPE},
		{ourstack.ErrAddrInUse, syscall.EADDRINUSE},
		{ourstack.ErrAddrNotAvailable, syscall.EADDRNOTAVAIL},
		{ourstack.ErrMessageTooLong, syscall.EMSGSIZE},
		{fmt.Errorf("wrapped: %w", tcp.ErrReset), syscall.ECONNRESET},
		{syscall.EINVAL, syscall.EINVAL},
	} {
		err := systemError("call", tt.in)
		var se *os.SyscallError
		if !errors.As(err, &se) || se.Syscall != "call" || !errors.Is(err, tt.is) {
			t.Errorf("%v: %#v, want os.SyscallError with %v", tt.in, err, tt.is)
		}
	}
	for _, tt := range []struct {
		in, is error
	}{
		{ourstack.ErrClosed, net.ErrClosed},
		{tcp.ErrAborted, net.ErrClosed},
		{net.ErrClosed, net.ErrClosed},
		{os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		{context.Canceled, context.Canceled},
		{context.DeadlineExceeded, context.DeadlineExceeded},
		{context.DeadlineExceeded, os.ErrDeadlineExceeded},
		{boom, boom},
	} {
		if err := systemError("call", tt.in); !errors.Is(err, tt.is) {
			t.Errorf("%v: %#v, want %v", tt.in, err, tt.is)
		}
	}
}

func TestOpErrorLooksLikePackageNet(t *testing.T) {
	a := &net.TCPAddr{IP: net.IPv4(10, 8, 0, 1), Port: 1}
	b := &net.TCPAddr{IP: net.IPv4(10, 8, 0, 2), Port: 2}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{opError("dial", "tcp", nil, b, tcp.ErrRefused), "dial tcp 10.8.0.2:2: connect: connection refused"},
		{opError("read", "tcp", a, b, tcp.ErrReset), "read tcp 10.8.0.1:1->10.8.0.2:2: read: connection reset by peer"},
		{opError("write", "tcp", a, b, tcp.ErrClosing), "write tcp 10.8.0.1:1->10.8.0.2:2: write: broken pipe"},
		{opError("read", "tcp", a, b, net.ErrClosed), "read tcp 10.8.0.1:1->10.8.0.2:2: use of closed network connection"},
		{opError("read", "tcp", a, b, os.ErrDeadlineExceeded), "read tcp 10.8.0.1:1->10.8.0.2:2: i/o timeout"},
		{opError("dial", "tcp", nil, b, context.DeadlineExceeded), "dial tcp 10.8.0.2:2: i/o timeout"},
		{opError("dial", "tcp", nil, b, context.Canceled), "dial tcp 10.8.0.2:2: operation was canceled"},
	} {
		if tt.err.Error() != tt.want {
			t.Errorf("got  %s\nwant %s", tt.err, tt.want)
		}
	}
	if err := opError("read", "tcp", a, b, io.EOF); err != io.EOF { //nolint:errorlint // bare by contract
		t.Errorf("io.EOF became %v", err)
	}
	if err := opError("read", "tcp", a, b, nil); err != nil {
		t.Errorf("nil became %v", err)
	}
	var ne interface{ Timeout() bool } // and Temporary, as package net still has it
	err := opError("dial", "tcp", nil, b, context.DeadlineExceeded)
	if !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("%v is no time-out", err)
	}
	if _, ok := ne.(interface{ Temporary() bool }); !ok {
		t.Errorf("%T has no Temporary", ne)
	}
}
