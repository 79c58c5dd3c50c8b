"""The daily charge of all accounts, by one statement for a few thousand of them.

Each transaction takes accounts whose next day has begun, charges that day and moves them on, so that it may be killed anywhere
and started any number of times: what is charged is charged, the rest is still due. Two runs share the work, as each leaves out
what the other has locked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import structlog
from psycopg import AsyncConnection
from psycopg.errors import DeadlockDetected, SerializationFailure

from billing import sql
from billing.book import book_on, charge
from billing.catalogue import Tariff, all_tariffs
from billing.rules import local_day
from telematics.store.database import Database

log = structlog.get_logger(__name__)

CHUNK = 2_000  # accounts of one transaction: about a second's work where each has twenty trackers
OTHERS_S = 60.0  # what others have locked is waited for
AGAIN_S = 0.2


@dataclass(slots=True)
class Ran:
    """What a run has done: accounts' days, trackers charged, what they paid by currency, trackers blocked; days of accounts that
    others still had locked at its end."""

    days: int = 0
    trackers: int = 0
    amounts: Counter[str] = field(default_factory=Counter)
    blocked: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class DueAccount:
    """A row of `due_accounts.sql`."""

    account_id: int
    tariff_id: int
    currency: str
    day: date


async def run(
    database: Database,
    *,
    until: date | None = None,
    now: datetime | None = None,
    progress: Callable[[int, int], None] | None = None,
    chunk: int = CHUNK,
) -> Ran:
    """Charge every account up to its today, or `until`, day by day, and settle connections that are due. `progress` hears how
    many days of accounts are done, of how many. On a connection of its own."""
    ran = Ran()
    at = now or datetime.now(UTC)
    async with await database.connect() as connection:
        await connection.execute("SET statement_timeout = 0")
        await sql.run(connection, "own_ledgers")
        today = await _today(connection, at, until)
        total = await _left(connection, today)
        waited_s = 0.0
        while True:
            try:
                if await _pass(connection, today, at, ran, chunk, lambda: progress and progress(ran.days, max(total, ran.days))):
                    continue
            except DeadlockDetected as error:  # with somebody who changes trackers meanwhile; what is charged stays so
                log.info("the daily charge goes on after a deadlock", reason=str(error).partition("\n")[0])
            ran.left = await _left(connection, today)
            if not ran.left or waited_s >= OTHERS_S:
                break
            await asyncio.sleep(AGAIN_S)
            waited_s += AGAIN_S
        if until is None:
            await _settle(connection, now)
    return ran


async def behind(database: Database, *, now: datetime | None = None) -> tuple[int, int]:
    """How many accounts have days to be charged, and how many days."""
    async with database.pool.connection() as connection:
        return await _behind(connection, await _today(connection, now or datetime.now(UTC), None))


async def _pass(
    connection: AsyncConnection[Any], today: dict[str, date], now: datetime, ran: Ran, chunk: int, told: Callable[[], object]
) -> int:
    """One day of every account that has one to be charged. How many there were."""
    after = done = 0
    tariffs = await all_tariffs(connection)
    while True:
        async with connection.transaction():
            due = await sql.rows(
                connection,
                "due_accounts",
                DueAccount,
                zones=list(today),
                days=list(today.values()),
                after=after,
                limit=chunk,
            )
            if not due:
                return done
            if any(account.tariff_id not in tariffs for account in due):
                tariffs = await all_tariffs(connection)
            charged = await charge(connection, _days(due, tariffs), now)
        after = due[-1].account_id
        done += len(due)
        ran.days += len(due)
        ran.trackers += charged.trackers
        ran.amounts.update(charged.amounts)
        ran.blocked += charged.blocked
        told()


def _days(due: list[DueAccount], tariffs: dict[int, Tariff]) -> dict[int, tuple[date, Tariff]]:
    return {account.account_id: (account.day, tariffs[account.tariff_id]) for account in due}


async def _settle(connection: AsyncConnection[Any], now: datetime | None) -> None:
    """Connections that whoever added the tracker did not settle."""
    found = await connection.execute(sql.text("unsettled"))
    for (account_id,) in await found.fetchall():
        try:
            async with connection.transaction():
                await book_on(connection, account_id, now=now)
        except (DeadlockDetected, SerializationFailure) as error:
            log.info("a connection will be settled by the next run", account=account_id, reason=str(error).partition("\n")[0])


async def _today(connection: AsyncConnection[Any], now: datetime, until: date | None) -> dict[str, date]:
    """The calendar day in each time zone that is in use."""
    found = await connection.execute(sql.text("time_zones"))
    days = {zone: local_day(now, zone) for (zone,) in await found.fetchall()}
    return {zone: day if until is None else min(day, until) for zone, day in days.items()}


async def _left(connection: AsyncConnection[Any], today: dict[str, date]) -> int:
    return (await _behind(connection, today))[1]


async def _behind(connection: AsyncConnection[Any], today: dict[str, date]) -> tuple[int, int]:
    parameters = {"zones": list(today), "days": list(today.values())}
    found = await (await connection.execute(sql.text("due_count"), parameters, prepare=False)).fetchone()
    assert found is not None
    return found[0], found[1]
