package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

func TestDataArrivesIntactBothWays(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	down, up := s.open(s.client(0), "192.0.2.1:80")
	const size = 20 << 20
	send := func(w interface {
		io.Writer
		CloseWrite() error
	}, seed uint64, sum chan<- [32]byte,
	) {
		random, hash := mathrand.NewChaCha8([32]byte{byte(seed)}), sha256.New()
		if _, err := io.CopyN(io.MultiWriter(w, hash), random, size); err != nil {
			t.Errorf("send: %v", err)
		}
		if err := w.CloseWrite(); err != nil {
			t.Errorf("close: %v", err)
		}
		sum <- [32]byte(hash.Sum(nil))
	}
	receive := func(r io.Reader, sum chan<- [32]byte) {
		hash := sha256.New()
		if n, err := io.Copy(hash, r); n != size || err != nil {
			t.Errorf("received %d bytes: %v", n, err)
		}
		sum <- [32]byte(hash.Sum(nil))
	}
	sent, got := make(chan [32]byte, 1), make(chan [32]byte, 1)
	sentDown, gotDown := make(chan [32]byte, 1), make(chan [32]byte, 1)
	go send(down, 1, sent)
	go receive(up, got)
	go send(up, 2, sentDown)
	go receive(down, gotDown)
	if <-sent != <-got {
		t.Error("client to server: not what was sent")
	}
	if <-sentDown != <-gotDown {
		t.Error("server to client: not what was sent")
	}
}

func TestFailuresThroughTheTunnel(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	c := s.client(0)
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.place("192.0.2.1:1", closed.Addr())
	_ = closed.Close()
	s.fail("192.0.2.2:1", syscall.ENETUNREACH)
	s.fail("192.0.2.3:1", syscall.EHOSTUNREACH)
	for _, row := range []struct {
		name, dst string
		want      error
	}{
		{"refused", "192.0.2.1:1", syscall.ECONNREFUSED},
		{"network unreachable", "192.0.2.2:1", syscall.ENETUNREACH},
		{"host unreachable", "192.0.2.3:1", syscall.EHOSTUNREACH},
		{"loopback", "127.0.0.1:22", syscall.EHOSTUNREACH}, // what Linux makes of ICMP 3/13
		{"metadata", "169.254.169.254:80", syscall.EHOSTUNREACH},
		{"another peer", "10.8.0.77:22", syscall.EHOSTUNREACH},
	} {
		if _, err := c.dialTCP(netip.MustParseAddrPort(row.dst)); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

func TestSilentHostStaysSilent(t *testing.T) {
	cfg := testConfig(t, 1)
	cfg.Forward.DialTimeout = 200 * time.Millisecond
	s := startSite(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // time for a second SYN
	defer cancel()
	dst := netip.MustParseAddrPort("192.0.2.9:80")
	_, err := s.client(0).DialContextTCPAddrPort(ctx, dst)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the client's own timeout", err)
	}
	if n := s.Status().Counters; n.TCPTimeout != 1 || n.TCPRefused != 0 {
		t.Errorf("%+v", n)
	}
	s.internet.mu.Lock()
	defer s.internet.mu.Unlock()
	if n := s.dials[dst]; n != 1 {
		t.Errorf("%d dials for one connection attempt", n)
	}
}

func TestGivenUpAttemptCancelsTheDial(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	c := s.client(0)
	go func() {
		_, err := c.DialContextTCPAddrPort(ctx, netip.MustParseAddrPort("192.0.2.9:80"))
		ended <- err
	}()
	eventually(t, "a dial is under way", func() bool { return s.Status().Totals.Flows.Dialing == 1 })
	cancel()
	if err := await(t, "client", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	eventually(t, "the dial has ended", func() bool { return s.Status().Totals.Flows.Dialing == 0 })
}

func TestHalfCloseThroughTheTunnel(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	down, up := s.open(s.client(0), "192.0.2.1:80")
	_, _ = down.Write([]byte("question"))
	_ = down.CloseWrite()
	if got, err := io.ReadAll(up); string(got) != "question" || err != nil {
		t.Fatalf("server got %q, %v", got, err)
	}
	reply := bytes.Repeat([]byte("long reply "), 100000)
	go func() {
		_, _ = up.Write(reply)
		_ = up.Close()
	}()
	if got, err := io.ReadAll(down); !bytes.Equal(got, reply) || err != nil {
		t.Errorf("client got %d bytes of %d, %v", len(got), len(reply), err)
	}
	eventually(t, "the flow is gone", func() bool { return s.Status().Totals.Flows == FlowCounts{} })
}

func TestResetsThroughTheTunnel(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	c := s.client(0)

	down, up := s.open(c, "192.0.2.1:80")
	_, _ = up.Write([]byte("x"))
	if _, err := io.ReadFull(down, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = up.SetLinger(0)
	_ = up.Close()
	if _, err := down.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server resets, the client reads %v", err)
	}

	down, up = s.open(c, "192.0.2.2:80")
	_ = down.SetLinger(0)
	_ = down.Close()
	if _, err := up.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client resets, the server reads %v", err)
	}

	// Half-closed flows, where nobody reads any more on the side that resets.
	down, up = s.open(c, "192.0.2.3:80")
	_ = up.CloseWrite()
	if _, err := down.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	_ = up.SetLinger(0)
	_ = up.Close()
	if err := awaitClosed(t, down); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server resets a half-closed flow, the client sees %v", err)
	}

	down, up = s.open(c, "192.0.2.4:80")
	_ = down.CloseWrite()
	if _, err := up.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	_ = down.SetLinger(0)
	_ = down.Close()
	if err := awaitClosed(t, up); err == nil {
		t.Error("the client resets a half-closed flow, the server does not see it")
	}
	eventually(t, "the flows are gone", func() bool { return s.Status().Totals.Flows == FlowCounts{} })
}

func TestDataBeforeAResetArrives(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	down, up := s.open(s.client(0), "192.0.2.1:80")
	_ = down.SetReadBuffer(4 << 10) // most of it has to wait in the gateway
	sent := bytes.Repeat([]byte("precious"), 4<<10)
	if _, err := up.Write(sent); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is with the gateway", func() bool { return unsent(t, up) == 0 })
	_ = up.SetLinger(0)
	_ = up.Close()
	got, err := io.ReadAll(down)
	if !errors.Is(err, syscall.ECONNRESET) || !bytes.Equal(got, sent) {
		t.Errorf("the client got %d bytes of %d, then %v", len(got), len(sent), err)
	}
}

// awaitClosed waits for the reset of a connection that has been read to its end.
func awaitClosed(t *testing.T, c tcpConn) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- awaitReset(c) }()
	return await(t, "reset", ended)
}

