package sim

import (
	"bytes"
	"container/heap"
	"errors"
	"flag"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

var soakConns = flag.Int("sim.soak", 40, "number of connections of TestAWeek")

const (
	week = 7 * day
	day  = 24 * 3600 * tcp.Second
	// soakBelowWrap is how far below 2^32 the sequence numbers of the dialling ends begin: they wrap
	// in their first burst.
	soakBelowWrap = 20000
	// soakPatience bounds how long a burst may take, an outage of the path included.
	soakPatience = 1200 * tcp.Second
)

// TestAWeek keeps connections for a week of virtual time: bursts either way with hours of idleness
// between them, keep-alives, a lossy path that fails for five minutes each day, sequence numbers that
// wrap and timestamps that do. Nothing stalls and nothing grows.
func TestAWeek(t *testing.T) {
	n := *soakConns
	if raced {
		n = min(n, 5)
	}
	s := newSoak(t, n)
	s.findWraps()
	// By the third day pools have met what a morning after an outage asks of them.
	s.run(epoch.Add(3 * day))
	first := s.heapInUse()
	s.run(epoch.Add(week))
	last := s.heapInUse()
	s.finish()
	t.Logf("%d connections, %d bursts, %d MiB, %d packets, heap %d and %d KiB", len(s.conns), s.bursts, s.moved>>20, s.w.order, first>>10, last>>10)
	if s.wrapped < len(s.conns) {
		t.Errorf("of %d connections %d wrapped", len(s.conns), s.wrapped)
	}
	if last > first+first/4+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes in four days", first, last)
	}
}

// soak is the run.
type soak struct {
	t        *testing.T
	w        *World
	rng      *rand.Rand
	links    [2]LinkConfig
	listener *ourstack.Listener
	conns    []*soakConn
	byPort   map[uint16]*soakConn
	agenda   soakAgenda
	ready    []*soakConn
	steps    int
	bursts   int
	moved    int
	wrapped  int
	outage   bool
}

// soakConn is one connection with an application at each end.
type soakConn struct {
	s      *soak
	port   uint16
	dialAt tcp.Instant
	at     tcp.Instant // of its next act
	end    [2]*ourstack.Conn
	want   [2]int // bytes that each end is to have written
	put    [2]int // bytes it has written
	got    [2]int // bytes it has read
	since  tcp.Instant
	listed bool
	awake  int // silences in a row after which an end did not rest
}

// Notify implements [ourstack.Notifier].
func (c *soakConn) Notify(tcp.Event) {
	if !c.listed {
		c.listed = true
		c.s.ready = append(c.s.ready, c)
	}
}

func newSoak(t *testing.T, n int) *soak {
	link := LinkConfig{Delay: 15 * tcp.Millisecond, Rate: 12_500_000, Queue: 500_000, Loss: 0.01}
	s := &soak{t: t, rng: rand.New(rand.NewPCG(7, 7)), links: [2]LinkConfig{link, link}, byPort: map[uint16]*soakConn{}}
	cfg := ourstack.Config{TCP: tcp.Config{ECN: true, KeepAlive: tcp.KeepAliveConfig{Enabled: true, Idle: 1800 * tcp.Second}}}
	w, err := NewWorld(9, [2]ourstack.Config{cfg, cfg}, s.links)
	if err != nil {
		t.Fatal(err)
	}
	s.w = w
	if s.listener, err = w.Hosts[1].Stack.Listen(netip.AddrPortFrom(AddrB, serverPort), 4096); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		c := &soakConn{s: s, port: uint16(10000 + i)}
		s.conns = append(s.conns, c)
		s.byPort[c.port] = c
	}
	return s
}

func (s *soak) dial(c *soakConn) *ourstack.Conn {
	h := s.w.Hosts[0]
	conn, err := h.Stack.Dial(h.Clock(), netip.AddrPortFrom(h.Addr, c.port), netip.AddrPortFrom(AddrB, serverPort))
	if err != nil {
		s.t.Fatalf("port %d: %v", c.port, err)
	}
	return conn
}

