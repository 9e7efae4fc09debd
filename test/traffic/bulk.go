package traffic

import (
	"fmt"
	"strings"

	"vpngw/test/origin"
)

// bulkChecks move much at once and many at once.
func bulkChecks(s Site, l Load) []check {
	url := fmt.Sprintf("http://%s:%d", s.Upstream, origin.PortHTTP)
	const seed = 11
	return []check{
		{
			"download has the same SHA-256",
			fmt.Sprintf("curl -sS --fail '%s/data?size=%d&seed=%d' | sha256sum", url, l.Bulk, seed),
			prints(contentSum(seed, l.Bulk)),
		},
		{
			"upload has the same SHA-256",
			// The server answers "BYTES SHA256"; both sums are printed and must be equal.
			fmt.Sprintf(`set -e
f=$(mktemp); trap 'rm -f "$f"' EXIT
head -c %d /dev/urandom >"$f"
sent=$(sha256sum <"$f"); sent="%d ${sent%%%% *}"
got=$(curl -sS --fail -T "$f" %s/sum)
[ "$sent" = "$got" ] && echo equal || echo "sent $sent, got $got"`, l.Bulk, l.Bulk, url),
			prints("equal"),
		},
		{
			fmt.Sprintf("%d small requests in parallel", l.Small),
			fmt.Sprintf(`curl -sS --fail --parallel --parallel-immediate --parallel-max %d '%s/small/[1-%d]' | sort -u | grep -c '^small [0-9]*$'`,
				l.Small, url, l.Small),
			prints(fmt.Sprint(l.Small)),
		},
		{
			"UDP echo",
			// Three tries, as any client of UDP makes.
			fmt.Sprintf(`for i in 1 2 3; do printf 'hello over UDP' | nc -n -u -w 2 -W 1 %s %d | grep . && exit 0; done; exit 1`,
				s.Upstream, origin.PortEcho),
			prints("hello over UDP"),
		},
		{
			"ping of the gateway",
			fmt.Sprintf(`for i in 1 2 3 4 5 6 7 8 9 10; do ping -n -c 1 -W 1 %s && exit 0; done; exit 1`, s.Gateway),
			func(out string, err error) error {
				if err == nil && !strings.Contains(out, "64 bytes from "+s.Gateway) {
					return fmt.Errorf("no reply from %s", s.Gateway)
				}
				return err
			},
		},
	}
}
