package adapter

import (
	"math"
	"net"
	"sync"
	"time"

	"vpngw/ourstack/tcp"
)

// TCPInfo is a snapshot of a connection: state, round-trip times, congestion
// window, retransmissions, windows and byte counts; what TCP_INFO gives on Linux.
type TCPInfo = tcp.Info

// Info returns the state of the connection. It works at any time, also after Close.
func (c *TCPConn) Info() TCPInfo { return c.conn.Info(c.net.now()) }

// SetLinger says what Close does with data that the peer has not acknowledged yet:
// sec < 0 (the default): deliver it in the background; sec == 0: drop it and send a
// RST; sec > 0: deliver it in the background and, if that takes more than sec
// seconds, drop it and send a RST. Close blocks in none of these cases.
func (c *TCPConn) SetLinger(sec int) error {
	if err := c.usable(&c.rd, "set"); err != nil {
		return err
	}
	c.linger.Store(min(max(int64(sec)+1, 0), math.MaxInt32))
	return nil
}

// SetNoDelay switches the Nagle algorithm off (the default) or on: whether small
// writes are sent at once, or wait while earlier data is unacknowledged.
func (c *TCPConn) SetNoDelay(noDelay bool) error {
	if err := c.usable(&c.wr, "set"); err != nil {
		return err
	}
	c.conn.SetNoDelay(noDelay)
	return nil
}

// SetReadBuffer fixes the receive buffer, and with it the largest window, at bytes,
// instead of letting it grow with the path's capacity.
func (c *TCPConn) SetReadBuffer(bytes int) error {
	if err := c.usable(&c.rd, "set"); err != nil {
		return err
	}
	c.conn.SetReadBuffer(bytes)
	return nil
}

// SetWriteBuffer fixes how many bytes may be written and not yet acknowledged.
func (c *TCPConn) SetWriteBuffer(bytes int) error {
	if err := c.usable(&c.wr, "set"); err != nil {
		return err
	}
	c.conn.SetWriteBuffer(bytes)
	c.wr.wake()
	return nil
}

// SetUserTimeout sets how long sent data may stay unacknowledged before the
// connection fails with ETIMEDOUT (RFC 9293 §3.8.3; TCP_USER_TIMEOUT on Linux).
// Zero restores the default.
func (c *TCPConn) SetUserTimeout(d time.Duration) error {
	if err := c.usable(&c.wr, "set"); err != nil {
		return err
	}
	c.conn.SetUserTimeout(tcp.Duration(max(d, 0)))
	return nil
}

// keepAliveState is the keep-alive setting of a connection that changed it.
type keepAliveState struct {
	mu  sync.Mutex
	cfg tcp.KeepAliveConfig
}

// SetKeepAlive switches keep-alive probes on or off. Their times stay as they were.
func (c *TCPConn) SetKeepAlive(on bool) error {
	return c.changeKeepAlive(func(k *tcp.KeepAliveConfig) { k.Enabled = on })
}

// SetKeepAlivePeriod sets how long the connection must be idle before the first
// probe. Zero and negative values change nothing.
func (c *TCPConn) SetKeepAlivePeriod(d time.Duration) error {
	return c.changeKeepAlive(func(k *tcp.KeepAliveConfig) {
		if d > 0 {
			k.Idle = tcp.Duration(d)
		}
	})
}

// SetKeepAliveConfig sets all of it, with the meaning that it has in package net: a
// field that is 0 takes the default (15 s, 15 s, 9), a negative one stays.
func (c *TCPConn) SetKeepAliveConfig(config net.KeepAliveConfig) error {
	return c.changeKeepAlive(func(k *tcp.KeepAliveConfig) { *k = mergeKeepAlive(*k, config) })
}

func (c *TCPConn) changeKeepAlive(change func(*tcp.KeepAliveConfig)) error {
	if err := c.usable(&c.rd, "set"); err != nil {
		return err
	}
	if c.keepAlive.Load() == nil {
		c.keepAlive.CompareAndSwap(nil, &keepAliveState{cfg: c.net.keepAlive})
	}
	k := c.keepAlive.Load()
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.cfg)
	c.conn.SetKeepAlive(c.net.now(), k.cfg)
	return nil
}
