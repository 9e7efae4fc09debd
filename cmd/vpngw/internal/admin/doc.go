// Package admin is how the vpngw command and health probes talk to a running gateway: HTTP with
// JSON bodies over a unix socket, and a few read-only pages over TCP where the operator asked for
// them.
//
// # The socket
//
// The socket has mode 0600, so whoever may open it is the gateway's user or root; there is no
// other authentication. A lock file beside it ("vpngw.sock.lock") is held as long as the gateway
// runs: it tells a socket left behind by a crash, which Listen removes, from one in use, which is
// ErrRunning. Nothing but a socket is ever removed.
//
//	GET  /v1/status   the gateway's Status as JSON
//	POST /v1/reload   read the configuration again; 200 with a Reload, 422 with an Error
//	GET  /healthz     200 while the process serves
//	GET  /readyz      200 when peers can connect, 503 with the reason while they cannot
//
// # The TCP listener
//
// It serves /healthz and /readyz only. Requests must name the host they mean by an address, as
// localhost or as the host in the configuration: a page in somebody's browser that points its own
// name at 127.0.0.1 gets nothing (DNS rebinding).
//
// # Limits
//
// Connections, header size and every phase of a request are bounded; see limits.go.
//
// A Server and a Client are safe for concurrent use. Server.Close ends open requests.
package admin
