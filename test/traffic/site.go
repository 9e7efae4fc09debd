package traffic

import (
	"context"
	"time"
)

// Shell runs a script with sh on the client and returns its stdout. The error tells the exit status
// and stderr. It must end when the context does.
type Shell func(ctx context.Context, script string) (stdout string, err error)

// Site says who takes part. Every field is needed.
type Site struct {
	// Client runs scripts on the client.
	Client Shell
	// Gateway is the gateway's address in the tunnel.
	Gateway string
	// Upstream is the address of the far end, which runs package origin, an SSH server that lets
	// SSHUser in with SSHKey, and a DNS server that knows the names of names.go.
	Upstream string
	// SSHUser and SSHKey (a file on the client) open a session on Upstream.
	SSHUser, SSHKey string
	// Forbidden are addresses that the gateway must not reach for a client: its host's loopback,
	// its own outer addresses, cloud metadata.
	Forbidden []string
	// NoRoute is an address of which the gateway's host finds out, within seconds, that it has no
	// way there.
	NoRoute string
}

// Load says how much traffic the checks make.
type Load struct {
	Bulk    uint64        // bytes of a download, and of an upload
	Small   int           // requests in parallel
	Session uint64        // bytes through an SSH session, and of a long reply
	Timeout time.Duration // for each check
}
