// Command bench measures the stack against its rival, wireguard-go's tun/netstack, and against a device
// without a TCP, in one run: paired, alternating, each measurement in a process of its own.
//
//	go run ./test/bench                       all rows, about five minutes
//	go run ./test/bench -rounds 1 -seconds 1  a quick look
//	go run ./test/bench -only wg/bulk,rr      rows whose names contain one of these
//	go run ./test/bench -json FILE            the same figures for programs
//	go run ./test/bench -child ours:wg/rr/1 -cpuprofile FILE   one measurement, profiled
//
// It needs no privilege: both ends live in one process, joined by two wireguard-go devices over
// loopback UDP ("wg/…") or back to back ("direct/…"), so CPU counts both ends.
//
// Absolute figures depend on the machine and on what else it does; the ratios, which are taken
// between neighbouring measurements, move far less.
//
// "ideal" is a device that does what every TCP must and nothing else: one copy and one checksum of
// each byte at each end, an acknowledgment for each batch, a window of packets in flight.
package main
