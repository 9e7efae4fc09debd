package traffic

import (
	"fmt"

	"vpngw/test/origin"
)

// atOnce bounds, in seconds, what must not take time: far below the first answer that a dropped SYN
// would get, and far above a round trip on a bad path with its SYN lost once or twice.
const atOnce = 8

// errorChecks look for the errors that a direct connection would show.
func errorChecks(s Site) []check {
	// bash connects with a blocking call. Programs that wait for their socket and then ask for its
	// error, as nc does, are told "no error" about once in 200 times by Linux 6.18, with any gateway.
	connect := func(addr string, port int) string {
		return fmt.Sprintf("timeout %d bash -c ': </dev/tcp/%s/%d'", atOnce, addr, port)
	}
	checks := []check{
		{"closed port refuses at once", connect(s.Upstream, 9), fails("connection refused")},
		{"no way there is reported", connect(s.NoRoute, 80), fails("no route to host", "network is unreachable")},
		{
			"reset in mid-stream is a reset",
			// A RST is sent once; on a lossy path it may be lost, as on a direct connection. What
			// never may come is a FIN, of which curl says that data was outstanding.
			fmt.Sprintf(`for i in 1 2 3; do
  timeout 5 curl -sS http://%s:%d/reset; s=$?
  [ $s = 124 ] || exit $s
done
exit 124`, s.Upstream, origin.PortHTTP),
			fails("connection reset by peer"),
		},
	}
	for _, addr := range s.Forbidden {
		checks = append(checks, check{
			"forbidden " + addr, connect(addr, 80),
			// ICMP administratively prohibited reaches the application as EHOSTUNREACH.
			fails("no route to host", "connection refused", "permission denied"),
		})
	}
	return checks
}
