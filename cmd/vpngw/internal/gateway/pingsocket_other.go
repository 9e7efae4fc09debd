//go:build !linux

package gateway

import "errors"

// openPingSocket has no unprivileged way here that keeps payload, sequence number and lifetime.
func openPingSocket() (pingSocket, error) { return nil, errors.ErrUnsupported }
