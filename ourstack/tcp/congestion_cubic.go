package tcp

import "math"

// Constants of CUBIC.
const (
	cubicC    = 0.4 // C in segments per second cubed, RFC 9438 §5
	cubicBeta = 0.7 // β_cubic, RFC 9438 §4.6
	// cubicBetaECN is beta_ecn: RFC 8511 §3.1 leaves values for CUBIC open and its
	// evaluation uses 0.85.
	cubicBetaECN = 0.85
	// cubicAlpha is α_cubic = 3 * (1 - β_cubic) / (1 + β_cubic), RFC 9438 §4.3.
	cubicAlpha = 3 * (1 - cubicBeta) / (1 + cubicBeta)
	// cubicMaxGrowth: the target is at most "1.5 * cwnd", RFC 9438 §4.2.
	cubicMaxGrowth = 1.5
)

// cubic is the congestion control of RFC 9438 with HyStart++ (RFC 9406).
//
// Windows are bytes in float64, which holds every integer of 32 bits exactly and
// cannot overflow: the cube of a month in seconds is 2e19. A value becomes an
// integer only after it was bounded by cwnd and maxCwnd. Products are converted
// with float64() before they are added, which forbids fused multiply-add: every
// architecture computes the same window.
type cubic struct {
	use  cwndUse
	hy   hyStart
	over overshoot

	cwndPrior float64 // cwnd_prior
	wMax      float64 // W_max; 0 = undefined
	k         float64 // K in seconds
	wEst      float64 // W_est
	fraction  float64 // bytes of growth below one byte

	epoch    Instant // t_epoch, moved by application-limited time; 0 = none yet
	lastAck  Instant // when onAck was last called
	paused   bool    // the last ACK found cwnd not to be the limit
	fromCwnd bool    // the next epoch starts with K = 0 and W_max = cwnd (§4.8, §4.10)

	last     congestionKind // the last event
	reduced  bool           // recovery from an event of kind last is going on
	rtoNoAck bool           // no cumulative ACK since the last timeout
	undo     cubicUndo
}

// newCubic returns CUBIC in its initial slow start.
func newCubic() *cubic {
	c := new(cubic)
	c.init()
	return c
}

func (c *cubic) init() {
	*c = cubic{fromCwnd: true}
	c.hy.init()
}

func (*cubic) name() string       { return "cubic" }
func (*cubic) ownsRecovery() bool { return false }

func (*cubic) onSent(*window, Instant, uint32, uint32) {}

func (c *cubic) onLost(w *window, l *lossSample) {
	c.over.onLost(l.bytes)
	if c.over.on {
		volume := c.over.volume()
		c.wMax, c.cwndPrior = float64(volume), float64(volume)
		w.ssthresh = max(uint32(float64(volume)*cubicBeta), 2*w.smss)
	}
}

func (c *cubic) onAck(w *window, s *ackSample) {
	newRound := c.use.onAck(s)
	if s.ackedCum > 0 {
		c.rtoNoAck = false
	}
	c.grow(w, s, newRound)
	c.lastAck = s.now
	w.clamp()
	w.paceWindow(s)
}

// grow raises cwnd where the ACK permits it.
func (c *cubic) grow(w *window, s *ackSample, newRound bool) {
	if s.inRecovery && c.last != congestionRTO {
		c.use.onLoss()
		return // proportional rate reduction sets cwnd
	}
	c.over.end()
	if w.cwnd < w.ssthresh && c.hy.onAck(s, newRound) {
		// CUBIC "sets cwnd_prior = cwnd and switches to congestion avoidance" §4.10.
		w.ssthresh = w.cwnd
		c.cwndPrior = float64(w.cwnd)
		c.fromCwnd = true
	}
	n := c.use.growth(s, c.reduced && c.last == congestionRTO)
	paused := c.paused
	c.paused = w.atClamp() || !c.use.mayGrow(w)
	if paused || c.paused {
		c.pauseEpoch(s.now)
	}
	if c.paused {
		return
	}
	// "The sending TCP SHOULD NOT increase the congestion window in response to the
	// receipt of an ECN-Echo ACK packet" RFC 3168 §6.1.2.
	if n == 0 || s.ece {
		return
	}
	if w.cwnd < w.ssthresh {
		// Bytes beyond ssthresh count for congestion avoidance.
		inc := min(c.hy.increase(w, n), w.ssthresh-w.cwnd)
		w.cwnd += inc
		if w.cwnd < w.ssthresh {
			return
		}
		n -= min(n, inc)
	}
	if n > 0 {
		c.congestionAvoidance(w, s, n)
	}
}

// pauseEpoch excludes the time since the last ACK: "The elapsed time t ... MUST NOT
// include periods during which cwnd has not been updated due to
// application-limited behavior" RFC 9438 §4.2, §5.8.
func (c *cubic) pauseEpoch(now Instant) {
	if c.epoch != 0 {
		c.epoch = c.epoch.Add(now.Sub(c.lastAck))
	}
}

// startEpoch begins a congestion avoidance stage: t_epoch, cwnd_epoch, K, W_est.
func (c *cubic) startEpoch(w *window, now Instant) {
	cwnd := float64(w.cwnd)
	c.epoch = now
	c.wEst = cwnd // "set equal to cwnd_epoch at the start" §4.3
	if c.fromCwnd || c.wMax <= cwnd {
		// "K is set to 0, and W_max is set to the congestion window size at the
		// beginning of the current congestion avoidance stage" §4.8, §4.10.
		c.k, c.wMax = 0, cwnd
	} else {
		// K = cbrt((W_max - cwnd_epoch) / C), in segments. §4.2 equation 2.
		c.k = math.Cbrt((c.wMax - cwnd) / float64(w.smss) / cubicC)
	}
	c.fromCwnd = false
}

