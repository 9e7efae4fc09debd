package sim

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"testing"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

var bursts = flag.Int("sim.bursts", 100_000, "number of bursts of TestShortBursts")

// TestShortBursts is bug class 2: many short bursts, each way, over a path of nearly no length that loses
// one or two percent. Whole stacks work in batches there, and timers of loss detection and transmission
// meet within microseconds. Each burst arrives within ten seconds, and all of them in a few milliseconds
// on average.
func TestShortBursts(t *testing.T) {
	n := (*bursts + 5) / 6
	if testing.Short() || raced {
		n = 200
	}
	for _, cc := range goodputControls {
		for _, loss := range []float64{0.01, 0.02} {
			t.Run(fmt.Sprintf("%s, %g lost", cc, loss), func(t *testing.T) { shortBursts(t, cc, loss, n) })
		}
	}
}

func shortBursts(t *testing.T, cc string, loss float64, n int) {
	cfg := ourstack.Config{MTU: 1420, TCP: tcp.Config{CongestionControl: cc}}
	link := LinkConfig{Delay: 5 * tcp.Microsecond, Loss: loss}
	w, err := NewWorld(7, [2]ourstack.Config{cfg, cfg}, [2]LinkConfig{link, link})
	if err != nil {
		t.Fatal(err)
	}
	w.sparse = true
	ends, err := w.connect()
	if err != nil {
		t.Fatal(err)
	}
	begin := w.Now
	for i := range n {
		if err := w.burst(ends[i%2], ends[1-i%2], i%2, 1+(i*7919)%20_000); err != nil {
			t.Fatalf("burst %d: %v\n%v", i, err, w.Trace())
		}
	}
	if mean := w.Now.Sub(begin) / tcp.Duration(n); mean > 100*tcp.Millisecond {
		t.Errorf("%d us a burst", mean/tcp.Microsecond)
	} else {
		t.Logf("%d bursts of %d us", n, mean/tcp.Microsecond)
	}
}

// connect dials from the first host to the second and returns both ends.
func (w *World) connect() (ends [2]*ourstack.Conn, err error) {
	l, err := w.Hosts[1].Stack.Listen(netip.AddrPortFrom(AddrB, serverPort), 4)
	if err != nil {
		return ends, err
	}
	if ends[0], err = w.Hosts[0].Stack.Dial(w.Hosts[0].Clock(), netip.AddrPortFrom(w.Hosts[0].Addr, 0), netip.AddrPortFrom(AddrB, serverPort)); err != nil {
		return ends, err
	}
	for end := w.Now.Add(100 * tcp.Second); ends[1] == nil && w.Now < end; w.Step(end) {
		ends[1], _ = l.Accept()
	}
	if ends[1] == nil {
		return ends, fmt.Errorf("no connection")
	}
	return ends, nil
}

// burst writes n octets at one end, of host side, and reads them at the other.
func (w *World) burst(from, to *ourstack.Conn, side, n int) error {
	want := patternBytes[n%1000 : n%1000+n]
	written, read := 0, 0
	for end := w.Now.Add(10 * tcp.Second); read < n; {
		k, _ := from.Write(w.Hosts[side].Clock(), want[written:])
		written += k
		k, _ = to.Read(w.Hosts[1-side].Clock(), w.readBuf)
		if !bytes.Equal(w.readBuf[:k], want[read:read+k]) {
			return fmt.Errorf("other octets after %d", read)
		}
		if read += k; k > 0 {
			continue
		}
		if !w.Step(end) && w.Now >= end {
			return fmt.Errorf("%d of %d octets after ten seconds", read, n)
		}
		if err := w.Check(); err != nil {
			return err
		}
	}
	return nil
}
