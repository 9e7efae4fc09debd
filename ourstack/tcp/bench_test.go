package tcp

import (
	"testing"

	"vpngw/ourstack/wire"
)

// segmentRun is how many segments the benchmarks below make or take between looks at the clock: fewer
// than an initial window.
const segmentRun = 8

// benchPair is a connection that sends and one that receives, and room for a run of segments.
type benchPair struct {
	from, to *Conn
	exchange func(now Instant)
	now      Instant
	text     []byte
	segments [segmentRun][]byte
}

func newBenchPair(b *testing.B) *benchPair {
	cfg := &Config{MTU: 1420, Memory: &poolMemory{}, RcvBufMax: 1 << 20, SndBufMax: 1 << 20}
	p := &benchPair{now: 1, text: make([]byte, 256<<10)}
	p.from, p.to, p.exchange = established(b, cfg, cfg)
	for i := range p.segments {
		p.segments[i] = make([]byte, 1500)
	}
	for range 50 { // windows find their sizes
		p.write(b, len(p.text))
		p.exchange(p.now)
		p.settle()
	}
	return p
}

func (p *benchPair) write(b *testing.B, n int) {
	p.now = p.now.Add(Millisecond)
	if _, err := p.from.Write(p.now, p.text[:n]); err != nil {
		b.Fatal(err)
	}
}

// poll makes a run of full segments.
func (p *benchPair) poll(b *testing.B) {
	for i := range p.segments {
		n, _ := p.from.PollSegment(p.now, p.segments[i][:1500])
		if n < 1000 {
			b.Fatalf("segment %d has %d bytes", i, n)
		}
		p.segments[i] = p.segments[i][:n]
	}
}

// handle takes them.
func (p *benchPair) handle(b *testing.B) {
	var seg wire.TCP
	for _, s := range p.segments {
		if drop := seg.Parse(s); drop != 0 {
			b.Fatal(drop)
		}
		p.to.HandleSegment(p.now, &seg, 0)
	}
}

// settle acknowledges and reads everything.
func (p *benchPair) settle() {
	p.exchange(p.now)
	for n := 1; n > 0; {
		n, _ = p.to.Read(p.now, p.text)
	}
	p.exchange(p.now)
	p.from.TakeEvents()
	p.to.TakeEvents()
}

// BenchmarkPollSegment makes full segments: the decision, the header, the copy with its checksum.
func BenchmarkPollSegment(b *testing.B) {
	p := newBenchPair(b)
	b.ReportAllocs()
	for n := 0; n < b.N; n += segmentRun {
		b.StopTimer()
		p.write(b, segmentRun*1368)
		b.StartTimer()
		p.poll(b)
		b.StopTimer()
		p.handle(b)
		p.settle()
		b.StartTimer()
	}
}

// BenchmarkHandleSegment takes full segments in order: parsed, judged, copied to their place.
func BenchmarkHandleSegment(b *testing.B) {
	p := newBenchPair(b)
	b.ReportAllocs()
	for n := 0; n < b.N; n += segmentRun {
		b.StopTimer()
		p.write(b, segmentRun*1368)
		p.poll(b)
		b.StartTimer()
		p.handle(b)
		b.StopTimer()
		p.settle()
		b.StartTimer()
	}
}

// BenchmarkSegment is the whole life of full segments at both ends, with their acknowledgment.
func BenchmarkSegment(b *testing.B) {
	p := newBenchPair(b)
	b.SetBytes(1368)
	b.ReportAllocs()
	for n := 0; n < b.N; n += segmentRun {
		p.write(b, segmentRun*1368)
		p.poll(b)
		p.handle(b)
		p.settle()
	}
}
