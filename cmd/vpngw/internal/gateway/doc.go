// Package gateway carries the traffic of WireGuard peers to its real destination through ordinary,
// unprivileged sockets.
//
// A Gateway owns one wireguard-go device, one adapter.Net (our TCP/IPv4 stack) and every forwarded
// flow. It is not a packet filter or a router: it never sees a packet. What goes from peer to peer the
// stack relays by itself, when the policy says so; of all else the stack tells it "a client
// wants this TCP connection", "a client socket sends these datagrams", "a client pings this host",
// and it answers the way the network behind it answers.
//
// # What a client sees
//
//	the far side                 the client
//	accepts                      SYN-ACK, only then                             forward_tcp.go
//	refuses                      RST                                            answer.go
//	network, host unreachable    ICMP 3/0, 3/1, from the router that said so    answer.go, fault.go
//	a router ends its TTL        ICMP 11/0 from that router: traceroute         fault.go, dial_linux.go
//	a link is too small          ICMP 3/4 with its MTU, for packets with DF     fault.go
//	does not answer              nothing; one dial for all its SYNs             deadhost.go
//	is forbidden by the guard    ICMP 3/13                                      guard.go
//	is another peer              it, packet by packet, or ICMP 3/1 if isolated  policy.go
//	closes, resets, stops        the same, in the same order                    pipe.go
//	has no such UDP socket       ICMP 3/3 quoting the datagram                  recverr_linux.go
//	is pinged                    its own answer, all kept                       forward_icmp.go
//
// The gateway is a router in this: a SYN, a datagram and an echo request leave with the client's TTL less
// one, never below 1 (at 1 the stack answers "time exceeded" itself), so that a traceroute sees the path
// as it is, and a packet that circles between two gateways ends. An established TCP connection is the
// gateway's own, with the system's TTL. ICMP errors and echo replies reach the client with the TTL they
// came with, less one. Only Linux tells who sent an ICMP error and lets an unprivileged process send
// pings (IP_RECVERR, ping sockets); elsewhere a refused or unreachable TCP destination is told from the
// gateway's address, UDP errors are not seen, and traceroute shows the destination behind the gateway.
//
// Over a budget (budget.go) a SYN is not answered: the client's retransmission asks again, as with
// a full table in any router on the way. Everything of that kind is counted (counters.go).
//
// # File map
//
//	gateway.go                      New, Start, Close
//	reload.go, drain.go, status.go  what may happen in between
//	wireguard.go, uapi.go           the device: its text protocol, its log
//	stack.go                        the stack and its requests
//	forward.go                      what the protocols share
//	forward_{tcp,udp,icmp}.go       one per protocol
//	dial*.go, answer.go, fault.go   the far side of TCP (package hosttcp on Linux), and what the client is told
//	pipe.go, reset_*.go             two copies, and how they end
//	pipe_events_linux.go            the same without goroutines that wait
//	forward_udp_*.go                carrying, filtering, hairpins, idle mappings, QUIC
//	udpsocket*.go, recverr_linux.go the far side of UDP, and its ICMP errors
//	pingsocket*.go, cmsg_linux.go   the far side of echo requests
//	pingcheck.go, hostcheck*.go     what this host does not let the gateway have
//	idle.go                         idle timers
//	policy.go, guard.go             may a peer reach it?
//	resolver.go                     the DNS server at the gateway's address
//	portmap.go, portmap_*.go        ports of this host that lead to clients who asked for them
//	hairpin.go                      one client at another's port of this host
//	budget.go, deadhost.go          fair shares; who did not answer
//	limits.go, counters.go          every bound with its reason; every outcome counted
//	peer.go, peertable.go           a peer and its open flows; source address to peer
//	memlimit.go, files_*.go         what the container and the system allow
//
// # Goroutines and locks
//
// A dial that waits for an answer has one goroutine. An open TCP flow has one for each direction that has
// something to move and none while it is idle (on Linux; elsewhere always two). A UDP mapping has none on Linux,
// where udpPoller.run serves all of them, and two elsewhere, while there are any; a ping flow has one. All are counted in forwarder.open and end with their peer, with Close, or with the flow;
// that of hosttcp.Poller ends with Close.
//
// Gateway.mu (lifecycle, reload) comes before all others, pingFlows.mu before budgets.mu and peer.mu.
// The rest are never held together, and nothing blocks under any of them but Gateway.mu.
package gateway
