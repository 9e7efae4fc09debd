package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) healthCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Exit 0 when the running gateway is ready",
		Long: `Ask the running gateway whether peers can connect. Says nothing if they can;
says why not on standard error otherwise. Meant for container probes. The
running gateway is only asked, nothing in it changes.

Exit status: 0 ready, 1 not ready, not running or no answer in time.`,
		Example: `  vpngw health
  HEALTHCHECK CMD ["/vpngw", "health"]     # in a Dockerfile`,
		Args: noArgs,
		RunE: a.verb(func(cmd *cobra.Command, _ []string) error {
			client, err := a.client(cmd)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return client.Ready(ctx)
		}),
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long to wait for the answer")
	return cmd
}
