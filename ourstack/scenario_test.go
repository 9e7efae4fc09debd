package ourstack

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"vpngw/ourstack/wire"
)

// Scenarios in which other stacks have failed, by their number in SCENARIOS.md, as far as they need a
// whole stack.

// Bug class 18: the exact answer of CLOSED and LISTEN to every kind of segment, wherever it lies in the
// sequence space (RFC 9293 §3.10.7.1 and §3.10.7.2). Package tcp has the other states.
func TestAnswersWithoutConnection(t *testing.T) {
	for _, tc := range []struct {
		name           string
		seg            wire.TCP
		closed, listen string // "rst": <SEQ=SEG.ACK>; "rst-ack": <SEQ=0><ACK=SEG.SEQ+SEG.LEN>
	}{
		{"SYN", wire.TCP{Flags: wire.FlagSYN}, "rst-ack", "syn-ack"},
		{"SYN-ACK", wire.TCP{Flags: wire.FlagSYN | wire.FlagACK}, "rst", "rst"},
		{"ACK", wire.TCP{Flags: wire.FlagACK}, "rst", "rst"},
		{"data", wire.TCP{Flags: wire.FlagACK | wire.FlagPSH, Payload: make([]byte, 10)}, "rst", "rst"},
		{"FIN", wire.TCP{Flags: wire.FlagACK | wire.FlagFIN}, "rst", "rst"},
		{"RST", wire.TCP{Flags: wire.FlagRST}, "", ""},
		{"RST-ACK", wire.TCP{Flags: wire.FlagRST | wire.FlagACK}, "", ""},
		{"URG", wire.TCP{Flags: wire.FlagACK | wire.FlagURG, Urg: 5, Payload: make([]byte, 10)}, "rst", "rst"},
		{"no flags", wire.TCP{Payload: make([]byte, 10)}, "rst-ack", ""},
		{"FIN alone", wire.TCP{Flags: wire.FlagFIN}, "rst-ack", ""},
		{"SYN and FIN", wire.TCP{Flags: wire.FlagSYN | wire.FlagFIN}, "", ""}, // as in Linux
	} {
		for _, number := range []uint32{0, 1, 1000, 1 << 31, 0xFFFFFFFE, 0xFFFFFFFF} {
			h := newHost(t, gatewayAddr)
			listen(t, h, gatewayAddr+":80", 4)
			seg := tc.seg
			seg.Seq, seg.Ack = seqOf(number), 0
			if seg.Flags&wire.FlagACK != 0 {
				seg.Ack = seqOf(number ^ 0x55555555)
			}
			for port, want := range map[string]string{":79": tc.closed, ":80": tc.listen} {
				h.recv(segment("10.8.0.2:1", gatewayAddr+port, seg))
				if got := answerText(t, h, &seg); got != want {
					t.Errorf("%s at %d to port %s: %q, want %q", tc.name, number, port, got, want)
				}
			}
		}
	}
}

// answerText describes the one answer to seg, if there is any.
func answerText(t *testing.T, h *host, seg *wire.TCP) string {
	t.Helper()
	pkts := h.packets()
	if len(pkts) == 0 {
		return ""
	}
	var ip wire.IPv4
	var out wire.TCP
	if len(pkts) > 1 || ip.Parse(pkts[0]) != wire.OK || out.Parse(ip.Payload) != wire.OK {
		t.Fatalf("%d packets in answer", len(pkts))
	}
	switch {
	case out.Flags == wire.FlagRST && out.Seq == seg.Ack:
		return "rst"
	case out.Flags == wire.FlagRST|wire.FlagACK && out.Seq == 0 && out.Ack == seg.Seq.Add(seg.Len()):
		return "rst-ack"
	case out.Flags == wire.FlagSYN|wire.FlagACK && out.Ack == seg.Seq.Add(1):
		return "syn-ack"
	}
	return string(wire.AppendPacket(nil, pkts[0]))
}

// Bug class 4: packets that arrived in time and are processed late do not lengthen the round trip.
func TestLateProcessingIsNoRoundTrip(t *testing.T) {
	gateway, client := pair(t)
	server, cl := established(t, gateway, client)
	cl.SetNoDelay(true)
	var b [10_000]byte
	for range 30 {
		if _, err := cl.Write(client.now(), b[:2000]); err != nil {
			t.Fatal(err)
		}
		gateway.recv(client.packets()...)
		if n, _ := server.Read(gateway.now(), b[:]); n != 2000 {
			t.Fatalf("%d octets read", n)
		}
		gateway.after(100 * ms) // a delayed ACK leaves, at the latest
		acks := gateway.packets()
		arrived := client.now()
		*client.clock = arrived.Add(80 * ms) // the client was not scheduled
		client.s.Input(arrived, acks, 0)
		client.s.Advance(client.now())
	}
	if rtt := cl.Info(client.now()).RTT; rtt > 105*ms {
		t.Errorf("%d ms over a path of 100 ms, with 80 ms of processing", rtt/ms)
	}
}

