package sim

import (
	"testing"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// longFat is a path of 1 Gbit/s and 100 ms: 12.5 MB in flight.
func longFat(cc string) Bulk {
	b := path(100*tcp.Millisecond, LinkConfig{Rate: 125_000_000, Queue: 12_500_000})
	b.Controls, b.Watched, b.Seed = []string{cc}, true, 1
	return b
}

// Windows open from nothing to the bandwidth-delay product: at least 600 Mbit/s over the first three
// seconds after an idle start, although both hosts work in batches of a millisecond. No window
// shrinks meanwhile, and what they hold stays within the budget.
func TestWindowsOpenOnALongFatPath(t *testing.T) {
	for _, cc := range goodputControls {
		if raced && cc != "cubic" {
			continue
		}
		b := longFat(cc)
		b.Stalls = Stalls{Every: tcp.Millisecond, For: tcp.Millisecond}
		b.Idle, b.Warmup, b.Duration = 5*tcp.Second, 5*tcp.Second, 8*tcp.Second
		r, err := Measure(b)
		if err != nil {
			t.Fatalf("%s: %v", cc, err)
		}
		t.Logf("%s: %.0f Mbit/s, %d MiB of buffers, %d timeouts, %d resent", cc, r.Total(), r.Memory>>20, r.Info[0].Counters.Timeouts, r.Info[0].Counters.Retransmits)
		if r.Total() < 600 || r.Memory > 256<<20 {
			t.Errorf("%s: %.0f Mbit/s, %d bytes of buffers", cc, r.Total(), r.Memory)
		}
	}
}

// A budget smaller than the path needs bounds the rate and is kept; nothing stalls.
func TestWindowsRespectASmallBudget(t *testing.T) {
	budgets := []int{1 << 20, 4 << 20, 12 << 20}
	if raced {
		budgets = budgets[:1]
	}
	for _, budget := range budgets {
		b := longFat("cubic")
		b.Duration = 4 * tcp.Second
		b.Config = ourstack.Config{Limits: ourstack.Limits{Memory: budget}}
		r, err := Measure(b)
		if err != nil {
			t.Fatalf("budget %d: %v", budget, err)
		}
		t.Logf("budget %d KiB: %.1f Mbit/s, %d KiB held", budget>>10, r.Total(), r.Memory>>10)
		// Half of the budget for what is in flight, less what a start costs.
		if least := float64(budget) / 4 * 8 / 0.1 / 1e6; r.Total() < least/4 || r.Memory > budget {
			t.Errorf("budget %d: %.1f Mbit/s, %d bytes held", budget, r.Total(), r.Memory)
		}
	}
}
