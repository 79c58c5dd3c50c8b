"""The money of the demo: tariffs, a haulier who pays in time, and a small firm that doesn't.

What is in the ledger was written by what writes it in earnest, with clocks of the past: trackers connected weeks ago, a charge
for each day since, payments, a bonus, a mistake put right. All of it in one transaction, in about a second for sixty vehicles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import structlog
from psycopg import AsyncConnection

from billing import tariffs, topup
from billing.book import book_on, open_book
from billing.forecast import days_left
from billing.ledger import Book
from billing.meter import SmsMeter
from billing.payments import by_hand
from billing.rules import share
from billing.service import UNREACHABLE
from billing.tariffs import NewVersion
from billing.trackers import trackers
from telematics.store.database import Database

log = structlog.get_logger(__name__)
CURRENCY = "KZT"
FIRST = date(2020, 1, 1)
CUSTOMER, CUSTOMER_EMAIL, CUSTOMERS_VEHICLES = "Alatau Service", "alatau@example.com", 3
PAST_DAYS, CUSTOMERS_DAYS = 76, 40
LEFT_DAYS = 12  # that the haulier's money lasts …
PAYS_AT_DAYS = 3  # … and when he pays again, so that the map stays full however long the demo runs
KEPT_EVERY_S = 3600.0
TIYN = 100

TARIFFS = (
    ("Basic", "Where everything is now, and a month of history",
     NewVersion(FIRST, 900 * TIYN, 25 * TIYN, history_days=31, zones=5, proximities=0, reports=False, api=False)),
    ("Business", "A year of history, reports, zones for every customer, an API for your dispatcher's program",
     NewVersion(FIRST, 1_500 * TIYN, 20 * TIYN, history_days=366, zones=100, proximities=20)),
    ("Fleet", "Everything without limits, for fleets that live on their data",
     NewVersion(FIRST, 2_400 * TIYN, 15 * TIYN)),
)  # fmt: skip
FREE = NewVersion(FIRST, 0, history_days=7, zones=1, proximities=0, sms=False, reports=False, api=False)
DEARER = 1_650 * TIYN  # what Business costs from the month after next on


async def furnish(database: Database, account_id: int, customer_id: int, now: datetime | None = None) -> None:
    """Once: a demo that has tariffs keeps what has become of them. After the accounts' devices."""
    at = now or datetime.now(UTC)
    async with database.pool.connection() as connection:
        if len(await tariffs.all_tariffs(connection)) > 1:
            return
        ids = {}
        for name, description, first in TARIFFS:
            ids[name] = (await tariffs.add(connection, name, description, CURRENCY, first)).id
        await connection.execute("UPDATE billing_defaults SET currency = %s", [CURRENCY])
        await _limit_free(connection)
        following = tariffs.next_change(tariffs.next_change(at.date()))
        dearer = NewVersion(following, DEARER, 20 * TIYN, history_days=366, zones=100, proximities=20)
        await tariffs.add_version(connection, ids["Business"], dearer, now=at)
        await _pays_in_time(connection, account_id, ids["Business"], at)
        await _runs_out(connection, customer_id, ids["Basic"], at)
    meter = SmsMeter(database, clock=lambda: at)
    for number in (1, 2, 3):  # test messages, as their numbers say
        if await meter.reserve(account_id, -number, 1) is None:
            await meter.settle(-number, 1)
    async with database.pool.connection() as connection:  # the job warns at once, not in a minute
        await connection.execute("SELECT pg_notify('changes', 'billed_trackers:' || %s)", [customer_id])


async def _limit_free(connection: AsyncConnection[Any]) -> None:
    """Beside one that allows everything nobody sees what the others are for."""
    [free] = [tariff for tariff in (await tariffs.all_tariffs(connection)).values() if tariff.free]
    await tariffs.edit(connection, free.id, free.name, "To try it: where everything is now, and the last week", offered=True)
    await tariffs.add_version(connection, free.id, FREE, now=datetime(FIRST.year - 1, 12, 1, tzinfo=UTC))


async def keep(database: Database, account_id: int) -> None:
    """The haulier pays before his money runs out; whatever was blocked while the demo was switched off works again."""
    while True:
        try:
            await pay_in_time(database, account_id)
        except UNREACHABLE as error:
            log.info("the demo's payment waits for the database", reason=str(error).partition("\n")[0])
        await asyncio.sleep(KEPT_EVERY_S)


