"""The live bus: what has just been committed, for whoever looks at it now.

A viewer has one place per vehicle, not a queue: a slow phone costs a set of numbers, and finds the newest position whenever it
comes for it. Only events queue, and only up to a bound.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from telematics.store.records import Event

EVENTS_KEPT = 1_000  # per viewer; more than anybody reads in the second between two sends


@dataclass(slots=True)
class News:
    """What changed since the viewer last looked: device ids, to be looked up in `Server.latest` and `Server.status`."""

    positions: set[int] = field(default_factory=set)
    devices: set[int] = field(default_factory=set)  # status changed: online, offline, added, edited, removed
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))

    def __bool__(self) -> bool:
        return bool(self.positions or self.devices or self.events)


class Feed:
    """One viewer's slot on the bus."""

    def __init__(self, sees: Callable[[int], bool]) -> None:
        self.sees = sees
        self._news = News()
        self._wake = asyncio.Event()

    def offer(self, positions: Iterable[int] = (), devices: Iterable[int] = (), events: Iterable[Event] = ()) -> None:
        """Never waits: a map wants the newest position, not each one."""
        news, sees = self._news, self.sees
        news.positions.update(filter(sees, positions))
        news.devices.update(filter(sees, devices))
        news.events.extend(event for event in events if sees(event.device_id))
        if news:
            self._wake.set()

    async def wait(self) -> News:
        """What changed since the last call, as soon as there is anything."""
        await self._wake.wait()
        news, self._news = self._news, News()
        self._wake.clear()
        return news


class Bus:
    """Everybody who looks at the server now."""

    def __init__(self) -> None:
        self._feeds: set[Feed] = set()

    def __len__(self) -> int:
        return len(self._feeds)

    @contextmanager
    def subscribe(self, sees: Callable[[int], bool]) -> Iterator[Feed]:
        """A feed of the devices that `sees` allows, for as long as the block lasts. `sees` is asked at each change, so that a
        device that is added or taken away is seen or unseen at once."""
        feed = Feed(sees)
        self._feeds.add(feed)
        try:
            yield feed
        finally:
            self._feeds.discard(feed)

    def publish(self, positions: Iterable[int] = (), devices: Iterable[int] = (), events: Iterable[Event] = ()) -> None:
        for feed in self._feeds:
            feed.offer(positions=positions, devices=devices, events=events)
