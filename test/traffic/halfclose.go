package traffic

import (
	"fmt"

	"vpngw/test/origin"
)

// halfCloseChecks end one direction and go on with the other.
func halfCloseChecks(s Site, l Load) []check {
	const seed = 13
	return []check{
		{
			"half-closed exchange is complete",
			fmt.Sprintf(`printf 'hello' | nc -n -N %s %d`, s.Upstream, origin.PortDrain),
			prints("5 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
		},
		{
			"half-closed client gets a long reply",
			fmt.Sprintf(`printf '%d %d' | nc -n -N %s %d | sha256sum`, l.Session, seed, s.Upstream, origin.PortLong),
			prints(contentSum(seed, l.Session)),
		},
		{
			"server that ends first still gets everything",
			// nc leaves when the server's direction has ended and its own input too.
			fmt.Sprintf(`set -e
f=$(mktemp); trap 'rm -f "$f"' EXIT
head -c 100000 /dev/urandom >"$f"
sum=$(sha256sum <"$f"); sum=${sum%%%% *}
( sleep 1; cat "$f" ) | nc -n -N %s %d
for i in 1 2 3 4 5 6 7 8 9 10; do
  curl -sS --fail http://%s:%d/report | grep -q "early 100000 $sum" && echo complete && exit 0
  sleep 1
done
exit 1`, s.Upstream, origin.PortEarly, s.Upstream, origin.PortHTTP),
			prints("early\ncomplete"),
		},
	}
}
