"""An account on a real database with a clock of its own, for tests that let days pass: short words for what a customer does."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from billing import daily, tariffs, topup, trackers
from billing.book import open_book
from billing.ledger import Book, Line
from billing.tariffs import NewVersion, Version
from billing.trackers import Outcome
from telematics.store.database import Database

PRICE, SMS_PRICE = 300_00, 15_00  # of the worked examples
_numbers = count(1)


@dataclass
class World:
    database: Database
    account_id: int
    now: datetime
    free_id: int
    tariff_id: int  # the paid one of the worked examples
    devices: dict[str, int] = field(default_factory=dict)

    @staticmethod
    async def begin(
        database: Database, now: str, *, time_zone: str = "UTC", price: int = PRICE, money: int = 0, paid: bool = True
    ) -> World:
        """An account that is on the paid tariff (or on Free) at this time, in its own zone, with so much money."""
        at = datetime.fromisoformat(now)
        async with database.pool.connection() as connection:
            text = "INSERT INTO accounts (name, time_zone) VALUES ('fleet', %s) RETURNING id"
            (account_id,) = await one(connection, text, [time_zone])
            (free_id,) = await one(connection, "SELECT id FROM tariffs WHERE currency IS NULL")
            first = NewVersion(date(2020, 1, 1), price, SMS_PRICE)
            tariff = await tariffs.add(connection, f"Paid {next(_numbers)}", "", "EUR", first)
        world = World(database, account_id, at if at.tzinfo else at.replace(tzinfo=UTC), free_id, tariff.id)
        if money:
            await world.top_up(money)
        if paid:
            await world.change(tariff.id, counted=False)
        return world

    def book(self) -> AbstractAsyncContextManager[Book]:
        return open_book(self.database, self.account_id, now=self.now)

    async def at(self, now: str) -> None:
        """It is later. The day's run is for `run` and `book`."""
        at = datetime.fromisoformat(now)
        self.now = at if at.tzinfo else at.replace(tzinfo=UTC)

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)

    async def connect(self, *names: str) -> None:
        """Trackers, in this order, paid for at once."""
        async with self.database.pool.connection() as connection:
            for number, name in enumerate(names):
                (self.devices[name],) = await one(
                    connection,
                    "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, %s) RETURNING id",
                    [self.account_id, f"unit {next(_numbers)}", name],
                )
                await connection.execute(
                    "UPDATE billed_trackers SET connected_at = %s WHERE device_id = %s AND removed_at IS NULL",
                    [self.now + timedelta(milliseconds=number), self.devices[name]],
                )
        async with self.book():
            pass

    async def remove(self, name: str) -> None:
        device = self.devices.pop(name)
        async with self.book() as book:
            await book.connection.execute("DELETE FROM devices WHERE id = %s", [device])
            await book.connection.execute("UPDATE billed_trackers SET removed_at = %s WHERE device_id = %s", [self.now, device])

    async def top_up(self, amount: int, *, kind: str = "topup", key: str | None = None) -> Outcome:
        async with self.book() as book:
            return (await topup.top_up(book, amount, way="cash", key=key or f"test:{next(_numbers)}", kind=kind))[1]

    async def spend(self, leave: int) -> None:
        """So that just this much is left: the rest goes as a refund would."""
        async with self.book() as book:
            lines = [Line("customer", leave - book.balance), Line("clearing:cash", book.balance - leave)]
            await book.post("refund", lines, key=f"test:{next(_numbers)}")

    async def change(self, tariff_id: int, *, counted: bool = True) -> Outcome:
        async with self.book() as book:
            return await tariffs.change(book, tariff_id, counted=counted)

    async def another(self, price: int, **more: Any) -> int:
        """Another paid tariff."""
        async with self.database.pool.connection() as connection:
            new = NewVersion(date(2020, 1, 1), price, **more)
            return (await tariffs.add(connection, f"Other {next(_numbers)}", "", "EUR", new)).id

    async def version(self, since: date, price: int, **more: Any) -> Version:
        """Another price from a day on."""
        async with self.database.pool.connection() as connection:
            new = NewVersion(since, price, SMS_PRICE, **more)
            return await tariffs.add_version(connection, self.tariff_id, new, now=self.now)

    async def unblock(self, name: str) -> Outcome:
        async with self.book() as book:
            return await trackers.unblock(book, self.devices[name])

    async def block(self, name: str, *, administrator: bool = False) -> None:
        async with self.book() as book:
            if administrator:
                await trackers.block_by_administrator(book, self.devices[name], "stolen")
            else:
                await trackers.block(book, self.devices[name], "sold")

    async def unblock_by_administrator(self, name: str) -> Outcome:
        async with self.book() as book:
            return await trackers.unblock_by_administrator(book, self.devices[name])

    async def set_test(self, name: str, test: bool = True) -> Outcome:
        async with self.book() as book:
            return await trackers.set_test(book, self.devices[name], test)

    async def reverse(self, entry_id: int, *nos: int) -> Outcome:
        async with self.book() as book:
            return (await topup.reverse(book, entry_id, nos=nos or None, memo="a mistake", key=f"test:{next(_numbers)}"))[1]

    async def move(self, time_zone: str) -> None:
        async with self.database.pool.connection() as connection:
            await connection.execute("UPDATE accounts SET time_zone = %s WHERE id = %s", [time_zone, self.account_id])

    async def run(self, **more: Any) -> daily.Ran:
        return await daily.run(self.database, now=self.now, **more)

    async def days(self, until: str) -> None:
        """A run on each day up to this one, at one in the morning."""
        last = date.fromisoformat(until)
        while self.now.date() < last:
            self.now = datetime(self.now.year, self.now.month, self.now.day, 1, tzinfo=self.now.tzinfo) + timedelta(days=1)
            await self.run()

    # --- what is there ---

    async def balance(self, kind: str = "customer") -> int:
        async with self.database.pool.connection() as connection:
            found = await connection.execute(
                "SELECT balance FROM ledger_accounts WHERE account_id = %s AND kind = %s", [self.account_id, kind]
            )
            row = await found.fetchone()
            return int(row[0]) if row else 0

    async def states(self) -> dict[str, str]:
        """By name: working, test, or by whom it is blocked."""
        async with self.database.pool.connection() as connection:
            found = await connection.execute(
                "SELECT name, coalesce(blocked, CASE WHEN test THEN 'test' ELSE 'working' END) FROM billed_trackers"
                " WHERE account_id = %s AND removed_at IS NULL ORDER BY connected_at, id",
                [self.account_id],
            )
            return dict(await found.fetchall())

    async def charges(self, name: str | None = None, kind: str | None = None) -> list[tuple[str, str, str | None, int]]:
        """Day, kind, tracker, amount of the customer's lines, in the ledger's order."""
        async with self.database.pool.connection() as connection:
            found = await connection.execute(
                "SELECT e.day::text, e.kind, t.name, li.amount FROM ledger_entries e JOIN ledger_lines li ON li.entry_id = e.id"
                " JOIN ledger_accounts l ON l.id = li.ledger_id LEFT JOIN billed_trackers t ON t.id = li.tracker_id"
                " WHERE e.account_id = %s AND l.kind = 'customer' AND coalesce(t.name = %s, %s) AND coalesce(e.kind = %s, true)"
                " ORDER BY e.id, li.no",
                [self.account_id, name, name is None, kind],
            )
            return await found.fetchall()

    async def newest(self, kind: str) -> int:
        """The number of the newest entry of a kind."""
        async with self.database.pool.connection() as connection:
            text = "SELECT max(id) FROM ledger_entries WHERE account_id = %s AND kind = %s"
            return int((await one(connection, text, [self.account_id, kind]))[0])


async def one(connection: Any, text: str, values: Any = None) -> tuple[Any, ...]:
    row = await (await connection.execute(text.encode(), values)).fetchone()
    assert row is not None
    return tuple(row)
