# SPDX-License-Identifier: Apache-2.0
# Lethe in a small image: lethed, lethectl and lethe-bench on Debian 12, run by a user without rights.
#
#   docker build -t lethe .
#   docker run -p 127.0.0.1:5001:5001 -v lethe:/var/lib/lethe \
#       -e LETHE_HTTP_LISTEN=0.0.0.0:5001 -e LETHE_AUTH_ALLOW_INSECURE=true lethe
#
# Without those two variables the daemon keeps to the container's own loopback: opening up without
# tokens (LETHE_AUTH_TOKENS_FILE) is for whoever runs it to say. BASE is any Debian 12; where there is no
# registry, scripts/base-image makes one. conf/compose has three nodes.
ARG BASE=debian:12-slim

FROM ${BASE} AS build
WORKDIR /src
# On its own, so that a change of the source does not install all this again.
COPY scripts/install-deps scripts/install-deps
RUN scripts/install-deps build
COPY . .
ARG JOBS=2
RUN make -j "$JOBS" install-programs DESTDIR=/out PREFIX=/usr && strip /out/usr/bin/* && rm -rf build

FROM ${BASE}
# The libraries that the three programs are linked with; the linker's own view is `ldd`.
RUN apt-get -q update \
    && DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends \
        libcurl4 libevent-core-2.1-7 libevent-extra-2.1-7 libevent-openssl-2.1-7 \
        libevent-pthreads-2.1-7 libgnutls30 libjansson4 libmicrohttpd12 librocksdb7.8 libssl3 \
        libxxhash0 libyaml-0-2 zlib1g \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/*.log \
    && groupadd --system --gid 10001 lethe \
    && useradd --system --uid 10001 --gid lethe --home-dir /var/lib/lethe --shell /usr/sbin/nologin \
        lethe \
    && install -d -o lethe -g lethe -m 750 /var/lib/lethe
COPY --from=build /out/ /
COPY LICENSE /usr/share/doc/lethe/copyright
# A program that misses a library fails here and not at its first start.
RUN ["lethed", "--version"]
RUN ["lethectl", "--version"]
RUN ["lethe-bench", "--help"]

ENV LETHE_NODE_DATA_DIR=/var/lib/lethe
WORKDIR /var/lib/lethe
VOLUME /var/lib/lethe
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
# Clients, peers.
EXPOSE 5001 11110
STOPSIGNAL SIGTERM
# The process turns; lag or a lost quorum are no reason to restart it. A daemon that listens on another
# port is found by LETHE_SERVER.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
    CMD ["lethectl", "health", "--timeout", "3s"]
ENTRYPOINT ["lethed"]

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lethe" \
      org.opencontainers.image.description="Replicated message store with range deletes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
