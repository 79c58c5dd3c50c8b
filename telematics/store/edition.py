"""The one module that knows which database it is: TimescaleDB Community, TimescaleDB Apache, or PostgreSQL alone.

    what                     TimescaleDB                          PostgreSQL
    positions, events        hypertables, chunks of a day         partitioned by day, with a DEFAULT partition
    a new day                by itself                            `ensure_days`, ahead and on demand
    retention                drop_chunks                          DROP of partitions, DELETE from the default one
    compression              Community: after 7 days              none

A day gets a partition of its own only when it is today, tomorrow or at most 40 days back; everything else goes to the DEFAULT
partition, so that a tracker whose clock is wrong makes no tables. What the tables are is decided once, when they are made; a
database that gets or loses TimescaleDB later goes on with the tables it has, and `note` says so.

Sources: TimescaleDB documentation, "create_hypertable()", "drop_chunks()", "ALTER TABLE (Compression)",
"add_compression_policy()"; PostgreSQL manual, 5.12 "Table Partitioning".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from typing import Any, Literal

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import AsyncConnection, errors, sql
from psycopg.conninfo import make_conninfo

from telematics.store.sql import query

Name = Literal["timescaledb-community", "timescaledb-apache", "postgresql"]
Shape = Literal["hypertable", "partitioned", "plain"]

TABLES = ("positions", "events")
DAYS_BACK = 40
DAYS_AHEAD = 1
DELETED_AT_ONCE = 20_000  # rows of one DELETE: short enough to be in nobody's way
INDEXES = (
    # Blocks of rising ids lie together: a few pages of BRIN find a position by its id, or all since one.
    "CREATE INDEX IF NOT EXISTS positions_id ON positions USING brin (id) WITH (pages_per_range = 32, autosummarize = on)",
    "CREATE INDEX IF NOT EXISTS events_id ON events (id)",
    "CREATE INDEX IF NOT EXISTS events_time ON events (time)",
)


@dataclass(frozen=True, slots=True)
class Edition:
    """What the database is, and what the tables are."""

    name: Name
    shape: Shape
    timescaledb: str | None  # version of the extension in this database
    note: str | None  # what its owner should know


def prepare(connection: psycopg.Connection[Any]) -> Edition:
    """Make positions and events for this database, unless they are there. To be called within `migrating`, in autocommit."""
    if _shape(connection) is None:
        _try_extension(connection)
        version = _extension_version(connection)
        with connection.transaction():
            _make(connection, hypertables=version is not None)
        if version is not None and _license(connection) == "timescale":
            _compress(connection)
    return find(connection)


def find(connection: psycopg.Connection[Any]) -> Edition:
    """What is there. Raises psycopg's UndefinedTable when `prepare` has never run."""
    version, shape = _extension_version(connection), _shape(connection)
    if shape is None:
        raise errors.UndefinedTable("there is no table positions: start the server once")
    if shape == "hypertable":
        name: Name = "timescaledb-community" if _license(connection) == "timescale" else "timescaledb-apache"
        return Edition(name, shape, version, None)
    note = None
    if version is not None:
        note = (
            f"TimescaleDB {version} is installed, but positions were made without it and stay so; "
            f"to use it, dump the data and restore them into a new database that has it from the start"
        )
    elif shape == "plain":
        note = "positions is one table without partitions: TimescaleDB was removed; retention will be slow"
    return Edition("postgresql", shape, version, note)


def _shape(connection: psycopg.Connection[Any]) -> Shape | None:
    row = connection.execute(query("shape")).fetchone()
    if row is None:
        return None
    if row[0] == "p":
        return "partitioned"
    if _extension_version(connection) is not None:
        found = connection.execute(
            "SELECT FROM timescaledb_information.hypertables WHERE hypertable_name = 'positions'"
            " AND hypertable_schema = current_schema()"
        ).fetchone()
        if found is not None:
            return "hypertable"
    return "plain"


def _extension_version(connection: psycopg.Connection[Any]) -> str | None:
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    return None if row is None else str(row[0])


