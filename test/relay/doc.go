// Package relay is a UDP relay that treats datagrams as a bad path would: it delays, drops, holds
// back, doubles and shapes them, and it decides all of that from one seed.
//
// It is a tool of the tests and no part of the gateway. It looks at no byte of a datagram.
//
// A datagram that comes in from a client is offered to the Link of its direction, which answers
// when its copies leave (link.go: no socket, no clock, no lock). The copies wait in a queue ordered
// by that time (queue.go) and one goroutine a direction sends them (relay.go). Each client address
// has its own socket towards the server, as behind a NAT; Rebind gives it a new one, as a NAT that
// lost its table does.
//
// Determinism: the fate of the n-th datagram of a direction (lost, doubled, held back, and its
// jitter) depends on the seed and on n alone. What depends on time as well, because it has to, is
// which datagrams the shaper's queue has no room for.
//
// Limits: datagrams of 64 KiB, clientsMax clients, queueMax datagrams in flight a direction. What
// goes beyond is dropped and counted.
package relay
