package traffic

import (
	"fmt"

	"vpngw/test/origin"
)

// sessionChecks open encrypted sessions with ordinary clients.
func sessionChecks(s Site, l Load) []check {
	ssh := fmt.Sprintf("ssh -F none -i %s -o BatchMode=yes -o StrictHostKeyChecking=no "+
		"-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR %s@%s", s.SSHKey, s.SSHUser, s.Upstream)
	const seed = 12
	web := fmt.Sprintf("%s:%d", s.Upstream, origin.PortHTTP)
	secure := fmt.Sprintf("%s:%d", s.Upstream, origin.PortTLS)
	return []check{
		{
			"TLS session with a verified certificate",
			fmt.Sprintf(`set -e
f=$(mktemp); trap 'rm -f "$f"' EXIT
curl -sS --fail http://%s/cert.pem >"$f"
curl -sS --fail --cacert "$f" 'https://%s/data?size=%d&seed=%d' | sha256sum`, web, secure, l.Session, seed),
			prints(contentSum(seed, l.Session)),
		},
		{
			"SSH session",
			ssh + ` 'echo in; echo "$SSH_CONNECTION" >&2; sleep 1; echo out'`,
			prints("in\nout"),
		},
		{
			"SSH session carries data both ways",
			fmt.Sprintf(`set -e
f=$(mktemp); trap 'rm -f "$f"' EXIT
head -c %d /dev/urandom >"$f"
sent=$(sha256sum <"$f")
got=$(%s cat <"$f" | sha256sum)
[ "$sent" = "$got" ] && echo equal || echo "sent $sent, got $got"`, l.Session, ssh),
			prints("equal"),
		},
	}
}
