package tcp

import (
	"math"
	"testing"

	"vpngw/ourstack/seqnum"
)

// ccDriver drives one loss-based control with ACKs of a path that never queues.
type ccDriver struct {
	t   *testing.T
	cc  congestionControl
	w   window
	now Instant
	rtt Duration
	una seqnum.Value

	appLimited bool // ACKs say that cwnd was not the limit
	inRecovery bool
	ece        bool
}

func newDriver(t *testing.T, cc congestionControl, rtt Duration) *ccDriver {
	d := &ccDriver{t: t, cc: cc, now: simStart, rtt: rtt}
	d.w = window{cwnd: 14600, initial: 14600, ssthresh: math.MaxUint32, smss: 1460, maxCwnd: 1 << 30}
	return d
}

// sample returns the ACK of n bytes now.
func (d *ccDriver) sample(n uint32) *ackSample {
	d.una = d.una.Add(seqnum.Size(n))
	flight := d.w.cwnd
	if d.appLimited {
		flight = min(flight, 2*d.w.smss)
	}
	return &ackSample{
		now: d.now, delivered: n, ackedCum: n, priorInFlight: flight,
		inFlight: flight - min(n, flight), rtt: d.rtt, srtt: d.rtt, minRTT: d.rtt,
		sndUna: d.una, sndNxt: d.una.Add(seqnum.Size(flight)),
		cwndLimited: !d.appLimited, inRecovery: d.inRecovery, ece: d.ece,
	}
}

// ack delivers n bytes and checks that cwnd did not shrink.
func (d *ccDriver) ack(n uint32) {
	before := d.w.cwnd
	d.cc.onAck(&d.w, d.sample(n))
	if d.w.cwnd < before {
		d.t.Fatalf("%s: an ACK shrank cwnd from %d to %d", d.cc.name(), before, d.w.cwnd)
	}
}

// round delivers one cwnd over one RTT, two segments an ACK.
func (d *ccDriver) round() {
	step := 2 * d.w.smss
	acks := max(d.w.cwnd/step, 1)
	for i := range acks {
		d.ack(step)
		// Spread so that the round takes exactly one RTT.
		d.now = d.now.Add(d.rtt*Duration(i+1)/Duration(acks) - d.rtt*Duration(i)/Duration(acks))
	}
}

// rounds runs n round trips.
func (d *ccDriver) rounds(n int) {
	for range n {
		d.round()
	}
}

// lose is a complete fast recovery that ends one RTT later.
func (d *ccDriver) lose() {
	d.cc.onCongestionEvent(&d.w, d.now, congestionLoss, d.w.cwnd)
	d.w.cwnd = d.w.ssthresh // as rate reduction does
	d.inRecovery = true
	d.cc.onAck(&d.w, d.sample(d.w.smss))
	d.inRecovery = false
	d.now = d.now.Add(d.rtt)
	d.cc.onExitRecovery(&d.w, d.now)
}

// segments returns cwnd in segments.
func (d *ccDriver) segments() float64 { return float64(d.w.cwnd) / float64(d.w.smss) }

// near fails unless got is within share of want.
func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*want {
		t.Errorf("%s: %.2f, want %.2f ± %.0f %%", what, got, want, 100*share)
	}
}
