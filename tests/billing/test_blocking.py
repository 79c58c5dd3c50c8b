"""Blocked trackers on the running server: what they send is acknowledged and not kept, on connections that are open already and in
every process, and from the moment they are unblocked it goes on as if nothing had been."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from telematics.config import Settings
from telematics.server import Server
from telematics.simulator.fix import Fix
from tests.test_server import IDS, add_devices, rows, running, send, track, tracker, until

NOW = datetime.now(UTC).replace(microsecond=0)
WITHIN_S = 1.0
BLOCK = """
    INSERT INTO blocks (tracker_id, account_id, kind, unpaid, day, since)
    SELECT id, account_id, %(kind)s, CASE WHEN %(kind)s = 'unpaid' THEN 'daily' END, current_date, now()
    FROM billed_trackers WHERE device_id = ANY(%(ids)s) AND removed_at IS NULL
"""
UNBLOCK = "UPDATE blocks SET until = now() WHERE until IS NULL AND kind = %(kind)s AND tracker_id IN (SELECT id FROM billed_trackers WHERE device_id = ANY(%(ids)s))"
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
    """On one database, as two processes would be: for that the lock that lets but one of them write is left out, and metrics, which
    would collide in one process."""
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
