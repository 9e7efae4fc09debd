package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"vpngw/adapter"
	"vpngw/config"
)

// changed is a deep enough copy of the site's configuration, changed.
func (s *site) changed(change func(*config.Config)) *config.Config {
	c := *s.cfg
	c.Peers = slices.Clone(s.cfg.Peers)
	for i := range c.Peers {
		c.Peers[i].AllowedIPs = slices.Clone(c.Peers[i].AllowedIPs)
	}
	change(&c)
	return &c
}

// reload applies a change that must work.
func (s *site) reload(change func(*config.Config)) {
	s.t.Helper()
	next := s.changed(change)
	if err := s.Reload(next); err != nil {
		s.t.Fatal(err)
	}
	s.cfg = next
}

// wantAlive checks that a flow carries data both ways.
func wantAlive(t *testing.T, why string, down *adapter.TCPConn, up *net.TCPConn) {
	t.Helper()
	for _, way := range [][2]net.Conn{{down, up}, {up, down}} {
		if _, err := way[0].Write([]byte("x")); err != nil {
			t.Fatalf("%s: %v", why, err)
		}
		_ = way[1].SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := way[1].Read(make([]byte, 1)); err != nil {
			t.Fatalf("%s: %v", why, err)
		}
	}
}

func TestReloadAddsAndRemovesPeersWithoutDisturbingOthers(t *testing.T) {
	s := startSite(t, testConfig(t, 2))
	stays, staysUp := s.open(s.client(0), "192.0.2.1:80")
	goes, goesUp := s.open(s.client(1), "192.0.2.2:80")
	handshake := s.Status().Peers[0].LastHandshake
	removed := s.cfg.Peers[1]

	s.reload(func(c *config.Config) { c.Peers = append(c.Peers, testConfigPeer(t, 2)) })
	wantAlive(t, "after a peer was added", stays, staysUp)
	wantAlive(t, "after a peer was added", goes, goesUp)
	added, addedUp := s.open(s.client(2), "192.0.2.3:80")

	s.reload(func(c *config.Config) { c.Peers = slices.Delete(c.Peers, 1, 2) })
	if _, err := goesUp.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the removed peer's flow, at the server: %v", err)
	}
	wantAlive(t, "after another was removed", stays, staysUp)
	wantAlive(t, "after another was removed", added, addedUp)
	st := s.Status()
	if len(st.Peers) != 2 || st.Peers[0].LastHandshake != handshake || st.Totals.Flows.TCP != 2 {
		t.Errorf("%+v", st)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if c, err := s.clientAs(removed.PrivateKey, removed.AllowedIPs[0].Addr()).DialContextTCPAddrPort(ctx, netip.MustParseAddrPort("192.0.2.1:80")); err == nil {
		_ = c.Close()
		t.Error("the removed peer still gets through")
	}
	s.reload(func(c *config.Config) { c.Peers = append(c.Peers, removed) })
	s.open(s.client(2), "192.0.2.4:80") // and is welcome again
}

func TestReloadChangesAPeer(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	c := s.client(0)
	down, up := s.open(c, "192.0.2.1:80")
	handshake := s.Status().Peers[0].LastHandshake
	s.reload(func(c *config.Config) {
		c.Peers[0].Name = "renamed"
		c.Peers[0].PersistentKeepalive = 25
		c.Peers[0].AllowedIPs = append(c.Peers[0].AllowedIPs, netip.MustParsePrefix("10.8.0.77/32"))
	})
	wantAlive(t, "after the peer was changed", down, up)
	st := s.Status()
	if p := st.Peers[0]; p.Name != "renamed" || p.LastHandshake != handshake || len(p.AllowedIPs) != 2 || p.Flows.TCP != 1 {
		t.Errorf("%+v", p)
	}
	s.reload(func(c *config.Config) { c.Peers[0].AllowedIPs = prefixes("10.8.0.77/32") })
	if _, err := up.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a flow from an address that is no longer the peer's, at the server: %v", err)
	}
	other := s.clientAs(s.cfg.Peers[0].PrivateKey, netip.MustParseAddr("10.8.0.77"))
	s.open(other, "192.0.2.2:80")
}

func TestReloadMovesAnAddressFromPeerToPeer(t *testing.T) {
	s := startSite(t, testConfig(t, 2))
	s.reload(func(c *config.Config) {
		c.Peers[0].AllowedIPs, c.Peers[1].AllowedIPs = c.Peers[1].AllowedIPs, c.Peers[0].AllowedIPs
	})
	for i := range 2 {
		s.open(s.client(i), "192.0.2.1:80")
	}
	for i, p := range s.Status().Peers {
		if p.Flows.TCP != 1 {
			t.Errorf("peer %d: %+v", i, p.Flows)
		}
	}
}

