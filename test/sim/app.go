package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// FlowConfig is what the two applications of a connection do.
type FlowConfig struct {
	Client int             // which of the hosts that dial
	Bytes  [2]int          // written by the dialling and by the accepting end
	Write  [2]int          // size of a write at most
	Read   [2]int          // bytes read at a time at most
	Pause  [2]tcp.Duration // between two reads
	Start  tcp.Duration    // when the connection is dialled
	Idle   tcp.Duration    // pause in the middle of writing
	Abort  [2]int          // an end aborts after writing this much; 0 = never
	// Freeze is for how long an end stops reading after half of the other's bytes: long enough for
	// a closed window and its probes.
	Freeze [2]tcp.Duration
	// HalfClose: each end closes its direction when it has written all, and the
	// connection when it has read the other's end. Otherwise the accepting end
	// answers only after it has read everything.
	HalfClose bool
	NoDelay   bool
	Linger    bool // neither end closes before both were seen at rest: see rest.go
}

// Flow is a connection between two applications.
type Flow struct {
	FlowConfig
	id      int
	rng     *rand.Rand
	end     [2]*end
	Aborted bool
}

// host returns the host of one side: the accepting end is on the second.
func (f *Flow) host(w *World, side int) *Host {
	if side == 0 && f.Client > 0 {
		return w.Hosts[1+f.Client]
	}
	return w.Hosts[side]
}

// end is one application.
type end struct {
	conn          *ourstack.Conn
	written, read int
	closedW, done bool
	rested        bool // seen so in the present watch
	nextRead      tcp.Instant
	resumeWrite   tcp.Instant
	idled, frozen bool
	flight        flightCheck
	err           error
}

// patternBytes repeats every 1<<16 bytes, with room for the longest write behind it.
var patternBytes = func() []byte {
	b := make([]byte, 1<<16+maxPiece)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13)
	}
	return b
}()

// maxPiece is the longest read and write.
const maxPiece = 1 << 17

// pattern is bytes i to i+n of what side writes on the flow.
func (f *Flow) pattern(side, i, n int) []byte {
	at := (i + f.id*4099 + side*977) & (1<<16 - 1)
	return patternBytes[at : at+n]
}

// act lets the application on one side do what it can now. It returns whether it did anything.
func (f *Flow) act(side int, w *World) (bool, error) {
	e := f.end[side]
	if e == nil || e.conn == nil || e.done {
		return false, nil
	}
	now := f.host(w, side).Clock()
	did, err := f.readSome(side, e, now, w)
	if err != nil || e.done {
		return true, err
	}
	wrote, err := f.writeSome(side, e, now, w)
	return did || wrote, err
}

func (f *Flow) readSome(side int, e *end, now tcp.Instant, w *World) (bool, error) {
	if w.Now < e.nextRead || !e.conn.Readable() {
		return false, nil
	}
	buf := w.readBuf[:1+f.rng.IntN(f.Read[side])]
	n, err := e.conn.Read(now, buf)
	if want := f.pattern(1-side, e.read, n); !bytes.Equal(buf[:n], want) {
		return true, fmt.Errorf("flow %d side %d: of %d bytes from %d some are not what was written", f.id, side, n, e.read)
	}
	e.read += n
	if n > 0 && f.Pause[side] > 0 {
		e.nextRead = w.Now.Add(f.Pause[side])
	}
	if f.Freeze[side] > 0 && !e.frozen && e.read > f.Bytes[1-side]/2 {
		e.frozen, e.nextRead = true, w.Now.Add(f.Freeze[side])
	}
	switch {
	case errors.Is(err, ourstack.ErrWouldBlock) || n > 0 && err == nil:
		return n > 0, nil
	case errors.Is(err, io.EOF):
		return f.readEnd(side, e, now)
	default:
		return true, f.failed(side, e, err)
	}
}

// readEnd handles the end of the other's stream.
func (f *Flow) readEnd(side int, e *end, now tcp.Instant) (bool, error) {
	if !f.Aborted && e.read != f.Bytes[1-side] {
		return true, fmt.Errorf("flow %d side %d: end of stream after %d of %d bytes", f.id, side, e.read, f.Bytes[1-side])
	}
	if e.closedW && e.conn.Unsent() == 0 {
		e.conn.Close(now)
		e.done = true
		return true, nil
	}
	return false, nil
}

func (f *Flow) failed(side int, e *end, err error) error {
	e.err, e.done = err, true
	e.conn.Close(0)
	if !f.Aborted {
		return fmt.Errorf("flow %d side %d: %w after %d read, %d written", f.id, side, err, e.read, e.written)
	}
	return nil
}

func (f *Flow) writeSome(side int, e *end, now tcp.Instant, w *World) (bool, error) {
	if w.Now < e.resumeWrite || e.closedW || e.conn.State() == tcp.StateSynSent {
		return false, nil
	}
	if side == 1 && !f.HalfClose && e.read < f.Bytes[0] {
		return false, nil
	}
	if f.Abort[side] > 0 && e.written >= f.Abort[side] {
		f.Aborted, e.done = true, true
		e.conn.Abort(now)
		return true, nil
	}
	if e.written >= f.Bytes[side] {
		if f.Linger && !f.Aborted {
			return false, nil
		}
		e.closedW = true
		if err := e.conn.CloseWrite(now); err != nil {
			return true, f.failed(side, e, err)
		}
		return true, nil
	}
	if f.Idle > 0 && !e.idled && e.written >= f.Bytes[side]/2 {
		e.idled, e.resumeWrite = true, w.Now.Add(f.Idle)
		return false, nil
	}
	if !e.conn.Writable() {
		return false, nil
	}
	p := f.pattern(side, e.written, min(1+f.rng.IntN(f.Write[side]), f.Bytes[side]-e.written))
	n, err := e.conn.Write(now, p)
	e.written += n
	if err != nil && !errors.Is(err, ourstack.ErrWouldBlock) {
		return true, f.failed(side, e, err)
	}
	return n > 0, nil
}

// check looks at the flight of both ends.
func (f *Flow) check(w *World) error {
	for side, e := range f.end {
		if e == nil || e.conn == nil || !f.host(w, side).touched {
			continue
		}
		info := e.conn.Info(f.host(w, side).Clock())
		if err := e.flight.observe(&info); err != nil {
			return fmt.Errorf("flow %d side %d: %w", f.id, side, err)
		}
	}
	return nil
}

// finished reports whether both applications are done.
func (f *Flow) finished() bool {
	return f.end[0] != nil && f.end[0].done && (f.end[1] != nil && f.end[1].done || f.end[1] == nil && f.Aborted || f.end[0].err != nil)
}

// nextAct is when a paused application goes on by itself; 0 if it waits for the stack.
func (f *Flow) nextAct(now tcp.Instant) tcp.Instant {
	var at tcp.Instant
	for _, e := range f.end {
		if e == nil || e.done {
			continue
		}
		for _, t := range []tcp.Instant{e.nextRead, e.resumeWrite} {
			if t > now && (at == 0 || t < at) {
				at = t
			}
		}
	}
	return at
}
