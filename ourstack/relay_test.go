package ourstack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"vpngw/ourstack/wire"
)

const otherAddr = "10.8.0.3"

// relayHost is a stack that relays between the addresses of 10.8.0.0/24; the number counts how often it
// was asked.
func relayHost(t testing.TB, change ...func(*Config)) (*host, *int) {
	h := newHost(t, gatewayAddr, change...)
	asked := 0
	network := netip.MustParsePrefix("10.8.0.0/24")
	h.s.SetRelay(func(src, dst netip.Addr) (from, to netip.Addr, ok bool) {
		asked++
		return src, dst, network.Contains(src) && network.Contains(dst)
	})
	return h, &asked
}

// TestRelayChangesNothingButTheTTL: every kind of packet, a fragment and an ICMP error among them.
func TestRelayChangesNothingButTheTTL(t *testing.T) {
	h, _ := relayHost(t)
	from, to := clientAddr+":1234", otherAddr+":80"
	big := udpDatagram(from, to, pattern(4000, 1))
	unreachable := wire.ICMPv4{Type: wire.ICMPUnreachable, Code: wire.ICMPUnreachablePort, Payload: udpDatagram(to, from, nil)}
	pkts := append(fragments(big, 1000), syn(from, to, 1),
		segment(from, to, wire.TCP{Flags: wire.FlagACK, Payload: pattern(1368, 2)}),
		udpDatagram(from, to, nil), echo(clientAddr, otherAddr, 1, 2, pattern(56, 3)),
		icmpPacket(clientAddr, otherAddr, unreachable),
		ipPacket(wire.IPv4{Protocol: 47, TTL: 2, TOS: 0xB9, Src: addr(clientAddr), Dst: addr(otherAddr)}, pattern(30, 4)),
		ipPacket(wire.IPv4{Protocol: 132, TTL: 255, Src: addr(clientAddr), Dst: addr(otherAddr), Options: []byte{7, 7, 4, 0, 0, 0, 0, 0}}, nil),
		append(udpDatagram(from, to, nil), "behind its end"...),
	)
	h.recv(pkts...)
	got := h.packets()
	if len(got) != len(pkts) {
		t.Fatalf("%d packets of %d", len(got), len(pkts))
	}
	for i, pkt := range pkts {
		if want := edit(pkt, func(ip *wire.IPv4) { ip.TTL-- }); !bytes.Equal(got[i], want) {
			t.Errorf("packet %d:\n got  %x\n want %x", i, got[i], want)
		}
	}
	if st := h.s.Stats(); st.Relayed != uint64(len(pkts)) || len(st.Drops) != 0 || st.DatagramMemory != 0 || st.FragmentsIn != 0 {
		t.Errorf("%+v", st)
	}
}

// TestDecrementTTL: the checksum that is updated is the one that would be computed (RFC 1624 §3), for
// every TTL and a header for each value of the checksum near the ends of its range.
func TestDecrementTTL(t *testing.T) {
	for ttl := 2; ttl < 256; ttl++ {
		for id := range 2000 {
			pkt := ipPacket(wire.IPv4{Protocol: 17, TTL: uint8(ttl), ID: uint16(id * 33), Src: addr(clientAddr), Dst: addr(otherAddr)}, nil)
			decrementTTL(pkt)
			if wire.Checksum(pkt) != 0 || int(pkt[8]) != ttl-1 {
				t.Fatalf("TTL %d, ID %d: %x", ttl, id*33, pkt)
			}
		}
	}
}

// TestRelayAsksOncePerRun, and what it does not relay goes the way it always went.
func TestRelayAsksOncePerRun(t *testing.T) {
	h, asked := relayHost(t)
	relayed, forwarded := udpDatagram(clientAddr+":1", otherAddr+":2", nil), udpDatagram(clientAddr+":1", serverAddr+":2", nil)
	h.recv(relayed, relayed, relayed, forwarded, forwarded, echo(clientAddr, gatewayAddr, 1, 1, nil), relayed)
	if *asked != 3 {
		t.Errorf("asked %d times", *asked)
	}
	h.recv(relayed)
	if *asked != 4 {
		t.Error("not asked again for the next batch")
	}
	h.packets()
	h.s.SetRelay(nil)
	h.recv(relayed)
	h.want("switched off: nobody takes the datagram", "10.8.0.3 > 10.8.0.2 icmp unreachable port*")
	if st := h.s.Stats(); st.Relayed != 5 {
		t.Errorf("relayed %d", st.Relayed)
	}
}

