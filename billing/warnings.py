"""Telling people before their money runs out, and when it has (rule 18).

Two questions are asked of the whole database, by a query each: whose money may not last a week, and which blocks nobody was told
of. What is told is written together with the note that it was told (`billing_warnings`), so that a crash loses nothing and two
processes say nothing twice.

    days 7, 3, 1    the warning was given; the row goes when the money lasts longer again, and the next time is told
    days 0          blocks up to `block_id` were told of. The account is locked meanwhile, as it is by whoever blocks
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from billing import sql
from billing.catalogue import Tariff, all_tariffs
from billing.forecast import days_left
from billing.rules import WARN_DAYS, share
from telematics.store.alerts import NewAccountAlert
from telematics.store.database import Database

AT_ONCE = 500  # accounts told in one transaction
WORKED_OUT = 200  # accounts looked at before others get a turn: some milliseconds

Tell = Callable[[AsyncConnection[Any], Sequence[NewAccountAlert], datetime], Awaitable[object]]
"""Puts alerts into the feed and on their way, within the transaction of the connection."""


@dataclass(frozen=True, slots=True)
class LowAccount:
    """A row of `low_accounts.sql`."""

    account_id: int
    tariff_id: int
    currency: str
    day: date
    balance: int
    covers: list[date]
    told: list[int]


@dataclass(frozen=True, slots=True)
class BlockedAccount:
    """A row of `blocked_accounts.sql`."""

    account_id: int
    tariff_id: int
    currency: str
    day: date
    balance: int
    of: int
    block_id: int
    fresh: int
    names: list[str]
    connections: int
    dailies: int


@dataclass(frozen=True, slots=True)
class Told:
    account_id: int
    days: int


@dataclass(frozen=True, slots=True)
class Locked:
    account_id: int


async def warn_of_blocks(database: Database, tell: Tell, *, now: datetime | None = None) -> int:
    """One message for all trackers of an account that were blocked since the last. How many accounts were told."""
    at, after, told = now or datetime.now(UTC), 0, 0
    async with await database.connect() as connection:
        tariffs = await all_tariffs(connection)
        while True:
            async with connection.transaction():
                locked = await sql.rows(connection, "untold_blocks", Locked, after=after, limit=AT_ONCE)
                if not locked:
                    return told
                ids = [one.account_id for one in locked]
                found = await sql.rows(connection, "blocked_accounts", BlockedAccount, account_ids=ids)
                await sql.run(
                    connection,
                    "note_blocks",
                    account_ids=[account.account_id for account in found],
                    block_ids=[account.block_id for account in found],
                )
                alerts = [_blocked(account, tariffs[account.tariff_id]) for account in found if account.fresh]
                await tell(connection, alerts, at)
            after = ids[-1]
            told += len(alerts)


def _blocked(account: BlockedAccount, tariff: Tariff) -> NewAccountAlert:
    price = 0 if tariff.free else tariff.on(account.day).price
    cost = account.connections * price + account.dailies * share(price, account.day)
    facts = {"count": account.fresh, "trackers": account.names, "needed": max(0, cost - account.balance)}
    money = {"balance": account.balance, "currency": account.currency}
    return NewAccountAlert(account.account_id, "trackerBlocked", "", facts | money, urgent=True)


async def warn_of_low_money(database: Database, tell: Tell, *, now: datetime | None = None) -> int:
    """Of 7, 3 and 1 days left the most urgent that was not told yet. How many accounts were told."""
    at, told = now or datetime.now(UTC), 0
    async with await database.connect() as connection:
        await connection.execute("SET statement_timeout = 0")
        (before,) = await (await connection.execute("SELECT now()")).fetchone() or (at,)
        tariffs = await all_tariffs(connection)
        low = await _low(connection, tariffs, at)
        await sql.run(
            connection,
            "rearm_warnings",
            account_ids=[account.account_id for account, _ in low],
            lefts=[left for _, left in low],
            before=before,
        )
        untold = [(account, left) for account, left in low if _urgency(left) not in account.told]
        for start in range(0, len(untold), AT_ONCE):
            async with connection.transaction():
                told += await _warn(connection, tell, untold[start : start + AT_ONCE], at)
    return told


async def _low(connection: AsyncConnection[Any], tariffs: dict[int, Tariff], now: datetime) -> list[tuple[LowAccount, int]]:
    """Accounts whose money lasts no longer than the first warning's days, and for how many days after their today it does."""
    mosts = {tariff.id: _most(tariff, now.date()) for tariff in tariffs.values() if not tariff.free}
    rows = await sql.rows(connection, "low_accounts", LowAccount, tariff_ids=list(mosts), mosts=list(mosts.values()))
    low = []
    for place, account in enumerate(rows):
        if place % WORKED_OUT == WORKED_OUT - 1:
            await asyncio.sleep(0)
        left = days_left(account.balance, account.day, tariffs[account.tariff_id], account.covers)
        if left is not None and left <= max(WARN_DAYS):
            low.append((account, left))
    return low


def _most(tariff: Tariff, day: date) -> int:
    """What a tracker can cost at most in the days that decide, wherever and whenever today is."""
    around = [day + timedelta(days=days) for days in range(-3, max(WARN_DAYS) + 4)]
    price = max(tariff.on(one).price for one in around)
    return (max(WARN_DAYS) + 1) * (price // 28 + 1)


def _urgency(left: int) -> int:
    """The warning that so many days left are worth."""
    return min(days for days in WARN_DAYS if left <= days)


async def _warn(connection: AsyncConnection[Any], tell: Tell, low: Sequence[tuple[LowAccount, int]], now: datetime) -> int:
    reached = [(account.account_id, days) for account, left in low for days in WARN_DAYS if left <= days]
    given = await sql.rows(
        connection,
        "add_warnings",
        Told,
        account_ids=[account_id for account_id, _ in reached],
        days=[days for _, days in reached],
    )
    new = {(one.account_id, one.days) for one in given}
    alerts = [_running_out(account, left) for account, left in low if (account.account_id, _urgency(left)) in new]
    await tell(connection, alerts, now)
    return len(alerts)


def _running_out(account: LowAccount, left: int) -> NewAccountAlert:
    runs_out = account.day + timedelta(days=left + 1)
    facts = {"days_left": left, "runs_out": runs_out.isoformat(), "balance": account.balance, "currency": account.currency}
    return NewAccountAlert(account.account_id, "balanceLow", str(_urgency(left)), facts)
