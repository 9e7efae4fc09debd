package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// peerTables checks each peer by itself, and all of them together.
func (ck *checker) peerTables() {
	if n := len(ck.cfg.Peers); n > peersMax {
		ck.add(ck.peers[peersMax].problem("", fmt.Sprintf("%d peers are more than WireGuard carries", n),
			fmt.Sprintf("use at most %d", peersMax)))
	}
	own := ck.cfg.Interface.PrivateKey.Public()
	names := map[string]int{}
	keys := map[PublicKey]int{}
	for i := range ck.cfg.Peers {
		p, src := &ck.cfg.Peers[i], ck.peers[i]
		if ck.peerName(src, p.Name) {
			unique(ck, names, p.Name, i, "name", fmt.Sprintf("%q is the name", p.Name))
		}
		if ck.peerKey(src, p, own) {
			unique(ck, keys, p.PublicKey, i, "public_key", "is the key")
		}
		ck.allowedIPs(src, p)
		ck.peerMTU(src, p)
		for j, g := range p.Groups {
			if err := CheckName(g); err != nil {
				ck.add(src.problem(src.element("groups", j), fmt.Sprintf("%q is %v", g, err),
					didYouMeanName(g)))
			}
		}
	}
	ck.overlaps()
}

// peerMTU checks what the range of the key does not say.
func (ck *checker) peerMTU(src *source, p *Peer) {
	in := &ck.cfg.Interface
	switch {
	case p.MTU == 0 || src.bad["mtu"]:
	case p.MTU > 0 && p.MTU < mtuMin:
		ck.add(src.problem("mtu", fmt.Sprintf("%d is out of range", p.MTU),
			fmt.Sprintf("use %d or more, or 0 for interface.mtu", mtuMin)))
	case p.MTU > in.MTU:
		ck.add(src.warning("mtu", fmt.Sprintf("%d is more than interface.mtu, %d, which holds for the peer too",
			p.MTU, in.MTU), ""))
	case p.MTU < mtuQUIC:
		ck.add(src.warning("mtu",
			fmt.Sprintf("%d is less than %d, which QUIC and others need", p.MTU, mtuQUIC), ""))
	}
}

// peerName checks a name and reports whether it can be compared with others.
func (ck *checker) peerName(src *source, name string) bool {
	if src.bad["name"] {
		return false
	}
	if name == "" {
		if src.set["name"] || src.absent("name") {
			ck.add(src.problem("name", "there is none", "every peer needs a name"))
		}
		return false
	}
	if err := CheckName(name); err != nil {
		ck.add(src.problem("name", fmt.Sprintf("%q is %v", name, err), didYouMeanName(name)))
	}
	return true
}

