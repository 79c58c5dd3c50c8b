"""The job that runs by itself: by the clock, by what it is told, through outages, twice at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.errors import QueryCanceled

from billing import daily, service
from billing.service import Billing, midnight_s
from telematics.alerts.accounts import tell
from telematics.config import BillingSettings, Settings
from telematics.store.changes import Changes
from telematics.store.database import Database
from tests.api.conftest import eventually
from tests.billing.world import World
from tests.store.rows import fetch

TELL = partial(tell, ways=("web",))


@asynccontextmanager
async def at_work(database: Database, every_s: float = 60) -> AsyncIterator[Billing]:
    settings = database.settings.model_copy(update={"billing": BillingSettings(every_s=every_s)})
    billing = Billing(database, settings, TELL)
    changes = Changes(database)
    billing.watch(changes)
    tasks = [asyncio.create_task(changes.run()), asyncio.create_task(billing.run())]
    try:
        yield billing
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


async def behind(database: Database, days: int = 3, *, money: int = 1000_00) -> World:
    """An account whose tracker's connection ended so many days ago, and nothing was charged since."""
    start = datetime.now(UTC) - timedelta(days=30 + days)
    world = await World.begin(database, start.isoformat(), money=money)
    await world.connect("A")
    return world


async def dailies(world: World) -> int:
    return len(await world.charges(kind="daily"))


async def test_it_charges_what_is_due_warns_and_counts(database: Database) -> None:
    world = await behind(database, money=300_00 + 24_00)  # of three days two can be paid
    async with at_work(database) as billing:
        await eventually(lambda: billing.metrics.warned)
        assert await dailies(world) == 2
        assert await world.states() == {"A": "unpaid"}
        metrics = billing.metrics
        assert (metrics.charged, metrics.blocked, metrics.left, metrics.failures) == (2, 1, 0, 0)
        assert metrics.days == 33
        assert abs(metrics.last_run - datetime.now(UTC).timestamp()) < 10
        samples = {sample.name: sample.value for metric in metrics.collect() for sample in metric.samples}
        assert samples["telematics_billing_charged_total"] == 2
        assert samples["telematics_billing_last_run_timestamp_seconds"] == metrics.last_run
    assert await fetch(database, "SELECT type, account_id FROM alerts") == [("trackerBlocked", world.account_id)]


