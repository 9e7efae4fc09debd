package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"vpngw/test/relay"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:51821", "`address` that clients send to")
	to := flag.String("to", "127.0.0.1:51820", "`address` of the server")
	seed := flag.Uint64("seed", 1, "decides every loss, delay and copy")
	var imp relay.Impairment
	flag.DurationVar(&imp.Delay, "delay", 0, "added to every datagram, each way")
	flag.DurationVar(&imp.Jitter, "jitter", 0, "largest random addition to the delay")
	flag.Float64Var(&imp.Loss, "loss", 0, "`probability` of loss, each way")
	flag.Float64Var(&imp.Reorder, "reorder", 0, "`probability` of being held back")
	flag.DurationVar(&imp.ReorderBy, "reorder-by", 0, "how long a datagram is held back (default 5ms)")
	flag.Float64Var(&imp.Duplicate, "duplicate", 0, "`probability` of arriving twice")
	flag.Int64Var(&imp.Rate, "rate", 0, "limit in `bits` a second, each way")
	flag.IntVar(&imp.Queue, "queue", 0, "`bytes` that may wait for the rate (default 256 KiB)")
	flag.Parse()

	local, err := net.ResolveUDPAddr("udp", *listen)
	if err != nil {
		return err
	}
	server, err := net.ResolveUDPAddr("udp", *to)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", local)
	if err != nil {
		return err
	}
	r, err := relay.New(relay.Config{
		Listen: conn,
		Dial:   func() (*net.UDPConn, error) { return net.DialUDP("udp", nil, server) },
		Seed:   *seed,
		Up:     imp,
		Down:   imp,
	})
	if err != nil {
		_ = conn.Close()
		return err
	}
	fmt.Fprintf(os.Stderr, "relay: %v to %v, seed %d\n", conn.LocalAddr(), server, *seed)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	err = r.Close()
	up, down := r.Stats()
	fmt.Fprintf(os.Stderr, "relay: up %+v\nrelay: down %+v\n", up, down)
	return err
}
