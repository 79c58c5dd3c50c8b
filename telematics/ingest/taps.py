"""Listening in: what one tracker and the server say to each other, byte by byte, for the owner of an odd box.

Nobody listens most of the time, and then it costs a look at an empty dictionary per read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from protocols import BadFrame, Codec, Frame

KEPT = 50  # reads that a listener has not taken yet, 256 KB each at most; the oldest makes room


@dataclass(frozen=True, slots=True)
class Overheard:
    """One read from the tracker, or one write to it."""

    at: float  # Unix time, s
    incoming: bool
    codec: Codec
    address: str
    data: bytes
    frames: Sequence[Frame] = ()
    rejects: Sequence[BadFrame] = ()


@dataclass(slots=True, eq=False)
class Tap:
    """One listener."""

    unique_id: str
    _overheard: deque[Overheard] = field(default_factory=lambda: deque(maxlen=KEPT))
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, overheard: Overheard) -> None:
        self._overheard.append(overheard)
        self._wake.set()

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

    def __len__(self) -> int:
        return sum(map(len, self._taps.values()))

    def __bool__(self) -> bool:
        return bool(self._taps)

    @contextmanager
    def listen(self, unique_id: str) -> Iterator[Tap]:
        tap = Tap(unique_id)
        self._taps.setdefault(unique_id, set()).add(tap)
        try:
            yield tap
        finally:
            self._taps[unique_id].discard(tap)
            if not self._taps[unique_id]:
                del self._taps[unique_id]

    def note(self, unique_id: str, overheard: Overheard) -> None:
        for tap in self._taps.get(unique_id, ()):
            tap.offer(overheard)
