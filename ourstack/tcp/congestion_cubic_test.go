package tcp

import (
	"math"
	"testing"
)

// cubicAt returns a driver in congestion avoidance after a loss at w segments.
func cubicAt(t *testing.T, w float64, rtt Duration) (*ccDriver, *cubic) {
	c := newCubic()
	d := newDriver(t, c, rtt)
	d.w.cwnd = uint32(w * float64(d.w.smss))
	d.ack(d.w.smss)
	d.w.cwnd = uint32(w * float64(d.w.smss))
	d.lose()
	return d, c
}

// The window follows W_cubic(t) = C*(t-K)^3 + W_max (RFC 9438 §4.2): concave up to
// W_max at K, convex beyond.
func TestCubicFollowsItsFunction(t *testing.T) {
	const wMax, rtt = 1000.0, 50 * Millisecond
	d, _ := cubicAt(t, wMax, rtt)
	near(t, "β_cubic", d.segments(), 700, 0.001)
	k := math.Cbrt(wMax * 0.3 / 0.4) // 9.09 s
	start := d.now
	for seconds(d.now.Sub(start)) < 2*k {
		d.round()
		x := seconds(d.now.Sub(start))
		near(t, "W_cubic", d.segments(), 0.4*math.Pow(x-k, 3)+wMax, 0.01)
		if t.Failed() {
			t.Fatalf("at %.2f s", x)
		}
	}
}

// In the Reno-friendly region (§4.3) the window grows by α_cubic = 9/17 a round trip,
// and by 1 once it has reached cwnd_prior.
func TestCubicRenoFriendlyRegion(t *testing.T) {
	d, _ := cubicAt(t, 100, 5*Millisecond)
	start := d.segments()
	d.rounds(40)
	near(t, "growth in 40 round trips", d.segments()-start, 40*9.0/17, 0.03)
	for d.segments() < 100 {
		d.round()
	}
	start = d.segments()
	d.rounds(30)
	near(t, "growth in 30 round trips beyond cwnd_prior", d.segments()-start, 30, 0.05)
}

// Average windows of RFC 9438 §5.1, tables 1 and 2, with one loss in 1/p segments.
func TestCubicAverageWindow(t *testing.T) {
	for _, c := range []struct {
		rtt  Duration
		p    float64
		want float64
	}{
		{100 * Millisecond, 1e-2, 12},
		{100 * Millisecond, 1e-3, 38},
		{100 * Millisecond, 1e-4, 187},
		{100 * Millisecond, 1e-5, 1054},
		{10 * Millisecond, 1e-3, 38},
		{10 * Millisecond, 1e-4, 120},
		{10 * Millisecond, 1e-5, 379},
	} {
		d, _ := cubicAt(t, c.want, c.rtt)
		var sum, n, sent float64
		for losses := 0; losses < 60; {
			w := d.segments()
			d.round()
			if losses >= 20 {
				sum, n = sum+w, n+1
			}
			if sent += w; sent > 1/c.p {
				sent = 0
				losses++
				d.lose()
			}
		}
		near(t, "average window", sum/n, c.want, 0.2)
	}
}

// "the increase rate ... is less than the increase rate of slow start": target is at
// most 1.5 * cwnd (§4.2), however long the convex region has lasted.
func TestCubicTargetIsBounded(t *testing.T) {
	d, c := cubicAt(t, 100, 100*Millisecond)
	d.round()
	c.epoch = c.epoch.Add(-1000 * Second)
	before := d.segments()
	d.round()
	if got := d.segments() / before; got > 1.7 {
		t.Errorf("a round trip multiplied cwnd by %.2f", got)
	}
}

// Fast convergence (§4.7): a flow that is beaten back before W_max gives up more.
func TestCubicFastConvergence(t *testing.T) {
	d, c := cubicAt(t, 1000, 50*Millisecond)
	d.rounds(5)
	cwnd := float64(d.w.cwnd)
	d.lose()
	near(t, "W_max", c.wMax, cwnd*0.85, 0.001)
}

