"""Trackers as they are paid for: connections, days, blocks. All of it through the account's open book."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from uuid import uuid4

from psycopg import AsyncConnection

from billing import sql
from billing.errors import NotEnoughMoney, Refused
from billing.ledger import Book, Line
from billing.rules import covered_until

What = Literal["connection", "daily"]


@dataclass(frozen=True, slots=True)
class Tracker:
    """A row of `trackers.sql`."""

    id: int
    device_id: int
    unique_id: str
    name: str
    connected_at: datetime
    connection_due: bool
    covered_until: date | None  # the last day that its connection paid for
    test: bool
    blocked: Literal["administrator", "owner", "unpaid"] | None  # the gravest
    unpaid: What | None  # what couldn't be paid
    owner_since: datetime | None
    owner_reason: str
    administrator_since: datetime | None
    administrator_reason: str
    blocked_since: datetime | None
    charged: bool  # for the day asked about

    @property
    def reason(self) -> str:
        """Whoever blocked it said."""
        return self.administrator_reason or self.owner_reason


@dataclass(frozen=True, slots=True)
class Charge:
    device_id: int
    name: str
    what: What
    amount: int


@dataclass(slots=True)
class Outcome:
    """What was charged, and whom it blocked or freed, by name."""

    charges: list[Charge] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    unblocked: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(charge.amount for charge in self.charges)

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.charges + other.charges, self.blocked + other.blocked, self.unblocked + other.unblocked)


@asynccontextmanager
async def rehearsed(book: Book) -> AsyncIterator[None]:
    """Whatever is done inside is taken back at its end: previews are the real thing."""
    tariff, balance = book.tariff, book.balance
    try:
        async with book.connection.transaction(force_rollback=True):
            yield
    finally:
        book.tariff, book.balance = tariff, balance


async def trackers(
    connection: AsyncConnection[Any],
    account_id: int,
    day: date,
    *,
    device_id: int | None = None,
    due: bool = False,
    unpaid: bool = False,
) -> list[Tracker]:
    """An account's, in the order in which they are paid for. `due`: whose connection is to be settled; `unpaid`: blocked for
    nothing but money."""
    return await sql.rows(
        connection, "trackers", Tracker, account_id=account_id, day=day, device_id=device_id, due=due, unpaid=unpaid
    )


def connection_cost(book: Book) -> int:
    """Of a tracker that is connected today."""
    return 0 if book.tariff.free else book.version.price


def cost(book: Book, tracker: Tracker) -> tuple[What, int]:
    """What a tracker that is to work today is still to pay."""
    if book.tariff.free or tracker.test:
        return "daily", 0
    if tracker.connection_due:
        return "connection", connection_cost(book)
    if tracker.charged or (tracker.covered_until is not None and tracker.covered_until >= book.day):
        return "daily", 0
    return "daily", book.daily


def cost_to_unblock(book: Book, tracker: Tracker) -> int:
    return cost(book, tracker)[1]


async def settle(book: Book) -> Outcome:
    """Pay the connections that are due, in order; those that can't be paid are blocked."""
    return await _pay(book, await trackers(book.connection, book.account_id, book.day, due=True))


async def pay_blocked(book: Book) -> Outcome:
    """Money came in: as many trackers as it pays for work again, in the order of their connection."""
    return await _pay(book, await trackers(book.connection, book.account_id, book.day, unpaid=True))


async def unblock(book: Book, device_id: int) -> Outcome:
    """By its owner: today is charged, or its connection. Raises Refused: no_tracker, not_blocked, blocked_by_administrator;
    NotEnoughMoney."""
    tracker = await _tracker(book, device_id)
    if tracker.blocked is None:
        raise Refused("not_blocked", f"{tracker.name} is not blocked.")
    if tracker.blocked == "administrator":
        why = f" ({tracker.administrator_reason})" if tracker.administrator_reason else ""
        raise Refused(
            "blocked_by_administrator",
            f"The provider has blocked {tracker.name}{why}: ask there to unblock it.",
            reason=tracker.administrator_reason,
        )
    needed = cost_to_unblock(book, tracker)
    if needed > book.balance:
        raise NotEnoughMoney(needed, book.balance, book.currency)
    await book.end_blocks(("owner",), [tracker.id])
    outcome = await _pay(book, [tracker])
    outcome.unblocked = [tracker.name]
    return outcome


