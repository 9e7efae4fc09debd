package sim

import (
	"math/rand/v2"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// keepAlive lets ends whose peer has vanished come to an end: a RST can be lost.
var keepAlive = tcp.KeepAliveConfig{Enabled: true, Idle: 120 * tcp.Second, Interval: 30 * tcp.Second, Count: 9}

// Draw makes a scenario of a seed. Each fault is on in some seeds only, so that every
// combination is met and none hides another.
func Draw(seed uint64) Scenario {
	rng := rand.New(rand.NewPCG(seed, 0x5eed))
	s := Scenario{Seed: seed, FaultsFor: 30 * tcp.Second, Limit: 4 * 3600 * tcp.Second}
	controls := []string{"cubic", "newreno", "bbr"}
	for i := range 2 {
		s.Stack[i] = ourstack.Config{
			MTU: []int{1420, 1280, 576, 1500, 8920}[rng.IntN(5)],
			TCP: tcp.Config{CongestionControl: controls[rng.IntN(3)], ECN: rng.IntN(2) == 0, KeepAlive: keepAlive},
		}
		if rng.IntN(4) == 0 {
			s.Stack[i].TCP.RcvBufMax = 2000 + rng.IntN(60000)
		}
		if rng.IntN(4) == 0 {
			s.Granularity[i] = []tcp.Duration{500 * tcp.Microsecond, tcp.Millisecond, 15600 * tcp.Microsecond}[rng.IntN(3)]
			s.Stack[i].TCP.ClockGranularity = s.Granularity[i]
		}
		if rng.IntN(6) == 0 {
			s.Stalls[i] = Stalls{Every: tcp.Duration(1+rng.Int64N(500)) * tcp.Millisecond, For: tcp.Duration(1+rng.Int64N(100)) * tcp.Millisecond}
		}
		if rng.IntN(10) == 0 {
			s.Stack[i].Limits.Memory = (256 + rng.IntN(512)) << 10
		}
	}
	delay := []tcp.Duration{0, 10 * tcp.Microsecond, tcp.Millisecond, 20 * tcp.Millisecond, 150 * tcp.Millisecond}[rng.IntN(5)]
	strip := drawStrip(rng)
	for i := range 2 {
		s.Link[i] = drawLink(rng, delay)
		s.Link[i].Strip = strip
	}
	for range 1 + rng.IntN(4) {
		s.Flows = append(s.Flows, drawFlow(rng))
	}
	for i := range s.Link {
		if rng.IntN(4) == 0 {
			s.Link[i].Mark = []float64{0.01, 0.2}[rng.IntN(2)]
		}
	}
	if rng.IntN(3) == 0 { // several clients, which share the link of the server
		s.Clients = 2 + rng.IntN(2)
		for i := range s.Flows {
			s.Flows[i].Client = rng.IntN(s.Clients)
		}
	}
	late := rand.New(rand.NewPCG(seed, 0x1d1e)) // apart: what is drawn above stays as it was
	for i := range s.Flows {
		s.Flows[i].Linger = late.IntN(3) == 0
	}
	return s
}

func drawLink(rng *rand.Rand, delay tcp.Duration) LinkConfig {
	l := LinkConfig{Delay: delay}
	sometimes := func(f func()) {
		if rng.IntN(3) == 0 {
			f()
		}
	}
	sometimes(func() { l.Jitter = 1 + tcp.Duration(rng.Int64N(int64(10*tcp.Millisecond))) })
	sometimes(func() {
		l.Rate = []int64{20_000, 200_000, 2_000_000, 12_500_000}[rng.IntN(4)]
		l.Queue = 3000 + rng.IntN(100_000)
	})
	sometimes(func() { l.Loss = []float64{0.001, 0.01, 0.05, 0.2}[rng.IntN(4)] })
	sometimes(func() { l.BurstLoss, l.BurstLen = 0.002, 1+rng.IntN(20) })
	sometimes(func() { l.Duplicate = 0.05 })
	sometimes(func() { l.Reorder, l.ReorderBy = 0.05, tcp.Duration(1+rng.Int64N(int64(20*tcp.Millisecond))) })
	sometimes(func() { l.Corrupt = 0.01 })
	sometimes(func() { l.AckLoss = 0.3 })
	if rng.IntN(12) == 0 {
		l.Police, l.Bucket = []int64{50_000, 500_000, 5_000_000}[rng.IntN(3)], 5000+rng.IntN(50_000)
	}
	if rng.IntN(8) == 0 {
		l.SpikeFor = tcp.Duration(1+rng.Int64N(2000)) * tcp.Millisecond
		l.SpikeEvery = l.SpikeFor + tcp.Duration(1+rng.Int64N(5000))*tcp.Millisecond
	}
	if rng.IntN(8) == 0 { // a smaller MTU, for ever: told or not, from the start or later
		l.MTU = 576 + rng.IntN(924)
		l.Signal = rng.IntN(2) == 0
		if rng.IntN(2) == 0 {
			l.MTUFrom = tcp.Duration(rng.Int64N(int64(5 * tcp.Second)))
		}
	}
	return l
}

// drawStrip returns what middleboxes take out of SYNs. Both ways, or the ends would disagree about
// timestamps: RFC 7323 §3.2 has segments without them dropped once they were agreed on.
func drawStrip(rng *rand.Rand) (kinds []uint8) {
	if rng.IntN(4) == 0 {
		for _, kind := range []uint8{kindMSS, kindWindowScale, kindSACKPermitted, kindTimestamps} {
			if rng.IntN(2) == 0 {
				kinds = append(kinds, kind)
			}
		}
	}
	return kinds
}

func drawFlow(rng *rand.Rand) FlowConfig {
	f := FlowConfig{HalfClose: rng.IntN(2) == 0, NoDelay: rng.IntN(2) == 0}
	size := func() int {
		return []int{0, 1, 100, 5000, 60_000, 250_000}[rng.IntN(6)]
	}
	for i := range 2 {
		f.Bytes[i] = size()
		f.Write[i] = []int{10, 1000, 20_000, 100_000}[rng.IntN(4)]
		if f.Write[i] == 10 {
			f.Bytes[i] = min(f.Bytes[i], 3000)
		}
		f.Read[i] = []int{100, 5000, 65536}[rng.IntN(3)]
		if rng.IntN(4) == 0 {
			f.Pause[i] = tcp.Duration(1 + rng.Int64N(int64(50*tcp.Millisecond)))
		}
	}
	f.Start = tcp.Duration(rng.Int64N(int64(2 * tcp.Second)))
	if rng.IntN(4) == 0 {
		f.Idle = tcp.Duration(1 + rng.Int64N(int64(100*tcp.Second)))
	}
	for i := range 2 {
		if rng.IntN(15) == 0 {
			f.Abort[i] = 1 + rng.IntN(f.Bytes[i]+1)
		}
		if rng.IntN(15) == 0 {
			f.Freeze[i] = tcp.Duration(1 + rng.Int64N(int64(400*tcp.Second)))
		}
	}
	return f
}
