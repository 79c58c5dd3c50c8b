"""Stripe's adapter: what it asks is checked by Stripe's own mock, what it hears is signed as Stripe documents it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
import stripe as library

from billing.payments.provider import BadNotice, BadSignature, Notice, Payment, ProviderFailed, ProviderUnavailable
from billing.payments.stripe import DECLINES, Stripe, from_stripe, to_stripe
from telematics.config import ProviderSettings
from tests.billing import stripe_mock

SECRET, OLD_SECRET = "whsec_of_the_endpoint_now", "whsec_of_the_endpoint_before"
REFERENCE = "0b6ad4a4-2a5b-4b1c-9a3f-0d7f6a1c2e3d"
PAYMENT = Payment(
    id=7,
    reference=UUID(REFERENCE),
    account_id=1,
    account_name="fleet",
    provider="stripe",
    provider_id="pi_1",
    amount=300_00,
    currency="EUR",
    state="created",
    reason=None,
    flagged=None,
    received=None,
    refunded=0,
    page_url=None,
    entry_id=None,
    user_id=1,
    note="Top-up of account 00000195",
    created_at=datetime(2026, 1, 10, tzinfo=UTC),
    changed_at=datetime(2026, 1, 10, tzinfo=UTC),
    paid_at=None,
    attributes={"session": "cs_1"},
)


def settings(url: str | None = None, **more: Any) -> ProviderSettings:
    return ProviderSettings.model_validate(
        {
            "kind": "stripe",
            "secret_key": "sk_test_123",
            "webhook_secret": SECRET,
            "previous_webhook_secret": OLD_SECRET,
            "api_url": url,
            **more,
        }
    )


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with stripe_mock.running() as url:
        yield url


@pytest.fixture
async def stripe(mock: str) -> AsyncIterator[Stripe]:
    adapter = Stripe("stripe", settings(mock))
    yield adapter
    await adapter.aclose()


@pytest.fixture
async def silent() -> AsyncIterator[Stripe]:
    """Nobody is asked."""
    adapter = Stripe("stripe", settings())
    yield adapter
    await adapter.aclose()


# --- what it asks


async def test_a_page_is_made(stripe: Stripe) -> None:
    page = await stripe.start(PAYMENT, "https://gps.example.com/billing", "ru")
    assert page.url.startswith("https://checkout.stripe.com/")
    assert page.session_id is not None
    assert page.session_id.startswith("cs_")


async def test_money_is_given_back(stripe: Stripe) -> None:
    assert (await stripe.refund(PAYMENT, 100_00, "refund:1:7", 1)).startswith("re_")


async def test_a_payment_without_a_number_can_t_be_given_back(stripe: Stripe) -> None:
    with pytest.raises(ProviderFailed, match="isn't known"):
        await stripe.refund(replace(PAYMENT, provider_id=None), 100_00, "refund:1:7", 1)


async def test_an_open_page_is_no_news(stripe: Stripe) -> None:
    assert await stripe.state(PAYMENT) is None


class Fake:
    """Answers as Stripe does, for what the mock doesn't know: refusals, and what was given back before."""

    def __init__(self, answers: dict[str, tuple[int, dict[str, Any]]]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    async def __aenter__(self) -> Fake:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.adapter = Stripe("stripe", settings(f"http://127.0.0.1:{port}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.adapter.aclose()
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        await reader.readexactly(int(headers.get("content-length", 0)))
        method, path = lines[0].split()[:2]
        self.asked.append((method, path, headers))
        status, body = self.answers[f"{method} {path.partition('?')[0]}"]
        text = json.dumps(body).encode()
        told = (
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(told.encode() + text)
        await writer.drain()
        writer.close()


async def test_what_was_given_back_before_is_not_given_back_again() -> None:
    """The answer to the first try was lost, and Stripe has forgotten its key."""
    before = {"id": "re_before", "object": "refund", "status": "succeeded", "metadata": {"key": "refund:1:7"}}
    failed = {"id": "re_failed", "object": "refund", "status": "failed", "metadata": {"key": "refund:1:7"}}
    listed = {"object": "list", "data": [failed, before], "has_more": False, "url": "/v1/refunds"}
    async with Fake({"GET /v1/refunds": (200, listed)}) as fake:
        assert await fake.adapter.refund(PAYMENT, 100_00, "refund:1:7", 1) == "re_before"
        assert [method for method, _, _ in fake.asked] == ["GET"]


async def test_each_attempt_has_a_key_of_its_own() -> None:
    listed = {"object": "list", "data": [], "has_more": False, "url": "/v1/refunds"}
    refusal = {"error": {"type": "invalid_request_error", "message": "Insufficient funds in your Stripe account."}}
    async with Fake({"GET /v1/refunds": (200, listed), "POST /v1/refunds": (400, refusal)}) as fake:
        for attempt in (1, 2):
            with pytest.raises(ProviderFailed, match="Insufficient funds") as failed:
                await fake.adapter.refund(PAYMENT, 100_00, "refund:1:7", attempt)
            assert not isinstance(failed.value, ProviderUnavailable)
        keys = [headers["idempotency-key"] for method, _, headers in fake.asked if method == "POST"]
    assert keys == ["refund:1:7:1", "refund:1:7:2"]


async def test_a_failed_refund_is_told() -> None:
    listed = {"object": "list", "data": [], "has_more": False, "url": "/v1/refunds"}
    refund = {"id": "re_1", "object": "refund", "status": "failed", "failure_reason": "lost_or_stolen_card", "metadata": {}}
    async with Fake({"GET /v1/refunds": (200, listed), "POST /v1/refunds": (200, refund)}) as fake:
        with pytest.raises(ProviderFailed, match="lost_or_stolen_card"):
            await fake.adapter.refund(PAYMENT, 100_00, "refund:1:7", 1)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_stripe_that_is_ill_may_have_done_it(status: int) -> None:
    async with Fake({"GET /v1/checkout/sessions/cs_1": (status, {"error": {"message": "ill", "type": "api_error"}})}) as fake:
        with pytest.raises(ProviderUnavailable):
            await fake.adapter.state(PAYMENT)


async def test_a_wrong_key_is_a_refusal() -> None:
    wrong = {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided: sk_test_***"}}
    async with Fake({"POST /v1/checkout/sessions": (401, wrong)}) as fake:
        with pytest.raises(ProviderFailed) as failed:
            await fake.adapter.start(PAYMENT, "https://gps.example.com/", "en")
    assert "sk_test_123" not in str(failed.value)


async def test_nobody_answers(unused_tcp_port: int) -> None:
    adapter = Stripe("stripe", settings(f"http://127.0.0.1:{unused_tcp_port}"))
    with pytest.raises(ProviderUnavailable):
        await adapter.start(PAYMENT, "https://gps.example.com/", "en")
    await adapter.aclose()


@pytest.mark.parametrize(
    ("session", "kind"),
    [
        ({"status": "open", "payment_status": "unpaid"}, None),
        ({"status": "expired", "payment_status": "unpaid"}, "expired"),
        ({"status": "complete", "payment_status": "unpaid"}, "pending"),
        ({"status": "complete", "payment_status": "paid"}, "paid"),
    ],
)
async def test_what_has_become_of_a_silent_payment(session: dict[str, Any], kind: str | None) -> None:
    whole = {"id": "cs_1", "object": "checkout.session", "client_reference_id": REFERENCE, "payment_intent": "pi_9"}
    whole |= {"amount_total": 300_00, "currency": "eur", **session}
    async with Fake({"GET /v1/checkout/sessions/cs_1": (200, whole)}) as fake:
        told = await fake.adapter.state(PAYMENT)
    assert (told and told.kind) == kind
    if kind == "paid":
        assert told is not None
        assert (told.amount, told.currency, told.provider_id, told.reference) == (300_00, "EUR", "pi_9", REFERENCE)


# --- what it hears


def signed(body: bytes, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    """By Stripe's documented scheme: HMAC-SHA256 of "time.body" under the endpoint's secret."""
    when = int(time.time() if at is None else at)
    mac = hmac.new(secret.encode(), f"{when}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={when},v1={mac}"}


def event(kind: str, thing: dict[str, Any]) -> bytes:
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "data": {"object": thing}}).encode()


def heard(stripe: Stripe, kind: str, thing: dict[str, Any]) -> dict[str, Any] | None:
    body = event(kind, thing)
    notices = stripe.verify(signed(body), body)
    return notices[0].said() if notices else None


SESSION = {
    "id": "cs_1",
    "object": "checkout.session",
    "client_reference_id": REFERENCE,
    "payment_intent": "pi_1",
    "amount_total": 300_00,
    "currency": "eur",
    "payment_status": "paid",
    "metadata": {"reference": REFERENCE},
}
CHARGE = {
    "id": "ch_1",
    "object": "charge",
    "amount": 300_00,
    "amount_refunded": 100_00,
    "currency": "eur",
    "payment_intent": "pi_1",
    "metadata": {"reference": REFERENCE},
}
DISPUTE = {
    "id": "dp_1",
    "object": "dispute",
    "amount": 300_00,
    "currency": "eur",
    "payment_intent": "pi_1",
    "metadata": {},
    "status": "needs_response",
}
REFUND = {
    "id": "re_1",
    "object": "refund",
    "amount": 100_00,
    "currency": "eur",
    "payment_intent": "pi_1",
    "status": "failed",
    "metadata": {"reference": REFERENCE, "key": "refund:1:7"},
}
INTENT = {"id": "pi_1", "object": "payment_intent", "metadata": {"reference": REFERENCE}}
ABOUT = {"event_id": "evt_1", "reference": REFERENCE, "provider_id": "pi_1"}
MONEY = {"amount": 300_00, "currency": "EUR"}


@pytest.mark.parametrize(
    ("kind", "thing", "said"),
    [
        pytest.param("checkout.session.completed", SESSION, {**ABOUT, **MONEY, "kind": "paid"}, id="paid"),
        pytest.param(
            "checkout.session.completed",
            {**SESSION, "payment_status": "unpaid"},
            {**ABOUT, "kind": "pending", "currency": "EUR"},
            id="a bank debit is on its way",
        ),
        pytest.param("checkout.session.async_payment_succeeded", SESSION, {**ABOUT, **MONEY, "kind": "paid"}, id="it came"),
        pytest.param(
            "checkout.session.async_payment_failed",
            {**SESSION, "payment_status": "unpaid"},
            {**ABOUT, "kind": "failed", "currency": "EUR"},
            id="it didn't come",
        ),
        pytest.param(
            "checkout.session.expired",
            {**SESSION, "payment_status": "unpaid", "payment_intent": None},
            {"event_id": "evt_1", "reference": REFERENCE, "kind": "expired", "currency": "EUR"},
            id="nobody paid",
        ),
        pytest.param(
            "payment_intent.payment_failed",
            {**INTENT, "last_payment_error": {"code": "card_declined", "decline_code": "insufficient_funds"}},
            {**ABOUT, "kind": "failed", "reason": "not_enough_money"},
            id="not enough money",
        ),
        pytest.param(
            "payment_intent.payment_failed",
            {**INTENT, "last_payment_error": {"code": "expired_card"}},
            {**ABOUT, "kind": "failed", "reason": "expired_card"},
            id="a code that is no decline",
        ),
        pytest.param(
            "payment_intent.payment_failed",
            {**INTENT, "last_payment_error": {"code": "card_declined", "decline_code": "fraudulent"}},
            {**ABOUT, "kind": "failed", "reason": "other"},
            id="a thief isn't told why",
        ),
        pytest.param(
            "charge.refunded",
            CHARGE,
            {**ABOUT, "kind": "refunded", "amount": 100_00, "currency": "EUR"},
            id="given back at Stripe",
        ),
        pytest.param(
            "charge.dispute.created",
            DISPUTE,
            {"event_id": "evt_1", "provider_id": "pi_1", **MONEY, "kind": "dispute_opened", "dispute_id": "dp_1"},
            id="disputed",
        ),
        pytest.param("charge.dispute.created", {**DISPUTE, "status": "warning_needs_response"}, None, id="a mere inquiry"),
        pytest.param(
            "charge.dispute.closed",
            {**DISPUTE, "status": "won"},
            {"event_id": "evt_1", "provider_id": "pi_1", **MONEY, "kind": "dispute_won", "dispute_id": "dp_1"},
            id="won",
        ),
        pytest.param(
            "charge.dispute.closed",
            {**DISPUTE, "status": "lost"},
            {"event_id": "evt_1", "provider_id": "pi_1", **MONEY, "kind": "dispute_lost", "dispute_id": "dp_1"},
            id="lost",
        ),
        pytest.param("charge.dispute.closed", {**DISPUTE, "status": "warning_closed"}, None, id="an inquiry ends"),
        pytest.param(
            "refund.failed",
            REFUND,
            {**ABOUT, "kind": "refund_failed", "refund_id": "re_1", "amount": 100_00, "currency": "EUR"},
            id="a refund came back",
        ),
        pytest.param("refund.updated", {**REFUND, "status": "succeeded"}, None, id="a refund arrived"),
        pytest.param("customer.created", {"id": "cus_1"}, None, id="of no interest"),
        pytest.param("charge.refunded", {**CHARGE, "payment_intent": None, "metadata": {}}, None, id="of no payment of ours"),
        pytest.param(
            "checkout.session.completed",
            {**SESSION, "currency": "jpy", "amount_total": 300},
            {**ABOUT, "amount": 300, "currency": "JPY", "kind": "paid"},
            id="yen have no decimals",
        ),
    ],
)
async def test_each_event_in_our_words(silent: Stripe, kind: str, thing: dict[str, Any], said: dict[str, Any] | None) -> None:
    assert heard(silent, kind, thing) == said


async def test_the_mock_s_own_charge_and_dispute_are_understood(mock: str, silent: Stripe) -> None:
    """As Stripe's fixtures have them, with our marks."""
    async with httpx.AsyncClient(base_url=mock, headers={"Authorization": "Bearer sk_test_123"}) as client:
        charge = (await client.get("/v1/charges/ch_1")).json() | {"payment_intent": "pi_1", "amount_refunded": 40}
        dispute = (await client.get("/v1/disputes/dp_1")).json() | {"payment_intent": "pi_1", "status": "needs_response"}
    refunded, disputed = heard(silent, "charge.refunded", charge), heard(silent, "charge.dispute.created", dispute)
    assert refunded == {"event_id": "evt_1", "kind": "refunded", "provider_id": "pi_1", "amount": 40, "currency": "USD"}
    assert disputed is not None
    assert (disputed["amount"], disputed["dispute_id"]) == (1000, "dp_1")


async def test_the_library_signs_as_we_do(silent: Stripe) -> None:
    body = event("customer.created", {})
    ours = signed(body, at=1_700_000_000)["stripe-signature"]
    assert ours == library.WebhookSignature.generate_signature_header(body.decode(), SECRET, 1_700_000_000)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(lambda body: {}, id="none"),
        pytest.param(lambda body: {"stripe-signature": ""}, id="empty"),
        pytest.param(lambda body: {"stripe-signature": "garbage"}, id="garbage"),
        pytest.param(lambda body: {"stripe-signature": "t=x,v1=00"}, id="no time"),
        pytest.param(lambda body: {"stripe-signature": "t=99999999999999999999,v1=00"}, id="no such time"),
        pytest.param(lambda body: signed(body, "whsec_of_somebody_else_s"), id="another's secret"),
        pytest.param(lambda body: signed(body, at=time.time() - 400), id="a replay"),
        pytest.param(lambda body: signed(body + b" "), id="another body"),
    ],
)
async def test_signatures_that_are_not_believed(silent: Stripe, headers: Any) -> None:
    body = event("checkout.session.completed", SESSION)
    with pytest.raises(BadSignature):
        silent.verify(headers(body), body)


async def test_the_secret_before_is_believed_as_well(silent: Stripe) -> None:
    body = event("checkout.session.completed", SESSION)
    assert silent.verify(signed(body, OLD_SECRET), body)[0].kind == "paid"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'"text"x',
        b"{}",
        b"\xff\xfe",
        b'{"id":"evt_1","type":"charge.refunded","data":{}}',
        b'{"id":"evt_1","type":"charge.refunded","data":{"object":{"payment_intent":"pi_1","currency":"eur","amount_refunded":"12"}}}',
        b'{"id":"evt_1","type":"charge.refunded","data":{"object":{"payment_intent":"pi_1","currency":"eur","amount_refunded":1.5}}}',
        b'{"id":"evt_1","type":"checkout.session.completed","data":{"object":[1]}}',
        b'{"id":"","type":"checkout.session.expired","data":{"object":{"client_reference_id":"x"}}}',
        b"[" * 5000 + b"]" * 5000,
    ],
)
async def test_signed_nonsense_is_told(silent: Stripe, body: bytes) -> None:
    with pytest.raises((BadNotice, BadSignature)):
        silent.verify(signed(body), body)


@pytest.mark.parametrize(
    ("currency", "ours", "theirs"),
    [
        ("EUR", 968, 968),
        ("KZT", 30_000, 30_000),
        ("JPY", 500, 500),
        ("KWD", 5_120, 5_120),
        ("ISK", 5, 500),
        ("UGX", 5, 500),
        ("RSD", 7, 700),
    ],
)
def test_amounts_are_counted_as_stripe_counts(currency: str, ours: int, theirs: int) -> None:
    assert (to_stripe(ours, currency), from_stripe(theirs, currency)) == (ours and theirs, ours)


def test_amounts_that_stripe_can_t_take() -> None:
    with pytest.raises(ProviderFailed):
        to_stripe(5_124, "KWD")
    with pytest.raises(BadNotice):
        from_stripe(501, "ISK")


def test_declines_are_told_in_words_that_there_are() -> None:
    for reason in set(DECLINES.values()):
        Notice("e", "failed", reference="r", reason=reason)
