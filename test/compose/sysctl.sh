#!/bin/sh
# wg-quick sets src_valid_mark, which in a container is read-only; compose.yaml has set it already.
[ "$*" = "-q net.ipv4.conf.all.src_valid_mark=1" ] &&
	[ "$(cat /proc/sys/net/ipv4/conf/all/src_valid_mark)" = 1 ] && exit 0
exec /usr/sbin/sysctl "$@"
