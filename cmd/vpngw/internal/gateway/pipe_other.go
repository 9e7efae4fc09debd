//go:build !linux

package gateway

// A poller is what other systems do without: two goroutines of each flow wait.
type poller struct{}

func (*poller) close() {}

// carry copies both ways until the flow has ended, then calls t.gone.
func (t *tcpFlow) carry() { t.carryBlocking() }
