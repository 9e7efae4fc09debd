package cli

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"vpngw/config"
)

func (a *app) peerRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm"},
		Short:   "Remove a peer",
		Long: `Delete a peer's file, and with it its keys. A running gateway closes the peer's
flows and forgets it at once; nobody else is disturbed. A peer that stands in
the configuration file itself is not touched: remove it there.`,
		Example:           `  vpngw peer remove old-phone`,
		Args:              oneName,
		ValidArgsFunction: a.completePeers,
		RunE: a.verb(func(cmd *cobra.Command, args []string) error {
			c, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			err = config.RemovePeer(c, args[0])
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return a.noPeer(c, args[0])
			case err != nil:
				return peersDirError(c.Interface.PeersDir, err)
			}
			a.sayf("Removed the peer %s.", args[0])
			return a.takeEffect(cmd.Context(), c)
		}),
	}
}
