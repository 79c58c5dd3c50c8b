"""Everybody who is connected: limits, timeouts and back-pressure, for all protocols together.

There is no timer and no task per connection: one sweep a second looks at all of them, which costs some 0.15 ms per thousand.
Two clocks are kept, both as old as the last sweep, so that the hot path reads an attribute instead of asking the system:
`now_s`, and `listening_s`, which stands still while we read no sockets. A tracker must not be found silent for our not listening.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from telematics.config import LimitSettings

if TYPE_CHECKING:
    from telematics.ingest.connection import Tracker

SWEEP_S = 1.0  # a timeout is late by at most this …
SWEEPS_PER_TIMEOUT = 5  # … or by a fifth of the shortest one
HANG_UP_S = 2.0  # for the loop to notice that connections were cut

FULL = "too many connections"
FULL_ADDRESS = "too many connections from the address"


class Cutoffs(NamedTuple):
    """Whoever waits since before this is overdue. Seconds of the clock named."""

    write_s: float  # now_s
    login_s: float  # listening_s
    idle_s: float  # listening_s


class Crowd:
    """Called from the event loop only. `now` is a monotonic clock in seconds."""

    def __init__(self, limits: LimitSettings, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._members: set[Tracker] = set()
        self._from: dict[str, int] = {}
        self._paused_s = 0.0
        self._paused_since: float | None = None
        self._deaf = False
        self._empty = asyncio.Event()
        self._empty.set()
        self.most = limits.connections
        self.paused = False
        self.now_s = self.listening_s = now()

    def __len__(self) -> int:
        return len(self._members)

    # who comes and goes

    def enter(self, member: Tracker) -> str | None:
        """Make it a member. Otherwise the reason why not."""
        if len(self._members) >= self.most:
            return FULL
        self._members.add(member)
        member.counts.open += 1
        member.counts.accepted += 1
        self._empty.clear()
        return None

    def leave(self, member: Tracker) -> None:
        """It is gone; nothing happens if it never was a member."""
        if member not in self._members:
            return
        self._members.remove(member)
        member.counts.open -= 1
        if member.origin:
            self._release(member.origin)
        if not self._members:
            self._empty.set()

    def seat(self, member: Tracker, host: str) -> str | None:
        """Count it for its address. Otherwise the reason why not."""
        origin = network(host)
        taken = self._from.get(origin, 0)
        if taken >= self._limits.connections_per_address:
            return FULL_ADDRESS
        self._from[origin] = taken + 1
        member.origin = origin
        return None

    def _release(self, origin: str) -> None:
        left = self._from[origin] - 1
        if left:
            self._from[origin] = left
        else:
            del self._from[origin]

    def drop(self, device_id: int) -> int:
        """Hang up on a device that is no longer ours. How many connections it had."""
        dropped = [member for member in self._members if member.device is not None and member.device.id == device_id]
        for member in dropped:
            member.counts.refuse("connection", "device removed")
            member.hang_up()
        return len(dropped)

    # back-pressure

    def pause(self) -> None:
        """The intake is full: read no socket, so that TCP makes the trackers wait."""
        if not self.paused:
            self.paused, self._paused_since = True, self._now()
            self._settle()

    def resume(self) -> None:
        if self.paused and not self._deaf:
            self._paused_s, self._paused_since, self.paused = self.paused_s(), None, False
            self._settle()

    def deafen(self) -> None:
        """The server stops: nothing is read any more, whether there is room or not."""
        self._deaf = True
        self.pause()

    def paused_s(self) -> float:
        """How long sockets were not read, since the start."""
        return self._paused_s + (0.0 if self._paused_since is None else self._now() - self._paused_since)

    def _settle(self) -> None:
        for member in self._members:
            member.settle()

    # timeouts

    @property
    def sweep_every_s(self) -> float:
        limits = self._limits
        return min(SWEEP_S, min(limits.idle_s, limits.login_s, limits.write_s) / SWEEPS_PER_TIMEOUT)

    async def sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(self.sweep_every_s)
            self.sweep()

    def sweep(self) -> None:
        """Set the clocks; end those that let us wait for too long."""
        self.now_s = self._now()
        self.listening_s = self.now_s - self.paused_s()
        cutoffs = Cutoffs(
            write_s=self.now_s - self._limits.write_s,
            login_s=self.listening_s - self._limits.login_s,
            idle_s=self.listening_s - self._limits.idle_s,
        )
        overdue = [(member, reason) for member in self._members if (reason := member.overdue(cutoffs)) is not None]
        for member, reason in overdue:
            member.end(reason)

    # the end

    async def disband(self, grace_s: float) -> None:
        """Hang up on all. What was written still leaves, if it is taken within grace_s."""
        for member in self._members:
            member.hang_up()
        try:
            await asyncio.wait_for(self._empty.wait(), grace_s)
        except TimeoutError:
            for member in self._members:
                member.cut()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), HANG_UP_S)


def network(host: str) -> str:
    """What counts as one address: an IPv4 address, or the 64 bits of IPv6 that one customer is given."""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    return str(ipaddress.IPv6Network((address, 64), strict=False))


def plain(host: str) -> str:
    """The address as people write it: an IPv4 one that came in by an IPv6 socket without its prefix."""
    return host.removeprefix("::ffff:") if "." in host else host


def printable(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
