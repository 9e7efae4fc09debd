package ourstack

import "vpngw/ourstack/tcp"

// Direction says which way a traced packet went.
type Direction uint8

// Directions.
const (
	In  Direction = iota // given to Input
	Out                  // produced by Output
)

// Tracer sees every packet in and out, for captures and golden tests.
type Tracer interface {
	// Packet is called for each packet: with In before the stack looks at it, with Out when it is
	// complete. pkt is the whole IP packet; it is valid only during the call and must not be
	// modified. No locks are held; calls come from all goroutines that use the stack, and a
	// packet that loops back to an own address is seen in both directions.
	Packet(now tcp.Instant, dir Direction, pkt []byte)
}
