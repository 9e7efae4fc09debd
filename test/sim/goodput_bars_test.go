package sim

import (
	"fmt"
	"strings"
	"testing"
)

// goodputBar is what a row of the golden table must reach. Zero fields ask for nothing.
type goodputBar struct {
	row     string
	goodput float64 // at least, Mbit/s
	drops   float64 // below, per cent of packets
	jain    float64 // at least, as the mean of the seeds
	least   float64 // and for each seed
}

// goodputBars. Of CUBIC, on each path on which gVisor's netstack was measured through a relay in both
// its stock and its tuned form, at least the better of the two; see TestGVisorBesideOurs for
// the same stacks on these links.
var goodputBars = []goodputBar{
	{row: "20ms 1% 8s cubic", goodput: 6.5},
	{row: "100ms 0.1% 8s cubic", goodput: 14.7},
	{row: "100ms 1% 8s cubic", goodput: 1.59},
	{row: "100ms 3% 8s cubic", goodput: 0.80},
	{row: "100ms 1% 100M/100ms 8s cubic", goodput: 1.46},
	{row: "20ms 1% late by 3ms 500M/20ms 8s cubic", goodput: 53},
	{row: "40ms 20M/20ms 8s cubic", goodput: 18.1},
	{row: "40ms 100M/40ms 1 flows cubic", goodput: 94, drops: 0.5},

	{row: "100ms 1% 100M/10ms bbr", goodput: 80},
	{row: "100ms 1% 100M/200ms bbr", goodput: 80},
	{row: "100ms 3% 100M/10ms bbr", goodput: 60},
	{row: "100ms 3% 100M/200ms bbr", goodput: 60},

	{row: "40ms 100M/40ms 8 flows cubic", goodput: 94, jain: 0.95, least: 0.95},
	{row: "40ms 100M/40ms 8 flows newreno", goodput: 94, jain: 0.95, least: 0.95},
	{row: "40ms 100M/40ms 8 flows bbr", goodput: 92, jain: 0.95, least: 0.95},
	{row: "40ms 100M/40ms 8 flows at once bbr", goodput: 92, jain: 0.95, least: 0.95},
	{row: "40ms 100M/40ms 8 flows 10ms apart bbr", goodput: 92, jain: 0.95, least: 0.95},
	{row: "40ms 100M/40ms 8 flows 1s apart bbr", goodput: 92, jain: 0.95, least: 0.95},
	{row: "40ms 100M/40ms 64 flows cubic", goodput: 94, jain: 0.95, least: 0.95},
	{row: "40ms 100M/40ms 64 flows bbr", goodput: 94, drops: 8.5, jain: 0.95, least: 0.95},

	{row: "100ms 1G/100ms first 3s cubic", goodput: 600},
	{row: "100ms 1G/100ms first 3s newreno", goodput: 600},
	{row: "100ms 1G/100ms first 3s bbr", goodput: 600},
}

// TestGoodputBars holds the golden table, which TestGoodput holds to the truth, to what is asked.
func TestGoodputBars(t *testing.T) {
	golden := readGolden(t)
	for _, bar := range goodputBars {
		r := parseResult(t, bar.row, golden[bar.row])
		if r.goodput < bar.goodput || bar.drops > 0 && r.drops >= bar.drops || r.jain < bar.jain || r.least < bar.least {
			t.Errorf("%s: %s; want %.2f Mbit/s, drops below %.2f %%, Jain %.2f, least %.2f", bar.row, golden[bar.row], bar.goodput, bar.drops, bar.jain, bar.least)
		}
	}
	// Reordering costs less than a tenth, duplication nothing to speak of.
	for _, cc := range goodputControls {
		for _, link := range []string{"unlimited", "500M/20ms"} {
			at := func(kind string) float64 {
				row := fmt.Sprintf("20ms %s %s %s", kind, link, cc)
				return parseResult(t, row, golden[row]).goodput
			}
			plain := at("in order")
			if late := at("1% late by 3ms"); late < 0.9*plain {
				t.Errorf("%s %s: %.1f Mbit/s reordered of %.1f", link, cc, late, plain)
			}
			if twice := at("1% twice"); twice < 0.98*plain {
				t.Errorf("%s %s: %.1f Mbit/s duplicated of %.1f", link, cc, twice, plain)
			}
		}
	}
}

// rowResult is a line of the table.
type rowResult struct{ goodput, drops, jain, least float64 }

func parseResult(t *testing.T, row, line string) (r rowResult) {
	t.Helper()
	for i, part := range strings.Split(line, ", ") {
		var err error
		switch {
		case i == 0:
			_, err = fmt.Sscanf(part, "%f Mbit/s", &r.goodput)
		case strings.HasSuffix(part, "dropped"):
			_, err = fmt.Sscanf(part, "%f%%", &r.drops)
		case strings.HasPrefix(part, "Jain"):
			_, err = fmt.Sscanf(part, "Jain %f", &r.jain)
		case strings.HasPrefix(part, "least"):
			_, err = fmt.Sscanf(part, "least %f", &r.least)
		}
		if err != nil {
			t.Errorf("%s: %q: %v", row, line, err)
		}
	}
	return r
}
