"""An account's ledger, open for writing: entries whose lines add up to zero, and blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from billing import sql
from billing.catalogue import Tariff, Version
from billing.errors import NotEnoughMoney
from billing.rules import share


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an entry. `to`: customer, sms or refund (the customer's: at hand, or set aside); revenue, bonus, loss or
    `clearing:<way>` (the provider's)."""

    to: str
    amount: int
    tracker_id: int | None = None
    version_id: int | None = None
    reverses_no: int | None = None  # the line that is taken back, of the entry that is reversed


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A row of `ledgers.sql`."""

    id: int
    kind: str
    name: str
    balance: int


@dataclass(frozen=True, slots=True)
class Named:
    name: str


@dataclass(slots=True)
class Book:
    """Made by `book.open_book`. `day` is the account's; it never goes back, even when the time zone moves."""

    connection: AsyncConnection[Any]
    account_id: int
    now: datetime
    day: date
    currency: str
    tariff: Tariff
    user_id: int | None = None
    balance: int = 0  # money at hand
    behind: int = 0  # days up to `day` that are still to be charged: of a book that is only looked at

    @property
    def version(self) -> Version:
        """Of the tariff, today."""
        return self.tariff.on(self.day)

    @property
    def daily(self) -> int:
        """What a tracker costs today."""
        return share(self.version.price, self.day)

    async def post(
        self,
        kind: str,
        lines: Sequence[Line],
        *,
        key: str,
        reverses: int | None = None,
        memo: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> int:
        """Write an entry; its number. The lines add up to zero. Raises NotEnoughMoney, or psycopg's UniqueViolation when there is
        an entry of this key (ask `posted` before)."""
        own = sum(line.amount for line in lines if line.to == "customer")
        if own < 0 and self.balance + own < 0:
            raise NotEnoughMoney(-own, self.balance, self.currency)
        ledgers = await self._ledgers(sorted({line.to for line in lines}))
        entry_id: int = await sql.value(
            self.connection,
            "add_entry",
            account_id=self.account_id,
            kind=kind,
            currency=self.currency,
            amount=own,
            day=self.day,
            at=self.now,
            key=key,
            reverses=reverses,
            user_id=self.user_id,
            memo=memo,
            attributes=None if attributes is None else Jsonb(attributes),
        )
        await sql.run(
            self.connection,
            "add_lines",
            entry_id=entry_id,
            day=self.day,
            reverses=reverses,
            ledger_ids=[ledgers[line.to].id for line in lines],
            tracker_ids=[line.tracker_id for line in lines],
            version_ids=[line.version_id for line in lines],
            amounts=[line.amount for line in lines],
            dailies=[kind == "daily" and line.to == "customer" for line in lines],
            reverses_nos=[line.reverses_no for line in lines],
        )
        self.balance += own
        return entry_id

    async def posted(self, key: str) -> int | None:
        """The entry of this key."""
        found: int | None = await sql.value(self.connection, "entry_of_key", key=key)
        return found

    async def set_aside(self, kind: str) -> int:
        """Of the customer's money, for `sms` or `refund`."""
        ledger = (await self._found([kind])).get(kind)
        return ledger.balance if ledger else 0

    async def add_blocks(self, kind: str, unpaid: dict[int, str | None], reason: str = "") -> None:
        """Block trackers, by number; of those who are unpaid, what it is that couldn't be paid."""
        await sql.run(
            self.connection,
            "add_blocks",
            account_id=self.account_id,
            kind=kind,
            reason=reason,
            day=self.day,
            now=self.now,
            user_id=self.user_id,
            ids=list(unpaid),
            unpaid=list(unpaid.values()),
        )

    async def end_blocks(self, kinds: Sequence[str], tracker_ids: Sequence[int] | None = None) -> list[str]:
        """Of these trackers, or of all; the names of those that work again."""
        found = await sql.rows(
            self.connection,
            "end_blocks",
            Named,
            account_id=self.account_id,
            kinds=list(kinds),
            ids=None if tracker_ids is None else list(tracker_ids),
            now=self.now,
            user_id=self.user_id,
        )
        return [row.name for row in found]

    async def _ledgers(self, wanted: Sequence[str]) -> dict[str, LedgerRow]:
        found = await self._found(wanted)
        missing = [name for name in wanted if name not in found]
        if missing:
            parts = [name.partition(":") for name in missing]
            await sql.run(
                self.connection,
                "add_ledgers",
                account_id=self.account_id,
                currency=self.currency,
                kinds=[kind for kind, _, _ in parts],
                names=[name for _, _, name in parts],
            )
            found = await self._found(wanted)
        return found

    async def _found(self, wanted: Sequence[str]) -> dict[str, LedgerRow]:
        parts = [name.partition(":") for name in wanted]
        rows = await sql.rows(
            self.connection,
            "ledgers",
            LedgerRow,
            account_id=self.account_id,
            currency=self.currency,
            kinds=[kind for kind, _, _ in parts],
            names=[name for _, _, name in parts],
        )
        return {f"{row.kind}:{row.name}" if row.name else row.kind: row for row in rows}

    async def refresh(self) -> None:
        """Read the balance."""
        customer = (await self._found(["customer"])).get("customer")
        self.balance = customer.balance if customer else 0
