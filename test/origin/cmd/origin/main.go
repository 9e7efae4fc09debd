package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"vpngw/test/origin"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "origin:", err)
		os.Exit(1)
	}
}

func run() error {
	addr := flag.String("addr", "0.0.0.0", "`address` to listen on")
	name := flag.String("name", "localhost", "`name` in the certificate")
	server := flag.String("http3", "", "be a client of the server at this `address`")
	flag.Parse()
	if *server != "" {
		return transfer(*server)
	}
	s, err := origin.Start(origin.Config{
		Addr:   net.ParseIP(*addr),
		Names:  []string{*name},
		Listen: func(a string) (net.Listener, error) { return net.Listen("tcp4", a) },
		ListenUDP: func(a string) (*net.UDPConn, error) {
			local, err := net.ResolveUDPAddr("udp4", a)
			if err != nil {
				return nil, err
			}
			return net.ListenUDP("udp4", local)
		},
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "origin: ready")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	s.Close()
	return nil
}

// transfer moves content both ways over HTTP/3.
func transfer(server string) error {
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := origin.NewHTTP3Client(conn)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	const seed, size = 5, 32 << 20
	want, err := origin.DigestOf(origin.Content(seed, size))
	if err != nil {
		return err
	}
	got, err := client.Fetch(ctx, server, seed, size)
	if err == nil && got != want {
		err = errors.New("other bytes came")
	}
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	got, err = client.Put(ctx, server, seed, size)
	if err == nil && got != want {
		err = errors.New("other bytes arrived")
	}
	if err != nil {
		return fmt.Errorf("put: %w", err)
	}
	fmt.Println("HTTP/3: the same both ways")
	return nil
}
