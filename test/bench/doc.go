// Command bench measures the stack against its rival, wireguard-go's tun/netstack, and against a device
// without a TCP, in one run: paired, alternating, each measurement in a process of its own.
//
//	go run ./test/bench                       all rows, about ten minutes
//	go run ./test/bench -rounds 1 -seconds 1  a quick look
//	go run ./test/bench -only wg/bulk,rr      rows whose names contain one of these
//	go run ./test/bench -json FILE            the same figures for programs
//	go run ./test/bench -from FILE -plot FILE.svg   the figures of that file as a table and a plot
//	go run ./test/bench -child ours:wg/rr/1 -cpuprofile FILE   one measurement, profiled
//	go run ./test/bench -child ours:wg/rr/1 -mutexprofile FILE where goroutines wait for locks
//
// It needs no privilege: both ends live in one process, joined by two wireguard-go devices over
// loopback UDP ("wg/…") or back to back ("direct/…"), so CPU counts both ends.
//
// Absolute figures depend on the machine and on what else it does; the ratios, which are taken
// between neighbouring measurements, move far less.
//
// "ours" runs over our own bind (adapter/wgbind), netstack and "ideal" over wireguard-go's, as it comes;
// the rows "bind/…" compare the two. Rows: wg/bulk and direct/bulk, flows that send; rr, round trips of
// one byte; churn, connect, echo 1 KB and close; wg/100ms, a flow over 100 ms; wg/beside, a round trip and a
// ping beside bulk flows; wg/share, what a peer with one flow gets beside a peer with 64; wg/memory, the
// process with 2,000 flows at both ends; wg/peers, a datagram forth and back for each of up to 1,000 peers in
// turn, of so many that are configured (CPU and allocations of the hub alone; its peers are another
// process); direct/idle, an idle connection; direct/few, round trips on 64 of so many connections, the others
// idle; direct/among, on random ones of them all, 64 at once.
//
// "ideal" is a device that does what every TCP must and nothing else: one copy and one checksum of
// each byte at each end, an acknowledgment for each batch, a window of packets in flight.
package main
