//go:build unix

package adapter

import (
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"sync"
	"syscall"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

const (
	// readRun is how many bytes one turn of a socket copy reads at most, so that other writers of the
	// connection get their turn.
	readRun = 128 << 10
	// readSlices is how many slices, each at most one tcp.Block of 8 KiB, one call reads into at most. At
	// 64 KiB the call itself costs a tenth of the copying that it does.
	readSlices = 8
)

// socketCopy is the state of one ReadFrom from a socket. Its step method runs
// inside the runtime's poller of the source, which therefore must not wait for
// anything: closing the source waits for it.
type socketCopy struct {
	conn  *TCPConn
	src   StreamSocket
	readv VectorRead // nil: read(2), a block for each call
	limit *int64     // bytes still wanted; nil: all. It goes without readv.
	total int64
	ask   int // slices that the next readv gets; 0 is 1

	full bool  // no room in the send buffer, or it is another writer's turn
	done bool  // end of the source, or limit reached
	err  error // of the source or of the connection
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
func asStreamSocket(r io.Reader) (StreamSocket, bool) {
	s, ok := r.(StreamSocket)
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
	for start := s.total; s.total-start < readRun; {
		switch s.fill(int(fd)) {
		case sourceEmpty:
			return false
		case sourceStop:
			return true
		}
	}
	return true
}

// What fill found.
type sourceState uint8

const (
	sourceMore  sourceState = iota // there may be more to read
	sourceEmpty                    // nothing just now
	sourceStop                     // end, error, or no room
)

// incoming is where a call reads to; it is pooled, so that a source without data does not hold it.
type incoming struct{ room [readSlices][]byte }

var incomings = sync.Pool{New: func() any { return new(incoming) }}

// fill reads once, into room in the send buffer.
func (s *socketCopy) fill(fd int) sourceState {
	in := incomings.Get().(*incoming)
	defer in.release()
	room, wanted, err := s.room(in)
	if wanted == 0 {
		s.err = err
		return sourceStop
	}
	n, rerr := s.read(fd, room)
	if n > 0 {
		// What came now is what is likely to come next; a call that was filled says at least that.
		s.ask = n/tcp.BlockSize + 1
		if n == wanted {
			s.ask = 2 * len(room)
		}
	}
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

func (in *incoming) release() {
	clear(in.room[:])
	incomings.Put(in)
}

// room returns where to read to and how many bytes that are; 0 ends the step, with or without an error.
func (s *socketCopy) room(in *incoming) (room [][]byte, n int, err error) {
	if s.limit != nil && *s.limit <= 0 {
		s.done = true
		return nil, 0, nil
	}
	slices := 1
	if s.readv != nil {
		slices = max(1, min(s.ask, readSlices))
	}
	room, err = s.conn.conn.WriteSpace(in.room[:0:slices])
	if errors.Is(err, ourstack.ErrWouldBlock) {
		s.full = true
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, s.conn.opError("write", err)
	}
	if s.limit != nil && int64(len(room[0])) > *s.limit {
		room[0] = room[0][:*s.limit]
	}
	for _, p := range room {
		n += len(p)
	}
	return room, n, nil
}

// read is read(2) or readv(2) without interruptions. n is never negative.
func (s *socketCopy) read(fd int, room [][]byte) (n int, err error) {
	for {
		if len(room) == 1 {
			n, err = syscall.Read(fd, room[0])
		} else {
			n, err = s.readv(fd, room)
		}
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
