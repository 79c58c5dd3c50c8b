"""The door of a listener with PROXY protocol or TLS: what a connection goes through before it is a `Tracker`'s.

The header comes first, in the clear, then the handshake. So connections are accepted here as bare sockets, of which exactly the
header's bytes are read; what follows them stays in the kernel for whoever reads next, and nothing has to be put back. (With
asyncio's own servers the header's read takes the handshake's first bytes along, and TLS can't be told of them.)
Limits hold from the first moment: a connection is counted before a header or a handshake costs anything.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable

import structlog

from telematics.ingest.connection import NO_LOGIN, Tracker
from telematics.ingest.crowd import plain
from telematics.ingest.proxy import BadHeader, Header, HeaderReader

log = structlog.get_logger()

HANDSHAKE_S = 15.0  # over GSM it takes some 5 s
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
EXHAUSTED_S = 1.0  # then we wait for others to leave, while the kernel keeps the new ones

BAD_HEADER, BAD_HANDSHAKE = "bad PROXY header", "TLS handshake failed"


class Entrance:
    """One protocol's door. `tracker` makes the one who is to be let in."""

    def __init__(self, tracker: Callable[[], Tracker], proxied: bool, context: ssl.SSLContext | None, login_s: float) -> None:
        self._tracker = tracker
        self._proxied = proxied
        self._context = context
        self._login_s = login_s
        self._coming: set[asyncio.Task[None]] = set()

    async def open(self, listening: socket.socket) -> None:
        """Let them in until cancelled. Closes the socket then, and those who are still coming."""
        try:
            while True:
                await self._accept(listening)
        finally:
            listening.close()
            for task in self._coming:
                task.cancel()
            await asyncio.gather(*self._coming, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection, address = await loop.sock_accept(listening)
        except OSError as error:
            if error.errno in EXHAUSTED:
                log.warning("cannot accept connections for now", reason=error.strerror)
                await asyncio.sleep(EXHAUSTED_S)
            return
        tracker = self._tracker()
        if not tracker.arrive():
            connection.close()
            return
        task = loop.create_task(self._let_in(tracker, connection, (plain(address[0]), address[1])))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _let_in(self, tracker: Tracker, connection: socket.socket, address: tuple[str, int]) -> None:
        try:
            async with asyncio.timeout(self._login_s):
                if self._proxied:
                    header = await read_header(connection)
                    address = header.source or address
                if tracker.come_from(address):
                    await self._begin(tracker, connection)
        except BadHeader:
            tracker.counts.refuse("connection", BAD_HEADER)
        except TimeoutError:
            tracker.counts.refuse("connection", NO_LOGIN)
        except OSError:  # the connection broke, or ssl.SSLError
            tracker.counts.refuse("connection", BAD_HANDSHAKE if self._context else BAD_HEADER)
        finally:
            if not tracker.entered:
                connection.close()
                tracker.connection_lost(None)

    async def _begin(self, tracker: Tracker, connection: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: tracker, connection, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S if self._context else None
        )


async def read_header(connection: socket.socket) -> Header:
    """Reads it and not a byte more. Raises BadHeader."""
    loop, reader = asyncio.get_running_loop(), HeaderReader()
    while data := await loop.sock_recv(connection, reader.wanted):
        if header := reader.feed(data):
            return header
    raise BadHeader("the connection ended before it")
