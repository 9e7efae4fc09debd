package tcp

import (
	"testing"

	"vpngw/ourstack/wire"
)

func testTuples() []Tuple {
	base := scriptTuple
	ts := []Tuple{base, {Local: base.Remote, Remote: base.Local}}
	for i := range 3 {
		a, b, c, d := base, base, base, base
		a.Local.Port += uint16(i + 1)
		b.Remote.Port += uint16(i + 1)
		c.Local.Addr = wire.Addr{10, 8, 0, byte(10 + i)}
		d.Remote.Addr = wire.Addr{10, 8, 0, byte(20 + i)}
		ts = append(ts, a, b, c, d)
	}
	return ts
}

func TestISSFollowsAClock(t *testing.T) { // MUST-8: four microseconds a tick
	secret := [32]byte{1, 2, 3}
	for _, tup := range testTuples() {
		for _, at := range []Instant{1, 5, 1 << 40, 1<<62 - 1} {
			first := ISS(&secret, tup, at)
			if d := ISS(&secret, tup, at.Add(Second)).Diff(first); d < 249999 || d > 250001 {
				t.Fatalf("%d ticks a second", d)
			}
			if d := ISS(&secret, tup, at.Add(4*us)).Diff(first); d != 1 {
				t.Fatalf("%d ticks in 4 us", d)
			}
			if ISS(&secret, tup, at) != first {
				t.Fatal("not a function")
			}
		}
	}
}

func TestISSDependsOnTupleAndSecret(t *testing.T) { // SHLD-1, MUST-9
	seen := map[uint32]bool{}
	n := 0
	for s := range byte(20) {
		secret := [32]byte{31: s}
		for _, tup := range testTuples() {
			seen[uint32(ISS(&secret, tup, 1))] = true
			seen[TSOffset(&secret, tup)] = true // nor may one tell the other
			n += 2
		}
	}
	if len(seen) != n {
		t.Fatalf("%d values of %d", len(seen), n)
	}
}

// TestISSBitsAreBalanced: knowing the clock must not help with any bit.
func TestISSBitsAreBalanced(t *testing.T) {
	var ones [32]int
	const n = 4000
	tup := scriptTuple
	for i := range n {
		tup.Remote.Port = uint16(i)
		v := uint32(ISS(&[32]byte{9}, tup, 1))
		for b := range 32 {
			ones[b] += int(v >> b & 1)
		}
	}
	for b, k := range ones {
		if k < n/2-300 || k > n/2+300 {
			t.Errorf("bit %d is set %d times of %d", b, k, n)
		}
	}
}

func TestTSOffsetIsTheTuples(t *testing.T) { // RFC 7323 §7.1: the same for every incarnation
	secret := [32]byte{5}
	first := TSOffset(&secret, scriptTuple)
	if again := TSOffset(&secret, scriptTuple); again != first {
		t.Fatalf("%d, then %d", first, again)
	}
}

// TestNextISSIsBeyondTheLastConnection: RFC 9293 §3.6.1 (1), MAY-2, "larger than the largest sequence
// number it used on the previous connection incarnation".
func TestNextISSIsBeyondTheLastConnection(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.write(5000)
		s.ackAll()
		s.c.Close(s.now)
		s.drain()
		if next := s.c.NextISS(); !s.c.sndNxt.Less(next) {
			s.fatalf("%d, SND.NXT %d", next, s.c.sndNxt)
		}
	})
}
