"""Sends what is due, and writes down what became of it.

A delivery goes from waiting to sending before the first byte leaves, in a transaction of its own, and from sending to what became
of it afterwards. So whoever finds one that is sending and past its lease knows that it may have gone out: a channel whose
receivers can tell a repeat sends it again under the same number, others once more at most
(docs/adr/0006-what-a-delivery-promises.md).

Each channel has so many places, and each address one of them: a gateway that hangs holds up nobody but those who need it, and a
webhook that hangs only itself. While a message to an address is on its way, those that follow gather for the next one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from psycopg import AsyncConnection

from telematics.alerts import accounts, retries
from telematics.alerts.channels import Channel, Message, NotSent, Sent
from telematics.alerts.channels.gsm import count_parts
from telematics.alerts.composing import Composer
from telematics.alerts.matching import WITH_FALLBACK, Person, Rule, silence, too_old, unwanted
from telematics.alerts.meter import Meter
from telematics.alerts.metrics import AlertMetrics
from telematics.alerts.outbox import AGAIN_S, UNREACHABLE
from telematics.alerts.retries import Next
from telematics.alerts.rules import Rules
from telematics.config import AlertSettings
from telematics.devices import Devices
from telematics.store import alerts as alert_store
from telematics.store import deliveries as store
from telematics.store.alerts import NewDelivery
from telematics.store.database import Database
from telematics.store.deliveries import Delivery, Due, Lately

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = structlog.get_logger(__name__)

PLACES = {"mail": 8, "sms": 4, "messenger": 8, "webhook": 16}  # messages under way at once; an address has one at a time
SHARE = {"messenger": 4, "webhook": 8}  # of an account, where users choose whom to wait for: half, so that others go on
LOOKED_AT = 1_000  # due deliveries among which addresses are looked for
BUNDLED = 10_000  # alerts of one message
SKIPPED_AT_ONCE = 1_000
LOST_AT_ONCE = 100
CONNECTIONS = 4  # of the pool's, at most: pages need some, too
POLL_S = 2.0
SPARE_S = 10.0  # from the deadline of a try to the end of its lease: time to write down what became of it
GUARD_S = 3.0  # after the deadline a channel that breaks its promise is cut off
RECORD_S = 1.0  # between tries to write it down while the database is away
STOP_S = 5.0  # for messages under way when the server stops


@dataclass(slots=True)
class Try:
    """A delivery on its way."""

    delivery: Delivery
    rule: Rule
    person: Person | None
    attempts: int  # this one among them


@dataclass(frozen=True, slots=True)
class UnderWay:
    channel: str
    account_id: int
    address: str
    task: asyncio.Task[None]


class Sender:
    def __init__(
        self,
        database: Database,
        settings: AlertSettings,
        channels: Mapping[str, Channel],
        meter: Callable[[], Meter],
        rules: Rules,
        devices: Devices,
        composer: Composer,
        metrics: AlertMetrics,
    ) -> None:
        self._database = database
        self._settings = settings
        self._channels = channels
        self._meter = meter
        self._rules = rules
        self._devices = devices
        self._composer = composer
        self._metrics = metrics
        self._wake = asyncio.Event()
        self._under_way: dict[int, UnderWay] = {}  # by delivery
        self._connections = asyncio.Semaphore(CONNECTIONS)

    def wake(self) -> None:
        """There are deliveries, or a place is free again."""
        self._wake.set()

    async def run(self) -> None:
        """Until it is cancelled; what is under way then has a few seconds to end."""
        try:
            while True:
                self._wake.clear()
                try:
                    wait_s = await self._round()
                except UNREACHABLE as error:
                    log.info("deliveries wait for the database", reason=str(error).partition("\n")[0])
                    wait_s = AGAIN_S
                except Exception:  # whatever it is, it must not stop the server: trackers are more important
                    log.exception("deliveries will be looked at again")
                    wait_s = AGAIN_S
                    await asyncio.sleep(AGAIN_S)
                try:
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            await self._finish()

    async def _finish(self) -> None:
        tasks = [one.task for one in self._under_way.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _round(self) -> float:
        """Begin what is due and has a place; for how many seconds there is nothing to do."""
        async with self._transaction() as connection:
            for delivery in await store.lost(connection, list(self._under_way), LOST_AT_ONCE):
                await self._found_lost(connection, delivery)
        waits = [POLL_S]
        for name, channel in self._channels.items():
            under_way = [one for one in self._under_way.values() if one.channel == name]
            busy = [one.address for one in under_way]
            free = PLACES.get(name, 4) - len(busy)
            share = SHARE.get(name, PLACES.get(name, 4))
            taken = Counter(one.account_id for one in under_way)
            full = [account_id for account_id, many in taken.items() if many >= share]
            self._metrics.under_way[name] = len(busy)
            if free <= 0:
                continue
            async with self._transaction() as connection:
                due = await store.due(
                    connection, name, busy=busy, full=full, stale_s=self._settings.stale_s, looked_at=LOOKED_AT, limit=free
                )
                if any(one.stale for one in due):
                    skipped = await store.skip_stale(connection, name, stale_s=self._settings.stale_s, limit=SKIPPED_AT_ONCE)
                    self._metrics.deliveries[name, "skipped"] += skipped
                    waits.append(0)
                elif len(due) < free:
                    known = [*busy, *(one.address for one in due)]
                    next_s = await store.next_due_s(connection, name, known, full)
                    waits.append(POLL_S if next_s is None else max(next_s, 0.01))
            for one in due:
                if taken[one.account_id] >= share:
                    waits.append(0)  # what others wait for may stand behind it
                elif not one.stale:
                    taken[one.account_id] += 1
                    self._begin(one, channel)
        return min(waits)

    def _begin(self, due: Due, channel: Channel) -> None:
        task = asyncio.create_task(self._deliver(due.id, channel), name=f"delivery {due.id}")
        self._under_way[due.id] = UnderWay(channel.name, due.account_id, due.address, task)

        def ended(_: asyncio.Task[None]) -> None:
            self._under_way.pop(due.id, None)
            self._wake.set()

        task.add_done_callback(ended)

    async def _deliver(self, delivery_id: int, channel: Channel) -> None:
        try:
            begun = await self._claim(delivery_id, channel)
        except UNREACHABLE as error:
            log.info("a delivery waits for the database", reason=str(error).partition("\n")[0])
            await asyncio.sleep(AGAIN_S)
            return
        except Exception:
            log.exception("a delivery could not be begun", delivery_id=delivery_id)
            await asyncio.sleep(AGAIN_S)  # its address has no other place meanwhile
            return
        if begun is not None:
            await self._record(begun, channel, await self._try(begun, channel))

    # --- before

    async def _claim(self, delivery_id: int, channel: Channel) -> Try | None:
        """Decide about a delivery that is due; None when it is not sent now."""
        async with self._transaction() as connection:
            delivery = await store.lock(connection, delivery_id)
            if delivery is None:
                return None
            rule = await self._rule(connection, delivery)
            reason = self._refusal(delivery, rule, channel)
            if reason == "quiet hours" and delivery.device_id is None and rule is not None:
                wait_s = accounts.pause(rule.people[0], delivery.channel, datetime.now(UTC)).total_seconds()
                await self._end(connection, delivery, Next("waiting", reason, wait_s))
                return None
            if reason is not None or rule is None:
                await self._end(connection, delivery, Next("skipped", reason or "rule removed"))
                return None
            if delivery.attempts == 0 and delivery.device_id is not None:  # about the account itself: one a day at most
                lately = await store.sent_lately(connection, delivery, self._window_s(channel.name))
                held = self.held_back(channel.name, delivery, lately, left_s=self._left_s(delivery))
                if held is not None and not held.final:
                    await store.defer_alike(connection, delivery, wait_s=held.wait_s, reason=held.reason)
                    return None
                bundled = await store.bundle(connection, delivery, stale_s=self._settings.stale_s, limit=BUNDLED)
                self._metrics.deliveries[channel.name, "bundled"] += bundled
                if held is not None:
                    await self._end(connection, delivery, held)
                    return None
            await store.lease(connection, delivery.id, self._settings.timeout_s + SPARE_S)
            return Try(delivery, rule, _person(rule, delivery.user_id), delivery.attempts + 1)

    async def _rule(self, connection: AsyncConnection[Any], delivery: Delivery) -> Rule | None:
        if delivery.device_id is not None:
            return self._rules.get(delivery.rule_id)
        person = await accounts.person_for(connection, delivery.account_id, delivery.user_id)
        return None if person is None else accounts.rule_for(person, urgent=delivery.urgent)

    def _refusal(self, delivery: Delivery, rule: Rule | None, channel: Channel) -> str | None:
        """Why it isn't sent at all, or not now."""
        now = datetime.now(UTC)
        if delivery.device_id is None:
            return self._refusal_of_own(delivery, rule, channel, now)
        device = self._devices.get(delivery.device_id)
        if device is not None and device.account_id != delivery.account_id:
            return "device removed"
        reason = unwanted(rule, device, delivery.channel, delivery.address, delivery.user_id)
        if reason is not None or rule is None:
            return reason
        if too_old(delivery.noticed_at, delivery.created_at, now, self._settings.stale_s):
            return "stale"
        if (quiet := silence(rule, _person(rule, delivery.user_id), now)) is not None:
            return quiet
        return None if channel.configured is None else f"not configured: {channel.configured}"

    def _refusal_of_own(self, delivery: Delivery, rule: Rule | None, channel: Channel, now: datetime) -> str | None:
        """The same of what is about the account itself."""
        person = rule.people[0] if rule is not None else None
        if person is None or delivery.address != {"mail": person.email, "sms": person.phone}.get(delivery.channel):
            return "recipient removed"
        if self._left_s(delivery) < 0:
            return "stale"
        if channel.configured is not None:
            return f"not configured: {channel.configured}"
        return "quiet hours" if not delivery.urgent and accounts.pause(person, delivery.channel, now) else None

    def _left_s(self, delivery: Delivery) -> float:
        """How long its alert is still worth telling."""
        since = min(delivery.noticed_at, delivery.created_at) if delivery.device_id is not None else delivery.created_at
        worth_s = self._settings.stale_s if delivery.device_id is not None else accounts.STALE_S
        return (since + timedelta(seconds=worth_s) - datetime.now(UTC)).total_seconds()

    def _most(self, delivery: Delivery) -> int:
        """Tries."""
        return self._settings.attempts * (1 if delivery.device_id is not None else accounts.PATIENCE)

    def _window_s(self, channel: str) -> float:
        return max(60.0 if channel == "webhook" else 3600.0, self._settings.bundle_s)

    def held_back(self, channel: str, delivery: Delivery, lately: list[Lately], *, left_s: float) -> Next | None:
        """What a message to the same address a while ago means for this one. A program that is called can sort out a flood
        itself, so nothing is held back for a bundle of calls."""
        alike = [sent.age_s for sent in lately if sent.rule_id == delivery.rule_id]
        wait_s = self._settings.bundle_s - min(alike) if alike and channel != "webhook" else 0.0
        if wait_s > 0:
            return Next("waiting", "bundling", wait_s)
        window_s = 60.0 if channel == "webhook" else 3600.0
        most = self._settings.sms_per_hour if channel in WITH_FALLBACK else self._settings.mails_per_hour
        counted = [sent.age_s for sent in lately if sent.age_s < window_s]
        if len(counted) < most:
            return None
        wait_s = window_s - counted[-most]
        return Next("waiting", "hourly limit", wait_s) if wait_s < left_s else Next("skipped", "hourly limit")

    # --- the try

    async def _try(self, begun: Try, channel: Channel) -> Sent | NotSent | Next:
        """Compose, ask the meter, send. Never raises but when the server stops."""
        delivery = begun.delivery
        try:
            async with self._transaction() as connection:
                told = await self._composer.told(connection, delivery)
            message = await self._composer.compose(delivery, told, begun.rule, begun.person)
            if channel.name == "sms" and delivery.device_id is not None:
                refusal = await self._meter().reserve(delivery.account_id, delivery.id, count_parts(message.short))
                if refusal is not None:
                    return Next("skipped", f"not paid for: {refusal}")
        except UNREACHABLE as error:
            return NotSent(f"the database does not answer: {str(error).partition(chr(10))[0]}")
        except Exception as error:
            log.exception("a message could not be made", delivery_id=delivery.id)
            return NotSent(f"the message could not be made: {error!r}")
        return await send(channel, delivery.address, message, self._settings.timeout_s)

    # --- after

    async def _record(self, begun: Try, channel: Channel, outcome: Sent | NotSent | Next) -> None:
        """For as long as it takes: what isn't written down is sent again."""
        while True:
            try:
                async with self._transaction() as connection:
                    ended = await self._outcome(connection, begun, channel, outcome)
            except UNREACHABLE as error:
                log.info("what became of a delivery waits for the database", reason=str(error).partition("\n")[0])
                await asyncio.sleep(RECORD_S)
            else:
                break
        delivery = begun.delivery
        if channel.name == "sms" and delivery.device_id is not None:
            await self._settle(delivery, outcome, ended)
        if isinstance(outcome, Sent):
            self._metrics.sent(channel.name, (datetime.now(UTC) - delivery.noticed_at).total_seconds())
        elif isinstance(ended, Next):
            log.info("not sent", delivery_id=delivery.id, channel=channel.name, state=ended.state, reason=ended.reason)

    async def _outcome(
        self, connection: AsyncConnection[Any], begun: Try, channel: Channel, outcome: Sent | NotSent | Next
    ) -> Next | None:
        delivery = begun.delivery
        if isinstance(outcome, Sent):
            await store.end(connection, delivery.id, state="sent", provider_id=outcome.provider_id, parts=outcome.parts)
            self._metrics.deliveries[channel.name, "sent"] += 1
            return None
        if isinstance(outcome, NotSent):
            outcome = retries.after_failure(
                outcome,
                attempts=begun.attempts,
                most=self._most(delivery),
                idempotent=channel.idempotent,
                uncertain=delivery.uncertain,
                left_s=self._left_s(delivery),
            )
        await self._end(connection, delivery, outcome)
        return outcome

    async def _end(self, connection: AsyncConnection[Any], delivery: Delivery, ended: Next) -> None:
        """Write it down; where an e-mail can go in its place, it does."""
        state, reason = ended.state, ended.reason
        if state == "skipped" and delivery.uncertain:
            state, reason = "failed", f"may have been sent: {reason}"
        elif state == "skipped" and delivery.attempts and reason == "stale":
            state, reason = "failed", delivery.reason or reason
        await store.end(connection, delivery.id, state=state, reason=reason, uncertain=ended.uncertain, wait_s=ended.wait_s)
        self._metrics.deliveries[delivery.channel, state] += 1
        code = ended.reason.partition(":")[0]
        if ended.final and code in ("not configured", "not paid for", "hourly limit", "gateway", "may have been sent"):
            await self._fall_back(connection, delivery)

    async def _fall_back(self, connection: AsyncConnection[Any], delivery: Delivery) -> None:
        rule = await self._rule(connection, delivery)
        person = _person(rule, delivery.user_id) if rule else None
        if delivery.channel not in WITH_FALLBACK or rule is None or person is None:
            return
        mail = NewDelivery(
            delivery.alert_id, rule.id or None, person.id, "mail", person.email, "waiting", fallback_of=delivery.id
        )
        await alert_store.add_deliveries(connection, [mail])
        self._wake.set()

    async def _found_lost(self, connection: AsyncConnection[Any], delivery: Delivery) -> None:
        channel = self._channels.get(delivery.channel)
        ended = retries.after_crash(
            attempts=delivery.attempts,
            most=self._most(delivery),
            idempotent=channel is not None and channel.idempotent,
            uncertain=delivery.uncertain,
        )
        log.warning("a delivery was broken off", delivery_id=delivery.id, channel=delivery.channel, state=ended.state)
        await self._end(connection, delivery, ended)
        if delivery.channel == "sms" and delivery.device_id is not None and ended.final:
            await self._tell_meter(self._meter().give_back(delivery.id), delivery)

    async def _settle(self, delivery: Delivery, outcome: Sent | NotSent | Next, ended: Next | None) -> None:
        """What nobody knows to have gone out isn't paid for."""
        meter = self._meter()
        if isinstance(outcome, Sent):
            await self._tell_meter(meter.settle(delivery.id, outcome.parts or 1), delivery)
        elif ended is not None and ended.final and not (isinstance(outcome, Next) and outcome.reason.startswith("not paid for")):
            await self._tell_meter(meter.give_back(delivery.id), delivery)

    async def _tell_meter(self, telling: Awaitable[None], delivery: Delivery) -> None:
        try:
            await telling
        except Exception:
            log.exception("the meter could not be told", delivery_id=delivery.id)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection[Any]]:
        async with self._connections, self._database.pool.connection() as connection:
            yield connection


async def send(channel: Channel, address: str, message: Message, timeout_s: float) -> Sent | NotSent:
    """Sent, or why not; whatever the channel does."""
    try:
        async with asyncio.timeout(timeout_s + GUARD_S):
            return await channel.send(address, message, deadline_s=timeout_s)
    except NotSent as error:
        return error
    except TimeoutError:
        return NotSent("no answer in time", uncertain=True)
    except Exception as error:
        log.exception("a channel failed", channel=channel.name)
        return NotSent(f"the channel failed: {error!r}", uncertain=True)


def _person(rule: Rule, user_id: int | None) -> Person | None:
    return next((person for person in rule.people if person.id == user_id), None)
