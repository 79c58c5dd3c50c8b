"""What the provider's administrators do with everybody's money, and what the audit log says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from billing.numbers import account_number
from billing.tariffs import EARLIEST_ZONE
from tests.api.conftest import World
from tests.api.money import PRICE, Customer, customer, key, tariff

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPERATOR = "/api/billing/operator"


def tomorrow(days: int = 1) -> str:
    """The first day that has begun nowhere, and those after it."""
    return str((datetime.now(UTC) + EARLIEST_ZONE).date() + timedelta(days=days))


async def act(client: httpx.AsyncClient, owner: Customer, what: str, body: Any = None) -> httpx.Response:
    return await client.post(f"{OPERATOR}/accounts/{owner.id}/{what}", json=body, headers=key())


async def noted(client: httpx.AsyncClient, **which: Any) -> list[dict[str, Any]]:
    answer = await client.get("/api/audit", params=which)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_a_bonus_unblocks_as_a_top_up_does(world: World) -> None:
    short = await customer(world, paid=await tariff(world))
    async with short.signed_in() as client:
        await short.device(client)
    async with world.signed_in("admin") as admin:
        given = await act(admin, short, "bonus", {"amount": PRICE + 5, "reason": "for the trouble"})
        assert (given.json()["total"], given.json()["unblocked"], given.json()["balance"]) == (PRICE, ["Truck"], 5)
        for wrong in ({"amount": 0}, {"amount": -1}, {"amount": 1.5}, {"amount": "1"}, {"amount": 10**15 + 1}, {"amount": True}):
            assert (await act(admin, short, "bonus", {"reason": "x", **wrong})).status_code == 400, wrong
        for reason in ("", "  ", None, "x" * 501, "a\0b"):
            assert (await act(admin, short, "bonus", {"amount": 1, "reason": reason})).status_code == 400
        gone = await admin.post(f"{OPERATOR}/accounts/{2**31 - 1}/bonus", json={"amount": 1, "reason": "x"}, headers=key())
        assert (gone.status_code, gone.json()["code"]) == (404, "no_account")
        (line,) = await noted(admin, accountId=short.id, action="account.bonus")
        assert (line["userName"], line["details"]) == (
            "Admin",
            {"amount": PRICE + 5, "currency": "EUR", "reason": "for the trouble"},
        )
        assert line["subject"] == f"entry {given.json()['entryId']}"
        assert line["address"] == "127.0.0.1"


async def test_a_mistake_is_put_right_once(world: World) -> None:
    owner = await customer(world, balance=500)
    entry = await owner.pays(300)
    async with world.signed_in("admin") as admin:
        body = {"entryId": entry, "reason": "another's money"}
        back = await act(admin, owner, "reverse", body)
        assert back.json()["balance"] == 500
        again = await act(admin, owner, "reverse", body)
        assert (again.status_code, again.json()["code"]) == (409, "already_reversed")
        stranger = await customer(world)
        foreign = await act(admin, stranger, "reverse", body)
        assert (foreign.status_code, foreign.json()["code"]) == (404, "no_entry")
        spent = await owner.pays(200)
        async with owner.book() as book:
            assert book.balance == 700
        for nos in ([], [0], ["1"], [2**31], list(range(1, 5002))):
            assert (await act(admin, owner, "reverse", {**body, "nos": nos})).status_code == 400
        assert (await act(admin, owner, "reverse", {"entryId": spent, "nos": [7], "reason": "x"})).json()["code"] == "no_entry"
        (line,) = await noted(admin, accountId=owner.id, action="entry.reversed")
        assert line["details"] == {"entry": entry, "lines": None, "amount": -300, "currency": "EUR", "reason": "another's money"}


async def test_money_that_is_spent_cant_be_taken_back(world: World) -> None:
    owner = await customer(world, paid=await tariff(world))
    entry = await owner.pays(PRICE)
    async with owner.signed_in() as client:
        await owner.device(client)
    async with world.signed_in("admin") as admin:
        refused = await act(admin, owner, "reverse", {"entryId": entry, "reason": "x"})
        assert (refused.status_code, refused.json()["code"]) == (402, "not_enough_money")
        charge = await owner.one("SELECT id FROM ledger_entries WHERE account_id = %s AND kind = 'connection'", owner.id)
        back = await act(admin, owner, "reverse", {"entryId": charge, "nos": [1], "reason": "never worked"})
        assert back.json()["balance"] == PRICE


async def test_an_operators_change_of_tariff_isnt_counted(world: World) -> None:
    one, two = await tariff(world), await tariff(world)
    owner = await customer(world)
    async with world.signed_in("admin") as admin:
        await admin.put(f"{OPERATOR}/tariffs/{two}", json={"name": f"Gone {uuid4().hex}", "description": "", "offered": False})
        for tariff_id in (one, two, one, two):
            assert (await act(admin, owner, "tariff", {"tariffId": tariff_id, "reason": "asked by phone"})).status_code == 200
        async with owner.signed_in() as client:
            bill = (await client.get("/api/billing")).json()
            assert (bill["changesLeft"], bill["tariff"]["id"]) == (2, two)
            assert two in [offer["id"] for offer in (await client.get("/api/billing/tariffs")).json()]  # as it is their own
            refused = await client.post("/api/billing/tariff/preview", json={"tariffId": two}, headers=key())
            assert refused.json()["code"] == "same_tariff"
        assert (await act(admin, owner, "tariff", {"tariffId": one})).status_code == 400  # without a reason
        lines = await noted(admin, accountId=owner.id, action="tariff.changed")
        assert [line["details"]["reason"] for line in lines] == ["asked by phone"] * 4


async def test_an_administrators_block_is_theirs_to_end(world: World) -> None:
    owner = await customer(world, paid=await tariff(world), balance=PRICE)
    async with owner.signed_in() as client:
        device = await owner.device(client)
    async with world.signed_in("admin") as admin:
        path = f"trackers/{device['id']}"
        assert (await act(admin, owner, f"{path}/block", {"reason": ""})).status_code == 400
        assert (await act(admin, owner, f"{path}/block", {"reason": "stolen"})).status_code == 200
        assert world.server.devices.get(device["id"]).blocked == "administrator"  # type: ignore[union-attr]
        assert (await act(admin, owner, f"{path}/block", {"reason": "x"})).json()["code"] == "already_blocked"
        await owner.pays(1000)
        async with owner.signed_in() as client:
            (row,) = (await client.get("/api/billing/trackers")).json()
            assert (row["blocked"], row["reason"], row["unblockCost"]) == ("administrator", "stolen", None)
            shown = (await client.get(f"/api/devices/{device['id']}")).json()
            renumbered = await client.put(f"/api/devices/{device['id']}", json={**shown, "uniqueId": "another"})
            assert (renumbered.status_code, renumbered.json()["title"]) == (409, "The tracker's number stays as it is")
            assert (await client.delete(f"/api/devices/{device['id']}")).status_code == 204
            again = await client.post("/api/devices", json={"name": "Truck", "uniqueId": device["uniqueId"]})
            assert (again.status_code, again.json()["blocked"]) == (200, "administrator"), again.text
            assert again.json()["billing"]["charged"] == 0
            path = f"trackers/{again.json()['id']}"
        freed = await act(admin, owner, f"{path}/unblock")
        assert freed.json()["unblocked"] == ["Truck"]
        assert (await act(admin, owner, f"{path}/unblock")).json()["code"] == "not_blocked"
        stranger = await customer(world)
        assert (await act(admin, stranger, f"{path}/block", {"reason": "x"})).status_code == 404


async def test_accounts_are_found(world: World) -> None:
    rich, short = await customer(world, balance=777), await customer(world, paid=await tariff(world))
    async with short.signed_in() as client:
        await short.device(client)
    async with world.signed_in("admin") as admin:

        async def found(**which: Any) -> list[int]:
            answer = await admin.get(f"{OPERATOR}/accounts", params=which)
            assert answer.status_code == 200, answer.text
            return [account["id"] for account in answer.json()]

        assert await found(q=rich.name.upper()) == [rich.id]
        assert await found(q=f"editor@{rich.name}") == [rich.id]
        assert rich.id in await found(q=str(rich.id))  # a short number may be part of another's name
        assert await found(q=account_number(rich.id)) == [rich.id]
        assert await found(q=f" {account_number(rich.id)[:4]} {account_number(rich.id)[4:]} ") == [rich.id]
        assert await found(q="%") == await found(q="_") == []
        assert await found(q="\0" + rich.name) == [rich.id]
        blocked = await found(state="blocked")
        assert short.id in blocked
        assert rich.id not in blocked
        everybody = await found(sort="-balance")
        assert everybody.index(rich.id) < everybody.index(short.id)
        page = await admin.get(f"{OPERATOR}/accounts", params={"sort": "number", "limit": 1, "offset": 1})
        assert page.headers["X-Total-Count"] == str(len(everybody))
        assert [account["id"] for account in page.json()] == [sorted(everybody)[1]]
        row = (await admin.get(f"{OPERATOR}/accounts", params={"q": rich.name})).json()[0]
        assert (row["balance"], row["currency"], row["free"], row["trackers"]) == (777, "EUR", True, 0)
        for wrong in ({"state": "rich"}, {"sort": "id"}, {"q": "x" * 129}, {"limit": 0}):
            assert (await admin.get(f"{OPERATOR}/accounts", params=wrong)).status_code == 400


async def test_a_currency_is_chosen_before_there_is_money(world: World) -> None:
    new, old = await customer(world), await customer(world, balance=1)
    async with world.signed_in("admin") as admin:

        async def to(owner: Customer, currency: str) -> httpx.Response:
            return await admin.put(f"{OPERATOR}/accounts/{owner.id}", json={"currency": currency})

        assert (await to(new, "JPY")).json()["digits"] == 0
        assert (await to(new, "KZT")).json()["currency"] == "KZT"
        for wrong in ("kzt", "KZ", "ZZZ", "", "KZT2"):
            assert (await to(new, wrong)).status_code == 400
        refused = await to(old, "KZT")
        assert (refused.status_code, refused.json()["code"]) == (409, "has_entries")
        paid = await customer(world, paid=await tariff(world))
        assert (await to(paid, "KZT")).json()["code"] == "other_currency"
        (first, _) = await noted(admin, accountId=new.id, action="account.currency")
        assert first["details"] == {"currency": ["JPY", "KZT"]}


async def test_the_tariff_editor(world: World) -> None:
    async with world.signed_in("admin") as admin:
        name = f"Editor's {uuid4().hex[:6]}"
        new = {
            "name": name,
            "description": "x",
            "currency": "EUR",
            "since": "2026-01-01",
            "price": 100_00,
            "smsPrice": 10,
            "zones": 0,
        }
        made = (await admin.post(f"{OPERATOR}/tariffs", json=new, headers=key())).json()
        assert made["versions"][0] | {"id": 0} == {
            "id": 0,
            "since": "2026-01-01",
            "price": 100_00,
            "smsPrice": 10,
            "historyDays": None,
            "zones": 0,
            "proximities": None,
            "sms": True,
            "reports": True,
            "api": True,
        }
        path = f"{OPERATOR}/tariffs/{made['id']}"
        version = {"since": tomorrow(), "price": 200_00, "historyDays": 30, "sms": False}
        assert (await admin.post(f"{path}/versions", json=version, headers=key())).json()["historyDays"] == 30
        assert (await admin.post(f"{path}/versions", json={**version, "price": 250_00}, headers=key())).json()["price"] == 250_00
        for since in (tomorrow(0), "2026-01-01"):
            begun = await admin.post(f"{path}/versions", json={**version, "since": since}, headers=key())
            assert (begun.status_code, begun.json()["code"], begun.json()["earliest"]) == (409, "begun", tomorrow())
        edited = await admin.put(path, json={"name": name + "!", "description": "", "offered": False})
        assert (edited.json()["name"], edited.json()["offered"]) == (name + "!", False)
        listed = next(one for one in (await admin.get(f"{OPERATOR}/tariffs")).json() if one["id"] == made["id"])
        assert [(one["since"], one["price"]) for one in listed["versions"]] == [("2026-01-01", 100_00), (tomorrow(), 250_00)]
        assert listed["accounts"] == 0
        for wrong in (
            {"price": 0}, {"price": -1}, {"price": 1.5}, {"price": None}, {"smsPrice": -1}, {"since": "soon"}, {"since": None},
            {"historyDays": 0}, {"zones": -1}, {"sms": "maybe"}, {"currency": "eur"}, {"currency": "ZZZ"}, {"name": ""},
        ):  # fmt: skip
            assert (await admin.post(f"{OPERATOR}/tariffs", json={**new, **wrong}, headers=key())).status_code == 400, wrong
        gone = f"{OPERATOR}/tariffs/{2**31 - 1}"
        assert (await admin.put(gone, json={"name": "x", "description": "", "offered": True})).status_code == 404
        assert (await admin.post(f"{gone}/versions", json=version, headers=key())).status_code == 404
        actions = [line["action"] for line in await noted(admin, limit=50) if line["subject"] == f"tariff {made['id']}"]
        assert actions == ["tariff.edited", "tariff.version", "tariff.version", "tariff.added"]
        edit = next(line for line in await noted(admin, action="tariff.edited") if line["subject"] == f"tariff {made['id']}")
        assert edit["details"] == {"name": [name, name + "!"], "description": ["x", ""], "offered": [True, False]}
        assert edit["accountId"] is None


async def test_what_new_accounts_begin_with(world: World) -> None:
    async with world.signed_in("admin") as admin:
        before = (await admin.get(f"{OPERATOR}/defaults")).json()
        kzt = await tariff(world, currency="KZT")
        wrong = await admin.put(f"{OPERATOR}/defaults", json={"currency": "EUR", "tariffId": kzt})
        assert (wrong.status_code, wrong.json()["code"]) == (409, "other_currency")
        assert (await admin.put(f"{OPERATOR}/defaults", json={"currency": "KZT", "tariffId": kzt})).status_code == 200
        account = (await admin.post("/api/accounts", json={"name": "New"})).json()
        bill = (await admin.get("/api/billing", params={"accountId": account["id"]})).json()
        assert (bill["currency"], bill["tariff"]["id"]) == ("KZT", kzt)
        assert (await admin.put(f"{OPERATOR}/defaults", json=before)).status_code == 200
        assert (await admin.put(f"{OPERATOR}/defaults", json={**before, "tariffId": 2**31 - 1})).status_code == 404
        lines = await noted(admin, action="defaults.changed", limit=2)
        assert lines[1]["details"] == {"currency": ["EUR", "KZT"], "tariff_id": [before["tariffId"], kzt]}


async def test_all_accounts_come_some_hundreds_at_a_time(world: World) -> None:
    """Each has its trackers counted: twenty thousand at once took longer than a query may."""
    for _ in range(2):
        await world._insert("INSERT INTO accounts (name) SELECT 'many ' || n FROM generate_series(1, 300) n RETURNING id")
    async with world.signed_in("admin") as admin:
        answer = await admin.get(f"{OPERATOR}/accounts", params={"q": "many"})
        assert (len(answer.json()), answer.headers["X-Total-Count"]) == (500, "600")
        assert "limit=500&offset=500" in answer.headers["Link"]
