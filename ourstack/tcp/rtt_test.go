package tcp

import "testing"

func newRTT() *rttEstimator {
	e := new(rttEstimator)
	e.init(Microsecond)
	return e
}

func wantDuration(t *testing.T, what string, got, want Duration) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d µs, want %d µs", what, got/Microsecond, want/Microsecond)
	}
}

// RFC 6298 §2.
func TestRTTEstimatorFollowsRFC6298(t *testing.T) {
	const ms = Millisecond
	e := newRTT()
	wantDuration(t, "RTO before any sample (§2.1)", e.rto(), Second)
	e.onSample(simStart, 400*ms)
	wantDuration(t, "SRTT <- R (§2.2)", e.srtt, 400*ms)
	wantDuration(t, "RTTVAR <- R/2 (§2.2)", e.rttvar, 200*ms)
	wantDuration(t, "RTO <- SRTT + 4*RTTVAR (§2.2)", e.rto(), 1200*ms)
	e.onSample(simStart, 480*ms)
	wantDuration(t, "RTTVAR of the old SRTT (§2.3)", e.rttvar, 170*ms)
	wantDuration(t, "SRTT (§2.3)", e.srtt, 410*ms)
	e.onSample(simStart, 10*ms)
	wantDuration(t, "RTTVAR takes the absolute deviation", e.rttvar, 170*ms+(400*ms-170*ms)/4)
}

// DEVIATION RFC 6298 §2.4: the variance term, not the sum, has the minimum.
func TestRTOKeepsDistanceFromSRTT(t *testing.T) {
	e := newRTT()
	for range 200 {
		e.onSample(simStart, 180*Millisecond)
	}
	wantDuration(t, "a steady path of 180 ms", e.rto(), 380*Millisecond)
	e = newRTT()
	for range 200 {
		e.onSample(simStart, 50*Microsecond)
	}
	if got := e.rto(); got < minRTOVariance || got > minRTOVariance+Millisecond {
		t.Errorf("RTO on a very short path is %d µs", got/Microsecond)
	}
}

// RFC 6298 §5.5 and §2.5.
func TestRTOBacksOffToItsMaximum(t *testing.T) {
	e := newRTT()
	e.onEstablished()
	e.onSample(simStart, 100*Millisecond)
	base := e.rto()
	for i := range 3 {
		e.backoff()
		wantDuration(t, "doubled", e.rto(), base<<(i+1))
	}
	for range 300 {
		e.backoff()
		if e.rto() > maxRTO || e.rto() <= 0 {
			t.Fatalf("RTO %d out of range", e.rto())
		}
	}
	wantDuration(t, "maximum", e.rto(), maxRTO)
	e.onSample(simStart, 100*Millisecond)
	if e.rto() > base {
		t.Error("a new measurement did not collapse the back-off (RFC 6298 §5)")
	}
	e.backoff()
	e.resetBackoff()
	if e.rto() > base {
		t.Error("resetBackoff left the back-off")
	}
}

// RFC 6298 §5.7.
func TestRTOIsThreeSecondsAfterALostSYN(t *testing.T) {
	e := newRTT()
	e.backoff()
	wantDuration(t, "second SYN", e.rto(), 2*Second)
	e.onEstablished()
	wantDuration(t, "data transmission begins", e.rto(), 3*Second)
	e.onSample(simStart, 100*Millisecond)
	wantDuration(t, "with a sample", e.rto(), 300*Millisecond)

	e = newRTT()
	e.onEstablished()
	wantDuration(t, "no SYN was lost", e.rto(), Second)
}

// RFC 4015 §3.1 (0) and (11).
func TestRTTRestoredAfterSpuriousTimeout(t *testing.T) {
	e := newRTT()
	e.onEstablished()
	for range 100 {
		e.onSample(simStart, 100*Millisecond)
	}
	e.backoff()
	e.backoff()
	e.onSpuriousTimeout()
	e.onSample(simStart, 900*Millisecond)
	wantDuration(t, "SRTT <- max (SRTT_prev, RTT-SAMPLE)", e.srtt, 900*Millisecond)
	wantDuration(t, "RTTVAR <- max (RTTVAR_prev, RTT-SAMPLE/2)", e.rttvar, 450*Millisecond)

	e = newRTT()
	e.onEstablished()
	e.onSample(simStart, 100*Millisecond)
	e.backoff()
	e.onSpuriousTimeout()
	e.onSample(simStart, 10*Millisecond)
	wantDuration(t, "SRTT_prev <- SRTT + 2*G", e.srtt, 100*Millisecond+2*Microsecond)
	wantDuration(t, "RTTVAR_prev", e.rttvar, 50*Millisecond)
}

func TestMinRTTForgetsAfterItsWindow(t *testing.T) {
	e := newRTT()
	wantDuration(t, "without samples", e.minRTT(), 0)
	now := simStart
	e.onSample(now, 20*Millisecond)
	for range 290 {
		now = now.Add(Second)
		e.onSample(now, 50*Millisecond)
	}
	wantDuration(t, "within five minutes", e.minRTT(), 20*Millisecond)
	for range 20 {
		now = now.Add(Second)
		e.onSample(now, 50*Millisecond)
	}
	wantDuration(t, "after a route change", e.minRTT(), 50*Millisecond)
}

// A clock of coarse resolution, 15.6 ms as on some systems, must not yield a zero RTT.
func TestRTTSampleIsNeverBelowTheClock(t *testing.T) {
	e := new(rttEstimator)
	e.init(15600 * Microsecond)
	e.onSample(simStart, 0)
	wantDuration(t, "SRTT", e.srtt, 15600*Microsecond)
	if !e.hasSample() {
		t.Error("a sample of zero was lost")
	}
}
