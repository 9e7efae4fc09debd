package sim

import (
	"fmt"

	"vpngw/ourstack/tcp"
)

// flightCheck holds the sender of one connection to its congestion window: after it has sent, no more
// may be in flight than cwnd.
//
// One segment is exempt: a fast retransmit or a probe goes whatever cwnd says (RFC 5681 §3.2, RFC 8985
// §7.3).
type flightCheck struct{ sent uint64 }

func (f *flightCheck) observe(i *tcp.Info) error {
	sent := i.Counters.BytesOut - f.sent
	f.sent = i.Counters.BytesOut
	if sent > uint64(i.SndMSS) && i.InFlight > i.Cwnd+i.SndMSS {
		return fmt.Errorf("%d bytes in flight after %d were sent, cwnd %d, MSS %d", i.InFlight, sent, i.Cwnd, i.SndMSS)
	}
	return nil
}
