package cli

import (
	"github.com/spf13/cobra"
)

func (a *app) peerShowCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Print a peer's wg-quick configuration",
		Long: `Print the wg-quick configuration for a client on standard output, and nothing
else there. It holds the client's private key if that was made and kept here;
otherwise a comment stands in its place. No running gateway is touched.`,
		Example: `  (umask 077; vpngw peer show laptop > laptop.conf)
  vpngw peer show phone --qr
  vpngw peer show phone --png phone.png --dns 10.0.0.53`,
		Args:              oneName,
		ValidArgsFunction: a.completePeers,
		RunE: a.verb(func(cmd *cobra.Command, args []string) error {
			c, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			p := findPeer(c, args[0])
			if p == nil {
				return a.noPeer(c, args[0])
			}
			return f.show(a, c, p)
		}),
	}
	f.add(cmd)
	return cmd
}
