package adapter

import (
	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// Datagram is one datagram of a batch; see [UDPConn.TryReadBatch].
type Datagram = ourstack.Datagram

// HandleReadable makes f the one who is told that there may be something to read, instead of readers
// that wait: it is called at once if there is, later after each run of datagrams that arrives, and
// once more by Close. It must not block; calls may overlap. It is for programs with thousands of
// sockets, which need no goroutine each then; Read and its like are not to be used beside it.
func (c *UDPConn) HandleReadable(f func()) {
	c.socket.SetNotify(func(e tcp.Event) {
		if e&tcp.EventReadable != 0 {
			f()
		}
		if e&tcp.EventWritable != 0 {
			c.wr.wake()
		}
	})
}

// TryReadBatch moves up to len(ds) datagrams to ds, oldest first, without waiting and without copying
// them; it returns 0 if there is none. Their payload is the caller's until ReleaseBatch. From and To are
// what they were on the wire: in a forwarded flow, the client and the destination that it chose. After
// Close it fails with net.ErrClosed.
func (c *UDPConn) TryReadBatch(ds []Datagram) (int, error) {
	n, err := c.socket.ReadBatch(ds)
	return n, c.opError("read", err)
}

// ReleaseBatch gives back what TryReadBatch returned.
func (c *UDPConn) ReleaseBatch(ds []Datagram) { c.socket.ReleaseBatch(ds) }

// TryWriteBatch sends datagrams in their order, each from From to To, of which the zero value stands for
// the socket's own address and for its peer's; in a forwarded flow From is whom the client is to see,
// and To must be zero or the client. It does not wait: what finds no room in the socket's queue is
// dropped. It returns how many were not.
func (c *UDPConn) TryWriteBatch(ds []Datagram) int {
	return c.socket.WriteBatch(c.net.now(), ds)
}
