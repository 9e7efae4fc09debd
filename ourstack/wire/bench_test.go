package wire

import (
	"fmt"
	"testing"
)

func BenchmarkChecksum(b *testing.B) {
	for _, n := range []int{20, 40, 576, 1420, 65535} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				sinkSum = Sum(p, 0)
			}
		})
	}
}

func BenchmarkCopyChecksum(b *testing.B) {
	for _, n := range []int{1380, 8192, 65535, 1 << 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dst, src := make([]byte, n), make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				sinkSum = CopyChecksum(dst, src, 0)
			}
		})
	}
}

var sinkSum uint32

func BenchmarkParseTCP(b *testing.B) {
	seg := exampleTCP()
	seg.Payload = make([]byte, 1368)
	seg.Opts = Options{HasTimestamps: true, TSVal: 1, TSEcr: 2}
	data := ip(ProtoTCP, tcpSegment(seg), nil)
	syn := ip(ProtoTCP, tcpSegment(linuxSYN()), nil)
	for _, tt := range []struct {
		name string
		pkt  []byte
	}{{"data", data}, {"SYN", syn}} {
		b.Run(tt.name, func(b *testing.B) {
			var h IPv4
			var seg TCP
			b.ReportAllocs()
			for b.Loop() {
				if h.Parse(tt.pkt) != OK || seg.Parse(h.Payload) != OK {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkVerifyTCP(b *testing.B) {
	seg := exampleTCP()
	seg.Payload = make([]byte, 1380)
	segment := tcpSegment(seg)
	src, dst := addr("10.8.0.2"), addr("10.8.0.1")
	b.SetBytes(int64(len(segment)))
	b.ReportAllocs()
	for b.Loop() {
		if !TCPChecksumOK(src, dst, segment) {
			b.Fatal("refused")
		}
	}
}

// BenchmarkPutTCP builds a full data segment as the output path does: header, payload copied and
// summed, checksum, IP header.
func BenchmarkPutTCP(b *testing.B) {
	seg := exampleTCP()
	seg.Opts = Options{HasTimestamps: true, TSVal: 1, TSEcr: 2}
	payload, buf := make([]byte, 1368), make([]byte, 1500)
	h := IPv4{TTL: 64, Protocol: ProtoTCP, Src: addr("10.8.0.1"), Dst: addr("10.8.0.2")}
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		n := seg.HeaderLen()
		sum := CopyChecksum(buf[20+n:], payload, 0)
		seg.PutSummed(h.Src, h.Dst, buf[20:], len(payload), sum)
		h.TotalLen = 20 + n + len(payload)
		h.Put(buf)
	}
}

func BenchmarkAppendPacket(b *testing.B) {
	pkt := ip(ProtoTCP, tcpSegment(linuxSYN()), nil)
	out := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		out = AppendPacket(out[:0], pkt)
	}
}