// TestRelayRunsAreQueuedInOrder: runs that are longer than what is queued at once, and what comes between
// runs, leave in the order in which they came; the reader is woken once.
func TestRelayRunsAreQueuedInOrder(t *testing.T) {
	h, _ := relayHost(t)
	var pkts [][]byte
	var want []string
	for i := range 3 * relayRunMax / 2 {
		pkts = append(pkts, udpDatagram(clientAddr+":1", fmt.Sprintf("%s:%d", otherAddr, 1000+i), nil))
		want = append(want, fmt.Sprintf("%d", 1000+i))
	}
	ping := echo(clientAddr, gatewayAddr, 1, 1, nil)
	third := udpDatagram(clientAddr+":1", "10.8.0.7:7", nil)
	h.packets()
	h.wakes.Store(0)
	h.recv(append(append(pkts[:len(pkts):len(pkts)], third, ping), pkts[0])...)
	if n := h.wakes.Load(); n != 1 {
		t.Errorf("woken %d times", n)
	}
	out := h.packets()
	var got []string
	for _, p := range out {
		if p[9] == wire.ProtoUDP && p[19] == addr(otherAddr)[3] {
			got = append(got, fmt.Sprintf("%d", binary.BigEndian.Uint16(p[22:])))
		}
	}
	if want = append(want, "1000"); !slices.Equal(got, want) {
		t.Errorf("order %v", got)
	}
	if n := len(out); n != len(pkts)+3 || h.s.Stats().Relayed != uint64(len(pkts)+2) {
		t.Errorf("%d packets left, %d counted", n, h.s.Stats().Relayed)
	}
}

// TestRelayJudgesFirst: TTL, martians, source routes, loopback; and errors come from the gateway.
func TestRelayJudgesFirst(t *testing.T) {
	h, asked := relayHost(t)
	pkt := echo(clientAddr, otherAddr, 1, 1, nil)
	for _, ttl := range []uint8{0, 1} {
		h.recv(edit(pkt, func(ip *wire.IPv4) { ip.TTL = ttl }))
		h.want("the last hop", "10.8.0.1 > 10.8.0.2 icmp time exceeded*")
	}
	h.recv(edit(pkt, func(ip *wire.IPv4) { ip.Options = []byte{131, 7, 4, 10, 8, 0, 9, 0} }))
	h.want("a source route", "10.8.0.1 > 10.8.0.2 icmp unreachable*")
	h.recv(edit(pkt, func(ip *wire.IPv4) { ip.Src = addr(gatewayAddr) }), edit(pkt, func(ip *wire.IPv4) { ip.Dst = addr("224.0.0.1") }))
	h.want("invalid addresses")
	h.recv(edit(pkt, func(ip *wire.IPv4) { ip.Dst = addr("127.0.0.1") }))
	if h.packets(); *asked != 0 {
		t.Errorf("asked %d times", *asked)
	}
}

// TestRelayBeyondTheMTU: frag needed with DF (RFC 1191 §4), fragments without (RFC 791 §3.2).
func TestRelayBeyondTheMTU(t *testing.T) {
	h, _ := relayHost(t, func(c *Config) { c.MTU = 576 })
	big := udpDatagram(clientAddr+":1", otherAddr+":2", pattern(3000, 5))
	h.recv(edit(big, func(ip *wire.IPv4) { ip.DF = true }))
	got := h.packets()
	if len(got) != 1 {
		t.Fatalf("%d answers", len(got))
	}
	if ip, m := parseICMP(t, got[0]); ip.Src != addr(gatewayAddr) || m.Code != wire.ICMPUnreachableFragNeeded || m.MTU() != 576 {
		t.Errorf("%+v %+v", ip, m)
	}
	h.wantDrop("relay: fragmentation needed", 1)

	// One option that every fragment has and one that only the first has.
	copied, first := []byte{0x94, 4, 0, 0}, []byte{7, 7, 4, 0, 0, 0, 0, 0}
	optional := edit(big, func(ip *wire.IPv4) { ip.Options = append(first[:7:7], append([]byte{1}, copied...)...) })
	for name, pkt := range map[string][]byte{"plain": big, "with options": optional} {
		for _, pieces := range [][][]byte{{pkt}, fragments(pkt, 1000)} {
			h.recv(pieces...)
			got := h.packets()
			whole := reassembled(t, got)
			if want := edit(pkt, func(ip *wire.IPv4) { ip.TTL-- }); !bytes.Equal(whole[len(whole)-3000:], want[len(want)-3000:]) {
				t.Errorf("%s: another datagram came together", name)
			}
			for i, p := range got {
				var ip wire.IPv4
				if e := ip.Parse(p); e != wire.OK || len(p) > 576 || ip.TTL != 63 || ip.ID != 7 {
					t.Errorf("%s: fragment %d: %v %+v", name, i, e, ip)
				}
				if name == "with options" && i > 0 && len(pieces) == 1 && !bytes.Equal(ip.Options, copied) {
					t.Errorf("fragment %d has the options %v", i, ip.Options)
				}
			}
		}
	}
	if st := h.s.Stats(); st.DatagramMemory != 0 {
		t.Errorf("%+v", st)
	}
}

