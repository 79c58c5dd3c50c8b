"""Zones and groups as the pipeline holds them."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import class_row

from telematics.store.sql import query


class ZoneRow(msgspec.Struct, frozen=True):
    """A row of zones, as it is stored."""

    id: int
    account_id: int
    name: str
    zone_group: str
    enabled: bool
    outline: bytes  # WKB
    depth_m: float
    all_devices: bool
    device_ids: list[int] | None
    group_ids: list[int] | None
    hours: list[Any] | None
    calendar: str | None
    time_zone: str
    border_m: float
    confirm_fixes: int
    confirm_s: float
    dwell_s: float | None
    back_by: time | None
    speed_limit_kmh: float | None
    passes: bool
    calendar_id: int | None
    changed_at: datetime


async def load_zones(connection: AsyncConnection[Any], ids: list[int] | None) -> list[ZoneRow]:
    """These zones, or all (None). Those that are gone are left out."""
    async with connection.cursor(row_factory=class_row(ZoneRow)) as cursor:
        await cursor.execute(query("zones"), {"ids": ids}, binary=True)
        return await cursor.fetchall()


async def load_groups(connection: AsyncConnection[Any]) -> dict[int, int | None]:
    """Every group's parent."""
    rows = await connection.execute(query("group_parents"))
    return dict(await rows.fetchall())
