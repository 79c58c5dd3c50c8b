"""Money that goes back: the customer asks, an operator decides and sends it. Rules 20 and 21."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

import billing.sql
from billing import refunds
from billing.book import open_book
from billing.ledger import Book
from billing.money import LARGEST, digits
from billing.refunds import Refund
from billing.trackers import rehearsed
from dashboards import auth, sql
from dashboards.api import answers
from dashboards.api.parameters import LARGEST_POSITION_ID, Body, EventId, Note, Page, Paged, Reason
from dashboards.idempotency import Once
from dashboards.payment_shapes import OperatorRefundOut, RefundOut, WithdrawalOut, from_refund, operator_refund
from dashboards.state import Shared, State

router = APIRouter(prefix="/api/billing", tags=["Refunds"])
AT_ONCE = 200  # refunds in one answer, with their parts


class NewRefund(Body):
    amount: Annotated[int, Field(strict=True, gt=0, le=LARGEST, description="minor units")]
    comment: Note = ""


class Withdrawal(Body):
    comment: Note = ""


class Rejection(Body):
    reason: Reason


class Sent(Body):
    """`paymentId`: of the part; without, all parts that an operator has to send."""

    reference: Annotated[Reason, Field(max_length=200)]
    payment_id: Annotated[int, Field(strict=True, ge=1, le=LARGEST_POSITION_ID)] | None = None


# --- the customer's


@router.post("/refunds", responses=answers.shaped(RefundOut))
async def ask(new: NewRefund, account_id: auth.Account, once: Once) -> Response:
    """What was paid and isn't used; it is set aside at once, and an operator sends it back by the way it came."""
    async with once.book(account_id) as book:
        made = await refunds.request(book, new.amount, new.comment)
        await _note(once, book, made, "refund.requested", {"comment": new.comment})
        return await once.keep(book.connection, from_refund(made))


@router.get("/refunds", responses=answers.shaped(list[RefundOut]))
async def list_refunds(account_id: auth.Account, shared: Shared, page: Paged, request: Request) -> Response:
    """The newest first."""
    found, headers, _ = await _found(shared, page, request, account_id=account_id)
    return await answers.listed(found, from_refund, headers)


@router.post("/refunds/{refund_id}/cancel", responses=answers.shaped(RefundOut))
async def cancel(refund_id: EventId, account_id: auth.Account, once: Once) -> Response:
    """As long as nobody has decided on it. The money is at hand again."""
    async with once.book(account_id) as book:
        await refunds.cancel(book, refund_id)
        made = await refunds.refund(book.connection, refund_id)
        await _note(once, book, made, "refund.cancelled")
        return await once.keep(book.connection, from_refund(made))


@router.post("/withdrawal/preview", responses=answers.shaped(WithdrawalOut))
async def preview_withdrawal(account_id: auth.Account, shared: Shared, once: Once) -> Response:
    """What withdrawing would do; nothing is done."""
    async with open_book(shared.server.database, account_id, user_id=once.viewer.user_id) as book:
        async with rehearsed(book):
            shape, _ = await _withdrawn(book, "")
        return answers.json(shape)


@router.post("/withdrawal", responses=answers.shaped(WithdrawalOut))
async def withdraw(account_id: auth.Account, once: Once, withdrawal: Withdrawal | None = None) -> Response:
    """Within 14 days of the first payment: the account goes to Free, its charges are reversed, what was paid is given back."""
    async with once.book(account_id) as book:
        shape, made = await _withdrawn(book, withdrawal.comment if withdrawal else "")
        await _note(once, book, made, "account.withdrawn", {"reversed": shape.reversed})
        return await once.keep(book.connection, shape)


async def _withdrawn(book: Book, comment: str) -> tuple[WithdrawalOut, Refund]:
    before = book.balance
    made, outcome = await refunds.withdraw(book, comment)
    back = book.balance + made.amount - before
    return WithdrawalOut(made.amount, made.currency, digits(made.currency), back, book.balance, outcome.unblocked), made


# --- the operator's


