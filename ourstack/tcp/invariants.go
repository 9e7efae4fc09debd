package tcp

import (
	"errors"
	"fmt"

	"vpngw/ourstack/seqnum"
)

// Check looks for violations of the invariants that hold between any two calls.
// It is for tests and simulations: its cost grows with what is in flight.
func (c *Conn) Check() error {
	return errors.Join(c.checkSequenceSpace(), c.checkScoreboard(), c.checkReceiver(), c.checkLiveness())
}

func (c *Conn) checkSequenceSpace() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.counters.IllegalTransitions > 0 {
		fail("illegal state transition, now %v", c.state)
	}
	if c.sndNxt.Less(c.sndUna) {
		fail("SND.UNA %d > SND.NXT %d", c.sndUna, c.sndNxt)
	}
	if c.state.Synchronized() && c.rcvAdv.Less(c.rcvNxt) {
		fail("window edge %d left of RCV.NXT %d", c.rcvAdv, c.rcvNxt)
	}
	if c.state != StateClosed && !c.sb.empty() {
		if first := c.sb.at(c.sb.head).seq; first != c.sndUna {
			fail("first outstanding segment at %d, SND.UNA %d", first, c.sndUna)
		}
		if last := c.sb.at(c.sb.tail - 1).end; last != c.sndNxt {
			fail("last outstanding segment ends at %d, SND.NXT %d", last, c.sndNxt)
		}
	}
	if c.state != StateClosed && c.sb.empty() && c.sndUna != c.sndNxt {
		fail("nothing outstanding, but SND.UNA %d, SND.NXT %d", c.sndUna, c.sndNxt)
	}
	if c.cc != nil && (c.win.cwnd < c.win.smss || c.win.cwnd > c.win.maxCwnd) && c.rec.phase != recFast {
		fail("cwnd %d outside [%d, %d]", c.win.cwnd, c.win.smss, c.win.maxCwnd)
	}
	return errors.Join(errs...)
}

// checkScoreboard recomputes the account of what is outstanding.
func (c *Conn) checkScoreboard() error {
	s := &c.sb
	var pipe, sacked, lost, flightCount, sackedCount uint32
	var next seqnum.Value
	for i := s.head; i != s.tail; i++ {
		t := s.at(i)
		if i != s.head && t.seq != next {
			return fmt.Errorf("scoreboard: gap before %d", t.seq)
		}
		next = t.end
		switch {
		case t.flags&(txSacked|txLost) == txSacked|txLost:
			return fmt.Errorf("scoreboard: segment at %d both lost and SACKed", t.seq)
		case t.flags&txSacked != 0:
			sacked += t.len()
			sackedCount++
		case t.flags&txLost != 0:
			lost += t.len()
		default:
			pipe += t.len()
			flightCount++
		}
	}
	if pipe != s.pipe || sacked != s.sackedBytes || lost != s.lostBytes || flightCount != s.flightCount || sackedCount != s.sackedCount {
		return fmt.Errorf("scoreboard: pipe %d/%d sacked %d/%d lost %d/%d flight %d/%d", s.pipe, pipe,
			s.sackedBytes, sacked, s.lostBytes, lost, s.flightCount, flightCount)
	}
	var onLists uint32
	last := Instant(0)
	for i := s.flightHead; i != noSegment; i = s.at(i).next {
		onLists++
		if onLists > flightCount {
			return errors.New("scoreboard: flight list has a loop")
		}
		if s.at(i).xmitTime < last {
			return errors.New("scoreboard: flight list not in the order of transmission")
		}
		last = s.at(i).xmitTime
	}
	if onLists != flightCount {
		return fmt.Errorf("scoreboard: %d on the flight list, %d in flight", onLists, flightCount)
	}
	return nil
}

func (c *Conn) checkReceiver() error {
	b := &c.rcvBuf
	prev := b.nxt
	for i, r := range b.ranges {
		if !r.left.Less(r.right) || !prev.Less(r.left) {
			return fmt.Errorf("receive ranges: %d [%d,%d) after %d", i, r.left, r.right, prev)
		}
		prev = r.right
	}
	if b.nxt.Less(b.readSeq) {
		return fmt.Errorf("reader at %d beyond RCV.NXT %d", b.readSeq, b.nxt)
	}
	if c.state.Synchronized() {
		want := c.rcvNxt
		if c.finIn {
			want = want.Sub(1)
		}
		if b.nxt != want {
			return fmt.Errorf("receive buffer at %d, RCV.NXT %d", b.nxt, c.rcvNxt)
		}
	}
	if n := b.unread() + BlockSize; b.q.n*BlockSize > n+c.cfg.rcvBufMax()+windowSlack+2*BlockSize {
		return fmt.Errorf("receive buffer holds %d blocks", b.q.n)
	}
	return nil
}

// checkLiveness: a connection that waits for anything has a deadline. Nearly all
// stalls of other stacks were "data outstanding and no timer armed".
func (c *Conn) checkLiveness() error {
	if c.pending || c.Deadline() != 0 {
		if !c.sb.empty() && c.state != StateClosed && !c.pending && !c.timers.isSet(timerRexmit) &&
			!c.timers.isSet(timerLossProbe) {
			return errors.New("segments are outstanding, neither RTO nor PTO is set")
		}
		return nil
	}
	switch {
	case c.state == StateClosed:
		if !c.user.released && c.user.progressAt != 0 { // 0: never opened
			return errors.New("closed, not released and nothing pending")
		}
	case !c.sb.empty():
		return errors.New("segments are outstanding and no deadline is set")
	case c.state == StateSynSent, c.state == StateSynReceived, c.state == StateTimeWait:
		return fmt.Errorf("%v without a deadline", c.state)
	case c.state.canSend() && (c.sndNxt.Less(c.sndBuf.end) || c.user.finQueued && !c.finSent()):
		return errors.New("something is to be sent and no deadline is set")
	case c.ack.unacked > 0:
		return errors.New("text is not acknowledged and no deadline is set")
	case c.state == StateFinWait2 && c.user.closed:
		return errors.New("FIN-WAIT-2 of a closed connection without a deadline")
	}
	return nil
}
