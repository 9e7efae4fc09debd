package interop

import (
	"io"
	"net/netip"
	"testing"
)

// BenchmarkBulk measures one TCP flow through two WireGuard devices over loopback, both ends with the
// same stack. An operation is 1 MiB.
func BenchmarkBulk(b *testing.B) {
	for _, s := range []struct {
		name string
		stack
	}{{"ours", ours}, {"netstack", gvisor}} {
		b.Run(s.name, func(b *testing.B) { bulk(b, s.stack, s.stack) })
	}
}

func bulk(b *testing.B, dialer, server stack) {
	client, srv := tunnel(b, dialer, server)
	addr := netip.AddrPortFrom(addrB, 80)
	l, err := srv.listen(addr)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c, err := client.dial(b.Context(), addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	chunk := make([]byte, 1<<20)
	b.SetBytes(int64(len(chunk)))
	b.ResetTimer()
	go func() {
		for range b.N {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 256<<10)
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.LimitReader(s, int64(b.N)<<20)}, buf); err != nil {
		b.Fatal(err)
	}
}
