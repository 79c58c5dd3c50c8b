"""Listening to a tracker: its bytes, what was read in them, and what it was answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import websockets

from tests.api.conftest import World, eventually, online

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ear(world: World, name: str, **whom: Any) -> websockets.ClientConnection:
    async with world.signed_in(name) as client:
        cookie = f"JSESSIONID={client.cookies['JSESSIONID']}"
    query = "&".join(f"{key}={value}" for key, value in whom.items())
    return await websockets.connect(
        f"ws://localhost:{world.port}/api/listen?{query}",
        additional_headers={"Cookie": cookie},
        origin=websockets.Origin(world.url),
    )


async def hear(socket: websockets.ClientConnection, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        return [json.loads(await socket.recv()) for _ in range(count)]


async def test_a_trackers_words_and_ours_are_shown_with_what_was_read(world: World) -> None:
    tracker = await world.tracker()
    async with await ear(world, "anna", deviceId=tracker.id) as socket, online(world, tracker.unique_id):
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


async def test_two_owners_by_one_connection_do_not_hear_each_other(world: World) -> None:
    """As a relay does, that is used by several."""
    device = await world.tracker()
    query = "id={}&lat=43.25&lon={}&timestamp=1750000000"
    request = "GET /?{} HTTP/1.1\r\nHost: x\r\n\r\n"
    hers, his = query.format(device.unique_id, 76.5), query.format("imei-b1", 11.25)
    async with await ear(world, "anna", deviceId=device.id) as anna, await ear(world, "boris", deviceId=world.ids["b1"]) as boris:
        _, writer = await asyncio.open_connection("127.0.0.1", world.server.listeners.ports["osmand"])
        writer.write((request.format(his) + request.format(hers) + request.format(his)).encode())
        (hears,) = await hear(anna, 1)
        assert (hears["shared"], hears["hex"], hears["text"]) == (True, "", None)
        (frame,) = hears["frames"]
        assert [position["longitude"] for position in frame["positions"]] == [76.5]
        assert "11.25" not in json.dumps(hears)
        assert b"11.25" not in bytes.fromhex(frame["hex"])
        told = await hear(boris, 2)
        assert [position["longitude"] for one in told for frame in one["frames"] for position in frame["positions"]] == [
            11.25
        ] * 2
        assert b"76.5" not in b"".join(bytes.fromhex(one["hex"] + "".join(f["hex"] for f in one["frames"])) for one in told)
        writer.close()


async def test_who_sells_a_tracker_hears_it_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.api.listen.LOOK_AGAIN_S", 0.1)
    tracker = await world.tracker()
    async with await ear(world, "anna", deviceId=tracker.id) as socket, world.signed_in("admin") as admin:
        sold = {"name": "x", "uniqueId": tracker.unique_id, "accountId": world.ids["Boris Ltd"]}
        assert (await admin.put(f"/api/devices/{tracker.id}", json=sold)).status_code == 200
        async with asyncio.timeout(10):
            await socket.wait_closed()
        assert socket.close_code == 4404


async def test_one_person_opens_so_many_and_is_told_why_no_more(world: World) -> None:
    tracker = await world.tracker()
    ears = [await ear(world, "anna", deviceId=tracker.id) for _ in range(6)]
    async with asyncio.timeout(10):
        await ears[-1].wait_closed()
    assert ears[-1].close_code == 4429
    await eventually(lambda: len(world.server.intake.taps) == 5)
    for one in ears:
        await one.close()
    await eventually(lambda: not world.server.intake.taps)


async def test_a_flood_is_thinned_out_and_acknowledged_all_the_same(world: World) -> None:
    tracker = await world.tracker()
    async with await ear(world, "rita", deviceId=tracker.id) as socket, online(world, tracker.unique_id) as (reader, writer):
        for _ in range(300):
            writer.write(b"#P#\r\n")
            async with asyncio.timeout(10):
                assert await reader.readline() == b"#AP#\r\n"
        missed = 0
        async with asyncio.timeout(10):
            while not missed:
                missed = json.loads(await socket.recv()).get("missed", 0)
    assert missed > 100


async def test_nobody_is_listened_to_when_nobody_listens(world: World) -> None:
    tracker = await world.tracker()
    async with await ear(world, "anna", deviceId=tracker.id):
        assert world.server.intake.taps
    await eventually(lambda: not world.server.intake.taps)
