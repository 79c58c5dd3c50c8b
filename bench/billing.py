"""What money costs: the daily charge of a million trackers, a top-up that frees a thousand, a year's statement.

daily      trackers past their connection's month in accounts of twenty; one account of ten has money for five of its trackers.
           The first day blocks the others, the second finds them blocked. A quarter of it, too: the time is to grow alike
top_up     an account with 1,000 trackers, all blocked for want of money, until they all work again
statement  an account with 500 trackers and a year of days: its first page, and the whole as CSV
check      the reconciliation of all that, from scratch

The past is written by SQL without triggers, into the tables that the server uses, as it would have been; `check` proves that.
What is measured runs with all of them.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from billing import daily, statement, topup
from billing.book import open_book
from billing.check import problems
from billing.rules import share
from dashboards import statements
from telematics.config import Settings
from telematics.store.database import Database, open_database

ACCOUNTS, TRACKERS = 50_000, 20  # of an account
SMALLER = 4
MANY, YEARLY = 1_000, 500
PRICE = 300_00
DAY = date(2026, 3, 9)  # charged up to here; the next two days are measured
YEAR = [DAY - timedelta(days=back) for back in range(364, -1, -1)]
PROMISE_DAILY_S, PROMISE_TOP_UP_S, PROMISE_STATEMENT_S = 60.0, 1.0, 1.0
PROMISE_GROWTH = 1.25  # a tracker of a million may take so much longer than one of a quarter
PAGE = 100


def measure() -> dict[str, Any]:
    smaller = asyncio.run(_daily_only(ACCOUNTS // SMALLER))
    figures = asyncio.run(_all())
    per_tracker = figures["daily_s"] / smaller["daily_s"] / SMALLER
    return {**figures, **{f"quarter_{name}": value for name, value in smaller.items()}, "daily_growth": round(per_tracker, 2)}


def check(figures: dict[str, Any]) -> list[str]:
    """What is promised and not kept."""
    promised = {
        "daily_s": PROMISE_DAILY_S,
        "daily_growth": PROMISE_GROWTH,
        "top_up_s": PROMISE_TOP_UP_S,
        "statement_page_s": PROMISE_STATEMENT_S,
        "statement_csv_s": PROMISE_STATEMENT_S,
        "problems": 0,
    }
    return [f"billing: {name} {figures[name]} instead of {most}" for name, most in promised.items() if figures[name] > most]


async def _daily_only(accounts: int) -> dict[str, Any]:
    async with _past(accounts) as database:
        return await _daily(database)


async def _all() -> dict[str, Any]:
    async with _past(ACCOUNTS) as database:
        figures = await _daily(database)
        figures |= await _top_up(database) | await _statement(database)
        began = time.perf_counter()
        found = await problems(database)
        return figures | {"check_s": round(time.perf_counter() - began, 1), "problems": len(found)}


@asynccontextmanager
async def _past(accounts: int) -> AsyncIterator[Database]:
    """A database of its own, with so many accounts and two more."""
    with tempfile.TemporaryDirectory(prefix="telematics-bench-") as folder:
        Path(folder).chmod(0o755)  # noqa: ASYNC240 # as root, PostgreSQL runs as another user; nobody waits yet
        async with open_database(Settings(data_dir=Path(folder) / "data", database_url=None)) as database:
            values = {
                "accounts": accounts,
                "trackers": TRACKERS,
                "many": MANY,
                "yearly": YEARLY,
                "price": PRICE,
                "day": DAY,
                "short": 5 * share(PRICE, DAY + timedelta(days=1)) + 7,
                "enough": 100_000_00,
            }
            text = Path(__file__).with_name("sql").joinpath("billing_past.sql").read_text().format(**values)
            async with await database.connect() as connection:
                await connection.execute("SET statement_timeout = 0")
                async with connection.transaction():
                    await connection.execute("CREATE TEMP TABLE year (day date, share bigint) ON COMMIT DROP")
                    cursor = connection.cursor()
                    await cursor.executemany("INSERT INTO year VALUES (%s, %s)", [(day, share(PRICE, day)) for day in YEAR])
                    await connection.execute(text.encode())
                await connection.execute("VACUUM ANALYZE")
                await connection.execute("CHECKPOINT")
            yield database


async def _daily(database: Database) -> dict[str, Any]:
    """Of the account with a year behind it a day has been charged by then, too."""
    took, ran = [], []
    for ahead in (1, 2):
        began = time.perf_counter()
        ran.append(await daily.run(database, now=_morning(ahead)))
        took.append(time.perf_counter() - began)
    return {
        "trackers": ran[0].trackers + ran[0].blocked,
        "daily_s": round(took[0], 1),
        "daily_trackers_per_s": round((ran[0].trackers + ran[0].blocked) / took[0]),
        "daily_charged": ran[0].trackers,
        "daily_blocked": ran[0].blocked,
        "second_day_s": round(took[1], 1),
    }


def _morning(ahead: int) -> datetime:
    day = DAY + timedelta(days=ahead)
    return datetime(day.year, day.month, day.day, 0, 1, tzinfo=UTC)


async def _top_up(database: Database) -> dict[str, Any]:
    began = time.perf_counter()
    async with open_book(database, await _account(database, -2), now=_morning(2)) as book:
        _, outcome = await topup.top_up(book, 1_000_000_00, way="bank", key="bench")
    return {"top_up_s": round(time.perf_counter() - began, 3), "top_up_unblocked": len(outcome.unblocked)}


async def _account(database: Database, place: int) -> int:
    """The two that are special were made last."""
    async with database.pool.connection() as connection:
        found = await (await connection.execute("SELECT max(id) FROM accounts")).fetchone()
    assert found is not None
    return int(found[0]) + 1 + place


async def _statement(database: Database) -> dict[str, Any]:
    of = statement.Selection(await _account(database, -1), YEAR[0], YEAR[-1])
    began = time.perf_counter()
    await statement.page(database, await statement.head(database, of), limit=PAGE, offset=0, newest_first=True)
    page_s = time.perf_counter() - began
    began = time.perf_counter()
    head = await statement.head(database, of)
    sheet = statements.Sheet(head, "EUR", "UTC", "en")
    size = sum([len(part) async for part in statements.csv(sheet, statement.parts(database, head))])
    return {
        "statement_lines": head.totals.lines,
        "statement_page_s": round(page_s, 3),
        "statement_csv_s": round(time.perf_counter() - began, 3),
        "statement_csv_bytes": size,
    }
