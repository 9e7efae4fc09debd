package tcp

import (
	"math"
	"math/rand/v2"
	"testing"

	"vpngw/ourstack/seqnum"
)

var controlNames = []string{"newreno", "cubic", "bbr"}

// hostile drives a control with arbitrary but well-formed events and checks what must
// hold after each of them.
type hostile struct {
	t          *testing.T
	cc         congestionControl
	w          window
	r          rateState
	p          pacer
	now        Instant
	una, nxt   seqnum.Value
	pipe       uint32
	inRecovery bool
	afterRTO   bool
	tx         txRate
	xmit       Instant
}

func newHostile(t *testing.T, name string, smss uint32) *hostile {
	h := &hostile{t: t, cc: newCongestionControl(name), now: simStart}
	h.w = window{cwnd: 10 * smss, initial: 10 * smss, ssthresh: math.MaxUint32, smss: smss, maxCwnd: 1 << 24, rate: &h.r}
	return h
}

// check holds the invariants of the window.
func (h *hostile) check(what string) {
	h.t.Helper()
	w := &h.w
	if w.cwnd < w.smss || w.maxCwnd != 0 && w.cwnd > max(w.maxCwnd, w.smss) {
		h.t.Fatalf("%s after %s: cwnd %d outside [%d, %d]", h.cc.name(), what, w.cwnd, w.smss, w.maxCwnd)
	}
	if w.ssthresh < 2*w.smss {
		h.t.Fatalf("%s after %s: ssthresh %d", h.cc.name(), what, w.ssthresh)
	}
	if w.pacingRate != 0 && w.sendQuantum < w.smss {
		h.t.Fatalf("%s after %s: send quantum %d", h.cc.name(), what, w.sendQuantum)
	}
	if at := h.p.delayUntil(h.now, w); at != 0 && (at <= h.now || at.Sub(h.now) > 2*3600*Second) {
		h.t.Fatalf("%s after %s: pacer wants %d at %d", h.cc.name(), what, at, h.now)
	}
}

func (h *hostile) send(n uint32) {
	h.cc.onSent(&h.w, h.now, n, h.pipe)
	h.r.onSent(&h.tx, h.now, n, h.pipe)
	h.p.onSent(h.now, &h.w, n)
	h.xmit = h.now
	h.pipe += min(n, math.MaxUint32-h.pipe)
	h.nxt = h.nxt.Add(seqnum.Size(n))
	h.check("send")
}

// ack delivers n bytes; cum tells whether cumulatively.
func (h *hostile) ack(n uint32, rtt Duration, cum, limited, ece bool) {
	s := ackSample{
		now: h.now, delivered: n, priorInFlight: h.pipe, rtt: rtt, srtt: max(rtt, 1), minRTT: max(rtt, 1),
		cwndLimited: limited, inRecovery: h.inRecovery, ece: ece,
	}
	h.r.onDelivered(n, h.now, &h.tx, &s.rs, h.xmit)
	h.r.finish(&s.rs, 0)
	h.pipe -= min(n, h.pipe)
	if cum {
		s.ackedCum = n
		h.una = h.una.Add(seqnum.Size(n))
		h.afterRTO = false
	}
	s.inFlight, s.sndUna, s.sndNxt = h.pipe, h.una, h.nxt
	before := h.w.cwnd
	h.cc.onAck(&h.w, &s)
	h.check("ack")
	if !h.cc.ownsRecovery() && h.w.cwnd < min(before, h.w.maxCwnd) {
		h.t.Fatalf("%s: an ACK shrank cwnd from %d to %d", h.cc.name(), before, h.w.cwnd)
	}
}

func (h *hostile) lose(n uint32) {
	h.r.onLost(n)
	h.pipe -= min(n, h.pipe)
	h.cc.onLost(&h.w, &lossSample{now: h.now, bytes: n, tx: h.tx, totalLost: h.r.lost, delivered: h.r.delivered})
	h.check("loss")
}

func (h *hostile) congestion(kind congestionKind, flight uint32) {
	before := h.w.cwnd
	h.cc.onCongestionEvent(&h.w, h.now, kind, flight)
	h.inRecovery = kind != congestionECN || h.inRecovery
	h.check("congestion event")
	if h.w.cwnd > before {
		h.t.Fatalf("%s: congestion raised cwnd from %d to %d", h.cc.name(), before, h.w.cwnd)
	}
}

// step performs one event chosen by op with parameter v.
func (h *hostile) step(op byte, v uint32) {
	switch op % 12 {
	case 0, 1, 2:
		h.send(v%h.w.smss + 1)
	case 3, 4, 5:
		h.ack(v%(64*h.w.smss)+1, Duration(v)*100, true, v&1 == 0, false)
	case 6:
		h.ack(v%h.w.smss+1, -1, false, true, v&3 == 0)
	case 7:
		h.lose(v%h.w.smss + 1)
	case 8:
		h.congestion(congestionKind(v%3), v)
	case 9:
		if h.inRecovery = false; v&1 == 0 {
			h.cc.onUndo(&h.w, h.now)
		}
		h.cc.onExitRecovery(&h.w, h.now)
		h.check("exit")
	case 10:
		h.cc.onIdleRestart(&h.w, h.now, Duration(v)*Second)
		h.check("idle")
	case 11:
		h.r.markAppLimited(h.pipe)
		h.w.maxCwnd = max(v%(1<<26), h.w.smss)
		h.w.clamp()
	}
	h.now = h.now.Add(Duration(v%(1<<20)) * 1000)
}

