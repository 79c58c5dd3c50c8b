"""Slow, silent and greedy clients of the pages: what they hold is bounded, and they lose it in time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import websockets

from dashboards import door, security
from dashboards.door import Stall
from tests.api.conftest import PASSWORD, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def until_cut(world: World, *said: bytes, pause_s: float = 0.0) -> bytes:
    """What the server answers before it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    async with asyncio.timeout(10):
        for part in said:
            writer.write(part)
            await asyncio.sleep(pause_s)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([], id="nothing"),
        pytest.param([b"GET /api/server HTTP/1.1\r\n"] + [b"X: y\r\n"] * 5, id="a head that never ends"),
        pytest.param([b"GET /api/server HTTP/1.1\r\nHost: x\r\n\r\n", b"GET ", b"/", b"a"], id="the next request's head"),
    ],
)
async def test_a_head_has_its_time(world: World, monkeypatch: pytest.MonkeyPatch, said: list[bytes]) -> None:
    monkeypatch.setattr(door, "HEAD_S", 0.3)
    answer = await until_cut(world, *said, pause_s=0.05)
    assert answer.count(b"HTTP/1.1 ") == sum(part.endswith(b"\r\n\r\n") for part in said)


async def test_a_head_has_its_size(world: World) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000
    assert (await until_cut(world, head)).startswith(b"HTTP/1.1 400")


async def test_a_body_has_its_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "BODY_S", 0.3)
    for kind in (b"application/json", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"):
        head = b"POST /api/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99\r\nContent-Type: " + kind
        assert (await until_cut(world, head + b"\r\n\r\n")).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/session", "application/json"),
        ("/api/session", "application/x-www-form-urlencoded"),
        ("/api/session/token", "application/x-www-form-urlencoded"),
        ("/api/devices", "application/json"),
    ],
)
async def test_a_body_without_a_length_has_its_size(world: World, path: str, kind: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 65536

    async with world.signed_in("anna") as anna:
        assert (await anna.post(path, content=endless(), headers={"Content-Type": kind})).status_code == 413


async def test_who_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """And who takes something, however slowly, is not."""
    monkeypatch.setattr(door, "STALLED_S", 0.2)
    lost = asyncio.Event()

    class Greedy(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.stall = Stall(transport)
            transport.write(b"x" * 40_000_000)

        def pause_writing(self) -> None:
            self.stall.begins()

        def resume_writing(self) -> None:
            self.stall.ends()

        def connection_lost(self, exc: Exception | None) -> None:
            self.stall.ends()
            lost.set()

    server = await asyncio.get_running_loop().create_server(Greedy, "127.0.0.1", 0)
    async with server:
        with socket.create_connection(server.sockets[0].getsockname()) as slow:
            slow.setblocking(False)
            for _ in range(6):
                await asyncio.sleep(0.1)
                await asyncio.get_running_loop().sock_recv(slow, 1_000_000)
            assert not lost.is_set()
            async with asyncio.timeout(5):
                await lost.wait()


async def test_connections_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world.visitor() as visitor:
        assert (await visitor.get("/api/server")).status_code == 200
        monkeypatch.setattr(door, "CONNECTIONS", 1)
        assert await until_cut(world) == b""
        assert (await visitor.get("/api/server")).status_code == 200


async def test_viewers_may_not_say_much(world: World) -> None:
    async with world.signed_in("anna") as anna:
        headers = {"Cookie": f"JSESSIONID={anna.cookies['JSESSIONID']}"}
        async with websockets.connect(f"ws://localhost:{world.port}/api/socket", additional_headers=headers) as live:
            await live.send("x" * 100_000)
            await live.wait_closed()
            assert live.close_code == 1009


async def test_a_proxy_is_believed(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.url, headers={"X-Forwarded-Proto": "https"}) as proxy:
        assert (
            "; Secure"
            in (await proxy.post("/api/session", data={"email": "anna@example.com", "password": PASSWORD})).headers["set-cookie"]
        )
