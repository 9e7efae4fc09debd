//go:build unix

package config

import (
	"os"
	"path/filepath"
	"syscall"
)

// KeepOwner gives what root has just made to the owner of the directory that it is in: a command of root's
// must not leave files there that a gateway of another user cannot read. For anyone but root it does
// nothing; nor where the system refuses, in which case the gateway says what it cannot read.
//
// It takes the open file, and only one that did not exist before: a name could meanwhile lead to a file of
// root's that the directory's owner has put there.
func KeepOwner(made *os.File) {
	if os.Geteuid() != 0 {
		return
	}
	if info, err := os.Stat(filepath.Dir(made.Name())); err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 {
			_ = made.Chown(int(owner.Uid), int(owner.Gid))
		}
	}
}

// keepDirOwner is KeepOwner for a directory.
func keepDirOwner(path string) {
	dir, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	KeepOwner(dir)
}
