"""The rules of the demo's account: what its dispatcher wants to hear of; on the page alone, as a demo wakes nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@dataclass(frozen=True, slots=True)
class DemoRule:
    name: str
    types: Sequence[str]
    zones: Sequence[str] = ()  # by their names; empty: all
    groups: Sequence[str] = ()  # of vehicles, by their names; empty: all
    hours: list[dict[str, Any]] | None = None
    cooldown_s: float = 0


def rules() -> Iterator[DemoRule]:
    """Besides the one for alarms, which every account begins with."""
    yield DemoRule("Too fast", ["deviceOverspeed"], cooldown_s=1800)
    night = [{"days": DAYS, "from": "20:00", "to": "06:00"}]
    yield DemoRule("Leaves the depot at night", ["geofenceExit"], zones=["Depot"], hours=night)
    yield DemoRule(
        "Long-haul reaches or leaves a city", ["geofenceEnter", "geofenceExit"], zones=["Almaty", "Astana"], groups=["Long-haul"]
    )
    yield DemoRule("Fuel is missing", ["deviceFuelDrop"], cooldown_s=3600)


ADD: LiteralString = """
    INSERT INTO rules (account_id, name, types, all_devices, hours, cooldown_s)
    VALUES (%s, %s, %s, %s, %s, %s) RETURNING id
"""


async def furnish(connection: AsyncConnection[Any], account_id: int) -> None:
    """After the account's zones and groups, which the rules name."""
    for rule in rules():
        hours = None if rule.hours is None else Jsonb(rule.hours)
        values = (
            account_id,
            rule.name,
            list(rule.types),
            not rule.groups,
            hours,
            rule.cooldown_s,
        )
        row = await (await connection.execute(ADD, values)).fetchone()
        assert row is not None
        named = (row[0], account_id)
        await connection.execute(
            "INSERT INTO rule_zones SELECT %s, id FROM zones WHERE account_id = %s AND name = ANY(%s)", (*named, list(rule.zones))
        )
        await connection.execute(
            "INSERT INTO rule_targets (rule_id, group_id) SELECT %s, id FROM groups WHERE account_id = %s AND name = ANY(%s)",
            (*named, list(rule.groups)),
        )


async def tidy(connection: AsyncConnection[Any], account: str) -> None:
    """What the history raised was somebody's yesterday: it is in the feed, and nobody has to look at it any more."""
    for _ in range(50):  # the worker of the outbox is a moment behind
        row = await (await connection.execute("SELECT count(*) FROM outbox")).fetchone()
        if row is None or row[0] < 10:
            break
        await asyncio.sleep(0.2)
    await connection.execute(
        "UPDATE alerts SET acknowledged_at = now(), acknowledged_by = (SELECT min(id) FROM users WHERE account_id = accounts.id)"
        " FROM accounts WHERE accounts.name = %s AND account_id = accounts.id AND acknowledged_at IS NULL"
        " AND time < now() - interval '20 minutes'",
        (account,),
    )
