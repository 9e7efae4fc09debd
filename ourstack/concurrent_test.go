package ourstack

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"vpngw/ourstack/tcp"
)

// driver runs a stack as the adapter does: one goroutine takes packets and sleeps until it is woken, and
// hands them to the peer; a logical clock moves with each round, so nothing waits for real time.
type driver struct {
	h    *host
	peer *host
	wake chan struct{}
	stop chan struct{}
	now  *atomic.Int64
}

func (d *driver) run(wg *sync.WaitGroup) {
	defer wg.Done()
	bufs, sizes := make([][]byte, 32), make([]int, 32)
	for i := range bufs {
		bufs[i] = make([]byte, 1500)
	}
	for {
		now := tcp.Instant(d.now.Add(int64(100 * tcp.Microsecond)))
		if at, ok := d.h.s.NextDeadline(); ok && at <= now {
			d.h.s.Advance(now)
		}
		n := d.h.s.Output(now, bufs, sizes, 0)
		if n > 0 {
			in := make([][]byte, n)
			for i := range n {
				in[i] = bufs[i][:sizes[i]]
			}
			d.peer.s.Input(now, in, 0)
			continue
		}
		if _, ok := d.h.s.NextDeadline(); ok {
			select { // time passes: do not sleep, there is a deadline
			case <-d.stop:
				return
			default:
			}
			continue
		}
		select {
		case <-d.wake:
		case <-d.stop:
			return
		}
	}
}

// waiter blocks a user goroutine until its connection has an event.
type waiter chan struct{}

func (w waiter) Notify(Event) {
	select {
	case w <- struct{}{}:
	default:
	}
}

// TestConcurrentUse: many connections, each with its own goroutines at both ends, UDP and pings beside
// them, connections that are aborted, and Close at the end; for the race detector.
func TestConcurrentUse(t *testing.T) {
	wakes := map[string]chan struct{}{gatewayAddr: make(chan struct{}, 1), clientAddr: make(chan struct{}, 1)}
	mk := func(a string) *host {
		return newHost(t, a, func(c *Config) {
			c.Wake = func() { waiter(wakes[a]).Notify(0) }
		})
	}
	gateway, client := mk(gatewayAddr), mk(clientAddr)
	var clock atomic.Int64
	clock.Store(int64(second))
	now := func() tcp.Instant { return tcp.Instant(clock.Load()) }
	stop := make(chan struct{})
	var drivers, users sync.WaitGroup
	drivers.Add(2)
	go (&driver{gateway, client, wakes[gatewayAddr], stop, &clock}).run(&drivers)
	go (&driver{client, gateway, wakes[clientAddr], stop, &clock}).run(&drivers)

	gateway.s.SetForwardTCP(func(r *TCPRequest) {
		users.Add(1)
		go func() {
			defer users.Done()
			if c, err := r.Accept(now()); err == nil {
				serveEcho(now, c)
			}
		}()
	})
	const conns, size = 16, 20_000
	for i := range conns {
		users.Add(1)
		go func() {
			defer users.Done()
			c, err := client.s.Dial(now(), netip.AddrPort{}, ap(fmt.Sprintf("192.0.2.%d:80", 1+i)))
			if err != nil {
				t.Error(err)
				return
			}
			if i%4 == 3 {
				c.Abort(now())
				return
			}
			if err := exchangeEcho(now, c, pattern(size, uint64(i))); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		}()
	}
	users.Wait()
	gateway.s.Close(now())
	client.s.Close(now())
	close(stop)
	drivers.Wait()
	if n := client.s.Stats().UDPSockets; n != 0 {
		t.Errorf("%d sockets", n)
	}
}

// serveEcho sends back what it reads until the end of the stream.
func serveEcho(now func() tcp.Instant, c *Conn) {
	w := make(waiter, 1)
	c.SetNotifier(w)
	defer c.Close(now())
	var b [4000]byte
	for {
		n, err := c.Read(now(), b[:])
		if errors.Is(err, ErrWouldBlock) {
			<-w
			continue
		}
		if err != nil {
			return
		}
		for p := b[:n]; len(p) > 0; {
			n, err := c.Write(now(), p)
			p = p[n:]
			if errors.Is(err, ErrWouldBlock) {
				<-w
			} else if err != nil {
				return
			}
		}
	}
}

