//go:build !linux

package gateway

// carry copies both ways until the flow has ended, then calls t.gone. It does not block.
func (t *tcpFlow) carry() { go t.carryBlocking() }
