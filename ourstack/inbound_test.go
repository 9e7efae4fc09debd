package ourstack

import (
	"net/netip"
	"testing"

	"vpngw/ourstack/tcp"
)

// rounds has n connections receive much, twice a period each, for as many periods, and returns what may stand for one
// of them in the end.
func (in *inbound) rounds(now *tcp.Instant, periods, n int) (standing int) {
	const half = inboundPeriod / 2
	for range 2 * periods {
		*now = now.Add(half)
		for range n {
			standing = in.round(*now, now.Add(-half), inboundMuch)
		}
	}
	return standing
}

// TestConnectionsShareWhatMayStand: equally, with enough for each while they are not very many; and what
// connections that have ended had is soon the others'.
func TestConnectionsShareWhatMayStand(t *testing.T) {
	var in inbound
	now := tcp.Instant(tcp.Second)
	for _, step := range []struct{ flows, want int }{
		{1, inboundStanding}, {8, inboundStanding / 8}, {64, inboundPerFlow}, {1000, standingMax / 1000}, {2, inboundStanding / 2},
	} {
		if got := in.rounds(&now, 3, step.flows); got != step.want {
			t.Errorf("%d bytes for each of %d connections, want %d", got, step.flows, step.want)
		}
	}
	now = now.Add(10 * inboundPeriod)
	if got := in.round(now, 0, inboundMuch); got != inboundStanding {
		t.Errorf("%d bytes for one after a silence", got)
	}
}

// TestSmallTalkTakesNoShare: connections that receive little do not count.
func TestSmallTalkTakesNoShare(t *testing.T) {
	var in inbound
	now := tcp.Instant(tcp.Second)
	for range 100 {
		now = now.Add(inboundPeriod / 2)
		for range 100 {
			in.round(now, now.Add(-inboundPeriod), inboundMuch-1)
		}
		if got := in.round(now, now.Add(-inboundPeriod/2), 1<<20); got != inboundStanding {
			t.Fatalf("%d bytes for the only one that receives much", got)
		}
	}
}

// TestUploadsLeaveTheQueueShort: what one client may send on many connections over a slow path does not fill the
// queue in front of it, and the path stays full.
func TestUploadsLeaveTheQueueShort(t *testing.T) {
	const flows, perTurn, turn, mss = 64, 32, 5 * tcp.Millisecond, 1380
	gateway, client := pair(t)
	var servers, clients []*Conn
	for range flows {
		s, c := establishedIn(t, gateway, client, turn)
		servers, clients = append(servers, s), append(clients, c)
	}
	data, b := make([]byte, 256<<10), make([]byte, 256<<10)
	var queue [][]byte
	read, widest := 0, 0
	for i := range 2000 {
		for _, c := range clients {
			_, _ = c.Write(client.now(), data) // what there is room for
		}
		queue = append(queue, client.packets()...)
		n := min(perTurn, len(queue))
		gateway.recv(queue[:n]...)
		queue = queue[n:]
		windows := 0
		for _, s := range servers {
			n, _ := s.Read(gateway.now(), b)
			read += n
			windows += int(s.Info(gateway.now()).RcvWnd)
		}
		if err := gateway.s.Check(); err != nil {
			t.Fatal(err)
		}
		gateway.after(turn)
		client.recv(gateway.packets()...)
		client.s.Advance(client.now())
		if i > 1000 {
			widest = max(widest, windows)
		}
	}
	if want := 2000 * perTurn * mss * 9 / 10; read < want {
		t.Errorf("read %d bytes, want %d", read, want)
	}
	if limit := flows*inboundPerFlow + 5*perTurn*mss; widest > limit {
		t.Errorf("windows of %d bytes in all, want at most %d", widest, limit)
	}
}

// establishedIn makes a connection in a round trip of rtt.
func establishedIn(t *testing.T, gateway, client *host, rtt tcp.Duration) (server, cl *Conn) {
	t.Helper()
	l, err := gateway.s.Listen(ap(gatewayAddr+":80"), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(gateway.now())
	if cl, err = client.s.Dial(client.now(), netip.AddrPort{}, ap(gatewayAddr+":80")); err != nil {
		t.Fatal(err)
	}
	gateway.recv(client.packets()...)
	client.after(rtt)
	exchange(gateway, client)
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return server, cl
}
