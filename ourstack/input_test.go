package ourstack

import (
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// TestMartiansAreDropped: sources that no packet may have and destinations that are no host draw no
// answer, whatever the protocol (RFC 1812 §5.3.7; RFC 9293 §3.9.2.3 MUST-57, MUST-63; bug 35 of the list).
func TestMartiansAreDropped(t *testing.T) {
	for _, c := range []struct{ from, to, drop string }{
		{"0.0.0.0", gatewayAddr, "martian source"},
		{"0.1.2.3", gatewayAddr, "martian source"},
		{"127.0.0.1", gatewayAddr, "martian source"},
		{"127.255.0.1", serverAddr, "martian source"},
		{"224.0.0.1", gatewayAddr, "martian source"},
		{"239.255.255.255", gatewayAddr, "martian source"},
		{"240.0.0.1", gatewayAddr, "martian source"},
		{"255.255.255.255", gatewayAddr, "martian source"},
		{gatewayAddr, gatewayAddr, "martian source"},
		{gatewayAddr, serverAddr, "martian source"},
		{clientAddr, "224.0.0.251", "destination not unicast"},
		{clientAddr, "255.255.255.255", "destination not unicast"},
		{clientAddr, "240.0.0.1", "destination not unicast"},
		{clientAddr, "0.0.0.0", "destination not unicast"},
	} {
		h := newHost(t, gatewayAddr)
		h.recv(
			syn(c.from+":1", c.to+":80", 1),
			udpDatagram(c.from+":1", c.to+":53", []byte("q")),
			echo(c.from, c.to, 1, 1, nil),
			ipPacket(wire.IPv4{Protocol: 47, Src: addr(c.from), Dst: addr(c.to)}, make([]byte, 8)),
		)
		h.want("no answer to " + c.from + " > " + c.to)
		h.wantDrop(c.drop, 4)
	}
}

// TestTTLIsJudgedAsHostAndAsHop: packets to own addresses live with any TTL (RFC 1122 §3.2.1.7); a packet
// to another host with TTL 1 shows the gateway as the first hop of a traceroute (RFC 1812 §5.3.1).
func TestTTLIsJudgedAsHostAndAsHop(t *testing.T) {
	h := newHost(t, gatewayAddr)
	var raised int
	h.s.SetForwardTCP(func(*TCPRequest) { raised++ })
	h.s.SetForwardUDP(func(*UDPRequest) { raised++ })
	h.s.SetForwardICMP(func(*ICMPRequest) { raised++ })
	ttl := func(n uint8) func(*wire.IPv4) { return func(ip *wire.IPv4) { ip.TTL = n } }
	for n := range uint8(2) {
		h.recv(edit(echo(clientAddr, gatewayAddr, 1, 1, nil), ttl(n)))
		h.want("an echo to the gateway itself is answered", gatewayAddr+" > "+clientAddr+" icmp echo reply*")
		h.recv(edit(syn(clientAddr+":1", serverAddr+":80", 1), ttl(n)))
		h.recv(edit(udpDatagram(clientAddr+":1", serverAddr+":33434", nil), ttl(n)))
		h.recv(edit(echo(clientAddr, serverAddr, 1, 1, nil), ttl(n)))
		h.want("all kinds of traceroute see the gateway",
			gatewayAddr+" > "+clientAddr+" icmp time exceeded*["+clientAddr+":1 > "+serverAddr+":80 S *",
			gatewayAddr+" > "+clientAddr+" icmp time exceeded*["+clientAddr+":1 > "+serverAddr+":33434 udp *",
			gatewayAddr+" > "+clientAddr+" icmp time exceeded*["+clientAddr+" > "+serverAddr+" icmp echo*")
	}
	if raised != 0 {
		t.Errorf("%d requests raised with TTL 0 or 1", raised)
	}
	h.wantDrop("ttl exceeded", 6)
	h.recv(edit(syn(clientAddr+":1", serverAddr+":80", 1), ttl(2)))
	if raised != 1 {
		t.Error("a SYN with TTL 2 raises no request")
	}
}

// TestIPOptions: options on every protocol, cut short at every octet, do no harm (bug 15 of the list);
// source routes are refused.
func TestIPOptions(t *testing.T) {
	options := [][]byte{
		{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0},           // record route
		{68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0},          // timestamp
		{148, 4, 0, 0},                                  // router alert
		{1, 1, 1, 0},                                    // NOPs, end of list
		{0, 131, 7, 4},                                  // a source route behind the end does not count
		{7, 0, 1, 1}, {7, 1, 1, 1}, {7, 255, 1, 1}, {7}, // bad lengths
		{200, 4, 9, 9}, // unknown
	}
	for _, opt := range options {
		for n := range len(opt) + 1 {
			h := newHost(t, gatewayAddr)
			with := func(ip *wire.IPv4) { ip.Options = opt[:n] }
			h.recv(edit(echo(clientAddr, gatewayAddr, 1, 1, nil), with))
			h.want("the echo is answered", "*icmp echo reply*")
			h.recv(edit(syn(clientAddr+":1", gatewayAddr+":80", 1), with))
			h.want("the SYN is refused", "*> "+clientAddr+":1 R. 0:0(0) ack 2*")
			h.recv(edit(udpDatagram(clientAddr+":1", gatewayAddr+":53", nil), with))
			h.want("the port is unreachable", "*icmp unreachable port*")
		}
	}
	for _, kind := range []byte{131, 137} {
		h := newHost(t, gatewayAddr)
		h.recv(edit(echo(clientAddr, gatewayAddr, 1, 1, nil), func(ip *wire.IPv4) {
			ip.Options = []byte{1, kind, 7, 4, 10, 0, 0, 1}
		}))
		h.want("the source route failed", "*icmp unreachable*")
		h.wantDrop("source route", 1)
	}
}

func TestMalformedPacketsAreCounted(t *testing.T) {
	good := syn(clientAddr+":1", gatewayAddr+":80", 1)
	change := func(f func(b []byte)) []byte {
		b := append([]byte(nil), good...)
		f(b)
		return b
	}
	for name, c := range map[string]struct {
		pkt  []byte
		drop string
	}{
		"empty":           {nil, "malformed: truncated"},
		"short":           {good[:19], "malformed: truncated"},
		"cut":             {good[:len(good)-1], "malformed: truncated"},
		"version":         {change(func(b []byte) { b[0] = 0x55; sumIP(b, 20) }), "malformed: version"},
		"ihl":             {change(func(b []byte) { b[0] = 0x44; sumIP(b, 16) }), "malformed: header length"},
		"total length":    {change(func(b []byte) { b[2], b[3] = 0, 19; sumIP(b, 20) }), "malformed: total length"},
		"header checksum": {change(func(b []byte) { b[8]++ }), "malformed: header checksum"},
		"tcp checksum":    {change(func(b []byte) { b[len(b)-1]++ }), "malformed: checksum"},
		"data offset":     {change(func(b []byte) { b[32] = 0x40 }), "malformed: data offset"},
		"ipv6":            {append([]byte{0x60, 0, 0, 0, 0, 0, 59}, make([]byte, 33)...), "ipv6"},
		"protocol":        {ipPacket(wire.IPv4{Protocol: 47, Src: addr(clientAddr), Dst: addr(gatewayAddr)}, make([]byte, 30)), "unknown protocol"},
		"udp length":      {badUDPLength(), "malformed: udp length"},
		"icmp length":     {ipPacket(wire.IPv4{Protocol: wire.ProtoICMP, Src: addr(clientAddr), Dst: addr(gatewayAddr)}, make([]byte, 7)), "malformed: icmp length"},
		"icmp checksum":   {ipPacket(wire.IPv4{Protocol: wire.ProtoICMP, Src: addr(clientAddr), Dst: addr(gatewayAddr)}, make([]byte, 8)), "malformed: checksum"},
	} {
		h := newHost(t, gatewayAddr)
		h.recv(c.pkt)
		if name == "protocol" {
			h.want("unknown protocol", "*icmp unreachable protocol*")
		} else {
			h.want(name + " is dropped in silence")
		}
		h.wantDrop(c.drop, 1)
	}
}

func sumIP(b []byte, n int) {
	b[10], b[11] = 0, 0
	sum := wire.Checksum(b[:n])
	b[10], b[11] = byte(sum>>8), byte(sum)
}

func badUDPLength() []byte {
	b := udpDatagram(clientAddr+":1", gatewayAddr+":53", []byte("abc"))
	b[25] += 10
	return b
}

func TestInputOffsetAndShortBuffers(t *testing.T) {
	h := newHost(t, gatewayAddr)
	pkt := append(make([]byte, 16), echo(clientAddr, gatewayAddr, 1, 1, nil)...)
	h.s.Input(h.now(), [][]byte{pkt, make([]byte, 15), make([]byte, 16)}, 16)
	h.want("the packet behind the offset", "*icmp echo reply*")
	h.wantDrop("buffer shorter than offset", 1)
	h.wantDrop("malformed: truncated", 1)
}

// TestRunIsNotifiedOnce: segments of one connection in a batch cause one notification and one ACK, also
// when the batch holds runs of two connections.
func TestRunIsNotifiedOnce(t *testing.T) {
	gateway, client := pair(t)
	l, err := gateway.s.Listen(ap(gatewayAddr+":80"), 16)
	if err != nil {
		t.Fatal(err)
	}
	var clients []*Conn
	var counts [2]countNotifier
	for i := range 2 {
		c, err := client.s.Dial(client.now(), ap(clientAddr+":1000"), ap(gatewayAddr+":80"))
		if i == 1 {
			c, err = client.s.Dial(client.now(), ap(clientAddr+":1001"), ap(gatewayAddr+":80"))
		}
		if err != nil {
			t.Fatal(err)
		}
		exchange(gateway, client)
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
		s.SetNotifier(&counts[i])
	}
	for i := range counts {
		counts[i].n, counts[i].seen = 0, 0
	}
	var batch [][]byte
	for _, c := range clients {
		if _, err := c.Write(client.now(), make([]byte, 8*1368)); err != nil {
			t.Fatal(err)
		}
		run := client.packets()
		if len(run) < 8 {
			t.Fatalf("%d packets", len(run))
		}
		batch = append(batch, run...)
	}
	gateway.recv(batch...)
	for i := range counts {
		if counts[i].n != 1 || counts[i].seen != tcp.EventReadable {
			t.Errorf("connection %d: %d notifications, events %b", i, counts[i].n, counts[i].seen)
		}
	}
	if acks := gateway.packets(); len(acks) != 2 {
		t.Errorf("%d ACKs for two runs", len(acks))
	}
}

type countNotifier struct {
	events
	n int
}

func (c *countNotifier) Notify(e Event) {
	c.n++
	c.events.Notify(e)
}

// TestOldTupleDoesNotTouchLiveConnection: segments of a dead connection with the same port, but another
// address or port at one end, leave a live one alone (bug 30 of the list).
func TestOldTupleDoesNotTouchLiveConnection(t *testing.T) {
	gateway, client := pair(t)
	server, cl := established(t, gateway, client)
	local, remote := cl.LocalAddr(), cl.RemoteAddr()
	before := server.Info(gateway.now())
	for _, from := range []string{clientAddr + ":1", "10.8.0.3:" + portOf(local)} {
		for _, flags := range []wire.Flags{wire.FlagRST | wire.FlagACK, wire.FlagFIN | wire.FlagACK, wire.FlagACK} {
			gateway.recv(segment(from, remote.String(), wire.TCP{Flags: flags, Seq: 5, Ack: 9, Wnd: 1}))
		}
	}
	for _, p := range gateway.packets() {
		var ip wire.IPv4
		var seg wire.TCP
		if ip.Parse(p) != wire.OK || seg.Parse(ip.Payload) != wire.OK || seg.Flags&wire.FlagRST == 0 {
			t.Errorf("not a RST: %s", wire.AppendPacket(nil, p))
		}
	}
	if after := server.Info(gateway.now()); after != before {
		t.Errorf("the connection changed:\n%+v\n%+v", before, after)
	}
}

func portOf(a interface{ String() string }) string {
	s := a.String()
	for i := len(s) - 1; ; i-- {
		if s[i] == ':' {
			return s[i+1:]
		}
	}
}

// TestResetForNobody is the table of RFC 9293 §3.10.7.1.
func TestResetForNobody(t *testing.T) {
	const from, to = clientAddr + ":1000", gatewayAddr + ":9"
	for _, c := range []struct {
		name  string
		flags wire.Flags
		data  string
		want  []string
	}{
		{"SYN", wire.FlagSYN, "", []string{to + " > " + from + " R. 0:0(0) ack 101*"}},
		{"SYN with text", wire.FlagSYN, "abc", []string{"* R. 0:0(0) ack 104*"}},
		{"FIN", wire.FlagFIN, "", []string{"* R. 0:0(0) ack 101*"}},
		{"text", 0, "abcd", []string{"* R. 0:0(0) ack 104*"}},
		{"ACK", wire.FlagACK, "", []string{"* R 777:777(0)*"}},
		{"SYN-ACK", wire.FlagSYN | wire.FlagACK, "", []string{"* R 777:777(0)*"}},
		{"FIN-ACK with text", wire.FlagFIN | wire.FlagACK, "abc", []string{"* R 777:777(0)*"}},
		{"RST", wire.FlagRST, "", nil},
		{"RST-ACK", wire.FlagRST | wire.FlagACK, "", nil},
		{"SYN-RST", wire.FlagSYN | wire.FlagRST, "", nil},
		{"SYN-FIN", wire.FlagSYN | wire.FlagFIN, "", nil},
	} {
		for _, dst := range []string{to, serverAddr + ":9"} { // also without a handler for forwarding
			h := newHost(t, gatewayAddr)
			h.recv(segment(from, dst, wire.TCP{Flags: c.flags, Seq: 100, Ack: 777, Payload: []byte(c.data)}))
			if dst == to {
				h.want(c.name, c.want...)
			} else if got := h.sent(); len(got) != len(c.want) {
				t.Errorf("%s to another host: %v", c.name, got)
			}
		}
	}
}

// TestResetRateLimit: one client cannot draw more RSTs than the limit, others still get theirs.
func TestResetRateLimit(t *testing.T) {
	h := newHost(t, gatewayAddr)
	n := 0
	for i := range 3 * rstRatePerTarget {
		h.recv(segment(clientAddr+":1000", gatewayAddr+":9", wire.TCP{Flags: wire.FlagACK, Seq: seqOf(uint32(i))}))
		n += len(h.packets())
	}
	if n != rstRatePerTarget {
		t.Errorf("%d RSTs, want %d", n, rstRatePerTarget)
	}
	h.wantDrop("tcp: rst rate limit", 2*rstRatePerTarget)
	h.recv(segment("10.8.0.3:1000", gatewayAddr+":9", wire.TCP{Flags: wire.FlagACK}))
	h.want("another client", "* R *")
	h.after(second)
	h.recv(segment(clientAddr+":1000", gatewayAddr+":9", wire.TCP{Flags: wire.FlagACK}))
	h.want("a second later", "* R *")
}
