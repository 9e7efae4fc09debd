package sim

import (
	"fmt"
	"strings"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// A goodputRow is one line of the golden table: a measurement, repeated with several seeds where
// chance matters.
type goodputRow struct {
	name  string
	bulk  Bulk
	seeds int
	short bool // measured by the ordinary test
	each  bool // show every flow
}

// link speeds and queues of the table. The volume that an unlimited link may carry is bounded: it
// would be bounded by memory alone.
var goodputLinks = []struct {
	name   string
	rate   int64
	queue  int
	volume int
}{
	{"unlimited", 0, 0, 64 << 20},
	{"100M/10ms", 12_500_000, 125_000, 0},
	{"100M/200ms", 12_500_000, 2_500_000, 0},
}

var goodputControls = []string{"cubic", "newreno", "bbr"}

const goodputTime = 20 * tcp.Second

// goodputRows lists the table.
func goodputRows() []goodputRow {
	rows := matrixRows()
	rows = append(rows, orderRows()...)
	rows = append(rows, sharedRows()...)
	rows = append(rows, perfRows()...)
	return append(rows, windowRows()...)
}

// path returns both directions of a link with half of the round trip each.
func path(rtt tcp.Duration, l LinkConfig) Bulk {
	l.Delay = rtt / 2
	return Bulk{Forward: l, Back: l, Duration: goodputTime}
}

// matrixRows is round trip × loss × link × control.
func matrixRows() (rows []goodputRow) {
	for _, rtt := range []tcp.Duration{100 * tcp.Microsecond, 20 * tcp.Millisecond, 100 * tcp.Millisecond, 200 * tcp.Millisecond} {
		for _, loss := range []float64{0, 0.001, 0.01, 0.03} {
			for _, l := range goodputLinks {
				for _, cc := range goodputControls {
					b := path(rtt, LinkConfig{Rate: l.rate, Queue: l.queue, Loss: loss})
					b.Controls, b.Volume = []string{cc}, l.volume
					rows = append(rows, goodputRow{
						name:  fmt.Sprintf("%gms %g%% %s %s", float64(rtt)/1e6, 100*loss, l.name, cc),
						bulk:  b,
						seeds: seedsFor(rtt, loss, l.rate, cc),
						short: cc != "bbr" && (rtt == 100*tcp.Millisecond && loss == 0.01 || rtt == 20*tcp.Millisecond && loss == 0.03 && l.rate == 0),
					})
				}
			}
		}
	}
	return rows
}

func seedsFor(rtt tcp.Duration, loss float64, rate int64, cc string) int {
	switch {
	case loss == 0:
		return 1
	case cc == "bbr" && rtt == 100*tcp.Millisecond && loss == 0.03 && rate > 0:
		return 16 // a bar is set here, and single runs scatter by 8 Mbit/s
	default:
		return 5
	}
}

// orderSeeds: one seed would say how lucky a flow was, not what reordering costs.
const orderSeeds = 5

// orderRows measure what reordering and duplication cost.
func orderRows() (rows []goodputRow) {
	for _, l := range []struct {
		name string
		link LinkConfig
	}{
		{"in order", LinkConfig{}},
		{"1% late by 3ms", LinkConfig{Reorder: 0.01, ReorderBy: 3 * tcp.Millisecond}},
		{"1% twice", LinkConfig{Duplicate: 0.01}},
	} {
		seeds := 1
		if l.link.Reorder+l.link.Duplicate > 0 {
			seeds = orderSeeds
		}
		for _, cc := range goodputControls {
			free := path(20*tcp.Millisecond, l.link)
			free.Volume = 256 << 20
			limited := l.link
			limited.Rate, limited.Queue = 62_500_000, 1_250_000
			for _, v := range []struct {
				name string
				bulk Bulk
			}{{"unlimited", free}, {"500M/20ms", path(20*tcp.Millisecond, limited)}} {
				v.bulk.Controls, v.bulk.Duration = []string{cc}, 8*tcp.Second
				rows = append(rows, goodputRow{name: fmt.Sprintf("20ms %s %s %s", l.name, v.name, cc), bulk: v.bulk, seeds: seeds})
			}
		}
	}
	return rows
}

// sharedRows: one bottleneck of 100 Mbit/s and 40 ms, with a queue as long.
func sharedRows() (rows []goodputRow) {
	base := path(40*tcp.Millisecond, LinkConfig{Rate: 12_500_000, Queue: 500_000})
	for _, cc := range goodputControls {
		for _, flows := range []int{1, 8, 64} {
			b := base
			b.Controls, b.Flows = []string{cc}, flows
			seeds := 2
			if flows == 8 && cc == "bbr" {
				seeds = 4
			}
			if flows > 1 {
				b.Duration, b.Stagger, b.Warmup = 120*tcp.Second, 100*tcp.Millisecond, 20*tcp.Second
			}
			rows = append(rows, goodputRow{name: fmt.Sprintf("40ms 100M/40ms %d flows %s", flows, cc), bulk: b, seeds: seeds, short: flows == 1})
		}
	}
	// BBR's shares mix slowly and at random: which flow was first must not decide.
	for _, s := range []struct {
		name    string
		stagger tcp.Duration
	}{{"at once", 0}, {"10ms apart", 10 * tcp.Millisecond}, {"1s apart", tcp.Second}} {
		b := base
		b.Controls, b.Flows, b.Duration, b.Stagger, b.Warmup = []string{"bbr"}, 8, 120*tcp.Second, s.stagger, 20*tcp.Second
		rows = append(rows, goodputRow{name: fmt.Sprintf("40ms 100M/40ms 8 flows %s bbr", s.name), bulk: b, seeds: 4})
	}
	for _, pair := range [][]string{{"bbr", "cubic"}, {"newreno", "cubic"}, {"bbr", "bbr"}} {
		for _, queue := range []int{40, 80} {
			b := base
			b.Forward.Queue = queue * 12_500
			b.Controls, b.Duration, b.Warmup = pair, 90*tcp.Second, 30*tcp.Second
			rows = append(rows, goodputRow{name: fmt.Sprintf("40ms 100M/%dms %s", queue, strings.Join(pair, " and ")), bulk: b, seeds: 1, each: true})
		}
	}
	return rows
}

// perfRows are paths on which other stacks were measured for 8 seconds: see TestGVisorBesideOurs.
func perfRows() (rows []goodputRow) {
	for _, p := range perfPaths {
		for _, cc := range goodputControls {
			b := p.bulk()
			b.Controls = []string{cc}
			rows = append(rows, goodputRow{name: p.name + " 8s " + cc, bulk: b, seeds: p.seeds})
		}
	}
	return rows
}

// perfPath is a path of that comparison.
type perfPath struct {
	name  string
	rtt   tcp.Duration
	link  LinkConfig
	seeds int
}

func (p *perfPath) bulk() Bulk {
	b := path(p.rtt, p.link)
	b.Duration, b.Volume = 8*tcp.Second, 256<<20
	return b
}

var perfPaths = []perfPath{
	{"20ms", 20 * tcp.Millisecond, LinkConfig{Rate: 62_500_000, Queue: 1_250_000}, 1},
	{"100ms", 100 * tcp.Millisecond, LinkConfig{Rate: 62_500_000, Queue: 1_250_000}, 1},
	{"20ms 1%", 20 * tcp.Millisecond, LinkConfig{Loss: 0.01}, 5},
	{"100ms 0.1%", 100 * tcp.Millisecond, LinkConfig{Loss: 0.001}, 5},
	{"100ms 1%", 100 * tcp.Millisecond, LinkConfig{Loss: 0.01}, 5},
	{"100ms 3%", 100 * tcp.Millisecond, LinkConfig{Loss: 0.03}, 5},
	{"100ms 1% 100M/100ms", 100 * tcp.Millisecond, LinkConfig{Loss: 0.01, Rate: 12_500_000, Queue: 1_250_000}, 5},
	{"20ms 1% late by 3ms 500M/20ms", 20 * tcp.Millisecond, LinkConfig{Rate: 62_500_000, Queue: 1_250_000, Reorder: 0.01, ReorderBy: 3 * tcp.Millisecond}, orderSeeds},
	{"20ms 1% twice 500M/20ms", 20 * tcp.Millisecond, LinkConfig{Rate: 62_500_000, Queue: 1_250_000, Duplicate: 0.01}, orderSeeds},
	{"40ms 100M/40ms", 40 * tcp.Millisecond, LinkConfig{Rate: 12_500_000, Queue: 500_000}, 1},
	{"40ms 20M/20ms", 40 * tcp.Millisecond, LinkConfig{Rate: 2_500_000, Queue: 50_000}, 1},
}

// windowRows: how fast windows open on a long fat path.
func windowRows() (rows []goodputRow) {
	for _, cc := range goodputControls {
		b := path(100*tcp.Millisecond, LinkConfig{Rate: 125_000_000, Queue: 12_500_000})
		b.Controls, b.Duration, b.Config = []string{cc}, 3*tcp.Second, ourstack.Config{}
		rows = append(rows, goodputRow{name: "100ms 1G/100ms first 3s " + cc, bulk: b, seeds: 1, short: true})
		b.Duration, b.Warmup = 10*tcp.Second, 3*tcp.Second
		rows = append(rows, goodputRow{name: "100ms 1G/100ms after 3s " + cc, bulk: b, seeds: 1})
	}
	return rows
}
