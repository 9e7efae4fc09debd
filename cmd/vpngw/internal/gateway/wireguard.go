package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"runtime/debug"
	"sync"
	"syscall"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"vpngw/adapter/wgbind"
	"vpngw/config"
)

// A tunnel is the wireguard-go device. Its methods may be called from any goroutine.
type tunnel struct{ dev *device.Device }

// newTunnel makes a device that is not up yet: it has no socket. worked may be nil, see [Options].
func newTunnel(t tun.Device, log *slog.Logger, worked func(packets int)) tunnel {
	quiet := &quietTUN{Device: t, events: make(chan tun.Event)}
	memory := debug.SetMemoryLimit(-1) // what it is: see SetMemoryLimit of this package
	bind, limited := wgbind.Limit(wgbind.New(), quiet, memory)
	if worked != nil {
		bind = countedBind{bind, worked}
	}
	return tunnel{device.NewDevice(limited, bind, deviceLogger(log))}
}

// A countedBind tells how many packets it carries.
type countedBind struct {
	conn.Bind
	worked func(packets int)
}

func (b countedBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	fns, port, err := b.Bind.Open(port)
	for i, receive := range fns {
		fns[i] = func(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
			n, err := receive(bufs, sizes, eps)
			b.worked(n)
			return n, err
		}
	}
	return fns, port, err
}

func (b countedBind) Send(bufs [][]byte, to conn.Endpoint) error {
	err := b.Bind.Send(bufs, to)
	b.worked(len(bufs))
	return err
}

// A quietTUN does not announce that it is up. wireguard-go would bring itself up by that, in a
// goroutine of its own, and a port that it cannot open then it forgets: our own attempt, right
// after, would open another one and report success.
type quietTUN struct {
	tun.Device
	events chan tun.Event
	once   sync.Once
}

// Events returns a channel on which nothing comes until Close closes it.
func (q *quietTUN) Events() <-chan tun.Event { return q.events }

func (q *quietTUN) Close() error {
	q.once.Do(func() { close(q.events) })
	return q.Device.Close()
}

// configure gives the device its key, port and peers, before it is up.
func (t tunnel) configure(cfg *config.Config) error {
	var w uapiWriter
	w.privateKey(cfg.Interface.PrivateKey)
	w.listenPort(cfg.Interface.ListenPort)
	for i := range cfg.Peers {
		w.addPeer(&cfg.Peers[i])
	}
	return t.set(&w)
}

// set applies what w holds. A device that fails half-way keeps what came before.
func (t tunnel) set(w *uapiWriter) error {
	if w.Len() == 0 {
		return nil
	}
	if err := t.dev.IpcSet(w.String()); err != nil {
		return fmt.Errorf("WireGuard device: %w", deviceError(err))
	}
	return nil
}

// up opens the UDP port.
func (t tunnel) up(port int) error { return portError(port, t.dev.Up()) }

// state asks the device how it is.
func (t tunnel) state() (deviceState, error) {
	var b bytes.Buffer
	if err := t.dev.IpcGetOperation(&b); err != nil {
		return deviceState{}, fmt.Errorf("WireGuard device: %w", err)
	}
	defer clear(b.Bytes()) // the private key is in it
	return parseDeviceState(b.Bytes())
}

// portError says in one sentence why the UDP port cannot be opened. The system's error stays
// inside.
func portError(port int, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("UDP port %d is taken by another program: stop it or choose another interface.listen_port (%w)", port, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("UDP port %d needs a privilege that this process does not have: choose an interface.listen_port of 1024 or more (%w)", port, err)
	}
	return fmt.Errorf("cannot open UDP port %d: %w", port, err)
}

// probePort says whether the UDP port can be opened, as the device would, without touching the
// device.
func probePort(port int) error {
	for _, network := range []string{"udp4", "udp6"} {
		c, err := net.ListenUDP(network, &net.UDPAddr{Port: port})
		if err == nil {
			_ = c.Close()
		} else if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
			return portError(port, err)
		} // a host without IPv6 is none of our concern here
	}
	return nil
}

// deviceError is err without the device's own words about a code.
func deviceError(err error) error {
	var ipc *device.IPCError
	if errors.As(err, &ipc) {
		if inner := errors.Unwrap(ipc); inner != nil {
			return inner
		}
	}
	return err
}

// deviceLogger passes wireguard-go's log to ours: its errors as warnings (they are about one packet
// or one handshake, the gateway goes on), the rest at debug. Formatting is skipped where nobody
// would read it.
func deviceLogger(log *slog.Logger) *device.Logger {
	log = log.With("from", "wireguard")
	at := func(level slog.Level) func(string, ...any) {
		return func(format string, args ...any) {
			if log.Enabled(context.Background(), level) {
				log.Log(context.Background(), level, withoutKeys(fmt.Sprintf(format, args...)))
			}
		}
	}
	return &device.Logger{Verbosef: at(slog.LevelDebug), Errorf: at(slog.LevelWarn)}
}

// keyShaped matches 32 bytes in hexadecimal or base64.
var keyShaped = regexp.MustCompile(`[0-9a-fA-F]{64}|[0-9A-Za-z+/]{43}=`)

// withoutKeys hides whatever looks like a key: the device's errors may quote the line they are
// about.
func withoutKeys(s string) string { return keyShaped.ReplaceAllString(s, "(key)") }
