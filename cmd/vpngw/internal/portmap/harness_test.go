package portmap

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/config"
)

// Who asks, in these tests.
var (
	alice   = netip.MustParseAddr("10.8.0.2") // peer 1, with a network of her own
	printer = netip.MustParseAddr("192.168.50.7")
	bob     = netip.MustParseAddr("10.8.0.3") // peer 2
	nobody  = netip.MustParseAddr("10.8.0.99")

	outside = netip.MustParseAddr("198.51.100.1")
)

// A world is a Server and what it opens.
type world struct {
	*Server
	t        testing.TB
	cfg      *config.Config
	open     map[outer]*fakePort
	taken    map[uint16]bool // by other programs of this host
	failing  error
	external netip.Addr
}

type fakePort struct {
	w       *world
	outer   outer
	at      netip.AddrPort
	client  netip.AddrPort
	ended   func()
	filters []Filter
}

func (p *fakePort) SetFilters(f []Filter) { p.filters = f }

func (p *fakePort) Close() {
	if p.w.open[p.outer] != p {
		p.w.t.Errorf("%v %d is closed twice", p.outer.proto, p.outer.port)
	}
	delete(p.w.open, p.outer)
}

// newWorld makes a Server that gives the ports 61000 to 61009, at most three to a peer.
func newWorld(t testing.TB, change ...func(*config.Config)) *world {
	t.Helper()
	cfg := config.Default()
	cfg.Peers = []config.Peer{
		{Name: "alice", PublicKey: config.PublicKey{1}, Groups: []string{"staff"}},
		{Name: "bob", PublicKey: config.PublicKey{2}},
	}
	cfg.Portmap.Enabled = true
	cfg.Portmap.Ports = []config.PortRange{{First: 61000, Last: 61004}, {First: 61005, Last: 61009}}
	cfg.Portmap.MaxPerPeer = 3
	for _, f := range change {
		f(cfg)
	}
	w := &world{t: t, cfg: cfg, open: map[outer]*fakePort{}, taken: map[uint16]bool{}, external: outside}
	w.Server = New(cfg, Options{
		Peer: func(a netip.Addr) *config.Peer {
			switch a {
			case alice, printer:
				return &w.cfg.Peers[0]
			case bob:
				return &w.cfg.Peers[1]
			}
			return nil
		},
		Open:     w.openPort,
		External: func() netip.Addr { return w.external },
	})
	return w
}

func (w *world) openPort(p Protocol, at, client netip.AddrPort, ended func()) (Port, error) {
	o := outer{p, at.Port()}
	switch {
	case w.failing != nil:
		return nil, w.failing
	case w.taken[at.Port()]:
		return nil, errors.Join(ErrPortTaken, errors.New("in use"))
	case w.open[o] != nil:
		w.t.Errorf("%v %d is opened twice", p, at.Port())
	}
	w.open[o] = &fakePort{w: w, outer: o, at: at, client: client, ended: ended}
	return w.open[o], nil
}

// reconfigure changes the configuration.
func (w *world) reconfigure(change func(*config.Config)) {
	cfg := *w.cfg
	change(&cfg)
	w.cfg = &cfg
	w.Configure(&cfg)
}

// ask sends a request from a port of a host.
func (w *world) ask(from netip.Addr, message []byte) []byte {
	return w.answer(time.Now(), netip.AddrPortFrom(from, 40000), message)
}

// unhex reads octets, with blanks and line ends between.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A mapRequest is a PCP MAP request to be put together.
type mapRequest struct {
	from      netip.Addr
	lifetime  uint32
	nonce     byte
	protocol  uint8
	internal  uint16
	suggested uint16
	external  netip.Addr // not valid: all zeros
	options   []byte
}

func (r mapRequest) message() []byte {
	b := []byte{versionPCP, opMap, 0, 0}
	b = binary.BigEndian.AppendUint32(b, r.lifetime)
	b = appendPCPAddr(b, r.from)
	external := r.external
	if !external.IsValid() {
		external = netip.IPv4Unspecified()
	}
	m := pcpMap{
		nonce: [nonceLen]byte{r.nonce}, protocol: r.protocol, internalPort: r.internal,
		externalPort: r.suggested, external: external,
	}
	return append(m.append(b), r.options...)
}