def _license(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    return str(row[0]) if row is not None else ""


def _try_extension(connection: psycopg.Connection[Any]) -> None:
    """On a connection of its own: where the library is not preloaded, TimescaleDB ends the connection that asks for it."""
    if connection.execute("SELECT FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone() is None:
        return
    address = make_conninfo(connection.info.dsn, password=connection.info.password or None)  # dsn comes without it
    try:
        with psycopg.connect(address, autocommit=True) as other:
            other.execute("SET client_min_messages = error")
            other.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except psycopg.Error:
        return  # not preloaded, or not allowed: PostgreSQL alone will do


def _make(connection: psycopg.Connection[Any], *, hypertables: bool) -> None:
    for table in TABLES:
        text = (files("telematics.store") / "tables" / f"{table}.sql").read_text(encoding="utf-8")
        if hypertables:
            connection.execute(text.encode())
            connection.execute(
                "SELECT create_hypertable(%s::regclass, 'time', chunk_time_interval => interval '1 day',"
                " create_default_indexes => false)",
                [table],
            )
        else:
            connection.execute(text.encode() + b" PARTITION BY RANGE (time)")
            connection.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT".encode())
    for index in INDEXES:
        connection.execute(index.encode())


def _compress(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "ALTER TABLE positions SET (timescaledb.compress, timescaledb.compress_segmentby = 'device_id',"
        " timescaledb.compress_orderby = 'time')"
    )
    connection.execute("SELECT add_compression_policy('positions', interval '7 days', if_not_exists => true)")


def wanted(days: Iterable[date], today: date) -> set[date]:
    """Those of the days that get a partition of their own."""
    first, last = today - timedelta(days=DAYS_BACK), today + timedelta(days=DAYS_AHEAD)
    return {day for day in days if first <= day <= last}


def missing_days(time: NDArray[np.datetime64], existing: set[date]) -> set[date]:
    """Days of these times that should have a partition and have none."""
    days: set[date | None] = set(np.unique(time.astype("M8[D]")).tolist())
    return wanted({day for day in days if isinstance(day, date)} - existing, datetime.now(UTC).date())


async def existing_days(connection: AsyncConnection[Any]) -> set[date]:
    """Days that have partitions already."""
    rows = await (await connection.execute(query("partitions"))).fetchall()
    days = [{_day_of(name, table) for parent, name in rows if parent == table} for table in TABLES]
    return {day for day in set.intersection(*days) if day is not None}


async def ensure_days(connection: AsyncConnection[Any], days: Iterable[date]) -> None:
    """A partition for each of the days. Rows of them that went to the default partition before move into theirs."""
    for day in sorted(days):
        for table in TABLES:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '5s'")
                await _make_partition(connection, table, day)


async def _make_partition(connection: AsyncConnection[Any], table: str, day: date) -> None:
    name = f"{table}_{day:%Y%m%d}"
    # The lock makes two processes take turns; the second finds the table there.
    await connection.execute(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE".encode())
    if await (await connection.execute("SELECT to_regclass(%s)::text", [name])).fetchone() != (None,):
        return
    parts = {
        "new": sql.Identifier(name),
        "table": sql.Identifier(table),
        "default": sql.Identifier(f"{table}_default"),
        "since": sql.Literal(_midnight(day)),
        "until": sql.Literal(_midnight(day + timedelta(days=1))),
    }
    steps = (
        "CREATE TABLE {new} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)",
        "LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE",
        "WITH moved AS (DELETE FROM {default} WHERE time >= {since} AND time < {until} RETURNING *)"
        " INSERT INTO {new} SELECT * FROM moved",
        "ALTER TABLE {table} ATTACH PARTITION {new} FOR VALUES FROM ({since}) TO ({until})",
    )
    for step in steps:
        await connection.execute(sql.SQL(step).format(**parts))


async def drop_before(connection: AsyncConnection[Any], shape: Shape, day: date) -> int:
    """Forget positions and events before that UTC day; returns how many partitions or chunks went. In autocommit."""
    dropped = 0
    for table in TABLES:
        if shape == "hypertable":
            rows = await connection.execute(
                "SELECT drop_chunks(%s::regclass, older_than => %s::timestamptz)", [table, _midnight(day)]
            )
            dropped += len(await rows.fetchall())
            continue
        if shape == "partitioned":
            dropped += await _drop_partitions(connection, table, day)
        await _delete(connection, table if shape == "plain" else f"{table}_default", day)
    return dropped


async def _drop_partitions(connection: AsyncConnection[Any], table: str, day: date) -> int:
    rows = await (await connection.execute(query("partitions"))).fetchall()
    old = [name for parent, name in rows if parent == table and (found := _day_of(name, table)) is not None and found < day]
    for name in old:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    return len(old)


async def _delete(connection: AsyncConnection[Any], table: str, day: date) -> None:
    text = sql.SQL(
        "DELETE FROM {0} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {0} WHERE time < {1} LIMIT {2}))"
    ).format(sql.Identifier(table), sql.Literal(_midnight(day)), sql.Literal(DELETED_AT_ONCE))  # fmt: skip
    while (await connection.execute(text)).rowcount == DELETED_AT_ONCE:
        pass


def _day_of(partition: str, table: str) -> date | None:
    """The day in a partition's name; None: the default one, or somebody else's."""
    digits = partition.removeprefix(f"{table}_")
    if len(digits) != 8 or not digits.isdecimal():
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
