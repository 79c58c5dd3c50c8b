"""Is the money right? Proved from scratch: from the ledger's lines, the tariffs and the past, with arithmetic of its own.

Nothing here is used by what charges, and nothing that charges is used here: a mistake in one is seen by the other. Each check is
a query of `sql/check_*.sql` that answers with what is wrong where, and with nothing where all is well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from billing import sql
from telematics.store.database import Database

CHECKS = (
    "check_entries",
    "check_balances",
    "check_below_zero",
    "check_daily_twice",
    "check_charges",
    "check_charged_wrongly",
    "check_connections",
    "check_skipped",
    "check_blocks",
    "check_reversals",
    "check_accounts",
    "check_payments",
    "check_sms",
    "check_refunds",
)
WORK_MEM = "64MB"  # a year's lines are sorted by tracker and by account


@dataclass(frozen=True, slots=True)
class Problem:
    """`where` names the account and what of it; `what` says in a sentence what is wrong there."""

    where: str
    what: str


async def problems(database: Database) -> list[Problem]:
    """All that is wrong now, at most a thousand of a sort. Reads only, on a connection of its own; may take minutes."""
    async with await database.connect() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        await connection.execute(f"SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '{WORK_MEM}'".encode())
        return await problems_on(connection)


async def problems_on(connection: AsyncConnection[Any]) -> list[Problem]:
    """The same in the caller's transaction, which had better see one moment."""
    found = list[Problem]()
    for check in CHECKS:
        rows = await connection.execute(sql.text(check))
        found += [Problem(where, what) for where, what in await rows.fetchall()]
    return found
