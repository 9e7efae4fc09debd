package dns

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// forward answers what is not known here: from the cache, or from the upstreams of the name.
type forward struct {
	cfg    config.DNS // what it was made of
	routes []route    // the one for all names last
	cache  *cache

	mu      sync.Mutex // guards flights
	flights map[question]*flight
}

// A route is a domain and who knows it.
type route struct {
	suffix string
	asker  asker
}

// An asker asks servers.
type asker interface {
	// ask returns the answer that servers give to k within ctx. It is an error if none gives one.
	ask(ctx context.Context, k question) (*miekg.Msg, error)
	close()
}

// A flight is a question under way, for all that ask it: one at a time leaves no room for guesses
// (RFC 5452 §5).
type flight struct {
	done chan struct{} // closed when answer is set
	answer
}

func newForward(d *config.DNS, dial DialFunc, c *counters) *forward {
	f := &forward{cfg: *d, cache: newCache(d.CacheSize), flights: map[question]*flight{}}
	for _, r := range d.Routes {
		f.routes = append(f.routes, route{fqdn(r.Suffix), newUpstreams(r.Upstreams, dial, c)})
	}
	slices.SortStableFunc(f.routes, func(a, b route) int {
		return miekg.CountLabel(b.suffix) - miekg.CountLabel(a.suffix)
	})
	f.routes = append(f.routes, route{".", newUpstreams(d.Upstreams, dial, c)})
	return f
}

// same says whether d means the same upstreams and cache.
func (f *forward) same(d *config.DNS) bool {
	return d.CacheSize == f.cfg.CacheSize && slices.Equal(d.Upstreams, f.cfg.Upstreams) &&
		slices.EqualFunc(d.Routes, f.cfg.Routes, func(a, b config.DNSRoute) bool {
			return a.Suffix == b.Suffix && slices.Equal(a.Upstreams, b.Upstreams)
		})
}

// close gives up what is kept for later questions; those under way go on.
func (f *forward) close() {
	for _, r := range f.routes {
		r.asker.close()
	}
}

// route returns whom to ask for a name, and whether that is for its domain.
func (f *forward) route(name string) (r route, own bool) {
	i := slices.IndexFunc(f.routes, func(r route) bool { return miekg.IsSubDomain(r.suffix, name) })
	return f.routes[i], i < len(f.routes)-1
}

func (f *forward) hasRoute(name string) bool {
	_, own := f.route(name)
	return own
}

// cached answers k from the cache, or returns nil. The answer is the caller's.
func (f *forward) cached(k question) *answer {
	a := f.cache.get(k, time.Now())
	if a != nil {
		a.from = fromCache
	}
	return a
}

// get answers k within ctx. The answer is the caller's.
func (f *forward) get(ctx context.Context, k question) *answer {
	if a := f.cached(k); a != nil {
		return a
	}
	f.mu.Lock()
	fl, joined := f.flights[k]
	if !joined {
		fl = &flight{done: make(chan struct{})}
		f.flights[k] = fl
	}
	f.mu.Unlock()
	if !joined {
		fl.answer = f.ask(ctx, k)
		f.mu.Lock()
		delete(f.flights, k)
		f.mu.Unlock()
		close(fl.done)
	}
	select {
	case <-fl.done:
		return fl.copy()
	case <-ctx.Done():
		return &answer{rcode: miekg.RcodeServerFailure, from: fromUpstream}
	}
}

// ask asks upstream and remembers the answer, a failure too.
func (f *forward) ask(ctx context.Context, k question) answer {
	r, _ := f.route(k.name)
	m, err := r.asker.ask(ctx, k)
	a := answer{rcode: miekg.RcodeServerFailure, from: fromUpstream, err: err}
	if err == nil && (m.Rcode == miekg.RcodeSuccess || m.Rcode == miekg.RcodeNameError) {
		a.rcode = m.Rcode
		a.answer, a.ns = scrub(m, k)
	}
	if !errors.Is(ctx.Err(), context.Canceled) { // which the question is not to blame for
		f.cache.put(k, &a, time.Now())
	}
	return a
}

// copy returns a copy that shares nothing.
func (a *answer) copy() *answer {
	c := *a
	c.answer, c.ns = copyRecords(a.answer), copyRecords(a.ns)
	return &c
}

func copyRecords(rrs []miekg.RR) []miekg.RR {
	out := make([]miekg.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = miekg.Copy(rr)
	}
	return out
}
