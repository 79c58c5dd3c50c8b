"""What a customer's pages of money show, read from the same functions that charge. No routes here: see `billing_pages.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from psycopg import AsyncConnection

import billing.sql
from billing.catalogue import Tariff, Version, all_tariffs
from billing.errors import Refused
from billing.forecast import AccountRow, Day, Outlook, estimate, outlook_of, standing_at
from billing.ledger import Book
from billing.money import digits
from billing.numbers import account_number
from billing.rules import COVERED_DAYS, share
from billing.tariffs import changes_left, next_change
from billing.trackers import Charge, Outcome, Tracker, cost, trackers
from dashboards import sql
from telematics.store.database import Database

AHEAD_DAYS = 60  # of the chart
PAST_DAYS = 30
TOLD_DAYS = 31  # of the list of coming charges
LONGEST_DAYS = 3660  # that anybody reckons ahead
MOST_TRACKERS = 100_000


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row of `billing_set_aside.sql`."""

    refund: int
    sms: int


@dataclass(frozen=True, slots=True)
class Used:
    """A row of `billing_used.sql`."""

    zones: int
    proximities: int


@dataclass(frozen=True, slots=True)
class Named:
    """A row of `billing_named.sql`."""

    id: int
    name: str
    removed: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """A row of `billing_past.sql`."""

    day: date
    amount: int


@dataclass(frozen=True, slots=True)
class Counts:
    working: int
    blocked: int
    test: int


@dataclass(frozen=True, slots=True)
class TrackerRow:
    """A line of the page of trackers. `price` is tomorrow's; `unblock_cost` today's, of those that their owner may unblock."""

    device_id: int
    name: str
    unique_id: str
    state: Literal["working", "blocked", "test"]
    blocked: str | None
    reason: str
    unpaid: str | None
    covered_until: date
    price: int
    unblock_cost: int | None
    last_heard: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """How it stands with an account."""

    book: Book  # read only: nothing was locked
    found: list[Tracker]
    look: Outlook
    set_aside: SetAside
    changes_left: int

    @property
    def account_id(self) -> int:
        return self.book.account_id

    @property
    def account_number(self) -> str:
        """By which transfers and cash find their account."""
        return account_number(self.book.account_id)

    @property
    def currency(self) -> str:
        return self.book.currency

    @property
    def digits(self) -> int:
        return digits(self.book.currency)

    @property
    def balance(self) -> int:
        return self.book.balance

    @property
    def reserved(self) -> int:
        return self.set_aside.refund

    @property
    def tariff(self) -> Tariff:
        return self.book.tariff

    @property
    def tariff_name(self) -> str:
        return self.book.tariff.name

    @property
    def free(self) -> bool:
        return self.book.tariff.free

    @property
    def version(self) -> Version:
        return self.book.version

    @property
    def day(self) -> date:
        return self.book.day

    @property
    def days_left(self) -> int | None:
        return self.look.days_left

    @property
    def runs_out(self) -> date | None:
        return self.look.runs_out

    @property
    def next_change(self) -> date:
        return next_change(self.book.day)

    @property
    def unpaid(self) -> int:
        """Trackers that are blocked for nothing but money."""
        return sum(tracker.blocked == "unpaid" for tracker in self.found)

    @property
    def missing(self) -> int:
        """What would let all of them work again today."""
        owed = sum(cost(self.book, tracker)[1] for tracker in self.found if tracker.blocked == "unpaid")
        return max(0, owed - self.balance)

    @property
    def counts(self) -> Counts:
        states = Counter(state_of(tracker) for tracker in self.found)
        return Counts(states["working"], states["blocked"], states["test"])

    @property
    def paying(self) -> int:
        """Trackers that cost something, or would if there were money."""
        return sum(not tracker.test and tracker.blocked in (None, "unpaid") for tracker in self.found)

    def row(self, tracker: Tracker, last_heard: datetime | None = None) -> TrackerRow:
        tomorrow = self.day + timedelta(days=1)
        covered = tracker.covered_until is not None and tracker.covered_until >= tomorrow
        free = self.free or tracker.test or covered
        return TrackerRow(
            device_id=tracker.device_id,
            name=tracker.name,
            unique_id=tracker.unique_id,
            state=state_of(tracker),
            blocked=tracker.blocked,
            reason=tracker.reason if tracker.blocked != "unpaid" else "",
            unpaid=tracker.unpaid,
            covered_until=max(tracker.covered_until or self.day, self.day),
            price=0 if free else share(self.tariff.on(tomorrow).price, tomorrow),
            unblock_cost=cost(self.book, tracker)[1] if tracker.blocked in ("unpaid", "owner") else None,
            last_heard=last_heard,
        )


def state_of(tracker: Tracker) -> Literal["working", "blocked", "test"]:
    if tracker.blocked is not None:
        return "blocked"
    return "test" if tracker.test else "working"


async def bill_of(connection: AsyncConnection[Any], account_id: int, *, now: datetime | None = None) -> Bill:
    """As it stands; reads only. Raises Refused: no_account."""
    return await bill_on(await read_book(connection, account_id, now=now))


async def read_book(connection: AsyncConnection[Any], account_id: int, *, now: datetime | None = None) -> Book:
    """To be looked at: nothing is locked, nothing settled. Raises Refused: no_account."""
    now = now or datetime.now(UTC)
    account = await billing.sql.row(connection, "account", AccountRow, account_id=account_id)
    if account is None:
        raise Refused("no_account", "There is no such account.")
    day, behind = standing_at(account, now)
    tariff = (await all_tariffs(connection))[account.tariff_id]
    return Book(connection, account_id, now, day, account.currency, tariff, balance=account.balance, behind=behind)


