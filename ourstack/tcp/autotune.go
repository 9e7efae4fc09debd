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
	if now.Sub(t.since) < t.round(c) {
		return
	}
	copied := t.copied
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

// boundRanges fits the bound on out-of-order ranges to the receive buffer.
func (c *Conn) boundRanges() {
	c.rcvBuf.maxRanges = c.tune.rcvBuf / (2 * int(c.rcvMSS())) // every other segment of the window is lost
}
