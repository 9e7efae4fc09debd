package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"vpngw/ourstack/wire"
)

// peer is the least that a peer can be: a WireGuard device that moves a packet at a time, and instead of a
// stack one datagram to send. A thousand of them fit a process.
type peer struct {
	datagram []byte
	send     chan struct{}
	answered chan struct{}
	events   chan tun.Event
	closed   chan struct{}
}

func newPeer(i int, key string, setup peerSetup) (*peer, error) {
	const payload = 100
	src, _ := wire.AddrFrom(peerAddress(i))
	dst, _ := wire.AddrFrom(addrA)
	ip := wire.IPv4{TTL: 64, Protocol: wire.ProtoUDP, Src: src, Dst: dst, TotalLen: 28 + payload}
	p := &peer{
		datagram: make([]byte, ip.TotalLen),
		send:     make(chan struct{}, 1), answered: make(chan struct{}, 1),
		events: make(chan tun.Event, 1), closed: make(chan struct{}),
	}
	ip.Put(p.datagram)
	udp := wire.UDP{SrcPort: 7, DstPort: hubPort, Payload: make([]byte, payload)}
	udp.Put(p.datagram[20:])
	d := device.NewDevice(p, &plainBind{}, device.NewLogger(device.LogLevelSilent, ""))
	return p, errors.Join(d.IpcSet(fmt.Sprintf("private_key=%s\npublic_key=%s\nendpoint=127.0.0.1:%d\nallowed_ip=%v/32\n",
		key, setup.Hub, setup.Port, addrA)), d.Up())
}

// trip sends the datagram and waits for its return.
func (p *peer) trip() error {
	const tries, patience = 5, 2 * time.Second
	for range tries {
		p.send <- struct{}{}
		select {
		case <-p.answered:
			return nil
		case <-time.After(patience):
		}
	}
	return errors.New("no answer")
}

func (p *peer) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	select {
	case <-p.send:
		sizes[0] = copy(bufs[0][offset:], p.datagram)
		return 1, nil
	case <-p.closed:
		return 0, os.ErrClosed
	}
}

func (p *peer) Write(bufs [][]byte, _ int) (int, error) {
	select {
	case p.answered <- struct{}{}:
	default:
	}
	return len(bufs), nil
}

func (p *peer) File() *os.File           { return nil }
func (p *peer) MTU() (int, error)        { return mtu, nil }
func (p *peer) Name() (string, error)    { return "peer", nil }
func (p *peer) Events() <-chan tun.Event { return p.events }
func (p *peer) BatchSize() int           { return 1 }
func (p *peer) Close() error             { close(p.closed); close(p.events); return nil }

// plainBind is one IPv4 socket that moves a packet at a time.
type plainBind struct{ socket *net.UDPConn }

func (b *plainBind) Open(uint16) ([]conn.ReceiveFunc, uint16, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, 0, err
	}
	b.socket = c
	var last plainEndpoint // there is only one
	receive := func(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
		n, from, err := c.ReadFromUDPAddrPort(bufs[0])
		if err != nil {
			return 0, net.ErrClosed
		}
		if from != last.AddrPort {
			last = plainEndpoint{from}
		}
		sizes[0], eps[0] = n, last
		return 1, nil
	}
	return []conn.ReceiveFunc{receive}, uint16(c.LocalAddr().(*net.UDPAddr).Port), nil
}

func (b *plainBind) Send(bufs [][]byte, to conn.Endpoint) error {
	for _, p := range bufs {
		if _, err := b.socket.WriteToUDPAddrPort(p, to.(plainEndpoint).AddrPort); err != nil {
			return err
		}
	}
	return nil
}

func (b *plainBind) ParseEndpoint(s string) (conn.Endpoint, error) {
	a, err := netip.ParseAddrPort(s)
	return plainEndpoint{a}, err
}

func (b *plainBind) Close() error {
	if b.socket == nil {
		return nil
	}
	return b.socket.Close()
}

func (b *plainBind) SetMark(uint32) error { return nil }
func (b *plainBind) BatchSize() int       { return 1 }

// plainEndpoint is an endpoint without a source.
type plainEndpoint struct{ netip.AddrPort }

func (e plainEndpoint) ClearSrc()           {}
func (e plainEndpoint) SrcToString() string { return "" }
func (e plainEndpoint) DstToString() string { return e.String() }
func (e plainEndpoint) DstToBytes() []byte  { b, _ := e.MarshalBinary(); return b }
func (e plainEndpoint) DstIP() netip.Addr   { return e.Addr() }
func (e plainEndpoint) SrcIP() netip.Addr   { return netip.Addr{} }
