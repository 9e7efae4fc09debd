// Command path measures the gateway process against the kernel's own way: what a stock client
// gets through vpngw, and what it gets through wireguard-go with a TUN device, kernel forwarding
// and masquerading on the same host.
//
//	go run ./test/bench/path                         all rows, three rounds, about six minutes
//	go run ./test/bench/path -rounds 1 -seconds 2    a quick look
//	go run ./test/bench/path -only tcp,http          rows whose names contain one of these
//	go run ./test/bench/path -json FILE              the same figures for programs
//	go run ./test/bench/path -profile DIR -only tcp  CPU and heap profiles of the gateway
//
// It runs on Linux and needs root, a TUN device and the Debian packages iproute2, nftables, procps,
// util-linux, wireguard-tools, iputils-ping, iperf3, wrk and nginx-light; it says which are missing.
//
// For each of the two there are three hosts, each a network namespace (package lab):
//
//	client ──── gateway ──── upstream    kernel TCP and wireguard-go on the client; iperf3, nginx, HTTP/3 and
//	                                     an echo server upstream
//
// The wireguard-go of the clients and of the kernel's path is built from the version in go.mod; vpngw
// runs as user 65532. Both paths stand side by side, and only one has traffic at a time: each row
// is measured on one and at once on the other, the order changing with the round. All hosts
// share this machine's processors, so Mbit/s are those of the whole chain. "CPU s/GB" is the
// gateway process's alone, from /proc/PID/stat: part of what kernel forwarding costs is in
// soft interrupts and in no process. Both ends of "quic" are quic-go in this process, and cost more
// than anything between them.
//
// A round starts both gateways anew. The rows follow each other as listed, because those of memory
// depend on what came before: "rss/idle" nothing, "rss/open" 2,000 connections that have carried a
// byte each, "rss/load" everything up to eight flows at once, "rss/crowd" 64 of them too.
//
// "beside" is what a round trip of a byte and a ping take while 64 bulk flows of the same client fill the
// path; "share" what a second client with one bulk flow gets of it beside the first with 64: 0.5 is even.
//
// "small/64MiB" is vpngw alone, in a memory cgroup of 64 MiB: a burst of 2,000 connections, and bulk
// transfers both ways while they are open. It fails if the gateway does not survive.
//
// Files: main (flags, rounds), hosts (the network), gateway (the two gateways), rows (what is
// measured), load (by which programs), quic and connect (our own clients), process (what the kernel says of a
// process), memory (the small container), table (the output).
package main