@router.get("/operator/refunds", responses=answers.shaped(list[OperatorRefundOut]))
async def all_refunds(
    _: auth.Administrator,
    shared: Shared,
    page: Paged,
    request: Request,
    open: Annotated[bool, Query(description="requested, or being paid")] = False,
    account_id: Annotated[int | None, Query(alias="accountId", ge=1, le=2**31 - 1)] = None,
) -> Response:
    found, headers, parts = await _found(shared, page, request, open=open, account_id=account_id)
    return await answers.listed(found, lambda row: operator_refund(row, parts), headers)


@router.post("/operator/refunds/{refund_id}/approve", responses=answers.shaped(OperatorRefundOut))
async def approve(refund_id: EventId, _: auth.Administrator, shared: Shared, once: Once) -> Response:
    """It goes back by the way it came, the newest payments first; providers are asked at once, what came by bank or was paid over
    the counter waits to be marked as paid. Once more: parts that failed are tried again."""
    before = await _refund(shared, refund_id)
    async with once.alone():
        async with open_book(shared.server.database, before.account_id, user_id=once.viewer.user_id) as book:
            await refunds.approve(book, refund_id)
            await _note(once, book, before, "refund.approved" if before.state == "requested" else "refund.retried")
        await refunds.pay(shared.server.database, shared.billing.providers, refund_id)
        async with once.transaction() as connection:
            return await once.keep(connection, await _shaped(connection, refund_id))


@router.post("/operator/refunds/{refund_id}/reject", responses=answers.shaped(OperatorRefundOut))
async def reject(refund_id: EventId, rejection: Rejection, _: auth.Administrator, shared: Shared, once: Once) -> Response:
    """The money is the customer's again; of a refund that is being paid, what couldn't be."""
    before = await _refund(shared, refund_id)
    async with once.book(before.account_id) as book:
        outcome = await refunds.reject(book, refund_id, rejection.reason)
        await _note(once, book, before, "refund.rejected", {"reason": rejection.reason, "charged": outcome.total})
        return await once.keep(book.connection, await _shaped(book.connection, refund_id))


@router.post("/operator/refunds/{refund_id}/paid", responses=answers.shaped(OperatorRefundOut))
async def paid(refund_id: EventId, sent: Sent, _: auth.Administrator, shared: Shared, once: Once) -> Response:
    """An operator has sent a part, or all that no program sends: by bank, over the counter, in the provider's office."""
    before = await _refund(shared, refund_id)
    async with once.book(before.account_id) as book:
        await refunds.paid_by_hand(book, refund_id, sent.payment_id, sent.reference)
        await _note(once, book, before, "refund.paid", {"reference": sent.reference, "payment": sent.payment_id})
        return await once.keep(book.connection, await _shaped(book.connection, refund_id))


# ---


async def _found(
    shared: State, page: Page, request: Request, **which: Any
) -> tuple[list[Refund], dict[str, str], list[refunds.Part]]:
    page = replace(page, limit=min(page.limit, AT_ONCE))
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        counted = {"account_id": None, "open": False, "state": None, **which}
        total = await billing.sql.value(connection, "refunds_count", **counted)
        found = await refunds.refunds(connection, **which, limit=page.limit, offset=page.offset)
        parts = await refunds.parts(connection, [row.id for row in found])
    return found, page.headers(total, request), parts


async def _refund(shared: State, refund_id: int) -> Refund:
    async with shared.server.database.pool.connection(timeout=sql.WAIT_S) as connection:
        return await refunds.refund(connection, refund_id)


async def _shaped(connection: Any, refund_id: int) -> OperatorRefundOut:
    return operator_refund(await refunds.refund(connection, refund_id), await refunds.parts(connection, [refund_id]))


async def _note(once: Once, book: Book, refund: Refund, action: str, more: dict[str, Any] | None = None) -> None:
    details = {"amount": refund.amount, "currency": refund.currency, **(more or {})}
    await once.actor.note(book.connection, action, account_id=refund.account_id, subject=f"refund {refund.id}", details=details)
