package netns

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vpngw/test/lab"
	"vpngw/test/origin"
)

// TestHTTP3 gets and puts content over HTTP/3 from the client's own UDP socket. Both ends send runs of
// datagrams that the kernel segments (UDP_SEGMENT, udp(7)), and so does the gateway.
func TestHTTP3(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	conn, err := n.client.ListenUDP("10.8.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := origin.NewHTTP3Client(conn)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const seed, size = 3, 64 << 20
	want, _ := origin.DigestOf(origin.Content(seed, size))
	server := fmt.Sprintf("%s:%d", upstreamAddr, origin.PortTLS)
	for _, way := range []struct {
		name     string
		transfer func(ctx context.Context, address string, seed, size uint64) (origin.Digest, error)
	}{{"get", client.Fetch}, {"put", client.Put}} {
		started, before := time.Now(), datagramsOut(t, n.gateway)
		got, err := way.transfer(ctx, server, seed, size)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", way.name, got, err, want)
		}
		calls := datagramsOut(t, n.gateway) - before
		t.Logf("%s: %.0f Mbit/s, %d datagrams left the gateway's host", way.name, size*8/1e6/time.Since(started).Seconds(), calls)
		// What the kernel segments counts once; more than 1,452 bytes of QUIC do not fit into a packet here.
		if packets := size / 1452; calls > packets {
			t.Errorf("%s: %d datagrams out for at least %d packets: nothing was coalesced", way.name, calls, packets)
		}
	}
	g.stop()
}

// datagramsOut counts a run for segmentation as one.
func datagramsOut(t *testing.T, h *lab.Host) int {
	t.Helper()
	return kernelCounter(t, h, "snmp", "Udp:", "OutDatagrams")
}

// kernelCounter reads what a host's kernel has counted (proc_net(5)): in a file of /proc/net, in the two lines that
// begin with a word, names and numbers.
func kernelCounter(t *testing.T, h *lab.Host, file, word, name string) (n int) {
	t.Helper()
	var names []string
	for line := range strings.Lines(h.Run("cat", "/proc/net/"+file)) {
		fields := strings.Fields(line)
		if fields[0] != word {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		if i := slices.Index(names, name); i > 0 && i < len(fields) {
			if _, err := fmt.Sscan(fields[i], &n); err == nil {
				return n
			}
		}
	}
	t.Fatalf("%s has no %s %s", file, word, name)
	return 0
}
