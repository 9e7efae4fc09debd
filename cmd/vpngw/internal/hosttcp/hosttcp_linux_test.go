package hosttcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// pair returns a socket of a poller that ends with the test, and the other end.
func pair(t *testing.T) (*Socket, *net.TCPConn) {
	t.Helper()
	p := &Poller{}
	t.Cleanup(p.Close)
	l := listen(t)
	s, err := dial(t, p, addrPort(l.Addr()), Dial{TTL: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Acknowledge(); err != nil {
		t.Fatal(err)
	}
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return s, c
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func addrPort(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

func dial(t *testing.T, p *Poller, dst netip.AddrPort, d Dial) (*Socket, error) {
	t.Helper()
	s, pending, err := p.Dial(dst, d)
	if pending == nil {
		return s, err
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return pending.Wait(ctx)
}

// watch returns a channel with a token whenever s may have changed.
func watch(t *testing.T, s *Socket) <-chan struct{} {
	t.Helper()
	changed := make(chan struct{}, 1)
	if err := s.Watch(func(bool, bool) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}); err != nil {
		t.Fatal(err)
	}
	return changed
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("no %s", what)
	}
}

// read is read(2) through the socket as package adapter uses it; it waits for the watcher.
func read(t *testing.T, s *Socket, changed <-chan struct{}, b []byte) (n int, err error) {
	t.Helper()
	for {
		err := errors.Join(s.Read(func(fd uintptr) bool {
			n, err = syscall.Read(int(fd), b)
			return true
		}), err)
		if !errors.Is(err, syscall.EAGAIN) {
			return max(n, 0), err
		}
		err = nil
		await(t, "word of something to read", changed)
	}
}

func TestSocketCarriesBothWays(t *testing.T) {
	s, c := pair(t)
	if err := s.Configure(net.KeepAliveConfig{Enable: true, Idle: 2 * time.Minute, Interval: 30 * time.Second, Count: 8}); err != nil {
		t.Fatal(err)
	}
	for option, want := range map[int]int{unix.TCP_NODELAY: 1, unix.TCP_KEEPIDLE: 120, unix.TCP_KEEPINTVL: 30, unix.TCP_KEEPCNT: 8} {
		_ = s.Control(func(fd uintptr) {
			if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option); got != want || err != nil {
				t.Errorf("option %d is %d, %v", option, got, err)
			}
		})
	}
	changed := watch(t, s)
	if n, err := s.WriteVector([][]byte{[]byte("ab"), nil, []byte("c")}); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	b := make([]byte, 8)
	if _, err := io.ReadFull(c, b[:3]); err != nil || string(b[:3]) != "abc" {
		t.Fatalf("%q %v", b[:3], err)
	}
	if _, err := c.Write([]byte("xyz")); err != nil {
		t.Fatal(err)
	}
	if n, err := read(t, s, changed, b); err != nil || string(b[:n]) != "xyz" {
		t.Fatalf("%q %v", b[:n], err)
	}
	if err := s.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(b); err != io.EOF {
		t.Fatal("the end of the stream:", err)
	}
	_ = c.CloseWrite()
	if n, err := read(t, s, changed, b); n != 0 || err != nil {
		t.Fatal("the end of the other stream:", n, err)
	}
	if err := s.Failure(); err != nil {
		t.Error(err)
	}
	if s.RemoteAddr().String() != c.LocalAddr().String() || s.LocalAddr().String() != c.RemoteAddr().String() {
		t.Error(s.LocalAddr(), s.RemoteAddr())
	}
}

// TestWriterIsToldOfRoom: a socket that has taken no more tells when it does, each time.
func TestWriterIsToldOfRoom(t *testing.T) {
	s, c := pair(t)
	changed := watch(t, s)
	data := bytes.Repeat([]byte("0123456789"), 4<<20)
	received := make(chan []byte)
	receive := func() {
		b, _ := io.ReadAll(c)
		received <- b
	}
	stops := 0
	for rest := data; len(rest) > 0; {
		var p [][]byte
		for b := rest; len(b) > 0 && len(p) < 3*slicesMax; {
			n := min(len(b), 8<<10)
			p, b = append(p, b[:n]), b[n:]
		}
		want := 0
		for _, b := range p {
			want += len(b)
		}
		n, err := s.WriteVector(p)
		if err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
		if n < want {
			if stops++; stops == 1 {
				go receive()
			}
			await(t, "word of room", changed)
		}
	}
	_ = s.CloseWrite()
	if stops == 0 {
		t.Fatal("control: the socket took all at once")
	}
	if got := <-received; !bytes.Equal(got, data) {
		t.Errorf("%d bytes arrived of %d", len(got), len(data))
	}
}

func TestResetIsSeenAndSent(t *testing.T) {
	s, c := pair(t)
	changed := watch(t, s)
	_ = c.SetLinger(0)
	_ = c.Close()
	await(t, "word of the reset", changed)
	if err := s.Failure(); !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	if _, err := s.WriteVector([][]byte{{1}}); !errors.Is(err, syscall.EPIPE) {
		t.Error(err)
	}
	s, c = pair(t)
	if err := errors.Join(s.SetLinger(0), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}

// TestResetThatAWriteMetIsNoEnd: the kernel tells of a reset once, and ends the stream for whoever reads later.
func TestResetThatAWriteMetIsNoEnd(t *testing.T) {
	s, c := pair(t)
	changed := watch(t, s)
	if err := s.Lost(); err != nil {
		t.Error(err)
	}
	_ = c.SetLinger(0)
	_ = c.Close()
	await(t, "word of the reset", changed)
	for _, want := range []error{syscall.ECONNRESET, syscall.EPIPE} {
		if _, err := s.WriteVector([][]byte{{1}}); !errors.Is(err, want) {
			t.Errorf("%v, not %v", err, want)
		}
	}
	if n, err := read(t, s, changed, make([]byte, 1)); n != 0 || err != nil {
		t.Fatal("control: the reader is told as well:", n, err)
	}
	if err := s.Lost(); !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}

	s, c = pair(t)
	changed = watch(t, s)
	if _, err := s.WriteVector([][]byte{{1}}); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	await(t, "word of the end", changed)
	_ = c.Close() // with something unread: it resets
	for {
		if _, err := s.WriteVector([][]byte{{1}}); errors.Is(err, syscall.EPIPE) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Lost(); err != nil {
		t.Error("of a stream that had ended:", err)
	}
}

func TestClosedSocketIsNotUsed(t *testing.T) {
	s, c := pair(t)
	watch(t, s)
	if s.poller.Len() != 1 {
		t.Error("the poller does not know the socket")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := s.poller.Len(); n != 0 {
		t.Errorf("the poller knows %d sockets", n)
	}
	_, write := s.WriteVector([][]byte{{1}})
	_, conn := s.Conn()
	for what, err := range map[string]error{
		"write": write, "close write": s.CloseWrite(), "watch": s.Watch(func(bool, bool) {}), "close": s.Close(),
		"control": s.Control(func(uintptr) { t.Error("called") }), "conn": conn, "configure": s.Configure(net.KeepAliveConfig{}),
		"linger": s.SetLinger(0),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.Failure(); err != nil {
		t.Error(err)
	}
	if s.LocalAddr().String() != c.RemoteAddr().String() || s.RemoteAddr().String() != c.LocalAddr().String() {
		t.Error(s.LocalAddr(), s.RemoteAddr())
	}
}

func TestConnTakesOver(t *testing.T) {
	s, c := pair(t)
	conn, err := s.Conn()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := s.WriteVector([][]byte{{1}}); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := conn.Write([]byte{7}); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := io.ReadFull(c, b); err != nil || b[0] != 7 {
		t.Fatal(b, err)
	}
}

// TestHandshakeWaitsForAcknowledge: the other end has no connection before Acknowledge, or the first data.
func TestHandshakeWaitsForAcknowledge(t *testing.T) {
	const delay = 200 * time.Millisecond // TCP_DELACK_MAX: then the kernel sends the ACK by itself
	finish := map[string]func(*Socket) error{
		"acknowledge": (*Socket).Acknowledge,
		"data":        func(s *Socket) error { _, err := s.WriteVector([][]byte{{1}}); return err },
		"end":         (*Socket).CloseWrite,
	}
	for what, f := range finish {
		for try := 1; ; try++ {
			l, began := listen(t), time.Now()
			s, err := dial(t, &Poller{}, addrPort(l.Addr()), Dial{TTL: 64})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			early := accepts(t, l)
			if early && time.Since(began) >= delay && try < 10 {
				continue // this machine was busy; it says nothing
			}
			if early {
				t.Fatalf("%s: accepted before", what)
			}
			if err := f(s); err != nil {
				t.Fatal(err)
			}
			if !accepts(t, l) {
				t.Errorf("%s: not accepted after", what)
			}
			break
		}
	}
}

// accepts takes a connection if there is one now.
func accepts(t *testing.T, l *net.TCPListener) (ok bool) {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		c, _, err := unix.Accept4(int(fd), unix.SOCK_CLOEXEC)
		if ok = err == nil; ok {
			_ = unix.Close(c)
		}
	})
	return ok
}

func TestRefusalIsExplained(t *testing.T) {
	p := &Poller{}
	t.Cleanup(p.Close)
	l := listen(t)
	closed := addrPort(l.Addr())
	_ = l.Close()
	better := errors.New("better")
	if s, err := dial(t, p, closed, Dial{TTL: 64, Explain: func(_ int, err error) error { return err }}); s != nil || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(s, err)
	}
	s, err := dial(t, p, closed, Dial{TTL: 64})
	if s != nil || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(s, err)
	}
	s, err = dial(t, p, closed, Dial{TTL: 64, Explain: func(fd int, err error) error {
		if _, bad := unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR); bad != nil || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(bad, err)
		}
		return better
	}})
	if s != nil || !errors.Is(err, better) {
		t.Error(s, err)
	}
	if _, err = dial(t, p, closed, Dial{TTL: 1000}); !errors.Is(err, syscall.EINVAL) {
		t.Error("a TTL that cannot be:", err)
	}
	if n := p.Len(); n != 0 {
		t.Errorf("the poller knows %d sockets", n)
	}
}

