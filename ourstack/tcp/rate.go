package tcp

import "math/bits"

// Delivery-rate estimation (draft-ietf-ccwg-bbr §4.1). The connection keeps
// rateState; each transmitted segment carries a txRate snapshot; each ACK that
// delivers data yields a rateSample.

// rateState is the per-connection state of the estimator (C.* in the draft).
type rateState struct {
	delivered     uint64 // C.delivered: bytes delivered so far
	deliveredTime Instant
	firstSentTime Instant // C.first_send_time
	appLimited    uint64  // C.app_limited: C.delivered at which the bubble ends; 0 = not app-limited
	lost          uint64  // C.lost: bytes marked lost so far
}

// txRate is the snapshot taken when a segment is sent (P.* in the draft).
type txRate struct {
	delivered     uint64
	deliveredTime Instant
	firstSentTime Instant
	lost          uint64
	txInFlight    uint32 // P.tx_in_flight: pipe just after this segment was sent
	appLimited    bool
}

// rateSample is RS.* of the draft. The zero value is what InitRateSample sets up
// at the start of each ACK.
type rateSample struct {
	delivered      uint64   // RS.delivered: bytes delivered over the interval
	priorDelivered uint64   // RS.prior_delivered
	interval       Duration // RS.interval; 0 = no valid sample
	rate           uint64   // RS.delivery_rate in bytes per second; 0 = no valid sample
	lost           uint64   // RS.lost: bytes lost during the sample
	txInFlight     uint32   // RS.tx_in_flight of the packet the sample is from
	appLimited     bool
	hasData        bool   // RS.has_data: this ACK delivered something
	totalDelivered uint64 // C.delivered at the end of the sample

	priorTime   Instant  // RS.prior_time
	sendElapsed Duration // RS.send_elapsed
	ackElapsed  Duration // RS.ack_elapsed
	priorLost   uint64   // P.lost of the packet the sample is from
}

// onSent takes the snapshot for a segment that leaves now: OnPacketSent of the
// draft (§4.1.2.2). n is its length, inFlight what was in flight before it (pipe).
func (r *rateState) onSent(tx *txRate, now Instant, n, inFlight uint32) {
	if inFlight == 0 {
		// Nothing else is in flight: the interval starts here.
		r.firstSentTime, r.deliveredTime = now, now
	}
	*tx = txRate{
		delivered:     r.delivered,
		deliveredTime: r.deliveredTime,
		firstSentTime: r.firstSentTime,
		lost:          r.lost,
		txInFlight:    inFlight + n,
		appLimited:    r.appLimited != 0,
	}
}

// onDelivered accounts for a segment that an ACK reports as delivered, either way,
// for the first time: UpdateRateSample of the draft (§4.1.2.3). n is its length
// and xmitTime the time of its last transmission. A second call for the same tx
// does nothing.
func (r *rateState) onDelivered(n uint32, now Instant, tx *txRate, rs *rateSample, xmitTime Instant) {
	if tx.deliveredTime == 0 {
		return // "P already acknowledged"
	}
	r.delivered += uint64(n)
	r.deliveredTime = now
	if !rs.hasData || r.isNewest(tx, rs, xmitTime) {
		rs.hasData = true
		rs.priorDelivered = tx.delivered
		rs.priorTime = tx.deliveredTime
		rs.priorLost = tx.lost
		rs.txInFlight = tx.txInFlight
		rs.appLimited = tx.appLimited
		rs.sendElapsed = xmitTime.Sub(tx.firstSentTime)
		rs.ackElapsed = now.Sub(tx.deliveredTime)
		r.firstSentTime = xmitTime
	}
	tx.deliveredTime = 0
}

// isNewest is IsNewestPacket of the draft. Segments of one burst have the same
// transmission time; of those, the one with more in flight was sent later.
func (r *rateState) isNewest(tx *txRate, rs *rateSample, xmitTime Instant) bool {
	return xmitTime > r.firstSentTime ||
		xmitTime == r.firstSentTime && tx.txInFlight > rs.txInFlight
}

// onLost counts n bytes newly marked lost into C.lost. It comes before the
// onLost of the congestion control for the same segment.
func (r *rateState) onLost(n uint32) { r.lost += uint64(n) }

// finish completes the sample of an ACK after all its segments were given to
// onDelivered and all losses to onLost: GenerateRateSample of the draft. minRTT
// is C.min_rtt, 0 if unknown.
func (r *rateState) finish(rs *rateSample, minRTT Duration) {
	// "Clear app-limited field if bubble is ACKed and gone."
	if r.appLimited != 0 && r.delivered > r.appLimited {
		r.appLimited = 0
	}
	rs.totalDelivered = r.delivered
	if !rs.hasData {
		return // "nothing delivered on this ACK"
	}
	rs.delivered = r.delivered - rs.priorDelivered
	rs.lost = r.lost - rs.priorLost
	// "Use the longer of the send_elapsed and ack_elapsed."
	interval := max(rs.sendElapsed, rs.ackElapsed)
	if interval <= 0 || interval < minRTT {
		// "no reliable rate sample": most likely an original that was taken for lost
		// answered in place of its retransmission (§4.1.3.5).
		return
	}
	rs.interval = interval
	rs.rate = rateOf(rs.delivered, interval)
}

// markAppLimited is MarkConnectionAppLimited of the draft (§4.1.2.4). inFlight is
// pipe. The connection calls it when it has nothing to send, is not waiting for
// cwnd or pacing, and has resent all that is lost: CheckIfApplicationLimited.
func (r *rateState) markAppLimited(inFlight uint32) {
	r.appLimited = max(r.delivered+uint64(inFlight), 1)
}

// rateOf returns n bytes per d as bytes per second, saturating. d must be positive.
func rateOf(n uint64, d Duration) uint64 { return mulDiv(n, uint64(Second), uint64(d)) }

// bytesIn returns how many bytes leave in d at rate bytes per second, saturating.
func bytesIn(rate uint64, d Duration) uint64 { return mulDiv(rate, uint64(d), uint64(Second)) }

// durationOf returns how long n bytes take at rate bytes per second. rate must not
// be 0. The result is at most an hour, so that sums of it cannot overflow.
func durationOf(n, rate uint64) Duration {
	return Duration(min(mulDiv(n, uint64(Second), rate), 3600*uint64(Second)))
}

// mulDiv returns a*b/c with a 128-bit product, saturating. c must not be 0.
func mulDiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return 1<<64 - 1
	}
	q, _ := bits.Div64(hi, lo, c)
	return q
}
