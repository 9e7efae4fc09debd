package tcp

import "vpngw/ourstack/seqnum"

// congestionControl decides how much may be in flight and how fast it leaves.
// An implementation sees bytes and times, never segments, and owns no timer.
// It writes its decisions into the shared window. All calls come from the
// owning [Conn], so none needs a lock; none may allocate.
type congestionControl interface {
	// onSent is called after n bytes of new or resent data left at now with
	// priorInFlight bytes outstanding before them.
	onSent(w *window, now Instant, n, priorInFlight uint32)

	// onAck is called once for each ACK that delivered data (cumulatively or
	// selectively), after loss detection ran. inRecovery tells whether the
	// connection is in fast recovery: a loss-based control then leaves cwnd to
	// proportional rate reduction (see ownsRecovery). After a retransmission timeout
	// the control grows cwnd by slow start whatever inRecovery says.
	onAck(w *window, s *ackSample)

	// onLost is called for each segment newly marked lost, before the
	// onCongestionEvent or onAck of the same ACK.
	onLost(w *window, l *lossSample)

	// onCongestionEvent is called when recovery begins, an ECN echo arrives or
	// the retransmission timer expires. It sets w.ssthresh and, for an RTO or an
	// ECN echo, w.cwnd. flight is FlightSize (RFC 5681 §2) at that moment. The
	// connection calls it at most once a round trip for losses and ECN echoes
	// together, and once for each expiry of the timer.
	onCongestionEvent(w *window, now Instant, kind congestionKind, flight uint32)

	// onExitRecovery is called when recovery ended by an ACK of recoveryPoint.
	onExitRecovery(w *window, now Instant)

	// onUndo is called when the last congestion event proved spurious
	// (RFC 4015, DSACK): prior state is restored.
	onUndo(w *window, now Instant)

	// onIdleRestart is called before the first segment when sending resumes after idle of at least one RTO.
	onIdleRestart(w *window, now Instant, idle Duration)

	// ownsRecovery reports whether the control bounds the flight in recovery by
	// itself (BBR), so that proportional rate reduction is not applied.
	ownsRecovery() bool

	// name is the name used in configuration and Info: "newreno", "cubic", "bbr".
	name() string
}

// congestionKind is the kind of a congestion signal.
type congestionKind uint8

const (
	congestionLoss congestionKind = iota // loss detected by ACKs: fast recovery begins
	congestionECN                        // ECE from the peer (RFC 3168 §6.1.2, RFC 8511)
	congestionRTO                        // retransmission timeout (RFC 5681 §3.1 equation 4)
)

// window is the sender's congestion state that the connection and its
// congestion control share. All sizes are in bytes.
type window struct {
	cwnd        uint32 // RFC 5681 §2; never below smss
	ssthresh    uint32 // initially "arbitrarily high": math.MaxInt32 (RFC 5681 §3.1)
	smss        uint32 // sender maximum segment size, options subtracted
	initial     uint32 // initial window, IW (RFC 6928)
	maxCwnd     uint32 // clamp: never more than the send buffer and the scaled window can use; 0 = none
	pacingRate  uint64 // bytes per second; 0 = not paced
	sendQuantum uint32 // bytes that may leave in one burst when paced; 0 = no bound
	withoutSACK bool   // SACK was not negotiated: at most one loss a round trip is seen
	// rate is the connection's delivery-rate estimator. BBR reads and marks
	// application-limited phases in it; nil is tolerated.
	rate *rateState
}

// ackSample is what one ACK told the sender.
type ackSample struct {
	now           Instant
	delivered     uint32   // bytes newly delivered by this ACK (cumulatively or by SACK)
	ackedCum      uint32   // bytes newly acknowledged cumulatively
	lost          uint32   // bytes newly marked lost while processing this ACK
	priorInFlight uint32   // bytes in flight (pipe) before the ACK was processed
	inFlight      uint32   // and after
	rtt           Duration // newest RTT sample from this ACK; -1 when there is none
	srtt          Duration
	minRTT        Duration     // windowed minimum
	sndUna        seqnum.Value // after the ACK
	sndNxt        seqnum.Value
	cwndLimited   bool // cwnd, not the application, the peer's window or the pacer, held text back since the last ACK (RFC 7661 §4.5.3)
	inRecovery    bool
	ece           bool
	rs            rateSample // delivery-rate sample
}

// lossSample is what is known of one segment newly marked lost.
type lossSample struct {
	now       Instant
	bytes     uint32
	tx        txRate // delivery state recorded when it was sent
	totalLost uint64 // bytes lost on this connection, this segment included
	delivered uint64 // C.delivered now
}

// newControl returns the congestion control that is configured; the usual one is part of c.
func (c *Conn) newControl() congestionControl {
	switch name := c.cfg.CongestionControl; name {
	case "", "cubic":
		c.first.cubic.init()
		return &c.first.cubic
	default:
		return newCongestionControl(name)
	}
}

// newCongestionControl returns the control by its configured name; unknown
// names give CUBIC, which [ParseCongestionControl] has excluded before.
func newCongestionControl(name string) congestionControl {
	switch name {
	case "newreno":
		return &newReno{}
	case "bbr":
		return newBBR()
	default:
		return newCubic()
	}
}
