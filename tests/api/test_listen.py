"""Listening to a tracker: its bytes, what was read in them, and what it was answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import websockets

from tests.api.conftest import World, eventually
from tests.api.test_commands import online

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ear(world: World, name: str, **whom: Any) -> websockets.ClientConnection:
    async with world.signed_in(name) as client:
        cookie = f"JSESSIONID={client.cookies['JSESSIONID']}"
    query = "&".join(f"{key}={value}" for key, value in whom.items())
    return await websockets.connect(
        f"ws://localhost:{world.port}/api/listen?{query}", additional_headers={"Cookie": cookie}, origin=world.url
    )


async def hear(socket: websockets.ClientConnection, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        return [json.loads(await socket.recv()) for _ in range(count)]


async def test_a_trackers_words_and_ours_are_shown_with_what_was_read(world: World) -> None:
    tracker = await world.tracker()
    async with await ear(world, "anna", deviceId=tracker.id) as socket, online(world, tracker):
        first, *answers = await hear(socket, 3)
    assert (first["incoming"], first["protocol"]) == (True, "wialon")
    assert first["text"].startswith(f"#L#{tracker.unique_id};NA\r\n#SD#")
    assert first["hex"] == first["text"].encode().hex()
    (frame,) = first["frames"]
    (position,) = frame["positions"]
    assert (position["latitude"], position["satellites"], frame["answer"]) == (43.255, 9.0, b"#ASD#1\r\n".hex())
    assert [(one["incoming"], one["text"]) for one in answers] == [(False, "#AL#1\r\n"), (False, "#ASD#1\r\n")]


async def test_an_administrator_listens_to_a_tracker_that_is_nobodys(world: World) -> None:
    async with await ear(world, "admin", uniqueId="odd-box") as socket:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.server.listeners.ports["wialon"])
        writer.write(b"#L#odd-box;NA\r\n")
        (told,) = await hear(socket, 1)
        assert told["text"] == "#L#odd-box;NA\r\n"
        assert await reader.read() == b"#AL#0\r\n"
        writer.close()


@pytest.mark.parametrize(("name", "whom"), [("boris", {"deviceId": "a1"}), ("anna", {"uniqueId": "odd-box"}), ("anna", {})])
async def test_nobody_else_hears_it(world: World, name: str, whom: dict[str, Any]) -> None:
    whom = {key: world.ids.get(value, value) for key, value in whom.items()}
    with pytest.raises(websockets.InvalidStatus) as refused:
        await ear(world, name, **whom)
    assert refused.value.response.status_code == 403


async def test_nobody_is_listened_to_when_nobody_listens(world: World) -> None:
    tracker = await world.tracker()
    async with await ear(world, "anna", deviceId=tracker.id):
        assert world.server.intake.taps
    await eventually(lambda: not world.server.intake.taps)
