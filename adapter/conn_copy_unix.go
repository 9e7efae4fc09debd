//go:build unix

package adapter

import (
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"syscall"

	"vpngw/ourstack"
)

// readRun is how many blocks one turn of a socket copy fills at most, so that other
// writers of the connection get their turn.
const readRun = 16

// socketCopy is the state of one ReadFrom from a socket. Its step method runs
// inside the runtime's poller of the source, which therefore must not wait for
// anything: closing the source waits for it.
type socketCopy struct {
	conn  *TCPConn
	src   streamSocket
	limit *int64 // bytes still wanted; nil: all
	total int64

	full bool  // no room in the send buffer, or it is another writer's turn
	done bool  // end of the source, or limit reached
	err  error // of the source or of the connection
}

// streamSocket is an OS socket whose Read has no meaning of its own.
type streamSocket interface {
	syscall.Conn
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// readFromSocket does the work of ReadFrom for sources that are stream sockets of
// package net. ok is false for all others.
func (c *TCPConn) readFromSocket(r io.Reader, limit *int64) (n int64, err error, ok bool) {
	src, ok := asStreamSocket(r)
	if !ok {
		return 0, nil, false
	}
	raw, err := src.SyscallConn()
	if err != nil {
		return 0, nil, false // Read will say it better
	}
	s := &socketCopy{conn: c, src: src, limit: limit}
	step := s.step
	for {
		s.full = false
		if err := raw.Read(step); err != nil {
			return s.total, s.sourceError(err), true
		}
		if s.done || s.err != nil {
			return s.total, s.err, true
		}
		if s.full {
			if err := c.waitRoom(); err != nil {
				return s.total, err, true
			}
		}
	}
}

// asStreamSocket recognises the sockets of package net. A type from elsewhere that
// embeds one may read differently, and is left alone. By its package it also
// recognises the wrapper in which (*net.TCPConn).WriteTo, and so io.Copy, passes itself.
func asStreamSocket(r io.Reader) (streamSocket, bool) {
	s, ok := r.(streamSocket)
	if !ok {
		return nil, false
	}
	t := reflect.TypeOf(r)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.PkgPath() != "net" || s.LocalAddr() == nil {
		return nil, false
	}
	switch s.LocalAddr().Network() {
	case "tcp", "unix":
		return s, true
	}
	return nil, false
}

// step moves what the source has now. It returns false to wait until the source is
// readable.
func (s *socketCopy) step(fd uintptr) bool {
	turn, err := s.conn.wr.tryAcquire()
	if err != nil {
		s.err = s.conn.opError("write", err)
		return true
	}
	if !turn {
		s.full = true
		return true
	}
	defer s.conn.wr.release()
	for range readRun {
		switch s.fillBlock(int(fd)) {
		case sourceEmpty:
			return false
		case sourceStop:
			return true
		}
	}
	return true
}

// What fillBlock found.
type sourceState uint8

const (
	sourceMore  sourceState = iota // there may be more to read
	sourceEmpty                    // nothing just now
	sourceStop                     // end, error, or no room
)

// fillBlock reads once, into room in the send buffer.
func (s *socketCopy) fillBlock(fd int) sourceState {
	room, err := s.room()
	if room == nil {
		s.err = err
		return sourceStop
	}
	n, rerr := readRetry(fd, room)
	if err := s.conn.conn.CommitWrite(s.conn.net.now(), n); err != nil {
		s.err = s.conn.opError("write", err)
		return sourceStop
	}
	s.total += int64(n)
	if s.limit != nil {
		*s.limit -= int64(n)
	}
	switch {
	case errors.Is(rerr, syscall.EAGAIN):
		return sourceEmpty
	case rerr != nil:
		s.err = s.sourceError(os.NewSyscallError("read", rerr))
		return sourceStop
	case n == 0:
		s.done = true
		return sourceStop
	}
	return sourceMore
}

// room returns where to read to; nil ends the step, with or without an error.
func (s *socketCopy) room() ([]byte, error) {
	if s.limit != nil && *s.limit <= 0 {
		s.done = true
		return nil, nil
	}
	room, err := s.conn.conn.WriteSpace()
	if errors.Is(err, ourstack.ErrWouldBlock) {
		s.full = true
		return nil, nil
	}
	if err != nil {
		return nil, s.conn.opError("write", err)
	}
	if s.limit != nil && int64(len(room)) > *s.limit {
		room = room[:*s.limit]
	}
	return room, nil
}

// readRetry is read(2) without interruptions. n is never negative.
func readRetry(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, p)
		if err != syscall.EINTR { //nolint:errorlint // an Errno
			return max(n, 0), err
		}
	}
}

// sourceError is how Read of the source would have reported err.
func (s *socketCopy) sourceError(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	network := s.src.LocalAddr().Network()
	return &net.OpError{Op: "read", Net: network, Source: s.src.LocalAddr(), Addr: s.src.RemoteAddr(), Err: err}
}