// §4.8: after a timeout cwnd is one segment, ssthresh β_cubic of the flight; the next
// avoidance stage has K = 0.
func TestCubicTimeout(t *testing.T) {
	d, c := cubicAt(t, 1000, 50*Millisecond)
	d.rounds(5)
	cwnd := d.w.cwnd
	for range 4 {
		d.cc.onCongestionEvent(&d.w, d.now, congestionRTO, cwnd)
	}
	if d.w.cwnd != d.w.smss {
		t.Errorf("cwnd %d after timeouts", d.w.cwnd)
	}
	near(t, "ssthresh", float64(d.w.ssthresh), 0.7*float64(cwnd), 0.001)
	d.inRecovery = true // the connection's recovery goes on; slow start must too
	for d.w.cwnd < d.w.ssthresh {
		d.round()
	}
	d.inRecovery = false
	d.cc.onExitRecovery(&d.w, d.now)
	d.ack(2920)
	if c.k != 0 || c.wMax < float64(d.w.ssthresh) {
		t.Errorf("K %.2f W_max %.0f", c.k, c.wMax)
	}
	d.rounds(20)
	if d.w.cwnd < d.w.ssthresh {
		t.Error("no growth after the timeout")
	}
}

// RFC 8511 with β_ecn = 0.85; down to one segment (§4.6).
func TestCubicECN(t *testing.T) {
	d, _ := cubicAt(t, 1000, 50*Millisecond)
	cwnd := float64(d.w.cwnd)
	d.cc.onCongestionEvent(&d.w, d.now, congestionECN, d.w.cwnd)
	near(t, "cwnd", float64(d.w.cwnd), 0.85*cwnd, 0.001)
	near(t, "ssthresh", float64(d.w.ssthresh), 0.85*cwnd, 0.001)
	for range 100 {
		d.cc.onCongestionEvent(&d.w, d.now, congestionECN, d.w.cwnd)
	}
	if d.w.cwnd != d.w.smss || d.w.ssthresh != 2*d.w.smss {
		t.Errorf("persistent marks leave cwnd %d ssthresh %d", d.w.cwnd, d.w.ssthresh)
	}
}

// §4.9: spurious events are undone, with the epoch; not when cwnd is higher by now.
func TestCubicUndo(t *testing.T) {
	for _, kind := range []congestionKind{congestionLoss, congestionRTO} {
		d, c := cubicAt(t, 1000, 50*Millisecond)
		d.rounds(30)
		cwnd, ssthresh, saved := d.w.cwnd, d.w.ssthresh, *c
		d.cc.onCongestionEvent(&d.w, d.now, kind, cwnd)
		d.w.cwnd = min(d.w.cwnd, d.w.ssthresh)
		d.cc.onUndo(&d.w, d.now)
		d.cc.onExitRecovery(&d.w, d.now)
		if d.w.cwnd != cwnd || d.w.ssthresh != ssthresh || c.wMax != saved.wMax ||
			c.k != saved.k || c.epoch != saved.epoch || c.wEst != saved.wEst || c.cwndPrior != saved.cwndPrior {
			t.Errorf("kind %d: state was not restored", kind)
		}
	}
	d, _ := cubicAt(t, 100, 50*Millisecond)
	d.lose()
	d.w.cwnd *= 4
	cwnd := d.w.cwnd
	d.cc.onUndo(&d.w, d.now)
	if d.w.cwnd != cwnd {
		t.Error("undo lowered a window that had grown past")
	}
}

// A spurious event in the initial slow start returns to it, HyStart++ included.
func TestCubicUndoInSlowStart(t *testing.T) {
	c := newCubic()
	d := newDriver(t, c, 50*Millisecond)
	d.rounds(3)
	d.cc.onCongestionEvent(&d.w, d.now, congestionLoss, d.w.cwnd)
	d.w.cwnd = d.w.ssthresh
	d.cc.onUndo(&d.w, d.now)
	d.cc.onExitRecovery(&d.w, d.now)
	if c.hy.stopped || d.w.ssthresh != math.MaxUint32 {
		t.Fatal("slow start was not resumed")
	}
	before := d.segments()
	d.round()
	near(t, "growth", d.segments(), 2*before, 0.02)
}

