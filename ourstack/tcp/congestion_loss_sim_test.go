package tcp

import (
	"math"
	"testing"
)

// CUBIC and NewReno fill a clean path with a queue of one BDP.
func TestLossBasedControlsFillACleanPath(t *testing.T) {
	for _, name := range []string{"newreno", "cubic"} {
		for _, rtt := range []Duration{10 * Millisecond, 40 * Millisecond} {
			p := simPath{rate: mbit(100)}
			p.buffer = p.bdp(rtt)
			s := newSim(1, p)
			f := s.add(newCongestionControl(name), rtt, 0)
			s.run(5*Second, 25*Second)
			if got := s.rate(f) / float64(p.rate); got < 0.95 {
				t.Errorf("%s at %d ms: filled %.0f %%", name, rtt/Millisecond, 100*got)
			}
		}
	}
}

// At random loss CUBIC delivers about what its response function says (RFC 9438 §5.1,
// equation 6 and the Reno-friendly region).
func TestCubicResponseFunctionUnderRandomLoss(t *testing.T) {
	const rtt = 50 * Millisecond
	for _, p := range []float64{1e-3, 1e-2} {
		s := newSim(2, simPath{rate: mbit(1000), buffer: 1 << 28, loss: p})
		f := s.add(newCubic(), rtt, 0)
		s.run(20*Second, 120*Second)
		reno := math.Sqrt(1.5 / p)
		cubicW := 1.054 * math.Pow(seconds(rtt), 0.75) / math.Pow(p, 0.75)
		want := max(reno, cubicW)
		near(t, "window in segments", s.rate(f)*seconds(rtt)/simSMSS, want, 0.35)
	}
}

// HyStart++ leaves slow start before the queue overflows: a fraction of the losses
// that plain slow start causes.
func TestHyStartAvoidsTheOvershoot(t *testing.T) {
	drops := func(cc congestionControl) uint64 {
		p := simPath{rate: mbit(100)}
		p.buffer = p.bdp(80 * Millisecond)
		s := newSim(3, p)
		s.add(cc, 80*Millisecond, 0)
		s.run(0, 3*Second)
		return s.dropped
	}
	plain := newCubic()
	plain.hy.stop()
	with, without := drops(newCubic()), drops(plain)
	if with*2 > without {
		t.Errorf("%d packets dropped with HyStart++, %d without", with, without)
	}
}

// Eight flows of the same control share evenly.
func TestLossBasedControlsAreFair(t *testing.T) {
	for _, name := range []string{"newreno", "cubic"} {
		p := simPath{rate: mbit(100)}
		p.buffer = p.bdp(40 * Millisecond)
		s := newSim(4, p)
		for i := range Duration(8) {
			s.add(newCongestionControl(name), 40*Millisecond, i*100*Millisecond)
		}
		s.run(20*Second, 60*Second)
		if got := s.jain(); got < 0.95 {
			t.Errorf("%s: Jain %.3f", name, got)
		}
	}
}

// CUBIC beside NewReno in the Reno-friendly region (RFC 9438 §4.3).
func TestCubicIsRenoFriendly(t *testing.T) {
	p := simPath{rate: mbit(10)}
	p.buffer = p.bdp(20 * Millisecond)
	s := newSim(5, p)
	r := s.add(&newReno{}, 20*Millisecond, 0)
	c := s.add(newCubic(), 20*Millisecond, 50*Millisecond)
	s.run(10*Second, 90*Second)
	if ratio := s.rate(c) / s.rate(r); ratio < 0.5 || ratio > 2.5 {
		t.Errorf("CUBIC takes %.2f times as much as NewReno", ratio)
	}
}

// A path that stops for seconds causes timeouts; afterwards every control recovers.
func TestControlsSurviveAnOutage(t *testing.T) {
	for _, name := range []string{"newreno", "cubic", "bbr"} {
		p := simPath{rate: mbit(20)}
		p.buffer = p.bdp(40 * Millisecond)
		s := newSim(6, p)
		f := s.add(newCongestionControl(name), 40*Millisecond, 0)
		s.run(0, 5*Second)
		s.path.loss = 1
		s.run(0, 3*Second)
		s.path.loss = 0
		s.run(0, 5*Second)
		f.goodput = 0
		s.run(0, 15*Second)
		if got := s.rate(f) / float64(p.rate); got < 0.85 {
			t.Errorf("%s: filled %.0f %% after an outage of 3 s", name, 100*got)
		}
	}
}
