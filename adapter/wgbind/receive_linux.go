package wgbind

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
)

// A receiver is what a socket is read with. Its parts are pointed to by the kernel's structures
// and so never move.
type receiver struct {
	mu     sync.Mutex // held during a call
	socket *socket
	guess  guess
	cache  endpointCache

	hdrs    []mmsghdr
	iovs    [batchSize + batchSize]unix.Iovec // a buffer each, and a spill for each message
	names   [batchSize][sockaddrLen]byte
	control []byte   // controlSize for each message
	spills  [][]byte // of datagramMax bytes; made when first needed
	scratch []byte   // of datagramMax bytes; made when first needed

	// What was received but did not fit the caller's buffers; next calls return it.
	pending []pendingPacket

	call  func(fd uintptr) bool // recvmmsg, kept so that a call allocates nothing
	n     int
	errno syscall.Errno
}

type pendingPacket struct {
	data []byte
	from *endpoint
}

func newReceiver(s *socket) *receiver {
	r := &receiver{socket: s, guess: newGuess()}
	r.call = func(fd uintptr) bool {
		r.n, r.errno = recvmmsg(fd, r.hdrs)
		return r.errno != unix.EAGAIN
	}
	messages := batchSize
	if s.grown {
		messages = messagesMax
	}
	r.hdrs = make([]mmsghdr, 0, messages)
	r.control = make([]byte, messages*controlSize)
	r.spills = make([][]byte, messages)
	return r
}

// receiveIPv4 and receiveIPv6 have names by which wireguard-go's log tells them apart.
func (r *receiver) receiveIPv4(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	return r.receive(bufs, sizes, eps)
}

func (r *receiver) receiveIPv6(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	return r.receive(bufs, sizes, eps)
}

// receive is a conn.ReceiveFunc. Buffers among the first n that it leaves empty have size 0.
func (r *receiver) receive(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	bufs = bufs[:min(len(bufs), batchSize)]
	if len(r.pending) > 0 {
		return r.deliverPending(bufs, sizes, eps), nil
	}
	per := 1 // buffers for each message
	if r.socket.grown {
		per = min(r.guess.buffers, len(bufs))
	}
	r.prepare(bufs, per)
	if err := r.read(); err != nil {
		return 0, err
	}
	return r.deliver(bufs, per, sizes, eps)
}

// prepare points the kernel's structures at bufs, per of them for each message.
func (r *receiver) prepare(bufs [][]byte, per int) {
	messages := min(len(bufs)/per, cap(r.hdrs))
	r.hdrs = r.hdrs[:messages]
	iovs := r.iovs[:0]
	for i := range r.hdrs {
		first := len(iovs)
		for _, b := range bufs[i*per:][:per] {
			if r.socket.grown {
				b = b[:min(len(b), r.guess.stride)]
			}
			iov := unix.Iovec{Base: &b[0]}
			iov.SetLen(len(b))
			iovs = append(iovs, iov)
		}
		if r.socket.grown && per*r.guess.stride < datagramMax {
			if r.spills[i] == nil {
				r.spills[i] = make([]byte, datagramMax)
			}
			iov := unix.Iovec{Base: &r.spills[i][0]}
			iov.SetLen(datagramMax)
			iovs = append(iovs, iov)
		}
		r.hdrs[i].set(r.names[i][:], iovs[first:], r.control[i*controlSize:][:controlSize])
	}
}

// read receives at least one message, or fails.
func (r *receiver) read() error {
	if err := r.socket.raw.Read(r.call); err != nil {
		if errors.Is(err, net.ErrClosed) {
			return net.ErrClosed
		}
		return err
	}
	if r.errno != 0 {
		return os.NewSyscallError("recvmmsg", r.errno)
	}
	return nil
}

// deliver says where in bufs the packets lie that read has received.
func (r *receiver) deliver(bufs [][]byte, per int, sizes []int, eps []conn.Endpoint) (count int, err error) {
	stride, most := r.guess.stride, 0
	for i := range r.hdrs[:r.n] {
		h := &r.hdrs[i]
		own, n := bufs[i*per:][:per], int(h.n)
		clear(sizes[i*per:][:per])
		src, segment := parseControl(r.control[i*controlSize:][:int(h.hdr.Controllen)])
		dst, scope, err := parseSockaddr(r.names[i][:h.hdr.Namelen])
		if err != nil || n == 0 || h.hdr.Flags&unix.MSG_TRUNC != 0 {
			continue // no packet of WireGuard's
		}
		from := r.cache.find(origin{dst, scope, src})
		s := scattered{own, min(stride, len(own[0])), r.spills[i], n}
		if segment == 0 || segment > n {
			segment = n
		}
		most = max(most, segments(n, segment))
		switch {
		case !r.socket.grown:
			sizes[i], eps[i] = n, from
		case len(r.pending) == 0 && s.inPlace(segment):
			for k := range segments(n, segment) {
				sizes[i*per+k], eps[i*per+k] = min(segment, n-k*segment), from
			}
		default:
			r.resplit(&s, segment, from, sizes[i*per:], eps[i*per:])
		}
		if r.socket.grown {
			r.guess.note(n, segment)
		}
		count = min((i+1)*per, len(bufs))
	}
	if r.n == len(r.hdrs) {
		r.guess.noteCall(most)
	}
	return count, nil
}

// resplit puts the segments of s where they should be: into the buffers of its message, and if those do
// not hold all of them, or if something waits already, which must come first, into pending.
func (r *receiver) resplit(s *scattered, segment int, from *endpoint, sizes []int, eps []conn.Endpoint) {
	if r.scratch == nil {
		r.scratch = make([]byte, datagramMax)
	}
	whole := s.gather(r.scratch)
	k := 0
	for ; len(whole) > 0 && k < len(s.bufs) && len(r.pending) == 0; k++ {
		n := copy(s.bufs[k], whole[:min(segment, len(whole))])
		sizes[k], eps[k] = n, from
		whole = whole[min(segment, len(whole)):]
	}
	if len(whole) == 0 {
		return
	}
	whole = append([]byte(nil), whole...)
	for len(whole) > 0 {
		n := min(segment, len(whole))
		r.pending = append(r.pending, pendingPacket{whole[:n], from})
		whole = whole[n:]
	}
}

// deliverPending copies what waits into bufs.
func (r *receiver) deliverPending(bufs [][]byte, sizes []int, eps []conn.Endpoint) int {
	n := min(len(bufs), len(r.pending))
	for i, p := range r.pending[:n] {
		sizes[i], eps[i] = copy(bufs[i], p.data), p.from
	}
	rest := copy(r.pending, r.pending[n:])
	clear(r.pending[rest:])
	r.pending = r.pending[:rest]
	return n
}
