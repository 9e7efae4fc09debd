package origin

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// drain answers a whole stream with its digest.
func (s *Server) drain(c *net.TCPConn) error {
	d, err := DigestOf(c)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c, d)
	return err
}

// requestMax bounds what long reads as its request.
const requestMax = 1 << 10

// long reads "SIZE SEED" up to the client's FIN and answers with that data.
func (s *Server) long(c *net.TCPConn) error {
	request, err := io.ReadAll(io.LimitReader(c, requestMax))
	if err != nil {
		return err
	}
	var size, seed uint64
	if _, err := fmt.Sscan(string(request), &size, &seed); err != nil {
		return err
	}
	_, err = io.Copy(c, Content(seed, size))
	return err
}

// early ends its own direction first and reads the client's to the end.
func (s *Server) early(c *net.TCPConn) error {
	if _, err := io.WriteString(c, "early\n"); err != nil {
		return err
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	d, err := DigestOf(c)
	if err != nil {
		s.report("early %v", err)
		return err
	}
	s.report("early %v", d)
	return nil
}

// stall keeps the connection and takes nothing from it, until Close.
func (s *Server) stall(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	// Waits for what no socket delivers: only the end of the connection wakes it.
	return raw.Read(func(uintptr) bool { return false })
}

// watch reports how the client ended the stream.
func (s *Server) watch(c *net.TCPConn) error {
	_, err := io.Copy(io.Discard, c)
	switch {
	case err == nil:
		s.report("watch eof")
	case errors.Is(err, syscall.ECONNRESET):
		s.report("watch reset")
	default:
		s.report("watch %v", err)
	}
	return err
}

// echo sends back what comes, and a FIN after the client's.
func (s *Server) echo(c *net.TCPConn) error {
	_, err := io.Copy(c, c)
	return err
}
