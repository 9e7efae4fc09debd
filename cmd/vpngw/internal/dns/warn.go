package dns

// warnBlocked tells the operator of a name that lost addresses: it may be one of the operator's own.
func (s *Server) warnBlocked(q *query) {
	if s.blocked.Due() {
		s.log.Warn("an upstream names an address of this side, which was left out of the answer; "+
			"if that is right, add the domain to dns.rebind_allowed", "name", q.msg.Question[0].Name, "peer", q.peer)
	}
}

// warnFailed tells the operator that none of a name's upstreams gave an answer.
func (s *Server) warnFailed(q *query, err error) {
	if s.failed.Due() {
		s.log.Warn("no upstream answers: clients are told SERVFAIL; see dns.upstreams and dns.route, and whether this host reaches them",
			"name", q.msg.Question[0].Name, "peer", q.peer, "err", err)
	}
}
