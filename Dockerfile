# The server, for use with a database of its own; compose.yaml starts both.
FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
RUN useradd --create-home --uid 10001 telematics && install -d -o telematics /var/lib/telematics
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl && rm -rf /wheels
USER 10001
ENV TELEMATICS_DATA_DIR=/var/lib/telematics TELEMATICS_LOG_JSON=true
VOLUME /var/lib/telematics
# Pages and API, then the trackers' ports: gt06, teltonika, wialon, osmand
EXPOSE 8082 5023 5027/tcp 5027/udp 5039/tcp 5039/udp 5055
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8082/api/health', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["telematics", "serve"]
