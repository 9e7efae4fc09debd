package ourstack

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

const clientEnd, serverEnd = clientAddr + ":1000", serverAddr + ":443"

// forwarding makes a host that collects forward requests.
func forwarding(t *testing.T, change ...func(*Config)) (*host, *[]*TCPRequest) {
	t.Helper()
	h := newHost(t, gatewayAddr, change...)
	var reqs []*TCPRequest
	h.s.SetForwardTCP(func(r *TCPRequest) { reqs = append(reqs, r) })
	return h, &reqs
}

// TestForwardFirst: one request of each call of Input may take its time.
func TestForwardFirst(t *testing.T) {
	h, reqs := forwarding(t)
	for round := range 2 {
		*reqs = nil
		bufs := make([][]byte, 0, 3)
		for i := range cap(bufs) {
			bufs = append(bufs, syn(fmt.Sprint(clientAddr, ":", 2000+10*round+i), serverEnd, 100))
		}
		h.s.Input(h.now(), bufs, 0)
		for i, r := range *reqs {
			if r.First() != (i == 0) {
				t.Errorf("round %d: request %d says %v", round, i, r.First())
			}
		}
		if len(*reqs) != len(bufs) {
			t.Errorf("%d requests", len(*reqs))
		}
	}
}

// TestForwardAnsweredAtOnceSetsNoTimer: nobody is woken for a request that its handler has answered.
func TestForwardAnsweredAtOnceSetsNoTimer(t *testing.T) {
	h := newHost(t, gatewayAddr)
	answer := true
	h.s.SetForwardTCP(func(r *TCPRequest) {
		if answer {
			r.Reject(h.now(), RejectSilent)
		}
	})
	h.recv(syn(clientEnd, serverEnd, 100))
	if n := h.wakes.Load(); n != 0 || len(h.s.deadlines.heap) != 0 {
		t.Errorf("%d calls of Wake, %d deadlines", n, len(h.s.deadlines.heap))
	}
	answer = false
	h.recv(syn(clientEnd, serverEnd, 200))
	if n := h.wakes.Load(); n != 1 || len(h.s.deadlines.heap) != 1 {
		t.Errorf("control: %d calls of Wake, %d deadlines", n, len(h.s.deadlines.heap))
	}
}

// TestForwardWaitsForTheAnswer: no SYN-ACK before Accept; retransmitted SYNs join; after it the
// connection has the client's options and the destination's address.
func TestForwardWaitsForTheAnswer(t *testing.T) {
	h, reqs := forwarding(t)
	h.recv(syn(clientEnd, serverEnd, 100))
	h.want("nothing is sent before the answer")
	if len(*reqs) != 1 {
		t.Fatalf("%d requests", len(*reqs))
	}
	r := (*reqs)[0]
	if r.Local() != ap(serverEnd) || r.Remote() != ap(clientEnd) {
		t.Errorf("request of %v to %v", r.Remote(), r.Local())
	}
	for range 3 {
		h.after(second)
		h.recv(syn(clientEnd, serverEnd, 100))
	}
	h.want("nothing is sent before the answer")
	if len(*reqs) != 1 {
		t.Fatalf("retransmissions raised %d requests", len(*reqs))
	}
	h.wantDrop("tcp: syn joined forward request", 3)

	c, err := r.Accept(h.now())
	if err != nil {
		t.Fatal(err)
	}
	var ev events
	c.SetNotifier(&ev)
	if c.LocalAddr() != ap(serverEnd) || c.RemoteAddr() != ap(clientEnd) {
		t.Errorf("connection %v %v", c.LocalAddr(), c.RemoteAddr())
	}
	if _, err := c.Write(h.now(), []byte("welcome")); err != nil {
		t.Errorf("write before the handshake is complete: %v", err)
	}
	synack := onlySegment(t, h)
	if synack.Ack != 101 || !synack.Opts.SACKPermitted || !synack.Opts.HasWndScale || synack.Opts.TSEcr != 1 {
		t.Errorf("SYN-ACK %+v", synack)
	}
	h.recv(ackOf(clientEnd, serverEnd, &synack))
	if ev.seen&tcp.EventConnected == 0 {
		t.Error("no EventConnected")
	}
	h.want("what was written", serverEnd+" > "+clientEnd+" P. *(7) ack 101*")
	if _, err := r.Accept(h.now()); !errors.Is(err, ErrCanceled) {
		t.Errorf("second Accept: %v", err)
	}
	r.Reject(h.now(), RejectRefused)
	h.want("Reject after Accept does nothing")
	if st := h.s.Stats(); st.Requests != 0 || st.ForwardOpens != 1 || st.Conns != 1 {
		t.Errorf("%+v", st)
	}
}

