package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vpngw/cmd/vpngw/internal/admin"
	"vpngw/config"
)

// reloadTimeout bounds the wait for a running gateway to take a change.
const reloadTimeout = 15 * time.Second

// takeEffect makes a running gateway read what was just written and says on standard error what
// came of it. It is an error only if a gateway runs and refuses.
func (a *app) takeEffect(ctx context.Context, c *config.Config) error {
	socket := c.Admin.Socket
	if a.socketFlag != "" {
		socket = a.socketFlag
	}
	if socket == "" {
		a.sayf("A running gateway notices the change by itself: it watches its files (admin.socket is empty, so it cannot be asked).")
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	done, err := admin.NewClient(socket).Reload(ctx)
	var refused *admin.Error
	switch {
	case err == nil:
		a.sayf("The running gateway has taken the change.")
		if len(done.Restart) > 0 {
			a.sayf("Warning: it still waits for a restart that brings %s.", strings.Join(done.Restart, ", "))
		}
	case errors.Is(err, admin.ErrNotRunning):
		a.sayf("No gateway runs here now: the change takes effect when it starts.")
	case errors.As(err, &refused):
		return fmt.Errorf("the change is written, but %w", err)
	default:
		a.sayf("The running gateway could not be told (%s); it watches its files and takes the change within seconds.", err)
	}
	return nil
}
