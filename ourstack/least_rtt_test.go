package ourstack

import (
	"testing"

	"vpngw/ourstack/tcp"
)

// TestLeastRoundTripOfAll: it is the same for all, and forgotten when it was measured long ago.
func TestLeastRoundTripOfAll(t *testing.T) {
	const short, long, begin = 2 * tcp.Millisecond, 30 * tcp.Millisecond, tcp.Instant(tcp.Second)
	var l leastRTT
	for _, step := range []struct {
		name  string
		own   tcp.Duration
		after tcp.Duration
		want  tcp.Duration
	}{
		{"the first", long, 0, long},
		{"a shorter one", short, tcp.Second, short},
		{"a longer one, measured before it", long, 0, short},
		{"a longer one", long, tcp.Second + leastWindow, short},
		{"the same again, later", short, 60 * tcp.Second, short},
		{"the same again, as it was before", short, tcp.Second, short},
		{"a longer one in the window of the later", long, 60*tcp.Second + leastWindow, short},
		{"a longer one after it", long, 60*tcp.Second + leastWindow + 1, long},
		{"the short one, which is old", short, 60 * tcp.Second, short},
	} {
		if got := l.with(step.own, begin.Add(step.after)); got != step.want {
			t.Errorf("%s: %d, want %d", step.name, got, step.want)
		}
	}
}
