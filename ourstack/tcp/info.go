package tcp

// Counters count what happened on a connection.
type Counters struct {
	SegmentsIn, SegmentsOut uint64
	BytesIn, BytesOut       uint64 // text; BytesIn once it is in order, BytesOut with retransmissions
	Dropped                 uint64 // segments not accepted
	Retransmits             uint64 // segments
	Timeouts                uint64 // retransmission timer expiries
	SpuriousTimeouts        uint64 // … that F-RTO found to be spurious
	FastRecoveries          uint64
	Lost                    uint64 // segments marked lost
	LossProbes              uint64 // tail loss probes sent
	ProbeRecoveries         uint64 // losses that a probe repaired
	WindowProbes            uint64
	MTUProbes               uint64 // segments larger than the path MTU, to find a larger one
	MTUProbesLost           uint64
	BlackHoles              uint64 // reductions of the path MTU because of timeouts
	KeepAlives              uint64
	Undos                   uint64 // reductions taken back as spurious
	Reneges                 uint64 // SACKs that the peer took back
	OutOfOrder              uint64 // segments received out of order
	DuplicateIn             uint64 // segments with text received before
	DSACKsIn                uint64
	CEIn                    uint64 // packets with congestion experienced
	Challenges              uint64 // challenge ACKs
	ChallengesLimited       uint64 // … not sent because of the rate limit
	ResetsOut               uint64
	IllegalTransitions      uint64 // must be 0
}

// Info is a snapshot of a connection: what Linux calls TCP_INFO.
type Info struct {
	State             State
	CongestionControl string
	RTT, RTTVar       Duration // smoothed, 0 before the first sample
	MinRTT            Duration
	RTO               Duration
	Cwnd, Ssthresh    uint32 // bytes
	SndWnd, RcvWnd    uint32 // bytes, as announced by and to the peer
	SndMSS, RcvMSS    uint32 // bytes of text a segment, options subtracted
	PathMTU           int
	InFlight          uint32 // bytes
	PacingRate        uint64 // bytes per second; 0 = not paced
	Unread            int    // bytes received and not yet read
	Unsent            int    // bytes written and not yet sent
	Unacked           int    // bytes sent and not yet acknowledged
	RcvBuf, SndBuf    int    // present limits of the buffers, bytes
	Urgent            int    // bytes to read up to the end of urgent data (RFC 9293 §3.8.5, MUST-33)
	Timestamps        bool
	SACK              bool
	WindowScale       bool
	ECN               bool
	SndShift          uint8
	RcvShift          uint8
	InRecovery        bool
	Counters          Counters
}

// Info returns a snapshot: STATUS (RFC 9293 §3.10.6).
func (c *Conn) Info(Instant) Info {
	i := Info{
		State: c.state, RTT: c.rtt.srtt, RTTVar: c.rtt.rttvar, MinRTT: c.rtt.minRTT(), RTO: c.rtt.rto(),
		Cwnd: c.win.cwnd, Ssthresh: c.win.ssthresh, SndWnd: c.sndWnd, RcvWnd: uint32(c.rcvNxt.Size(c.rcvAdv)),
		SndMSS: c.win.smss, RcvMSS: c.rcvMSS(), PathMTU: c.pmtu, InFlight: c.inFlight(), PacingRate: c.win.pacingRate,
		Unread: c.rcvBuf.unread(), Unacked: int(c.outstanding()),
		RcvBuf: c.tune.rcvBuf, SndBuf: c.sndLimit(),
		Timestamps: c.opts.timestamps, SACK: c.opts.sack, WindowScale: c.opts.windowScale, ECN: c.opts.ecn,
		SndShift: c.opts.sndWindShift, RcvShift: c.opts.rcvWindShift,
		InRecovery: c.rec.phase != recOpen, Counters: c.counters,
	}
	if c.state != StateClosed && c.sndNxt.Less(c.sndBuf.end) {
		i.Unsent = int(c.sndNxt.Size(c.sndBuf.end))
	}
	if c.urgent {
		i.Urgent = int(c.rcvBuf.readSeq.Size(c.rcvUp))
	}
	if c.cc != nil {
		i.CongestionControl = c.cc.name()
	}
	return i
}
