package cli

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vpngw/config"
)

func (a *app) peerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "peer",
		Short: "Add, list, show and remove peers",
		Long: `Manage the gateway's peers. Each peer is one file in the peers directory
(interface.peers_dir); peers may also stand in the configuration file itself,
where only an editor changes them. Changes take effect on a running gateway at
once and disturb no other peer.`,
		Example: `  vpngw peer add phone --qr
  vpngw peer list`,
		Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return needVerb(cmd) },
	}
	cmd.AddCommand(a.peerAddCommand(), a.peerListCommand(), a.peerShowCommand(), a.peerRemoveCommand())
	return cmd
}

// oneName is the arguments of the verbs that are about one peer.
func oneName(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return fmt.Errorf("name the peer: %s", cmd.UseLine())
	case 1:
		return nil
	}
	return fmt.Errorf("one peer at a time; %q is too much", args[1:])
}

// loadConfig loads the configuration that the command line means.
func (a *app) loadConfig(cmd *cobra.Command) (*config.Config, error) {
	path, err := a.configPath(cmd)
	if err != nil {
		return nil, err
	}
	return config.Load(path)
}

// findPeer returns the peer of that name, or nil.
func findPeer(c *config.Config, name string) *config.Peer {
	i := slices.IndexFunc(c.Peers, func(p config.Peer) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Peers[i]
}

// noPeer is the error for a name that no peer has.
func (a *app) noPeer(c *config.Config, name string) error {
	if len(c.Peers) == 0 {
		return fmt.Errorf("there is no peer %s, and no other: add one with \"%s peer add %s\"", name, a.program, name)
	}
	names := make([]string, 0, len(c.Peers))
	for _, p := range c.Peers {
		names = append(names, p.Name)
	}
	const shown = 20
	more := ""
	if len(names) > shown {
		names, more = names[:shown], ", …"
	}
	return fmt.Errorf("there is no peer %s; there are: %s%s", name, strings.Join(names, ", "), more)
}

// completePeers completes the names of peers in a shell.
func (a *app) completePeers(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || a.applyEnvironment(cmd) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := a.loadConfig(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, p := range c.Peers {
		names = append(names, p.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// parsePrefixes reads networks; a bare address is a network of one.
func parsePrefixes(flag string, words []string) ([]netip.Prefix, error) {
	nets := make([]netip.Prefix, 0, len(words))
	for _, w := range words {
		w = strings.TrimSpace(w)
		n, err := netip.ParsePrefix(w)
		if addr, aerr := netip.ParseAddr(w); aerr == nil && addr.Zone() == "" {
			n, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, usagef("%s %q is not a network such as 192.168.10.0/24", flag, w)
		}
		nets = append(nets, n.Masked())
	}
	return nets, nil
}
