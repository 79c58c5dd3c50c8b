"""The alerts on a real database, with gateways in the places of the real ones: what they are told, and how they answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from telematics.alerts.channels import Message, NotSent, Sent
from telematics.alerts.service import Alerts
from telematics.config import AlertSettings, Settings
from telematics.devices import Devices
from telematics.live import Bus
from telematics.store.database import Database
from telematics.store.devices import load_devices
from telematics.store.records import Event
from telematics.store.writer import add_events
from telematics.zones.registry import Zones
from tests.store.rows import fetch

Answer = Sent | NotSent | float  # a number: seconds to hang before it is sent


@dataclass
class Gateway:
    """One we don't own. Its answers are taken in order; after the last one everything is sent."""

    name: str
    idempotent: bool = False
    configured: str | None = None
    answers: list[Answer] = field(default_factory=list)
    told: list[tuple[str, Message]] = field(default_factory=list)
    hangs_for: str | None = None  # the address that never gets an answer

    async def send(self, address: str, message: Message, *, deadline_s: float) -> Sent:
        self.told.append((address, message))
        if address == self.hangs_for:
            await asyncio.sleep(deadline_s)
            raise NotSent("no answer", uncertain=True)
        answer = self.answers.pop(0) if self.answers else Sent(provider_id=f"{self.name}-{len(self.told)}", parts=1)
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return Sent()
        if isinstance(answer, NotSent):
            raise answer
        return answer

    async def close(self) -> None:
        return None

    @property
    def addresses(self) -> list[str]:
        return [address for address, _ in self.told]


@dataclass
class Desk:
    database: Database
    alerts: Alerts
    gateways: dict[str, Gateway]
    account: int
    truck: int
    devices: Devices

    async def user(self, name: str, **columns: Any) -> int:
        row = {"account_id": self.account, "email": f"{name}@example.com", "name": name, "password_hash": "", **columns}
        return await self.insert("users", row)

    async def rule(
        self, *users: int, types: Sequence[str] = ("alarm",), channels: Sequence[str] = ("mail",), **columns: Any
    ) -> int:
        row = {"account_id": self.account, "name": "a rule", "types": list(types), "channels": list(channels), **columns}
        rule = await self.insert("rules", row)
        for user in users:
            await self.insert("rule_recipients", {"rule_id": rule, "user_id": user}, "rule_id")
        await self.alerts.rules.load(None)
        return rule

    async def insert(self, table: str, row: dict[str, Any], returning: str = "id") -> int:
        values = [
            Jsonb(value) if isinstance(value, dict) or name in ("hours", "quiet_hours") else value for name, value in row.items()
        ]
        statement = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))}) RETURNING {returning}"
        return int((await fetch(self.database, statement, values))[0][0])

    async def happens(
        self,
        subject: str = "sos",
        *,
        ago_s: float = 0,
        kind: str = "alarm",
        device: int | None = None,
        count: int = 1,
        **attributes: Any,
    ) -> None:
        """Events, a millisecond apart, with their outbox rows, in one transaction, as the writer stores them."""
        time = datetime.now(UTC) - timedelta(seconds=ago_s)
        events = [
            Event(device or self.truck, time - timedelta(milliseconds=place), kind, subject, attributes=attributes)
            for place in reversed(range(count))
        ]
        async with self.database.pool.connection() as connection:
            await add_events(connection, events)
        self.alerts.wake()

    async def deliveries(self, columns: str = "channel, address, state, reason") -> list[tuple[Any, ...]]:
        return await fetch(self.database, f"SELECT {columns} FROM deliveries ORDER BY id")

    async def states(self) -> dict[str, int]:
        return dict(await fetch(self.database, "SELECT state, count(*)::int FROM deliveries GROUP BY 1"))

    async def until(self, **states: int) -> None:
        """Until there are so many deliveries in each state, and none in others."""
        await self.eventually(lambda: self._are(states))

    async def _are(self, states: dict[str, int]) -> bool:
        return await self.states() == states

    async def eventually(self, true: Callable[[], Any], within_s: float = 10) -> None:
        try:
            async with asyncio.timeout(within_s):
                while not await true():  # noqa: ASYNC110 # it is the database that is watched
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not within {within_s} s; deliveries: {await self.deliveries()}") from None


@asynccontextmanager
async def desk_on(database: Database, settings: Settings, *, running: bool = True, **alerts: Any) -> AsyncIterator[Desk]:
    """With the alerts running, unless another process is to do it."""
    settings = settings.model_copy(update={"alerts": AlertSettings(**alerts)})
    gateways = {name: Gateway(name, idempotent=name == "webhook") for name in ("mail", "sms", "messenger", "webhook")}
    account = (await fetch(database, "INSERT INTO accounts (name) VALUES ('Fleet') RETURNING id"))[0][0]
    truck = (
        await fetch(
            database, "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, 'imei-1', 'Truck 1') RETURNING id", [account]
        )
    )[0][0]
    devices = Devices()
    async with database.pool.connection() as connection:
        devices.put(await load_devices(connection, None))
    service = Alerts(database, settings, devices, Zones(database), Bus(devices), dict(gateways))
    await service.rules.load(None)
    if running:
        service.start()
    try:
        yield Desk(database, service, gateways, account, truck, devices)
    finally:
        await service.stop()


@pytest.fixture
async def desk(database: Database, settings: Settings) -> AsyncIterator[Desk]:
    async with desk_on(database, settings, bundle_s=0) as desk:
        yield desk
