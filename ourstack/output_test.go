package ourstack

import (
	"fmt"
	"net/netip"
	"testing"

	"vpngw/ourstack/wire"
)

// TestOutputIsFairToPeers: ten sockets send to one peer and one to another; while both have something to
// receive, both get the same bytes. The same with ten sockets of one kind and a single large datagram.
func TestOutputIsFairToPeers(t *testing.T) {
	for _, size := range []int{1000, 30_000} {
		h := newHost(t, gatewayAddr)
		for i := range 11 {
			u := listenUDP(t, h, fmt.Sprintf("%s:%d", gatewayAddr, 1000+i))
			to := clientAddr + ":1"
			if i == 10 {
				to = "10.8.0.3:1"
			}
			for u.WriteTo(h.now(), make([]byte, size), netip.AddrPort{}, ap(to)) == nil {
			}
		}
		var bytes [2]int
		for range 2 {
			n := h.s.Output(h.now(), h.bufs, h.sizes, 16)
			for i := range n {
				var ip wire.IPv4
				ip.Parse(h.bufs[i][16 : 16+h.sizes[i]])
				bytes[ip.Dst[3]-2] += h.sizes[i]
			}
		}
		if diff := bytes[0] - bytes[1]; diff > groupQuantum || diff < -groupQuantum || bytes[1] == 0 {
			t.Errorf("datagrams of %d: %d bytes to the peer of ten sockets, %d to that of one", size, bytes[0], bytes[1])
		}
	}
}

// TestWakeIsCalledOncePerSleep: after Output returned 0 the next event that makes something ready calls
// Wake; further ones before Output is called again do not.
func TestWakeIsCalledOncePerSleep(t *testing.T) {
	h := newHost(t, gatewayAddr)
	u := listenUDP(t, h, gatewayAddr+":53")
	for name, f := range map[string]func(){
		"a control packet":   func() { h.recv(udpDatagram(clientAddr+":1", gatewayAddr+":9", nil)) },
		"an echo":            func() { h.recv(echo(clientAddr, gatewayAddr, 1, 1, nil)) },
		"a datagram":         func() { _ = u.WriteTo(h.now(), []byte("x"), netip.AddrPort{}, ap(clientAddr+":1")) },
		"a datagram in full": func() { _ = u.WriteTo(h.now(), make([]byte, 30000), netip.AddrPort{}, ap(clientAddr+":1")) },
	} {
		h.packets()
		h.wakes.Store(0)
		for range 3 {
			f()
		}
		if n := h.wakes.Load(); n != 1 {
			t.Errorf("%s, three times: %d wake-ups", name, n)
		}
		if len(h.packets()) == 0 {
			t.Errorf("%s: nothing to send", name)
		}
	}
	h.packets()
	h.wakes.Store(0)
	if _, err := h.s.Dial(h.now(), netip.AddrPort{}, ap(clientAddr+":1")); err != nil {
		t.Fatal(err)
	}
	if h.wakes.Load() == 0 {
		t.Error("a dial does not wake")
	}
}

// TestBatchBoundaries: the same stream comes out whatever the size of the batches.
func TestBatchBoundaries(t *testing.T) {
	for _, size := range []int{1, 2, 3, 128} {
		gateway, client := pair(t)
		client.bufs = client.bufs[:size]
		gateway.bufs = gateway.bufs[:size]
		server, cl := established(t, gateway, client)
		up, down := pattern(100_000, 1), pattern(100_000, 2)
		gotUp, gotDown := transfer(t, gateway, client, server, cl, up, down)
		if string(gotUp) != string(up) || string(gotDown) != string(down) {
			t.Errorf("batches of %d: damaged", size)
		}
	}
}
