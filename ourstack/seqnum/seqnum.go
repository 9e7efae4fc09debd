package seqnum

// Value is a sequence number, modulo 2³² (RFC 9293 §3.4). It is ordered only by its methods.
type Value uint32

// Size is a number of octets in sequence space, where SYN and FIN count one each.
type Size uint32

// Add returns the sequence number s octets after v.
func (v Value) Add(s Size) Value { return v + Value(s) }

// Sub returns the sequence number s octets before v.
func (v Value) Sub(s Size) Value { return v - Value(s) }

// Less reports whether v comes before w.
func (v Value) Less(w Value) bool { return int32(v-w) < 0 }

// LessEq reports whether v comes before w or is w.
func (v Value) LessEq(w Value) bool { return int32(v-w) <= 0 }

// Greater reports whether v comes after w.
func (v Value) Greater(w Value) bool { return int32(v-w) > 0 }

// GreaterEq reports whether v comes after w or is w.
func (v Value) GreaterEq(w Value) bool { return int32(v-w) >= 0 }

// Diff returns the signed distance v-w: positive when v comes after w.
func (v Value) Diff(w Value) int32 { return int32(v - w) }

// Size returns the number of octets from v up to, but not including, w. The caller knows that
// v does not come after w; otherwise the result is the long way round the circle.
func (v Value) Size(w Value) Size { return Size(w - v) }

// InWindow reports first ≤ v < first+size, the form of the acceptability test of
// RFC 9293 §3.10.7.4. Unlike the orderings it holds for every size up to 2³²-1.
func (v Value) InWindow(first Value, size Size) bool { return Size(v-first) < size }

// InRange reports a ≤ v < b, going forward from a to b. It is false when a is b.
func (v Value) InRange(a, b Value) bool { return v-a < b-a }

// Max returns the later of a and b.
func Max(a, b Value) Value {
	if a.Less(b) {
		return b
	}
	return a
}

// Min returns the earlier of a and b.
func Min(a, b Value) Value {
	if b.Less(a) {
		return b
	}
	return a
}
