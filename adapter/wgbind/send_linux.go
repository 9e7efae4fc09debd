package wgbind

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
)

// A sender is what one Send works with.
type sender struct {
	hdrs    [batchSize]mmsghdr
	iovs    [batchSize]unix.Iovec
	first   [batchSize + 1]int // index of the first packet of each message, and of none
	control [batchSize * controlMax]byte

	todo  []mmsghdr
	call  func(fd uintptr) bool // sendmmsg, kept so that a call allocates nothing
	n     int
	errno syscall.Errno
}

// controlMax is controlSize as a constant, rounded up.
const controlMax = 64

func newSender() *sender {
	s := &sender{}
	s.call = func(fd uintptr) bool {
		s.n, s.errno = sendmmsg(fd, s.todo)
		return s.errno != unix.EAGAIN
	}
	return s
}

// Send sends packets to a peer, in their order, and blocks while the socket's buffer is full. If it
// fails, the packets before the one that could not be sent have left.
func (b *bind) Send(bufs [][]byte, to conn.Endpoint) error {
	e, ok := to.(*endpoint)
	if !ok {
		return conn.ErrWrongEndpointType
	}
	sock, payloadMax := b.v4.Load(), datagramMax-20
	if e.dst.Addr().Is6() {
		sock, payloadMax = b.v6.Load(), datagramMax
	}
	if sock == nil {
		return syscall.EAFNOSUPPORT
	}
	s, ok := b.senders.Get().(*sender)
	if !ok {
		s = newSender()
	}
	defer b.senders.Put(s)
	for len(bufs) > 0 {
		n := min(len(bufs), batchSize)
		if err := s.send(sock, bufs[:n], e, payloadMax); err != nil {
			return err
		}
		bufs = bufs[n:]
	}
	return nil
}

// send sends up to batchSize packets. Where the kernel refuses, it tries again with less: without
// segments, then without the source.
func (s *sender) send(sock *socket, bufs [][]byte, e *endpoint, payloadMax int) error {
	defer clear(s.iovs[:len(bufs)]) // or a sender that nobody uses would keep buffers alive
	segment := sock.segment.Load() && !e.whole.Load()
	for {
		src := e.src.Load()
		messages := s.prepare(bufs, e, src, segment, payloadMax)
		done, err := s.write(sock, messages)
		if err == nil {
			return nil
		}
		bufs = bufs[s.first[done]:]
		switch {
		case segment && err == unix.EIO:
			// The driver does not sum checksums, which UDP_SEGMENT needs: udp(7).
			sock.segment.Store(false)
			segment = false
		case segment && (err == unix.EINVAL || err == unix.EMSGSIZE) && s.first[done+1]-s.first[done] > 1:
			// The segments are longer than the path's MTU. Alone each may be fragmented.
			e.whole.Store(true)
			segment = false
		case src != nil && sourceRefused(err):
			e.src.CompareAndSwap(src, nil)
		default:
			return sendError(err)
		}
	}
}

// sendError names the call where the system refuses.
func sendError(err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		return os.NewSyscallError("sendmmsg", errno)
	}
	return err
}

// sourceRefused reports whether an address or interface that is gone may be why the kernel refuses
// to send.
func sourceRefused(err error) bool {
	switch err {
	case unix.EINVAL, unix.ENODEV, unix.ENETUNREACH, unix.EADDRNOTAVAIL, unix.ENXIO:
		return true
	}
	return false
}

// prepare makes messages of packets, and returns how many. With segment, a run of packets of one
// length, of which the last may be shorter, is one message.
func (s *sender) prepare(bufs [][]byte, e *endpoint, src *source, segment bool, payloadMax int) (messages int) {
	for i := 0; i < len(bufs); {
		length, total, start := len(bufs[i]), 0, i
		for i < len(bufs) {
			n := len(bufs[i])
			if i > start && (!segment || n > length || n == 0 || total+n > payloadMax || i-start == segmentsMax) {
				break
			}
			if n > 0 {
				s.iovs[i].Base = &bufs[i][0]
			}
			s.iovs[i].SetLen(n)
			total += n
			i++
			if n < length {
				break // a shorter one is the last
			}
		}
		control := s.control[messages*controlMax:][:0:controlMax]
		if src != nil {
			control = appendSource(control, *src)
		}
		if i-start > 1 {
			control = appendSegment(control, length)
		}
		s.hdrs[messages].set(e.name[:e.nameLen], s.iovs[start:i], control)
		s.first[messages] = start
		messages++
	}
	s.first[messages] = len(bufs)
	return messages
}

// write sends the messages that prepare made, and returns how many have left. An error is a
// syscall.Errno or net.ErrClosed.
func (s *sender) write(sock *socket, messages int) (done int, err error) {
	for done < messages {
		s.todo = s.hdrs[done:messages]
		if err := sock.raw.Write(s.call); err != nil {
			return done, net.ErrClosed
		}
		if s.errno != 0 {
			return done, s.errno
		}
		done += s.n
	}
	return done, nil
}
