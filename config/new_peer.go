package config

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
)

// PeerOptions are what [NewPeer] may be told. The zero value makes a complete peer.
type PeerOptions struct {
	// PublicKey is the client's, if it made its own key pair; then there is no private key here.
	PublicKey PublicKey
	// OmitPresharedKey makes a peer without a preshared key.
	OmitPresharedKey bool
	// AllowedIPs replaces the next free address.
	AllowedIPs []netip.Prefix
	// PersistentKeepalive is the gateway's interval towards the peer in seconds; 0 is off. What the
	// client is told is interface.client_persistent_keepalive.
	PersistentKeepalive int
	// MTU is that of the peer's end of the tunnel in bytes; 0 is the interface's.
	MTU    int
	Groups []string
	// Random is crypto/rand.Reader if nil.
	Random io.Reader
}

// NewPeer returns a peer that c has room for, with fresh keys and the next free address. It writes
// nothing and leaves c as it is. To keep the client's private key out of the peer's file, clear
// Peer.PrivateKey before [WritePeer]. If c would not be valid with the peer, the error is
// [Problems].
func NewPeer(c *Config, name string, o PeerOptions) (*Peer, error) {
	if o.Random == nil {
		o.Random = rand.Reader
	}
	p := &Peer{
		Name:                name,
		PublicKey:           o.PublicKey,
		AllowedIPs:          o.AllowedIPs,
		PersistentKeepalive: o.PersistentKeepalive,
		MTU:                 o.MTU,
		Groups:              o.Groups,
	}
	var err error
	if p.PublicKey.IsZero() {
		if p.PrivateKey, err = GeneratePrivateKey(o.Random); err != nil {
			return nil, fmt.Errorf("private key of peer %q: %w", name, err)
		}
		p.PublicKey = p.PrivateKey.Public()
	}
	if !o.OmitPresharedKey {
		if p.PresharedKey, err = GeneratePresharedKey(o.Random); err != nil {
			return nil, fmt.Errorf("preshared key of peer %q: %w", name, err)
		}
	}
	if len(p.AllowedIPs) == 0 {
		addr, err := NextAddress(c)
		if err != nil {
			return nil, err
		}
		p.AllowedIPs = []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())}
	}
	if err := with(c, p).Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// with returns a copy of c that has the peer p too.
func with(c *Config, p *Peer) *Config {
	next := *c
	next.Peers = append(append(make([]Peer, 0, len(c.Peers)+1), c.Peers...), *p)
	return &next
}
