package daemon

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"vpngw/cmd/vpngw/internal/admin"
	"vpngw/config"
)

// reloadRequest is a command's wish; done has room for the answer.
type reloadRequest struct{ done chan reloadResult }

type reloadResult struct {
	reload admin.Reload
	err    error
}

var errStopping = errors.New("the gateway is ending and takes no new configuration")

// requestReload passes a wish on to the loop and waits for the answer. It is called by the admin
// server, in any goroutine.
func (d *daemon) requestReload(ctx context.Context) (admin.Reload, error) {
	r := reloadRequest{done: make(chan reloadResult, 1)}
	select {
	case d.reloads <- r:
	case <-d.stopping:
		return admin.Reload{}, errStopping
	case <-ctx.Done():
		return admin.Reload{}, ctx.Err()
	}
	res := <-r.done // the loop has it, so it answers
	return res.reload, res.err
}

// reload brings the gateway to what the files say now. Whatever goes wrong is logged here, and the
// gateway then goes on as it was.
func (d *daemon) reload(why string) (admin.Reload, error) {
	before := fingerprint(d.opts.ConfigPath, d.cfg)
	next, err := d.load()
	if err != nil {
		d.watch.follow(d.cfg, before) // or the same mistake would be logged every half minute
		return admin.Reload{}, d.refuse(why, err)
	}
	changes := config.Diff(d.cfg, next)
	if !changes.Empty() {
		err = d.gateway.Reload(next)
	}
	if err != nil {
		d.watch.follow(d.cfg, before)
		d.log.Error("new configuration refused, the old one stays", "why", why, "err", err)
		return admin.Reload{}, &admin.Error{
			Message: "the gateway cannot take the new configuration and goes on with the old one: " + err.Error(),
		}
	}
	d.cfg = next
	d.level.Set(next.Log.Level)
	d.watch.follow(next, before)
	return d.report(why, changes, next.Warnings), nil
}

// refuse logs every problem of a configuration that could not be loaded.
func (d *daemon) refuse(why string, err error) error {
	var problems config.Problems
	if !errors.As(err, &problems) {
		d.log.Error("configuration cannot be read, the old one stays", "why", why, "err", err)
		return &admin.Error{Message: "the configuration cannot be read, the gateway goes on with the old one: " + err.Error()}
	}
	refused := &admin.Error{Message: "the new configuration is not valid, the gateway goes on with the old one"}
	for _, p := range problems {
		d.logProblem(slog.LevelError, p)
		refused.Problems = append(refused.Problems, p.String())
	}
	d.log.Error("new configuration refused, the old one stays", "why", why, "problems", len(problems))
	return refused
}

// report says to the command that asked what a reload has changed; the gateway itself has logged it.
func (d *daemon) report(why string, c config.Changes, warnings config.Problems) admin.Reload {
	for _, p := range warnings {
		d.logProblem(slog.LevelWarn, p)
	}
	done := admin.Reload{Applied: []string{}, Restart: c.Restart}
	for _, l := range []struct {
		peers []config.Peer
		what  string
	}{{c.Added, "added"}, {c.Removed, "removed"}, {c.Changed, "changed"}} {
		for _, p := range l.peers {
			done.Applied = append(done.Applied, "peer "+p.Name+" "+l.what)
		}
	}
	for _, key := range c.Live {
		done.Applied = append(done.Applied, key+" changed")
	}
	if c.Empty() {
		d.log.Debug("configuration unchanged", "why", why)
	} else {
		d.log.Info("configuration reloaded", "why", why, "applied", strings.Join(done.Applied, ", "))
	}
	return done
}

// logProblem logs one problem with its place in fields, never its secrets: a Problem has none.
func (d *daemon) logProblem(level slog.Level, p config.Problem) {
	if p.Severity == config.SeverityWarning {
		level = slog.LevelWarn
	}
	attrs := []any{"file", p.File, "line", p.Line, "key", p.Key}
	if p.Fix != "" {
		attrs = append(attrs, "fix", p.Fix)
	}
	d.log.Log(context.Background(), level, p.Message, attrs...)
}
