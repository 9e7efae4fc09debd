package tcp

import (
	"math/rand/v2"
	"slices"
	"testing"

	"vpngw/ourstack/seqnum"
)

// naiveSegment and naiveBoard are the scoreboard without any cleverness: a slice, searched from
// its beginning, and two lists of sequence numbers.
type naiveSegment struct {
	seq, end seqnum.Value
	at       Instant
	sacked   bool
	lost     bool
	retrans  bool
}

type naiveBoard struct {
	segs   []naiveSegment
	flight []seqnum.Value // in order of transmission
	lost   []seqnum.Value // in order of being marked; one that is before all others goes first
}

func (n *naiveBoard) markLost(seq seqnum.Value) {
	if len(n.lost) > 0 && seq.Less(n.lost[0]) {
		n.lost = append([]seqnum.Value{seq}, n.lost...)
		return
	}
	n.lost = append(n.lost, seq)
}

func (n *naiveBoard) drop(list []seqnum.Value, seq seqnum.Value) []seqnum.Value {
	return slices.DeleteFunc(list, func(v seqnum.Value) bool { return v == seq })
}

func (n *naiveBoard) unlist(seq seqnum.Value) {
	n.flight, n.lost = n.drop(n.flight, seq), n.drop(n.lost, seq)
}

// boardWalk takes both through the same random steps.
type boardWalk struct {
	t   *testing.T
	rng *rand.Rand
	s   scoreboard
	n   naiveBoard
	nxt seqnum.Value
	now Instant
}

func TestScoreboardAgainstANaiveOne(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		w := &boardWalk{t: t, rng: rand.New(rand.NewPCG(seed, 6)), nxt: seqnum.Value(-uint32(seed * 997)), now: 1}
		w.s.init()
		switch seed % 3 { // indices anywhere, also where they run out and are numbered anew
		case 1:
			w.s.head, w.s.tail = noSegment-40, noSegment-40
		case 2:
			w.s.head, w.s.tail = 1<<31, 1<<31
		}
		for range 400 {
			w.step()
			w.compare(seed)
		}
	}
}

func (w *boardWalk) step() {
	w.now++
	n := &w.n
	pick := func() int { return w.rng.IntN(len(n.segs)) }
	if len(n.segs) == 0 || w.rng.IntN(3) == 0 {
		size := seqnum.Size(1 + w.rng.IntN(1460))
		w.s.push(w.nxt, w.nxt.Add(size), w.now, 0)
		n.segs = append(n.segs, naiveSegment{seq: w.nxt, end: w.nxt.Add(size), at: w.now})
		n.flight = append(n.flight, w.nxt)
		w.nxt = w.nxt.Add(size)
		return
	}
	i := pick()
	seg := &n.segs[i]
	idx := w.s.head + uint32(i)
	switch w.rng.IntN(12) {
	case 0, 1, 2:
		if !seg.sacked {
			w.s.markSacked(idx)
			n.unlist(seg.seq)
			seg.sacked, seg.lost = true, false
		}
	case 3, 4:
		if !seg.sacked && !seg.lost {
			w.s.markLost(idx)
			n.unlist(seg.seq)
			n.markLost(seg.seq)
			seg.lost = true
		}
	case 5, 6:
		if !seg.sacked {
			w.s.markSent(idx, w.now)
			n.unlist(seg.seq)
			n.flight = append(n.flight, seg.seq)
			seg.lost, seg.retrans, seg.at = false, true, w.now
		}
	case 7, 8:
		for range w.rng.IntN(3) {
			if len(n.segs) > 0 {
				w.s.popFront()
				n.unlist(n.segs[0].seq)
				n.segs = n.segs[1:]
			}
		}
	case 9:
		w.search(i)
	case 10:
		w.rare()
	case 11:
		w.skip(i)
	}
}