func TestFailedReloadChangesNothing(t *testing.T) {
	s := startSite(t, testConfig(t, 2))
	down, up := s.open(s.client(0), "192.0.2.1:80")
	taken, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	before := s.Status()
	err = s.Reload(s.changed(func(c *config.Config) {
		c.Interface.ListenPort = int(addrPort(taken.LocalAddr()).Port())
		c.Peers = append(c.Peers[1:], testConfigPeer(t, 5))
		c.Forward.Enabled = false
	}))
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("reload: %v", err)
	}
	wantAlive(t, "after a failed reload", down, up)
	after := s.Status()
	if after.ListenPort != before.ListenPort || len(after.Peers) != 2 || after.Peers[0].PublicKey != before.Peers[0].PublicKey {
		t.Errorf("%+v", after)
	}
	s.open(s.client(1), "192.0.2.2:80") // forwarding is still on, and the port is open
}

func TestDeviceThatFailsHalfWayIsBroughtBack(t *testing.T) {
	s := startSite(t, testConfig(t, 2))
	down, up := s.open(s.client(0), "192.0.2.1:80")
	next := s.changed(func(c *config.Config) { c.Peers = append(c.Peers[:1:1], testConfigPeer(t, 5)) })
	changes := config.Diff(s.cfg, next)
	w := deviceChanges(s.cfg, next, changes)
	w.set("allowed_ip", "nonsense")
	err := s.applyToDevice(w, s.cfg, next)
	if err == nil {
		t.Fatal("nonsense was taken")
	}
	state, err := s.tunnel.state()
	if err != nil || len(state.peers) != 2 || state.peers[s.cfg.Peers[1].PublicKey] == nil {
		t.Errorf("the device has %d peers: %v", len(state.peers), err)
	}
	wantAlive(t, "after a failed change", down, up)
	s.open(s.client(1), "192.0.2.2:80")
}

func TestReloadMovesThePort(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	free, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	port := int(addrPort(free.LocalAddr()).Port())
	_ = free.Close()
	s.reload(func(c *config.Config) { c.Interface.ListenPort = port })
	if got := s.Status().ListenPort; got != port {
		t.Errorf("listening on %d, want %d", got, port)
	}
	s.open(s.client(0), "192.0.2.1:80")
}

func TestReloadTakesANewPrivateKey(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	s.reload(func(c *config.Config) { c.Interface.PrivateKey = newKey(t) })
	s.open(s.client(0), "192.0.2.1:80") // knows the new key
}

func TestReloadAppliesForwardSettings(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	c := s.client(0)
	down, up := s.open(c, "192.0.2.1:80")
	s.reload(func(c *config.Config) { c.Forward.Enabled = false })
	if _, err := c.dialTCP(netip.MustParseAddrPort("192.0.2.1:80")); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("forwarding is off: %v", err)
	}
	wantAlive(t, "open flows stay", down, up)
	s.reload(func(c *config.Config) { c.Forward.Enabled = true })
	s.open(c, "192.0.2.1:80")
}

func TestReloadReportsWhatNeedsARestart(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	c := s.client(0)
	s.reload(func(c *config.Config) {
		c.Interface.MTU = 1280
		c.Interface.Address = netip.MustParsePrefix("10.99.0.1/24")
	})
	st := s.Status()
	if !slices.Contains(st.RestartNeeded, "interface.mtu") || !slices.Contains(st.RestartNeeded, "interface.address") {
		t.Errorf("restart needed for %v", st.RestartNeeded)
	}
	if st.MTU != 1420 || st.Address != netip.MustParsePrefix("10.8.0.1/24") {
		t.Errorf("the status tells what is not in force: %v, %d", st.Address, st.MTU)
	}
	if _, err := c.dialTCP(netip.MustParseAddrPort("10.8.0.99:1")); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("the network in force is the tunnel's: %v", err)
	}
	s.reload(func(c *config.Config) {
		c.Interface.MTU = 1420
		c.Interface.Address = netip.MustParsePrefix("10.8.0.1/24")
	})
	if st := s.Status(); len(st.RestartNeeded) != 0 {
		t.Errorf("changed back, but a restart is needed for %v", st.RestartNeeded)
	}
}

func TestMTUOfASiteIsNotThatOfPeersWithinIt(t *testing.T) {
	cfg := config.Default()
	all, laptop := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("10.8.0.2/32")
	cfg.Peers = []config.Peer{
		{Name: "site", AllowedIPs: []netip.Prefix{all}},
		{Name: "laptop", AllowedIPs: []netip.Prefix{laptop}},
	}
	if got := peerMTUs(cfg); len(got) != 0 {
		t.Errorf("nobody's MTU is below the tunnel's: %v", got)
	}
	cfg.Peers[0].MTU = 1280
	if got := peerMTUs(cfg); got[all] != 1280 || got[laptop] != cfg.Interface.MTU {
		t.Errorf("%v", got)
	}
}
