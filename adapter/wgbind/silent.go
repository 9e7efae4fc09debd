package wgbind

import (
	"encoding/binary"
	"sync/atomic"
	"time"
)

// A device keeps what it is given for a peer with whom it has no session, up to 2^14 packets of 64 KiB for
// a minute and a half. Here is what keeps that small: a peer from whom nothing was heard, and to whom
// nothing has left, for silentAfter is given few packets at a time. If it is there after all, those
// leave, and nothing was lost. What a flood of a peer that is away held in the device before: all that came
// in 90 s, and the other peers' packets with it.
//
// What a packet is, is noted behind it in its buffer, where there is room: its destination, and whether it
// is one of those few. It is found there when the packet leaves, and if the device threw it away, when the
// buffer comes back.

// A silence watches the peers that may not be there. Its methods may be called concurrently, but for take,
// which has one caller.
type silence struct {
	began time.Time
	tagAt int // where notes lie in a buffer; 0: nothing is watched

	heard [heardSlots]atomic.Uint64 // destination and time, in ms, by slot; a newer one replaces an older one
	// Packets inside that are for peers who may not be there: of all, and of some destinations each.
	held    atomic.Int32
	pending [pendingSlots]atomic.Int32

	heldMax, pendingMax int32 // immutable

	// clock is when take was last called, in ms: reading the system's for each packet would show.
	clock atomic.Uint32

	// The rest is take's.
	before   uint32 // clock until now
	moved    uint32 // when held last changed
	lastHeld int32
}

// Kinds of notes.
const (
	noteNone   = iota
	noteKnown  // a packet for a peer that is there
	noteSilent // one that counts as held
)

// noteMagic tells a note from what else may lie there.
const noteMagic = 0x77675c

func (s *silence) init(mtu, batch int) {
	s.began = time.Now()
	s.tagAt = noteRoom + mtu
	s.heldMax, s.pendingMax = int32(2*batch), int32(batch/2)
}

// now is the time in ms, later than silentAfter.
func (s *silence) now() uint32 {
	return uint32((time.Since(s.began) + 2*silentAfter).Milliseconds())
}

// spread maps addresses to so many bits.
func spread(addr uint32, bits int) uint32 { return addr * 0x9e3779b1 >> (32 - bits) }

// hear notes that addr is there.
func (s *silence) hear(addr, now uint32) {
	slot, v := &s.heard[spread(addr, heardBits)], uint64(addr)<<32|uint64(now)
	if slot.Load() != v {
		slot.Store(v)
	}
}

// isSilent reports whether addr may not be there.
func (s *silence) isSilent(addr, now uint32) bool {
	v := s.heard[spread(addr, heardBits)].Load()
	// It was heard at the time noted or, if the clock stood still since, later.
	at := uint32(v)
	return uint32(v>>32) != addr || now-at > uint32(silentAfter.Milliseconds()) && at != s.before
}

// note returns where the note of a buffer lies, nil if there is no room for one.
func (s *silence) note(b []byte) []byte {
	if s.tagAt == 0 || cap(b) < s.tagAt+8 {
		return nil
	}
	return b[:cap(b)][s.tagAt:][:8]
}

func putNote(note []byte, addr uint32, kind byte) {
	binary.NativeEndian.PutUint32(note, addr)
	binary.NativeEndian.PutUint32(note[4:], noteMagic<<8|uint32(kind))
}

func readNote(note []byte) (addr uint32, kind byte) {
	if v := binary.NativeEndian.Uint32(note[4:]); v>>8 == noteMagic {
		kind = byte(v)
	}
	return binary.NativeEndian.Uint32(note), kind
}

// take looks at n packets that Read returned, before the device does, and drops those that are too many:
// their size becomes 0.
func (s *silence) take(bufs [][]byte, sizes []int, n, offset int) {
	now := s.now()
	s.before = s.clock.Swap(now)
	s.expire(now)
	for i, b := range bufs[:n] {
		note := s.note(b)
		if note == nil {
			continue
		}
		if addr, kind := readNote(note); kind == noteSilent { // the device threw away what was here
			s.release(addr)
		}
		addr, ok := destination(b[offset:], sizes[i])
		switch {
		case !ok:
			putNote(note, 0, noteNone)
		case !s.isSilent(addr, now):
			putNote(note, addr, noteKnown)
		case s.hold(addr):
			putNote(note, addr, noteSilent)
		default:
			putNote(note, 0, noteNone)
			sizes[i] = 0
		}
	}
}

// destination returns that of an IPv4 packet. Others, which are few, are not watched.
func destination(p []byte, size int) (addr uint32, ok bool) {
	if size < 20 || p[0]>>4 != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(p[16:]), true
}

// hold counts one more for addr, if there may be.
func (s *silence) hold(addr uint32) bool {
	p := &s.pending[spread(addr, pendingBits)]
	if s.held.Load() >= s.heldMax || p.Load() >= s.pendingMax {
		return false
	}
	s.held.Add(1)
	p.Add(1)
	return true
}

// release undoes hold.
func (s *silence) release(addr uint32) {
	for _, n := range []*atomic.Int32{&s.held, &s.pending[spread(addr, pendingBits)]} {
		if v := n.Add(-1); v < 0 {
			n.CompareAndSwap(v, 0) // it was forgotten before
		}
	}
}

// expire forgets what has been held for longer than the device keeps anything: its buffers went to the
// collector.
func (s *silence) expire(now uint32) {
	held := s.held.Load()
	if held == 0 || held != s.lastHeld {
		s.lastHeld, s.moved = held, now
		return
	}
	if now-s.moved > uint32(stagedMax.Milliseconds()) {
		s.held.Store(0)
		for i := range s.pending {
			s.pending[i].Store(0)
		}
	}
}

// isHeld reports whether b holds a packet that counts as held, and so not as inside.
func (s *silence) isHeld(b []byte) bool {
	note := s.note(b)
	if note == nil {
		return false
	}
	_, kind := readNote(note)
	return kind == noteSilent
}

// left notes that packets have left to who is there, and returns how many of them counted as held.
func (s *silence) left(bufs [][]byte) (held int) {
	now, last := s.clock.Load(), uint32(0)
	for _, b := range bufs {
		note := s.note(b)
		if note == nil || !isData(b, len(b)) {
			continue
		}
		addr, kind := readNote(note)
		if kind == noteNone {
			continue
		}
		if kind == noteSilent {
			s.release(addr)
			held++
		}
		putNote(note, 0, noteNone)
		if addr != last {
			s.hear(addr, now)
			last = addr
		}
	}
	return held
}

// arrived notes who sent packets.
func (s *silence) arrived(bufs [][]byte, offset int) {
	now, last := s.clock.Load(), uint32(0)
	for _, b := range bufs {
		if len(b) < offset+20 || b[offset]>>4 != 4 {
			continue
		}
		if addr := binary.BigEndian.Uint32(b[offset+12:]); addr != last {
			s.hear(addr, now)
			last = addr
		}
	}
}
