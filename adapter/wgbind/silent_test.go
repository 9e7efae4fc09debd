package wgbind

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
)

// flood is a TUN device from which full batches of packets for one peer come, some times.
type flood struct {
	tun.Device
	packet []byte
	calls  int
	start  chan struct{} // closed when packets may come
	done   chan struct{}
	closed chan struct{}
	once   sync.Once
	seen   map[*byte]bool // the buffers that the device brought

	written chan struct{} // if not nil, a token for each packet that arrived
}

func (f *flood) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	select {
	case <-f.start:
	case <-f.closed:
		return 0, os.ErrClosed
	}
	if f.calls--; f.calls < 0 {
		f.once.Do(func() { close(f.done) })
		<-f.closed
		return 0, os.ErrClosed
	}
	for i, b := range bufs {
		f.seen[&b[0]] = true
		sizes[i] = copy(b[offset:], f.packet)
	}
	return len(bufs), nil
}

func (f *flood) Write(bufs [][]byte, _ int) (int, error) {
	for range bufs {
		select {
		case f.written <- struct{}{}:
		default:
		}
	}
	return len(bufs), nil
}

func (f *flood) MTU() (int, error)        { return 1420, nil }
func (f *flood) Name() (string, error)    { return "flood", nil }
func (f *flood) Events() <-chan tun.Event { return make(chan tun.Event) }
func (f *flood) BatchSize() int           { return batchSize }
func (f *flood) Close() error             { close(f.closed); return nil }

// ipv4 is a packet of 100 bytes.
func ipv4(src, dst string) []byte {
	b := make([]byte, 100)
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], 100)
	s, d := netip.MustParseAddr(src).As4(), netip.MustParseAddr(dst).As4()
	copy(b[12:], s[:])
	copy(b[16:], d[:])
	return b
}

// newFlood is a device from which so many batches for 10.8.0.2 come.
func newFlood(calls int) *flood {
	return &flood{
		packet: ipv4("10.8.0.1", "10.8.0.2"), calls: calls,
		start: make(chan struct{}), done: make(chan struct{}), closed: make(chan struct{}),
		seen: map[*byte]bool{}, written: make(chan struct{}, 10*batchSize),
	}
}

// wireguard starts a real device on f with a key.
func wireguard(t *testing.T, f *flood) (*device.Device, *limitedDevice, *ecdh.PublicKey) {
	t.Helper()
	bind, limited := Limit(New(), f, math.MaxInt64)
	d := device.NewDevice(limited, bind, device.NewLogger(device.LogLevelSilent, ""))
	t.Cleanup(d.Close)
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	configure(t, d, "private_key=%x\nlisten_port=0\n", key.Bytes())
	return d, limited.(*limitedDevice), key.PublicKey()
}

func configure(t *testing.T, d *device.Device, format string, args ...any) {
	t.Helper()
	if err := d.IpcSet(fmt.Sprintf(format, args...)); err != nil {
		t.Fatal(err)
	}
}

// TestFloodOfASilentPeer: a real device with a peer whose endpoint nobody knows keeps few packets of a flood for
// it, each in 64 KiB, and takes the rest without delay.
func TestFloodOfASilentPeer(t *testing.T) {
	const calls = 20
	f := newFlood(calls)
	d, limited, _ := wireguard(t, f)
	_, _, peer := wireguard(t, newFlood(0)) // whose port the other does not know
	configure(t, d, "public_key=%x\nallowed_ip=10.8.0.2/32\n", peer.Bytes())
	if err := d.Up(); err != nil {
		t.Fatal(err)
	}
	close(f.start)
	<-f.done
	if n := len(f.seen); n > 3*batchSize {
		t.Errorf("for %d packets the device has %d buffers of 64 KiB", calls*batchSize, n)
	}
	if n := limited.silence.held.Load(); n != batchSize/2 {
		t.Errorf("%d packets are held", n)
	}
}

// TestHeldPacketsLeaveWithTheSession: between two real devices, as soon as they have shaken hands.
func TestHeldPacketsLeaveWithTheSession(t *testing.T) {
	f, g := newFlood(1), newFlood(0)
	from, limited, fromKey := wireguard(t, f)
	to, _, toKey := wireguard(t, g)
	configure(t, to, "public_key=%x\nallowed_ip=10.8.0.1/32\n", fromKey.Bytes())
	if err := to.Up(); err != nil {
		t.Fatal(err)
	}
	status, err := to.IpcGet()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(status, "listen_port=")
	port, _, _ = strings.Cut(port, "\n")
	configure(t, from, "public_key=%x\nendpoint=127.0.0.1:%s\nallowed_ip=10.8.0.2/32\n", toKey.Bytes(), port)
	if err := from.Up(); err != nil {
		t.Fatal(err)
	}
	close(f.start)
	for range batchSize / 2 {
		select {
		case <-g.written:
		case <-time.After(20 * time.Second):
			t.Fatalf("%d packets are held", limited.silence.held.Load())
		}
	}
	if n := limited.silence.held.Load(); n != 0 {
		t.Errorf("%d packets are held after all have arrived", n)
	}
}

