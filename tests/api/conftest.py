"""The real server with the real API over real sockets, and a small world in it: two customers, a provider, three trackers."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, LiteralString
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI

import dashboards
from dashboards import passwords
from dashboards.door import configuration
from telematics.config import ListenerSettings, Settings
from telematics.server import Server
from tests.conftest import new_database as database_copy

PASSWORD = "correct horse"
LISTENERS = {name: ListenerSettings(host="127.0.0.1", port=0) for name in ("gt06", "osmand", "teltonika", "wialon")}
NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass
class World:
    """Where everything is; ids by name."""

    server: Server
    app: FastAPI
    port: int
    ids: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @asynccontextmanager
    async def visitor(self, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(base_url=self.url, timeout=20, **more) as client:
            yield client

    @asynccontextmanager
    async def signed_in(self, name: str) -> AsyncIterator[httpx.AsyncClient]:
        """By the login form, with its cookie."""
        async with self.visitor() as client:
            answer = await client.post("/api/session", data={"email": f"{name}@example.com", "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            yield client

    async def tracker(self, account: str = "Anna Ltd") -> Tracker:
        """A new one, of its own for a test."""
        unique_id = f"imei-{uuid4().hex}"
        device_id = await self._insert(
            "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, 'Van') RETURNING id", self.ids[account], unique_id
        )
        await self.server.refresh_device(device_id)
        return Tracker(self, device_id, unique_id)

    async def _insert(self, query: LiteralString, *values: object) -> int:
        async with self.server.database.pool.connection() as connection:
            row = await (await connection.execute(query, values)).fetchone()
            assert row is not None
            return int(row[0])

    async def report(self, unique_id: str, time: datetime, latitude: float | None, longitude: float | None, **more: Any) -> int:
        """A phone's report through its port; answered when it is stored."""
        place = {} if latitude is None else {"lat": latitude, "lon": longitude}
        query = {"id": unique_id, "timestamp": int(time.timestamp()), **place, **more}
        async with httpx.AsyncClient() as phone:
            return (await phone.get(f"http://127.0.0.1:{self.server.listeners.ports['osmand']}/", params=query)).status_code


@dataclass
class Tracker:
    world: World
    id: int
    unique_id: str

    async def report(self, time: datetime, latitude: float | None, longitude: float | None, **more: Any) -> None:
        assert await self.world.report(self.unique_id, time, latitude, longitude, **more) == 200


@asynccontextmanager
async def online(world: World, unique_id: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """The tracker connects by Wialon IPS, and has reported once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.listeners.ports["wialon"])
    now = datetime.now(UTC)
    writer.write(f"#L#{unique_id};NA\r\n#SD#{now:%d%m%y};{now:%H%M%S};4315.3000;N;07656.7000;E;0;0;0;9\r\n".encode())
    try:
        async with asyncio.timeout(10):
            assert await reader.readline() == b"#AL#1\r\n"
            assert await reader.readline() == b"#ASD#1\r\n"
        yield reader, writer
    finally:
        writer.close()


@pytest.fixture(scope="session", autouse=True)
def cheap_argon2() -> Iterator[None]:
    """A millisecond instead of a good part of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        yield


@cache
def password_hash() -> str:
    return passwords.HASHER.hash(PASSWORD)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One for all tests of a module, as starting and stopping takes a second: a test that changes something makes its own."""
    with database_copy(server_url, template) as url:
        async with running(
            Settings(database_url=url, data_dir=tmp_path_factory.mktemp("data"), protocols=tuple(LISTENERS), listeners=LISTENERS)
        ) as world:
            yield world


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[World]:
    async with Server(settings) as server:
        app = dashboards.create_app(server)
        async with serving(app) as port:
            world = World(server, app, port)
            await _populate(world)
            yield world


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[int]:
    """As `telematics serve` does it."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio forgets it for sockets made so; uvloop does not
    config = configuration(app, app.state.dashboards.server.settings, stop_s=1)
    web = uvicorn.Server(config)
    task = asyncio.create_task(web._serve(sockets=[listening]))
    await eventually(lambda: web.started)
    try:
        yield listening.getsockname()[1]
    finally:
        web.should_exit = True
        await task
        listening.close()


async def eventually(true: Callable[[], object], within_s: float = 15) -> None:
    """Return as soon as it is."""
    async with asyncio.timeout(within_s):
        while True:
            found = true()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.02)


async def _populate(world: World) -> None:
    people = (
        # account, user, administrator, readonly
        ("Provider", "admin", True, False),
        ("Anna Ltd", "anna", False, False),
        ("Anna Ltd", "rita", False, True),
        ("Boris Ltd", "boris", False, False),
    )
    trackers = (("Anna Ltd", "a1"), ("Anna Ltd", "a2"), ("Boris Ltd", "b1"))
    ids = world.ids
    for account, user, administrator, readonly in people:
        if account not in ids:
            ids[account] = await world._insert("INSERT INTO accounts (name) VALUES (%s) RETURNING id", account)
        ids[user] = await world._insert(
            "INSERT INTO users (account_id, email, name, password_hash, administrator, readonly)"
            " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
            *(ids[account], f"{user}@example.com", user.title(), password_hash(), administrator, readonly),
        )
    for account, name in trackers:
        ids[name] = await world._insert(
            "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, %s) RETURNING id",
            *(ids[account], f"imei-{name}", f"Truck {name}"),
        )
        await world.server.refresh_device(ids[name])
