package cli

import (
	"errors"
	"net"
	"strings"
	"testing"
)

func TestPeerChangesReachARunningGateway(t *testing.T) {
	b := newBench(t)
	b.fixture()
	r := b.start("run")
	if o := b.run("peer", "add", "laptop"); o.status != exitDone || !strings.Contains(o.stderr, "has taken the change") {
		t.Errorf("add: %+v", o)
	}
	if !strings.Contains(r.stderr.String(), "peer laptop added") {
		t.Errorf("the command ended before the gateway had the peer:\n%s", r.stderr)
	}
	if o := b.run("peer", "remove", "laptop"); o.status != exitDone || !strings.Contains(o.stderr, "has taken the change") {
		t.Errorf("remove: %+v", o)
	}
	r.stop()
}

// A client of the new network would not reach a gateway that still has its old address.
func TestPeerChangeTellsOfARestartToCome(t *testing.T) {
	b := newBench(t)
	b.fixture()
	r := b.start("run")
	b.write("vpngw.toml", b.read("vpngw.toml")+"[stack]\ncongestion_control = \"bbr\"\n")
	for range 2 {
		o := b.run("peer", "add", "laptop")
		if !strings.Contains(o.stderr, "restart that brings stack.congestion_control") {
			t.Errorf("%+v", o)
		}
		b.ok("peer", "remove", "laptop")
	}
	r.stop()
}

func TestGatewayThatRefusesAPeerFailsTheCommand(t *testing.T) {
	b := newBench(t)
	b.fixture()
	r := b.start("run")
	r.gateway.reload = errors.New("no more room")
	b.refused(exitFailed, []string{"the change is written", "no more room"}, "peer", "add", "laptop")
	r.stop()
}

func TestGatewayWithoutSocketIsLeftToItsWatch(t *testing.T) {
	b := newBench(t)
	b.fixture()
	b.write("vpngw.toml", "[interface]\nendpoint = \"a:1\"\n[admin]\nsocket = \"\"\n")
	if o := b.run("peer", "add", "laptop"); o.status != exitDone || !strings.Contains(o.stderr, "watches its files") {
		t.Errorf("%+v", o)
	}
}

func TestUnexpectedListenerIsLeftToTheWatch(t *testing.T) {
	b := newBench(t)
	b.fixture()
	ln, err := net.Listen("unix", "vpngw.sock")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1)) // a request has come
			_, _ = conn.Write([]byte("220 mail.example ESMTP\r\n"))
			_ = conn.Close()
		}
	}()
	defer func() { _ = ln.Close() }()
	if o := b.run("peer", "add", "laptop"); o.status != exitDone || !strings.Contains(o.stderr, "could not be told") {
		t.Errorf("%+v", o)
	}
}
