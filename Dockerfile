# The vpngw gateway in an image that holds one static binary and nothing else.
#
#   docker build -t vpngw .
#   docker run -d --name vpngw --read-only --cap-drop ALL --security-opt no-new-privileges \
#     -p 51820:51820/udp -v vpngw:/var/lib/vpngw -e VPNGW_ENDPOINT=vpn.example.com:51820 vpngw
#   docker logs vpngw                      # the first client's configuration and QR code
#   docker exec vpngw /vpngw peer add phone --qr
#
# BUILD_IMAGE is any Debian-like image with Go and CA certificates. Where no registry can be
# reached, test/image.sh makes one.
ARG BUILD_IMAGE=golang:1.26-bookworm
# What the image says of itself, for example --build-arg REVISION=$(git rev-parse HEAD).
ARG VERSION=devel
ARG REVISION=unknown

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION
ARG REVISION
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
        -ldflags="-s -w -X main.version=${VERSION} -X main.revision=${REVISION}" \
        -o /out/vpngw ./cmd/vpngw \
    && mkdir /out/state

FROM scratch
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="vpngw" \
      org.opencontainers.image.description="Rootless WireGuard gateway with a TCP/IP stack of its own" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# For names and certificates of upstreams that the gateway itself connects to.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/vpngw /vpngw
# A new volume takes its owner from here.
COPY --from=build --chown=65532:65532 /out/state /var/lib/vpngw
USER 65532:65532
ENV VPNGW_STATE=/var/lib/vpngw
WORKDIR /var/lib/vpngw
VOLUME /var/lib/vpngw
EXPOSE 51820/udp
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/vpngw", "health"]
ENTRYPOINT ["/vpngw"]
CMD ["up"]
