package daemon

import (
	"io"
	"log/slog"

	"vpngw/config"
)

// newLogger returns the logger of [log]: text or JSON on w. level may be changed while it runs.
func newLogger(w io.Writer, c config.Log, level *slog.LevelVar) *slog.Logger {
	level.Set(c.Level)
	opts := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
