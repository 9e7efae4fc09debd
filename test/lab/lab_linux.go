package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"
)

// commandTimeout bounds a command whose caller set no bound: far more than any of them needs, far
// less than a test run may take.
const commandTimeout = 60 * time.Second

// labs numbers the Labs of this process.
var labs atomic.Int64

// Lab is the network of one test. It ends with the test.
type Lab struct {
	t     testing.TB
	name  string // prefix of all its namespaces
	hosts []*Host
}

// New starts an empty network after it removed what killed runs left.
func New(t testing.TB) *Lab {
	t.Helper()
	if err := sweep(); err != nil {
		t.Fatalf("lab: removing what an earlier run left: %v", err)
	}
	self, err := processTag(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{t: t, name: fmt.Sprintf("%s%s-%d", namePrefix, self, labs.Add(1))}
	t.Cleanup(l.close)
	return l
}

// close removes the namespaces. Their devices go with them.
func (l *Lab) close() {
	for _, h := range l.hosts {
		h.self.Close()
		if err := removeNamespace(h.ns); err != nil {
			l.t.Errorf("lab: %v", err)
		}
	}
}

// Host adds a host with nothing but a loopback device. The name is for people: at most 8 letters,
// unique in the Lab.
func (l *Lab) Host(name string) *Host {
	l.t.Helper()
	h := &Host{lab: l, name: name, ns: l.name + "-" + name}
	l.run("ip", "netns", "add", h.ns)
	l.hosts = append(l.hosts, h)
	self, err := os.Open(namespaceDir + "/" + h.ns)
	if err != nil {
		l.t.Fatal(err)
	}
	h.self = self
	h.Run("ip", "link", "set", "lo", "up")
	return h
}

// Link joins two hosts by a cable with an address at each end, such as 172.31.1.1/24. The device at
// each end is named after the host at the other.
func (l *Lab) Link(a *Host, addrA string, b *Host, addrB string) {
	l.t.Helper()
	l.run("ip", "link", "add", "to-"+b.name, "netns", a.ns, "type", "veth",
		"peer", "name", "to-"+a.name, "netns", b.ns)
	for _, end := range []struct {
		h         *Host
		dev, addr string
	}{{a, "to-" + b.name, addrA}, {b, "to-" + a.name, addrB}} {
		end.h.Run("ip", "addr", "add", end.addr, "dev", end.dev)
		end.h.Run("ip", "link", "set", end.dev, "up")
	}
}

// run runs a command outside of any namespace of ours and ends the test if it fails.
func (l *Lab) run(args ...string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		l.t.Fatalf("lab: %v: %v\n%s", args, err, out)
	}
}

// Eventually calls f until it returns nil, and ends the test when that takes longer than limit. It
// is for programs that have no way to say that they are ready.
func Eventually(t testing.TB, limit time.Duration, what string, f func() error) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
