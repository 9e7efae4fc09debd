package gateway

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vpngw/config"
)

// Why a flow is ended from outside.
var (
	errPeerRemoved   = errors.New("the peer was removed")
	errSourceRevoked = errors.New("the client's address is no longer the peer's")
	errStopped       = errors.New("the gateway stops")
	errEvicted       = errors.New("gave way to a newer one of the same peer")
)

// A flow is something open on behalf of a client: a dial, a TCP flow, a UDP mapping, a ping flow.
type flow interface {
	// client is the address and port (or ICMP identifier) inside the tunnel.
	client() netip.AddrPort
	// abort ends the flow at once, telling both sides as far as the protocol can. It does not block
	// and may be called more than once and from any goroutine; the flow's own goroutines then leave
	// the peer.
	abort(cause error)
}

// A peer is what the gateway keeps of a configured peer while it runs. It is known by its public
// key and outlives changes of its settings. Safe for concurrent use.
type peer struct {
	key      config.PublicKey
	settings atomic.Pointer[config.Peer] // never nil, replaced as a whole

	open *sync.WaitGroup // counts the flows of all peers

	mu       sync.Mutex // guards the fields below; nothing blocks under it
	removed  error      // set once: nothing more may be opened
	flows    map[flow]struct{}
	dials    []*tcpFlow // those of flows that are being dialled, oldest first
	mappings idleRanks  // those of flows that are UDP mappings and may make room for new ones
}

func newPeer(settings *config.Peer, open *sync.WaitGroup) *peer {
	p := &peer{key: settings.PublicKey, open: open, flows: map[flow]struct{}{}}
	p.settings.Store(settings)
	return p
}

func (p *peer) name() string { return p.settings.Load().Name }

// enter records f as open. It reports false if the peer is removed; f must not be opened then.
func (p *peer) enter(f flow) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.removed != nil {
		return false
	}
	p.open.Add(1)
	p.flows[f] = struct{}{}
	if d, ok := f.(*tcpFlow); ok {
		p.dials = append(p.dials, d)
	}
	return true
}

// leave forgets f, which entered. It is the last thing that f's goroutines do.
func (p *peer) leave(f flow) {
	p.mu.Lock()
	delete(p.flows, f)
	p.mu.Unlock()
	p.open.Done()
}

// dialled records that f is no longer being dialled, if it was.
func (p *peer) dialled(f *tcpFlow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.dials, f); i >= 0 {
		p.dials = slices.Delete(p.dials, i, i+1)
	}
}

// oldestDial returns the dial that is the longest under way, towards dst if that is valid, and
// began before the given time; nil if there is none.
func (p *peer) oldestDial(dst netip.AddrPort, before time.Time) *tcpFlow {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.dials {
		if !d.began.Before(before) {
			return nil
		}
		if !dst.IsValid() || d.dst == dst {
			return d
		}
	}
	return nil
}

// end aborts every flow and lets none be opened again.
func (p *peer) end(cause error) {
	p.mu.Lock()
	if p.removed == nil {
		p.removed = cause
	}
	p.mu.Unlock()
	p.abortFlows(cause, func(netip.Addr) bool { return true })
}

// abortFlows aborts the flows of the clients that match.
func (p *peer) abortFlows(cause error, match func(netip.Addr) bool) {
	p.mu.Lock()
	var found []flow
	for f := range p.flows {
		if match(f.client().Addr()) {
			found = append(found, f)
		}
	}
	p.mu.Unlock()
	for _, f := range found {
		f.abort(cause)
	}
}
