package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"vpngw/config"
)

func (a *app) checkCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration: every problem with its file, line and key",
		Long: `Read the configuration, the peer files and the keys that they name, and print
every problem with its file, line and key. Warnings alone do not fail the check.
No running gateway is touched.

Exit status: 0 the configuration is valid, 2 it is not.`,
		Example: `  vpngw check -c /etc/vpngw/vpngw.toml
  vpngw check && kill -HUP "$(pidof vpngw)"`,
		Args: noArgs,
		RunE: a.verb(func(cmd *cobra.Command, _ []string) error {
			path, err := a.configPath(cmd)
			if err != nil {
				return err
			}
			cfg, err := config.Load(path)
			if asJSON {
				return a.checkJSON(cfg, err)
			}
			if err != nil {
				return err
			}
			for _, p := range cfg.Warnings {
				a.sayf("%s", p)
			}
			_, err = fmt.Fprintf(a.stdout, "%s: valid, %s\n", path, count(len(cfg.Peers), "peer"))
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the problems as a JSON list")
	return cmd
}

// checkJSON prints the problems, if any, as a list.
func (a *app) checkJSON(cfg *config.Config, loadErr error) error {
	problems := config.Problems{}
	switch {
	case loadErr == nil:
		problems = append(problems, cfg.Warnings...)
	case !errors.As(loadErr, &problems):
		return loadErr
	}
	if err := a.printJSON(problems); err != nil {
		return err
	}
	if loadErr != nil {
		return &usageError{errSilent}
	}
	return nil
}

// count says how many of a thing there are.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
