package ourstack

import (
	"net/netip"
	"testing"

	"vpngw/ourstack/wire"
)

// TestFaults: an error from the network goes on to the client as the router's word about the client's own
// packet; what cannot be one does not.
func TestFaults(t *testing.T) {
	const router = "198.51.100.7"
	from := netip.MustParseAddr(router)
	plain := echo(clientAddr, serverAddr, 9, 8, pattern(1000, 1))
	df := edit(plain, func(ip *wire.IPv4) { ip.DF = true })
	optioned := edit(plain, func(ip *wire.IPv4) { ip.Options = []byte{1, 1, 1, 1} })
	quoted := "*[" + clientAddr + " > " + serverAddr + " icmp echo*"
	for _, c := range []struct {
		name string
		pkt  []byte
		f    Fault
		want string // "": nothing
		ttl  uint8
		mtu  int // or the pointer
	}{
		{"expired", plain, Fault{Type: 11, From: from, TTL: 61}, router + " > " + clientAddr + " icmp time exceeded" + quoted, 61, 0},
		{"expired in reassembly", plain, Fault{Type: 11, Code: 1, From: from}, router + " > " + clientAddr + " icmp time exceeded" + quoted, 64, 0},
		{"prohibited", plain, Fault{Type: 3, Code: 10, From: from}, router + " > " + clientAddr + " icmp unreachable" + quoted, 64, 0},
		{"the gateway's own", plain, Fault{Type: 3, Code: 1}, gatewayAddr + " > " + clientAddr + " icmp unreachable host" + quoted, 64, 0},
		{"from no host", plain, Fault{Type: 3, Code: 1, From: netip.MustParseAddr("127.0.0.1")}, gatewayAddr + " > " + clientAddr + " icmp unreachable host" + quoted, 64, 0},
		{"too large", df, Fault{Type: 3, Code: 4, MTU: 900, From: from}, router + " > " + clientAddr + " icmp unreachable" + quoted, 64, 900},
		{"too large, an old router", df, Fault{Type: 3, Code: 4, From: from}, router + " > " + clientAddr + " icmp unreachable" + quoted, 64, 1006},
		{"too large for anything", df, Fault{Type: 3, Code: 4, MTU: 1, From: from}, router + " > " + clientAddr + " icmp unreachable" + quoted, 64, 68},
		{"too large, without DF", plain, Fault{Type: 3, Code: 4, MTU: 900, From: from}, "", 0, 0},
		{"a redirect", plain, Fault{Type: 5, From: from}, "", 0, 0},
		{"a parameter problem", plain, Fault{Type: 12, From: from, Pointer: 9}, router + " > " + clientAddr + " icmp*" + quoted, 64, 9},
		{"an option missing", plain, Fault{Type: 12, Code: 1, From: from}, router + " > " + clientAddr + " icmp*" + quoted, 64, 0},
		{"of an option that stayed here", optioned, Fault{Type: 12, From: from, Pointer: 20}, "", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, gatewayAddr)
			var req *ICMPRequest
			h.s.SetForwardICMP(func(r *ICMPRequest) { req = r })
			h.recv(c.pkt)
			req.Fail(h.now(), c.f)
			req.Fail(h.now(), c.f) // was answered
			pkts := h.packets()
			if c.want == "" {
				if len(pkts) != 0 {
					t.Errorf("%d packets", len(pkts))
				}
				return
			}
			if len(pkts) != 1 {
				t.Fatalf("%d packets", len(pkts))
			}
			ip, m := parseICMP(t, pkts[0])
			told := m.MTU()
			if m.Type == wire.ICMPParamProblem {
				told = int(m.Pointer())
			}
			if ip.TTL != c.ttl || m.Type != c.f.Type || m.Code != c.f.Code || c.mtu != 0 && told != c.mtu {
				t.Errorf("TTL %d, %d/%d, MTU or pointer %d", ip.TTL, m.Type, m.Code, told)
			}
			if line := string(wire.AppendPacket(nil, pkts[0])); !matches(line, c.want) {
				t.Errorf("%s, want %s", line, c.want)
			}
			if string(m.Payload) != string(c.pkt[:len(m.Payload)]) {
				t.Error("the quotation is not the client's packet")
			}
		})
	}
}

// TestTCPRequestFails: the SYN is quoted, and the request is over.
func TestTCPRequestFails(t *testing.T) {
	h := newHost(t, gatewayAddr)
	var req *TCPRequest
	h.s.SetForwardTCP(func(r *TCPRequest) { req = r })
	h.recv(edit(syn(clientAddr+":1000", serverAddr+":80", 1), func(ip *wire.IPv4) { ip.TTL = 7 }))
	if req.TTL() != 7 {
		t.Errorf("TTL %d", req.TTL())
	}
	req.Fail(h.now(), Fault{Type: 11, From: netip.MustParseAddr("198.51.100.7")})
	req.Reject(h.now(), RejectRefused)
	h.want("fail", "198.51.100.7 > "+clientAddr+" icmp time exceeded*["+clientAddr+":1000 > "+serverAddr+":80*")
}
