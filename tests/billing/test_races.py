"""Real processes at the same accounts at once: runs, payments, blocks, SMS. Nothing is charged twice, nothing is lost."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

from billing.check import problems
from billing.meter import SmsMeter
from billing.topup import top_up
from telematics.store.database import Database
from tests.billing import racer
from tests.billing.world import World, one


async def race(database: Database, *names: str) -> None:
    """Each in a process of its own; all end well."""
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.billing.racer", database.url, "do", name, str(seed))
        for seed, name in enumerate(names)
    ]
    assert await asyncio.gather(*(process.wait() for process in processes)) == [0] * len(names)


async def fleets(database: Database, count: int, money: int) -> list[World]:
    worlds = []
    for _ in range(count):
        world = await World.begin(database, "2026-01-10 15:30", money=4 * 300_00 + money)
        await world.connect("A", "B", "C", "D")
        worlds.append(world)
    for world in worlds:
        await world.at("2026-02-18 12:00")
    await worlds[0].run()
    return worlds


async def test_runs_at_once_charge_every_day_once(database: Database) -> None:
    worlds = await fleets(database, 5, 900_00)
    await race(database, "run", "run", "run")
    for world in worlds:
        days = Counter(day for day, kind, _, _ in await world.charges() if kind == "daily" and day > "2026-02-18")
        assert days == {f"2026-02-{day}": 4 for day in range(19, 23)}
    assert await problems(database) == []


async def test_everything_at_once_on_accounts_that_are_short(database: Database) -> None:
    """Whatever the order was: every payment counts, no message is sent for money that isn't there, and all of it adds up."""
    worlds = await fleets(database, 3, 9 * 4 * 10_72 + 8_00)
    before = sum([sum(line[3] for line in await world.charges() if line[1] == "topup") for world in worlds])
    await race(database, "run", "run", "top_ups", "top_ups", "unblocks", "messages", "messages")
    assert await problems(database) == []
    after = sum([sum(line[3] for line in await world.charges() if line[1] == "topup") for world in worlds])
    assert after - before == 2 * racer.TOP_UPS * racer.TOP_UP
    for world in worlds:
        assert await world.balance("sms") == 0
        assert await world.balance() >= 0


async def test_two_alerts_for_the_last_coins_cannot_both_pass(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 15:30", money=20_00)
    meter = SmsMeter(database, clock=lambda: world.now)
    answers = await asyncio.gather(*(meter.reserve(world.account_id, number, 1) for number in range(1, 9)))
    assert answers.count(None) == 1
    assert await world.balance() == 5_00
    assert await problems(database) == []


async def test_a_payment_that_is_told_many_times_at_once_counts_once(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 15:30")

    async def told() -> None:
        async with world.book() as book:
            if await book.posted("payment:1") is None:
                await top_up(book, 10_00, way="test", key="payment:1")

    await asyncio.gather(*(told() for _ in range(8)))
    assert await world.balance() == 10_00


async def test_trackers_come_and_go_while_days_are_charged(database: Database) -> None:
    worlds = await fleets(database, 4, 900_00)

    async def comings_and_goings() -> None:
        async with database.pool.connection() as connection:
            await connection.set_autocommit(True)
            for number in range(60):
                world = worlds[number % 4]
                text = "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, 'passing') RETURNING id"
                (device,) = await one(connection, text, [world.account_id, f"passing {number}"])
                await connection.execute("UPDATE devices SET name = 'renamed' WHERE id = %s", [device])
                if number % 2:
                    await connection.execute("DELETE FROM devices WHERE id = %s", [device])
            await connection.set_autocommit(False)

    for world in worlds:
        await world.at("2026-02-25 12:00")
    await asyncio.gather(comings_and_goings(), worlds[0].run(chunk=1), worlds[0].run(chunk=3))
    for world in worlds:
        for name in "ABCD":
            days = [day for day, kind, _, _ in await world.charges(name) if kind == "daily" and day > "2026-02-18"]
            assert days == [f"2026-02-{day}" for day in range(19, 26)]