// TestForwardReject: each reason looks to the client as a direct connection would.
func TestForwardReject(t *testing.T) {
	quoted := "[" + clientEnd + " > " + serverEnd + " S 100:100(0)*]"
	for reason, want := range map[Reason][]string{
		RejectRefused:         {serverEnd + " > " + clientEnd + " R. 0:0(0) ack 101*"},
		RejectNetUnreachable:  {gatewayAddr + " > " + clientAddr + " icmp unreachable net " + quoted},
		RejectHostUnreachable: {gatewayAddr + " > " + clientAddr + " icmp unreachable host " + quoted},
		RejectPort:            {serverAddr + " > " + clientAddr + " icmp unreachable port " + quoted},
		RejectAdmin:           {gatewayAddr + " > " + clientAddr + " icmp unreachable admin* " + quoted},
		RejectSilent:          nil,
	} {
		h, reqs := forwarding(t)
		h.recv(syn(clientEnd, serverEnd, 100))
		(*reqs)[0].Reject(h.now(), reason)
		(*reqs)[0].Reject(h.now(), RejectRefused)
		h.want("reject", want...)
		if _, err := (*reqs)[0].Accept(h.now()); !errors.Is(err, ErrCanceled) {
			t.Errorf("Accept after Reject: %v", err)
		}
		if st := h.s.Stats(); st.Requests != 0 || len(h.s.remotes.m) != 0 || len(h.s.deadlines.heap) != 0 {
			t.Errorf("reason %d leaves something: %+v", reason, st)
		}
		h.recv(syn(clientEnd, serverEnd, 100))
		if len(*reqs) != 2 {
			t.Errorf("reason %d: the next SYN raises no request", reason)
		}
	}
}

// TestForwardErrorReachesClientSocket: the client's stack turns each answer into the error that a direct
// connection would have had.
func TestForwardErrorReachesClientSocket(t *testing.T) {
	for reason, want := range map[Reason]error{
		RejectRefused:         tcp.ErrRefused,
		RejectPort:            tcp.ErrRefused,
		RejectNetUnreachable:  tcp.ErrNetUnreachable,
		RejectHostUnreachable: tcp.ErrHostUnreachable,
		RejectAdmin:           tcp.ErrProhibited,
	} {
		gateway, client := pair(t)
		gateway.s.SetForwardTCP(func(r *TCPRequest) { r.Reject(gateway.now(), reason) })
		c, err := client.s.Dial(client.now(), netip.AddrPort{}, ap(serverEnd))
		if err != nil {
			t.Fatal(err)
		}
		exchange(gateway, client)
		if got := errors.Join(c.Err(), c.SoftError()); !errors.Is(got, want) {
			t.Errorf("reason %d: %v, want %v", reason, got, want)
		}
	}
}

// TestForwardCanceledByReset: a RST ends the request, once; one with another sequence number does not.
func TestForwardCanceledByReset(t *testing.T) {
	h, reqs := forwarding(t)
	h.recv(syn(clientEnd, serverEnd, 100))
	r := (*reqs)[0]
	n := 0
	r.SetCancel(func() { n++ })
	h.recv(segment(clientEnd, serverEnd, wire.TCP{Flags: wire.FlagRST, Seq: 5000}))
	if n != 0 {
		t.Fatal("canceled by a RST out of the window")
	}
	rst := segment(clientEnd, serverEnd, wire.TCP{Flags: wire.FlagRST, Seq: 101})
	h.recv(rst, rst)
	if n != 1 {
		t.Errorf("canceled %d times", n)
	}
	h.want("no answer")
	if _, err := r.Accept(h.now()); !errors.Is(err, ErrCanceled) {
		t.Errorf("Accept: %v", err)
	}
	r.SetCancel(func() { n += 10 })
	if n != 11 {
		t.Error("SetCancel after the cancellation does not call at once")
	}
	if st := h.s.Stats(); st.Requests != 0 || st.RequestsCanceled != 1 {
		t.Errorf("%+v", st)
	}
}

// TestForwardCanceledByNewSyn: a SYN with another sequence number is another attempt.
func TestForwardCanceledByNewSyn(t *testing.T) {
	h, reqs := forwarding(t)
	h.recv(syn(clientEnd, serverEnd, 100))
	canceled := false
	(*reqs)[0].SetCancel(func() { canceled = true })
	h.recv(syn(clientEnd, serverEnd, 900))
	if !canceled || len(*reqs) != 2 {
		t.Fatalf("canceled %v, %d requests", canceled, len(*reqs))
	}
	if _, err := (*reqs)[1].Accept(h.now()); err != nil {
		t.Fatal(err)
	}
	h.want("the new attempt is answered", "* S. * ack 901*")
}

