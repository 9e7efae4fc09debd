package daemon

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// ErrCutShort is returned by Run when a second signal ended it before its flows had ended.
var ErrCutShort = errors.New("ended at once by a second signal: flows that were open are cut off")

// stop drains and ends. A second signal ends at once; SIGHUP is no such signal.
func (d *daemon) stop(why string) error {
	close(d.stopping)
	drained := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), d.opts.DrainTimeout)
	defer cancel()
	d.log.Info("ending: open flows may finish, a second signal ends them", "why", why,
		"drain_timeout", d.opts.DrainTimeout.String())
	began := time.Now()
	go func() { drained <- d.gateway.Drain(ctx) }()

	err := d.waitDrained(drained)
	cancel()
	closeCtx, closeCancel := context.WithTimeout(context.Background(), closeTimeout)
	defer closeCancel()
	closeErr := d.gateway.Close(closeCtx)
	adminErr := d.admin.Close() // last: "status" works while draining, and the socket is gone at the end
	d.log.Info("ended", "after", time.Since(began).Round(time.Millisecond).String())
	return errors.Join(err, closeErr, adminErr)
}

// waitDrained returns nil when the gateway has drained or its time is over, ErrCutShort when a
// signal came first.
func (d *daemon) waitDrained(drained <-chan error) error {
	for {
		select {
		case err := <-drained:
			if err != nil {
				d.log.Info("drain timeout: closing the flows that are still open", "err", err)
			}
			return nil
		case sig := <-d.opts.Signals:
			if isReload(sig) {
				d.log.Info("ending: signal to reload ignored")
				continue
			}
			d.log.Warn("second signal: ending at once")
			return ErrCutShort
		}
	}
}

// isReload reports whether a signal asks for a reload; any other ends the process.
func isReload(sig os.Signal) bool { return sig == syscall.SIGHUP }
