//go:build unix

package adapter

import (
	"io"
	"net"
	"syscall"
)

// A StreamSocket is a connected OS socket of a stream, or of a type that has one and adds nothing to what
// read(2) on it means. Its descriptor must not block.
type StreamSocket interface {
	syscall.Conn
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// Source is a socket from which ReadStep reads. It has one user at a time.
type Source struct {
	copy  socketCopy
	raw   syscall.RawConn
	empty bool // what the last step found
	step  func(fd uintptr) bool
}

// A VectorRead is readv(2): it reads into one slice after the other. The standard library has none.
type VectorRead func(fd int, p [][]byte) (n int, err error)

// NewSource prepares src for ReadStep of c; it fails if src is closed. With readv, which may be nil, a step
// needs fewer system calls.
func (c *TCPConn) NewSource(src StreamSocket, readv VectorRead) (*Source, error) {
	raw, err := src.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &Source{copy: socketCopy{conn: c, src: src, readv: readv}, raw: raw}
	s.step = func(fd uintptr) bool {
		s.empty = !s.copy.step(fd)
		return true // never wait
	}
	return s, nil
}

// ReadStep is one turn of ReadFrom: it reads up to 128 KiB from the socket straight into the send
// buffer. It does not wait. It returns nil if there may be more, ErrNotReady, ErrNoRoom, io.EOF at the
// end of the source, or an error of the source or of the connection.
func (s *Source) ReadStep() error {
	s.copy.full = false
	if err := s.raw.Read(s.step); err != nil {
		return s.copy.sourceError(err)
	}
	switch {
	case s.copy.err != nil:
		return s.copy.err
	case s.copy.done:
		return io.EOF
	case s.copy.full:
		return ErrNoRoom
	case s.empty:
		return ErrNotReady
	}
	return nil
}
