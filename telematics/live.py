"""The live bus: what has just been committed, for whoever looks at it now.

A viewer has one place per vehicle, not a queue: a slow phone costs a set of numbers, and finds the newest position whenever it
comes for it. Only events queue, and only up to a bound.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from telematics.devices import Devices
from telematics.store.records import Event

EVENTS_KEPT = 1_000  # per viewer; more than anybody reads in the second between two sends
ALERTS_KEPT = 500  # likewise; the feed has them all


@dataclass(frozen=True, slots=True)
class AlertNews:
    """An alert was made, or what people say of it changed."""

    id: int
    account_id: int
    toast: frozenset[int] | None = frozenset()  # the users who are to be shown it at once; None: everybody of the account


@dataclass(frozen=True, slots=True)
class CommandNews:
    """A command was queued, or something became of it."""

    id: int
    account_id: int
    device_id: int


@dataclass(slots=True)
class News:
    """What changed since the viewer last looked: device ids, to be looked up in `Server.latest` and `Server.status`."""

    positions: set[int] = field(default_factory=set)
    devices: set[int] = field(default_factory=set)  # status changed: online, offline, added, edited, removed
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    alerts: deque[AlertNews] = field(default_factory=lambda: deque(maxlen=ALERTS_KEPT))
    commands: deque[CommandNews] = field(default_factory=lambda: deque(maxlen=ALERTS_KEPT))

    def __bool__(self) -> bool:
        return bool(self.positions or self.devices or self.events or self.alerts or self.commands)


class Feed:
    """One viewer's slot on the bus."""

    def __init__(self, sees: Callable[[int], bool], account_id: int | None) -> None:
        self.sees = sees
        self.account_id = account_id
        self._news = News()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()

    def offer(
        self,
        positions: Iterable[int] = (),
        devices: Iterable[int] = (),
        events: Iterable[Event] = (),
        alerts: Iterable[AlertNews] = (),
        commands: Iterable[CommandNews] = (),
        *,
        hurry: bool = False,
    ) -> None:
        """Never waits: a map wants the newest position, not each one."""
        news, sees = self._news, self.sees
        news.positions.update(filter(sees, positions))
        news.devices.update(filter(sees, devices))
        news.events.extend(event for event in events if sees(event.device_id))
        news.alerts.extend(alert for alert in alerts if self.account_id in (None, alert.account_id))
        news.commands.extend(command for command in commands if self.account_id in (None, command.account_id))
        if news:
            self._wake.set()
            if hurry and not news.devices.isdisjoint(devices):
                self._hurry.set()

    async def wait(self) -> News:
        """What changed since the last call, as soon as there is anything."""
        await self._wake.wait()
        news, self._news = self._news, News()
        self._wake.clear()
        self._hurry.clear()
        return news

    async def pause(self, seconds: float) -> None:
        """Until somebody who has looked may look again: so long, or until there is something that mustn't wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        self._hurry.clear()


class Bus:
    """Everybody who looks at the server now."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._feeds: set[Feed] = set()

    def __len__(self) -> int:
        return len(self._feeds)

    @contextmanager
    def subscribe(self, sees: Callable[[int], bool], account_id: int | None = None) -> Iterator[Feed]:
        """A feed of the devices that `sees` allows, for as long as the block lasts. `sees` is asked at each change, so that a
        device that is added or taken away is seen or unseen at once.

        `account_id`: only this account's positions and alerts can matter. It spares asking `sees` of all others, 100,000 times a
        second.
        """
        feed = Feed(sees, account_id)
        self._feeds.add(feed)
        try:
            yield feed
        finally:
            self._feeds.discard(feed)

    def publish(
        self,
        positions: Sequence[int] = (),
        devices: Sequence[int] = (),
        events: Sequence[Event] = (),
        alerts: Sequence[AlertNews] = (),
        commands: Sequence[CommandNews] = (),
        *,
        hurry: bool = False,
    ) -> None:
        """`hurry`: whoever has just looked doesn't wait for the rest of the second."""
        if not self._feeds:
            return
        by_account = self._by_account(positions)
        for feed in self._feeds:
            moved = positions if feed.account_id is None else by_account.get(feed.account_id, ())
            if moved or devices or events or alerts or commands:
                feed.offer(moved, devices, events, alerts, commands, hurry=hurry)

    def _by_account(self, device_ids: Sequence[int]) -> dict[int, list[int]]:
        by_account = defaultdict[int, list[int]](list)
        for device_id in device_ids:
            device = self._devices.get(device_id)
            if device is not None:
                by_account[device.account_id].append(device_id)
        return by_account
