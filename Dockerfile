# Datasette over a census.db that is part of the image: replicas need nothing of each other. `make image` builds it.
FROM python:3.11.14-slim-bookworm AS build
ARG DIGEST=""
COPY . /source
RUN ["sh", "-c", "sh /source/deploy/image.sh /source /opt/census \"$DIGEST\""]

FROM python:3.11.14-slim-bookworm
ARG DIGEST=""
ARG EDITION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="UK census and deprivation by postcode" \
      org.opencontainers.image.description="The index of multiple deprivation, green space and small areas for any UK postcode" \
      org.opencontainers.image.licenses="MIT AND OGL-UK-3.0 AND CC-BY-4.0" \
      org.opencontainers.image.version="${EDITION}" \
      org.opencontainers.image.revision="${DIGEST}"
COPY --from=build /opt/census /opt/census
# No allocation arenas beyond two, no bytecode: the root is read-only, and SQLite sorts in /tmp alone.
ENV MALLOC_ARENA_MAX=2 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SQLITE_TMPDIR=/tmp \
    GIT_REVISION="${REVISION}" \
    PORT=8001
USER 10001:10001
WORKDIR /opt/census/app
EXPOSE 8001
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 \
    CMD ["/opt/census/venv/bin/python", "/opt/census/app/deploy/ready.py"]
CMD ["/opt/census/venv/bin/datasette", "/opt/census/app", "--host", "0.0.0.0", "--port", "8001"]
