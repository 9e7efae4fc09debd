package sim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// LinkConfig says what a one-way link does to packets. The zero value is a wire: no
// delay, no limit, no faults.
type LinkConfig struct {
	Delay  tcp.Duration // one way
	Jitter tcp.Duration // added, uniform in [0, Jitter); keeps the order
	Rate   int64        // bytes per second; 0 = unlimited
	Queue  int          // bytes that wait for the rate; what exceeds it is dropped; 0 = unlimited
	Police int64        // bytes per second above which packets are dropped, without a queue; 0 = no policer
	Bucket int          // bytes that may exceed Police in a burst

	Loss      float64      // probability per packet
	BurstLoss float64      // probability per packet that a burst of losses begins
	BurstLen  int          // its length in packets
	Duplicate float64      // probability of a second copy
	Reorder   float64      // probability of an extra delay
	ReorderBy tcp.Duration // that delay
	Corrupt   float64      // probability of one flipped bit
	AckLoss   float64      // probability per packet of at most 80 bytes
	Mark      float64      // probability per ECN-capable packet that it says congestion experienced

	SpikeEvery tcp.Duration // how often nothing gets through for SpikeFor: then all arrives at once
	SpikeFor   tcp.Duration
	Strip      []uint8 // kinds of TCP options that are taken out of SYNs

	MTU     int          // larger packets are dropped; 0 = none are
	MTUFrom tcp.Duration // since when, after the start
	Signal  bool         // … and the sender is told by ICMP
}

// String lists what is not zero.
func (l LinkConfig) String() string {
	return fmt.Sprintf("{delay %d+%dus rate %d queue %d police %d+%d loss %.3f burst %.4f×%d dup %.3f reorder %.3f by %dus corrupt %.3f ackloss %.2f mark %.3f spike %d/%dms strip %v mtu %d from %dms signal %v}",
		l.Delay/tcp.Microsecond, l.Jitter/tcp.Microsecond, l.Rate, l.Queue, l.Police, l.Bucket, l.Loss, l.BurstLoss, l.BurstLen, l.Duplicate,
		l.Reorder, l.ReorderBy/tcp.Microsecond, l.Corrupt, l.AckLoss, l.Mark,
		l.SpikeFor/tcp.Millisecond, l.SpikeEvery/tcp.Millisecond, l.Strip, l.MTU, l.MTUFrom/tcp.Millisecond, l.Signal)
}

// Calm returns the link without its faults: what stays is what a path may have for ever, and
// everything must get through nevertheless.
func (l LinkConfig) Calm() LinkConfig {
	return LinkConfig{
		Delay: l.Delay, Rate: l.Rate, Queue: max(l.Queue, 64<<10), Police: l.Police, Bucket: l.Bucket,
		Strip: l.Strip, MTU: l.MTU, MTUFrom: l.MTUFrom, Signal: l.Signal,
	}
}

// Link is one direction of a path.
type Link struct {
	LinkConfig
	rng    *rand.Rand
	free   tcp.Instant // when the last packet has left at the rate
	last   tcp.Instant // arrival of the last packet that kept its order
	burst  int         // packets still to be lost
	tokens int64       // of the policer: bytes times nanoseconds a second, below full
	filled tcp.Instant // when tokens was right

	Sent, Dropped, Overflowed int
}

// arrivals returns when copies of a packet of n bytes that is sent at now arrive,
// none if it is lost, at most two.
func (l *Link) arrivals(now tcp.Instant, n int) (at [2]tcp.Instant, copies int) {
	l.Sent++
	if l.tooBig(now, n) || l.lost(n) {
		l.Dropped++
		return at, 0
	}
	leave, ok := l.leave(now, n)
	if !ok {
		l.Overflowed++
		return at, 0
	}
	arrive := leave.Add(l.Delay)
	if l.Jitter > 0 {
		arrive = arrive.Add(tcp.Duration(l.rng.Int64N(int64(l.Jitter))))
	}
	if l.SpikeEvery > 0 {
		if begin := arrive - arrive%tcp.Instant(l.SpikeEvery); arrive < begin.Add(l.SpikeFor) {
			arrive = begin.Add(l.SpikeFor)
		}
	}
	if l.Reorder > 0 && l.rng.Float64() < l.Reorder {
		arrive = arrive.Add(l.ReorderBy)
	} else {
		arrive = max(arrive, l.last)
		l.last = arrive
	}
	at[0], copies = arrive, 1
	if l.Duplicate > 0 && l.rng.Float64() < l.Duplicate {
		at[1], copies = arrive.Add(tcp.Duration(l.rng.Int64N(int64(tcp.Millisecond)))), 2
	}
	return at, copies
}

// leave passes a packet through policer and queue.
func (l *Link) leave(now tcp.Instant, n int) (tcp.Instant, bool) {
	if l.Police > 0 {
		cost := int64(n) * int64(tcp.Second)
		l.tokens = max(0, l.tokens-int64(min(now.Sub(l.filled), 60*tcp.Second))*l.Police)
		l.filled = now
		if l.tokens+cost > int64(max(l.Bucket, 2*n))*int64(tcp.Second) {
			return 0, false
		}
		l.tokens += cost
	}
	if l.Rate == 0 {
		return now, true
	}
	start := max(now, l.free)
	if l.Queue > 0 && int64(start.Sub(now))*l.Rate/int64(tcp.Second) > int64(l.Queue) {
		return 0, false
	}
	l.free = start.Add(tcp.Duration(int64(n) * int64(tcp.Second) / l.Rate))
	return l.free, true
}

// tooBig reports whether a packet of n bytes exceeds the MTU.
func (l *Link) tooBig(now tcp.Instant, n int) bool {
	return l.MTU > 0 && n > l.MTU && now >= epoch.Add(l.MTUFrom)
}

func (l *Link) lost(n int) bool {
	switch {
	case l.burst > 0 && l.BurstLen > 0:
		l.burst--
		return true
	case l.BurstLoss > 0 && l.rng.Float64() < l.BurstLoss:
		l.burst = l.BurstLen
		return true
	case l.Loss > 0 && l.rng.Float64() < l.Loss:
		return true
	case l.AckLoss > 0 && n <= 80 && l.rng.Float64() < l.AckLoss:
		return true
	}
	return false
}

// mark tells the receiver of an ECN-capable packet of congestion, sometimes (RFC 3168 §5).
func (l *Link) mark(p []byte) {
	const ce = 3
	if l.Mark == 0 || p[1]&ce == 0 || l.rng.Float64() >= l.Mark {
		return
	}
	before := binary.BigEndian.Uint16(p)
	p[1] |= ce
	sum := wire.UpdateChecksum(binary.BigEndian.Uint16(p[10:]), before, binary.BigEndian.Uint16(p))
	binary.BigEndian.PutUint16(p[10:], sum)
}

// corrupt flips one bit of p, sometimes.
func (l *Link) corrupt(p []byte) {
	if l.Corrupt > 0 && l.rng.Float64() < l.Corrupt {
		p[l.rng.IntN(len(p))] ^= 1 << l.rng.IntN(8)
	}
}
