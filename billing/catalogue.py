"""Tariffs and their versions, by day."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import AsyncConnection

from billing import sql


@dataclass(frozen=True, slots=True)
class Version:
    """What a tariff costs and allows from a day on. Amounts in minor units; None: without a limit."""

    id: int
    tariff_id: int
    since: date
    price: int
    sms_price: int
    history_days: int | None
    zones: int | None
    proximities: int | None
    sms: bool
    reports: bool
    api: bool


@dataclass(frozen=True, slots=True)
class Tariff:
    id: int
    name: str
    description: str
    currency: str | None
    offered: bool
    versions: tuple[Version, ...]  # by day

    @property
    def free(self) -> bool:
        return self.currency is None

    def on(self, day: date) -> Version:
        """The version in force; before the first, the first."""
        return self.versions[max(0, bisect_right(self.versions, day, key=lambda version: version.since) - 1)]


async def all_tariffs(connection: AsyncConnection[Any]) -> dict[int, Tariff]:
    """With all their versions, by number."""
    found: dict[int, Tariff] = {}
    rows = await connection.execute(sql.text("tariffs"), prepare=False)
    for tariff_id, name, description, currency, offered, version_id, *version in await rows.fetchall():
        before = found[tariff_id].versions if tariff_id in found else ()
        versions = (*before, Version(version_id, tariff_id, *version))
        found[tariff_id] = Tariff(tariff_id, name, description, currency, offered, versions)
    return found