// findWraps dials each connection once to see where its sequence numbers begin: they follow a clock
// of 4 µs (RFC 9293 §3.4.1). The real one is dialled when that is just below the wrap.
func (s *soak) findWraps() {
	for _, c := range s.conns {
		conn := s.dial(c)
		s.w.Step(s.w.Now)
		iss := s.w.wire.ends[wireEnd{hostAddr(0).As4(), AddrB.As4(), c.port, serverPort}].iss
		conn.Abort(s.w.Hosts[0].Clock())
		c.at = s.w.Now.Add(4 * tcp.Microsecond * tcp.Duration(-uint32(iss)-soakBelowWrap))
		if c.at.Sub(s.w.Now) < 600*tcp.Second {
			c.at = c.at.Add(4 * tcp.Microsecond << 32)
		}
		c.dialAt = c.at
		heap.Push(&s.agenda, c)
	}
	for s.w.Step(epoch.Add(300 * tcp.Second)) {
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				break
			}
			conn.Abort(s.w.Hosts[1].Clock())
		}
	}
}

// run lets the world go on until end.
func (s *soak) run(end tcp.Instant) {
	for s.w.Now < end {
		for len(s.agenda) > 0 && s.agenda[0].at <= s.w.Now {
			s.act(s.agenda[0])
			heap.Fix(&s.agenda, 0)
		}
		s.accept()
		s.serve()
		s.weather()
		s.w.Step(min(end, s.agenda[0].at, s.nextWeather()))
		s.check()
	}
}

// weather breaks the path for the first five minutes of each day but the first.
func (s *soak) weather() {
	out := s.w.Now >= epoch.Add(day) && s.w.Now.Sub(epoch)%day < 300*tcp.Second
	if out == s.outage {
		return
	}
	s.outage = out
	for i, h := range s.w.Hosts {
		h.Out.LinkConfig = s.links[i]
		if out {
			h.Out.Loss = 1
		}
	}
}

func (s *soak) nextWeather() tcp.Instant {
	since := s.w.Now.Sub(epoch) % day
	next := s.w.Now.Add(day - since)
	if s.outage {
		next = s.w.Now.Add(300*tcp.Second - since)
	}
	return next
}

// act opens a connection or begins a burst on it.
func (s *soak) act(c *soakConn) {
	if c.end[0] == nil {
		c.end[0] = s.dial(c)
		c.end[0].SetNotifier(c)
	} else {
		s.checkRest(c)
	}
	for side := range 2 {
		if c.got[side] != c.want[1-side] {
			s.t.Fatalf("port %d at %d s: a burst is not finished after %d s: %d of %d bytes arrived at end %d", c.port, s.w.Now.Sub(epoch)/tcp.Second,
				s.w.Now.Sub(c.since)/tcp.Second, c.got[side], c.want[1-side], side)
		}
	}
	for side := range 2 {
		if n := s.rng.IntN(4); n > 0 {
			c.want[side] += []int{1, 5000, 80000}[n-1]
		}
	}
	if c.put[0] == 0 {
		c.want[0] = 2 * soakBelowWrap
	}
	c.since = s.w.Now
	c.at = s.w.Now.Add(soakPatience + tcp.Duration(s.rng.Int64N(int64(5*3600*tcp.Second))))
	s.bursts++
	c.Notify(0)
}

// checkRest looks at a connection that has been silent for long. A keep-alive may just have roused it; but
// not each time.
func (s *soak) checkRest(c *soakConn) {
	if c.rests() {
		c.awake = 0
		return
	}
	if c.awake++; c.awake > 1 {
		s.t.Errorf("port %d at %d s: twice not at rest after a silence", c.port, s.w.Now.Sub(epoch)/tcp.Second)
	}
}

// rests reports whether both ends rest.
func (c *soakConn) rests() bool { return c.end[0].Rests() && c.end[1] != nil && c.end[1].Rests() }

func (s *soak) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		c := s.byPort[conn.RemoteAddr().Port()]
		if c == nil || c.end[0] == nil {
			conn.Abort(s.w.Hosts[1].Clock())
			continue
		}
		c.end[1] = conn
		conn.SetNotifier(c)
	}
}

