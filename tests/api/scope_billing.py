"""What Boris asks of Anna's money, and of what is the provider's alone; a part of test_scope's table."""

from __future__ import annotations

from typing import Any

from billing.book import open_book
from billing.payments.by_hand import enter
from billing.refunds import request
from tests.api.conftest import World

MISSING, REFUSED, OWN = 404, 403, "only one's own"
KEY = {"headers": {"Idempotency-Key": "scope"}}
HERS = {"params": {"accountId": "{Anna Ltd}"}}
HER_TRACKER = {"path": "{a1}", **KEY}
NEW_VERSION = {"since": "2100-01-01", "price": 100}


def reading(*more: dict[str, Any]) -> list[tuple[dict[str, Any], object]]:
    """One's own without saying whose, another's not at all; `more` gives nothing of hers."""
    return [(HERS, MISSING), ({}, OWN), *((call, OWN) for call in more)]


def changing(call: dict[str, Any], wanted: object = MISSING) -> list[tuple[dict[str, Any], object]]:
    return [({**HERS, **call}, MISSING), (call, wanted)]


BILLING: dict[str, list[tuple[dict[str, Any], object]]] = {
    "GET /api/billing": reading(),
    "GET /api/billing/outlook": reading(),
    "GET /api/billing/trackers": reading(),
    "GET /api/billing/tariffs": reading(),
    "GET /api/billing/connection": reading(),
    "GET /api/billing/calculator": reading(),
    "GET /api/billing/statement": reading({"params": {"deviceId": "{a1}"}}, {"params": {"entryId": 1}}),
    "GET /api/billing/statement.csv": reading({"params": {"deviceId": "{a1}"}}),
    "GET /api/billing/statement.xlsx": reading({"params": {"deviceId": "{a1}"}}),
    "POST /api/billing/trackers/{device_id}/unblock": changing(HER_TRACKER),
    "POST /api/billing/trackers/{device_id}/block": changing({**HER_TRACKER, "json": {"reason": "x"}}),
    "POST /api/billing/trackers/{device_id}/test": changing({**HER_TRACKER, "json": {"test": True}}),
    "POST /api/billing/tariff": changing({"json": {"tariffId": 999}, **KEY}),
    "POST /api/billing/tariff/preview": changing({"json": {"tariffId": 999}, **KEY}),
    "GET /api/audit": [({}, OWN), (HERS, MISSING), ({"params": {"userId": "{anna}"}}, OWN)],
    "GET /api/billing/operator/accounts": [({}, REFUSED)],
    "PUT /api/billing/operator/accounts/{account_id}": [({"path": "{Anna Ltd}", "json": {"currency": "KZT"}}, REFUSED)],
    "POST /api/billing/operator/accounts/{account_id}/bonus": [
        ({"path": "{Boris Ltd}", "json": {"amount": 1, "reason": "x"}, **KEY}, REFUSED)
    ],
    "POST /api/billing/operator/accounts/{account_id}/reverse": [
        ({"path": "{Boris Ltd}", "json": {"entryId": 1, "reason": "x"}, **KEY}, REFUSED)
    ],
    "POST /api/billing/operator/accounts/{account_id}/tariff": [
        ({"path": "{Boris Ltd}", "json": {"tariffId": 1, "reason": "x"}, **KEY}, REFUSED)
    ],
    "POST /api/billing/operator/accounts/{account_id}/trackers/{device_id}/block": [
        ({"path": ["{Boris Ltd}", "{b1}"], "json": {"reason": "x"}, **KEY}, REFUSED)
    ],
    "POST /api/billing/operator/accounts/{account_id}/trackers/{device_id}/unblock": [
        ({"path": ["{Boris Ltd}", "{b1}"], **KEY}, REFUSED)
    ],
    "GET /api/billing/operator/tariffs": [({}, REFUSED)],
    "POST /api/billing/operator/tariffs": [({"json": {**NEW_VERSION, "name": "x", "currency": "EUR"}, **KEY}, REFUSED)],
    "PUT /api/billing/operator/tariffs/{tariff_id}": [
        ({"path": 1, "json": {"name": "x", "description": "", "offered": True}}, REFUSED)
    ],
    "POST /api/billing/operator/tariffs/{tariff_id}/versions": [({"path": 1, "json": NEW_VERSION, **KEY}, REFUSED)],
    "GET /api/billing/operator/defaults": [({}, REFUSED)],
    "PUT /api/billing/operator/defaults": [({"json": {"currency": "EUR", "tariffId": 1}}, REFUSED)],
}

