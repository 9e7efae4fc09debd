package gateway

import (
	"fmt"
	"net/netip"
	"slices"

	"vpngw/config"
)

// Reload brings a running gateway to a new, valid configuration, which must not change afterwards.
// It applies all of it or, with an error, none; and only what differs: the sessions and flows of
// peers that stay the same notice nothing. The flows of a peer that is removed end at once, as do
// those of an address that is no longer the peer's. Keys that take effect only after a restart are
// logged and listed in the status; they are no error.
func (g *Gateway) Reload(cfg *config.Config) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.phase != phaseRunning {
		return errNotRunning
	}
	changes := config.Diff(g.cfg, cfg)
	if changes.Empty() {
		g.cfg = cfg
		return nil
	}
	if err := g.startDNS(cfg); err != nil {
		return err
	}
	if err := g.startPortmap(cfg); err != nil {
		g.settleDNS(g.cfg)
		return err
	}
	before := g.fwd.peers.Load()
	// First the table, so that a new peer's first packet finds its owner.
	after := newPeerTable(cfg.Peers, before, &g.fwd.open)
	g.fwd.peers.Store(after)
	if err := g.changeDevice(g.cfg, cfg, changes); err != nil {
		g.fwd.peers.Store(before)
		for i := range changes.Added { // one may have been in the device for a moment
			after.byKey[changes.Added[i].PublicKey].end(errPeerRemoved)
		}
		g.settleDNS(g.cfg)
		g.settlePortmap(g.cfg)
		return err
	}
	if err := g.stack.configure(g.effective(cfg)); err != nil {
		g.log.Error("the MTUs of peers stay as they were", "err", err) // a valid configuration has none such
	}
	g.fwd.configure(g.effective(cfg))
	g.dns.Configure(g.effective(cfg))
	g.settleDNS(cfg)
	g.endRevoked(changes, before, after)
	g.settlePortmap(cfg)
	g.reportRestart(cfg, changes)
	g.cfg = cfg
	return nil
}

// changeDevice brings the device from old to new, or leaves it as it is.
func (g *Gateway) changeDevice(old, new *config.Config, changes config.Changes) error {
	port := new.Interface.ListenPort
	if port != old.Interface.ListenPort {
		if err := probePort(port); err != nil {
			return err
		}
	}
	return g.applyToDevice(deviceChanges(old, new, changes), old, new)
}

// applyToDevice gives the device w, which brings it from old to new, and undoes what it did if it
// fails.
func (g *Gateway) applyToDevice(w *uapiWriter, old, new *config.Config) error {
	err := g.tunnel.set(w)
	if err == nil {
		return nil
	}
	if back := g.tunnel.set(deviceChanges(new, old, config.Diff(new, old))); back != nil {
		g.log.Error("the WireGuard device could not be brought back after a failed change", "err", back)
	}
	return err
}

// deviceChanges writes what brings a device from old to new.
func deviceChanges(old, new *config.Config, changes config.Changes) *uapiWriter {
	var w uapiWriter
	if !old.Interface.PrivateKey.Equal(new.Interface.PrivateKey) {
		w.privateKey(new.Interface.PrivateKey)
	}
	if old.Interface.ListenPort != new.Interface.ListenPort {
		w.listenPort(new.Interface.ListenPort)
	}
	for i := range changes.Removed {
		w.removePeer(changes.Removed[i].PublicKey)
	}
	was := make(map[config.PublicKey]*config.Peer, len(old.Peers))
	for i := range old.Peers {
		was[old.Peers[i].PublicKey] = &old.Peers[i]
	}
	for i := range changes.Changed {
		is := &changes.Changed[i]
		w.changePeer(was[is.PublicKey], is)
	}
	for i := range changes.Added {
		w.addPeer(&changes.Added[i])
	}
	return &w
}

// effective is cfg with what only a restart changes left as it was at the start.
func (g *Gateway) effective(cfg *config.Config) *config.Config {
	c := *cfg
	c.Interface.Address = g.stack.started.Interface.Address
	c.Interface.MTU = g.stack.started.Interface.MTU
	return &c
}

// endRevoked ends the flows of removed peers, gives the changed ones their settings, and ends flows
// from addresses that they no longer own.
func (g *Gateway) endRevoked(changes config.Changes, before, after *peerTable) {
	for i := range changes.Removed {
		before.byKey[changes.Removed[i].PublicKey].end(errPeerRemoved)
	}
	for i := range changes.Changed {
		settings := &changes.Changed[i]
		p := after.byKey[settings.PublicKey]
		p.settings.Store(settings)
		p.abortFlows(errSourceRevoked, func(client netip.Addr) bool { return !ownsAddress(settings, client) })
	}
	if n := len(changes.Added) + len(changes.Removed) + len(changes.Changed); n > 0 {
		g.log.Info("peers changed", "added", names(changes.Added), "removed", names(changes.Removed),
			"changed", names(changes.Changed))
	}
}

// reportRestart notes the keys that differ from what the gateway was started with.
func (g *Gateway) reportRestart(cfg *config.Config, changes config.Changes) {
	for _, key := range changes.Restart {
		g.log.Warn("this change takes effect only after a restart", "key", key)
	}
	g.restart = config.Diff(g.stack.started, cfg).Restart
	if len(changes.Live) > 0 {
		g.log.Info("settings changed", "keys", fmt.Sprint(changes.Live))
	}
}

// ownsAddress says whether addr is one of the peer's own addresses.
func ownsAddress(p *config.Peer, addr netip.Addr) bool {
	return slices.ContainsFunc(p.AllowedIPs, func(ip netip.Prefix) bool { return ip.Contains(addr) })
}

func names(peers []config.Peer) []string {
	names := make([]string, len(peers))
	for i := range peers {
		names[i] = peers[i].Name
	}
	return names
}
