package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"vpngw/cmd/vpngw/internal/dns"
	"vpngw/cmd/vpngw/internal/portmap"
	"vpngw/config"
)

// Options are what a Gateway takes from its program beside the configuration. The zero value works.
type Options struct {
	// Logger receives the log; nil discards it. No key is ever written to it.
	Logger *slog.Logger
	// MemoryLimit is what [SetMemoryLimit] returned, for the status.
	MemoryLimit int64
	// Worked, if not nil, is called with how many packets have come from peers or gone to them, by the goroutines
	// that carry them.
	Worked func(packets int)

	dial dialFunc // for tests: how TCP destinations are reached
}

// A Gateway serves the peers of one configuration. Its methods are safe for concurrent use.
type Gateway struct {
	log  *slog.Logger
	opts Options
	fwd  *forwarder
	dns  *dns.Server

	portmap *portmap.Server

	mu      sync.Mutex // guards the fields below; held by Start and Reload to their end
	cfg     *config.Config
	phase   phase
	restart []string // changed keys that wait for a restart

	// Set by Start, not changed afterwards.
	startedAt time.Time
	stack     *stack
	tunnel    tunnel
	stopWatch context.CancelFunc
	watching  sync.WaitGroup
}

type phase uint8

const (
	phaseNew phase = iota
	phaseRunning
	phaseClosed
)

var (
	errStartedBefore = errors.New("the gateway was started before")
	errNotRunning    = errors.New("the gateway is not running")
)

// New makes a gateway of a valid configuration, which must not change afterwards. It opens nothing;
// Close need not be called before Start.
func New(cfg *config.Config, opts Options) (*Gateway, error) {
	if cfg.Interface.PrivateKey.IsZero() {
		return nil, errors.New("interface.private_key: the gateway has no key")
	}
	if !cfg.Interface.Address.IsValid() {
		return nil, errors.New("interface.address: the gateway has no address in the tunnel")
	}
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	fwd := newForwarder(log, openFilesMax())
	if opts.dial != nil {
		fwd.dial = opts.dial
	}
	fwd.configure(cfg)
	fwd.peers.Store(newPeerTable(cfg.Peers, nil, &fwd.open))
	return &Gateway{
		log: log, opts: opts, fwd: fwd, cfg: cfg,
		dns: newResolver(cfg, opts, fwd), portmap: newPortmap(cfg, opts, fwd),
	}, nil
}

// Start opens the UDP port and serves until Close. It does not wait for peers. ctx bounds the start
// alone. After an error nothing is left open, and the gateway cannot be started again. A taken port
// gives an error that wraps syscall.EADDRINUSE.
func (g *Gateway) Start(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.phase != phaseNew {
		return errStartedBefore
	}
	g.phase = phaseClosed
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := g.fwd.policy.guard.refresh(); err != nil {
		return err // without it the guard would let peers reach this host
	}
	g.fwd.probePing()
	stack, err := newStack(g.cfg, g.fwd)
	if err != nil {
		return err
	}
	g.fwd.inward = stack
	if err := g.listen(stack); err != nil {
		g.silence()
		stack.close()
		return err
	}
	tunnel := newTunnel(stack.device(), g.log, g.opts.Worked)
	if err := tunnel.configure(g.cfg); err != nil {
		g.silence()
		tunnel.dev.Close()
		return err
	}
	if err := tunnel.up(g.cfg.Interface.ListenPort); err != nil {
		g.silence()
		tunnel.dev.Close()
		return err
	}
	g.stack, g.tunnel, g.phase, g.startedAt = stack, tunnel, phaseRunning, time.Now()
	g.watch()
	if g.cfg.Interface.ListenPort == 0 {
		if state, err := tunnel.state(); err == nil {
			g.log.Info("the system has chosen the UDP port", "listen_port", state.listenPort)
		}
	}
	return nil
}

// listen lets the servers at the gateway's address answer, those that are wanted.
func (g *Gateway) listen(stack *stack) error {
	if g.cfg.DNS.Enabled {
		if err := stack.listenDNS(g.dns); err != nil {
			return err
		}
	}
	if g.cfg.Portmap.Enabled {
		return stack.listenPortmap(g.portmap)
	}
	return nil
}

// silence ends the servers.
func (g *Gateway) silence() {
	g.dns.Close()
	g.portmap.Close()
}

// watch starts what runs beside the flows.
func (g *Gateway) watch() {
	ctx, stop := context.WithCancel(context.Background())
	g.stopWatch = stop
	stopped := g.tunnel.dev.Wait()
	g.watching.Go(func() { g.fwd.watchHost(ctx) })
	g.watching.Go(func() {
		select {
		case <-ctx.Done():
		case <-stopped:
			if ctx.Err() == nil { // not by Close
				g.log.Error("the WireGuard device has stopped by itself")
			}
		}
	})
}

// Ready reports whether peers can connect: started, the device up, neither draining nor closed.
func (g *Gateway) Ready() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.readyLocked()
}

func (g *Gateway) readyLocked() bool {
	if g.phase != phaseRunning || g.fwd.draining.Load() {
		return false
	}
	select {
	case <-g.tunnel.dev.Wait():
		return false
	default:
		return true
	}
}

// Close ends every flow by a reset on both sides, closes the UDP port and the stack, and returns
// when no goroutine of theirs is left, or when ctx ends (with its error; the rest then ends on its
// own). Later calls return at once.
func (g *Gateway) Close(ctx context.Context) error {
	g.mu.Lock()
	running := g.phase == phaseRunning
	g.phase = phaseClosed
	g.mu.Unlock()
	if !running {
		return nil
	}
	g.stopWatch()
	told := g.fwd.budgets.total().TCP > 0
	err := g.fwd.end(ctx)
	closed := make(chan struct{})
	go func() {
		g.silence()
		if told || g.stack.open() > 0 {
			// The last packets are on their way through the device, which does not say when they
			// have left: the resets, and the ends of what has just closed in order.
			time.Sleep(closeGrace)
		}
		g.tunnel.dev.Close()
		g.stack.close()
		g.watching.Wait()
		close(closed)
	}()
	select {
	case <-closed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
