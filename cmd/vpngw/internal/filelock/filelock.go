package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"vpngw/config"
)

// ErrLocked is returned by TryLock when another process (or another Lock of this one) holds the
// lock.
var ErrLocked = errors.New("locked by another process")

// retryInterval is how often Lock asks again. Locks here are held for milliseconds by a person's
// command, so a tenth of a second is not noticed and costs nothing.
const retryInterval = 100 * time.Millisecond

// A Lock is a held lock. Unlock releases it; so does the end of the process.
type Lock struct {
	file *os.File
}

// TryLock takes the lock on path, creating the file with mode 0600 if it is not there; see
// config.KeepOwner. It does not wait: a lock that is taken is ErrLocked.
func TryLock(path string) (*Lock, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Lock{file: f}, nil
}

// open opens the lock file, or makes it.
func open(path string) (*os.File, error) {
	made, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	}
	if err == nil {
		config.KeepOwner(made)
	}
	return made, err
}

// Acquire takes the lock on path as TryLock does, and waits for it until ctx ends.
func Acquire(ctx context.Context, path string) (*Lock, error) {
	tick := time.NewTicker(retryInterval)
	defer tick.Stop()
	for {
		l, err := TryLock(path)
		if !errors.Is(err, ErrLocked) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w", path, err)
		case <-tick.C:
		}
	}
}

// Unlock releases the lock. Unlocking twice is an error of the second call only.
func (l *Lock) Unlock() error {
	return l.file.Close()
}