func didYouMeanName(s string) string {
	if near := nearestName(s); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// peerKey checks a peer's keys and reports whether its public key can be compared with others.
func (ck *checker) peerKey(src *source, p *Peer, own PublicKey) bool {
	if p.PublicKey.IsZero() {
		broken := src.bad["public_key"] || src.bad["private_key"] || src.bad["private_key_file"]
		if !broken && src.absent("public_key") {
			ck.add(src.problem("public_key", "there is none",
				"every peer needs a public key; vpngw pubkey prints that of a private key"))
		}
		return false
	}
	if !p.PrivateKey.IsZero() && p.PrivateKey.Public() != p.PublicKey {
		key := "private_key"
		if src.set["private_key_file"] && !src.set[key] {
			key = "private_key_file"
		}
		ck.add(src.problem(key,
			fmt.Sprintf("belongs to the public key %s, not to this peer's", p.PrivateKey.Public()),
			"remove public_key or correct it"))
	}
	if p.PublicKey == own {
		ck.add(src.problem("public_key", "is the gateway's own", "every side has a key pair of its own"))
		return false
	}
	return true
}

// unique reports a value that an earlier peer has already.
func unique[K comparable](ck *checker, seen map[K]int, value K, i int, key, is string) {
	first, taken := seen[value]
	if !taken {
		seen[value] = i
		return
	}
	ck.add(ck.peers[i].problem(key, is+" of "+ck.other(first)+" too", "every peer needs its own"))
}

// other names a peer and its place, for a problem that stands elsewhere.
func (ck *checker) other(i int) string {
	label := peerLabel(i, ck.cfg.Peers[i].Name)
	if where := ck.peers[i].where(); where != "" {
		return label + " (" + where + ")"
	}
	return label
}

// allowedIPs checks a peer's addresses by themselves.
func (ck *checker) allowedIPs(src *source, p *Peer) {
	if len(p.AllowedIPs) == 0 {
		if !src.bad["allowed_ips"] && (src.set["allowed_ips"] || src.absent("allowed_ips")) {
			ck.add(src.problem("allowed_ips", "there are none: the peer could send nothing",
				"give it an address in "+ck.cfg.Interface.Address.Masked().String()))
		}
		return
	}
	network := ck.cfg.Interface.Address
	for j, a := range p.AllowedIPs {
		key := src.element("allowed_ips", j)
		switch first, last, ok := hostRange(network.Masked()); {
		case !a.IsValid():
			ck.add(src.problem(key, "is not a network", ""))
		case a != a.Masked():
			ck.add(src.problem(key, fmt.Sprintf("%s is an address within a network", a),
				"write "+a.Masked().String()))
		case a.IsSingleIP() && a.Addr() == network.Addr():
			ck.add(src.problem(key, fmt.Sprintf("%s is the gateway's own address", a.Addr()),
				"give the peer another"))
		case a.Contains(network.Addr()):
			ck.add(src.warning(key, fmt.Sprintf("%s contains the gateway's own address", a),
				"here stand the peer's own addresses; what a client sends to the gateway is interface.client_allowed_ips"))
		case ok && a.IsSingleIP() && network.Contains(a.Addr()) &&
			(addrValue(a.Addr()) < first || addrValue(a.Addr()) > last):
			ck.add(src.warning(key, fmt.Sprintf("%s is the network's or the broadcast address of %s",
				a.Addr(), network.Masked()), ""))
		}
	}
}

// claim is one entry of a peer's allowed_ips.
type claim struct {
	prefix        netip.Prefix
	peer, element int
}

// overlaps reports addresses that two peers claim. The same network twice is an error: WireGuard
// would give it to the one it was told of last. A network inside another is routed by the longer
// prefix, which may be meant: one warning for each that has others' inside.
func (ck *checker) overlaps() {
	claims := ck.claims()
	inside := map[claim][]claim{}
	var enclosing []claim
	for _, c := range claims {
		for len(enclosing) > 0 && !enclosing[len(enclosing)-1].prefix.Contains(c.prefix.Addr()) {
			enclosing = enclosing[:len(enclosing)-1]
		}
		if n := len(enclosing); n > 0 && enclosing[n-1].peer != c.peer {
			outer := enclosing[n-1]
			if outer.prefix == c.prefix { // sorted: c stands later
				src := ck.peers[c.peer]
				ck.add(src.problem(src.element("allowed_ips", c.element),
					fmt.Sprintf("%s belongs to %s already", c.prefix, ck.other(outer.peer)),
					"give each peer its own"))
			} else {
				inside[outer] = append(inside[outer], c)
			}
		}
		enclosing = append(enclosing, c)
	}
	for outer, inner := range inside {
		if outer.prefix.Contains(ck.cfg.Interface.Address.Addr()) {
			continue // warned of already
		}
		others := ""
		if n := len(inner) - 1; n > 0 {
			others = fmt.Sprintf(" and %d more", n)
		}
		src := ck.peers[outer.peer]
		ck.add(src.warning(src.element("allowed_ips", outer.element),
			fmt.Sprintf("%s contains %s of %s%s", outer.prefix, inner[0].prefix,
				ck.other(inner[0].peer), others),
			"what both contain goes to the peer with the longer prefix"))
	}
}

// claims returns all peers' allowed_ips, each network before those inside it.
func (ck *checker) claims() []claim {
	var claims []claim
	for i := range ck.cfg.Peers {
		for j, a := range ck.cfg.Peers[i].AllowedIPs {
			if a.IsValid() {
				claims = append(claims, claim{a.Masked(), i, j})
			}
		}
	}
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()),
			cmp.Compare(a.peer, b.peer), cmp.Compare(a.element, b.element))
	})
	return claims
}
