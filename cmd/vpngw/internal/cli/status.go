package cli

import (
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/admin"
	"vpngw/cmd/vpngw/internal/gateway"
)

// statusTimeout bounds one question to the gateway.
const statusTimeout = 5 * time.Second

// ansiClear moves to the top left and clears the screen.
const ansiClear = "\x1b[H\x1b[2J"

type statusFlags struct {
	json     bool
	watch    bool
	interval time.Duration
}

func (a *app) statusCommand() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show peers, handshakes, bytes and flows of a running gateway",
		Long: `Ask the running gateway what it is doing: its peers, when each was last heard
from and where, the bytes received from and sent to it, and its open flows. The
gateway is only asked, nothing in it changes.

With --watch the picture is renewed until Ctrl-C; with --watch --json there is
one JSON object a line.`,
		Example: `  vpngw status
  vpngw status --watch --interval 1s
  vpngw status --json | jq '.peers[] | {name, last_handshake}'`,
		Args: noArgs,
		RunE: a.verb(func(cmd *cobra.Command, _ []string) error {
			if f.interval <= 0 {
				return usagef("--interval %s is not a time to wait: use 1s or more", f.interval)
			}
			client, err := a.client(cmd)
			if err != nil {
				return err
			}
			if !f.watch {
				return a.printStatus(cmd.Context(), client, &f)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.watchStatus(ctx, client, &f)
		}),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.BoolVar(&f.watch, "watch", false, "renew the picture until interrupted")
	flags.DurationVar(&f.interval, "interval", 2*time.Second, "how often --watch renews it")
	return cmd
}

// watchStatus prints the status until ctx ends; that is how it is meant to end.
func (a *app) watchStatus(ctx context.Context, client *admin.Client, f *statusFlags) error {
	tick := time.NewTicker(f.interval)
	defer tick.Stop()
	for {
		err := a.printStatus(ctx, client, f)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// printStatus asks once and prints the answer.
func (a *app) printStatus(ctx context.Context, client *admin.Client, f *statusFlags) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	if f.json {
		return a.printStatusJSON(ctx, client, f)
	}
	var s gateway.Status
	if err := client.Status(ctx, &s); err != nil {
		return err
	}
	if f.watch && a.terminal {
		if _, err := a.stdout.Write([]byte(ansiClear)); err != nil {
			return err
		}
	}
	return writeStatus(a.stdout, &s, a.now())
}

// printStatusJSON passes on what the gateway says, even fields that this version does not know.
func (a *app) printStatusJSON(ctx context.Context, client *admin.Client, f *statusFlags) error {
	var raw json.RawMessage
	if err := client.Status(ctx, &raw); err != nil {
		return err
	}
	if f.watch {
		return json.NewEncoder(a.stdout).Encode(raw) // one line
	}
	return a.printJSON(raw)
}
