"""Money that no program tells us of: bank transfers and cash, entered by an operator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from billing import sql
from billing.errors import Refused
from billing.ledger import Book
from billing.money import LARGEST, shown
from billing.payments import table
from billing.payments.provider import Payment
from billing.payments.receive import settle
from billing.payments.states import Known
from billing.trackers import Outcome

Way = Literal["bank", "cash"]


async def enter(
    book: Book,
    way: Way,
    amount: int,
    *,
    reference: str = "",
    note: str = "",
    request: UUID | None = None,
    attributes: dict[str, Any] | None = None,
) -> tuple[Payment, Outcome]:
    """Credit it at once. `reference`: the bank's number of the transfer, or the receipt's; the same one is taken once.

    `request` names the request that it is done by, so that it is done once. Raises Refused: bad_amount, known_reference.
    """
    if not 0 < amount <= LARGEST:
        raise Refused("bad_amount", "The amount must be above zero.")
    try:
        async with book.connection.transaction():
            payment_id = await sql.value(
                book.connection,
                "add_payment",
                reference=request,
                account_id=book.account_id,
                provider=way,
                provider_id=reference or None,
                amount=amount,
                currency=book.currency,
                user_id=book.user_id,
                note=note or None,
                now=book.now,
            )
    except UniqueViolation:
        known = await table.payments(book.connection, provider=way, provider_id=reference, limit=1)
        whose = f", {shown(known[0].amount, known[0].currency)} on {known[0].created_at:%Y-%m-%d}" if known else ""
        raise Refused("known_reference", f"{reference} was entered already{whose}: each is counted once.") from None
    payment = await table.locked(book, payment_id)
    known_as = Known(amount, book.currency, provider_id=payment.provider_id, received=amount, received_currency=book.currency)
    if attributes:
        payment = replace(payment, attributes={**payment.attributes, **attributes})
    outcome = await settle(book, payment, known_as)
    return await table.payment(book.connection, payment_id), outcome


async def accept(book: Book, payment_id: int) -> tuple[Payment, Outcome]:
    """What came isn't what was asked, and counts all the same. Raises Refused: no_payment, not_mismatched, other_currency,
    given_back."""
    payment = await table.locked(book, payment_id)
    known = table.known_of(payment)
    if known.state != "mismatched":
        raise Refused("not_mismatched", f"The payment is {payment.state}: there is nothing to accept.")
    if known.received_currency != known.currency:
        raise Refused(
            "other_currency",
            f"It came in {known.received_currency}, the account's money is {known.currency}: give it back at the provider.",
        )
    if known.returned >= known.asked:  # and perhaps more: no more of it is kept than was asked
        raise Refused("given_back", "It was given back at the provider already: there is nothing to accept.")
    outcome = await settle(book, payment, known.accepting())
    return await table.payment(book.connection, payment_id), outcome


async def dismiss(connection: AsyncConnection[Any], payment_id: int) -> Payment:
    """An operator has seen to what was flagged. Raises Refused: no_payment, not_flagged."""
    if not await sql.run(connection, "dismiss_payment", id=payment_id):
        payment = await table.payment(connection, payment_id)
        raise Refused("not_flagged", f"The payment is {payment.state} and nothing about it waits for you.")
    return await table.payment(connection, payment_id)