func TestBackPressureThroughTheTunnel(t *testing.T) {
	cfg := testConfig(t, 2)
	cfg.Stack.ReceiveBufferMax, cfg.Stack.SendBufferMax = 64<<10, 64<<10
	s := startSite(t, cfg)
	c := s.client(0)
	stuck, stuckServer := s.open(c, "192.0.2.1:80")
	written := make(chan int, 1)
	go func() {
		_ = stuck.SetWriteDeadline(time.Now().Add(2 * time.Second))
		n, _ := stuck.Write(make([]byte, 64<<20))
		written <- n
	}()
	// Others go on while the server does not read.
	for _, other := range []*client{c, s.client(1)} {
		down, up := s.open(other, "192.0.2.2:80")
		go func() {
			_, _ = io.Copy(up, up)
			_ = up.CloseWrite()
		}()
		msg := bytes.Repeat([]byte("x"), 1<<20)
		go func() {
			_, _ = down.Write(msg)
			_ = down.CloseWrite()
		}()
		if got, err := io.ReadAll(down); len(got) != len(msg) || err != nil {
			t.Errorf("another flow: %d bytes, %v", len(got), err)
		}
	}
	n := await(t, "the blocked writer's deadline", written)
	if n >= 64<<20 {
		t.Error("64 MiB went into a flow whose server does not read")
	}
	_ = stuck.CloseWrite()
	if got, err := io.Copy(io.Discard, stuckServer); int(got) != n || err != nil {
		t.Errorf("the server reads %d of %d bytes, %v", got, n, err)
	}
}

func TestSourceOfAnotherPeerIsDropped(t *testing.T) {
	s := startSite(t, testConfig(t, 2))
	dst, _ := s.server("192.0.2.1:80")
	liar := s.clientAs(s.cfg.Peers[0].PrivateKey, s.cfg.Peers[1].AllowedIPs[0].Addr())
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := liar.DialContextTCPAddrPort(ctx, dst); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	s.client(0).mustDialTCP(dst) // the same peer with its own address
}

func TestStrangerWithoutAKeyGetsNothing(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	dst, _ := s.server("192.0.2.1:80")
	stranger := s.clientAs(newKey(t), netip.MustParseAddr("10.8.0.2"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := stranger.DialContextTCPAddrPort(ctx, dst); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if s.Status().Totals.RxBytes != 0 {
		t.Error("bytes were counted for nobody")
	}
}

// eventually waits for what other goroutines are about to do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond) // between two looks; nothing depends on it
	}
}
