"""One simulated tracker on a real connection.

Like a real one it keeps a fix until the server has acknowledged it: what was sent and not acknowledged goes out again, first,
when it is connected again, and what is measured meanwhile waits behind it. Its memory is bounded; when full, the oldest fix makes
room.

    offer(fix) ─ waiting ─ report ─ in flight ─ acknowledged
                   ▲                   │
                   └── connection lost ┘
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from telematics.simulator.fix import Fix, Wire
from telematics.simulator.orders import Obedient, Order

CONNECT_S = 10.0
LOGIN_S = 15.0
ACKNOWLEDGE_S = 60.0  # a server whose database is down may take its time; then a tracker tries a new connection
CHECK_S = 5.0
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 30.0
MEMORY = 20_000  # fixes: some days of a tracker's life, and 5 MB at most
BECOMES: dict[str, dict[str, bool]] = {"engineStop": {"blocked": True, "ignition": False}, "engineResume": {"blocked": False}}
LATENCIES = 20_000  # the newest ones; enough for a percentile


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    udp: bool = False
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(slots=True)
class Totals:
    """What a fleet of clients has seen; one object for all of them."""

    connections: int = 0  # open and accepted now
    sent: int = 0  # fixes, each time they were sent
    resent: int = 0
    acknowledged: int = 0
    dropped: int = 0  # made room in a full memory
    hung_up: int = 0  # connections lost
    refused: set[str] = field(default_factory=set)  # trackers that the server doesn't want
    unreachable: str = ""  # why the last attempt to connect failed; empty since one went through
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES))


class _Sent:
    __slots__ = ("at", "fix")

    def __init__(self, fix: Fix, at: float) -> None:
        self.fix, self.at = fix, at


def _nothing(order: Order) -> None:
    """A tracker that is in no vehicle only answers."""


class Client:
    """Drive it with `offer`, keep `run` going as a task. `batch` fixes go into a report, `window` may be unacknowledged. `obey`
    is told of each command, which is answered then."""

    def __init__(
        self,
        unique_id: str,
        make_wire: Callable[[str], Wire],
        address: Address,
        totals: Totals,
        *,
        batch: int = 20,
        window: int = 100,
        memory: int = MEMORY,
        obey: Callable[[Order], None] = _nothing,
    ) -> None:
        self.unique_id, self.address, self.totals = unique_id, address, totals
        self._make_wire, self._batch, self._window, self._memory = make_wire, batch, window, memory
        self._obey = obey
        self._newest: Fix | None = None  # of those measured
        self._waiting: deque[Fix] = deque()
        self._in_flight: deque[_Sent] = deque()
        self._to_resend = 0  # so many at the head of waiting were sent before
        self._link: _Link | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self._backoff_s = FIRST_BACKOFF_S

    @property
    def unacknowledged(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    def offer(self, *fixes: Fix) -> None:
        """Never waits."""
        self.remember(fixes)
        self.pump()

    def remember(self, fixes: Iterable[Fix]) -> None:
        """Keep fixes to be sent with the next ones: the vehicle is where there is no coverage."""
        for fix in fixes:
            if self.unacknowledged >= self._memory and self._waiting:
                self._waiting.popleft()
                self._to_resend = max(0, self._to_resend - 1)
                self.totals.dropped += 1
            self._waiting.append(fix)
            self._newest = fix
        if self._waiting:
            self._empty.clear()

    async def drained(self) -> None:
        """Wait until everything offered is acknowledged."""
        await self._empty.wait()

    async def run(self) -> None:
        """Connect, report, reconnect; until cancelled."""
        while True:
            pause = self._backoff_s
            self._backoff_s = min(LONGEST_BACKOFF_S, self._backoff_s * 2)
            try:
                await self._connection()
            except (OSError, TimeoutError) as error:
                self.totals.unreachable = _reason(error, self.address)
            if self.unique_id in self.totals.refused:
                pause = LONGEST_BACKOFF_S
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - or a whole fleet comes back in one moment

    async def _connection(self) -> None:
        loop = asyncio.get_running_loop()
        wire = self._make_wire(self.unique_id)
        async with asyncio.timeout(CONNECT_S):
            if self.address.udp:
                _, link = await loop.create_datagram_endpoint(
                    lambda: _Link(self, wire), remote_addr=(self.address.host, self.address.port)
                )
            else:
                _, link = await loop.create_connection(
                    lambda: _Link(self, wire), self.address.host, self.address.port, ssl=self.address.tls
                )
        self.totals.unreachable = ""
        self._link = link
        try:
            await self._converse(link, wire)
        finally:
            self._link = None
            link.close()
            self._take_back()

    async def _converse(self, link: _Link, wire: Wire) -> None:
        """Until the connection ends or the server is silent for too long."""
        async with asyncio.timeout(LOGIN_S):
            while wire.accepted is None and not link.closed.is_set():
                await link.changed()
        if wire.accepted is None:
            self.totals.hung_up += 1
            self.totals.refused.add(self.unique_id)  # a tracker that the server doesn't know is hung up on, in some protocols
        if not wire.accepted:
            return
        self.totals.connections += 1
        try:
            self.pump()
            while not link.closed.is_set() and not self._overdue():
                await link.ended(CHECK_S)
            self.totals.hung_up += link.closed.is_set()
        finally:
            self.totals.connections -= 1

    def _overdue(self) -> bool:
        return bool(self._in_flight) and time.monotonic() - self._in_flight[0].at > ACKNOWLEDGE_S

    def pump(self) -> None:
        """Send what may be sent."""
        link = self._link
        if link is None or not link.wire.accepted:
            return
        self._attend(link)
        while self._waiting and not link.paused and len(self._in_flight) < self._window:
            fixes = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            link.write(link.wire.report(fixes))
            now = time.monotonic()
            self._in_flight.extend(_Sent(fix, now) for fix in fixes)
            self.totals.sent += len(fixes)
            again = min(self._to_resend, len(fixes))
            self._to_resend -= again
            self.totals.resent += again
            self._kept(link.wire.receive(b""))  # a protocol without acknowledgements counts what was sent

    def heard(self, link: _Link, data: bytes) -> None:
        """The server said something."""
        count = link.wire.receive(data)
        if link.wire.accepted is False:
            self.totals.refused.add(self.unique_id)
            link.close()
            return
        self._kept(count)
        self._attend(link)
        self.pump()

    def _attend(self, link: _Link) -> None:
        """Carry out what the server wants, and answer. Before the first fix nobody knows where the tracker is: that waits."""
        if self._newest is None or not isinstance(link.wire, Obedient):
            return
        for order in link.wire.orders():
            self._obey(order)
            self._newest = msgspec.structs.replace(self._newest, **BECOMES.get(order.type, {}))
            link.write(link.wire.answer(order, self._newest))
            if order.type == "rebootDevice":
                link.close()

    def _kept(self, count: int) -> None:
        """So many more fixes are acknowledged."""
        now = time.monotonic()
        for _ in range(min(count, len(self._in_flight))):
            self.totals.latencies_s.append(now - self._in_flight.popleft().at)
            self.totals.acknowledged += 1
        if count:
            self.totals.refused.discard(self.unique_id)
            self._backoff_s = FIRST_BACKOFF_S
        if not self._in_flight and not self._waiting:
            self._empty.set()

    def _take_back(self) -> None:
        """What was sent and not acknowledged is first in the next connection."""
        self._to_resend += len(self._in_flight)
        while self._in_flight:
            self._waiting.appendleft(self._in_flight.pop().fix)


class _Link(asyncio.Protocol, asyncio.DatagramProtocol):
    """A connection, or a UDP socket."""

    def __init__(self, client: Client, wire: Wire) -> None:
        self._client, self.wire = client, wire
        self.closed = asyncio.Event()
        self.paused = False
        self._changed = asyncio.Event()
        self._transport: Any = None  # uvloop's are not of asyncio's classes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        hello = self.wire.hello()
        if hello:
            self.write(hello)

    def write(self, data: bytes) -> None:
        if self._client.address.udp:
            self._transport.sendto(data)
        else:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._client.heard(self, data)
        self._changed.set()

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        self.data_received(data)

    def error_received(self, exc: Exception) -> None:
        self._client.totals.unreachable = _reason(exc, self._client.address)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._client.pump()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        self._changed.set()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def changed(self) -> None:
        """Wait for the server's next word, or the end."""
        await self._changed.wait()
        self._changed.clear()

    async def ended(self, timeout_s: float) -> None:
        """Wait for the end, but not longer than that."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.closed.wait()
        except TimeoutError:
            return


def _reason(error: BaseException, address: Address) -> str:
    if isinstance(error, TimeoutError):
        return f"{address} does not answer"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens on {address}"
    if isinstance(error, OSError) and error.strerror:
        return f"can't connect to {address}: {error.strerror}"
    return f"can't connect to {address}: {error}"
