"""Rules, the feed and deliveries over the API and the live socket."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
import websockets

from telematics.alerts.matching import CHANNELS, TYPES
from tests.api.conftest import NOW, World, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW = {"type": "alarm", "always": True, "notificators": "web,mail", "attributes": {"alarms": "sos,powerCut"}}


async def made(client: httpx.AsyncClient, **rule: Any) -> dict[str, Any]:
    answer = await client.post("/api/notifications", json=rule)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_rule_is_written_in_traccars_words_and_in_ours(world: World) -> None:
    async with world.signed_in("anna") as anna:
        rule = await made(anna, **NEW)
        assert rule == {
            "id": rule["id"], "description": "", "type": "alarm", "always": True, "notificators": "web,mail", "calendarId": 0,
            "attributes": {"alarms": "sos,powerCut"}, "commandId": 0, "accountId": world.ids["Anna Ltd"], "enabled": True,
            "types": ["alarm"], "channels": ["web", "mail"], "alarms": ["sos", "powerCut"], "allDevices": True, "deviceIds": [],
            "groupIds": [], "geofenceIds": [], "geofenceGroups": [], "hours": None, "userIds": [world.ids["anna"]], "emails": [],
            "phones": [], "webhookUrl": None, "hasWebhookSecret": False, "urgent": False, "cooldownSeconds": 0.0,
        }  # fmt: skip
        assert (await anna.get(f"/api/notifications/{rule['id']}")).json() == rule
        assert rule in (await anna.get("/api/notifications", params={"deviceId": world.ids["a1"]})).json()
        assert (await anna.delete(f"/api/notifications/{rule['id']}")).status_code == 204
        assert (await anna.get(f"/api/notifications/{rule['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("sent", "becomes"),
    [
        pytest.param({"type": "ignitionOn"}, {"types": ["ignitionOn"], "channels": ["web", "mail"]}, id="Traccar's type"),
        pytest.param({"types": ["ignitionOn", "alarm"]}, {"type": "ignitionOn"}, id="our types"),
        pytest.param({"notificators": "web"}, {"channels": ["web"]}, id="Traccar's notificators"),
        pytest.param({"channels": ["mail"]}, {"notificators": "mail"}, id="our channels"),
        pytest.param({"always": False, "deviceIds": []}, {"allDevices": False}, id="Traccar's always"),
        pytest.param({"attributes": {}}, {"alarms": [], "attributes": {}}, id="attributes without alarms"),
        pytest.param({"alarms": ["tow"]}, {"attributes": {"alarms": "tow"}}, id="our alarms"),
        pytest.param({"webhookUrl": "https://example.com/x", "channels": ["webhook"]}, {"hasWebhookSecret": False}, id="webhook"),
        pytest.param({"webhookSecret": "whsec_" + "A" * 32}, {"hasWebhookSecret": True}, id="a secret is never shown"),
        pytest.param({"urgent": True, "cooldownSeconds": 60}, {"urgent": True, "cooldownSeconds": 60.0}, id="urgent"),
        pytest.param({"phones": ["8 (701)"]}, None, id="no phone number"),
        pytest.param({"emails": ["=?utf-8?q?a?=@example.com"]}, None, id="no e-mail address"),
        pytest.param({"type": "driverChanged"}, None, id="no type of ours"),
        pytest.param({"notificators": "web,pigeon"}, None, id="no channel of ours"),
        pytest.param({"channels": ["webhook"]}, None, id="webhook without address"),
        pytest.param({"webhookUrl": "ftp://example.com"}, None, id="no web address"),
        pytest.param({"webhookSecret": "x"}, None, id="no secret"),
        pytest.param({"userIds": []}, None, id="mail to nobody"),
        pytest.param({"hours": [{"days": ["mon"], "from": "25:00", "to": "26:00"}]}, None, id="no hours"),
        pytest.param({"cooldownSeconds": -1}, None, id="negative"),
        pytest.param({"attributes": {"alarms": "sos;DROP"}}, None, id="no alarms"),
        pytest.param({"types": []}, None, id="no types"),
    ],
)
async def test_whole_objects_come_back_with_one_thing_changed(world: World, sent: dict[str, Any], becomes: Any) -> None:
    async with world.signed_in("anna") as anna:
        rule = await made(anna, **NEW)
        answer = await anna.put(f"/api/notifications/{rule['id']}", json={**rule, **sent})
        if becomes is None:
            assert answer.status_code == 400, answer.text
            assert answer.json()["detail"]
            assert (await anna.get(f"/api/notifications/{rule['id']}")).json() == rule
        else:
            assert {name: answer.json()[name] for name in becomes} == becomes
            assert "AAAA" not in answer.text
        await anna.delete(f"/api/notifications/{rule['id']}")


@pytest.mark.parametrize(
    "names",
    [
        {"deviceIds": ["b1"]},
        {"userIds": ["boris"]},
        {"userIds": ["admin"]},
        {"groupIds": ["their group"]},
        {"geofenceIds": ["their zone"]},
        {"calendarId": "their calendar"},
        {"accountId": "Boris Ltd"},
    ],
)
async def test_a_rule_names_only_its_own_accounts(world: World, names: dict[str, Any]) -> None:
    await theirs(world)
    filled = {
        key: [world.ids[one] for one in value] if isinstance(value, list) else world.ids[value] for key, value in names.items()
    }
    async with world.signed_in("anna") as anna:
        before = (await anna.get("/api/notifications")).json()
        assert (await anna.post("/api/notifications", json={**NEW, **filled})).status_code == 404
        assert (await anna.get("/api/notifications")).json() == before
        rule = await made(anna, **NEW)
        assert (await anna.put(f"/api/notifications/{rule['id']}", json=filled)).status_code in (400, 404)
        assert (await anna.get(f"/api/notifications/{rule['id']}")).json() == rule
        await anna.delete(f"/api/notifications/{rule['id']}")


async def theirs(world: World) -> None:
    """Of Boris: a group, a zone, a calendar."""
    if "their zone" in world.ids:
        return
    boris = world.ids["Boris Ltd"]
    world.ids["their group"] = await world._insert("INSERT INTO groups (account_id, name) VALUES (%s, 'G') RETURNING id", boris)
    world.ids["their calendar"] = await world._insert(
        "INSERT INTO calendars (account_id, name, data) VALUES (%s, 'C', '') RETURNING id", boris
    )
    world.ids["their zone"] = await world._insert(
        "INSERT INTO zones (account_id, name, kind, geometry, outline, depth_m, enabled)"
        " VALUES (%s, 'Z', 'circle', '{}', '', 1, false) RETURNING id",
        boris,
    )


async def test_an_administrator_may_be_named_by_an_administrator_and_stays(world: World) -> None:
    async with world.signed_in("admin") as admin, world.signed_in("anna") as anna:
        rule = await made(admin, **NEW, accountId=world.ids["Anna Ltd"], userIds=[world.ids["admin"]])
        changed = await anna.put(f"/api/notifications/{rule['id']}", json={**rule, "description": "hers"})
        assert changed.json()["userIds"] == [world.ids["admin"]]
        await anna.delete(f"/api/notifications/{rule['id']}")


async def test_types_and_channels_are_listed(world: World) -> None:
    async with world.signed_in("rita") as rita:
        assert [one["type"] for one in (await rita.get("/api/notifications/types")).json()] == list(TYPES)
        assert [one["type"] for one in (await rita.get("/api/notifications/notificators")).json()] == list(CHANNELS)


async def test_an_alert_is_shown_live_acknowledged_and_commented(world: World) -> None:
    async with world.signed_in("anna") as anna, world.signed_in("boris") as boris:
        rule = await made(anna, type="alarm", channels=["web", "sms"], description="Panic")
        cookie = f"JSESSIONID={anna.cookies['JSESSIONID']}"
        async with websockets.connect(f"ws://localhost:{world.port}/api/socket", additional_headers={"Cookie": cookie}) as socket:
            await socket.recv()
            await eventually(lambda: len(world.server.alerts.rules))
            await world.report("imei-a1", NOW + timedelta(seconds=1), 43.25, 76.9, alarm="sos", speed=10)
            told = await heard(socket)
            assert told["toast"] is True
            assert (told["type"], told["subject"], told["deviceName"]) == ("alarm", "sos", "Truck a1")
            assert told["text"] == "Truck a1: SOS"
            assert (round(told["latitude"], 2), round(told["longitude"], 2)) == (43.25, 76.9)
            number = told["id"]
            listed = (await anna.get("/api/alerts", params={"type": "alarm", "deviceId": world.ids["a1"]})).json()
            assert {name: value for name, value in told.items() if name != "toast"} == listed[0]
            assert (await anna.get("/api/alerts", params={"eventId": told["eventId"]})).json() == [listed[0]]
            assert (await anna.get("/api/alerts/count")).json() == {"open": 1}
            done = (await anna.post(f"/api/alerts/{number}/acknowledge")).json()
            assert done["acknowledgedBy"] == "Anna"
            again = await heard(socket)
            assert (again["id"], again["acknowledgedBy"], again["toast"]) == (number, "Anna", False)
            said = (await anna.post(f"/api/alerts/{number}/comments", json={"text": " He is\nfine "})).json()
            assert [(one["name"], one["text"]) for one in said["comments"]] == [("Anna", "He is\nfine")]
        assert (await anna.get("/api/alerts", params={"acknowledged": False})).json() == []
        assert (await anna.delete(f"/api/alerts/{number}/acknowledge")).json()["acknowledgedAt"] is None
        assert (await anna.post("/api/alerts/acknowledge", json={"before": number})).json() == {"acknowledged": 1}

        async def settled() -> bool:
            return {one["state"] for one in (await anna.get("/api/deliveries", params={"alertId": number})).json()} <= {
                "sent",
                "skipped",
            }

        await eventually(settled)
        deliveries = (await anna.get(f"/api/alerts/{number}")).json()["deliveries"]
        assert [(one["channel"], one["state"], one["reason"], one["recipient"]) for one in deliveries] == [
            ("web", "sent", None, "Anna"),
            ("sms", "skipped", "no phone number", "Anna"),
            ("mail", "skipped", deliveries[2]["reason"], "Anna"),
        ]
        assert deliveries[2]["fallbackOf"] == deliveries[1]["id"]
        assert deliveries[2]["address"] == "a…@example.com"
        assert deliveries[2]["reason"].startswith("not configured: ")
        assert {one["ruleName"] for one in deliveries} == {"Panic"}
        listed = (await anna.get("/api/deliveries", params={"state": "skipped", "channel": "sms"})).json()
        assert [one["alertId"] for one in listed] == [number]
        for path in (f"/api/alerts/{number}", f"/api/notifications/{rule['id']}"):
            assert (await boris.get(path)).status_code == 404
        assert (await boris.get("/api/alerts")).json() == (await boris.get("/api/deliveries")).json() == []
        metrics = (await anna.get("/metrics")).text
        assert 'telematics_deliveries_total{channel="web",state="sent"} 1.0' in metrics
        await anna.delete(f"/api/notifications/{rule['id']}")


async def heard(socket: websockets.ClientConnection) -> dict[str, Any]:
    """The next alert."""
    async with asyncio.timeout(10):
        while True:
            message = json.loads(await socket.recv())
            if alerts := message.get("alerts"):
                found: dict[str, Any] = alerts[0]
                return found


@pytest.mark.parametrize(
    ("which", "status"),
    [({}, 400), ({"ids": [1], "before": 1}, 400), ({"ids": ["x"]}, 400), ({"ids": [2**40]}, 200), ({"ids": []}, 200)],
)
async def test_which_alerts_must_be_said(world: World, which: dict[str, Any], status: int) -> None:
    async with world.signed_in("anna") as anna:
        assert (await anna.post("/api/alerts/acknowledge", json=which)).status_code == status


async def test_a_test_message_says_why_it_can_t_be_sent(world: World) -> None:
    async with world.signed_in("anna") as anna:
        outcomes = {one["channel"]: one for one in (await anna.post("/api/notifications/test")).json()}
        assert outcomes["web"]["state"] == "sent"
        assert outcomes["mail"]["reason"].startswith("not configured: ")
        assert outcomes["messenger"]["reason"] == "no messenger"
        assert (await anna.post("/api/notifications/test/pigeon")).status_code == 404
        assert (await anna.post("/api/notifications/test/webhook")).status_code == 400
        rule = await made(anna, type="alarm", channels=["webhook"], webhookUrl="http://127.0.0.1:9/")
        (refused,) = (await anna.post("/api/notifications/test/webhook", params={"id": rule["id"]})).json()
        assert (refused["state"], "private network" in refused["reason"]) == ("failed", True)
        for _ in range(19):
            await anna.post("/api/notifications/test/webhook", params={"id": rule["id"]})
        assert (await anna.post("/api/notifications/test/webhook", params={"id": rule["id"]})).status_code == 429
        await anna.delete(f"/api/notifications/{rule['id']}")


@pytest.mark.parametrize("kind", TYPES)
async def test_every_type_has_a_preview_with_all_its_facts(world: World, kind: str) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/notifications/preview", json={"type": kind, "deviceId": world.ids["a1"], "language": "ru"})
        found = answer.json()
        assert "Truck a1" in found["subject"]
        assert 1 <= found["parts"] <= 2
        assert (
            await anna.post("/api/notifications/preview", json={"type": kind, "deviceId": world.ids["b1"]})
        ).status_code == 404


async def test_events_that_later_data_contradicted_are_in_no_list(world: World) -> None:
    device = world.ids["a2"]
    for subject, attributes in (("7", '{"superseded": true}'), ("8", '{"geofence": "Depot"}'), ("9", None)):
        await world._insert(
            "INSERT INTO events (device_id, time, type, subject, attributes)"
            " VALUES (%s, %s, 'geofenceEnter', %s, %s) RETURNING id",
            *(device, NOW, subject, attributes),
        )
    span = {"from": (NOW - timedelta(hours=1)).isoformat(), "to": (NOW + timedelta(hours=1)).isoformat()}
    async with world.signed_in("anna") as anna:
        found = (await anna.get("/api/reports/events", params={"deviceId": device, "type": "geofenceEnter", **span})).json()
    assert [one["geofenceId"] for one in found] == [8, 9]
