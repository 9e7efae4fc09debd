package mmsg

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // bytes
}

// mmsg makes one of the two calls until no signal interrupts it.
func mmsg(trap uintptr, fd int, msgs []mmsghdr) (int, syscall.Errno) {
	for {
		n, _, errno := unix.Syscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])),
			uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// controlWords is the room for three control messages with a number in each, in aligned words: what the kernel
// made of several datagrams, TTL and TOS come in this order (udp_recvmsg of Linux).
const controlWords = 9

// A Receiver is what one goroutine needs to receive, whatever the number of its sockets. It holds pointers
// into itself and must not be copied.
type Receiver struct {
	msgs    [ReceiveBatch]mmsghdr
	iovs    [ReceiveBatch]unix.Iovec
	names   [ReceiveBatch]unix.RawSockaddrInet4
	control [ReceiveBatch][controlWords]uint64
	bufs    [ReceiveBatch][coalescedMax]byte
	out     [segmentsMax]Datagram
}

// NewReceiver makes a Receiver.
func NewReceiver() *Receiver {
	s := new(Receiver)
	for i := range s.msgs {
		s.iovs[i].Base = &s.bufs[i][0]
		s.iovs[i].SetLen(len(s.bufs[i]))
		h := &s.msgs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&s.names[i]))
		h.Iov = &s.iovs[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&s.control[i]))
	}
	return s
}

// Receive takes one batch from the socket and hands it over in its order, perhaps in several calls; the
// datagrams are valid during the call. Errors: EAGAIN if there is none, or that of an earlier datagram.
func (s *Receiver) Receive(fd int, datagrams func([]Datagram)) syscall.Errno {
	for i := range s.msgs {
		h := &s.msgs[i].hdr
		h.Namelen = unix.SizeofSockaddrInet4
		h.SetControllen(int(unsafe.Sizeof(s.control[i])))
		h.Flags = 0
	}
	n, errno := mmsg(unix.SYS_RECVMMSG, fd, s.msgs[:])
	if errno != 0 {
		return errno
	}
	count := 0
	for i := range n {
		size := int(s.msgs[i].n)
		segment, tos := s.parseControl(i)
		if segment <= 0 || segment > size {
			segment = size
		}
		from := netip.AddrPortFrom(netip.AddrFrom4(s.names[i].Addr), networkOrder(s.names[i].Port))
		for at := 0; ; at += segment {
			if count == len(s.out) {
				datagrams(s.out[:count])
				count = 0
			}
			end := min(at+segment, size)
			s.out[count] = Datagram{Payload: s.bufs[i][at:end], Addr: from, TOS: tos}
			count++
			if end == size {
				break
			}
		}
	}
	if count > 0 {
		datagrams(s.out[:count])
	}
	return 0
}

// parseControl returns the size in bytes of the datagrams that the kernel made one of, 0 if it did not, and
// their TOS: it puts together only what has the same.
func (s *Receiver) parseControl(i int) (segment int, tos uint8) {
	end := min(int(s.msgs[i].hdr.Controllen), int(unsafe.Sizeof(s.control[i])))
	for at := 0; at+unix.CmsgLen(1) <= end; {
		h := (*unix.Cmsghdr)(unsafe.Add(unsafe.Pointer(&s.control[i]), at))
		length := int(h.Len)
		if length < unix.CmsgLen(1) || at+length > end {
			break
		}
		value := unsafe.Add(unsafe.Pointer(h), unix.CmsgLen(0))
		switch {
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && length >= unix.CmsgLen(4):
			segment = int(*(*int32)(value))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TOS:
			tos = *(*uint8)(value)
		}
		at += unix.CmsgSpace(length - unix.CmsgLen(0))
	}
	return segment, tos
}

// Buffer is for what else the receiver's goroutine reads; Receive overwrites it.
func (s *Receiver) Buffer() []byte { return s.bufs[0][:] }

// networkOrder turns a port in network byte order, as a number of the machine, into the port.
func networkOrder(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}