// quiet makes a limited device whose Read gives packets for one destination after the other.
func quiet(t *testing.T, dst ...string) (d *limitedDevice, b *limitedBind, read func() [][]byte) {
	f := newFlood(math.MaxInt)
	close(f.start)
	bind, dev := Limit(&endless{}, f, math.MaxInt64)
	d, b = dev.(*limitedDevice), bind.(*limitedBind)
	t.Cleanup(func() { _ = d.Close() })
	turn := 0
	return d, b, func() (taken [][]byte) {
		f.packet = ipv4("10.8.0.1", dst[turn%len(dst)])
		turn++
		bufs, sizes := make([][]byte, batchSize), make([]int, batchSize)
		for i := range bufs {
			bufs[i] = make([]byte, 2048)
		}
		n, err := d.Read(bufs, sizes, 16)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range bufs[:n] {
			if sizes[i] > 0 {
				taken = append(taken, p[:16+sizes[i]+16])
			}
		}
		return taken
	}
}

// send passes packets on as the device does: encrypted, the header in front.
func send(b *limitedBind, packets [][]byte) {
	for _, p := range packets {
		p[0] = 4
	}
	_ = b.Send(packets, nil)
}

func TestAPeerThatIsThereGetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, b, read := quiet(t, "10.8.0.2")
		want := func(why string, n int) [][]byte {
			t.Helper()
			got := read()
			if len(got) != n {
				t.Errorf("%s: %d packets, want %d", why, len(got), n)
			}
			return got
		}
		first := want("never heard", batchSize/2)
		want("and none has left", 0)
		send(b, first)
		send(b, want("they have left", batchSize))
		time.Sleep(silentAfter)
		send(b, want("a while ago", batchSize))
		time.Sleep(silentAfter + time.Millisecond)
		want("it may have been heard since the last packet", batchSize)
		held := want("too long ago", batchSize/2)
		_, _ = d.Write([][]byte{append(make([]byte, 16), ipv4("10.8.0.2", "10.8.0.1")...)}, 16)
		send(b, want("it was heard", batchSize))
		_, _ = d.Write([][]byte{append(make([]byte, 16), ipv4("10.8.0.2", "10.8.0.1")...)}, 16)
		time.Sleep(time.Minute)
		send(b, want("it was heard at some time since the last packet", batchSize))
		send(b, held)
		if n := d.silence.held.Load(); n != 0 || d.silence.pending[spread(0x0a080002, pendingBits)].Load() != 0 {
			t.Errorf("%d are held in the end", n)
		}
		if n := d.out.inside.Load(); n != batchSize { // those that were not sent
			t.Errorf("%d are inside in the end", n)
		}
	})
}

// All silent peers together get two batches, and what the device throws away makes room.
func TestSilentPeersShareTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, read := quiet(t, "10.8.0.2", "10.8.0.3", "10.8.0.4", "10.8.0.5", "10.8.0.6")
		var all [][]byte
		for range 5 {
			all = append(all, read()...)
		}
		if len(all) != 2*batchSize {
			t.Errorf("%d packets are inside", len(all))
		}
		// It has thrown away a buffer's packet, and reads into it again.
		bufs, sizes := [][]byte{all[0][:2048]}, []int{0}
		if _, err := d.Read(bufs, sizes, 16); err != nil || sizes[0] == 0 {
			t.Errorf("size %d, %v: no room", sizes[0], err)
		}
		if n := d.silence.held.Load(); n != 2*batchSize {
			t.Errorf("%d are held", n)
		}
		time.Sleep(stagedMax + time.Millisecond) // it keeps nothing for so long
		read()
		time.Sleep(stagedMax + time.Millisecond)
		read()
		if n := d.silence.held.Load(); n > 2*batchSize || len(read()) == 0 {
			t.Errorf("%d are held after minutes", n)
		}
	})
}

// Packets in buffers without room for a note are passed on as they are.
func TestWithoutRoomNothingIsWatched(t *testing.T) {
	e := &endless{}
	b, d := Limit(e, e, math.MaxInt64)
	bufs, sizes := fresh()
	if n, err := d.Read(bufs, sizes, 0); n != batchSize || err != nil || sizes[n-1] == 0 {
		t.Errorf("%d packets, %v", n, err)
	}
	if err := b.Send(bufs, conn.Endpoint(nil)); err != nil {
		t.Error(err)
	}
}
