"""Listening in: what one tracker and the server say to each other, byte by byte, for the owner of an odd box.

Nobody listens most of the time, and then it costs a look at an empty dictionary per read. When somebody does, the others' reads
cost a look into it, and those that are listened to are kept only while the listener has room: past that they are a number. So a
gateway that says ten thousand things a second costs no more than one that says twenty, and a listener who doesn't read nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from protocols import BadFrame, Codec, Frame

KEPT = 20  # reads and writes that a listener has not been told yet; more are only counted. 0.5 MB at most
KEPT_BYTES = 4_096  # of one read or write: more than fits on a screen
KEPT_FRAMES = 20  # of one read
KEPT_PAYLOAD_BYTES = 16_384  # of all its frames: what is read in them is read once more to be shown
LISTENERS = 100  # in all
LISTENERS_TO_ONE = 10  # to one tracker: each of its packets looks at them all
LISTENERS_BY_ONE = 5  # of one person, who has so many tabs open
SHARE = 0.1  # of the event loop's time that may go into explaining what was heard


@dataclass(slots=True, eq=False)
class Overheard:
    """One read from the tracker, or one write to it; what listeners keep of it is cut to what can be shown."""

    at: float  # Unix time, s
    incoming: bool
    codec: Codec
    address: str
    data: bytes
    frames: Sequence[Frame] = ()
    rejects: Sequence[BadFrame] = ()
    shared: bool = False  # others' words are in the data as well: only the frames are shown
    size: int = 0  # bytes there were, before it was cut
    left_out: int = 0  # frames
    told: str = ""  # as it is shown; made once for all who listen

    def cut(self) -> None:
        self.size = len(self.data)
        self.data = b"" if self.shared else self.data[:KEPT_BYTES]
        room, kept = KEPT_PAYLOAD_BYTES, []
        for frame in self.frames[:KEPT_FRAMES]:
            room -= len(frame.payload)
            if room < 0:
                break
            kept.append(frame)
        self.left_out = len(self.frames) - len(kept)
        self.frames = kept
        self.rejects = self.rejects[:KEPT_FRAMES]


@dataclass(slots=True, eq=False)
class Tap:
    """One listener."""

    unique_id: str
    missed: int = 0  # reads and writes there was no room for
    _overheard: deque[Overheard] = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def has_room(self) -> bool:
        return len(self._overheard) < KEPT

    def offer(self, overheard: Overheard) -> None:
        if self.has_room():
            self._overheard.append(overheard)
            self._wake.set()
        else:
            self.missed += 1

    async def wait(self) -> list[Overheard]:
        """What was said since the last call, as soon as there is anything."""
        await self._wake.wait()
        self._wake.clear()
        overheard = sorted(self._overheard, key=lambda told: told.at)  # an answer is given before the question is noted
        self._overheard.clear()
        return overheard


class Taps:
    """Listeners by the unique id that trackers call themselves; also of trackers that aren't ours."""

    def __init__(self) -> None:
        self._taps: dict[str, set[Tap]] = {}
        self._listeners: Counter[int] = Counter()
        self._explaining = asyncio.Lock()

    def __len__(self) -> int:
        return self._listeners.total()

    def __bool__(self) -> bool:
        return bool(self._taps)

    def want(self, unique_id: str) -> bool:
        """Whether somebody listens to it and has room. If not, whoever asks has nothing to note: it is counted as missed here."""
        taps = self._taps.get(unique_id, ())
        for tap in taps:
            if tap.has_room():
                return True
        for tap in taps:
            tap.missed += 1
        return False

    def room_for(self, unique_id: str, listener: int) -> bool:
        """Whether that user may listen to it, too."""
        to_one = len(self._taps.get(unique_id, ()))
        return len(self) < LISTENERS and to_one < LISTENERS_TO_ONE and self._listeners[listener] < LISTENERS_BY_ONE

    @contextmanager
    def listen(self, unique_id: str, listener: int = 0) -> Iterator[Tap]:
        tap = Tap(unique_id)
        self._taps.setdefault(unique_id, set()).add(tap)
        self._listeners[listener] += 1
        try:
            yield tap
        finally:
            self._listeners -= Counter([listener])  # forgets whoever has none left
            self._taps[unique_id].discard(tap)
            if not self._taps[unique_id]:
                del self._taps[unique_id]

    @asynccontextmanager
    async def explaining(self) -> AsyncIterator[None]:
        """One at a time, and then a rest, so that trackers get the loop whoever listens to however much. Nothing is to be waited
        for inside."""
        async with self._explaining:
            began = time.perf_counter()
            yield
            await asyncio.sleep((time.perf_counter() - began) * (1 / SHARE - 1))

    def note(self, unique_id: str, overheard: Overheard) -> None:
        if self.want(unique_id):
            overheard.cut()
            for tap in self._taps[unique_id]:
                tap.offer(overheard)
