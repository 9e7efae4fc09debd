package ourstack

import (
	"errors"
	"io"
	"testing"

	"vpngw/ourstack/tcp"
)

// TestQuietConnectionsAreFrozen: after a silence nothing but a tcp.Idle is left, questions do not change
// that, and whatever happens next finds the connection as it was.
func TestQuietConnectionsAreFrozen(t *testing.T) {
	for name, next := range map[string]func(t *testing.T, gateway, client *host, server, cl *Conn){
		"text": func(t *testing.T, gateway, client *host, server, cl *Conn) {
			for _, c := range []*Conn{server, cl} {
				if n, err := c.Write(gateway.now(), []byte("again")); n != 5 || err != nil {
					t.Fatal(n, err)
				}
			}
			exchange(gateway, client)
			for _, c := range []*Conn{server, cl} {
				var b [10]byte
				if n, err := c.Read(gateway.now(), b[:]); string(b[:n]) != "again" || err != nil {
					t.Errorf("%q, %v", b[:n], err)
				}
			}
			silence(gateway, client)
			if server.tcb != nil || cl.tcb != nil {
				t.Error("not frozen a second time")
			}
		},
		"close": func(t *testing.T, gateway, client *host, server, cl *Conn) {
			cl.Close(client.now())
			exchange(gateway, client)
			if _, err := server.Read(gateway.now(), make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("read: %v", err)
			}
			server.Close(gateway.now())
			exchange(gateway, client)
			if server.State() != tcp.StateClosed || cl.State() != tcp.StateTimeWait {
				t.Errorf("%v, %v", server.State(), cl.State())
			}
		},
		"abort": func(t *testing.T, gateway, client *host, server, cl *Conn) {
			cl.Abort(client.now())
			exchange(gateway, client)
			if _, err := server.Read(gateway.now(), make([]byte, 1)); !errors.Is(err, tcp.ErrReset) {
				t.Errorf("read: %v", err)
			}
		},
		"stack closed": func(t *testing.T, gateway, client *host, server, cl *Conn) {
			gateway.s.Close(gateway.now())
			exchange(gateway, client)
			if cl.Err() == nil || server.Err() == nil {
				t.Error("a connection survives its stack")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			gateway, client := pair(t)
			server, cl := established(t, gateway, client)
			if _, err := cl.Write(client.now(), make([]byte, 5000)); err != nil {
				t.Fatal(err)
			}
			run(gateway, client, tcp.Second, func() bool {
				n, _ := server.Read(gateway.now(), make([]byte, 5000))
				return n == 0 && cl.Unsent() == 0
			})
			before := [2]tcp.Info{server.Info(gateway.now()), cl.Info(gateway.now())}
			silence(gateway, client)
			for i, c := range []*Conn{server, cl} {
				if c.tcb != nil || c.idle == nil {
					t.Fatal("not frozen")
				}
				after := c.Info(gateway.now())
				if after.Counters.SegmentsIn < before[i].Counters.SegmentsIn || after.Counters.BytesIn != before[i].Counters.BytesIn ||
					after.RTT == 0 || after.State != tcp.StateEstablished || after.RcvWnd != before[i].RcvWnd {
					t.Errorf("before %+v, after %+v", before[i], after)
				}
				if c.State() != tcp.StateEstablished || c.Err() != nil || c.SoftError() != nil || c.Readable() || !c.Writable() || c.Unsent() != 0 {
					t.Error("not the same connection")
				}
				if c.tcb != nil {
					t.Error("a question thawed it")
				}
			}
			for _, h := range []*host{gateway, client} {
				if err := h.s.Check(); err != nil {
					t.Error(err)
				}
			}
			next(t, gateway, client, server, cl)
		})
	}
}

// silence lets ten seconds pass.
func silence(gateway, client *host) {
	end := gateway.now().Add(10 * tcp.Second)
	run(gateway, client, 10*tcp.Second, func() bool { return gateway.now() >= end })
}
