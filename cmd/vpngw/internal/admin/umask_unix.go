//go:build unix

package admin

import "syscall"

// privateUmask makes new files this process's user's alone until the returned function is called.
// It is the whole process's setting: a file made elsewhere meanwhile is at worst too private.
func privateUmask() (restore func()) {
	old := syscall.Umask(0o177)
	return func() { syscall.Umask(old) }
}
