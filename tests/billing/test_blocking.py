"""Blocked trackers on the running server: what they send is acknowledged and not kept, on connections that are open already and
in every process, and from the moment they are unblocked it goes on as if nothing had been."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from telematics.config import Settings
from telematics.pipeline import proximity, revisit, worker
from telematics.server import Server
from telematics.simulator.fix import Fix
from tests.pipeline.test_proximity import looked, watched
from tests.pipeline.test_proximity import say as drive
from tests.pipeline.zones import circle, insert_zones
from tests.test_server import IDS, add_devices, rows, running, send, track, tracker, until

NOW = datetime.now(UTC).replace(microsecond=0)
WITHIN_S = 1.0
BLOCK = """
    INSERT INTO blocks (tracker_id, account_id, kind, unpaid, day, since)
    SELECT id, account_id, %(kind)s, CASE WHEN %(kind)s = 'unpaid' THEN 'daily' END, current_date, now()
    FROM billed_trackers WHERE device_id = ANY(%(ids)s) AND removed_at IS NULL
"""
UNBLOCK = """
    UPDATE blocks SET until = now()
    WHERE until IS NULL AND kind = %(kind)s AND tracker_id IN (SELECT id FROM billed_trackers WHERE device_id = ANY(%(ids)s))
"""
POSITIONS = "SELECT time, distance_m FROM positions WHERE device_id = %s AND latitude IS NOT NULL ORDER BY time"
EVENTS = "SELECT type FROM events WHERE device_id = %s AND type NOT IN ('deviceOnline', 'deviceOffline') ORDER BY time, type"
GT06, TELTONIKA = IDS["gt06"], IDS["teltonika"]


async def say(url: str, query: str, ids: Sequence[int], kind: str = "unpaid") -> None:
    """By a connection that knows nothing of any server."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(query.encode(), {"ids": list(ids), "kind": kind})


async def block(server: Server, *ids: int, kind: str = "unpaid") -> None:
    await say(server.settings.database_url or "", BLOCK, ids, kind)
    await within(lambda: all(blocked(server, one) for one in ids))


async def unblock(server: Server, *ids: int, kind: str = "unpaid") -> None:
    await say(server.settings.database_url or "", UNBLOCK, ids, kind)
    await within(lambda: not any(blocked(server, one) for one in ids))


def blocked(server: Server, device_id: int) -> str | None:
    device = server.devices.get(device_id)
    assert device is not None
    return device.blocked


async def within(holds: Any) -> None:
    started = time.monotonic()
    await until(holds)
    assert time.monotonic() - started < WITHIN_S