// exchangeEcho writes data and reads it back, in two goroutines.
func exchangeEcho(now func() tcp.Instant, c *Conn, data []byte) error {
	// One notifier for both directions: each event wakes both.
	rd, wr := make(waiter, 1), make(waiter, 1)
	c.SetNotifier(both{rd, wr})
	var writeErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		for p := data; len(p) > 0; {
			n, err := c.Write(now(), p)
			p = p[n:]
			if errors.Is(err, ErrWouldBlock) {
				<-wr
			} else if err != nil {
				writeErr = err
				return
			}
		}
		writeErr = c.CloseWrite(now())
	}()
	var got []byte
	var b [3000]byte
	for {
		n, err := c.Read(now(), b[:])
		got = append(got, b[:n]...)
		if errors.Is(err, ErrWouldBlock) {
			<-rd
			continue
		}
		if err == nil {
			continue
		}
		<-done
		c.Close(now())
		if !errors.Is(err, io.EOF) {
			return err
		}
		if string(got) != string(data) {
			return fmt.Errorf("%d of %d bytes came back", len(got), len(data))
		}
		return writeErr
	}
}

type both [2]waiter

func (b both) Notify(e Event) {
	b[0].Notify(e)
	b[1].Notify(e)
}

// TestConcurrentInput: packets of many peers at once, every kind, with listeners and sockets that come
// and go; for the race detector.
func TestConcurrentInput(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) { c.Limits.SynQueue = 4 })
	h.s.SetForwardTCP(func(r *TCPRequest) {
		if r.Remote().Port()%2 == 0 {
			r.Reject(h.now(), RejectAdmin)
		} else if c, err := r.Accept(h.now()); err == nil {
			c.Abort(h.now())
		}
	})
	h.s.SetForwardUDP(func(r *UDPRequest) {
		if u, err := r.Accept(h.now()); err == nil {
			u.Close()
		}
	})
	var wg sync.WaitGroup
	for peer := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			from := fmt.Sprintf("10.8.0.%d", 10+peer)
			for i := range 300 {
				c := fmt.Sprintf("%s:%d", from, 1000+i)
				batch := [][]byte{
					syn(c, gatewayAddr+":80", 1), syn(c, serverEnd, 1), syn(c, serverEnd, 1),
					udpDatagram(c, serverEnd, []byte("x")), udpDatagram(c, gatewayAddr+":53", []byte("x")),
					echo(from, gatewayAddr, 1, uint16(i), nil), syn(c, serverEnd, 7),
				}
				h.s.Input(h.now(), append(batch, fragments(udpDatagram(c, gatewayAddr+":53", make([]byte, 99)), 48)...), 0)
			}
		}()
	}
	wg.Add(2)
	go func() {
		defer wg.Done()
		for range 200 {
			l, err := h.s.Listen(ap(gatewayAddr+":80"), 4)
			if err != nil {
				t.Error(err)
				return
			}
			u, err := h.s.ListenUDP(ap(gatewayAddr + ":53"))
			if err != nil {
				t.Error(err)
				return
			}
			u.Close()
			l.Close(h.now())
		}
	}()
	go func() {
		defer wg.Done()
		bufs, sizes := make([][]byte, 32), make([]int, 32)
		for i := range bufs {
			bufs[i] = make([]byte, 1500)
		}
		for range 2000 {
			h.s.Output(h.now(), bufs, sizes, 0)
			h.s.Advance(h.now())
			h.s.Stats()
		}
	}()
	wg.Wait()
	h.s.Close(h.now())
	h.packets()
	if st := h.s.Stats(); st.Conns != 0 || st.UDPSockets != 0 || st.Requests != 0 || len(h.s.remotes.m) != 0 {
		t.Errorf("left: %+v", st)
	}
}

