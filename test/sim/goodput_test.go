package sim

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
)

var (
	table  = flag.Bool("sim.table", false, "measure all rows of testdata/goodput.golden: takes minutes")
	only   = flag.String("sim.rows", "", "measure the rows whose names match this regular expression")
	update = flag.Bool("update", false, "write the rows that were measured to testdata/goodput.golden")
)

const goldenPath = "testdata/goodput.golden"

// TestGoodput measures rows of the golden table and compares them to the letter: simulation is exact,
// so each change of congestion control, loss recovery or windows shows as a difference.
func TestGoodput(t *testing.T) {
	var rows []goodputRow
	for _, r := range goodputRows() {
		if *only != "" {
			if regexp.MustCompile(*only).MatchString(r.name) {
				rows = append(rows, r)
			}
			continue
		}
		if *table || r.short && !testing.Short() && (!raced || r.bulk.Forward.Rate == 0 && r.bulk.Controls[0] != "bbr") {
			rows = append(rows, r)
		}
	}
	lines := measureAll(t, rows)
	golden := readGolden(t)
	if *update {
		for i, r := range rows {
			golden[r.name] = lines[i]
		}
		writeGolden(t, golden)
		return
	}
	for i, r := range rows {
		if golden[r.name] != lines[i] {
			t.Errorf("%s\n was %s\n is  %s", r.name, golden[r.name], lines[i])
		}
	}
	if t.Failed() {
		t.Log("where it is meant to be, measure anew: go test ./test/sim -run TestGoodput -sim.table -update")
	}
}

// measureAll measures rows on all processors and returns their results as text.
func measureAll(t *testing.T, rows []goodputRow) []string {
	t.Helper()
	lines := make([]string, len(rows))
	next := make(chan int, len(rows))
	for i := range rows {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				line, err := rows[i].measure()
				if err != nil {
					t.Errorf("%s: %v", rows[i].name, err)
				}
				lines[i] = line
			}
		})
	}
	wg.Wait()
	return lines
}

// measure returns the row's result: the mean over its seeds.
func (r *goodputRow) measure() (string, error) {
	var total, drops, jain float64
	least := 1.0
	var flows []float64
	for seed := range r.seeds {
		b := r.bulk
		b.Seed = uint64(seed + 1)
		res, err := Measure(b)
		if err != nil {
			return "", err
		}
		total += res.Total() / float64(r.seeds)
		drops += 100 * res.Drops / float64(r.seeds)
		jain += res.Jain() / float64(r.seeds)
		least = min(least, res.Jain())
		flows = res.Goodput
	}
	line := fmt.Sprintf("%.2f Mbit/s", total)
	if r.bulk.Forward.Queue > 0 {
		line += fmt.Sprintf(", %.2f%% dropped", drops)
	}
	switch {
	case r.each:
		line += fmt.Sprintf(", %.1f and %.1f", flows[0]/1e6, flows[1]/1e6)
	case len(flows) > 1:
		line += fmt.Sprintf(", Jain %.3f, least %.3f", jain, least)
	}
	return line, nil
}

// readGolden returns the results of the golden table by name.
func readGolden(t *testing.T) map[string]string {
	t.Helper()
	return readTable(t, goldenPath)
}

// writeGolden writes the table in its order.
func writeGolden(t *testing.T, golden map[string]string) {
	t.Helper()
	var names []string
	for _, r := range goodputRows() {
		names = append(names, r.name)
	}
	writeTable(t, goldenPath, names, golden)
}

// readTable returns the lines "name: result" of a file by name.
func readTable(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	table := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, result, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			table[name] = result
		}
	}
	return table
}

// writeTable writes what table has of names, in their order.
func writeTable(t *testing.T, path string, names []string, table map[string]string) {
	t.Helper()
	var b strings.Builder
	for _, name := range names {
		if table[name] != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, table[name])
		}
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
