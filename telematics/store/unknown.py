"""Trackers that report and are not in the list of devices, for somebody to add them with a click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from telematics.store.records import UnknownTracker
from telematics.store.repair import clean_text
from telematics.store.sql import query

LONGEST_NAME = 128  # as devices.unique_id; a longer one could never be added


async def save_unknown(connection: AsyncConnection[Any], trackers: Sequence[UnknownTracker], keep: int) -> None:
    """Add what was heard since the last call; `count` adds up. Of more than `keep`, those not heard for longest make room."""
    if not trackers:
        return
    newest: dict[tuple[str, str], UnknownTracker] = {}
    for tracker in trackers:
        key = (tracker.protocol, clean_text(tracker.unique_id)[:LONGEST_NAME])
        before = newest.get(key)
        newest[key] = tracker if before is None else _together(before, tracker)
    known = dict(sorted(newest.items()))
    async with connection.transaction():
        await connection.execute(
            query("save_unknown"),
            {
                "protocols": [protocol for protocol, _ in known],
                "unique_ids": [unique_id for _, unique_id in known],
                "addresses": [clean_text(tracker.address) for tracker in known.values()],
                "first_heard": [tracker.first_heard for tracker in known.values()],
                "last_heard": [tracker.last_heard for tracker in known.values()],
                "counts": [tracker.count for tracker in known.values()],
            },
        )
        await connection.execute(query("trim_unknown"), {"keep": keep})


async def list_unknown(connection: AsyncConnection[Any], limit: int = 1000) -> list[UnknownTracker]:
    """Those heard last come first."""
    rows = await connection.execute(query("unknown"), {"limit": limit})
    return [UnknownTracker(*row) for row in await rows.fetchall()]


async def count_unknown(connection: AsyncConnection[Any]) -> int:
    row = await (await connection.execute("SELECT count(*) FROM unknown_trackers")).fetchone()
    return int(row[0]) if row is not None else 0


async def forget_unknown(connection: AsyncConnection[Any], unique_id: str) -> None:
    """It was added to the devices."""
    await connection.execute("DELETE FROM unknown_trackers WHERE unique_id = %s", [unique_id])


def _together(one: UnknownTracker, other: UnknownTracker) -> UnknownTracker:
    last = max(one, other, key=lambda tracker: tracker.last_heard)
    return UnknownTracker(
        protocol=one.protocol, unique_id=one.unique_id, address=last.address, first_heard=min(one.first_heard, other.first_heard),
        last_heard=last.last_heard, count=one.count + other.count,
    )  # fmt: skip
