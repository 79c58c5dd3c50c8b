"""What a connection goes through before it is a `Tracker`'s, when its listener has the PROXY protocol or TLS.

The header comes first, in the clear, then TLS, whose handshake needs all bytes behind the header: so the header is read through
buffers exactly as large as what is still missing of it, and nothing has to be put back.
Limits and timeouts hold from the first moment: the tracker is counted before a header or a handshake costs anything.
"""

from __future__ import annotations

import asyncio
import ssl

from telematics.ingest.connection import Tracker, peer
from telematics.ingest.proxy import BadHeader, HeaderReader

HANDSHAKE_S = 15.0  # a GSM modem needs some 5 s for it

BAD_HEADER, BAD_HANDSHAKE = "bad PROXY header", "TLS handshake failed"


class Entrance(asyncio.BufferedProtocol):
    """One connection that is not let in yet."""

    __slots__ = ("_buffer", "_context", "_reader", "_tasks", "_tracker")

    def __init__(self, tracker: Tracker, proxied: bool, context: ssl.SSLContext | None, tasks: set[asyncio.Task[None]]) -> None:
        self._tracker = tracker
        self._reader = HeaderReader() if proxied else None
        self._context = context
        self._tasks = tasks  # where a handshake under way is kept from the garbage collector
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._tracker.arrive(transport) and self._reader is None and self._tracker.come_from(peer(transport)):
            self._go_on()

    def get_buffer(self, sizehint: int) -> bytearray:
        self._buffer = bytearray(self._reader.wanted if self._reader else 1)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._reader is None or self._tracker.gone:
            return
        try:
            header = self._reader.feed(bytes(self._buffer[:nbytes]))
        except BadHeader:
            self._tracker.counts.refuse("connection", BAD_HEADER)
            self._tracker.hang_up()
            return
        if header is not None and self._tracker.come_from(header.source or peer(self._tracker.transport)):
            self._go_on()

    def _go_on(self) -> None:
        """The next byte is the tracker's, or its handshake's."""
        transport = self._tracker.transport
        transport.pause_reading()
        if self._context is None:
            transport.set_protocol(self._tracker)
            transport.resume_reading()
            self._tracker.begin(transport)
        else:
            task = asyncio.get_running_loop().create_task(self._encrypt(transport, self._context))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _encrypt(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        early = Early()
        loop = asyncio.get_running_loop()
        try:
            encrypted = await loop.start_tls(transport, early, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_S)
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError
            encrypted = None
        if encrypted is None or early.lost:
            self._tracker.counts.refuse("connection", BAD_HANDSHAKE)
            transport.abort()
            self._tracker.connection_lost(None)
            return
        encrypted.set_protocol(self._tracker)
        self._tracker.begin(encrypted)
        early.pass_on(self._tracker)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._tracker.connection_lost(exc)


class Early(asyncio.Protocol):
    """Keeps what comes between the end of a handshake and our hearing of it: at most what one turn of the loop reads."""

    def __init__(self) -> None:
        self._data: list[bytes] = []
        self._ended = False
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self._data.append(data)

    def eof_received(self) -> None:
        self._ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def pass_on(self, tracker: Tracker) -> None:
        if self._data:
            tracker.data_received(b"".join(self._data))
        if self._ended:
            tracker.eof_received()
