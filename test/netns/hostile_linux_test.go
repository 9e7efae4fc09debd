package netns

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/device"

	"vpngw/test/lab"
	"vpngw/test/origin"
)

// TestStrangers sends the gateway what is no WireGuard, and lets a client with a wrong key try.
func TestStrangers(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())

	stranger := n.otherHost()
	noise, err := stranger.DialUDP("172.31.4.1:51820")
	if err != nil {
		t.Fatal(err)
	}
	defer noise.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{0, 1, 31, 32, device.MessageInitiationSize, device.MessageResponseSize, device.MessageCookieReplySize, 1400}
	for i := range 4000 {
		b := make([]byte, sizes[i%len(sizes)])
		for j := range b {
			b[j] = byte(rng.Uint32())
		}
		if len(b) >= 4 { // a message type that exists, or almost
			binary.LittleEndian.PutUint32(b, uint32(i%6))
		}
		if _, err := noise.Write(b); err != nil {
			t.Fatal(err)
		}
	}

	other := n.newClient(stranger, withEndpoint(t, wrongKey(g.shownConfig(), stranger), "172.31.4.1:51820"))
	other.up()
	if err := other.ping(); err == nil {
		t.Error("a client with a key that nobody added got an answer")
	}
	if err := n.echoes(n.client); err != nil {
		t.Errorf("the client with the right key: %v", err)
	}
	g.stop()
}

// wrongKey replaces the private key of a configuration by a fresh one.
func wrongKey(conf string, h *lab.Host) string {
	return privateKeyLine.ReplaceAllString(conf, "PrivateKey = "+h.Run("wg", "genkey"))
}

// TestMalformedPackets sends broken packets through the tunnel of a peer that has every right to be
// there. Nothing of what is right may notice.
func TestMalformedPackets(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	c := n.connect(n.client, g.shownConfig())
	const seed, size = 6, 32 << 20
	download := n.startDownload(t, seed, size)

	send := packetSocket(t, n.client, c.name)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		if err := send(malformed(rng)); err != nil && !errors.Is(err, syscall.ENOBUFS) {
			t.Fatal(err)
		}
	}
	want, _ := origin.DigestOf(origin.Content(seed, size))
	if got, err := origin.DigestOf(download); err != nil || got != want {
		t.Errorf("download beside malformed packets: %v, %v; want %v", got, err, want)
	}
	lab.Eventually(t, 10*time.Second, "an echo after malformed packets", func() error { return n.echoes(n.client) })
	g.stop()
}

// packetSocket returns a function that puts whole IP packets on a device of the host, past its
// kernel's own TCP/IP.
func packetSocket(t *testing.T, h *lab.Host, dev string) func([]byte) error {
	t.Helper()
	var fd int
	var to *unix.SockaddrLinklayer
	if err := h.Do(func() error {
		i, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		ethertype := binary.NativeEndian.Uint16([]byte{unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff})
		to = &unix.SockaddrLinklayer{Protocol: ethertype, Ifindex: i.Index}
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return func(b []byte) error { return unix.Sendto(fd, b, 0, to) }
}

// malformed returns a packet from the client's address with one thing or more wrong in it.
func malformed(rng *rand.Rand) []byte {
	protocols := []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMP, byte(rng.Uint32())}
	b := make([]byte, 20+rng.IntN(120))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	dst := netip.MustParseAddr([]string{tunnelGateway, upstreamAddr, silentHost}[rng.IntN(3)]).As4()
	src := netip.MustParseAddr("10.8.0.2").As4()
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[6:], 0)
	b[8], b[9] = 64, protocols[rng.IntN(len(protocols))]
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	if b[9] == unix.IPPROTO_TCP && len(b) >= 40 && rng.IntN(2) == 0 {
		b[32] = byte(5+rng.IntN(11)) << 4 // options of any length, often beyond the end
		b[33] = byte(rng.Uint32())        // any flags
	}
	spoil := rng.IntN(10)
	switch spoil {
	case 0:
		b[0] = byte(rng.Uint32())&0x0f | 0x40 // header length
	case 1:
		binary.BigEndian.PutUint16(b[2:], uint16(rng.Uint32())) // total length
	case 2:
		binary.BigEndian.PutUint16(b[6:], uint16(rng.Uint32())) // fragments of nothing
	case 3:
		b[8] = 0 // time to live
	}
	binary.BigEndian.PutUint16(b[10:], 0)
	if spoil != 4 { // a wrong header checksum hides every other fault
		binary.BigEndian.PutUint16(b[10:], headerChecksum(b[:20]))
	}
	return b
}

// headerChecksum is the Internet checksum (RFC 1071) of an even number of bytes.
func headerChecksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