async def block(book: Book, device_id: int, reason: str = "") -> Outcome:
    """By its owner: it costs nothing from tomorrow on. Raises Refused: no_tracker, already_blocked."""
    tracker = await _tracker(book, device_id)
    if tracker.owner_since is not None:
        raise Refused("already_blocked", f"{tracker.name} is blocked already.")
    await book.add_blocks("owner", {tracker.id: None}, reason)
    return Outcome()


async def block_by_administrator(book: Book, device_id: int, reason: str) -> Outcome:
    """Which no top-up lifts. Raises Refused: no_tracker, already_blocked."""
    tracker = await _tracker(book, device_id)
    if tracker.administrator_since is not None:
        raise Refused("already_blocked", f"{tracker.name} is blocked by the provider already.")
    await book.add_blocks("administrator", {tracker.id: None}, reason)
    return Outcome()


async def unblock_by_administrator(book: Book, device_id: int) -> Outcome:
    """It works again if nothing else blocks it and today can be paid. Raises Refused: no_tracker, not_blocked."""
    tracker = await _tracker(book, device_id)
    if tracker.administrator_since is None:
        raise Refused("not_blocked", f"{tracker.name} is not blocked by the provider.")
    freed = await book.end_blocks(("administrator",), [tracker.id])
    if tracker.owner_since is not None:
        return Outcome()
    return Outcome(unblocked=freed) + await _pay(book, [tracker])


async def set_test(book: Book, device_id: int, test: bool) -> Outcome:
    """Make it the account's test tracker, which costs nothing, or an ordinary one, which is connected now.

    Raises Refused: no_tracker, test_taken.
    """
    tracker = await _tracker(book, device_id)
    if tracker.test == test:
        return Outcome()
    taken = await sql.value(book.connection, "test_tracker", account_id=book.account_id) if test else None
    if taken is not None:
        raise Refused(
            "test_taken", f"An account has one test tracker, and that is {taken}: make it an ordinary one first.", name=taken
        )
    await sql.run(book.connection, "set_test", id=tracker.id, test=test, now=book.now)
    if test:
        return Outcome(unblocked=await book.end_blocks(("unpaid",), [tracker.id]))
    return await settle(book)


async def _tracker(book: Book, device_id: int) -> Tracker:
    found = await trackers(book.connection, book.account_id, book.day, device_id=device_id)
    if not found:
        raise Refused("no_tracker", "There is no such tracker.")
    return found[0]


async def _pay(book: Book, wanted: Sequence[Tracker]) -> Outcome:
    """Each in turn, if the money that is left pays for it; the others are, or stay, blocked."""
    left, paid, short = book.balance, list[tuple[Tracker, What, int]](), dict[int, str | None]()
    outcome = Outcome()
    for tracker in wanted:
        what, amount = cost(book, tracker)
        if amount > left:
            short[tracker.id] = what
            if tracker.blocked != "unpaid":
                outcome.blocked.append(tracker.name)
        else:
            left -= amount
            paid.append((tracker, what, amount))
    for kind in ("connection", "daily"):
        charged = [(tracker, amount) for tracker, what, amount in paid if what == kind and amount]
        if charged:
            await _post(book, kind, charged)
            outcome.charges += [Charge(tracker.device_id, tracker.name, kind, amount) for tracker, amount in charged]
    freed = [tracker.id for tracker, _, _ in paid if tracker.unpaid is not None]
    if freed:  # first: it locks devices, and then their trackers, as whoever renames one does
        outcome.unblocked += await book.end_blocks(("unpaid",), freed)
    if short:
        await book.add_blocks("unpaid", short)
    connected = [tracker.id for tracker, _, _ in paid if tracker.connection_due]
    if connected:
        until = None if book.tariff.free else covered_until(book.day)
        await sql.run(book.connection, "connected", ids=connected, until=until)
    return outcome


async def _post(book: Book, kind: What, charged: Sequence[tuple[Tracker, int]]) -> None:
    version_id = book.version.id
    lines = [Line("customer", -amount, tracker.id, version_id) for tracker, amount in charged]
    income = Line("revenue", sum(amount for _, amount in charged))
    await book.post(kind, [*lines, income], key=f"{kind}:{book.account_id}:{book.day}:{uuid4()}")
