package tcp

// challenge sends an ACK in answer to a segment that may be forged or stray (RFC
// 5961 §3.2, §4.2, §5.2), unless too many were sent lately. The bound is per
// connection: a global one is a side channel (CVE-2016-5696). It never touches
// ACKs of text.
func (c *Conn) challenge(now Instant) {
	earned := min(now.Sub(c.ack.challengeAt)/challengeInterval, challengeBurst)
	if earned > 0 {
		c.ack.challengeTokens = min(challengeBurst, c.ack.challengeTokens+int(earned))
		c.ack.challengeAt = now
	}
	if c.ack.challengeTokens == 0 {
		c.counters.ChallengesLimited++
		return
	}
	c.ack.challengeTokens--
	c.counters.Challenges++
	c.ackNow()
}
