package cli

import (
	"context"
	"fmt"
	"log/slog"

	"vpngw/cmd/vpngw/internal/daemon"
	"vpngw/cmd/vpngw/internal/gateway"
	"vpngw/config"
)

// runningGateway gives gateway.Gateway the shape that daemon wants.
type runningGateway struct {
	*gateway.Gateway
	port int // that was asked for; 0 for any
}

func newGateway(cfg *config.Config, log *slog.Logger) (daemon.Gateway, error) {
	g, err := gateway.New(cfg, gateway.Options{Logger: log, MemoryLimit: gateway.SetMemoryLimit()})
	if err != nil {
		return nil, err
	}
	return runningGateway{g, cfg.Interface.ListenPort}, nil
}

// Start starts the gateway and makes sure that it is on the port that it was told: wireguard-go
// brings its device up in two goroutines at once, and the one that finds the port taken makes the
// other choose any.
func (g runningGateway) Start(ctx context.Context) error {
	if err := g.Gateway.Start(ctx); err != nil {
		return err
	}
	return checkPort(g.port, g.Gateway.Status().ListenPort, func() { _ = g.Close(ctx) })
}

// Status returns a gateway.Status.
func (g runningGateway) Status() any { return g.Gateway.Status() }

// checkPort ends a gateway that is not on the port that was asked for, and says why that one could
// not be had.
func checkPort(asked, got int, end func()) error {
	if asked == 0 || got == asked {
		return nil
	}
	end()
	if _, err := freePort(asked); err != nil {
		return err
	}
	return fmt.Errorf("UDP port %d could not be opened, but it is free now: try again", asked)
}
