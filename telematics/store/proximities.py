"""Proximities as the pipeline holds them, and the pairs of vehicles that are near each other.

Pairs are written in the transaction of the events that tell of them, so that after a crash nothing is told twice and nothing is
forgotten. A row with device 0 says that a proximity was looked at before: without it, whoever is near already is not told of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from msgspec.structs import replace
from psycopg import AsyncConnection

from telematics.hours import ALWAYS, Hours
from telematics.store.records import Pair, PairNews, Proximity
from telematics.store.sql import query

log = structlog.get_logger(__name__)


async def load_proximities(connection: AsyncConnection[Any], ids: Sequence[int] | None) -> list[Proximity]:
    """These proximities, or all (None), by number; without those that are gone or disabled."""
    rows = await connection.execute(query("proximities"), {"ids": None if ids is None else list(ids)})
    return [replace(Proximity(*row[:-3]), hours=_hours(row[0], *row[-3:])) for row in await rows.fetchall()]


def _hours(proximity_id: int, weekly: Any, calendar: str | None, time_zone: str) -> Hours:
    try:
        return Hours.of(weekly, calendar, time_zone)
    except ValueError as error:  # stored by somebody else: rather an alert too many
        log.warning("a proximity's hours can't be read; it is always on", proximity=proximity_id, reason=str(error))
        return ALWAYS


async def load_pairs(connection: AsyncConnection[Any]) -> list[Pair]:
    """All pairs, and the rows that say which proximities were looked at."""
    rows = await connection.execute(query("proximity_pairs"))
    return [Pair(*row) for row in await rows.fetchall()]


async def save_pairs(connection: AsyncConnection[Any], news: PairNews) -> None:
    """Within the caller's transaction. Pairs of proximities that were removed meanwhile are left out."""
    if news.forgotten:
        await connection.execute(query("forget_proximities"), {"ids": news.forgotten})
    gone = [pair for pair in news.pairs if pair.near is None]
    if gone:
        await connection.execute(query("forget_pairs"), _columns(gone))
    kept = [pair for pair in news.pairs if pair.near is not None]
    if kept:
        values = {**_columns(kept), "near": [pair.near for pair in kept], "since": [pair.since for pair in kept]}
        await connection.execute(query("save_pairs"), values)


def _columns(pairs: Sequence[Pair]) -> dict[str, list[Any]]:
    return {
        "proximity_ids": [pair.proximity_id for pair in pairs],
        "device_ids": [pair.device_id for pair in pairs],
        "partner_ids": [pair.partner_id for pair in pairs],
    }
