"""A real Mosquitto on a free port of this machine, with its own folder; and the server beside it."""

from __future__ import annotations

import asyncio
import getpass
import inspect
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString, Self

import aiomqtt
import pytest
import pytest_asyncio

from telematics.config import MqttSettings, Settings
from telematics.server import Server

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


class Broker:
    """Started in a folder of its own; what is in its config besides is `more`."""

    def __init__(self, folder: Path, *more: str) -> None:
        if MOSQUITTO is None:
            pytest.fail("these tests need Mosquitto 2: apt install mosquitto (.ci/run does)")
        folder.mkdir(exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._folder = folder
        self._config = folder / "mosquitto.conf"
        lines = [
            f"user {getpass.getuser()}",  # else it gives up root for a user who may not write here
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 0",  # as docs/mqtt.md says: none is dropped while we are away
            "log_dest file " + str(folder / "log"),
            f"listener {self.port} 127.0.0.1",
            *(more or ("allow_anonymous true",)),
        ]
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)])  # noqa: ASYNC220 - a moment, and once a test
        await eventually(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    async def stop(self) -> None:
        """As an init system does it: what it keeps is written."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(self._process.wait, 10)
            self._process = None

    async def kill(self) -> None:
        """As a power cut does it."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait, 10)
            self._process = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def client(self, **more: Any) -> aiomqtt.Client:
        more.setdefault("protocol", aiomqtt.ProtocolVersion.V5)
        client = aiomqtt.Client("127.0.0.1", self.port, timeout=10, **more)
        client.pending_calls_threshold = 1_000
        return client


async def eventually(true: Callable[[], object], within_s: float = 15) -> None:
    """Return as soon as it is."""
    async with asyncio.timeout(within_s):
        while True:
            found = true()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """One for all tests of a module; whoever stops it makes their own."""
    async with Broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


class House:
    """The server, with an account and its trackers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.account = 0

    async def one(self, query: LiteralString, *values: object) -> Any:
        """The first column of the first row."""
        async with self.server.database.pool.connection() as connection:
            row = await (await connection.execute(query, values)).fetchone()
            return None if row is None else row[0]

    async def rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        async with self.server.database.pool.connection() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def run(self, query: LiteralString, *values: object) -> None:
        async with self.server.database.pool.connection() as connection:
            await connection.execute(query, values)

    async def add(self, *unique_ids: str) -> list[int]:
        """Trackers of the account, which the server has heard of."""
        if not self.account:
            self.account = await self.one("INSERT INTO accounts (name) VALUES ('Anna Ltd') RETURNING id")
        insert: LiteralString = "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, %s) RETURNING id"
        ids = [await self.one(insert, self.account, unique_id, f"Van {unique_id}") for unique_id in unique_ids]
        for device_id in ids:
            await self.server.refresh_device(device_id)
        return ids

    async def stored(self, device_id: int) -> list[tuple[Any, ...]]:
        """Time and place of each report of the tracker."""
        return await self.rows("SELECT time, latitude, longitude FROM positions WHERE device_id = %s ORDER BY time", device_id)


@asynccontextmanager
async def house(settings: Settings, mqtt: MqttSettings) -> AsyncIterator[House]:
    async with Server(settings.model_copy(update={"mqtt": mqtt, "protocols": ()})) as server:
        yield House(server)
