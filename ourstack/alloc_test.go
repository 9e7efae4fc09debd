//go:build !race

// The race detector makes sync.Pool drop what it is given, so allocations mean nothing under it.

package ourstack

import (
	"errors"
	"net/netip"
	"testing"

	"vpngw/ourstack/tcp"
)

// TestEstablishedPathDoesNotAllocate: a segment in, its data read, an ACK out; data written, a segment out.
func TestEstablishedPathDoesNotAllocate(t *testing.T) {
	gateway, client := pair(t)
	server, cl := established(t, gateway, client)
	data, b := make([]byte, 20*1368), make([]byte, 40*1368)
	carry := func(from, to *host) {
		for {
			n := from.s.Output(from.now(), from.bufs, from.sizes, 16)
			if n == 0 {
				return
			}
			for i := range n {
				one := from.bufs[i : i+1]
				one[0] = one[0][:16+from.sizes[i]]
				to.s.Input(to.now(), one, 16)
				one[0] = one[0][:cap(one[0])]
			}
		}
	}
	step := func() {
		*gateway.clock += tcp.Instant(ms)
		if _, err := cl.Write(client.now(), data); err != nil && !errors.Is(err, ErrWouldBlock) {
			t.Fatal(err)
		}
		carry(client, gateway)
		if _, err := server.Read(gateway.now(), b); err != nil && !errors.Is(err, ErrWouldBlock) {
			t.Fatal(err)
		}
		carry(gateway, client)
		gateway.s.Advance(gateway.now())
		client.s.Advance(client.now())
	}
	for range 300 {
		step() // rings and windows find their sizes
	}
	before := gateway.s.Stats().PacketsIn
	if allocs := testing.AllocsPerRun(300, step); allocs != 0 {
		t.Errorf("%.1f allocations per round", allocs)
	}
	if n := gateway.s.Stats().PacketsIn - before; n < 300*10 {
		t.Errorf("only %d segments were carried", n)
	}
}

// TestRelayDoesNotAllocate: packets for many destinations, in turn.
func TestRelayDoesNotAllocate(t *testing.T) {
	h, _ := relayHost(t)
	var pkts [][]byte
	for i := range 20 {
		dst := netip.AddrFrom4([4]byte{10, 8, 0, byte(10 + i)})
		pkts = append(pkts, udpDatagram(clientAddr+":1", netip.AddrPortFrom(dst, 2).String(), pattern(1300, 1)))
	}
	out := 0
	step := func() {
		h.s.Input(h.now(), pkts, 0)
		for n := 1; n > 0; out += n {
			n = h.s.Output(h.now(), h.bufs, h.sizes, 16)
		}
	}
	for range 100 {
		step()
	}
	if allocs := testing.AllocsPerRun(100, step); allocs != 0 || out != 201*len(pkts) {
		t.Errorf("%.1f allocations per round, %d packets", allocs, out)
	}
}

// TestForwardedDatagramsDoNotAllocate: a batch of a client, and the answers to it.
func TestForwardedDatagramsDoNotAllocate(t *testing.T) {
	step := forwardedDatagrams(t)
	for range 100 {
		step()
	}
	if allocs := testing.AllocsPerRun(100, step); allocs != 0 {
		t.Errorf("%.1f allocations per round", allocs)
	}
}

// TestManyDestinationsDoNotAllocate: a thousand clients in turn, of a socket and of the echo server.
func TestManyDestinationsDoNotAllocate(t *testing.T) {
	m := newManyClients(t, 1000)
	step := func() {
		for i := range m.queries {
			m.serve(t, i)
		}
	}
	step()
	if allocs := testing.AllocsPerRun(10, step); allocs != 0 {
		t.Errorf("%.1f allocations for 1000 clients", allocs)
	}
}

// TestBurstsOfPingsDoNotAllocate: a batch of one client's.
func TestBurstsOfPingsDoNotAllocate(t *testing.T) {
	h := newHost(t, gatewayAddr)
	var pkts [][]byte
	for seq := range uint16(128) {
		pkts = append(pkts, echo(clientAddr, gatewayAddr, 1, seq, make([]byte, 56)))
	}
	step := func() {
		h.s.Input(h.now(), pkts, 0)
		for n := 1; n > 0; {
			n = h.s.Output(h.now(), h.bufs, h.sizes, 16)
		}
	}
	step()
	if allocs := testing.AllocsPerRun(100, step); allocs != 0 {
		t.Errorf("%.1f allocations for 128 pings", allocs)
	}
}
