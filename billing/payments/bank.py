"""Bank transfers by the statement: an operator hands in the bank's file, sees what each line is, and has it credited.

Whose a line is says the account number in its details (`numbers.py`), if there is one and only one; an operator may say
otherwise, or later. Each line is taken once, however often and in whatever pieces its statement is handed in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from psycopg import AsyncConnection

from billing import sql
from billing.book import WAIT_S, open_book
from billing.errors import Refused
from billing.ledger import Book
from billing.numbers import accounts_in
from billing.payments import by_hand
from billing.payments.statement_file import Statement, StatementLine, read
from telematics.store.database import Database

TAKES_S = 20.0  # a person waits, and a proxy in between gives up

What = Literal[
    "matched",  # to be credited
    "unmatched",  # nobody's, or several accounts': to be assigned by hand
    "known",  # taken before
    "other_currency",  # than the account's: can't be credited
]


@dataclass(frozen=True, slots=True)
class AccountName:
    """A row of `accounts_named.sql`."""

    id: int
    name: str
    currency: str


@dataclass(frozen=True, slots=True)
class BankLine:
    """A row of `bank_lines.sql`."""

    id: int
    fingerprint: str
    day: date
    amount: int
    currency: str
    payer: str
    details: str
    account_id: int | None
    account_name: str | None
    payment_id: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """A line of a file, and what would become of it."""

    line: StatementLine
    what: What
    account: AccountName | None


@dataclass(frozen=True, slots=True)
class Preview:
    statement: Statement
    lines: list[Seen]


@dataclass(slots=True)
class Imported:
    credited: int = 0
    amount: dict[str, int] = field(default_factory=dict)  # by currency
    kept: int = 0  # to be assigned by hand
    known: int = 0  # taken before
    refused: int = 0  # of another currency than the account's; they are kept, too
    left: int = 0  # not looked at, as time was up: hand in the same file again


async def preview(
    connection: AsyncConnection[Any],
    content: bytes,
    currency: str,
    *,
    assigned: Mapping[str, int] | None = None,
    today: date | None = None,
) -> Preview:
    """`assigned`: accounts that an operator chose, by the lines' fingerprints. Raises Refused: too_large, not_a_statement."""
    today = today or (datetime.now(UTC) + timedelta(hours=14)).date()
    statement, named = await asyncio.to_thread(_read, content, currency, today)  # thousands of lines
    assigned = assigned or {}
    wanted = {*assigned.values(), *(one for ids in named.values() for one in ids)}
    accounts = {row.id: row for row in await sql.rows(connection, "accounts_named", AccountName, ids=sorted(wanted))}
    cursor = await connection.execute(sql.text("bank_known"), {"fingerprints": list(named)}, prepare=False)
    known = {row[0] for row in await cursor.fetchall()}
    seen = []
    for line in statement.lines:
        found = [accounts[one] for one in named[line.fingerprint] if one in accounts]
        account = (
            accounts.get(assigned[line.fingerprint]) if line.fingerprint in assigned else found[0] if len(found) == 1 else None
        )
        seen.append(Seen(line, _what(line, account, line.fingerprint in known), account))
    return Preview(statement, seen)


def _read(content: bytes, currency: str, today: date) -> tuple[Statement, dict[str, set[int]]]:
    """With the accounts that each line names."""
    statement = read(content, currency, today=today)
    return statement, {line.fingerprint: accounts_in(line.details) for line in statement.lines}


def _what(line: StatementLine, account: AccountName | None, known: bool) -> What:
    if known:
        return "known"
    if account is None:
        return "unmatched"
    return "matched" if account.currency == line.currency else "other_currency"


