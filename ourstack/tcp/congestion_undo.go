package tcp

// cubicUndo is what CUBIC saves before a reduction, "undo_*" of RFC 9438 §4.9.2.
type cubicUndo struct {
	valid     bool
	cwnd      uint32  // undo_cwnd
	ssthresh  uint32  // undo_ssthresh
	cwndPrior float64 // undo_cwnd_prior
	wMax      float64 // undo_W_max
	k         float64 // undo_K
	wEst      float64 // undo_W_est
	epoch     Instant // undo_t_epoch
	fromCwnd  bool
	hystart   bool // HyStart++ was active
}

// save records the state before the event of the given kind. An ECN echo is never
// spurious: with it nothing before it can come back.
func (c *cubic) save(w *window, kind congestionKind) {
	c.undo = cubicUndo{
		valid:     kind != congestionECN,
		cwnd:      w.cwnd,
		ssthresh:  w.ssthresh,
		cwndPrior: c.cwndPrior,
		wMax:      c.wMax,
		k:         c.k,
		wEst:      c.wEst,
		epoch:     c.epoch,
		fromCwnd:  c.fromCwnd,
		hystart:   !c.hy.stopped,
	}
}

// onUndo restores the state before the last event, "if cwnd < cwnd_prior": when
// cwnd has grown beyond it, "CUBIC SHOULD continue to use the current and the most
// recent values" RFC 9438 §4.9.2. For timeouts it stands in for RFC 4015 §3.1 (9);
// see the deviation at newReno.onUndo.
func (c *cubic) onUndo(w *window, _ Instant) {
	u := &c.undo
	if u.valid && w.cwnd < u.cwnd {
		w.cwnd = u.cwnd
		w.ssthresh = u.ssthresh
		c.cwndPrior = u.cwndPrior
		c.wMax, c.k, c.wEst = u.wMax, u.k, u.wEst
		c.epoch, c.fromCwnd = u.epoch, u.fromCwnd
		c.hy.stopped = !u.hystart
	}
	u.valid = false
	c.reduced, c.rtoNoAck = false, false
	c.over.end()
	w.clamp()
}
