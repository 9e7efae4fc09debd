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
}

// InboundRound implements [tcp.Path].
func (r *remote) InboundRound(now, last tcp.Instant, received int) (standing int) {
	return r.in.round(now, last, received)
}

func (in *inbound) round(now, last tcp.Instant, received int) (standing int) {
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
	flows := max(in.flows, in.before, 1)
	return max(inboundStanding/flows, min(inboundPerFlow, standingMax/flows))
}
