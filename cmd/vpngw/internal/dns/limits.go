package dns

import "time"

// Every bound of this package that the configuration does not set, with its unit and reason.
const (
	// queriesMax bounds the queries that wait for upstreams, for all peers; queriesPerPeerMax those
	// of one, more than a browser asks at once. A query above them fails at once; what is known
	// here or cached is answered all the same.
	queriesMax        = 2048
	queriesPerPeerMax = 256
	// connsMax and connsPerPeerMax bound TCP connections. RFC 7766 §6.2.2 asks clients for few.
	connsMax        = 512
	connsPerPeerMax = 16
	// connQueriesMax bounds the queries of one connection that are answered at once; the next is
	// read when one is done.
	connQueriesMax = 32
	// connIdle is how long a connection may wait for its next query: "of the order of a few
	// seconds" RFC 7766 §6.2.3.
	connIdle = 10 * time.Second
	// connWrite is how long a client may take to accept an answer.
	connWrite = 10 * time.Second

	// queryMax is the largest query over UDP in bytes: more than a name of 255 and every EDNS option
	// in use; the rest of a longer one is cut off, and it is malformed.
	queryMax = 4096
	// datagramMax is the largest answer over UDP that is taken from an upstream, in bytes: well above
	// ednsSize, which is what it was told.
	datagramMax = 4096
	// messageMax is the largest message in bytes (RFC 1035 §4.2.2).
	messageMax = 65535
	// plainMax is the largest answer over UDP to a client without EDNS, in bytes: RFC 1035 §4.2.1.
	plainMax = 512
	// ednsSize is what we announce to upstreams and clients, in bytes: it fits any path unfragmented
	// (RFC 9715 §3.2).
	ednsSize = 1232

	// resolveTimeout bounds an answer: stub resolvers ask again or elsewhere after 5 s.
	resolveTimeout = 4500 * time.Millisecond
	// attemptTimeout is how long one upstream may take before the next is asked: longer than any
	// usual path takes, and two fit into resolveTimeout.
	attemptTimeout = 2 * time.Second
	// resendAfter is how long one datagram may take before it is sent once more.
	resendAfter = time.Second
	// upstreamRest is how long an upstream that failed is asked after the others.
	upstreamRest = 10 * time.Second
	// ignoredMax bounds the answers that do not fit, of one question to one server: beyond it
	// somebody guesses, and the question goes over TCP (RFC 5452 §9.2).
	ignoredMax = 16
	// streamsMax and streamIdle bound the TLS and TCP connections to one upstream that are kept for
	// the next question.
	streamsMax = 4
	streamIdle = 8 * time.Second
	// webConnsMax bounds the connections to one upstream that is asked over HTTPS. With HTTP/2, as
	// RFC 8484 §5.2 wants, one carries everything; an HTTP/1.1 server gets as many questions at once.
	webConnsMax = 32
	// webHeaderMax is the largest header of its response in bytes, above what servers send.
	webHeaderMax = 16 << 10

	// chainMax bounds the CNAMEs that one answer follows.
	chainMax = 12

	// cacheEntryMax is the largest answer that is cached, in bytes, so that the cache as a whole is
	// bounded in bytes too.
	cacheEntryMax = 4096
	// ttlMax bounds what an upstream may ask to be kept: "one day" RFC 8767 §4 is usual.
	ttlMax = 24 * time.Hour
	// negativeMax bounds the same for "there is none": RFC 2308 §5 suggests one to three hours.
	negativeMax = time.Hour
	// failureTTL is how long a question that every upstream failed is answered from memory, so that
	// repeats do not multiply: RFC 2308 §7.1 allows five minutes, RFC 9520 §3.2 asks for one second.
	failureTTL = time.Second

	// localTTL is the TTL of what is answered here, in seconds. Peers come and go.
	localTTL = 60

	// resolvConfCheck is the time between two looks at resolv.conf, resolvConfMax its size in bytes
	// and systemServersMax the servers that are taken from it, MAXNS of resolv.conf(5).
	resolvConfCheck  = 5 * time.Second
	resolvConfMax    = 64 << 10
	systemServersMax = 3
)
