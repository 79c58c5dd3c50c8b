"""Nobody sees what isn't theirs: Boris calls every route with Anna's ids. A route that isn't in the table fails the test."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest
import websockets
from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from tests.api import scope_alerts, scope_billing, scope_commands, scope_near
from tests.api.conftest import NOW, PASSWORD, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERS = ("imei-a1", "Truck a1", "imei-a2", "anna@example.com", "Anna Ltd", "Rita", "43.2389", "432389", "4,323.89")
RANGE = {"from": (NOW - timedelta(hours=1)).isoformat(), "to": (NOW + timedelta(hours=1)).isoformat()}
Call = dict[str, Any]
EMPTY, REFUSED, MISSING, OWN = "empty list", 403, 404, "only one's own"
REFUSED_LINK = 400

# What Boris asks with Anna's ids ({a1} and so on stand for them), and what he must get
TABLE: dict[str, list[tuple[Call, object]]] = {
    "GET /api/accounts": [({}, OWN)],
    "POST /api/accounts": [({"json": {"name": "x"}}, REFUSED)],
    "GET /api/accounts/{account_id}": [({"path": "{Anna Ltd}"}, MISSING)],
    "PUT /api/accounts/{account_id}": [({"path": "{Anna Ltd}", "json": {"name": "x"}}, REFUSED)],
    "DELETE /api/accounts/{account_id}": [({"path": "{Anna Ltd}"}, REFUSED)],
    "GET /api/devices": [({}, OWN), ({"params": {"id": "{a1}"}}, EMPTY), ({"params": {"uniqueId": "imei-a1"}}, EMPTY)],
    "POST /api/devices": [({"json": {"name": "x", "uniqueId": "new", "accountId": "{Anna Ltd}"}}, MISSING)],
    "GET /api/devices/{device_id}": [({"path": "{a1}"}, MISSING)],
    "PUT /api/devices/{device_id}": [
        ({"path": "{a1}", "json": {"name": "x"}}, MISSING),
        ({"path": "{b1}", "json": {"accountId": "{Anna Ltd}"}}, MISSING),
    ],
    "DELETE /api/devices/{device_id}": [({"path": "{a1}"}, MISSING)],
    "GET /api/events/{event_id}": [({"path": "{event}"}, MISSING)],
    "GET /api/calendars": [({}, OWN)],
    "POST /api/calendars": [({"json": {"name": "x", "data": "{data}", "accountId": "{Anna Ltd}"}}, MISSING)],
    "GET /api/calendars/{calendar_id}": [({"path": "{calendar}"}, MISSING)],
    "PUT /api/calendars/{calendar_id}": [({"path": "{calendar}", "json": {"name": "x"}}, MISSING)],
    "DELETE /api/calendars/{calendar_id}": [({"path": "{calendar}"}, MISSING)],
    "GET /api/geofences": [
        ({}, OWN),
        ({"params": {"id": "{geofence}"}}, EMPTY),
        ({"params": {"deviceId": "{a1}"}}, EMPTY),
        ({"params": {"groupId": "{group}", "outline": True}}, EMPTY),
    ],
    "GET /api/geofences/geojson": [({}, OWN), ({"params": {"deviceId": "{a1}", "outline": True}}, OWN)],
    "POST /api/geofences": [
        ({"json": {"name": "x", "area": "CIRCLE (1 2, 3)", "accountId": "{Anna Ltd}"}}, MISSING),
        ({"json": {"name": "x", "area": "CIRCLE (1 2, 3)", "deviceIds": ["{a1}"]}}, MISSING),
        ({"json": {"name": "x", "area": "CIRCLE (1 2, 3)", "groupIds": ["{group}"]}}, MISSING),
        ({"json": {"name": "x", "area": "CIRCLE (1 2, 3)", "calendarId": "{calendar}"}}, MISSING),
    ],
    "POST /api/geofences/import": [({"params": {"accountId": "{Anna Ltd}", "save": True}, "content": b"POINT (1 2)"}, MISSING)],
    "GET /api/geofences/{zone_id}": [({"path": "{geofence}"}, MISSING)],
    "PUT /api/geofences/{zone_id}": [({"path": "{geofence}", "json": {"name": "x"}}, MISSING)],
    "DELETE /api/geofences/{zone_id}": [({"path": "{geofence}"}, MISSING)],
    "GET /api/groups": [({}, OWN)],
    "POST /api/groups": [
        ({"json": {"name": "x", "groupId": "{group}"}}, MISSING),
        ({"json": {"name": "x", "accountId": "{Anna Ltd}"}}, MISSING),
    ],
    "GET /api/groups/{group_id}": [({"path": "{group}"}, MISSING)],
    "PUT /api/groups/{group_id}": [({"path": "{group}", "json": {"name": "x"}}, MISSING)],
    "DELETE /api/groups/{group_id}": [({"path": "{group}"}, MISSING)],
    "POST /api/permissions": [({"json": {"deviceId": "{a1}", "geofenceId": "{geofence}"}}, MISSING)],
    "DELETE /api/permissions": [({"json": {"deviceId": "{a1}", "geofenceId": "{geofence}"}}, MISSING)],
    "POST /api/permissions/bulk": [({"json": [{"groupId": "{group}", "geofenceId": "{geofence}"}]}, MISSING)],
    "DELETE /api/permissions/bulk": [({"json": [{"userId": "{anna}", "geofenceId": "{geofence}"}]}, REFUSED_LINK)],
    "GET /api/positions": [
        ({}, OWN),
        ({"params": {"deviceId": "{a1}"}}, MISSING),
        ({"params": {"deviceId": "{a1}", **RANGE}}, MISSING),
        ({"params": {"deviceId": "{a1}", "limit": 10, **RANGE}}, MISSING),
        ({"params": {"id": "{position}"}}, EMPTY),
    ],
    "GET /api/positions/csv": [({"params": {"deviceId": "{a1}", **RANGE}}, MISSING)],
    "GET /api/positions/gpx": [({"params": {"deviceId": "{a1}", **RANGE}}, MISSING)],
    "GET /api/positions/kml": [({"params": {"deviceId": "{a1}", **RANGE}}, MISSING)],
    "GET /api/reports/route": [({"params": {"deviceId": "{a1}", **RANGE}}, MISSING)],
    "GET /api/reports/events": [({"params": {"deviceId": "{a1}", **RANGE}}, MISSING), ({"params": RANGE}, OWN)],
    "GET /api/reports/stops": [({"params": {"deviceId": ["{b1}", "{a1}"], **RANGE}}, MISSING)],
    "GET /api/reports/trips": [({"params": {"deviceId": "{a1}", **RANGE}}, MISSING)],
    "GET /api/reports/summary": [({"params": {"deviceId": "{a1}", **RANGE}}, MISSING)],
    "POST /api/session/token/revoke": [({"data": {"token": "{token}"}}, MISSING)],
    "GET /api/users": [({}, OWN)],
    "POST /api/users": [({"json": {"name": "x", "email": "x@example.com", "password": "12345678"}}, REFUSED)],
    "GET /api/users/{user_id}": [({"path": "{anna}"}, MISSING)],
    "PUT /api/users/{user_id}": [
        ({"path": "{anna}", "json": {"name": "x"}}, MISSING),
        ({"path": "{boris}", "json": {"accountId": "{Anna Ltd}"}}, REFUSED),
        ({"path": "{boris}", "json": {"administrator": True}}, REFUSED),
    ],
    "DELETE /api/users/{user_id}": [({"path": "{anna}"}, REFUSED)],
    "GET /api/unknown-trackers": [({}, REFUSED), ({"params": {"uniqueId": "imei-a1"}}, EMPTY)],
    "POST /api/unknown-trackers/adopt": [({"json": {"uniqueId": "imei-a1", "name": "mine"}}, MISSING)],
    "DELETE /api/unknown-trackers": [({"params": {"uniqueId": "imei-a1"}}, REFUSED)],
    "PUT /api/server": [({}, REFUSED)],
    # Pages: whole HTML, which must not hold what is Anna's
    "GET /": [({}, OWN)],
    "GET /history": [({}, OWN), ({"params": {"device": "{a1}"}}, OWN)],
    "GET /trackers": [({}, OWN), ({"params": {"search": "a1"}}, OWN)],
    "GET /trackers/new": [({}, OWN), ({"params": {"unique_id": "imei-x"}}, OWN)],
    "GET /trackers/{device_id}": [({"path": "{a1}"}, MISSING)],
    "GET /trackers/{device_id}/edit": [({"path": "{a1}"}, MISSING)],
    "GET /trackers/{device_id}/remove": [({"path": "{a1}"}, MISSING)],
    "GET /account": [({}, OWN)],
    "GET /listen": [({"params": {"unique_id": "imei-a1"}}, MISSING)],
    "GET /listen/{device_id}": [({"path": "{a1}"}, MISSING)],
}
TABLE |= scope_alerts.ALERTS | scope_near.NEAR | scope_billing.BILLING | scope_commands.COMMANDS
# No ids go in, and nothing of anybody's comes out but the caller's own
HARMLESS = {
    "GET /api/session",
    "POST /api/session",
    "DELETE /api/session",
    "POST /api/session/token",
    "GET /api/server",
    "GET /api/attributes/computed",
    "GET /api/drivers",
    "GET /api/maintenance",
    *scope_alerts.HARMLESS,
    *scope_billing.HARMLESS,
    "GET /api/orders",
    "GET /api/server/geocode",
    "GET /api/health",
    "GET /metrics",
    "GET /api/docs",
    "GET /api/docs/oauth2-redirect",
    "GET /docs/oauth2-redirect",
    "GET /api/openapi.json",
    "GET /login",
    "GET /map/towns/{cell}",  # names for the base map, the same for everybody
    "WS /api/socket",  # has a test of its own below
    "WS /api/listen",  # has one in test_listen
    "MOUNT /static",
}


ANY = {
    "group": 1,
    "calendar": 1,
    "geofence": 1,
    "data": "",
    **scope_alerts.ANY,
    **scope_billing.ANY,
    **scope_commands.ANY,
    **scope_near.ANY,
}


def routes_of(routes: list[BaseRoute], prefix: str = "") -> Iterator[str]:
    for route in routes:
        if isinstance(route, WebSocketRoute):
            yield f"WS {prefix}{route.path}"
        elif isinstance(route, Route):
            yield from (f"{method} {prefix}{route.path}" for method in (route.methods or ()) if method != "HEAD")
        elif isinstance(route, Mount) and not route.routes:
            yield f"MOUNT {prefix}{route.path}"
        elif inner := getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None):
            yield from routes_of(inner, prefix + getattr(route, "path", ""))
        else:
            raise AssertionError(f"a kind of route that this test doesn't know: {route!r}")


def registered(app: FastAPI) -> set[str]:
    return set(routes_of(app.routes))


def filled(value: Any, ids: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: filled(inner, ids) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, ids) for inner in value]
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        return ids[value[1:-1]]
    return value


async def test_every_route_keeps_to_its_viewer(world: World) -> None:
    await world.report("imei-a1", NOW - timedelta(seconds=9), 43.2389, 76.8897, ignition="false")
    async with world.signed_in("anna") as anna, world.signed_in("boris") as boris:
        ids: dict[str, Any] = dict(world.ids)
        sos = partial(world.report, "imei-a1", NOW, 43.2389, 76.8897, ignition="true", alarm="sos")
        ids |= await scope_alerts.alert_of(world, anna, sos)
        ids["position"] = (await anna.get("/api/positions", params={"deviceId": ids["a1"]})).json()[0]["id"]
        events = (await anna.get("/api/reports/events", params={"deviceId": ids["a1"], **RANGE})).json()
        ids["event"] = next(event["id"] for event in events if event["type"] == "alarm")
        ids["token"] = (await anna.post("/api/session/token")).text
        ids |= await things(anna)
        ids |= await scope_near.things(anna, ids)
        ids |= await scope_billing.money(world)
        ids |= await scope_commands.things(world)
        assert (await anna.get(f"/api/events/{ids['event']}")).status_code == 200
        assert len((await anna.get("/api/positions", params={"id": ids["position"]})).json()) == 1

        unknown = registered(world.app) - TABLE.keys() - HARMLESS
        assert not unknown, f"add to TABLE what another account's user must get from {sorted(unknown)}"
        wrong = []
        for name in sorted(registered(world.app) & TABLE.keys()):
            for call, wanted in TABLE[name]:
                answer = await ask(boris, name, filled(call, ids))
                if complaint := judged(answer, wanted):
                    wrong.append(f"{name} {call}: {complaint}")
        assert not wrong, "\n".join(wrong)

        await scope_alerts.untouched(anna, ids)
        names = [device["name"] for device in (await anna.get("/api/devices")).json()]
        assert names == ["Truck a1", "Truck a2"], "Boris changed something"
        assert (await anna.get("/api/session")).json()["name"] == "Anna"


async def things(anna: httpx.AsyncClient) -> dict[str, Any]:
    """A group, a calendar and a zone of hers."""
    data = b64encode(b"BEGIN:VEVENT\nDTSTART:20260105T090000\nDTEND:20260105T180000\nEND:VEVENT").decode()
    bodies = {
        "group": {"name": "Truck a1's"},
        "calendar": {"name": "Truck a1's", "data": data},
        "geofence": {"name": "Truck a1's", "area": "CIRCLE (43.2389 76.8897, 300)", "allDevices": True},
    }
    made = {name: (await anna.post(f"/api/{name}s", json=body)).json()["id"] for name, body in bodies.items()}
    return {**made, "data": data}


async def ask(client: httpx.AsyncClient, name: str, call: Call) -> httpx.Response:
    method, path = name.split(" ", 1)
    if "path" in call:
        call = dict(call)
        values = call.pop("path")
        for value in values if isinstance(values, list) else [values]:
            head, _, rest = path.partition("{")
            path = head + str(value) + rest.partition("}")[2]
    return await client.request(method, path, **call)


def judged(answer: httpx.Response, wanted: object) -> str:
    if leaked := [word for word in HERS if word in answer.text]:
        return f"leaks {leaked}"
    if wanted == OWN:
        return "" if answer.status_code == 200 else f"status {answer.status_code}: {answer.text[:200]}"
    if wanted == EMPTY:
        return "" if answer.status_code == 200 and answer.json() == [] else f"not an empty list: {answer.text[:200]}"
    return "" if answer.status_code == wanted else f"status {answer.status_code} instead of {wanted}: {answer.text[:200]}"


async def test_nothing_of_anybodys_without_signing_in(world: World) -> None:
    public = {"GET /api/server", "GET /api/health", "GET /metrics", "GET /api/docs", "GET /api/openapi.json", "GET /login"}
    public |= {"GET /api/docs/oauth2-redirect", "GET /docs/oauth2-redirect"}
    async with world.visitor() as nobody:
        for name in sorted(registered(world.app) - public - scope_billing.HARMLESS):
            if name.startswith(("WS", "MOUNT")):
                continue
            for call, _ in TABLE.get(name, [({}, None)]):
                answer = await ask(nobody, name, filled(call, {**world.ids, "position": 1, "event": 1, "token": "x" * 43, **ANY}))
                if name.startswith("DELETE /api/session"):
                    assert answer.status_code == 204
                    continue
                refused = answer.status_code in (401, 404) or (
                    answer.status_code in (302, 303, 307) and "/login" in answer.headers["location"]
                )
                assert refused or (name == "POST /api/session" and answer.status_code == 400), f"{name}: {answer.status_code}"
                assert not [word for word in HERS if word in answer.text]


async def test_the_socket_shows_only_the_viewers(world: World) -> None:
    async with world.signed_in("boris") as boris:
        cookie = f"JSESSIONID={boris.cookies['JSESSIONID']}"
        async with websockets.connect(f"ws://localhost:{world.port}/api/socket", additional_headers={"Cookie": cookie}) as socket:
            first = await socket.recv()
            await world.report("imei-a1", NOW + timedelta(seconds=5), 43.2389, 76.9, alarm="sos")
            await world.report("imei-b1", NOW + timedelta(seconds=5), 40.0, 70.0)
            second = await socket.recv()
            assert not [word for word in HERS if word in str(first) + str(second)]
            assert "Truck b1" in str(first)
            assert f'"deviceId":{world.ids["b1"]}' in str(second)


async def test_a_device_that_changes_hands_leaves_one_socket_and_comes_into_the_other(world: World) -> None:
    van = await world.tracker("Anna Ltd")
    await van.report(NOW, 43.5, 77.5)
    async with world.signed_in("admin") as admin, looking(world, "anna") as annas, looking(world, "boris") as borises:
        await hears(annas, "positions", van.id)
        moved = await admin.put(f"/api/devices/{van.id}", json={"accountId": world.ids["Boris Ltd"]})
        assert moved.status_code == 200
        async with asyncio.timeout(10):
            while van.id not in json.loads(await annas.recv()).get("removed", []):
                pass
        await hears(borises, "positions", van.id)
        await van.report(NOW + timedelta(seconds=5), 43.6, 77.6, alarm="sos")
        await hears(borises, "events", van.id)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hears(annas, "events", van.id), 2.5)


async def test_who_is_disabled_or_moved_is_shown_nothing_more(world: World) -> None:
    async with world.signed_in("admin") as admin:
        for change in ({"disabled": True}, {"accountId": world.ids["Boris Ltd"]}):
            email = f"{uuid4().hex}@example.com"
            new = {"name": "x", "email": email, "password": PASSWORD, "accountId": world.ids["Anna Ltd"]}
            user = (await admin.post("/api/users", json=new)).json()["id"]
            async with looking(world, email.partition("@")[0]) as socket:
                await socket.recv()
                assert (await admin.put(f"/api/users/{user}", json=change)).status_code == 200
                await asyncio.wait_for(socket.wait_closed(), 5)
                assert socket.close_code == 4401


@asynccontextmanager
async def looking(world: World, name: str) -> AsyncIterator[websockets.ClientConnection]:
    async with world.signed_in(name) as client:
        cookie = f"JSESSIONID={client.cookies['JSESSIONID']}"
        url = f"ws://localhost:{world.port}/api/socket"
        async with websockets.connect(url, additional_headers={"Cookie": cookie}) as socket:
            yield socket


async def hears(socket: websockets.ClientConnection, key: str, device_id: int) -> None:
    """Until something of the device comes."""
    async with asyncio.timeout(10):
        while device_id not in [one["deviceId"] for one in json.loads(await socket.recv()).get(key, [])]:
            pass


async def test_readonly_users_change_nothing(world: World) -> None:
    changes = {
        "POST /api/devices": {"json": {"name": "x", "uniqueId": "new"}},
        "PUT /api/devices/{device_id}": {"path": world.ids["a1"], "json": {"name": "x"}},
        "DELETE /api/devices/{device_id}": {"path": world.ids["a1"]},
        "POST /api/unknown-trackers/adopt": {"json": {"uniqueId": "x", "name": "x"}},
        "PUT /api/users/{user_id}": {"path": world.ids["rita"], "json": {"name": "x"}},
        "PUT /api/server": {},
    }
    own = {"POST /api/session", "DELETE /api/session", "POST /api/session/token", "POST /api/session/token/revoke"}
    own |= scope_billing.HARMLESS
    async with world.signed_in("rita") as rita:
        assert len((await rita.get("/api/devices")).json()) == 2
        for name in sorted(registered(world.app) - own):
            if name.split()[0] in ("POST", "PUT", "PATCH", "DELETE"):
                call = changes.get(name) or TABLE[name][0][0]
                answer = await ask(rita, name, filled(call, {**world.ids, **ANY}))
                assert answer.status_code == 403, f"{name}: {answer.status_code}"
                assert answer.headers["content-type"] == "application/problem+json"
