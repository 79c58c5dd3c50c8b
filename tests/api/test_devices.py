"""Devices: added, changed, removed, refused with a reason; and trackers that are heard before they are added."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.api.conftest import NOW, World, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_device_lives(world: World) -> None:
    async with world.signed_in("anna") as anna:
        new = {
            "name": " Bus 7 ",
            "uniqueId": "356307042441013",
            "phone": "+77010000000",
            "model": "FMB920",
            "contact": "Aigul",
            "category": "bus",
            "attributes": {"speedLimit": 90, "plate": "777 AAA 02"},
            "groupId": 0,
            "status": "online",
        }
        device = (await anna.post("/api/devices", json=new)).json()
        free = {"charged": 0, "blocked": False, "needed": 0, "balance": 0, "currency": "EUR", "digits": 2}
        assert device.pop("billing") == free  # only of one that was just connected
        assert device == {
            "id": device["id"],
            "name": "Bus 7",
            "uniqueId": "356307042441013",
            "status": "unknown",
            "disabled": False,
            "lastUpdate": None,
            "positionId": 0,
            "groupId": 0,
            "calendarId": 0,
            "phone": "+77010000000",
            "model": "FMB920",
            "contact": "Aigul",
            "category": "bus",
            "attributes": {"speedLimit": 90, "plate": "777 AAA 02"},
            "accountId": world.ids["Anna Ltd"],
            "moving": False,
            "blocked": None,
        }
        assert world.server.devices.get(device["id"]) is not None
        assert await world.report("356307042441013", NOW, 51.0, 71.0) == 200

        path = f"/api/devices/{device['id']}"
        assert (await anna.put(path, json={"name": "Bus 8", "phone": None})).json()["phone"] is None
        again = (await anna.get(path)).json()
        assert again["name"] == "Bus 8"
        assert again["model"] == "FMB920"
        assert again["status"] == "online"
        assert again["positionId"] > 0
        assert (await anna.put(path, json={**again, "disabled": True})).json()["disabled"] is True
        assert await world.report("356307042441013", NOW, 51.0, 71.0) == 404

        assert (await anna.delete(path)).status_code == 204
        assert world.server.devices.get(device["id"]) is None
        assert (await anna.get(path)).status_code == 404
        assert (await anna.delete(path)).status_code == 404


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ({"name": "x"}, "uniqueId"),
        ({"name": "x", "uniqueId": ""}, "uniqueId"),
        ({"name": "x", "uniqueId": "a\0b"}, "control characters"),
        ({"name": "x" * 129, "uniqueId": "y"}, "128"),
        ({"name": "x", "uniqueId": "imei-a1"}, "in use already"),
        ({"name": "x", "uniqueId": "imei-b1"}, "in use already"),
        ({"name": "x", "uniqueId": "y", "attributes": {"speedLimit": "fast"}}, "km/h"),
        ({"name": "x", "uniqueId": "y", "attributes": {"a": "b" * 20_000}}, "bytes"),
        ({"name": "x", "uniqueId": "y", "attributes": {"a": "\0"}}, "NUL"),
        ({"name": "x", "uniqueId": "y", "attributes": nested(17)}, "levels"),
        ({"name": "x", "uniqueId": "y", "attributes": nested(900)}, "levels"),
        ({"name": "x", "uniqueId": "y", "attributes": []}, "attributes"),
        ({"name": "x", "uniqueId": "y", "accountId": 2**40}, "accountId"),
        ([], "body"),
    ],
)
async def test_a_device_refused(world: World, new: Any, says: str) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/devices", json=new)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == 400
        assert says in f"{problem['title']} {problem['detail']}"


async def test_a_unique_id_stays_unique_when_changed(world: World) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.put(f"/api/devices/{world.ids['a2']}", json={"uniqueId": "imei-a1"})
        assert answer.status_code == 400
        assert "imei-a1" in answer.json()["title"]


async def test_lists_are_paged(world: World) -> None:
    async with world.signed_in("admin") as admin:
        whole = await admin.get("/api/devices")
        total = int(whole.headers["x-total-count"])
        assert len(whole.json()) == total >= 3
        assert "link" not in whole.headers
        walked, path = [], "/api/devices?limit=1"
        while path:
            page = await admin.get(path)
            walked += page.json()
            path = page.links.get("next", {}).get("url", "")
        assert walked == whole.json()
        ids = [world.ids["b1"], world.ids["a1"]]
        assert [device["id"] for device in (await admin.get("/api/devices", params={"id": ids})).json()] == sorted(ids)
        found = await admin.get("/api/devices", params={"uniqueId": ["imei-a2", "nobody"]})
        assert [device["uniqueId"] for device in found.json()] == ["imei-a2"]


async def test_an_administrator_adds_for_an_account(world: World) -> None:
    async with world.signed_in("admin") as admin, world.signed_in("boris") as boris:
        new = {"name": "Boris's", "uniqueId": uuid4().hex, "accountId": world.ids["Boris Ltd"]}
        device = (await admin.post("/api/devices", json=new)).json()
        assert (await boris.get(f"/api/devices/{device['id']}")).status_code == 200
        await world._insert(
            "INSERT INTO events (device_id, time, type, subject, attributes)"
            " VALUES (%s, now(), 'geofenceEnter', '7', %s) RETURNING 1",
            *(device["id"], '{"geofence": "Secret", "partner": 1, "partner_name": "Secret", "dwell_s": 60}'),
        )
        events = {"deviceId": device["id"], "from": str(NOW - timedelta(hours=1)), "to": str(NOW + timedelta(hours=1))}
        renamed = await admin.put(f"/api/devices/{device['id']}", json={"name": "Moved"})
        assert "Secret" in (await admin.get("/api/reports/events", params=events)).text
        moved = await admin.put(f"/api/devices/{device['id']}", json={"accountId": world.ids["Anna Ltd"]})
        assert moved.json() == {**renamed.json(), "accountId": world.ids["Anna Ltd"], "billing": moved.json()["billing"]}
        (entered,) = (await admin.get("/api/reports/events", params=events)).json()
        assert entered["attributes"] == {"dwell_s": 60}  # what the old account calls its zones and vehicles stays with it
        assert (await boris.get(f"/api/devices/{device['id']}")).status_code == 404
        assert (await admin.post("/api/devices", json={**new, "uniqueId": "z", "accountId": 999})).status_code == 404


async def test_an_unknown_tracker_is_adopted(world: World) -> None:
    unique_id = uuid4().hex
    assert await world.report(unique_id, NOW, 51.0, 71.0) == 404
    async with world.signed_in("admin") as admin, world.signed_in("anna") as anna:
        heard: list[dict[str, Any]] = []

        async def listed() -> bool:
            heard[:] = (await admin.get("/api/unknown-trackers")).json()
            return any(tracker["uniqueId"] == unique_id for tracker in heard)

        await eventually(listed)
        (tracker,) = [tracker for tracker in heard if tracker["uniqueId"] == unique_id]
        assert tracker["protocol"] == "osmand"
        assert tracker["address"].startswith("127.0.0.1")
        assert tracker["count"] == 1
        (hers,) = (await anna.get("/api/unknown-trackers", params={"uniqueId": unique_id})).json()
        assert hers["address"] == "", "where it reports from is not for everybody who can guess a number"

        wrong = await anna.post("/api/unknown-trackers/adopt", json={"uniqueId": unique_id, "name": "Found", "protocol": "gt06"})
        assert wrong.status_code == 404
        device = await anna.post(
            "/api/unknown-trackers/adopt",
            json={"uniqueId": unique_id, "name": "Found", "protocol": "osmand", "attributes": {"speedLimit": 90}},
        )
        assert device.json()["accountId"] == world.ids["Anna Ltd"]
        assert device.json()["attributes"] == {"speedLimit": 90}
        assert await world.report(unique_id, NOW, 51.0, 71.0) == 200
        assert not await listed()
        assert (await anna.post("/api/unknown-trackers/adopt", json={"uniqueId": unique_id, "name": "x"})).status_code == 404


async def test_an_unknown_tracker_is_taken_off_the_list(world: World) -> None:
    unique_id = uuid4().hex
    await world.report(unique_id, NOW, 51.0, 71.0)
    async with world.signed_in("admin") as admin:

        async def removed() -> bool:
            return (await admin.delete("/api/unknown-trackers", params={"uniqueId": unique_id})).status_code == 204

        await eventually(removed)
        assert not await removed()