// TestErrorQueueEndsADial: what Explain finds before there is an answer.
func TestErrorQueueEndsADial(t *testing.T) {
	dst, _ := silent(t)
	p := &Poller{}
	t.Cleanup(p.Close)
	found := errors.New("a router said no")
	s, pending, err := p.Dial(dst, Dial{TTL: 64, Explain: func(fd int, err error) error {
		if _, bad := unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR); bad != nil || err != nil {
			t.Error(bad, err)
		}
		return found
	}})
	if s != nil || pending != nil || !errors.Is(err, found) {
		t.Error(s, pending, err)
	}
}

// silent returns the address of a listener whose queue is full: SYNs get no answer until it is drained.
func silent(t *testing.T) (dst netip.AddrPort, drain func()) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	l, err := net.FileListener(f)
	_ = f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &Poller{}
	t.Cleanup(p.Close)
	dst = addrPort(l.Addr())
	for range 100 {
		s, pending, err := p.Dial(dst, Dial{TTL: 64})
		if err != nil {
			t.Fatal(err)
		}
		if pending == nil {
			t.Cleanup(func() { _ = s.Close() })
			_ = s.Acknowledge()
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := pending.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		return dst, func() {
			for {
				if _, err := l.Accept(); err != nil {
					return
				}
			}
		}
	}
	t.Fatal("the queue of the listener does not fill")
	return
}