async def take(
    database: Database,
    content: bytes,
    currency: str,
    *,
    assigned: Mapping[str, int] | None = None,
    user_id: int | None = None,
    now: datetime | None = None,
    within_s: float = TAKES_S,
) -> Imported:
    """Credit what is matched and keep the rest. Each account's lines are a transaction of their own: broken off in the middle, or
    when time is up (`left`), the same file may be handed in again. Raises Refused as `preview` does."""
    until = time.monotonic() + within_s
    async with database.pool.connection(timeout=WAIT_S) as connection:
        shown = await preview(connection, content, currency, assigned=assigned)
    done, matched, others = Imported(), dict[int, list[StatementLine]](), list[Seen]()
    for seen in shown.lines:
        if seen.what == "known":
            done.known += 1
        elif seen.what == "matched" and seen.account is not None:
            matched.setdefault(seen.account.id, []).append(seen.line)
        else:
            others.append(seen)
    async with database.pool.connection(timeout=WAIT_S) as connection:
        for seen in others:
            account_id = seen.account.id if seen.account is not None else None
            added = await _add(connection, seen.line, account_id, user_id, now or datetime.now(UTC))
            done.known += added is None
            done.refused += added is not None and seen.what == "other_currency"
            done.kept += added is not None and seen.what == "unmatched"
    for account_id, lines in matched.items():
        if time.monotonic() > until:
            done.left += len(lines)
            continue
        for line in await _credit(database, account_id, lines, user_id, now):
            done.credited += 1
            done.amount[line.currency] = done.amount.get(line.currency, 0) + line.amount
    done.known += sum(map(len, matched.values())) - done.credited - done.left
    return done


async def assign(book: Book, line_id: int) -> BankLine:
    """A line that was nobody's is this account's. Raises Refused: no_line, assigned, other_currency."""
    found = await sql.rows(book.connection, "bank_line", BankLine, id=line_id)
    if not found:
        raise Refused("no_line", "There is no such line.")
    line = found[0]
    if line.payment_id is not None:
        raise Refused("assigned", f"The line is {line.account_name or line.account_id}'s already.")
    if line.currency != book.currency:
        raise Refused("other_currency", f"The money is {line.currency}, the account's is {book.currency}: it can't be credited.")
    await _pay(book, line.id, line.amount, line.day, line.payer, line.details, line.fingerprint)
    return (await sql.rows(book.connection, "bank_line", BankLine, id=line_id))[0]


async def _credit(
    database: Database, account_id: int, lines: list[StatementLine], user_id: int | None, now: datetime | None
) -> list[StatementLine]:
    """Those that somebody else hasn't taken meanwhile."""
    credited = []
    async with open_book(database, account_id, now=now, user_id=user_id) as book:
        for line in lines:
            line_id = await _add(book.connection, line, account_id, user_id, book.now)
            if line_id is not None:
                await _pay(book, line_id, line.amount, line.day, line.payer, line.details, line.fingerprint)
                credited.append(line)
    return credited


async def _pay(book: Book, line_id: int, amount: int, day: date, payer: str, details: str, fingerprint: str) -> None:
    note = f"{payer}: {details}" if payer else details
    attributes = {"line": line_id, "day": day.isoformat()}
    payment, _ = await by_hand.enter(book, "bank", amount, reference=fingerprint, note=note[:1000], attributes=attributes)
    values = {"id": line_id, "account_id": book.account_id, "payment_id": payment.id, "user_id": book.user_id}
    await sql.run(book.connection, "bank_line_paid", **values)


async def _add(
    connection: AsyncConnection[Any], line: StatementLine, account_id: int | None, user_id: int | None, now: datetime
) -> int | None:
    """Its number; None where it was taken before."""
    added: int | None = await sql.value(
        connection, "add_bank_line", fingerprint=line.fingerprint, day=line.day, amount=line.amount, currency=line.currency,
        payer=line.payer, details=line.details, account_id=account_id, user_id=user_id, now=now,
    )  # fmt: skip
    return added


async def lines(connection: AsyncConnection[Any], *, open: bool = False, limit: int = 100, offset: int = 0) -> list[BankLine]:
    """Those that were taken, the newest first. `open`: that are nobody's yet."""
    return await sql.rows(connection, "bank_lines", BankLine, open=open, limit=limit, offset=offset)
