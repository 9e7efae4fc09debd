package gateway

import (
	"net"
	"net/netip"
	"runtime/debug"

	"golang.zx2c4.com/wireguard/tun"

	"vpngw/adapter"
	"vpngw/config"
)

// A stack is the TCP/IP stack of a running gateway, and what it was made with.
type stack struct {
	started *config.Config // in force for all that only a restart changes
	net     *adapter.Net
}

// newStack makes the stack and sends it to f with what clients want.
func newStack(cfg *config.Config, f *forwarder) (*stack, error) {
	options := adapter.Options{
		Addresses:         []netip.Addr{cfg.Interface.Address.Addr()},
		MTU:               cfg.Interface.MTU,
		ReadBuffer:        int(cfg.Stack.ReceiveBufferMax),
		WriteBuffer:       int(cfg.Stack.SendBufferMax),
		CongestionControl: cfg.Stack.CongestionControl,
		KeepAlive: net.KeepAliveConfig{
			Enable:   cfg.Stack.KeepAliveIdle > 0,
			Idle:     cfg.Stack.KeepAliveIdle,
			Interval: cfg.Stack.KeepAliveInterval,
			Count:    cfg.Stack.KeepAliveCount,
		},
	}
	fit(&options, int64(cfg.Stack.MemoryMax), debug.SetMemoryLimit(-1))
	widen(&options, f.budgets)
	n, err := adapter.New(options)
	if err != nil {
		return nil, err
	}
	n.HandleTCPAtOnce(func(r *adapter.TCPRequest) { f.handleTCP(stackTCPRequest{r}) })
	n.HandleUDP(func(r *adapter.UDPRequest) { f.handleUDP(stackUDPRequest{r}) })
	n.HandleICMP(func(r *adapter.ICMPRequest) { f.handlePing(stackPing{r}) })
	n.SetRelay(f.policy.relays)
	s := &stack{started: cfg, net: n}
	if err := s.configure(cfg); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// fit bounds what connections and datagrams may hold: by what is configured, and where the process has
// little memory by its parts of that. Else one client that asks for much and reads nothing could have
// the kernel end the gateway of all.
func fit(o *adapter.Options, configured, memory int64) {
	o.Limits.Memory = int(min(configured, max(memory/streamMemoryPart, bufferMemoryMin)))
	o.Limits.DatagramMemory = int(min(datagramMemoryMax, max(memory/datagramMemoryPart, bufferMemoryMin)))
}

// widen makes the stack's own bounds a little wider than the budgets, for all of which one client
// may ask: what is to give way, and for whom, is decided here, where peers are known.
func widen(o *adapter.Options, b *budgets) {
	l := &o.Limits
	// Connections in TIME-WAIT are no flows any more, and one busy peer may have all of them: they have room of
	// their own.
	l.TimeWait = min(timeWaitMax, b.tcp.limit/4)
	l.Conns = b.tcp.limit + l.TimeWait + stackSlack
	// No peer gets more than half of the flows, see pool.check. What it has closed but does not acknowledge is
	// in the stack alone, for minutes: that must not take the room of the others.
	l.ConnsPerRemote = b.tcp.limit/2 + l.TimeWait + stackSlack
	l.ForwardRequests = b.dials.limit + stackSlack
	l.ForwardRequestsPerRemote = l.ForwardRequests
	l.UDPSockets = b.udp.limit + stackSlack
	l.UDPSocketsPerRemote = l.UDPSockets
	l.UDPSendQueue = udpClientQueue
}

// configure applies what of cfg a running stack takes: the MTUs of peers.
func (s *stack) configure(cfg *config.Config) error { return s.net.SetMTUs(peerMTUs(cfg)) }

// peerMTUs returns the MTUs by network; empty if no peer's is below that of the tunnel. Otherwise every
// peer is in it: a wide network with a small MTU must not decide for a peer whose address is within.
func peerMTUs(cfg *config.Config) map[netip.Prefix]int {
	mtus := map[netip.Prefix]int{}
	below := false
	for i := range cfg.Peers {
		p := &cfg.Peers[i]
		mtu := cfg.PeerMTU(p)
		below = below || mtu < cfg.Interface.MTU
		for _, prefix := range p.AllowedIPs {
			mtus[prefix] = mtu
		}
	}
	if !below {
		clear(mtus)
	}
	return mtus
}

func (s *stack) device() tun.Device { return s.net.Device() }

// count adds what the stack counts by itself.
func (s *stack) count(c *Counters) {
	stats := s.net.Stats()
	c.PeerRelayed, c.PeerDropped = stats.Relayed, stats.Drops["relay: queue full"]
	c.IPv6Refused = stats.IPv6Refused
}

// open is how many TCP connections may still have something to send.
func (s *stack) open() int {
	stats := s.net.Stats()
	return stats.Conns - stats.TimeWait
}

func (s *stack) close() { _ = s.net.Close() }

// reason is the stack's word for an answer.
func (a answer) reason() adapter.Reason {
	switch a {
	case answerRefused:
		return adapter.RejectRefused
	case answerNoNet:
		return adapter.RejectNetUnreachable
	case answerNoHost:
		return adapter.RejectHostUnreachable
	case answerNoPort:
		return adapter.RejectPort
	case answerProhibited:
		return adapter.RejectAdmin
	}
	return adapter.RejectSilent
}

// endpoint is the address and port of what package net calls an address; zero for any other kind.
func endpoint(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.IPAddr:
		addr, _ := netip.AddrFromSlice(a.IP)
		ap = netip.AddrPortFrom(addr, 0)
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// stackTCPRequest is a tcpRequest of the stack.
type stackTCPRequest struct{ *adapter.TCPRequest }

func (r stackTCPRequest) client() netip.AddrPort      { return endpoint(r.RemoteAddr()) }
func (r stackTCPRequest) destination() netip.AddrPort { return endpoint(r.LocalAddr()) }
func (r stackTCPRequest) ttl() int                    { return r.TTL() }
func (r stackTCPRequest) reject(a answer)             { r.Reject(a.reason()) }
func (r stackTCPRequest) fail(why fault)              { r.Fail(why.Fault) }

func (r stackTCPRequest) accept() (tcpConn, error) {
	c, err := r.Accept()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// stackUDPRequest is a udpRequest of the stack.
type stackUDPRequest struct{ *adapter.UDPRequest }

func (r stackUDPRequest) client() netip.AddrPort      { return endpoint(r.RemoteAddr()) }
func (r stackUDPRequest) destination() netip.AddrPort { return endpoint(r.LocalAddr()) }
func (r stackUDPRequest) reject(a answer)             { r.Reject(a.reason()) }

func (r stackUDPRequest) accept() (udpClient, error) {
	c, err := r.Accept()
	if err != nil {
		return nil, err
	}
	return stackUDPClient{c}, nil
}

// stackUDPClient is a udpClient of the stack.
type stackUDPClient struct{ conn *adapter.UDPConn }

func (c stackUDPClient) readable(f func()) { c.conn.HandleReadable(f) }

func (c stackUDPClient) read(ds []adapter.Datagram) int {
	n, _ := c.conn.TryReadBatch(ds) // an error says that it is closed
	return n
}

func (c stackUDPClient) release(ds []adapter.Datagram) { c.conn.ReleaseBatch(ds) }

func (c stackUDPClient) write(ds []adapter.Datagram) int { return c.conn.TryWriteBatch(ds) }

func (c stackUDPClient) unreachable(dst netip.AddrPort, told answer) {
	c.conn.Unreachable(dst, told.reason())
}

func (c stackUDPClient) fail(dst netip.AddrPort, why adapter.Fault) { c.conn.Fail(dst, why) }

func (c stackUDPClient) close() { _ = c.conn.Close() }

// stackPing is a pingRequest of the stack.
type stackPing struct{ *adapter.ICMPRequest }

func (r stackPing) client() netip.Addr      { return endpoint(r.RemoteAddr()).Addr() }
func (r stackPing) destination() netip.Addr { return endpoint(r.LocalAddr()).Addr() }
func (r stackPing) id() uint16              { return r.ID() }
func (r stackPing) seq() uint16             { return r.Seq() }
func (r stackPing) ttl() int                { return r.TTL() }
func (r stackPing) payload() []byte         { return r.Payload() }
func (r stackPing) tos() int                { return r.TOS() }
func (r stackPing) dontFragment() bool      { return r.DontFragment() }
func (r stackPing) forget()                 { r.Forget() }
func (r stackPing) reject(a answer)         { r.Reject(a.reason()) }
func (r stackPing) fail(why fault)          { r.Fail(why.Fault) }

// A full queue loses the reply, as any on the way would.
func (r stackPing) reply(payload []byte, ttl int) { _ = r.Reply(payload, ttl) }
