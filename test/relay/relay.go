package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// clientsMax bounds the sockets a relay opens towards the server. A test has a handful of clients.
const clientsMax = 256

// datagramMax is the largest UDP payload over IPv4.
const datagramMax = 65507

// Config says what a Relay connects and how badly. The sockets are handed in so that they can
// belong to any network namespace.
type Config struct {
	// Listen receives from clients. The Relay owns it and closes it.
	Listen *net.UDPConn
	// Dial opens a socket connected to the server; it is called once for each client and again by
	// Rebind. The Relay closes what it returns.
	Dial func() (*net.UDPConn, error)
	// Seed decides everything that is drawn. Up and Down use different streams of it.
	Seed uint64
	// Up is the path from client to server, Down the way back.
	Up, Down Impairment
}

// Relay carries datagrams between clients and one server. Safe for concurrent use.
type Relay struct {
	listen *net.UDPConn
	dial   func() (*net.UDPConn, error)
	start  time.Time
	done   chan struct{}
	wg     sync.WaitGroup
	up     *path
	down   *path

	mu      sync.Mutex // guards the fields below
	clients map[netip.AddrPort]*client
	closed  bool
	err     error
}

// path is one direction: its link and the datagrams on their way.
type path struct {
	queue *queue

	mu         sync.Mutex // guards the fields below
	link       *Link
	overflowed uint64
}

// client is one source address and its socket towards the server.
type client struct {
	addr netip.AddrPort
	conn *net.UDPConn // guarded by Relay.mu
}

// New starts a relay; Close ends it.
func New(cfg Config) (*Relay, error) {
	if cfg.Listen == nil || cfg.Dial == nil {
		return nil, errors.New("relay: Listen and Dial are needed")
	}
	up, err := NewLink(cfg.Seed, cfg.Up)
	if err != nil {
		return nil, err
	}
	down, err := NewLink(^cfg.Seed, cfg.Down)
	if err != nil {
		return nil, err
	}
	// A burst that the kernel drops would be a loss that no seed decided.
	_ = cfg.Listen.SetReadBuffer(4 << 20)
	_ = cfg.Listen.SetWriteBuffer(4 << 20)
	r := &Relay{
		listen:  cfg.Listen,
		dial:    cfg.Dial,
		start:   time.Now(),
		done:    make(chan struct{}),
		up:      &path{queue: newQueue(), link: up},
		down:    &path{queue: newQueue(), link: down},
		clients: make(map[netip.AddrPort]*client),
	}
	r.wg.Go(r.readClients)
	r.wg.Go(func() { r.up.queue.run(r.now, r.done) })
	r.wg.Go(func() { r.down.queue.run(r.now, r.done) })
	return r, nil
}

func (r *Relay) now() time.Duration { return time.Since(r.start) }

// carry offers one datagram to the path and queues the copies that survive. It copies b.
func (p *path) carry(now time.Duration, b []byte, send func([]byte)) {
	p.mu.Lock()
	at, n := p.link.Offer(now, len(b))
	p.mu.Unlock()
	if n == 0 {
		return
	}
	data := append([]byte(nil), b...)
	for _, t := range at[:n] {
		if !p.queue.put(t, data, send) {
			p.mu.Lock()
			p.overflowed++
			p.mu.Unlock()
		}
	}
}

func (p *path) stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.link.Stats()
	s.Overflowed += p.overflowed
	s.Delivered -= p.overflowed
	return s
}

// readClients moves datagrams from the clients towards the server.
func (r *Relay) readClients() {
	b := make([]byte, datagramMax)
	for {
		n, from, err := r.listen.ReadFromUDPAddrPort(b)
		if err != nil {
			if r.ended() {
				return
			}
			continue // an ICMP error that an earlier write caused
		}
		c, err := r.client(from)
		if err != nil {
			r.fail(err)
			continue
		}
		r.up.carry(r.now(), b[:n], func(data []byte) {
			r.mu.Lock()
			conn := c.conn
			r.mu.Unlock()
			_, _ = conn.Write(data) // an unreachable server is a loss
		})
	}
}

// client finds or makes the client of a source address.
func (r *Relay) client(from netip.AddrPort) (*client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.clients[from]; c != nil {
		return c, nil
	}
	switch {
	case r.closed:
		return nil, net.ErrClosed
	case len(r.clients) >= clientsMax:
		return nil, errors.New("relay: too many clients")
	}
	conn, err := r.dial()
	if err != nil {
		return nil, err
	}
	c := &client{addr: from, conn: conn}
	r.clients[from] = c
	r.serve(c, conn)
	return c, nil
}

// serve moves datagrams from the server back to c until conn is closed. r.mu is held.
func (r *Relay) serve(c *client, conn *net.UDPConn) {
	_ = conn.SetReadBuffer(4 << 20)
	_ = conn.SetWriteBuffer(4 << 20)
	r.wg.Go(func() {
		b := make([]byte, datagramMax)
		for {
			n, err := conn.Read(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // an ICMP error: the server's port is closed
			}
			r.down.carry(r.now(), b[:n], func(data []byte) {
				_, _ = r.listen.WriteToUDPAddrPort(data, c.addr)
			})
		}
	})
}

// Rebind gives every client a new socket towards the server, so that the server sees it come from a
// new port, as after a NAT forgot it. Datagrams on their way to an old socket are lost.
func (r *Relay) Rebind() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return net.ErrClosed
	}
	for _, c := range r.clients {
		conn, err := r.dial()
		if err != nil {
			return err
		}
		old := c.conn
		c.conn = conn
		_ = old.Close()
		r.serve(c, conn)
	}
	return nil
}

// Stats returns what happened to the datagrams of each direction.
func (r *Relay) Stats() (up, down Stats) { return r.up.stats(), r.down.stats() }

// Err returns the first reason for which a client could not be served, if any.
func (r *Relay) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *Relay) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && !r.closed {
		r.err = err
	}
}

func (r *Relay) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// Close stops the relay and closes its sockets; what is on its way is lost. It returns when no
// goroutine of the relay is left. Later calls do nothing.
func (r *Relay) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	close(r.done)
	err := r.listen.Close()
	for _, c := range r.clients {
		_ = c.conn.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
	return err
}
