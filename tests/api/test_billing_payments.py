"""Payments, refunds and statements over real sockets: who may, once and no more, and callbacks that only a provider can make."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from billing.numbers import account_number
from dashboards.callbacks import BAD_A_MINUTE, LARGEST
from telematics.config import BillingSettings, ProviderSettings, Settings
from tests.api.conftest import LISTENERS, World, running
from tests.conftest import new_database

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
KASPI = ProviderSettings.model_validate(
    {
        "kind": "webhook",
        "title": "Kaspi",
        "webhook_secret": SECRET,
        "page_url": "https://pay.example.com/{reference}?b={return_url}",
    }
)
TENGE = ProviderSettings.model_validate(
    {"kind": "webhook", "webhook_secret": SECRET, "page_url": "https://pay.example.com/{reference}", "currencies": ["KZT"]}
)
CALLBACK = "/api/billing/payments/callback/kaspi"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    with new_database(server_url, template) as url:
        billing = BillingSettings(providers={"kaspi": KASPI, "tenge": TENGE})
        folder = tmp_path_factory.mktemp("data")
        async with running(
            Settings(database_url=url, data_dir=folder, protocols=tuple(LISTENERS), listeners=LISTENERS, billing=billing)
        ) as world:
            yield world


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


def signed(body: bytes, message: str | None = None, secret: str = SECRET) -> dict[str, str]:
    message, when = message or str(uuid4()), str(int(time.time()))
    secret_key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(secret_key, f"{message}.{when}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": message, "webhook-timestamp": when, "webhook-signature": "v1," + base64.b64encode(mac).decode()}


async def begun(client: httpx.AsyncClient, amount: int = 300_00) -> dict[str, Any]:
    answer = await client.post("/api/billing/payments", json={"amount": amount, "provider": "kaspi"}, headers=key())
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def says(world: World, reference: str, status: str = "paid", amount: str = "300.00", **more: Any) -> httpx.Response:
    said = {"id": f"tx-{reference}", "reference": reference, "status": status, "amount": amount, "currency": "EUR", **more}
    body = json.dumps(said).encode()
    async with world.visitor() as provider:
        return await provider.post(CALLBACK, content=body, headers=signed(body))


async def balance(client: httpx.AsyncClient, account_id: int | None = None) -> int:
    which = {} if account_id is None else {"accountId": account_id}
    return int((await client.get("/api/billing", params=which)).json()["balance"])


async def test_a_customer_pays_and_the_provider_says_so(world: World) -> None:
    async with world.signed_in("anna") as anna:
        before = await balance(anna)
        providers = (await anna.get("/api/billing/payments/providers")).json()
        assert providers == [{"name": "kaspi", "title": "Kaspi"}]
        payment = await begun(anna)
        assert (payment["state"], payment["amount"], payment["currency"], payment["digits"]) == ("created", 300_00, "EUR", 2)
        assert payment["pageUrl"].startswith(f"https://pay.example.com/{payment['reference']}?b=http%3A%2F%2Flocalhost")
        assert await balance(anna) == before
        answer = await says(world, payment["reference"])
        assert (answer.status_code, answer.json()) == (200, {"received": True})
        now = (await anna.get(f"/api/billing/payments/{payment['reference']}")).json()
        assert (now["state"], now["pageUrl"], await balance(anna)) == ("paid", None, before + 300_00)
        listed = await anna.get("/api/billing/payments", params={"limit": 1})
        assert [one["id"] for one in listed.json()] == [payment["id"]]
        assert int(listed.headers["X-Total-Count"]) >= 1


async def test_the_same_request_is_the_same_payment(world: World) -> None:
    async with world.signed_in("anna") as anna:
        said, once = {"amount": 5_00, "provider": "kaspi"}, key()
        answers = await asyncio.gather(*(anna.post("/api/billing/payments", json=said, headers=once) for _ in range(3)))
        assert len({answer.json()["id"] for answer in answers}) == 1
        other = await anna.post("/api/billing/payments", json={**said, "amount": 6_00}, headers=once)
        assert other.status_code == 422
        without = await anna.post("/api/billing/payments", json=said)
        assert (without.status_code, "Idempotency-Key" in without.text) == (400, True)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"amount": 0, "provider": "kaspi"}, 400),
        ({"amount": -1, "provider": "kaspi"}, 400),
        ({"amount": 1.5, "provider": "kaspi"}, 400),
        ({"amount": "1", "provider": "kaspi"}, 400),
        ({"amount": 10**30, "provider": "kaspi"}, 400),
        ({"amount": True, "provider": "kaspi"}, 400),
        ({"amount": 1}, 400),
        ({"amount": 1, "provider": "nobody"}, 404),
        ({"amount": 1, "provider": "tenge"}, 409),
        ([], 400),
    ],
)
async def test_what_can_t_begin(world: World, said: Any, status: int) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/billing/payments", json=said, headers=key())
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_who_may(world: World) -> None:
    """Every route, for the customer's own people, another customer, one who may only look, and nobody."""
    async with world.signed_in("anna") as anna, world.signed_in("boris") as boris, world.signed_in("rita") as rita:
        payment = await begun(anna)
        await says(world, payment["reference"])
        refund = (await anna.post("/api/billing/refunds", json={"amount": 1_00}, headers=key())).json()
        account = world.ids["Anna Ltd"]
        assert (await boris.get(f"/api/billing/payments/{payment['reference']}")).status_code == 404
        assert payment["id"] not in [one["id"] for one in (await boris.get("/api/billing/payments")).json()]
        assert (await boris.get("/api/billing/payments", params={"accountId": account})).status_code == 404
        assert (await boris.get("/api/billing/refunds")).json() == []
        assert (await boris.post(f"/api/billing/refunds/{refund['id']}/cancel", headers=key())).status_code == 404
        said = {"amount": 1_00, "provider": "kaspi"}
        assert (
            await boris.post("/api/billing/payments", params={"accountId": account}, json=said, headers=key())
        ).status_code == 404
        assert (await rita.get("/api/billing/payments")).status_code == 200
        assert (await rita.post("/api/billing/payments", json=said, headers=key())).status_code == 403
        assert (await rita.post("/api/billing/refunds", json={"amount": 1_00}, headers=key())).status_code == 403
        assert (await rita.post("/api/billing/withdrawal", headers=key())).status_code == 403
        file = {"file": base64.b64encode(b"x").decode(), "currency": "EUR"}
        operators = [
            ("GET", "payments", None),
            ("GET", "payments/unknown", None),
            ("GET", f"payments/{payment['id']}/events", None),
            ("POST", f"payments/{payment['id']}/accept", {"reason": "x"}),
            ("POST", f"payments/{payment['id']}/dismiss", {"reason": "x"}),
            ("POST", "payments/unknown/1/dismiss", {"reason": "x"}),
            ("POST", f"accounts/{account}/topup", {"way": "cash", "amount": 1}),
            ("GET", "refunds", None),
            ("POST", f"refunds/{refund['id']}/approve", None),
            ("POST", f"refunds/{refund['id']}/reject", {"reason": "x"}),
            ("POST", f"refunds/{refund['id']}/paid", {"reference": "x"}),
            ("POST", "bank/preview", file),
            ("POST", "bank/import", file),
            ("GET", "bank/lines", None),
            ("POST", "bank/lines/1/assign", {"accountId": account}),
        ]
        async with world.visitor() as nobody:
            for method, path, body in operators:
                url = f"/api/billing/operator/{path}"
                assert (await anna.request(method, url, json=body, headers=key())).status_code == 403, path
                assert (await nobody.request(method, url, json=body, headers=key())).status_code == 401, path
        assert (await anna.post(f"/api/billing/refunds/{refund['id']}/cancel", headers=key())).json()["state"] == "cancelled"


