package tcp

import "testing"

// Random loss is not congestion: the bar is 80 % of the bandwidth at 1 % of loss and
// 60 % at 3 %, ACKs lost alike, over 100 ms of a jittery path, Startup included.
func TestBBRFillsALossyPath(t *testing.T) {
	for _, c := range []struct {
		rate   float64 // Mbit/s
		rtt    Duration
		loss   float64
		buffer float64 // in BDP
		want   float64 // share of the rate
	}{
		{100, 100 * Millisecond, 0.01, 1, 0.85},
		{100, 100 * Millisecond, 0.03, 1, 0.80},
		{100, 100 * Millisecond, 0.03, 0.25, 0.80},
		{100, 20 * Millisecond, 0.03, 1, 0.85},
		{20, 100 * Millisecond, 0.02, 1, 0.85},
		{5, 40 * Millisecond, 0.03, 4, 0.80},
		{100, 100 * Millisecond, 0.05, 1, 0.70},
	} {
		for seed := range uint64(2) {
			p := simPath{rate: mbit(c.rate), loss: c.loss, ackLoss: c.loss, jitter: 5 * Millisecond}
			p.buffer = uint32(c.buffer * float64(p.bdp(c.rtt)))
			s := newSim(seed, p)
			f := s.add(newBBR(), c.rtt, 0)
			s.run(0, 12*Second)
			if got := s.rate(f) / float64(p.rate); got < c.want {
				t.Errorf("seed %d: %.0f Mbit/s, %d ms, %.0f %% loss, %.2f BDP of queue: filled %.0f %%, want %.0f",
					seed, c.rate, c.rtt/Millisecond, 100*c.loss, c.buffer, 100*got, 100*c.want)
			}
		}
	}
}

// Without other flows the queue is empty but for the probes, however deep it could be;
// nothing is lost after Startup.
func TestBBRBuildsNoStandingQueue(t *testing.T) {
	for _, rtt := range []Duration{10 * Millisecond, 40 * Millisecond, 100 * Millisecond} {
		p := simPath{rate: mbit(100)}
		p.buffer = 8 * p.bdp(rtt)
		s := newSim(1, p)
		f := s.add(newBBR(), rtt, 0)
		s.run(0, 5*Second)
		s.queueSum, s.queueN, s.dropped, f.goodput = 0, 0, 0, 0
		s.run(0, 20*Second)
		if q := s.meanQueue() / float64(p.bdp(rtt)); q > 0.25 {
			t.Errorf("%d ms: mean queue of %.2f BDP", rtt/Millisecond, q)
		}
		if s.dropped > 0 {
			t.Errorf("%d ms: %d packets dropped", rtt/Millisecond, s.dropped)
		}
		if got := s.rate(f) / float64(p.rate); got < 0.93 {
			t.Errorf("%d ms: filled %.0f %%", rtt/Millisecond, 100*got)
		}
	}
}

// Eight flows share a bottleneck evenly: Jain's index over half a minute.
func TestBBREightFlowsAreFair(t *testing.T) {
	for _, c := range []struct {
		rate    float64
		rtt     Duration
		buffer  float64
		stagger Duration
		warm    Duration
		want    float64
	}{
		{100, 40 * Millisecond, 1, 0, 0, 0.95},
		{100, 20 * Millisecond, 1, 0, 0, 0.95},
		{20, 40 * Millisecond, 1, 0, 0, 0.95},
		{100, 40 * Millisecond, 4, 0, 0, 0.95},
		{100, 40 * Millisecond, 1, 300 * Millisecond, 20 * Second, 0.92},
		{20, 20 * Millisecond, 4, 300 * Millisecond, 20 * Second, 0.95},
	} {
		p := simPath{rate: mbit(c.rate)}
		p.buffer = uint32(c.buffer * float64(p.bdp(c.rtt)))
		s := newSim(2, p)
		for i := range Duration(8) {
			s.add(newBBR(), c.rtt, i*c.stagger)
		}
		s.run(c.warm, c.warm+30*Second)
		if got := s.jain(); got < c.want {
			t.Errorf("%.0f Mbit/s, %d ms, %.0f BDP, started %d ms apart: Jain %.3f, want %.2f",
				c.rate, c.rtt/Millisecond, c.buffer, c.stagger/Millisecond, got, c.want)
		}
	}
}

