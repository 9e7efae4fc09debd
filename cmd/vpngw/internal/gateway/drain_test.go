package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

// A client that has said all before it got its answer (`ssh host cmd < /dev/null`, an HTTP/1.0 client)
// leaves nothing to move once the destination has closed, but the answer may still be with the gateway.
func TestDrainDeliversWhatTheGatewayHolds(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	down, up := s.open(s.client(0), "192.0.2.1:80")
	_ = down.SetReadBuffer(4 << 10) // most of it has to wait in the gateway
	_ = down.CloseWrite()
	if _, err := io.ReadAll(up); err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("precious"), 4<<10)
	if _, err := up.Write(sent); err != nil {
		t.Fatal(err)
	}
	_ = up.Close()
	drained := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		err := s.Drain(ctx)
		drained <- errors.Join(err, s.Close(ctx))
	}()
	_ = down.SetReadDeadline(time.Now().Add(5 * time.Second))
	if got, err := io.ReadAll(down); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("the client got %d bytes of %d, then %v", len(got), len(sent), err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