async def test_a_wrong_signature_moves_nothing(world: World) -> None:
    async with world.signed_in("anna") as anna:
        payment, before = await begun(anna), await balance(anna)
        body = json.dumps(
            {"id": "tx", "reference": payment["reference"], "status": "paid", "amount": "300.00", "currency": "EUR"}
        ).encode()
        async with world.visitor() as thief:
            wrong = await thief.post(
                CALLBACK, content=body, headers=signed(body, secret="whsec_" + base64.b64encode(b"t" * 24).decode())
            )
            none = await thief.post(CALLBACK, content=body)
            other = await thief.post(CALLBACK.replace("kaspi", "nobody"), content=body, headers=signed(body))
            large = await thief.post(CALLBACK, content=b"x" * (LARGEST + 1), headers=signed(b"x"))
            bad = await thief.post(CALLBACK, content=b"{}", headers=signed(b"{}"))
        assert [answer.status_code for answer in (wrong, none, other, large, bad)] == [401, 401, 404, 413, 400]
        assert (await balance(anna), (await anna.get(f"/api/billing/payments/{payment['reference']}")).json()["state"]) == (
            before,
            "created",
        )


async def test_strangers_are_slowed_and_the_provider_is_not(world: World) -> None:
    world.app.state.dashboards.callbacks._bad.clear()
    async with world.visitor() as thief:
        told = [(await thief.post(CALLBACK, content=b"{}")).status_code for _ in range(BAD_A_MINUTE + 3)]
    assert told == [401] * BAD_A_MINUTE + [429] * 3
    async with world.signed_in("anna") as anna:
        payment = await begun(anna)
    assert (await says(world, payment["reference"])).status_code == 200  # from the same address
    world.app.state.dashboards.callbacks._bad.clear()


