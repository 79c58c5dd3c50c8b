"""Hearing what somebody changed: zones, rules, calendars and their like, whoever changed them and by which process.

Triggers tell "table:id" on the channel `changes` (migration 0003). Whoever keeps a table in memory subscribes with a function
that loads the rows with these ids again; None means all, as after a lost connection, when nobody knows what was missed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress

import psycopg
import structlog

from telematics.store.database import Database
from telematics.store.errors import StoreError

log = structlog.get_logger(__name__)

Reload = Callable[[set[int] | None], Awaitable[None]]
GATHER_S = 0.05  # for the changes behind the first one: an import of thousands is a few queries
AGAIN_S = 1.0


class Changes:
    """`subscribe` first, then `load` everything once, then `run` for the life of the server. Whoever subscribes later loads by
    themselves."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reloads: defaultdict[str, list[Reload]] = defaultdict(list)

    def subscribe(self, table: str, reload: Reload) -> None:
        """`reload(ids)` is called when rows of the table change; in the order of subscription, one at a time."""
        self._reloads[table].append(reload)

    async def load(self) -> None:
        """Everything anew, each function once."""
        for reload in dict.fromkeys(reload for reloads in self._reloads.values() for reload in reloads):
            await reload(None)

    async def run(self) -> None:
        while True:
            try:
                async with await self._database.connect() as connection:
                    await connection.execute("LISTEN changes")
                    await self.load()  # what changed while nobody listened
                    while True:
                        told = [notify.payload async for notify in connection.notifies(stop_after=1)]
                        told += [notify.payload async for notify in connection.notifies(timeout=GATHER_S)]
                        await self._reload(told)
            except (StoreError, psycopg.Error) as error:
                log.info("changes are not heard", reason=str(error).partition("\n")[0])
                await asyncio.sleep(AGAIN_S)
                with suppress(StoreError):
                    await self._database.revive()

    async def _reload(self, told: list[str]) -> None:
        changed: defaultdict[str, set[int]] = defaultdict(set)
        for payload in told:
            table, _, number = payload.partition(":")
            if number.isdecimal():
                changed[table].add(int(number))
        for table, reloads in list(self._reloads.items()):  # somebody may subscribe meanwhile
            if table in changed:
                for reload in reloads:
                    await reload(changed[table])
