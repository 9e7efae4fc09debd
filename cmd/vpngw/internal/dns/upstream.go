package dns

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// upstreams are servers that know the same, in the order in which they are asked.
type upstreams struct {
	list     []*server   // nil stands for those of system
	system   *resolvConf // nil if none is
	counters *counters
}

// A server is one upstream, and how it did of late.
type server struct {
	config.Resolver
	resting  atomic.Int64 // Unix nanoseconds until which it is asked after the others
	streams  streamPool
	web      *http.Client // of a ResolverHTTPS
	dial     DialFunc
	counters *counters
	// transport carries one question to the server; (*server).exchange but in tests.
	transport func(context.Context, *server, question) (*miekg.Msg, error)
}

func newUpstreams(resolvers []config.Resolver, dial DialFunc, c *counters) *upstreams {
	u := &upstreams{counters: c}
	for _, r := range resolvers {
		if r.Kind == config.ResolverSystem {
			u.system = newResolvConf(resolvConfPath, c)
			u.list = append(u.list, nil)
			continue
		}
		u.list = append(u.list, newServer(r, dial, c))
	}
	return u
}

func newServer(r config.Resolver, dial DialFunc, c *counters) *server {
	s := &server{Resolver: r, dial: dial, counters: c, transport: func(ctx context.Context, s *server, k question) (*miekg.Msg, error) {
		return s.exchange(ctx, k)
	}}
	if r.Kind == config.ResolverHTTPS {
		s.web = newWeb(r, dial)
	}
	return s
}

// close gives up the connections that are kept for later questions.
func (s *server) close() {
	s.streams.close()
	if s.web != nil {
		s.web.CloseIdleConnections()
	}
}

func (u *upstreams) close() {
	for _, s := range u.servers() {
		s.close()
	}
}

// servers returns the servers in their order, but those that failed a short time ago last.
func (u *upstreams) servers() []*server {
	var all []*server
	for _, s := range u.list {
		if s == nil {
			all = append(all, u.system.servers()...)
		} else {
			all = append(all, s)
		}
	}
	now := time.Now().UnixNano()
	resting := func(s *server) int {
		if s.resting.Load() > now {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b *server) int { return resting(a) - resting(b) })
	return all
}

var errNoServer = errors.New("there is no server to ask")

// ask asks one server after another until one knows. What is left of the time is shared among
// those that are left.
func (u *upstreams) ask(ctx context.Context, k question) (*miekg.Msg, error) {
	servers := u.servers()
	var last *miekg.Msg
	err := errNoServer
	for i, s := range servers {
		var m *miekg.Msg
		if m, err = s.attempt(ctx, k, len(servers)-i); err != nil {
			if ctx.Err() != nil {
				break
			}
			continue
		}
		if m.Rcode == miekg.RcodeSuccess || m.Rcode == miekg.RcodeNameError {
			return m, nil
		}
		last = m // it does not know, or will not say: another may
	}
	if last != nil {
		return last, nil
	}
	return nil, err
}

// attempt asks one server, which gets its share of the time.
func (s *server) attempt(ctx context.Context, k question, left int) (*miekg.Msg, error) {
	s.counters.upstreamQueries.Add(1)
	try := ctx
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		share := min(time.Until(deadline)/time.Duration(left), attemptTimeout)
		try, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
	m, err := s.transport(try, s, k)
	if err == nil && m.Rcode != miekg.RcodeServerFailure && m.Rcode != miekg.RcodeRefused {
		s.resting.Store(0)
		return m, nil
	}
	s.counters.upstreamErrors.Add(1)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		s.resting.Store(time.Now().Add(upstreamRest).UnixNano())
	}
	return m, err
}

// systemServer is the server at an address of resolv.conf.
func systemServer(a netip.Addr) config.Resolver {
	return config.Resolver{Kind: config.ResolverUDP, Addr: netip.AddrPortFrom(a, portDNS)}
}

const portDNS = 53
