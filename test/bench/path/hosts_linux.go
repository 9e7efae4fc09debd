package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vpngw/test/lab"
)

// Addresses of the hosts of a path. Paths do not see each other, so all have the same.
const (
	clientOuter   = "172.31.1.2"
	gatewayOuter  = "172.31.1.1"
	gatewayInner  = "10.99.0.1"
	upstreamAddr  = "10.99.0.2"
	clientTunnel  = "10.8.0.2"
	secondOuter   = "172.31.2.2"
	secondGateway = "172.31.2.1" // the gateway as the second client sees it
	secondTunnel  = "10.8.0.3"
	gatewayTunnel = "10.8.0.1"
	wireguardPort = "51820"
	tunnelMTU     = "1420"
	echoPort      = "7"
	iperfPort     = "5201" // the program's own default
	secondIperf   = "5202" // a server has one test at a time
	http3Port     = "443"
)

// bench is a round, in the shape that package lab wants: a testing.TB that ends by a panic which
// guarded catches.
type bench struct {
	testing.TB // nil: what is not below is not used
	cleanups   []func()
	failed     error
}

// failure is the panic of Fatal.
type failure struct{ error }

// guarded runs f with a bench and cleans up after it.
func guarded(f func(b *bench)) (err error) {
	b := &bench{}
	defer func() {
		for i := len(b.cleanups) - 1; i >= 0; i-- {
			b.cleanups[i]()
		}
		err = errors.Join(err, b.failed)
	}()
	defer func() {
		switch p := recover().(type) {
		case nil:
		case failure:
			err = p.error
		default:
			panic(p)
		}
	}()
	f(b)
	return nil
}

func (b *bench) Helper()                        {}
func (b *bench) Failed() bool                   { return b.failed != nil }
func (b *bench) Cleanup(f func())               { b.cleanups = append(b.cleanups, f) }
func (b *bench) Logf(format string, a ...any)   { fmt.Fprintf(os.Stderr, format+"\n", a...) }
func (b *bench) Fatalf(format string, a ...any) { panic(failure{fmt.Errorf(format, a...)}) }
func (b *bench) Fatal(a ...any)                 { panic(failure{errors.New(fmt.Sprint(a...))}) }

func (b *bench) Errorf(format string, a ...any) {
	b.failed = errors.Join(b.failed, fmt.Errorf(format, a...))
}

