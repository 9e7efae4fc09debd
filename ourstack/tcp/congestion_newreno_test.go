package tcp

import "testing"

// RFC 5681 §3.1: cwnd doubles in a round trip of slow start, however ACKs are spread.
func TestNewRenoSlowStartDoubles(t *testing.T) {
	for _, rtt := range []Duration{100 * Microsecond, 50 * Millisecond} { // unpaced, paced
		d := newDriver(t, &newReno{}, rtt)
		d.round()
		near(t, "cwnd after a round trip", d.segments(), 20, 0.01)
		d.rounds(2)
		near(t, "cwnd after three", d.segments(), 80, 0.01)
	}
}

// RFC 3465 §2.3: without pacing an ACK for very much does not release a burst.
func TestNewRenoSlowStartLimitOfStretchACKs(t *testing.T) {
	d := newDriver(t, &newReno{}, 100*Microsecond)
	d.ack(64000)
	if got := d.w.cwnd - 14600; got != 2*1460 {
		t.Errorf("a stretch ACK raised cwnd by %d", got)
	}
	d = newDriver(t, &newReno{}, 50*Millisecond)
	d.ack(1460) // from here on paced
	before := d.w.cwnd
	d.ack(14600)
	if got := d.w.cwnd - before; got != 14600 {
		t.Errorf("paced, an ACK of 14600 bytes raised cwnd by %d", got)
	}
}

// One segment a round trip, by bytes acknowledged and not by ACKs counted.
func TestNewRenoAvoidanceGrowsBySegmentPerRound(t *testing.T) {
	d := newDriver(t, &newReno{}, 50*Millisecond)
	d.w.cwnd, d.w.ssthresh = 100*1460, 100*1460
	d.rounds(20)
	near(t, "cwnd after 20 round trips", d.segments(), 120, 0.01)
	// A single ACK for a hundred windows grows cwnd by one segment.
	before := d.w.cwnd
	d.ack(100 * d.w.cwnd)
	if got := d.w.cwnd - before; got > 1460 {
		t.Errorf("one ACK grew cwnd by %d", got)
	}
}

// The bytes of an ACK beyond ssthresh count for congestion avoidance.
func TestNewRenoCrossesSsthresh(t *testing.T) {
	d := newDriver(t, &newReno{}, 50*Millisecond)
	d.ack(1460)
	d.w.ssthresh = d.w.cwnd + 1000
	d.ack(14600)
	if d.w.cwnd < d.w.ssthresh || d.w.cwnd > d.w.ssthresh+1460 {
		t.Errorf("cwnd %d with ssthresh %d", d.w.cwnd, d.w.ssthresh)
	}
}

// RFC 5681 §3.1 equation 4, §3.2.
func TestNewRenoHalvesOnLoss(t *testing.T) {
	d := newDriver(t, &newReno{}, 50*Millisecond)
	d.rounds(4)
	before := d.w.cwnd
	d.lose()
	if d.w.ssthresh != before/2 || d.w.cwnd != before/2 {
		t.Errorf("from %d: ssthresh %d cwnd %d", before, d.w.ssthresh, d.w.cwnd)
	}
	d.w.cwnd = 2 * 1460
	d.cc.onCongestionEvent(&d.w, d.now, congestionLoss, 1460)
	if d.w.ssthresh != 2*1460 {
		t.Errorf("ssthresh %d is below 2*SMSS", d.w.ssthresh)
	}
}

// RFC 7661 §4.4.1: at the end of a burst FlightSize says little.
func TestNewRenoRemembersWhatThePathCarried(t *testing.T) {
	d := newDriver(t, &newReno{}, 50*Millisecond)
	d.rounds(5)
	before := d.w.cwnd
	d.cc.onCongestionEvent(&d.w, d.now, congestionLoss, 3*1460)
	if d.w.ssthresh < before/5 || d.w.ssthresh > before/2 {
		t.Errorf("the loss of a tail reduced a window of %d to %d", before, d.w.ssthresh)
	}
	// Long after, that is no longer known.
	d = newDriver(t, &newReno{}, 50*Millisecond)
	d.rounds(5)
	d.appLimited = true
	for range 100 {
		d.ack(1460)
		d.now = d.now.Add(100 * Millisecond)
	}
	d.cc.onCongestionEvent(&d.w, d.now, congestionLoss, 3*1460)
	if d.w.ssthresh > 4*1460 {
		t.Errorf("ssthresh %d after ten seconds of little use", d.w.ssthresh)
	}
}

