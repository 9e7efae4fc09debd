package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

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
	flag.Parse()
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
