#!/bin/sh
# Runs the three servers of the upstream container, the one of test/origin in the foreground.
set -eu
addr=$(hostname -i)
mkdir -p /run/sshd
dnsmasq --conf-file=/etc/upstream-dnsmasq.conf --listen-address="$addr" &
/usr/sbin/sshd -D -e -o "ListenAddress=$addr" -o UsePAM=no -o StrictModes=no \
	-o AuthorizedKeysFile=/etc/upstream.keys -o PermitRootLogin=prohibit-password &
exec origin -addr "$addr" -name upstream