// BBR and CUBIC share a bottleneck; neither starves (§5.3.3.8).
func TestBBRSharesWithCubic(t *testing.T) {
	for _, buffer := range []float64{1, 2, 4} {
		p := simPath{rate: mbit(50)}
		p.buffer = uint32(buffer * float64(p.bdp(30*Millisecond)))
		s := newSim(3, p)
		b := s.add(newBBR(), 30*Millisecond, 0)
		c := s.add(newCubic(), 30*Millisecond, 100*Millisecond)
		s.run(10*Second, 60*Second)
		share := s.rate(b) / (s.rate(b) + s.rate(c))
		if share < 0.3 || share > 0.75 {
			t.Errorf("queue of %.0f BDP: BBR's share is %.0f %%", buffer, 100*share)
		}
	}
}

// A policer drops without delay. BBR must neither take its losses for the path's own
// nor starve.
func TestBBRBehindAPolicer(t *testing.T) {
	p := simPath{rate: mbit(50), policer: true}
	p.buffer = p.bdp(20 * Millisecond)
	s := newSim(4, p)
	f := s.add(newBBR(), 40*Millisecond, 0)
	s.run(0, 5*Second)
	s.dropped, s.accepted = 0, 0
	s.run(0, 20*Second)
	if got := float64(s.dropped) / float64(s.dropped+s.accepted); got > 0.05 {
		t.Errorf("%.1f %% dropped", 100*got)
	}
	if got := s.rate(f) / float64(p.rate); got < 0.85 {
		t.Errorf("filled %.0f %%", 100*got)
	}
}

// Eight flows in a queue too short to show in the RTT teach each other losses. What
// they lose stays bounded.
func TestBBRShallowSharedQueue(t *testing.T) {
	p := simPath{rate: mbit(100)}
	p.buffer = p.bdp(40*Millisecond) / 8
	s := newSim(5, p)
	for range 8 {
		s.add(newBBR(), 40*Millisecond, 0)
	}
	s.run(0, 10*Second)
	s.dropped, s.accepted = 0, 0
	s.run(0, 20*Second)
	if got := float64(s.dropped) / float64(s.dropped+s.accepted); got > 0.09 {
		t.Errorf("%.1f %% dropped", 100*got)
	}
}

// The caller polls at clock ticks of 1 and 5 ms and ACKs come in lumps: a loaded
// machine behind a radio link.
func TestBBRWithCoarsePollsAndAggregatedACKs(t *testing.T) {
	for _, tick := range []Duration{Millisecond, 5 * Millisecond} {
		p := simPath{rate: mbit(100), tick: tick}
		p.buffer = p.bdp(40 * Millisecond)
		s := newSim(6, p)
		f := s.add(newBBR(), 40*Millisecond, 0)
		f.ackEvery = 32
		s.run(2*Second, 12*Second)
		if got := s.rate(f) / float64(p.rate); got < 0.9 {
			t.Errorf("tick of %d ms: filled %.0f %%", tick/Millisecond, 100*got)
		}
	}
}

// Without SACK a single loss is all that is seen; BBR slows down but works (§4.1.3.5.1).
func TestBBRWithoutSACK(t *testing.T) {
	p := simPath{rate: mbit(20)}
	p.buffer = p.bdp(40 * Millisecond)
	s := newSim(7, p)
	f := s.add(newBBR(), 40*Millisecond, 0)
	f.w.withoutSACK = true
	s.run(2*Second, 12*Second)
	if got := s.rate(f) / float64(p.rate); got < 0.8 {
		t.Errorf("filled %.0f %%", 100*got)
	}
}
