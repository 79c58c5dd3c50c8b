"""The job that runs by itself, and what the rest of the server asks of billing.

`Billing` is made beside a server and handed to `create_app`. `run` charges the days that have begun, pays for trackers that were
connected, warns, and tidies up, for the life of the process. Any number of processes may do so on one database: each account's
work is done under its lock, and what has been done is not done again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import structlog
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from billing.allowances import Allowances
from billing.meter import SmsMeter
from billing.metrics import BillingMetrics
from telematics.config import Settings
from telematics.store.database import Database
from telematics.store.errors import StoreError

if TYPE_CHECKING:
    from telematics.store.changes import Changes

log = structlog.get_logger(__name__)

UNREACHABLE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, TooManyRequests, StoreError)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0  # after a failure, doubled each time
KEYS_DAYS = 7  # for which a request may be sent again under its key


class Billing:
    """`watch` the changes, then `run`. Without `run` it answers all the same, and charges nothing by itself."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings.billing
        self._due: set[int] = set()  # accounts with trackers that were just connected
        self._sweep = True  # there may be others that nobody told us of
        self._wake = asyncio.Event()
        self.metrics = BillingMetrics()
        self.allowances = Allowances(database)
        self.meter = SmsMeter(database)

    def watch(self, changes: Changes) -> None:
        changes.subscribe("billed_trackers", self._connected)
        self.allowances.watch(changes)

    async def _connected(self, account_ids: set[int] | None) -> None:
        """Never waits: zones and rules are loaded by the same task."""
        self._sweep = self._sweep or account_ids is None
        self._due |= account_ids or set()
        self._wake.set()

    async def run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._round()
            except UNREACHABLE as error:
                self.metrics.failures += 1
                log.warning("billing waits for the database", reason=str(error).partition("\n")[0])
            except Exception:  # whatever it is, it must not stop the server: trackers are more important
                self.metrics.failures += 1
                log.exception("billing will be tried again")
            else:
                pause_s = FIRST_PAUSE_S
                await asyncio.sleep(self._settings.every_s)
                continue
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _round(self) -> None:
        await self.meter.tidy()
        async with self._database.pool.connection() as connection:
            await connection.execute(
                "DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(days => %s)", [KEYS_DAYS]
            )
