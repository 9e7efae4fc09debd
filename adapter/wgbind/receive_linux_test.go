package wgbind

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A datagram as the kernel has it: segments of one length, of which the last may be shorter, put
// together.
type datagram struct {
	data    []byte
	segment int // 0: it is one
}

// kernel does what recvmmsg does with the structures that prepare made.
func kernel(r *receiver, datagrams []datagram) (taken int) {
	r.n = 0
	for i := range r.hdrs {
		if i == len(datagrams) {
			break
		}
		h, d := &r.hdrs[i], datagrams[i]
		rest := d.data
		for _, v := range unsafe.Slice(h.hdr.Iov, int(h.hdr.Iovlen)) {
			rest = rest[copy(unsafe.Slice(v.Base, int(v.Len)), rest):]
		}
		h.n = uint32(len(d.data) - len(rest))
		if len(rest) > 0 {
			h.hdr.Flags = unix.MSG_TRUNC
		}
		e := newEndpoint(netip.MustParseAddrPort("192.0.2.1:9"), 0)
		h.hdr.Namelen = uint32(copy(r.names[i][:], e.name[:e.nameLen]))
		control := appendSource(r.control[i*controlSize:][:0], source{netip.MustParseAddr("192.0.2.2"), 3})
		if d.segment > 0 {
			var value []byte
			control, value = appendHeader(control, unix.IPPROTO_UDP, unix.UDP_GRO, segmentedLen)
			binary.NativeEndian.PutUint32(value, uint32(d.segment))
		}
		h.hdr.SetControllen(len(control))
		r.n++
	}
	return r.n
}

// receiveAll has r take all datagrams, whatever number of calls that takes, and returns the packets.
func receiveAll(t *testing.T, r *receiver, datagrams []datagram, buffers int) (packets [][]byte) {
	caller := newReader(nil, buffers)
	for i := range caller.bufs {
		caller.bufs[i] = make([]byte, 4096)
	}
	for len(datagrams) > 0 || len(r.pending) > 0 {
		var n int
		if len(r.pending) > 0 {
			n = r.deliverPending(caller.bufs, caller.sizes, caller.eps)
		} else {
			per := min(r.guess.buffers, buffers)
			r.prepare(caller.bufs, per)
			taken := kernel(r, datagrams)
			datagrams = datagrams[taken:]
			n, _ = r.deliver(caller.bufs, per, caller.sizes, caller.eps)
		}
		for i := range n {
			if caller.sizes[i] > 0 {
				packets = append(packets, bytes.Clone(caller.bufs[i][:caller.sizes[i]]))
				if got := caller.eps[i].(*endpoint); got.dst.String() != "192.0.2.1:9" || got.SrcIP().String() != "192.0.2.2" {
					t.Fatalf("endpoint %v from %v", got.dst, got.SrcIP())
				}
			}
		}
		if len(r.pending) > messagesMax*segmentsMax {
			t.Fatalf("%d packets wait", len(r.pending))
		}
	}
	return packets
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte{1, 64, 3, 20, 9, 64, 0, 1, 200, 5}, uint8(127))
	f.Add([]byte{0, 64, 0, 64, 0, 64, 0, 64, 0, 64, 0, 64, 0, 64, 0, 64, 0, 64, 200, 45, 0, 64}, uint8(127))
	f.Add([]byte{180, 45, 180, 45, 255, 8, 180, 1}, uint8(3))
	f.Fuzz(func(t *testing.T, shape []byte, buffers uint8) {
		r := newReceiver(&socket{grown: true})
		var datagrams []datagram
		var want [][]byte
		var counter uint32
		for ; len(shape) >= 2 && len(datagrams) < 100; shape = shape[2:] {
			segment, n := 1+int(shape[0])*8, 1+int(shape[1]%segmentsMax)
			tail := 1 + int(shape[1])*7%segment // length of the last segment
			n = min(n, (datagramMax-tail)/segment)
			d := datagram{segment: segment}
			for k := range n + 1 {
				length := segment
				if k == n {
					length = tail
				}
				p := make([]byte, length)
				for at := range p {
					counter++
					p[at] = byte(counter * 2654435761 >> 24)
				}
				want, d.data = append(want, p), append(d.data, p...)
			}
			if n == 0 {
				d.segment = 0
			}
			datagrams = append(datagrams, d)
		}
		got := receiveAll(t, r, datagrams, max(1, min(batchSize, int(buffers)+1)))
		if len(got) != len(want) {
			t.Fatalf("%d packets arrived of %d", len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("packet %d has %d bytes or other content, want %d", i, len(got[i]), len(want[i]))
			}
		}
	})
}

