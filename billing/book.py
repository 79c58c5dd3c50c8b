"""Opening an account's book.

The account is locked and brought up to today, so that whatever happens to it happens in the order of its days. Everything until
the book is closed is one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from psycopg import AsyncConnection
from psycopg_pool import PoolTimeout

from billing import sql
from billing.catalogue import Tariff, all_tariffs
from billing.errors import Refused
from billing.ledger import Book, Line
from billing.rules import local_day, share
from billing.trackers import settle
from telematics.store.database import Database

__all__ = ["Book", "Charged", "Line", "book_on", "charge", "open_book"]

WAIT_S = 4.0  # for a connection of the pool: while the database is down, a sentence now is better than an answer late
TURN_S = 10.0  # for the account's book, which others may have open
_turns: WeakKeyDictionary[Database, WeakValueDictionary[int, asyncio.Lock]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class LockedAccount:
    """A row of `lock_account.sql`."""

    account_id: int
    currency: str
    tariff_id: int
    charged_through: date | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class Charged:
    """What a day cost."""

    trackers: int
    amounts: dict[str, int] = field(default_factory=dict)  # by currency
    blocked: int = 0


@asynccontextmanager
async def open_book(
    database: Database, account_id: int, *, now: datetime | None = None, user_id: int | None = None
) -> AsyncIterator[Book]:
    """The account's book on a connection of its own. Raises Refused: no_account; PoolTimeout when its turn doesn't come.

    Those of this process who wait for one account do it here, and not in the database, each with a connection: one customer who
    asks fifty things at once would have all of them, and nobody else an answer.
    """
    async with _turn(database, account_id), database.pool.connection(timeout=WAIT_S) as connection:
        yield await book_on(connection, account_id, now=now, user_id=user_id)


@asynccontextmanager
async def _turn(database: Database, account_id: int) -> AsyncIterator[None]:
    turn = _turns.setdefault(database, WeakValueDictionary()).setdefault(account_id, asyncio.Lock())
    try:
        async with asyncio.timeout(TURN_S):
            await turn.acquire()
    except TimeoutError:
        raise PoolTimeout(f"account {account_id} has too much to do at once") from None
    try:
        yield
    finally:
        turn.release()


async def book_on(
    connection: AsyncConnection[Any], account_id: int, *, now: datetime | None = None, user_id: int | None = None
) -> Book:
    """The account's book in the caller's transaction. Raises Refused: no_account."""
    account = await sql.row(connection, "lock_account", LockedAccount, account_id=account_id)
    if account is None:
        raise Refused("no_account", "There is no such account.")
    now = now or datetime.now(UTC)
    today = local_day(now, account.time_zone)
    # Whoever waited for the lock, or whose clock is slow, writes no earlier time than what is written already.
    now = max(now, await sql.value(connection, "newest", account_id=account_id) or now)
    tariffs = await all_tariffs(connection)
    tariff = tariffs[account.tariff_id]
    through = account.charged_through or today - timedelta(days=1)
    if account.charged_through is None:
        await sql.run(connection, "skip_day", account_id=account_id, day=through)
    while through < today:
        through += timedelta(days=1)
        await charge(connection, {account_id: (through, tariff)}, now)
    book = Book(connection, account_id, now, through, account.currency, tariff, user_id)
    await book.refresh()
    await settle(book)
    return book


async def charge(connection: AsyncConnection[Any], days: dict[int, tuple[date, Tariff]], now: datetime) -> Charged:
    """The next day of each of these accounts, which are locked."""
    versions = [tariff.on(day) for day, tariff in days.values()]
    found = await connection.execute(
        sql.text("charge_day"),
        {
            "account_ids": list(days),
            "days": [day for day, _ in days.values()],
            "version_ids": [version.id for version in versions],
            "shares": [share(version.price, day) for version, (day, _) in zip(versions, days.values(), strict=True)],
            "now": now,
        },
        prepare=False,
    )
    rows = await found.fetchall()
    return Charged(sum(row[1] for row in rows), {row[0]: row[2] for row in rows if row[2]}, sum(row[3] for row in rows))
