"""The database dies, comes back, or is busy: requests are told so soon, and nobody is signed out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from dashboards import sql
from telematics.config import Settings
from tests.api.conftest import LISTENERS, World, eventually, running
from tests.conftest import new_database as database_copy


@asynccontextmanager
async def unreachable(server_url: str, database_url: str) -> AsyncIterator[None]:
    name = conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


async def test_a_dead_database_is_told_soon(
    server_url: str, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "WAIT_S", 0.5)
    with database_copy(server_url, template) as url:
        async with (
            running(Settings(database_url=url, data_dir=tmp_path, protocols=tuple(LISTENERS), listeners=LISTENERS)) as world,
            world.signed_in("anna") as anna,
        ):
            async with unreachable(server_url, url):
                world.server.database.pool.timeout = 30
                answers = await asyncio.gather(*(timed(anna, path) for path in ("/api/devices", "/api/session", "/api/users")))
                answers.append(await timed(anna, "/api/health", **{"X-Forwarded-For": "203.0.113.7"}))
            for path, answer, took_s in answers:
                assert answer.status_code == 503 or (path == "/api/health" and answer.json()["status"]), path
                assert took_s < 3, path
                if path != "/api/health":
                    assert answer.headers["content-type"] == "application/problem+json"
                    assert answer.headers["retry-after"]
                    assert "Try again" in answer.json()["detail"]
            await eventually(lambda: works(anna), within_s=20)


async def timed(client: httpx.AsyncClient, path: str, **headers: str) -> tuple[str, httpx.Response, float]:
    started = time.monotonic()
    answer = await client.get(path, headers=headers)
    return path, answer, time.monotonic() - started


async def works(client: httpx.AsyncClient) -> bool:
    return (await client.get("/api/devices")).status_code == 200


@pytest.mark.asyncio(loop_scope="module")
async def test_a_busy_database_is_told_soon(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "WAIT_S", 0.3)
    async with world.signed_in("anna") as anna, AsyncExitStack() as taken:
        assert await works(anna)
        for _ in range(world.server.database.pool.max_size):
            await taken.enter_async_context(world.server.database.pool.connection())
        _, answer, took_s = await timed(anna, "/api/devices")
        assert answer.status_code == 503
        assert took_s < 2
        await taken.aclose()
        assert await works(anna)


async def limit_statements(world: World, limit: str) -> None:
    """On every connection of the pool, each taken as its users take it."""
    async with AsyncExitStack() as taken:
        for _ in range(world.server.database.pool.max_size):
            connection = await taken.enter_async_context(world.server.database.pool.connection())
            await connection.execute(f"SET statement_timeout = '{limit}'".encode())


@pytest.mark.asyncio(loop_scope="module")
async def test_a_query_that_takes_too_long_is_told(world: World) -> None:
    async with world.signed_in("anna") as anna, await world.server.database.connect() as locking:
        await limit_statements(world, "300ms")
        async with locking.transaction():
            await locking.execute("LOCK TABLE devices")
            _, answer, took_s = await timed(anna, "/api/devices")
        await limit_statements(world, "30s")
        assert (answer.status_code, took_s < 3) == (503, True)
        assert "narrower range" in answer.json()["detail"]
