// Package wire reads and writes the packets of IPv4, TCP, UDP and ICMPv4, and of IPv6 what it takes to
// refuse them.
//
// It is a pure codec: functions over bytes, without state, allocation, locks, time or formatted
// errors. It knows what a header looks like, never what a connection does with it.
//
// # The parse contract
//
// A header type ([IPv4], [TCP], [UDP], [ICMPv4]) is a decoded view: numbers are copied out, payload
// and IP options alias the input and live only as long as it does. Parse overwrites the whole
// receiver, so one variable serves a whole batch. It never panics and never reads past the slice,
// whatever the bytes; it returns an [Error], a one-byte reason that is also the name of a drop
// counter, and [OK] is zero. After any other result the receiver's content is unspecified.
//
// ParseQuoted is the same for the packet quoted inside an ICMP error, which is cut off (RFC 792:
// at least eight octets follow its IP header) and whose checksums prove nothing.
//
// # The put contract
//
// Put writes a header at the start of a buffer that the caller has made long enough (a shorter one
// is a programming error and panics) and returns the octets written. TCP.Put and UDP.Put leave
// the checksum field zero for a SetChecksum function to fill when the whole segment is in place;
// IPv4.Put and ICMPv4.Put compute theirs. Put after Parse restores the octets, except that options
// come out in our canonical order (see tcp_options.go) and unknown ones are gone.
//
// # Files
//
//	addr.go          Addr and its classes
//	error.go         Error: the reasons
//	checksum.go      Internet checksum: RFC 1071, 1624
//	checksum_words.go, checksum_amd64.*  its sums in Go, and in assembly (not with the build tag purego)
//	race_*.go        the race detector does not see into assembly
//	ipv4.go          RFC 791, header validation of RFC 1812 §5.2.2
//	tcp.go           RFC 9293 §3.1
//	tcp_options.go   RFC 9293 §3.2, 7323, 2018, 5482: reading and writing
//	tcp_checksum.go  RFC 9293 §3.1, pseudo header
//	udp.go           RFC 768, 1122 §4.1.3
//	icmpv4.go        RFC 792, 1191
//	icmpv4_types.go  type and code numbers
//	ipv6.go          RFC 8200: fixed header, skipping of extension headers
//	icmpv6.go        RFC 4443
//	format*.go       one line of text for a packet, in the notation of packetdrill and tcpdump
//
// # Not here
//
// IPv6 beyond its headers, ICMPv6 errors and a line in a trace; reassembly (package ourstack); interpretation of IP options,
// which are handed up as octets and otherwise ignored (RFC 1122 §3.2.1.8).
package wire
