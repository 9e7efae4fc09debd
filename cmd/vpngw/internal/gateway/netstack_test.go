package gateway

import (
	"bytes"
	"io"
	"net/netip"
	"testing"

	"golang.zx2c4.com/wireguard/tun/netstack"
)

// A client whose TCP is not ours.
func TestNetstackClient(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	dst, conns := s.server("192.0.2.1:80")
	p := s.cfg.Peers[0]
	dev, n, err := netstack.CreateNetTUN([]netip.Addr{p.AllowedIPs[0].Addr()}, nil, 1420)
	if err != nil {
		t.Fatal(err)
	}
	peer := clientDevice(dev)
	t.Cleanup(peer.Close)
	s.connect(peer, p.PrivateKey)

	down, err := n.DialContextTCPAddrPort(t.Context(), dst)
	if err != nil {
		t.Fatal(err)
	}
	up := await(t, "server", conns)
	go func() {
		_, _ = io.Copy(up, up)
		_ = up.CloseWrite()
	}()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 128<<10)
	go func() {
		_, _ = down.Write(sent)
		_ = down.CloseWrite()
	}()
	if got, err := io.ReadAll(down); !bytes.Equal(got, sent) || err != nil {
		t.Errorf("%d bytes of %d came back: %v", len(got), len(sent), err)
	}
	_ = down.Close()
	if _, err := n.DialContextTCPAddrPort(t.Context(), netip.MustParseAddrPort("127.0.0.1:1")); err == nil {
		t.Error("the guard let a connection to loopback through")
	}
}
