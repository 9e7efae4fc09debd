package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
)

// figures are what one measurement yields, by name ("Mbit/s", "CPU s/GB", …).
type figures map[string]float64

// result is all that was measured of a row, by path, a measurement for each round.
type result struct {
	Row     string
	Figures map[string][]figures
}

// record adds a measurement.
func record(results *[]*result, row, path string, f figures) {
	i := slices.IndexFunc(*results, func(r *result) bool { return r.Row == row })
	if i < 0 {
		i = len(*results)
		*results = append(*results, &result{row, map[string][]figures{}})
	}
	r := (*results)[i]
	r.Figures[path] = append(r.Figures[path], f)
}

// printTable prints a line for each figure: medians with ranges, and the ratio of vpngw to the
// kernel's path, taken round by round.
func printTable(w io.Writer, results []*result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tfigure\tvpngw\tkernel\tvpngw/kernel")
	for _, r := range results {
		ours, kernel := r.Figures["vpngw"], r.Figures["kernel"]
		if len(ours) == 0 {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(ours[0])) {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.Row, name, spread(column(ours, name)),
				spread(column(kernel, name)), spread(ratios(ours, kernel, name)))
		}
	}
	_ = t.Flush()
}

func column(fs []figures, name string) (out []float64) {
	for _, f := range fs {
		out = append(out, f[name])
	}
	return out
}

func ratios(a, b []figures, name string) (out []float64) {
	for i := range min(len(a), len(b)) {
		if d := b[i][name]; d != 0 {
			out = append(out, a[i][name]/d)
		}
	}
	return out
}

// spread prints the median and, if there are several, the range.
func spread(v []float64) string {
	if len(v) == 0 {
		return "-"
	}
	slices.Sort(v)
	if len(v) == 1 {
		return fmt.Sprintf("%.4g", v[0])
	}
	return fmt.Sprintf("%.4g [%.4g..%.4g]", middle(v), v[0], v[len(v)-1])
}

func writeJSON(file string, results []*result) error {
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// middle is the median of sorted values, of which there is one at least.
func middle(v []float64) float64 {
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
