"""Devices as ingest and the pipeline hold them."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection

from telematics.devices import Device
from telematics.store.sql import query


async def load_devices(connection: AsyncConnection[Any], ids: list[int] | None) -> list[Device]:
    """These devices, or all (None). Those that are gone are left out."""
    rows = await connection.execute(query("devices"), {"ids": ids})
    return [
        Device(
            id=device_id, account_id=account_id, unique_id=unique_id, name=name, disabled=disabled,
            speed_limit_kmh=_positive(attributes.get("speedLimit")), group_id=group_id, category=category, attributes=attributes,
            blocked=blocked,
        )
        for device_id, account_id, unique_id, name, disabled, group_id, category, attributes, blocked in await rows.fetchall()
    ]  # fmt: skip


def _positive(value: object) -> float | None:
    """An owner may have written anything into the attribute."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        limit = float(value)
    except (ValueError, OverflowError):
        return None
    return limit if 0 < limit < 1000 else None
