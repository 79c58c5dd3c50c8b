"""All ports of the server, opened and closed together."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from protocols import CODECS, Codec
from telematics.config import ListenerSettings, Settings
from telematics.ingest.connection import Tracker
from telematics.ingest.crowd import Crowd
from telematics.ingest.datagram import Datagrams
from telematics.ingest.entrance import Entrance
from telematics.ingest.errors import UnknownListener
from telematics.ingest.metrics import IngestMetrics
from telematics.ingest.sockets import BACKLOG, allow_files, open_ports, tls_context

if TYPE_CHECKING:
    from telematics.ingest.batch import Intake

log = structlog.get_logger()

OWN_FILES = 256  # what the rest of the server keeps open: database, pages, logs
GRACE_S = 5.0


class Listeners:
    """`start` opens every enabled protocol's port; `quiet` takes nothing new but still acknowledges; `stop` hangs up."""

    def __init__(self, settings: Settings, intake: Intake, metrics: IngestMetrics, codecs: Sequence[Codec] = CODECS) -> None:
        self._settings = settings
        self._intake = intake
        self._metrics = metrics
        self._codecs = codecs
        self._crowd = Crowd(settings.limits, time.monotonic)
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[Datagrams] = []
        self._entrances: list[asyncio.Task[None]] = []
        self._sweeping: asyncio.Task[None] | None = None
        self.ports: dict[str, int] = {}  # by protocol; the real ones, also where the settings say 0
        metrics.paused_s = self._crowd.paused_s
        intake.subscribe(self._crowd.pause, self._crowd.resume)

    @property
    def connections(self) -> int:
        """Open TCP connections now."""
        return len(self._crowd)

    async def start(self) -> None:
        """Raises IngestError, with no port left open."""
        doors = [
            (codec, settings, tls_context(codec.name, settings)) for codec, settings in enabled(self._settings, self._codecs)
        ]
        self._crowd.most = self._affordable()
        try:
            for codec, settings, context in doors:
                await self._open(codec, settings, context)
        except BaseException:
            await self.stop(grace_s=0)
            raise
        self._sweeping = asyncio.get_running_loop().create_task(self._crowd.sweep_forever())

    async def quiet(self) -> None:
        """No new connections and no more bytes from the old ones; what is committed is still acknowledged."""
        for server in self._servers:
            server.close()
        await cancel(self._entrances)
        for datagrams in self._datagrams:
            datagrams.deaf = True
        self._crowd.deafen()

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Close the ports, then the connections; what was written to them leaves within grace_s, or not at all."""
        await self.quiet()
        await self._crowd.disband(grace_s)
        for datagrams in self._datagrams:
            datagrams.transport.close()
        await cancel([self._sweeping] if self._sweeping else [])
        self._servers, self._entrances, self._datagrams, self.ports = [], [], [], {}

    def drop(self, device_id: int) -> int:
        """Hang up on a device that was removed or disabled. How many connections it had."""
        return self._crowd.drop(device_id)

    def _affordable(self) -> int:
        """Connections in all: what the settings say, if the system lets us open as many files."""
        wanted = self._settings.limits.connections
        affordable = max(1, allow_files(wanted + OWN_FILES) - OWN_FILES)
        if affordable < wanted:
            log.warning(
                "fewer connections than limits.connections: raise the limit of open files (ulimit -n, LimitNOFILE=)",
                wanted=wanted,
                possible=affordable,
            )
        return min(wanted, affordable)

    async def _open(self, codec: Codec, settings: ListenerSettings, context: ssl.SSLContext | None) -> None:
        """TLS is for TCP: a protocol that has it set is not offered in the clear by UDP beside it."""
        wanted = codec.port if settings.port is None else settings.port
        udp = "udp" in codec.transports and context is None
        ports = open_ports(codec.name, settings.host, wanted, tcp="tcp" in codec.transports, udp=udp)
        self.ports[codec.name] = ports.number
        counts = self._metrics.counts(codec.name)
        loop = asyncio.get_running_loop()

        def tracker() -> Tracker:
            return Tracker(codec, self._intake, counts, self._crowd)

        for bound in ports.tcp:
            if settings.proxy_protocol or context:
                entrance = Entrance(tracker, settings.proxy_protocol, context, self._settings.limits.login_s)
                self._entrances.append(loop.create_task(entrance.open(bound)))
            else:
                self._servers.append(await loop.create_server(tracker, sock=bound, backlog=BACKLOG))
        for bound in ports.udp:
            _, datagrams = await loop.create_datagram_endpoint(lambda: Datagrams(codec, self._intake, counts), sock=bound)
            self._datagrams.append(datagrams)
        log.info(
            "listening", protocol=codec.name, port=ports.number, udp=udp, tls=context is not None, proxy=settings.proxy_protocol
        )


def enabled(settings: Settings, codecs: Sequence[Codec] = CODECS) -> list[tuple[Codec, ListenerSettings]]:
    """The protocols whose ports are to be opened, and how. Raises UnknownListener for a name that is none's."""
    with_ports = [codec for codec in codecs if codec.transports]  # others come by way of a broker
    known = tuple(codec.name for codec in with_ports)
    only = known if settings.protocols is None else settings.protocols
    for name in (*settings.listeners, *only):
        if name not in known:
            raise UnknownListener(name, known)
    wanted = [(codec, settings.listeners.get(codec.name, ListenerSettings())) for codec in with_ports if codec.name in only]
    return [(codec, listener) for codec, listener in wanted if listener.enabled]


async def cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel them and wait until they have tidied up."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