// dir makes a directory that everybody may enter and that ends with the round.
func (b *bench) dir() string {
	dir, err := os.MkdirTemp("", "vpngw-path-")
	if err == nil {
		b.Cleanup(func() { _ = os.RemoveAll(dir) })
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// path is a client, a gateway and an upstream, joined and running.
type path struct {
	b                         *bench
	name                      string // kernel or vpngw
	client, gateway, upstream *lab.Host
	second                    *lab.Host    // another client
	process                   *lab.Process // the gateway's
	debug                     string       // unix socket with its profiles; empty: none
}

// newPath makes the hosts, starts the servers and the gateway called name, and connects the client.
// memory is the limit of the gateway's cgroup in bytes, 0 for none.
func (b *bench) newPath(ctx context.Context, name string, s settings, memory int64) *path {
	l := lab.New(b)
	p := &path{b: b, name: name}
	p.client, p.second, p.gateway, p.upstream = l.Host("client"), l.Host("second"), l.Host("gateway"), l.Host("upstream")
	l.Link(p.client, clientOuter+"/24", p.gateway, gatewayOuter+"/24")
	l.Link(p.second, secondOuter+"/24", p.gateway, secondGateway+"/24")
	l.Link(p.gateway, gatewayInner+"/24", p.upstream, upstreamAddr+"/24")
	p.startServers()
	ours, clients := newKeys(b), []client{
		{p.client, newKeys(b), clientTunnel, gatewayOuter},
		{p.second, newKeys(b), secondTunnel, secondGateway},
	}
	switch name {
	case "kernel":
		p.startKernelGateway(s, ours, clients)
	case "vpngw":
		p.startGateway(s, ours, clients, memory)
	}
	for _, c := range clients {
		p.connect(ctx, s, ours, c)
	}
	return p
}

// client is a host that is a peer of the gateway.
type client struct {
	host    *lab.Host
	keys    keys
	tunnel  string // its address there
	gateway string // outer address of the gateway
}

// connect starts WireGuard on a client and waits until it reaches the upstream.
func (p *path) connect(ctx context.Context, s settings, gateway keys, c client) {
	dev := p.startWireGuard(s, c.host, c.keys.private, "")
	c.host.Run("wg", "set", dev, "peer", gateway.public, "allowed-ips", "0.0.0.0/0",
		"endpoint", c.gateway+":"+wireguardPort, "persistent-keepalive", "25")
	c.host.Run("ip", "addr", "add", c.tunnel+"/24", "dev", dev)
	c.host.Run("ip", "route", "add", "10.99.0.0/24", "dev", dev)
	lab.Eventually(p.b, 20*time.Second, "a ping through the path "+p.name, func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := c.host.Try(ctx, "ping", "-n", "-q", "-c", "1", "-W", "1", upstreamAddr)
		return err
	})
}

// keys are a WireGuard key pair in base64.
type keys struct{ private, public string }

func newKeys(b *bench) keys {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString
	return keys{encode(k.Bytes()), encode(k.PublicKey().Bytes())}
}

// devices numbers the WireGuard devices of this process: the control sockets of all hosts share a
// directory.
var devices int

// startWireGuard starts wireguard-go on a host and gives its device a key, and a port if one is
// named.
func (p *path) startWireGuard(s settings, h *lab.Host, private, port string) (device string) {
	devices++
	device = fmt.Sprintf("p%dn%d", os.Getpid(), devices)
	control := "/run/wireguard/" + device + ".sock"
	process := h.Start(s.bin+"/wireguard-go", "-f", device)
	p.b.Cleanup(func() { _ = os.Remove(control) })
	lab.Eventually(p.b, 10*time.Second, "wireguard-go", func() error {
		_, err := os.Stat(control)
		return err
	})
	key := filepath.Join(p.b.dir(), "key")
	if err := os.WriteFile(key, []byte(private+"\n"), 0o600); err != nil {
		p.b.Fatal(err)
	}
	set := []string{"wg", "set", device, "private-key", key}
	if port != "" {
		set = append(set, "listen-port", port)
		p.process = process
	}
	h.Run(set...)
	h.Run("ip", "link", "set", device, "mtu", tunnelMTU, "up")
	return device
}

// nginxConf serves one file of 1 KiB.
const nginxConf = `daemon off;
worker_processes 2;
pid %[1]s/pid;
error_log stderr error;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3;
	uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
	server { listen %[2]s:80 backlog=4096; root %[1]s; }
}
`

// startServers starts what the client talks to.
func (p *path) startServers() {
	dir := p.b.dir()
	conf := fmt.Sprintf(nginxConf, dir, upstreamAddr)
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o644),
		os.WriteFile(filepath.Join(dir, "1k"), []byte(strings.Repeat("x", 1024)), 0o644),
	)
	if err != nil {
		p.b.Fatal(err)
	}
	p.upstream.Start("/usr/sbin/nginx", "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf"))
	for _, port := range []string{iperfPort, secondIperf} {
		p.upstream.Start("iperf3", "-s", "-B", upstreamAddr, "-p", port)
	}
	ln, err := p.upstream.Listen(net.JoinHostPort(upstreamAddr, echoPort))
	if err != nil {
		p.b.Fatal(err)
	}
	p.b.Cleanup(func() { _ = ln.Close() })
	go echo(ln)
	p.serveHTTP3()
	for _, port := range []string{"80", iperfPort, secondIperf} {
		lab.Eventually(p.b, 10*time.Second, "port "+port, func() error {
			c, err := p.upstream.DialContext(context.Background(), "tcp4", net.JoinHostPort(upstreamAddr, port))
			if err == nil {
				err = c.Close()
			}
			return err
		})
	}
}
