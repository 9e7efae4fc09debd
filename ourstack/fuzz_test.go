package ourstack

import (
	"net/netip"
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// fuzzStack is a stack with something of everything: listeners, connections in several states, forward
// requests of every kind, sockets, a datagram under reassembly.
func fuzzStack(t testing.TB) *host {
	h := newHost(t, gatewayAddr, func(c *Config) {
		c.Limits = Limits{
			SynQueue: 3, TimeWait: 4, Conns: 64, ForwardRequests: 8, UDPSockets: 16,
			Memory: 64 * tcp.BlockSize, DatagramMemory: 1 << 20, FragmentMemory: 64 << 10,
			UDPReceiveQueue: 8 << 10, UDPSendQueue: 8 << 10,
		}
	})
	n := 0
	reasons := func() Reason { n++; return Reason(n % 6) }
	h.s.SetForwardTCP(func(r *TCPRequest) {
		r.SetCancel(func() { n++ })
		switch n++; n % 3 {
		case 0:
			if c, err := r.Accept(h.now()); err == nil {
				c.SetNotifier(&echoNotifier{h: &host{t: discard{t}, clock: h.clock}, c: c})
			}
		case 1:
			r.Reject(h.now(), reasons())
		}
	})
	h.s.SetForwardUDP(func(r *UDPRequest) {
		switch n++; n % 3 {
		case 0:
			if u, err := r.Accept(h.now()); err == nil {
				u.Unreachable(h.now(), r.Local(), reasons())
			}
		case 1:
			r.Reject(h.now(), reasons())
		}
	})
	h.s.SetForwardICMP(func(r *ICMPRequest) {
		switch n++; n % 3 {
		case 0:
			_ = r.Reply(h.now(), r.Payload, 0)
		case 1:
			r.Reject(h.now(), reasons())
		case 2:
			r.Fail(h.now(), Fault{Type: wire.ICMPTimeExceeded, From: netip.MustParseAddr("192.0.2.7")})
		}
	})
	h.s.SetRelay(func(src, dst netip.Addr) (from, to netip.Addr, ok bool) {
		return src, dst, dst == netip.MustParseAddr(otherAddr)
	})
	l, err := h.s.Listen(ap(gatewayAddr+":80"), 4)
	if err != nil {
		t.Fatal(err)
	}
	l.SetNotify(func() {
		if c, err := l.Accept(); err == nil {
			c.SetNotifier(&echoNotifier{h: &host{t: discard{t}, clock: h.clock}, c: c})
		}
	})
	if _, err := h.s.ListenUDP(ap("0.0.0.0:53")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.s.Dial(h.now(), ap(gatewayAddr+":1000"), ap(clientAddr+":7")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.s.DialUDP(ap(gatewayAddr+":1001"), ap(clientAddr+":7")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.s.ListenPing(netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	return h
}

// discard is a testing.TB whose failures do not count: a connection that a fuzzer resets may fail a read.
type discard struct{ testing.TB }

func (discard) Error(...any) {}

// fuzzSeeds are valid packets of every kind; the fuzzer mutates and combines them.
func fuzzSeeds() [][]byte {
	quote := func(pkt []byte, typ, code uint8) []byte {
		return icmpPacket(clientAddr, gatewayAddr, wire.ICMPv4{Type: typ, Code: code, Payload: pkt})
	}
	c80, g80 := clientAddr+":1", gatewayAddr+":80"
	seeds := [][]byte{
		syn(c80, g80, 1),
		segment(c80, g80, wire.TCP{Flags: wire.FlagACK, Seq: 2, Ack: 1}),
		segment(c80, g80, wire.TCP{Flags: wire.FlagACK | wire.FlagFIN | wire.FlagPSH, Seq: 2, Ack: 1, Payload: []byte("hello")}),
		segment(c80, g80, wire.TCP{Flags: wire.FlagRST, Seq: 2}),
		segment(c80, g80, wire.TCP{Flags: wire.FlagSYN | wire.FlagECE | wire.FlagCWR, Seq: 9}),
		segment(clientAddr+":7", gatewayAddr+":1000", wire.TCP{Flags: wire.FlagSYN | wire.FlagACK, Seq: 100, Ack: 1, Opts: clientOptions(1)}),
		syn(clientEnd, serverEnd, 1),
		segment(clientEnd, serverEnd, wire.TCP{Flags: wire.FlagRST, Seq: 2}),
		udpDatagram(c80, gatewayAddr+":53", []byte("query")),
		udpDatagram(clientAddr+":7", gatewayAddr+":1001", nil),
		udpDatagram(clientEnd, serverAddr+":53", []byte("query")),
		udpDatagram(c80, gatewayAddr+":9", []byte("closed")),
		echo(clientAddr, gatewayAddr, 1, 1, []byte("ping")),
		echo(clientAddr, serverAddr, 1, 1, []byte("ping")),
		quote(udpDatagram(gatewayAddr+":1001", clientAddr+":7", nil), 3, 3),
		quote(syn(gatewayAddr+":1000", clientAddr+":7", 1), 3, 4),
		quote(echo(gatewayAddr, clientAddr, 1, 1, nil), 11, 0),
		edit(syn(clientEnd, serverEnd, 1), func(ip *wire.IPv4) { ip.TTL = 1 }),
		edit(syn(c80, g80, 1), func(ip *wire.IPv4) { ip.Options = []byte{131, 7, 4, 1, 2, 3, 4, 0} }),
		packet6("fd00:8::2", "2001:db8::1", 60, append([]byte{wire.ProtoTCP, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 20)...)),
	}
	seeds = append(seeds, fragments(udpDatagram(c80, gatewayAddr+":53", make([]byte, 100)), 40)...)
	// Relayed: as it is, and in three pieces that have some of the options.
	relayed := udpDatagram(c80, otherAddr+":2", make([]byte, 3000))
	return append(seeds, echo(clientAddr, otherAddr, 1, 1, []byte("ping")), edit(relayed, func(ip *wire.IPv4) {
		ip.Options = []byte{7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0}
	}))
}

// FuzzInput gives a stack packets made from the seeds by a program of mutations: no input may panic,
// hang, break an invariant or make anything grow beyond its limit.
//
// The program is a list of steps of four bytes: which seed, what to change, where, and to what. After the
// change the checksums are put right, so that mutations get past them, unless the step says otherwise.
func FuzzInput(f *testing.F) {
	seeds := fuzzSeeds()
	all := []byte{}
	for i := range seeds {
		f.Add([]byte{byte(i), 0, 0, 0})
		all = append(all, byte(i), 0, 0, 0)
	}
	f.Add(all)
	f.Add([]byte{0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0})
	f.Add([]byte{5, 9, 0, 0, 5, 2, 30, 0xFF, 20, 0, 0, 0, 21, 0, 0, 0, 22, 0, 0, 0, 20, 3, 6, 0x20})
	f.Fuzz(func(t *testing.T, program []byte) {
		h := fuzzStack(t)
		for len(program) >= 4 && h.s.counters.packetsIn.Load() < 200 {
			step := program[:4]
			program = program[4:]
			pkt := mutate(seeds[int(step[0])%len(seeds)], step)
			h.learn(pkt)
			h.recv(pkt)
			if step[1]&0x40 != 0 {
				h.after(tcp.Duration(step[3]) * 300 * ms)
			}
			h.checkOutput()
			if err := h.s.Check(); err != nil {
				t.Fatal(err)
			}
		}
		h.after(400 * second)
		h.checkOutput()
		h.checkLimits()
	})
}

// mutate changes one place of a packet.
func mutate(seed, step []byte) []byte {
	pkt := append([]byte(nil), seed...)
	at := int(step[2]) % len(pkt)
	switch step[1] & 7 {
	case 1:
		pkt[at] ^= 1 << (step[3] & 7)
	case 2:
		pkt[at] = step[3]
	case 3:
		pkt = pkt[:at]
	case 4:
		pkt = append(pkt, make([]byte, int(step[3]))...)
	case 5:
		pkt[at] += step[3]
	case 6: // two bytes
		pkt[at], pkt[min(at+1, len(pkt)-1)] = step[3], ^step[3]
	}
	if step[1]&0x80 == 0 {
		fixChecksums(pkt)
	}
	return pkt
}

// learn makes the acknowledgment and timestamp echo of a segment plausible, as a peer that saw our
// packets would have them: the connection with its tuple tells.
func (h *host) learn(pkt []byte) {
	var ip wire.IPv4
	var seg wire.TCP
	if ip.Parse(pkt) != wire.OK || ip.Protocol != wire.ProtoTCP || seg.Parse(ip.Payload) != wire.OK || len(seg.Payload)%2 != 0 {
		return
	}
	for c := range h.s.Conns() {
		if c.tuple.Remote.Port == seg.SrcPort && c.tuple.Local.Port == seg.DstPort {
			done := c.view()
			ack := c.tcb.NextISS().Sub(1 << 17)
			done(c)
			t := ip.Payload
			t[8], t[9], t[10], t[11] = byte(ack>>24), byte(ack>>16), byte(ack>>8), byte(ack)
			wire.SetTCPChecksum(ip.Src, ip.Dst, t)
		}
	}
}

// fixChecksums puts the checksums right as far as the packet has any.
func fixChecksums(pkt []byte) {
	if len(pkt) < 20 {
		return
	}
	n := int(pkt[0]&15) * 4
	if n < 20 || n > len(pkt) {
		return
	}
	sumIP(pkt, n)
	var ip wire.IPv4
	if ip.Parse(pkt) != wire.OK {
		return
	}
	switch p := ip.Payload; {
	case ip.Protocol == wire.ProtoTCP && len(p) >= 20:
		wire.SetTCPChecksum(ip.Src, ip.Dst, p)
	case ip.Protocol == wire.ProtoUDP && len(p) >= 8:
		wire.SetUDPChecksum(ip.Src, ip.Dst, p)
	case ip.Protocol == wire.ProtoICMP && len(p) >= 8:
		p[2], p[3] = 0, 0
		sum := wire.Checksum(p)
		p[2], p[3] = byte(sum>>8), byte(sum)
	}
}

// checkOutput takes what there is to send; every packet must be well formed.
func (h *host) checkOutput() {
	h.t.Helper()
	for _, p := range h.packets() {
		if len(p) > 0 && p[0]>>4 == 6 {
			h.checkRefusal(p)
			continue
		}
		var ip wire.IPv4
		if e := ip.Parse(p); e != wire.OK || ip.TotalLen != len(p) || len(p) > h.s.cfg.MTU || ip.TTL == 0 {
			h.t.Fatalf("bad packet: %v, %d of %d bytes", e, ip.TotalLen, len(p))
		}
		relayed := ip.Dst == addr(otherAddr) // in it is what the client put there
		if !relayed && ip.Protocol == wire.ProtoTCP && !wire.TCPChecksumOK(ip.Src, ip.Dst, ip.Payload) {
			h.t.Fatal("bad TCP checksum")
		}
	}
}

// checkRefusal looks at an IPv6 packet that comes out: an ICMPv6 error is the only one.
func (h *host) checkRefusal(p []byte) {
	h.t.Helper()
	var ip wire.IPv6
	var m wire.ICMPv6
	if e := ip.Parse(p); e != wire.OK || ip.TotalLen != len(p) || len(p) > wire.IPv6MinMTU || ip.Src.IsMulticast() || ip.Dst.IsMulticast() {
		h.t.Fatalf("bad IPv6 packet: %v, %+v", e, ip)
	}
	if e := m.Parse(&ip.Src, &ip.Dst, ip.Payload); e != wire.OK || m.Type != wire.ICMPv6Unreachable {
		h.t.Fatalf("bad ICMPv6 message: %v, %+v", e, m)
	}
}

// checkLimits looks for anything beyond its bound.
func (h *host) checkLimits() {
	h.t.Helper()
	st, l := h.s.Stats(), h.s.limits
	if st.Conns > l.Conns || st.TimeWait > l.TimeWait || st.Requests > l.ForwardRequests || st.UDPSockets > l.UDPSockets ||
		st.Memory > l.Memory || st.DatagramMemory > l.DatagramMemory || h.s.fragments.used != 0 {
		h.t.Fatalf("beyond a limit: %+v", st)
	}
}

// TestFuzzProgramsReachEverything: the seeds as they are reach the states they are meant to reach.
func TestFuzzProgramsReachEverything(t *testing.T) {
	h := fuzzStack(t)
	for _, s := range fuzzSeeds() {
		pkt := append([]byte(nil), s...)
		h.learn(pkt)
		h.recv(pkt)
	}
	h.checkOutput()
	st := h.s.Stats()
	if st.PassiveOpens == 0 || st.RequestsRaised < 3 || st.UDPIn < 3 || st.Reassembled != 1 || st.EchoReplies != 1 ||
		st.ICMPErrorsSent == 0 || st.ICMPErrorsDelivered == 0 || st.IPv6Refused != 1 || st.Relayed != 4 || st.Drops["ttl exceeded"] != 1 {
		t.Errorf("%+v", st)
	}
}
