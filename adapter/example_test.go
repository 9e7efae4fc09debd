package adapter_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"syscall"

	"golang.zx2c4.com/wireguard/tun"

	"vpngw/adapter"
)

// join carries packets between two devices. A program has a WireGuard device on
// each side instead: device.NewDevice(net.Device(), conn.NewDefaultBind(), logger).
func join(a, b tun.Device) {
	carry := func(from, to tun.Device) {
		bufs, sizes := make([][]byte, from.BatchSize()), make([]int, from.BatchSize())
		for i := range bufs {
			bufs[i] = make([]byte, 2048)
		}
		for {
			n, err := from.Read(bufs, sizes, 0)
			if err != nil {
				return
			}
			for i := range n {
				if _, err := to.Write([][]byte{bufs[i][:sizes[i]]}, 0); err != nil {
					return
				}
			}
		}
	}
	go carry(a, b)
	go carry(b, a)
}

// A web server and its client, each in a network of its own.
func Example() {
	server, err := adapter.New(adapter.Options{Addresses: []netip.Addr{netip.MustParseAddr("10.8.0.1")}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client, err := adapter.New(adapter.Options{Addresses: []netip.Addr{netip.MustParseAddr("10.8.0.2")}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	join(server.Device(), client.Device())

	l, err := server.ListenTCP(&net.TCPAddr{Port: 80})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "hello, %s", r.URL.Path[1:])
		}))
	}()

	web := http.Client{Transport: &http.Transport{DialContext: client.DialContext}}
	resp, err := web.Get("http://10.8.0.1/tunnel")
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	web.CloseIdleConnections()
	fmt.Println(string(body), err)
	// Output: hello, tunnel <nil>
}

// A gateway decides about each connection that a client opens to the world beyond.
func ExampleNet_HandleTCP() {
	gateway, err := adapter.New(adapter.Options{Addresses: []netip.Addr{netip.MustParseAddr("10.8.0.1")}})
	if err != nil {
		log.Fatal(err)
	}
	defer gateway.Close()
	client, err := adapter.New(adapter.Options{Addresses: []netip.Addr{netip.MustParseAddr("10.8.0.2")}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	join(gateway.Device(), client.Device())

	gateway.HandleTCP(func(r *adapter.TCPRequest) {
		if r.LocalAddr().(*net.TCPAddr).Port != 7 {
			r.Reject(adapter.RejectRefused)
			return
		}
		// A real gateway dials r.LocalAddr() here, with r.Context().
		c, err := r.Accept()
		if err != nil {
			return // the client gave up
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	})

	_, err = client.Dial("tcp", "192.0.2.1:8")
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))

	c, err := client.Dial("tcp", "192.0.2.1:7")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write([]byte("echo"))
	buf := make([]byte, 4)
	_, err = io.ReadFull(c, buf)
	fmt.Println(string(buf), err)
	// Output:
	// true
	// echo <nil>
}
