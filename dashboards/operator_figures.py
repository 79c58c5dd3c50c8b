"""The service in figures, for the operator's overview: money, income, accounts that run out.

What reads a large part of a table is kept for a while: the overview is looked at often, and by several people. Nothing here reads
the ledger's lines, of which there are hundreds of millions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import structlog

from billing.catalogue import Tariff, all_tariffs
from billing.daily import behind
from billing.forecast import days_left
from billing.rules import WARN_DAYS, local_day
from dashboards import sql
from telematics.store.database import Database

log = structlog.get_logger(__name__)
Found = TypeVar("Found")
FRESH_S, PAST_S = 30.0, 3600.0  # for which figures are kept: of now, and of months that are over
STALE = 10  # times as old they are shown while new ones are made
LATE = timedelta(hours=1)  # after an account's day has begun it should be charged
SOON_DAYS = max(WARN_DAYS)
FAR_DAYS = 60  # what lasts longer needs no number
DAYS, MONTHS = 31, 12  # of income


@dataclass(frozen=True, slots=True)
class Service:
    """A row of `operator_overview.sql`."""

    accounts: int
    disabled: int
    charged_through: date | None
    trackers: int
    unpaid: int
    by_owner: int
    by_administrator: int
    last_charged: datetime | None

    @property
    def blocked(self) -> int:
        return self.unpaid + self.by_owner + self.by_administrator


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row of `operator_waiting.sql`."""

    flagged: int
    refunds: int
    bank_lines: int


@dataclass(frozen=True, slots=True)
class Held:
    """A row of `operator_money.sql`."""

    currency: str
    accounts: int
    at_hand: int
    refunds: int
    sms: int


@dataclass(frozen=True, slots=True)
class Income:
    """A row of `operator_income.sql`; of a month its first day."""

    day: date
    currency: str
    earned: int = 0
    paid_in: int = 0
    given: int = 0
    paid_back: int = 0


@dataclass(frozen=True, slots=True)
class Paying:
    """A row of `operator_paying.sql`."""

    account_id: int
    tariff_id: int
    time_zone: str
    balance: int
    charged_through: date | None
    covers: list[date]
    numbers: list[int]


@dataclass(slots=True)
class Figures:
    """What is known of the service, and since when."""

    database: Database
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _renewing: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def service(self) -> Service:
        async def ask() -> Service:
            found = await sql.row(self.database, "operator_overview", Service)
            assert found is not None
            return found

        return await self._recent("service", FRESH_S, ask)

    async def waiting(self) -> Waiting:
        """Never old: an operator has just dealt with one of them."""
        found = await sql.row(self.database, "operator_waiting", Waiting)
        assert found is not None
        return found

    async def held(self) -> list[Held]:
        return await self._recent("held", FRESH_S, lambda: sql.rows(self.database, "operator_money", Held))

    async def behind(self) -> tuple[int, int]:
        """Accounts that should have been charged for long, and how many days in all."""
        return await self._recent("behind", FRESH_S, lambda: behind(self.database, now=datetime.now(UTC) - LATE))

    async def by_day(self, today: date) -> list[Income]:
        """Of the last days, this one among them: somewhere it is tomorrow already."""
        since, until = today - timedelta(days=DAYS - 1), today + timedelta(days=2)
        return await self._recent(f"days {today}", FRESH_S, lambda: self._income(since, until, "day"))

    async def by_month(self, today: date) -> list[Income]:
        """Of the last months, each asked for by itself, as all in one statement might take longer than statements may. Those
        before the last one are over, but for what catches up: they are asked for once an hour."""
        this = today.replace(day=1)
        found: list[Income] = []
        for back in range(MONTHS - 1, -1, -1):
            first, following = _month(this, -back), _month(this, 1 - back)
            until = following if back else today + timedelta(days=2)
            ask = partial(self._income, first, until, "month")
            found += await self._recent(f"month {first} {until}", PAST_S if back > 1 else FRESH_S, ask)
        return found

    async def running_out(self) -> dict[int, int]:
        """Accounts whose money lasts no longer than the first warning: days left, the fewest first."""
        found = await self._recent("running out", FRESH_S, lambda: self._lasting(None, SOON_DAYS))
        return dict(sorted(found.items(), key=lambda one: one[1]))

    async def lasting(self, account_ids: Sequence[int]) -> dict[int, int]:
        """Of these accounts the days left, where they are no more than FAR_DAYS."""
        return await self._lasting(list(account_ids), FAR_DAYS) if account_ids else {}

    async def _lasting(self, ids: list[int] | None, days: int) -> dict[int, int]:
        rows = await sql.rows(self.database, "operator_paying", Paying, ids=ids, days=days)
        async with self.database.pool.connection(timeout=sql.WAIT_S) as connection:
            tariffs = await all_tariffs(connection)
        return await asyncio.to_thread(_reckoned, rows, tariffs, days, datetime.now(UTC))

    async def _income(self, since: date, until: date, by: str) -> list[Income]:
        return await sql.rows(self.database, "operator_income", Income, since=since, until=until, by=by)

    async def _recent(self, name: str, seconds: float, ask: Callable[[], Awaitable[Found]]) -> Found:
        """Asked once by however many look at the same time; what is a little too old is shown once more meanwhile."""
        known = self._kept.get(name)
        age_s = time.monotonic() - known[0] if known else float("inf")
        if age_s > seconds * STALE:
            await self._renew(name, seconds, ask)
        elif age_s > seconds and name not in self._renewing:
            task = self._renewing[name] = asyncio.create_task(self._renew(name, seconds, ask))
            task.add_done_callback(lambda done: self._renewed(name, done))
        found: Found = self._kept[name][1]
        return found

    async def _renew(self, name: str, seconds: float, ask: Callable[[], Awaitable[Any]]) -> None:
        async with self._locks.setdefault(name, asyncio.Lock()):
            known = self._kept.get(name)
            if known is None or time.monotonic() - known[0] > seconds:
                self._tidy()
                self._kept[name] = (time.monotonic(), await ask())

    def _renewed(self, name: str, done: asyncio.Task[None]) -> None:
        del self._renewing[name]
        if not done.cancelled() and (error := done.exception()):
            log.warning("the operator's figures stay as they were", figure=name, reason=str(error).partition("\n")[0])

    def _tidy(self) -> None:
        """Names that hold a day are new each day."""
        old = time.monotonic() - (STALE + 1) * PAST_S
        for name in [name for name, (since, _) in self._kept.items() if since < old]:
            del self._kept[name]
            self._locks.pop(name, None)


def _reckoned(rows: Sequence[Paying], tariffs: dict[int, Tariff], days: int, now: datetime) -> dict[int, int]:
    found: dict[int, int] = {}
    for row in rows:
        today = local_day(now, row.time_zone)
        covers = [cover for cover, number in zip(row.covers, row.numbers, strict=True) for _ in range(number)]
        left = days_left(row.balance, max(today, row.charged_through or today), tariffs[row.tariff_id], covers)
        if left is not None and left <= days:
            found[row.account_id] = left
    return found


def _month(first: date, months: int) -> date:
    """The first day of a month so many months later."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)
