package ourstack

import (
	"bytes"
	"slices"
	"sync"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// reassembler puts fragments together (RFC 791 §3.2, RFC 1122 §3.3.2). What it holds is bounded in
// bytes, datagrams and time, for all and for one source; at a bound the oldest datagram gives way.
//
// Fragments that overlap are an attack or an error: "the entire datagram (and any constituent
// fragments, including those not yet received) MUST be silently discarded" (RFC 5722 §3, for IPv6,
// where the reasons are the same). Exact duplicates come from the network and are tolerated. No
// header is looked at before the datagram is whole, so tiny first fragments (RFC 1858) hide nothing.
type reassembler struct {
	stack *Stack
	timer timer // deadlines.mu guards it

	mu sync.Mutex
	// mu guards the fields below.
	datagrams map[fragmentKey]*reassembly
	sources   map[wire.Addr]*fragmentSource
	oldest    *reassembly // list in order of arrival, which is that of expiry
	newest    *reassembly
	used      int // bytes
	armed     bool
}

// fragmentKey identifies a datagram: "the identification field, source, destination, and protocol"
// RFC 791 §3.2.
type fragmentKey struct {
	src, dst wire.Addr
	protocol uint8
	id       uint16
}

// fragmentSource is what one source has under reassembly.
type fragmentSource struct {
	datagrams int
	bytes     int
}

// reassembly is a datagram of which not all fragments have arrived.
type reassembly struct {
	key        fragmentKey
	prev, next *reassembly
	expires    tcp.Instant
	pieces     []piece // by offset, without overlap
	total      int     // bytes of the whole payload; -1 until the last fragment arrived
	have       int     // bytes of payload in pieces
	used       int     // bytes held
	ecn        uint8   // set of the ECN codepoints seen, as bits
	discarded  bool    // nothing of it will be accepted any more
}

// piece is a fragment: its packet, the header of which takes headerLen bytes.
type piece struct {
	offset    int
	headerLen int
	buf       *packetBuf
}

func (p *piece) data() []byte { return p.buf.b[p.headerLen:] }
func (p *piece) end() int     { return p.offset + len(p.data()) }

func (f *reassembler) init(s *Stack) {
	f.stack = s
	f.timer.owner = f
	f.datagrams = map[fragmentKey]*reassembly{}
	f.sources = map[wire.Addr]*fragmentSource{}
}

// reassemble takes the fragment in hand, and delivers the datagram if it was the last one missing.
func (in *input) reassemble(local bool) {
	whole, why, wake := in.s.fragments.add(in.now, &in.ip, in.raw)
	if wake {
		in.s.wake()
	}
	in.drop(why)
	if whole == nil {
		return
	}
	in.s.counters.reassembled.Add(1)
	if e := in.ip.Parse(whole.b); e != wire.OK {
		in.dropWire(e)
	} else {
		in.raw = whole.b
		in.deliver(local)
	}
	in.endRun()
	in.s.packets.put(whole)
}

// add enters a fragment and returns the datagram if it is complete.
func (f *reassembler) add(now tcp.Instant, ip *wire.IPv4, pkt []byte) (whole *packetBuf, why dropReason, wake bool) {
	end := ip.FragOff + len(ip.Payload)
	// "fragments are counted in units of 8 octets" RFC 791 §3.2; a datagram has at most 65535.
	if len(ip.Payload) == 0 || ip.MF && len(ip.Payload)%8 != 0 || end+wire.IPv4MinHeaderLen > wire.IPv4MaxLen {
		return nil, dropFragmentLen, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := fragmentKey{src: ip.Src, dst: ip.Dst, protocol: ip.Protocol, id: ip.ID}
	d := f.datagrams[key]
	if d == nil {
		d, wake = f.begin(now, key)
	}
	if d.discarded {
		return nil, dropFragmentOverlap, wake
	}
	if why := f.insert(d, ip, pkt); why != accepted {
		return nil, why, wake
	}
	if d.total < 0 || d.have < d.total {
		return nil, accepted, wake
	}
	whole, why = f.assemble(d)
	f.remove(d)
	return whole, why, wake
}

// begin makes room for a datagram and enters it.
func (f *reassembler) begin(now tcp.Instant, key fragmentKey) (d *reassembly, wake bool) {
	src := f.sources[key.src]
	if src != nil && src.datagrams >= maxDatagramsPerSource {
		f.evict(key.src, nil)
	} else if len(f.datagrams) >= maxDatagrams {
		f.evictOldest(nil)
	}
	src = f.sources[key.src] // the eviction may have removed it
	if src == nil {
		src = &fragmentSource{}
		f.sources[key.src] = src
	}
	src.datagrams++
	d = &reassembly{key: key, expires: now.Add(reassemblyTimeout), total: -1, prev: f.newest}
	if f.newest == nil {
		f.oldest = d
	} else {
		f.newest.next = d
	}
	f.newest = d
	f.datagrams[key] = d
	if !f.armed {
		f.armed = true
		wake = f.stack.deadlines.set(&f.timer, f.oldest.expires)
	}
	return d, wake
}

// insert puts the fragment in its place. On a contradiction the datagram is discarded.
func (f *reassembler) insert(d *reassembly, ip *wire.IPv4, pkt []byte) dropReason {
	end := ip.FragOff + len(ip.Payload)
	i, dup := d.find(ip)
	if dup {
		return dropFragmentDuplicate
	}
	if d.contradicts(i, ip.FragOff, end, ip.MF) {
		f.discard(d)
		return dropFragmentOverlap
	}
	if len(d.pieces) >= maxFragments {
		f.discard(d)
		return dropFragmentLimit
	}
	buf := f.stack.packets.get(len(pkt))
	if buf == nil {
		return dropFragmentLimit
	}
	f.makeRoom(d, packetSizes[buf.class])
	copy(buf.b, pkt)
	d.pieces = slices.Insert(d.pieces, i, piece{ip.FragOff, len(pkt) - len(ip.Payload), buf})
	d.have += len(ip.Payload)
	d.ecn |= 1 << ip.ECN()
	if !ip.MF {
		d.total = end
	}
	f.charge(d, packetSizes[buf.class])
	return accepted
}

// find returns where the fragment belongs among the pieces, and whether it is there already.
func (d *reassembly) find(ip *wire.IPv4) (i int, dup bool) {
	i, found := slices.BinarySearchFunc(d.pieces, ip.FragOff, func(p piece, off int) int { return p.offset - off })
	if !found {
		return i, false
	}
	p := &d.pieces[i]
	last := d.total == p.end()
	return i, last == !ip.MF && bytes.Equal(p.data(), ip.Payload)
}

// contradicts reports whether a fragment [off, end) at index i overlaps others or disagrees with them
// on where the datagram ends.
func (d *reassembly) contradicts(i, off, end int, more bool) bool {
	n := len(d.pieces)
	switch {
	case i > 0 && d.pieces[i-1].end() > off, i < n && d.pieces[i].offset < end:
		return true
	case d.total >= 0:
		return !more || end >= d.total
	case !more && n > 0:
		return d.pieces[n-1].end() > off
	}
	return false
}

// assemble builds the whole packet: the header of the first fragment, and all data.
func (f *reassembler) assemble(d *reassembly) (*packetBuf, dropReason) {
	const notECT, ce = 1 << wire.ECNNotECT, 1 << wire.ECNCE
	if d.ecn&(notECT|ce) == notECT|ce {
		return nil, dropFragmentECN // RFC 3168 §5.3
	}
	first := &d.pieces[0]
	var ip wire.IPv4
	if ip.ParseQuoted(first.buf.b) != wire.OK || first.headerLen+d.total > wire.IPv4MaxLen {
		return nil, dropFragmentLen
	}
	whole := f.stack.packets.get(first.headerLen + d.total)
	if whole == nil {
		return nil, dropFragmentLimit
	}
	ip.MF, ip.TotalLen = false, len(whole.b)
	if d.ecn&ce != 0 {
		// "If ... any of the fragments ... have the CE codepoint set, ... the reassembled packet
		// MUST have" it (RFC 3168 §5.3).
		ip.TOS |= wire.ECNCE
	}
	n := ip.Put(whole.b)
	for i := range d.pieces {
		n += copy(whole.b[n:], d.pieces[i].data())
	}
	return whole, accepted
}

// charge counts bytes held for d.
func (f *reassembler) charge(d *reassembly, n int) {
	d.used += n
	f.used += n
	f.sources[d.key.src].bytes += n
}

// makeRoom evicts datagrams, but not d, until n more bytes keep within the limits.
func (f *reassembler) makeRoom(d *reassembly, n int) {
	limit := f.stack.limits.FragmentMemory
	for f.sources[d.key.src].bytes+n > limit/4 && f.evict(d.key.src, d) {
	}
	for f.used+n > limit && f.evictOldest(d) {
	}
}

// evict removes the oldest datagram of a source, but not keep; false if there is none.
func (f *reassembler) evict(src wire.Addr, keep *reassembly) bool {
	for d := f.oldest; d != nil; d = d.next {
		if d.key.src == src && d != keep {
			f.evicted(d)
			return true
		}
	}
	return false
}

// evictOldest removes the oldest datagram, but not keep; false if there is none.
func (f *reassembler) evictOldest(keep *reassembly) bool {
	d := f.oldest
	if d == keep && d != nil {
		d = d.next
	}
	if d == nil {
		return false
	}
	f.evicted(d)
	return true
}

func (f *reassembler) evicted(d *reassembly) {
	f.stack.counters.drops.own[dropFragmentLimit].Add(1)
	f.remove(d)
}

// discard frees what d holds; d itself stays, to catch the fragments still to come.
func (f *reassembler) discard(d *reassembly) {
	for i := range d.pieces {
		f.stack.packets.put(d.pieces[i].buf)
	}
	f.charge(d, -d.used)
	d.pieces, d.discarded = nil, true
}

// remove forgets d.
func (f *reassembler) remove(d *reassembly) {
	f.discard(d)
	delete(f.datagrams, d.key)
	src := f.sources[d.key.src]
	if src.datagrams--; src.datagrams == 0 {
		delete(f.sources, d.key.src)
	}
	if d.prev == nil {
		f.oldest = d.next
	} else {
		d.prev.next = d.next
	}
	if d.next == nil {
		f.newest = d.prev
	} else {
		d.next.prev = d.prev
	}
	d.prev, d.next = nil, nil
}

// expire implements expirer: it removes the datagrams whose time is over. "If this timeout expires,
// the partially-reassembled datagram MUST be discarded and an ICMP Time Exceeded message sent to the
// source host (if fragment zero has been received)" RFC 1122 §3.3.2.
func (f *reassembler) expire(now tcp.Instant) {
	var quote [icmpQuoteMax]byte
	for {
		n, more := f.expireOne(now, &quote)
		if n > 0 {
			f.stack.sendError(now, quote[:n], wire.ICMPTimeExceeded, wire.ICMPTimeExceededReassembly, 0)
		}
		if !more {
			return
		}
	}
}

// expireOne removes one datagram if its time is over and copies the start of its first fragment, if
// that arrived, to quote. When nothing more is due it arms the timer for the next.
func (f *reassembler) expireOne(now tcp.Instant, quote *[icmpQuoteMax]byte) (n int, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.oldest
	if d == nil {
		f.armed = false
		return 0, false
	}
	if now < d.expires {
		f.stack.deadlines.set(&f.timer, d.expires)
		return 0, false
	}
	if len(d.pieces) > 0 && d.pieces[0].offset == 0 {
		n = copy(quote[:], d.pieces[0].buf.b)
	}
	f.stack.counters.drops.own[dropFragmentTime].Add(1)
	f.remove(d)
	return n, true
}

// clear forgets everything.
func (f *reassembler) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.oldest != nil {
		f.remove(f.oldest)
	}
}
