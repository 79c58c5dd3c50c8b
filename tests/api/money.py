"""Customers with money, for the tests of billing's routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from billing import tariffs
from billing.book import open_book
from billing.ledger import Book
from billing.tariffs import NewVersion
from billing.topup import top_up
from tests.api.conftest import PASSWORD, World, password_hash

LONG_AGO = date(2020, 1, 1)
PRICE, SMS_PRICE = 300_00, 15_00


@dataclass
class Customer:
    """An account of a test's own, with somebody who may change things and somebody who may only look."""

    world: World
    id: int
    name: str

    @asynccontextmanager
    async def signed_in(self, who: str = "editor") -> AsyncIterator[httpx.AsyncClient]:
        async with self.world.visitor() as client:
            login = {"email": f"{who}@{self.name}.example.com", "password": PASSWORD}
            assert (await client.post("/api/session", data=login)).status_code == 200
            yield client

    async def device(self, client: httpx.AsyncClient, name: str = "Truck") -> dict[str, Any]:
        answer = await client.post("/api/devices", json={"name": name, "uniqueId": uuid4().hex})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    @asynccontextmanager
    async def book(self, *, days: int = 0) -> AsyncIterator[Book]:
        """So many days from now: a book's day never goes back."""
        async with open_book(self.world.server.database, self.id, now=datetime.now(UTC) + timedelta(days=days)) as book:
            yield book

    async def pays(self, amount: int, days: int = 0) -> int:
        async with self.book(days=days) as book:
            entry, _ = await top_up(book, amount, way="cash", key=f"test:{uuid4()}")
        return entry

    async def balance(self) -> int:
        async with self.book() as book:
            return book.balance

    async def one(self, query: str, *values: Any) -> Any:
        async with self.world.server.database.pool.connection() as connection:
            row = await (await connection.execute(query.encode(), values)).fetchone()
        return row[0] if row else None


async def tariff(world: World, *, price: int = PRICE, currency: str = "EUR", **more: Any) -> int:
    """A paid one."""
    async with world.server.database.pool.connection() as connection:
        new = NewVersion(since=LONG_AGO, price=price, sms_price=SMS_PRICE, **more)
        return (await tariffs.add(connection, f"Paid {uuid4().hex[:6]}", "", currency, new)).id


async def customer(world: World, *, paid: int | None = None, balance: int = 0) -> Customer:
    """On a tariff (`paid`: its number), with money."""
    name = f"c{uuid4().hex[:8]}"
    account_id = await world._insert("INSERT INTO accounts (name) VALUES (%s) RETURNING id", name)
    for who, readonly in (("editor", False), ("looker", True)):
        await world._insert(
            "INSERT INTO users (account_id, email, name, password_hash, readonly) VALUES (%s, %s, %s, %s, %s) RETURNING id",
            *(account_id, f"{who}@{name}.example.com", who.title(), password_hash(), readonly),
        )
    made = Customer(world, account_id, name)
    async with made.book() as book:
        if paid is not None:
            await tariffs.change(book, paid, counted=False)
        if balance:
            await top_up(book, balance, way="cash", key=f"test:{uuid4()}")
    return made


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}
