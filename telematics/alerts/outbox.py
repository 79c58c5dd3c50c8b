"""From the outbox to alerts and deliveries: each event is held against the rules once.

Everything that follows from a batch of events is written in one transaction, which also removes them from the outbox: a crash
leaves either all of it or nothing. An event that no rule asks for leaves no trace but itself.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from telematics.alerts.matching import EVERYBODY, Draft, Happening, Rule, ZoneOf, cooled, drafts, meets, too_old
from telematics.alerts.metrics import AlertMetrics
from telematics.alerts.rules import Rules
from telematics.config import AlertSettings
from telematics.devices import Device, Devices, Groups
from telematics.live import AlertNews
from telematics.store import alerts as store
from telematics.store import commands
from telematics.store.alerts import Key, NewAlert, NewDelivery, Taken
from telematics.store.audit import note
from telematics.store.database import Database
from telematics.store.errors import StoreError

log = structlog.get_logger(__name__)

UNREACHABLE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, TooManyRequests, StoreError)
BATCH = 500  # events of one transaction: some 50 ms
AT_ONCE = 50  # events matched before trackers get a turn, about a millisecond with ten rules each
POLL_S = 1.0  # for events that nobody signalled: another process wrote them
AGAIN_S = 2.0  # after a failure
MEASURED_S = 10.0  # how often the outbox's depth is counted


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event that rules ask for."""

    event: Happening
    device: Device
    rules: tuple[Rule, ...]

    @property
    def key(self) -> Key:
        return self.event.device_id, self.event.time, self.event.type, self.event.subject


class Outbox:
    def __init__(
        self,
        database: Database,
        settings: AlertSettings,
        rules: Rules,
        devices: Devices,
        *,
        groups: Callable[[], Groups],
        zone: ZoneOf,
        told: Callable[[Sequence[AlertNews]], None],
        metrics: AlertMetrics,
        command_lasts: timedelta,
    ) -> None:
        self._database = database
        self._command_lasts = command_lasts
        self._settings = settings
        self._rules = rules
        self._devices = devices
        self._groups = groups
        self._zone = zone
        self._told = told  # called after each commit that made alerts
        self._metrics = metrics
        self._wake = asyncio.Event()
        self._batch = BATCH

    def wake(self) -> None:
        """There are events."""
        self._wake.set()

    async def run(self) -> None:
        measured_at = -MEASURED_S
        clock = asyncio.get_running_loop().time
        while True:
            self._wake.clear()
            try:
                taken = await self.once()
                if clock() - measured_at >= MEASURED_S:
                    measured_at = clock()
                    await self._measure()
            except UNREACHABLE as error:
                log.info("the outbox waits for the database", reason=str(error).partition("\n")[0])
                await asyncio.sleep(AGAIN_S)
                continue
            except Exception:  # whatever it is, it must not stop the server: trackers are more important
                log.exception("the outbox will be looked at again")
                await asyncio.sleep(AGAIN_S)
                continue
            if taken < self._batch:
                try:
                    async with asyncio.timeout(POLL_S):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    async def once(self) -> int:
        """Take a batch; how many events it had. One that can't be worked on is tried alone, and in the end set aside."""
        try:
            taken = await self._take(self._batch)
        except UNREACHABLE:
            raise
        except Exception:
            log.exception("events could not be held against the rules", at_once=self._batch)
            if self._batch == 1:
                await self._drop_first()
            self._batch = 1
            return 1
        if taken:
            self._batch = min(BATCH, self._batch * 2)
        return taken

    async def _take(self, limit: int) -> int:
        news: list[AlertNews] = []
        counted: list[Draft] = []
        async with self._database.pool.connection() as connection:
            taken = await store.take(connection, limit)
            if taken:
                news, counted = await self._turn_into_alerts(connection, taken)
                await store.done(connection, taken)
        self._metrics.events += len(taken)
        self._metrics.alerts += len(news)
        for draft in counted:
            self._metrics.deliveries[draft.channel, draft.state] += 1
        if news:
            self._told(news)
        return len(taken)

    async def _turn_into_alerts(
        self, connection: AsyncConnection[Any], taken: Sequence[Taken]
    ) -> tuple[list[AlertNews], list[Draft]]:
        now = datetime.now(UTC)
        candidates = await self._cooled(connection, await self._candidates(taken), now)
        if not candidates:
            return [], []
        places = await store.places(
            connection, [(one.device.id, one.event.time, one.event.noticed_at, one.event.position_id) for one in candidates]
        )
        added = await store.add_alerts(connection, [_alert(one, place) for one, place in zip(candidates, places, strict=True)])
        messengers = await store.messengers_of(connection, sorted(_users_with_messengers(candidates)))
        made: list[tuple[int, Draft]] = []
        news = []
        for one in candidates:
            if one.key not in added:  # it is there already, and so is what was told of it
                continue
            alert_id, account_id = added[one.key]
            of_this = drafts(one.rules, one.event, messengers, now=now, stale_s=self._settings.stale_s)
            made += [(alert_id, draft) for draft in of_this]
            old = one.event.late or too_old(one.event.noticed_at, now, now, self._settings.stale_s)
            news.append(AlertNews(alert_id, account_id, frozenset() if old else _toast(of_this)))
            if not old:
                await self._command(connection, one, now)
        await _store_drafts(connection, made)
        return news, [draft for _, draft in made]

    async def _command(self, connection: AsyncConnection[Any], one: Candidate, now: datetime) -> None:
        """Tell the device what its rules want it to be told. An answer to a command asks for no other: they would never end."""
        if one.event.type == "commandResult":
            return
        for rule in one.rules:
            if rule.command_id is None:
                continue
            queued = await commands.add_saved(
                connection, rule.command_id, one.device.id, rule_id=rule.id, lasts=self._command_lasts, now=now
            )
            if queued is None:
                log.info("a rule's command is gone, or too many wait", rule_id=rule.id, device_id=one.device.id)
                continue
            number, new = queued
            details = {"rule": rule.name, "type": new.type, "parameters": dict(new.parameters), "command": number, "sms": new.sms}
            subject = f"device {one.device.id}"
            await note(connection, "command.queued", account_id=one.device.account_id, subject=subject, details=details)

    async def _candidates(self, taken: Sequence[Taken]) -> list[Candidate]:
        found = []
        groups = self._groups()
        for place, row in enumerate(taken):
            if place % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            device = self._devices.get(row.device_id)
            if device is None or row.event_id is None:
                continue
            asked = self._rules.of(device.account_id, row.type)
            if not asked:
                continue
            event = Happening(row.device_id, row.time, row.type, row.subject, row.event_id, row.position_id, row.attributes or {})
            rules = tuple(rule for rule in asked if meets(rule, event, device, groups, self._zone))
            if rules:
                found.append(Candidate(event, device, rules))
        return found

    async def _cooled(self, connection: AsyncConnection[Any], candidates: list[Candidate], now: datetime) -> list[Candidate]:
        """Without what follows too soon: rules that told of the same a moment ago, and events that no other rule asks for."""
        asking = [one for one in candidates if any(rule.cooldown_s for rule in one.rules)]
        if not asking:
            return candidates
        stale_s = self._settings.stale_s
        within_s = [max(rule.cooldown_s for rule in one.rules) for one in asking]
        near = await store.near(connection, [one.key for one in asking], within_s, stale_s)
        told = defaultdict[tuple[int, int, str, str, bool], set[datetime]](set)  # by rule, device, type, subject; whether in time
        for one, alerts in zip(asking, near, strict=True):
            for alert in alerts:
                for rule_id in alert.rule_ids:
                    told[rule_id, one.device.id, one.event.type, one.event.subject, alert.told].add(alert.time)
        kept = []
        for one in candidates:
            event, left = one.event, []
            in_time = not event.late and not too_old(event.noticed_at, now, now, stale_s)
            for rule in one.rules:
                key = (rule.id, one.device.id, event.type, event.subject)
                before = (
                    told[*key, True] if in_time else told[*key, True] | told[*key, False]
                )  # the late keep nobody from hearing
                if not cooled(rule, event.time, before - {event.time}):
                    left.append(rule)
                    if rule.cooldown_s:
                        told[*key, in_time].add(event.time)
            if left:
                kept.append(Candidate(event, one.device, tuple(left)))
        return kept

    async def _drop_first(self) -> None:
        """What can't be worked on even alone must not hold up all that comes behind it. The event itself stays."""
        async with self._database.pool.connection() as connection:
            for row in await store.take(connection, 1):
                log.error("an event was not held against the rules", device_id=row.device_id, type=row.type, time=str(row.time))
                await store.done(connection, [row])

    async def _measure(self) -> None:
        async with self._database.pool.connection() as connection:
            self._metrics.outbox_rows, self._metrics.outbox_age_s = await store.depth(connection)


