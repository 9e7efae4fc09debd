package ourstack

import (
	"net/netip"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// Datagram is one datagram of a batch.
type Datagram struct {
	Payload []byte
	// From and To are source and destination.
	From, To netip.AddrPort
	// TTL and TOS are those of the packet that it came in. DF: it must not be fragmented, which is never
	// true of one that came in fragments. TOS and DF are heeded when it is written, too.
	TTL, TOS uint8
	DF       bool

	buf *packetBuf // of one that was read, until ReleaseBatch
}

// ReadBatch moves the oldest datagrams to ds and returns how many, without copying them: their payload
// belongs to the caller until ReleaseBatch. ICMP errors about single datagrams are passed over. It is
// 0 without an error if there is none now. Errors: ErrClosed.
func (u *UDPSocket) ReadBatch(ds []Datagram) (n int, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return 0, ErrClosed
	}
	for n < len(ds) {
		r, ok := u.in.pop()
		if !ok {
			break
		}
		if r.err != nil {
			continue
		}
		ds[n] = Datagram{
			From: addrPort(r.from), To: addrPort(r.to), TTL: r.ttl, TOS: r.tos, DF: r.df, buf: r.buf,
		}
		if r.buf != nil {
			ds[n].Payload = r.buf.b
		}
		n++
	}
	return n, nil
}

// ReleaseBatch gives the payloads of datagrams that ReadBatch returned back. It may be called after
// Close, and again for the same ones, for which it then does nothing.
func (u *UDPSocket) ReleaseBatch(ds []Datagram) {
	for i := range ds {
		if ds[i].buf != nil {
			u.stack.packets.put(ds[i].buf)
		}
		ds[i].buf, ds[i].Payload = nil, nil
	}
}

// WriteBatch queues datagrams as WriteTo does, in their order, and wakes the reader once. It returns how
// many were queued; one that cannot be is lost, and those after it are tried all the same. One with DF that
// is larger than the MTU counts as queued, because it is lost as on any path that is too narrow for it.
func (u *UDPSocket) WriteBatch(now tcp.Instant, ds []Datagram) (queued int) {
	wake := false
	for i := range ds {
		d, err := u.compose(ds[i].Payload, ds[i].From, ds[i].To)
		if err != nil {
			continue
		}
		d.tos, d.df = ds[i].TOS, ds[i].DF
		if d.df && wire.IPv4MinHeaderLen+len(d.buf.b) > u.stack.mtuTo(d.dst) {
			u.stack.packets.put(d.buf)
			u.stack.counters.drops.own[dropUDPTooBig].Add(1)
			queued++
			continue
		}
		first, err := u.out.enqueue(d)
		if err != nil {
			u.stack.packets.put(d.buf)
			continue
		}
		wake = wake || first
		queued++
	}
	if wake {
		u.stack.wake()
	}
	if queued > 0 {
		u.wrote(now, queued)
	}
	return queued
}

// compose makes the UDP datagram of a payload.
func (u *UDPSocket) compose(p []byte, from, to netip.AddrPort) (datagram, error) {
	if len(p) > maxUDPPayload {
		return datagram{}, ErrMessageTooLong
	}
	dst, err := u.destination(to)
	if err != nil {
		return datagram{}, err
	}
	src, err := u.source(from, dst)
	if err != nil {
		return datagram{}, err
	}
	buf := u.stack.packets.get(wire.UDPHeaderLen + len(p))
	if buf == nil {
		return datagram{}, ErrLimit
	}
	h := wire.UDP{SrcPort: src.Port, DstPort: dst.Port, Payload: p}
	h.Put(buf.b)
	wire.SetUDPChecksum(src.Addr, dst.Addr, buf.b)
	return datagram{buf: buf, src: src.Addr, dst: dst.Addr, protocol: wire.ProtoUDP}, nil
}

// wrote counts datagrams that were queued.
func (u *UDPSocket) wrote(now tcp.Instant, n int) {
	u.stack.counters.udpOut.Add(uint64(n))
	u.mu.Lock()
	u.lastOut = now
	u.mu.Unlock()
}