// rare are the steps that touch everything.
func (w *boardWalk) rare() {
	n := &w.n
	switch w.rng.IntN(6) {
	case 0:
		w.s.forgetSACK()
		for i := range n.segs {
			if s := &n.segs[i]; s.sacked {
				s.sacked, s.lost = false, true
				n.markLost(s.seq)
			}
		}
	case 1:
		w.s.markAllLost()
		for i := range n.segs {
			if s := &n.segs[i]; !s.sacked && !s.lost {
				s.lost = true
				n.markLost(s.seq)
			}
		}
		n.flight = nil
	case 2:
		w.s.relistLost()
		slices.SortFunc(n.lost, func(a, b seqnum.Value) int { return int(a.Diff(b)) })
	case 3:
		w.s.unmarkLost()
		for i := range n.segs {
			if s := &n.segs[i]; s.lost {
				s.lost = false
				n.flight = append(n.flight, s.seq)
			}
		}
		n.lost = nil
		at := map[seqnum.Value]Instant{}
		for _, s := range n.segs {
			at[s.seq] = s.at
		}
		slices.SortFunc(n.flight, func(a, b seqnum.Value) int { return int(at[a] - at[b]) })
	case 4:
		w.s.grow()
	case 5:
		w.s.shrink()
	}
}

func (w *boardWalk) search(i int) {
	seg := w.n.segs[i]
	if got := w.s.search(seg.seq); got != w.s.head+uint32(i) {
		w.t.Fatalf("search of a first octet: %d, want %d", got-w.s.head, i)
	}
	if got := w.s.search(seg.seq.Add(1)); got != w.s.head+uint32(i)+1 && seg.end != seg.seq.Add(1) {
		w.t.Fatalf("search behind it: %d, want %d", got-w.s.head, i+1)
	}
}

func (w *boardWalk) skip(i int) {
	want := i
	for want < len(w.n.segs) && w.n.segs[want].sacked {
		want++
	}
	if got := w.s.skipSacked(w.s.head + uint32(i)); got != w.s.head+uint32(want) {
		w.t.Fatalf("skipSacked from %d: %d, want %d", i, got-w.s.head, want)
	}
}

func (w *boardWalk) compare(seed uint64) {
	w.t.Helper()
	s, n := &w.s, &w.n
	if s.len() != len(n.segs) || s.empty() != (len(n.segs) == 0) {
		w.t.Fatalf("seed %d: %d segments, want %d", seed, s.len(), len(n.segs))
	}
	var pipe, sacked, lost, sackedCount uint32
	for i, want := range n.segs {
		got := s.at(s.head + uint32(i))
		if got.seq != want.seq || got.end != want.end || got.xmitTime != want.at || (got.flags&txSacked != 0) != want.sacked ||
			(got.flags&txLost != 0) != want.lost || (got.flags&txRetrans != 0) != want.retrans {
			w.t.Fatalf("seed %d: segment %d is %+v, want %+v", seed, i, got, want)
		}
		switch size := uint32(want.seq.Size(want.end)); {
		case want.sacked:
			sacked += size
			sackedCount++
		case want.lost:
			lost += size
		default:
			pipe += size
		}
	}
	if s.pipe != pipe || s.sackedBytes != sacked || s.lostBytes != lost || s.sackedCount != sackedCount || s.flightCount != uint32(len(n.flight)) {
		w.t.Fatalf("seed %d: pipe %d/%d sacked %d/%d lost %d/%d", seed, s.pipe, pipe, s.sackedBytes, sacked, s.lostBytes, lost)
	}
	for name, list := range map[string]struct {
		head, tail uint32
		want       []seqnum.Value
	}{"flight": {s.flightHead, s.flightTail, n.flight}, "lost": {s.lostHead, s.lostTail, n.lost}} {
		var got, back []seqnum.Value
		for i := list.head; i != noSegment && len(got) <= len(list.want); i = s.at(i).next {
			got = append(got, s.at(i).seq)
		}
		for i := list.tail; i != noSegment && len(back) <= len(list.want); i = s.at(i).prev {
			back = append(back, s.at(i).seq)
		}
		slices.Reverse(back)
		if !slices.Equal(got, list.want) || !slices.Equal(back, list.want) {
			w.t.Fatalf("seed %d: %s list %d, backwards %d, want %d", seed, name, got, back, list.want)
		}
	}
}

func TestScoreboardNumbersAnewInTime(t *testing.T) {
	var s scoreboard
	s.init()
	s.head, s.tail = noSegment-5, noSegment-5
	for i := range uint32(100) {
		seq := seqnum.Value(i * 10)
		s.push(seq, seq.Add(10), Instant(i+1), 0)
		if i%3 == 1 {
			s.markSacked(s.tail - 1)
		}
		if s.len() > 7 {
			s.popFront()
		}
		if s.tail == noSegment || s.tail < s.head {
			t.Fatalf("indices %d to %d", s.head, s.tail)
		}
	}
	if s.tail > 1000 {
		t.Fatalf("not numbered anew: %d", s.tail)
	}
}