// Bug class 10: a million SYNs without the last ACK. What the stack holds does not grow, and when the
// flood is over nothing of it is left.
func TestHalfOpenMillionIsFlat(t *testing.T) {
	rounds := 1_000_000
	if testing.Short() {
		rounds = 100_000
	}
	h := newHost(t, gatewayAddr)
	l := listen(t, h, gatewayAddr+":80", 128)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var before uint64
	const batch = 100
	pkts := make([][]byte, batch)
	for i := 0; i < rounds; i += batch {
		for j := range pkts {
			n := i + j
			pkts[j] = syn(fmt.Sprintf("10.%d.%d.%d:%d", 9+n>>16&7, n>>8&0xFF, n&0xFF, 1024+n%60000), gatewayAddr+":80", uint32(n))
		}
		h.recv(pkts...)
		for h.s.Output(h.now(), h.bufs, h.sizes, 16) > 0 {
		}
		h.after(10 * ms)
		if i == rounds/10 {
			before = heap()
		}
	}
	if after := heap(); after > before+1<<20 {
		t.Errorf("the heap grew by %d KiB from a tenth of the flood to its end", (after-before)>>10)
	}
	if st := h.s.Stats(); st.Conns > 256 {
		t.Errorf("%d connections", st.Conns)
	}
	h.after(200 * second)
	h.packets()
	if st := h.s.Stats(); st.Conns != 0 || st.Memory != 0 || l.half.n != 0 || len(h.s.remotes.m) != 0 {
		t.Errorf("left behind: %d connections, %d bytes, %d half open, %d remotes", st.Conns, st.Memory, l.half.n, len(h.s.remotes.m))
	}
}

// Bug class 15: every kind of IP option with good and bad lengths, in front of every protocol. All but
// source routes are skipped; nothing is misread because of them.
func TestEveryIPOption(t *testing.T) {
	h := newHost(t, gatewayAddr)
	for kind := range 256 {
		for _, length := range []int{-1, 0, 1, 2, 3, 4, 8, 39, 40, 41, 255} {
			opt := []byte{byte(kind)}
			if length >= 0 {
				opt = append(opt, byte(length))
			}
			opt = append(opt, make([]byte, max(0, min(length, 40)-len(opt)))...)
			with := func(ip *wire.IPv4) { ip.Options = opt }
			packets := [][]byte{
				edit(echo(clientAddr, gatewayAddr, 1, 1, nil), with),
				edit(syn(clientAddr+":1", gatewayAddr+":80", 1), with),
				edit(udpDatagram(clientAddr+":1", gatewayAddr+":53", nil), with),
			}
			want := []string{"icmp echo reply", " R. ", "unreachable port"}
			for i, p := range packets {
				h.recv(p)
				h.after(second) // limits recover
				got := strings.Join(h.sent(), "; ")
				if kind == 131 || kind == 137 {
					if strings.Contains(got, want[i]) && i != 2 {
						t.Fatalf("source route %d, length %d: %s", kind, length, got)
					}
				} else if !strings.Contains(got, want[i]) {
					t.Fatalf("option %d, length %d: %q, want %s", kind, length, got, want[i])
				}
			}
		}
	}
}

// Bug class 15: every truncation of packets with options draws nothing, and is counted.
func TestEveryTruncation(t *testing.T) {
	h := newHost(t, gatewayAddr)
	listenUDP(t, h, gatewayAddr+":53")
	with := func(ip *wire.IPv4) { ip.Options = []byte{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1} }
	for _, whole := range [][]byte{
		edit(echo(clientAddr, gatewayAddr, 1, 1, []byte("no prefix has its sum")), with),
		edit(syn(clientAddr+":1", gatewayAddr+":80", 1), with),
		edit(udpDatagram(clientAddr+":1", gatewayAddr+":53", make([]byte, 20)), with),
	} {
		for n := range len(whole) {
			before := dropped(h)
			h.recv(append([]byte(nil), whole[:n]...)) // the link has cut it
			h.want(fmt.Sprintf("%d of %d octets", n, len(whole)))
			if dropped(h) != before+1 {
				t.Errorf("%d of %d octets: not counted", n, len(whole))
			}
		}
		var ip wire.IPv4
		ip.Parse(whole)
		for n := range len(ip.Payload) { // the sender has: its header says so, and its checksum is right
			before := dropped(h)
			short := ip
			h.recv(ipPacket(short, append([]byte(nil), ip.Payload[:n]...)))
			h.after(second)
			h.want(fmt.Sprintf("%d octets of protocol %d", n, ip.Protocol))
			if dropped(h) != before+1 {
				t.Errorf("%d octets of protocol %d: not counted", n, ip.Protocol)
			}
		}
	}
}

