"""Which database it is, and days: made, filled, forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
import pytest

from telematics.config import Settings
from telematics.store import database as store
from telematics.store import edition
from telematics.store.database import Database, open_database
from telematics.store.maintenance import Maintenance
from telematics.store.migrate import migrating
from telematics.store.records import Batch, Event
from telematics.store.writer import Writer
from tests.store.rows import fetch, make_rows

NOW = np.datetime64("now", "ms")
TODAY = datetime.now(UTC).date()
DAY_S = 86_400


@pytest.fixture
async def plain(empty_database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """PostgreSQL without TimescaleDB, also where the server has it."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute("DROP EXTENSION IF EXISTS timescaledb CASCADE")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edition, "_try_extension", lambda connection: None)
        async with open_database(Settings(database_url=empty_database_url, data_dir=tmp_path)) as database:
            yield database


async def partitions(database: Database) -> list[str]:
    rows = await fetch(
        database, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'positions'::regclass ORDER BY 1"
    )
    return [row[0] for row in rows]


async def test_it_says_what_it_is(database: Database) -> None:
    extension = await fetch(database, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    if extension:
        licence = (await fetch(database, "SELECT current_setting('timescaledb.license')"))[0][0]
        assert database.edition == ("timescaledb-apache" if licence == "apache" else "timescaledb-community")
        chunks = "SELECT hypertable_name FROM timescaledb_information.hypertables ORDER BY 1"
        assert await fetch(database, chunks) == [("events",), ("positions",)]
    else:
        assert (database.edition, database.kind.shape) == ("postgresql", "partitioned")
    assert database.kind.note is None


async def test_a_day_gets_its_partition_and_a_broken_clock_gets_none(plain: Database) -> None:
    assert plain.edition == "postgresql"
    days = [0, -3, -40, -41, -3000, 1, 5]
    async with Writer(plain) as writer:
        await writer.commit(Batch(make_rows(1, np.array(days) * DAY_S, first_id=1, start=NOW)))
        await writer.commit(Batch(make_rows(2, np.array(days) * DAY_S, first_id=100, start=NOW)))
    made = sorted(f"positions_{TODAY + timedelta(days=days):%Y%m%d}" for days in (0, -3, -40, 1))
    assert await partitions(plain) == [*made, "positions_default"]
    assert await fetch(plain, "SELECT count(*) FROM positions_default") == [(6,)]
    assert await fetch(plain, "SELECT count(*) FROM positions") == [(14,)]


async def test_rows_move_out_of_the_default_partition(plain: Database) -> None:
    """They went there while no partition could be made."""
    async with Writer(plain) as writer:
        writer._no_partitions_before = float("inf")
        event = Event(device_id=1, time=datetime.now(UTC), type="alarm")
        await writer.commit(Batch(make_rows(1, [0, -DAY_S], first_id=1, start=NOW), [event]))
        assert await partitions(plain) == ["positions_default"]
        await Maintenance(plain).once(datetime.now(UTC))
        assert len(await partitions(plain)) == 3  # today, tomorrow, default
        assert await fetch(plain, "SELECT id FROM positions_default") == [(2,)]
        assert await fetch(plain, "SELECT count(*) FROM events_default") == [(0,)]
        await writer.commit(Batch(make_rows(1, [0.001], first_id=3, start=NOW), [event]))
    assert await fetch(plain, "SELECT count(*) FROM events") == [(1,)]


async def test_partitions_are_made_by_two_at_once(plain: Database) -> None:
    days = {TODAY - timedelta(days=number) for number in range(5)}

    async def make() -> None:
        async with await plain.connect() as connection:
            await edition.ensure_days(connection, days)
            assert await edition.existing_days(connection) == days

    await asyncio.gather(make(), make(), make())


async def test_old_days_are_dropped(database: Database) -> None:
    await drop_old_days(database)


async def test_old_days_are_dropped_without_timescaledb(plain: Database) -> None:
    await drop_old_days(plain)


async def drop_old_days(target: Database) -> None:
    ages = np.array([0, 5, 9, 10, 11, 39, 60, 300])
    moments = [datetime.now(UTC) - timedelta(days=int(age)) for age in ages]
    async with Writer(target) as writer:
        events = [Event(device_id=1, time=moment, type="alarm") for moment in moments]
        await writer.commit(Batch(make_rows(1, -ages * DAY_S, first_id=1, start=NOW), events))
    settings = target.settings.model_copy(update={"retention_days": 10})
    for _ in range(2):
        await Maintenance(target, settings).once(datetime.now(UTC))
        assert await fetch(target, "SELECT id FROM positions ORDER BY id") == [(1,), (2,), (3,), (4,)]
        assert await fetch(target, "SELECT count(*) FROM events") == [(4,)]


async def test_without_retention_nothing_is_dropped(database: Database) -> None:
    async with Writer(database) as writer:
        await writer.commit(Batch(make_rows(1, [-3000 * DAY_S], first_id=1, start=NOW)))
    await Maintenance(database).once(datetime.now(UTC))
    assert await fetch(database, "SELECT count(*) FROM positions") == [(1,)]


async def test_what_is_out_of_date_goes(database: Database) -> None:
    await fetch(database, "INSERT INTO accounts (name) VALUES ('a') RETURNING id")
    await fetch(database, "INSERT INTO users (account_id, email, name, password_hash) VALUES (1, 'a@b', '', '') RETURNING id")
    for hash_, days in (("a", -1), ("b", 1)):
        moment = datetime.now(UTC) + timedelta(days=days)
        await fetch(
            database,
            "INSERT INTO sessions (hash, user_id, expires_at) VALUES (%s, 1, %s) RETURNING hash",
            [hash_.encode(), moment],
        )
        await fetch(
            database, "INSERT INTO tokens (hash, user_id, expires_at) VALUES (%s, 1, %s) RETURNING hash", [hash_.encode(), moment]
        )
        await fetch(
            database,
            "INSERT INTO outbox (created_at, device_id, event_time, event_type, event_subject) "
            "VALUES (%s, 1, %s, '', '') RETURNING id",
            [moment - timedelta(days=7), moment],
        )
    await Maintenance(database).once(datetime.now(UTC))
    for table in ("sessions", "tokens", "outbox"):
        assert await fetch(database, f"SELECT count(*) FROM {table}") == [(1,)], table


async def test_tables_made_without_timescaledb_stay(plain: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edition, "_extension_version", lambda connection: "2.99")
    monkeypatch.setattr(edition, "_shape", lambda connection: "partitioned")
    with psycopg.connect(plain.url, autocommit=True) as connection, migrating(connection):
        found = edition.prepare(connection)
    assert (found.name, found.shape) == ("postgresql", "partitioned")
    assert found.note is not None
    assert "TimescaleDB 2.99 is installed, but positions were made without it" in found.note


async def test_timescaledb_that_is_gone_is_noticed(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute("DROP EXTENSION IF EXISTS timescaledb CASCADE")
        connection.execute("CREATE TABLE positions (id bigint)")
        found = edition.find(connection)
    assert (found.name, found.shape) == ("postgresql", "plain")
    assert found.note is not None
    assert "TimescaleDB was removed" in found.note


def test_days_that_get_a_partition() -> None:
    today = date(2026, 3, 10)
    days = [today + timedelta(days=days) for days in (-41, -40, 0, 1, 2)]
    assert edition.wanted(days, today) == {date(2026, 1, 29), date(2026, 3, 10), date(2026, 3, 11)}


async def test_two_servers_start_at_once(empty_database_url: str) -> None:
    """Both bring the schema up to date; one does it, the others wait, and all go on."""
    found = await asyncio.gather(*(asyncio.to_thread(store._prepare, empty_database_url) for _ in range(4)))
    assert len(set(found)) == 1
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT count(*) FROM snapshot").fetchone() == (1,)
        assert connection.execute("SELECT count(*) = count(DISTINCT migration_id) FROM _yoyo_migration").fetchone() == (True,)


def test_a_migration_that_fails_leaves_nothing(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE outbox (mine int)")  # in the way of the last statement
    for _ in range(2):
        with pytest.raises(store.StoreError, match="already exists"):
            store._prepare(empty_database_url)
        with psycopg.connect(empty_database_url, autocommit=True) as connection:
            assert connection.execute("SELECT to_regclass('accounts'), to_regclass('snapshot')").fetchone() == (None, None)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE outbox")
    store._prepare(empty_database_url)
