// Package filelock keeps two vpngw processes from doing the same thing to the same files: two
// gateways on one admin socket, two "peer add" in one peers directory.
//
// A lock is advisory and belongs to an open file, so the system releases it when the process
// ends, however it ends: there is no stale lock to clean up. The lock file itself stays; removing
// it would let two processes hold "the" lock on two different files.
//
// TryLock never blocks; Acquire waits until its context ends.
package filelock