// TestRelayQueuesAreBoundedAndFair: a destination that is flooded loses its own packets alone, and
// another's packet does not wait behind them.
func TestRelayQueuesAreBoundedAndFair(t *testing.T) {
	h, _ := relayHost(t)
	flood := udpDatagram(clientAddr+":1", otherAddr+":2", pattern(1300, 6))
	const n = 2000
	for range n {
		h.recv(flood)
	}
	h.recv(udpDatagram(otherAddr+":1", clientAddr+":2", nil))
	st := h.s.Stats()
	if dropped := st.Drops["relay: queue full"]; dropped == 0 || st.Relayed+dropped != n+1 || st.DatagramMemory > 2*relayQueueMaxPerPair {
		t.Errorf("%+v", st)
	}
	at, got := -1, h.packets()
	for i, p := range got {
		if wire.Addr(p[16:20]) == addr(clientAddr) {
			at = i
		}
	}
	if at < 0 || at > 128 {
		t.Errorf("the other's packet is number %d of %d", at, len(got))
	}
	if st := h.s.Stats(); uint64(len(got)) != st.Relayed || st.DatagramMemory != 0 {
		t.Errorf("%d packets came out; %+v", len(got), st)
	}
}

// TestRelayIsFairAmongSenders: whoever floods a destination leaves room and turns for others that send
// to the same one, and even many who flood leave room for the next.
func TestRelayIsFairAmongSenders(t *testing.T) {
	h, _ := relayHost(t)
	from := func(host int) string { return fmt.Sprintf("10.8.0.%d", host) }
	flood := func(host, n int) {
		for range n {
			h.recv(udpDatagram(from(host)+":1", otherAddr+":2", pattern(1300, 6)))
		}
	}
	const floods, calm = 40, 20 // hosts, and packets of the one that is calm
	for host := range floods {
		flood(100+host, 1000)
	}
	dropped := h.s.Stats().Drops["relay: queue full"]
	if st := h.s.Stats(); dropped == 0 || st.DatagramMemory > 2*relayQueueMax {
		t.Fatalf("%+v", st)
	}
	flood(99, calm)
	if n := h.s.Stats().Drops["relay: queue full"]; n != dropped {
		t.Errorf("the calm one lost %d packets", n-dropped)
	}
	counts, got := map[byte]int{}, h.packets()
	for i, p := range got {
		if counts[p[15]]++; p[15] == 99 && counts[99] == calm && i > 2*(floods+1)*calm {
			t.Errorf("the calm one's last packet is number %d of %d", i, len(got))
		}
	}
	if counts[99] != calm || len(counts) != floods+1 {
		t.Errorf("packets by sender: %v", counts)
	}
	if st := h.s.Stats(); st.DatagramMemory != 0 {
		t.Errorf("%+v", st)
	}
}

