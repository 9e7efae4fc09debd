package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/cmd/vpngw/internal/admin"
)

// stopping returns a daemon that has started, without files and sockets, and its signals.
func stopping(timeout time.Duration) (*daemon, *fakeGateway, chan os.Signal) {
	g, signals := newFakeGateway(), make(chan os.Signal, 2)
	log := slog.New(slog.DiscardHandler)
	return &daemon{
		opts:     Options{DrainTimeout: timeout, Signals: signals},
		log:      log,
		gateway:  g,
		admin:    admin.NewServer(admin.Backend{Log: log}),
		stopping: make(chan struct{}),
	}, g, signals
}

func TestDrainEndsWithTheLastFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g, _ := stopping(8 * time.Second)
		time.AfterFunc(3*time.Second, func() { close(g.drain) })
		start := time.Now()
		if err := d.stop("test"); err != nil {
			t.Error(err)
		}
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("took %v, want 3s", got)
		}
		<-g.closed
	})
}

func TestDrainTimeoutEndsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g, _ := stopping(8 * time.Second)
		start := time.Now()
		if err := d.stop("test"); err != nil {
			t.Error(err)
		}
		if got := time.Since(start); got != 8*time.Second {
			t.Errorf("took %v, want 8s", got)
		}
		<-g.closed
	})
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g, signals := stopping(8 * time.Second)
		time.AfterFunc(time.Second, func() { signals <- syscall.SIGHUP }) // no reason to hurry
		time.AfterFunc(2*time.Second, func() { signals <- syscall.SIGINT })
		start := time.Now()
		if err := d.stop("test"); !errors.Is(err, ErrCutShort) {
			t.Errorf("stop: %v, want ErrCutShort", err)
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("took %v, want 2s", got)
		}
		<-g.closed
	})
}

func TestEndOfTheContextEndsRun(t *testing.T) {
	p := newProcess(t)
	ctx, cancel := context.WithCancel(t.Context())
	p.opts.Ready = nil
	close(p.gateway.drain)
	cancel()
	if err := Run(ctx, p.opts); err != nil {
		t.Errorf("Run: %v", err)
	}
}
