package ourstack

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

func parseICMP(t *testing.T, pkt []byte) (wire.IPv4, wire.ICMPv4) {
	t.Helper()
	var ip wire.IPv4
	var m wire.ICMPv4
	if e := ip.Parse(pkt); e != wire.OK {
		t.Fatal(e)
	}
	if e := m.Parse(ip.Payload); e != wire.OK {
		t.Fatal(e)
	}
	return ip, m
}

// TestEcho: the reply has the request's data, ID, sequence number and TOS, comes from the address that
// was asked, with a fresh TTL (RFC 1122 §3.2.2.6).
func TestEcho(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) {
		c.Addresses = append(c.Addresses, netip.MustParseAddr("10.8.0.100"))
	})
	for _, n := range []int{0, 1, 56, 1392, 1393, 8000, 65507} {
		data := pattern(n, uint64(n))
		req := edit(echo(clientAddr, "10.8.0.100", 77, 5, data), func(ip *wire.IPv4) { ip.TOS, ip.TTL = 0x12, 3 })
		h.recv(fragments(req, 1400)...)
		ip, m := parseICMP(t, reassembled(t, h.packets()))
		if ip.Src != addr("10.8.0.100") || ip.Dst != addr(clientAddr) || ip.TTL != 64 || ip.TOS != 0x10 {
			t.Errorf("%d bytes: header %+v", n, ip)
		}
		if m.Type != wire.ICMPEchoReply || m.Code != 0 || m.ID() != 77 || m.Seq() != 5 || !bytes.Equal(m.Payload, data) {
			t.Errorf("%d bytes: reply type %d id %d seq %d, %d bytes", n, m.Type, m.ID(), m.Seq(), len(m.Payload))
		}
	}
	if got := h.s.Stats(); got.EchoReplies != 7 || got.DatagramMemory != 0 {
		t.Errorf("%+v", got)
	}
}

