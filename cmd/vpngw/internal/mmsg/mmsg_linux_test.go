package mmsg

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var (
	one = netip.MustParseAddrPort("192.0.2.1:1")
	two = netip.MustParseAddrPort("192.0.2.1:2")
)

// datagrams makes one for each size to an address.
func datagrams(to netip.AddrPort, sizes ...int) (ds []Datagram) {
	for _, n := range sizes {
		ds = append(ds, Datagram{Payload: make([]byte, n), Addr: to})
	}
	return ds
}

// TestRunsAreSegmented: what becomes one message.
func TestRunsAreSegmented(t *testing.T) {
	for _, c := range []struct {
		name string
		ds   []Datagram
		gso  bool
		want []int // datagrams of each message
	}{
		{"equal", datagrams(one, 9, 9, 9), true, []int{3}},
		{"the last is shorter", datagrams(one, 9, 9, 3, 9), true, []int{3, 1}},
		{"a longer one", datagrams(one, 9, 10, 10), true, []int{1, 2}},
		{"empty ones", datagrams(one, 0, 0, 9, 0), true, []int{1, 1, 1, 1}},
		{"two destinations", append(datagrams(one, 9, 9), datagrams(two, 9)...), true, []int{2, 1}},
		{"two TOS", append(datagrams(one, 9, 9), Datagram{Payload: make([]byte, 9), Addr: one, TOS: 2}), true, []int{2, 1}},
		{"too large for a link", datagrams(one, 1473, 1473), true, []int{1, 1}},
		{"too much for one", datagrams(one, slices.Repeat([]int{1472}, 50)...), true, []int{44, 6}},
		{"too many for one", datagrams(one, slices.Repeat([]int{10}, SendBatch)...), true, []int{segmentsMax}},
		{"without", datagrams(one, 9, 9), false, []int{1, 1}},
	} {
		var s sender
		s.pack(c.ds, c.gso)
		if got := s.counts[:s.count]; !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// socket is a non-blocking one on the loopback interface.
func socket(t testing.TB) (fd int, at netip.AddrPort) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(sa.(*unix.SockaddrInet4).Port))
}

// TestWhatIsSentArrives: over the loopback interface, which loses only what finds no room: every size, in its
// order, from where it was sent, in runs and alone.
func TestWhatIsSentArrives(t *testing.T) {
	from, fromAddr := socket(t)
	to, toAddr := socket(t)
	r := NewReceiver()
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{0, 1, 100, 1200, 1200, 1200, 1472, 1473, 9000, datagramMax}
	for _, gso := range []bool{false, true} {
		for round := range 200 {
			var ds []Datagram
			total := 0
			for len(ds) < 40 && total < 80_000 {
				size := sizes[rng.IntN(len(sizes))]
				for range 1 + rng.IntN(20) {
					if total += size; total > 80_000 {
						break
					}
					p := bytes.Repeat([]byte{byte(len(ds))}, size)
					ds = append(ds, Datagram{Payload: p, Addr: toAddr})
				}
			}
			for sent := 0; sent < len(ds); {
				n, segmented, errno := Send(from, ds[sent:], gso)
				if errno != 0 {
					t.Fatalf("round %d: %v (segmented: %v)", round, errno, segmented)
				}
				sent += n
			}
			at := 0
			for at < len(ds) {
				if errno := r.Receive(to, func(got []Datagram) {
					for _, d := range got {
						if at < len(ds) && (!bytes.Equal(d.Payload, ds[at].Payload) || d.Addr != fromAddr) {
							t.Fatalf("round %d, gso %v: number %d: %d bytes from %v, want %d", round, gso, at, len(d.Payload), d.Addr, len(ds[at].Payload))
						}
						at++
					}
				}); errno != 0 {
					t.Fatalf("round %d, gso %v: %v after %d of %d", round, gso, errno, at, len(ds))
				}
			}
			if errno := r.Receive(to, func([]Datagram) { t.Error("more than was sent") }); errno != unix.EAGAIN {
				t.Errorf("at the end: %v", errno)
			}
		}
	}
}

// TestTOSGoesAlong: with each datagram of a batch, alone or in runs, and beside what else the kernel tells.
func TestTOSGoesAlong(t *testing.T) {
	from, _ := socket(t)
	to, addr := socket(t)
	for _, option := range []int{unix.IP_RECVTTL, unix.IP_RECVTOS} {
		if err := unix.SetsockoptInt(to, unix.IPPROTO_IP, option, 1); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReceiver()
	for _, gso := range []bool{false, true} {
		var ds []Datagram
		var want, got []uint8
		for i, run := range []int{1, 3, 20, 2, 1} {
			for range run {
				tos := []uint8{0, 0x02, 0xB9, 0, 0x03}[i] // none, ECT(0), EF and ECT(1), none, CE
				ds = append(ds, Datagram{Payload: make([]byte, 1200), Addr: addr, TOS: tos})
				want = append(want, tos)
			}
		}
		if n, _, errno := Send(from, ds, gso); n != len(ds) || errno != 0 {
			t.Fatalf("%d sent, %v", n, errno)
		}
		for len(got) < len(want) {
			if errno := r.Receive(to, func(ds []Datagram) {
				for _, d := range ds {
					got = append(got, d.TOS)
					if len(d.Payload) != 1200 {
						t.Errorf("%d bytes", len(d.Payload))
					}
				}
			}); errno != 0 {
				t.Fatalf("gso %v: %v after %d of %d", gso, errno, len(got), len(want))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("gso %v: %x, want %x", gso, got, want)
		}
	}
}

// TestSendSaysWhatFailed: the datagrams before it were sent, and it is told whether segmenting was asked for.
func TestSendSaysWhatFailed(t *testing.T) {
	fd, addr := socket(t)
	ds := append(datagrams(addr, 5), datagrams(addr, datagramMax+1)...)
	if n, segmented, errno := Send(fd, ds, true); n != 1 || segmented || errno != 0 {
		t.Errorf("%d, %v, %v: an error waits for its turn", n, segmented, errno)
	}
	if n, segmented, errno := Send(fd, ds[1:], true); n != 0 || segmented || errno != unix.EMSGSIZE {
		t.Errorf("%d, %v, %v", n, segmented, errno)
	}
	if n, segmented, errno := Send(-1, datagrams(addr, 5, 5), true); n != 0 || !segmented || errno != unix.EBADF {
		t.Errorf("%d, %v, %v", n, segmented, errno)
	}
}

// TestNothingIsAllocated for batches.
func TestNothingIsAllocated(t *testing.T) {
	from, _ := socket(t)
	to, addr := socket(t)
	r := NewReceiver()
	ds := datagrams(addr, slices.Repeat([]int{1200}, SendBatch)...)
	got := 0
	count := func(ds []Datagram) { got += len(ds) }
	step := func() {
		var errno syscall.Errno
		if _, _, errno = Send(from, ds, true); errno == 0 {
			errno = r.Receive(to, count)
		}
		if errno != 0 {
			t.Fatal(errno)
		}
	}
	step()
	if allocs := testing.AllocsPerRun(100, step); allocs >= 1 { // the pool may lose one to the collector
		t.Errorf("%.1f allocations per batch", allocs)
	}
	if got == 0 {
		t.Error("nothing arrived")
	}
}
