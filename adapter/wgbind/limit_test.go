package wgbind

import (
	"errors"
	"math"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/tun"
)

// insideMax is how many packets may stand inside with batches of full size.
const insideMax = insideBatches * batchSize

// endless is a device and a bind from which a full batch comes at each call.
type endless struct {
	tun.Device
	conn.Bind
	closed atomic.Bool
}

func (e *endless) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if e.closed.Load() {
		return 0, os.ErrClosed
	}
	return e.fill(bufs, sizes)
}

func (e *endless) fill(bufs [][]byte, sizes []int) (int, error) {
	for i := range bufs {
		sizes[i], bufs[i][0] = 100, 4
	}
	return len(bufs), nil
}

func (e *endless) Write(bufs [][]byte, _ int) (int, error) { return len(bufs), nil }
func (e *endless) Send([][]byte, conn.Endpoint) error      { return nil }
func (e *endless) Open(uint16) ([]conn.ReceiveFunc, uint16, error) {
	receive := func(bufs [][]byte, sizes []int, _ []conn.Endpoint) (int, error) { return e.fill(bufs, sizes) }
	return []conn.ReceiveFunc{receive, receive}, 1, nil
}
func (e *endless) BatchSize() int    { return batchSize }
func (e *endless) MTU() (int, error) { return 1420, nil }
func (e *endless) Close() error      { e.closed.Store(true); return nil }

// side is one direction through a limited device: where batches go in, and where they come out.
type side struct {
	in  func(bufs [][]byte, sizes []int) (int, error)
	out func(bufs [][]byte)
}

// sides makes a limited device for each direction.
func sides(t *testing.T) (all map[string]side, stop func()) {
	e := &endless{}
	b, d := Limit(e, e, math.MaxInt64)
	fns, _, err := b.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	send := func(bufs [][]byte) { _ = b.Send(bufs, nil) }
	write := func(bufs [][]byte) { _, _ = d.Write(bufs, 0) }
	receive := func(fn conn.ReceiveFunc) func(bufs [][]byte, sizes []int) (int, error) {
		return func(bufs [][]byte, sizes []int) (int, error) {
			return fn(bufs, sizes, make([]conn.Endpoint, len(bufs)))
		}
	}
	return map[string]side{
		"out": {func(bufs [][]byte, sizes []int) (int, error) { return d.Read(bufs, sizes, 0) }, send},
		"in":  {receive(fns[0]), write},
	}, func() { _ = d.Close() }
}

// fresh is a batch of buffers that nothing was ever in.
func fresh() ([][]byte, []int) {
	bufs := make([][]byte, batchSize)
	for i := range bufs {
		bufs[i] = make([]byte, 100)
	}
	return bufs, make([]int, batchSize)
}

// eachSide runs f for both directions in a bubble.
func eachSide(t *testing.T, f func(t *testing.T, s side, stop func())) {
	for _, name := range []string{"in", "out"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all, stop := sides(t)
				defer stop()
				f(t, all[name], stop)
			})
		})
	}
}

// fillUp puts in as much as goes in without waiting, and returns it.
func fillUp(t *testing.T, s side) (inside [][]byte) {
	start := time.Now()
	for len(inside) < insideMax {
		bufs, sizes := fresh()
		n, err := s.in(bufs, sizes)
		if err != nil || time.Since(start) > 0 {
			t.Fatalf("after %d packets: %v, %v later", len(inside), err, time.Since(start))
		}
		inside = append(inside, bufs[:n]...)
	}
	return inside
}

func TestAFullDeviceTakesNothingUntilABatchHasLeft(t *testing.T) {
	eachSide(t, func(t *testing.T, s side, _ func()) {
		inside := fillUp(t, s)
		entered := make(chan struct{})
		go func() {
			defer close(entered)
			_, _ = s.in(fresh())
		}()
		isIn := func() bool {
			synctest.Wait()
			select {
			case <-entered:
				return true
			default:
				return false
			}
		}
		if isIn() {
			t.Fatal("it took more")
		}
		s.out(inside[:batchSize-1])
		if isIn() {
			t.Fatal("it took more, with no room for a batch")
		}
		s.out(inside[batchSize-1:][:1])
		if !isIn() {
			t.Fatal("it does not go on")
		}
	})
}

func TestPacketsThatTheDeviceDropsDoNotCount(t *testing.T) {
	eachSide(t, func(t *testing.T, s side, _ func()) {
		start := time.Now()
		bufs, sizes := fresh()
		for range 3 * insideMax / batchSize {
			if _, err := s.in(bufs, sizes); err != nil { // the same buffers again: it kept nothing
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d > 0 {
			t.Errorf("it waited %v", d)
		}
	})
}

func TestPacketsThatStayInsideDoNotStopTheRest(t *testing.T) {
	eachSide(t, func(t *testing.T, s side, _ func()) {
		inside := fillUp(t, s)
		start := time.Now()
		_, _ = s.in(fresh())
		if d := time.Since(start); d != insideStall {
			t.Errorf("it went on after %v", d)
		}
		s.out(inside) // now they come out after all
		fillUp(t, s)
	})
}

func TestCloseEndsWaiting(t *testing.T) {
	eachSide(t, func(t *testing.T, s side, stop func()) {
		fillUp(t, s)
		go stop()
		start := time.Now()
		_, err := s.in(fresh())
		if d := time.Since(start); d > 0 {
			t.Errorf("it waited %v (%v)", d, err)
		}
	})
}

// A keepalive or a handshake is the device's own: it never went in as a packet.
func TestMessagesOfTheDeviceDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, stop := sides(t)
		defer stop()
		s := all["out"]
		fillUp(t, s)
		keepalive, handshake := make([]byte, 32), make([]byte, 148)
		keepalive[0], handshake[0] = 4, 1
		for range insideMax {
			s.out([][]byte{keepalive, handshake})
		}
		start := time.Now()
		if _, err := s.in(fresh()); err != nil || time.Since(start) == 0 {
			t.Errorf("they made room (%v)", err)
		}
	})
}

func TestBatchesFitTheMemory(t *testing.T) {
	for _, c := range []struct {
		memory int64
		batch  int
	}{{math.MaxInt64, 128}, {1 << 30, 128}, {288 << 20, 128}, {144 << 20, 64}, {58 << 20, 25}, {1 << 20, 16}, {0, 16}} {
		e := &endless{}
		b, d := Limit(e, e, c.memory)
		if b.BatchSize() != c.batch || d.BatchSize() != c.batch {
			t.Errorf("with %d bytes: %d and %d packets, want %d", c.memory, b.BatchSize(), d.BatchSize(), c.batch)
		}
	}
}

func TestALimitedBindPassesErrorsOn(t *testing.T) {
	b, d := Limit(failing{}, &endless{}, math.MaxInt64)
	defer d.Close()
	if _, _, err := b.Open(1); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Open: %v", err)
	}
	if err := b.Send(nil, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send: %v", err)
	}
}

type failing struct{ conn.Bind }

func (failing) Open(uint16) ([]conn.ReceiveFunc, uint16, error) { return nil, 0, net.ErrClosed }
func (failing) Send([][]byte, conn.Endpoint) error              { return net.ErrClosed }