// TestRelaySharesAreOfPeers, not of their addresses: one that floods from a hundred of its own, to a hundred of
// another's, has one queue and one turn.
func TestRelaySharesAreOfPeers(t *testing.T) {
	h := newHost(t, gatewayAddr)
	owner := func(a netip.Addr) netip.Addr { // a network of each peer: 10.8.x.0/24
		b := a.As4()
		return netip.AddrFrom4([4]byte{b[0], b[1], b[2], 1})
	}
	h.s.SetRelay(func(src, dst netip.Addr) (from, to netip.Addr, ok bool) { return owner(src), owner(dst), true })
	const calm = 20 // packets of another peer
	for host := range 100 {
		for range 100 {
			from, to := fmt.Sprintf("10.8.1.%d:1", 2+host), fmt.Sprintf("10.8.3.%d:2", 2+host)
			h.recv(udpDatagram(from, to, pattern(1300, 6)))
		}
	}
	st := h.s.Stats()
	if dropped := st.Drops["relay: queue full"]; dropped == 0 || st.DatagramMemory > 2*relayQueueMaxPerPair {
		t.Errorf("%d dropped, %d bytes wait", dropped, st.DatagramMemory)
	}
	for range calm {
		h.recv(udpDatagram("10.8.2.2:1", "10.8.3.2:2", pattern(1300, 6)))
	}
	last, n := 0, 0
	for i, p := range h.packets() {
		if p[14] == 2 {
			last, n = i, n+1
		}
	}
	if turn := flowQuantum / 1300; n != calm || last > turn+calm { // one turn of the other's is ahead
		t.Errorf("%d packets of the calm one, the last is number %d", n, last)
	}
}

// TestRelayAfterClose: what is queued may be taken; nothing is left in the tables.
func TestRelayAfterClose(t *testing.T) {
	h, _ := relayHost(t)
	pkt := udpDatagram(clientAddr+":1", otherAddr+":2", nil)
	h.recv(pkt)
	h.packets() // its empty queue is kept
	h.recv(udpDatagram(otherAddr+":1", clientAddr+":2", nil))
	h.s.Close(h.now())
	h.recv(pkt)
	h.want("what was queued", "10.8.0.3:1 > 10.8.0.2:2 udp (0)")
	if n := len(h.s.remotes.m); n != 0 {
		t.Errorf("%d remotes are left", n)
	}
}

// TestRelayDropsWhatEndsBehindTheLastByte: the offset of a piece of it would wrap and look like a first one.
func TestRelayDropsWhatEndsBehindTheLastByte(t *testing.T) {
	h, _ := relayHost(t, func(c *Config) { c.MTU = 576 })
	pkt := edit(udpDatagram(clientAddr+":1", otherAddr+":2", pattern(1300, 5)), func(ip *wire.IPv4) { ip.FragOff = 65528 })
	h.recv(pkt)
	h.want("nothing comes out")
	h.wantDrop("fragment: length", 1)
}

// TestRelayConcurrently: peers relay to each other at once while one goroutine takes the packets. None is
// lost beyond those that are counted, and those of one peer to another leave in order; for the race detector.
func TestRelayConcurrently(t *testing.T) {
	h := newHost(t, gatewayAddr)
	h.s.SetRelay(func(src, dst netip.Addr) (from, to netip.Addr, ok bool) { return src, dst, true })
	const peers, runs, perRun = 4, 100, 3 * relayRunMax / 2
	var wg sync.WaitGroup
	for p := range peers {
		wg.Go(func() {
			from := fmt.Sprintf("10.8.0.%d:1", 10+p)
			for run := range runs {
				var pkts [][]byte
				for i := range perRun {
					to := fmt.Sprintf("10.8.0.%d:%d", 20+p/2, run*perRun+i)
					pkts = append(pkts, udpDatagram(from, to, make([]byte, 700)))
				}
				h.s.Input(h.now(), pkts, 0)
			}
		})
	}
	sent := make(chan struct{})
	go func() { wg.Wait(); close(sent) }()
	last, left := map[wire.Addr]int{}, uint64(0)
	for finished := false; ; {
		out := h.packets()
		left += uint64(len(out))
		for _, p := range out {
			from, seq := wire.Addr(p[12:16]), 1+int(binary.BigEndian.Uint16(p[22:]))
			if seq <= last[from] {
				t.Fatalf("%v: %d after %d", from, seq, last[from])
			}
			last[from] = seq
		}
		if finished {
			break
		}
		select {
		case <-sent:
			finished = true
		default:
		}
	}
	st := h.s.Stats()
	if st.Relayed != left || left+st.Drops["relay: queue full"] != peers*runs*perRun || left == 0 {
		t.Errorf("%d left, %d counted, %d dropped", left, st.Relayed, st.Drops["relay: queue full"])
	}
	if st.DatagramMemory != 0 {
		t.Errorf("%d bytes are kept", st.DatagramMemory)
	}
}