async def bill_on(book: Book) -> Bill:
    """Of an open book, or one that is only read."""
    found = await trackers(book.connection, book.account_id, book.day)
    set_aside = (await sql.rows_on(book.connection, "billing_set_aside", SetAside, account_id=book.account_id))[0]
    return Bill(book, found, outlook_of(book, found, AHEAD_DAYS), set_aside, await changes_left(book))


async def past(connection: AsyncConnection[Any], bill: Bill) -> list[tuple[date, int]]:
    """The balance at the end of each of the last days, and now."""
    first = bill.day - timedelta(days=PAST_DAYS)
    moved = {
        row.day: row.amount
        for row in await sql.rows_on(connection, "billing_past", Moved, account_id=bill.account_id, after=first)
    }
    balance, found = bill.balance, list[tuple[date, int]]()
    for back in range(PAST_DAYS + 1):
        day = bill.day - timedelta(days=back)
        found.append((day, balance))
        balance -= moved.get(day, 0)
    while len(found) > 1 and not found[-1][1] and not found[-2][1]:
        found.pop()  # before there was any money
    return found[::-1]


def shown_ahead(bill: Bill) -> list[Day]:
    """As far as it is worth a look: where the money ends soon, what comes after that is all the same."""
    left = bill.days_left
    return bill.look.days if left is None else bill.look.days[: max(14, 2 * left + 2)]


def coming(bill: Bill) -> list[Day]:
    """The next days on which something is charged, or should be."""
    return [day for day in bill.look.days[:TOLD_DAYS] if day.amount or day.blocked]


@dataclass(frozen=True, slots=True)
class ChargeGroup:
    """So many trackers at one price."""

    what: str
    count: int
    amount: int


def grouped(charges: Sequence[Charge]) -> list[ChargeGroup]:
    found = Counter((charge.what, charge.amount) for charge in charges)
    return [ChargeGroup(what, count, amount) for (what, amount), count in found.items()]


def consequences(outcome: Outcome, book: Book) -> dict[str, Any]:
    """Of something that was rehearsed, for `parts/billing_charges.html` and its neighbours."""
    return {
        "groups": grouped(outcome.charges),
        "total": outcome.total,
        "after": book.balance,
        "blocked": outcome.blocked,
        "unblocked": outcome.unblocked,
    }


@dataclass(frozen=True, slots=True)
class Offer:
    """A tariff as it is compared. `next` is a version that has been announced."""

    id: int
    name: str
    description: str
    free: bool
    current: bool
    version: Version
    next: Version | None


async def offers(connection: AsyncConnection[Any], bill: Bill) -> list[Offer]:
    """What the account is on and may choose, the cheapest first."""
    found = [
        Offer(
            id=tariff.id,
            name=tariff.name,
            description=tariff.description,
            free=tariff.free,
            current=tariff.id == bill.tariff.id,
            version=tariff.on(bill.day),
            next=next((version for version in tariff.versions if version.since > bill.day), None),
        )
        for tariff in (await all_tariffs(connection)).values()
        if tariff.id == bill.tariff.id
        or (tariff.offered and tariff.currency in (None, bill.currency) and tariff.versions[0].since <= bill.day)
    ]
    return sorted(found, key=lambda offer: (not offer.free, offer.version.price, offer.id))


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A sensible amount to top up by."""

    what: Literal["missing", "month", "quarter", "year"]
    amount: int


def suggestions(bill: Bill) -> list[Suggestion]:
    found = [Suggestion("missing", bill.missing)] if bill.missing else []
    month = bill.version.price * max(1, bill.paying)
    if month:
        found += [Suggestion("month", month), Suggestion("quarter", 3 * month), Suggestion("year", 12 * month)]
    return found


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the calculator was asked, and its answer. `lasts` is None where the money doesn't even pay the connections."""

    tariff_id: int
    trackers: int
    days: int
    start: date
    money: int
    shown: bool = False
    wrong: str = ""
    connection: int = 0
    service: int = 0
    lasts: int | None = None
    lasts_whole: bool = False  # for as long as is reckoned ahead

    @property
    def total(self) -> int:
        return self.connection + self.service

    @property
    def last(self) -> date:
        return self.start + timedelta(days=self.days - 1)

    @property
    def lasts_until(self) -> date:
        return self.start + timedelta(days=(self.lasts or 1) - 1)

    @property
    def missing(self) -> int:
        return max(0, self.connection - self.money)


def estimated(tariff: Tariff, trackers: int, days: int, start: date, money: int) -> Estimate:
    connection, service = estimate(tariff, start, days, new=trackers)
    lasts, whole = _lasts(tariff, trackers, start, money - connection)
    return Estimate(tariff.id, trackers, days, start, money, True, "", connection, service, lasts, whole)


def _lasts(tariff: Tariff, trackers: int, start: date, money: int) -> tuple[int | None, bool]:
    """For how many days after their connection is paid, and whether that is further than anybody reckons."""
    if money < 0:
        return None, False
    for passed in range(COVERED_DAYS, LONGEST_DAYS):
        day = start + timedelta(days=passed)
        money -= trackers * share(tariff.on(day).price, day)
        if money < 0:
            return passed, False
    return LONGEST_DAYS, True


async def named(database: Database, account_id: int, limit: int) -> list[Named]:
    return await sql.rows(database, "billing_named", Named, account_id=account_id, limit=limit)


async def used(connection: AsyncConnection[Any], account_id: int) -> Used:
    return (await sql.rows_on(connection, "billing_used", Used, account_id=account_id))[0]


def midnight(day: date) -> int:
    """For the chart, whose days are UTC's: seconds."""
    return int(datetime.combine(day, time(), UTC).timestamp())
