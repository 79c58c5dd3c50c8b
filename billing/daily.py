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
from psycopg.errors import DataError, DeadlockDetected, IntegrityError, SerializationFailure

from billing import sql
from billing.book import Charged, book_on, charge
from billing.catalogue import Tariff, all_tariffs
from billing.errors import Refused
from billing.rules import local_day
from telematics.store.database import Database

log = structlog.get_logger(__name__)

CHUNK = 2_000  # accounts of one transaction: about a second's work where each has twenty trackers
OTHERS_S = 60.0  # what others have locked is waited for
AGAIN_S = 0.2
SPOILED = (IntegrityError, DataError, KeyError)  # of the account's rows, or its tariff has no version


@dataclass(slots=True)
class Ran:
    """What a run has done: accounts' days, trackers charged, what they paid by currency, trackers blocked; days of accounts that
    others still had locked at its end."""

    days: int = 0
    trackers: int = 0
    amounts: Counter[str] = field(default_factory=Counter)
    blocked: int = 0
    left: int = 0
    failed: set[int] = field(default_factory=set)  # accounts that can't be charged until somebody mends them


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
        total = await _left(connection, today, ran.failed)
        waited_s = 0.0
        while True:
            try:
                if await _pass(connection, today, at, ran, chunk, lambda: progress and progress(ran.days, max(total, ran.days))):
                    continue
            except DeadlockDetected as error:  # with somebody who changes trackers meanwhile; what is charged stays so
                log.info("the daily charge goes on after a deadlock", reason=str(error).partition("\n")[0])
            ran.left = await _left(connection, today, ran.failed)
            if not ran.left or waited_s >= OTHERS_S:
                break
            await asyncio.sleep(AGAIN_S)
            waited_s += AGAIN_S
        if until is None:
            await _settle(connection, now, ran)
    return ran


async def behind(database: Database, *, now: datetime | None = None) -> tuple[int, int]:
    """How many accounts have days to be charged, and how many days."""
    async with database.pool.connection() as connection:
        return await _behind(connection, await _today(connection, now or datetime.now(UTC), None), set())


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
                failed=list(ran.failed),
            )
            if not due:
                return done
            if any(account.tariff_id not in tariffs for account in due):
                tariffs = await all_tariffs(connection)
            before = len(ran.failed)
            charges = await _charged(connection, due, tariffs, now, ran.failed)
        after = due[-1].account_id
        days = len(due) - (len(ran.failed) - before)
        done += days
        ran.days += days
        for charged in charges:
            ran.trackers += charged.trackers
            ran.amounts.update(charged.amounts)
            ran.blocked += charged.blocked
        told()


async def _charged(
    connection: AsyncConnection[Any], due: list[DueAccount], tariffs: dict[int, Tariff], now: datetime, failed: set[int]
) -> list[Charged]:
    """All at once; where that can't be, one by one, so that an account that somebody has spoiled stops no other."""
    try:
        async with connection.transaction():
            return [await charge(connection, _days(due, tariffs), now)]
    except SPOILED as error:
        if len(due) == 1:
            failed.add(due[0].account_id)
            log.error("an account can't be charged", account=due[0].account_id, day=due[0].day, reason=_first_line(error))
            return []
    halves = due[: len(due) // 2], due[len(due) // 2 :]
    return [one for half in halves for one in await _charged(connection, half, tariffs, now, failed)]


def _days(due: list[DueAccount], tariffs: dict[int, Tariff]) -> dict[int, tuple[date, Tariff]]:
    return {account.account_id: (account.day, tariffs[account.tariff_id]) for account in due}


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


async def _settle(connection: AsyncConnection[Any], now: datetime | None, ran: Ran) -> None:
    """Connections that whoever added the tracker did not settle."""
    found = await connection.execute(sql.text("unsettled"))
    for (account_id,) in await found.fetchall():
        try:
            async with connection.transaction():
                await book_on(connection, account_id, now=now)
        except (DeadlockDetected, SerializationFailure) as error:
            log.info("a connection will be settled by the next run", account=account_id, reason=_first_line(error))
        except (*SPOILED, Refused) as error:
            ran.failed.add(account_id)
            log.error("a connection can't be settled", account=account_id, reason=_first_line(error))


async def _today(connection: AsyncConnection[Any], now: datetime, until: date | None) -> dict[str, date]:
    """The calendar day in each time zone that is in use."""
    found = await connection.execute(sql.text("time_zones"))
    days = {zone: local_day(now, zone) for (zone,) in await found.fetchall()}
    return {zone: day if until is None else min(day, until) for zone, day in days.items()}


async def _left(connection: AsyncConnection[Any], today: dict[str, date], failed: set[int]) -> int:
    return (await _behind(connection, today, failed))[1]


async def _behind(connection: AsyncConnection[Any], today: dict[str, date], failed: set[int]) -> tuple[int, int]:
    parameters = {"zones": list(today), "days": list(today.values()), "failed": list(failed)}
    found = await (await connection.execute(sql.text("due_count"), parameters, prepare=False)).fetchone()
    assert found is not None
    return found[0], found[1]