# Payments, refunds and bank statements
BILLING |= {
    "GET /api/billing/payments/providers": reading(),
    "POST /api/billing/payments": changing({"json": {"amount": 100, "provider": "none"}, **KEY}),
    "GET /api/billing/payments": reading(),
    "GET /api/billing/payments/{reference}": [({"path": "{payment}"}, MISSING), ({"path": "{payment}", **HERS}, MISSING)],
    "GET /api/billing/refunds": reading(),
    "POST /api/billing/refunds": [({"json": {"amount": 100}, **HERS, **KEY}, MISSING), ({"json": {"amount": 100}, **KEY}, 402)],
    "POST /api/billing/refunds/{refund_id}/cancel": changing({"path": "{refund}", **KEY}),
    "POST /api/billing/withdrawal": [({**HERS, **KEY}, MISSING), (KEY, 409)],
    "POST /api/billing/withdrawal/preview": [({**HERS, **KEY}, MISSING), (KEY, 409)],
    "POST /api/billing/operator/accounts/{account_id}/topup": [
        ({"path": "{Boris Ltd}", "json": {"way": "cash", "amount": 100}, **KEY}, REFUSED)
    ],
    "GET /api/billing/operator/payments": [({}, REFUSED)],
    "GET /api/billing/operator/payments/unknown": [({}, REFUSED)],
    "POST /api/billing/operator/payments/unknown/{event_id}/dismiss": [({"path": 1, "json": {"reason": "x"}, **KEY}, REFUSED)],
    "GET /api/billing/operator/payments/{payment_id}/events": [({"path": 1}, REFUSED)],
    "POST /api/billing/operator/payments/{payment_id}/accept": [({"path": 1, "json": {"reason": "x"}, **KEY}, REFUSED)],
    "POST /api/billing/operator/payments/{payment_id}/dismiss": [({"path": 1, "json": {"reason": "x"}, **KEY}, REFUSED)],
    "GET /api/billing/operator/refunds": [({}, REFUSED)],
    "POST /api/billing/operator/refunds/{refund_id}/approve": [({"path": 1, **KEY}, REFUSED)],
    "POST /api/billing/operator/refunds/{refund_id}/reject": [({"path": 1, "json": {"reason": "x"}, **KEY}, REFUSED)],
    "POST /api/billing/operator/refunds/{refund_id}/paid": [({"path": 1, "json": {"reference": "x"}, **KEY}, REFUSED)],
    "POST /api/billing/operator/bank/preview": [({"json": {"file": "", "currency": "EUR"}, **KEY}, REFUSED)],
    "POST /api/billing/operator/bank/import": [({"json": {"file": "", "currency": "EUR"}, **KEY}, REFUSED)],
    "GET /api/billing/operator/bank/lines": [({}, REFUSED)],
    "POST /api/billing/operator/bank/lines/{line_id}/assign": [({"path": 1, "json": {"accountId": 1}, **KEY}, REFUSED)],
    "POST /operator/bank/preview": [({}, REFUSED)],
}
# Signed by providers, not by people: it has tests of its own
HARMLESS = {"POST /api/billing/payments/callback/{provider}"}

# Pages of money. Whoever isn't the provider's finds nothing under /operator, and none of its forms.
BILLING |= {
    "GET /billing": reading(),
    "GET /billing/statement": reading(),
    "GET /billing/statement/{entry_id}": [({"path": "{entry}"}, OWN)],
    "GET /billing/tariffs": reading(),
    "GET /billing/tariffs/{tariff_id}": [({"path": 1, **HERS}, MISSING), ({"path": 1}, OWN)],
    "GET /billing/calculator": reading(),
    "GET /billing/connection": reading(),
    "GET /billing/topup": reading(),
    "GET /billing/payments": reading(),
    "GET /billing/payments/{reference}": [({"path": "{payment}"}, MISSING)],
    "GET /billing/refund": reading(),
    "GET /billing/trackers": reading(),
    "GET /billing/trackers/{device_id}/{act}": [({"path": ["{a1}", "unblock"]}, MISSING), ({"path": ["{a1}", "block"]}, MISSING)],
    "GET /operator": [({}, MISSING)],
    "GET /operator/accounts": [({}, MISSING)],
    "GET /operator/accounts/{account_id}": [({"path": "{Boris Ltd}"}, MISSING)],
    "GET /operator/payments": [({}, MISSING)],
    "GET /operator/refunds": [({}, MISSING)],
    "GET /operator/bank": [({}, MISSING)],
    "GET /operator/tariffs": [({}, MISSING)],
    "GET /operator/audit": [({}, MISSING)],
}
OWN_ACCOUNT, ONE = "{Boris Ltd}", 1
FORMS: dict[str, Any] = {
    "accounts/{account_id}/topup": OWN_ACCOUNT,
    "accounts/{account_id}/bonus": OWN_ACCOUNT,
    "accounts/{account_id}/tariff": OWN_ACCOUNT,
    "accounts/{account_id}/trackers/{device_id}/block": [OWN_ACCOUNT, "{b1}"],
    "accounts/{account_id}/trackers/{device_id}/unblock": [OWN_ACCOUNT, "{b1}"],
    "accounts/{account_id}/entries/{entry_id}/reverse": [OWN_ACCOUNT, ONE],
    "payments/unknown/{event_id}/dismiss": ONE,
    "payments/{payment_id}/accept": ONE,
    "payments/{payment_id}/dismiss": ONE,
    "refunds/{refund_id}/approve": ONE,
    "refunds/{refund_id}/reject": ONE,
    "refunds/{refund_id}/parts/{payment_id}/paid": [ONE, ONE],
    "bank/{line_id}/assign": ONE,
    "tariffs/new": None,
    "tariffs/{tariff_id}/edit": ONE,
    "tariffs/{tariff_id}/version": ONE,
    "defaults": None,
}
for form, path in FORMS.items():
    for method in ("GET", "POST"):
        BILLING[f"{method} /operator/{form}"] = [({} if path is None else {"path": path}, REFUSED)]
BILLING["GET /operator/payments/{payment_id}/events"] = [({"path": ONE}, REFUSED)]
ANY = {"entry": 1, "payment": "11111111-2222-4333-8444-555555555555", "refund": 1}


async def money(world: World) -> dict[str, Any]:
    """A payment of hers, its entry, and money that she wants back."""
    async with open_book(world.server.database, world.ids["Anna Ltd"]) as book:
        payment, _ = await enter(book, "cash", 4_323_89, note="Truck a1 has paid")
        refund = await request(book, 100)
    assert payment.entry_id is not None
    return {"entry": payment.entry_id, "payment": str(payment.reference), "refund": refund.id}
