"""Proximities through the API: made, changed, listed to whom they belong, and refused with a reason."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.conftest import World, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLACE = {"latitude": 43.25, "longitude": 76.95}


async def made(client: httpx.AsyncClient, world: World, **more: Any) -> dict[str, Any]:
    body = {"name": "Trailer", "deviceId": world.ids["a1"], "toDeviceId": world.ids["a2"], "enter": 100, **more}
    answer = await client.post("/api/proximities", json=body)
    assert answer.status_code == 200, answer.text
    proximity: dict[str, Any] = answer.json()
    return proximity


async def group(client: httpx.AsyncClient) -> int:
    return int((await client.post("/api/groups", json={"name": "Tow trucks"})).json()["id"])


async def test_a_proximity_is_made_whole_and_the_server_watches_it(world: World) -> None:
    async with world.signed_in("anna") as anna:
        proximity = await made(anna, world)
        assert proximity == {
            "id": proximity["id"],
            "name": "Trailer",
            "enabled": True,
            "accountId": world.ids["Anna Ltd"],
            "deviceId": world.ids["a1"],
            "groupId": None,
            "toDeviceId": world.ids["a2"],
            "toGroupId": None,
            "latitude": None,
            "longitude": None,
            "enter": 100.0,
            "exit": 150.0,
            "minutes": None,
            "minSeconds": 30.0,
            "partnerAge": 600.0,
            "cooldown": 900.0,
            "hours": None,
            "calendarId": 0,
            "attributes": {},
        }
        path = f"/api/proximities/{proximity['id']}"
        assert (await anna.get(path)).json() == proximity
        await eventually(lambda: proximity["id"] in world.server.proximities.pairs.plan.id)
        assert (await anna.put(path, json={"enabled": False})).json() == {**proximity, "enabled": False}
        await eventually(lambda: proximity["id"] not in world.server.proximities.pairs.plan.id)
        assert (await anna.delete(path)).status_code == 204
        assert (await anna.get(path)).status_code == 404


async def test_what_is_sent_back_whole_stays_and_one_side_takes_the_place_of_another(world: World) -> None:
    async with world.signed_in("anna") as anna:
        proximity = await made(anna, world, hours=[{"days": ["mon"], "from": "20:00", "to": "06:00"}], attributes={"key": 1})
        path = f"/api/proximities/{proximity['id']}"
        assert (await anna.put(path, json=proximity)).json() == proximity
        changed = (await anna.put(path, json={**PLACE, "minutes": 10, "hours": None})).json()
        assert changed == {**proximity, "toDeviceId": None, **PLACE, "minutes": 10.0, "hours": None}
        moved = (await anna.put(path, json={"latitude": 0})).json()
        assert (moved["latitude"], moved["longitude"]) == (0.0, PLACE["longitude"])
        trucks = await group(anna)
        changed = (await anna.put(path, json={"deviceId": 0, "groupId": trucks, "toGroupId": trucks, "minutes": None})).json()
        assert [changed[name] for name in ("deviceId", "groupId", "toDeviceId", "toGroupId", "latitude")] == [
            *(None, trucks, None, trucks, None)
        ]
        await anna.delete(path)


@pytest.mark.parametrize(
    ("more", "status", "word"),
    [
        ({"deviceId": None}, 400, "Give deviceId or groupId"),
        ({"toDeviceId": None}, 400, "Give toDeviceId, toGroupId, or a place"),
        ({**PLACE}, 400, "one of them"),
        ({"toDeviceId": None, "latitude": 43.25}, 400, "latitude and longitude together"),
        ({"toDeviceId": "a1"}, 400, "another vehicle"),
        ({"exit": 50}, 400, "can't be less than `enter` (100 m)"),
        ({"minutes": 10}, 400, "minutes out"),
        ({"enter": 0}, 400, "enter"),
        ({"enter": 1e9}, 400, "enter"),
        ({"enter": "NaN"}, 400, "enter"),
        ({"cooldown": -1}, 400, "cooldown"),
        ({"hours": [{"days": ["someday"], "from": "1", "to": "2"}]}, 400, "hours"),
        ({"name": " "}, 400, "name"),
        ({"deviceId": "b1"}, 404, "device"),
        ({"toDeviceId": 2**31 - 1}, 404, "device"),
        ({"deviceId": 2**40}, 400, "deviceId"),
        ({"toDeviceId": None, "toGroupId": 2**31 - 1}, 404, "group"),
        ({"calendarId": 2**31 - 1}, 404, "calendar"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_advice(world: World, more: dict[str, Any], status: int, word: str) -> None:
    named = {name: world.ids[value] if name.endswith("eId") and isinstance(value, str) else value for name, value in more.items()}
    body = {"name": "Trailer", "deviceId": world.ids["a1"], "toDeviceId": world.ids["a2"], "enter": 100, **named}
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/proximities", json=body)
        assert answer.status_code == status, answer.text
        assert word in answer.text
        assert (await anna.get("/api/proximities")).json() == []


async def test_others_and_readers_change_nothing(world: World) -> None:
    async with world.signed_in("anna") as anna, world.signed_in("boris") as boris, world.signed_in("rita") as rita:
        proximity = await made(anna, world)
        path = f"/api/proximities/{proximity['id']}"
        assert (await boris.get("/api/proximities")).json() == []
        for method in ("GET", "PUT", "DELETE"):
            assert (await boris.request(method, path, json={})).status_code == 404
        assert (await rita.get(path)).json() == proximity
        for method, where in (("PUT", path), ("DELETE", path), ("POST", "/api/proximities")):
            answer = await rita.request(method, where, json={"name": "x", "enter": 5})
            assert answer.status_code == 403, answer.text
        answer = await boris.put(path, json={"accountId": world.ids["Boris Ltd"]})
        assert answer.status_code == 404
        answer = await anna.put(path, json={"accountId": world.ids["Boris Ltd"]})
        assert answer.status_code == 400
        assert (await anna.get(path)).json() == proximity
        await anna.delete(path)


async def test_lists_are_paged_and_found_by_device(world: World) -> None:
    async with world.signed_in("anna") as anna, world.signed_in("admin") as admin, world.visitor() as nobody:
        one = await made(anna, world)
        two = await made(anna, world, toDeviceId=None, **PLACE)
        first = await anna.get("/api/proximities", params={"limit": 1})
        assert [proximity["id"] for proximity in first.json()] == [one["id"]]
        assert first.headers["X-Total-Count"] == "2"
        assert 'rel="next"' in first.headers["Link"]
        for name, seen in (("a1", [one["id"], two["id"]]), ("a2", [one["id"]]), ("b1", [])):
            found = (await anna.get("/api/proximities", params={"deviceId": world.ids[name]})).json()
            assert [proximity["id"] for proximity in found] == seen
        assert {one["id"], two["id"]} <= {proximity["id"] for proximity in (await admin.get("/api/proximities")).json()}
        answer = await admin.post(
            "/api/proximities",
            json={"name": "B", "deviceId": world.ids["b1"], **PLACE, "enter": 5, "accountId": world.ids["Boris Ltd"]},
        )
        assert answer.status_code == 200, answer.text
        assert (await nobody.get("/api/proximities")).status_code == 401
        for proximity in (one, two, answer.json()):
            assert (await admin.delete(f"/api/proximities/{proximity['id']}")).status_code == 204
