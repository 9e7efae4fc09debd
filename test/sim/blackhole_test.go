package sim

import (
	"fmt"
	"testing"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// A path that drops large packets without a word, from the start or suddenly, one way or both, costs
// seconds: the sizes are reduced, with losses and reordering going on all the while, and 2 MB each way
// arrive within ten seconds.
func TestBlackHolesAreCrossed(t *testing.T) {
	for _, c := range []struct {
		mtu    [2]int
		from   tcp.Duration
		signal bool
	}{
		{mtu: [2]int{1300, 1300}},
		{mtu: [2]int{1000, 0}},
		{mtu: [2]int{0, 600}},
		{mtu: [2]int{576, 576}},
		{mtu: [2]int{1200, 1000}, from: 300 * tcp.Millisecond},
		{mtu: [2]int{1200, 1000}, signal: true},
		{mtu: [2]int{1200, 576}, from: 300 * tcp.Millisecond, signal: true},
	} {
		for _, cc := range goodputControls {
			t.Run(fmt.Sprintf("%d from %d ms, %s", c.mtu, c.from/tcp.Millisecond, cc), func(t *testing.T) {
				s := Scenario{Seed: 5, FaultsFor: 3600 * tcp.Second, Limit: 10 * tcp.Second}
				for i := range 2 {
					s.Stack[i] = ourstack.Config{MTU: 1420, TCP: tcp.Config{CongestionControl: cc, KeepAlive: keepAlive}}
					s.Link[i] = LinkConfig{
						Delay: 10 * tcp.Millisecond, Rate: 2_500_000, Queue: 100_000, Loss: 0.002, Reorder: 0.01, ReorderBy: 2 * tcp.Millisecond,
						MTU: c.mtu[i], MTUFrom: c.from, Signal: c.signal,
					}
				}
				s.Flows = []FlowConfig{{Bytes: [2]int{2 << 20, 2 << 20}, Write: [2]int{65536, 65536}, Read: [2]int{65536, 65536}, HalfClose: true}}
				r, err := Run(s)
				if err != nil {
					t.Fatalf("%v\n%v", err, r.World.Trace())
				}
				t.Logf("%d ms", r.Elapsed/tcp.Millisecond)
			})
		}
	}
}
