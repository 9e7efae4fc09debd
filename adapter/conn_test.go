package adapter

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/ourstack/tcp"
)

// bubble runs f in a synctest bubble with a pair of Nets and a connection from a to b.
func bubble(t *testing.T, f func(t *testing.T, p *pair, ca, cb *TCPConn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		ca, cb := p.connect(t)
		f(t, p, ca, cb)
	})
}

// isErrno checks that err is a *net.OpError around a system call's errno.
func isErrno(t *testing.T, err error, op string, errno syscall.Errno) {
	t.Helper()
	var oe *net.OpError
	if !errors.As(err, &oe) || oe.Op != op || oe.Net != "tcp" {
		t.Fatalf("got %T %v, want a net.OpError of %q", err, err, op)
	}
	var se *os.SyscallError
	if !errors.As(oe.Err, &se) || !errors.Is(err, errno) {
		t.Fatalf("got %v (%T), want os.SyscallError with %v", err, oe.Err, errno)
	}
}

func isClosed(t *testing.T, what string, err error) {
	t.Helper()
	var oe *net.OpError
	if !errors.As(err, &oe) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%s: %v, want a net.OpError with net.ErrClosed", what, err)
	}
}

func TestHalfCloseBothOrders(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		mustWrite(t, ca, "request")
		if err := ca.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		mustRead(t, cb, "request")
		mustEOF(t, cb)
		mustWrite(t, cb, "response") // the other direction is still open
		mustRead(t, ca, "response")
		if err := cb.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		mustEOF(t, ca)
		_, err := ca.Write([]byte("x"))
		isErrno(t, err, "write", syscall.EPIPE)
		for _, c := range []*TCPConn{ca, cb} {
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		time.Sleep(5 * time.Minute) // TIME-WAIT is over
		if got := ca.Info().State; got != tcp.StateClosed {
			t.Errorf("state %v, want CLOSED", got)
		}
	})
}

func TestCloseReadEndsReads(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		done := start(func() error {
			_, err := ca.Read(make([]byte, 1))
			return err
		})
		pending(t, "Read", done)
		if err := ca.CloseRead(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != io.EOF { //nolint:errorlint // bare by contract
			t.Errorf("waiting Read: %v, want io.EOF", err)
		}
		mustWrite(t, cb, strings.Repeat("x", 1<<20)) // taken and forgotten
		mustEOF(t, ca)
		mustWrite(t, ca, "still writing")
		mustRead(t, cb, "still writing")
	})
}

func TestCloseEndsWaitingCalls(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, _ *TCPConn) {
		read := start(func() error {
			_, err := ca.Read(make([]byte, 1))
			return err
		})
		write := start(func() error {
			_, err := ca.Write(make([]byte, 64<<20))
			return err
		})
		pending(t, "Read", read)
		pending(t, "Write", write)
		if err := ca.Close(); err != nil {
			t.Fatal(err)
		}
		isClosed(t, "waiting Read", <-read)
		isClosed(t, "waiting Write", <-write)
	})
}

func TestEverythingFailsAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, c, _ *TCPConn) {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		_, rerr := c.Read(make([]byte, 1))
		_, werr := c.Write(make([]byte, 1))
		_, cerr := c.WriteTo(io.Discard)
		_, ferr := c.ReadFrom(strings.NewReader("x"))
		for what, err := range map[string]error{
			"Read": rerr, "Write": werr, "WriteTo": cerr, "ReadFrom": ferr,
			"Close": c.Close(), "CloseRead": c.CloseRead(), "CloseWrite": c.CloseWrite(),
			"SetDeadline": c.SetDeadline(time.Now()), "SetReadDeadline": c.SetReadDeadline(time.Now()),
			"SetWriteDeadline": c.SetWriteDeadline(time.Now()), "SetLinger": c.SetLinger(1),
			"SetNoDelay": c.SetNoDelay(true), "SetKeepAlive": c.SetKeepAlive(true),
			"SetKeepAlivePeriod": c.SetKeepAlivePeriod(time.Second),
			"SetKeepAliveConfig": c.SetKeepAliveConfig(net.KeepAliveConfig{}),
			"SetReadBuffer":      c.SetReadBuffer(1 << 16), "SetWriteBuffer": c.SetWriteBuffer(1 << 16),
			"SetUserTimeout": c.SetUserTimeout(time.Second),
		} {
			isClosed(t, what, err)
		}
		if c.LocalAddr() == nil || c.RemoteAddr() == nil {
			t.Error("addresses are gone after Close")
		}
		c.Info()
	})
}

