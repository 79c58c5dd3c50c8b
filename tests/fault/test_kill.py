"""Kill the server, or its database, again and again under load: nothing acknowledged may be lost, doubled or invented."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from telematics.config import Settings
from telematics.store.database import open_database
from telematics.store.embedded import Embedded
from tests.alerts.test_kill import receivers
from tests.fault.harness import Drive, Fleet, ServerProcess, add_devices, check, free_ports, make_drives
from tests.fault.visits import SETTINGS, add_zones, check_alerts, check_visits, settled

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900)]

KILLS = 10
DEVICES, FIXES = 40, 6_000  # more than there is time for


async def drive_through(
    tmp_path: Path, trouble: Callable[[ServerProcess], Awaitable[None]], database_url: str | None = None
) -> Fleet:
    """A fleet reports all it has while `trouble` does its worst; then everything must be there."""
    settings = Settings(data_dir=tmp_path / "data", database_url=database_url)
    drives = make_drives(DEVICES, FIXES, seed=random.randrange(2**32))
    server = ServerProcess(settings.data_dir, dict(free_ports()), database_url, **SETTINGS)
    async with receivers() as outside:
        outside.answering = True
        async with open_database(settings) as database, database.pool.connection() as connection:
            await add_devices(connection, drives)
            zones = await add_zones(connection, f"http://127.0.0.1:{outside.http_port}/hook")
        await asyncio.to_thread(server.start)
        fleet = await under_load(settings, server, drives, trouble)
    async with open_database(settings) as database, database.pool.connection() as connection:
        await check(connection, drives)
        await check_visits(connection, drives, zones)
        await check_alerts(connection, called=set(outside.calls))
    return fleet


async def under_load(
    settings: Settings, server: ServerProcess, drives: list[Drive], trouble: Callable[[ServerProcess], Awaitable[None]]
) -> Fleet:
    try:
        fleet = Fleet(drives, server.ports)
        reporting = asyncio.create_task(fleet.report(every_s=0.05))
        await trouble(server)
        assert not reporting.done(), "the load ended before the trouble did"
        fleet.enough.set()
        async with asyncio.timeout(240):
            await reporting
            await settled(settings)
    finally:
        await asyncio.to_thread(server.stop)
    return fleet


async def test_the_server_is_killed(tmp_path: Path) -> None:
    async def trouble(server: ServerProcess) -> None:
        for _ in range(KILLS):
            await asyncio.sleep(random.uniform(0.3, 3))
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)

    fleet = await drive_through(tmp_path, trouble)
    assert fleet.totals.resent > 0, "nothing was under way when it was killed"


async def test_the_database_is_killed(tmp_path: Path) -> None:
    async def trouble(server: ServerProcess) -> None:
        for _ in range(KILLS):
            await asyncio.sleep(random.uniform(0.3, 3))
            await asyncio.to_thread(server.kill_database)
            async with asyncio.timeout(60):
                await until(lambda: server.health() != "ok")
                await until(lambda: server.health() == "ok")

    await drive_through(tmp_path, trouble)


async def test_the_database_is_stopped_for_twenty_seconds(tmp_path: Path, foreign: Embedded) -> None:
    """Not ours to start again: the server waits, says so, and goes on by itself."""

    async def trouble(server: ServerProcess) -> None:
        await asyncio.sleep(3)
        assert foreign.pid is not None
        os.kill(foreign.pid, signal.SIGQUIT)  # what `pg_ctl stop -m immediate` sends
        await asyncio.sleep(20)
        assert server.health() == "down"
        await asyncio.to_thread(foreign.revive)
        async with asyncio.timeout(30):
            await until(lambda: server.health() == "ok")

    await drive_through(tmp_path, trouble, database_url=foreign.conninfo)


@pytest.fixture
async def foreign(tmp_path: Path) -> AsyncIterator[Embedded]:
    """A PostgreSQL that the server did not start and must not start."""
    (tmp_path / "foreign").mkdir()
    postgres = Embedded(tmp_path / "foreign")
    await asyncio.to_thread(postgres.start)
    yield postgres
    await asyncio.to_thread(postgres.stop)


async def until(holds: Callable[[], bool]) -> None:
    """Asked over HTTP, so there is nothing to await but time."""
    while not await asyncio.to_thread(holds):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
