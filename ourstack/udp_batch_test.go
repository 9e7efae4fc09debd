package ourstack

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"vpngw/ourstack/wire"
)

// acceptFlow makes the forwarded flow of clientEnd with one datagram, which is read.
func acceptFlow(t testing.TB, h *host, reqs *[]*UDPRequest) *UDPSocket {
	t.Helper()
	h.recv(udpDatagram(clientEnd, "192.0.2.1:53", []byte("first")))
	u, err := (*reqs)[len(*reqs)-1].Accept(h.now())
	if err != nil {
		t.Fatal(err)
	}
	read(u)
	return u
}

// TestUDPReadBatch: in order, with what the packets said, and nothing is held after the release.
func TestUDPReadBatch(t *testing.T) {
	h, reqs := forwardingUDP(t)
	u := acceptFlow(t, h, reqs)
	pkts := [][]byte{
		udpDatagram(clientEnd, "192.0.2.1:53", []byte("a")),
		udpDatagram(clientEnd, "192.0.2.2:54", nil),
		udpDatagram(clientEnd, "192.0.2.1:53", pattern(1300, 1)),
	}
	var ip wire.IPv4
	if ip.Parse(pkts[0]) != wire.OK {
		t.Fatal("not a packet")
	}
	ip.DF, ip.TTL, ip.TOS = true, 7, 0xB8
	pkts[0] = ipPacket(ip, ip.Payload)
	calls := 0
	u.SetNotify(func(Event) { calls++ })
	h.recv(pkts...)
	if calls != 1 {
		t.Errorf("told %d times of one run", calls)
	}
	ds := make([]Datagram, 2)
	n, err := u.ReadBatch(ds)
	if n != 2 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if d := ds[0]; string(d.Payload) != "a" || d.From != ap(clientEnd) || d.To != ap("192.0.2.1:53") || d.TTL != 7 || d.TOS != 0xB8 || !d.DF {
		t.Errorf("%+v", d)
	}
	if d := ds[1]; len(d.Payload) != 0 || d.To != ap("192.0.2.2:54") || d.TTL != 64 || d.DF {
		t.Errorf("%+v", d)
	}
	u.ReleaseBatch(ds)
	u.ReleaseBatch(ds) // again: nothing
	if n, err = u.ReadBatch(ds); n != 1 || err != nil || !bytes.Equal(ds[0].Payload, pattern(1300, 1)) {
		t.Fatalf("%d, %v", n, err)
	}
	u.Close()
	if calls != 2 {
		t.Error("Close told nobody")
	}
	u.ReleaseBatch(ds[:1])
	if _, err := u.ReadBatch(ds); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if m := h.s.Stats().DatagramMemory; m != 0 {
		t.Errorf("%d bytes are left", m)
	}
}

// TestUDPRunIsToldBeforeItsQueueIsFull: a batch larger than the queue is read in time.
func TestUDPRunIsToldBeforeItsQueueIsFull(t *testing.T) {
	h, reqs := forwardingUDP(t, func(c *Config) { c.Limits.UDPReceiveQueue = 20_000 })
	u := acceptFlow(t, h, reqs)
	got := 0
	ds := make([]Datagram, 64)
	u.SetNotify(func(Event) {
		n, _ := u.ReadBatch(ds)
		u.ReleaseBatch(ds[:n])
		got += n
	})
	var pkts [][]byte
	for range 128 {
		pkts = append(pkts, udpDatagram(clientEnd, "192.0.2.1:53", make([]byte, 1300)))
	}
	h.recv(pkts...)
	if got != len(pkts) {
		t.Errorf("%d datagrams of %d", got, len(pkts))
	}
}

// TestUDPWriteBatch: one wake, in order, and what cannot be sent is left out.
func TestUDPWriteBatch(t *testing.T) {
	h, reqs := forwardingUDP(t, func(c *Config) { c.Limits.UDPSendQueue = 5 * (500 + wire.UDPHeaderLen + datagramOverhead) })
	u := acceptFlow(t, h, reqs)
	h.wakes.Store(0)
	from := ap("192.0.2.1:53")
	ds := []Datagram{
		{Payload: make([]byte, 1), From: from}, {Payload: make([]byte, 2)}, // without a source
		{Payload: make([]byte, 65508), From: from}, {Payload: make([]byte, 3), From: from},
	}
	if n := u.WriteBatch(h.now(), ds); n != 2 || h.wakes.Load() != 1 {
		t.Errorf("%d queued, %d wakes", n, h.wakes.Load())
	}
	h.want("in order", "192.0.2.1:53 > "+clientEnd+" udp (1)", "192.0.2.1:53 > "+clientEnd+" udp (3)")
	ds = ds[:0]
	for range 10 {
		ds = append(ds, Datagram{Payload: make([]byte, 500), From: from})
	}
	if n := u.WriteBatch(h.now(), ds); n != 5 {
		t.Errorf("%d queued of a queue for 5", n)
	}
	h.packets()
	u.Close()
	if n := u.WriteBatch(h.now(), ds); n != 0 {
		t.Errorf("%d queued after Close", n)
	}
	if m := h.s.Stats().DatagramMemory; m != 0 {
		t.Errorf("%d bytes are left", m)
	}
}

