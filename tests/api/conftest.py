"""The real server with the real API over real sockets, and a small world in it: two customers, a provider, three trackers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

import dashboards
from dashboards import passwords
from telematics.config import ListenerSettings, Settings
from telematics.server import Server

PASSWORD = "correct horse"
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

    async def report(self, unique_id: str, time: datetime, latitude: float | None, longitude: float | None, **more: Any) -> int:
        """A phone's report through its port; answered when it is stored."""
        place = {} if latitude is None else {"lat": latitude, "lon": longitude}
        query = {"id": unique_id, "timestamp": int(time.timestamp()), **place, **more}
        async with httpx.AsyncClient() as phone:
            return (await phone.get(f"http://127.0.0.1:{self.server.listeners.ports['osmand']}/", params=query)).status_code


@cache
def password_hash() -> str:
    return passwords.HASHER.hash(PASSWORD)


@pytest.fixture
async def world(settings: Settings) -> AsyncIterator[World]:
    listeners = {name: ListenerSettings(host="127.0.0.1", port=0) for name in ("gt06", "osmand", "teltonika", "wialon")}
    settings = settings.model_copy(update={"listeners": listeners})
    async with Server(settings) as server:
        app = dashboards.create_app(server)
        async with serving(app) as port:
            world = World(server, app, port)
            await _populate(world)
            yield world


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[int]:
    """As `telematics serve` does it."""
    door = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
    )
    web = uvicorn.Server(config)
    task = asyncio.create_task(web._serve(sockets=[door]))
    await eventually(lambda: web.started)
    try:
        yield door.getsockname()[1]
    finally:
        web.should_exit = True
        await task
        door.close()


async def eventually(true: Callable[[], object], within_s: float = 15) -> None:
    """Return as soon as it is."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


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
    async with world.server.database.pool.connection() as connection:
        for account, user, administrator, readonly in people:
            if account not in ids:
                cursor = await connection.execute("INSERT INTO accounts (name) VALUES (%s) RETURNING id", [account])
                ids[account] = (await cursor.fetchone())[0]  # type: ignore[index]
            cursor = await connection.execute(
                "INSERT INTO users (account_id, email, name, password_hash, administrator, readonly)"
                " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
                [ids[account], f"{user}@example.com", user.title(), password_hash(), administrator, readonly],
            )
            ids[user] = (await cursor.fetchone())[0]  # type: ignore[index]
        for account, name in trackers:
            cursor = await connection.execute(
                "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, %s) RETURNING id",
                [ids[account], f"imei-{name}", f"Truck {name}"],
            )
            ids[name] = (await cursor.fetchone())[0]  # type: ignore[index]
    for _, name in trackers:
        await world.server.refresh_device(ids[name])
