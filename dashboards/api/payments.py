"""Payments: a customer pays on a provider's page, the provider calls back, an operator enters what came by bank or was paid over
the counter and looks at what is flagged. Refunds are in `refunds.py`, bank statements in `bank.py`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Path, Query, Request, Response
from psycopg.types.json import Jsonb
from pydantic import Field

import billing.sql
from billing.money import LARGEST
from billing.numbers import account_number
from billing.payments import by_hand, table
from billing.payments.begin import begin
from billing.payments.provider import BadNotice, BadSignature, Payment, ProviderFailed, ProviderUnavailable
from billing.payments.receive import receive
from dashboards import auth, callbacks, sql
from dashboards.api import answers
from dashboards.api.parameters import Body, EventId, Note, Page, Paged, PathId, Reason
from dashboards.idempotency import Once
from dashboards.identity import client_address
from dashboards.payment_shapes import (
    CreditOut,
    OperatorPaymentOut,
    PaymentEventOut,
    PaymentOut,
    ProviderOut,
    credited,
    from_event,
    from_payment,
    operator_payment,
)
from dashboards.problems import Problem, not_found
from dashboards.state import Shared, State
from telematics.store.repair import clean_text

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/api/billing", tags=["Payments"])
Amount = Annotated[int, Field(strict=True, gt=0, le=LARGEST, description="minor units")]
Flagged = Annotated[bool, Query(description="only those that an operator should look at")]
Known = Annotated[str, Path(pattern="^[a-z][a-z0-9_-]{0,30}$")]
PaymentState = Literal["created", "pending", "paid", "failed", "expired", "mismatched", "refunded", "disputed", "lost"]
AT_ONCE = 500  # payments in one answer
TITLES = {"en": "Top-up of account {}", "ru": "Пополнение счёта {}", "kk": "{} шотын толтыру"}  # on the provider's page


class NewPayment(Body):
    amount: Amount
    provider: Annotated[str, Field(max_length=31)]


class NewCredit(Body):
    """Money that came by bank or was paid over the counter. `reference` is taken once: the transfer's, or the receipt's."""

    way: Literal["bank", "cash"]
    amount: Amount
    reference: Annotated[Note, Field(max_length=200)] = ""
    note: Note = ""


class Seen(Body):
    reason: Reason


# --- the customer's


@router.get("/payments/providers", responses=answers.shaped(list[ProviderOut]))
async def providers(account_id: auth.Account, shared: Shared) -> Response:
    """The ways to pay that take the account's currency."""
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        currency = await billing.sql.value(connection, "currency_of", account_id=account_id)
    found = shared.billing.providers.offered(currency) if currency else []
    return answers.json([ProviderOut(one.name, one.title) for one in found])


@router.post("/payments", responses=answers.shaped(PaymentOut))
async def pay(new: NewPayment, account_id: auth.Account, shared: Shared, once: Once, request: Request) -> Response:
    """Begin to pay: send the customer to `pageUrl`. They come back to /billing/payments/REFERENCE; what has become of it the
    provider says by its callback, and GET /api/billing/payments/REFERENCE."""
    viewer, language = once.viewer, once.viewer.language or "en"
    base = shared.server.settings.public_url or str(request.base_url).rstrip("/")
    async with once.alone():
        try:
            made = await begin(
                shared.server.database,
                shared.billing.providers,
                account_id,
                provider=new.provider,
                amount=new.amount,
                reference=once.reference,
                return_url=f"{base}/billing/payments/{once.reference}",
                language=language,
                title=TITLES.get(language, TITLES["en"]).format(account_number(account_id)),
                user_id=viewer.user_id,
            )
        except ProviderUnavailable:
            raise Problem(503, "The payment provider doesn't answer", "Try again in a minute, or pay another way.") from None
        except ProviderFailed as error:
            raise Problem(502, "The payment provider refused", error.reason) from None
        async with once.transaction() as connection:
            details = {"amount": made.amount, "currency": made.currency, "provider": made.provider}
            await once.actor.note(
                connection, "payment.begun", account_id=account_id, subject=f"payment {made.id}", details=details
            )
            return await once.keep(connection, from_payment(made))


@router.get("/payments", responses=answers.shaped(list[PaymentOut]))
async def list_payments(account_id: auth.Account, shared: Shared, page: Paged, request: Request) -> Response:
    """The newest first."""
    return await _listed(shared, page, request, from_payment, account_id=account_id)


@router.get("/payments/{reference}", responses=answers.shaped(PaymentOut))
async def get_payment(reference: str, account_id: auth.Account, shared: Shared) -> Response:
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        found = await table.payments(connection, reference=table.reference_of(reference), account_id=account_id, limit=1)
    if table.reference_of(reference) is None or not found:
        raise not_found("payment")
    return answers.json(from_payment(found[0]))


# --- the provider's


@router.post("/payments/callback/{provider}", openapi_extra={"security": []})
async def callback(provider: Known, request: Request, shared: Shared) -> Response:
    """A provider says what has become of a payment. Signed: see docs/payments.md. 200: it is kept, and need not be said again."""
    speaker = shared.billing.providers.get(provider)
    if speaker is None:
        raise not_found("provider")
    body = await callbacks.body_of(request)
    try:
        notices = speaker.verify({name.lower(): value for name, value in request.headers.items()}, body)
    except BadSignature as error:
        if shared.callbacks.stranger(client_address(request)):
            log.warning("a callback with a wrong signature", provider=provider, address=client_address(request))
        raise Problem(401, "The signature is wrong", str(error)) from None
    except BadNotice as error:
        await _unreadable(shared, provider, body, str(error))
        raise Problem(400, "The callback can't be read", str(error)) from None
    try:
        async with asyncio.timeout(callbacks.WAIT_S):
            await shared.callbacks.turn.acquire()
    except TimeoutError:
        raise Problem(503, "Too many callbacks at once", "Say it again.", {"Retry-After": "10"}) from None
    try:
        for notice in notices:
            await receive(shared.server.database, provider, notice)
    finally:
        shared.callbacks.turn.release()
    return answers.json({"received": True})


