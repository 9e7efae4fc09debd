package config_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vpngw/config"
)

// A first run: keys, a configuration and a peer, and what that peer's client is told.
func ExampleNewState() {
	dir, err := os.MkdirTemp("", "vpngw")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	state, err := config.NewState(filepath.Join(dir, "vpngw-state"), config.StateOptions{
		Endpoint: "vpn.example.com:51820",
		PeerName: "laptop",
	})
	if err != nil {
		panic(err)
	}
	cfg, err := config.Load(state.ConfigPath)
	if err != nil {
		panic(err)
	}
	text, err := config.ClientConfig(cfg, &cfg.Peers[0])
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "Key") {
			fmt.Print(line)
		}
	}
	// Output:
	// # vpngw peer laptop
	// [Interface]
	// Address = 10.8.0.2/32
	// # DNS = 10.8.0.1, vpn.internal # this gateway; wg-quick needs resolvconf for it
	// MTU = 1420
	//
	// [Peer]
	// AllowedIPs = 0.0.0.0/0
	// Endpoint = vpn.example.com:51820
	// PersistentKeepalive = 25
}

// All that is wrong with a file is said at once.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "vpngw")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "vpngw.toml")
	text := "[interface]\nprivate_key = \"$NO_SUCH_VARIABLE\"\nlisten_prot = 51820\nmtu = \"1420\"\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}

	_, err = config.Load(path)
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Printf("line %d, %s: %s\n", p.Line, p.Key, p.Message)
		}
	}
	// Output:
	// line 2, interface.private_key: the environment variable NO_SUCH_VARIABLE is not set
	// line 3, interface.listen_prot: unknown key
	// line 4, interface.mtu: is a string, wants a whole number
}

// A private key is shown only by the methods that say so.
func ExamplePrivateKey() {
	key, err := config.GeneratePrivateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%v, %x, %d characters\n", key, key, len(key.RevealBase64()))
	// Output: (hidden), (hidden), 44 characters
}
