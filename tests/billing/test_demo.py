"""The demo's money: what its pages show, written as it is written in earnest, and in order when proved from scratch."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from billing import daily
from billing.check import problems
from billing.forecast import outlook
from telematics.commands.demo_billing import furnish, pay_in_time
from telematics.store.database import Database
from tests.store.rows import fetch


async def demo_accounts(database: Database, vehicles: int) -> tuple[int, int]:
    ids = []
    for name, count in (("Demo Logistics", vehicles), ("Alatau Service", 3)):
        account_id = (
            await fetch(database, "INSERT INTO accounts (name, time_zone) VALUES (%s, 'Asia/Almaty') RETURNING id", [name])
        )[0][0]
        await fetch(
            database,
            "INSERT INTO devices (account_id, unique_id, name) SELECT %s, %s || n, 'Truck ' || n FROM generate_series(1, %s) n"
            " RETURNING id",
            [account_id, name, count],
        )
        ids.append(account_id)
    return ids[0], ids[1]


async def states(database: Database, account_id: int) -> list[str]:
    found = await fetch(
        database,
        "SELECT coalesce(d.blocked, 'working') FROM billed_trackers t JOIN devices d ON d.id = t.device_id"
        " WHERE t.account_id = %s ORDER BY connected_at",
        [account_id],
    )
    return [state for (state,) in found]


@pytest.mark.parametrize("now", ["2026-03-12 09:00", "2026-08-31 23:30", "2026-01-01 00:10"])
@pytest.mark.parametrize("faster", [False, True])
async def test_months_of_a_ledger_that_is_in_order(database: Database, now: str, faster: bool) -> None:
    haulier, small = await demo_accounts(database, 60)
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    if faster:  # the job has been there already
        await daily.run(database, now=at)
    began = time.monotonic()
    await furnish(database, haulier, small, at)
    took_s = time.monotonic() - began
    assert await states(database, haulier) == ["working"] * 60
    assert await states(database, small) == ["working", "unpaid", "unpaid"]
    async with database.pool.connection() as connection:
        ahead = await outlook(connection, haulier, now=at)
        behind = await outlook(connection, small, now=at)
    assert ahead.currency == "KZT"
    assert ahead.days_left in (11, 12, 13)
    assert behind.days_left == 0
    kinds = dict(
        await fetch(database, "SELECT kind, count(*)::int FROM ledger_entries WHERE account_id = %s GROUP BY 1", [haulier])
    )
    assert kinds == {"topup": 3, "bonus": 1, "connection": 1, "daily": 46, "reversal": 1, "sms": 3, "sms_settled": 3}
    assert await fetch(database, "SELECT provider, state FROM payments WHERE account_id = %s ORDER BY id", [haulier]) == [
        ("bank", "paid"), ("bank", "paid"), ("cash", "paid"),
    ]  # fmt: skip
    assert await problems(database) == []
    assert took_s < 5, "the demo's start waits for it"
    await furnish(database, haulier, small, at + timedelta(days=1))  # at the next start nothing happens
    assert (await fetch(database, "SELECT count(*) FROM tariffs")) == [(4,)]


async def test_the_map_stays_full_however_long_it_runs_or_stands_still(database: Database) -> None:
    haulier, small = await demo_accounts(database, 5)
    at = datetime(2026, 3, 12, 9, tzinfo=UTC)
    await furnish(database, haulier, small, at)
    paid = 0
    for day in range(1, 40):
        paid += await pay_in_time(database, haulier, at + timedelta(days=day))
        assert await states(database, haulier) == ["working"] * 5
    assert paid == 2  # a month each time
    later = at + timedelta(days=120)  # it was switched off
    await daily.run(database, now=later)
    assert "unpaid" in await states(database, haulier)
    assert await pay_in_time(database, haulier, later)
    assert await states(database, haulier) == ["working"] * 5
    assert await problems(database) == []
