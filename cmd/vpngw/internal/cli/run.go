package cli

import (
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/daemon"
	"vpngw/config"
)

// runFlags are the flags of the verbs that run a gateway.
type runFlags struct {
	listenPort   int
	portOfFile   bool // listenPort does not count
	logLevel     string
	logFormat    string
	drainTimeout time.Duration
}

func (f *runFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.listenPort, "listen-port", 51820, "UDP `port` of WireGuard; 0 lets the system choose")
	flags.StringVar(&f.logLevel, "log-level", "", "`level`: debug, info, warn or error (default log.level)")
	flags.StringVar(&f.logFormat, "log-format", "", "`format`: text or json (default log.format)")
	flags.DurationVar(&f.drainTimeout, "drain-timeout", daemon.DrainTimeoutDefault,
		"how long open flows may go on after the signal to end")
	fromEnvironment(flags, "listen-port", "log-level", "log-format", "drain-timeout")
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the gateway in the foreground",
		Long: `Run the gateway in the foreground; the log goes to standard error.

While it runs, the configuration and the peer files are watched: a change is
applied without disturbing anybody else's traffic, a configuration with problems
is refused, with all of them in the log, and the old one stays. The same at once
on SIGHUP. SIGTERM or SIGINT lets open flows finish for --drain-timeout and
ends; a second one ends at once.

A second gateway on the same admin socket or port is refused.`,
		Example: `  vpngw run -c /etc/vpngw/vpngw.toml
  vpngw run --log-level debug --log-format json`,
		Args: noArgs,
		RunE: a.verb(func(cmd *cobra.Command, _ []string) error {
			path, err := a.configPath(cmd)
			if err != nil {
				return err
			}
			return a.serve(cmd, path, &f, nil)
		}),
	}
	f.add(cmd)
	return cmd
}

// serve runs the gateway of the configuration at path until it ends. ready is called when peers
// can connect; it may be nil.
func (a *app) serve(cmd *cobra.Command, path string, f *runFlags, ready func(*config.Config)) error {
	override, err := a.override(cmd, f)
	if err != nil {
		return err
	}
	signals, stop := a.signals()
	defer stop()
	return daemon.Run(cmd.Context(), daemon.Options{
		ConfigPath:   path,
		Override:     override,
		DrainTimeout: f.drainTimeout,
		Version:      a.buildVersion().Version,
		Stderr:       a.stderr,
		Signals:      signals,
		New:          a.newGateway,
		Ready:        ready,
	})
}

// override returns what the flags change in every configuration that is loaded.
func (a *app) override(cmd *cobra.Command, f *runFlags) (func(*config.Config), error) {
	if f.listenPort < 0 || f.listenPort > 65535 {
		return nil, usagef("--listen-port %d is not a port: use 1 to 65535, or 0 for any", f.listenPort)
	}
	var level slog.Level
	if f.logLevel != "" {
		if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
			return nil, usagef("--log-level %q is not a level: use debug, info, warn or error", f.logLevel)
		}
	}
	if f.logFormat != "" && f.logFormat != "text" && f.logFormat != "json" {
		return nil, usagef("--log-format %q is not a format: use text or json", f.logFormat)
	}
	return func(c *config.Config) {
		if has(cmd, "listen-port") && !f.portOfFile {
			c.Interface.ListenPort = f.listenPort
		}
		if f.logLevel != "" {
			c.Log.Level = level
		}
		if f.logFormat != "" {
			c.Log.Format = f.logFormat
		}
		if a.socketFlag != "" {
			c.Admin.Socket = a.socketFlag
		}
	}, nil
}
