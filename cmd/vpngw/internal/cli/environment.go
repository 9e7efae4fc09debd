package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// environmentKey marks a flag that may come from the environment; its value is the variable.
const environmentKey = "vpngw_environment"

// fromEnvironment lets flags take their value from $VPNGW_<NAME>, and says so in their help.
func fromEnvironment(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		f := flags.Lookup(name)
		variable := "VPNGW_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		f.Annotations = map[string][]string{environmentKey: {variable}}
		f.Usage += " [$" + variable + "]"
	}
}

// applyEnvironment sets the flags that were not given and whose variable is not empty: a flag goes
// before the environment, and that before the configuration file.
func (a *app) applyEnvironment(cmd *cobra.Command) error {
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		variables := f.Annotations[environmentKey]
		if f.Changed || len(variables) == 0 || failed != nil {
			return
		}
		value := a.getenv(variables[0])
		if value == "" {
			return
		}
		if err := f.Value.Set(value); err != nil {
			failed = fmt.Errorf("$%s is not a value for --%s: %w", variables[0], f.Name, err)
			return
		}
		f.Annotations[environmentUsed] = []string{"true"}
	})
	return failed
}

// environmentUsed marks a flag whose value came from the environment. It does not count as given:
// what a person types and what a container's image sets may be judged differently.
const environmentUsed = "vpngw_environment_used"

// has reports whether a flag was given or came from the environment.
func has(cmd *cobra.Command, name string) bool {
	f := cmd.Flags().Lookup(name)
	return f.Changed || len(f.Annotations[environmentUsed]) > 0
}
