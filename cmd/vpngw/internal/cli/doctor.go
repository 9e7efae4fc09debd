package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/admin"
	"vpngw/cmd/vpngw/internal/gateway"
	"vpngw/config"
)

// doctorAsks is how long the doctor waits for a running gateway to answer.
const doctorAsks = 2 * time.Second

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what of this host limits the gateway, each with its fix",
		Long: `Look at what this host gives the gateway: buffers of UDP sockets, ping sockets,
ports and open files. What limits it is printed with its effect and what to do
about it. Run it as the gateway's user and in its place (docker exec): another
user may be allowed more. Without a configuration the defaults are looked at. A
running gateway is only asked whether it runs; nothing is sent elsewhere and
nothing changes.

Exit status: 0 the gateway can run, perhaps limited; 1 something keeps it from
starting; 2 the configuration is not valid.`,
		Example: `  vpngw doctor
  docker exec vpngw /vpngw doctor
  vpngw doctor --json | jq '.[] | select(.state != "ok")'`,
		Args: noArgs,
		RunE: a.verb(func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.doctorConfig(cmd)
			if err != nil {
				return err
			}
			var (
				reports = []doctorReport{}
				fatal   bool
			)
			for _, c := range a.checkHost(cfg, a.gatewayRuns(cmd)) {
				reports = append(reports, reportOf(c))
				fatal = fatal || c.Finding != nil && c.Finding.Fatal
			}
			if err := a.printReports(reports, asJSON); err != nil {
				return err
			}
			if fatal {
				return errors.New("the gateway cannot start here")
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON list")
	return cmd
}

// doctorConfig returns the configuration that the command line means, or the defaults if there is none and
// none was named.
func (a *app) doctorConfig(cmd *cobra.Command) (*config.Config, error) {
	path, err := a.configPath(cmd)
	if errors.Is(err, errNoConfig) {
		a.sayf("no configuration found: looking at what a gateway with the defaults needs")
		return config.Default(), nil
	}
	if err != nil {
		return nil, err
	}
	return config.Load(path)
}

// gatewayRuns reports whether the gateway that the command line means answers, ready or not.
func (a *app) gatewayRuns(cmd *cobra.Command) bool {
	client, err := a.client(cmd)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), doctorAsks)
	defer cancel()
	var said *admin.Error
	err = client.Ready(ctx)
	return err == nil || errors.As(err, &said)
}

// A doctorReport is one line of what the doctor says.
type doctorReport struct {
	Name   string `json:"name"`
	State  string `json:"state"` // "ok", "limited", "fails"
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

func reportOf(c gateway.HostCheck) doctorReport {
	r := doctorReport{Name: c.Name, State: "ok", Detail: c.Has}
	if f := c.Finding; f != nil {
		r.State, r.Detail, r.Fix = "limited", f.Problem, f.Fix
		if f.Fatal {
			r.State = "fails"
		}
	}
	return r
}

func (a *app) printReports(reports []doctorReport, asJSON bool) error {
	if asJSON {
		return a.printJSON(reports)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, r := range reports {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.State, r.Name, r.Detail)
		if r.Fix != "" {
			fmt.Fprintf(w, "\t\tfix: %s\n", r.Fix)
		}
	}
	return w.Flush()
}