@asynccontextmanager
async def two_servers(settings: Settings) -> AsyncIterator[tuple[Server, Server]]:
    """On one database, as two processes would be: for that the lock that lets but one of them write is left out, and metrics,
    which would collide in one process."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(settings))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("prometheus_client.REGISTRY.register", lambda _: None)
            patch.setattr("prometheus_client.REGISTRY.unregister", lambda _: None)
            patch.setattr("telematics.store.writer.Writer._take_lock", _no_lock)
            second = await stack.enter_async_context(running(settings))
        yield first, second


async def _no_lock(*_: object) -> None:
    return None


async def test_an_open_connection_is_reached_within_a_second_in_every_process(settings: Settings) -> None:
    fixes = track(NOW - timedelta(minutes=10), 30)
    async with two_servers(settings) as servers:
        ids = await add_devices(servers[0])
        await until(lambda: all(servers[1].devices.named(one) for one in IDS.values()))
        async with tracker(servers[0], "gt06") as one, tracker(servers[1], "teltonika") as two:

            async def both(some: Sequence[Fix]) -> None:
                for client in (one, two):
                    client.offer(*some)
                async with asyncio.timeout(10):
                    await asyncio.gather(one.drained(), two.drained())

            await both(fixes[:10])
            started = time.monotonic()
            await say(settings.database_url or "", BLOCK, list(ids.values()))
            await until(lambda: all(blocked(server, ids[one]) for server in servers for one in (GT06, TELTONIKA)))
            assert time.monotonic() - started < WITHIN_S
            await both(fixes[10:20])  # acknowledged, or this would wait for ever
            started = time.monotonic()
            await say(settings.database_url or "", UNBLOCK, list(ids.values()))
            await until(lambda: not any(blocked(server, ids[one]) for server in servers for one in (GT06, TELTONIKA)))
            assert time.monotonic() - started < WITHIN_S
            await both(fixes[20:])
            assert one.totals.connections == two.totals.connections == 1
        for unique_id in (GT06, TELTONIKA):
            stored = await rows(servers[0], POSITIONS, ids[unique_id])
            assert [row[0] for row in stored] == [fix.time for fix in (*fixes[:10], *fixes[20:])]
            assert stored[10][1] == 0  # the way between is nobody's
            assert all(row[1] == pytest.approx(100, rel=0.01) for row in stored[1:10] + stored[11:])


async def test_it_is_heard_and_says_nothing_and_goes_on_without_a_jump(settings: Settings) -> None:
    """A zone is left, the ignition goes off, it falls silent and is back, all while blocked. Nobody hears of it, nor later."""
    motion = settings.motion.model_copy(update={"offline_s": 1.5})
    async with running(settings, motion=motion, snapshot_s=0.3) as server:
        device_id = (await add_devices(server))[TELTONIKA]
        await make_depot(server)
        here = [replace(fix, ignition=True) for fix in track(NOW - timedelta(hours=3), 12, latitude=43.2)]
        there = [replace(fix, ignition=False) for fix in track(NOW - timedelta(hours=2), 6, latitude=48.0)]
        after = [replace(fix, ignition=False) for fix in track(NOW - timedelta(hours=1), 6, latitude=50.0, speed_kmh=40)]
        await send(server, "teltonika", here)
        before = await rows(server, EVENTS, device_id)
        assert before == [("deviceMoving",)]
        assert server.zones_of(device_id) == [1]
        await block(server, device_id)
        since = await rows(server, "SELECT count(*) FROM events")
        heard = server.status(device_id).heard
        assert heard is not None
        await until(lambda: server.status(device_id).status == "offline")
        await send(server, "teltonika", there)
        assert (server.status(device_id).heard or heard) > heard
        assert server.status(device_id).status == "online"
        await saved(server, device_id)
        assert await rows(server, "SELECT count(*) FROM events") == since
        assert await rows(server, "SELECT count(*) FROM dead_letters") == [(0,)]
        (latest,) = server.latest([device_id])
        assert latest.latitude == pytest.approx(here[-1].latitude, abs=1e-5)
        await unblock(server, device_id)
        await send(server, "teltonika", after)
        (latest,) = server.latest([device_id])
        assert latest.latitude == pytest.approx(after[-1].latitude, abs=1e-5)
        assert latest.moving
        stored = await rows(server, POSITIONS, device_id)
        assert [row[0] for row in stored] == [fix.time for fix in (*here, *after)]
        assert stored[len(here)][1] == 0
        assert latest.total_m == pytest.approx(sum(row[1] for row in stored))
        assert latest.total_m == pytest.approx(11 * 100 + 5 * 111.1, rel=0.01)
        assert server.zones_of(device_id) == []
        assert await rows(server, EVENTS, device_id) == before
    async with running(settings) as server:
        assert server.latest([device_id])[0].total_m == pytest.approx(latest.total_m)


async def make_depot(server: Server) -> None:
    """A circle of 5 km about where tracks begin."""
    async with server.database.pool.connection() as connection:
        await insert_zones(connection, [circle(1, 76.9, 43.2, 5000)])
    await until(lambda: len(server.zones.index) == 1)


async def saved(server: Server, device_id: int) -> None:
    """Until the database knows when it was heard."""
    query = "SELECT heard FROM device_state WHERE device_id = %s"
    async with asyncio.timeout(10):
        while await rows(server, query, device_id) != [(server.status(device_id).heard,)]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_phones_and_datagrams_get_their_ok_and_what_is_unreadable_is_not_kept_either(settings: Settings) -> None:
    old = datetime(1990, 1, 1, tzinfo=UTC)  # refused: before the server's first time
    async with running(settings) as server:
        ids = await add_devices(server)
        await block(server, ids[TELTONIKA], ids[IDS["osmand"]], kind="administrator")
        await send(server, "teltonika", [*track(old, 1), *track(NOW, 2)], udp=True)  # returns when all is acknowledged
        await send(server, "osmand", track(NOW, 2))
        assert await rows(server, "SELECT count(*) FROM positions") == [(0,)]
        assert await rows(server, "SELECT count(*) FROM dead_letters") == [(0,)]
        assert server.worker.metrics.blocked >= 4
        await send(server, "wialon", [*track(old, 1), *track(NOW, 1)])
        assert await rows(server, "SELECT unique_id FROM dead_letters") == [(IDS["wialon"],)]
        await unblock(server, ids[TELTONIKA], kind="administrator")
        await send(server, "teltonika", track(NOW + timedelta(seconds=30), 1), udp=True)
        assert await rows(server, "SELECT device_id FROM positions WHERE device_id <> %s", ids[IDS["wialon"]]) == [
            (ids[TELTONIKA],)
        ]


async def test_of_two_blocks_each_must_be_lifted(settings: Settings) -> None:
    async with running(settings) as server:
        device_id = (await add_devices(server))[GT06]
        await block(server, device_id, kind="unpaid")
        await say(settings.database_url or "", BLOCK, [device_id], "administrator")
        await within(lambda: blocked(server, device_id) == "administrator")
        await say(settings.database_url or "", UNBLOCK, [device_id], "unpaid")
        await asyncio.sleep(0.2)
        assert blocked(server, device_id) == "administrator"
        await unblock(server, device_id, kind="administrator")
        assert await rows(server, "SELECT count(*) FROM device_breaks") == [(3,)]
        await rows(server, "DELETE FROM devices WHERE id = %s RETURNING id", device_id)
        assert await rows(server, "SELECT count(*) FROM device_breaks") == [(0,)]


@pytest.mark.parametrize("saved_between", [True, False])
async def test_after_a_crash_the_gap_is_still_nobodys(settings: Settings, saved_between: bool) -> None:
    here, there = track(NOW - timedelta(hours=3), 12), track(NOW - timedelta(hours=1), 6, latitude=50.0)
    slow = settings.model_copy(update={"snapshot_s": 3600.0})
    async with crashing(slow) as server:
        device_id = (await add_devices(server))[TELTONIKA]
        await send(server, "teltonika", here)
        if saved_between:
            await server.worker.saver.write(server.worker.saver.copy(server.worker.watermark))
        await block(server, device_id)
        await send(server, "teltonika", track(NOW - timedelta(hours=2), 3, latitude=48.0))
        await unblock(server, device_id)
        await send(server, "teltonika", there)
        total_m, events = server.latest([device_id])[0].total_m, await rows(server, EVENTS, device_id)
        assert events == [("deviceMoving",)]
    async with crashing(slow) as server:
        assert server.latest([device_id])[0].total_m == pytest.approx(total_m)
        await block(server, device_id)
        await asyncio.sleep(0.1)
    async with crashing(slow) as server:
        assert blocked(server, device_id)
        await unblock(server, device_id)
        await send(server, "teltonika", track(NOW, 3, latitude=55.0))
        assert server.latest([device_id])[0].total_m == pytest.approx(total_m + 200, rel=0.001)
        assert await rows(server, EVENTS, device_id) == events


@asynccontextmanager
async def crashing(settings: Settings) -> AsyncIterator[Server]:
    """At its end nothing is saved."""
    async with running(settings) as server:
        yield server
        server.hurry()


async def test_late_fixes_measure_nothing_over_the_gap_and_no_trip_goes_on_over_it(settings: Settings) -> None:
    here, there = track(NOW - timedelta(hours=3), 20), track(NOW - timedelta(hours=1), 20, latitude=50.0)
    async with running(settings) as server:
        device_id = (await add_devices(server))[TELTONIKA]
        await send(server, "teltonika", here[:-2])
        await block(server, device_id)
        await unblock(server, device_id)
        await long_ago(server, NOW - timedelta(hours=2, minutes=30), NOW - timedelta(hours=1, minutes=30))
        await send(server, "teltonika", there[2:])
        await send(server, "teltonika", [*there[:2], *here[-2:]])  # from its memory, on both sides of the gap
        stored = await rows(server, POSITIONS, device_id)
        assert [row[0] for row in stored] == [fix.time for fix in (*here, *there)]
        assert [round(row[1]) for row in stored] == [0, *[100] * 19, 0, *[100] * 19]
        assert server.latest([device_id])[0].total_m == pytest.approx(sum(row[1] for row in stored))


async def long_ago(server: Server, *times: datetime) -> None:
    """The breaks were then."""
    stored = await rows(server, "SELECT at FROM device_breaks ORDER BY at")
    assert len(stored) == len(times)
    for (at,), then in zip(stored, times, strict=True):
        await rows(server, "UPDATE device_breaks SET at = %s WHERE at = %s RETURNING at", then, at)


async def test_late_fixes_beside_the_gap_tell_of_no_zone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the depot before, elsewhere behind: when it left, nobody knows."""
    monkeypatch.setattr(revisit, "QUIET_S", 0.1)
    here, there = track(NOW - timedelta(hours=3), 12), track(NOW - timedelta(hours=1), 12, latitude=50.0)
    async with running(settings, snapshot_s=0.3) as server:
        device_id = (await add_devices(server))[TELTONIKA]
        await make_depot(server)
        await send(server, "teltonika", here)
        await block(server, device_id)
        await unblock(server, device_id)
        await long_ago(server, NOW - timedelta(hours=2, minutes=30), NOW - timedelta(hours=1, minutes=30))
        await send(server, "teltonika", [*there[:4], *there[5:]])
        await send(server, "teltonika", [there[4], replace(here[0], time=here[0].time + timedelta(seconds=5))])
        async with asyncio.timeout(20):
            while await rows(server, "SELECT FROM revisits"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await rows(server, EVENTS, device_id) == [("deviceMoving",)]


async def test_a_blocked_partner_is_near_nobody(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proximity, "TICK_S", 0.1)
    monkeypatch.setattr(worker, "TICK_S", 0.1)
    async with running(settings) as server:
        _, truck, trailer = await watched(server)
        await drive(server, "truck", 0, NOW)
        await drive(server, "trailer", 500, NOW)
        await looked(server)
        await block(server, trailer)
        await drive(server, "trailer", 20, NOW + timedelta(seconds=10))
        await drive(server, "truck", 480, NOW + timedelta(seconds=20))  # beside where it was last seen
        await looked(server)
        await unblock(server, trailer)
        await looked(server)
        await drive(server, "truck", 10, NOW + timedelta(seconds=30))
        await drive(server, "trailer", 20, NOW + timedelta(seconds=40))  # who is near at the first look is so without a word
        await looked(server)
        assert await rows(server, "SELECT count(*) FROM events WHERE type LIKE 'proximity%%'") == [(0,)]
        assert len(server.proximities.pairs) == 1
        await drive(server, "truck", 900, NOW + timedelta(seconds=50))
        await looked(server)
        told = await rows(server, "SELECT device_id, type FROM events WHERE type LIKE 'proximity%%'")
        assert told == [(truck, "proximityExit")]
