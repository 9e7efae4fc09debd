# A stock WireGuard client: Debian's wireguard-go and wg-quick, and the programs that the checks use.
ARG DEBIAN_IMAGE=debian:bookworm-slim
FROM ${DEBIAN_IMAGE}
COPY test/compose/packages.txt /tmp/packages.txt
RUN dpkg-query --show $(cat /tmp/packages.txt) >/dev/null 2>&1 \
    || (apt-get update && apt-get install -y --no-install-recommends $(cat /tmp/packages.txt))
COPY test/compose/sysctl.sh /usr/local/sbin/sysctl
ENV WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go
CMD ["sleep", "infinity"]
