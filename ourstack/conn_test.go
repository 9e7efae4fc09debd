package ourstack

import (
	"errors"
	"io"
	"net/netip"
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// TestNotifierHearsWhatItMissed: events before SetNotifier are reported by it, once.
func TestNotifierHearsWhatItMissed(t *testing.T) {
	gateway, client := pair(t)
	server, cl := established(t, gateway, client)
	if _, err := cl.Write(client.now(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	exchange(gateway, client)
	var ev countNotifier
	server.SetNotifier(&ev)
	if ev.n != 1 || ev.seen&(tcp.EventConnected|tcp.EventReadable) != tcp.EventConnected|tcp.EventReadable {
		t.Errorf("%d calls, events %b", ev.n, ev.seen)
	}
	var again countNotifier
	server.SetNotifier(&again)
	if again.n != 0 {
		t.Errorf("told again: %b", again.seen)
	}
	server.SetNotifier(nil)
	cl.Abort(client.now())
	exchange(gateway, client)
	server.SetNotifier(&again)
	if again.seen&tcp.EventClosed == 0 {
		t.Errorf("events %b after a reset", again.seen)
	}
}

// TestNotifierMayCallBack: a notification may use the connection it is about.
func TestNotifierMayCallBack(t *testing.T) {
	gateway, client := pair(t)
	server, cl := established(t, gateway, client)
	echoServer := &echoNotifier{h: gateway, c: server}
	server.SetNotifier(echoServer)
	if _, err := cl.Write(client.now(), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	exchange(gateway, client)
	var b [10]byte
	if n, err := cl.Read(client.now(), b[:]); err != nil || string(b[:n]) != "hello" {
		t.Errorf("%q, %v", b[:n], err)
	}
}

type echoNotifier struct {
	h *host
	c *Conn
}

func (e *echoNotifier) Notify(Event) {
	var b [100]byte
	n, err := e.c.Read(e.h.now(), b[:])
	if err == nil {
		_, err = e.c.Write(e.h.now(), b[:n])
	}
	if err != nil && !errors.Is(err, ErrWouldBlock) {
		e.h.t.Error(err)
	}
}

// TestZeroCopyCalls: WriteSpace/CommitWrite and Peek/Discard carry a stream.
func TestZeroCopyCalls(t *testing.T) {
	gateway, client := pair(t)
	server, cl := established(t, gateway, client)
	data := pattern(30_000, 2)
	sent, got := 0, []byte(nil)
	var views [8][]byte
	for len(got) < len(data) {
		for sent < len(data) {
			space, err := cl.WriteSpace(views[:0])
			if errors.Is(err, ErrWouldBlock) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, p := range space {
				n += copy(p, data[sent+n:])
			}
			if err := cl.CommitWrite(client.now(), n); err != nil {
				t.Fatal(err)
			}
			sent += n
		}
		exchange(gateway, client)
		if *gateway.clock += tcp.Instant(ms); *gateway.clock > tcp.Instant(60*second) {
			t.Fatal("no progress")
		}
		gateway.s.Advance(gateway.now())
		client.s.Advance(client.now())
		for {
			in, err := server.Peek(views[:0])
			if errors.Is(err, ErrWouldBlock) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, v := range in {
				got = append(got, v...)
				n += len(v)
			}
			server.Discard(gateway.now(), n)
		}
	}
	if string(got) != string(data) {
		t.Error("stream damaged")
	}
}

// TestHalfCloseAndReset: end of stream and reset are told apart; after the end the other direction goes on.
func TestHalfCloseAndReset(t *testing.T) {
	gateway, client := pair(t)
	server, cl := established(t, gateway, client)
	if err := cl.CloseWrite(client.now()); err != nil {
		t.Fatal(err)
	}
	exchange(gateway, client)
	var b [100]byte
	if _, err := server.Read(gateway.now(), b[:]); !errors.Is(err, io.EOF) {
		t.Errorf("read %v", err)
	}
	if _, err := server.Write(gateway.now(), []byte("reply")); err != nil {
		t.Errorf("write %v", err)
	}
	exchange(gateway, client)
	if n, err := cl.Read(client.now(), b[:]); err != nil || string(b[:n]) != "reply" {
		t.Errorf("read %q %v", b[:n], err)
	}
	server.Abort(gateway.now())
	exchange(gateway, client)
	if _, err := cl.Read(client.now(), b[:]); !errors.Is(err, tcp.ErrReset) {
		t.Errorf("read %v", err)
	}
	if cl.State() != tcp.StateClosed || !cl.Readable() || !cl.Writable() || cl.Unsent() != 0 {
		t.Errorf("%v readable %v writable %v unsent %d", cl.State(), cl.Readable(), cl.Writable(), cl.Unsent())
	}
}

// TestPacketHeader: DF, TTL, DSCP and ECN of TCP packets come from the connection (RFC 9293 §3.9.1.9).
func TestPacketHeader(t *testing.T) {
	gateway, client := pair(t, func(c *Config) { c.TCP.ECN = true })
	_, cl := established(t, gateway, client)
	cl.SetDSCP(46)
	cl.SetTTL(9)
	if _, err := cl.Write(client.now(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	var ip wire.IPv4
	if e := ip.Parse(client.packets()[0]); e != wire.OK {
		t.Fatal(e)
	}
	if !ip.DF || ip.TTL != 9 || ip.TOS != 46<<2|wire.ECNECT0 || ip.ID != 0 {
		t.Errorf("%+v", ip)
	}
}

// TestConnsInOrder: the snapshot does not depend on the order of a map.
func TestConnsInOrder(t *testing.T) {
	h := newHost(t, clientAddr)
	for _, to := range []string{"10.8.0.9:80", "10.8.0.1:80", "10.8.0.1:22", "10.8.0.5:80"} {
		if _, err := h.s.Dial(h.now(), netip.AddrPort{}, ap(to)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for c := range h.s.Conns() {
		got = append(got, c.RemoteAddr().String())
	}
	want := []string{"10.8.0.1:22", "10.8.0.1:80", "10.8.0.5:80", "10.8.0.9:80"}
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v", got)
		}
	}
	for range h.s.Conns() {
		break
	}
}

// TestSettersReachTheConnection: what each setter changes is visible in Info or on the wire.
func TestSettersReachTheConnection(t *testing.T) {
	gateway, client := pair(t)
	server, cl := established(t, gateway, client)
	cl.SetReadBuffer(32 << 10)
	cl.SetWriteBuffer(24 << 10)
	info := cl.Info(client.now())
	if info.RcvBuf != 32<<10 || info.SndBuf != 24<<10 {
		t.Errorf("buffers of %d and %d", info.RcvBuf, info.SndBuf)
	}
	n, err := cl.Write(client.now(), make([]byte, 1<<20))
	if err != nil || n > 24<<10+tcp.BlockSize {
		t.Errorf("wrote %d, %v", n, err)
	}
	exchange(gateway, client)

	// Keep-alive: the peer vanishes, the connection ends after the probes.
	server.SetKeepAlive(gateway.now(), tcp.KeepAliveConfig{Enabled: true, Idle: 10 * second, Interval: second, Count: 3})
	server.CloseRead(gateway.now())
	run(gateway, client, 60*second, func() bool { return errors.Is(server.Err(), tcp.ErrTimeout) },
		func([]byte) bool { return false })

	// User timeout: written data that nobody acknowledges ends it.
	gateway, client = pair(t)
	_, cl = established(t, gateway, client)
	cl.SetUserTimeout(5 * second)
	if _, err := cl.Write(client.now(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	run(gateway, client, 30*second, func() bool { return errors.Is(cl.Err(), tcp.ErrTimeout) },
		func([]byte) bool { return false })
}
