package gateway

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"vpngw/test/origin"
)

// TestQUICThroughTheTunnel moves 24 MB over QUIC, both ends of which are a library that knows nothing of us,
// and compares its digest.
func TestQUICThroughTheTunnel(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { _ = origin.ServeQUIC(ctx, server) })
	t.Cleanup(func() {
		cancel()
		serving.Wait()
	})
	dst := s.place("192.0.2.1:443", server.LocalAddr())
	u := s.client(0).udpSocket()
	_ = u.SetDeadline(time.Time{})
	const seed, size = 11, 24 << 20
	want, _ := origin.DigestOf(origin.Content(seed, size))
	fetch, end := context.WithTimeout(ctx, 2*time.Minute)
	defer end()
	if got, err := origin.FetchQUIC(fetch, u, dst.String(), seed, size); err != nil || got != want {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if c := s.Status().Counters; c.UDPMapped != 1 || c.UDPStranger != 0 {
		t.Errorf("%+v", c)
	}
}
