"""The last piece of a device's way, for a picture of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from telematics.store.database import Database
from telematics.store.errors import StoreBusy, translate
from telematics.store.sql import query

WAIT_S = 4.0


@dataclass(frozen=True, slots=True)
class Step:
    """A row of way_before.sql."""

    latitude: float
    longitude: float
    course_deg: float | None
    time: datetime


async def way_before(database: Database, device_id: int, since: datetime, until: datetime, limit: int) -> list[Step]:
    """Newest first. Raises StoreError while the database can't say."""
    parameters = {"device_id": device_id, "since": since, "until": until, "limit": limit}
    try:
        async with (
            database.pool.connection(timeout=WAIT_S) as connection,
            connection.cursor(row_factory=class_row(Step)) as cursor,
        ):
            await cursor.execute(query("way_before").encode(), parameters, prepare=False)
            return await cursor.fetchall()
    except (psycopg.Error, PoolTimeout, PoolClosed, TooManyRequests) as error:
        raise (translate(error) if isinstance(error, psycopg.Error) else None) or StoreBusy(str(error)) from error
