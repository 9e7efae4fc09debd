package cli

import (
	"context"
	"log/slog"

	"vpngw/cmd/vpngw/internal/daemon"
	"vpngw/cmd/vpngw/internal/gateway"
	"vpngw/cmd/vpngw/internal/procs"
	"vpngw/config"
)

// runningGateway gives gateway.Gateway the shape that daemon wants.
type runningGateway struct {
	*gateway.Gateway
	processors *procs.Governor
}

func newGateway(cfg *config.Config, log *slog.Logger) (daemon.Gateway, error) {
	p := procs.Start()
	g, err := gateway.New(cfg, gateway.Options{Logger: log, MemoryLimit: gateway.SetMemoryLimit(), Worked: p.Worked})
	if err != nil {
		p.Close()
		return nil, err
	}
	return runningGateway{g, p}, nil
}

// Status returns a gateway.Status.
func (g runningGateway) Status() any { return g.Gateway.Status() }

// Close ends everything; ctx bounds how long it may take.
func (g runningGateway) Close(ctx context.Context) error {
	defer g.processors.Close()
	return g.Gateway.Close(ctx)
}
