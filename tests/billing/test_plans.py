"""Queries of one account never read the open blocks of all, also when the planner believes that there are none: the first day on
which many run out of money is such a moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from billing import sql
from telematics.store.database import Database
from tests.billing.world import World

OF_ACCOUNT = {
    "trackers": {"day": "2026-02-10", "device_id": None, "due": False, "unpaid": True},
    "end_blocks": {"now": "2026-02-10 12:00Z", "user_id": None, "kinds": ["unpaid"], "ids": None},
}


@pytest.mark.parametrize("name", OF_ACCOUNT)
async def test_blocks_are_found_by_tracker(database: Database, name: str) -> None:
    async with await database.connect() as connection:
        await connection.execute("VACUUM ANALYZE blocks")  # of which there are none yet
        world = await World.begin(database, "2026-01-10 15:30", money=300_00 * 40)
        await world.connect(*(f"T{number}" for number in range(40)))
        await world.at("2026-02-10 12:00")
        await world.run()
        assert set((await world.states()).values()) == {"unpaid"}
        asked = {"account_id": world.account_id, **OF_ACCOUNT[name]}
        await connection.execute("SET enable_seqscan = off")  # of a table of one page it would be right
        found = await connection.execute(b"EXPLAIN (FORMAT JSON) " + sql.text(name), asked, prepare=False)
        row = await found.fetchone()
    assert row is not None
    scans = [node for node in nodes(row[0]) if node.get("Relation Name") == "blocks" and "Scan" in node["Node Type"]]
    assert scans
    assert all("tracker_id" in scan.get("Index Cond", "") for scan in scans), json.dumps(scans, indent=1)


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, list):
        for part in plan:
            yield from nodes(part)
    elif isinstance(plan, dict):
        if "Node Type" in plan:
            yield plan
        for part in plan.values():
            yield from nodes(part)
