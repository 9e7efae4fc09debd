package netns

import (
	"context"
	"strings"
	"testing"
	"time"

	"vpngw/test/lab"
	"vpngw/test/origin"
)

// otherHost adds a second client's host, with a cable of its own to the gateway.
func (n *network) otherHost() *lab.Host {
	n.t.Helper()
	h := n.lab.Host("other")
	n.lab.Link(h, "172.31.4.2/24", n.gateway, "172.31.4.1/24")
	return h
}

// echoes reports whether the client's traffic reaches the upstream.
func (n *network) echoes(h *lab.Host) error {
	ctx, cancel := context.WithTimeout(n.t.Context(), 5*time.Second)
	defer cancel()
	conn, err := h.DialContext(ctx, "tcp4", at(origin.PortEcho))
	if err != nil {
		return err
	}
	return conn.Close()
}

// TestPeersOfARunningGateway adds a peer, uses it and removes it, while another peer's download
// goes on.
func TestPeersOfARunningGateway(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	const seed, size = 4, 32 << 20
	download := n.startDownload(t, seed, size) // open all the while, read at the end

	conf := g.run("peer", "add", "second")
	other := n.otherHost()
	n.connect(other, withEndpoint(t, conf, "172.31.4.1:51820"))
	if err := n.echoes(other); err != nil {
		t.Fatalf("the added peer: %v", err)
	}
	if list := g.run("peer", "list"); !strings.Contains(list, "second") {
		t.Errorf("peer list does not show the added peer:\n%s", list)
	}
	if again := g.run("peer", "show", "second"); again != conf {
		t.Errorf("peer show differs from what peer add printed:\n%s\n%s", again, conf)
	}

	g.run("peer", "remove", "second")
	lab.Eventually(t, 30*time.Second, "the removed peer is cut off", func() error {
		if n.echoes(other) == nil {
			return context.DeadlineExceeded
		}
		return nil
	})
	want, _ := origin.DigestOf(origin.Content(seed, size))
	if got, err := origin.DigestOf(download); err != nil || got != want {
		t.Errorf("the first peer's download: %v, %v; want %v", got, err, want)
	}
	g.stop()
}

// TestRestartKeepsPeers kills the gateway and starts it again: the same client goes on with the
// same configuration.
func TestRestartKeepsPeers(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	conf := g.shownConfig()
	c := n.connect(n.client, conf)
	g.kill()
	g.start()
	if shown := settings(g.run("peer", "show", "peer1")); shown != settings(conf) {
		t.Errorf("another configuration after the restart:\n%s\nbefore:\n%s", shown, settings(conf))
	}
	c.waitForPing()
	if err := n.echoes(n.client); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	g.stop()
}
