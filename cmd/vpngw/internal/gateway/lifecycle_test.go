package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vpngw/adapter"
	"vpngw/config"
)

func TestTakenPortIsOneClearSentence(t *testing.T) {
	for range 50 { // it was a race once
		startOnTakenPort(t)
	}
}

func startOnTakenPort(t *testing.T) {
	t.Helper()
	taken, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	cfg := testConfig(t, 1)
	cfg.Interface.ListenPort = int(addrPort(taken.LocalAddr()).Port())
	g, err := New(cfg, Options{Logger: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	err = g.Start(t.Context())
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("start: %v", err)
	}
	if want := fmt.Sprintf("UDP port %d is taken by another program", cfg.Interface.ListenPort); !strings.HasPrefix(err.Error(), want) {
		t.Errorf("it says %q", err)
	}
	if g.Ready() || g.Close(t.Context()) != nil {
		t.Error("a gateway that did not start is ready, or cannot be closed")
	}
}

func TestNewWantsAKeyAndAnAddress(t *testing.T) {
	for key, change := range map[string]func(*config.Config){
		"interface.private_key": func(c *config.Config) { c.Interface.PrivateKey = config.PrivateKey{} },
		"interface.address":     func(c *config.Config) { c.Interface.Address = netip.Prefix{} },
	} {
		cfg := testConfig(t, 0)
		change(cfg)
		if _, err := New(cfg, Options{}); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestPhases(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	if !s.Ready() || s.Start(t.Context()) == nil {
		t.Error("a started gateway is not ready, or can be started again")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Errorf("drain without flows: %v", err)
	}
	if st := s.Status(); s.Ready() || !st.Draining || st.ListenPort == 0 {
		t.Errorf("draining: ready %v, %+v", s.Ready(), st)
	}
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if s.Close(ctx) != nil || s.Ready() || s.Reload(s.cfg) == nil || s.Status().ListenPort != 0 {
		t.Error("a closed gateway does something")
	}
	closed, err := New(s.cfg, Options{})
	if err != nil || closed.Close(ctx) != nil || closed.Start(ctx) == nil {
		t.Error("closed before it was started, it starts")
	}
}

func TestGatewayWithoutPeersOrPort(t *testing.T) {
	var log bytes.Buffer
	g, err := New(testConfig(t, 0), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	port := g.Status().ListenPort
	if b, err := json.Marshal(g.Status()); err != nil || !bytes.Contains(b, []byte(`"peers":[]`)) {
		t.Errorf("without peers: %s, %v", b, err)
	}
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("listen_port=%d\n", port); !strings.Contains(log.String(), want) {
		t.Errorf("no %q in\n%s", want, &log)
	}
}

func TestStatusTellsWhatGoesOn(t *testing.T) {
	cfg := testConfig(t, 2)
	s := startSite(t, cfg)
	down, up := s.open(s.client(0), "192.0.2.1:80")
	go func() { _, _ = io.Copy(up, up) }()
	_, _ = down.Write(make([]byte, 10000))
	if _, err := io.ReadFull(down, make([]byte, 10000)); err != nil {
		t.Fatal(err)
	}
	// The device counts what it has sent a moment after it was received.
	eventually(t, "10,000 bytes sent", func() bool { return s.Status().Totals.TxBytes >= 10000 })
	st := s.Status()
	if st.PublicKey != cfg.Interface.PrivateKey.Public().String() || !st.Ready || st.ListenPort == 0 || st.MTU != 1420 ||
		st.Address != cfg.Interface.Address || st.StartedAt.IsZero() || len(st.Peers) != 2 {
		t.Errorf("%+v", st)
	}
	p := st.Peers[0]
	if p.Name != "p0" || p.PublicKey != cfg.Peers[0].PublicKey.String() || !strings.HasPrefix(p.Endpoint, "127.0.0.1:") ||
		time.Since(p.LastHandshake) > time.Minute || p.RxBytes < 10000 || p.TxBytes < 10000 || p.Flows != (FlowCounts{TCP: 1}) {
		t.Errorf("%+v", p)
	}
	if p := st.Peers[1]; p.Endpoint != "" || !p.LastHandshake.IsZero() || p.RxBytes != 0 || p.Flows != (FlowCounts{}) {
		t.Errorf("%+v", p)
	}
	if st.Totals.RxBytes != p.RxBytes || st.Totals.Flows.TCP != 1 || st.Totals.HeapBytes == 0 || st.Totals.Peers != 2 {
		t.Errorf("%+v", st.Totals)
	}
}

func TestCloseEndsBusyFlowsAndLeavesNothing(t *testing.T) {
	const flows = 100
	s := startSite(t, testConfig(t, 4))
	dst, conns := s.server("192.0.2.1:80")
	dead := netip.MustParseAddrPort("192.0.2.9:80")
	udp := s.udpServer("192.0.2.2:53")
	var downs []*adapter.TCPConn
	for i := range 4 {
		c := s.client(i)
		for range flows / 4 {
			downs = append(downs, c.mustDialTCP(dst))
		}
		go func() { _, _ = c.dialTCP(dead) }()
		exchange(t, c.udpSocket(), []byte("x"), udp)
	}
	eventually(t, "four dials", func() bool { return s.Status().Totals.Flows.Dialing == 4 })
	var busy sync.WaitGroup
	for _, down := range downs {
		up := await(t, "server", conns)
		busy.Add(1)
		go func() {
			_, _ = io.CopyN(io.Discard, up, 100<<10)
			busy.Done()
			_, _ = io.Copy(io.Discard, up)
			_ = up.Close()
		}()
		go func() { _, _ = down.ReadFrom(zeros{}) }()
	}
	busy.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if got := s.Status().Totals.Flows; got != (FlowCounts{}) {
		t.Errorf("left: %+v", got)
	}
	// The clients are told, as far as a packet could still leave.
	told := 0
	for _, down := range downs {
		_ = down.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := down.Read(make([]byte, 1)); errors.Is(err, syscall.ECONNRESET) {
			told++
		}
	}
	if told == 0 {
		t.Errorf("none of %d clients was told by a reset", flows)
	}
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestFiftyDeadHostsThroughTheTunnel(t *testing.T) {
	s := startSite(t, testConfig(t, 2))
	c := s.client(0)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{}, 50)
	for i := range 50 {
		go func() {
			dst := netip.MustParseAddrPort(fmt.Sprintf("192.0.2.%d:443", 100+i))
			_, _ = c.DialContextTCPAddrPort(ctx, dst)
			ended <- struct{}{}
		}()
	}
	eventually(t, "fifty dials", func() bool { return s.Status().Totals.Flows.Dialing == 50 })
	// Both get through while the fifty hang, without any of them having to end.
	s.open(c, "192.0.2.1:80")
	s.open(s.client(1), "192.0.2.2:80")
	if n := s.Status().Totals.Flows.Dialing; n != 50 {
		t.Errorf("%d dials hang", n)
	}
	cancel()
	for range 50 {
		<-ended
	}
}