// wCubic is W_cubic(t) = C * (t - K)^3 + W_max in bytes, RFC 9438 §4.2 equation 1.
func (c *cubic) wCubic(t float64, smss uint32) float64 {
	d := t - c.k
	return float64(cubicC*float64(smss)*d*d*d) + c.wMax
}

// congestionAvoidance grows cwnd for n acknowledged bytes: RFC 9438 §4.2 to §4.5.
func (c *cubic) congestionAvoidance(w *window, s *ackSample, n uint32) {
	if c.epoch == 0 {
		c.startEpoch(w, s.now)
	}
	cwnd := float64(w.cwnd)
	acked := float64(n)
	t := seconds(s.now.Sub(c.epoch))

	// W_est = W_est + α_cubic * segments_acked / cwnd, §4.3 equation 4.
	alpha := cubicAlpha
	if c.wEst >= c.cwndPrior {
		alpha = 1 // "the sender SHOULD set α_cubic to 1" §4.3
	}
	c.wEst += float64(alpha * float64(w.smss) * acked / cwnd)

	var next float64
	if c.wCubic(t, w.smss) < c.wEst {
		// Reno-friendly region: "cwnd SHOULD be set to W_est" §4.3, never downward.
		next = max(c.wEst, cwnd)
	} else {
		// Concave and convex region: cwnd is incremented by (target - cwnd)/cwnd for
		// each segment acknowledged, §4.4, §4.5, target within [cwnd, 1.5*cwnd], §4.2.
		target := c.wCubic(t+seconds(s.srtt), w.smss)
		target = min(max(target, cwnd), cubicMaxGrowth*cwnd)
		next = cwnd + float64((target-cwnd)*min(acked/cwnd, 1))
	}
	c.setCwnd(w, next)
}

// setCwnd stores a window that is not below cwnd and keeps its fraction.
func (c *cubic) setCwnd(w *window, next float64) {
	limit := float64(math.MaxUint32)
	if w.maxCwnd != 0 {
		limit = float64(w.maxCwnd)
	}
	next += c.fraction
	if next >= limit {
		c.fraction = 0
		w.cwnd = max(w.cwnd, uint32(limit))
		return
	}
	whole := math.Floor(next)
	c.fraction = next - whole
	w.cwnd = max(w.cwnd, uint32(whole))
}

// onCongestionEvent is the multiplicative decrease of RFC 9438 §4.6 with fast
// convergence (§4.7), after a timeout §4.8.
func (c *cubic) onCongestionEvent(w *window, _ Instant, kind congestionKind, flight uint32) {
	repeated := kind == congestionRTO && c.rtoNoAck
	if !repeated {
		c.save(w, kind)
		base := c.use.lossBase(w, flight)
		c.over.begin(&c.use, base, kind == congestionLoss && w.cwnd < w.ssthresh)
		if c.over.on {
			base = c.over.volume()
		}
		c.decrease(w, kind, base)
	}
	if kind == congestionRTO {
		// "In case of a timeout, CUBIC follows Reno to reduce cwnd" §4.8: one segment
		// (RFC 5681 §3.1). For the same segment's next timeouts ssthresh stays.
		w.cwnd = w.smss
		c.fromCwnd = true
		c.rtoNoAck = true
	}
	c.last, c.reduced = kind, true
	c.epoch = 0
	c.fraction = 0
	c.hy.stop() // loss and ECN end slow start and CSS, RFC 9406 §4.2
	c.use.onLoss()
	w.clamp()
}

// decrease sets W_max, cwnd_prior, ssthresh and, for ECN, cwnd. base is what was in
// use: "Implementations that use cwnd MUST use other measures to prevent cwnd from
// growing when the volume of bytes in flight is smaller" §4.6, see cwndUse.
func (c *cubic) decrease(w *window, kind congestionKind, base uint32) {
	cwnd := float64(base)
	if cwnd < c.wMax {
		// "further reduce W_max": cwnd * (1 + β_cubic) / 2, §4.7.
		c.wMax = cwnd * (1 + cubicBeta) / 2
	} else {
		c.wMax = cwnd // "otherwise, remember cwnd before reduction"
	}
	c.cwndPrior = cwnd
	c.fromCwnd = false
	beta := cubicBeta
	if kind == congestionECN {
		beta = cubicBetaECN
	}
	reduced := uint32(cwnd * beta)
	if kind == congestionECN {
		// "cwnd = max(ssthresh, 1): reduction on ECE, cwnd is at least 1 MSS" §4.6.
		w.cwnd = min(w.cwnd, max(reduced, w.smss))
	}
	w.ssthresh = max(reduced, 2*w.smss) // "ssthresh is at least 2 MSS" §4.6
}

func (c *cubic) onExitRecovery(w *window, _ Instant) {
	c.over.end()
	if c.reduced && c.last == congestionLoss && w.pacingRate != 0 {
		// "cwnd = ssthresh" at the end of recovery, RFC 6937 §3. Unpaced, the burst
		// that this could release is kept away by the connection's own choice (RFC
		// 6582 §3.2 step 3 (1)), which stays.
		w.cwnd = w.ssthresh
		w.clamp()
	}
	c.reduced = false
}

// onIdleRestart ends the epoch: W_cubic(t) "might be very high after restarting from
// these periods" RFC 9438 §5.8.
func (c *cubic) onIdleRestart(w *window, _ Instant, _ Duration) {
	w.restartAfterIdle()
	c.epoch = 0
	c.fraction = 0
}

// seconds returns d in seconds.
func seconds(d Duration) float64 { return float64(d) / float64(Second) }
