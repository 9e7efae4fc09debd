# What the client wants to reach: the server of test/origin, an SSH server and a DNS server.
ARG BUILD_IMAGE=golang:1.26-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY test/origin test/origin
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -o /out/origin ./test/origin/cmd/origin

FROM ${DEBIAN_IMAGE}
COPY test/compose/packages.txt /tmp/packages.txt
RUN dpkg-query --show $(cat /tmp/packages.txt) >/dev/null 2>&1 \
    || (apt-get update && apt-get install -y --no-install-recommends $(cat /tmp/packages.txt))
COPY --from=build /out/origin /usr/local/bin/origin
COPY test/traffic/dnsmasq.conf /etc/upstream-dnsmasq.conf
COPY test/compose/upstream.sh /usr/local/bin/upstream
CMD ["upstream"]