// serve moves text for connections on which something happened.
func (s *soak) serve() {
	for len(s.ready) > 0 {
		c := s.ready[len(s.ready)-1]
		s.ready = s.ready[:len(s.ready)-1]
		c.listed = false
		for side, conn := range c.end {
			if conn != nil {
				s.write(c, side, conn)
				s.read(c, side, conn)
			}
		}
	}
}

func (s *soak) write(c *soakConn, side int, conn *ourstack.Conn) {
	for c.put[side] < c.want[side] && conn.State() != tcp.StateSynSent {
		at := c.put[side] & (1<<16 - 1)
		n, err := conn.Write(s.w.Hosts[side].Clock(), patternBytes[at:at+min(c.want[side]-c.put[side], 1<<15)])
		c.put[side] += n
		if n == 0 {
			s.tolerate(c, err)
			return
		}
	}
}

func (s *soak) read(c *soakConn, side int, conn *ourstack.Conn) {
	for {
		n, err := conn.Read(s.w.Hosts[side].Clock(), s.w.readBuf)
		if n == 0 {
			s.tolerate(c, err)
			return
		}
		for p := s.w.readBuf[:n]; len(p) > 0; {
			at := c.got[side] & (1<<16 - 1)
			k := min(len(p), 1<<16)
			if !bytes.Equal(p[:k], patternBytes[at:at+k]) {
				s.t.Fatalf("port %d: other bytes than were written", c.port)
			}
			if side == 1 && c.got[1] <= soakBelowWrap && c.got[1]+k > soakBelowWrap {
				s.wrapped++
			}
			p = p[k:]
			c.got[side] += k
			s.moved += k
		}
	}
}

func (s *soak) tolerate(c *soakConn, err error) {
	if err != nil && !errors.Is(err, ourstack.ErrWouldBlock) {
		s.t.Fatalf("port %d at %d s: %v", c.port, s.w.Now.Sub(epoch)/tcp.Second, err)
	}
}

func (s *soak) check() {
	s.steps++
	if s.steps%20000 != 0 && s.w.wire.err == nil {
		return
	}
	if err := s.w.Check(); err != nil {
		for _, line := range s.w.Trace() {
			s.t.Log(line)
		}
		s.t.Fatal(err)
	}
}

func (s *soak) heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// finish lets the last bursts arrive, looks for buffers that idle connections hold, and closes.
func (s *soak) finish() {
	for _, c := range s.conns {
		c.at = s.w.Now.Add(day)
	}
	s.run(s.w.Now.Add(soakPatience))
	for _, c := range s.conns {
		s.checkRest(c)
	}
	s.run(s.w.Now.Add(restWatch))
	for _, c := range s.conns {
		if c.awake > 0 {
			s.checkRest(c)
		}
	}
	for i, h := range s.w.Hosts {
		st := h.Stack.Stats()
		if st.Conns != len(s.conns) || st.Memory != 0 {
			s.t.Errorf("host %d: %d connections of %d, %d bytes of buffers while all are idle", i, st.Conns, len(s.conns), st.Memory)
		}
	}
	for _, c := range s.conns {
		if c.got[0] != c.want[1] || c.got[1] != c.want[0] {
			s.t.Errorf("port %d: not everything arrived", c.port)
		}
		for side, conn := range c.end {
			conn.SetNotifier(nil)
			conn.Close(s.w.Hosts[side].Clock())
		}
	}
	s.w.Step(s.w.Now)
	for limit := s.w.Now.Add(600 * tcp.Second); s.w.Step(limit); {
	}
	for i, h := range s.w.Hosts {
		if st := h.Stack.Stats(); st.Conns != 0 {
			s.t.Errorf("host %d: %d connections left", i, st.Conns)
		}
	}
}

// soakAgenda is a heap of connections by the time of their next act.
type soakAgenda []*soakConn

func (a soakAgenda) Len() int           { return len(a) }
func (a soakAgenda) Less(i, j int) bool { return a[i].at < a[j].at }
func (a soakAgenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *soakAgenda) Push(x any)        { *a = append(*a, x.(*soakConn)) }
func (a *soakAgenda) Pop() any {
	old := *a
	c := old[len(old)-1]
	*a = old[:len(old)-1]
	return c
}
