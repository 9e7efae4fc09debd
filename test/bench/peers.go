package main

import (
	"bufio"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"vpngw/adapter"
)

const (
	activeMax   = 1000 // peers that have a session
	outstanding = 10   // datagrams under way, however many peers there are
	hubPort     = 7
)

// peerSetup is what a hub tells the process that plays its peers.
type peerSetup struct {
	Hub  string // public key in hexadecimal
	Port int
	Keys []string // private keys, in hexadecimal, of the peers that are to be active
}

// peerAddress is that of peer i in the tunnel.
func peerAddress(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}) }

// manyPeers gives a device n peers, has up to activeMax of them, in another process, send a datagram each
// in turn, sends each back, and returns what that costs here: two packets per operation.
func manyPeers(s stack, n int, d time.Duration) (figures, error) {
	net, err := adapter.New(adapter.Options{Addresses: []netip.Addr{addrA}, MTU: mtu})
	if err != nil {
		return nil, err
	}
	w := newWireGuard(s, net.Device())
	defer w.Close()
	key, err := configure(w)
	if err != nil {
		return nil, err
	}
	setup := peerSetup{Hub: hex.EncodeToString(key.PublicKey().Bytes())}
	var peers strings.Builder
	for i := range n {
		k, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&peers, "public_key=%x\nallowed_ip=%v/32\n", k.PublicKey().Bytes(), peerAddress(i))
		if i < activeMax {
			setup.Keys = append(setup.Keys, hex.EncodeToString(k.Bytes()))
		}
	}
	before, began := heap(), time.Now()
	if err := w.IpcSet(peers.String()); err != nil {
		return nil, err
	}
	took, after := time.Since(began), heap()
	if setup.Port, err = portOf(w); err != nil {
		return nil, err
	}
	f := figures{"configure ms": took.Seconds() * 1e3, "bytes/peer": (after.bytes - before.bytes) / float64(n)}
	return f, datagramsOf(net, setup, d, f)
}

// datagramsOf has another process send, sends back, and adds what that costs to f.
func datagramsOf(net *adapter.Net, setup peerSetup, d time.Duration, f figures) error {
	u, err := net.ListenUDPAddrPort(netip.AddrPortFrom(addrA, hubPort))
	if err != nil {
		return err
	}
	defer u.Close()
	var done atomic.Int64
	go func() {
		b := make([]byte, mtu)
		for {
			n, from, err := u.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if _, err := u.WriteToUDPAddrPort(b[:n], from); err == nil {
				done.Add(1)
			}
		}
	}()
	stop, err := startPeers(setup)
	if err != nil {
		return err
	}
	defer stop()
	time.Sleep(d / 3)
	n, m := done.Load(), startMeter()
	time.Sleep(d)
	wall, cpu, allocs := m.stop()
	ops := float64(done.Load() - n)
	if ops == 0 {
		return errors.New("no datagram came back")
	}
	f["per s"], f["CPU us/op"], f["allocs/op"] = ops/wall.Seconds(), float64(cpu.Microseconds())/ops, allocs/ops
	return nil
}

// startPeers runs the peers in a process of their own, which has no part in what is measured, until stop is
// called. When it returns, each has had an answer.
func startPeers(setup peerSetup) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-peers")
	cmd.Stderr = os.Stderr
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() { // the end of its input ends it
		_ = in.Close()
		_ = cmd.Wait()
	}
	err = json.NewEncoder(in).Encode(setup)
	if err == nil {
		_, err = bufio.NewReader(out).ReadString('\n')
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("the peers: %w", err)
	}
	return stop, nil
}

// runPeers is that process.
func runPeers(in io.Reader, out io.Writer) error {
	r := json.NewDecoder(in)
	var setup peerSetup
	if err := r.Decode(&setup); err != nil {
		return err
	}
	peers := make([]*peer, len(setup.Keys))
	for i, k := range setup.Keys {
		p, err := newPeer(i, k, setup)
		if err != nil {
			return err
		}
		peers[i] = p
	}
	runtime.GC()
	ready, failed := make(chan error, outstanding), make(chan error, outstanding)
	for w := range outstanding {
		go func() {
			for round := 0; ; round++ {
				for i := w; i < len(peers); i += outstanding {
					if err := peers[i].trip(); err != nil {
						failed <- fmt.Errorf("peer %d, round %d: %w", i, round, err)
						return
					}
				}
				if round == 0 {
					ready <- nil
				}
			}
		}()
	}
	for range outstanding {
		select {
		case <-ready:
		case err := <-failed:
			return err
		}
	}
	fmt.Fprintln(out, "ready")
	end := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, in)
		end <- err
	}()
	select {
	case err := <-failed:
		return err
	case err := <-end:
		return err
	}
}

// portOf is the UDP port at which a device listens.
func portOf(w interface{ IpcGet() (string, error) }) (port int, err error) {
	status, err := w.IpcGet()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(status) {
		if _, err := fmt.Sscanf(line, "listen_port=%d", &port); err == nil {
			return port, nil
		}
	}
	return 0, errors.New("the device does not listen")
}
