"""Trackers that talk by UDP: each datagram is a conversation of its own.

Nothing makes a sender of datagrams wait. While the intake is full they are dropped and counted: such trackers repeat what was
not acknowledged.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from protocols import Codec, Session
from telematics.ingest.connection import Speaker
from telematics.ingest.crowd import plain, printable
from telematics.ingest.metrics import Counts

if TYPE_CHECKING:
    from telematics.ingest.batch import Intake

NO_ROOM, CLOSING, NOT_SENT = "pipeline is full", "server stops", "answer could not be sent"


class Datagrams(asyncio.DatagramProtocol):
    """One protocol's UDP port."""

    transport: asyncio.DatagramTransport

    def __init__(self, codec: Codec, intake: Intake, counts: Counts) -> None:
        assert codec.datagram is not None, f"{codec.name} has the transport udp but no session for datagrams"
        self._codec = codec
        self._session = codec.datagram
        self._intake = intake
        self._counts = counts
        self.clogged = False  # the network takes no more at the moment
        self.deaf = False  # set when the server stops: nothing new, but acknowledgements still leave

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)  # uvloop's don't inherit from it

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        self._counts.datagrams += 1
        if self._intake.full or self.deaf:
            self._counts.refuse("datagram", CLOSING if self.deaf else NO_ROOM)
        else:
            Sender(self._codec, self._session(), self._intake, self._counts, self, address).hear(data)

    def send(self, data: bytes, address: tuple[Any, ...]) -> None:
        """Never waits: what can't leave now is dropped, and the tracker will ask again."""
        if self.clogged or self.transport.is_closing():
            self._counts.refuse("datagram", NOT_SENT)
        else:
            self._counts.bytes_out += len(data)
            self.transport.sendto(data, address)

    def error_received(self, exc: Exception) -> None:
        """The network says that an answer didn't arrive; the tracker will ask again."""
        self._counts.refuse("datagram", NOT_SENT)

    def pause_writing(self) -> None:
        self.clogged = True

    def resume_writing(self) -> None:
        self.clogged = False


class Sender(Speaker):
    """Whoever sent one datagram."""

    __slots__ = ("_answer_to", "_port")

    lasting = False

    def __init__(
        self, codec: Codec, session: Session, intake: Intake, counts: Counts, port: Datagrams, address: tuple[Any, ...]
    ) -> None:
        super().__init__(codec, session, intake, counts)
        self._port = port
        self._answer_to = address
        self.address = printable(plain(address[0]), address[1])

    def acknowledge(self, ack: bytes, last: bool) -> None:
        if ack:
            self.say(ack)

    @property
    def listens(self) -> bool:
        return not self._port.clogged

    def write(self, data: bytes) -> None:
        self._port.send(data, self._answer_to)

    def finish(self) -> None:
        """There is nothing to hang up: a datagram ends by itself."""

    def hang_up(self) -> None:
        """There is nothing to hang up."""
