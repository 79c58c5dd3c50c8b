"""Zones through a whole server: late, shuffled and repeated fixes, edits while fixes come, crashes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import shapely

from telematics.config import Settings
from telematics.pipeline import revisit, worker
from telematics.server import Server
from telematics.simulator.fix import Fix
from telematics.zones.registry import Zone
from tests.pipeline.test_geofences import BUSES, EAST_M, HOME, buses, generated, stops
from tests.pipeline.test_worker import crash
from tests.pipeline.visits_reference import Fix as Seen
from tests.pipeline.visits_reference import visits
from tests.pipeline.zones import area_of, circle, insert_zones
from tests.test_server import IDS, add_devices, rows, running, send, until

BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
DEPOT = circle(1, *HOME, 200)


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisit, "QUIET_S", 0.2)
    monkeypatch.setattr(revisit, "LOOK_S", 0.05)
    monkeypatch.setattr(worker, "TICK_S", 0.05)  # a stretch is done with the next snapshot


async def add_zones(server: Server, zones: Sequence[Zone]) -> None:
    """Into the table, under the ids they have; the server has them when this returns."""
    async with server.database.pool.connection() as connection:
        await insert_zones(connection, zones)
    await until(lambda: len(server.zones.index) >= len(zones))


@asynccontextmanager
async def zoned(settings: Settings, *zones: Zone, **more: Any) -> AsyncIterator[tuple[Server, int]]:
    async with running(settings, **{"snapshot_s": 0.2, **more}) as server:
        ids = await add_devices(server, [IDS["teltonika"]])
        await add_zones(server, zones)
        yield server, ids[IDS["teltonika"]]


async def settled(server: Server) -> None:
    """Nothing is left to be revisited."""
    async with asyncio.timeout(30):
        while (await rows(server, "SELECT count(*) FROM revisits")) != [(0,)]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def told(server: Server) -> list[tuple[str, str, float]]:
    """As the reference tells it, without what was superseded."""
    found = await rows(
        server,
        "SELECT subject, type, time FROM events WHERE subject <> '' AND (attributes -> 'superseded') IS NULL",
    )
    return sorted((subject, kind, at.timestamp()) for subject, kind, at in found)


async def expected(server: Server, zones: Sequence[Zone]) -> list[tuple[str, str, float]]:
    stored = await rows(
        server,
        "SELECT time, longitude, latitude FROM positions WHERE valid AND NOT outlier AND latitude IS NOT NULL ORDER BY time",
    )
    return visits([Seen(at.timestamp(), x, y) for at, x, y in stored], [area_of(zone) for zone in zones])


def agree(mine: list[tuple[str, str, float]], theirs: list[tuple[str, str, float]]) -> None:
    assert [event[:2] for event in mine] == [event[:2] for event in theirs]
    assert [event[2] for event in mine] == pytest.approx([event[2] for event in theirs], abs=0.003)


def drive(*metres: float, every_s: float = 30, begin: datetime = BEGIN) -> list[Fix]:
    """That far east of home."""
    return [
        Fix(begin + timedelta(seconds=every_s * place), HOME[1], round(HOME[0] + away * EAST_M, 7), speed_kmh=30)
        for place, away in enumerate(metres)
    ]


def track(source: Any, vehicle: int, count: int) -> list[Fix]:
    fixes = list(source().values())[vehicle][:count]
    return [Fix(datetime.fromtimestamp(fix.time, UTC), fix.latitude, fix.longitude, speed_kmh=30) for fix in fixes]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(generated, id="generated"),
        pytest.param(buses, id="buses", marks=pytest.mark.skipif(not BUSES.exists(), reason="the buses' tracks are not here")),
    ],
)
async def test_shuffled_and_sent_twice_gives_what_the_reference_gives_in_order(settings: Settings, source: Any) -> None:
    zones = stops(source(), 25)
    fixes = track(source, 1, 240)
    shuffled = fixes + fixes[:150]
    random.Random(3).shuffle(shuffled)
    async with zoned(settings, *zones) as (server, _):
        for start in range(0, len(shuffled), 60):
            await send(server, "teltonika", shuffled[start : start + 60])
        await settled(server)
        wanted = await expected(server, zones)
        agree(await told(server), wanted)
        assert len(wanted) > 10
        first = await rows(server, "SELECT count(*) FROM events")
        await send(server, "teltonika", fixes)  # all of it once more
        await settled(server)
        assert await rows(server, "SELECT count(*) FROM events") == first


async def test_a_late_visit_is_told_late_and_what_is_known_now_stays(settings: Settings) -> None:
    way = drive(900, 800, 100, 0, 0, 100, 800, 900, 1000, 1100)
    async with zoned(settings, DEPOT) as (server, device_id):
        await send(server, "teltonika", [*way[:2], *way[6:]])
        assert [kind for _, kind, _ in await told(server)] == []
        await send(server, "teltonika", way[2:6])
        await settled(server)
        agree(await told(server), await expected(server, [DEPOT]))
        stored = await rows(server, "SELECT type, attributes FROM events WHERE subject <> '' ORDER BY time")
        assert [(kind, attributes["late"]) for kind, attributes in stored] == [("geofenceEnter", True), ("geofenceExit", True)]
        assert server.zones_of(device_id) == []
        outbox = await rows(server, "SELECT count(*) FROM outbox WHERE event_subject = '1'")
        alerts = await rows(server, "SELECT count(*) FROM events WHERE subject = '1'")
        assert outbox[0][0] <= alerts[0][0] == 2


async def test_a_late_fix_that_moves_the_crossing_corrects_what_was_told(settings: Settings) -> None:
    way = drive(900, 800, 700, 600, 300, 100, 0, 0)
    async with zoned(settings, DEPOT) as (server, device_id):
        await send(server, "teltonika", [*way[:2], *way[5:]])
        await until(lambda: server.zones_of(device_id) == [1])
        await send(server, "teltonika", way[2:5])
        await settled(server)
        agree(await told(server), await expected(server, [DEPOT]))
        stored = await rows(server, "SELECT attributes FROM events WHERE type = 'geofenceEnter' ORDER BY time")
        flags = [{name for name in attributes if name != "geofence"} for (attributes,) in stored]
        assert sorted(flags, key=len) == [{"superseded"}, {"late", "corrects"}]
        assert server.zones_of(device_id) == [1]


async def test_late_fixes_before_a_candidate_settle_it_once(settings: Settings) -> None:
    """Live there is one fix inside; the late ones say when it entered. The next live fix must not tell it again."""
    way = drive(900, 800, 100, 50, 0, 0, 0)
    async with zoned(settings, DEPOT) as (server, device_id):
        await send(server, "teltonika", [*way[:2], way[4]])
        await send(server, "teltonika", way[2:4])
        await settled(server)
        await send(server, "teltonika", way[5:])
        await until(lambda: server.zones_of(device_id) == [1])
        await asyncio.sleep(0.3)
        agree(await told(server), await expected(server, [DEPOT]))
        assert await rows(server, "SELECT count(*) FROM events WHERE subject <> ''") == [(1,)]


async def test_a_long_stretch_goes_in_pieces(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PIECE": 25, "BEFORE": 20, "AFTER": 40}.items():
        monkeypatch.setattr(revisit, name, value)
    rounds = [900, 500, 100, 0, 50, 100, 500, 900, 1000] * 14
    way = drive(*rounds)
    async with zoned(settings, DEPOT) as (server, _):
        await send(server, "teltonika", [way[0], way[-1]])
        await send(server, "teltonika", way[1:-1])
        await settled(server)
        agree(await told(server), await expected(server, [DEPOT]))
        assert len(await told(server)) == 28


@pytest.mark.parametrize("snapshots", [0.05, 1000])
async def test_after_a_crash_nothing_is_told_twice_or_missing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, snapshots: float
) -> None:
    way = drive(900, 500, 100, 0, 0, 100, 500, 900, 500, 100, 0, 0)
    async with zoned(settings, DEPOT, snapshot_s=snapshots) as (server, _):
        await send(server, "teltonika", way[:3])
        await send(server, "teltonika", [*way[4:5], *way[3:4], *way[5:10]])
        await asyncio.sleep(0.3)
        crash(monkeypatch)
    async with running(settings, snapshot_s=0.2) as server:
        monkeypatch.undo()
        await until(lambda: len(server.zones.index) == 1)
        await send(server, "teltonika", way[10:])
        await settled(server)
        agree(await told(server), await expected(server, [DEPOT]))
        assert await rows(server, "SELECT count(*) FROM events WHERE subject <> ''") == [(3,)]


async def test_an_edit_takes_effect_within_a_second_while_fixes_come(settings: Settings) -> None:
    async with zoned(settings, DEPOT) as (server, device_id):
        way = drive(*[0] * 400, every_s=1)
        sending = asyncio.create_task(send(server, "teltonika", way))
        await until(lambda: server.zones_of(device_id) == [1])
        far = shapely.affinity.translate(DEPOT.outline, xoff=1)
        for outline, zones in ((far, []), (DEPOT.outline, [1])):
            async with server.database.pool.connection() as connection:
                await connection.execute("UPDATE zones SET outline = %s WHERE id = 1", (outline.wkb,))
            changed = time.monotonic()
            await until(lambda zones=zones: server.zones_of(device_id) == zones)  # type: ignore[misc]
            assert time.monotonic() - changed < 1
        await sending
        assert await rows(server, "SELECT type FROM events WHERE subject <> ''") == []  # silently


async def test_a_zone_is_for_a_device_as_soon_as_its_group_is(settings: Settings) -> None:
    async with zoned(settings, DEPOT) as (server, device_id):
        await send(server, "teltonika", drive(0, 0))
        async with server.database.pool.connection() as connection:
            await connection.execute("INSERT INTO groups (account_id, name) SELECT account_id, 'north' FROM devices")
            await connection.execute("INSERT INTO groups (account_id, name, parent_id) SELECT account_id, 'a', id FROM groups")
            await connection.execute("UPDATE zones SET all_devices = false")
            await connection.execute("INSERT INTO zone_targets (zone_id, group_id) SELECT 1, id FROM groups WHERE name = 'north'")
        await until(lambda: server.zones_of(device_id) == [])
        async with server.database.pool.connection() as connection:
            await connection.execute("UPDATE devices SET group_id = (SELECT id FROM groups WHERE name = 'a')")
        await until(lambda: server.zones_of(device_id) == [1])
        async with server.database.pool.connection() as connection:
            await connection.execute("UPDATE groups SET parent_id = NULL")
        await until(lambda: server.zones_of(device_id) == [])
        async with server.database.pool.connection() as connection:
            await connection.execute("DELETE FROM zones")
        await until(lambda: len(server.zones.index) == 0)
        await send(server, "teltonika", drive(500, 600, begin=BEGIN + timedelta(hours=1)))
        assert await rows(server, "SELECT type FROM events WHERE subject <> ''") == []
