"""The audit log: who did what, with what it was before and after, no secrets, and nobody else's."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from telematics.store import audit
from tests.api.conftest import NOW, World
from tests.api.money import PRICE, customer, key, tariff

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def lines(client: httpx.AsyncClient, **which: Any) -> list[dict[str, Any]]:
    answer = await client.get("/api/audit", params={"limit": 500, **which})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def told(client: httpx.AsyncClient, **which: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(line["action"], line["details"]) for line in reversed(await lines(client, **which))]


async def test_what_is_done_with_a_tracker(world: World) -> None:
    owner = await customer(world)
    async with owner.signed_in() as client:
        device = await owner.device(client, "Truck")
        change = {"name": "Lorry", "attributes": {"plate": "1", "devicePassword": "s3cret"}}
        await client.put(f"/api/devices/{device['id']}", json=change)
        await client.put(f"/api/devices/{device['id']}", json=change)  # changes nothing, and isn't told
        await client.delete(f"/api/devices/{device['id']}")
        found = await lines(client)
        assert {line["subject"] for line in found} == {f"device {device['id']}"}
        assert {(line["userName"], line["byProvider"], line["address"]) for line in found} == {("Editor", False, "127.0.0.1")}
        assert await told(client) == [
            ("device.added", {"name": "Truck", "uniqueId": device["uniqueId"], "charged": 0, "currency": "EUR"}),
            ("device.changed", {"name": ["Truck", "Lorry"], "attributes": [{}, {"plate": "1", "devicePassword": "…"}]}),
            ("device.removed", {"name": "Lorry", "uniqueId": device["uniqueId"]}),
        ]


async def test_what_a_block_was_for_and_what_its_end_cost(world: World) -> None:
    owner = await customer(world, paid=await tariff(world), balance=2 * PRICE)
    async with owner.signed_in() as client, world.signed_in("admin") as admin:
        device = (await owner.device(client))["id"]
        own, providers = f"/api/billing/trackers/{device}", f"/api/billing/operator/accounts/{owner.id}/trackers/{device}"
        for by, path, body in (
            (client, f"{own}/block", {"reason": "sold"}),
            (client, f"{own}/unblock", {}),
            (admin, f"{providers}/block", {"reason": "stolen"}),
            (admin, f"{providers}/unblock", {}),
            (client, f"{own}/test", {"test": True}),
            (client, f"{own}/test", {"test": False}),
        ):
            answer = await by.post(path, json=body, headers=key())
            assert answer.status_code == 200, answer.text
        assert (await told(client))[1:] == [
            ("tracker.blocked", {"reason": "sold"}),
            ("tracker.unblocked", {}),
            ("tracker.blocked", {"reason": "stolen"}),
            ("tracker.unblocked", {}),
            ("tracker.test", {"test": True}),
            ("tracker.test", {"test": False, "charged": PRICE, "currency": "EUR"}),
        ]
        found = [line for line in await lines(client) if line["action"].startswith("tracker.")]
        assert {line["subject"] for line in found} == {f"device {device}"}
        assert [line["byProvider"] for line in found] == [False, False, True, True, False, False]


async def test_what_is_done_with_people(world: World) -> None:
    owner = await customer(world)
    email = f"{uuid4().hex}@example.com"
    async with world.signed_in("admin") as admin:
        new = {"name": "New", "email": email, "password": "correct horse", "accountId": owner.id}
        user = (await admin.post("/api/users", json=new)).json()
        await admin.put(f"/api/users/{user['id']}", json={"readonly": True, "password": "battery staple"})
        await admin.delete(f"/api/users/{user['id']}")
        found = await told(admin, accountId=owner.id)
        assert [action for action, _ in found] == ["user.added", "user.changed", "user.removed"]
        assert found[1][1] == {"readonly": [False, True], "password": ["…", "…"]}
        whole = str(found)
        assert email in whole
        assert "correct horse" not in whole
        assert "battery" not in whole
        assert "argon2" not in whole


async def test_what_is_done_with_accounts(world: World) -> None:
    async with world.signed_in("admin") as admin:
        account = (await admin.post("/api/accounts", json={"name": "Here"})).json()["id"]
        await admin.put(f"/api/accounts/{account}", json={"name": "There", "timeZone": "Asia/Almaty"})
        await admin.delete(f"/api/accounts/{account}")
        found = await told(admin, accountId=account)
        assert [action for action, _ in found] == ["account.added", "account.changed", "account.removed"]
        assert found[1][1] == {"name": ["Here", "There"], "timeZone": ["UTC", "Asia/Almaty"]}


async def test_tokens_and_rules_without_their_secrets(world: World) -> None:
    owner = await customer(world)
    async with owner.signed_in() as client:
        token = (await client.post("/api/session/token", data={"expiration": str(NOW.replace(year=NOW.year + 1))})).text
        await client.post("/api/session/token/revoke", data={"token": token})
        rule = {
            "type": "alarm", "description": "Mine", "notificators": "webhook",
            "webhookUrl": "https://example.com/hook?key=abc123", "webhookSecret": "whsec_" + "A" * 32,
        }  # fmt: skip
        made = await client.post("/api/notifications", json=rule)
        assert made.status_code == 200, made.text
        await client.put(f"/api/notifications/{made.json()['id']}", json={"enabled": False})
        await client.delete(f"/api/notifications/{made.json()['id']}")
        found = await told(client)
        assert [action for action, _ in found] == ["token.made", "token.revoked", "rule.added", "rule.changed", "rule.removed"]
        assert found[3][1] == {"enabled": [True, False]}
        for secret in (token, "abc123", "AAAA"):
            assert secret not in str(found)


async def test_a_refusal_is_not_a_deed(world: World) -> None:
    """Nothing was done, nothing is told: both are one transaction."""
    owner = await customer(world, paid=await tariff(world))
    async with owner.signed_in() as client:
        device = await owner.device(client)
        before = await lines(client)
        assert (await client.post(f"/api/billing/trackers/{device['id']}/unblock", headers=key())).status_code == 402
        assert (await client.post("/api/devices", json={"name": "x", "uniqueId": device["uniqueId"]})).status_code == 400
        assert (await client.put(f"/api/devices/{device['id']}", json={"groupId": 2**31 - 1})).status_code == 404
        assert await lines(client) == before


async def test_each_account_reads_its_own(world: World) -> None:
    one, two = await customer(world, balance=5), await customer(world)
    async with one.signed_in() as first, two.signed_in() as second, world.signed_in("admin") as admin:
        await one.device(first, "Secret truck")
        body = {"amount": 100, "reason": "goodwill"}
        await admin.post(f"/api/billing/operator/accounts/{one.id}/bonus", json=body, headers=key())
        assert await lines(second) == []
        assert (await second.get("/api/audit", params={"accountId": one.id})).status_code == 404
        assert await lines(second, userId=world.ids["admin"]) == []
        (bonus, _) = await lines(first)
        assert (bonus["action"], bonus["byProvider"], bonus["userName"], bonus["userId"], bonus["address"]) == (
            "account.bonus", True, "", None, "",
        )  # fmt: skip
        (bonus, _) = await lines(admin, accountId=one.id)
        assert (bonus["userName"], bonus["address"], bonus["userId"]) == ("Admin", "127.0.0.1", world.ids["admin"])
    async with one.signed_in("looker") as looker:
        assert (await looker.get("/api/audit")).status_code == 403


async def test_what_operators_note_for_each_other_stays_theirs(world: World) -> None:
    owner = await customer(world)
    async with owner.signed_in() as client, world.signed_in("admin") as admin:
        entered = {"way": "cash", "amount": 100, "reference": uuid4().hex, "note": "pays late, keep an eye on him"}
        answer = await admin.post(f"/api/billing/operator/accounts/{owner.id}/topup", json=entered, headers=key())
        assert answer.status_code == 200, answer.text
        (hers,) = await lines(client)
        assert hers["details"] == {"way": "cash", "amount": 100, "currency": "EUR", "reference": entered["reference"]}
        (whole,) = await lines(admin, accountId=owner.id)
        assert whole["details"]["note"] == entered["note"]


async def test_filters_and_pages(world: World) -> None:
    owner = await customer(world)
    async with owner.signed_in() as client:
        for n in range(7):
            await owner.device(client, f"Truck {n}")
        whole = await lines(client)
        assert [line["id"] for line in whole] == sorted((line["id"] for line in whole), reverse=True)
        paged: list[dict[str, Any]] = []
        while page := await lines(client, limit=3, **({"before": paged[-1]["id"]} if paged else {})):
            paged += page
        assert paged == whole
        assert len(await lines(client, action="device.added")) == 7
        assert await lines(client, action="device.removed") == []
        assert await lines(client, **{"from": "2100-01-01T00:00:00Z"}) == []
        assert await lines(client, to="2020-01-01T00:00:00Z") == []
        for wrong in ({"limit": 501}, {"limit": 0}, {"before": 0}, {"action": "x; drop"}, {"from": "now"}, {"userId": -1}):
            assert (await client.get("/api/audit", params=wrong)).status_code == 400, wrong


async def test_nothing_of_it_is_ever_changed(world: World) -> None:
    for query in ("UPDATE audit SET user_name = 'x'", "DELETE FROM audit"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            async with world.server.database.pool.connection() as connection:
                await connection.execute(query.encode())


async def test_what_is_told_of_a_change_is_bounded_and_has_no_secrets() -> None:
    before = {"a": 1, "b": "x", "webhook_url": "https://x/secret", "attributes": {"apiToken": "t", "n": [1, 2]}, "same": 5}
    after = {"a": 2, "b": "x" * 5000, "webhook_url": None, "attributes": {"apiToken": "u", "n": [1]}, "same": 5}
    assert audit.changed(before, after) == {
        "a": [1, 2],
        "b": ["x", "x" * 2000 + "…"],
        "webhook_url": ["…", None],
        "attributes": [{"apiToken": "…", "n": [1, 2]}, {"apiToken": "…", "n": [1]}],
    }
