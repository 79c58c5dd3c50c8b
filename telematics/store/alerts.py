"""Rules, and the way from the outbox to alerts and their deliveries. Each function works within its caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from telematics.store.repair import clean_json
from telematics.store.sql import query


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A row of rules.sql."""

    id: int
    account_id: int
    name: str
    active: bool
    types: list[str]
    alarms: list[str]
    all_devices: bool
    zone_groups: list[str]
    hours: list[Any] | None
    calendar: str | None
    channels: list[str]
    emails: list[str]
    phones: list[str]
    webhook_url: str | None
    urgent: bool
    cooldown_s: float
    command_id: int | None
    attributes: dict[str, Any]
    language: str
    time_zone: str
    device_ids: list[int]
    group_ids: list[int]
    zone_ids: list[int]
    people: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Taken:
    """A row of the outbox, with its event; event_id is None when that is gone."""

    id: int
    device_id: int
    time: datetime
    type: str
    subject: str
    event_id: int | None
    position_id: int | None
    attributes: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to be stored."""

    device_id: int
    event_id: int | None
    time: datetime
    noticed_at: datetime
    type: str
    subject: str
    position_id: int | None
    attributes: dict[str, Any]
    rule_ids: tuple[int, ...]
    urgent: bool
    latitude: float | None = None
    longitude: float | None = None
    speed_kmh: float | None = None

    @property
    def key(self) -> tuple[int, datetime, str, str]:
        return self.device_id, self.time, self.type, self.subject


@dataclass(frozen=True, slots=True)
class NewAccountAlert:
    """An alert about the account itself, which no rule asks for. One that is urgent waits for no morning."""

    account_id: int
    type: str
    subject: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    urgent: bool = False

    @property
    def key(self) -> tuple[int, str, str]:
        return self.account_id, self.type, self.subject


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A row of people_of.sql."""

    id: int
    account_id: int
    email: str
    name: str
    language: str
    time_zone: str
    phone: str | None
    quiet_hours: Any
    administrator: bool
    disabled: bool


@dataclass(frozen=True, slots=True)
class ToldAccount:
    """A row of account_alerts_told.sql."""

    id: int
    account_id: int
    toast: list[int]


@dataclass(frozen=True, slots=True)
class NewDelivery:
    alert_id: int
    rule_id: int | None  # None: about the account itself
    user_id: int | None
    channel: str
    address: str
    state: str
    reason: str | None = None
    fallback_of: int | None = None
    due_at: datetime | None = None  # None: at once

    @property
    def key(self) -> tuple[int, str, str]:
        return self.alert_id, self.channel, self.address


@dataclass(frozen=True, slots=True)
class Near:
    """An alert near in time to one that may be told; `told`: it was neither late nor stale."""

    time: datetime
    rule_ids: frozenset[int]
    told: bool


Key = tuple[int, datetime, str, str]
Place = tuple[float | None, float | None, float | None]  # latitude, longitude, speed_kmh


async def load_rules(
    connection: AsyncConnection[Any],
    *,
    ids: Sequence[int] | None = None,
    user_ids: Sequence[int] = (),
    calendar_ids: Sequence[int] = (),
    account_ids: Sequence[int] = (),
) -> list[RuleRow]:
    """All, or those that any of the ids is about."""
    given = {"ids": list(ids or ()), "user_ids": list(user_ids), "calendar_ids": list(calendar_ids)}
    everything = ids is None and not (user_ids or calendar_ids or account_ids)
    parameters = {**given, "account_ids": list(account_ids), "everything": everything}
    async with connection.cursor(row_factory=class_row(RuleRow)) as cursor:
        await cursor.execute(query("rules"), parameters)
        return await cursor.fetchall()


async def take(connection: AsyncConnection[Any], limit: int) -> list[Taken]:
    async with connection.cursor(row_factory=class_row(Taken)) as cursor:
        await cursor.execute(query("take_outbox"), {"limit": limit})
        return await cursor.fetchall()


async def done(connection: AsyncConnection[Any], taken: Sequence[Taken]) -> None:
    await connection.execute("DELETE FROM outbox WHERE id = ANY(%s)", [[row.id for row in taken]])


async def depth(connection: AsyncConnection[Any]) -> tuple[int, float]:
    """Rows in the outbox, and for how many seconds the oldest has waited."""
    row = await (await connection.execute(query("outbox_depth"))).fetchone()
    assert row is not None
    return row[0], row[1]


async def messengers_of(connection: AsyncConnection[Any], user_ids: Sequence[int]) -> dict[int, list[int]]:
    found = defaultdict[int, list[int]](list)
    if user_ids:
        rows = await connection.execute(query("messengers_of"), {"user_ids": list(user_ids)})
        for user_id, number in await rows.fetchall():
            found[user_id].append(number)
    return found


async def near(
    connection: AsyncConnection[Any], keys: Sequence[Key], within_s: Sequence[float], stale_s: float
) -> list[list[Near]]:
    """Beside each key the alerts about the same within so many seconds."""
    found: list[list[Near]] = [[] for _ in keys]
    if keys:
        device_ids, times, types, subjects = (list(column) for column in zip(*keys, strict=True))
        parameters = {"device_ids": device_ids, "times": times, "types": types, "subjects": subjects}
        rows = await connection.execute(
            query("alerts_near"), {**parameters, "within_s": list(within_s), "stale_s": stale_s}, prepare=False
        )
        for place, time, rule_ids, told in await rows.fetchall():
            found[place - 1].append(Near(time, frozenset(rule_ids), told))
    return found


