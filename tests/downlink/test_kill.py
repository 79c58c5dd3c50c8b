"""kill -9 of the server, again and again, while commands are queued, sent and answered: each is answered in the end."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from telematics.config import Settings
from telematics.store import commands as store
from telematics.store.commands import NewCommand
from telematics.store.database import Database, open_database
from tests.fault.harness import ServerProcess, free_ports

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

TRACKERS, COMMANDS, KILLS = 20, 8, 4
SETTLED_S = 120.0


class Tracker:
    """A Wialon tracker that dials again and again, and answers each command with its own number."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self._port = name, port
        self.told: list[str] = []

    async def run(self) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, ValueError):
                await self._talk()
            await asyncio.sleep(0.1)

    async def _talk(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(f"#L#{self.name};NA\r\n".encode())
            while line := (await reader.readline()).decode().strip():
                if line.startswith("#M#"):
                    self.told.append(line.removeprefix("#M#"))
                    await asyncio.sleep(random.uniform(0, 0.1))
                    writer.write(b"#AM#1\r\n" if self.told[-1] != "no" else b"#AM#0\r\n")
        finally:
            writer.close()


async def queue(database: Database, devices: dict[str, int]) -> None:
    """One after the other, while the server comes and goes."""
    for number in range(COMMANDS):
        for name, device_id in devices.items():
            async with database.pool.connection() as connection:
                new = NewCommand(device_id, "custom", {"data": f"#M#{name}-{number}"}, timedelta(hours=1))
                assert await store.add(connection, new, datetime.now(UTC)) is not None
        await asyncio.sleep(1)


async def add_devices(connection: AsyncConnection[object]) -> dict[str, int]:
    await connection.execute("INSERT INTO accounts (name) VALUES ('A')")
    await connection.execute(
        "INSERT INTO devices (account_id, unique_id, name) SELECT accounts.id, 'box-' || n, 'box-' || n "
        "FROM accounts, generate_series(1, %s) AS n WHERE accounts.name = 'A'",
        [TRACKERS],
    )
    found = await connection.execute("SELECT unique_id, id FROM devices")
    return {str(row[0]): int(row[1]) for row in await found.fetchall()}  # type: ignore[index]


async def test_every_command_is_answered_however_often_the_server_is_killed(settings: Settings, tmp_path: Path) -> None:
    assert settings.database_url is not None
    ports = dict(free_ports())
    server = ServerProcess(tmp_path / "data", ports, settings.database_url, COMMANDS__ANSWER_S="1", COMMANDS__TRIES="100")
    async with open_database(settings) as database:
        async with database.pool.connection() as connection:
            devices = await add_devices(connection)
        trackers = {name: Tracker(name, ports["wialon"]) for name in devices}
        running = [asyncio.create_task(tracker.run()) for tracker in trackers.values()]
        running.append(asyncio.create_task(queue(database, devices)))
        try:
            for _ in range(KILLS):
                await asyncio.to_thread(server.start)
                await asyncio.sleep(random.uniform(0.3, 2))
                server.kill()
            await asyncio.to_thread(server.start)
            await running[-1]
            async with asyncio.timeout(SETTLED_S), database.pool.connection() as connection:
                await connection.set_autocommit(True)
                while await waiting(connection):  # noqa: ASYNC110 # another process makes it so
                    await asyncio.sleep(0.3)
        finally:
            for task in running:
                task.cancel()
            await asyncio.to_thread(server.stop)
        async with database.pool.connection() as connection:
            found = await connection.execute(
                "SELECT device_id, state, answer, tries, parameters ->> 'data' FROM commands ORDER BY id"
            )
            by_device = defaultdict(list)
            for device_id, *rest in await found.fetchall():
                by_device[device_id].append(rest)
            events = await connection.execute("SELECT count(*), count(DISTINCT subject) FROM events WHERE type = 'commandResult'")
            assert await events.fetchone() == (TRACKERS * COMMANDS, TRACKERS * COMMANDS), "each result is told once"
    for name, device_id in devices.items():
        assert [row[:2] for row in by_device[device_id]] == [["answered", "1"]] * COMMANDS
        told = trackers[name].told
        assert list(dict.fromkeys(told)) == [f"{name}-{number}" for number in range(COMMANDS)], "all of them, in order"


async def waiting(connection: AsyncConnection[object]) -> int:
    row = await (await connection.execute("SELECT count(*) FROM commands WHERE state IN ('queued', 'sent')")).fetchone()
    assert row is not None
    return int(row[0])  # type: ignore[index]
