"""An account's money through the API: what it tells, what it does, what it refuses."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest

from billing.rules import share
from billing.trackers import block_by_administrator
from tests.api.conftest import World
from tests.api.money import PRICE, customer, key, tariff

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_free_account_costs_nothing(world: World) -> None:
    free = await customer(world)
    async with free.signed_in() as client:
        device = await free.device(client)
        assert device["billing"]["charged"] == 0
        bill = (await client.get("/api/billing")).json()
        assert {name: bill[name] for name in ("balance", "daysLeft", "runsOut", "trackers", "blocked", "changesLeft")} == {
            "balance": 0,
            "daysLeft": None,
            "runsOut": None,
            "trackers": 1,
            "blocked": 0,
            "changesLeft": 2,
        }
        assert bill["tariff"]["free"]
        assert bill["currency"] == "EUR"
        assert bill["digits"] == 2
        assert bill["nextChange"] is None


async def test_a_tracker_is_paid_for_when_it_is_added_or_says_what_it_waits_for(world: World) -> None:
    rich = await customer(world, paid=await tariff(world), balance=PRICE + 100)
    async with rich.signed_in() as client:
        asked = (await client.get("/api/billing/connection")).json()
        assert asked == {
            "count": 1,
            "amount": PRICE,
            "balance": PRICE + 100,
            "enough": True,
            "blocked": 0,
            "currency": "EUR",
            "digits": 2,
        }
        first = await rich.device(client, "First")
        assert first["billing"] == {
            "charged": PRICE,
            "blocked": False,
            "needed": 0,
            "balance": 100,
            "currency": "EUR",
            "digits": 2,
        }
        asked = (await client.get("/api/billing/connection", params={"count": 3})).json()
        assert (asked["amount"], asked["enough"], asked["blocked"], asked["balance"]) == (3 * PRICE, False, 3, 100)
        second = await rich.device(client, "Second")
        assert second["billing"] == {
            "charged": 0,
            "blocked": True,
            "needed": PRICE,
            "balance": 100,
            "currency": "EUR",
            "digits": 2,
        }
        assert second["blocked"] == "unpaid"
        bill = (await client.get("/api/billing")).json()
        assert (bill["trackers"], bill["blocked"], bill["unpaid"], bill["missing"]) == (2, 1, 1, PRICE - 100)
        rows = (await client.get("/api/billing/trackers")).json()
        assert [(row["name"], row["state"], row["unpaid"], row["unblockCost"]) for row in rows] == [
            ("First", "working", None, None),
            ("Second", "blocked", "connection", PRICE),
        ]
        today = date.fromisoformat(bill["day"])
        assert rows[0]["coveredUntil"] == str(today + timedelta(days=30))


async def test_asking_what_it_would_cost_leaves_nothing_behind(world: World) -> None:
    asker = await customer(world, paid=await tariff(world), balance=5 * PRICE)
    numbers = (
        await asker.one("SELECT last_value FROM devices_id_seq"),
        await asker.one("SELECT last_value FROM billed_trackers_id_seq"),
    )
    async with asker.signed_in("looker") as client:
        for count in (1, 2, 500):
            asked = (await client.get("/api/billing/connection", params={"count": count})).json()
            assert asked["amount"] == count * PRICE
            assert asked["enough"] == (count <= 5)
        assert (await client.get("/api/billing/connection", params={"count": 501})).status_code == 400
    after = (
        await asker.one("SELECT last_value FROM devices_id_seq"),
        await asker.one("SELECT last_value FROM billed_trackers_id_seq"),
    )
    assert after == numbers, "who only asks uses up numbers that there are two thousand million of"
    assert await asker.balance() == 5 * PRICE
    for table in ("devices", "billed_trackers", "blocks"):
        assert await asker.one(f"SELECT count(*) FROM {table} WHERE account_id = %s", asker.id) == 0
    kinds = await asker.one("SELECT array_agg(kind ORDER BY id) FROM ledger_entries WHERE account_id = %s", asker.id)
    assert kinds == ["topup"]


async def test_unblocking_by_hand_costs_what_the_list_says(world: World) -> None:
    short = await customer(world, paid=await tariff(world))
    async with short.signed_in() as client:
        device = await short.device(client)
        path = f"/api/billing/trackers/{device['id']}/unblock"
        refused = await client.post(path, headers=key())
        assert refused.status_code == 402
        problem = refused.json()
        assert (problem["code"], problem["needed"], problem["balance"], problem["currency"]) == (
            "not_enough_money",
            PRICE,
            0,
            "EUR",
        )
        await short.pays(PRICE - 1)
        assert (await client.post(path, headers=key())).status_code == 402
        await short.pays(1)  # and with that it works by itself
        again = await client.post(path, headers=key())
        assert again.status_code == 409
        assert again.json()["code"] == "not_blocked"
        assert await short.balance() == 0


async def test_an_owners_block_and_its_end(world: World) -> None:
    owner = await customer(world, paid=await tariff(world), balance=2 * PRICE)
    async with owner.signed_in() as client:
        device = await owner.device(client)
        path = f"/api/billing/trackers/{device['id']}"
        assert (await client.post(f"{path}/block", json={"reason": "in the workshop"}, headers=key())).status_code == 200
        assert (await client.post(f"{path}/block", json={}, headers=key())).json()["code"] == "already_blocked"
        (row,) = (await client.get("/api/billing/trackers")).json()
        assert (row["state"], row["blocked"], row["reason"], row["unblockCost"]) == ("blocked", "owner", "in the workshop", 0)
        answer = await client.post(f"{path}/unblock", headers=key())
        assert answer.json() == {
            "charges": [],
            "total": 0,
            "blocked": [],
            "unblocked": ["Truck"],
            "balance": PRICE,
            "currency": "EUR",
            "digits": 2,
            "entryId": None,
        }
        async with owner.book() as book:
            await block_by_administrator(book, device["id"], "not paid for the box")
        refused = await client.post(f"{path}/unblock", headers=key())
        assert refused.status_code == 409
        assert refused.json()["code"] == "blocked_by_administrator"
        assert "not paid for the box" in refused.json()["detail"]


async def test_the_test_tracker_costs_nothing(world: World) -> None:
    tester = await customer(world, paid=await tariff(world), balance=PRICE)
    async with tester.signed_in() as client:
        first, second = await tester.device(client, "First"), await tester.device(client, "Second")
        assert second["blocked"] == "unpaid"
        made = await client.post(f"/api/billing/trackers/{second['id']}/test", json={"test": True}, headers=key())
        assert made.json()["unblocked"] == ["Second"]
        taken = await client.post(f"/api/billing/trackers/{first['id']}/test", json={"test": True}, headers=key())
        assert (taken.status_code, taken.json()["code"], taken.json()["name"]) == (409, "test_taken", "Second")
        for wrong in ({}, {"test": "yes"}, {"test": None}, []):
            answer = await client.post(f"/api/billing/trackers/{first['id']}/test", json=wrong, headers=key())
            assert answer.status_code == 400
        states = {row["name"]: row["state"] for row in (await client.get("/api/billing/trackers")).json()}
        assert states == {"First": "working", "Second": "test"}


async def test_a_tracker_may_come_as_the_test_tracker(world: World) -> None:
    """Its connection would be charged otherwise, and nothing is given back when it becomes the test later."""
    tester = await customer(world, paid=await tariff(world), balance=PRICE)
    async with tester.signed_in() as client:
        first = (await client.post("/api/devices", json={"name": "First", "uniqueId": "test-1", "test": True})).json()
        assert (first["blocked"], first["billing"]["charged"], first["billing"]["balance"]) == (None, 0, PRICE)
        taken = await client.post("/api/devices", json={"name": "Second", "uniqueId": "test-2", "test": True})
        assert (taken.status_code, taken.json()["code"], taken.json()["name"]) == (409, "test_taken", "First")
        assert [row["name"] for row in (await client.get("/api/devices")).json()] == ["First"]
        assert [row["state"] for row in (await client.get("/api/billing/trackers")).json()] == ["test"]
        second = (await client.post("/api/devices", json={"name": "Second", "uniqueId": "test-2"})).json()
        assert second["billing"]["charged"] == PRICE


async def test_a_change_of_tariff_is_what_its_preview_says(world: World) -> None:
    poor = await tariff(world, price=100_00, zones=1, history_days=7, api=False)
    mover = await customer(world, balance=450_00)
    async with mover.signed_in() as client:
        for name in ("A", "B", "C", "D", "E"):
            await mover.device(client, name)
        for n in range(3):
            zone = {"name": f"Zone {n}", "area": f"CIRCLE (43.{n} 76.8897, 300)"}
            assert (await client.post("/api/geofences", json=zone)).status_code == 200
        preview = (await client.post("/api/billing/tariff/preview", json={"tariffId": poor}, headers=key())).json()
        assert preview["total"] == 400_00
        kept = "SELECT count(*) FROM idempotency_keys JOIN users ON users.id = user_id WHERE account_id = %s"
        assert await mover.one(kept, mover.id) == 0, "previews of thousands of trackers would fill the disk"
        assert preview["blocked"] == ["E"]
        assert [(charge["name"], charge["what"], charge["amount"]) for charge in preview["charges"]] == [
            (name, "connection", 100_00) for name in "ABCD"
        ]
        assert (preview["balance"], preview["changesLeft"]) == (50_00, 1)
        lost = {one["feature"]: (one["before"], one["after"], one["used"]) for one in preview["lost"]}
        assert lost == {"history_days": (None, 7, None), "zones": (None, 1, 3), "api": (True, False, None)}
        bill = (await client.get("/api/billing")).json()
        assert (bill["balance"], bill["changesLeft"], bill["tariff"]["free"]) == (450_00, 2, True)

        changed = (await client.post("/api/billing/tariff", json={"tariffId": poor}, headers=key())).json()
        for name in ("charges", "total", "blocked", "unblocked", "balance"):
            assert changed[name] == preview[name]
        same = await client.post("/api/billing/tariff", json={"tariffId": poor}, headers=key())
        assert (same.status_code, same.json()["code"]) == (409, "same_tariff")
        free = next(one["id"] for one in (await client.get("/api/billing/tariffs")).json() if one["free"])
        back = (await client.post("/api/billing/tariff", json={"tariffId": free}, headers=key())).json()
        assert (back["total"], back["unblocked"]) == (0, ["E"])
        third = await client.post("/api/billing/tariff", json={"tariffId": poor}, headers=key())
        assert (third.status_code, third.json()["code"]) == (409, "too_many_changes")
        bill = (await client.get("/api/billing")).json()
        assert bill["nextChange"] == third.json()["next"]
        assert date.fromisoformat(bill["nextChange"]).day == 1


async def test_tariffs_to_choose_from(world: World) -> None:
    mine, other = await tariff(world, price=500_00), await tariff(world, currency="KZT")
    chooser = await customer(world, paid=mine)
    async with chooser.signed_in("looker") as client:
        offers = (await client.get("/api/billing/tariffs")).json()
        assert [offer["id"] for offer in offers if offer["current"]] == [mine]
        assert other not in [offer["id"] for offer in offers]
        assert offers[0]["free"]
        prices = [offer["version"]["price"] for offer in offers]
        assert prices == sorted(prices)
    async with chooser.signed_in() as client:
        refused = await client.post("/api/billing/tariff", json={"tariffId": other}, headers=key())
        assert (refused.status_code, refused.json()["code"]) == (409, "other_currency")
        unknown = await client.post("/api/billing/tariff", json={"tariffId": 2**31 - 1}, headers=key())
        assert (unknown.status_code, unknown.json()["code"]) == (404, "no_tariff")


async def test_the_outlook_is_what_the_days_then_cost(world: World) -> None:
    owner = await customer(world, paid=await tariff(world), balance=PRICE + 25_00)
    async with owner.signed_in() as client:
        await owner.device(client)
        bill = (await client.get("/api/billing")).json()
        today = date.fromisoformat(bill["day"])
        told = (await client.get("/api/billing/outlook", params={"days": 40})).json()["days"]
        assert [date.fromisoformat(day["day"]) for day in told] == [today + timedelta(days=n) for n in range(1, 41)]
        async with owner.book(days=35) as book:
            assert book.balance == next(day["balance"] for day in told if day["day"] == str(book.day))
        charged = [day for day in told if day["amount"]]
        assert [day["amount"] for day in charged] == [share(PRICE, date.fromisoformat(day["day"])) for day in charged]
        assert date.fromisoformat(charged[0]["day"]) == today + timedelta(days=31)
        assert (today + timedelta(days=bill["daysLeft"] + 1)) == date.fromisoformat(bill["runsOut"])
        for days in (0, 367, "x"):
            assert (await client.get("/api/billing/outlook", params={"days": days})).status_code == 400


async def test_the_calculator_adds_up(world: World) -> None:
    asker = await customer(world, paid=await tariff(world), balance=1000_00)
    async with asker.signed_in("looker") as client:
        asked = {"trackers": 2, "days": 60, "start": "2026-01-10"}
        told = (await client.get("/api/billing/calculator", params=asked)).json()
        assert told["connection"] == 2 * PRICE
        wanted = sum(2 * share(PRICE, date(2026, 1, 10) + timedelta(days=n)) for n in range(31, 60))
        assert told["service"] == wanted
        assert told["total"] == told["connection"] + told["service"] == sum(day["amount"] for day in told["perDay"])
        assert told["enough"] == (told["total"] <= 1000_00)
        lasting = 31 + sum(
            1
            for n in range(31, 400)
            if sum(2 * share(PRICE, date(2026, 1, 10) + timedelta(days=m)) for m in range(31, n + 1)) <= 400_00
        )
        assert told["lastsDays"] == lasting
        poor = (await client.get("/api/billing/calculator", params={**asked, "balance": 100})).json()
        assert (poor["lastsDays"], poor["enough"]) == (None, False)
        for wrong in (
            {"trackers": 0},
            {"days": 3661},
            {"start": "soon"},
            {"start": "20260101"},
            {"balance": -1},
            {"tariffId": 0},
        ):
            assert (await client.get("/api/billing/calculator", params=wrong)).status_code == 400, wrong
        assert (await client.get("/api/billing/calculator", params={"tariffId": 2**31 - 1})).status_code == 404


async def test_whoever_may_only_look_sees_all_and_spends_nothing(world: World) -> None:
    owner = await customer(world, paid=await tariff(world), balance=PRICE)
    async with owner.signed_in() as client:
        device = await owner.device(client)
    posts: dict[str, Any] = {
        f"trackers/{device['id']}/unblock": None,
        f"trackers/{device['id']}/block": {},
        f"trackers/{device['id']}/test": {"test": True},
        "tariff": {"tariffId": 1},
        "tariff/preview": {"tariffId": 1},
        "payments": {"amount": 100, "provider": "x"},
        "refunds": {"amount": 100},
        "withdrawal": {},
    }
    async with owner.signed_in("looker") as client:
        for path in ("", "/outlook", "/trackers", "/tariffs", "/connection", "/calculator", "/statement", "/statement.csv"):
            assert (await client.get(f"/api/billing{path}")).status_code == 200
        for path, body in posts.items():
            answer = await client.post(f"/api/billing/{path}", json=body, headers=key())
            assert answer.status_code == 403, path
        assert (await client.get("/api/audit")).status_code == 403


async def test_administrators_look_at_and_act_for_any_account(world: World) -> None:
    owner = await customer(world, paid=await tariff(world), balance=PRICE)
    async with owner.signed_in() as client:
        device = await owner.device(client)
    async with world.signed_in("admin") as admin:
        whose = {"accountId": owner.id}
        assert (await admin.get("/api/billing", params=whose)).json()["accountId"] == owner.id
        path = f"/api/billing/trackers/{device['id']}/block"
        assert (await admin.post(path, json={}, headers=key())).json()[
            "code"
        ] == "no_tracker"  # in the administrator's own account
        assert (await admin.post(path, json={}, params=whose, headers=key())).status_code == 200
        assert (await admin.get("/api/billing", params={"accountId": 2**31 - 1})).status_code == 404


async def test_money_keeps_an_account_from_being_removed(world: World) -> None:
    owner = await customer(world, balance=100)
    async with world.signed_in("admin") as admin:
        refused = await admin.delete(f"/api/accounts/{owner.id}")
        assert (refused.status_code, refused.json()["code"], refused.json()["balance"]) == (409, "has_money", 100)
        assert (await admin.get(f"/api/accounts/{owner.id}")).status_code == 200
        empty = await customer(world)
        assert (await admin.delete(f"/api/accounts/{empty.id}")).status_code == 204


async def test_a_tracker_that_is_removed_has_paid_for_its_days(world: World) -> None:
    owner = await customer(world, paid=await tariff(world), balance=2 * PRICE)
    async with owner.signed_in() as client:
        device = await owner.device(client)
        moved = f"UPDATE billing_accounts SET charged_through = charged_through - 2 WHERE account_id = {owner.id} RETURNING 1"
        await owner.one(moved)
        await owner.one(
            f"UPDATE billed_trackers SET covered_until = covered_until - 33 WHERE account_id = {owner.id} RETURNING 1"
        )
        before = await owner.one(f"SELECT balance FROM ledger_accounts WHERE account_id = {owner.id} AND kind = 'customer'")
        assert (await client.delete(f"/api/devices/{device['id']}")).status_code == 204
        days = await owner.one(f"SELECT count(*) FROM ledger_entries WHERE account_id = {owner.id} AND kind = 'daily'")
        assert days == 2
        assert await owner.balance() < before


async def test_a_tracker_that_changes_hands_is_paid_for_by_the_new_account(world: World) -> None:
    paid = await tariff(world)
    seller, buyer = await customer(world, paid=paid, balance=PRICE), await customer(world, paid=paid, balance=2 * PRICE)
    async with seller.signed_in() as client:
        device = await seller.device(client)
    async with world.signed_in("admin") as admin:
        moved = (await admin.put(f"/api/devices/{device['id']}", json={"accountId": buyer.id})).json()
        assert (moved["accountId"], moved["billing"]["charged"], moved["billing"]["balance"]) == (buyer.id, PRICE, PRICE)
        back = (await admin.put(f"/api/devices/{device['id']}", json={"accountId": seller.id})).json()
        assert (back["billing"]["blocked"], back["blocked"]) == (True, "unpaid")
    assert (await seller.balance(), await buyer.balance()) == (0, PRICE)


async def test_a_block_is_at_once_in_this_process(world: World) -> None:
    owner = await customer(world, paid=await tariff(world), balance=PRICE)
    async with owner.signed_in() as client:
        device = await owner.device(client)
        await client.post(f"/api/billing/trackers/{device['id']}/block", json={}, headers=key())
        assert world.server.devices.get(device["id"]).blocked == "owner"  # type: ignore[union-attr]


async def test_a_customer_who_asks_for_fifty_things_at_once_waits_alone(world: World) -> None:
    """Each would wait for the account's book with a connection in its hand, and there are few for all customers."""
    busy, other = await customer(world, balance=PRICE), await customer(world, balance=PRICE)
    paid = {"tariffId": await tariff(world)}
    async with busy.signed_in() as client, other.signed_in() as neighbour:
        async with busy.book():  # which something slow has open
            asking = [
                asyncio.create_task(client.post("/api/billing/tariff/preview", json=paid, headers=key())) for _ in range(50)
            ]
            await asyncio.sleep(0.3)
            async with asyncio.timeout(2):
                answer = await neighbour.post("/api/billing/tariff/preview", json=paid, headers=key())
        assert answer.json()["balance"] == PRICE
        assert [(await task).status_code for task in asking] == [200] * 50