async def places(connection: AsyncConnection[Any], wanted: Sequence[tuple[int, datetime, datetime, int | None]]) -> list[Place]:
    """Where each device was at the time, and how fast; of a position, when its number is given, which is looked for up to an hour
    behind the second time."""
    found: list[Place] = [(None, None, None)] * len(wanted)
    if wanted:
        device_ids, times, ends, position_ids = (list(column) for column in zip(*wanted, strict=True))
        parameters = {"device_ids": device_ids, "times": times, "ends": ends, "position_ids": position_ids}
        rows = await connection.execute(query("places_of"), parameters, prepare=False)
        for place, latitude, longitude, speed_kmh in await rows.fetchall():
            found[place - 1] = (latitude, longitude, speed_kmh)
    return found


async def add_alerts(connection: AsyncConnection[Any], alerts: Sequence[NewAlert]) -> dict[Key, tuple[int, int]]:
    """Number and account of each that was not there yet."""
    if not alerts:
        return {}
    parameters = {
        "device_ids": [alert.device_id for alert in alerts],
        "event_ids": [alert.event_id for alert in alerts],
        "times": [alert.time for alert in alerts],
        "noticed_ats": [alert.noticed_at for alert in alerts],
        "types": [alert.type for alert in alerts],
        "subjects": [alert.subject for alert in alerts],
        "position_ids": [alert.position_id for alert in alerts],
        "latitudes": [alert.latitude for alert in alerts],
        "longitudes": [alert.longitude for alert in alerts],
        "speeds_kmh": [alert.speed_kmh for alert in alerts],
        "attributes": [Jsonb(clean_json(alert.attributes)) for alert in alerts],
        "rule_ids": ["{" + ",".join(map(str, alert.rule_ids)) + "}" for alert in alerts],
        "urgents": [alert.urgent for alert in alerts],
    }
    rows = await (await connection.execute(query("add_alerts"), parameters, prepare=False)).fetchall()
    return {
        (device_id, time, kind, subject): (alert_id, account_id) for alert_id, account_id, device_id, time, kind, subject in rows
    }


async def add_deliveries(connection: AsyncConnection[Any], deliveries: Sequence[NewDelivery]) -> dict[tuple[int, str, str], int]:
    """The number of each that was stored, by alert, channel and address."""
    if not deliveries:
        return {}
    parameters = {
        "alert_ids": [delivery.alert_id for delivery in deliveries],
        "rule_ids": [delivery.rule_id for delivery in deliveries],
        "user_ids": [delivery.user_id for delivery in deliveries],
        "channels": [delivery.channel for delivery in deliveries],
        "addresses": [delivery.address for delivery in deliveries],
        "states": [delivery.state for delivery in deliveries],
        "reasons": [delivery.reason for delivery in deliveries],
        "fallbacks_of": [delivery.fallback_of for delivery in deliveries],
        "dues_at": [delivery.due_at for delivery in deliveries],
    }
    rows = await (await connection.execute(query("add_deliveries"), parameters, prepare=False)).fetchall()
    return {(alert_id, channel, address): number for number, alert_id, channel, address in rows}


async def people_of(
    connection: AsyncConnection[Any], account_ids: Sequence[int], user_ids: Sequence[int] | None = None
) -> list[PersonRow]:
    """Those who are told of these accounts' own affairs."""
    async with connection.cursor(row_factory=class_row(PersonRow)) as cursor:
        given = None if user_ids is None else list(user_ids)
        await cursor.execute(query("people_of"), {"account_ids": list(account_ids), "user_ids": given}, prepare=False)
        return await cursor.fetchall()


async def add_account_alerts(
    connection: AsyncConnection[Any], alerts: Sequence[NewAccountAlert], now: datetime
) -> dict[tuple[int, str, str], int]:
    """The number of each that was not there yet, by account, type and subject."""
    parameters = {
        "now": now,
        "account_ids": [alert.account_id for alert in alerts],
        "types": [alert.type for alert in alerts],
        "subjects": [alert.subject for alert in alerts],
        "attributes": [Jsonb(clean_json(alert.attributes)) for alert in alerts],
        "urgents": [alert.urgent for alert in alerts],
    }
    rows = await (await connection.execute(query("add_account_alerts"), parameters, prepare=False)).fetchall()
    return {(account_id, kind, subject): number for number, account_id, kind, subject in rows}


async def account_alerts_since(connection: AsyncConnection[Any], account_ids: Sequence[int], since: datetime) -> dict[int, int]:
    """How many alerts about themselves these accounts have had since then."""
    parameters = {"account_ids": list(account_ids), "since": since}
    rows = await (await connection.execute(query("account_alerts_since"), parameters, prepare=False)).fetchall()
    return dict(rows)


async def account_alerts_told(connection: AsyncConnection[Any], ids: Sequence[int]) -> list[ToldAccount]:
    async with connection.cursor(row_factory=class_row(ToldAccount)) as cursor:
        await cursor.execute(query("account_alerts_told"), {"ids": list(ids)}, prepare=False)
        return await cursor.fetchall()
