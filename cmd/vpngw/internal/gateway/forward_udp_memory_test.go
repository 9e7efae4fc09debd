//go:build linux && !race

package gateway

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"

	"vpngw/config"
)

// idleMappingMax bounds what a mapping costs that has carried a datagram each way and is idle, in bytes of heap
// and stacks, whatever the kernel's socket costs.
const idleMappingMax = 2500

// TestIdleMappingIsSmall measures it, from the packets of the tunnel to the socket of the system.
func TestIdleMappingIsSmall(t *testing.T) {
	const count = 250
	cfg := config.Default()
	cfg.Interface.PrivateKey = newKey(t)
	cfg.Peers = []config.Peer{testConfigPeer(t, 0)}
	f := newForwarder(testLog(t), 0)
	f.configure(cfg)
	f.peers.Store(newPeerTable(cfg.Peers, nil, &f.open))
	n := newInternet(t)
	echo := echoUDP(t)
	n.hosts[netip.MustParseAddrPort("192.0.2.1:7")] = echo
	f.listenUDP = n.listenUDP
	s, err := newStack(cfg, f)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	defer func() { _ = f.end(t.Context()) }()

	out := make(chan struct{}, 1000)
	reader := make(chan struct{})
	go func() {
		defer close(reader)
		bufs, sizes := make([][]byte, 128), make([]int, 128)
		for i := range bufs {
			bufs[i] = make([]byte, 2000)
		}
		for {
			n, err := s.device().Read(bufs, sizes, 16)
			if err != nil {
				return
			}
			for range n {
				out <- struct{}{}
			}
		}
	}()
	carry := func(port uint16) {
		if _, err := s.device().Write([][]byte{clientDatagram(port)}, 0); err != nil {
			t.Fatal(err)
		}
		await(t, "answer", out)
	}
	for port := range uint16(50) { // what all share
		carry(1000 + port)
	}
	each := idleMappingMax + 1
	for round := uint16(0); round < 3 && each > idleMappingMax; round++ { // the process does other things, too
		before := heapAndStacks()
		for port := range uint16(count) {
			carry(2000 + round*count + port)
		}
		each = (heapAndStacks() - before) / count
	}
	t.Logf("%d bytes for an idle mapping", each)
	if each > idleMappingMax {
		t.Errorf("more than %d", idleMappingMax)
	}
	s.close()
	<-reader
}

func heapAndStacks() int {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// clientDatagram is a packet from the first peer's address, without a UDP checksum (RFC 768).
func clientDatagram(port uint16) []byte {
	b := make([]byte, 20+8+100)
	src, dst := netip.MustParseAddr("10.8.0.2").As4(), netip.MustParseAddr("192.0.2.1").As4()
	b[0], b[8], b[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum>>16+sum))
	binary.BigEndian.PutUint16(b[20:], port)
	binary.BigEndian.PutUint16(b[22:], 7)
	binary.BigEndian.PutUint16(b[24:], uint16(len(b)-20))
	return b
}
