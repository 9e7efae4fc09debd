package wgbind

import (
	"fmt"
	"testing"

	"golang.zx2c4.com/wireguard/conn"
)

// BenchmarkBind sends runs of full packets over loopback and receives them, with our bind and with
// wireguard-go's.
func BenchmarkBind(b *testing.B) {
	for _, n := range []int{1, 32, 128} {
		for name, makeBind := range map[string]func() conn.Bind{"own": New, "stock": conn.NewDefaultBind} {
			b.Run(fmt.Sprintf("packets=%d/%s", n, name), func(b *testing.B) {
				from, to := makeBind(), makeBind()
				if _, _, err := from.Open(0); err != nil {
					b.Fatal(err)
				}
				fns, port, err := to.Open(0)
				if err != nil {
					b.Fatal(err)
				}
				defer from.Close()
				defer to.Close()
				ep, err := from.ParseEndpoint(fmt.Sprintf("127.0.0.1:%d", port))
				if err != nil {
					b.Fatal(err)
				}
				// Buffers as wireguard-go's, with room behind the packet, which its bind needs to join packets.
				r, bufs := newReader(fns[0], batchSize), make([][]byte, n)
				for i := range bufs {
					bufs[i] = make([]byte, 1<<16-1)[:1452]
				}
				got := 0
				count := func([]byte, conn.Endpoint) { got++ }
				b.SetBytes(int64(n * 1452))
				b.ReportAllocs()
				for b.Loop() {
					if err := from.Send(bufs, ep); err != nil {
						b.Fatal(err)
					}
					for got = 0; got < n; {
						if err := r.next(count); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