async def test_the_same_callback_at_once(world: World) -> None:
    async with world.signed_in("boris") as boris:
        payment, before = await begun(boris, 70_00), await balance(boris)
        said = {"id": "tx-once", "reference": payment["reference"], "status": "paid", "amount": "70.00", "currency": "EUR"}
        body = json.dumps(said).encode()
        headers = signed(body)
        async with world.visitor() as provider:
            answers = await asyncio.gather(*(provider.post(CALLBACK, content=body, headers=headers) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}
        assert await balance(boris) == before + 70_00


async def test_an_operator_looks_after_payments(world: World) -> None:
    async with world.signed_in("anna") as anna, world.signed_in("admin") as admin:
        payment, before = await begun(anna), await balance(anna)
        await says(world, payment["reference"], amount="299.00")
        await says(world, str(uuid4()), id="tx-unknown")
        assert await balance(anna) == before
        flagged = (await admin.get("/api/billing/operator/payments", params={"flagged": True})).json()
        assert [(one["id"], one["flagged"], one["received"]) for one in flagged] == [(payment["id"], ["wrong_amount"], 299_00)]
        events = (await admin.get(f"/api/billing/operator/payments/{payment['id']}/events")).json()
        assert [(one["kind"], one["outcome"]) for one in events] == [("paid", "mismatched: another amount")]
        accept = f"/api/billing/operator/payments/{payment['id']}/accept"
        assert (await admin.post(accept, json={}, headers=key())).status_code == 400  # without a reason
        accepted = (await admin.post(accept, json={"reason": "the bank kept one"}, headers=key())).json()
        assert (accepted["payment"]["state"], await balance(anna)) == ("paid", before + 299_00)
        assert (await admin.post(accept, json={"reason": "again"}, headers=key())).status_code == 409
        unknown = (await admin.get("/api/billing/operator/payments/unknown")).json()
        assert "tx-unknown" in [one["body"]["notice"]["provider_id"] for one in unknown if one["kind"] == "paid"]
        for one in unknown:
            url = f"/api/billing/operator/payments/unknown/{one['id']}/dismiss"
            assert (await admin.post(url, json={"reason": "seen"}, headers=key())).status_code == 200
        assert (await admin.get("/api/billing/operator/payments/unknown")).json() == []
        await says(world, payment["reference"], amount="400.00")
        dismiss = f"/api/billing/operator/payments/{payment['id']}/dismiss"
        assert (await admin.post(dismiss, json={"reason": "asked them"}, headers=key())).json()["flagged"] == []
        assert (await admin.post(dismiss, json={"reason": "asked them"}, headers=key())).status_code == 409
        assert (
            await admin.post("/api/billing/operator/payments/99999/dismiss", json={"reason": "x"}, headers=key())
        ).status_code == 404


async def test_cash_and_a_refund_of_it(world: World) -> None:
    account = world.ids["Boris Ltd"]
    async with world.signed_in("boris") as boris, world.signed_in("admin") as admin:
        before = await balance(boris)
        url, said, once = (
            f"/api/billing/operator/accounts/{account}/topup",
            {"way": "cash", "amount": 50_00, "reference": "r-1"},
            key(),
        )
        paid = (await admin.post(url, json=said, headers=once)).json()
        assert (paid["balance"], paid["payment"]["providerId"]) == (before + 50_00, "r-1")
        again = await admin.post(url, json=said, headers=once)
        assert (again.json(), again.headers["Idempotent-Replayed"]) == (paid, "true")
        assert (await admin.post(url, json=said, headers=key())).json()["code"] == "known_reference"
        refused = await boris.post("/api/billing/refunds", json={"amount": 10**9}, headers=key())
        assert (refused.status_code, refused.json()["code"]) == (402, "not_enough_money")
        refund = (await boris.post("/api/billing/refunds", json={"amount": 20_00, "comment": "moving"}, headers=key())).json()
        assert (refund["state"], await balance(boris)) == ("requested", before + 30_00)
        listed = (await admin.get("/api/billing/operator/refunds", params={"open": True})).json()
        assert [(one["id"], one["comment"], one["accountNumber"]) for one in listed] == [
            (refund["id"], "moving", account_number(account))
        ]
        approved = (await admin.post(f"/api/billing/operator/refunds/{refund['id']}/approve", headers=key())).json()
        assert [(part["provider"], part["amount"], part["byHand"]) for part in approved["parts"]] == [("cash", 20_00, True)]
        done = await admin.post(f"/api/billing/operator/refunds/{refund['id']}/paid", json={"reference": "slip 8"}, headers=key())
        assert (done.json()["state"], done.json()["parts"][0]["providerId"]) == ("paid", "slip 8")
        other = (await boris.post("/api/billing/refunds", json={"amount": 5_00}, headers=key())).json()
        rejected = await admin.post(f"/api/billing/operator/refunds/{other['id']}/reject", json={"reason": "no"}, headers=key())
        assert (rejected.json()["state"], rejected.json()["reason"]) == ("rejected", "no")


async def test_a_statement_is_previewed_and_taken(world: World) -> None:
    account = world.ids["Anna Ltd"]
    text = f"Дата;Сумма;Назначение\n15.01.2026;1 000,50;счёт {account_number(account)}\n15.01.2026;7;x\n32.01.2026;5;x\n"
    file = {"file": base64.b64encode(text.encode("cp1251")).decode(), "currency": "EUR"}
    async with world.signed_in("anna") as anna, world.signed_in("admin") as admin:
        before = await balance(anna)
        shown = (await admin.post("/api/billing/operator/bank/preview", json=file, headers=key())).json()
        assert [(one["what"], one["amount"], one["accountId"]) for one in shown["lines"]] == [
            ("matched", 1_000_50, account),
            ("unmatched", 7_00, None),
        ]
        assert (shown["totals"], len(shown["problems"]), shown["columns"]["amount"]) == ({"EUR": 1_000_50}, 1, "Сумма")
        once = key()
        done = (await admin.post("/api/billing/operator/bank/import", json=file, headers=once)).json()
        assert (done["credited"], done["kept"], await balance(anna)) == (1, 1, before + 1_000_50)
        again = await admin.post("/api/billing/operator/bank/import", json=file, headers=once)
        assert (again.json(), again.headers["Idempotent-Replayed"]) == (done, "true")
        assert (await admin.post("/api/billing/operator/bank/import", json=file, headers=key())).json()["known"] == 2
        (line,) = (await admin.get("/api/billing/operator/bank/lines", params={"open": True})).json()
        url = f"/api/billing/operator/bank/lines/{line['id']}/assign"
        assert (await admin.post(url, json={"accountId": account}, headers=key())).json()["accountId"] == account
        assert await balance(anna) == before + 1_007_50
        for wrong in ({"file": "***", "currency": "EUR"}, {"file": "eA==", "currency": "euro"}, {"currency": "EUR"}):
            assert (await admin.post("/api/billing/operator/bank/preview", json=wrong, headers=key())).status_code == 400
        nothing = await admin.post("/api/billing/operator/bank/preview", json={"file": "eA==", "currency": "EUR"}, headers=key())
        assert (nothing.status_code, nothing.json()["code"]) == (409, "not_a_statement")


async def test_withdrawing(world: World) -> None:
    async with world.signed_in("anna") as anna, world.signed_in("admin") as admin:
        payment = await begun(anna, 10_00)
        await says(world, payment["reference"], amount="10.00")
        bill = (await anna.get("/api/billing")).json()
        assert (bill["canWithdraw"], bill["accountNumber"]) == (True, account_number(world.ids["Anna Ltd"]))
        shown = (await anna.post("/api/billing/withdrawal/preview", headers=key())).json()
        assert (shown["amount"], await balance(anna)) == (bill["refundable"], bill["balance"])
        done = (await anna.post("/api/billing/withdrawal", headers=key())).json()
        assert (done, await balance(anna)) == (shown, bill["balance"] - shown["amount"])
        assert (await anna.post("/api/billing/withdrawal", headers=key())).json()["code"] == "nothing_paid"
        newest = (await admin.get("/api/billing/operator/refunds", params={"limit": 1})).json()[0]
        assert (newest["kind"], newest["amount"]) == ("withdrawal", shown["amount"])


async def test_secrets_are_shown_nowhere(world: World) -> None:
    async with world.signed_in("admin") as admin:
        for path in ("/api/billing/payments/providers", "/api/server", "/api/openapi.json", "/api/health"):
            assert "MDEyMzQ1" not in (await admin.get(path)).text
    assert "MDEyMzQ1" not in repr(world.server.settings)


async def test_what_was_done_stands_in_the_audit_log(world: World) -> None:
    async with world.server.database.pool.connection() as connection:
        found = await (await connection.execute("SELECT DISTINCT action FROM audit")).fetchall()
    assert {row[0] for row in found} >= {
        "payment.begun",
        "payment.entered",
        "payment.accepted",
        "payment.dismissed",
        "callback.dismissed",
        "refund.requested",
        "refund.cancelled",
        "refund.approved",
        "refund.rejected",
        "refund.paid",
        "account.withdrawn",
        "bank.imported",
        "bank.assigned",
    }
