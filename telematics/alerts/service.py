"""The alerts as the server runs them: rules, the outbox's worker, the sender, and test messages."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from telematics.alerts import wording
from telematics.alerts.channels import Channel, Message, NotSent, Sent, channels
from telematics.alerts.channels.gsm import count_parts
from telematics.alerts.composing import Composer
from telematics.alerts.matching import Person, Zone
from telematics.alerts.meter import FreeOfCharge, Meter
from telematics.alerts.metrics import AlertMetrics
from telematics.alerts.outbox import Outbox
from telematics.alerts.rules import Rules
from telematics.alerts.sender import STOP_S, Sender, send
from telematics.config import Settings
from telematics.devices import Devices
from telematics.live import AlertNews, Bus
from telematics.store import alerts as store
from telematics.store.changes import Changes
from telematics.store.database import Database
from telematics.zones.registry import Zones

log = structlog.get_logger(__name__)


TESTS = 20  # messages that one user may have tried in …
TESTS_S = 600.0
TESTERS = 10_000  # users remembered


class TooManyTests(Exception):
    """Tests cost money, too. The text says when to go on."""

    def __init__(self) -> None:
        super().__init__(f"At most {TESTS} in {TESTS_S / 60:.0f} minutes: try again a little later.")


@dataclass(frozen=True, slots=True)
class Tested:
    """What became of a test message."""

    channel: str
    address: str
    state: str  # sent, skipped or failed
    reason: str | None = None


class Alerts:
    """`watch` before Changes are loaded, then `start`, and `stop` at the end. Whoever starts it may set `meter`, `composer.place`
    and `composer.pictures` at any time."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        devices: Devices,
        zones: Zones,
        bus: Bus,
        ways: dict[str, Channel] | None = None,
    ) -> None:
        self.rules = Rules(database)
        self.metrics = AlertMetrics()
        self.meter: Meter = FreeOfCharge()
        self.channels = channels(settings, database) if ways is None else ways
        self._database = database
        self._settings = settings
        self._bus = bus
        self._task: asyncio.Task[None] | None = None
        self._tests: dict[int, deque[float]] = {}  # when users sent themselves test messages, in monotonic seconds
        zone = zone_finder(zones)
        self.composer = Composer(settings.public_url, zones)
        self.sender = Sender(
            database,
            settings.alerts,
            self.channels,
            lambda: self.meter,
            self.rules,
            devices,
            self.composer,
            self.metrics,
        )
        self.outbox = Outbox(
            database,
            settings.alerts,
            self.rules,
            devices,
            groups=lambda: zones.groups,
            zone=zone,
            told=self._told,
            metrics=self.metrics,
            command_lasts=timedelta(hours=settings.commands.lasts_h),
        )

    def watch(self, changes: Changes) -> None:
        self.rules.subscribe(changes)
        changes.subscribe("account_alerts", self._accounts_told)

    async def _accounts_told(self, alert_ids: set[int] | None) -> None:
        """Some process has something to say about accounts themselves; None: perhaps. What was missed is in the feed."""
        if alert_ids:
            async with self._database.pool.connection() as connection:
                told = await store.account_alerts_told(connection, sorted(alert_ids))
            self._bus.publish(alerts=[AlertNews(one.id, one.account_id, frozenset(one.toast)) for one in told])
        self.sender.wake()

    def wake(self) -> None:
        """Events were stored."""
        self.outbox.wake()

    def start(self) -> asyncio.Task[None]:
        """The task that does it all; it ends by `stop` alone."""
        self._task = asyncio.create_task(self.run(), name="alerts")
        return self._task

    async def stop(self) -> None:
        """Messages under way have a few seconds to end; what is still waiting is sent after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=STOP_S + 2)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.outbox.run(), name="outbox")
                tasks.create_task(self.sender.run(), name="deliveries")
        finally:
            for channel in self.channels.values():
                await channel.close()
            if self.composer.pictures is not None:
                self.composer.pictures.close()

    def _told(self, news: Sequence[AlertNews]) -> None:
        self._bus.publish(alerts=news)
        self.sender.wake()

    async def test(self, person: Person, channel: str) -> list[Tested]:
        """A test message to this person by that channel, at once. Nothing of it is stored. Raises TooManyTests."""
        if channel == "web":
            return [Tested("web", "", "sent")]
        way = self.channels[channel]
        if way.configured is not None:
            return [Tested(channel, "", "skipped", f"not configured: {way.configured}")]
        addresses = await self._addresses(person, channel)
        if not addresses:
            return [Tested(channel, "", "skipped", "no messenger" if channel == "messenger" else "no phone number")]
        return [await self._tested(person, way, address) for address in addresses]

    async def test_webhook(self, person: Person, url: str, secret: str | None) -> Tested:
        """The same to a rule's webhook. Raises TooManyTests."""
        return await self._tested(person, self.channels["webhook"], url, secret)

    async def test_messenger(self, person: Person, messenger_id: int) -> Tested:
        """The same to one messenger of the person's. Raises TooManyTests."""
        return await self._tested(person, self.channels["messenger"], str(messenger_id))

    async def _tested(self, person: Person, way: Channel, address: str, secret: str | None = None) -> Tested:
        self._count_test(person.id)
        number = -secrets.randbelow(2**62) - 1  # no delivery's
        words = wording.table(person.language)
        said = words.phrases["test"]
        message = Message(
            number, said, said, said, data={"type": "test", "language": words.language, "text": said}, secret=secret
        )
        if way.name != "sms":
            return _tested(way, address, await send(way, address, message, self._settings.alerts.timeout_s))
        refusal = await self.meter.reserve(person.account_id, number, count_parts(message.short))
        if refusal is not None:
            return Tested(way.name, address, "skipped", f"not paid for: {refusal}")
        outcome = await send(way, address, message, self._settings.alerts.timeout_s)
        if isinstance(outcome, Sent):
            await self.meter.settle(number, outcome.parts or 1)
        else:
            await self.meter.give_back(number)
        return _tested(way, address, outcome)

    def _count_test(self, user_id: int) -> None:
        now = time.monotonic()
        tests = self._tests.pop(user_id, deque(maxlen=TESTS))
        self._tests[user_id] = tests  # the newest last
        while len(self._tests) > TESTERS:
            del self._tests[next(iter(self._tests))]
        if len(tests) == TESTS and now - tests[0] < TESTS_S:
            raise TooManyTests
        tests.append(now)

    async def _addresses(self, person: Person, channel: str) -> list[str]:
        if channel == "messenger":
            async with self._database.pool.connection() as connection:
                found = await store.messengers_of(connection, [person.id])
            return [str(number) for number in found.get(person.id, ())]
        address = {"mail": person.email, "sms": person.phone}.get(channel)
        return [address] if address else []


def _tested(way: Channel, address: str, outcome: Sent | NotSent) -> Tested:
    if isinstance(outcome, Sent):
        return Tested(way.name, address, "sent")
    code = "may have been sent" if outcome.uncertain else "gateway"
    return Tested(way.name, address, "failed", f"{code}: {outcome.reason}")


def zone_finder(zones: Zones) -> Callable[[int], Zone | None]:
    def zone(zone_id: int) -> Zone | None:
        found = zones.get(zone_id)
        return None if found is None else Zone(found.account_id, found.name, found.zone_group)

    return zone
