"""The queries of the API, a file each: `rows(database, "devices", DeviceRow, …)` runs `devices.sql` and gives DeviceRows.

They are never prepared: a plan made for any values would read all devices for one, and all days for an hour.
"""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row, tuple_row
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from telematics.store.database import Database
from telematics.store.errors import StoreError

Row = TypeVar("Row")
AT_ONCE = 250  # rows made into objects before others get a turn: trackers are read by the same thread. About 3 ms
WAIT_S = 4.0  # for a connection: while the database is down or all are busy, a sentence now is better than an answer late
UNREACHABLE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, TooManyRequests, StoreError)


@cache
def text(name: str) -> bytes:
    """The text of a query, read once."""
    return Path(__file__).with_name(f"{name}.sql").read_bytes()


async def rows(database: Database, name: str, kind: type[Row], /, **parameters: Any) -> list[Row]:
    async with database.pool.connection(timeout=WAIT_S) as connection:
        return await rows_on(connection, name, kind, **parameters)


async def row(database: Database, name: str, kind: type[Row], /, **parameters: Any) -> Row | None:
    """The first row, or None."""
    found = await rows(database, name, kind, **parameters)
    return found[0] if found else None


async def value(database: Database, name: str, /, **parameters: Any) -> Any:
    """The first column of the first row, or None."""
    async with database.pool.connection(timeout=WAIT_S) as connection, connection.cursor(row_factory=tuple_row) as cursor:
        found = await (await cursor.execute(text(name), parameters, prepare=False)).fetchone()
        return found[0] if found else None


async def run(database: Database, name: str, /, **parameters: Any) -> int:
    """How many rows it changed."""
    async with database.pool.connection(timeout=WAIT_S) as connection:
        return (await connection.execute(text(name), parameters, prepare=False)).rowcount


async def run_on(connection: AsyncConnection[Any], name: str, /, **parameters: Any) -> int:
    """How many rows it changed; on a connection of the caller's."""
    return (await connection.execute(text(name), parameters, prepare=False)).rowcount


async def rows_on(connection: AsyncConnection[Any], name: str, kind: type[Row], /, **parameters: Any) -> list[Row]:
    """On a connection of the caller's, inside its transaction."""
    found: list[Row] = []
    async with connection.cursor(row_factory=class_row(kind)) as cursor:
        await cursor.execute(text(name), parameters, prepare=False)
        while part := await cursor.fetchmany(AT_ONCE):
            found += part
            await asyncio.sleep(0)
    return found
