package gateway

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"vpngw/test/origin"
)

// TestHTTP3ThroughTheTunnel gets and puts 24 MB over HTTP/3, both ends of which are a library that knows
// nothing of us, and compares digests.
func TestHTTP3ThroughTheTunnel(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := origin.ServeHTTP3(ctx, server); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		serving.Wait()
	})
	dst := s.place("192.0.2.1:443", server.LocalAddr()).String()
	u := s.client(0).udpSocket()
	_ = u.SetDeadline(time.Time{})
	client := origin.NewHTTP3Client(u)
	defer client.Close()
	const seed, size = 11, 24 << 20
	want, _ := origin.DigestOf(origin.Content(seed, size))
	moving, end := context.WithTimeout(ctx, 2*time.Minute)
	defer end()
	if got, err := client.Fetch(moving, dst, seed, size); err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if got, err := client.Put(moving, dst, seed, size); err != nil || got != want {
		t.Errorf("put %v, %v; want %v", got, err, want)
	}
	if c := s.Status().Counters; c.UDPMapped != 1 || c.UDPStranger != 0 {
		t.Errorf("%+v", c)
	}
}
