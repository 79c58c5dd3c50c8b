"""The job that runs by itself, and what the rest of the server asks of billing.

`Billing` is made beside a server and handed to `create_app`. `run` charges the days that have begun, pays for trackers that were
connected, warns, and tidies up, for the life of the process. Any number of processes may do so on one database: each account's
work is done under its lock, and what has been done is not done again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from typing import TYPE_CHECKING

import psycopg
import structlog
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled, SerializationFailure
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from billing import daily, sql, warnings
from billing.allowances import Allowances
from billing.book import open_book
from billing.errors import Refused
from billing.meter import SmsMeter
from billing.metrics import BillingMetrics
from billing.payments.begin import look_after
from billing.payments.providers import Providers
from billing.refunds import pay_waiting
from billing.rules import local_day, zone_of
from telematics.config import Settings
from telematics.store.database import Database
from telematics.store.errors import StoreError
from telematics.tasks import together

if TYPE_CHECKING:
    from telematics.store.changes import Changes

log = structlog.get_logger(__name__)

UNREACHABLE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, TooManyRequests, StoreError)
SLOW = (QueryCanceled, LockNotAvailable, DeadlockDetected, SerializationFailure)  # this work, and not all of the database
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0  # after a failure, doubled each time
LOW_EVERY_S = 3600.0  # who runs out of money is looked for when days were charged, and so often: it reads all trackers
GATHER_S = 0.5  # for those that are connected behind the first one: an import of thousands is a few looks
TOLD_EVERY_S = 3600.0  # that all is well
PAYMENTS_EVERY_S = 300.0  # payments and refunds that nothing is heard of are asked after
KEYS_DAYS = 7  # for which a request may be sent again under its key

Chore = Callable[[], Awaitable[object]]


class Billing:
    """`watch` the changes, then `run`. Without `run` it answers all the same, and charges nothing by itself. Without `tell` it
    warns nobody."""

    def __init__(self, database: Database, settings: Settings, tell: warnings.Tell | None = None) -> None:
        self._database = database
        self._settings = settings.billing
        self.tell = tell
        self._due: set[int] = set()  # accounts with trackers that were just connected
        self._wake = asyncio.Event()
        self._looked_at = self._said_at = -LOW_EVERY_S  # for those who run out; said that all is well. Monotonic seconds
        self.metrics = BillingMetrics()
        self.allowances = Allowances(database)
        self.meter = SmsMeter(database)
        self.providers = Providers(settings.billing.providers)
        self.chores: list[Chore] = [self.meter.tidy, self._trim_keys]  # of each round; one that fails holds up no other

    def watch(self, changes: Changes) -> None:
        changes.subscribe("billed_trackers", self._connected)
        self.allowances.watch(changes)

    async def _connected(self, account_ids: set[int] | None) -> None:
        """Never waits: zones and rules are loaded by the same task. None: there may be some that nobody told us of; the next
        round finds them."""
        self._due |= account_ids or set()
        self._wake.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        await together(
            billing_rounds=self._again_and_again(self._round),
            connections=self._again_and_again(self._settle),
            payments=self._again_and_again(self._look_after_payments),
        )

    async def _again_and_again(self, work: Callable[[], Awaitable[float]]) -> None:
        """`work` says for how many seconds there is nothing to do. Whatever happens must not stop the server: trackers are more
        important."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await asyncio.sleep(await work())
                pause_s = FIRST_PAUSE_S
                continue
            except UNREACHABLE as error:
                log.warning("billing waits for the database", reason=str(error).partition("\n")[0])
            except Exception:
                log.exception("billing will be tried again")
            self.metrics.failures += 1
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    # --- what is due by the calendar

    async def _round(self) -> float:
        failed: Exception | None = None
        for chore in (self._charge, self._warn, *self.chores):
            try:
                await chore()
            except Exception as error:
                if isinstance(error, UNREACHABLE) and not isinstance(error, SLOW):
                    raise
                log.exception("a part of billing failed", part=getattr(chore, "__qualname__", repr(chore)))
                failed = error
        if failed is not None:
            raise failed
        now = time.monotonic()
        if now - self._said_at >= TOLD_EVERY_S:
            self._said_at = now
            log.info("billing is up to date")
        return min(self._settings.every_s, await self._midnight_s())

    async def _charge(self) -> None:
        began = time.monotonic()
        ran = await daily.run(self._database)
        metrics = self.metrics
        metrics.run_s, metrics.left = time.monotonic() - began, ran.left
        metrics.days += ran.days
        metrics.charged += ran.trackers
        metrics.blocked += ran.blocked
        if ran.left:
            log.warning("accounts were locked all the while and will be charged later", days=ran.left)
        else:
            metrics.last_run = time.time()
        if ran.failed:
            metrics.failures += 1
            log.error(
                "accounts can't be charged: see what `telematics billing check` says of them", accounts=sorted(ran.failed)[:50]
            )
        if ran.trackers or ran.blocked:
            self._looked_at = -LOW_EVERY_S
        if ran.trackers or ran.blocked:
            log.info(
                "charged", days=ran.days, trackers=ran.trackers, amounts=dict(ran.amounts), blocked=ran.blocked,
                seconds=round(metrics.run_s, 1),
            )  # fmt: skip

    async def _warn(self) -> None:
        await self._warn_of_blocks()
        began = time.monotonic()
        if self.tell is not None and began - self._looked_at >= LOW_EVERY_S:
            self._count(await warnings.warn_of_low_money(self._database, self.tell))
            self._looked_at = began

    async def _warn_of_blocks(self) -> None:
        if self.tell is not None:
            self._count(await warnings.warn_of_blocks(self._database, self.tell))

    def _count(self, told: int) -> None:
        self.metrics.warned += told
        if told:
            log.info("warned", accounts=told)

    async def _look_after_payments(self) -> float:
        """Apart from the rounds: a provider that hangs holds up no charge."""
        await look_after(self._database, self.providers)
        await pay_waiting(self._database, self.providers)
        return PAYMENTS_EVERY_S

    async def _trim_keys(self) -> None:
        async with self._database.pool.connection() as connection:
            await sql.run(connection, "trim_keys", days=KEYS_DAYS)

    async def _midnight_s(self) -> float:
        """Until the next day begins somewhere."""
        async with self._database.pool.connection() as connection:
            zones = [zone for (zone,) in await (await connection.execute(sql.text("time_zones"))).fetchall()]
        return midnight_s(zones, datetime.now(UTC))

    # --- what somebody just did

    async def _settle(self) -> float:
        """Pay for trackers that were connected, by whatever way they came into the table. Those we don't hear of the daily run
        finds."""
        await self._wake.wait()
        self._wake.clear()
        due, self._due = self._due, set()
        while due:
            account_id = due.pop()
            try:
                async with open_book(self._database, account_id):
                    self.metrics.settled += 1
            except Refused as refused:
                log.info("a connection is not settled", account=account_id, reason=str(refused))
            except BaseException as error:
                if isinstance(error, UNREACHABLE):
                    due.add(account_id)  # what else is wrong with it is for the daily run to find again
                self._due |= due
                self._wake.set()
                raise
        await self._warn_of_blocks()
        return GATHER_S


def midnight_s(zones: Iterable[str], now: datetime) -> float:
    """Seconds until the next day begins in one of the time zones; a second later rather than too early."""
    days = ((local_day(now, zone) + timedelta(days=1), zone_of(zone)) for zone in zones)
    coming = [datetime.combine(day, clock(), zone).astimezone(UTC) for day, zone in days]
    return max(1.0, (min(coming) - now).total_seconds() + 1.0) if coming else float("inf")
