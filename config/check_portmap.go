package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// portmapProtocols are the words of portmap.protocols.
var portmapProtocols = []string{"tcp", "udp"}

func (ck *checker) portmapTable() {
	pm, src := &ck.cfg.Portmap, ck.tables["portmap"]
	if len(pm.Protocols) == 0 && !src.bad["protocols"] {
		ck.add(src.problem("protocols", "there is none", `the default is ["tcp", "udp"]; enabled = false gives no port`))
	}
	for i, p := range pm.Protocols {
		if !slices.Contains(portmapProtocols, p) {
			ck.add(src.problem(src.element("protocols", i),
				fmt.Sprintf("%q is not %s", p, quoteList(portmapProtocols)), didYouMean(p, portmapProtocols)))
		}
	}
	if len(pm.Ports) == 0 && !src.bad["ports"] {
		ck.add(src.problem("ports", "there is none", `the default is ["61000-65535"]; enabled = false gives no port`))
	}
	ck.portmapAddress(src, "bind_address", pm.BindAddress, true)
	ck.portmapAddress(src, "external_address", pm.ExternalAddress, false)
	ck.portmapPeers(src)
}

// portmapAddress checks an address of the table, which may be absent.
func (ck *checker) portmapAddress(src *source, key string, a netip.Addr, any bool) {
	switch {
	case !a.IsValid() || src.bad[key]:
	case !a.Is4():
		ck.add(src.problem(key, fmt.Sprintf("%s is not an IPv4 address", a), ""))
	case a.IsMulticast() || a.IsUnspecified() && !any || a.As4()[0] >= 240:
		ck.add(src.problem(key, fmt.Sprintf("%s is not an address that a host can have", a), ""))
	}
}

// portmapPeers checks that those who may ask are there.
func (ck *checker) portmapPeers(src *source) {
	for i, name := range ck.cfg.Portmap.Peers {
		group, isGroup := strings.CutPrefix(name, groupPrefix)
		known := slices.ContainsFunc(ck.cfg.Peers, func(p Peer) bool {
			return !isGroup && p.Name == name || isGroup && slices.Contains(p.Groups, group)
		})
		// No error: peers come and go while this stays.
		switch {
		case known:
		case isGroup:
			ck.add(src.warning(src.element("peers", i), fmt.Sprintf("no peer is in a group %q", group), ""))
		default:
			ck.add(src.warning(src.element("peers", i), fmt.Sprintf("there is no peer %q", name),
				`a group is written "group:NAME"`))
		}
	}
}
