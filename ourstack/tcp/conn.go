package tcp

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// Event is a set of things that happened to a connection since TakeEvents.
type Event uint8

// Events of a connection.
const (
	EventReadable  Event = 1 << iota // text, end of text or an error can be read
	EventWritable                    // room for at least a part of a write, or an error
	EventConnected                   // the connection is established
	EventClosed                      // no more text in either direction; Err says why
	EventReleased                    // the TCB may be forgotten: nothing more will be sent
	EventSoftError                   // SoftError has news (RFC 9293 §3.9.1.8, MUST-47)
	EventUrgent                      // urgent data is announced, or more of it: see Info.Urgent (RFC 9293 §3.8.5, MUST-32)
)

// sendSpace is the send sequence space (RFC 9293 §3.3.1).
//
//	     1         2          3          4
//	----------|----------|----------|----------
//	       SND.UNA    SND.NXT    SND.UNA
//	                            +SND.WND
type sendSpace struct {
	iss    seqnum.Value // ISS
	sndUna seqnum.Value // SND.UNA
	sndNxt seqnum.Value // SND.NXT
	sndWnd uint32       // SND.WND, scaled; 32 bits and unsigned (RFC 9293 §3.1, MUST-1, REC-1)
	sndWl1 seqnum.Value // SND.WL1
	sndWl2 seqnum.Value // SND.WL2
	// maxSndWnd is the largest window the peer has offered: Max(SND.WND) of RFC
	// 9293 §3.8.6.2.1 and MAX.SND.WND of RFC 5961 §5.2.
	maxSndWnd uint32
}

// recvSpace is the receive sequence space (RFC 9293 §3.3.1).
//
//	     1          2          3
//	----------|----------|----------
//	       RCV.NXT    RCV.NXT
//	                 +RCV.WND
type recvSpace struct {
	irs    seqnum.Value // IRS
	rcvNxt seqnum.Value // RCV.NXT
	rcvAdv seqnum.Value // right edge of the window as last announced; never moves left
	rcvFin seqnum.Value // sequence number of the peer's FIN, if hasFin
	hasFin bool         // a FIN was seen, perhaps with a hole before it
	finIn  bool         // the FIN was reached in order: RCV.NXT counts it
	rcvUp  seqnum.Value // RCV.UP: the octet after urgent data (RFC 9293 §3.8.5, MUST-62), if urgent
	urgent bool         // urgent data has not been read to its end
}

// Conn is the transmission control block of one connection: RFC 9293 without
// sockets, clocks, locks or goroutines. Every call that may depend on time takes
// the present as its first argument. The same calls yield the same results.
//
// A Conn is not safe for concurrent use. It never blocks. On the path of
// established connections it does not allocate, except to grow its rings.
type Conn struct {
	cfg   *Config
	tuple Tuple
	state State

	sendSpace
	recvSpace
	opts negotiated

	sndBuf sendBuffer
	rcvBuf recvBuffer
	tune   autotune

	sb    scoreboard
	win   window
	cc    congestionControl
	rtt   rttEstimator
	rec   recovery
	rack  rackState
	rate  rateState
	pacer pacer
	// What the control is told. Here because an argument of an interface method
	// would be allocated for each ACK.
	ccAck  ackSample
	ccLoss lossSample

	timers timerTable
	ack    ackState
	alive  keepAliveState
	user   userState

	lastXmit   Instant // transmission time given out last
	pmtu       int     // path MTU in bytes (RFC 9293 §3.7.2)
	plp        pathSearch
	tsOffset   uint32
	tsRecent   uint32  // TS.Recent
	tsRecentAt Instant // when TS.Recent was last updated
	rst        pendingRST
	counters   Counters
	err        error
	softErr    error
	softErrAt  Instant
	events     Event
	pending    bool // poll for output
	hold       bool // see Hold
	heldBack   bool
	first      firstRoom
}

// firstRoom is what every connection needs soon: part of it, so as to be one object.
type firstRoom struct {
	snd, rcv [2]*Block
	segments [4]txSegment
	cubic    cubic
}

