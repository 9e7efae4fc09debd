package wgbind

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
)

// sockaddrLen is the length of the longer of the two socket addresses, struct sockaddr_in6.
const sockaddrLen = unix.SizeofSockaddrInet6

// An endpoint is the address of a peer, and where on this host it was heard. Several peers may share
// one, one after the other, when a NAT gives a port to another host. It is safe for concurrent use.
type endpoint struct {
	dst     netip.AddrPort
	name    [sockaddrLen]byte // dst as a socket address
	nameLen int

	src   atomic.Pointer[source] // nil: the kernel chooses
	whole atomic.Bool            // the kernel refused to segment packets to dst, because of the path's MTU
}

var _ conn.Endpoint = (*endpoint)(nil)

func newEndpoint(dst netip.AddrPort, scope uint32) *endpoint {
	e := &endpoint{dst: dst}
	if dst.Addr().Is4() {
		e.nameLen = unix.SizeofSockaddrInet4
		binary.NativeEndian.PutUint16(e.name[:], unix.AF_INET)
		a := dst.Addr().As4()
		copy(e.name[4:], a[:])
	} else {
		e.nameLen = unix.SizeofSockaddrInet6
		binary.NativeEndian.PutUint16(e.name[:], unix.AF_INET6)
		a := dst.Addr().As16()
		copy(e.name[8:], a[:])
		binary.NativeEndian.PutUint32(e.name[24:], scope)
	}
	binary.BigEndian.PutUint16(e.name[2:], dst.Port())
	return e
}

// parseEndpoint makes an endpoint of "address:port". A zone may be a name or a number.
func parseEndpoint(s string) (*endpoint, error) {
	dst, err := netip.ParseAddrPort(s)
	if err != nil {
		return nil, err
	}
	dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
	zone := dst.Addr().Zone()
	if zone == "" {
		return newEndpoint(dst, 0), nil
	}
	if scope, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return newEndpoint(dst, uint32(scope)), nil
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return nil, err
	}
	return newEndpoint(dst, uint32(i.Index)), nil
}

// ClearSrc has the kernel choose the source from now on, until the peer is heard again.
func (e *endpoint) ClearSrc() { e.src.Store(nil) }

func (e *endpoint) SrcIP() netip.Addr {
	if s := e.src.Load(); s != nil {
		return s.addr
	}
	return netip.Addr{}
}

func (e *endpoint) SrcToString() string { return e.SrcIP().String() }
func (e *endpoint) DstIP() netip.Addr   { return e.dst.Addr() }
func (e *endpoint) DstToString() string { return e.dst.String() }

// DstToBytes returns what cookies are bound to.
func (e *endpoint) DstToBytes() []byte {
	b, _ := e.dst.MarshalBinary() // it never fails
	return b
}

// origin identifies an endpoint that was heard: the peer's address, as the kernel gave it, and ours.
type origin struct {
	dst   netip.AddrPort
	scope uint32
	src   source
}

// errSockaddr is a socket address that is neither IPv4's nor IPv6's.
var errSockaddr = errors.New("wgbind: datagram without an address")

// parseSockaddr reads a socket address.
func parseSockaddr(b []byte) (dst netip.AddrPort, scope uint32, err error) {
	switch {
	case len(b) >= unix.SizeofSockaddrInet4 && binary.NativeEndian.Uint16(b) == unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:])), 0, nil
	case len(b) >= unix.SizeofSockaddrInet6 && binary.NativeEndian.Uint16(b) == unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), binary.BigEndian.Uint16(b[2:])),
			binary.NativeEndian.Uint32(b[24:]), nil
	}
	return netip.AddrPort{}, 0, errSockaddr
}

// An endpointCache finds the endpoint of an origin again. Senders that nobody has authenticated yet
// are in it too, so it forgets what was not heard for a while: after endpointsMax new ones only those
// remain that were heard since the last such time.
type endpointCache struct {
	lastOrigin  origin
	last        *endpoint
	young, aged map[origin]*endpoint
}

// find returns the endpoint of o. Its source is that of o.
func (c *endpointCache) find(o origin) *endpoint {
	e := c.last
	if e == nil || o != c.lastOrigin {
		e = c.lookup(o)
		c.lastOrigin, c.last = o, e
	}
	if e.src.Load() == nil && o.src.addr.IsValid() {
		src := o.src
		e.src.Store(&src) // it was cleared, and the peer is heard again
	}
	return e
}

func (c *endpointCache) lookup(o origin) *endpoint {
	if e := c.young[o]; e != nil {
		return e
	}
	e := c.aged[o]
	if e == nil {
		dst := o.dst
		if o.scope != 0 {
			zone := strconv.FormatUint(uint64(o.scope), 10)
			dst = netip.AddrPortFrom(dst.Addr().WithZone(zone), dst.Port())
		}
		e = newEndpoint(dst, o.scope)
	}
	if c.young == nil || len(c.young) >= endpointsMax {
		c.young, c.aged = make(map[origin]*endpoint), c.young
	}
	c.young[o] = e
	return e
}
