"""Deliveries on their way. Each function works within its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

from telematics.store.sql import query


@dataclass(frozen=True, slots=True)
class Due:
    """A row of deliveries_due.sql. `stale`: its alert is too old to be told."""

    id: int
    account_id: int
    address: str
    stale: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of lock_delivery.sql and lost_deliveries.sql. `attempts` were begun before."""

    id: int
    alert_id: int
    account_id: int
    rule_id: int | None
    user_id: int | None
    channel: str
    address: str
    attempts: int
    uncertain: bool
    fallback_of: int | None
    reason: str | None
    device_id: int | None  # None: about the account itself
    urgent: bool
    noticed_at: datetime  # the alert's
    created_at: datetime  # of the alert


@dataclass(frozen=True, slots=True)
class ToldAlert:
    """A row of told_by.sql."""

    id: int
    device_id: int | None
    device_name: str
    type: str
    subject: str
    time: datetime
    attributes: dict[str, Any]
    latitude: float | None
    longitude: float | None
    speed_kmh: float | None
    of_so_many: int


@dataclass(frozen=True, slots=True)
class Lately:
    """A message to the same address, so many seconds ago."""

    rule_id: int | None
    age_s: float


async def due(
    connection: AsyncConnection[Any],
    channel: str,
    *,
    busy: Sequence[str],
    full: Sequence[int],
    stale_s: float,
    looked_at: int,
    limit: int,
) -> list[Due]:
    """Without those to busy addresses, and those of accounts that have their full share under way."""
    async with connection.cursor(row_factory=class_row(Due)) as cursor:
        parameters = {"channel": channel, "busy": list(busy), "full": list(full), "stale_s": stale_s}
        parameters |= {"looked_at": looked_at, "limit": limit}
        await cursor.execute(query("deliveries_due"), parameters, prepare=False)
        return await cursor.fetchall()


async def skip_stale(connection: AsyncConnection[Any], channel: str, *, stale_s: float, limit: int) -> int:
    """How many there were."""
    parameters = {"channel": channel, "stale_s": stale_s, "limit": limit}
    return (await connection.execute(query("skip_stale"), parameters, prepare=False)).rowcount


async def next_due_s(connection: AsyncConnection[Any], channel: str, busy: Sequence[str], full: Sequence[int]) -> float | None:
    """For how long nothing is due; None: nothing waits."""
    parameters = {"channel": channel, "busy": list(busy), "full": list(full)}
    row = await (await connection.execute(query("next_due"), parameters, prepare=False)).fetchone()
    return None if row is None else float(row[0])


async def lock(connection: AsyncConnection[Any], delivery_id: int) -> Delivery | None:
    async with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        await cursor.execute(query("lock_delivery"), {"id": delivery_id})
        return await cursor.fetchone()


async def lost(connection: AsyncConnection[Any], under_way: Sequence[int], limit: int) -> list[Delivery]:
    async with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        await cursor.execute(query("lost_deliveries"), {"under_way": list(under_way), "limit": limit})
        return await cursor.fetchall()


async def sent_lately(connection: AsyncConnection[Any], delivery: Delivery, within_s: float) -> list[Lately]:
    """By the same account to the same address, oldest first."""
    parameters = {
        "channel": delivery.channel,
        "address": delivery.address,
        "account_id": delivery.account_id,
        "within_s": within_s,
    }
    rows = await connection.execute(query("sent_lately"), parameters, prepare=False)
    return [Lately(*row) for row in await rows.fetchall()]


async def defer_alike(connection: AsyncConnection[Any], delivery: Delivery, *, wait_s: float, reason: str) -> None:
    alike = {"channel": delivery.channel, "address": delivery.address, "rule_id": delivery.rule_id}
    await connection.execute(query("defer_alike"), {**alike, "wait_s": wait_s, "reason": reason}, prepare=False)


async def bundle(connection: AsyncConnection[Any], delivery: Delivery, *, stale_s: float, limit: int) -> int:
    """How many others go into this message."""
    alike = {"channel": delivery.channel, "address": delivery.address, "rule_id": delivery.rule_id}
    parameters = {**alike, "id": delivery.id, "stale_s": stale_s, "limit": limit}
    return (await connection.execute(query("bundle"), parameters, prepare=False)).rowcount


async def lease(connection: AsyncConnection[Any], delivery_id: int, lease_s: float) -> None:
    await connection.execute(query("lease_delivery"), {"id": delivery_id, "lease_s": lease_s})


async def end(
    connection: AsyncConnection[Any],
    delivery_id: int,
    *,
    state: str,
    reason: str | None = None,
    uncertain: bool = False,
    wait_s: float = 0.0,
    provider_id: str | None = None,
    parts: int | None = None,
) -> None:
    outcome = {"state": state, "reason": reason, "uncertain": uncertain, "wait_s": wait_s}
    await connection.execute(
        query("end_delivery"), {**outcome, "id": delivery_id, "provider_id": provider_id, "parts": parts}, prepare=False
    )


async def told_by(connection: AsyncConnection[Any], delivery_id: int, limit: int) -> list[ToldAlert]:
    """The message's own alert first, then the others, oldest first."""
    async with connection.cursor(row_factory=class_row(ToldAlert)) as cursor:
        await cursor.execute(query("told_by"), {"id": delivery_id, "limit": limit}, prepare=False)
        return await cursor.fetchall()
