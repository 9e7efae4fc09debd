package tcp

// Limits of pacing.
const (
	// pacingCatchUp bounds how much lateness of the caller is made up for by sending
	// at once. A poll that comes up to this much after the time it was asked for
	// costs no throughput; what is later than that is lost. 10 ms covers the timers
	// of a loaded machine, and after a silence that long the bottleneck's queue is
	// shorter by what we then send.
	pacingCatchUp = 10 * Millisecond

	// pacingDebtMax bounds how long those that ask wait for segments that left without asking, such as
	// repairs after a timeout, beyond a quantum of their own.
	pacingDebtMax = 1 * Second

	sendQuantumTime = 1 * Millisecond // "C.pacing_rate * 1ms" BBR draft §5.6.3
	sendQuantumMax  = 64 << 10        // bytes, same place
)

// pacer spreads segments over time at the window's pacing rate. It has no timer:
// it says when to poll again. It works for a caller that polls in bursts and late:
//
//	released: [ up to sendQuantum bytes at once ] wait until `next` [ ... ] wait ...
//
// A burst begins when now >= next. Each segment of it moves next by its
// serialisation time at the pacing rate; when the quantum is used up the pacer
// blocks until next (BBR draft §5.6.2: C.next_send_time). When the caller comes
// back late after having been blocked, the lost time is credited (pacingCatchUp);
// time in which the connection had nothing to send is not.
//
// The zero value is ready to use.
type pacer struct {
	next    Instant  // C.next_send_time: when all that was sent has left at the pacing rate
	burst   uint32   // bytes that may still leave in this burst
	blocked bool     // the last answer was to wait for next
	credit  Duration // lateness not yet made up for
}

// delayUntil returns 0 when a segment may be sent now, else the time at which to
// ask again. An unpaced window (pacingRate 0) is never delayed.
func (p *pacer) delayUntil(now Instant, w *window) Instant {
	if w.pacingRate == 0 || p.burst > 0 || now >= p.next {
		return 0
	}
	p.blocked = true
	return p.next
}

// onSent accounts for n bytes that leave now, whether or not the pacer was asked.
func (p *pacer) onSent(now Instant, w *window, n uint32) {
	if w.pacingRate == 0 {
		*p = pacer{}
		return
	}
	if now >= p.next {
		p.startBurst(now, w)
	}
	cost := durationOf(uint64(n), w.pacingRate)
	used := min(p.credit, cost)
	p.credit -= used
	// Who asks never owes more than a quantum and a segment.
	quantum := durationOf(uint64(max(w.sendQuantum, w.smss))+uint64(n), w.pacingRate)
	p.next = min(p.next.Add(cost-used), now.Add(quantum+pacingDebtMax))
	p.burst -= min(p.burst, n)
}

// startBurst begins a quantum: "C.next_send_time = max(Now(), C.next_send_time)"
// BBR draft §5.6.2.
func (p *pacer) startBurst(now Instant, w *window) {
	late := now.Sub(p.next)
	switch {
	case p.blocked:
		p.credit = min(late, pacingCatchUp)
	case late > pacingCatchUp:
		p.credit = 0 // a silence of the connection's own
	}
	p.blocked = false
	p.next = now
	p.burst = max(w.sendQuantum, w.smss)
}

// reset forgets the past: the next segment may leave at once.
func (p *pacer) reset() { *p = pacer{} }

// setSendQuantum sets w.sendQuantum for the pacing rate: "a BBR implementation
// SHOULD attempt to use the smallest feasible quanta" BBR draft §5.6.3.
func (w *window) setSendQuantum() {
	q := bytesIn(w.pacingRate, sendQuantumTime)
	w.sendQuantum = max(uint32(min(q, sendQuantumMax)), 2*w.smss)
}
