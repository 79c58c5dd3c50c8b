"""What the store needs from time to time: tomorrow's partitions, an end to what is too old, and lists kept within their
bounds."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection

from telematics.config import Settings
from telematics.store import edition
from telematics.store.database import Database
from telematics.store.errors import StoreError
from telematics.store.sql import query

log = structlog.get_logger(__name__)

EVERY_S = 600
AGAIN_S = 30  # after a failure, so that tomorrow's partition is there in time
OUTBOX_DAYS = 7
OLD_AT_ONCE = 2_000  # alerts with their deliveries and comments: short enough to be in nobody's way


class Maintenance:
    """`run` is a task for the life of the server. On a connection of its own, so that no page waits for it."""

    def __init__(self, database: Database, settings: Settings | None = None) -> None:
        self._database = database
        self._settings = settings or database.settings

    async def run(self) -> None:
        while True:
            try:
                await self.once(datetime.now(UTC))
            except (StoreError, psycopg.Error) as error:
                log.warning("maintenance of the database will be tried again", reason=str(error).partition("\n")[0])
                await asyncio.sleep(AGAIN_S)
            else:
                await asyncio.sleep(EVERY_S)

    async def once(self, now: datetime) -> None:
        connection = await self._database.connect()
        async with connection:
            await connection.execute("SET statement_timeout = 0; SET lock_timeout = '5s'")  # may take long, holds nobody up
            await self._partitions(connection, now)
            await self._retention(connection, now)
            await connection.execute("DELETE FROM sessions WHERE expires_at < %s", [now])
            await connection.execute("DELETE FROM tokens WHERE expires_at < %s", [now])
            await connection.execute(query("trim_outbox"), {"before": now - timedelta(days=OUTBOX_DAYS)})
            await self._old(connection, "trim_alerts", now - timedelta(days=self._settings.alerts.keep_days))
            await self._old(connection, "trim_commands", now - timedelta(days=self._settings.commands.keep_days))
            await connection.execute(query("trim_dead_letters"), {"keep": self._settings.limits.dead_letters})
            await connection.execute(query("trim_unknown"), {"keep": self._settings.limits.unknown_trackers})

    async def _old(self, connection: AsyncConnection[Any], trim: str, before: datetime) -> None:
        while True:
            removed = await connection.execute(query(trim), {"before": before, "limit": OLD_AT_ONCE})
            if removed.rowcount < OLD_AT_ONCE:
                return

    async def _partitions(self, connection: AsyncConnection[Any], now: datetime) -> None:
        if self._database.kind.shape == "partitioned":
            today = now.date()
            ahead = {today + timedelta(days=days) for days in range(edition.DAYS_AHEAD + 1)}
            await edition.ensure_days(connection, ahead - await edition.existing_days(connection))

    async def _retention(self, connection: AsyncConnection[Any], now: datetime) -> None:
        if self._settings.retention_days:
            day = (now - timedelta(days=self._settings.retention_days)).date()
            dropped = await edition.drop_before(connection, self._database.kind.shape, day)
            await connection.execute("DELETE FROM device_breaks WHERE at < %s", [day])  # between positions that are gone
            if dropped:
                log.info("old days were dropped", before=str(day), tables=dropped)