class Clock:
    """The job's, which may be behind."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **behind: float) -> None:
        self.behind = timedelta(**behind)
        run = daily.run
        monkeypatch.setattr(daily, "run", lambda database: run(database, now=datetime.now(UTC) - self.behind))


async def test_a_day_that_begins_is_charged_without_being_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, days=1)
    world = await behind(database)
    async with at_work(database, every_s=0.05):
        await eventually(lambda: has_dailies(world, 2))
        clock.behind = timedelta()
        await eventually(lambda: has_dailies(world, 3))


async def has_dailies(world: World, count: int) -> bool:
    return await dailies(world) == count


async def test_a_tracker_that_is_connected_is_paid_for_at_once_by_whatever_way_it_came(database: Database) -> None:
    world = await World.begin(database, datetime.now(UTC).isoformat(), money=300_00)
    async with at_work(database) as billing:
        await eventually(lambda: billing.metrics.last_run)
        for name in ("A", "B"):
            await fetch(
                database,
                "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, %s) RETURNING id",
                [world.account_id, f"imei {name}", name],
            )

        async def told() -> bool:
            return await fetch(database, "SELECT attributes ->> 'trackers' FROM alerts") == [('["B"]',)]

        await eventually(told, 5)
        assert await world.states() == {"A": "working", "B": "unpaid"}
        assert [(kind, name, amount) for _, kind, name, amount in await world.charges(kind="connection")] == [
            ("connection", "A", -300_00)
        ]


async def test_two_on_one_database_do_no_harm(database: Database) -> None:
    worlds = [await behind(database, money=300_00 + 24_00) for _ in range(3)]
    async with at_work(database, every_s=0.02) as one, at_work(database, every_s=0.02) as other:
        await eventually(lambda: one.metrics.warned + other.metrics.warned == 3)
        await eventually(lambda: one.metrics.last_run and other.metrics.last_run)
    for world in worlds:
        assert await dailies(world) == 2
        assert await fetch(
            database, "SELECT count(*) FROM alerts WHERE account_id = %s AND type = 'trackerBlocked'", [world.account_id]
        ) == [(1,)]


async def test_it_goes_on_by_itself_when_the_database_comes_back(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(service, "LONGEST_PAUSE_S", 0.2)
    name = str((await fetch(database, "SELECT current_database()"))[0][0])
    others = make_conninfo(str(settings.database_url), dbname="postgres")
    clock = Clock(monkeypatch, days=1)
    world = await behind(database)
    async with at_work(database, every_s=0.05) as billing, await AsyncConnection.connect(others, autocommit=True) as connection:
        await eventually(lambda: has_dailies(world, 2))
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        await eventually(lambda: billing.metrics.failures >= 2)
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        await eventually(lambda: reachable(database), 20)
        clock.behind = timedelta()
        await eventually(lambda: has_dailies(world, 3), 20)


async def reachable(database: Database) -> bool:
    with suppress(service.UNREACHABLE[0], service.UNREACHABLE[2]):
        return bool(await fetch(database, "SELECT 1"))
    return False


async def test_a_part_that_fails_holds_up_no_other(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FIRST_PAUSE_S", 0.02)
    world = await behind(database)
    done = asyncio.Event()

    async def broken() -> None:
        raise RuntimeError("a mistake of ours")

    async def slow() -> None:
        raise QueryCanceled("canceling statement due to statement timeout")

    async def after() -> None:
        done.set()

    async with at_work(database) as billing:
        billing.chores[:] = [broken, slow, after]
        await eventually(lambda: billing.metrics.failures >= 2)
    assert done.is_set()
    assert await dailies(world) == 3


async def test_an_account_that_cant_be_settled_holds_up_no_other(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FIRST_PAUSE_S", 0.02)
    world = await World.begin(database, datetime.now(UTC).isoformat(), money=300_00)
    tries = []

    def opened(database: Database, account_id: int) -> object:
        tries.append(account_id)
        if account_id != world.account_id:
            raise RuntimeError("a mistake of ours")
        return world.book()

    async with at_work(database) as billing:
        await eventually(lambda: billing.metrics.last_run)
        monkeypatch.setattr(service, "open_book", opened)
        await billing._connected({world.account_id + 1, world.account_id, world.account_id + 2})
        await eventually(lambda: world.account_id in tries and billing.metrics.settled)
    assert len(tries) == len(set(tries))


async def test_answers_are_kept_for_a_week(database: Database) -> None:
    await fetch(
        database,
        "INSERT INTO idempotency_keys (user_id, key, request, status, answer, created_at) SELECT 1, age || ' days', '', 200, '',"
        " now() - make_interval(days => age) FROM unnest(ARRAY[1, 6, 8, 30]) AS age RETURNING 1",
    )
    async with at_work(database) as billing:
        await eventually(lambda: billing.metrics.last_run)
        await eventually(lambda: keys(database))


async def keys(database: Database) -> bool:
    return await fetch(database, "SELECT key FROM idempotency_keys ORDER BY 1") == [("1 days",), ("6 days",)]


@pytest.mark.parametrize(
    ("zones", "now", "seconds"),
    [
        pytest.param(["UTC"], "2026-03-12 23:59:00", 61, id="a minute to midnight"),
        pytest.param(["UTC", "Asia/Almaty"], "2026-03-12 18:59:30", 31, id="the next of two zones"),
        pytest.param(["UTC"], "2026-03-12 00:00:00", 86_401, id="a whole day"),
        pytest.param(["Africa/Cairo"], "2026-04-23 21:00:00", 3601, id="clocks go forward at midnight: there is no 00:00"),
        pytest.param(["America/Havana"], "2026-11-01 03:59:59", 2, id="midnight comes twice: the first"),
        pytest.param(["America/Havana"], "2026-11-01 04:30:00", 24.5 * 3600 + 1, id="and not the second"),
        pytest.param([], "2026-03-12 12:00:00", float("inf"), id="no account"),
    ],
)
def test_when_the_next_day_begins(zones: list[str], now: str, seconds: float) -> None:
    assert midnight_s(zones, datetime.fromisoformat(now).replace(tzinfo=UTC)) == seconds
