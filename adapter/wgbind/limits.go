package wgbind

import "time"

const (
	// batchSize is how many packets one Send or one call of a receive function moves at most: that of
	// wireguard-go's own bind, which is what its device is tuned for.
	batchSize = 128

	// messagesMax is how many datagrams, each perhaps made of up to segmentsMax, one system call receives.
	messagesMax = 16
	// segmentsMax is how many segments a datagram may be cut into or made of: UDP_MAX_SEGMENTS of older
	// kernels and UDP_GRO_CNT_MAX of all.
	segmentsMax = 64
	// datagramMax is the longest UDP payload, in bytes.
	datagramMax = 1<<16 - 1 - 8

	// endpointsMax is how many endpoints of 200 bytes a generation of the cache holds. More peers than
	// twice that, active at once, cost an allocation per run of packets; the stock bind has one per packet.
	endpointsMax = 8192

	// insideBatches is how many batches of packets may stand inside a device in each direction, see Limit:
	// enough for one to be encrypted while another is sent and a third is read. More costs latency and
	// memory only.
	insideBatches = 2
	// memoryPerPacket is how much memory there must be for each packet of a batch, in bytes, or batches get
	// smaller. wireguard-go takes a buffer of 64 KiB for each packet inside, at most 6 batches, and 3
	// batches for what waits to be read or received: 9 buffers, a quarter of this.
	memoryPerPacket = 9 * 64 << 10 * 4
	// batchMin is the smallest batch that memory is a reason for.
	batchMin = 16
	// insideStall is how long Limit waits while nothing at all comes out of the device, before it
	// concludes that what went in stays there (packets to a peer that has no session yet, packets
	// that fail authentication) and stops counting them. Ten times what a full device takes.
	insideStall = 10 * time.Millisecond

	// silentAfter is how long after a peer was last heard, or was last sent to, its packets are no longer
	// handed over without looking: an exchange that goes on has an ACK or an answer within it.
	silentAfter = 10 * time.Second
	// stagedMax is longer than the device keeps a packet for a peer who does not answer: RekeyAttemptTime,
	// 90 s.
	stagedMax = 2 * time.Minute
	// noteRoom is how far behind the longest packet a note lies, in bytes: behind header, padding and
	// tag.
	noteRoom = 16 + 16 + 16
	// heardBits and pendingBits are the sizes of two tables as powers of two: 64 KiB for the peers that are
	// active at once, of whom two in one slot are looked at more often; 4 KiB for those that are not.
	heardBits, pendingBits   = 13, 10
	heardSlots, pendingSlots = 1 << heardBits, 1 << pendingBits
)

// SocketBuffer is what each buffer of the UDP sockets is asked to hold, in bytes, as wireguard-go does. Linux
// cuts it to net.core.[rw]mem_max; a process with CAP_NET_ADMIN gets it all.
const SocketBuffer = 7 << 20
