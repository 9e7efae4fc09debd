package relay

import (
	"math"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

func mustLink(t *testing.T, seed uint64, imp Impairment) *Link {
	t.Helper()
	l, err := NewLink(seed, imp)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// fates offers count datagrams, one each interval, and returns when each one's copies leave after
// it was offered.
func fates(l *Link, count, size int, interval time.Duration) [][]time.Duration {
	var all [][]time.Duration
	for i := range count {
		now := time.Duration(i) * interval
		at, n := l.Offer(now, size)
		one := []time.Duration{}
		for _, t := range at[:n] {
			one = append(one, t-now)
		}
		all = append(all, one)
	}
	return all
}

func TestSameSeedSameFates(t *testing.T) {
	imp := Impairment{
		Delay: 20 * ms, Jitter: 3 * ms, Loss: 0.05, Reorder: 0.1, Duplicate: 0.02,
		Rate: 10_000_000, Queue: 20_000,
	}
	run := func(seed uint64) ([][]time.Duration, Stats) {
		l := mustLink(t, seed, imp)
		return fates(l, 5000, 1400, ms), l.Stats()
	}
	a, statsA := run(7)
	b, statsB := run(7)
	if !slices.EqualFunc(a, b, slices.Equal) || statsA != statsB {
		t.Errorf("seed 7 gave two different runs: %+v and %+v", statsA, statsB)
	}
	if c, _ := run(8); slices.EqualFunc(a, c, slices.Equal) {
		t.Error("seeds 7 and 8 gave the same run")
	}
	if s := statsA; s.Offered != 5000 || s.Delivered != s.Offered-s.Lost-s.Overflowed+s.Duplicated {
		t.Errorf("the counts do not add up: %+v", s)
	}
}

func TestFateOfOneSettingDoesNotShiftAnother(t *testing.T) {
	plain := fates(mustLink(t, 3, Impairment{Loss: 0.1}), 2000, 100, ms)
	mixed := fates(mustLink(t, 3, Impairment{Loss: 0.1, Duplicate: 0.5, Reorder: 0.5}), 2000, 100, 9*ms)
	for i := range plain {
		if (len(plain[i]) == 0) != (len(mixed[i]) == 0) {
			t.Fatalf("datagram %d: lost in one run and not in the other", i)
		}
	}
}

func TestProbabilitiesAreMet(t *testing.T) {
	const count = 100_000
	l := mustLink(t, 1, Impairment{Loss: 0.05, Reorder: 0.02, Duplicate: 0.01})
	fates(l, count, 100, ms)
	s := l.Stats()
	for _, c := range []struct {
		name string
		got  uint64
		want float64
	}{{"lost", s.Lost, 0.05}, {"held back", s.Reordered, 0.02 * 0.95}, {"doubled", s.Duplicated, 0.01 * 0.95}} {
		if got := float64(c.got) / count; math.Abs(got-c.want) > c.want/10 {
			t.Errorf("%s: %.4f of the datagrams, want %.4f", c.name, got, c.want)
		}
	}
}

func TestCleanLinkChangesNothing(t *testing.T) {
	for i, f := range fates(mustLink(t, 1, Impairment{}), 1000, 1400, 0) {
		if len(f) != 1 || f[0] != 0 {
			t.Fatalf("datagram %d: leaves at %v, want once and at once", i, f)
		}
	}
}

func TestJitterKeepsOrder(t *testing.T) {
	l := mustLink(t, 5, Impairment{Delay: 10 * ms, Jitter: 8 * ms})
	var last, least, most time.Duration
	least = time.Hour
	for i := range 10_000 {
		now := time.Duration(i) * ms
		at, n := l.Offer(now, 100)
		if n != 1 || at[0] < last {
			t.Fatalf("datagram %d leaves %d times, at %v after one at %v", i, n, at[0], last)
		}
		last = at[0]
		least, most = min(least, at[0]-now), max(most, at[0]-now)
	}
	if least < 10*ms || most > 18*ms || most-least < 4*ms {
		t.Errorf("delays from %v to %v, want them spread between 10ms and 18ms", least, most)
	}
}

func TestHeldBackDatagramIsPassed(t *testing.T) {
	l := mustLink(t, 5, Impairment{Delay: 10 * ms, Reorder: 0.2, ReorderBy: 4 * ms})
	var held, passed int
	var farthest time.Duration
	for i, f := range fates(l, 1000, 100, ms) {
		at := time.Duration(i)*ms + f[0]
		switch f[0] {
		case 14 * ms:
			held++
		case 10 * ms:
			if at < farthest {
				passed++
			}
		default:
			t.Fatalf("datagram %d is delayed by %v, want 10ms or 14ms", i, f[0])
		}
		farthest = max(farthest, at)
	}
	if held < 150 || held > 250 || passed < held {
		t.Errorf("%d of 1000 held back and %d passed one, want about 200 and more than that", held, passed)
	}
}

func TestRateSpacesDatagrams(t *testing.T) {
	// 1000 bytes at 1 Mbit/s take 8 ms.
	l := mustLink(t, 1, Impairment{Rate: 1_000_000, Delay: 5 * ms})
	for i := range 10 {
		at, n := l.Offer(0, 1000)
		if want := time.Duration(i+1)*8*ms + 5*ms; n != 1 || at[0] != want {
			t.Fatalf("datagram %d leaves at %v, want %v", i, at[0], want)
		}
	}
	// After a pause the shaper owes nothing.
	if at, _ := l.Offer(time.Second, 1000); at[0] != 1013*ms {
		t.Errorf("after a pause: leaves at %v, want 1.013s", at[0])
	}
}

func TestFullQueueDropsTheTail(t *testing.T) {
	l := mustLink(t, 1, Impairment{Rate: 8_000_000, Queue: 5000}) // a byte each microsecond
	var kept int
	for range 20 {
		_, n := l.Offer(0, 1000)
		kept += n
	}
	if s := l.Stats(); kept != 5 || s.Overflowed != 15 {
		t.Errorf("a queue of 5000 bytes kept %d of 20 datagrams of 1000 (%+v), want 5", kept, s)
	}
	if _, n := l.Offer(time.Millisecond, 1000); n != 1 {
		t.Error("after one has left there is no room for another")
	}
}

func TestSenselessImpairmentIsRefused(t *testing.T) {
	for _, imp := range []Impairment{
		{Loss: -0.1},
		{Loss: 1.1},
		{Reorder: math.NaN()},
		{Duplicate: 2},
		{Delay: -1},
		{Jitter: -1},
		{ReorderBy: -1},
		{Rate: -1},
		{Queue: -1},
	} {
		if _, err := NewLink(1, imp); err == nil {
			t.Errorf("%+v was accepted", imp)
		}
	}
}
