package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/cmd/vpngw/internal/dns"
	"vpngw/cmd/vpngw/internal/gateway"
	"vpngw/cmd/vpngw/internal/portmap"
)

// sampleStatus is a gateway with one busy peer and one that never came.
func sampleStatus() gateway.Status {
	return gateway.Status{
		Ready: true, StartedAt: wallClock.Add(-26 * time.Hour), UptimeSeconds: 26 * 3600,
		PublicKey: gatewayPublic, ListenPort: 51820, Address: netip.MustParsePrefix("10.8.0.1/24"), MTU: 1420,
		RestartNeeded: []string{"interface.mtu"},
		Peers: []gateway.PeerStatus{
			{
				Name: "phone", PublicKey: "x", Endpoint: "203.0.113.7:41820",
				AllowedIPs:    []netip.Prefix{netip.MustParsePrefix("10.8.0.2/32")},
				LastHandshake: wallClock.Add(-83 * time.Second), RxBytes: 1536, TxBytes: 5 << 30,
				Flows: gateway.FlowCounts{TCP: 12, UDP: 3, Ping: 1},
				Ports: []portmap.Mapping{{
					Protocol: "tcp", Port: 61080, Internal: netip.MustParseAddrPort("10.8.0.2:80"),
					ExpiresAt: wallClock.Add(time.Hour + 59*time.Minute),
				}},
			},
			{
				Name: "server", PublicKey: "y",
				AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.8.0.9/32"), netip.MustParsePrefix("192.168.7.0/24")},
			},
		},
		DNS: dns.Counters{QueriesUDP: 30, QueriesTCP: 1, Local: 9, CacheHits: 8, Forwarded: 13, Failures: 2, OverLimit: 1},
		Totals: gateway.Totals{
			Peers: 2, RxBytes: 1536, TxBytes: 5 << 30,
			Flows: gateway.FlowCounts{TCP: 12, UDP: 3, Ping: 1, Dialing: 2},
		},
	}
}

func TestStatusTable(t *testing.T) {
	var out bytes.Buffer
	s := sampleStatus()
	if err := writeStatus(&out, &s, wallClock); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.golden", out.String())
}

func TestStatusStates(t *testing.T) {
	for _, tt := range []struct {
		s    gateway.Status
		want string
	}{
		{gateway.Status{Ready: true, PingRelay: true}, "gateway ready"},
		{gateway.Status{}, "gateway not ready"},
		{gateway.Status{Draining: true}, "gateway ending"},
	} {
		var out bytes.Buffer
		if err := writeStatus(&out, &tt.s, wallClock); err != nil || !strings.HasPrefix(out.String(), tt.want) {
			t.Errorf("%q, %v; want %q", out.String(), err, tt.want)
		}
	}
}

func TestStatusOfARunningGateway(t *testing.T) {
	b := newBench(t)
	b.fixture()
	r := b.start("run")
	r.gateway.status = sampleStatus()
	golden(t, "status.golden", b.ok("status"))
	var s gateway.Status
	if err := json.Unmarshal([]byte(b.ok("status", "--json")), &s); err != nil || len(s.Peers) != 2 {
		t.Errorf("--json: %+v, %v", s, err)
	}
	r.stop()
	b.refused(exitFailed, []string{"no gateway is running here", "vpngw.sock"}, "status")
}

// watchBuffer ends a context when it has seen enough lines with a word.
type watchBuffer struct {
	syncBuffer
	word string
	n    int
	end  context.CancelFunc
}

func (w *watchBuffer) Write(p []byte) (int, error) {
	n, err := w.syncBuffer.Write(p)
	if strings.Count(w.String(), w.word) >= w.n {
		w.end()
	}
	return n, err
}

func TestStatusWatchRenewsUntilInterrupted(t *testing.T) {
	b := newBench(t)
	b.fixture()
	r := b.start("run")
	r.gateway.status = sampleStatus()
	for _, tt := range []struct {
		args     []string
		terminal bool
		word     string
	}{
		{[]string{"status", "--watch", "--interval", "1ms"}, true, ansiClear},
		{[]string{"status", "--watch", "--interval", "1ms"}, false, "gateway ready"},
		{[]string{"status", "--watch", "--json", "--interval", "1ms"}, false, "}\n"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		out := &watchBuffer{word: tt.word, n: 3, end: cancel}
		var stderr syncBuffer
		a := b.app(new(syncBuffer), &stderr)
		a.stdout, a.terminal = out, tt.terminal
		if status := a.run(ctx, tt.args); status != exitDone {
			t.Errorf("%q: status %d, %s", tt.args, status, stderr.String())
		}
		if tt.word == "}\n" {
			for line := range strings.Lines(out.String()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("not one JSON object a line: %s", line)
				}
			}
		}
		cancel()
	}
	r.stop()
}

func TestHealth(t *testing.T) {
	b := newBench(t)
	b.fixture()
	b.refused(exitFailed, []string{"no gateway is running"}, "health")
	r := b.start("run")
	if o := b.run("health"); o != (output{}) {
		t.Errorf("ready, but %+v: want status 0 and no word", o)
	}
	b.broken() // a file that is being edited does not make a gateway unhealthy
	if o := b.run("health"); o != (output{}) {
		t.Errorf("with a broken file: %+v", o)
	}
	r.stop()
}

func TestHealthOfAGatewayThatIsNotReady(t *testing.T) {
	b := newBench(t)
	b.fixture()
	b.env["VPNGW_SOCKET"] = "other.sock"
	r := b.start("run", "--socket", "other.sock")
	r.gateway.ready = false
	b.refused(exitFailed, []string{"not ready"}, "health")
	b.refused(exitFailed, []string{"not ready"}, "health", "--socket", "other.sock")
	r.stop()
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m1s",
		3*time.Hour + 5*time.Minute: "3h5m", 50 * time.Hour: "2d2h",
	} {
		if got := age(d); got != want {
			t.Errorf("age(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 30: "5.0 GiB", 1 << 50: "1.0 PiB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
}