// TestForwardCanceledBySilence: as long as the client's SYNs come with their exponential spacing the
// request lives, also when one is lost; when they stop, it ends soon after the next were due.
func TestForwardCanceledBySilence(t *testing.T) {
	for _, c := range []struct {
		name   string
		gaps   []tcp.Duration // between SYNs, seconds
		lives  tcp.Duration   // after the last SYN, at least
		cancel tcp.Duration   // and not longer than
	}{
		{"one SYN", nil, 4, 6},
		{"Linux", []tcp.Duration{1, 2, 4, 8, 16, 32}, 64, 130},
		{"Linux with linear timeouts", []tcp.Duration{1, 1, 1, 1, 1, 2, 4}, 20, 30},
		{"initial RTO of 3 s", []tcp.Duration{3, 6, 12}, 48, 80},
		{"one lost", []tcp.Duration{1, 6, 8}, 20, 60},
	} {
		h, reqs := forwarding(t)
		h.recv(syn(clientEnd, serverEnd, 100))
		canceled := false
		(*reqs)[0].SetCancel(func() { canceled = true })
		for _, gap := range c.gaps {
			h.after(gap * second)
			if canceled {
				t.Fatalf("%s: canceled before the SYN after %d s", c.name, gap)
			}
			h.recv(syn(clientEnd, serverEnd, 100))
		}
		h.after(c.lives * second)
		if canceled {
			t.Errorf("%s: canceled within %d s", c.name, c.lives)
		}
		h.after((c.cancel - c.lives) * second)
		if !canceled {
			t.Errorf("%s: not canceled after %d s", c.name, c.cancel)
		}
		if _, ok := h.s.NextDeadline(); ok {
			t.Errorf("%s: a deadline is left", c.name)
		}
	}
}

// TestForwardEchoesTheLastSYN: the client measures its first round trip by the timestamp that the SYN-ACK
// echoes (RFC 7323 §4.1): not from a SYN that it sent while the destination was not yet found.
func TestForwardEchoesTheLastSYN(t *testing.T) {
	h, reqs := forwarding(t)
	for _, ts := range []uint32{1000, 2000, 4000, 1000} { // the last one was delayed in the network
		h.recv(segment(clientEnd, serverEnd, wire.TCP{Flags: wire.FlagSYN, Seq: 100, Opts: clientOptions(ts)}))
		h.after(second)
	}
	if _, err := (*reqs)[0].Accept(h.now()); err != nil {
		t.Fatal(err)
	}
	if synack := onlySegment(t, h); synack.Opts.TSEcr != 4000 {
		t.Errorf("TSecr %d", synack.Opts.TSEcr)
	}
}

// TestForwardLimits: requests of one client and of all are bounded; a good client of another address
// gets through while one fills its share (bug 25 of the list, trap 4).
func TestForwardLimits(t *testing.T) {
	h, reqs := forwarding(t, func(c *Config) {
		c.Limits.ForwardRequests, c.Limits.ForwardRequestsPerRemote = 12, 10
	})
	for i := range 50 {
		h.recv(syn(fmt.Sprintf("%s:%d", clientAddr, 1000+i), serverEnd, 1))
	}
	if len(*reqs) != 10 {
		t.Fatalf("%d requests of one client", len(*reqs))
	}
	for i := range 5 {
		h.recv(syn(fmt.Sprintf("10.8.0.%d:5", 10+i), serverEnd, 1))
	}
	if len(*reqs) != 12 {
		t.Fatalf("%d requests in all", len(*reqs))
	}
	h.want("requests over the limit are not answered")
	h.wantDrop("tcp: forward request limit", 43)
	(*reqs)[0].Reject(h.now(), RejectRefused)
	h.recv(syn(fmt.Sprintf("%s:%d", clientAddr, 1049), serverEnd, 1))
	if len(*reqs) != 13 {
		t.Error("no room after one was answered")
	}
}