// reassembled puts the fragments of one datagram together with a stack of its own, whose correctness
// other tests show, and checks what they have in common.
func reassembled(t *testing.T, pkts [][]byte) []byte {
	t.Helper()
	if len(pkts) == 1 {
		return pkts[0]
	}
	var whole []byte
	f := reassembler{}
	s, err := New(Config{Limits: Limits{FragmentMemory: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	f.init(s)
	for i, p := range pkts {
		var ip wire.IPv4
		if e := ip.Parse(p); e != wire.OK {
			t.Fatal(e)
		}
		if ip.DF || ip.MF != (i < len(pkts)-1) || len(p) > 1420 {
			t.Errorf("fragment %d of %d: %+v", i, len(pkts), ip)
		}
		got, why, _ := f.add(1, &ip, p)
		if why != accepted {
			t.Fatal(why)
		}
		if got != nil {
			whole = got.b
		}
	}
	if whole == nil {
		t.Fatalf("%d packets do not make a datagram", len(pkts))
	}
	return whole
}

// TestEchoFloodIsBounded: replies wait in a bounded queue, of which one client gets a part.
func TestEchoFloodIsBounded(t *testing.T) {
	h := newHost(t, gatewayAddr)
	big := make([]byte, 1300)
	for range 5000 {
		h.recv(echo(clientAddr, gatewayAddr, 1, 1, big))
	}
	if m := h.s.Stats().DatagramMemory; m > echoQueueMax {
		t.Errorf("%d bytes wait", m)
	}
	h.recv(echo("10.8.0.3", gatewayAddr, 1, 1, nil))
	replies := h.sent()
	other := 0
	for _, line := range replies {
		if matches(line, gatewayAddr+" > 10.8.0.3 *") {
			other++
		}
	}
	if other != 1 {
		t.Error("the other client got no reply")
	}
	if h.s.Stats().Drops["icmp: echo queue full"] == 0 {
		t.Error("no drop was counted")
	}
}

// TestWhenNotToSendICMPErrors is RFC 1812 §4.3.2.7: of what is listed there nothing draws an error.
func TestWhenNotToSendICMPErrors(t *testing.T) {
	quoted := udpDatagram(gatewayAddr+":53", clientAddr+":1", nil)
	icmpErr := func(typ, code uint8) []byte {
		return icmpPacket(clientAddr, serverAddr, wire.ICMPv4{Type: typ, Code: code, Payload: quoted})
	}
	closed := udpDatagram(clientAddr+":1", gatewayAddr+":9", []byte("12345678abcdefgh"))
	expired := func(pkt []byte) []byte { return edit(pkt, func(ip *wire.IPv4) { ip.TTL = 1 }) }
	broken := append([]byte(nil), closed...)
	broken[8]++ // header checksum
	for name, c := range map[string]struct {
		pkt  []byte
		want int
	}{
		"control: closed port":           {closed, 1},
		"control: expired":               {expired(udpDatagram(clientAddr+":1", serverAddr+":9", nil)), 1},
		"an ICMP unreachable":            {expired(icmpErr(3, 1)), 0},
		"an ICMP time exceeded":          {expired(icmpErr(11, 0)), 0},
		"an ICMP parameter problem":      {expired(icmpErr(12, 0)), 0},
		"an ICMP source quench":          {expired(icmpErr(4, 0)), 0},
		"an ICMP redirect":               {expired(icmpErr(5, 0)), 0},
		"an ICMP message of new kind":    {expired(icmpErr(42, 0)), 0},
		"an echo is no error":            {expired(echo(clientAddr, serverAddr, 1, 1, nil)), 1},
		"an echo reply is no error":      {expired(icmpErr(0, 0)), 1},
		"bad header":                     {broken, 0},
		"multicast destination":          {expired(udpDatagram(clientAddr+":1", "224.0.0.5:9", nil)), 0},
		"broadcast destination":          {expired(udpDatagram(clientAddr+":1", "255.255.255.255:9", nil)), 0},
		"source on network 0":            {expired(udpDatagram("0.0.0.5:1", serverAddr+":9", nil)), 0},
		"loopback source":                {expired(udpDatagram("127.0.0.1:1", serverAddr+":9", nil)), 0},
		"multicast source":               {expired(udpDatagram("224.0.0.5:1", serverAddr+":9", nil)), 0},
		"class E source":                 {expired(udpDatagram("240.0.0.5:1", serverAddr+":9", nil)), 0},
		"first fragment":                 {edit(closed, func(ip *wire.IPv4) { ip.Dst, ip.MF, ip.TTL = addr(serverAddr), true, 1 }), 1},
		"a fragment that is not first":   {edit(closed, func(ip *wire.IPv4) { ip.Dst, ip.FragOff, ip.TTL = addr(serverAddr), 8, 1 }), 0},
		"bad checksum, silently dropped": {func() []byte { b := append([]byte(nil), closed...); b[27] ^= 1; return b }(), 0},
	} {
		h := newHost(t, gatewayAddr)
		h.recv(c.pkt)
		if got := h.sent(); len(got) != c.want {
			t.Errorf("%s: %d answers: %v", name, len(got), got)
		}
	}
}

// TestErrorQuotesAsMuchAsFits: up to 576 bytes in all, unmodified (RFC 1812 §4.3.2.3, RFC 1122 §3.2.2), with
// TOS precedence 6 and the TOS bits of the packet.
func TestErrorQuotesAsMuchAsFits(t *testing.T) {
	for _, n := range []int{0, 1, 8, 519, 520, 521, 1300} {
		h := newHost(t, gatewayAddr)
		pkt := edit(udpDatagram(clientAddr+":1", gatewayAddr+":9", pattern(n, 1)), func(ip *wire.IPv4) { ip.TOS = 0x53 })
		h.recv(pkt)
		out := h.packets()
		if len(out) != 1 {
			t.Fatalf("%d packets", len(out))
		}
		ip, m := parseICMP(t, out[0])
		if len(out[0]) != min(576, len(pkt)+28) || !bytes.Equal(m.Payload, pkt[:len(m.Payload)]) {
			t.Errorf("datagram of %d: error of %d bytes", n, len(out[0]))
		}
		if ip.TOS != 0xD0 || ip.Src != addr(gatewayAddr) {
			t.Errorf("TOS %#x from %v", ip.TOS, ip.Src)
		}
	}
	// On a narrow path the error itself must fit.
	h := newHost(t, gatewayAddr, func(c *Config) { c.MTU = 128 })
	h.recv(udpDatagram(clientAddr+":1", gatewayAddr+":9", make([]byte, 500)))
	if out := h.packets(); len(out) != 1 || len(out[0]) != 128 {
		t.Errorf("MTU 128: %d packets", len(out))
	}
}

// TestICMPErrorRateLimit: per target and for all; it can be switched off (RFC 1812 §4.3.2.8).
func TestICMPErrorRateLimit(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) { c.Limits.ICMPRate = 100 })
	probe := func(from string, n int) int {
		for range n {
			h.recv(udpDatagram(from+":1", gatewayAddr+":9", nil))
		}
		return len(h.packets())
	}
	if n := probe(clientAddr, 50); n != 10 {
		t.Errorf("%d errors to one target, want 10", n)
	}
	h.after(second / 2)
	if n := probe(clientAddr, 50); n != 5 {
		t.Errorf("%d errors half a second later, want 5", n)
	}
	all := 0
	for i := range 100 {
		all += probe(fmt.Sprintf("10.9.0.%d", i), 10)
	}
	if all > 100 {
		t.Errorf("%d errors to all", all)
	}
	if h.s.Stats().ICMPErrorsLimited == 0 {
		t.Error("suppressed errors are not counted")
	}
	off := newHost(t, gatewayAddr, func(c *Config) { c.Limits.ICMPRate = -1 })
	off.recv(udpDatagram(clientAddr+":1", gatewayAddr+":9", nil))
	off.want("errors are switched off")
}

// TestErrorsReachTCP: an ICMP error that quotes a segment in flight reaches the connection; one about
// another connection, or that quotes another sequence number, does not (RFC 5927 §4).
func TestErrorsReachTCP(t *testing.T) {
	for _, c := range []struct {
		name       string
		code       uint8
		wrongSeq   bool
		wrongPort  bool
		wantErr    error
		wantStatus string
	}{
		{"host unreachable", wire.ICMPUnreachableHost, false, false, tcp.ErrHostUnreachable, ""},
		{"port", wire.ICMPUnreachablePort, false, false, tcp.ErrRefused, ""},
		{"admin", wire.ICMPUnreachableAdmin, false, false, tcp.ErrProhibited, ""},
		{"wrong sequence", wire.ICMPUnreachablePort, true, false, nil, "tcp: icmp-sequence"},
		{"wrong port", wire.ICMPUnreachablePort, false, true, nil, "icmp: no such flow"},
	} {
		h := newHost(t, clientAddr)
		conn, err := h.s.Dial(h.now(), netip.AddrPort{}, ap(serverEnd))
		if err != nil {
			t.Fatal(err)
		}
		quote := append([]byte(nil), h.packets()[0]...)
		if c.wrongSeq {
			quote[27] ^= 0xFF
		}
		if c.wrongPort {
			quote[21] ^= 0xFF
		}
		h.recv(icmpPacket(gatewayAddr, clientAddr, wire.ICMPv4{Type: 3, Code: c.code, Payload: quote[:28]}))
		if got := errors.Join(conn.Err(), conn.SoftError()); !errors.Is(got, c.wantErr) {
			t.Errorf("%s: %v, want %v", c.name, got, c.wantErr)
		}
		if c.wantStatus != "" {
			h.wantDrop(c.wantStatus, 1)
		} else if n := h.s.Stats().ICMPErrorsDelivered; n != 1 {
			t.Errorf("%s: %d delivered", c.name, n)
		}
	}
}

// TestFragNeededLowersThePathMTU: with the next-hop MTU, and without it, by the plateau below the size
// that failed (RFC 1191 §5, bug 17 of the list); a tiny one does not make tiny segments.
func TestFragNeededLowersThePathMTU(t *testing.T) {
	for _, c := range []struct{ mtu, low, high int }{
		{1300, 1300, 1300},
		{0, 1006, 1006}, // below 1420
		{68, 500, 600},  // the floor of package tcp
		{1, 500, 600},
		{9000, 1420, 1420}, // not smaller: ignored
	} {
		gateway, client := pair(t)
		_, cl := established(t, gateway, client)
		if _, err := cl.Write(client.now(), make([]byte, 20000)); err != nil {
			t.Fatal(err)
		}
		var full []byte
		for _, p := range client.packets() {
			if len(p) == 1420 && full == nil {
				full = p
			}
		}
		m := wire.ICMPv4{Type: wire.ICMPUnreachable, Code: wire.ICMPUnreachableFragNeeded, Payload: full[:28]}
		m.SetMTU(c.mtu)
		client.recv(icmpPacket(gatewayAddr, clientAddr, m))
		if got := cl.Info(client.now()).PathMTU; got < c.low || got > c.high {
			t.Errorf("next-hop MTU %d: path MTU %d", c.mtu, got)
		}
	}
}

func TestPlateaus(t *testing.T) {
	for _, c := range []struct{ mtu, total, want int }{
		{576, 1420, 576}, {0, 1420, 1006}, {0, 1492, 1006}, {0, 1500, 1492}, {0, 68, 68}, {0, 20, 68}, {0, 65535, 32000},
	} {
		var m wire.ICMPv4
		m.SetMTU(c.mtu)
		if got := nextHopMTU(&m, c.total); got != c.want {
			t.Errorf("MTU %d for a packet of %d: %d, want %d", c.mtu, c.total, got, c.want)
		}
	}
}

// TestICMPErrorsAboutNothing: quotes that are cut, of other protocols, or fragments, are counted.
func TestICMPErrorsAboutNothing(t *testing.T) {
	tcpQuote := syn(gatewayAddr+":80", clientAddr+":1", 1)
	for _, c := range []struct {
		quote []byte
		drop  string
	}{
		{nil, "icmp: bad quote"},
		{tcpQuote[:19], "icmp: bad quote"},
		{tcpQuote[:27], "icmp: bad quote"},
		{tcpQuote[:28], "icmp: no such flow"},
		{edit(tcpQuote, func(ip *wire.IPv4) { ip.FragOff = 8 }), "icmp: bad quote"},
		{edit(tcpQuote, func(ip *wire.IPv4) { ip.Protocol = 47 }), "icmp: no such flow"},
		{udpDatagram(gatewayAddr+":1", clientAddr+":1", nil), "icmp: no such flow"},
		{echo(gatewayAddr, clientAddr, 1, 1, nil), "icmp: no such flow"},
		{icmpPacket(gatewayAddr, clientAddr, wire.ICMPv4{Type: wire.ICMPEchoReply}), "icmp: bad quote"},
	} {
		h := newHost(t, gatewayAddr)
		h.recv(icmpPacket(clientAddr, gatewayAddr, wire.ICMPv4{Type: 3, Code: 3, Payload: c.quote}))
		h.want("errors draw no answer")
		h.wantDrop(c.drop, 1)
	}
	h := newHost(t, gatewayAddr)
	for _, typ := range []uint8{wire.ICMPSourceQuench, wire.ICMPRedirect, wire.ICMPTimestamp, 17, 99} {
		h.recv(icmpPacket(clientAddr, gatewayAddr, wire.ICMPv4{Type: typ, Payload: tcpQuote}))
	}
	h.recv(icmpPacket(clientAddr, gatewayAddr, wire.ICMPv4{Type: wire.ICMPEchoReply}))
	h.want("other types are discarded")
	h.wantDrop("icmp: type", 5)
	h.wantDrop("icmp: unexpected echo reply", 1)
}

// TestForwardEcho: the handler sees the request as it was and answers once, in the name of the
// destination.
func TestForwardEcho(t *testing.T) {
	h := newHost(t, gatewayAddr)
	h.recv(echo(clientAddr, serverAddr, 9, 8, nil))
	h.want("without a handler")
	h.wantDrop("icmp: echo not forwarded", 1)

	var reqs []*ICMPRequest
	h.s.SetForwardICMP(func(r *ICMPRequest) { reqs = append(reqs, r) })
	data := pattern(3000, 3)
	for range 4 {
		h.recv(fragments(edit(echo(clientAddr, serverAddr, 9, 8, data), func(ip *wire.IPv4) { ip.TTL, ip.TOS = 17, 0x20 }), 1000)...)
	}
	h.want("nothing before the answer")
	r := reqs[0]
	if r.ID != 9 || r.Seq != 8 || r.TTL != 17 || r.TOS != 0x20 || !bytes.Equal(r.Payload, data) ||
		r.Local() != netip.MustParseAddr(serverAddr) || r.Remote() != netip.MustParseAddr(clientAddr) {
		t.Errorf("request %+v", r)
	}
	if err := r.Reply(h.now(), data, 0); err != nil {
		t.Fatal(err)
	}
	ip, m := parseICMP(t, reassembled(t, h.packets()))
	if ip.Src != addr(serverAddr) || m.ID() != 9 || m.Seq() != 8 || !bytes.Equal(m.Payload, data) {
		t.Errorf("reply from %v: id %d seq %d, %d bytes", ip.Src, m.ID(), m.Seq(), len(m.Payload))
	}
	if err := r.Reply(h.now(), nil, 0); !errors.Is(err, ErrCanceled) {
		t.Errorf("second reply: %v", err)
	}
	reqs[1].Reject(h.now(), RejectAdmin)
	reqs[1].Reject(h.now(), RejectAdmin)
	h.want("reject", gatewayAddr+" > "+clientAddr+" icmp unreachable admin*["+clientAddr+" > "+serverAddr+" icmp echo*")
	reqs[2].Reject(h.now(), RejectPort)
	h.want("a port does not fit", gatewayAddr+" > "+clientAddr+" icmp unreachable host*")
	reqs[3].Fail(h.now(), Fault{Type: wire.ICMPTimeExceeded, From: netip.MustParseAddr("198.51.100.7")})
	h.want("hop", "198.51.100.7 > "+clientAddr+" icmp time exceeded*["+clientAddr+" > "+serverAddr+" icmp echo*")
	if err := reqs[3].Reply(h.now(), make([]byte, 65508), 0); !errors.Is(err, ErrMessageTooLong) {
		t.Errorf("too long: %v", err)
	}
}

// TestPing: requests of local origin, replies and errors.
func TestPing(t *testing.T) {
	gateway, client := pair(t)
	p, err := client.s.ListenPing(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := client.s.ListenPing(netip.MustParseAddr(clientAddr))
	if err != nil {
		t.Fatal(err)
	}
	var seen Event
	p.SetNotify(func(e Event) { seen |= e })
	var b [65535]byte
	for _, n := range []int{0, 56, 20000} {
		data := pattern(n, 9)
		if err := p.WriteTo(client.now(), uint16(n), data, netip.MustParseAddr(gatewayAddr)); err != nil {
			t.Fatal(err)
		}
		exchange(gateway, client)
		got, seq, from, err := p.ReadFrom(b[:])
		if err != nil || seq != uint16(n) || from != netip.MustParseAddr(gatewayAddr) || !bytes.Equal(b[:got], data) {
			t.Errorf("%d bytes: %d, seq %d from %v, %v", n, got, seq, from, err)
		}
	}
	if seen != tcp.EventReadable {
		t.Errorf("events %b", seen)
	}
	gateway.s.SetForwardICMP(func(r *ICMPRequest) { r.Reject(gateway.now(), RejectNetUnreachable) })
	if err := p.WriteTo(client.now(), 4, nil, netip.MustParseAddr(serverAddr)); err != nil {
		t.Fatal(err)
	}
	exchange(gateway, client)
	if _, seq, from, err := p.ReadFrom(b[:]); seq != 4 || from != netip.MustParseAddr(serverAddr) || !errors.Is(err, tcp.ErrNetUnreachable) {
		t.Errorf("unreachable: seq %d from %v, %v", seq, from, err)
	}
	if _, _, _, err := other.ReadFrom(b[:]); !errors.Is(err, ErrWouldBlock) {
		t.Errorf("another socket got something: %v", err)
	}
	for to, want := range map[string]error{"224.0.0.1": ErrUnreachable, "::1": ErrUnreachable, "0.0.0.0": ErrUnreachable} {
		if err := p.WriteTo(client.now(), 1, nil, netip.MustParseAddr(to)); !errors.Is(err, want) {
			t.Errorf("to %s: %v", to, err)
		}
	}
	p.Close()
	p.Close()
	if err := p.WriteTo(client.now(), 1, nil, netip.MustParseAddr(gatewayAddr)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if st := client.s.Stats(); st.DatagramMemory != 0 || len(client.s.pings.m) != 1 || len(client.s.remotes.m) > 1 {
		t.Errorf("left: %d bytes, %d sockets, %d remotes", st.DatagramMemory, len(client.s.pings.m), len(client.s.remotes.m))
	}
}

// TestICMPErrorsOfSockets: each code of RFC 792 and RFC 1122 §3.2.2.1 has its error.
func TestICMPErrorsOfSockets(t *testing.T) {
	for code, want := range []error{
		tcp.ErrNetUnreachable, tcp.ErrHostUnreachable, tcp.ErrProtocolUnreachable, tcp.ErrRefused,
		ErrMessageTooLong, tcp.ErrHostUnreachable, tcp.ErrNetUnreachable, tcp.ErrHostUnreachable,
		tcp.ErrHostUnreachable, tcp.ErrProhibited, tcp.ErrProhibited, tcp.ErrNetUnreachable,
		tcp.ErrHostUnreachable, tcp.ErrProhibited,
	} {
		m := wire.ICMPv4{Type: wire.ICMPUnreachable, Code: uint8(code)}
		if got := icmpError(&m); !errors.Is(got, want) {
			t.Errorf("code %d: %v, want %v", code, got, want)
		}
	}
	for typ, want := range map[uint8]error{wire.ICMPTimeExceeded: tcp.ErrHostUnreachable, wire.ICMPParamProblem: tcp.ErrProtocolUnreachable} {
		if got := icmpError(&wire.ICMPv4{Type: typ}); !errors.Is(got, want) {
			t.Errorf("type %d: %v, want %v", typ, got, want)
		}
	}
}

// TestPingAddressesAndLimits: the identifier is the socket's, a bound one takes only replies to its
// address, and its send queue tells when there is room.
func TestPingAddressesAndLimits(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) {
		c.Addresses = append(c.Addresses, netip.MustParseAddr("10.8.0.100"))
		c.Limits.UDPSendQueue = 2000
		c.Limits.UDPReceiveQueue = 2000
	})
	p, err := h.s.ListenPing(netip.MustParseAddr("10.8.0.100"))
	if err != nil {
		t.Fatal(err)
	}
	if p.LocalAddr() != netip.MustParseAddr("10.8.0.100") {
		t.Errorf("bound to %v", p.LocalAddr())
	}
	if _, err := h.s.ListenPing(netip.MustParseAddr("10.8.0.77")); !errors.Is(err, ErrAddrNotAvailable) {
		t.Errorf("foreign address: %v", err)
	}
	reply := func(to string, id uint16, n int) []byte {
		m := wire.ICMPv4{Type: wire.ICMPEchoReply, Payload: make([]byte, n)}
		m.SetEcho(id, 1)
		return icmpPacket(clientAddr, to, m)
	}
	h.recv(reply(gatewayAddr, p.ID(), 8), reply("10.8.0.100", p.ID()+1, 8))
	h.wantDrop("icmp: unexpected echo reply", 2)
	for range 10 {
		h.recv(reply("10.8.0.100", p.ID(), 500))
	}
	h.wantDrop("icmp: echo queue full", 7)
	var seen Event
	p.SetNotify(func(e Event) { seen |= e })
	if seen != tcp.EventReadable {
		t.Errorf("events %b", seen)
	}
	seen = 0
	var full error
	for full == nil {
		full = p.WriteTo(h.now(), 1, make([]byte, 500), netip.MustParseAddr(clientAddr))
	}
	h.packets()
	if !errors.Is(full, ErrWouldBlock) || seen != tcp.EventWritable {
		t.Errorf("%v, events %b", full, seen)
	}
	if err := p.WriteTo(h.now(), 1, make([]byte, 65508), netip.MustParseAddr(clientAddr)); !errors.Is(err, ErrMessageTooLong) {
		t.Errorf("too long: %v", err)
	}
}
