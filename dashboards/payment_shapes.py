"""What the API gives of payments, refunds and bank statements. Amounts are whole minor units of `currency`."""

from __future__ import annotations

from datetime import date
from typing import Any

from billing.money import digits
from billing.numbers import account_number
from billing.payments.bank import BankLine, Imported, Preview, Seen
from billing.payments.provider import Payment
from billing.payments.table import Event
from billing.refunds import Part, Refund
from billing.trackers import Outcome
from dashboards.shapes import Shape, instant

PAGE_STATES = ("created", "pending", "failed", "expired")  # in which one may still go to the page


class ProviderOut(Shape, frozen=True):
    name: str
    title: str


class PaymentOut(Shape, frozen=True):
    """`reason`, where it failed: not_enough_money, limit, wrong_data, expired_card, not_for_internet, not_authenticated,
    cancelled, unavailable or other."""

    id: int
    reference: str
    account_id: int
    provider: str
    amount: int
    currency: str
    digits: int
    state: str
    reason: str | None
    received: int | None  # where it isn't what was asked
    refunded: int
    page_url: str | None  # where it is paid
    created_at: str
    paid_at: str | None


class OperatorPaymentOut(PaymentOut, frozen=True):
    account_name: str | None  # null: it is gone
    account_number: str
    provider_id: str | None
    flagged: list[str]  # why an operator should look at it
    note: str | None
    entry_id: int | None


class PaymentEventOut(Shape, frozen=True):
    """A provider's word, and what became of it."""

    id: int
    provider: str
    event_id: str
    kind: str
    outcome: str
    at: str
    body: dict[str, Any]


class PartOut(Shape, frozen=True):
    payment_id: int
    provider: str
    amount: int
    state: str
    by_hand: bool  # an operator sends it, and marks it as paid
    provider_id: str | None
    reason: str | None


class RefundOut(Shape, frozen=True):
    id: int
    account_id: int
    kind: str  # balance or withdrawal
    amount: int
    currency: str
    digits: int
    state: str
    comment: str
    reason: str | None
    created_at: str
    decided_at: str | None


class OperatorRefundOut(RefundOut, frozen=True):
    account_name: str | None
    account_number: str
    parts: list[PartOut]


class WithdrawalOut(Shape, frozen=True):
    """What withdrawing from the contract does, or would do."""

    amount: int  # given back
    currency: str
    digits: int
    reversed: int  # charges taken back
    balance: int  # that stays: a bonus
    unblocked: list[str]


class CreditOut(Shape, frozen=True):
    payment: OperatorPaymentOut
    balance: int
    charged: int
    unblocked: list[str]


class BankLineOut(Shape, frozen=True):
    id: int
    fingerprint: str
    day: date
    amount: int
    currency: str
    digits: int
    payer: str
    details: str
    account_id: int | None
    account_name: str | None
    payment_id: int | None  # null: nobody's yet


class SeenOut(Shape, frozen=True):
    """A line of a file. `what`: matched, unmatched, known (taken before) or other_currency."""

    line: int  # of the file
    fingerprint: str
    day: date
    amount: int
    currency: str
    digits: int
    payer: str
    details: str
    what: str
    account_id: int | None
    account_name: str | None


class UnreadOut(Shape, frozen=True):
    line: int
    reason: str


class BankPreviewOut(Shape, frozen=True):
    columns: dict[str, str]  # what was found under which heading
    lines: list[SeenOut]
    problems: list[UnreadOut]
    left_out: int  # lines of money that left
    totals: dict[str, int]  # to be credited, by currency


class ImportOut(Shape, frozen=True):
    credited: int
    amounts: dict[str, int]  # by currency
    kept: int  # to be assigned by hand
    known: int  # taken before
    refused: int  # of another currency than the account's; they are kept, too
    left: int  # time was up: send the same file again, with a new key


def from_payment(row: Payment) -> PaymentOut:
    return PaymentOut(**_payment(row))


def operator_payment(row: Payment) -> OperatorPaymentOut:
    return OperatorPaymentOut(
        **_payment(row),
        account_name=row.account_name,
        account_number=account_number(row.account_id),
        provider_id=row.provider_id,
        flagged=(row.flagged or "").split(),
        note=row.note,
        entry_id=row.entry_id,
    )


def _payment(row: Payment) -> dict[str, Any]:
    return {
        "id": row.id,
        "reference": str(row.reference),
        "account_id": row.account_id,
        "provider": row.provider,
        "amount": row.amount,
        "currency": row.currency,
        "digits": digits(row.currency),
        "state": row.state,
        "reason": row.reason if row.state == "failed" else None,
        "received": row.received,
        "refunded": row.refunded,
        "page_url": row.page_url if row.state in PAGE_STATES else None,
        "created_at": instant(row.created_at),
        "paid_at": None if row.paid_at is None else instant(row.paid_at),
    }


def from_event(row: Event) -> PaymentEventOut:
    return PaymentEventOut(row.id, row.provider, row.event_id, row.kind, row.outcome, instant(row.at) or "", row.body)


def from_refund(row: Refund) -> RefundOut:
    return RefundOut(**_refund(row))


def operator_refund(row: Refund, parts: list[Part]) -> OperatorRefundOut:
    return OperatorRefundOut(
        **_refund(row),
        account_name=row.account_name,
        account_number=account_number(row.account_id),
        parts=[
            PartOut(
                part.payment_id,
                part.provider,
                part.amount,
                part.state,
                part.state != "paid" and not part.under_way,
                part.provider_id,
                part.reason,
            )
            for part in parts
            if part.refund_id == row.id
        ],
    )


def _refund(row: Refund) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": row.account_id,
        "kind": row.kind,
        "amount": row.amount,
        "currency": row.currency,
        "digits": digits(row.currency),
        "state": row.state,
        "comment": row.comment,
        "reason": row.reason,
        "created_at": instant(row.created_at),
        "decided_at": None if row.decided_at is None else instant(row.decided_at),
    }


def credited(row: Payment, outcome: Outcome, balance: int) -> CreditOut:
    return CreditOut(operator_payment(row), balance, outcome.total, outcome.unblocked)


def from_line(row: BankLine) -> BankLineOut:
    return BankLineOut(
        row.id,
        row.fingerprint,
        row.day,
        row.amount,
        row.currency,
        digits(row.currency),
        row.payer,
        row.details,
        row.account_id,
        row.account_name,
        row.payment_id,
    )


def from_preview(shown: Preview) -> BankPreviewOut:
    totals: dict[str, int] = {}
    for seen in shown.lines:
        if seen.what == "matched":
            totals[seen.line.currency] = totals.get(seen.line.currency, 0) + seen.line.amount
    problems = [UnreadOut(line, reason) for line, reason in shown.statement.problems]
    lines = [_seen(one) for one in shown.lines]
    return BankPreviewOut(shown.statement.columns, lines, problems, shown.statement.left_out, totals)


def _seen(one: Seen) -> SeenOut:
    line, account = one.line, one.account
    return SeenOut(
        line.no,
        line.fingerprint,
        line.day,
        line.amount,
        line.currency,
        digits(line.currency),
        line.payer,
        line.details,
        one.what,
        None if account is None else account.id,
        None if account is None else account.name,
    )


def from_import(done: Imported) -> ImportOut:
    return ImportOut(done.credited, done.amount, done.kept, done.known, done.refused, done.left)