func FuzzParseControl(f *testing.F) {
	f.Add(appendSegment(appendSource(make([]byte, 0, 64), source{netip.MustParseAddr("192.0.2.1"), 2}), 1452))
	f.Add(appendSource(make([]byte, 0, 64), source{netip.MustParseAddr("2001:db8::1"), 2}))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if src, segment := parseControl(b); segment < 0 || src.addr.Is4In6() && src.ifindex == 0 && len(b) == 0 {
			panic("a segment of negative length, or a source out of nothing")
		}
		_, _, _ = parseSockaddr(b)
	})
}

func TestControlMessagesAreReadAsTheyWereWritten(t *testing.T) {
	for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
		want := source{netip.MustParseAddr(addr), 7}
		got, segment := parseControl(appendSource(make([]byte, 0, controlMax), want))
		if got != want || segment != 0 {
			t.Errorf("%v became %v, segments of %d", want, got, segment)
		}
	}
	if controlSize > controlMax {
		t.Errorf("control messages take %d bytes of %d", controlSize, controlMax)
	}
}

func TestSocketAddressesAreReadAsTheyWereWritten(t *testing.T) {
	for _, want := range []string{"192.0.2.1:51820", "[2001:db8::1]:51820"} {
		e := newEndpoint(netip.MustParseAddrPort(want), 5)
		dst, scope, err := parseSockaddr(e.name[:e.nameLen])
		if err != nil || dst.String() != want || dst.Addr().Is6() && scope != 5 {
			t.Errorf("%s became %v, scope %d, %v", want, dst, scope, err)
		}
	}
	if _, _, err := parseSockaddr(nil); err == nil {
		t.Error("no address is one")
	}
}

func TestEmptyAndTruncatedDatagramsAreLeftOut(t *testing.T) {
	r := newReceiver(&socket{})
	caller := newReader(nil, 4)
	r.prepare(caller.bufs, 1)
	kernel(r, []datagram{{data: make([]byte, 10)}, {}, {data: make([]byte, 20)}, {data: make([]byte, 30)}})
	r.hdrs[2].hdr.Flags = unix.MSG_TRUNC
	n, err := r.deliver(caller.bufs, 1, caller.sizes, caller.eps)
	if err != nil || n != 4 || caller.sizes[0] != 10 || caller.sizes[1] != 0 || caller.sizes[2] != 0 || caller.sizes[3] != 30 {
		t.Errorf("%d packets of %v bytes, %v", n, caller.sizes[:n], err)
	}
}

// Of what follows one another unjoined, a call should take more than two.
func TestManySmallMessagesAreTakenByOneCall(t *testing.T) {
	r := newReceiver(&socket{grown: true})
	var datagrams []datagram
	for range 200 {
		datagrams = append(datagrams, datagram{data: make([]byte, 100)})
	}
	if got := receiveAll(t, r, datagrams, batchSize); len(got) != len(datagrams) {
		t.Fatalf("%d packets of %d", len(got), len(datagrams))
	}
	if r.guess.buffers != buffersMin {
		t.Errorf("each message has %d buffers", r.guess.buffers)
	}
	receiveAll(t, r, []datagram{{make([]byte, 30*1452), 1452}}, batchSize)
	if r.guess.buffers != segmentsMax {
		t.Errorf("after a long one each message has %d buffers", r.guess.buffers)
	}
}

func TestTheStrideFollowsTheSegments(t *testing.T) {
	r := newReceiver(&socket{grown: true})
	run := func(n, segment, times int) {
		for range times {
			receiveAll(t, r, []datagram{{make([]byte, n*segment), segment}}, batchSize)
		}
	}
	run(20, 1452, smallerRun)
	if r.guess.stride != 1452 {
		t.Errorf("stride is %d", r.guess.stride)
	}
	run(20, 96, smallerRun-1)
	run(20, 1452, 1)
	run(20, 96, smallerRun-1)
	if r.guess.stride != 1452 {
		t.Errorf("ACKs among data changed the stride to %d", r.guess.stride)
	}
	run(20, 96, 1)
	if r.guess.stride != 96 {
		t.Errorf("ACKs alone left the stride at %d", r.guess.stride)
	}
	run(1, 1452, 1)
	if r.guess.stride != 1452 {
		t.Errorf("a longer one left the stride at %d", r.guess.stride)
	}
}
