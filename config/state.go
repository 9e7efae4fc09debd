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

	// Lock keeps other calls for the directory away, in this process and others, from its return until
	// unlock. It is called once the directory is there, and not at all if nothing is to be made; nil
	// locks nothing.
	Lock func() (unlock func(), err error)
}

// State is what [NewState] found or made.
type State struct {
	ConfigPath string // DIR/vpngw.toml
	Created    bool   // this call made the configuration
	PeerName   string // the first peer, if Created
}

// NewState makes in dir all that a first run needs: the directory (0700), private.key (0600),
// peers.d with a first peer, and vpngw.toml, in this order. What exists is used as it is and never
// changed; once there is a vpngw.toml, nothing is made at all. So an interrupted call can be
// repeated, and a first peer that was removed stays removed. If the options make no valid
// configuration, the error is [Problems] and nothing is made.
//
// Of two calls for the same directory at once, StateOptions.Lock lets one make everything, and the
// other one find it. Without a lock they may both make a first peer if they name it differently.
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
	if o.PeerName == "" {
		o.PeerName = stateFirstPeer
	}
	// Before anything is made: are the options valid, and is what is there of use?
	if _, _, _, err := newState(dir, o); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if o.Lock != nil {
		unlock, err := o.Lock()
		if err != nil {
			return nil, err
		}
		defer unlock()
		if _, err := os.Stat(st.ConfigPath); err == nil {
			return st, nil // another call was faster
		}
	}
	if err := writeState(dir, o, st); err != nil {
		return nil, err
	}
	return st, nil
}

// newState returns the configuration for a new state directory, whether its key has no file yet, and the
// first peer. It writes nothing.
func newState(dir string, o StateOptions) (c *Config, newKey bool, peer *Peer, err error) {
	c = stateConfig(o)
	c.Interface.PrivateKey, newKey, err = stateKey(filepath.Join(dir, stateKeyFile), o.Random)
	if err == nil {
		peer, err = NewPeer(c, o.PeerName, PeerOptions{Random: o.Random})
	}
	return c, newKey, peer, err
}

// writeState makes what is missing in dir, the configuration last.
func writeState(dir string, o StateOptions, st *State) error {
	c, newKey, peer, err := newState(dir, o)
	if err != nil {
		return err
	}
	if newKey {
		text := c.Interface.PrivateKey.RevealBase64() + "\n"
		if err := writeNewFile(filepath.Join(dir, stateKeyFile), text); err != nil {
			return err
		}
	}
	if st.PeerName, err = statePeer(filepath.Join(dir, statePeersDir), peer); err != nil {
		return err
	}
	if err := writeNewFile(st.ConfigPath, renderState(c)); err != nil {
		return err
	}
	st.Created = true
	return nil
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