// TestCloseRacesWithEverything: what is opened while Close runs fails or is closed by it; nothing stays.
func TestCloseRacesWithEverything(t *testing.T) {
	for round := range 100 {
		h := newHost(t, gatewayAddr, func(c *Config) { c.Seed[9] = byte(round) })
		h.s.SetForwardTCP(func(r *TCPRequest) {
			if r.Remote().Port()%2 == 0 {
				_, _ = r.Accept(h.now())
			}
		})
		h.s.SetForwardUDP(func(r *UDPRequest) { _, _ = r.Accept(h.now()) })
		start := make(chan struct{})
		var wg sync.WaitGroup
		racer := func(f func(i int)) {
			wg.Add(1)
			go func() {
				defer wg.Done()
				<-start
				for i := range 20 {
					f(i)
				}
			}()
		}
		racer(func(i int) { _, _ = h.s.Dial(h.now(), netip.AddrPort{}, ap("10.8.0.2:80")) })
		racer(func(i int) { _, _ = h.s.Listen(ap(fmt.Sprintf("%s:%d", gatewayAddr, 1+i)), 1) })
		racer(func(i int) { _, _ = h.s.ListenUDP(ap(fmt.Sprintf("%s:%d", gatewayAddr, 1+i))) })
		racer(func(i int) { _, _ = h.s.ListenPing(netip.Addr{}) })
		racer(func(i int) {
			c := fmt.Sprintf("%s:%d", clientAddr, 1+i)
			h.recv(syn(c, serverEnd, 1), udpDatagram(c, serverEnd, nil), syn(c, gatewayAddr+":1", 1), echo(clientAddr, gatewayAddr, 1, 1, nil))
		})
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-start
			h.s.Close(h.now())
		}()
		close(start)
		wg.Wait()
		h.packets()
		h.after(200 * second) // a request that was being accepted ends by silence
		h.packets()
		st := h.s.Stats()
		if st.Conns != 0 || st.UDPSockets != 0 || st.Requests != 0 || st.DatagramMemory != 0 ||
			len(h.s.remotes.m) != 0 || len(h.s.table.listeners) != 0 || len(h.s.pings.m) != 0 || len(h.s.deadlines.heap) != 0 {
			t.Fatalf("round %d: left %+v, %d remotes, %d listeners, %d pings, %d deadlines", round, st,
				len(h.s.remotes.m), len(h.s.table.listeners), len(h.s.pings.m), len(h.s.deadlines.heap))
		}
	}
}

// TestSYNsOfOneClientAtOnce: a SYN and its retransmission in two goroutines make one request.
func TestSYNsOfOneClientAtOnce(t *testing.T) {
	h, reqs := newHost(t, gatewayAddr), atomic.Int64{}
	h.s.SetForwardTCP(func(*TCPRequest) { reqs.Add(1) })
	const clients = 500
	var wg sync.WaitGroup
	for range 2 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for port := range clients {
				from := fmt.Sprintf("%s:%d", clientAddr, 1000+port)
				h.s.Input(h.now(), [][]byte{syn(from, serverEnd, 1)}, 0)
			}
		}()
	}
	wg.Wait()
	if reqs.Load() != clients || h.s.Stats().Requests != clients {
		t.Errorf("%d requests, %d wait", reqs.Load(), h.s.Stats().Requests)
	}
}

// TestDestinationsInTurn: one goroutine sends to one destination after the other while another takes the
// packets: the queue of the one before is used anew at once.
func TestDestinationsInTurn(t *testing.T) {
	h := newHost(t, gatewayAddr)
	p, err := h.s.ListenPing(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	const pings = 20_000
	var done atomic.Bool
	var sent int
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		defer done.Store(true)
		for i := range pings {
			to := netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i%3)})
			if p.WriteTo(h.now(), uint16(i), nil, to) == nil {
				sent++
			}
		}
	}()
	bufs, sizes, got := [][]byte{make([]byte, 2000), make([]byte, 2000)}, make([]int, 2), 0
	for {
		last := done.Load()
		n := h.s.Output(h.now(), bufs, sizes, 0)
		if got += n; n == 0 && last {
			break
		}
	}
	wg.Wait()
	if got != sent {
		t.Errorf("%d of %d pings came out", got, sent)
	}
}
