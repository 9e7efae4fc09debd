package cli

import (
	"log/slog"

	"vpngw/cmd/vpngw/internal/daemon"
	"vpngw/cmd/vpngw/internal/gateway"
	"vpngw/config"
)

// runningGateway gives gateway.Gateway the shape that daemon wants.
type runningGateway struct{ *gateway.Gateway }

func newGateway(cfg *config.Config, log *slog.Logger) (daemon.Gateway, error) {
	g, err := gateway.New(cfg, gateway.Options{Logger: log, MemoryLimit: gateway.SetMemoryLimit()})
	if err != nil {
		return nil, err
	}
	return runningGateway{g}, nil
}

// Status returns a gateway.Status.
func (g runningGateway) Status() any { return g.Gateway.Status() }
