package gateway

import "sync/atomic"

// counters count what happened since the start, for all peers. Every request that does not become a
// flow is in exactly one of them.
type counters struct {
	tcpAccepted     atomic.Uint64
	tcpRefused      atomic.Uint64
	tcpUnreachable  atomic.Uint64
	tcpTimeout      atomic.Uint64
	tcpGaveUp       atomic.Uint64
	tcpDead         atomic.Uint64
	tcpDenied       atomic.Uint64
	tcpOverBudget   atomic.Uint64
	tcpEvicted      atomic.Uint64
	tcpLocalError   atomic.Uint64
	tcpReset        atomic.Uint64
	udpMapped       atomic.Uint64
	udpDenied       atomic.Uint64
	udpStranger     atomic.Uint64
	udpUnreachable  atomic.Uint64
	udpEvicted      atomic.Uint64
	udpOverBudget   atomic.Uint64
	udpSendError    atomic.Uint64
	udpDropped      atomic.Uint64
	pingRelayed     atomic.Uint64
	pingAnswered    atomic.Uint64
	pingFailed      atomic.Uint64
	pingDenied      atomic.Uint64
	pingOverBudget  atomic.Uint64
	pingUnavailable atomic.Uint64
	noPeer          atomic.Uint64
	draining        atomic.Uint64
}

// Counters is a snapshot of what happened since the start, for all peers together. Counts only
// grow.
type Counters struct {
	TCPAccepted    uint64 `json:"tcp_accepted"`     // flows that were opened
	TCPRefused     uint64 `json:"tcp_refused"`      // refused by the destination: RST
	TCPUnreachable uint64 `json:"tcp_unreachable"`  // network or host unreachable: ICMP 3/0, 3/1
	TCPTimeout     uint64 `json:"tcp_timeout"`      // no answer within dial_timeout: silence
	TCPGaveUp      uint64 `json:"tcp_gave_up"`      // the client gave up before the destination answered
	TCPDead        uint64 `json:"tcp_dead"`         // not dialled: the destination did not answer a short time ago
	TCPDenied      uint64 `json:"tcp_denied"`       // forbidden, ICMP 3/13, or another peer's, ICMP 3/1
	TCPOverBudget  uint64 `json:"tcp_over_budget"`  // not answered for lack of budget: the client asks again
	TCPEvicted     uint64 `json:"tcp_evicted"`      // dials given up for a newer one of the same peer
	TCPLocalError  uint64 `json:"tcp_local_error"`  // this host could not: no file, port or memory
	TCPReset       uint64 `json:"tcp_reset"`        // open flows that one side ended by a reset
	UDPMapped      uint64 `json:"udp_mapped"`       // mappings that were opened
	UDPDenied      uint64 `json:"udp_denied"`       // datagrams to a forbidden destination
	UDPStranger    uint64 `json:"udp_stranger"`     // datagrams from hosts that the client never sent to
	UDPUnreachable uint64 `json:"udp_unreachable"`  // ICMP errors passed on to clients
	UDPEvicted     uint64 `json:"udp_evicted"`      // mappings ended to make room for a new one of the same peer
	UDPOverBudget  uint64 `json:"udp_over_budget"`  // datagrams dropped because no mapping could be opened
	UDPSendError   uint64 `json:"udp_send_error"`   // datagrams that this host could not send
	UDPDropped     uint64 `json:"udp_dropped"`      // answers dropped because the client's queue was full
	PingRelayed    uint64 `json:"ping_relayed"`     // echo requests sent on
	PingAnswered   uint64 `json:"ping_answered"`    // echo replies passed back
	PingFailed     uint64 `json:"ping_failed"`      // ICMP errors passed back for echo requests
	PingDenied     uint64 `json:"ping_denied"`      // echo requests to a forbidden destination
	PingOverBudget uint64 `json:"ping_over_budget"` // echo requests dropped for lack of budget
	PingNoSocket   uint64 `json:"ping_no_socket"`   // echo requests refused: this host allows no ping sockets
	PeerRelayed    uint64 `json:"peer_relayed"`     // packets passed on from peer to peer
	PeerDropped    uint64 `json:"peer_dropped"`     // of those, dropped because the queue to the peer was full
	IPv6Refused    uint64 `json:"ipv6_refused"`     // IPv6 packets answered with ICMPv6 1/1
	NoPeer         uint64 `json:"no_peer"`          // requests from an address of no peer
	Draining       uint64 `json:"draining"`         // requests not answered because the gateway is about to stop
}

func (c *counters) snapshot() Counters {
	return Counters{
		TCPAccepted:    c.tcpAccepted.Load(),
		TCPRefused:     c.tcpRefused.Load(),
		TCPUnreachable: c.tcpUnreachable.Load(),
		TCPTimeout:     c.tcpTimeout.Load(),
		TCPGaveUp:      c.tcpGaveUp.Load(),
		TCPDead:        c.tcpDead.Load(),
		TCPDenied:      c.tcpDenied.Load(),
		TCPOverBudget:  c.tcpOverBudget.Load(),
		TCPEvicted:     c.tcpEvicted.Load(),
		TCPLocalError:  c.tcpLocalError.Load(),
		TCPReset:       c.tcpReset.Load(),
		UDPMapped:      c.udpMapped.Load(),
		UDPDenied:      c.udpDenied.Load(),
		UDPStranger:    c.udpStranger.Load(),
		UDPUnreachable: c.udpUnreachable.Load(),
		UDPEvicted:     c.udpEvicted.Load(),
		UDPOverBudget:  c.udpOverBudget.Load(),
		UDPSendError:   c.udpSendError.Load(),
		UDPDropped:     c.udpDropped.Load(),
		PingRelayed:    c.pingRelayed.Load(),
		PingAnswered:   c.pingAnswered.Load(),
		PingFailed:     c.pingFailed.Load(),
		PingDenied:     c.pingDenied.Load(),
		PingOverBudget: c.pingOverBudget.Load(),
		PingNoSocket:   c.pingUnavailable.Load(),
		NoPeer:         c.noPeer.Load(),
		Draining:       c.draining.Load(),
	}
}
