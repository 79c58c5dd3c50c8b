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
# Pages and API, then the trackers' ports (docs/protocols.md)
EXPOSE 8082 \
    5001/tcp 5001/udp 5002/tcp 5002/udp 5004/tcp 5004/udp 5005/tcp 5005/udp 5006/tcp 5007/tcp 5011/tcp 5011/udp 5013/tcp \
    5013/udp 5015/tcp 5019/tcp 5020/tcp 5020/udp 5023/tcp 5026/tcp 5027/tcp 5027/udp 5033/tcp 5033/udp 5034/tcp 5039/tcp \
    5039/udp 5046/tcp 5046/udp 5055/tcp 5064/tcp 5064/udp 5080/tcp 5082/udp 5086/tcp 5086/udp 5093/tcp 5094/tcp 5100/tcp \
    5144/tcp 5149/tcp 5159/tcp 5162/tcp 5233/tcp
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8082/api/health', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["telematics", "serve"]
