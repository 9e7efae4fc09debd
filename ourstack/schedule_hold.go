package ourstack

// account notes how many bytes of f stand in queues. It reports whether Wake must be called. The owner of
// f holds its lock, or, when f was dropped, scheduler.mu is held.
func (s *scheduler) account(f *flow, standing int) (wake bool) {
	return standing != f.standing && f.group.account(f, standing) && s.inbox.send(&f.group.relief, errandRelieve)
}

// account is that of the scheduler. When the queues of the group have become shorter, and flows are
// held for them, it reports that relief must be sent to the inbox, by the caller: the flows go back to lists
// that only Output may touch.
func (g *group) account(f *flow, standing int) (relieved bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if (standing > 0) != (f.standing > 0) {
		if standing > 0 {
			g.delayed++
		} else {
			g.delayed--
		}
	}
	g.standing += standing - f.standing
	f.standing = standing
	limit := g.standingLimit()
	if g.standing >= limit {
		g.full.Store(true)
		return false
	}
	if !g.full.Load() || g.standing > limit-limit/8 {
		return false
	}
	g.full.Store(false)
	if g.held.head == nil || g.relieving {
		return false
	}
	g.relieving, g.relief.group = true, g
	return true
}

// standingLimit is how many bytes of g may stand in queues.
func (g *group) standingLimit() int {
	return min(standingMin+g.delayed*standingPerFlow, standingMax)
}

// hold keeps f from being ready if g is full. scheduler.mu is held. Whoever sees to it that g is full
// no more sees f held, because both look under g.mu.
func (g *group) hold(f *flow) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.full.Load() {
		return false
	}
	g.held.pushBack(f)
	return true
}

// letGo takes f off the list of held flows. scheduler.mu is held.
func (g *group) letGo(f *flow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held.remove(f)
}

// relieve makes the flows ready that are held. Those that were held only after relief was sent, because
// the group is full again, are asked once more and held again. s.mu is held.
func (s *scheduler) relieve(g *group) {
	g.mu.Lock()
	f := g.held.head
	g.held = flowList{}
	g.relieving = false
	g.mu.Unlock()
	for f != nil {
		next := f.next
		s.link(f, false)
		f = next
	}
}
