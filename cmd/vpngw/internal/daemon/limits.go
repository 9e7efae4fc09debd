package daemon

import "time"

const (
	// debounceQuiet is how long the files must be left alone before they are looked at. Saving in
	// an editor and the swap of a ConfigMap are some five events within a few milliseconds.
	debounceQuiet = 150 * time.Millisecond

	// debounceMax bounds the wait when something else in the directory never rests.
	debounceMax = 2 * time.Second

	// pollInterval is how often the files are compared without any event: for file systems that
	// give none.
	pollInterval = 30 * time.Second

	// DrainTimeoutDefault is how long open flows may go on after the first signal. "docker stop"
	// kills after ten seconds: this leaves two to close.
	DrainTimeoutDefault = 8 * time.Second

	// closeTimeout bounds the end itself.
	closeTimeout = 5 * time.Second
)