async def _unreadable(shared: State, provider: str, body: bytes, reason: str) -> None:
    """Rightly signed, so that somebody should know of it; kept once however often it comes."""
    log.warning("a callback can't be read", provider=provider, reason=reason)
    said = clean_text(body[:4096].decode(errors="replace"))
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        await billing.sql.run(
            connection,
            "add_unreadable",
            provider=provider,
            event_id=hashlib.sha256(body).hexdigest(),
            body=Jsonb({"said": said}),
            outcome=f"unreadable: {reason}"[:1000],
        )


# --- the operator's


@router.post("/operator/accounts/{account_id}/topup", responses=answers.shaped(CreditOut))
async def credit(account_id: PathId, new: NewCredit, _: auth.Administrator, once: Once) -> Response:
    """Credited at once."""
    async with once.book(account_id) as book:
        made, outcome = await by_hand.enter(
            book, new.way, new.amount, reference=new.reference, note=new.note, request=once.reference
        )
        details = {"way": new.way, "amount": new.amount, "currency": book.currency, "reference": new.reference, "note": new.note}
        await once.actor.note(
            book.connection, "payment.entered", account_id=account_id, subject=f"payment {made.id}", details=details
        )
        return await once.keep(book.connection, credited(made, outcome, book.balance))


@router.get("/operator/payments", responses=answers.shaped(list[OperatorPaymentOut]))
async def all_payments(
    _: auth.Administrator,
    shared: Shared,
    page: Paged,
    request: Request,
    flagged: Flagged = False,
    state: PaymentState | None = None,
    provider: Annotated[str | None, Query(max_length=31)] = None,
    account_id: Annotated[int | None, Query(alias="accountId", ge=1, le=2**31 - 1)] = None,
) -> Response:
    which = {"flagged": flagged, "state": state, "provider": provider, "account_id": account_id}
    return await _listed(shared, page, request, operator_payment, **which)


@router.get("/operator/payments/unknown", responses=answers.shaped(list[PaymentEventOut]))
async def unknown(_: auth.Administrator, shared: Shared) -> Response:
    """What providers said of payments that nobody knows, or that can't be read; the newest hundred."""
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        found = await billing.sql.rows(connection, "unread_events", table.Event, limit=100)
    return answers.json([from_event(row) for row in found])


@router.post("/operator/payments/unknown/{event_id}/dismiss", responses=answers.shaped(PaymentEventOut))
async def dismiss_unknown(event_id: EventId, seen: Seen, _: auth.Administrator, once: Once) -> Response:
    """An operator has seen to it, at the provider or by entering the money by hand."""
    async with once.transaction() as connection:
        found = await billing.sql.row(connection, "dismiss_event", table.Event, id=event_id, outcome=f"dismissed: {seen.reason}")
        if found is None:
            raise not_found("callback")
        await once.actor.note(
            connection, "callback.dismissed", account_id=None, subject=f"callback {event_id}", details={"reason": seen.reason}
        )
        return await once.keep(connection, from_event(found))


@router.get("/operator/payments/{payment_id}/events", responses=answers.shaped(list[PaymentEventOut]))
async def events(payment_id: EventId, _: auth.Administrator, shared: Shared) -> Response:
    """What the provider said of a payment, in order."""
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        await table.payment(connection, payment_id)
        found = await table.events_of(connection, payment_id)
    return answers.json([from_event(row) for row in found])


@router.post("/operator/payments/{payment_id}/accept", responses=answers.shaped(CreditOut))
async def accept(payment_id: EventId, seen: Seen, _: auth.Administrator, shared: Shared, once: Once) -> Response:
    """What came isn't what was asked, and is credited all the same."""
    payment = await _payment(shared, payment_id)
    async with once.book(payment.account_id) as book:
        made, outcome = await by_hand.accept(book, payment_id)
        details = {"asked": payment.amount, "received": made.amount, "currency": book.currency, "reason": seen.reason}
        await once.actor.note(
            book.connection, "payment.accepted", account_id=book.account_id, subject=f"payment {payment_id}", details=details
        )
        return await once.keep(book.connection, credited(made, outcome, book.balance))


@router.post("/operator/payments/{payment_id}/dismiss", responses=answers.shaped(OperatorPaymentOut))
async def dismiss(payment_id: EventId, seen: Seen, _: auth.Administrator, shared: Shared, once: Once) -> Response:
    """An operator has seen to what was flagged; no money moves."""
    before = await _payment(shared, payment_id)
    async with once.transaction() as connection:
        made = await by_hand.dismiss(connection, payment_id)
        details = {"flagged": before.flagged, "reason": seen.reason}
        await once.actor.note(
            connection, "payment.dismissed", account_id=made.account_id, subject=f"payment {payment_id}", details=details
        )
        return await once.keep(connection, operator_payment(made))


async def _listed(shared: State, page: Page, request: Request, shape: Callable[[Payment], object], **which: Any) -> Response:
    page = replace(page, limit=min(page.limit, AT_ONCE))
    counted = {"account_id": None, "provider": None, "state": None, "flagged": False, **which}
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        total = await billing.sql.value(connection, "payments_count", **counted)
        found = await table.payments(connection, **which, limit=page.limit, offset=page.offset)
    return await answers.listed(found, shape, page.headers(total, request))


async def _payment(shared: State, payment_id: int) -> Payment:
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        return await table.payment(connection, payment_id)
