package admin

import "time"

const (
	// connsMax bounds the connections of each listener. Clients are one person's commands and a
	// few probes; what comes above waits in the listen queue.
	connsMax = 64

	// headerMax bounds a request's header in bytes; ours are some two hundred.
	headerMax = 8 << 10

	// readTimeout bounds reading a request. All of ours fit one packet.
	readTimeout = 5 * time.Second

	// writeTimeout bounds a request as a whole, and with it a reload: reading a directory of ten
	// thousand peers takes about a second.
	writeTimeout = time.Minute

	// idleTimeout ends a kept-alive connection that a probe left behind.
	idleTimeout = 2 * time.Minute

	// responseMax bounds what a client reads: a status of 65,536 peers is some 30 MB.
	responseMax = 64 << 20

	// socketPathMax is the longest path of a unix socket in bytes on every system we build for
	// (sun_path is 108 bytes with its end on Linux, 104 on macOS).
	socketPathMax = 103
)