// "The elapsed time t MUST NOT include periods during which cwnd has not been updated
// due to application-limited behavior" (§4.2, §5.8).
func TestCubicExcludesApplicationLimitedTime(t *testing.T) {
	d, _ := cubicAt(t, 1000, 50*Millisecond)
	d.rounds(20)
	d.appLimited = true
	d.rounds(3)
	cwnd := d.w.cwnd
	for range 1000 {
		d.ack(2920)
		d.now = d.now.Add(100 * Millisecond)
	}
	if d.w.cwnd != cwnd {
		t.Fatalf("cwnd grew from %d to %d without being used", cwnd, d.w.cwnd)
	}
	d.appLimited = false
	d.ack(2920)
	d.rounds(2)
	near(t, "cwnd after 100 s of little use", float64(d.w.cwnd), float64(cwnd), 0.03)
}

func TestCubicIdleRestart(t *testing.T) {
	d, c := cubicAt(t, 1000, 50*Millisecond)
	d.rounds(20)
	cwnd := d.w.cwnd
	d.now = d.now.Add(3600 * Second)
	d.cc.onIdleRestart(&d.w, d.now, 3600*Second)
	if d.w.cwnd != d.w.initial || d.w.ssthresh < cwnd*3/4 || c.epoch != 0 {
		t.Errorf("cwnd %d ssthresh %d epoch %d", d.w.cwnd, d.w.ssthresh, c.epoch)
	}
	d.rounds(8)
	if d.w.cwnd > cwnd+cwnd/10 {
		t.Errorf("after idle cwnd %d ran past what it was, %d", d.w.cwnd, cwnd)
	}
}

// §4.10: HyStart++ ends slow start when the RTT grows; K = 0 and cwnd_prior = cwnd.
func TestCubicLeavesSlowStartByDelay(t *testing.T) {
	c := newCubic()
	d := newDriver(t, c, 50*Millisecond)
	for i := range 30 {
		d.round()
		if i > 2 {
			d.rtt += 8 * Millisecond
		}
		if d.w.ssthresh != math.MaxUint32 {
			break
		}
	}
	if d.w.ssthresh == math.MaxUint32 {
		t.Fatal("slow start goes on while the RTT rises by 8 ms a round")
	}
	d.ack(2920)
	if c.k != 0 || c.cwndPrior == 0 {
		t.Errorf("K %.2f cwnd_prior %.0f", c.k, c.cwndPrior)
	}
}

// At the clamp, buffers are the limit: the clock of W_cubic stands still and a larger
// clamp is not filled in a few round trips (gVisor #11632: weeks without a loss).
func TestCubicAtTheClampForWeeks(t *testing.T) {
	d, _ := cubicAt(t, 100, 50*Millisecond)
	d.w.maxCwnd = 200 * d.w.smss
	for range 200 {
		d.round()
	}
	for range 30 * 24 * 60 {
		d.ack(2920)
		d.now = d.now.Add(60 * Second)
	}
	if d.w.cwnd != d.w.maxCwnd {
		t.Fatalf("cwnd %d, clamp %d", d.w.cwnd, d.w.maxCwnd)
	}
	d.w.maxCwnd = 1 << 26
	d.ack(2920)
	before := d.segments()
	d.round()
	if d.segments() > before*1.2 {
		t.Errorf("from %.0f to %.0f segments in a round trip after the clamp rose", before, d.segments())
	}
	for i := 0; i < 800 && d.w.cwnd < 1<<24; i++ {
		d.round()
	}
	if d.w.cwnd < 1<<24 {
		t.Errorf("cwnd %d did not use what the clamp allows", d.w.cwnd)
	}
}
