package seqnum

import (
	"math/rand/v2"
	"testing"
)

// origins are where the circle could break: around zero, around half, and in the plain middle.
var origins = []Value{0, 1, 2, 1000, 1<<31 - 2, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<32 - 2, 1<<32 - 1}

func TestOrderIsModular(t *testing.T) {
	distances := []struct {
		d                     Size
		less, lessEq, greater bool
	}{
		{0, false, true, false},
		{1, true, true, false},
		{1460, true, true, false},
		{1 << 30, true, true, false},
		{1<<31 - 1, true, true, false},
		{1<<31 + 1, false, false, true}, // more than half way round: w lies behind v
		{1<<32 - 1, false, false, true},
	}
	for _, v := range origins {
		for _, d := range distances {
			w := v.Add(d.d)
			if got := v.Less(w); got != d.less {
				t.Errorf("%d.Less(%d) = %v", v, w, got)
			}
			if got := v.LessEq(w); got != d.lessEq {
				t.Errorf("%d.LessEq(%d) = %v", v, w, got)
			}
			if got := v.Greater(w); got != d.greater {
				t.Errorf("%d.Greater(%d) = %v", v, w, got)
			}
			if got := v.GreaterEq(w); got != (d.greater || d.d == 0) {
				t.Errorf("%d.GreaterEq(%d) = %v", v, w, got)
			}
		}
	}
}

func TestDistances(t *testing.T) {
	for _, v := range origins {
		for _, d := range []Size{0, 1, 536, 65535, 1 << 30, 1<<31 - 1} {
			w := v.Add(d)
			if w.Sub(d) != v {
				t.Errorf("%d + %d - %d = %d", v, d, d, w.Sub(d))
			}
			if got := v.Size(w); got != d {
				t.Errorf("%d.Size(%d) = %d, want %d", v, w, got, d)
			}
			if got := w.Diff(v); got != int32(d) {
				t.Errorf("%d.Diff(%d) = %d, want %d", w, v, got, d)
			}
			if got := v.Diff(w); got != -int32(d) {
				t.Errorf("%d.Diff(%d) = %d, want %d", v, w, got, -int32(d))
			}
		}
	}
}

func TestInWindow(t *testing.T) {
	for _, first := range origins {
		tests := []struct {
			offset, size Size
			want         bool
		}{
			{0, 0, false}, // a closed window holds nothing
			{0, 1, true},
			{1, 1, false},
			{99, 100, true},
			{100, 100, false},
			{1<<32 - 1, 100, false}, // just before the window
			{1<<30 - 1, 1 << 30, true},
			{1 << 31, 1<<32 - 1, true}, // larger than an ordering could tell
		}
		for _, tt := range tests {
			if got := first.Add(tt.offset).InWindow(first, tt.size); got != tt.want {
				t.Errorf("offset %d in window [%d, +%d): %v", tt.offset, first, tt.size, got)
			}
		}
	}
}

func TestInRange(t *testing.T) {
	for _, a := range origins {
		b := a.Add(10)
		for d, want := range map[Size]bool{0: true, 9: true, 10: false, 11: false, 1<<32 - 1: false} {
			if got := a.Add(d).InRange(a, b); got != want {
				t.Errorf("offset %d in [%d, %d): %v", d, a, b, got)
			}
		}
		if a.InRange(a, a) {
			t.Errorf("%d lies in an empty range", a)
		}
	}
}

func TestMaxMin(t *testing.T) {
	for _, a := range origins {
		for _, d := range []Size{0, 1, 1000, 1<<31 - 1} {
			b := a.Add(d)
			if Max(a, b) != b || Max(b, a) != b {
				t.Errorf("Max(%d, %d) is not the later", a, b)
			}
			if Min(a, b) != a || Min(b, a) != a {
				t.Errorf("Min(%d, %d) is not the earlier", a, b)
			}
		}
	}
}

// TestOrderAgreesWithIntegers compares with plain integers that share an origin far from any wrap.
func TestOrderAgreesWithIntegers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		origin := Value(rng.Uint32())
		x, y := rng.Int64N(1<<30), rng.Int64N(1<<30)
		v, w := origin.Add(Size(x)), origin.Add(Size(y))
		if v.Less(w) != (x < y) || v.LessEq(w) != (x <= y) ||
			v.Greater(w) != (x > y) || v.GreaterEq(w) != (x >= y) {
			t.Fatalf("origin %d: order of +%d and +%d is wrong", origin, x, y)
		}
		if int64(v.Diff(w)) != x-y {
			t.Fatalf("origin %d: +%d minus +%d is %d", origin, x, y, v.Diff(w))
		}
		if got, want := v.InRange(origin, w), x < y; got != want {
			t.Fatalf("origin %d: +%d in [0, +%d) is %v", origin, x, y, got)
		}
	}
}
