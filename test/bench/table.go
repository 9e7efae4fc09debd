package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// figures are what one measurement yields, by name ("Mbit/s", "CPU s/GB", …).
type figures map[string]float64

// result is all that was measured of a row, by stack.
type result struct {
	Row     string
	Figures map[string][]figures
}

// printTable prints a line for each figure: medians with ranges, and the ratio of ours to the
// others, taken round by round. Variants of a stack ("ours/std") have lines of their own.
func printTable(w io.Writer, results []result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tfigure\tours\tnetstack\tideal\tours/netstack\tours/ideal")
	for _, r := range results {
		own := r.of("ours")
		for _, name := range names(own) {
			fmt.Fprintf(t, "%s\t%s", r.Row, name)
			for _, s := range []string{"ours", "netstack", "ideal"} {
				fmt.Fprintf(t, "\t%s", spread(column(r.of(s), name)))
			}
			for _, s := range []string{"netstack", "ideal"} {
				fmt.Fprintf(t, "\t%s", spread(ratios(own, r.of(s), name)))
			}
			fmt.Fprintln(t)
		}
		for _, s := range slices.Sorted(maps.Keys(r.Figures)) {
			if !strings.Contains(s, "/") {
				continue
			}
			for _, name := range names(r.Figures[s]) {
				fmt.Fprintf(t, "%s\t%s with %s\t%s\t\t\t\t\n", r.Row, name, s, spread(column(r.Figures[s], name)))
			}
		}
	}
	_ = t.Flush()
}

// of returns the figures of a stack, also if it was measured over another path ("ours+100ms").
func (r *result) of(stack string) []figures {
	for name, f := range r.Figures {
		if base, _, _ := strings.Cut(name, "+"); base == stack {
			return f
		}
	}
	return nil
}

func names(fs []figures) []string {
	var out []string
	for _, f := range fs {
		for n := range f {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	slices.Sort(out)
	return out
}

func column(fs []figures, name string) []float64 {
	var out []float64
	for _, f := range fs {
		if v, ok := f[name]; ok {
			out = append(out, v)
		}
	}
	return out
}

func ratios(a, b []figures, name string) []float64 {
	var out []float64
	for i := range min(len(a), len(b)) {
		if n, d := a[i][name], b[i][name]; n != 0 && d != 0 {
			out = append(out, n/d)
		}
	}
	return out
}

// spread prints the median and, if there are several, the range.
func spread(v []float64) string {
	if len(v) == 0 {
		return "-"
	}
	v = slices.Sorted(slices.Values(v))
	if len(v) == 1 {
		return fmt.Sprintf("%.3g", v[0])
	}
	return fmt.Sprintf("%.3g [%.3g..%.3g]", middle(v), v[0], v[len(v)-1])
}

func writeJSON(file string, results []result) error {
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// readJSON reads what writeJSON wrote; nothing if file is empty.
func readJSON(file string) (results []result, err error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return results, json.Unmarshal(text, &results)
}

// middle is the median of sorted values, of which there is one at least.
func middle(v []float64) float64 {
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
