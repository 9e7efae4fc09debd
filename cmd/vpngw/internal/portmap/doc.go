// Package portmap gives peers ports of this host that they ask for: PCP (RFC 6887) and its
// predecessor NAT-PMP (RFC 6886), answered at UDP port 5351 of the gateway's address in the tunnel.
//
// It decides and remembers; it opens nothing. Who asks, and what a port is made of, comes from the
// gateway ([Options]). An answer is a function of the request, the table and the time: only Serve
// does I/O, and only the expiry of a mapping has a timer.
//
// # What is answered
//
//	PCP MAP               TCP and UDP; PREFER_FAILURE, FILTER              map_pcp.go
//	PCP ANNOUNCE          the epoch                                         pcp.go
//	PCP PEER              UNSUPP_OPCODE: see below
//	NAT-PMP 0, 1, 2       external address; map, delete, delete all        natpmp.go
//	other versions        UNSUPP_VERSION with the closest that is known    RFC 6887 §9, Appendix A
//
// A client maps its own address alone: THIRD_PARTY is refused, as for an unauthorised client (RFC 6887
// §13.1). A mapping of PCP is its client's by the nonce (§11.3); one of NAT-PMP, which has none, by
// the address.
//
// # What is not there, and why
//
//   - PEER would lengthen the life of one outgoing flow. Here a TCP connection ends in the gateway,
//     which keeps it alive itself, and the times of UDP are the operator's ([forward]).
//   - Restart announcements by multicast (RFC 6887 §14.1.3): a WireGuard tunnel has no multicast. By
//     unicast they would need a memory of the clients that outlives the process. The epoch, in every
//     answer, tells a client of a restart when it renews, at half the lifetime.
//   - Mappings are not kept over a restart, for the same reason. A client that renews suggests the
//     port it had, and gets it.
//   - Mapping updates (§14.2): when the external address changes, the epoch starts anew (§8.5).
//   - Among the peers themselves ports are reached too, unless peers are isolated from each other (hairpin,
//     RFC 4787 §6, RFC 5382 §7.2). That is the gateway's affair; no packet of theirs leaves it.
//   - TCP connections outlive their mapping (RFC 6886 §3.4 would reset them): they do not depend on it.
//
// # Files
//
//	server.go     Server: Configure, Serve, Silence, Close; rate and peers of requests
//	pcp.go        the PCP messages, and what is common to all opcodes
//	map_pcp.go    the MAP opcode
//	options.go    PCP options
//	natpmp.go     the NAT-PMP messages and opcodes
//	table.go      the mappings: by client, by port; lifetimes; ports at rest
//	assign.go     which port a client gets
//	external.go   the address outside, the epoch
//	limits.go     every bound with its reason
//	counters.go   what happened
//
// # Locks
//
// Server.mu guards everything. Ports are opened and closed under it, so that must not block, nor wait
// for anything that calls back.
package portmap
