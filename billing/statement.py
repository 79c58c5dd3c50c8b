"""Statements: what came and went of a customer's money, from the ledger alone.

Opening balance + lines = closing balance, for any period; of one tracker, one kind or one entry, too: then the balances are sums
of what was asked for. A statement ends with the entry that was the newest when it was begun: an account's entries are written one
after another, so that all parts of a long file are of one state without a transaction kept open while somebody reads it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import args_row

from billing import sql
from telematics.store.database import Database

WAIT_S = 4.0  # for a connection
AT_ONCE = 250  # lines made before others get a turn: trackers are read by the same thread
PART = 10_000  # lines read at once for a file: some 40 ms
KINDS = (
    "topup", "bonus", "connection", "daily", "sms", "sms_returned", "reversal", "refund_requested", "refund_returned", "dispute",
    "dispute_won",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Selection:
    """Whose, and which lines. Both days are in it. `grouped`: what is charged at once for many trackers is one line."""

    account_id: int
    since: date
    until: date
    device_id: int | None = None
    kinds: tuple[str, ...] = ()
    entry_id: int | None = None
    grouped: bool = False

    @property
    def whole(self) -> bool:
        return self.device_id is None and not self.kinds and self.entry_id is None

    def grouped_by(self, group: str | None) -> Selection:
        return replace(self, grouped=group is not None)

    def parameters(self, last: int) -> dict[str, Any]:
        return {
            "account_id": self.account_id,
            "since": self.since,
            "until": self.until,
            "device_id": self.device_id,
            "kinds": list(self.kinds) or None,
            "entry_id": self.entry_id,
            "last": last,
        }


class StatementLine(msgspec.Struct, frozen=True, gc=False):
    """A row of `statement_lines.sql` and `statement_entries.sql`. `no` is its own in its entry; of several it is the first."""

    day: date
    at: datetime
    entry_id: int
    no: int
    kind: str
    device_id: int | None
    name: str | None
    unique_id: str | None
    tariff: str | None
    price: int | None  # a month
    amount: int
    memo: str | None
    reverses: int | None
    reverses_no: int | None
    lines: int  # that were put together
    balance: int  # after it


@dataclass(frozen=True, slots=True)
class Totals:
    """A row of `statement_totals.sql`."""

    lines: int
    entries: int
    came: int
    went: int  # below zero


@dataclass(frozen=True, slots=True)
class Head:
    """What a statement is about, before its lines."""

    selection: Selection
    last: int  # entry
    opening: int
    totals: Totals

    @property
    def closing(self) -> int:
        return self.opening + self.totals.came + self.totals.went

    @property
    def total(self) -> int:
        """Of lines as they are asked for."""
        return self.totals.entries if self.selection.grouped else self.totals.lines


async def head(database: Database, selection: Selection) -> Head:
    async with database.pool.connection(timeout=WAIT_S) as connection:
        last = await sql.value(connection, "statement_last", account_id=selection.account_id) or 0
        asked = selection.parameters(last)
        if selection.whole:
            opening = await sql.value(connection, "statement_opening", **asked)
        else:
            before = {**asked, "since": date.min, "until": date.fromordinal(max(1, selection.since.toordinal() - 1))}
            earlier = await sql.row(connection, "statement_totals", Totals, **before)
            assert earlier is not None
            opening = earlier.came + earlier.went
        totals = await sql.row(connection, "statement_totals", Totals, **asked)
        assert totals is not None
        return Head(selection, last, opening, totals)


async def page(database: Database, of: Head, *, limit: int, offset: int, newest_first: bool = False) -> list[StatementLine]:
    """Some of its lines, each with the balance after it."""
    if newest_first:
        offset, limit = max(0, of.total - offset - limit), max(0, min(limit, of.total - offset))
    selection, asked = of.selection, of.selection.parameters(of.last)
    name = "statement_entries" if selection.grouped else "statement_lines"
    start = {"after_day": selection.since, "after_entry": 0, "after_no": 0}
    async with database.pool.connection(timeout=WAIT_S) as connection:
        skipped = {**asked, "grouped": selection.grouped, "offset": offset}
        balance = of.opening + (await sql.value(connection, "statement_skipped", **skipped) if offset else 0)
        lines = await _read(connection, name, {**asked, **start, "balance": balance, "limit": limit, "offset": offset})
    return lines[::-1] if newest_first else lines


async def parts(database: Database, of: Head, size: int = PART) -> AsyncIterator[list[StatementLine]]:
    """All lines, oldest first, some thousands at a time: nothing of the database is held in between."""
    asked = of.selection.parameters(of.last) | {"balance": of.opening, "limit": size, "offset": 0}
    after: dict[str, Any] = {"after_day": of.selection.since, "after_entry": 0, "after_no": 0}
    while True:
        async with database.pool.connection(timeout=WAIT_S) as connection:
            lines = await _read(connection, "statement_lines", asked | after)
        if not lines:
            return
        yield lines
        end = lines[-1]
        after = {"after_day": end.day, "after_entry": end.entry_id, "after_no": end.no, "balance": end.balance}


async def _read(connection: AsyncConnection[Any], name: str, parameters: dict[str, Any]) -> list[StatementLine]:
    lines: list[StatementLine] = []
    async with connection.cursor(row_factory=args_row(StatementLine), binary=True) as cursor:
        await cursor.execute(sql.text(name), parameters, prepare=False)
        while some := await cursor.fetchmany(AT_ONCE):
            lines += some
            await asyncio.sleep(0)
    return lines
