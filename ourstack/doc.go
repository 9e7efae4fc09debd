// Package ourstack is a TCP/IPv4 host with any number of connections: it finds the connection of
// a packet, decides who sends next, listens, forwards, reassembles, answers pings, and keeps every
// table within its limits. It has no goroutine, no clock and no socket: a driver gives it packets and
// the time, and takes packets from it (see package adapter). One connection's TCP is package tcp; the
// layout of packets is package wire.
//
// It is a host. Packets to addresses that are not its own raise forward requests, with which a gateway
// terminates them in the name of their destination; a router it is only between the addresses that
// SetRelay names.
//
// # A packet comes in
//
//	Input ─► wire.IPv4.Parse ─► martians, source routes, TTL        input.go
//	  ├─ IPv6 ──► ICMPv6 administratively prohibited                ipv6.go
//	  ├─ relayed ─► queue of the destination                        relay.go
//	  ├─ fragment ─► reassembler ─┐                                 fragment.go
//	  ├◄──────────────────────────┘
//	  ├─ TCP ──► table ─► Conn ─► tcp.Conn.HandleSegment            input_tcp.go, demux.go, conn.go
//	  │            ├────► Listener: SYN queue, cookie               listener.go, syncookie.go
//	  │            ├────► TCPRequest                                forward_tcp.go
//	  │            └────► RST                                       input_tcp.go
//	  ├─ UDP ──► UDPSocket, UDPRequest, port unreachable            udp.go, udp_socket.go, forward_udp*.go
//	  └─ ICMP ─► echo, ICMPRequest, PingSocket; errors to their flow  icmp.go, forward_icmp.go, ping.go
//	                                                                and back to the client: fault.go
//
// Segments of one connection that follow each other in the batch are a run: the connection is locked
// once, and its user is told once, after the run. An acknowledgment that becomes due is a
// flag in the connection, not a packet. Every packet that is not accepted is counted by reason (drop.go).
//
// # A packet goes out
//
// There is no queue of packets. What has something to send is a flow, and stands on a list of
// the scheduler (schedule.go): deficit round robin over remote addresses, then over the flows of
// one. Output (output.go) takes flows in turn; each writes finished packets straight into the
// driver's buffers: a connection asks tcp.Conn.PollSegment, a UDP or ping socket or the echo server
// takes from its bounded queue of datagrams and fragments them (send_queue.go, mtu.go). Only RSTs, SYN
// cookies and ICMP errors, which belong to no flow, are built ahead, into a small ring of
// bytes (control_queue.go) that goes first.
//
// Wake-up: a flow is idle, in the inbox, listed or in service. Its owner keeps a flag that says which,
// under its own lock, and pushes the flow when it is idle and has something; Output clears the flag under
// the same lock when PollSegment has returned 0. Pushing takes no lock: the flow goes on an atomic stack, the
// inbox (schedule_inbox.go), from which Output sorts it in. Output that finds no flow first notes that it is
// idle and then looks into the inbox once more; who pushes looks at the note once the flow is in. So
// whatever becomes ready is either seen by Output or wakes it.
//
// # Ownership and locks
//
// A Conn belongs to its user until Close or Abort, and to the tables until it is released. Buffers
// given to Input, Output, Read and Write are the caller's again on return. No call-back is made
// with a lock held; no lock is held while waiting, because nothing waits.
//
//	lock               guards                                  may be held while taking
//	TCPRequest.mu      its state                               what making or forgetting a connection
//	                                                           takes: all below but UDP and ICMP
//	Conn.mu            its tcp.Conn and readiness flags        Listener.mu, group.mu, inbound.mu, deadlines.mu;
//	                                                           shard.mu, while it is entered there;
//	                                                           scheduler.mu, in Output
//	Listener.mu        SYN and accept queue                    nothing
//	shard.mu, table.listenMu   TCP demux tables                nothing
//	udpTable.mu, udpShard.mu, pingTable.mu   their tables      nothing
//	UDPSocket.mu, PingSocket.mu   receive queue, state         nothing
//	sendQueue.mu       queued datagrams of one owner           remotes.mu; scheduler.mu, in Output
//	remotes.mu         table of remote addresses               nothing
//	timeWait.mu        list of connections in TIME-WAIT        nothing
//	reassembler.mu     fragments                               deadlines.mu
//	limiter.mu         token buckets                           nothing
//	scheduler.mu       ready lists                             group.mu, scheduler.controlMu
//	scheduler.controlMu   control packets                      nothing
//	group.mu           bytes that stand in queues, held flows  nothing
//	inbound.mu         what one remote address may send        nothing
//	deadlines.mu       heap of deadlines                       nothing
//
// Only Output, and forgetting a connection, take scheduler.mu: goroutines that bring packets in or write
// meet each other there by single atomic operations, and at group.mu if they serve the same remote address.
//
// A connection is looked up under shard.mu, which is released before Conn.mu is taken; a due timer is
// taken from the heap before its owner is locked. Between the two the connection may end: its
// detached flag, under Conn.mu, says so. What must happen without the lock (offering it to
// its listener, forgetting it, notifying, waking) is collected in an aftermath and carried out after.
//
// # Time
//
// Each call takes the present as a tcp.Instant. One heap holds the deadlines of connections, requests
// and the reassembler (deadline.go). A deadline that moves later is left where it is and corrected
// when it fires, so packets seldom touch the heap.
//
// # Invariants
//
// Check (invariants.go), called after every step of the simulations, asks each connection for its
// own and compares the two notes that could disagree: what is pending is scheduled, and what
// has a deadline is armed for a time not later.
//
// # Limits
//
// limits.go has every bound with unit and reason; Limits those that can be set. Stream buffers come
// from one budget, of which each remote address has a share (memory.go); datagrams from
// another (packet_pool.go).
//
// # RFCs
//
// 791 (reassembly, fragmentation), 792, 768, 4443 (§2.4 (e), §3.1), 1122 §3 and §4.1, 1191 (plateaus), 1624, 1812 (§4.3.2, §5.2.2,
// §5.3.7 as a host needs them; §5.2.1.2, §5.3.1 for what is relayed), 3168 §5.3, 4787 (mapping), 4987 §3.6, 5722 (overlaps), 5927 (with
// package tcp), 6056 §3.3.4, 6191, 6528, 6864, 9293 §3.10.7.1 and §3.10.7.2.
//
// Deviations, each noted where it is made: source addresses of forwarded connections are not our own
// (RFC 1122 §3.2.1.3, which a transparent gateway cannot keep); source routes are refused;
// fragments are kept for 30 s.
//
// # Not here
//
// IPv6, beyond refusing it; IGMP and multicast; ICMP timestamp, address mask, redirect and source quench; echo of
// IP options; sending of source routes.
package ourstack