// RFC 5681 §3.1: loss window of one segment; ssthresh is held for repeated timeouts.
func TestNewRenoTimeout(t *testing.T) {
	d := newDriver(t, &newReno{}, 50*Millisecond)
	d.rounds(4)
	before := d.w.cwnd
	for range 5 {
		d.cc.onCongestionEvent(&d.w, d.now, congestionRTO, d.w.smss)
	}
	if d.w.cwnd != 1460 || d.w.ssthresh < before/5 {
		t.Errorf("from %d: cwnd %d ssthresh %d", before, d.w.cwnd, d.w.ssthresh)
	}
	// Slow start follows although the connection still is in recovery.
	d.inRecovery = true
	d.ack(1460)
	if d.w.cwnd != 2*1460 {
		t.Errorf("cwnd %d after the first ACK", d.w.cwnd)
	}
	d.ack(1460)
	cwnd := d.w.cwnd
	d.cc.onExitRecovery(&d.w, d.now)
	if d.w.cwnd != cwnd {
		t.Errorf("the end of recovery changed cwnd from %d to %d", cwnd, d.w.cwnd)
	}
	// A timeout after progress is a new one.
	d.cc.onCongestionEvent(&d.w, d.now, congestionRTO, d.w.cwnd)
	if d.w.ssthresh >= before/5 {
		t.Error("a new timeout held the old ssthresh")
	}
}

// RFC 8511 §3 and RFC 3168 §6.1.2.
func TestNewRenoECN(t *testing.T) {
	d := newDriver(t, &newReno{}, 50*Millisecond)
	d.rounds(3)
	before := d.w.cwnd
	d.cc.onCongestionEvent(&d.w, d.now, congestionECN, before)
	if want := before * 4 / 5; d.w.cwnd != want || d.w.ssthresh != want {
		t.Errorf("from %d: cwnd %d ssthresh %d", before, d.w.cwnd, d.w.ssthresh)
	}
	cwnd := d.w.cwnd
	d.ece = true
	d.ack(14600)
	if d.w.cwnd != cwnd {
		t.Error("an ACK with ECN echo grew cwnd")
	}
	d.cc.onUndo(&d.w, d.now)
	if d.w.cwnd != cwnd {
		t.Error("an ECN echo was undone")
	}
	for range 50 {
		d.cc.onCongestionEvent(&d.w, d.now, congestionECN, d.w.cwnd)
	}
	if d.w.cwnd != 1460 || d.w.ssthresh != 2*1460 {
		t.Errorf("persistent marks leave cwnd %d ssthresh %d", d.w.cwnd, d.w.ssthresh)
	}
}

func TestNewRenoUndo(t *testing.T) {
	for _, kind := range []congestionKind{congestionLoss, congestionRTO} {
		d := newDriver(t, &newReno{}, 50*Millisecond)
		d.rounds(4)
		cwnd, ssthresh := d.w.cwnd, d.w.ssthresh
		d.cc.onCongestionEvent(&d.w, d.now, kind, cwnd)
		d.w.cwnd = min(d.w.cwnd, d.w.ssthresh)
		d.cc.onUndo(&d.w, d.now)
		d.cc.onExitRecovery(&d.w, d.now)
		if d.w.cwnd != cwnd || d.w.ssthresh != ssthresh {
			t.Errorf("kind %d: cwnd %d of %d, ssthresh %d of %d", kind, d.w.cwnd, cwnd, d.w.ssthresh, ssthresh)
		}
		d.cc.onUndo(&d.w, d.now)
		if d.w.cwnd != cwnd {
			t.Error("a second undo had an effect")
		}
	}
}

// RFC 7661 §4.3 and RFC 5681 §4.1.
func TestNewRenoApplicationLimited(t *testing.T) {
	d := newDriver(t, &newReno{}, 50*Millisecond)
	d.rounds(2)
	d.appLimited = true
	d.rounds(3) // the round that was still limited may grow
	cwnd := d.w.cwnd
	for range 100 {
		d.ack(2920)
		d.now = d.now.Add(50 * Millisecond)
	}
	if d.w.cwnd != cwnd {
		t.Errorf("cwnd grew from %d to %d without being used", cwnd, d.w.cwnd)
	}
	d.cc.onIdleRestart(&d.w, d.now, 10*Second)
	if d.w.cwnd != d.w.initial || d.w.ssthresh < cwnd*3/4 {
		t.Errorf("after idle cwnd %d ssthresh %d, before %d", d.w.cwnd, d.w.ssthresh, cwnd)
	}
}

// Bytes that SACK reported out of order count when the hole is filled.
func TestNewRenoCountsReorderedBytesOnce(t *testing.T) {
	d := newDriver(t, &newReno{}, 50*Millisecond)
	d.ack(1460)
	before := d.w.cwnd
	s := d.sample(2920)
	s.ackedCum, s.sndUna = 0, s.sndUna-2920
	d.cc.onAck(&d.w, s)
	if d.w.cwnd != before {
		t.Error("a duplicate ACK grew cwnd")
	}
	s = d.sample(1460)
	s.ackedCum = 4380
	d.cc.onAck(&d.w, s)
	if got := d.w.cwnd - before; got != 4380 {
		t.Errorf("three segments raised cwnd by %d", got)
	}
}
