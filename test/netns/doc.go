// Package netns tests the built command against stock programs, each host a network namespace:
//
//	client ──── gateway ──── upstream        kernel TCP and Debian's wireguard-go and wg-quick on the
//	   └── path ───┘                         client; vpngw up as an unprivileged user on the gateway;
//	                                         real servers upstream; on path the relay of package relay
//
// It has tests only. They need root and the Debian packages wireguard-go, wireguard-tools, iproute2,
// nftables, procps, curl, netcat-openbsd, bind9-dnsutils, iputils-ping,
// iputils-tracepath, traceroute, dnsmasq-base, openssh-server, natpmpc,
// python3-libtorrent and iperf3:
//
//	VPNGW_TEST_NETNS=1 go test -v ./test/netns
//
// Without the variable they are reported as not run. Time: a few minutes; every wait has a bound.
//
// The client's configuration is the very text that vpngw prints, given to wg-quick. Where a test
// puts the relay on the path, it changes the Endpoint line and nothing else.
package netns
