package ourstack

import (
	"net/netip"
	"testing"

	"vpngw/ourstack/wire"
)

func setMTUs(t *testing.T, h *host, mtus map[string]int) {
	t.Helper()
	m := map[netip.Prefix]int{}
	for p, mtu := range mtus {
		m[netip.MustParsePrefix(p)] = mtu
	}
	if err := h.s.SetMTUs(m); err != nil {
		t.Fatal(err)
	}
}

// largest returns the length of the largest packet.
func largest(pkts [][]byte) (n int) {
	for _, p := range pkts {
		n = max(n, len(p))
	}
	return n
}

func TestLongestPrefixGivesTheMTU(t *testing.T) {
	h := newHost(t, gatewayAddr)
	if got := h.s.mtuTo(addr("10.8.0.2")); got != 1420 {
		t.Errorf("nothing set: %d", got)
	}
	setMTUs(t, h, map[string]int{
		"10.8.0.2/32": 1280, "192.168.7.0/24": 1000, "192.168.7.128/25": 1100, "192.168.0.9/16": 900,
		"10.8.0.9/32": 9000, "fd00::/8": 1280,
	})
	for a, want := range map[string]int{
		"10.8.0.2": 1280, "10.8.0.3": 1420, "192.168.7.1": 1000, "192.168.7.129": 1100, "192.168.8.1": 900,
		"192.169.0.1": 1420, "10.8.0.9": 1420,
	} {
		if got := h.s.mtuTo(addr(a)); got != want {
			t.Errorf("%s: %d, want %d", a, got, want)
		}
	}
	if h.s.SetMTUs(map[netip.Prefix]int{netip.MustParsePrefix("10.8.0.2/32"): minMTU - 1}) == nil {
		t.Error("an MTU below the least was taken")
	}
	setMTUs(t, h, map[string]int{"0.0.0.0/0": 600})
	if got := h.s.mtuTo(addr("10.8.0.2")); got != 600 {
		t.Errorf("everything: %d", got)
	}
}

// TestMTUOfARemote: datagrams are cut to it, TCP offers a segment size for it, relayed packets that may not
// be cut are answered with it.
func TestMTUOfARemote(t *testing.T) {
	h, reqs := forwardingUDP(t)
	setMTUs(t, h, map[string]int{clientAddr + "/32": 1280})
	h.recv(udpDatagram(clientEnd, "192.0.2.1:53", nil))
	u, err := (*reqs)[0].Accept(h.now())
	if err != nil {
		t.Fatal(err)
	}
	if err := u.WriteTo(h.now(), pattern(5000, 1), ap("192.0.2.1:53"), netip.AddrPort{}); err != nil {
		t.Fatal(err)
	}
	pkts := h.packets()
	if n := largest(pkts); n > 1280 || n < 1270 {
		t.Errorf("fragments of up to %d bytes", n)
	}
	reassembled(t, pkts)
	h.recv(echo(clientAddr, gatewayAddr, 1, 1, pattern(3000, 1)))
	if n := largest(h.packets()); n > 1280 {
		t.Errorf("an echo reply in pieces of %d bytes", n)
	}

	if _, err := h.s.Listen(ap(gatewayAddr+":80"), 4); err != nil {
		t.Fatal(err)
	}
	h.recv(syn(clientAddr+":1000", gatewayAddr+":80", 1))
	var ip wire.IPv4
	var synack wire.TCP
	pkts = h.packets()
	if len(pkts) != 1 || ip.Parse(pkts[0]) != wire.OK || synack.Parse(ip.Payload) != wire.OK || synack.Opts.MSS != 1240 {
		t.Errorf("%d packets, MSS %d, want 1240", len(pkts), synack.Opts.MSS)
	}
}

// TestErrorFitsTheMTUOfARemote: what is larger would never arrive, nor be told of: an ICMP error causes none.
func TestErrorFitsTheMTUOfARemote(t *testing.T) {
	h := newHost(t, gatewayAddr)
	setMTUs(t, h, map[string]int{clientAddr + "/32": 300})
	h.recv(udpDatagram(clientAddr+":1", gatewayAddr+":9", make([]byte, 500)))
	if out := h.packets(); len(out) != 1 || len(out[0]) != 300 {
		t.Errorf("%d packets of up to %d bytes", len(out), largest(out))
	}
}

func TestRelayBeyondTheMTUOfARemote(t *testing.T) {
	h, _ := relayHost(t)
	setMTUs(t, h, map[string]int{otherAddr + "/32": 1000})
	big := edit(udpDatagram(clientAddr+":1", otherAddr+":2", pattern(1200, 5)), func(ip *wire.IPv4) { ip.DF = true })
	h.recv(big)
	pkts := h.packets()
	if len(pkts) != 1 {
		t.Fatalf("%d answers", len(pkts))
	}
	if _, m := parseICMP(t, pkts[0]); m.Code != wire.ICMPUnreachableFragNeeded || m.MTU() != 1000 {
		t.Errorf("%+v", m)
	}
	h.recv(edit(big, func(ip *wire.IPv4) { ip.DF = false }))
	if n := largest(h.packets()); n > 1000 || n < 990 {
		t.Errorf("fragments of up to %d bytes", n)
	}
}

// TestCutAfterItWasQueued: a datagram that would have gone in one piece when it was written, and the next, which are
// cut to a new MTU, are told apart by their IDs.
func TestCutAfterItWasQueued(t *testing.T) {
	h := newHost(t, gatewayAddr)
	u, err := h.s.ListenUDP(ap(gatewayAddr + ":53"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := u.WriteTo(h.now(), pattern(1300, uint64(i)), netip.AddrPort{}, ap(clientAddr+":1")); err != nil {
			t.Fatal(err)
		}
	}
	setMTUs(t, h, map[string]int{clientAddr + "/32": 1000})
	ids := map[uint16]int{}
	for _, p := range h.packets() {
		var ip wire.IPv4
		if e := ip.Parse(p); e != wire.OK {
			t.Fatal(e)
		}
		ids[ip.ID]++
	}
	if len(ids) != 2 || ids[0] > 0 {
		t.Errorf("pieces by ID: %v", ids)
	}
}
