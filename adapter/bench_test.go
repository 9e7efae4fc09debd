package adapter

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// Benchmarks of two Nets joined back to back: device, stack and connection at both ends.

// BenchmarkRoundTrip sends a byte forth and back on some connections at once.
func BenchmarkRoundTrip(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint("conns=", n), func(b *testing.B) {
			p := newPair(b, Options{}, Options{})
			trips := make(chan struct{}, n)
			var workers sync.WaitGroup
			for range n {
				ca, cb := p.connect(b)
				go func() { _, _ = io.Copy(struct{ io.Writer }{cb}, struct{ io.Reader }{cb}) }()
				workers.Go(func() {
					for one := []byte{1}; ; {
						if _, more := <-trips; !more {
							return
						}
						_, err := ca.Write(one)
						if err == nil {
							_, err = io.ReadFull(ca, one)
						}
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				trips <- struct{}{}
			}
			close(trips)
			workers.Wait()
		})
	}
}

// BenchmarkBulk moves text from Write to Read.
func BenchmarkBulk(b *testing.B) {
	p := newPair(b, Options{}, Options{})
	ca, cb := p.connect(b)
	text := make([]byte, 256<<10)
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{cb}, make([]byte, 256<<10))
		done <- err
	}()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ca.Write(text); err != nil {
			b.Fatal(err)
		}
	}
	if err := ca.CloseWrite(); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCopy moves text between a connection and a socket of the system, as a gateway does.
func BenchmarkCopy(b *testing.B) {
	for _, up := range []bool{true, false} {
		b.Run(map[bool]string{true: "to-socket", false: "from-socket"}[up], func(b *testing.B) {
			p := newPair(b, Options{}, Options{})
			ca, cb := p.connect(b)
			near, far := socketPair(b)
			from, to := net.Conn(ca), net.Conn(far)
			if !up {
				from, to = far, ca
			}
			go func() {
				if up {
					_, _ = cb.WriteTo(near)
				} else {
					_, _ = cb.ReadFrom(near)
				}
			}()
			const chunk = 256 << 10
			moved := make(chan error, 1)
			text, sink := make([]byte, chunk), make([]byte, chunk)
			b.SetBytes(chunk)
			b.ReportAllocs()
			for b.Loop() {
				go func() {
					_, err := io.ReadFull(to, sink)
					moved <- err
				}()
				if _, err := from.Write(text); err != nil {
					b.Fatal(err)
				}
				if err := <-moved; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// socketPair returns the ends of a connection over loopback.
func socketPair(b *testing.B) (near, far *net.TCPConn) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	far, err = net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		b.Fatal(err)
	}
	if near, err = l.AcceptTCP(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

// BenchmarkDatagram sends a datagram forth and back.
func BenchmarkDatagram(b *testing.B) {
	p := newPair(b, Options{}, Options{})
	ends := make([]*UDPConn, 2)
	for i, n := range []*Net{p.a, p.b} {
		var err error
		if ends[i], err = n.ListenUDPAddrPort(netip.AddrPortFrom([]netip.Addr{addrA, addrB}[i], 53)); err != nil {
			b.Fatal(err)
		}
	}
	go func() {
		for buf := make([]byte, 2048); ; {
			n, from, err := ends[1].ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = ends[1].WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	to, buf := netip.AddrPortFrom(addrB, 53), make([]byte, 1200)
	b.SetBytes(2 * int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ends[0].WriteToUDPAddrPort(buf, to); err != nil {
			b.Fatal(err)
		}
		if _, _, err := ends[0].ReadFromUDPAddrPort(buf); err != nil {
			b.Fatal(err)
		}
	}
}
