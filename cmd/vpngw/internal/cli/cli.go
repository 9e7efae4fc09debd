package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vpngw/cmd/vpngw/internal/daemon"
	"vpngw/cmd/vpngw/internal/gateway"
	"vpngw/config"
)

// app is one invocation of the command: what it was given and where it writes. Tests fill it in.
type app struct {
	version    string // as the linker set it; may be ""
	revision   string // likewise
	program    string // how the user calls us, for hints
	stdin      io.Reader
	stdout     io.Writer
	stderr     io.Writer
	terminal   bool // stdout is one
	getenv     func(string) string
	now        func() time.Time
	signals    func() (ch <-chan os.Signal, stop func())
	newGateway func(*config.Config, *slog.Logger) (daemon.Gateway, error)
	checkHost  func(cfg *config.Config, running bool) []gateway.HostCheck

	configFlag string
	stateFlag  string
	socketFlag string
	started    bool // a verb's own code has run: errors before are of usage
}

// Main runs the command with the arguments after its name and returns its exit status. version and
// revision are those of the program, "" for what the build has recorded.
func Main(version, revision string, args []string) int {
	a := &app{
		version:    version,
		revision:   revision,
		program:    programName(os.Args[0]),
		stdin:      os.Stdin,
		stdout:     os.Stdout,
		stderr:     os.Stderr,
		terminal:   term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == "",
		getenv:     os.Getenv,
		now:        time.Now,
		signals:    catchSignals,
		newGateway: newGateway,
		checkHost:  gateway.CheckHost,
	}
	return a.run(context.Background(), args)
}

// run executes one command line.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(append([]string{}, args...)) // with nil, cobra would take those of the process
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	if !a.started {
		a.sayf("vpngw: %s", err)
		a.sayf("See \"%s --help\".", cmd.CommandPath())
		return exitUsage
	}
	return a.fail(err)
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "vpngw",
		Short: "A rootless WireGuard gateway",
		Long: `vpngw is a WireGuard gateway that needs no root, no capability and no TUN
device. Stock WireGuard clients connect to it over UDP; it carries their traffic
on to the real destinations through ordinary sockets.

  vpngw up               make everything that is missing, then run
  vpngw peer add phone   one more client; a running gateway takes it at once

The configuration is the file named by -c, else by $VPNGW_CONFIG, else the first
of ./vpngw.toml, ./vpngw-state/vpngw.toml (what "vpngw up" made; --state names
another directory) and /etc/vpngw/vpngw.toml. A flag that shows a $VPNGW_...
variable takes its value from there unless it is given.

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.`,
		Example: `  vpngw up                         # first run: shows a client configuration and its QR code
  vpngw run -c /etc/vpngw/vpngw.toml
  vpngw status --watch`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          subcommandOnly,
		RunE:          func(cmd *cobra.Command, _ []string) error { return needVerb(cmd) },
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&a.configFlag, "config", "c", "", "configuration `file`")
	flags.StringVar(&a.stateFlag, "state", "", "state `directory` of \"vpngw up\" (default ./vpngw-state)")
	flags.StringVar(&a.socketFlag, "socket", "", "admin socket `path` of the gateway (default admin.socket of the configuration)")
	fromEnvironment(root.PersistentFlags(), "config", "state", "socket")
	root.AddCommand(
		a.upCommand(), a.runCommand(), a.checkCommand(),
		a.peerCommand(), a.statusCommand(), a.healthCommand(), a.doctorCommand(),
		a.genkeyCommand(), a.pubkeyCommand(), a.genpskCommand(), a.versionCommand(),
	)
	return root
}

// verb wraps a command's own code: from here on an error is no longer one of usage.
func (a *app) verb(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := a.applyEnvironment(cmd); err != nil {
			return err
		}
		a.started = true
		return f(cmd, args)
	}
}

// noArgs refuses every argument that is no flag.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes flags alone; %q is too much", cmd.CommandPath(), args)
}

// subcommandOnly refuses what is not a subcommand, with the nearest one that is.
func subcommandOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := "there is no verb " + args[0]
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(text)
}

// needVerb answers a command line that stops before its verb.
func needVerb(cmd *cobra.Command) error {
	cmd.SetOut(cmd.ErrOrStderr())
	if err := cmd.Help(); err != nil {
		return err
	}
	return errors.New("name a verb")
}

// programName is how the user calls this program: under "go run" its path is of no use to them.
func programName(arg0 string) string {
	exe, err := os.Executable()
	if err == nil && strings.Contains(exe, string(filepath.Separator)+"go-build") {
		return "go run ./cmd/vpngw"
	}
	if filepath.Base(arg0) == arg0 || err != nil {
		return "vpngw"
	}
	return arg0
}

// catchSignals delivers the signals that daemon.Run knows, two of them buffered: one that ends and
// one that hurries must not be lost.
func catchSignals() (<-chan os.Signal, func()) {
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	return ch, func() { signal.Stop(ch) }
}