// dropped is how many packets have been dropped for any reason.
func dropped(h *host) (n uint64) {
	for _, k := range h.s.Stats().Drops {
		n += k
	}
	return n
}

// Bug class 16: every UDP length in every relation to the length of the IP payload. Only what lies inside
// is taken, and exactly that many octets are delivered.
func TestUDPLengthGames(t *testing.T) {
	const payload = 24
	h := newHost(t, gatewayAddr)
	u := listenUDP(t, h, gatewayAddr+":53")
	var ip wire.IPv4
	ip.Parse(udpDatagram("10.8.0.2:1", gatewayAddr+":53", []byte("abcdefghijklmnopqrstuvwx")))
	for length := range 70 {
		for _, summed := range []bool{false, true} {
			b := append([]byte(nil), ip.Payload...)
			binary.BigEndian.PutUint16(b[4:], uint16(length))
			b[6], b[7] = 0, 0
			if covered := min(max(length, wire.UDPHeaderLen), len(b)); summed {
				wire.SetUDPChecksum(ip.Src, ip.Dst, b[:covered])
				binary.BigEndian.PutUint16(b[4:], uint16(length))
			}
			before := dropped(h)
			h.recv(ipPacket(ip, b))
			got := read(u)
			if length < wire.UDPHeaderLen || length > wire.UDPHeaderLen+payload {
				if got != ErrWouldBlock.Error() || dropped(h) != before+1 {
					t.Errorf("length %d of %d octets: %q", length, len(b), got)
				}
				continue
			}
			if want := string(b[8:length]) + " 10.8.0.2:1 > 10.8.0.1:53"; got != want {
				t.Errorf("length %d of %d octets: %q, want %q", length, len(b), got, want)
			}
		}
	}
}

// Bug class 22: with a reader that takes one packet at a time or a full batch, nothing is lost between
// connections and device: no drop is counted, nothing is sent twice, no packet exceeds the MTU.
func TestNothingIsDroppedLocally(t *testing.T) {
	for _, batch := range []int{1, 7, 128} {
		gateway, client := pair(t)
		client.bufs, gateway.bufs = client.bufs[:batch], gateway.bufs[:batch]
		l := listen(t, gateway, gatewayAddr+":80", 64)
		var conns [][2]*Conn // client, server
		for range 32 {
			cl, err := client.s.Dial(client.now(), ap("0.0.0.0:0"), ap(gatewayAddr+":80"))
			if err != nil {
				t.Fatal(err)
			}
			exchange(gateway, client)
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, [2]*Conn{cl, server})
		}
		const each = 300_000
		var read, written [64]int
		buf := make([]byte, 64<<10)
		run(gateway, client, 60*second, func() bool {
			for round := true; round; {
				round = false
				for i, c := range conns {
					for side := range 2 {
						k := 2*i + side
						n, _ := c[side].Write(client.now(), buf[:min(len(buf), each-written[k])])
						m, _ := c[side].Read(client.now(), buf)
						written[k] += n
						read[k] += m
						round = round || n+m > 0
					}
				}
				exchange(gateway, client, func(p []byte) bool {
					if len(p) > 1420 {
						t.Fatalf("a packet of %d octets", len(p))
					}
					return true
				})
			}
			for _, n := range read {
				if n < each {
					return false
				}
			}
			return true
		})
		for _, h := range []*host{gateway, client} {
			if n := dropped(h); n != 0 {
				t.Errorf("batches of %d: %v", batch, h.s.Stats().Drops)
			}
		}
		for _, c := range conns {
			for side := range 2 {
				if i := c[side].Info(client.now()); i.Counters.Retransmits != 0 || i.Counters.BytesOut != each {
					t.Fatalf("batches of %d: %d resent, %d octets for %d", batch, i.Counters.Retransmits, i.Counters.BytesOut, each)
				}
			}
		}
	}
}
