"""The intake: where the frames of all connections gather until the pipeline takes them.

Its bound is the server's memory: past it sockets are no longer read, and TCP makes the trackers wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import msgspec

from protocols import BadFrame, Codec, Frame
from telematics.config import LimitSettings
from telematics.devices import Device, Devices
from telematics.ingest.reach import Reach
from telematics.ingest.taps import Taps
from telematics.store.records import DeadLetter, UnknownTracker

REJECTS_WAITING = 1_000  # dead letters in memory; past it they are counted and dropped: garbage must not push out real frames
ENOUGH_FRAMES = 4_000  # make a batch at once: waiting for more would only add latency
# Of payloads in a batch: some 12,000 Teltonika records. Four times as much of a text blocks the loop for 0.4 s.
TAKEN_BYTES = 2**20
UNKNOWN_WAITING = 1_000  # unknown trackers in memory between two writes


class Source(Protocol):
    """Where frames came from and their acknowledgement goes: a connection, or the sender of a datagram."""

    codec: Codec
    device: Device | None
    address: str

    def acknowledge(self, ack: bytes, last: bool) -> None:
        """Called after the commit, in the order of `Intake.add`; last: hang up after it."""
        ...


class Entry(NamedTuple):
    """The frames of one read of one socket."""

    source: Source
    device: Device | None  # as it was then: a gateway's connection may speak for many
    frames: list[Frame]
    arrived: float  # Unix time, s


class Reject(NamedTuple):
    source: Source
    device: Device | None
    bad: BadFrame
    arrived: float


class Intake:
    """Frames in, batches out. Called from the event loop only."""

    def __init__(self, limits: LimitSettings, devices: Devices) -> None:
        self._limits = limits
        self._devices = devices
        self._entries: deque[Entry] = deque()
        self._rejects: list[Reject] = []
        self._heard: set[int] = set()
        self._unknown: dict[tuple[str, str], UnknownTracker] = {}
        self._wake = asyncio.Event()
        self._enough = asyncio.Event()
        self.reach = Reach()
        self.taps = Taps()
        self._subscribers: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self.waiting_frames = 0
        self.waiting_bytes = 0
        self.full = False
        self.rejects_dropped = 0
        self.unknown_dropped = 0

    def subscribe(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Be told when the intake is full, and when there is room again."""
        self._subscribers.append((pause, resume))

    def lookup(self, protocol: str, unique_id: str, address: str) -> Device | None:
        """The device that calls itself so. A stranger is noted for the list of unknown trackers."""
        device = self._devices.named(unique_id)
        if device is None:
            self._note_unknown(protocol, unique_id, address)
        else:
            self.heard(device)
        return device

    def add(self, source: Source, frames: list[Frame]) -> None:
        """Frames to be decoded, committed and then acknowledged to their source."""
        self._entries.append(Entry(source, source.device, frames, time.time()))
        self.waiting_frames += len(frames)
        for frame in frames:
            self.waiting_bytes += len(frame.payload)
        self._wake.set()
        if self.waiting_frames >= ENOUGH_FRAMES:
            self._enough.set()
        if not self.full and (
            self.waiting_frames > self._limits.waiting_frames or self.waiting_bytes > self._limits.waiting_bytes
        ):
            self.full = True
            for pause, _ in self._subscribers:
                pause()

    def reject(self, source: Source, rejects: list[BadFrame]) -> None:
        """Bytes that can't be read: they become dead letters."""
        room = REJECTS_WAITING - len(self._rejects)
        now = time.time()
        self._rejects += [Reject(source, source.device, bad, now) for bad in rejects[:room]]
        self.rejects_dropped += max(0, len(rejects) - room)
        self._wake.set()

    def heard(self, device: Device) -> None:
        """The device said something, be it only a heartbeat."""
        self._heard.add(device.slot)
        self._wake.set()

    async def wait(self) -> None:
        """Until there is something to take and the batch is ripe: batch_ms after its first frame, or when there is enough."""
        await self._wake.wait()
        first = self._entries[0].arrived if self._entries else time.time()
        left = first + self._limits.batch_ms / 1000 - time.time()
        if left > 0 and self.waiting_frames < ENOUGH_FRAMES:
            self._enough.clear()
            try:
                async with asyncio.timeout(left):
                    await self._enough.wait()
            except TimeoutError:
                return

    def take(self) -> tuple[list[Entry], list[Reject], set[int]]:
        """Entries in order of arrival, as many as make a batch; all rejects; the slots that were heard."""
        entries: list[Entry] = []
        size = 0
        while self._entries and size < TAKEN_BYTES:
            entry = self._entries.popleft()
            self.waiting_frames -= len(entry.frames)
            taken = sum(len(frame.payload) for frame in entry.frames)
            self.waiting_bytes -= taken
            size += taken
            entries.append(entry)
        rejects, self._rejects = self._rejects, []
        heard, self._heard = self._heard, set()
        if not self._entries:
            self._wake.clear()
        if (
            self.full
            and self.waiting_frames <= self._limits.waiting_frames // 2
            and self.waiting_bytes <= self._limits.waiting_bytes // 2
        ):
            self.full = False
            for _, resume in self._subscribers:
                resume()
        return entries, rejects, heard

    def take_unknown(self) -> list[UnknownTracker]:
        """Strangers since the last call, with how often they tried."""
        unknown, self._unknown = list(self._unknown.values()), {}
        return unknown

    def _note_unknown(self, protocol: str, unique_id: str, address: str) -> None:
        key = (protocol, unique_id[:128])
        known, now = self._unknown.get(key), datetime.now(UTC)
        if known is not None:
            self._unknown[key] = msgspec.structs.replace(known, address=address, last_heard=now, count=known.count + 1)
        elif len(self._unknown) < UNKNOWN_WAITING:
            self._unknown[key] = UnknownTracker(protocol, key[1], address, first_heard=now, last_heard=now, count=1)
        else:
            self.unknown_dropped += 1


def dead_letter(reject: Reject) -> DeadLetter:
    return DeadLetter(
        received=datetime.fromtimestamp(reject.arrived, UTC),
        protocol=reject.source.codec.name,
        address=reject.source.address,
        reason=reject.bad.reason,
        frame=reject.bad.frame,
        device_id=reject.device.id if reject.device else None,
        unique_id=reject.device.unique_id if reject.device else None,
    )
