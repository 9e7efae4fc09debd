// Package procs has the Go runtime use as few processors as the load needs.
//
// A gateway's packets pass through half a dozen goroutines each. With idle processors the runtime wakes another
// thread at nearly every step, in case there is something for it to do; mostly there is not, and the
// thread takes its core from whoever was to go on, the peer's own process among them. On two cores shared with
// the peers, one processor carried the same bulk for a fifth less CPU time, short connections for a quarter
// less, and a connection was made in three quarters of the time.
//
// So the number (GOMAXPROCS) follows the CPU time that the process uses: it doubles within milliseconds when
// nearly all of what there is is in use, and falls when, over a second, fewer would have done.
package procs