// sender is what one call of Send needs.
type sender struct {
	msgs    [SendBatch]mmsghdr
	iovs    [SendBatch]unix.Iovec
	names   [SendBatch]unix.RawSockaddrInet4
	control [SendBatch][controlWords]uint64
	counts  [SendBatch]int // datagrams of each message
	count   int            // messages
}

var senders = sync.Pool{New: func() any { return new(sender) }}

// Send sends the first datagrams, at most SendBatch, and says how many. The error is that of the datagram
// after those; segmented reports that it was one of a run which the kernel was to segment (with gso),
// and that this may be why it failed.
func Send(fd int, ds []Datagram, gso bool) (sent int, segmented bool, errno syscall.Errno) {
	s := senders.Get().(*sender)
	defer senders.Put(s)
	s.pack(ds[:min(len(ds), SendBatch)], gso)
	n, errno := mmsg(unix.SYS_SENDMMSG, fd, s.msgs[:s.count])
	for i := range n {
		sent += s.counts[i]
	}
	return sent, errno != 0 && s.counts[0] > 1, errno
}

// pack makes messages of datagrams: runs of equal size and TOS to one destination, of which the last may be
// shorter, become one.
func (s *sender) pack(ds []Datagram, gso bool) {
	s.count = 0
	for first := 0; first < len(ds); {
		run := 1
		if gso {
			run = segmentRun(ds[first:])
		}
		for i := first; i < first+run; i++ {
			s.iovs[i] = unix.Iovec{}
			if p := ds[i].Payload; len(p) > 0 {
				s.iovs[i].Base = &p[0]
				s.iovs[i].SetLen(len(p))
			}
		}
		s.message(s.count, first, run, &ds[first])
		s.count++
		first += run
	}
}

// message fills message m with run datagrams, whose pieces begin at the given one.
func (s *sender) message(m, piece, run int, d *Datagram) {
	s.counts[m] = run
	s.names[m] = unix.RawSockaddrInet4{
		Family: unix.AF_INET, Port: networkOrder(d.Addr.Port()), Addr: d.Addr.Addr().As4(),
	}
	h := &s.msgs[m].hdr
	*h = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&s.names[m])), Namelen: unix.SizeofSockaddrInet4}
	h.Iov = &s.iovs[piece]
	h.SetIovlen(run)
	if run > 1 {
		*(*uint16)(s.appendControl(m, unix.SOL_UDP, unix.UDP_SEGMENT, 2)) = uint16(len(d.Payload))
	}
	if d.TOS != 0 {
		*(*int32)(s.appendControl(m, unix.IPPROTO_IP, unix.IP_TOS, 4)) = int32(d.TOS)
	}
}

// appendControl adds a control message to message m and returns where its value goes, of that many bytes.
func (s *sender) appendControl(m int, level, typ int32, size int) unsafe.Pointer {
	h := &s.msgs[m].hdr
	at := int(h.Controllen)
	h.Control = (*byte)(unsafe.Pointer(&s.control[m]))
	h.SetControllen(at + unix.CmsgSpace(size))
	c := (*unix.Cmsghdr)(unsafe.Add(unsafe.Pointer(&s.control[m]), at))
	c.Level, c.Type = level, typ
	c.SetLen(unix.CmsgLen(size))
	return unsafe.Add(unsafe.Pointer(c), unix.CmsgLen(0))
}

// segmentRun says how many of the first datagrams the kernel can make of one.
func segmentRun(ds []Datagram) int {
	size := len(ds[0].Payload)
	if size == 0 || size > segmentMax {
		return 1
	}
	run, total := 1, size
	for run < min(len(ds), segmentsMax) {
		d := &ds[run]
		n := len(d.Payload)
		if n == 0 || n > size || d.Addr != ds[0].Addr || d.TOS != ds[0].TOS || total+n > datagramMax {
			break
		}
		total += n
		run++
		if n < size {
			break
		}
	}
	return run
}
