"""What people see of a blocked tracker: nothing on maps, in lists and reports; why, and its price, where trackers are managed."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import websockets

from billing.book import open_book
from billing.rules import share
from billing.tariffs import NewVersion, add, change
from billing.topup import top_up
from tests.api.conftest import NOW, Tracker, World, eventually, password_hash
from tests.api.test_scope import hears, looking
from tests.billing.test_blocking import BLOCK, UNBLOCK
from tests.billing.test_blocking import say as tell

pytestmark = pytest.mark.asyncio(loop_scope="module")
PERIOD = {"from": (NOW - timedelta(hours=3)).isoformat(), "to": (NOW + timedelta(minutes=5)).isoformat()}


async def block(world: World, tracker: Tracker, kind: str = "unpaid", *, instead: bool = False) -> None:
    """`instead`: it is no longer blocked for want of money."""
    await tell(world.server.settings.database_url or "", BLOCK, [tracker.id], kind)
    if instead:
        await tell(world.server.settings.database_url or "", UNBLOCK, [tracker.id], "unpaid")
    await eventually(lambda: blocked(world, tracker), 1)


async def unblock(world: World, tracker: Tracker, kind: str = "unpaid") -> None:
    await tell(world.server.settings.database_url or "", UNBLOCK, [tracker.id], kind)
    await eventually(lambda: not blocked(world, tracker), 1)


def blocked(world: World, tracker: Tracker) -> str | None:
    device = world.server.devices.get(tracker.id)
    assert device is not None
    return device.blocked


@asynccontextmanager
async def driven(world: World) -> AsyncIterator[Tracker]:
    """On a trip of an hour, with an alarm."""
    van = await world.tracker("Anna Ltd")
    for minute in range(0, 60, 10):
        await van.report(NOW - timedelta(minutes=60 - minute), 43.2 + minute / 1000, 76.9, speed=20)
    await van.report(NOW - timedelta(minutes=1), 43.26, 76.9, alarm="sos")
    yield van


async def seen(client: httpx.AsyncClient, van: Tracker) -> dict[str, Any]:
    """Where the van comes up, by the address asked."""
    which = {**PERIOD, "deviceId": van.id}
    paths: dict[str, dict[str, Any]] = {
        "/api/devices": {},
        f"/api/devices?id={van.id}": {},
        f"/api/devices?uniqueId={van.unique_id}": {},
        "/api/positions": {},
        f"/api/positions?deviceId={van.id}": {},
        "/api/positions?": which,
        "/api/positions/csv": which,
        "/api/positions/gpx": which,
        "/api/positions/kml": which,
        "/api/reports/route": which,
        "/api/reports/events": which,
        "/api/reports/events?": PERIOD,
        "/api/reports/trips": which,
        "/api/reports/stops": which,
        "/api/reports/summary": which,
    }
    found = {}
    for path, params in paths.items():
        answer = await client.get(path, params=params or None)
        assert answer.status_code in (200, 404), f"{path}: {answer.text}"
        if answer.status_code == 404:
            assert answer.json()["title"] == "The tracker is blocked"
            assert "/api/billing/trackers" in answer.json()["detail"]
            continue
        entries = answer.json() if "json" in answer.headers["content-type"] else [{"deviceId": van.id}]
        if any(van.id in (one.get("deviceId"), one.get("id") if "devices" in path else None) for one in entries):
            found[path] = answer
    return found


@pytest.mark.parametrize("name", ["anna", "admin"])
async def test_lists_and_reports_leave_it_out(world: World, name: str) -> None:
    async with driven(world) as van, world.signed_in(name) as client:
        before = await seen(client, van)
        assert len(before) == 15 - (1 if "/api/reports/stops" not in before else 0)
        events = (await client.get("/api/reports/events", params={**PERIOD, "deviceId": van.id})).json()
        position = before[f"/api/positions?deviceId={van.id}"].json()[0]["id"]
        single = [f"/api/events/{events[-1]['id']}", f"/api/positions?id={position}"]
        assert [(await client.get(path)).json() not in ([], None) for path in single] == [True, True]
        await block(world, van)
        assert await seen(client, van) == {}
        assert (await client.get(single[0])).status_code == 404
        assert (await client.get(single[1])).json() == []
        both: dict[str, Any] = {**PERIOD, "deviceId": [van.id, world.ids["a1"]]}  # of several it is left out
        assert [one["deviceId"] for one in (await client.get("/api/reports/summary", params=both)).json()] == [world.ids["a1"]]
        await unblock(world, van)
        assert (await seen(client, van)).keys() == before.keys()


async def test_who_manages_trackers_still_finds_it(world: World) -> None:
    async with driven(world) as van, world.signed_in("anna") as anna, world.signed_in("boris") as boris:
        await block(world, van, "owner")
        known = (await anna.get(f"/api/devices/{van.id}")).json()
        assert (known["blocked"], known["positionId"], known["moving"]) == ("owner", 0, False)
        assert known["lastUpdate"] is not None
        managed = (await anna.get("/api/devices", params={"withBlocked": True})).json()
        assert van.id in [one["id"] for one in managed]
        assert (await anna.put(f"/api/devices/{van.id}", json={**known, "name": "Van 2"})).json()["name"] == "Van 2"
        assert (await boris.get(f"/api/devices/{van.id}")).json()["title"] == "No such device"
        assert (await boris.get(f"/api/positions?deviceId={van.id}")).json()["title"] == "No such device"
        assert van.id not in [one["id"] for one in (await boris.get("/api/devices", params={"withBlocked": True})).json()]
        assert (await anna.delete(f"/api/devices/{van.id}")).status_code == 204
        assert world.server.devices.get(van.id) is None


@pytest.mark.parametrize("name", ["anna", "admin"])
async def test_it_leaves_open_pages_within_a_second_and_is_back_without_a_reload(world: World, name: str) -> None:
    async with driven(world) as van, looking(world, name) as socket:
        await hears(socket, "positions", van.id)
        await van.report(NOW + timedelta(seconds=1), 43.27, 76.9)
        await hears(socket, "positions", van.id)  # from now on nothing more would be sent for a second
        for _ in range(2):
            began = time.monotonic()
            await tell(world.server.settings.database_url or "", BLOCK, [van.id])
            while van.id not in (await told(socket)).get("removed", []):
                pass
            assert time.monotonic() - began < 1
            await van.report(NOW + timedelta(seconds=2), 43.28, 76.9, alarm="sos")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(hears(socket, "positions", van.id), 1.2)
            began = time.monotonic()
            await tell(world.server.settings.database_url or "", UNBLOCK, [van.id])
            news: dict[str, Any] = {}
            while van.id not in [one["id"] for one in news.get("devices", [])]:
                news = await told(socket)
            assert time.monotonic() - began < 1
            assert [one["latitude"] for one in news["positions"] if one["deviceId"] == van.id] == [43.27]  # where it was last


async def test_a_page_whose_list_is_older_than_its_socket_is_told_too(world: World) -> None:
    async with driven(world) as van:
        await block(world, van)
        async with looking(world, "anna") as annas, looking(world, "boris") as borises:
            while van.id not in (await told(annas)).get("removed", []):
                pass
            assert "removed" not in await told(borises)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(borises.recv(), 0.5)


async def told(socket: websockets.ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(10):
        found: dict[str, Any] = json.loads(await socket.recv())
    return found


async def test_the_pages_leave_it_out_and_the_trackers_page_says_why(world: World) -> None:
    async with driven(world) as van, world.signed_in("anna") as anna:
        history = f"/history?device={van.id}"
        assert van.id in [shown_device(await anna.get(history))]
        await block(world, van)
        assert shown_device(await anna.get(history)) is None
        line = row_of(await anna.get("/trackers", params={"q": van.unique_id}), van)
        for word in ("#icon-alert", "Blocked", "the day could not be paid", "data-ago", f'data-unblock="{van.id}"'):
            assert word in line
        assert "?device=" not in line  # neither map nor history
        for action in ("edit", "remove"):
            assert (await anna.get(f"/trackers/{van.id}/{action}")).status_code == 200
        await block(world, van, "administrator")
        line = row_of(await anna.get("/trackers", params={"q": van.unique_id}), van)
        assert "by the provider" in line
        assert "data-unblock" not in line
        await tell(world.server.settings.database_url or "", UNBLOCK, [van.id], "administrator")
    async with world.signed_in("rita") as rita:
        assert "data-unblock" not in row_of(await rita.get("/trackers", params={"q": van.unique_id}), van)


def shown_device(answer: httpx.Response) -> int | None:
    found = re.search(r'<script type="application/json" id="page">(.*?)</script>', answer.text, re.S)
    assert found is not None
    device = json.loads(found[1])["device"]
    return device and int(device["id"])


def row_of(answer: httpx.Response, van: Tracker) -> str:
    found = re.search(rf'<tr data-device="{van.id}".*?</tr>', answer.text, re.S)
    assert found is not None
    return found[0]


@dataclass(frozen=True)
class Customer:
    name: str
    account_id: int
    van: Tracker


async def customer(world: World) -> Customer:
    """300.00 a month, a van whose 31 days are over, and no money left."""
    name = f"user-{uuid4().hex}"
    account_id = await world._insert("INSERT INTO accounts (name) VALUES (%s) RETURNING id", name)
    world.ids[name] = account_id
    await world._insert(
        "INSERT INTO users (account_id, email, name, password_hash) VALUES (%s, %s, 'Zoe', %s) RETURNING id",
        *(account_id, f"{name}@example.com", password_hash()),
    )
    van = await world.tracker(name)
    async with open_book(world.server.database, account_id) as book:
        tariff = await add(book.connection, f"Paid {name}", "", "EUR", NewVersion(date(2020, 1, 1), 30000))
        await top_up(book, 30000, way="cash", key=uuid4().hex)
        await change(book, tariff.id)
        await book.connection.execute("UPDATE billed_trackers SET covered_until = %s WHERE device_id = %s", (book.day, van.id))
        await book.connection.execute(
            "UPDATE billed_trackers SET covered_until = covered_until - 1 WHERE device_id = %s", (van.id,)
        )
    return Customer(name, account_id, van)


async def test_the_button_says_what_is_charged_and_charges_it(world: World) -> None:
    """Rules 14 and 15, from the page to the map."""
    zoe = await customer(world)
    await zoe.van.report(NOW, 43.2, 76.9)
    async with world.signed_in(zoe.name) as client, looking(world, zoe.name) as socket:
        await block(world, zoe.van)
        price = share(30000, await today(world, zoe))
        assert f"Unblock for €{price / 100:.2f}" in row_of(await client.get("/trackers"), zoe.van)
        path = f"/api/billing/trackers/{zoe.van.id}/unblock"
        refused = await client.post(path, headers={"Idempotency-Key": "one"}, json={})
        assert refused.status_code == 402
        assert refused.json()["code"] == "not_enough_money"
        await pay(world, zoe, price - 1)
        assert blocked(world, zoe.van) == "unpaid"
        await pay(world, zoe, 1)
        await eventually(lambda: not blocked(world, zoe.van), 1)
        await hears(socket, "positions", zoe.van.id)
        await block(world, zoe.van, "owner")
        assert "Unblock<" in row_of(await client.get("/trackers"), zoe.van)  # today is paid already
        assert (await client.post(path, headers={"Idempotency-Key": "two"}, json={})).status_code == 200
        assert not blocked(world, zoe.van)
        assert "data-unblock" not in row_of(await client.get("/trackers"), zoe.van)


async def today(world: World, who: Customer) -> date:
    async with open_book(world.server.database, who.account_id) as book:
        return book.day


async def pay(world: World, who: Customer, amount: int) -> None:
    async with open_book(world.server.database, who.account_id) as book:
        await top_up(book, amount, way="cash", key=uuid4().hex)


async def test_no_trip_goes_on_over_the_time_between(world: World) -> None:
    """Two hours on the road, blocked for a part of the first, moved elsewhere meanwhile."""
    van = await world.tracker("Anna Ltd")
    for minute in range(0, 120, 10):
        if minute == 60:
            await block(world, van)
            await van.report(NOW - timedelta(minutes=65), 47.0, 70.0, speed=20)  # not kept
            await unblock(world, van)
            await move_breaks(world, van, NOW - timedelta(minutes=68), NOW - timedelta(minutes=62))
        await van.report(NOW - timedelta(minutes=120 - minute), (43.2 if minute < 60 else 50.0) + minute / 1000, 76.9, speed=20)
    async with world.signed_in("anna") as anna:
        which: dict[str, Any] = {**PERIOD, "deviceId": van.id}
        trips = (await anna.get("/api/reports/trips", params=which)).json()
        (summary,) = (await anna.get("/api/reports/summary", params=which)).json()
        track = (await anna.get("/api/positions", params=which)).json()
    assert [round(trip["duration"] / 60_000) for trip in trips] == [50, 50]
    assert [trip["distance"] for trip in trips] == [pytest.approx(5 * 1112, rel=0.01)] * 2
    assert summary["distance"] == pytest.approx(10 * 1112, rel=0.01)
    assert track[-1]["attributes"]["totalDistance"] == pytest.approx(10 * 1112, rel=0.01)
    assert max(one["attributes"]["distance"] for one in track) == pytest.approx(1112, rel=0.01)


async def move_breaks(world: World, van: Tracker, begin: datetime, end: datetime) -> None:
    """It was blocked then."""
    query = (
        "UPDATE device_breaks SET at = %s WHERE device_id = %s AND at = (SELECT max(at) FROM device_breaks WHERE device_id = %s)"
    )
    async with world.server.database.pool.connection() as connection:
        for at in (end, begin):  # the newest of those that are left
            await connection.execute(query, (at, van.id, van.id))
