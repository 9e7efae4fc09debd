package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Names in a state directory.
const (
	stateConfigFile = "vpngw.toml"
	stateKeyFile    = "private.key"
	statePeersDir   = "peers.d"
	stateFirstPeer  = "peer1"
)

// StateOptions are what [NewState] may be told. The zero value is good, but for Endpoint: without
// it the first peer cannot be shown a complete config.
type StateOptions struct {
	Endpoint   string       // "host:port" for clients
	ListenPort int          // 0 means the default, 51820
	Address    netip.Prefix // the zero value means the default, 10.8.0.1/24
	MTU        int          // 0 means the default, 1420
	PeerName   string       // of the first peer; "" means "peer1"
	ClientDNS  []netip.Addr // resolvers for clients
	Random     io.Reader    // crypto/rand.Reader if nil
}

// State is what [NewState] found or made.
type State struct {
	ConfigPath string // DIR/vpngw.toml
	Created    bool   // the configuration was made by this call
	PeerName   string // the first peer, if Created
}

// NewState makes in dir all that a first run needs: the directory (0700), private.key (0600),
// peers.d with a first peer, and vpngw.toml, in this order. What exists is used as it is and never
// changed; once there is a vpngw.toml, nothing is made at all. So an interrupted call can be
// repeated, and a first peer that was removed stays removed. If the options make no valid
// configuration, the error is [Problems] and nothing is made.
//
// Two calls for the same directory at once are safe for what exists, but may both make a first
// peer if they name it differently; the command takes a lock.
func NewState(dir string, o StateOptions) (*State, error) {
	st := &State{ConfigPath: filepath.Join(dir, stateConfigFile)}
	_, err := os.Stat(st.ConfigPath)
	if err == nil {
		return st, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	c := stateConfig(o)
	key, isNew, err := stateKey(filepath.Join(dir, stateKeyFile), o.Random)
	if err != nil {
		return nil, err
	}
	c.Interface.PrivateKey = key
	name := o.PeerName
	if name == "" {
		name = stateFirstPeer
	}
	peer, err := NewPeer(c, name, PeerOptions{Random: o.Random})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if isNew {
		if err := writeNewFile(filepath.Join(dir, stateKeyFile), key.RevealBase64()+"\n"); err != nil {
			return nil, err
		}
	}
	if st.PeerName, err = statePeer(filepath.Join(dir, statePeersDir), peer); err != nil {
		return nil, err
	}
	if err := writeNewFile(st.ConfigPath, renderState(c)); err != nil {
		return nil, err
	}
	st.Created = true
	return st, nil
}

// stateConfig returns the defaults with what the options say.
func stateConfig(o StateOptions) *Config {
	c := Default()
	c.Interface.Endpoint = o.Endpoint
	c.Interface.ClientDNS = o.ClientDNS
	if o.ListenPort != 0 {
		c.Interface.ListenPort = o.ListenPort
	}
	if o.Address.IsValid() {
		c.Interface.Address = o.Address
	}
	if o.MTU != 0 {
		c.Interface.MTU = o.MTU
	}
	return c
}

// stateKey reads the gateway's key of an earlier, interrupted run, or makes one.
func stateKey(path string, random io.Reader) (key PrivateKey, isNew bool, err error) {
	text, _, err := readFileLimited(path, secretFileMax)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = GeneratePrivateKey(random)
		return key, true, err
	}
	if err == nil {
		key, err = ParsePrivateKey(strings.TrimSpace(text))
	}
	if err != nil {
		return PrivateKey{}, false, fmt.Errorf("%s: %w", path, err)
	}
	return key, false, nil
}

// statePeer writes the first peer, unless an earlier, interrupted run left one: then its name is
// returned.
func statePeer(dir string, peer *Peer) (name string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, e := range entries {
		if stem, ok := strings.CutSuffix(e.Name(), peerFileSuffix); ok && stem != "" && stem[0] != '.' {
			return stem, nil
		}
	}
	_, err = WritePeer(dir, peer)
	return peer.Name, err
}
