"""Whatever a query or body holds, the answer is a problem with a status below 500, and the server goes on."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from typing import Any

import httpx
import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
NASTY = [
    "",
    "\0",
    "%00",
    "'; DROP TABLE users; --",
    "-1",
    "0",
    "9" * 40,
    "1e400",
    "NaN",
    "null",
    "true",
    "[]",
    "{}",
    "💥",
    "\ud800",
    "../..",
    "a" * 5000,
]
QUERIES = {
    "/api/alerts": ("before", "from", "type", "deviceId", "geofenceId", "eventId", "acknowledged", "limit"),
    "/api/audit": ("accountId", "userId", "action", "from", "to", "before", "limit"),
    "/api/billing": ("accountId",),
    "/api/billing/calculator": ("accountId", "tariffId", "trackers", "days", "start", "balance"),
    "/api/billing/connection": ("accountId", "count"),
    "/api/billing/operator/accounts": ("q", "state", "sort", "limit", "offset"),
    "/api/billing/outlook": ("accountId", "days"),
    "/api/billing/payments": ("accountId", "limit", "offset"),
    "/api/billing/statement": (*("accountId", "from", "to", "deviceId", "kind", "entryId", "group", "order", "limit", "offset"),),
    "/api/billing/statement.csv": ("from", "to", "deviceId", "kind"),
    "/api/billing/trackers": ("accountId", "limit", "offset"),
    "/api/commands": ("limit", "offset"),
    "/api/commands/log": ("deviceId", "state", "limit", "offset"),
    "/api/commands/send": ("deviceId", "limit", "offset"),
    "/api/commands/types": ("deviceId", "textChannel"),
    "/api/deliveries": ("before", "to", "alertId", "state", "channel", "limit"),
    "/api/devices": ("id", "uniqueId", "limit", "offset"),
    "/api/geofences": ("id", "deviceId", "groupId", "outline", "limit", "offset"),
    "/api/geofences/geojson": ("deviceId", "limit"),
    "/api/notifications": ("deviceId", "limit", "offset"),
    "/api/proximities": ("deviceId", "limit"),
    "/api/positions": ("deviceId", "id", "from", "to", "limit"),
    "/api/positions/gpx": ("deviceId", "from", "to"),
    "/api/reports/events": ("deviceId", "type", "from", "to"),
    "/api/reports/stops": ("deviceId", "from", "to"),
    "/api/server/geocode": ("latitude", "longitude", "language"),
    "/api/session": ("token",),
    "/api/unknown-trackers": ("uniqueId", "limit", "offset"),
    "/api/users": ("limit", "offset"),
}
VALUES = st.sampled_from(NASTY) | st.text(st.characters(codec="utf-8"), max_size=30) | st.integers().map(str)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(NASTY[:-3]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "name",
    "uniqueId",
    "phone",
    "disabled",
    "attributes",
    "accountId",
    "email",
    "password",
    "administrator",
    "timeZone",
    "language",
    "area",
    "geometry",
    "radius",
    "hours",
    "groupId",
    "deviceIds",
    "data",
    "type",
    "types",
    "channels",
    "emails",
    "webhookUrl",
    "enter",
    "text",
    "ids",
    "url",
    "tariffId",
    "test",
    "reason",
    "amount",
    "provider",
    "entryId",
    "nos",
    "currency",
    "since",
    "price",
    "way",
    "reference",
    "file",
    "description",
    "deviceId",
    "id",
    "textChannel",
    "lastsHours",
    "whenSlow",
    "commandId",
    "commands",
)
COMMANDS = (
    ("custom", "data", "data"),
    ("outputControl", "index", "data"),
    ("sendSms", "phone", "message"),
    ("setConnection", "server", "port"),
    ("setTimezone", "timezone", "timezone"),
    ("setOdometer", "data", "x"),
    ("alarmSos", "enable", "enable"),
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8) | JSON
LITTLE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def check(answer: httpx.Response) -> None:
    assert answer.status_code < 500, f"{answer.request.method} {answer.request.url} {answer.request.content!r}: {answer.text}"
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


async def test_any_query(world: World) -> None:
    async with world.signed_in("admin") as admin:
        asked: list[tuple[str, str, str]] = []

        @LITTLE
        @given(st.sampled_from([(path, name) for path, names in QUERIES.items() for name in names]), VALUES)
        def collect(where: tuple[str, str], value: str) -> None:
            asked.append((*where, value))

        collect()
        for path, names in QUERIES.items():
            asked += [(path, name, value) for name in names for value in NASTY]
        await in_parallel(
            admin.get(f"{path}?{httpx.QueryParams({**usual(path), name: value.encode('utf-8', 'replace').decode()})}")
            for path, name, value in asked
        )


def usual(path: str) -> dict[str, str]:
    if "geocode" in path:
        return {"latitude": "0", "longitude": "0"}
    if "reports" in path or path.endswith("gpx"):
        return {"deviceId": "1", "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    return {}


async def test_any_body(world: World) -> None:
    async with world.signed_in("admin") as admin:
        bodies: list[Any] = []

        @LITTLE
        @given(BODIES)
        def collect(body: Any) -> None:
            bodies.append(body)

        collect()
        bodies += [
            b"",
            b"{",
            b"\xff",
            b"[" * 100_000,
            b'{"name":"x","uniqueId":"\\ud800"}',
            b'{"attributes":{"a":1e999}}',
            b"NaN",
            b"9" * 10_000,
        ]
        raw = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
        paths: tuple[str, ...] = ("/api/devices", "/api/users", "/api/accounts", "/api/unknown-trackers/adopt", "/api/session")
        paths += ("/api/geofences", "/api/geofences/import", "/api/groups", "/api/calendars", "/api/permissions")
        paths += ("/api/notifications", "/api/notifications/preview", "/api/proximities", "/api/messengers")
        paths += ("/api/alerts/acknowledge", "/api/alerts/1/comments", "/api/permissions/bulk")
        paths += ("/api/commands", "/api/commands/send", f"/api/commands/send?groupId={2**31 - 1}")
        paths += tuple(f"/api/billing/{path}" for path in ("tariff", "tariff/preview", "payments", "refunds", "withdrawal"))
        paths += (f"/api/billing/trackers/{world.ids['b1']}/test", f"/api/billing/trackers/{world.ids['b1']}/block")
        operator = "/api/billing/operator"
        paths += tuple(f"{operator}/accounts/{world.ids['Boris Ltd']}/{act}" for act in ("bonus", "reverse", "tariff", "topup"))
        paths += (f"{operator}/tariffs", f"{operator}/tariffs/1/versions", f"{operator}/bank/preview", f"{operator}/bank/import")
        headers = {"Content-Type": "application/json", "X-Forwarded-For": "203.0.113.9"}
        keys = map(str, count(1))
        await in_parallel(
            admin.post(path, content=body, headers={**headers, "Idempotency-Key": next(keys)}) for body in raw for path in paths
        )
        await in_parallel(
            admin.put(f"{operator}/{what}", content=body, headers=headers) for body in raw for what in ("defaults", "tariffs/1")
        )
        await in_parallel(admin.put(f"/api/devices/{world.ids['b1']}", content=body, headers=headers) for body in raw)
        await in_parallel(admin.put(f"/api/users/{world.ids['rita']}", content=body, headers=headers) for body in raw)
        nasty = [
            {"description": "x", "deviceId": world.ids["b1"], "type": kind, "attributes": {name: value, more: value}}
            for kind, name, more in COMMANDS
            for value in (*NASTY[:-3], NASTY[-1], 1e300, -1, 2**70, True, None, [], {"a": {}}, "x\u0085y", "\u2028")
        ]
        await in_parallel(
            admin.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
            for body in nasty
            for path in ("/api/commands", "/api/commands/send")
        )


@pytest.mark.parametrize(
    "path",
    [
        "/api/devices/x",
        "/api/devices/0",
        "/api/devices/-1",
        "/api/devices/99999999999999999999",
        "/api/events/" + "9" * 18,
        "/api/events/" + "9" * 30,
        "/api//devices",
        "/api/devices/%00",
        "/api/../etc/passwd",
        "/%ff",
    ],
)
async def test_any_path(world: World, path: str) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.get(path)
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("key", NASTY)
async def test_any_idempotency_key(world: World, key: str) -> None:
    async with world.signed_in("boris") as boris:
        headers = {"Idempotency-Key": key.encode("utf-8", "replace").strip()}
        try:
            answer = await boris.post("/api/billing/tariff/preview", json={"tariffId": 999}, headers=headers)
        except httpx.LocalProtocolError:  # not even a client sends it
            return
        check(answer)
        assert answer.status_code in (400, 404)


async def test_what_viewers_say_into_the_socket_is_ignored(world: World) -> None:
    async with world.signed_in("anna") as anna:
        headers = {"Cookie": f"JSESSIONID={anna.cookies['JSESSIONID']}"}
        async with websockets.connect(f"ws://localhost:{world.port}/api/socket", additional_headers=headers) as socket:
            await socket.recv()
            for said in ("", "{", '{"logs":true}', b"\xff\x00", "x" * 60_000):
                await socket.send(said)
            device = (await anna.post("/api/devices", json={"name": "Later", "uniqueId": "later"})).json()
            assert device["id"] in [shown["id"] for shown in await news(socket, "devices")]
            await anna.delete(f"/api/devices/{device['id']}")
            assert await news(socket, "removed") == [device["id"]]


@pytest.mark.parametrize(
    "path", ["/api/session", "/api/session/token", "/api/devices", "/api/billing/refunds", "/operator/bank/preview"]
)
async def test_whoever_hangs_up_leaves_no_trace_in_the_log(world: World, path: str, caplog: pytest.LogCaptureFixture) -> None:
    async with world.signed_in("admin") as admin:
        cookie = admin.cookies["JSESSIONID"]
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nCookie: JSESSIONID={cookie}\r\nIdempotency-Key: x\r\n"
    for kind in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"):
        _, writer = await asyncio.open_connection("localhost", world.port)
        writer.write(f"{head}Content-Type: {kind}\r\nContent-Length: 1000\r\n\r\n--b".encode())
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
    await asyncio.sleep(0.3)
    assert [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


@pytest.mark.parametrize("number", ["0" * 11 + "1" + "9" * 20, "0" * 16 + "1" + "9" * 30, "9" * 128])
async def test_pages_take_no_number_that_begins_small(world: World, number: str) -> None:
    async with world.signed_in("anna") as anna:
        for address in (
            "/billing/statement?tracker=",
            "/billing/topup?amount=",
            "/billing/calculator?trackers=",
            "/billing/trackers?q=",
        ):
            answer = await anna.get(address + number)
            assert answer.status_code == 200, f"{address}{number}"
        assert number.lstrip("0") not in (await anna.get(f"/billing/topup?amount={number}")).text


async def news(socket: websockets.ClientConnection, key: str) -> list[Any]:
    """The next list of that name, within some seconds."""
    async with asyncio.timeout(10):
        while True:
            message = json.loads(await socket.recv())
            if key in message:
                found: list[Any] = message[key]
                return found


async def in_parallel(requests: Any) -> None:
    """A few at a time."""
    places = asyncio.Semaphore(8)

    async def one(request: Any) -> None:
        async with places:
            check(await request)

    async with asyncio.TaskGroup() as group:
        for request in requests:
            group.create_task(one(request))
