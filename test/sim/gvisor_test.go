package sim

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	gtcp "gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"vpngw/ourstack/tcp"
)

var besides = flag.Bool("sim.gvisor", false, "measure gVisor's netstack on the paths of the golden table")

// gvisorSettings are the forms in which gVisor's netstack is measured.
var gvisorSettings = []gvisorSetting{
	{name: "stock"}, // as wireguard-go's tun/netstack has it: SACK on, the rest as it comes
	{name: "stock, two at a time", batch: 2},
	{name: "tuned", cubic: true, buffers: 4 << 20},
	{name: "tuned, without RACK", cubic: true, buffers: 4 << 20, noRACK: true},
}

type gvisorSetting struct {
	name    string
	cubic   bool
	buffers int
	noRACK  bool
	batch   int // packets that it is given before its goroutines have their turn; 0 = 1
}

// gvisorPath is where what was measured is kept.
const gvisorPath = "testdata/gvisor.txt"

// TestGVisorBesideOurs measures gVisor's netstack on the same simulated paths. Its goroutines are
// given their turn until they rest after each event; what it does then is not exact to the
// packet, so the results are shown, not compared.
//
// The stock setting, NewReno with SACK and RACK, does reduce its window at each recovery, but on
// the rows with random loss it gets up to five times what Reno's formula allows (6.1 Mbit/s at
// 100 ms and 1 %; MSS/RTT*sqrt(1.5/p) are 1.3). Its congestion avoidance (reno.go,
// updateCongestionAvoidance) raises SndCwnd by SndCAAckCount/SndCwnd and then takes the remainder by
// the raised SndCwnd. When the count meets the window exactly, it is not reset but stays equal to
// it, and from there on each ACK adds a segment: slow start without end. An ACK of one segment
// at a time always meets it; so it is here, where each packet has its own turn and gVisor answers
// each turn. With ACKs of two segments the count mostly jumps over: "two at a time" gets 1.9. With
// the remainder taken by the old SndCwnd, one line changed in a copy, the stock rows fall to 7.1, 7.1, 1.9 and
// 0.9 Mbit/s (20 ms 1 %, 100 ms 0.1 %, 1 % and 3 %), and 100 ms agrees with what was
// measured of it through a relay, where packets come in batches: 5.4, 1.6 and 0.8.
func TestGVisorBesideOurs(t *testing.T) {
	if !*besides {
		p := perfPaths[len(perfPaths)-1]
		g, err := gvisorMeasure(p.bulk(), gvisorSettings[0])
		if err != nil || g < 1 {
			t.Errorf("%s: %.2f Mbit/s, %v", p.name, g, err)
		}
		return
	}
	table := readTable(t, gvisorPath)
	var names []string
	for _, p := range perfPaths {
		for _, s := range gvisorSettings {
			name := fmt.Sprintf("%s 8s gVisor %s", p.name, s.name)
			names = append(names, name)
			if !regexp.MustCompile(*only).MatchString(name) {
				continue
			}
			mean := 0.0
			for seed := range p.seeds {
				b := p.bulk()
				b.Seed = uint64(seed + 1)
				g, err := gvisorMeasure(b, s)
				if err != nil {
					t.Fatal(err)
				}
				mean += g / float64(p.seeds)
			}
			table[name] = fmt.Sprintf("%.2f Mbit/s", mean)
			t.Logf("%s: %s", name, table[name])
		}
	}
	if *update {
		writeTable(t, gvisorPath, names, table)
	}
}

// gvisorMeasure returns the goodput of one flow between two netstacks, in Mbit/s.
func gvisorMeasure(b Bulk, s gvisorSetting) (float64, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // see settle
	w := newWorld()
	w.bare = true
	var nets [2]*gvisorNet
	for i := range nets {
		link := b.Forward
		if i == 1 {
			link = b.Back
		}
		h := w.newHost(i, w.newLink(b.Seed, i, link))
		n, err := newGVisorNet(h, s)
		if err != nil {
			return 0, err
		}
		defer n.close()
		h.net, nets[i] = n, n
	}
	if err := nets[1].listen(); err != nil {
		return 0, err
	}
	if err := nets[0].connect(); err != nil {
		return 0, err
	}
	end := w.Now.Add(b.Duration)
	read := 0
	for w.Now < end && (b.Volume == 0 || read < b.Volume) {
		nets[0].write()
		read += nets[1].read()
		for _, h := range w.Hosts {
			h.woken = true
		}
		w.Step(end)
	}
	return float64(read) * 8 / (float64(w.Now.Sub(epoch)) / 1e9) / 1e6, nil
}

// gvisorNet is gVisor's netstack as a host of the world.
type gvisorNet struct {
	clock    gvisorClock
	stack    *stack.Stack
	link     *channel.Endpoint
	queue    waiter.Queue
	listener tcpip.Endpoint
	conn     tcpip.Endpoint
	text     bytes.Reader
	batch    int
}

