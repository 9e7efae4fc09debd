package ourstack

import (
	"fmt"
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// closedByServer makes a connection by hand and closes it from the server's side, which then is in
// TIME-WAIT. It returns the client's next sequence number.
func closedByServer(t *testing.T, h *host, l *Listener, from string, seq uint32) (c *Conn, next wire.TCP) {
	t.Helper()
	to := gatewayAddr + ":80"
	synack := connect(t, h, from, to, seq)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close(h.now())
	fin := onlySegment(t, h)
	if fin.Flags&wire.FlagFIN == 0 {
		t.Fatalf("no FIN: %+v", fin)
	}
	reply := wire.TCP{Flags: wire.FlagACK | wire.FlagFIN, Seq: synack.Ack, Ack: fin.Seq.Add(1)}
	reply.Opts = wire.Options{HasTimestamps: true, TSVal: 10, TSEcr: fin.Opts.TSVal}
	h.recv(segment(from, to, reply))
	h.want("the client's FIN is acknowledged", "* . *")
	if c.State() != tcp.StateTimeWait {
		t.Fatalf("state %v", c.State())
	}
	return c, wire.TCP{Seq: reply.Seq.Add(1), Ack: reply.Ack}
}

// TestTimeWaitIsBounded: the oldest connection in TIME-WAIT makes room for the newest.
func TestTimeWaitIsBounded(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) { c.Limits.TimeWait = 10 })
	l := listen(t, h, gatewayAddr+":80", 4)
	var conns []*Conn
	for i := range 50 {
		c, _ := closedByServer(t, h, l, fmt.Sprintf("%s:%d", clientAddr, 1000+i), 1)
		conns = append(conns, c)
	}
	st := h.s.Stats()
	if st.TimeWait != 10 || st.Conns != 10 || st.TimeWaitRecycled != 40 {
		t.Errorf("%d in TIME-WAIT, %d connections, %d recycled", st.TimeWait, st.Conns, st.TimeWaitRecycled)
	}
	if !conns[39].Released() || conns[40].Released() {
		t.Error("not the oldest were recycled")
	}
	h.after(120 * second)
	h.want("nothing is sent at the end of TIME-WAIT")
	if st := h.s.Stats(); st.TimeWait != 0 || st.Conns != 0 {
		t.Errorf("after 2 MSL: %d in TIME-WAIT, %d connections", st.TimeWait, st.Conns)
	}
}

// TestSynReopensTimeWait: RFC 6191 §2: a SYN with a newer timestamp opens a new connection at once, whose
// initial sequence number is beyond the old one's; an old SYN does not.
func TestSynReopensTimeWait(t *testing.T) {
	h := newHost(t, gatewayAddr)
	l := listen(t, h, gatewayAddr+":80", 4)
	from, to := clientAddr+":1000", gatewayAddr+":80"
	old, next := closedByServer(t, h, l, from, 100)
	h.recv(segment(from, to, wire.TCP{Flags: wire.FlagSYN, Seq: 50, Opts: clientOptions(5)}))
	for _, line := range h.sent() {
		if matches(line, "* S. *") {
			t.Errorf("an old SYN was answered: %s", line)
		}
	}
	if old.Released() {
		t.Fatal("an old SYN ended TIME-WAIT")
	}
	h.recv(segment(from, to, wire.TCP{Flags: wire.FlagSYN, Seq: 50, Opts: clientOptions(11)}))
	synack := onlySegment(t, h)
	if synack.Flags != wire.FlagSYN|wire.FlagACK || synack.Ack != 51 {
		t.Fatalf("%+v", synack)
	}
	if synack.Seq.LessEq(next.Ack) {
		t.Errorf("ISS %d is not beyond %d", synack.Seq, next.Ack)
	}
	if !old.Released() {
		t.Error("the old connection is still known")
	}
	h.recv(segment(from, to, wire.TCP{
		Flags: wire.FlagACK, Seq: 51, Ack: synack.Seq.Add(1),
		Opts: wire.Options{HasTimestamps: true, TSVal: 12, TSEcr: synack.Opts.TSVal},
	}))
	if _, err := l.Accept(); err != nil {
		t.Error(err)
	}
	if st := h.s.Stats(); st.Conns != 1 || st.TimeWait != 0 {
		t.Errorf("%+v", st)
	}
}

// TestForwardReopensTimeWait: the same through a forward request.
func TestForwardReopensTimeWait(t *testing.T) {
	h, reqs := forwarding(t)
	h.recv(syn(clientEnd, serverEnd, 100))
	c, err := (*reqs)[0].Accept(h.now())
	if err != nil {
		t.Fatal(err)
	}
	synack := onlySegment(t, h)
	h.recv(ackOf(clientEnd, serverEnd, &synack))
	c.Close(h.now())
	fin := onlySegment(t, h)
	h.recv(segment(clientEnd, serverEnd, wire.TCP{
		Flags: wire.FlagACK | wire.FlagFIN, Seq: 101, Ack: fin.Seq.Add(1),
		Opts: wire.Options{HasTimestamps: true, TSVal: 3, TSEcr: fin.Opts.TSVal},
	}))
	h.packets()
	h.recv(segment(clientEnd, serverEnd, wire.TCP{Flags: wire.FlagSYN, Seq: 4000, Opts: clientOptions(4)}))
	// And when the client begins anew once more, before the answer.
	h.recv(segment(clientEnd, serverEnd, wire.TCP{Flags: wire.FlagSYN, Seq: 5000, Opts: clientOptions(5)}))
	if len(*reqs) != 3 {
		t.Fatalf("%d requests", len(*reqs))
	}
	if _, err := (*reqs)[2].Accept(h.now()); err != nil {
		t.Fatal(err)
	}
	if again := onlySegment(t, h); again.Ack != 5001 || again.Seq.Diff(fin.Seq) < 1<<17 {
		t.Errorf("%+v after FIN %d", again, fin.Seq)
	}
}

// TestSynReplacesClosedConnection: a client that resets and begins anew on the same port in one batch, or
// while our RST waits to be sent, does not have to wait for its next SYN.
func TestSynReplacesClosedConnection(t *testing.T) {
	from, to := clientAddr+":1000", gatewayAddr+":80"
	for name, closeOld := range map[string]func(h *host, c *Conn, synack *wire.TCP) [][]byte{
		"RST before": func(_ *host, _ *Conn, synack *wire.TCP) [][]byte {
			return [][]byte{segment(from, to, wire.TCP{Flags: wire.FlagRST, Seq: synack.Ack})}
		},
		"aborted": func(h *host, c *Conn, _ *wire.TCP) [][]byte {
			c.Abort(h.now())
			return nil
		},
	} {
		h := newHost(t, gatewayAddr)
		l := listen(t, h, to, 4)
		synack := connect(t, h, from, to, 100)
		old, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		h.recv(append(closeOld(h, old, &synack), syn(from, to, 9000))...)
		again := onlySegment(t, h)
		if again.Flags != wire.FlagSYN|wire.FlagACK || again.Ack != 9001 || again.Seq.LessEq(synack.Seq) {
			t.Errorf("%s: %+v", name, again)
		}
		if n := h.s.Stats().Conns; n != 1 || !old.Released() {
			t.Errorf("%s: %d connections", name, n)
		}
	}
}
