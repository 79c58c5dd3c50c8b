"""Alerts about an account itself in the feed, on the socket and on the pages: they have no device."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import websockets

from telematics.alerts.accounts import tell
from telematics.store.alerts import NewAccountAlert
from tests.api.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
FACTS: dict[str, Any] = {"count": 1, "trackers": ["Truck a1"], "needed": 20_05, "balance": 5, "currency": "EUR"}


async def happens(world: World, kind: str = "trackerBlocked") -> None:
    alert = NewAccountAlert(world.ids["Anna Ltd"], kind, "", FACTS, urgent=True)
    async with world.server.database.pool.connection() as connection:
        assert await tell(connection, [alert], datetime.now(UTC), ("web", "mail")) == 1


async def test_it_comes_by_the_socket_with_a_toast_for_who_may_do_something(world: World) -> None:
    """From another process, too: who stores it tells all by the database."""
    found: dict[str, Any] = {}
    async with world.signed_in("anna") as anna, world.signed_in("rita") as rita, world.signed_in("boris") as boris:
        for name, client in (("anna", anna), ("rita", rita), ("boris", boris)):
            cookie = {"Cookie": f"JSESSIONID={client.cookies['JSESSIONID']}"}
            found[name] = await websockets.connect(
                f"ws://localhost:{world.port}/api/socket?only=alerts", additional_headers=cookie
            )
        await happens(world)
        for name, toast in (("anna", True), ("rita", False)):
            (alert,) = json.loads(await found[name].recv())["alerts"]
            assert (alert["type"], alert["deviceId"], alert["deviceName"], alert["toast"]) == ("trackerBlocked", 0, "", toast)
            assert alert["text"] == "No money, blocked: Truck a1. Top up 20.05 EUR"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(found["boris"].recv(), 0.3)
        for socket in found.values():
            await socket.close()


async def test_the_feed_has_it_and_others_dont(world: World) -> None:
    await happens(world, "balanceLow")
    async with world.signed_in("anna") as anna, world.signed_in("boris") as boris, world.signed_in("admin") as admin:
        (alert,) = (await anna.get("/api/alerts", params={"type": "balanceLow"})).json()
        assert (alert["deviceId"], alert["accountId"], alert["latitude"], alert["geofenceId"]) == (
            0,
            world.ids["Anna Ltd"],
            None,
            0,
        )
        assert alert["attributes"]["needed"] == 20_05
        one = (await anna.get(f"/api/alerts/{alert['id']}")).json()
        assert [(told["channel"], told["ruleId"], told["ruleName"]) for told in one["deliveries"]] == [
            ("web", None, None),
            ("mail", None, None),
        ]
        assert (await boris.get("/api/alerts", params={"type": "balanceLow"})).json() == []
        assert (await boris.get(f"/api/alerts/{alert['id']}")).status_code == 404
        assert [row["id"] for row in (await admin.get("/api/alerts", params={"type": "balanceLow"})).json()] == [alert["id"]]
        assert (await anna.get("/api/alerts", params={"deviceId": world.ids["a1"]})).json() == []
        said = await anna.post(f"/api/alerts/{alert['id']}/comments", json={"text": "paid"})
        assert [comment["text"] for comment in said.json()["comments"]] == ["paid"]
        assert (await anna.post(f"/api/alerts/{alert['id']}/acknowledge")).json()["acknowledgedBy"] == "Anna"
        assert (await anna.delete(f"/api/alerts/{alert['id']}/acknowledge")).json()["acknowledgedAt"] is None
        assert (await anna.post("/api/alerts/acknowledge", json={"ids": [alert["id"]]})).json() == {"acknowledged": 1}


async def test_no_rule_can_ask_for_it(world: World) -> None:
    async with world.signed_in("anna") as anna:
        types = [row["type"] for row in (await anna.get("/api/notifications/types")).json()]
        assert not {"balanceLow", "trackerBlocked"} & set(types)
        refused = await anna.post("/api/notifications", json={"type": "balanceLow", "channels": ["web"], "description": "x"})
        assert refused.status_code == 400


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "No money, blocked: Truck a1"),
        ("ru", "Нет денег, заблокировано: Truck a1"),
        ("kk", "Ақша жоқ, бұғатталды: Truck a1"),
    ],
)
async def test_the_pages_show_it_and_lead_to_the_money(world: World, language: str, words: str) -> None:
    await happens(world)
    async with world.signed_in("anna") as anna:
        anna.cookies.set("language", language)
        newest = (await anna.get("/api/alerts", params={"type": "trackerBlocked", "limit": 1})).json()[0]["id"]
        for address in ("/alerts", "/alerts?type=trackerBlocked", "/deliveries", f"/alerts/{newest}"):
            page = await anna.get(address)
            assert page.status_code == 200
            assert words in page.text, address
        assert 'href="/billing"' in page.text
        assert "device=0" not in page.text
