package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"vpngw/cmd/vpngw/internal/filelock"
)

// probeTimeout bounds the question whether anybody serves an existing socket.
const probeTimeout = time.Second

// socketListener is the unix listener together with the lock that makes it the only one.
type socketListener struct {
	net.Listener
	path string
	lock *filelock.Lock
}

// Listen opens the admin socket at path with mode 0600, replacing one that a dead process left.
// The directory is created (0700) if it is missing. While another process serves the socket the
// error is ErrRunning. Closing the listener removes the socket.
func Listen(path string) (net.Listener, error) {
	if len(path) > socketPathMax {
		return nil, fmt.Errorf("the admin socket's path %s is %d bytes long, the system allows %d: set a shorter one with --socket or admin.socket",
			path, len(path), socketPathMax)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the admin socket's directory: %w; name another path with --socket or admin.socket", err)
	}
	lock, err := filelock.TryLock(path + ".lock")
	if errors.Is(err, filelock.ErrLocked) {
		return nil, fmt.Errorf("%w: another process serves %s; stop it first, or start this one with another --socket",
			ErrRunning, path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make the admin socket: %w; name a path that this user may write with --socket or admin.socket, or none with admin.socket = \"\"", err)
	}
	ln, err := listenLocked(path)
	if err != nil {
		_ = lock.Unlock()
		return nil, err
	}
	return &socketListener{Listener: ln, path: path, lock: lock}, nil
}

// listenLocked does the work of Listen for the process that holds the lock.
func listenLocked(path string) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	restore := privateUmask() // so that there is no moment in which others could connect
	ln, err := net.Listen("unix", path)
	restore()
	if err != nil {
		return nil, fmt.Errorf("cannot make the admin socket %s: %w", path, errorCause(err))
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // Close does it while the lock is held
	if err := os.Chmod(path, 0o600); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("cannot protect the admin socket: %w", err)
	}
	return ln, nil
}

// removeStale removes a socket that nobody serves. The lock already says that nobody does; asking
// the socket as well keeps us from cutting off a gateway whose lock file somebody deleted.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at the admin socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way of the admin socket and is not a socket: move it, or set another path with --socket or admin.socket", path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("%w: another process answers on %s; stop it first, or start this one with another --socket",
			ErrRunning, path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("cannot remove the admin socket left by a gateway that ended: %w", err)
	}
	return nil
}

// Close stops accepting, removes the socket and then lets the next process have it.
func (l *socketListener) Close() error {
	err := l.Listener.Close()
	if errors.Is(err, net.ErrClosed) {
		return err // http.Server closes its listeners twice
	}
	_ = os.Remove(l.path)
	return errors.Join(err, l.lock.Unlock())
}

// errorCause strips the "listen unix /path:" that package net puts before what went wrong.
func errorCause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
