package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// A tcpListener is an OS listener for connections to a client.
type tcpListener interface {
	// accept blocks until close. src is the other end of the connection.
	accept() (conn tcpConn, src netip.AddrPort, err error)
	close()
}

// hostListener is the tcpListener of a running gateway.
type hostListener struct{ l *net.TCPListener }

func listenTCP(at netip.AddrPort) (tcpListener, error) {
	config := net.ListenConfig{KeepAliveConfig: upstreamKeepAlive}
	l, err := config.Listen(context.Background(), "tcp4", at.String())
	if err != nil {
		return nil, err
	}
	return hostListener{l.(*net.TCPListener)}, nil
}

func (l hostListener) accept() (tcpConn, netip.AddrPort, error) {
	c, err := l.l.AcceptTCP()
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	return c, endpoint(c.RemoteAddr()), nil
}

func (l hostListener) close() { _ = l.l.Close() }

// openTCP opens a TCP port.
func (p *peerPort) openTCP(at netip.AddrPort) error {
	p.proto = protoTCP
	b := p.f.budgets
	if !b.take(&p.f.ports, p.peer, netip.AddrPort{}) {
		return errPortBudget
	}
	l, err := p.f.listenTCP(at)
	if err != nil {
		b.release(&p.f.ports, p.peer, netip.AddrPort{})
		return takenError(err)
	}
	stopped := make(chan struct{})
	p.slots = make(chan struct{}, portFlowsMax)
	p.stop = func() {
		p.f.tcpPorts.remove(at.Port(), p)
		close(stopped)
		l.close()
	}
	p.f.tcpPorts.add(at.Port(), p)
	if !p.peer.enter(p) {
		b.release(&p.f.ports, p.peer, netip.AddrPort{})
		p.stop()
		return errPeerRemoved
	}
	go func() {
		defer p.peer.leave(p)
		defer b.release(&p.f.ports, p.peer, netip.AddrPort{})
		p.serveTCP(l, stopped)
	}()
	return nil
}

// serveTCP carries the connections that arrive to the client. When as many as may be are open, more
// wait in the system's queue, as with any server.
func (p *peerPort) serveTCP(l tcpListener, stopped <-chan struct{}) {
	for {
		select {
		case p.slots <- struct{}{}:
		case <-stopped:
			return
		}
		up, src, err := l.accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // no file left, or the connection is gone already
			<-p.slots
			select {
			case <-stopped:
				return
			case <-time.After(acceptPause):
			}
		default:
			p.carryTCP(up, src, func() { <-p.slots })
		}
	}
}

// carryTCP makes a flow of a connection from outside, which the system has accepted already: if the
// client does not take it, it is reset. done is called at its end.
func (p *peerPort) carryTCP(up tcpConn, src netip.AddrPort, done func()) {
	f := p.f
	ctx, cancel := context.WithCancelCause(context.Background())
	t := &tcpFlow{f: f, peer: p.peer, src: p.inner, dst: src, began: time.Now(), cancel: cancel}
	refuse := func() {
		cancel(nil)
		reset(up)
		done()
	}
	switch {
	case f.draining.Load():
		f.counters.draining.Add(1)
		refuse()
	case !p.admits(src):
		f.counters.tcpDenied.Add(1)
		refuse()
	case !t.takeBudget():
		f.counters.tcpOverBudget.Add(1)
		refuse()
	case !p.peer.enter(t):
		f.counters.noPeer.Add(1)
		t.releaseBudget()
		refuse()
	default:
		go func() {
			defer done()
			t.runInward(ctx, up)
		}()
	}
}

// runInward connects to the client, copies, and cleans up: run for a connection from outside.
func (t *tcpFlow) runInward(ctx context.Context, up tcpConn) {
	defer t.peer.leave(t)
	defer t.releaseBudget()
	defer t.cancel(nil)

	dialing, stop := context.WithTimeoutCause(ctx, t.f.settings.Load().DialTimeout, errDialTimeout)
	down, err := t.f.inward.dialTCP(dialing, t.dst, t.src)
	end, _ := classifyDial(dialing, err)
	stop()
	if err != nil {
		t.f.counters.countInward(end)
		t.log(slog.LevelDebug, "tcp connection from outside failed", "err", err)
		reset(up)
		return
	}
	t.endDial()
	if !t.opened(down, up) {
		return
	}
	t.f.counters.tcpAccepted.Add(1)
	cause := t.pipe(up)
	if cause != nil {
		t.f.counters.tcpReset.Add(1)
	}
	t.log(slog.LevelDebug, "tcp flow from outside ended", "cause", cause, "after", time.Since(t.began))
}

// countInward counts a connection from outside that did not become a flow.
func (c *counters) countInward(end fate) {
	switch end {
	case fateRefused:
		c.tcpRefused.Add(1)
	case fateTimeout:
		c.tcpTimeout.Add(1)
	case fateLocal:
		c.tcpLocalError.Add(1)
	case fateGaveUp:
		c.tcpGaveUp.Add(1)
	case fateEvicted: // counted there
	default:
		c.tcpUnreachable.Add(1)
	}
}
