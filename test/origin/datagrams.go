package origin

import (
	"errors"
	"net"
)

// echoDatagrams sends each datagram back to where it came from.
func echoDatagrams(c *net.UDPConn) {
	b := make([]byte, 65535)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = c.WriteToUDPAddrPort(b[:n], from)
		}
	}
}
