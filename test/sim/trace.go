package sim

import (
	"fmt"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// traceLines is how many packets a failure shows.
const traceLines = 60

// trace keeps the last packets.
type trace struct {
	ring [traceLines]traced
	n    int
}

type traced struct {
	at   tcp.Instant
	from int
	what byte
	data []byte
}

func (t *trace) note(at tcp.Instant, from int, what byte, p []byte) {
	e := &t.ring[t.n%traceLines]
	t.n++
	e.at, e.from, e.what = at, from, what
	e.data = append(e.data[:0], p...)
}

// lines returns the packets as text, oldest first.
func (t *trace) lines() []string {
	var out []string
	for i := max(0, t.n-traceLines); i < t.n; i++ {
		e := &t.ring[i%traceLines]
		line := fmt.Sprintf("%12.6f %c%c ", float64(e.at-epoch)/1e9, 'A'+rune(e.from), e.what)
		out = append(out, string(wire.AppendPacket([]byte(line), e.data)))
	}
	return out
}