def _alert(one: Candidate, place: store.Place) -> NewAlert:
    event = one.event
    latitude, longitude, speed_kmh = place
    return NewAlert(
        device_id=event.device_id,
        event_id=event.event_id,
        time=event.time,
        noticed_at=event.noticed_at,
        type=event.type,
        subject=event.subject,
        position_id=event.position_id,
        attributes=dict(event.attributes),
        rule_ids=tuple(rule.id for rule in one.rules),
        urgent=any(rule.urgent for rule in one.rules),
        latitude=latitude,
        longitude=longitude,
        speed_kmh=speed_kmh,
    )


def _users_with_messengers(candidates: Iterable[Candidate]) -> set[int]:
    rules = {rule.id: rule for one in candidates for rule in one.rules if "messenger" in rule.channels}
    return {person.id for rule in rules.values() for person in rule.people}


def _toast(made: Iterable[Draft]) -> frozenset[int] | None:
    web = [draft for draft in made if draft.channel == "web"]
    if any(draft.address == EVERYBODY for draft in web):
        return None
    return frozenset(draft.user_id for draft in web if draft.user_id is not None)


async def _store_drafts(connection: AsyncConnection[Any], made: Sequence[tuple[int, Draft]]) -> None:
    """First those that stand for themselves, then those that go in another's place."""
    first = [_delivery(alert_id, draft, None) for alert_id, draft in made if draft.instead_of is None]
    numbers = await store.add_deliveries(connection, first)
    instead = []
    for alert_id, draft in made:
        if draft.instead_of is not None:
            number = numbers.get((alert_id, draft.instead_of.channel, draft.instead_of.address))
            instead.append(_delivery(alert_id, draft, number))
    await store.add_deliveries(connection, instead)


def _delivery(alert_id: int, draft: Draft, fallback_of: int | None) -> NewDelivery:
    return NewDelivery(
        alert_id, draft.rule_id, draft.user_id, draft.channel, draft.address, draft.state, draft.reason, fallback_of
    )