func TestResetIsSeenAsReset(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		mustWrite(t, cb, "before")
		read := start(func() error {
			mustRead(t, ca, "before")
			_, err := ca.Read(make([]byte, 1))
			return err
		})
		pending(t, "Read", read)
		if err := cb.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		if err := cb.Close(); err != nil {
			t.Fatal(err)
		}
		isErrno(t, <-read, "read", syscall.ECONNRESET)
		_, err := ca.Write([]byte("x"))
		isErrno(t, err, "write", syscall.ECONNRESET)
	})
}

func TestCloseWithUnreadDataResets(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		mustWrite(t, ca, "never read")
		synctest.Wait()
		if err := cb.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := ca.Read(make([]byte, 1))
		isErrno(t, err, "read", syscall.ECONNRESET)
	})
}

func TestCloseDeliversWhatWasWritten(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		text := strings.Repeat("all of it ", 100_000)
		sent := start(func() error {
			_, err := io.WriteString(ca, text)
			return errors.Join(err, ca.Close())
		})
		got, err := io.ReadAll(cb)
		if err != nil || string(got) != text {
			t.Fatalf("read %d of %d bytes, %v", len(got), len(text), err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
}

func TestLingerAbortsWhatIsNotDelivered(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		if err := ca.SetLinger(7); err != nil {
			t.Fatal(err)
		}
		done := start(func() error {
			_, err := ca.Write(make([]byte, 64<<20)) // more than cb, who does not read, takes
			return err
		})
		pending(t, "Write", done)
		begin := time.Now()
		if err := ca.Close(); err != nil {
			t.Fatal(err)
		}
		if time.Since(begin) != 0 {
			t.Error("Close blocked")
		}
		isClosed(t, "Write", <-done)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if got := ca.Info().State; got == tcp.StateClosed {
			t.Error("aborted before the linger time")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := ca.Info().State; got != tcp.StateClosed {
			t.Errorf("state %v after the linger time, want CLOSED", got)
		}
		_, err := io.Copy(io.Discard, struct{ io.Reader }{cb})
		isErrno(t, err, "read", syscall.ECONNRESET)
	})
}

func TestLingerTimerEndsWithTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		if err := ca.SetLinger(3600); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, ca, "bye")
		if err := ca.Close(); err != nil {
			t.Fatal(err)
		}
		mustRead(t, cb, "bye")
		mustEOF(t, cb)
		if err := cb.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if ca.lingerTimer.Load().Stop() {
			t.Error("the linger timer still ran after the connection had ended")
		}
	})
}

func TestKeepAliveFindsDeadPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		dead := false
		drop := func([]byte) bool {
			mu.Lock()
			defer mu.Unlock()
			return !dead
		}
		p := newPairFiltered(t, Options{}, Options{}, nil, drop)
		ca, _ := p.connect(t)
		if err := ca.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3,
		}); err != nil {
			t.Fatal(err)
		}
		read := start(func() error {
			_, err := ca.Read(make([]byte, 1))
			return err
		})
		time.Sleep(time.Hour) // idle, but alive
		pending(t, "Read", read)
		mu.Lock()
		dead = true
		mu.Unlock()
		begin := time.Now()
		isErrno(t, <-read, "read", syscall.ETIMEDOUT)
		if d := time.Since(begin); d < 30*time.Second || d > 2*time.Minute {
			t.Errorf("dead peer found after %v", d)
		}
	})
}

func TestIdleConnectionStaysWithoutKeepAlive(t *testing.T) {
	bubble(t, func(t *testing.T, p *pair, ca, cb *TCPConn) {
		before := p.a.Stats().PacketsOut
		time.Sleep(24 * time.Hour)
		if sent := p.a.Stats().PacketsOut - before; sent != 0 {
			t.Errorf("%d packets sent while idle", sent)
		}
		mustWrite(t, ca, "good morning")
		mustRead(t, cb, "good morning")
	})
}

func TestUserTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		dead := false
		drop := func([]byte) bool {
			mu.Lock()
			defer mu.Unlock()
			return !dead
		}
		p := newPairFiltered(t, Options{}, Options{}, drop, nil)
		ca, _ := p.connect(t)
		if err := ca.SetUserTimeout(20 * time.Second); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		dead = true
		mu.Unlock()
		begin := time.Now()
		mustWrite(t, ca, "into the void")
		_, err := ca.Read(make([]byte, 1))
		isErrno(t, err, "read", syscall.ETIMEDOUT)
		if d := time.Since(begin); d < 15*time.Second || d > time.Minute {
			t.Errorf("timed out after %v", d)
		}
	})
}

func TestReadDeadlineOverTheWire(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		begin := time.Now()
		if err := ca.SetReadDeadline(begin.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		_, err := ca.Read(make([]byte, 1))
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v, want deadline exceeded", err)
		}
		if d := time.Since(begin); d != time.Second {
			t.Errorf("after %v", d)
		}
		mustWrite(t, ca, "writes go on")
		mustRead(t, cb, "writes go on")
		if err := ca.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, cb, "and reads again")
		mustRead(t, ca, "and reads again")
	})
}

func TestWriteDeadlineReportsPartialWrite(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		if err := ca.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := ca.Write(make([]byte, 64<<20))
		if n == 0 || n == 64<<20 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Write = %d, %v", n, err)
		}
		if err := ca.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := io.Copy(io.Discard, struct{ io.Reader }{cb})
		if err != nil || got != int64(n) {
			t.Errorf("peer read %d bytes, %v; Write reported %d", got, err, n)
		}
	})
}

func TestConcurrentWritesAreNotMixed(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		const writers, size = 8, 300_000
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() { mustWrite(t, ca, strings.Repeat(string(rune('a'+i)), size)) })
		}
		seen := map[byte]bool{}
		buf := make([]byte, size)
		for range writers {
			if _, err := io.ReadFull(cb, buf); err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(buf), string(buf[0])) != size || seen[buf[0]] {
				t.Fatal("writes are mixed")
			}
			seen[buf[0]] = true
		}
		wg.Wait()
	})
}

func TestBothDirectionsBlockedRecover(t *testing.T) { // gVisor #7379: circular blocking
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		const size = 32 << 20
		var sent [2]<-chan error
		for i, c := range []*TCPConn{ca, cb} {
			sent[i] = start(func() error {
				_, err := c.Write(make([]byte, size))
				return err
			})
		}
		pending(t, "Write of a", sent[0])
		pending(t, "Write of b", sent[1])
		for _, c := range []*TCPConn{ca, cb} {
			if _, err := io.CopyN(io.Discard, c, size); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range sent {
			if err := <-c; err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestInfo(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		mustWrite(t, ca, strings.Repeat("x", 100_000))
		mustRead(t, cb, strings.Repeat("x", 100_000))
		synctest.Wait()
		i := ca.Info()
		if i.State != tcp.StateEstablished {
			t.Errorf("state %v", i.State)
		}
	})
}

func TestNetCloseEndsConnections(t *testing.T) {
	bubble(t, func(t *testing.T, p *pair, ca, cb *TCPConn) {
		l := p.listen(t, 0)
		calls := map[string]<-chan error{
			"Read":   start(func() error { _, err := cb.Read(make([]byte, 1)); return err }),
			"Accept": start(func() error { _, err := l.Accept(); return err }),
		}
		for what, c := range calls {
			pending(t, what, c)
		}
		if err := p.b.Close(); err != nil {
			t.Fatal(err)
		}
		for what, c := range calls {
			isClosed(t, what, <-c)
		}
		_, err := cb.Write([]byte("x"))
		isClosed(t, "Write", err)
		_, err = p.b.ListenTCP(nil)
		isClosed(t, "ListenTCP", err)
		_, err = p.b.DialTCP(&net.TCPAddr{IP: addrA.AsSlice(), Port: 1})
		isClosed(t, "DialTCP", err)
		_ = ca.Close()
		_ = cb.Close()
	})
}
