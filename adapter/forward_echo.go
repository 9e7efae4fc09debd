package adapter

import (
	"net"
	"net/netip"
	"sync"

	"vpngw/ourstack"
)

// echoQueueMax bounds the echo requests that wait for the handler, in bytes with echoOverhead for each:
// three thousand of ordinary size. One client may have at most as much as is still free, so one who
// floods gets half, and the others find room.
const (
	echoQueueMax = 4 << 20
	echoOverhead = 1 << 10 // the request itself, and what an ICMP error would quote of it
)

// HandleICMP makes f answer echo requests to addresses that are not local. It is called in a goroutine
// of its own, for one request after the other, in the order in which they came; it should not block,
// since the others wait meanwhile, boundedly many. Echo requests to local addresses are answered by
// the stack itself. Without a handler, and after HandleICMP(nil), requests to others are dropped.
func (n *Net) HandleICMP(f func(*ICMPRequest)) {
	if f == nil {
		n.stack.SetForwardICMP(nil)
		return
	}
	q := &echoQueue{net: n, handle: f, held: map[netip.Addr]int{}}
	n.stack.SetForwardICMP(q.push)
}

// echoQueue hands echo requests to their handler. Its goroutine lives while there are any.
type echoQueue struct {
	net    *Net
	handle func(*ICMPRequest)

	mu sync.Mutex
	// mu guards the fields below.
	waiting []*ourstack.ICMPRequest
	used    int                // bytes
	held    map[netip.Addr]int // of it, by client
	running bool
}

// push queues a request, or drops it for want of room.
func (q *echoQueue) push(r *ourstack.ICMPRequest) {
	cost := echoOverhead + len(r.Payload)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held[r.Remote()]+cost > echoQueueMax-q.used {
		r.Drop()
		return
	}
	q.used += cost
	q.held[r.Remote()] += cost
	q.waiting = append(q.waiting, r)
	if !q.running {
		q.running = true
		go q.run()
	}
}

// run calls the handler until nothing waits.
func (q *echoQueue) run() {
	for {
		q.mu.Lock()
		batch := q.waiting
		q.waiting = nil
		q.running = len(batch) > 0
		q.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, r := range batch {
			cost := echoOverhead + len(r.Payload)
			q.handle(&ICMPRequest{net: q.net, req: r})
			q.done(r.Remote(), cost)
		}
	}
}

// done gives back what push took.
func (q *echoQueue) done(client netip.Addr, cost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used -= cost
	if q.held[client] -= cost; q.held[client] == 0 {
		delete(q.held, client)
	}
}

// ICMPRequest is an echo request to an address that is not local. One of Reply, Reject and
// Fail may be called, later than the handler returns and from any goroutine; a request that is never
// answered is simply forgotten.
type ICMPRequest struct {
	net *Net
	req *ourstack.ICMPRequest
}

// LocalAddr is the address that the client pings, a *net.IPAddr.
func (r *ICMPRequest) LocalAddr() net.Addr { return ipAddr(r.req.Local()) }

// RemoteAddr is the client's address, a *net.IPAddr.
func (r *ICMPRequest) RemoteAddr() net.Addr { return ipAddr(r.req.Remote()) }

// ID returns the identifier, which stands for a process of the client.
func (r *ICMPRequest) ID() uint16 { return r.req.ID }

// Seq returns the sequence number.
func (r *ICMPRequest) Seq() uint16 { return r.req.Seq }

// TTL returns the time to live as it arrived. Who relays the request sends it on with one less.
func (r *ICMPRequest) TTL() int { return int(r.req.TTL) }

// TOS returns the type-of-service byte.
func (r *ICMPRequest) TOS() int { return int(r.req.TOS) }

// DontFragment reports whether the client forbids fragments: one that asks for the path MTU.
func (r *ICMPRequest) DontFragment() bool { return r.req.DF }

// Payload returns the data of the request, which must not be changed.
func (r *ICMPRequest) Payload() []byte { return r.req.Payload }

// Forget lets go of the payload, for a request that waits for its answer.
func (r *ICMPRequest) Forget() { r.req.Payload = nil }

// Reply sends an echo reply with payload, which is copied, as if from the pinged address, with ttl
// hops still to live (0: as if it began here). An error says that it was not sent.
func (r *ICMPRequest) Reply(payload []byte, ttl int) error {
	return opError("write", "ping", r.LocalAddr(), r.RemoteAddr(), r.req.Reply(r.net.now(), payload, uint8(ttl)))
}

// Reject tells the client as reason says that the address cannot be reached.
func (r *ICMPRequest) Reject(reason Reason) { r.req.Reject(r.net.now(), reason) }

// Fail passes on an ICMP error from the network behind, which quotes the request.
func (r *ICMPRequest) Fail(f Fault) { r.req.Fail(r.net.now(), f) }

func ipAddr(a netip.Addr) net.Addr { return &net.IPAddr{IP: a.AsSlice()} }
