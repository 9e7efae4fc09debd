package ourstack

import (
	"sync"

	"vpngw/ourstack/tcp"
)

// inbound divides what may stand in queues on the way from one remote address among the connections that
// receive much: the counterpart of schedule_hold.go.
type inbound struct {
	mu     sync.Mutex
	period tcp.Instant // number of the present inboundPeriod
	flows  int         // connections that have received much in it so far
	before int         // … in the one before

	least   tcp.Duration // the least round-trip time of any connection
	leastAt tcp.Instant
}

// Round implements [tcp.Inbound]. That all have the same least round-trip time keeps them equal: who had
// measured a longer one, when the path was busy, would get more and more of it.
func (in *inbound) Round(now, last tcp.Instant, received int, least tcp.Duration) (standing int, leastOfAll tcp.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if period := now / tcp.Instant(inboundPeriod); period != in.period {
		in.before = in.flows
		if period != in.period+1 {
			in.before = 0
		}
		in.period, in.flows = period, 0
	}
	if received >= inboundMuch && last/tcp.Instant(inboundPeriod) != in.period {
		in.flows++
	}
	if in.leastAt == 0 || least <= in.least || now.Sub(in.leastAt) > leastWindow {
		in.least, in.leastAt = least, now
	}
	flows := max(in.flows, in.before, 1)
	return max(standingMin/flows, min(inboundPerFlow, standingMax/flows)), in.least
}
