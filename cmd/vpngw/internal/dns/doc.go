// Package dns is the gateway's resolver: it answers peers at the gateway's address in the tunnel,
// over UDP and TCP (RFC 1035, RFC 7766), and asks upstream servers what it does not know.
//
// # The way of a query
//
//	serve_udp.go, serve_tcp.go   from the wire and back; bounds per peer and in all
//	front.go                     is it a query? the answer's header, EDNS, size
//	resolve.go                   the order of all that follows; CNAMEs from one source into another
//	zone.go, special.go          what is known here: peers, records, the tunnel's reverse names, and
//	                             names that mean something else than a host (RFC 6761)
//	filter.go                    no IPv6 addresses while the tunnel carries IPv4 alone
//	rebind.go                    no addresses of this side from upstreams
//	forward.go, cache.go         which upstreams, by the longest suffix; the cache; one question at a time
//	upstream.go, system.go       one upstream after another; those of resolv.conf
//	exchange.go, stream.go       one question to one server, over UDP, TCP or TLS
//	https.go                     the same over HTTPS (RFC 8484)
//	scrub.go                     what of its answer belongs to the question
//	warn.go                      what an operator should know, once in a while
//
// # What is believed
//
// A query goes out from a port and with an identifier that nobody can foresee, to a connected
// socket (RFC 5452). What comes back with another identifier or question is not looked at, and the
// wait goes on; of the rest only the records that the question leads to are kept, and none about names
// that are known here. There is no validation of signatures: the AD bit is never set, and clients that
// validate get what they need.
//
// # Goroutines and locks
//
// A Server has one goroutine for UDP, one for TCP's listener and one for each of its connections; a
// query that must be asked upstream has one, others are answered by whoever read them. All end with
// Close. No lock is held while anything waits, and none inside another.
package dns
