"""What the coming days will cost, and how long the money lasts: the charge's own arithmetic, ahead of time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from billing import sql
from billing.book import Book
from billing.catalogue import Tariff, all_tariffs
from billing.errors import Refused
from billing.rules import COVERED_DAYS, local_day, share
from billing.trackers import Tracker, trackers

HORIZON_DAYS = 3660  # money that lasts longer lasts for good


@dataclass(frozen=True, slots=True)
class Day:
    """`amount` is charged at its start and leaves `balance`; `blocked`: how many trackers stop working that day."""

    day: date
    amount: int
    balance: int
    blocked: int = 0


@dataclass(frozen=True, slots=True)
class Outlook:
    """`days_left`: days after today that the balance pays for in full; None: nothing is charged, or it lasts ten years.
    `runs_out`: the first day that it can't pay for."""

    balance: int
    currency: str
    day: date
    days_left: int | None
    runs_out: date | None
    days: list[Day] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A row of `account.sql`."""

    currency: str
    tariff_id: int
    charged_through: date | None
    time_zone: str
    balance: int


async def outlook(connection: AsyncConnection[Any], account_id: int, *, now: datetime | None = None, days: int = 60) -> Outlook:
    """Of an account as it stands, day by day. Reads only. Raises Refused: no_account."""
    account = await sql.row(connection, "account", AccountRow, account_id=account_id)
    if account is None:
        raise Refused("no_account", "There is no such account.")
    day, behind = standing_at(account, now or datetime.now(UTC))
    tariff = (await all_tariffs(connection))[account.tariff_id]
    found = await trackers(connection, account_id, day)
    return ahead(account.balance, account.currency, day, tariff, found, days, behind)


def standing_at(account: AccountRow, now: datetime) -> tuple[date, int]:
    """The account's day, and how many days up to it are still to be charged."""
    today = local_day(now, account.time_zone)
    through = account.charged_through or today
    return max(today, through), max(0, (today - through).days)


def outlook_of(book: Book, found: Sequence[Tracker], days: int = 60) -> Outlook:
    """The same of an open book."""
    return ahead(book.balance, book.currency, book.day, book.tariff, found, days, book.behind)


def ahead(
    balance: int, currency: str, day: date, tariff: Tariff, found: Sequence[Tracker], days: int, behind: int = 0
) -> Outlook:
    """From tomorrow on, if nothing else happens. `found` in the order in which they are paid for; `behind`: so many days up to
    today are still to be charged, and are reckoned with."""
    covers = [tracker.covered_until for tracker in found if not tracker.test and tracker.blocked is None]
    working = [cover for cover in covers if cover is not None]
    through = day - timedelta(days=behind)
    left = days_left(balance, through, tariff, working)
    return Outlook(
        balance,
        currency,
        day,
        None if left is None else max(0, left - behind),
        None if left is None else through + timedelta(days=left + 1),
        _walk(balance, through, tariff, working, behind + days)[behind:],
    )


def days_left(balance: int, day: date, tariff: Tariff, covers: Sequence[date]) -> int | None:
    """How many days after this one are paid for in full. `covers`: until when each working tracker's connection pays."""
    if tariff.free or not covers:
        return None
    ends = sorted(covers)
    for passed in range(HORIZON_DAYS):
        coming = day + timedelta(days=passed + 1)
        balance -= bisect_left(ends, coming) * share(tariff.on(coming).price, coming)
        if balance < 0:
            return passed
    return None


def _walk(balance: int, day: date, tariff: Tariff, covers: Sequence[date], days: int) -> list[Day]:
    found, working = list[Day](), list(covers)
    for passed in range(days):
        coming = day + timedelta(days=passed + 1)
        price = 0 if tariff.free else share(tariff.on(coming).price, coming)
        charged = [cover for cover in working if cover < coming]
        paid = len(charged) if not price else min(len(charged), balance // price)
        if paid < len(charged):
            kept = iter(range(len(charged)))
            working = [cover for cover in working if cover >= coming or next(kept) < paid]
        balance -= paid * price
        found.append(Day(coming, paid * price, balance, len(charged) - paid))
    return found


def estimate(tariff: Tariff, start: date, days: int, *, new: int = 0, running: int = 0) -> tuple[int, int]:
    """What trackers cost in so many days from `start` on: those connected that day, and those past their connection's month.
    (connections, service)"""
    connections = new * tariff.on(start).price
    if tariff.free:
        return 0, 0
    service = 0
    for passed in range(days):
        day = start + timedelta(days=passed)
        service += (running + (new if passed >= COVERED_DAYS else 0)) * share(tariff.on(day).price, day)
    return connections, service


__all__ = ["Day", "Outlook", "ahead", "days_left", "estimate", "outlook", "outlook_of"]
