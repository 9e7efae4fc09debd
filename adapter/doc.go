// Package adapter makes a network of package ourstack: connections, listeners and packet
// connections of package net on one side, a tun.Device for wireguard-go on the other.
//
//	dev, net, err := adapter.CreateNetTUN(addresses, dnsServers, 1420)
//
// is a drop-in for the function of the same name in golang.zx2c4.com/wireguard/tun/netstack, and
// [Net] has all methods of its namesake there. [New] takes more options; [Net.HandleTCP],
// [Net.HandleUDP] and [Net.HandleICMP] answer for addresses that are not local, which is what a
// gateway does.
//
// The stack below knows neither clock nor goroutine, and never blocks. What blocks, waits or
// measures time is here, and no decision about the protocol is.
//
// # How a packet moves
//
// In: the WireGuard device calls Write with a batch (tun.go); the time is read once, and the stack
// takes the packets in the caller's goroutine. Where that makes something readable or writable, the
// stack calls back (Notify in conn.go, notify in packetconn.go), and a gate wakes who waits.
//
// Out: there is no queue. A call such as Write leaves data in the stack and returns. The stack calls
// pump.wake, which puts a token in a channel of one; the WireGuard device, blocked in Read on that
// channel, asks the stack for as many packets as fit in its batch, built at that moment.
//
// Time: the stack has one next deadline for everything; pump.go keeps one timer for it.
//
// # Files
//
//	net.go options.go     Net: made, closed
//	tun.go pump.go        the device; the timer and the wake-up of its reader
//	gate.go deadline.go   waiting: turns, wake-ups, deadlines, Close
//	conn.go conn_options.go conn_copy*.go   TCPConn: net.Conn; Set methods and Info; ReadFrom and WriteTo, and
//	                      both in steps that do not wait
//	listener.go dialer.go packetconn*.go ping.go   as in package net
//	forward*.go           requests for addresses that are not local
//	forward_open.go       the other way: to a client as from such an address
//	lookup*.go            DNS through the tunnel
//	errors.go address.go  errors and addresses as package net has them
//
// # Goroutines, locks, Close
//
// The package starts a goroutine for each forward request (one for all echo requests), which runs the
// handler; the runtime starts one when a timer fires. None belongs to a connection. A gate's mutex is held for a few
// instructions only, and while it is held nothing of the stack or the user's is called; the
// notifications of the stack take it with no lock of the stack held. pump.mu is alike. So there is
// no order of locks to keep. Close of anything may be called at any time, from any goroutine,
// repeatedly; it never waits.
//
// # Memory
//
// A TCPConn is about 220 bytes besides the stack's connection. Nothing else is allocated for it
// while it is idle; a deadline, a changed keep-alive setting and a linger time come with their own
// small allocation. WriteTo hands the stack's buffers to the writer, and ReadFrom has sockets fill
// them; both hold none while there is nothing to move.
//
// # Limits
//
// The path is IPv4: IPv6 addresses of a Net are accepted and unused, dialing one fails with
// ENETUNREACH, and names are not looked up as AAAA. There is no out-of-band data, no file descriptor
// behind a connection (SyscallConn, File), and no multicast.
package adapter
