package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vpngw/config"
)

// welcome shows the first peer of a new state directory: its configuration and QR code on standard
// output, and what to do with them on standard error.
func (a *app) welcome(c *config.Config, dir, peer, warning string) error {
	p := findPeer(c, peer)
	if p == nil {
		return fmt.Errorf("no peer %s in %s", peer, c.Path)
	}
	a.sayf("\nFirst run: made keys, a configuration and the peer %s in %s.", peer, dir)
	a.sayf("This is %s's configuration. It holds a private key: it is for one device only.\n", peer)
	if err := (&clientFlags{qr: true, keepalive: keepaliveUnset}).show(a, c, p); err != nil {
		return err
	}
	cmd := a.program + a.stateHint(dir)
	a.sayf(`
To connect
  phone   in the WireGuard app: "+", "Scan from QR code"
  laptop  here: (umask 077; %[1]s peer show %[2]s > %[2]s.conf)
          there: sudo wg-quick up ./%[2]s.conf, or import that file in the WireGuard app
  test    on the device: ping %[3]s; here: %[1]s status
  more    one peer for each device: %[1]s peer add NAME --qr

Clients are told to connect to %[4]s, UDP.`, cmd, peer, c.Interface.Address.Addr(), c.Interface.Endpoint)
	if warning != "" {
		a.sayf("Warning: %s.\nChange interface.endpoint in %s, then show the peer again.", warning, c.Path)
	}
	a.sayf("The gateway runs; Ctrl-C ends it, %q starts it again.\n", a.program+" up"+a.stateHint(dir))
	return nil
}

// sayUnused warns of flags that say something else than the configuration, which a first run with them would
// have made. It is no error: a container is started with the same ones each time, whatever its file says.
func (a *app) sayUnused(cmd *cobra.Command, c *config.Config, f *upFlags) {
	in := &c.Interface
	endpoint, err := checkEndpoint(f.endpoint, in.ListenPort)
	if err != nil {
		endpoint = f.endpoint
	}
	resolvers, _ := parseResolvers(f.dns)
	for _, v := range []struct{ flag, says, key, holds string }{
		{"endpoint", endpoint, "endpoint", in.Endpoint},
		{"address", f.address, "address", in.Address.String()},
		{"mtu", strconv.Itoa(f.mtu), "mtu", strconv.Itoa(in.MTU)},
		{"dns", fmt.Sprint(resolvers), "client_dns", fmt.Sprint(in.ClientDNS)},
	} {
		if !has(cmd, v.flag) || v.says == v.holds {
			continue
		}
		name := "--" + v.flag
		if !cmd.Flags().Changed(v.flag) {
			name = "$VPNGW_" + strings.ToUpper(v.flag)
		}
		a.sayf("Warning: %s is for the first run alone. It says %s, but interface.%s in %s, which holds, is %s.",
			name, v.says, v.key, c.Path, v.holds)
	}
	if has(cmd, "peer") && findPeer(c, f.peer) == nil {
		a.sayf("Warning: --peer names the first peer of a first run, and this is not one: add %[1]s with \"%[2]s peer add %[1]s\".",
			f.peer, a.program)
	}
}

// sayAgain tells what a second run has started.
func (a *app) sayAgain(c *config.Config, dir string) {
	cmd := a.program + a.stateHint(dir)
	name := "NAME"
	if len(c.Peers) == 1 {
		name = c.Peers[0].Name
	}
	a.sayf("The gateway of %s runs with %s. Show one: %s peer show %s --qr. One more: %s peer add NAME --qr.",
		dir, count(len(c.Peers), "peer"), cmd, name, cmd)
}

// stateHint is what a command line needs to find the state directory.
func (a *app) stateHint(dir string) string {
	if dir == stateDefault || dir == a.getenv("VPNGW_STATE") { // a container's commands have that, too
		return ""
	}
	return " --state " + dir
}