// userState is what the user of the connection has asked for.
type userState struct {
	passive   bool // SYN-RECEIVED came from a passive OPEN (RFC 9293 §3.5, MUST-11)
	closed    bool // CLOSE was called: no reader and no writer is left
	finQueued bool // a FIN follows the queued text
	noDelay   bool // RFC 9293 §3.7.4, MUST-17
	wantWrite bool // a write found no room: report EventWritable
	noMemory  bool // the reason was the budget
	wantEmpty bool // AwaitDelivery found text: report EventWritable when there is none
	released  bool
	// synInTimeWait: a SYN met TIME-WAIT and did not take its place.
	synInTimeWait bool
	timeout       Duration // user timeout, R2
	dscp, ttl     uint8
	rcvBufCap     int     // SetReadBuffer; 0 = automatic
	sndBufCap     int     // SetWriteBuffer; 0 = automatic
	progressAt    Instant // when the peer last acknowledged something new, or a probe
}

// pendingRST is a reset that waits to be sent.
type pendingRST struct {
	set     bool
	seq     seqnum.Value
	ack     seqnum.Value
	withACK bool
}

// Init prepares c for one of OpenActive, OpenPassive and OpenCookie. iss should
// come from [ISS] and tsOffset from a keyed hash of the tuple (RFC 7323 §7.1).
func (c *Conn) Init(cfg *Config, t Tuple, iss seqnum.Value, tsOffset uint32) {
	*c = Conn{cfg: cfg, tuple: t, tsOffset: tsOffset}
	c.iss, c.sndUna, c.sndNxt = iss, iss, iss
	c.sndBuf.init(iss.Add(1))
	c.sb.init()
	c.sb.ring, c.sndBuf.q.ring, c.rcvBuf.q.ring = c.first.segments[:], c.first.snd[:], c.first.rcv[:]
	c.pmtu = cfg.MTU
	c.opts.peerMSS = defaultMSS
	c.updateSMSS()
	c.rtt.init(orDefault(cfg.ClockGranularity, Microsecond))
	c.user.noDelay = cfg.NoDelay
	c.user.timeout = orDefault(cfg.UserTimeout, DefaultUserTimeout)
	c.user.ttl = orDefault(cfg.TTL, 64)
	c.user.dscp = cfg.DSCP
	c.alive.cfg = cfg.KeepAlive
	c.tune.rcvBuf = cfg.rcvBufInit()
}

// OpenActive sends a SYN: OPEN with an active connection (RFC 9293 §3.10.1).
func (c *Conn) OpenActive(now Instant) {
	c.opts.rcvWindShift = rcvWindShiftFor(c.cfg.rcvBufMax())
	c.setState(StateSynSent)
	c.user.progressAt = now
	c.timers.set(timerUser, now.Add(orDefault(c.cfg.SynTimeout, DefaultSynTimeout)))
	c.pending = true
}

// OpenPassive answers a SYN that a listener or a forward request has accepted
// (RFC 9293 §3.10.7.2). ecn is the ECN field of its IP header. Text on the SYN is
// not taken: the peer sends it again.
func (c *Conn) OpenPassive(now Instant, syn *wire.TCP, ecn uint8) {
	c.user.passive = true
	c.receiveSYN(now, syn)
	c.acceptECN(syn.Flags)
	c.setState(StateSynReceived)
	c.user.progressAt = now
	c.timers.set(timerUser, now.Add(synAckTimeout))
	c.pending = true
}

// CookieState is what a SYN cookie preserved of the options of a SYN.
type CookieState struct {
	MSS         uint16
	WndScale    uint8
	HasWndScale bool
	SACK        bool
	Timestamps  bool
	ECN         bool
}

// OpenCookie makes an ESTABLISHED connection of the ACK of a SYN cookie (RFC 4987
// §3.6). The connection's ISS, given to Init, must be ack.Ack-1. The caller then
// passes the same segment to HandleSegment.
func (c *Conn) OpenCookie(now Instant, ack *wire.TCP, cs CookieState) {
	c.user.passive = true
	o := wire.Options{
		MSS: cs.MSS, HasMSS: true, WndScale: cs.WndScale, HasWndScale: cs.HasWndScale,
		SACKPermitted: cs.SACK, HasTimestamps: cs.Timestamps, TSVal: ack.Opts.TSVal,
	}
	c.setIRS(ack.Seq.Sub(1))
	c.negotiate(&o)
	c.opts.ecn = cs.ECN && c.cfg.ECN
	c.tsRecentAt = now
	c.sndUna, c.sndNxt = c.iss.Add(1), c.iss.Add(1)
	c.rcvAdv = c.rcvNxt.Add(seqnum.Size(min(c.tune.rcvBuf, 0xFFFF)))
	c.user.progressAt = now
	c.establish(now, ack)
}

// setIRS adopts the peer's initial sequence number.
func (c *Conn) setIRS(irs seqnum.Value) {
	c.irs = irs
	c.rcvNxt = irs.Add(1)
	c.rcvBuf.init(c.rcvNxt)
}

