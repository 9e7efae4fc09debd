package tcp

import (
	"math/rand/v2"
	"testing"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// receiverModel is the simplest receiver that can be: one flag for each octet of the stream. It
// says what an ACK must report; the script's connection is held against it.
type receiverModel struct {
	s    *script
	rng  *rand.Rand
	got  []bool // by relative sequence number; octet 0 is the SYN
	nxt  int    // first octet that is missing
	edge int    // right edge of the window
}

func newReceiverModel(t *testing.T, seed uint64, window int) *receiverModel {
	p := issPairs[seed%uint64(len(issPairs))]
	s := newScript(t, &Config{RcvBufInit: window, RcvBufMax: window}, p[0], p[1])
	s.passive("mss 1000,sackOK")
	m := &receiverModel{s: s, rng: rand.New(rand.NewPCG(seed, 3)), got: make([]bool, window+1), nxt: 1, edge: window + 1}
	m.got[0] = true
	return m
}

// step gives one random segment inside the window.
func (m *receiverModel) step() {
	m.s.t.Helper()
	if m.nxt == m.edge {
		return
	}
	first := 1 + m.rng.IntN(m.edge-1)
	m.give(first, 1+m.rng.IntN(min(400, m.edge-first)))
}

// give gives the n octets from first on and compares the ACK, if there is one at once.
func (m *receiverModel) give(first, n int) {
	s := m.s
	s.t.Helper()
	dup, hasDup := m.duplicate(first, first+n)
	old := m.nxt
	hadHoles := len(m.blocks()) > 0
	for i := first; i < first+n; i++ {
		m.got[i] = true
	}
	for m.nxt < m.edge && m.got[m.nxt] {
		m.nxt++
	}
	s.recv(seqRangeText("", first, n) + " ack 1")
	seg, ok := s.poll()
	if !ok {
		if hasDup && first+n <= old || hadHoles || m.nxt == old {
			s.fatalf("no ACK at once")
		}
		return
	}
	m.compare(&seg, dup, hasDup, first, m.nxt > old)
}

// duplicate returns the first contiguous run of [first, end) that was there before.
func (m *receiverModel) duplicate(first, end int) (seqRange, bool) {
	for i := first; i < end; i++ {
		if !m.got[i] {
			continue
		}
		j := i
		for j < end && m.got[j] {
			j++
		}
		return m.abs(i, j), true
	}
	return seqRange{}, false
}

// blocks returns the runs of octets beyond the first hole.
func (m *receiverModel) blocks() []seqRange {
	var bs []seqRange
	for i := m.nxt; i < m.edge; i++ {
		if !m.got[i] {
			continue
		}
		j := i
		for j < m.edge && m.got[j] {
			j++
		}
		bs = append(bs, m.abs(i, j))
		i = j
	}
	return bs
}

func (m *receiverModel) abs(i, j int) seqRange {
	return seqRange{m.s.irs.Add(seqnum.Size(i)), m.s.irs.Add(seqnum.Size(j))}
}

func (m *receiverModel) compare(seg *wire.TCP, dup seqRange, hasDup bool, first int, advanced bool) {
	s := m.s
	s.t.Helper()
	if got := int(seg.Ack - s.irs); got != m.nxt {
		s.fatalf("ack %d, want %d", got, m.nxt)
	}
	var got []seqRange
	for _, b := range seg.Opts.SACK[:seg.Opts.NumSACK] {
		got = append(got, seqRange{b.Left, b.Right})
	}
	if hasDup {
		if len(got) == 0 || got[0] != dup {
			s.fatalf("first block %v, want the duplicate %v", got, dup)
		}
		got = got[1:]
	}
	blocks := m.blocks()
	if want := min(len(blocks), 4-(seg.Opts.NumSACK-len(got))); len(got) != want {
		s.fatalf("%d blocks, want %d of %v", len(got), want, blocks)
	}
	seen := map[seqRange]bool{}
	for _, b := range got {
		held := false
		for _, w := range blocks {
			held = held || w == b
		}
		if !held || seen[b] {
			s.fatalf("block %v is wrong or repeated; held: %v", b, blocks)
		}
		seen[b] = true
	}
	if !advanced && first >= m.nxt {
		at := s.irs.Add(seqnum.Size(first))
		if len(got) == 0 || !at.InRange(got[0].left, got[0].right) {
			s.fatalf("first block %v does not hold the newest segment at %d", got, first)
		}
	}
}
