// Package mmsg receives and sends UDP datagrams over IPv4 in batches: recvmmsg(2) and sendmmsg(2), with
// runs of equal datagrams coalesced and segmented by the kernel (UDP_GRO and UDP_SEGMENT, udp(7)). It also
// reads a stream into several buffers at once: readv(2).
//
// It knows sockets by their descriptors, which must not block, and holds none: opening them, waiting
// for them and closing them is the caller's affair. Pointers to what is sent and to its own buffers go
// to the kernel; that is why it is a package by itself.
//
//	mmsg.go         Datagram
//	mmsg_linux.go   Receiver, Sender
//	readv_linux.go  Readv
//	limits.go       the sizes of batches and buffers
//
// On systems other than Linux there is only Datagram.
package mmsg
