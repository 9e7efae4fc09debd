// Package interop holds the tests of vpngw's stack against another one: gVisor's netstack, as
// wireguard-go ships it, through two WireGuard devices over loopback UDP. Everything runs in one
// process; nothing but a UDP socket is asked of the host.
//
//	go test ./test/interop                  # interoperation, both directions, bulk and churn
//	go test ./test/interop -bench . -run -  # throughput of both stacks in the same run
package interop
