package gateway

import (
	"net/netip"
	"sync"
	"time"
)

// deadHosts remembers destinations that did not answer, so that clients that ask again and again
// hold one dial, not one for each attempt. The key is address and port: a filtered port says
// nothing about the host's other ports. Safe for concurrent use. Bounded by deadHostsMax.
type deadHosts struct {
	mu      sync.Mutex    // guards the fields below
	memory  time.Duration // since the last dial without an answer; 0: remembers nothing
	entries map[netip.AddrPort]*deadHost
}

type deadHost struct {
	failures int
	retryAt  time.Time // no attempt before
	forgetAt time.Time
	probing  bool // an attempt is under way
}

func newDeadHosts() *deadHosts { return &deadHosts{entries: map[netip.AddrPort]*deadHost{}} }

// configure sets how long a destination is remembered after it last failed to answer.
func (d *deadHosts) configure(memory time.Duration) {
	d.mu.Lock()
	d.memory = memory
	if memory == 0 {
		clear(d.entries)
	}
	d.mu.Unlock()
}

// admit says whether a dial to dst may begin. Where dst is remembered as dead, it admits one at a
// time, and only after the pause. Its caller reports the outcome by answered, unanswered or
// undecided.
func (d *deadHosts) admit(now time.Time, dst netip.AddrPort) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[dst]
	switch {
	case e == nil:
		return true
	case e.probing || now.Before(e.retryAt):
		return false
	case !now.Before(e.forgetAt):
		delete(d.entries, dst)
		return true
	}
	e.probing = true
	return true
}

// answered forgets dst: something came back, be it a refusal.
func (d *deadHosts) answered(dst netip.AddrPort) {
	d.mu.Lock()
	delete(d.entries, dst)
	d.mu.Unlock()
}

// unanswered remembers that a dial to dst got no answer.
func (d *deadHosts) unanswered(now time.Time, dst netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.memory == 0 {
		return
	}
	e := d.entries[dst]
	if e == nil {
		d.makeRoomLocked(now)
		e = &deadHost{}
		d.entries[dst] = e
	}
	e.retryAt = now.Add(min(deadRetryMin<<min(e.failures, 10), d.memory))
	e.forgetAt = now.Add(d.memory)
	e.failures++
	e.probing = false
}

// undecided ends an admitted dial that says nothing about dst.
func (d *deadHosts) undecided(dst netip.AddrPort) {
	d.mu.Lock()
	if e := d.entries[dst]; e != nil {
		e.probing = false
	}
	d.mu.Unlock()
}

// makeRoomLocked keeps the table below deadHostsMax: what has expired goes first, then any.
func (d *deadHosts) makeRoomLocked(now time.Time) {
	if len(d.entries) < deadHostsMax {
		return
	}
	for dst, e := range d.entries {
		if !e.probing && !now.Before(e.forgetAt) {
			delete(d.entries, dst)
		}
	}
	for dst := range d.entries { // map order: as good as random
		if len(d.entries) < deadHostsMax {
			return
		}
		delete(d.entries, dst)
	}
}

// size is the number of destinations in the table.
func (d *deadHosts) size() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.entries)
}
