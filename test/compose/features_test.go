package compose

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vpngw/test/lab"
	"vpngw/test/origin"
	"vpngw/test/traffic"
)

// try runs a script in a container; it may fail.
func (p *project) try(container, script string) (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	return p.exec(ctx, container, "sh", "-c", script)
}

// configFile is the gateway's configuration in its container.
const configFile = "/var/lib/vpngw/vpngw.toml"

// configure appends tables to the gateway's configuration, which it takes while it runs.
func (p *project) configure(gateway, tables string) {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "vpngw.toml")
	p.mustRun("docker", "cp", gateway+":"+configFile, file)
	b, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, append(b, tables...), 0o644)
	}
	if err == nil {
		err = os.Chmod(file, 0o644) // the copy belongs to root
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.mustRun("docker", "cp", file, gateway+":"+configFile)
}

// checkNames asks the gateway's resolver: first with the engine's resolver behind it, then with one
// whose answers are too long for UDP.
func checkNames(t *testing.T, p *project, gateway, client, upstream string) {
	dig := func(words string) string {
		t.Helper()
		out, err := p.try(client, "dig -r @10.8.0.1 +tries=3 +time=5 "+words)
		if err != nil {
			t.Errorf("dig %s: %v", words, err)
		}
		return out
	}
	address := p.address(upstream, "inner") + "\n"
	for words, want := range map[string]string{
		"+short peer1.vpn.internal":      "10.8.0.2\n",
		"+short +tcp peer1.vpn.internal": "10.8.0.2\n",
		"+short -x 10.8.0.2":             "peer1.vpn.internal.\n",
		"+short upstream":                address, // a service of the compose file
		"+short +tcp upstream":           address,
	} {
		if got := dig(words); got != want {
			t.Errorf("dig %s prints %q, want %q", words, got, want)
		}
	}
	p.configure(gateway, "\n[dns]\nupstreams = ["+fmt.Sprintf("%q", strings.TrimSpace(address))+"]\n")
	lab.Eventually(t, time.Minute, "the reload", func() error {
		if got := dig("+short " + traffic.HostName); got != traffic.HostAddr+"\n" {
			return fmt.Errorf("dig %s prints %q", traffic.HostName, got)
		}
		return nil
	})
	if got := dig("+ignore +noedns " + traffic.LongName + " TXT"); !strings.Contains(got, "flags: qr tc rd ra") {
		t.Errorf("a long answer without EDNS is not truncated:\n%s", got)
	}
	if n := strings.Count(dig("+short "+traffic.LongName+" TXT"), "x"); n != traffic.LongText {
		t.Errorf("%d bytes of a text of %d", n, traffic.LongText)
	}
}

// checkControl looks for ICMP in both directions.
func checkControl(t *testing.T, p *project, client, upstream string) {
	if out, err := p.try(client, "ping -n -c 3 -i 0.2 -W 5 -s 8000 "+upstream); err != nil || !strings.Contains(out, "8008 bytes from "+upstream) {
		t.Errorf("ping of 8000 bytes: %v\n%s", err, out)
	}
	// The error is seen by whoever reads from the socket next; the datagram may be lost once.
	out, err := p.try(client, `for i in 1 2 3; do
  timeout 5 bash -c 'exec 3<>/dev/udp/`+upstream+`/9; echo x >&3; read -t 4 -u 3' 2>&1 | grep -i refused && exit 0
done
exit 1`)
	if err != nil {
		t.Errorf("a datagram to a closed port: %v\n%s", err, out)
	}
}

// checkBigDatagrams sends 60,000 bytes in one datagram and wants them back.
func checkBigDatagrams(t *testing.T, p *project, client, upstream string) {
	out, err := p.try(client, fmt.Sprintf(`head -c 60000 /dev/urandom >/tmp/datagram
for i in 1 2 3; do
  timeout 8 bash -c 'exec 3<>/dev/udp/%s/%d
    dd if=/tmp/datagram bs=60000 count=1 >&3 2>/dev/null
    timeout 5 dd bs=65535 count=1 <&3 2>/dev/null | cmp - /tmp/datagram' && exit 0
done
exit 1`, upstream, origin.PortEcho))
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// checkHTTP3 gives the upstream's program to the client, which is the other end then.
func checkHTTP3(t *testing.T, p *project, client, upstream, addr string) {
	file := filepath.Join(t.TempDir(), "origin")
	p.mustRun("docker", "cp", upstream+":/usr/local/bin/origin", file)
	p.mustRun("docker", "cp", file, client+":/usr/local/bin/origin")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := p.exec(ctx, client, "origin", "-http3", fmt.Sprintf("%s:%d", addr, origin.PortTLS))
	if err != nil || !strings.Contains(out, "the same both ways") {
		t.Errorf("%v\n%s", err, out)
	}
}

// checkIPv6 gives a client that sends all of IPv6 into the tunnel a name with both kinds of addresses: curl would
// wait an hour with IPv4, so that it gets there by the refusal of IPv6 or not at all.
func checkIPv6(t *testing.T, p *project, gateway, other, upstream string) {
	const addr = "10.8.0.78"
	p.mustExec(other, "wg-quick", "down", "wg0")
	p.connect(other, p.mustExec(gateway, "/vpngw", "peer", "add", "dual", "--ip", addr,
		"--routes", "fd00:8::78/128", "--allowed-ips", "0.0.0.0/0,::/0"))
	port := fmt.Sprint(origin.PortHTTP)
	out, err := p.try(other, "curl -sS --fail --happy-eyeballs-timeout-ms 3600000 --resolve dual.test:"+port+":[2001:db8::1],"+
		upstream+" http://dual.test:"+port+"/small/6")
	if err != nil || out != "small 6\n" {
		t.Errorf("%q, %v", out, err)
	}
	p.mustExec(gateway, "/vpngw", "peer", "remove", "dual")
}

// checkPeerToPeer lets the clients' containers talk to each other through the gateway.
func checkPeerToPeer(t *testing.T, p *project, gateway, client, other string) {
	const addr = "10.8.0.77"
	p.connect(other, p.mustExec(gateway, "/vpngw", "peer", "add", "other", "--ip", addr))
	out, err := p.try(client, "ping -n -c 3 -i 0.2 -W 5 "+addr+" && ping -n -c 1 -W 5 -s 8000 "+addr)
	if err != nil || !strings.Contains(out, "ttl=63") {
		t.Errorf("ping: %v\n%s", err, out)
	}
	p.mustRun("docker", "exec", "-d", other, "sh", "-c", "nc -n -l "+addr+" 8080 | sha256sum >/tmp/sum")
	sent, err := p.try(client, `set -e
head -c 3000000 /dev/urandom >/tmp/sent
sha256sum </tmp/sent
i=0
until nc -n -N `+addr+` 8080 </tmp/sent; do i=$((i + 1)); [ $i -lt 50 ]; sleep 0.2; done`)
	if err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, 20*time.Second, "the same arrives", func() error {
		got, err := p.try(other, "cat /tmp/sum")
		if err == nil && got != sent {
			err = fmt.Errorf("%q was sent, %q arrived", sent, got)
		}
		return err
	})
	p.mustExec(gateway, "/vpngw", "peer", "remove", "other")
}
