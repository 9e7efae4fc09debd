//go:build !race && amd64 && !purego

package wire

// raceEnabled is whether the race detector watches this program.
const raceEnabled = false
