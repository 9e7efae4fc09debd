package tcp

import (
	"fmt"
	"testing"

	"vpngw/ourstack/wire"
)

// ackRun is how many segments arrive between two looks at the clock in BenchmarkACK.
const ackRun = 32

// fullWindow is a sender that keeps a fixed number of segments in flight to a receiver, over a wire
// that loses every n-th of them.
type fullWindow struct {
	b        *testing.B
	from, to *Conn
	now      Instant
	flight   int
	every    int // 0 = nothing is lost
	sent     int
	wire     [][]byte // what is on the way, oldest first; nil = lost
	spare    [][]byte
	acks     [ackRun][]byte
	text     []byte
}

func newFullWindow(b *testing.B, cc string, flight, every int) *fullWindow {
	cfg := &Config{MTU: 1420, Memory: &poolMemory{}, CongestionControl: cc, RcvBufInit: 64 << 20, RcvBufMax: 64 << 20, SndBufMax: 64 << 20}
	w := &fullWindow{b: b, now: 1, flight: flight, every: every, text: make([]byte, 256<<10)}
	w.from, w.to, _ = established(b, cfg, cfg)
	w.from.SetNoDelay(true)
	for range 20 * flight / ackRun { // until the window is full and recoveries have come and gone
		w.arrive()
		for _, p := range w.acks {
			w.take(p)
		}
		w.fill()
	}
	return w
}

// fill writes and sends until the flight is full, whatever the congestion control would have.
func (w *fullWindow) fill() {
	c := w.from
	for c.sndBuf.len() < (3*w.flight+2*ackRun)*int(c.win.smss) { // twice a flight may wait behind a hole
		if n, err := c.Write(w.now, w.text); n == 0 || err != nil {
			break
		}
	}
	for {
		c.win.cwnd, c.win.pacingRate = uint32(w.flight)*c.win.smss, 0
		p := w.buffer()
		n, _ := c.PollSegment(w.now, p)
		if n == 0 {
			w.spare = append(w.spare, p)
			return
		}
		w.sent++
		if w.every > 0 && w.sent%w.every == 0 {
			w.spare = append(w.spare, p)
			p = nil
		} else {
			p = p[:n]
		}
		w.wire = append(w.wire, p)
	}
}

func (w *fullWindow) buffer() []byte {
	if n := len(w.spare); n > 0 {
		p := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return p[:1500]
	}
	return make([]byte, 1500)
}

// arrive lets ackRun segments arrive and collects one ACK for each; nil for what was lost.
func (w *fullWindow) arrive() {
	var seg wire.TCP
	for i := range w.acks {
		w.acks[i] = w.acks[i][:0]
		w.now = w.now.Add(10 * Microsecond)
		if len(w.wire) == 0 {
			continue
		}
		p := w.wire[0]
		w.wire = w.wire[1:]
		if p == nil {
			continue
		}
		if drop := seg.Parse(p); drop != 0 {
			w.b.Fatal(drop)
		}
		w.to.HandleSegment(w.now, &seg, 0)
		w.spare = append(w.spare, p)
		w.to.ackNow()
		a := w.buffer()
		n, _ := w.to.PollSegment(w.now, a)
		w.spare = append(w.spare, w.acks[i][:cap(w.acks[i])])
		if cap(w.acks[i]) == 0 {
			w.spare = w.spare[:len(w.spare)-1]
		}
		w.acks[i] = a[:n]
	}
	for n := 1; n > 0; {
		n, _ = w.to.Read(w.now, w.text)
	}
	w.to.HandleTimeout(w.now)
	w.from.HandleTimeout(w.now)
}

// take gives the sender an ACK.
func (w *fullWindow) take(p []byte) bool {
	if len(p) == 0 {
		return false
	}
	var seg wire.TCP
	if drop := seg.Parse(p); drop != 0 {
		w.b.Fatal(drop)
	}
	w.from.HandleSegment(w.now, &seg, 0)
	return true
}

// BenchmarkACK takes one acknowledgment with a full window in flight: parsed, the scoreboard and RACK
// brought up to date, losses marked, the congestion window set. One segment in a hundred is lost, so that
// almost each ACK carries SACK blocks and a flight of 10,000 has 100 holes. What an ACK costs must not
// depend on the flight; what differs by size is the cache.
func BenchmarkACK(b *testing.B) {
	for _, cc := range []string{"cubic", "bbr"} {
		for _, every := range []int{0, 100} {
			for _, flight := range []int{100, 1000, 10000} {
				loss := "no loss"
				if every > 0 {
					loss = "1% lost"
				}
				b.Run(fmt.Sprintf("%s/%s/%d", cc, loss, flight), func(b *testing.B) {
					w := newFullWindow(b, cc, flight, every)
					b.ReportAllocs()
					b.ResetTimer()
					for n := 0; n < b.N; {
						b.StopTimer()
						w.fill()
						w.arrive()
						b.StartTimer()
						for _, p := range w.acks {
							if w.take(p) {
								n++
							}
						}
					}
					b.StopTimer()
					if c := w.from.counters; every > 0 && c.FastRecoveries == 0 || len(w.wire) < flight/2 {
						b.Fatalf("%d of %d segments in flight, %+v", len(w.wire), flight, c)
					}
					b.ReportMetric(float64(w.from.counters.Timeouts), "timeouts")
				})
			}
		}
	}
}
