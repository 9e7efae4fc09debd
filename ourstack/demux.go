package ourstack

import (
	"bytes"
	"cmp"
	"slices"
	"sync"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// table finds the receiver of a TCP segment: a connection or forward request by its 4-tuple, a
// listener by its local endpoint. It is sharded, so that segments of different connections seldom
// meet at a lock.
type table struct {
	key    key
	shards [conversationShards]shard

	listenMu  sync.RWMutex
	listeners map[tcp.Endpoint]*Listener // a zero Addr listens on every own address
}

// shard is a part of the table.
type shard struct {
	mu       sync.RWMutex
	conns    map[tcp.Tuple]*Conn
	requests map[tcp.Tuple]*TCPRequest // never the tuple of a connection
	_        [64]byte                  // keep the locks of neighbours on different cache lines
}

func (t *table) init(k key) {
	t.key = k
	t.listeners = map[tcp.Endpoint]*Listener{}
	for i := range t.shards {
		t.shards[i].conns = map[tcp.Tuple]*Conn{}
		t.shards[i].requests = map[tcp.Tuple]*TCPRequest{}
	}
}

// shard returns the part that holds the tuple. The hash need not be strong, only unlike for like
// tuples: the maps themselves resist chosen keys.
func (t *table) shard(tu tcp.Tuple) *shard {
	w := endpointWord(tu.Remote) ^ endpointWord(tu.Local)*0x9E3779B97F4A7C15 ^ t.key.k0
	return &t.shards[(w*0xD6E8FEB86659FD93)>>32%conversationShards]
}

// conn returns the connection with the tuple, or nil.
func (t *table) conn(tu tcp.Tuple) *Conn {
	sh := t.shard(tu)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.conns[tu]
}

// request returns the forward request with the tuple, or nil.
func (t *table) request(tu tcp.Tuple) *TCPRequest {
	sh := t.shard(tu)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.requests[tu]
}

// addConn enters c; false if its tuple is taken. A forward request with the tuple counts only
// if it is not the one given, which makes place for the connection.
func (t *table) addConn(c *Conn, instead *TCPRequest) bool {
	sh := t.shard(c.tuple)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.conns[c.tuple] != nil || sh.requests[c.tuple] != instead {
		return false
	}
	delete(sh.requests, c.tuple)
	sh.conns[c.tuple] = c
	return true
}

// removeConn removes c, if it is there.
func (t *table) removeConn(c *Conn) {
	sh := t.shard(c.tuple)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.conns[c.tuple] == c {
		delete(sh.conns, c.tuple)
	}
}

// addRequest enters r; false if its tuple is taken.
func (t *table) addRequest(r *TCPRequest) bool {
	sh := t.shard(r.tuple)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.conns[r.tuple] != nil || sh.requests[r.tuple] != nil {
		return false
	}
	sh.requests[r.tuple] = r
	return true
}

// removeRequest removes r, if it is there.
func (t *table) removeRequest(r *TCPRequest) {
	sh := t.shard(r.tuple)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.requests[r.tuple] == r {
		delete(sh.requests, r.tuple)
	}
}

// taken reports whether anything has the tuple.
func (t *table) taken(tu tcp.Tuple) bool {
	sh := t.shard(tu)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.conns[tu] != nil || sh.requests[tu] != nil
}

// listener returns who listens at the endpoint: the exact address first, then any address.
func (t *table) listener(e tcp.Endpoint) *Listener {
	t.listenMu.RLock()
	defer t.listenMu.RUnlock()
	if l := t.listeners[e]; l != nil {
		return l
	}
	return t.listeners[tcp.Endpoint{Port: e.Port}]
}

// addListener enters l; false if its endpoint is taken.
func (t *table) addListener(l *Listener) bool {
	t.listenMu.Lock()
	defer t.listenMu.Unlock()
	if t.listeners[l.local] != nil {
		return false
	}
	t.listeners[l.local] = l
	return true
}

func (t *table) removeListener(l *Listener) {
	t.listenMu.Lock()
	defer t.listenMu.Unlock()
	if t.listeners[l.local] == l {
		delete(t.listeners, l.local)
	}
}

// portListened reports whether any listener uses the port.
func (t *table) portListened(addr wire.Addr, port uint16) bool {
	return t.listener(tcp.Endpoint{Addr: addr, Port: port}) != nil
}

// all returns every connection, in the order of their tuples.
func (t *table) all() []*Conn {
	var all []*Conn
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.RLock()
		for _, c := range sh.conns {
			all = append(all, c)
		}
		sh.mu.RUnlock()
	}
	sortByTuple(all, func(c *Conn) tcp.Tuple { return c.tuple })
	return all
}

// allRequests returns every pending forward request, in the order of their tuples.
func (t *table) allRequests() []*TCPRequest {
	var all []*TCPRequest
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.RLock()
		for _, r := range sh.requests {
			all = append(all, r)
		}
		sh.mu.RUnlock()
	}
	sortByTuple(all, func(r *TCPRequest) tcp.Tuple { return r.tuple })
	return all
}

// allListeners returns every listener, in the order of their ports.
func (t *table) allListeners() []*Listener {
	t.listenMu.RLock()
	defer t.listenMu.RUnlock()
	var all []*Listener
	for _, l := range t.listeners {
		all = append(all, l)
	}
	sortByTuple(all, func(l *Listener) tcp.Tuple { return tcp.Tuple{Local: l.local} })
	return all
}

// sortByTuple makes an order that does not depend on that of a map: the same calls must have the
// same effects.
func sortByTuple[T any](s []T, tuple func(T) tcp.Tuple) {
	slices.SortFunc(s, func(a, b T) int {
		ta, tb := tuple(a), tuple(b)
		return cmp.Or(
			bytes.Compare(ta.Remote.Addr[:], tb.Remote.Addr[:]), cmp.Compare(ta.Remote.Port, tb.Remote.Port),
			bytes.Compare(ta.Local.Addr[:], tb.Local.Addr[:]), cmp.Compare(ta.Local.Port, tb.Local.Port))
	})
}
