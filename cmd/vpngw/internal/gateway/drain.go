package gateway

import (
	"context"
	"fmt"
)

// Drain lets what is open end and opens nothing new: requests are not answered, so that clients ask
// again and reach the gateway's successor. It returns when the last TCP flow has ended, or when ctx
// ends, with an error that says how many are left. UDP mappings do not hold it up, they have no
// end; they go on until Close. There is no way back but Close.
func (g *Gateway) Drain(ctx context.Context) error {
	g.fwd.draining.Store(true)
	return g.fwd.budgets.waitIdle(ctx)
}

// waitIdle returns when there is no TCP flow, or ctx has ended.
func (b *budgets) waitIdle(ctx context.Context) error {
	b.mu.Lock()
	if b.tcp.used == 0 {
		b.mu.Unlock()
		return nil
	}
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d TCP flows are still open: %w", b.total().TCP, ctx.Err())
	}
}

// wakeIdleLocked wakes waitIdle if there is no TCP flow any more.
func (b *budgets) wakeIdleLocked() {
	if b.idle != nil && b.tcp.used == 0 {
		close(b.idle)
		b.idle = nil
	}
}
