"""MQTT as the server runs it: the broker's messages in, the accounts' news out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from telematics.config import MqttSettings
from telematics.devices import Devices
from telematics.ingest.batch import Intake
from telematics.live import Bus
from telematics.mqtt.inbound import Inbound
from telematics.mqtt.metrics import MqttMetrics
from telematics.mqtt.outbound import NewestOf, Outbound, StatusOf
from telematics.store.changes import Changes
from telematics.store.database import Database
from telematics.store.sql import query
from telematics.tasks import end


class Mqtt:
    """`watch` before Changes are loaded, `start` when the rest of the server runs; `quiet` and then `stop` at the end. Without
    `mqtt.url` nothing happens."""

    def __init__(
        self,
        settings: MqttSettings,
        database: Database,
        intake: Intake,
        devices: Devices,
        bus: Bus,
        *,
        latest: NewestOf,
        status: StatusOf,
    ) -> None:
        self.metrics = MqttMetrics()
        self._database = database
        self._tasks: list[asyncio.Task[None]] = []
        self.inbound: Inbound | None = None
        self.outbound: Outbound | None = None
        if settings.url is not None:
            self.outbound = Outbound(settings, devices, bus, self.metrics, latest=latest, status=status)
            inbound = Inbound(settings, intake, devices, self.metrics)
            self.inbound = inbound if inbound.sources else None
            self.metrics.links = {"out": self.outbound.link}
            if self.inbound is not None:
                self.metrics.links["in"] = self.inbound.link

    def watch(self, changes: Changes) -> None:
        if self.outbound is not None:
            changes.subscribe("accounts", self._reload)

    async def _reload(self, account_ids: set[int] | None) -> None:
        """The accounts that publish; they are few, so all of them each time."""
        async with self._database.pool.connection() as connection:
            rows = await (await connection.execute(query("mqtt_accounts"))).fetchall()
        if self.outbound is not None:
            self.outbound.follow(dict(rows))

    def start(self) -> list[asyncio.Task[None]]:
        """The tasks that do it all; they end by `stop` alone."""
        works: dict[str, Coroutine[Any, Any, None]] = {}
        if self.inbound is not None:
            works["MQTT in"] = self.inbound.run()
        if self.outbound is not None:
            works["MQTT out"] = self.outbound.run()
        self._tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
        return self._tasks

    def quiet(self) -> None:
        """Take nothing new; what is committed is still acknowledged."""
        if self.inbound is not None:
            self.inbound.quiet()

    async def stop(self) -> None:
        if self.outbound is not None:
            await self.outbound.say_goodbye()
        await end(self._tasks)

    @property
    def trouble(self) -> str | None:
        """Why messages don't come in or go out, if that is so."""
        if self.inbound is not None and self.inbound.link.trouble is not None:
            return self.inbound.link.trouble
        return self.outbound.trouble if self.outbound is not None else None
