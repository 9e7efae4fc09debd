package cli

import (
	"fmt"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"vpngw/config"
)

// listedPeer is a peer as "peer list --json" shows it: nothing secret.
type listedPeer struct {
	Name                string         `json:"name"`
	PublicKey           string         `json:"public_key"`
	AllowedIPs          []netip.Prefix `json:"allowed_ips"`
	PresharedKey        bool           `json:"preshared_key"`    // whether there is one
	PrivateKeyKept      bool           `json:"private_key_kept"` // whether "peer show" is complete
	PersistentKeepalive int            `json:"persistent_keepalive"`
	Groups              []string       `json:"groups,omitempty"`
	File                string         `json:"file"`
}

func (a *app) peerListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the configured peers",
		Long: `List the peers of the configuration; no secret is shown. What they are doing is
in "vpngw status". No running gateway is touched.`,
		Example: `  vpngw peer list
  vpngw peer list --json`,
		Args: noArgs,
		RunE: a.verb(func(cmd *cobra.Command, _ []string) error {
			c, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			peers := listPeers(c)
			if asJSON {
				return a.printJSON(peers)
			}
			return a.printPeers(peers)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func listPeers(c *config.Config) []listedPeer {
	peers := make([]listedPeer, 0, len(c.Peers))
	for _, p := range c.Peers {
		peers = append(peers, listedPeer{
			Name:                p.Name,
			PublicKey:           p.PublicKey.String(),
			AllowedIPs:          p.AllowedIPs,
			PresharedKey:        !p.PresharedKey.IsZero(),
			PrivateKeyKept:      !p.PrivateKey.IsZero(),
			PersistentKeepalive: p.PersistentKeepalive,
			Groups:              p.Groups,
			File:                p.File,
		})
	}
	return peers
}

func (a *app) printPeers(peers []listedPeer) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tALLOWED IPS\tPUBLIC KEY\tPSK\tGROUPS")
	for _, p := range peers {
		psk := "no"
		if p.PresharedKey {
			psk = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n",
			p.Name, joinPrefixes(p.AllowedIPs), p.PublicKey, psk, strings.Join(p.Groups, ","))
	}
	return w.Flush()
}

// joinPrefixes writes networks for a table; a single address loses its "/32".
func joinPrefixes(nets []netip.Prefix) string {
	words := make([]string, 0, len(nets))
	for _, n := range nets {
		if n.IsSingleIP() {
			words = append(words, n.Addr().String())
		} else {
			words = append(words, n.String())
		}
	}
	return strings.Join(words, ",")
}
