//go:build !unix

package adapter

import "io"

// readFromSocket has no short cut on this system.
func (c *TCPConn) readFromSocket(io.Reader, *int64) (n int64, err error, ok bool) {
	return 0, nil, false
}
