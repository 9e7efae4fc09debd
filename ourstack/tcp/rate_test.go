package tcp

import "testing"

// rateLine drives a rateState with segments of 1000 bytes.
type rateLine struct {
	r    rateState
	pipe uint32
}

type rateSegment struct {
	tx txRate
	at Instant
}

func (l *rateLine) send(at Instant) *rateSegment {
	s := &rateSegment{at: at}
	l.r.onSent(&s.tx, at, 1000, l.pipe)
	l.pipe += 1000
	return s
}

// ack delivers segments with one ACK.
func (l *rateLine) ack(now Instant, minRTT Duration, segs ...*rateSegment) rateSample {
	var rs rateSample
	for _, s := range segs {
		l.r.onDelivered(1000, now, &s.tx, &rs, s.at)
		l.pipe -= 1000
	}
	l.r.finish(&rs, minRTT)
	return rs
}

const rateMS = Instant(Millisecond)

func TestRateSampleOfASteadyFlow(t *testing.T) {
	var l rateLine
	var segs []*rateSegment
	// One segment a millisecond over an RTT of 10 ms: 1 MB/s.
	for i := range Instant(100) {
		now := simStart + i*rateMS
		if i >= 10 {
			rs := l.ack(now, 10*Millisecond, segs[i-10])
			if i >= 20 && (rs.rate != 1e6 || rs.appLimited) {
				t.Fatalf("at %d ms: %+v", i, rs)
			}
			if want := uint32(10000); i >= 20 && rs.txInFlight != want {
				t.Fatalf("tx_in_flight %d, want %d", rs.txInFlight, want)
			}
		}
		segs = append(segs, l.send(now))
	}
}

// "it filters out the implausible ack_rate by capping the delivery rate sample to be
// no higher than the send rate" (§4.1.1.2.4).
func TestRateSampleIsCappedBySendRate(t *testing.T) {
	var l rateLine
	var segs []*rateSegment
	for i := range Instant(10) {
		segs = append(segs, l.send(simStart+i*rateMS))
	}
	l.ack(simStart+20*rateMS, 10*Millisecond, segs[0])
	// All others are acknowledged at once: compression.
	rs := l.ack(simStart+20*rateMS, 10*Millisecond, segs[1:]...)
	if rs.rate == 0 || rs.rate > 10000*1000/9 {
		t.Errorf("delivery rate %d of data sent at 1 MB/s", rs.rate)
	}
}

// An interval below the minimum RTT gives "no reliable rate sample" (§4.1.2.3): the original of a segment that was taken for lost arrives.
func TestRateSampleBelowMinRTTIsNotReliable(t *testing.T) {
	var l rateLine
	s := l.send(simStart)
	rs := l.ack(simStart+2*rateMS, 10*Millisecond, s)
	if rs.rate != 0 || rs.interval != 0 || rs.delivered != 1000 {
		t.Errorf("%+v", rs)
	}
}

func TestRateSampleCountsADeliveryOnce(t *testing.T) {
	var l rateLine
	s := l.send(simStart)
	var rs rateSample
	l.r.onDelivered(1000, simStart+10*rateMS, &s.tx, &rs, s.at)
	l.r.onDelivered(1000, simStart+10*rateMS, &s.tx, &rs, s.at)
	if l.r.delivered != 1000 {
		t.Errorf("C.delivered %d after one segment", l.r.delivered)
	}
}

func TestRateSampleTakesTheNewestOfABurst(t *testing.T) {
	var l rateLine
	a, b, c := l.send(simStart), l.send(simStart), l.send(simStart)
	// The ACK's segments are visited in any order.
	rs := l.ack(simStart+10*rateMS, 0, c, a, b)
	if rs.txInFlight != 3000 {
		t.Errorf("tx_in_flight %d is not that of the last segment", rs.txInFlight)
	}
}

func TestRateSampleCountsLosses(t *testing.T) {
	var l rateLine
	l.send(simStart)
	b := l.send(simStart)
	l.r.onLost(1000)
	l.pipe -= 1000
	if rs := l.ack(simStart+10*rateMS, 0, b); rs.lost != 1000 {
		t.Errorf("RS.lost %d", rs.lost)
	}
	c := l.send(simStart + 11*rateMS)
	if rs := l.ack(simStart+21*rateMS, 0, c); rs.lost != 0 {
		t.Errorf("RS.lost %d of a segment sent after the loss", rs.lost)
	}
}

// "it marks all bandwidth samples for the next round trip as application-limited"
// (§4.1.1.3).
func TestRateSampleMarksTheBubble(t *testing.T) {
	var l rateLine
	a := l.send(simStart)
	l.r.markAppLimited(l.pipe)
	b := l.send(simStart + rateMS)
	if rs := l.ack(simStart+10*rateMS, 0, a); rs.appLimited {
		t.Error("a segment sent before the bubble is marked")
	}
	c := l.send(simStart + 10*rateMS)
	if rs := l.ack(simStart+11*rateMS, 0, b); !rs.appLimited {
		t.Error("a segment sent in the bubble is not marked")
	}
	d := l.send(simStart + 11*rateMS)
	if rs := l.ack(simStart+20*rateMS, 0, c); !rs.appLimited || l.r.appLimited != 0 {
		t.Error("the bubble did not leave with the data that was in flight")
	}
	if rs := l.ack(simStart+21*rateMS, 0, d); rs.appLimited {
		t.Error("marked after the bubble had gone")
	}
	l.r = rateState{}
	l.r.markAppLimited(0)
	if l.r.appLimited == 0 {
		t.Error("max(C.delivered + C.inflight, 1)")
	}
}

func TestRateWithNothingDelivered(t *testing.T) {
	var l rateLine
	if rs := l.ack(simStart, 0); rs.hasData || rs.rate != 0 || rs.delivered != 0 {
		t.Errorf("%+v", rs)
	}
}

func TestRateArithmeticSaturates(t *testing.T) {
	const huge = 1<<64 - 1
	for _, c := range []struct{ got, want uint64 }{
		{mulDiv(7, 6, 4), 10},
		{mulDiv(huge, huge, huge), huge},
		{mulDiv(huge, 2, 1), huge},
		{mulDiv(1<<63, 4, 8), 1 << 62},
		{rateOf(1000, Millisecond), 1e6},
		{rateOf(huge, 1), huge},
		{bytesIn(1e6, 5*Millisecond), 5000},
		{bytesIn(huge, Duration(1<<63-1)), huge},
		{uint64(durationOf(1000, 1e6)), uint64(Millisecond)},
		{uint64(durationOf(huge, 1)), 3600 * uint64(Second)},
		{percentOf(bbrInfinite, 70), bbrInfinite},
		{percentOf(1000, 125), 1250},
	} {
		if c.got != c.want {
			t.Errorf("got %d, want %d", c.got, c.want)
		}
	}
}
