"""A tracker protocol of plain lines, and an intake that remembers: what the listeners are tried with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from protocols import ANSWER, BadFrame, Codec, Columns, Decoded, Frame, Received
from telematics.config import Settings
from telematics.devices import Device
from telematics.ingest.listeners import Listeners
from telematics.ingest.metrics import IngestMetrics
from telematics.ingest.reach import Reach
from telematics.ingest.taps import Taps

LONGEST = 1 << 20


class Lines:
    """`I am NAME` logs in · `at …` is a report · `beat` is answered · `bad …` can't be read · `bye` ends in turn · `quit` now."""

    def __init__(self) -> None:
        self.buffer = b""

    def receive(self, data: bytes) -> Received:
        self.buffer += data
        received = Received()
        while b"\n" in self.buffer:
            line, self.buffer = self.buffer.split(b"\n", 1)
            word = line.partition(b" ")[0]
            if word == b"I":
                received.login = line.removeprefix(b"I am ").decode()
                return received
            if word == b"beat":
                received.reply += b"beat\n"
            elif word == b"at":
                received.frames.append(Frame("report", line, b"kept " + line + b"\n"))
            elif word == b"bye":
                received.frames.append(Frame(ANSWER, b"", b"bye\n", last=True))
            elif word == b"bad":
                received.rejects.append(BadFrame("bad line", line))
            elif word == b"flood":
                received.reply += b"x" * int(line.split()[1])
            elif word == b"quit":
                received.reply += b"quit\n"
                received.close = True
                return received
            else:
                raise RuntimeError("a bug in the session")
        return received

    def admit(self, known: bool) -> Received:
        behind = self.receive(b"")
        behind.reply = (b"hello\n" if known else b"who?\n") + behind.reply
        return behind


class Quick:
    """A session that costs nothing, to measure what is around it."""

    def receive(self, data: bytes) -> Received:
        return Received(frames=[Frame("report", data)])

    def admit(self, known: bool) -> Received:
        return Received()


def lines_codec(name: str = "lines", transports: tuple[Any, ...] = ("tcp", "udp"), session: Callable[[], Any] = Lines) -> Codec:
    return Codec(
        name=name,
        port=0,
        transports=transports,
        largest_frame_bytes=LONGEST,
        session=session,
        datagram=session,
        decode=lambda frames: Decoded(Columns.empty()),
        makers="",
        source="",
    )


class Intake:
    """The shape of `batch.Intake`; keeps everything, and acknowledges when told to."""

    def __init__(self, *names: str) -> None:
        self.devices = {name: Device(place, 1, name, name) for place, name in enumerate(names, start=1)}
        self.entries: list[tuple[Any, Device | None, list[Frame]]] = []
        self.rejects: list[tuple[Any, BadFrame]] = []
        self.strangers: list[tuple[str, str, str]] = []
        self.heard_of: list[int] = []
        self.acknowledged = 0
        self.full = False
        self.reach = Reach()
        self.taps = Taps()
        self.acknowledges = False  # at once, as if every commit took no time

    def subscribe(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause, self._resume = pause, resume

    def fill(self) -> None:
        self.full = True
        self._pause()

    def empty(self) -> None:
        self.full = False
        self._resume()

    def lookup(self, protocol: str, unique_id: str, address: str) -> Device | None:
        device = self.devices.get(unique_id)
        if device is None:
            self.strangers.append((protocol, unique_id, address))
        return device

    def heard(self, device: Device) -> None:
        self.heard_of.append(device.id)

    def add(self, source: Any, frames: list[Frame]) -> None:
        self.entries.append((source, source.device, frames))
        if self.acknowledges:
            asyncio.get_running_loop().call_soon(self.commit)

    def reject(self, source: Any, rejects: list[BadFrame]) -> None:
        self.rejects += [(source, bad) for bad in rejects]

    def commit(self) -> None:
        """Acknowledge what has not been yet, as the worker does: once per source, with joined bytes."""
        waiting: dict[Any, tuple[bytes, bool]] = {}
        for source, _, frames in self.entries[self.acknowledged :]:
            ack, last = waiting.get(source, (b"", False))
            waiting[source] = (ack + b"".join(frame.ack for frame in frames), last or frames[-1].last)
        self.acknowledged = len(self.entries)
        for source, (ack, last) in waiting.items():
            source.acknowledge(ack, last)

    @property
    def reports(self) -> list[tuple[str | None, bytes]]:
        """Who, and what."""
        return [
            (device.unique_id if device else None, frame.payload)
            for _, device, frames in self.entries
            for frame in frames
            if frame.kind != ANSWER
        ]


class Doors:
    """Open listeners of one protocol, with what they count."""

    def __init__(self, listeners: Listeners, intake: Intake, metrics: IngestMetrics, name: str) -> None:
        self.listeners, self.intake, self.metrics = listeners, intake, metrics
        self.counts = metrics.counts(name)

    @property
    def port(self) -> int:
        return next(iter(self.listeners.ports.values()))

    def refused(self, what: str, reason: str) -> int:
        return self.counts.refused.get((what, reason), 0)


@asynccontextmanager
async def doors(
    *names: str, codec: Codec | None = None, listener: dict[str, Any] | None = None, **limits: Any
) -> AsyncIterator[Doors]:
    """Listeners on 127.0.0.1 that know trackers of those names."""
    codec = codec or lines_codec()
    settings = Settings.model_validate(
        {"listeners": {codec.name: {"host": "127.0.0.1", "port": 0, **(listener or {})}}, "limits": limits}
    )
    intake, metrics = Intake(*names), IngestMetrics()
    listeners = Listeners(settings, intake, metrics, codecs=(codec,))  # type: ignore[arg-type]
    await listeners.start()
    try:
        yield Doors(listeners, intake, metrics, codec.name)
    finally:
        await listeners.stop(grace_s=0.5)


class Caller:
    """A tracker at the other end of a TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, expected: bytes) -> None:
        assert await asyncio.wait_for(self.reader.readexactly(len(expected)), 5) == expected

    async def ask(self, data: bytes, expected: bytes) -> None:
        await self.say(data)
        await self.hear(expected)

    async def hung_up(self) -> bytes:
        """Waits for the end. What was sent before it."""
        try:
            return await asyncio.wait_for(self.reader.read(), 5)
        except ConnectionError:
            return b""


@asynccontextmanager
async def call(port: int, **options: Any) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    try:
        yield Caller(reader, writer)
    finally:
        writer.transport.abort()


async def until(true: Callable[[], object], within_s: float = 5) -> None:
    """Waits for something that happens by itself."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.005)
