package netns

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/test/lab"
	"vpngw/test/origin"
)

// rawPacket is an IPv4 packet. fragment is the word of flags and offset.
func rawPacket(src, dst string, protocol byte, id, fragment uint16, payload []byte) []byte {
	b := make([]byte, 20, 20+len(payload))
	from, to := netip.MustParseAddr(src).As4(), netip.MustParseAddr(dst).As4()
	b[0], b[8], b[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], fragment)
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	binary.BigEndian.PutUint16(b[10:], headerChecksum(b))
	return append(b, payload...)
}

// rawDatagram is a UDP header, without a checksum, and a text.
func rawDatagram(from, to uint16, text string) []byte {
	b := make([]byte, 8, 8+len(text))
	binary.BigEndian.PutUint16(b, from)
	binary.BigEndian.PutUint16(b[2:], to)
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(text)))
	return append(b, text...)
}

// TestSpoofedSources: one client sends in the name of others. Nothing of it arrives: not upstream, not
// at another client, not in another client's connection.
func TestSpoofedSources(t *testing.T) {
	const port = 5000
	n := newNetwork(t)
	g := n.startGateway()
	c := n.connect(n.client, g.shownConfig())
	other := n.otherHost()
	n.connect(other, withEndpoint(t, g.run("peer", "add", "second", "--ip", otherTunnel), "172.31.4.1:51820"))
	n.client.Run("ping", "-n", "-c", "1", "-W", "5", otherTunnel) // the pair can talk

	conn, err := n.dial(other, at(origin.PortEcho))
	if err != nil {
		t.Fatal(err)
	}
	local := netip.MustParseAddrPort(conn.LocalAddr().String())
	heard := make(chan string, 1000)
	for host, address := range map[*lab.Host]string{n.upstream: upstreamAddr + ":5000", other: otherTunnel + ":5000"} {
		l, err := host.ListenUDP(address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			buf := make([]byte, 2048)
			for {
				k, from, err := l.ReadFrom(buf)
				if err != nil {
					return
				}
				heard <- address + " heard " + string(buf[:k]) + " from " + from.String()
			}
		}()
	}

	send := packetSocket(t, n.client, c.name)
	put := func(b []byte) {
		t.Helper()
		if err := send(b); err != nil && !errors.Is(err, syscall.ENOBUFS) {
			t.Fatal(err)
		}
	}
	reset := make([]byte, 20)
	binary.BigEndian.PutUint16(reset, local.Port())
	binary.BigEndian.PutUint16(reset[2:], origin.PortEcho)
	reset[12], reset[13] = 5<<4, 0x04
	for _, src := range []string{otherTunnel, tunnelGateway, "10.8.0.99", "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", upstreamAddr, gatewayInner, "198.51.100.7"} {
		for _, dst := range []string{upstreamAddr, otherTunnel} {
			for range 20 {
				put(rawPacket(src, dst, unix.IPPROTO_UDP, 1, 0, rawDatagram(4000, port, "a lie")))
			}
		}
		put(rawPacket(src, upstreamAddr, unix.IPPROTO_TCP, 1, 0, reset))
	}
	// What is true still arrives, after all of that.
	for _, dst := range []string{upstreamAddr, otherTunnel} {
		put(rawPacket("10.8.0.2", dst, unix.IPPROTO_UDP, 1, 0, rawDatagram(4000, port, "true")))
	}
	seen := map[string]bool{}
	for len(seen) < 2 {
		select {
		case text := <-heard:
			seen[text] = true
		case <-time.After(20 * time.Second):
			t.Fatalf("heard only %v", seen)
		}
	}
	if !seen[otherTunnel+":5000 heard true from 10.8.0.2:4000"] {
		t.Errorf("heard %v", seen)
	}
	for text := range seen {
		if !strings.Contains(text, " heard true from ") {
			t.Errorf("%s", text)
		}
	}
	if _, err := conn.Write([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	if _, err := conn.Read(buf); err != nil || string(buf) != "still here" {
		t.Errorf("the other client's connection: %q, %v", buf, err)
	}
	g.stop()
}

// TestFragmentsThatNeverEnd: one client sends tens of thousands of fragments that overlap, or whose
// datagram never becomes whole. Another one's big datagrams arrive all the while.
func TestFragmentsThatNeverEnd(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	c := n.connect(n.client, g.shownConfig())
	other := n.otherHost()
	n.connect(other, withEndpoint(t, g.run("peer", "add", "second", "--ip", otherTunnel), "172.31.4.1:51820"))

	send := packetSocket(t, n.client, c.name)
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		rng := rand.New(rand.NewPCG(5, 6))
		payload := make([]byte, 1200)
		const moreFragments = 0x2000
		for i := 0; ; i++ {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			dst := []string{tunnelGateway, upstreamAddr}[i%2]
			// Few identifiers make overlaps, many make datagrams that never end.
			id := uint16(rng.IntN([]int{4, 65536}[i/1000%2]))
			word := uint16(rng.IntN(500)) | moreFragments
			size := 8 * (1 + rng.IntN(150))
			if err := send(rawPacket("10.8.0.2", dst, unix.IPPROTO_UDP, id, word, payload[:size])); err != nil && !errors.Is(err, syscall.ENOBUFS) {
				ended <- err
				return
			}
			if i%64 == 0 {
				time.Sleep(time.Millisecond) // as much as a busy machine takes, not more
			}
		}
	}()
	n.wantDatagrams(t, n.upstream, upstreamAddr+":5000", other)
	other.Run("ping", "-n", "-c", "5", "-i", "0.2", "-W", "5", "-s", "8000", tunnelGateway)
	other.Run("ping", "-n", "-c", "5", "-i", "0.2", "-W", "5", "-s", "8000", upstreamAddr)
	n.wantContent(t, n.upstream, upstreamAddr+":5001", other)
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	// Whoever did it keeps what needs no reassembly.
	lab.Eventually(t, 20*time.Second, "an echo after the fragments", func() error { return n.echoes(n.client) })
	g.stop()
}