// A mapAnswer is a response to it.
type mapAnswer struct {
	result   pcpResult
	lifetime uint32
	epoch    uint32
	pcpMap
	options []byte
}

// mapping asks by PCP and takes the answer apart.
func (w *world) mapping(r mapRequest) mapAnswer {
	w.t.Helper()
	b := w.ask(r.from, r.message())
	if len(b) < pcpHeaderLen+pcpMapLen || b[0] != versionPCP || b[1] != opMap|responseBit {
		w.t.Fatalf("the answer is %x", b)
	}
	return mapAnswer{
		result: pcpResult(b[3]), lifetime: binary.BigEndian.Uint32(b[4:]), epoch: binary.BigEndian.Uint32(b[8:]),
		pcpMap: parsePCPMap(b[pcpHeaderLen:]), options: b[pcpHeaderLen+pcpMapLen:],
	}
}

// mustMap is mapping that must succeed.
func (w *world) mustMap(r mapRequest) mapAnswer {
	w.t.Helper()
	a := w.mapping(r)
	if a.result != pcpSuccess || a.protocol != r.protocol || a.internalPort != r.internal || a.nonce[0] != r.nonce {
		w.t.Fatalf("%+v is answered %+v", r, a)
	}
	return a
}

// A natpmpAnswer is a NAT-PMP response to a mapping request.
type natpmpAnswer struct {
	result         natpmpResult
	epoch          uint32
	internal, port uint16
	lifetime       uint32
}

// natpmp asks by NAT-PMP.
func (w *world) natpmp(from netip.Addr, op uint8, internal, suggested uint16, lifetime uint32) natpmpAnswer {
	w.t.Helper()
	b := []byte{versionNATPMP, op, 0, 0}
	b = binary.BigEndian.AppendUint16(b, internal)
	b = binary.BigEndian.AppendUint16(b, suggested)
	b = w.ask(from, binary.BigEndian.AppendUint32(b, lifetime))
	if len(b) != 16 || b[0] != versionNATPMP || b[1] != op|responseBit {
		w.t.Fatalf("the answer is %x", b)
	}
	return natpmpAnswer{
		natpmpResult(binary.BigEndian.Uint16(b[2:])), binary.BigEndian.Uint32(b[4:]),
		binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:]), binary.BigEndian.Uint32(b[12:]),
	}
}

// wantOpen compares the ports that are open, in any order, with "tcp 61000 10.8.0.2:80".
func (w *world) wantOpen(want ...string) {
	w.t.Helper()
	got := map[string]bool{}
	for o, p := range w.open {
		got[o.proto.String()+" "+p.at.String()+" "+p.client.String()] = true
	}
	for _, s := range want {
		if !got[s] {
			w.t.Errorf("%s is not open", s)
		}
		delete(got, s)
	}
	for s := range got {
		w.t.Errorf("%s is open", s)
	}
	w.check()
}

// check holds the table to what it promises.
func (w *world) check() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	peers := map[config.PublicKey]int{}
	for k, m := range w.byKey {
		peers[m.peer]++
		if m.key != k || w.byPort[outer{m.proto, m.port}] != m || w.open[outer{m.proto, m.port}] != m.opened {
			w.t.Errorf("the mapping of %v stands wrong", k)
		}
		if other := w.byPort[outer{TCP + UDP - m.proto, m.port}]; other != nil && other.internal.Addr() != m.internal.Addr() {
			w.t.Errorf("port %d belongs to two hosts", m.port)
		}
		if len(m.filters) > filtersMax {
			w.t.Errorf("%d filters", len(m.filters))
		}
	}
	if len(w.byPort) != len(w.byKey) || len(w.open) != len(w.byKey) || len(w.resting) > restingMax {
		w.t.Errorf("%d mappings, %d ports, %d open, %d at rest", len(w.byKey), len(w.byPort), len(w.open), len(w.resting))
	}
	for p, n := range peers {
		if w.byPeer[p] != n || n > w.settings.MaxPerPeer {
			w.t.Errorf("peer %v has %d mappings, %d counted", p, n, w.byPeer[p])
		}
	}
	if len(peers) != len(w.byPeer) {
		w.t.Errorf("%d peers are counted, %d have mappings", len(w.byPeer), len(peers))
	}
}
