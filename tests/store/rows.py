"""Rows for the tests of the store, written short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from protocols import Columns
from telematics.store.database import Database
from telematics.store.records import Rows

NOON = np.datetime64("2026-03-10T12:00:00", "ms")


async def add_devices(database: Database, count: int) -> list[int]:
    async with database.pool.connection() as connection:
        await connection.execute("INSERT INTO accounts (name) VALUES ('fleet')")
        rows = await connection.execute(
            "INSERT INTO devices (account_id, unique_id, name)"
            " SELECT (SELECT min(id) FROM accounts), 'tracker ' || n, 'truck ' || n"
            " FROM generate_series(1, %s) AS n RETURNING id",
            [count],
        )
        return [row[0] for row in await rows.fetchall()]


def make_rows(
    device_id: ArrayLike,
    seconds: ArrayLike,
    *,
    first_id: int,
    late: ArrayLike = False,
    outlier: ArrayLike = False,
    distance_m: ArrayLike = 0.0,
    attributes: list[bytes | None] | None = None,
    valid: ArrayLike = True,
    start: np.datetime64 = NOON,
    **numbers: ArrayLike,
) -> Rows:
    """One row per second given, counted from `start`; scalars stand for all rows."""
    seconds = np.atleast_1d(np.asarray(seconds, "f8"))
    count = len(seconds)
    time = start + (seconds * 1000).astype("m8[ms]")
    return Rows(
        columns=Columns.of(count, frame=np.arange(count), time=time, valid=valid, attributes=attributes, **numbers),
        id=np.arange(first_id, first_id + count, dtype=np.int64),
        device_id=np.broadcast_to(np.asarray(device_id, "i4"), count).copy(),
        received=np.full(count, start + np.timedelta64(1, "D")),
        outlier=np.broadcast_to(np.asarray(outlier, "?"), count).copy(),
        distance_m=np.broadcast_to(np.asarray(distance_m, "f8"), count).copy(),
        late=np.broadcast_to(np.asarray(late, "?"), count).copy(),
    )


async def fetch(database: Database, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    async with database.pool.connection() as connection:
        return await (await connection.execute(statement.encode(), parameters)).fetchall()
