package adapter

import (
	"os"
	"runtime"

	"golang.zx2c4.com/wireguard/tun"
)

// batchSize is how many packets a Read or Write of the device moves at most: that
// of wireguard-go's UDP sockets, so that one Read fills one sendmmsg.
const batchSize = 128

// device is the tun.Device of a Net. Read is meant for one goroutine; the other
// methods may be called by any number at any time.
type device struct {
	net    *Net
	mtu    int
	name   string
	events chan tun.Event
}

var _ tun.Device = (*device)(nil)

func (d *device) init(n *Net, mtu int, name string) {
	if name == "" {
		name = defaultName
	}
	d.net, d.mtu, d.name = n, mtu, name
	d.events = make(chan tun.Event, 1)
	d.events <- tun.EventUp
}

// Read fills bufs from offset on with up to len(bufs) packets that the stack has to
// send, and sets their sizes. It blocks while there are none. After Close it returns
// what was left, then os.ErrClosed. Each buffer needs room for an MTU after offset.
func (d *device) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n := d.net
	for {
		// Before the attempt: what is closed now has nothing new to send after it.
		closed := n.isClosed()
		if count := n.stack.Output(n.now(), bufs, sizes, offset); count > 0 {
			return count, nil
		}
		if closed {
			return 0, os.ErrClosed
		}
		select {
		case <-n.pump.output:
			// Whoever can run now may have something to send as well: let them, and it leaves in the same
			// batch. With 64 round trips at once that is a third of the CPU time; for one it costs nothing.
			runtime.Gosched()
		case <-n.ctx.Done():
		}
	}
}

// Write gives packets to the stack, each from offset to its buffer's end. The
// buffers are the caller's again when it returns. A packet that cannot be used is
// counted in the stack's statistics and is no error.
func (d *device) Write(bufs [][]byte, offset int) (int, error) {
	n := d.net
	if n.isClosed() {
		return 0, os.ErrClosed
	}
	n.stack.Input(n.now(), bufs, offset)
	return len(bufs), nil
}

// MTU returns the MTU in bytes.
func (d *device) MTU() (int, error) { return d.mtu, nil }

// Name returns the name that Options gave.
func (d *device) Name() (string, error) { return d.name, nil }

// File returns nil: there is no file behind the device.
func (d *device) File() *os.File { return nil }

// Events returns the channel that holds EventUp from the start and is closed by Close.
func (d *device) Events() <-chan tun.Event { return d.events }

// BatchSize returns 128.
func (d *device) BatchSize() int { return batchSize }

// Close closes the Net.
func (d *device) Close() error { return d.net.Close() }

// shut closes the event channel. Net.Close calls it once.
func (d *device) shut() { close(d.events) }