// receiveSYN adopts the peer's SYN: IRS, RCV.NXT and options.
func (c *Conn) receiveSYN(now Instant, syn *wire.TCP) {
	c.setIRS(syn.Seq)
	c.negotiate(&syn.Opts)
	c.tsRecentAt = now
	// "The window field in a segment where the SYN bit is set (i.e., a <SYN> or
	// <SYN,ACK>) MUST NOT be scaled" RFC 7323 §2.2.
	c.sndWnd = uint32(syn.Wnd)
	c.maxSndWnd = max(c.maxSndWnd, c.sndWnd)
	c.sndWl1 = syn.Seq
	// What our SYN announces, or announced, unscaled.
	c.rcvAdv = c.rcvNxt.Add(seqnum.Size(min(c.tune.rcvBuf, 0xFFFF)))
}

// establish enters ESTABLISHED on a segment that acknowledges our SYN.
func (c *Conn) establish(now Instant, seg *wire.TCP) {
	c.setState(StateEstablished)
	c.timers.stop(timerUser)
	c.startCongestion(now)
	c.sndWnd = uint32(seg.Wnd)
	if seg.Flags&wire.FlagSYN == 0 {
		c.sndWnd <<= c.opts.sndWindShift
	}
	c.maxSndWnd = max(c.maxSndWnd, c.sndWnd)
	c.sndWl1, c.sndWl2 = seg.Seq, seg.Ack
	c.ack.quick = quickAcks
	c.ack.lastSent = c.rcvNxt
	c.user.progressAt = now
	c.tune.start(now, c.rcvNxt)
	c.boundRanges()
	c.restartKeepAlive(now)
	c.timers.set(timerIdle, now.Add(idleShrink))
	c.events |= EventConnected | EventWritable
	c.pending = true
	if c.user.finQueued {
		c.setState(StateFinWait1) // CLOSE was "queued for processing after entering ESTABLISHED"
	}
}

// setState moves to the next state. Illegal transitions are programming errors,
// which the tests look for; in production they are counted, not fatal.
func (c *Conn) setState(s State) {
	if s != c.state && !legalTransition(c.state, s) {
		c.counters.IllegalTransitions++
	}
	c.state = s
}

// fail ends the connection at once: err is what the user sees. Text that has
// arrived in order can still be read.
func (c *Conn) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.enterClosed()
}

// enterClosed deletes what the TCB holds for sending (RFC 9293 §3.10.7.4: "all
// segment queues should be flushed").
func (c *Conn) enterClosed() {
	c.setState(StateClosed)
	c.timers.stopAll()
	c.sndBuf.clear(c.mem())
	c.rcvBuf.dropOutOfOrder(c.mem())
	if c.user.closed {
		c.rcvBuf.discardAll(c.mem())
	}
	c.sb = scoreboard{}
	c.sb.init()
	c.ack.now, c.ack.challenges = false, 0
	c.events |= EventClosed | EventReadable | EventWritable
	c.pending = true // for the RST, and to report the release
}

func (c *Conn) mem() Memory { return c.cfg.memory() }

// Pending reports whether something happened since PollSegment last returned 0,
// so that it should be called again.
func (c *Conn) Pending() bool { return c.pending }

// Deadline is when HandleTimeout is to be called next; 0 if never.
func (c *Conn) Deadline() Instant { return c.timers.next() }

// TakeEvents returns what happened since the last call.
func (c *Conn) TakeEvents() Event {
	e := c.events
	c.events = 0
	return e
}

// State returns the state of the connection.
func (c *Conn) State() State { return c.state }

// Tuple returns both ends.
func (c *Conn) Tuple() Tuple { return c.tuple }

// Err is why the connection ended: nil while it has not, or if it ended orderly.
func (c *Conn) Err() error { return c.err }

// SoftError is the last error that did not end the connection (RFC 9293 §3.9.2.2); nil if there was
// none, or if the peer has been heard of since and the connection has rested.
func (c *Conn) SoftError() error { return c.softErr }

// Released reports whether the connection is CLOSED and has nothing left to
// send: the caller can forget it. Text may still be there to be read.
func (c *Conn) Released() bool { return c.user.released }

// TTL and TOS are what outgoing packets carry: TOS without the ECN field.
func (c *Conn) TTL() uint8 { return c.user.ttl }

// TOS returns the DSCP shifted into place (RFC 9293 §3.9.1.9, SHLD-22).
func (c *Conn) TOS() uint8 { return c.user.dscp << 2 }
