package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WritePeer writes the file of p, named after it, into dir, which it makes if needed (0700), and
// returns the file's path. The file (0600) is complete and on disk or not there at all, and a file
// that exists is never replaced: then the error matches fs.ErrExist. See [KeepOwner] for whose it is.
func WritePeer(dir string, p *Peer) (string, error) {
	if err := CheckName(p.Name); err != nil {
		return "", fmt.Errorf("%q is %w", p.Name, err)
	}
	text, err := renderPeer(p)
	if err != nil {
		return "", err
	}
	if err := MakeDir(dir); err != nil {
		return "", err
	}
	path := filepath.Join(dir, p.Name+peerFileSuffix)
	return path, writeNewFile(path, text)
}

// MakeDir makes a directory for secrets (0700), with those above it, unless it is there. See [KeepOwner].
func MakeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	keepDirOwner(filepath.Clean(dir))
	return nil
}

// RemovePeer deletes the file of the peer with that name. A peer that stands in a [[peer]] table is
// not removed: the error says in which file and line. If there is no such peer, the error matches
// fs.ErrNotExist.
func RemovePeer(c *Config, name string) error {
	for i := range c.Peers {
		p := &c.Peers[i]
		if p.Name != name {
			continue
		}
		if p.File == "" || p.File == c.Path {
			return fmt.Errorf("peer %q stands in %s:%d; remove its [[peer]] table there", name, p.File, p.Line)
		}
		if err := os.Remove(p.File); err != nil {
			return err
		}
		return syncDir(filepath.Dir(p.File))
	}
	return fmt.Errorf("peer %q: %w", name, fs.ErrNotExist)
}

// writeNewFile writes a file (0600) that must not exist yet. It is written under another name,
// flushed, and then given its own: a reader or a crash meets all of it or nothing.
func writeNewFile(path, text string) (err error) {
	dir, base := filepath.Split(path)
	temp, err := os.CreateTemp(dir, "."+base+".*") // a dot: ignored in peers_dir
	if err != nil {
		return err
	}
	defer func() {
		if removeErr := os.Remove(temp.Name()); err == nil && !errors.Is(removeErr, fs.ErrNotExist) {
			err = removeErr
		}
	}()
	KeepOwner(temp)
	_, err = temp.WriteString(text)
	if err == nil {
		err = temp.Sync()
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := nameNewFile(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// nameNewFile gives a file the name path, which must be free. A hard link is refused if the name is
// taken, which a rename is not. Where the file system has no links, two processes that choose the
// same name in the same instant are not told apart.
func nameNewFile(temp, path string) error {
	err := os.Link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	return os.Rename(temp, path)
}

// syncDir makes the names in a directory last. Not every system can flush a directory; then the
// names last when the system sees fit.
func syncDir(dir string) error {
	if dir == "" {
		dir = "."
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}
