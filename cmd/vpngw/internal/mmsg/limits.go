package mmsg

// Sizes, with their reasons.
const (
	// ReceiveBatch and SendBatch bound the datagrams of one recvmmsg and sendmmsg: for the first, a
	// Receiver has 1 MiB of buffers, in each of which the kernel may have put many datagrams
	// together; the second is half of wireguard-go's batch.
	ReceiveBatch, SendBatch = 16, 64

	// ReadvMax is how many slices Readv reads into: twice the 64 KiB, in blocks of 8 KiB, that its caller
	// asks for.
	ReadvMax = 16

	// segmentsMax is UDP_MAX_SEGMENTS of Linux before 6.9, in datagrams; coalescedMax bounds what
	// they are together when they arrive, in bytes.
	segmentsMax  = 64
	coalescedMax = 65536

	// segmentMax bounds a datagram that is segmented, in bytes: what an Ethernet link carries whole.
	segmentMax = 1472

	// datagramMax is the largest UDP payload over IPv4 in bytes: 65,535 - 20 - 8.
	datagramMax = 65507
)
