package ourstack

import (
	"cmp"
	"crypto/sha256"
	"iter"
	"net/netip"
	"sync"
	"sync/atomic"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// Stack is a TCP/IPv4 host with any number of connections, without goroutines and without a clock:
// packets go in by Input and come out by Output, time passes by Advance. It is safe for concurrent
// use and calls nothing of the user's while it holds a lock. No call blocks.
type Stack struct {
	cfg    Config
	limits Limits
	own    []wire.Addr

	issSecret [32]byte
	tsKey     key
	random    random
	ports     ports
	cookies   cookies
	ipID      ipIDs

	table     table
	remotes   remotes
	udp       udpTable
	pings     pingTable
	fragments reassembler

	out        scheduler
	deadlines  deadlines
	timeWait   timeWait
	memory     memory
	packets    packetPool
	echoes     sendQueue
	idleFlows  atomic.Int64 // datagramFlows that are kept with nothing to send
	relayed    sendQueue
	icmpLimit  limiter
	ipv6Limit  limiter
	faultLimit limiter // of errors that are passed on
	rstLimit   limiter

	mtus atomic.Pointer[mtuTable] // nil: none

	forwardTCP  atomic.Pointer[func(*TCPRequest)]
	forwardUDP  atomic.Pointer[func(*UDPRequest)]
	forwardICMP atomic.Pointer[func(*ICMPRequest)]
	relay       atomic.Pointer[func(src, dst netip.Addr) (from, to netip.Addr, ok bool)]

	connCount    atomic.Int64
	requestCount atomic.Int64
	closed       atomic.Bool
	counters     counters
	inputs       sync.Pool // of *input
	batches      sync.Pool // of *batch
	tcbs         sync.Pool // of *tcp.Conn
}

// New makes a stack. The error says what is wrong with the configuration.
func New(cfg Config) (*Stack, error) {
	cfg.MTU = cmp.Or(cfg.MTU, DefaultMTU)
	own, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	cfg.TCP.MTU = cfg.MTU
	cfg.TCP.Memory = nil
	s := &Stack{cfg: cfg, limits: cfg.Limits.withDefaults(), own: own}
	s.seed(&cfg.Seed)
	s.cfg.Seed = [32]byte{}

	s.remotes.m = map[wire.Addr]*remote{}
	s.timeWait.list.init()
	s.out.inbox.idle.Store(true)
	s.memory.limit = int64(s.limits.Memory / tcp.BlockSize)
	s.memory.counters = &s.counters
	s.packets.limit = int64(s.limits.DatagramMemory)
	s.udp.init()
	s.pings.init()
	s.echoes.init(s, echoQueueMax, nil)
	s.echoes.perFlow, s.echoes.keep = echoQueueMax/4, echoFlowsKept
	s.relayed.init(s, relayQueueMax, nil)
	s.relayed.pairs, s.relayed.perFlow = true, relayQueueMaxPerPair
	s.relayed.keep = relayFlowsKept
	s.fragments.init(s)
	s.icmpLimit.init(deriveKey(&cfg.Seed, "icmp limit"), s.limits.ICMPRate, max(s.limits.ICMPRate/10, 1))
	s.faultLimit.init(deriveKey(&cfg.Seed, "fault limit"), faultLimitFactor*s.limits.ICMPRate,
		max(faultLimitFactor*s.limits.ICMPRate/10, 1))
	s.ipv6Limit.init(deriveKey(&cfg.Seed, "ipv6 limit"), ipv6LimitFactor*s.limits.ICMPRate,
		max(ipv6LimitFactor*s.limits.ICMPRate/10, 1))
	s.rstLimit.init(deriveKey(&cfg.Seed, "rst limit"), rstRate, rstRatePerTarget)
	return s, nil
}

// seed derives every secret from the seed.
func (s *Stack) seed(seed *[32]byte) {
	s.issSecret = sha256.Sum256(append(seed[:len(seed):len(seed)], "iss"...))
	s.tsKey = deriveKey(seed, "timestamps")
	s.random.key = deriveKey(seed, "random")
	s.cookies.key = deriveKey(seed, "cookies")
	s.ports.init(seed)
	s.ipID.init(deriveKey(seed, "ip id"))
	s.table.init(deriveKey(seed, "table"))
	s.cfg.TCP.Seed = s.random.next()
}

// Close aborts everything: listeners, requests, sockets, connections. The RSTs can still be taken
// from Output. Later calls are harmless: they fail with ErrClosed or do nothing.
func (s *Stack) Close(now tcp.Instant) {
	if s.closed.Swap(true) {
		return
	}
	s.forwardTCP.Store(nil)
	s.forwardUDP.Store(nil)
	s.forwardICMP.Store(nil)
	s.relay.Store(nil)
	for _, l := range s.table.allListeners() {
		l.Close(now)
	}
	for _, r := range s.table.allRequests() {
		r.cancel()
	}
	for _, c := range s.table.all() {
		c.Abort(now)
	}
	for _, u := range s.udp.all() {
		u.Close()
	}
	for _, p := range s.pings.all() {
		p.Close()
	}
	s.echoes.close()
	s.relayed.close()
	s.fragments.clear()
}

// Conns returns the connections that the stack has, in the order of their addresses. It is a
// snapshot: connections come and go meanwhile.
func (s *Stack) Conns() iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		for _, c := range s.table.all() {
			if !yield(c) {
				return
			}
		}
	}
}

// wake tells the driver that there is something to do. No lock may be held.
func (s *Stack) wake() {
	if s.cfg.Wake != nil {
		s.cfg.Wake()
	}
}