async def pay_in_time(database: Database, account_id: int, now: datetime | None = None) -> bool:
    """Whether he had to."""
    async with open_book(database, account_id, now=now) as book:
        found = await trackers(book.connection, account_id, book.day)
        covers = [one.covered_until for one in found if one.covered_until and not one.test and one.blocked is None]
        left = days_left(book.balance, book.day, book.tariff, covers)
        unpaid = sum(one.blocked == "unpaid" for one in found)
        if book.tariff.free or (not unpaid and (left is None or left > PAYS_AT_DAYS)):
            return False
        await _pay(book, len(found) * book.version.price, "bank", f"Transfer of {book.day}")
        return True


async def _pays_in_time(connection: AsyncConnection[Any], account_id: int, tariff_id: int, now: datetime) -> None:
    start = now - timedelta(days=PAST_DAYS)
    count = await _begin(connection, account_id, start)
    if not count:  # somebody has removed all vehicles of an older demo
        return

    async def on(day: int) -> Book:
        return await book_on(connection, account_id, now=start + timedelta(days=day))

    month = count * TARIFFS[1][2].price
    book = await on(0)
    await _pay(book, month + month // 5, "bank", "Invoice 1041")
    await tariffs.change(book, tariff_id)
    await topup.top_up(await on(20), 5_000 * TIYN, way="", kind="bonus", key=f"demo:bonus:{account_id}", memo="Welcome gift")
    await _pay(await on(30), month, "bank", "Invoice 1087")
    book = await on(47)
    yesterday = await book.posted(f"daily:{account_id}:{book.day - timedelta(days=1)}")
    if yesterday is not None:
        memo = "The tracker was being repaired by us"
        await topup.reverse(book, yesterday, nos=[1], memo=memo, key=f"demo:reversal:{account_id}")
    book = await on(PAST_DAYS - 16)
    wanted = sum(count * share(book.version.price, book.day + timedelta(days=day)) for day in range(1, 16 + LEFT_DAYS + 1))
    await _pay(book, max(wanted - book.balance, month // 10), "cash", "Receipt 000217")
    await on(PAST_DAYS)


async def _runs_out(connection: AsyncConnection[Any], account_id: int, tariff_id: int, now: datetime) -> None:
    """Of three vehicles the first is paid for today."""
    start = now - timedelta(days=CUSTOMERS_DAYS)
    count = await _begin(connection, account_id, start)
    if not count:
        return
    price = TARIFFS[0][2].price
    book = await book_on(connection, account_id, now=start)
    await _pay(book, count * price, "cash", "Receipt 000198")
    await tariffs.change(book, tariff_id)
    days = [book.day + timedelta(days=day) for day in range(31, CUSTOMERS_DAYS)]
    book = await book_on(connection, account_id, now=start + timedelta(days=30))
    wanted = sum(count * share(price, day) for day in days) + share(price, days[-1] + timedelta(days=1)) * 3 // 2
    await _pay(book, wanted, "cash", "Receipt 000209")
    await book_on(connection, account_id, now=now)


async def _begin(connection: AsyncConnection[Any], account_id: int, start: datetime) -> int:
    """As if the trackers had been connected then, on Free; how many there are. Nothing was charged yet: the free tariff charges
    nothing, even where the job was faster."""
    await connection.execute(
        "UPDATE billing_accounts SET currency = %s, charged_through = NULL WHERE account_id = %s", [CURRENCY, account_id]
    )
    moved = await connection.execute(
        "UPDATE billed_trackers t SET connected_at = %s::timestamptz + make_interval(secs => t.id - first.id)"
        " FROM (SELECT min(id) AS id FROM billed_trackers WHERE account_id = %s) first"
        " WHERE account_id = %s AND removed_at IS NULL",
        [start, account_id, account_id],
    )
    return moved.rowcount


async def _pay(book: Book, amount: int, way: by_hand.Way, note: str) -> None:
    whole = -(-amount // (100 * TIYN)) * 100 * TIYN if amount > 2_000 * TIYN else amount  # people pay round sums
    await by_hand.enter(book, way, whole, reference=note)


__all__: Sequence[str] = ("CUSTOMER", "CUSTOMERS_VEHICLES", "CUSTOMER_EMAIL", "furnish", "keep", "pay_in_time")
