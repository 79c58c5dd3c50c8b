"""Payments as they are kept: rows of the table, and the facts they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from billing import sql
from billing.errors import Refused
from billing.ledger import Book
from billing.payments.provider import Payment
from billing.payments.states import Dispute, Known


async def payments(
    connection: AsyncConnection[Any],
    *,
    id: int | None = None,
    reference: UUID | None = None,
    provider: str | None = None,
    provider_id: str | None = None,
    account_id: int | None = None,
    state: str | None = None,
    flagged: bool = False,
    limit: int = 100,
    offset: int = 0,
) -> list[Payment]:
    """Those that fit all that is given, the newest first."""
    return await sql.rows(
        connection, "payments", Payment, id=id, reference=reference, provider=provider, provider_id=provider_id,
        account_id=account_id, state=state, flagged=flagged, limit=limit, offset=offset,
    )  # fmt: skip


def reference_of(text: str | None) -> UUID | None:
    """None for what is no reference of ours."""
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        return None


async def payment(connection: AsyncConnection[Any], payment_id: int, *, account_id: int | None = None) -> Payment:
    """Raises Refused: no_payment."""
    found = await payments(connection, id=payment_id, account_id=account_id, limit=1)
    if not found:
        raise Refused("no_payment", "There is no such payment.")
    return found[0]


async def locked(book: Book, payment_id: int) -> Payment:
    """The payment as it is now, until the book is closed nobody else's. Raises Refused: no_payment."""
    await sql.value(book.connection, "lock_payment", id=payment_id)
    return await payment(book.connection, payment_id, account_id=book.account_id)


@dataclass(frozen=True, slots=True)
class Standing:
    """A row of `account_payments.sql`: a payment that brought money."""

    id: int
    provider: str
    amount: int
    currency: str
    received: int | None
    refunded: int
    provider_id: str | None
    state: str
    reason: str | None
    flagged: str | None
    attributes: dict[str, Any]
    entry_id: int | None
    given: int  # of it, by us
    ours: int  # the same, and what we are about to give back
    reversed: bool  # an operator has taken the top-up back

    @property
    def available(self) -> int:
        """What of it can still be given back."""
        if self.reversed:
            return 0
        known = known_of(self)
        return max(0, known.credit - known.outside(self.ours) - self.ours - known.disputed)


async def standing(connection: AsyncConnection[Any], account_id: int, payment_id: int | None = None) -> list[Standing]:
    """The account's payments that brought money, the newest first."""
    return await sql.rows(connection, "account_payments", Standing, account_id=account_id, payment_id=payment_id)


def known_of(row: Payment | Standing) -> Known:
    """The facts that a row stands for."""
    kept = row.attributes
    received = row.received if row.received is not None else row.amount if row.entry_id is not None else None
    return Known(
        asked=row.amount,
        currency=row.currency,
        progress=kept.get("progress", "created"),
        reason=row.reason,
        provider_id=row.provider_id,
        received=received,
        received_currency=None if received is None else kept.get("receivedCurrency", row.currency),
        returned=row.refunded,
        disputes={name: Dispute(one["amount"], one["state"]) for name, one in kept.get("disputes", {}).items()},
        flags=frozenset((row.flagged or "").split()),
    )


async def save(book: Book, before: Payment, known: Known, *, entry_id: int | None, attributes: dict[str, Any]) -> None:
    """What is known now; `attributes` are what was posted besides, see `receive.settle`."""
    kept = {**before.attributes, **attributes}
    if known.progress != "created":
        kept["progress"] = known.progress
    if known.received_currency not in (None, known.currency):
        kept["receivedCurrency"] = known.received_currency
    if known.disputes:
        kept["disputes"] = {name: {"amount": one.amount, "state": one.state} for name, one in known.disputes.items()}
    await sql.run(
        book.connection,
        "update_payment",
        id=before.id,
        amount=known.asked,
        state=known.state,
        reason=known.reason,
        flagged=" ".join(sorted(known.flags)) or None,
        received=known.received
        if known.received != known.asked or known.received_currency != known.currency
        else before.received,
        refunded=min(known.returned, known.asked),
        provider_id=known.provider_id,
        entry_id=entry_id,
        attributes=Jsonb(kept),
        paid_at=before.paid_at or (book.now if known.credit else None),
        now=book.now,
    )


@dataclass(frozen=True, slots=True)
class Event:
    """A row of `events_of.sql` and `unknown_events.sql`."""

    id: int
    provider: str
    event_id: str
    kind: str
    body: dict[str, Any]
    outcome: str
    at: datetime


async def events_of(connection: AsyncConnection[Any], payment_id: int) -> list[Event]:
    return await sql.rows(connection, "events_of", Event, payment_id=payment_id)


async def unknown_events(
    connection: AsyncConnection[Any],
    *,
    id: int | None = None,
    provider: str | None = None,
    provider_id: str | None = None,
    reference: str | None = None,
    limit: int = 100,
) -> list[Event]:
    """Words about payments that we don't know."""
    return await sql.rows(
        connection, "unknown_events", Event, id=id, provider=provider, provider_id=provider_id, reference=reference, limit=limit
    )
