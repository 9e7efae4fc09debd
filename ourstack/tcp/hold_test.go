package tcp

import "testing"

func TestStanding(t *testing.T) {
	const pipe = 1 << 20
	for _, tt := range []struct {
		name        string
		least, srtt Duration
		pipe        uint32
		want        int
		path        Path
	}{
		{"nothing in flight", 100 * Microsecond, Second, 0, 0, nil},
		{"no round trip yet", 0, 0, pipe, 0, nil},
		{"a path without a queue", 20 * Millisecond, 20 * Millisecond, pipe, 0, nil},
		{"slow start", 20 * Millisecond, 41 * Millisecond, pipe, 0, nil},
		{"batches on a fast path", 100 * Microsecond, 1200 * Microsecond, pipe, 0, nil},
		{"a queue on a fast path", 100 * Microsecond, 2400 * Microsecond, pipe, pipe / 2, nil},
		{"a queue on a long path", 20 * Millisecond, 164 * Millisecond, pipe, pipe * 3 / 4, nil},
		{"a path that was busy when it was measured", 20 * Millisecond, 41 * Millisecond, pipe, 0, nil},
		{"… and that others know better", 20 * Millisecond, 42 * Millisecond, pipe, pipe / 2, fixedPath{least: 10 * Millisecond}},
	} {
		c := Conn{cfg: &Config{Path: tt.path}}
		c.sb.pipe = tt.pipe
		c.rtt.srtt = tt.srtt
		c.rtt.min.reset(1, uint64(tt.least))
		if got := c.Standing(); got != tt.want {
			t.Errorf("%s: %d of %d bytes, want %d", tt.name, got, tt.pipe, tt.want)
		}
	}
}
