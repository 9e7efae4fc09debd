package gateway

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"vpngw/ourstack/wire"
)

// kernelACK is how long the kernel keeps the ACK of a handshake to itself (TCP_DELACK_MAX).
const kernelACK = 200 * time.Millisecond

// A halfOpen is a flow whose client has got its SYN-ACK, and says nothing yet.
type halfOpen struct {
	*forwarder
	t        *testing.T
	stack    *stack
	accepted <-chan *net.TCPConn
	out      chan wire.TCP // what the client receives

	client, server netip.AddrPort
	seg            wire.TCP // the client's next
}

func newHalfOpen(t *testing.T) *halfOpen {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan *net.TCPConn, 1)
	go func() {
		defer close(accepted)
		if c, err := l.AcceptTCP(); err == nil {
			accepted <- c
		}
	}()
	far := newInternet(t)
	h := &halfOpen{
		forwarder: newForwarder(testLog(t), 0), t: t, accepted: accepted, out: make(chan wire.TCP, 100),
		client: netip.MustParseAddrPort("10.8.0.2:1000"), server: far.place("192.0.2.1:80", l.Addr()),
	}
	cfg := testConfig(t, 1)
	h.configure(cfg)
	h.peers.Store(newPeerTable(cfg.Peers, nil, &h.open))
	h.dial = far.dial
	if h.stack, err = newStack(cfg, h.forwarder); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.receive()
	}()
	t.Cleanup(func() {
		_ = h.end(t.Context())
		h.stack.close()
		<-done
		_ = l.Close()
		for c := range accepted {
			_ = c.Close()
		}
	})
	h.seg = wire.TCP{SrcPort: h.client.Port(), DstPort: h.server.Port(), Seq: 1000, Wnd: 1 << 15}
	h.send(wire.FlagSYN)
	answer := h.next()
	if answer.Flags != wire.FlagSYN|wire.FlagACK {
		t.Fatalf("the answer to the SYN has flags %#x", answer.Flags)
	}
	h.seg.Seq, h.seg.Ack = h.seg.Seq.Add(1), answer.Seq.Add(1)
	return h
}

func (h *halfOpen) receive() {
	buf, sizes := make([]byte, 2000), make([]int, 1)
	for {
		if _, err := h.stack.device().Read([][]byte{buf}, sizes, 0); err != nil {
			return
		}
		var ip wire.IPv4
		var seg wire.TCP
		if ip.Parse(buf[:sizes[0]]) == wire.OK && seg.Parse(ip.Payload) == wire.OK {
			seg.Payload = bytes.Clone(seg.Payload)
			h.out <- seg
		}
	}
}

// next is the next segment for the client.
func (h *halfOpen) next() wire.TCP {
	h.t.Helper()
	return await(h.t, "segment for the client", h.out)
}

// send sends a segment of the client without data.
func (h *halfOpen) send(flags wire.Flags) {
	h.t.Helper()
	var b [wire.IPv4MinHeaderLen + wire.TCPMinHeaderLen]byte
	ip := wire.IPv4{
		TotalLen: len(b), TTL: 64, Protocol: wire.ProtoTCP, Src: h.client.Addr().As4(), Dst: h.server.Addr().As4(),
	}
	h.seg.Flags = flags
	h.seg.Put(b[ip.Put(b[:]):])
	wire.SetTCPChecksum(ip.Src, ip.Dst, b[wire.IPv4MinHeaderLen:])
	if _, err := h.stack.device().Write([][]byte{b[:]}, 0); err != nil {
		h.t.Fatal(err)
	}
}

func (h *halfOpen) wantGone() {
	h.t.Helper()
	eventually(h.t, "the flow is gone", func() bool { return h.budgets.total() == FlowCounts{} })
}

// wantNoConnection: the server is told of none, also later.
func (h *halfOpen) wantNoConnection() {
	h.t.Helper()
	select {
	case <-h.accepted:
		h.t.Error("the server has a connection")
	case <-time.After(kernelACK + kernelACK/2):
	}
}

func TestClientThatResetsTheSYNACK(t *testing.T) {
	h := newHalfOpen(t)
	began := time.Now()
	h.send(wire.FlagRST)
	h.wantGone()
	if time.Since(began) < kernelACK {
		h.wantNoConnection()
	}
}

func TestEndBeforeTheHandshake(t *testing.T) {
	h := newHalfOpen(t)
	if err := h.end(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.wantGone()
	if s := h.next(); s.Flags&wire.FlagRST == 0 {
		t.Errorf("the client got flags %#x", s.Flags)
	}
}

// TestServerThatSpeaksFirst has its connection when the client has, and what it sends arrives. On a busy
// machine it may be the kernel that has told it: then that try says nothing.
func TestServerThatSpeaksFirst(t *testing.T) {
	const tries = 10
	for try := 1; ; try++ {
		h := newHalfOpen(t)
		began := time.Now()
		h.send(wire.FlagACK)
		up := await(t, "connection at the server", h.accepted)
		if late := time.Since(began) >= kernelACK/2; late && try < tries {
			continue
		} else if late {
			t.Error("the server had to wait for its connection")
		}
		_, _ = up.Write([]byte("hello"))
		s := h.next()
		if string(s.Payload) != "hello" {
			t.Errorf("the client got %q, flags %#x", s.Payload, s.Flags)
		}
		h.seg.Ack = s.Seq.Add(s.Len())
		h.send(wire.FlagACK)
		_ = up.SetLinger(0)
		_ = up.Close()
		h.wantGone()
		return
	}
}

// TestServerThatEndsBeforeTheHandshake: what it sent, and how it ended, reach a client that is slow.
func TestServerThatEndsBeforeTheHandshake(t *testing.T) {
	for linger, want := range map[int]wire.Flags{-1: wire.FlagFIN, 0: wire.FlagRST} {
		h := newHalfOpen(t)
		up := await(t, "connection at the server, by the kernel", h.accepted)
		_ = up.SetLinger(linger)
		if linger < 0 {
			_, _ = up.Write([]byte("hello"))
		}
		_ = up.Close()
		h.send(wire.FlagACK)
		var got []byte
		var flags wire.Flags
		for flags&(wire.FlagFIN|wire.FlagRST) == 0 {
			s := h.next()
			if s.Flags&wire.FlagSYN != 0 {
				continue // again, before it had the ACK
			}
			got, flags = append(got, s.Payload...), flags|s.Flags
			if len(s.Payload) > 0 && flags&wire.FlagFIN == 0 {
				h.seg.Ack = s.Seq.Add(s.Len())
				h.send(wire.FlagACK)
			}
		}
		if flags&want == 0 || linger < 0 && string(got) != "hello" {
			t.Errorf("linger %d: %q, flags %#x", linger, got, flags)
		}
	}
}
