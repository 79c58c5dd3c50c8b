"""A process of its own that does something to a database's accounts, for tests of races and of sudden death.

python -m tests.billing.racer URL do NAME SEED     does it once
python -m tests.billing.racer URL die              for each line "URL NAME N" on standard input: does it in a fork that kills
                                                   itself before its n-th statement, and answers with how the fork ended
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from billing import daily, tariffs, topup, trackers
from billing.book import open_book
from billing.errors import Refused
from billing.meter import SmsMeter
from telematics.config import Settings
from telematics.store.database import Database, open_database

NOW = datetime(2026, 2, 22, 9, tzinfo=UTC)  # two days behind are the accounts
TOP_UP, TOP_UPS, MESSAGES = 5_00, 25, 12


def opened(url: str) -> Any:
    return open_database(Settings(database_url=url, data_dir=Path(tempfile.gettempdir()) / "unused"))


async def accounts(database: Database) -> list[int]:
    async with database.pool.connection() as connection:
        return [row[0] for row in await (await connection.execute("SELECT id FROM accounts ORDER BY id")).fetchall()]


async def run(database: Database, dice: random.Random) -> None:
    await daily.run(database, now=NOW, chunk=2)


async def top_up(database: Database, dice: random.Random) -> None:
    """As a payment's callback does it: once, however often it is told."""
    account_id = (await accounts(database))[1]
    async with open_book(database, account_id, now=NOW) as book:
        if await book.posted(f"payment:{account_id}") is None:
            await topup.top_up(book, 30_500, way="test", key=f"payment:{account_id}")


async def change(database: Database, dice: random.Random) -> None:
    """To Free and back: connections are charged anew."""
    async with open_book(database, (await accounts(database))[0], now=NOW) as book:
        found = await tariffs.all_tariffs(book.connection)
        if await tariffs.changes_left(book):
            paid = book.tariff.id
            await tariffs.change(book, next(tariff.id for tariff in found.values() if tariff.free))
            await tariffs.change(book, paid)


async def top_ups(database: Database, dice: random.Random) -> None:
    found = await accounts(database)
    for number in range(TOP_UPS):
        account_id = dice.choice(found)
        async with open_book(database, account_id, now=NOW) as book:
            await topup.top_up(book, TOP_UP, way="test", key=f"{os.getpid()}:{number}")


async def unblocks(database: Database, dice: random.Random) -> None:
    """Whatever is there is blocked or unblocked, by whomever."""
    async with database.pool.connection() as connection:
        found = await (await connection.execute("SELECT account_id, id FROM devices ORDER BY id")).fetchall()
    for _ in range(40):
        account_id, device_id = dice.choice(found)
        work: Callable[..., Awaitable[object]] = dice.choice([trackers.unblock, trackers.unblock, trackers.block])
        with suppress(Refused):
            async with open_book(database, account_id, now=NOW) as book:
                await work(book, device_id)


async def messages(database: Database, dice: random.Random) -> None:
    """Of each reservation the end is told twice."""
    meter = SmsMeter(database, clock=lambda: NOW)
    found = await accounts(database)
    for number in range(MESSAGES):
        delivery_id = dice.randrange(1 << 40)
        if await meter.reserve(dice.choice(found), delivery_id, 1) is None:
            for _ in range(2):
                await (meter.settle(delivery_id, 1) if number % 3 else meter.give_back(delivery_id))


DOINGS = {work.__name__: work for work in (run, top_up, change, top_ups, unblocks, messages)}


async def do(url: str, name: str, seed: int, die_at: int | None = None) -> None:
    async with opened(url) as database:
        if die_at is not None:
            kill_before(die_at)
        await DOINGS[name](database, random.Random(seed))


def kill_before(statement: int) -> None:
    """This process's n-th statement from now on, BEGIN and COMMIT among them, is not sent any more."""
    sent = 0

    def count() -> None:
        nonlocal sent
        sent += 1
        if sent == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    execute, command = psycopg.AsyncCursor.execute, psycopg.AsyncConnection._exec_command

    async def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        count()
        return await execute(self, *arguments, **named)

    def commanded(self: Any, *arguments: Any, **named: Any) -> Any:
        count()
        return command(self, *arguments, **named)

    psycopg.AsyncCursor.execute = counted  # type: ignore[method-assign]
    psycopg.AsyncConnection._exec_command = commanded  # type: ignore[method-assign]


def main() -> None:
    if sys.argv[2] == "do":
        asyncio.run(do(sys.argv[1], sys.argv[3], int(sys.argv[4])))
        return
    for line in sys.stdin:
        url, name, statement = line.rstrip("\n").rsplit("\t", 2)
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(do(url, name, 0, int(statement)))
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
