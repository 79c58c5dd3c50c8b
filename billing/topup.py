"""Money comes in, and mistakes are put right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from billing import sql
from billing.errors import Refused
from billing.ledger import Book, Line
from billing.payments.table import standing
from billing.trackers import Outcome, pay_blocked

REVERSIBLE = ("topup", "bonus", "connection", "daily", "sms")


@dataclass(frozen=True, slots=True)
class LineRow:
    """A row of `entry_lines.sql`."""

    kind: str  # of the entry
    day: date
    no: int
    ledger: str
    name: str
    tracker_id: int | None
    version_id: int | None
    amount: int
    reversed: bool
    settled: bool  # an SMS that was sent


async def top_up(
    book: Book,
    amount: int,
    *,
    way: str,
    key: str,
    kind: str = "topup",
    memo: str | None = None,
    attributes: dict[str, Any] | None = None,
) -> tuple[int, Outcome]:
    """Money at hand, and the trackers that it pays for work again. `way`: by which it came; a bonus comes from the provider."""
    source = "bonus" if kind == "bonus" else f"clearing:{way}"
    entry_id = await book.post(kind, [Line("customer", amount), Line(source, -amount)], key=key, memo=memo, attributes=attributes)
    return entry_id, await pay_blocked(book)


async def reverse(book: Book, entry_id: int, *, nos: Sequence[int] | None, memo: str, key: str) -> tuple[int, Outcome]:
    """Take back an entry of the account, or some lines of it; money that comes back by it unblocks as a top-up does.

    Raises Refused: no_entry, not_reversible, already_reversed, given_back; NotEnoughMoney.
    """
    lines = await sql.rows(book.connection, "entry_lines", LineRow, account_id=book.account_id, entry_id=entry_id)
    own = [line for line in lines if line.ledger == "customer"]
    if not own or not {*(nos or ())} <= {line.no for line in own}:
        raise Refused("no_entry", "There is no such entry, or it has no such line.")
    if own[0].kind not in REVERSIBLE or (own[0].kind == "sms" and not own[0].settled):
        raise Refused("not_reversible", f"An entry of the kind {own[0].kind} can't be reversed.")
    wanted = [line for line in own if (line.no in nos if nos is not None else not line.reversed)]
    if not wanted or any(line.reversed for line in wanted):
        raise Refused("already_reversed", "That is reversed already.")
    payment = next((row for row in await standing(book.connection, book.account_id) if row.entry_id == entry_id), None)
    if payment is not None and payment.available < payment.amount:
        raise Refused(
            "given_back",
            "Some of this payment went back to the customer, is on its way there or is disputed: it would be taken twice.",
            left=payment.available,
        )
    amount = -sum(line.amount for line in wanted)
    other = next(line for line in lines if line.ledger != "customer")
    source = "revenue" if own[0].kind == "sms" else f"{other.ledger}:{other.name}" if other.name else other.ledger
    back = [Line("customer", -line.amount, line.tracker_id, line.version_id, line.no) for line in wanted]
    entry = await book.post("reversal", [*back, Line(source, -amount)], key=key, reverses=entry_id, memo=memo)
    return entry, await pay_blocked(book) if amount > 0 else Outcome()
