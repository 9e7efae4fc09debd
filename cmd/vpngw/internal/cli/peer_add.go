package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/filelock"
	"vpngw/config"
)

// lockName is the file in the peers directory that makes "peer add" commands take turns, so that two
// do not choose the same address, and in a state directory the first runs of "up". The dot keeps it
// from being read as a peer.
const lockName = ".lock"

// lockTimeout bounds the wait for another command, which holds the lock for milliseconds.
const lockTimeout = 10 * time.Second

// lockDir takes the lock of a directory.
func lockDir(ctx context.Context, dir string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	lock, err := filelock.Acquire(ctx, filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Unlock() }, nil
}

type peerAddFlags struct {
	client    clientFlags
	ip        string
	routes    []string
	publicKey string
	psk       bool
	noPSK     bool
	forgetKey bool
	groups    []string
	mtu       int
}

func (a *app) peerAddCommand() *cobra.Command {
	var f peerAddFlags
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a peer and print its wg-quick configuration",
		Long: `Make keys and an address for a new client, write its peer file, and print the
wg-quick configuration for the client on standard output, and nothing else
there: redirect it into a file. A running gateway takes the new peer at once.

The client's private key is kept in the peer file (mode 0600), so that "peer
show" can print the configuration again; --forget-key prints it this once only.
A client that made its own key pair gives its public key with --public-key.

NAME is lower-case letters, digits and hyphens.`,
		Example: `  (umask 077; vpngw peer add laptop > laptop.conf)
  vpngw peer add phone --qr
  vpngw peer add server --public-key "$(cat server.pub)" --ip 10.8.0.50
  vpngw peer add tablet --png tablet.png --allowed-ips 192.168.10.0/24`,
		Args: oneName,
		RunE: a.verb(func(cmd *cobra.Command, args []string) error { return a.peerAdd(cmd, args[0], &f) }),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.ip, "ip", "", "the client's `address` in the tunnel (default the next free one)")
	flags.StringSliceVar(&f.routes, "routes", nil, "`networks` behind the client that it may send from; needs --ip")
	flags.StringVar(&f.publicKey, "public-key", "", "the public `key` of a client that made its own pair")
	flags.BoolVar(&f.psk, "psk", true, "make a preshared key")
	flags.BoolVar(&f.noPSK, "no-psk", false, "make no preshared key")
	flags.BoolVar(&f.forgetKey, "forget-key", false, "do not keep the client's private key: it is printed now and never again")
	flags.StringSliceVar(&f.groups, "groups", nil, "`names` of groups that the peer is in")
	flags.IntVar(&f.mtu, "mtu", 0, "largest packet, in `bytes`, of the client's end of the tunnel (default interface.mtu)")
	flags.Lookup("mtu").DefValue = "" // or the help would show 0
	cmd.MarkFlagsMutuallyExclusive("psk", "no-psk")
	cmd.MarkFlagsMutuallyExclusive("public-key", "forget-key")
	f.client.add(cmd)
	return cmd
}

func (a *app) peerAdd(cmd *cobra.Command, name string, f *peerAddFlags) error {
	path, err := a.configPath(cmd)
	if err != nil {
		return err
	}
	options, err := f.options(name)
	if err != nil {
		return err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	if f.client.endpoint == "" && cfg.Interface.Endpoint == "" {
		a.guessForAdd(cfg, f)
	}
	if _, err := f.client.apply(cfg); err != nil {
		return err // before anything is written
	}
	peer, err := a.addPeer(cmd.Context(), cfg, name, options, f.forgetKey)
	if err != nil {
		return err
	}
	showErr := f.client.show(a, cfg, peer)
	effectErr := a.takeEffect(cmd.Context(), cfg)
	return errors.Join(showErr, effectErr)
}

// addPeer makes a peer and writes its file. The configuration is loaded again under the lock:
// another command may have added a peer since. The peer is returned with its private key even if
// that was not kept.
func (a *app) addPeer(
	ctx context.Context, cfg *config.Config, name string, o config.PeerOptions, forgetKey bool,
) (*config.Peer, error) {
	dir := cfg.Interface.PeersDir
	if dir == "" {
		return nil, usagef("interface.peers_dir is empty in %s: name a directory for peer files there", cfg.Path)
	}
	if err := config.MakeDir(dir); err != nil {
		return nil, peersDirError(dir, err)
	}
	unlock, err := lockDir(ctx, dir)
	if err != nil {
		return nil, peersDirError(dir, err)
	}
	defer unlock()
	if cfg, err = config.Load(cfg.Path); err != nil {
		return nil, err
	}
	if findPeer(cfg, name) != nil {
		return nil, fmt.Errorf("there is a peer %s already: choose another name, or remove it first", name)
	}
	peer, err := config.NewPeer(cfg, name, o)
	if err != nil {
		return nil, err
	}
	kept := *peer
	if forgetKey {
		kept.PrivateKey = config.PrivateKey{}
	}
	if _, err := config.WritePeer(dir, &kept); err != nil {
		return nil, peersDirError(dir, err)
	}
	return peer, nil
}

// options turns the flags into what AddPeer takes.
func (f *peerAddFlags) options(name string) (config.PeerOptions, error) {
	o := config.PeerOptions{
		OmitPresharedKey: f.noPSK || !f.psk,
		Groups:           f.groups,
		MTU:              f.mtu,
	}
	if err := config.CheckName(name); err != nil {
		return o, usagef("%q is %w", name, err)
	}
	if f.publicKey != "" {
		if f.client.qr || f.client.png != "" {
			return o, usagef("with --public-key the private key stays with the client, so there is no QR code: leave out --qr and --png")
		}
		k, err := config.ParsePublicKey(f.publicKey)
		if err != nil {
			return o, usagef("--public-key: %w", err)
		}
		o.PublicKey = k
	}
	if f.ip == "" && len(f.routes) > 0 {
		return o, usagef("--routes needs --ip: name the client's own address as well")
	}
	if f.ip != "" {
		ip, err := netip.ParseAddr(f.ip)
		if err != nil || !ip.Is4() {
			return o, usagef("--ip %q is not an IPv4 address", f.ip)
		}
		routes, err := parsePrefixes("--routes", f.routes)
		if err != nil {
			return o, err
		}
		o.AllowedIPs = append([]netip.Prefix{netip.PrefixFrom(ip, 32)}, routes...)
	}
	return o, nil
}

// guessForAdd fills in an endpoint when neither the configuration nor the command line names one.
func (a *app) guessForAdd(cfg *config.Config, f *peerAddFlags) {
	endpoint, warning := guessEndpoint(outwardAddress(), cfg.Interface.ListenPort)
	f.client.endpoint = endpoint
	a.sayf("interface.endpoint is not set in %s, so the client is told %s.", cfg.Path, endpoint)
	if warning != "" {
		a.sayf("Warning: %s.", warning)
	}
}

// peersDirError says what to do about a peers directory that cannot be used.
func peersDirError(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the peers directory %s cannot be written: run this command as the gateway's user (%w)", dir, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the peers directory %s cannot be written: it is on a read-only file system, so peers change where that comes from (%w)", dir, err)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("there is a peer file of that name already: choose another name (%w)", err)
	case errors.Is(err, filelock.ErrLocked):
		return fmt.Errorf("another command is changing peers: try again (%w)", err)
	}
	return err
}