// TestForwardFloodIsFlat: a hundred thousand SYNs of a port scan leave no more than the limit, and
// nothing once they fell silent.
func TestForwardFloodIsFlat(t *testing.T) {
	h := newHost(t, gatewayAddr)
	h.s.SetForwardTCP(func(*TCPRequest) {}) // as if every destination were dead
	for i := range 100_000 {
		h.recv(syn(fmt.Sprintf("%s:%d", clientAddr, 1+i%65535), fmt.Sprintf("192.0.%d.1:80", i%200), uint32(i)))
		if i%5000 == 0 {
			h.after(ms)
		}
	}
	if st := h.s.Stats(); st.Requests > h.s.limits.ForwardRequestsPerRemote {
		t.Errorf("%d requests", st.Requests)
	}
	h.after(20 * second)
	if st := h.s.Stats(); st.Requests != 0 || len(h.s.remotes.m) != 0 || len(h.s.deadlines.heap) != 0 {
		t.Errorf("left: %d requests, %d remotes, %d deadlines", st.Requests, len(h.s.remotes.m), len(h.s.deadlines.heap))
	}
}

// TestForwardAcceptAtConnectionLimit: the request stays and can be rejected.
func TestForwardAcceptAtConnectionLimit(t *testing.T) {
	h, reqs := forwarding(t, func(c *Config) { c.Limits.Conns = 1 })
	h.recv(syn(clientEnd, serverEnd, 1), syn(clientAddr+":1001", serverEnd, 1))
	if _, err := (*reqs)[0].Accept(h.now()); err != nil {
		t.Fatal(err)
	}
	if _, err := (*reqs)[1].Accept(h.now()); !errors.Is(err, ErrLimit) {
		t.Fatalf("second: %v", err)
	}
	h.packets()
	(*reqs)[1].Reject(h.now(), RejectRefused)
	h.want("the second is refused", "*> "+clientAddr+":1001 R. *")
}

// TestForwardClientGoneAfterAccept: the client does not complete the handshake; the connection ends.
func TestForwardClientGoneAfterAccept(t *testing.T) {
	h, reqs := forwarding(t)
	h.recv(syn(clientEnd, serverEnd, 1))
	c, err := (*reqs)[0].Accept(h.now())
	if err != nil {
		t.Fatal(err)
	}
	var ev events
	c.SetNotifier(&ev)
	for range 200 {
		h.after(second)
		h.packets()
	}
	if ev.seen&tcp.EventClosed == 0 || !c.Released() {
		t.Errorf("events %b, released %v", ev.seen, c.Released())
	}
}

// TestForwardStrayAckDuringRequest: an ACK for a pending request is refused as in LISTEN, and the
// request goes on.
func TestForwardStrayAckDuringRequest(t *testing.T) {
	h, reqs := forwarding(t)
	h.recv(syn(clientEnd, serverEnd, 1))
	h.recv(segment(clientEnd, serverEnd, wire.TCP{Flags: wire.FlagACK, Seq: 2, Ack: 5}))
	h.want("RST", "* R 5:5(0)*")
	if _, err := (*reqs)[0].Accept(h.now()); err != nil {
		t.Error(err)
	}
}

func TestForwardPortZeroAndNoHandler(t *testing.T) {
	h, reqs := forwarding(t)
	h.recv(syn(clientEnd, serverAddr+":0", 1))
	h.want("port 0 is refused", "* R. *")
	h.s.SetForwardTCP(nil)
	h.recv(syn(clientEnd, serverEnd, 1))
	h.want("without a handler", "* R. *")
	if len(*reqs) != 0 {
		t.Errorf("%d requests", len(*reqs))
	}
}

// TestForwardedConnectionEndToEnd: half-close both ways and data through an accepted request.
func TestForwardedConnectionEndToEnd(t *testing.T) {
	gateway, client := pair(t)
	var server *Conn
	gateway.s.SetForwardTCP(func(r *TCPRequest) {
		c, err := r.Accept(gateway.now())
		if err != nil {
			t.Error(err)
		}
		server = c
	})
	cl, err := client.s.Dial(client.now(), netip.AddrPort{}, ap(serverEnd))
	if err != nil {
		t.Fatal(err)
	}
	exchange(gateway, client)
	up, down := pattern(50_000, 4), pattern(70_000, 5)
	gotUp, gotDown := transfer(t, gateway, client, server, cl, up, down)
	if !bytes.Equal(up, gotUp) || !bytes.Equal(down, gotDown) {
		t.Error("transfer damaged")
	}
}

// TestForwardCloseCancels: Close of the stack tells whoever waits.
func TestForwardCloseCancels(t *testing.T) {
	h, reqs := forwarding(t)
	h.recv(syn(clientEnd, serverEnd, 1))
	canceled := false
	(*reqs)[0].SetCancel(func() { canceled = true })
	h.s.Close(h.now())
	if _, err := (*reqs)[0].Accept(h.now()); !canceled || !errors.Is(err, ErrCanceled) {
		t.Errorf("canceled %v, %v", canceled, err)
	}
}
