# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
WORKDIR /src
# The C sources among the dependencies (librdkafka, SQLite, zstd, aws-lc) need the compiler and make
# of this image and nothing more.
COPY . .
# The caches outlive the layer: after a change of our own code only that is compiled again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --workspace --bins \
 && install -D target/dist/turnpike /out/turnpike

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/turnpike --create-home --shell /usr/sbin/nologin turnpike
COPY --from=build /out/turnpike /usr/local/bin/turnpike
USER turnpike
WORKDIR /var/lib/turnpike
ENV TURNPIKE__DATA__DIR=/var/lib/turnpike \
    TURNPIKE__WEB__LISTEN=0.0.0.0:8080 \
    TURNPIKE__WEB__ADMIN_LISTEN=127.0.0.1:9090
VOLUME /var/lib/turnpike
EXPOSE 8080
# SIGTERM drains within 30 s; give `docker stop` a little more.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["turnpike", "health"]
ENTRYPOINT ["turnpike"]
CMD ["serve"]
