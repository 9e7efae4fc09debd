// Package wgbind is the UDP side of a wireguard-go device: a [conn.Bind] of our own, and a bound on
// what may stand inside the device.
//
// # The bind
//
// On Linux, [New] returns a bind that differs from wireguard-go's in what a packet costs:
//
//   - A run of packets to a peer leaves in one sendmmsg as UDP_SEGMENT messages gathered from where
//     the packets lie. The stock bind copies them together first.
//   - A UDP_GRO message is received scattered, one segment to a buffer of the device, because
//     segments are nearly always as long as those before. The stock bind receives 64 KiB and copies.
//     Only when the guess was wrong are the segments moved (split.go).
//   - Endpoints are remembered (endpoint_linux.go). The stock bind allocates one per packet.
//   - Where no message is coalesced, up to 16 are received by one call, not two.
//   - A kernel that refuses to segment, for a driver's or an MTU's sake, gets the packets one by one.
//
// As in the stock bind, answers leave from the address and interface at which the peer was last heard
// (IP_PKTINFO), IPv4 and IPv6 have a socket each at one port, and socket buffers are as large as the
// kernel lets them be without and, if the process may, with privilege.
//
// One thing it cannot do: wireguard-go watches the routing table only for its own type of bind, to
// forget a peer's source when the route to the peer moved. Here a source that the kernel refuses
// is forgotten and the packet sent again without; and wireguard-go forgets it itself when a
// handshake stays unanswered.
//
// On other systems New returns wireguard-go's bind.
//
// # The bound
//
// The queues inside a device hold 2^17 packets of 64 KiB each way. [Limit] keeps a device from
// taking more than it puts through: its TUN reader waits while enough packets stand between Read and
// Send, its UDP receiver while enough stand between the socket and Write. What waits outside waits
// in better places: in the stack, which then builds newer packets, and in the socket's buffer, which
// has a bound. Where memory is small, batches are too: each buffer of the device is 64 KiB.
//
// Packets for a peer with whom there is no session a device keeps for 90 s. Of those Limit lets few in
// (silent.go); the rest it drops, as a host does for whom ARP has no answer.
//
// # Files
//
//	doc.go limits.go
//	limit.go silent.go   Limit, on every system; peers that may not be there
//	bind_linux.go        Open, Close, SetMark; sockets and their options
//	receive_linux.go split.go   receiving, and segments that did not fall where they should
//	send_linux.go        sending, and what to do about refusals
//	endpoint_linux.go control_linux.go   peers' addresses; control messages
//	mmsg_linux.go address.go   the two system calls; which buffer is which: the unsafe code
//	bind_other.go        other systems
//
// # Ownership and concurrency
//
// Buffers belong to the caller and are used during the call only. All methods may be called
// concurrently, as the stock bind's. No goroutine is started.
package wgbind