func newGVisorNet(h *Host, s gvisorSetting) (*gvisorNet, error) {
	n := &gvisorNet{link: channel.New(1<<14, 1420, ""), batch: s.batch}
	n.clock.now = h.Clock()
	n.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{gtcp.NewProtocol},
		HandleLocal:        true,
		Clock:              &n.clock,
	})
	sack := tcpip.TCPSACKEnabled(true)
	options := []tcpip.SettableTransportProtocolOption{&sack}
	if s.cubic {
		cc := tcpip.CongestionControlOption("cubic")
		options = append(options, &cc)
	}
	if s.buffers > 0 {
		options = append(options,
			&tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: s.buffers, Max: s.buffers},
			&tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: s.buffers, Max: s.buffers})
	}
	if s.noRACK {
		var none tcpip.TCPRecovery
		options = append(options, &none)
	}
	for _, o := range options {
		if err := n.stack.SetTransportProtocolOption(gtcp.ProtocolNumber, o); err != nil {
			return nil, fmt.Errorf("%T: %v", o, err)
		}
	}
	if err := n.stack.CreateNIC(1, n.link); err != nil {
		return nil, fmt.Errorf("NIC: %v", err)
	}
	addr := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom4(h.Addr.As4()).WithPrefix()}
	if err := n.stack.AddProtocolAddress(1, addr, stack.AddressProperties{}); err != nil {
		return nil, fmt.Errorf("address: %v", err)
	}
	n.stack.AddRoute(tcpip.Route{Destination: header.IPv4EmptySubnet, NIC: 1})
	return n, nil
}

func (n *gvisorNet) close() {
	for _, e := range []tcpip.Endpoint{n.conn, n.listener} {
		if e != nil {
			e.Abort()
		}
	}
	n.settle()
	n.stack.Destroy()
}

// settle lets the goroutines of the stack run until they rest. With one processor, and this
// goroutine at the end of its queue, a few rounds do.
func (n *gvisorNet) settle() {
	for range 4 {
		runtime.Gosched()
	}
}

// Input implements network.
func (n *gvisorNet) Input(now tcp.Instant, bufs [][]byte, offset int) {
	n.clock.advance(now)
	for i, b := range bufs {
		p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b[offset:])})
		n.link.InjectInbound(header.IPv4ProtocolNumber, p)
		p.DecRef()
		if (i+1)%max(n.batch, 1) == 0 || i == len(bufs)-1 {
			n.settle()
		}
	}
}

// Output implements network.
func (n *gvisorNet) Output(_ tcp.Instant, bufs [][]byte, sizes []int, offset int) int {
	i := 0
	for i < len(bufs) {
		p := n.link.Read()
		if p == nil {
			break
		}
		v := p.ToView()
		p.DecRef()
		sizes[i] = copy(bufs[i][offset:], v.AsSlice())
		v.Release()
		i++
	}
	return i
}

// Advance implements network.
func (n *gvisorNet) Advance(now tcp.Instant) {
	n.clock.advance(now)
	n.settle()
}

// NextDeadline implements network.
func (n *gvisorNet) NextDeadline() (tcp.Instant, bool) { return n.clock.next() }

func (n *gvisorNet) listen() error {
	var err tcpip.Error
	if n.listener, err = n.stack.NewEndpoint(gtcp.ProtocolNumber, ipv4.ProtocolNumber, &n.queue); err != nil {
		return fmt.Errorf("endpoint: %v", err)
	}
	if err := n.listener.Bind(tcpip.FullAddress{Port: serverPort}); err != nil {
		return fmt.Errorf("bind: %v", err)
	}
	if err := n.listener.Listen(16); err != nil {
		return fmt.Errorf("listen: %v", err)
	}
	return nil
}

func (n *gvisorNet) connect() error {
	var err tcpip.Error
	if n.conn, err = n.stack.NewEndpoint(gtcp.ProtocolNumber, ipv4.ProtocolNumber, &n.queue); err != nil {
		return fmt.Errorf("endpoint: %v", err)
	}
	to := tcpip.FullAddress{Addr: tcpip.AddrFrom4(AddrB.As4()), Port: serverPort}
	if err := n.conn.Connect(to); err != nil {
		if _, ok := err.(*tcpip.ErrConnectStarted); !ok {
			return fmt.Errorf("connect: %v", err)
		}
	}
	n.settle()
	return nil
}

// write fills the send buffer.
func (n *gvisorNet) write() {
	wrote := false
	for {
		if n.text.Len() == 0 {
			n.text.Reset(patternBytes[:1<<15])
		}
		if _, err := n.conn.Write(&n.text, tcpip.WriteOptions{}); err != nil {
			break
		}
		wrote = true
	}
	if wrote {
		n.settle()
	}
}

// read empties the receive buffer and returns how much was in it.
func (n *gvisorNet) read() int {
	if n.conn == nil {
		c, _, err := n.listener.Accept(nil)
		if err != nil {
			return 0
		}
		n.conn = c
	}
	total := 0
	for {
		r, err := n.conn.Read(io.Discard, tcpip.ReadOptions{})
		if err != nil {
			break
		}
		total += r.Count
	}
	if total > 0 {
		n.settle()
	}
	return total
}
