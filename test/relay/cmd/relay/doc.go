// Command relay runs the impairing UDP relay of package relay by itself, to try a client by hand:
//
//	go run ./test/relay/cmd/relay -listen 127.0.0.1:51821 -to 127.0.0.1:51820 -loss 0.02 -delay 30ms
//
// It prints what it did to the datagrams when it is interrupted.
package main
