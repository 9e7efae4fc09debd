package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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

// whyFiles is the reason of a reload that nobody asked for.
const whyFiles = "files changed"

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
	before, began := fingerprint(d.opts.ConfigPath, d.cfg), moment(d.opts.ConfigPath, d.cfg)
	mended := d.refused
	d.refused = true
	next, err := d.load()
	if moment(d.opts.ConfigPath, d.cfg) != began {
		before = unknown // what was loaded may be neither what was there before nor what is there now
	}
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
	for _, p := range next.Warnings {
		if !slices.Contains(d.cfg.Warnings, p) { // the others have been logged
			d.logProblem(slog.LevelWarn, p)
		}
	}
	d.cfg = next
	d.refused = false
	d.level.Set(next.Log.Level)
	d.watch.follow(next, before)
	return d.report(why, changes, mended), nil
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

// report says in the log, and to the command that asked, what a reload has changed. mended: the one before
// was refused.
func (d *daemon) report(why string, c config.Changes, mended bool) admin.Reload {
	done := admin.Reload{Applied: []string{}, Restart: config.Diff(d.started, d.cfg).Restart}
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
	attrs := []any{"why", why}
	if len(done.Applied) > 0 {
		attrs = append(attrs, "applied", strings.Join(done.Applied, ", "))
	}
	if len(done.Restart) > 0 {
		attrs = append(attrs, "restart_needed", strings.Join(done.Restart, ", "))
	}
	switch {
	case !c.Empty():
		d.log.Info("configuration reloaded", attrs...)
	case mended || why != whyFiles: // somebody waits for a word
		d.log.Info("configuration valid and unchanged", attrs...)
	default:
		d.log.Debug("configuration valid and unchanged", attrs...)
	}
	return done
}

// logProblem logs one problem with its place in fields, never its secrets: a Problem has none.
func (d *daemon) logProblem(level slog.Level, p config.Problem) {
	if p.Severity == config.SeverityWarning {
		level = slog.LevelWarn
	}
	attrs := []any{"file", p.File}
	if p.Line > 0 {
		attrs = append(attrs, "line", p.Line)
	}
	for _, a := range [...]struct{ key, value string }{{"key", p.Key}, {"fix", p.Fix}} {
		if a.value != "" {
			attrs = append(attrs, a.key, a.value)
		}
	}
	d.log.Log(context.Background(), level, p.Message, attrs...)
}