func TestControlsHoldTheirInvariants(t *testing.T) {
	for _, name := range controlNames {
		for seed := range uint64(30) {
			rng := rand.New(rand.NewPCG(seed, 7))
			h := newHostile(t, name, 1+rng.Uint32N(9000))
			h.w.withoutSACK = seed%5 == 0
			for range 3000 {
				h.step(byte(rng.Uint32()), rng.Uint32())
			}
		}
	}
}

func FuzzCongestionControl(f *testing.F) {
	f.Add(byte(0), []byte{3, 200, 0, 3, 200, 0, 8, 0, 0, 3, 1, 2})
	f.Add(byte(1), []byte{0, 255, 255, 4, 255, 255, 8, 2, 0, 8, 2, 0, 9, 0, 0, 5, 0, 16})
	f.Add(byte(2), []byte{0, 1, 0, 7, 1, 0, 8, 0, 0, 3, 3, 3, 11, 0, 0, 10, 9, 9})
	f.Fuzz(func(t *testing.T, which byte, ops []byte) {
		h := newHostile(t, controlNames[int(which)%len(controlNames)], 1+uint32(which)*30)
		for ; len(ops) >= 3; ops = ops[3:] {
			h.step(ops[0], uint32(ops[1])<<(ops[2]%25)|uint32(ops[2]))
		}
	})
}

// A month of an undisturbed bulk transfer, of keep-alives, and of both in turn: no
// window overflows, and a loss afterwards finds a sane one (gVisor #11632).
func TestControlsSurviveAMonth(t *testing.T) {
	const month = 30 * 24 * 3600 * Second
	for _, name := range controlNames {
		for _, bulk := range []bool{true, false} {
			h := newHostile(t, name, 1460)
			h.w.maxCwnd = math.MaxUint32
			for h.now < simStart.Add(month) {
				n := uint32(1460)
				if bulk {
					n = min(h.w.cwnd, 1<<30)
				}
				h.send(n)
				h.now = h.now.Add(50 * Millisecond)
				h.ack(n, 50*Millisecond, true, bulk, false)
				h.now = h.now.Add(30 * Second)
			}
			before := h.w.cwnd
			h.lose(1460)
			h.congestion(congestionLoss, before)
			if h.w.ssthresh < before/4 {
				t.Errorf("%s: a loss after a month reduced %d to %d", name, before, h.w.ssthresh)
			}
		}
	}
}

func TestControlCallbacksDoNotAllocate(t *testing.T) {
	for _, name := range controlNames {
		h := newHostile(t, name, 1460)
		i := uint32(0)
		n := testing.AllocsPerRun(2000, func() {
			i += 7919
			h.step(byte(i), i*2654435761)
		})
		if n != 0 {
			t.Errorf("%s: %.2f allocations an event", name, n)
		}
	}
}

func TestControlNames(t *testing.T) {
	for _, name := range controlNames {
		if got := newCongestionControl(name).name(); got != name {
			t.Errorf("%q gives %q", name, got)
		}
	}
	if got := newCongestionControl("").name(); got != "cubic" {
		t.Errorf("the default is %q", got)
	}
}

// Two flows with the same seed do the same; with different seeds BBR probes at
// different times.
func TestBBRSeed(t *testing.T) {
	a, b, c := newBBR(), newBBR(), newBBR()
	a.seed(1)
	b.seed(1)
	c.seed(2)
	a.pickProbeWait()
	b.pickProbeWait()
	c.pickProbeWait()
	if a.bwProbeWait != b.bwProbeWait || a.bwProbeWait == c.bwProbeWait {
		t.Errorf("waits %d %d %d", a.bwProbeWait, b.bwProbeWait, c.bwProbeWait)
	}
	for range 1000 {
		a.pickProbeWait()
		if a.bwProbeWait < 2*Second || a.bwProbeWait > 3*Second || a.roundsSinceProbeUp > 1 {
			t.Fatalf("wait %d, rounds %d", a.bwProbeWait, a.roundsSinceProbeUp)
		}
	}
	a.seed(0)
	if a.rng == 0 {
		t.Error("a seed of 0 stops the generator")
	}
}

func BenchmarkOnAck(b *testing.B) {
	for _, name := range controlNames {
		b.Run(name, func(b *testing.B) {
			p := simPath{rate: mbit(100)}
			p.buffer = p.bdp(40 * Millisecond)
			s := newSim(1, p)
			f := s.add(newCongestionControl(name), 40*Millisecond, 0)
			s.run(0, 3*Second)
			a := ackSample{
				delivered: 2 * simSMSS, ackedCum: 2 * simSMSS, rtt: 40 * Millisecond, srtt: 40 * Millisecond,
				minRTT: 40 * Millisecond, priorInFlight: f.pipe, inFlight: f.pipe, cwndLimited: true,
			}
			b.ReportAllocs()
			for b.Loop() {
				s.now += Instant(200 * Microsecond)
				f.una += 2
				a.now = s.now
				a.sndUna, a.sndNxt = seqnum.Value(uint32(f.una*simSMSS)), seqnum.Value(uint32(f.una*simSMSS)+f.pipe)
				a.rs = rateSample{
					hasData: true, delivered: uint64(f.pipe), interval: 40 * Millisecond, rate: s.path.rate,
					priorDelivered: f.r.delivered, totalDelivered: f.r.delivered + 2*simSMSS, txInFlight: f.pipe,
				}
				f.r.delivered += 2 * simSMSS
				f.cc.onAck(&f.w, &a)
			}
		})
	}
}
