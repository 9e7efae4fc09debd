package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
)

// judgeTCP decides about a connection of p to dst. Where dst is a port of this host that leads to a
// client, inner is that port: "A NAT MUST support 'hairpinning' for TCP" RFC 5382 §7.2 REQ-8.
func (f *forwarder) judgeTCP(p *peer, dst netip.AddrPort) (d decision, inner *peerPort) {
	d = f.policy.decide(p, protoTCP, dst)
	if f.external(d, dst.Addr()) == notExternal {
		return d, nil
	}
	inner = f.tcpPorts.find(dst.Port())
	if inner == nil || !f.mayHairpin(p, inner.peer) {
		return d, nil
	}
	return decision{verdictAllow, ruleHairpin}, inner
}

// A hairpin is the connection to the client who has the port, of a flow that another one, or itself, began. It
// is a flow of that client's peer, too.
type hairpin struct {
	tcpConn
	flow *tcpFlow
	port *peerPort
	once sync.Once
}

// connect is the dial of a flow: to its destination, or to the client whose port that is.
func (t *tcpFlow) connect() attempt {
	if t.inner == nil {
		return t.f.dial(t.dst, t.ttl)
	}
	return attempt{wait: t.connectInward}
}

// connectInward connects to the client whose port the destination is.
func (t *tcpFlow) connectInward(ctx context.Context) (upstream, error) {
	h := &hairpin{flow: t, port: t.inner}
	// As in peerPort.serveTCP: above what may be open at once, one waits.
	select {
	case h.port.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !h.port.peer.enter(h) {
		<-h.port.slots
		return nil, syscall.ECONNREFUSED
	}
	if err := h.dial(ctx); err != nil {
		h.leave()
		return nil, err
	}
	return h, nil
}

// dial connects from an external address and port, as behind any NAT: "type 'External source IP address and
// port'" RFC 5382 §7.2 REQ-8 a. The address is that which the client knows us by; the port is one that the
// client has asked for if there is such a one, otherwise its own if that is free.
func (h *hairpin) dial(ctx context.Context) (err error) {
	t := h.flow
	port := t.f.tcpPorts.search(func(p *peerPort) bool { return p.inner == t.src })
	if port == 0 {
		port = t.src.Port()
	}
	for range hairpinTries {
		src := netip.AddrPortFrom(t.dst.Addr(), port)
		if !h.port.filtersAdmit(src) {
			return syscall.ECONNREFUSED
		}
		h.tcpConn, err = t.f.inward.dialTCP(ctx, src, h.port.inner)
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		port = uint16(hairpinPortMin + rand.IntN(1<<16-hairpinPortMin))
	}
	return err
}

// leave gives back what connect took, once.
func (h *hairpin) leave() {
	h.once.Do(func() {
		<-h.port.slots
		h.port.peer.leave(h)
	})
}

// Close is called at the end of every flow.
func (h *hairpin) Close() error {
	defer h.leave()
	return h.tcpConn.Close()
}

// AwaitReset implements resetWatcher.
func (h *hairpin) AwaitReset() error { return awaitReset(h.tcpConn) }

func (h *hairpin) client() netip.AddrPort { return h.port.inner }

func (h *hairpin) abort(cause error) { h.flow.abort(cause) }
