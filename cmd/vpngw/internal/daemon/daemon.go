package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"vpngw/cmd/vpngw/internal/admin"
	"vpngw/config"
)

// Gateway is what the process runs; gateway.Gateway in earnest.
type Gateway interface {
	// Start opens the UDP port and serves. It does not block.
	Start(ctx context.Context) error
	// Reload applies all of a new configuration or, with an error, none of it.
	Reload(*config.Config) error
	// Status returns a snapshot for JSON.
	Status() any
	// Ready reports whether peers can connect.
	Ready() bool
	// Drain refuses new flows and returns when the open ones have ended or ctx has.
	Drain(ctx context.Context) error
	// Close ends everything; ctx bounds how long it may take.
	Close(ctx context.Context) error
}

// Options are what Run needs. ConfigPath, New, Signals and Stderr must be set.
type Options struct {
	// ConfigPath is the file to load, and to load again.
	ConfigPath string
	// Override changes every configuration that was loaded, before it is used: flags. May be nil.
	Override func(*config.Config)
	// DrainTimeout is how long open flows may go on after the first signal; 0 ends them at once.
	DrainTimeout time.Duration
	// Version goes into the first log line.
	Version string
	// Stderr receives the log.
	Stderr io.Writer
	// Signals delivers SIGHUP (reload) and anything else (end). The caller registered it.
	Signals <-chan os.Signal
	// New makes the gateway. Its logger is configured as [log] says.
	New func(*config.Config, *slog.Logger) (Gateway, error)
	// Ready is called once, when peers can connect. May be nil.
	Ready func(*config.Config)

	loadFile func(path string) (*config.Config, error) // for tests; nil: config.Load
}

// daemon is the state of one Run. Only the goroutine of Run touches it.
type daemon struct {
	opts     Options
	started  *config.Config // in force for what only a restart changes
	cfg      *config.Config
	refused  bool // the last reload was
	level    slog.LevelVar
	log      *slog.Logger
	gateway  Gateway
	admin    *admin.Server
	watch    *watcher
	reloads  chan reloadRequest
	stopping chan struct{} // closed when no more reload is taken
}

// Run loads the configuration and runs a gateway until a signal or ctx ends it. The error is
// config.Problems if the configuration is not valid, nil after an orderly end.
func Run(ctx context.Context, opts Options) error {
	d := &daemon{opts: opts, reloads: make(chan reloadRequest), stopping: make(chan struct{})}
	cfg, err := d.load()
	if err != nil {
		return err
	}
	d.started, d.cfg = cfg, cfg
	d.log = newLogger(opts.Stderr, cfg.Log, &d.level)
	for _, p := range cfg.Warnings {
		d.logProblem(slog.LevelWarn, p)
	}
	if err := d.start(ctx); err != nil {
		return err
	}
	d.watch = newWatcher(d.log)
	defer d.watch.close()
	d.watch.follow(cfg, unknown) // the first message causes one more look
	return d.loop(ctx)
}

// load reads the configuration and applies the flags to it.
func (d *daemon) load() (*config.Config, error) {
	load := config.Load
	if d.opts.loadFile != nil {
		load = d.opts.loadFile
	}
	cfg, err := load(d.opts.ConfigPath)
	if err != nil {
		return nil, err
	}
	if d.opts.Override != nil {
		d.opts.Override(cfg)
	}
	return cfg, nil
}

// start brings everything up, or nothing. The admin socket comes first: if this gateway runs
// already, that is the clearer word than a taken port.
func (d *daemon) start(ctx context.Context) (err error) {
	var closers []func()
	defer func() {
		if err != nil {
			for i := len(closers) - 1; i >= 0; i-- {
				closers[i]()
			}
		}
	}()
	listeners := make(map[string]net.Listener)
	for _, l := range []struct {
		path   string
		listen func(string) (net.Listener, error)
	}{{d.cfg.Admin.Socket, admin.Listen}, {d.cfg.Admin.Listen, admin.ListenTCP}} {
		if l.path == "" {
			continue
		}
		ln, err := l.listen(l.path)
		if err != nil {
			return err
		}
		closers = append(closers, func() { _ = ln.Close() })
		listeners[l.path] = ln
	}
	if d.gateway, err = d.opts.New(d.cfg, d.log); err != nil {
		return err
	}
	closers = append(closers, func() { _ = d.gateway.Close(ctx) })
	if err := d.gateway.Start(ctx); err != nil {
		return d.explainStart(err)
	}
	d.serveAdmin(listeners)
	d.log.Info("gateway started", "version", d.opts.Version, "config", d.cfg.Path,
		"listen_port", d.cfg.Interface.ListenPort, "address", d.cfg.Interface.Address,
		"public_key", d.cfg.Interface.PrivateKey.Public().String(), "peers", len(d.cfg.Peers))
	if d.opts.Ready != nil {
		d.opts.Ready(d.cfg)
	}
	return nil
}

func (d *daemon) serveAdmin(listeners map[string]net.Listener) {
	d.admin = admin.NewServer(admin.Backend{
		Status: d.gateway.Status,
		Ready:  d.ready,
		Reload: d.requestReload,
		Log:    d.log,
	})
	if ln := listeners[d.cfg.Admin.Socket]; ln != nil {
		d.admin.ServeSocket(ln)
	}
	if ln := listeners[d.cfg.Admin.Listen]; ln != nil {
		host, _, _ := net.SplitHostPort(d.cfg.Admin.Listen) // it was listened on: it parses
		d.admin.ServeTCP(ln, host)
		d.log.Info("answering probes", "addr", ln.Addr().String(), "paths", "/healthz /readyz")
	}
}

// explainStart turns what the system says into what the user can do about it.
func (d *daemon) explainStart(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("UDP port %d is already in use: stop the program that has it, or choose another port with --listen-port or interface.listen_port in %s",
			d.cfg.Interface.ListenPort, d.cfg.Path)
	}
	return err
}

// ready is what /readyz answers with. It runs in the admin server's goroutines and touches only
// what does not change after start.
func (d *daemon) ready() error {
	select {
	case <-d.stopping:
		return errors.New("the gateway is ending")
	default:
	}
	if !d.gateway.Ready() {
		return errors.New("the gateway is not ready")
	}
	return nil
}

// loop serves until the end begins, and then ends.
func (d *daemon) loop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return d.stop("context ended")
		case sig := <-d.opts.Signals:
			if !isReload(sig) {
				return d.stop(sig.String())
			}
			_, _ = d.reload("signal") // what is wrong has been logged
		case <-d.watch.changed:
			if d.watch.differs(d.cfg) {
				_, _ = d.reload(whyFiles)
			}
		case r := <-d.reloads:
			done, err := d.reload("command")
			r.done <- reloadResult{done, err}
		}
	}
}
