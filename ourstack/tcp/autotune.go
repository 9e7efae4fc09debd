package tcp

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// autotune sizes the receive buffer: dynamic right-sizing. What the reader takes
// in a round trip is what the path and the reader can do; twice that keeps a
// sender in slow start from being limited by the window.
type autotune struct {
	rcvBuf  int          // bytes: present size of the receive buffer
	rtt     Duration     // the peer's round trip as the receiver sees it; 0 = unknown
	lastEcr uint32       // TSecr of the last sample
	since   Instant      // begin of the present measurement
	copied  int          // bytes read since
	space   int          // bytes read in the best round so far
	from    seqnum.Value // RCV.NXT at since

	moving int64 // bytes that come in twice the least round trip and batchTime, smoothed
	// plateau counts rounds in which moving did not grow by a quarter, until it has stopped (as the "full pipe" of BBR).
	plateau  uint8
	repairs  uint8  // rounds for which the path counts as one that loses segments
	disorder uint64 // segments that had come out of order at the last round
	bound    int    // bytes that may be on their way here, see limitInbound; 0 = no bound
}

func (t *autotune) start(now Instant, nxt seqnum.Value) { t.since, t.from = now, nxt }

// onSegment samples the round trip by the timestamp that text echoes (RFC 7323 §4.1).
func (t *autotune) onSegment(c *Conn, now Instant, o *wire.Options) {
	if !c.opts.timestamps || !o.HasTimestamps || o.TSEcr == t.lastEcr {
		return
	}
	t.lastEcr = o.TSEcr
	ms := c.tsNow(now) - o.TSEcr
	if ms > 1<<20 {
		return
	}
	sample := Duration(ms) * Millisecond
	if t.rtt == 0 {
		t.rtt = sample
		return
	}
	t.rtt += (sample - t.rtt) / 8
}

// round is the length of a measurement.
func (t *autotune) round(c *Conn) Duration {
	return max(t.rtt, c.rtt.srtt, Millisecond)
}

// onRead counts n bytes read and, once a round trip, grows the buffer.
func (t *autotune) onRead(c *Conn, now Instant, n int) {
	t.copied += n
	elapsed := now.Sub(t.since)
	if elapsed < t.round(c) {
		return
	}
	copied := t.copied
	t.limitInbound(c, now, copied, elapsed)
	t.copied, t.since = 0, now
	if c.user.rcvBufCap > 0 || copied <= t.space || c.mem().Pressure() > 0 {
		return
	}
	// Room for what a sender that doubles per round trip sends next, and as
	// much again that waits for the reader.
	want := 2*int64(copied) + 16*int64(c.rcvMSS())
	if t.space > 0 {
		want += 2 * (want * int64(copied-t.space) / int64(t.space))
	} else {
		want *= 2
	}
	t.space = copied
	t.rcvBuf = max(t.rcvBuf, int(min(want, int64(c.cfg.rcvBufMax()))))
	c.boundRanges()
}

// limitInbound keeps what is on its way here from standing in queues, of which the peer's own is one, and the
// socket that the packets come through, which is all peers', another: the counterpart of Hold. The window
// covers twice what the path itself holds, at the rate of the last rounds, and this connection's
// part of what may stand. Where a long path loses segments there is no bound: what is sent behind a hole, until it
// is filled, at the second time perhaps, needs room. Where the path has become longer since the least round trip was
// measured, that part is what a window holds besides.
func (t *autotune) limitInbound(c *Conn, now Instant, copied int, elapsed Duration) {
	least := c.leastRTT()
	if c.cfg.Path == nil || least == 0 {
		return
	}
	standing := c.cfg.Path.InboundRound(now, t.since, copied)
	if n := c.counters.OutOfOrder; n != t.disorder {
		t.disorder, t.repairs = n, repairRounds
	}
	if t.repairs > 0 {
		t.repairs--
		if least > repairPath {
			t.bound = 0
			return
		}
	}
	moving := int64(min(mulDiv(uint64(copied), uint64(2*least+batchTime), uint64(elapsed)), uint64(c.cfg.rcvBufMax())))
	bound := int64(standing)
	grows := moving > t.moving+t.moving/4
	if t.plateau == plateauRounds { // what comes in runs seems to grow at times
		grows = moving > 2*t.moving+bound
	}
	switch {
	case grows:
		t.plateau, t.moving = 0, moving
		bound += 4 * int64(min(copied, c.cfg.rcvBufMax())) // as in onRead, for a sender that doubles per round trip
	case t.plateau < plateauRounds:
		t.plateau++
	default:
		t.moving += (moving - t.moving) / 4
	}
	bound = max(bound+t.moving, inboundSegments*int64(c.rcvMSS()))
	t.bound = int(min(bound, int64(c.cfg.rcvBufMax())))
}

// size is how large a window may be.
func (t *autotune) size() int {
	if t.bound == 0 {
		return t.rcvBuf
	}
	return min(t.rcvBuf, t.bound)
}

// boundRanges fits the bound on out-of-order ranges to the receive buffer.
func (c *Conn) boundRanges() {
	c.rcvBuf.maxRanges = c.tune.rcvBuf / (2 * int(c.rcvMSS())) // every other segment of the window is lost
}
