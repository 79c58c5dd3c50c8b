"""Stretches of devices' pasts into which late positions came, and what the server reads and corrects there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from psycopg import AsyncConnection

from telematics.store import positions
from telematics.store.arrays import selected
from telematics.store.records import Rows
from telematics.store.snapshot import rows_of
from telematics.store.sql import query

AT_ONCE = 200
FAR = timedelta(days=30)  # the ends of a stretch are looked for this far; a device that was silent for longer begins anew


@dataclass(frozen=True, slots=True)
class Stretch:
    device_id: int
    since: datetime
    until: datetime
    changed_at: datetime
    quiet_s: float


Key = tuple[datetime, str, str]


class Told(msgspec.Struct, frozen=True):
    """An event of a zone, as it is stored."""

    time: datetime
    type: str
    subject: str
    position_id: int | None
    created_at: datetime
    attributes: dict[str, Any]
    superseded: bool

    @property
    def key(self) -> Key:
        return self.time, self.type, self.subject


async def waiting(connection: AsyncConnection[Any]) -> list[Stretch]:
    found = await connection.execute(query("revisits"), {"limit": AT_ONCE})
    return [Stretch(*row) for row in await found.fetchall()]


async def done(connection: AsyncConnection[Any], stretch: Stretch, since: datetime | None = None) -> None:
    """All of it, or up to `since`; unless more late positions came into it meanwhile."""
    where = "WHERE device_id = %(device_id)s AND changed_at = %(changed_at)s"
    values = {"device_id": stretch.device_id, "changed_at": stretch.changed_at, "since": since}
    change = "DELETE FROM revisits" if since is None else "UPDATE revisits SET since = %(since)s"
    await connection.execute(f"{change} {where}".encode(), values)


async def fixes_before(connection: AsyncConnection[Any], device_id: int, before: datetime, limit: int) -> Rows:
    """Oldest first."""
    text = query("fixes_before").format(columns=_columns())
    values = {"device_id": device_id, "before": before, "since": before - FAR, "limit": limit}
    found = await (await connection.execute(text.encode(), values)).fetchall()
    return rows_of(found[::-1])


async def fixes_after(connection: AsyncConnection[Any], device_id: int, since: datetime, until: datetime, limit: int) -> Rows:
    text = query("fixes_after").format(columns=_columns())
    values = {"device_id": device_id, "since": since, "until": until, "limit": limit}
    return rows_of(await (await connection.execute(text.encode(), values)).fetchall())


async def told(connection: AsyncConnection[Any], device_id: int, since: datetime, until: datetime) -> list[Told]:
    values = {"device_id": device_id, "since": since, "until": until}
    return [Told(*row) for row in await (await connection.execute(query("zone_events"), values)).fetchall()]


async def entered(connection: AsyncConnection[Any], device_id: int, at: datetime) -> dict[int, tuple[bool, datetime]]:
    """By zone: whether the last event until then was an entering, and when it was."""
    values = {"device_id": device_id, "at": at, "since": at - FAR}
    found = await (await connection.execute(query("zones_entered"), values)).fetchall()
    return {int(subject): (kind == "geofenceEnter", time) for subject, kind, time in found if subject.isdecimal()}


async def mark(connection: AsyncConnection[Any], device_id: int, events: Sequence[Told], superseded: Sequence[bool]) -> None:
    if events:
        values = {**_keys(device_id, events), "superseded": list(superseded)}
        await connection.execute(query("set_superseded"), values)


async def withdraw(connection: AsyncConnection[Any], device_id: int, events: Sequence[Told]) -> set[Key]:
    """Out of the outbox. Returns those that were still in it: nobody has heard of them."""
    if not events:
        return set()
    return {tuple(row) for row in await (await connection.execute(query("withdraw"), _keys(device_id, events))).fetchall()}


async def tell_again(connection: AsyncConnection[Any], device_id: int, events: Sequence[Told]) -> None:
    """Into the outbox once more; what there is an alert of already makes no second one."""
    if events:
        await connection.execute(query("tell_again"), _keys(device_id, events))


def _keys(device_id: int, events: Sequence[Told]) -> dict[str, Any]:
    return {
        "device_id": device_id,
        "times": [event.time for event in events],
        "types": [event.type for event in events],
        "subjects": [event.subject for event in events],
    }


def _columns() -> str:
    return ", ".join(selected(name, kind) for name, kind, _ in positions.COLUMNS)
