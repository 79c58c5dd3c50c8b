"""pytraccar, the client of Home Assistant, against the real server with a tracker on its port."""

from __future__ import annotations

import asyncio
import inspect
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pytraccar import ApiClient, TraccarAuthenticationException
from pytraccar.models import DeviceModel, GeofenceModel, PositionModel, ReportsEventeModel, ServerModel, SubscriptionData

from tests.api.conftest import NOW, PASSWORD, World, eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning:pytraccar",
        "ignore:.*BasicAuth:DeprecationWarning",
        "ignore:.*verify_ssl.*:DeprecationWarning",
    ),
]


async def log_in(world: World, session: aiohttp.ClientSession, password: str) -> ApiClient:
    """pytraccar 2 signs in with e-mail and password; pytraccar 3, which needs a later Python, with a token."""
    make: Any = ApiClient
    if "token" not in inspect.signature(make).parameters:
        return make("localhost", "anna@example.com", password, session, port=world.port)  # type: ignore[no-any-return]
    basic = {"Authorization": "Basic " + b64encode(f"anna@example.com:{password}".encode()).decode()}
    async with session.post(f"http://localhost:{world.port}/api/session/token", headers=basic) as answer:
        token = await answer.text() if answer.status == 200 else "none"
    return make("localhost", token, session, port=world.port)  # type: ignore[no-any-return]


@pytest_asyncio.fixture(loop_scope="module")
async def client(world: World) -> AsyncIterator[ApiClient]:
    async with aiohttp.ClientSession() as session:
        yield await log_in(world, session, PASSWORD)


def keys(model: type) -> set[str]:
    return set(model.__annotations__)


async def test_server(client: ApiClient) -> None:
    server = await client.get_server()
    assert keys(ServerModel) <= set(server)
    assert server["registration"] is False
    assert server["version"]


async def test_what_home_assistant_asks_at_once(world: World, client: ApiClient) -> None:
    """Its coordinator gathers these, and goes on only if all of them answer."""
    _, _, _, geofences = await asyncio.gather(
        client.get_server(), client.get_devices(), client.get_positions(), client.get_geofences()
    )
    assert geofences == []


async def test_geofences(world: World, client: ApiClient) -> None:
    async with world.signed_in("anna") as anna:
        zone = (await anna.post("/api/geofences", json={"name": "Depot", "area": "CIRCLE (43.2 76.9, 300)"})).json()
        (geofence,) = await client.get_geofences()
        assert keys(GeofenceModel) <= set(geofence)
        assert (geofence["name"], geofence["area"]) == ("Depot", "CIRCLE (43.2 76.9, 300)")
        await anna.delete(f"/api/geofences/{zone['id']}")


async def test_devices_and_positions(world: World, client: ApiClient) -> None:
    assert (
        await world.report("imei-a1", NOW, 51.1694, 71.4491, speed=20, bearing=90, batt=80, altitude=350, ignition="true") == 200
    )
    devices = await client.get_devices()
    assert [device["name"] for device in devices][:2] == ["Truck a1", "Truck a2"]
    assert keys(DeviceModel) <= set(devices[0])
    assert devices[0]["status"] == "online"
    assert devices[1] == {
        "id": world.ids["a2"],
        "name": "Truck a2",
        "uniqueId": "imei-a2",
        "status": "unknown",
        "disabled": False,
        "lastUpdate": None,
        "positionId": 0,
        "groupId": 0,
        "calendarId": 0,
        "phone": None,
        "model": None,
        "contact": None,
        "category": None,
        "attributes": {},
        "accountId": world.ids["Anna Ltd"],
        "moving": False,
        "blocked": None,
    }
    (position,) = [position for position in await client.get_positions() if position["deviceId"] == world.ids["a1"]]
    assert keys(PositionModel) <= set(position)
    assert position["serverTime"].endswith("+00:00")
    assert position == {
        "serverTime": position["serverTime"],
        "id": devices[0]["positionId"],
        "deviceId": world.ids["a1"],
        "protocol": "osmand",
        "deviceTime": NOW.isoformat(timespec="milliseconds"),
        "fixTime": NOW.isoformat(timespec="milliseconds"),
        "valid": True,
        "outdated": False,
        "latitude": 51.1694,
        "longitude": 71.4491,
        "altitude": 350.0,
        "speed": 20.0,
        "course": 90.0,
        "accuracy": 0.0,
        "address": None,
        "network": None,
        "geofenceIds": None,
        "attributes": {"motion": True, "ignition": True, "batteryLevel": 80.0, "totalDistance": 0.0},
    }


async def test_events(world: World, client: ApiClient) -> None:
    van = await world.tracker()
    await van.report(NOW - timedelta(seconds=60), 51.1, 71.4, ignition="false")
    await van.report(NOW, 51.1, 71.4, ignition="true")
    (event,) = await client.get_reports_events(devices=[van.id], event_types=["ignitionOn", "ignitionOff"])
    assert keys(ReportsEventeModel) <= set(event)
    assert event["type"] == "ignitionOn"
    assert event["eventTime"] == NOW.isoformat(timespec="milliseconds")
    assert event["deviceId"] == van.id


async def test_a_wrong_password(world: World) -> None:
    async with aiohttp.ClientSession() as session:
        client = await log_in(world, session, "wrong")
        with pytest.raises(TraccarAuthenticationException):
            await client.get_devices()


async def test_subscribe(world: World, client: ApiClient) -> None:
    heard: list[SubscriptionData] = []
    moved = asyncio.Event()

    async def callback(data: SubscriptionData) -> None:
        heard.append(data)
        if data["positions"]:
            moved.set()

    van = await world.tracker()
    async with asyncio.timeout(20):
        subscription = asyncio.create_task(client.subscribe(callback))
        await eventually(lambda: heard)
        assert "Van" in [device["name"] for device in heard[0]["devices"] or []]
        moved.clear()
        await world.report("imei-b1", NOW, 50.0, 70.0)
        await van.report(NOW, 51.5, 71.5, alarm="sos")
        await moved.wait()
        await eventually(lambda: any(data["events"] for data in heard))
        subscription.cancel()
        await subscription
    positions = [position for data in heard for position in data["positions"] or []]
    assert world.ids["b1"] not in {position["deviceId"] for position in positions}
    assert positions[-1]["latitude"] == 51.5
    alarm = next(event for data in heard for event in data["events"] or [] if event["type"] == "alarm")
    assert alarm["attributes"] == {"alarm": "sos"}
    assert alarm["id"] > 0
