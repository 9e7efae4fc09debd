package tcp

import "testing"

// span is a range of octets of a test, relative: [left, right).
type span struct{ left, right int }

// spans are all ranges in [first, end).
func spans(first, end int) (all []span) {
	for i := first; i < end; i++ {
		for j := i + 1; j <= end; j++ {
			all = append(all, span{i, j})
		}
	}
	return all
}

// relation is how two ranges lie: one of Allen's thirteen relations, as the comparisons of the four
// pairs of ends.
type relation [4]int

func (a span) relation(b span) relation {
	order := func(x, y int) int { return min(max(x-y, -1), 1) }
	return relation{order(a.left, b.left), order(a.left, b.right), order(a.right, b.left), order(a.right, b.right)}
}

// TestOverlapWithOneRange and its twin give every segment of up to some octets to a receiver that holds
// every range, or every two ranges: the exact ACK, the blocks and the duplicate are those of a model with a
// flag for each octet, and all ways in which ranges can lie were met.
func TestOverlapWithOneRange(t *testing.T) {
	met := map[relation]bool{}
	for i, a := range spans(2, 8) {
		for _, seg := range spans(1, 9) {
			m := newReceiverModel(t, uint64(i), 64)
			m.give(a.left, a.right-a.left)
			m.give(seg.left, seg.right-seg.left)
			met[seg.relation(a)] = true
		}
	}
	if len(met) != 13 {
		t.Errorf("%d of Allen's 13 relations", len(met))
	}
}

func TestOverlapWithTwoRanges(t *testing.T) {
	met := map[[2]relation]bool{}
	for i, a := range spans(2, 8) {
		for _, b := range spans(a.right+1, 10) { // adjacent ones would be one
			for _, seg := range spans(1, 11) {
				m := newReceiverModel(t, uint64(i), 64)
				m.give(b.left, b.right-b.left)
				m.give(a.left, a.right-a.left)
				m.give(seg.left, seg.right-seg.left)
				met[[2]relation{seg.relation(a), seg.relation(b)}] = true
			}
		}
	}
	// Two ends fall on the four ends of A and B or into the five spaces around them: 36 pairs of different
	// places, and both in the same space.
	if len(met) != 41 {
		t.Errorf("%d pairs of relations", len(met))
	}
}
