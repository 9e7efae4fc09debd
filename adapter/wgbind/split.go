package wgbind

// A scattered datagram lies in the first stride bytes of each of some buffers, one after the other,
// and what they did not hold in a spill.
type scattered struct {
	bufs   [][]byte // each at least stride long
	stride int
	spill  []byte
	n      int // its length in bytes
}

// inPlace reports whether each segment lies whole in a buffer of its own.
func (s *scattered) inPlace(segment int) bool {
	return s.n <= min(s.stride, segment) || segment == s.stride && s.n <= s.stride*len(s.bufs)
}

// gather copies the datagram to dst, which must have room for it, and returns it.
func (s *scattered) gather(dst []byte) []byte {
	dst = dst[:s.n]
	at := 0
	for _, b := range s.bufs {
		if at == s.n {
			return dst
		}
		at += copy(dst[at:], b[:s.stride])
	}
	copy(dst[at:], s.spill)
	return dst
}

// segments is how many segments of which the last may be shorter make n bytes.
func segments(n, segment int) int {
	if segment <= 0 || segment >= n {
		return 1
	}
	return (n + segment - 1) / segment
}

// guess is what a receiver expects of the datagrams to come, from those before.
type guess struct {
	stride  int // length of a segment, in bytes
	buffers int // for each datagram; a power of two of at most segmentsMax
	smaller int // datagrams in a row made of many segments that were all shorter than stride
}

const (
	strideFirst  = 1500    // what fits an Ethernet frame
	strideMax    = 9 << 10 // longer segments are not worth more buffers than they fill
	smallerRun   = 8       // datagrams after which stride shrinks: one flow of ACKs among data is no reason
	smallerCount = 4       // segments that make a datagram count for that
	buffersMin   = batchSize / messagesMax
)

func newGuess() guess { return guess{stride: strideFirst, buffers: segmentsMax} }

// note learns from one datagram of n bytes in segments of the given length (0: it is one).
func (g *guess) note(n, segment int) {
	if segment == 0 || segment > n {
		segment = n
	}
	switch {
	case segment > g.stride:
		g.stride, g.smaller = min(segment, strideMax), 0
	case segment == g.stride:
		g.smaller = 0
	case segments(n, segment) >= smallerCount:
		if g.smaller++; g.smaller == smallerRun {
			g.stride, g.smaller = max(segment, 1), 0
		}
	}
	if segments(n, segment) > g.buffers {
		g.buffers = segmentsMax
	}
}

// noteCall learns from a call that filled all messages it had room for, the largest of them with most
// segments: more messages with fewer buffers each would have taken more.
func (g *guess) noteCall(most int) {
	if most <= g.buffers/2 && g.buffers > buffersMin {
		g.buffers /= 2
	}
}
