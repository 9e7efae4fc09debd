package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"vpngw/config"
)

// upFlags are the flags of up that shape a first run.
type upFlags struct {
	runFlags
	endpoint string
	address  string
	peer     string
	dns      []string
	mtu      int
}

func (a *app) upCommand() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make everything that is missing, then run",
		Long: `Start a gateway with nothing prepared. The first run makes keys, a configuration
and a first peer in the state directory (./vpngw-state, or --state), prints that
peer's configuration and its QR code, and runs. Run again, it starts what is
there and changes nothing in it. It runs like "vpngw run", see there.

Clients are told to connect to the address that this host uses towards the
internet, unless --endpoint names a better one. --endpoint, --address, --mtu,
--dns and --peer shape the first run only; afterwards the configuration file
says it, and a flag that says something else causes a warning.`,
		Example: `  vpngw up
  vpngw up --endpoint vpn.example.com:51820 --peer phone
  vpngw up --state /var/lib/vpngw --listen-port 443 --address 10.99.0.1/24`,
		Args: noArgs,
		RunE: a.verb(func(cmd *cobra.Command, _ []string) error { return a.up(cmd, &f) }),
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.endpoint, "endpoint", "", "`host:port` that clients connect to (default this host's outward address)")
	flags.StringVar(&f.address, "address", "10.8.0.1/24", "the gateway's `address` in the tunnel and the network of the peers")
	flags.StringVar(&f.peer, "peer", "peer1", "`name` of the first peer")
	flags.IntVar(&f.mtu, "mtu", 1420, "largest packet in the tunnel in `bytes`")
	flags.StringSliceVar(&f.dns, "dns", nil, "`resolvers` for clients (default the gateway: in a QR code, and as a comment in text)")
	fromEnvironment(flags, "endpoint", "address", "mtu", "dns")
	return cmd
}

func (a *app) up(cmd *cobra.Command, f *upFlags) error {
	if cmd.Flags().Changed("config") {
		return usagef("\"up\" keeps its configuration in a state directory, see --state; to run %s use \"%s run -c %s\"",
			a.configFlag, a.program, a.configFlag)
	}
	dir := a.stateDir()
	path := filepath.Join(dir, configName)
	_, err := os.Stat(path)
	switch {
	case err == nil:
		f.portOfFile = f.listenPort == 0 // what 0 became at the first run is what clients were told
		return a.serve(cmd, path, &f.runFlags, func(c *config.Config) {
			a.sayUnused(cmd, c, f)
			a.sayAgain(c, dir)
		})
	case !errors.Is(err, fs.ErrNotExist):
		return stateError(dir, err)
	}
	state, warning, err := a.firstState(cmd.Context(), dir, f)
	if err != nil {
		return err
	}
	if !state.Created { // another "up" was faster
		return a.serve(cmd, path, &f.runFlags, func(c *config.Config) { a.sayAgain(c, dir) })
	}
	return a.serve(cmd, path, &f.runFlags, func(c *config.Config) {
		if err := a.welcome(c, dir, state.PeerName, warning); err != nil {
			a.sayf("vpngw: cannot show the first peer: %s", err)
		}
	})
}

// firstState makes the state directory of a first run. The port is tried first, so that a taken
// one leaves nothing behind.
func (a *app) firstState(ctx context.Context, dir string, f *upFlags) (state *config.State, warning string, err error) {
	address, err := netip.ParsePrefix(f.address)
	if err != nil || !address.Addr().Is4() || address.Bits() > 30 {
		return nil, "", usagef("--address %q is not an IPv4 address and a network with room for peers, such as 10.8.0.1/24", f.address)
	}
	port, err := freePort(f.listenPort)
	if err != nil {
		return nil, "", err
	}
	f.listenPort = port // what 0 has become is in the file, too
	endpoint := f.endpoint
	if endpoint == "" {
		endpoint, warning = guessEndpoint(outwardAddress(), port)
	} else if endpoint, err = checkEndpoint(endpoint, port); err != nil {
		return nil, "", err
	}
	resolvers, err := parseResolvers(f.dns)
	if err != nil {
		return nil, "", err
	}
	state, err = config.NewState(dir, config.StateOptions{
		Endpoint: endpoint, ListenPort: port, Address: address, MTU: f.mtu, PeerName: f.peer, ClientDNS: resolvers,
		Lock: func() (unlock func(), err error) { return lockDir(ctx, dir) },
	})
	if err != nil {
		return nil, "", stateError(dir, err)
	}
	return state, warning, nil
}

// freePort returns a UDP port that can be bound: port itself, or any if it is 0.
func freePort(port int) (int, error) {
	if port < 0 || port > 65535 {
		return 0, usagef("--listen-port %d is not a port: use 1 to 65535, or 0 for any", port)
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{Port: port})
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return 0, fmt.Errorf("UDP port %d is already in use: stop the program that has it, or choose another port with --listen-port", port)
	case errors.Is(err, fs.ErrPermission):
		return 0, fmt.Errorf("UDP port %d may only be opened by root: choose one from 1024 up with --listen-port", port)
	case err != nil:
		return 0, fmt.Errorf("cannot open UDP port %d: %w", port, err)
	}
	chosen := conn.LocalAddr().(*net.UDPAddr).Port
	return chosen, conn.Close()
}

// stateError says what to do about a state directory that cannot be used.
func stateError(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("cannot write the state directory %s: make it writable for user %s, or choose another with --state (%w)",
			dir, strconv.Itoa(os.Getuid()), err)
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("the state directory %s is no directory, or is below a file: choose another with --state (%w)", dir, err)
	}
	return err
}
