#!/usr/bin/env bash
# Makes the base images of the container tests from Debian packages and the Go toolchain of this
# machine, for places that reach no image registry. Needs root, docker, debootstrap and go.
#
#   eval "$(test/image.sh)"     # sets and exports VPNGW_BUILD_IMAGE and VPNGW_DEBIAN_IMAGE
#
# The tags carry a hash of what went in, so that an image is made once and again when that changes:
#   vpngw-test/debian:HASH   Debian with the programs of client and upstream
#   vpngw-test/go:HASH       the same with Go and the modules of go.mod; it builds without a network
#
# Progress goes to stderr, the two assignments to stdout.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$(tr '\n' ',' <test/compose/packages.txt)ca-certificates
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")

# The mirror that apt on this machine uses for the suite itself.
mirror=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *\([^ ]*\/debian\)\/\{0,1\}$/\1/p' | head -n 1)
[ -n "$mirror" ] || mirror=$(sed -n "s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) $suite main.*/\2/p" /etc/apt/sources.list 2>/dev/null | head -n 1)
[ -n "$mirror" ] || mirror=http://deb.debian.org/debian

hash() { sha256sum | cut -c 1-12; }
debian=vpngw-test/debian:$(printf '%s %s' "$suite" "$packages" | hash)
golang=vpngw-test/go:$( (echo "$debian"; go version; cat go.mod go.sum test/image.sh) | hash)
have() { docker image inspect "$1" >/dev/null 2>&1; }

if ! have "$debian" || ! have "$golang"; then
	work=$(mktemp -d)
	trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
fi

if ! have "$debian"; then
	echo "image.sh: making $debian from $mirror" >&2
	debootstrap --variant=minbase --include="$packages" "$suite" "$work/root" "$mirror" >"$work/log" 2>&1 ||
		{ tail -n 20 "$work/log" >&2; exit 1; }
	rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
	tar -C "$work/root" --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -c . |
		docker import --change 'CMD ["/bin/bash"]' - "$debian" >/dev/null
fi

if ! have "$golang"; then
	echo "image.sh: making $golang" >&2
	# Only the modules that go.mod names, taken from this machine's cache where it has them.
	cp go.mod go.sum "$work"
	mkdir -p "$work/go/go/pkg/mod"
	(cd "$work" && GOMODCACHE=$work/go/go/pkg/mod \
		GOPROXY="file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)" go mod download) >&2
	mkdir -p "$work/go/usr/local"
	cp -a "$(go env GOROOT)" "$work/go/usr/local/go"
	# A layer on top of the Debian image: docker import takes whole trees only, docker build takes
	# a context.
	cat >"$work/go/Dockerfile" <<-EOF
		FROM $debian
		# Inherited by every build stage, so that what they leave can be found and removed.
		LABEL vpngw-test=build
		COPY usr/local/go /usr/local/go
		COPY go /go
		ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		    GOPATH=/go GOPROXY=off GOSUMDB=off GOTOOLCHAIN=local
	EOF
	DOCKER_BUILDKIT=0 docker build -q -t "$golang" "$work/go" >/dev/null
fi

echo "export VPNGW_BUILD_IMAGE=$golang VPNGW_DEBIAN_IMAGE=$debian"