// TestUDPWriteBatchHeedsTOSAndDF: with DF, what does not fit is lost, not cut.
func TestUDPWriteBatchHeedsTOSAndDF(t *testing.T) {
	h, reqs := forwardingUDP(t)
	u := acceptFlow(t, h, reqs)
	from := ap("192.0.2.1:53")
	fits := h.s.cfg.MTU - wire.IPv4MinHeaderLen - wire.UDPHeaderLen
	ds := []Datagram{
		{Payload: make([]byte, fits), From: from, TOS: 0xB9, DF: true},
		{Payload: make([]byte, fits+1), From: from, DF: true},
		{Payload: make([]byte, fits+1), From: from, TOS: 0x02},
	}
	if n := u.WriteBatch(h.now(), ds); n != len(ds) {
		t.Errorf("%d queued", n)
	}
	var got []wire.IPv4
	for _, p := range h.packets() {
		var ip wire.IPv4
		if e := ip.Parse(p); e != wire.OK {
			t.Fatal(e)
		}
		got = append(got, ip)
	}
	if len(got) != 3 {
		t.Fatalf("%d packets", len(got))
	}
	if ip := got[0]; !ip.DF || ip.TOS != 0xB9 || ip.TotalLen != h.s.cfg.MTU {
		t.Errorf("with DF: %+v", ip)
	}
	for i, ip := range got[1:] {
		if ip.DF || ip.TOS != 2 || ip.MF != (i == 0) {
			t.Errorf("fragment %d: %+v", i, ip)
		}
	}
	stats := h.s.Stats()
	if n := stats.Drops[dropUDPTooBig.String()]; n != 1 || stats.DatagramMemory != 0 {
		t.Errorf("%d counted, %d bytes left", n, stats.DatagramMemory)
	}
}

// TestOneClientsManyFlowsLeaveRoom: ten thousand sockets of one client; another goes on.
func TestOneClientsManyFlowsLeaveRoom(t *testing.T) {
	h, reqs := forwardingUDP(t, func(c *Config) { c.Limits.UDPSocketsPerRemote = 10_000 })
	u := acceptFlow(t, h, reqs)
	for i := range 10_500 {
		h.recv(udpDatagram(fmt.Sprintf("10.8.0.9:%d", 1+i), "192.0.2.1:53", []byte("x")))
	}
	if n := len(*reqs); n != 1+10_000 {
		t.Errorf("%d requests", n)
	}
	h.recv(udpDatagram(clientEnd, "192.0.2.2:53", []byte("y")))
	if got := read(u); got != "y "+clientEnd+" > 192.0.2.2:53" {
		t.Errorf("%q", got)
	}
	other := udpDatagram("10.8.0.7:1", "192.0.2.1:53", []byte("z"))
	h.recv(other)
	if n := len(*reqs); n != 2+10_000 {
		t.Error("another client gets no flow")
	}
}

// forwardedDatagrams returns a step that carries a batch of a client and the answers to it.
func forwardedDatagrams(t testing.TB) (step func()) {
	t.Helper()
	h, reqs := forwardingUDP(t)
	u := acceptFlow(t, h, reqs)
	var pkts [][]byte
	for i := range 100 {
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i/50)}), 53)
		pkts = append(pkts, udpDatagram(clientEnd, to.String(), pattern(1200, 1)))
	}
	ds, answers := make([]Datagram, 64), make([]Datagram, 64)
	u.SetNotify(func(Event) {
		for n := 1; n > 0; u.ReleaseBatch(ds[:n]) {
			n, _ = u.ReadBatch(ds)
			for i, d := range ds[:n] {
				answers[i] = Datagram{Payload: d.Payload, From: d.To}
			}
			if u.WriteBatch(h.now(), answers[:n]) != n {
				t.Fatal("no room")
			}
		}
	})
	return func() {
		h.s.Input(h.now(), pkts, 0)
		out := 0
		for n := 1; n > 0; out += n {
			n = h.s.Output(h.now(), h.bufs, h.sizes, 16)
		}
		if out != len(pkts) {
			t.Fatalf("%d answers to %d datagrams", out, len(pkts))
		}
	}
}
