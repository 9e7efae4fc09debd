package tcp

import "vpngw/ourstack/wire"

// Endpoint is one end of a connection.
type Endpoint struct {
	Addr wire.Addr
	Port uint16
}

// Tuple identifies a connection (RFC 9293 §3.3.1: a pair of sockets). It is
// comparable and serves as a map key.
type Tuple struct {
	Local, Remote Endpoint
}

// Config is what connections of one kind have in common. It is not modified by a
// Conn and may be shared; changing it while connections use it is not allowed.
type Config struct {
	// MTU is the largest IP packet in bytes, header included, that this end sends
	// and receives. The advertised MSS is MTU-40 (RFC 9293 §3.7.1). Range 128–65535.
	MTU int

	// Memory gives the buffers. Nil means HeapMemory.
	Memory Memory

	// Path bounds what is on its way here from the peer, and tells what to count as a queue on the way there.
	// Nil means that the receive buffer alone bounds the one, and that each connection goes by itself for the other.
	Path Path

	// RcvBufInit, RcvBufMax bound the receive buffer in bytes: the window starts
	// from the first and grows by measurement to the second. Zero means
	// DefaultRcvBufInit and DefaultRcvBufMax.
	RcvBufInit, RcvBufMax int

	// SndBufInit, SndBufMax bound the bytes queued for sending, acknowledged ones
	// excluded. Zero means DefaultSndBufInit and DefaultSndBufMax.
	SndBufInit, SndBufMax int

	// CongestionControl is "cubic" (also the empty string), "newreno" or "bbr".
	CongestionControl string

	// NoDelay switches the Nagle algorithm off for new connections (RFC 9293 §3.7.4, MUST-17).
	NoDelay bool

	// KeepAlive is the keep-alive setting of new connections (RFC 9293 §3.8.4).
	KeepAlive KeepAliveConfig

	// UserTimeout is how long transmitted data may stay unacknowledged before the
	// connection is aborted (R2, RFC 9293 §3.8.3). Zero means DefaultUserTimeout.
	UserTimeout Duration

	// SynTimeout is R2 for a SYN. Zero means DefaultSynTimeout.
	SynTimeout Duration

	// TimeWait is the length of the TIME-WAIT state, 2·MSL. Zero means DefaultTimeWait.
	TimeWait Duration

	// TTL of outgoing packets (RFC 9293 §3.9.2, MUST-49). Zero means 64.
	TTL uint8

	// DSCP is the differentiated services field, 0–63 (RFC 9293 §3.9.1.9, MUST-48).
	DSCP uint8

	// ECN asks for and accepts explicit congestion notification (RFC 3168).
	ECN bool

	// ClockGranularity is the resolution of the clock behind Instant (G in RFC
	// 6298). Zero means one microsecond.
	ClockGranularity Duration

	// Seed feeds the connection's own deterministic randomness (BBR's probing
	// times); it is mixed with the tuple.
	Seed uint64
}

// KeepAliveConfig controls keep-alive probes (RFC 9293 §3.8.4).
type KeepAliveConfig struct {
	Enabled  bool
	Idle     Duration // silence before the first probe; zero means 2 h (MUST-28)
	Interval Duration // between probes; zero means 75 s
	Count    int      // unanswered probes that end the connection; zero means 9 (MUST-29)
}

// ParseCongestionControl reports whether name names a congestion control.
func ParseCongestionControl(name string) bool {
	switch name {
	case "", "cubic", "newreno", "bbr":
		return true
	}
	return false
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func (cfg *Config) rcvBufMax() int { return orDefault(cfg.RcvBufMax, DefaultRcvBufMax) }
func (cfg *Config) rcvBufInit() int {
	return min(orDefault(cfg.RcvBufInit, DefaultRcvBufInit), cfg.rcvBufMax())
}
func (cfg *Config) sndBufMax() int { return orDefault(cfg.SndBufMax, DefaultSndBufMax) }
func (cfg *Config) sndBufInit() int {
	return min(orDefault(cfg.SndBufInit, DefaultSndBufInit), cfg.sndBufMax())
}
func (cfg *Config) timeWait() Duration { return orDefault(cfg.TimeWait, DefaultTimeWait) }

func (cfg *Config) memory() Memory {
	if cfg.Memory == nil {
		return HeapMemory{}
	}
	return cfg.Memory
}
