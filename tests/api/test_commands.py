"""Commands over the API: types, saved ones, sending, the queue; who may and who may not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from telematics.downlink import Downlink
from tests.api.conftest import Tracker, World, eventually, online

pytestmark = pytest.mark.asyncio(loop_scope="module")
HELLO = {"type": "custom", "attributes": {"data": "#M#hello"}}


async def log(client: httpx.AsyncClient, tracker: Tracker) -> list[dict[str, Any]]:
    return (await client.get("/api/commands/log", params={"deviceId": tracker.id})).json()


async def audit(world: World, action: str) -> list[tuple[Any, ...]]:
    async with world.server.database.pool.connection() as connection:
        found = await connection.execute("SELECT user_name, subject, details FROM audit WHERE action = %s ORDER BY id", [action])
        return await found.fetchall()


async def test_a_command_is_sent_answered_and_written_down(world: World) -> None:
    tracker = await world.tracker()
    async with world.signed_in("anna") as anna, online(world, tracker.unique_id) as (reader, writer):
        types = (await anna.get("/api/commands/types", params={"deviceId": tracker.id})).json()
        assert types[0]["type"] == "custom"
        assert "rebootDevice" in [one["type"] for one in types]
        assert "alarmArm" not in [one["type"] for one in types], "Wialon IPS has no word for it"
        answer = await anna.post("/api/commands/send", json={"deviceId": tracker.id, **HELLO})
        assert (answer.status_code, answer.json()["state"]) == (200, "queued")
        async with asyncio.timeout(10):
            assert await reader.readline() == b"#M#hello\r\n"
        writer.write(b"#AM#1\r\n")
        number = answer.json()["id"]

        async def answered() -> bool:
            return (await anna.get(f"/api/commands/log/{number}")).json()["state"] == "answered"

        await eventually(answered)
        (told,) = await log(anna, tracker)
        assert (told["userName"], told["answer"], told["tries"], told["attributes"]) == ("Anna", "1", 1, {"data": "#M#hello"})
    assert ("Anna", f"device {tracker.id}", {**HELLO_TOLD, "command": number}) in await audit(world, "command.queued")


HELLO_TOLD = {"type": "custom", "parameters": {"data": "#M#hello"}, "sms": False}


async def test_what_waits_can_be_withdrawn(world: World) -> None:
    tracker = await world.tracker()
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/commands/send", json={"deviceId": tracker.id, "type": "engineStop"})
        assert (answer.status_code, answer.json()["whenSlow"]) == (202, True)
        number = answer.json()["id"]
        first = await anna.delete(f"/api/commands/log/{number}")
        assert (first.status_code, first.json()["state"]) == (200, "withdrawn")
        second = await anna.delete(f"/api/commands/log/{number}")
        assert (second.status_code, second.json()["state"]) == (200, "withdrawn"), "as it was"


async def test_a_command_with_a_key_is_queued_once(world: World) -> None:
    tracker = await world.tracker()
    async with world.signed_in("anna") as anna:
        body, headers = {"deviceId": tracker.id, **HELLO}, {"Idempotency-Key": f"hello-{tracker.id}"}
        first = await anna.post("/api/commands/send", json=body, headers=headers)
        again = await anna.post("/api/commands/send", json=body, headers=headers)
        assert (first.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (202, 202, "true")
        assert first.json() == again.json()
        other = await anna.post("/api/commands/send", json={**body, "lastsHours": 1}, headers=headers)
        assert other.status_code == 422
        assert len(await log(anna, tracker)) == 1


async def test_saved_commands_are_kept_changed_and_sent(world: World) -> None:
    tracker = await world.tracker()
    async with world.signed_in("anna") as anna:
        saved = (await anna.post("/api/commands", json={"description": "Hello", **HELLO})).json()
        assert saved["attributes"] == {"data": "#M#hello"}
        changed = await anna.put(f"/api/commands/{saved['id']}", json={**saved, "description": "Greeting"})
        assert changed.json() == {**saved, "description": "Greeting"}
        assert saved["id"] in [one["id"] for one in (await anna.get("/api/commands")).json()]
        fit = (await anna.get("/api/commands/send", params={"deviceId": tracker.id})).json()
        assert [one["description"] for one in fit if one["id"] == saved["id"]] == ["Greeting"]
        sent = await anna.post("/api/commands/send", json={"deviceId": tracker.id, "id": saved["id"]})
        assert (sent.json()["type"], sent.json()["description"]) == ("custom", "Greeting")
        assert (await anna.delete(f"/api/commands/{saved['id']}")).status_code == 204
        assert (await log(anna, tracker))[0]["description"] == "", "what was sent stays, its template is gone"


async def test_a_group_is_told_at_once(world: World) -> None:
    first, second = await world.tracker(), await world.tracker()
    async with world.signed_in("anna") as anna:
        group = (await anna.post("/api/groups", json={"name": "Told"})).json()["id"]
        for tracker in (first, second):
            await anna.put(f"/api/devices/{tracker.id}", json={"groupId": group})
        answer = await anna.post("/api/commands/send", params={"groupId": group}, json=HELLO)
        assert [one["deviceId"] for one in answer.json()] == [first.id, second.id]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "Which command?"),
        ({"type": "fly"}, 400, "there is no command 'fly'"),
        ({"type": "custom"}, 400, "data: is missing"),
        ({"type": "custom", "attributes": {"data": "x", "y": 1}}, 400, "it has data"),
        ({"type": "positionPeriodic", "attributes": {"frequency": 0}}, 400, "is from 1 to 604800"),
        ({"type": "positionPeriodic", "attributes": {"frequency": "often"}}, 400, "is a number"),
        ({"type": "setTimezone", "attributes": {"timezone": "Asia/Almaty"}}, 400, "is written +05:00"),
        ({"type": "custom", "attributes": {"data": "a\r\nb"}}, 400, "without control characters"),
        ({"type": "custom", "attributes": {"data": "a\u0085b"}}, 400, "without control characters"),
        ({"type": "custom", "attributes": {"data": "a\u2028b"}}, 400, "without control characters"),
        ({"type": "sendSms", "attributes": {"phone": "1,x#RELAY,1#", "message": "y"}}, 400, "is a phone number"),
        ({"type": "sendUssd", "attributes": {"phone": "1;2"}}, 400, "is a code of digits"),
        ({"type": "setConnection", "attributes": {"server": "a,1#", "port": 1}}, 400, "is a name such as"),
        ({"type": "custom", "attributes": {"data": "x"}, "textChannel": True}, 400, "This server sends no SMS"),
        ({"type": "custom", "attributes": {"data": "x"}, "lastsHours": -1}, 400, "lastsHours"),
        ({"id": 999999}, 404, "No such command"),
    ],
)
async def test_what_is_wrong_is_said(world: World, body: dict[str, Any], status: int, words: str) -> None:
    tracker = await world.tracker()
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/commands/send", json={"deviceId": tracker.id, **body})
        assert answer.status_code == status, answer.text
        assert words in answer.text
        assert await log(anna, tracker) == []


async def test_a_protocol_without_the_word_is_refused_before_it_is_queued(world: World) -> None:
    tracker = await world.tracker()
    await tracker.report(datetime.now(UTC), 43.2, 76.9)  # by OsmAnd, which takes no commands
    async with world.signed_in("anna") as anna:
        assert (await anna.get("/api/commands/types", params={"deviceId": tracker.id})).json() == []
        answer = await anna.post("/api/commands/send", json={"deviceId": tracker.id, **HELLO})
        assert (answer.status_code, answer.json()["title"]) == (400, "Command in the tracker's own words: not to osmand trackers")


async def test_who_may_send(world: World) -> None:
    tracker = await world.tracker()
    async with world.signed_in("anna") as anna, world.signed_in("admin") as admin, world.signed_in("rita") as rita:
        assert (await rita.post("/api/commands/send", json={"deviceId": tracker.id, **HELLO})).status_code == 403
        saved = (await anna.post("/api/commands", json={"description": "Hello", **HELLO})).json()["id"]
        user = f"/api/users/{world.ids['anna']}"
        assert (await anna.put(user, json={"commands": "none"})).status_code == 403, "nobody widens or narrows their own rights"
        by_number = {"deviceId": tracker.id, "id": saved}
        try:
            assert (await admin.put(user, json={"commands": "saved"})).json()["limitCommands"] is True
            assert (await anna.post("/api/commands/send", json={"deviceId": tracker.id, **HELLO})).status_code == 403
            assert (await anna.post("/api/commands", json={"description": "Mine", **HELLO})).status_code == 403
            assert (await anna.post("/api/commands/send", json=by_number)).status_code == 202
            await admin.put(user, json={"commands": "none"})
            assert (await anna.post("/api/commands/send", json=by_number)).status_code == 403
        finally:
            await admin.put(user, json={"commands": "all"})


async def test_who_may_not_send_commands_changes_no_rule_that_does(world: World) -> None:
    tracker = await world.tracker()
    async with world.signed_in("anna") as anna, world.signed_in("admin") as admin:
        saved = (await anna.post("/api/commands", json={"description": "Stop it", "type": "engineStop"})).json()["id"]
        rule = {"types": ["ignitionOn"], "allDevices": False, "deviceIds": [tracker.id], "commandId": saved, "enabled": False}
        made = (await anna.post("/api/notifications", json=rule)).json()
        address = f"/api/notifications/{made['id']}"
        user = f"/api/users/{world.ids['anna']}"
        try:
            await admin.put(user, json={"commands": "none"})
            wider = {**made, "enabled": True, "allDevices": True, "types": ["deviceOnline"]}
            assert (await anna.put(address, json=wider)).status_code == 403
            assert (await anna.put(address, json={**made, "commandId": 0})).status_code == 403
            assert (await anna.post("/api/notifications", json=rule)).status_code == 403
            assert (await anna.get(address)).json()["allDevices"] is False
            await admin.put(user, json={"commands": "saved"})
            assert (await anna.put(address, json={**made, "enabled": True})).status_code == 200
        finally:
            await admin.put(user, json={"commands": "all"})
            await admin.delete(address)


async def test_what_has_left_is_not_taken_back_though_the_log_does_not_know_yet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = await world.tracker()
    async with world.signed_in("anna") as anna, online(world, tracker.unique_id) as (reader, writer):
        with monkeypatch.context() as patch:
            patch.setattr(Downlink, "_write", lambda _: asyncio.sleep(0.05))
            number = (await anna.post("/api/commands/send", json={"deviceId": tracker.id, **HELLO})).json()["id"]
            async with asyncio.timeout(10):
                assert await reader.readline() == b"#M#hello\r\n"
            assert (await anna.get(f"/api/commands/log/{number}")).json()["state"] == "queued"
            answer = await anna.delete(f"/api/commands/log/{number}")
            assert (answer.status_code, answer.json()["title"]) == (409, "It has been sent already")
        writer.write(b"#AM#1\r\n")

        async def answered() -> bool:
            return (await anna.get(f"/api/commands/log/{number}")).json()["state"] == "answered"

        await eventually(answered)


async def test_who_gets_a_tracker_sees_nothing_of_what_it_was_told(world: World) -> None:
    tracker = await world.tracker()
    async with world.signed_in("anna") as anna, world.signed_in("admin") as admin, world.signed_in("boris") as boris:
        number = (await anna.post("/api/commands/send", json={"deviceId": tracker.id, **HELLO})).json()["id"]
        moved = await admin.put(f"/api/devices/{tracker.id}", json={"accountId": world.ids["Boris Ltd"], "name": "Boris's own"})
        assert moved.status_code == 200, moved.text
        told = (await anna.get(f"/api/commands/log/{number}")).json()
        assert (told["state"], told["reason"], told["deviceName"]) == ("withdrawn", "moved", f"#{tracker.id}")
        assert (await boris.get(f"/api/commands/log/{number}")).status_code == 404
        assert await log(boris, tracker) == []


async def test_a_queue_has_an_end(world: World) -> None:
    tracker = await world.tracker()
    async with world.signed_in("anna") as anna:
        for _ in range(50):
            assert (await anna.post("/api/commands/send", json={"deviceId": tracker.id, **HELLO})).status_code == 202
        answer = await anna.post("/api/commands/send", json={"deviceId": tracker.id, **HELLO})
        assert (answer.status_code, answer.json()["title"]) == (409, "50 commands wait for Van already")


async def test_what_traccars_pages_send_is_understood(world: World) -> None:
    tracker = await world.tracker()
    async with world.signed_in("anna") as anna:
        body = {"id": 0, "attributes": {"data": "x"}, "deviceId": tracker.id, "type": "custom", "textChannel": False}
        answer = await anna.post("/api/commands/send", json={**body, "description": None, "unknownField": 1})
        assert answer.status_code == 202


async def test_a_rule_tells_the_device_what_it_says(world: World) -> None:
    tracker = await world.tracker()
    async with world.signed_in("anna") as anna, world.signed_in("boris") as boris:
        saved = (await anna.post("/api/commands", json={"description": "Stop it", "type": "engineStop"})).json()["id"]
        rule = {"types": ["ignitionOn"], "allDevices": False, "deviceIds": [tracker.id], "commandId": saved}
        assert (await boris.post("/api/notifications", json={**rule, "deviceIds": []})).status_code == 404
        made = (await anna.post("/api/notifications", json=rule)).json()
        assert made["commandId"] == saved
        now = datetime.now(UTC)
        await tracker.report(now - timedelta(seconds=5), 43.2, 76.9, ignition="false")
        await asyncio.sleep(0.2)  # the rule is in memory
        await tracker.report(now, 43.2, 76.9, ignition="true")

        async def queued() -> bool:
            return bool(await log(anna, tracker))

        await eventually(queued)
        (told,) = await log(anna, tracker)
        assert (told["type"], told["ruleId"], told["whenSlow"], told["userId"]) == ("engineStop", made["id"], True, None)
        details = {"rule": made["description"], "type": "engineStop", "parameters": {}, "command": told["id"], "sms": False}
        assert details in [row[2] for row in await audit(world, "command.queued") if row[1] == f"device {tracker.id}"]
        assert (await anna.delete(f"/api/commands/{saved}")).status_code == 204
        assert (await anna.get(f"/api/notifications/{made['id']}")).json()["commandId"] == 0
