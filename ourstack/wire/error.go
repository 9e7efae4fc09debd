package wire

// Error says why octets are not a valid packet. It is a value of one byte so that the packet path
// allocates nothing, and each reason is the name of a counter.
type Error uint8

// The reasons. OK is zero: the packet was accepted.
const (
	OK             Error = iota
	Truncated            // fewer octets than the header or the IP total length says
	Version              // IP version is not 4
	HeaderLength         // IP header length below 20 octets
	TotalLength          // IP total length below the header length
	HeaderChecksum       // IP header checksum is wrong
	DataOffset           // TCP data offset below 20 octets or past the segment
	UDPLength            // UDP length below 8 octets or past the datagram
	ICMPLength           // ICMP message below 8 octets
	BadChecksum          // TCP, UDP or ICMP checksum is wrong
	NumErrors            // not a reason: the number of reasons, to size an array of counters
)

var errorNames = [NumErrors]string{
	OK:             "ok",
	Truncated:      "truncated",
	Version:        "version",
	HeaderLength:   "header length",
	TotalLength:    "total length",
	HeaderChecksum: "header checksum",
	DataOffset:     "data offset",
	UDPLength:      "udp length",
	ICMPLength:     "icmp length",
	BadChecksum:    "checksum",
}

// String returns the reason in words.
func (e Error) String() string {
	if e < NumErrors {
		return errorNames[e]
	}
	return "unknown"
}