func TestDialWaitsForAnAnswer(t *testing.T) {
	dst, drain := silent(t)
	p := &Poller{}
	t.Cleanup(p.Close)
	s, pending, err := p.Dial(dst, Dial{TTL: 64})
	if s != nil || pending == nil || err != nil {
		t.Fatal(s, pending, err)
	}
	go drain() // until the listener ends
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if s, err = pending.Wait(ctx); err != nil { // after the SYN's retransmission
		t.Fatal(err)
	}
	told := make(chan struct{}, 8)
	if err := s.Watch(func(readable, _ bool) {
		if readable {
			told <- struct{}{}
		}
	}); err != nil {
		t.Fatal(err)
	}
	await(t, "word of what may have come before", told)
	_ = s.Close()
}

func TestPollerEnds(t *testing.T) {
	s, c := pair(t)
	s.poller.Close()
	s.poller.Close()
	if err := s.Watch(func(bool, bool) { t.Error("called") }); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if _, err := c.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	dst, _ := silent(t)
	if _, err := dial(t, s.poller, dst, Dial{TTL: 64}); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// TestEstablishedPathAllocatesNothing: what is called for each run of bytes.
func TestEstablishedPathAllocatesNothing(t *testing.T) {
	s, c := pair(t)
	p := [][]byte{{1}, {2}}
	b := make([]byte, 2)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := s.WriteVector(p); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
