package admin

import "errors"

// ErrRunning is returned by Listen when another process serves the socket.
var ErrRunning = errors.New("a gateway is already running here")

// ErrNotRunning is returned by a Client when nothing serves the socket.
var ErrNotRunning = errors.New("no gateway is running here")

// ErrPermission is returned by a Client that may not open the socket, which belongs to the user
// that runs the gateway.
var ErrPermission = errors.New("not allowed to talk to the gateway")

// Error is the body of every answer that is not 2xx.
type Error struct {
	// Message is one sentence.
	Message string `json:"error"`
	// Problems are the single faults, each with its place, if there are several.
	Problems []string `json:"problems,omitempty"`
}

// Error returns the message; the problems are for the caller to print in lines of their own.
func (e *Error) Error() string { return e.Message }

// Reload is the answer to a reload that was done.
type Reload struct {
	// Applied names what changed, in words such as "peer laptop added". Empty means that nothing
	// had changed.
	Applied []string `json:"applied"`
	// Restart names the keys that differ from what the gateway was started with and that only a restart
	// brings, those of earlier reloads too.
	Restart []string `json:"restart,omitempty"`
}
