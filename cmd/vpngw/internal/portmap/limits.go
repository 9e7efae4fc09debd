package portmap

import "time"

// Every bound of this package that the configuration does not set, with its unit and reason.
const (
	// mappingsMax bounds the mappings of all peers. Each is an open socket and about 500 bytes.
	mappingsMax = 4096
	// filtersMax bounds the filters of one mapping; "All PCP servers MUST support at least one" RFC
	// 6887 §13.3. What wants more filters by itself.
	filtersMax = 16
	// requestMax is the largest message in bytes, of requests and answers alike: RFC 6887 §7.
	requestMax = 1100

	// requestsPerSecond bounds the requests of one peer that are answered; those above it are dropped,
	// and its client asks again (RFC 6887 §8.2). A client with many mappings renews a few a second; a
	// flood of them shall not keep others from being answered.
	requestsPerSecond = 100

	// lifetimeMin is the shortest lifetime that PCP gives: "the minimum value SHOULD be 120 seconds"
	// RFC 6887 §15. (NAT-PMP never gives more than was asked for: RFC 6886 §3.3.)
	lifetimeMin = 2 * time.Minute

	// portRest is how long the port of a mapping that has ended is kept from other clients: the
	// maximum segment lifetime, and the idle time of a UDP mapping. RFC 6887 §15.
	portRest = 2 * time.Minute
	// restingMax bounds the ports at rest that are remembered.
	restingMax = 4096

	// openAttemptsMax bounds the ports that one request tries to open: those of the operator's that
	// other programs have taken are not known beforehand.
	openAttemptsMax = 32

	// externalCheck is the time between two looks at the external address. It costs a socket.
	externalCheck = 10 * time.Second

	// errorPause is the pause after an error of the socket.
	errorPause = 10 * time.Millisecond

	// errorLong and errorShort are the lifetimes of errors: "short lifetime errors use a 30-second
	// lifetime and long lifetime errors use a 30-minute lifetime" RFC 6887 §7.4.
	errorLong  = 30 * time.Minute
	errorShort = 30 * time.Second
)
