"""Rule 18: warnings before money runs out, each once, and when trackers are blocked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from psycopg import AsyncConnection

from billing import warnings
from billing.forecast import outlook
from telematics.alerts.accounts import tell
from telematics.store.alerts import NewAccountAlert
from telematics.store.database import Database
from tests.billing.world import World
from tests.store.rows import fetch

TELL = partial(tell, ways=("web", "mail", "sms"))


async def warn(world: World, tell: warnings.Tell = TELL) -> int:
    return await warnings.warn_of_low_money(world.database, tell, now=world.now)


async def warn_of_blocks(world: World, tell: warnings.Tell = TELL) -> int:
    return await warnings.warn_of_blocks(world.database, tell, now=world.now)


async def said(world: World, kind: str) -> list[dict[str, Any]]:
    """The facts of the account's alerts, oldest first."""
    rows = await fetch(
        world.database,
        "SELECT attributes || jsonb_build_object('subject', subject) FROM alerts WHERE account_id = %s AND type = %s ORDER BY id",
        [world.account_id, kind],
    )
    return [facts for (facts,) in rows]


async def past_connection(database: Database, money: int, *names: str, **more: Any) -> World:
    """On 2026-02-20 trackers past their connection's month, and so much money: each costs 10.71 or 10.72 a day until March."""
    world = await World.begin(database, "2026-01-10 15:30", money=300_00 * len(names) + 100_000_00, **more)
    await world.connect(*names)
    await world.at("2026-02-20 01:00")
    await world.run()
    await world.spend(money)
    return world


async def test_seven_three_and_one_day_before_each_once(database: Database) -> None:
    world = await past_connection(database, 107_50, "A")  # for ten days: nine of February's and some of March's
    told = {}
    for day in range(21, 33):
        await world.days((date(2026, 2, 1) + timedelta(days=day - 1)).isoformat())
        for _ in range(2):  # an hour later nothing is said again
            if await warn(world):
                told[world.now.date().isoformat()] = (await said(world, "balanceLow"))[-1]
    assert {day: (facts["subject"], facts["days_left"], facts["runs_out"]) for day, facts in told.items()} == {
        "2026-02-23": ("7", 7, "2026-03-03"),
        "2026-02-27": ("3", 3, "2026-03-03"),
        "2026-03-01": ("1", 1, "2026-03-03"),
    }
    assert (await world.states()) == {"A": "unpaid"}
    assert told["2026-02-27"] | {"balance": 0} == {
        "subject": "3", "days_left": 3, "runs_out": "2026-03-03", "balance": 0, "currency": "EUR",
    }  # fmt: skip
    assert told["2026-02-27"]["balance"] == 107_50 - sum(-amount for *_, amount in (await world.charges("A", "daily"))[-9:-2])


async def test_of_several_at_once_only_the_most_urgent(database: Database) -> None:
    world = await past_connection(database, 24_00, "A")  # for two days
    assert await warn(world) == 1
    await world.days("2026-02-21")
    assert await warn(world) == 1
    await world.days("2026-02-22")
    assert await warn(world) == 0
    assert [(facts["subject"], facts["days_left"]) for facts in await said(world, "balanceLow")] == [("3", 2), ("1", 1)]


@pytest.mark.parametrize(
    ("top_up", "again"),
    [
        pytest.param(500_00, ["1", "7", "3", "1"], id="for weeks: all is told anew"),
        pytest.param(45_00, ["1", "3", "1"], id="for five days: the week's warning still holds"),
        pytest.param(5_00, ["1"], id="for nothing: it is known"),
    ],
)
async def test_a_top_up_that_brings_it_above_arms_it_again(database: Database, top_up: int, again: list[str]) -> None:
    world = await past_connection(database, 12_00, "A")
    await warn(world)
    await world.top_up(top_up)
    await warn(world)
    while (await world.states())["A"] == "working":
        await world.days((world.now.date() + timedelta(days=1)).isoformat())
        await warn(world)
    assert [facts["subject"] for facts in await said(world, "balanceLow")] == again


async def test_nobody_is_warned_whose_trackers_cost_nothing(database: Database) -> None:
    blocked = await past_connection(database, 0, "A", "B")
    await blocked.block("A")
    await blocked.block("B", administrator=True)
    free = await World.begin(database, "2026-02-20", paid=False)
    await free.connect("C")
    test = await past_connection(database, 0, "D")
    await test.set_test("D")
    await World.begin(database, "2026-02-20")  # has none
    covered = await World.begin(database, "2026-02-20", money=300_00)
    await covered.connect("E")  # until March's end
    await covered.at("2026-03-14 01:00")
    await covered.run()
    assert await warn(covered) == 0
    await covered.days("2026-03-15")  # seven days of the connection are left, and no money
    assert await warn(covered) == 1


async def test_who_is_warned_is_as_the_outlook_says(database: Database) -> None:
    """The one query and the outlook of each account agree, whatever the money, the trackers and the zone."""
    chance = random.Random(7)
    worlds = []
    for zone in ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Almaty", "Europe/Berlin", "UTC", "UTC", "UTC"):
        price = chance.choice((1, 29, 300_00))
        world = await World.begin(database, "2026-01-10 15:30", time_zone=zone, price=price, money=10_000_00)
        await world.connect(*(f"T{number}" for number in range(chance.randint(1, 4))))
        await world.at(f"2026-02-0{chance.randint(1, 9)}")
        await world.connect("late")
        await world.at("2026-03-05 12:00")
        await world.run()
        await world.spend(chance.choice((0, 3, 30_00, 100_00, 400_00, 1000_00)))
        worlds.append(world)
    await worlds[0].version(date(2026, 3, 8), 900_00)
    await warn(worlds[0])
    lefts = []
    for world in worlds:
        async with database.pool.connection() as connection:
            ahead = await outlook(connection, world.account_id, now=world.now)
        told = [(facts["days_left"], facts["runs_out"]) for facts in await said(world, "balanceLow")]
        low = ahead.days_left is not None and ahead.days_left <= 7
        assert told == ([(ahead.days_left, str(ahead.runs_out))] if low else [])
        lefts.append(low)
    assert len(set(lefts)) == 2  # some of each


async def test_one_message_for_all_that_are_blocked(database: Database) -> None:
    names = ["A", "B", "C", "D", "E"]
    world = await past_connection(database, 25_00, *names)
    assert await warn_of_blocks(world) == 0
    await world.days("2026-02-21")  # A and B are paid
    assert await warn_of_blocks(world) == 1
    assert await warn_of_blocks(world) == 0
    (facts,) = await said(world, "trackerBlocked")
    paid = sum(-amount for day, _, _, amount in await world.charges(kind="daily") if day == "2026-02-21")
    assert facts == {
        "subject": "", "count": 3, "trackers": ["C", "D", "E"], "needed": 3 * paid // 2 - (25_00 - paid),
        "balance": 25_00 - paid, "currency": "EUR",
    }  # fmt: skip
    await world.top_up(facts["needed"] - 1)
    assert [name for name, state in (await world.states()).items() if state == "unpaid"] == ["E"]
    await world.top_up(1)  # just as much as was said
    assert set((await world.states()).values()) == {"working"}
    await world.days("2026-02-22")
    assert await warn_of_blocks(world) == 1
    facts = (await said(world, "trackerBlocked"))[-1]
    assert (facts["count"], facts["trackers"]) == (5, ["A", "B", "C"])


async def test_a_connection_that_cant_be_paid_and_later_blocks_are_told_of_in_turn(database: Database) -> None:
    world = await past_connection(database, 0, "A")
    await world.connect("B")
    assert await warn_of_blocks(world) == 1
    await world.days("2026-02-21")
    assert await warn_of_blocks(world) == 1
    first, second = await said(world, "trackerBlocked")
    assert (first["trackers"], first["count"], first["needed"]) == (["B"], 1, 300_00)
    assert (second["trackers"], second["count"]) == (["A"], 1)
    assert second["needed"] in (310_71, 310_72)  # for both to work


async def test_blocks_by_people_are_no_matter_of_money(database: Database) -> None:
    world = await past_connection(database, 100_00, "A", "B")
    await world.block("A")
    await world.block("B", administrator=True)
    assert await warn_of_blocks(world) == 0
    assert await said(world, "trackerBlocked") == []


async def test_what_no_money_frees_is_not_asked_for(database: Database) -> None:
    world = await past_connection(database, 0, "A", "B")
    await world.days("2026-02-21")
    await world.block("A", administrator=True)
    assert await warn_of_blocks(world) == 1
    (facts,) = await said(world, "trackerBlocked")
    assert (facts["trackers"], facts["count"]) == (["B"], 1)
    await world.top_up(facts["needed"])
    assert await world.states() == {"A": "administrator", "B": "working"}


async def test_two_processes_say_it_once(database: Database) -> None:
    worlds = [await past_connection(database, 24_00, "A", "B", "C") for _ in range(3)]
    for world in worlds:
        await world.days("2026-02-21")
    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(warn(worlds[0]))
            tasks.create_task(warn_of_blocks(worlds[0]))
    for world in worlds:
        assert len(await said(world, "trackerBlocked")) == 1
        assert len(await said(world, "balanceLow")) == 1


@pytest.mark.parametrize("work", [warn, warn_of_blocks])
async def test_what_breaks_in_the_middle_is_said_the_next_time(database: Database, work: Any) -> None:
    world = await past_connection(database, 24_00, "A", "B", "C")
    await world.days("2026-02-21")

    async def broken(connection: AsyncConnection[Any], alerts: Sequence[NewAccountAlert], now: datetime) -> None:
        await TELL(connection, alerts, now)
        raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        await work(world, broken)
    assert await fetch(database, "SELECT count(*) FROM alerts") == [(0,)]
    assert await work(world) == 1
    assert await fetch(database, "SELECT count(*) FROM alerts") == [(1,)]


async def test_an_account_that_is_gone_is_no_trouble(database: Database) -> None:
    world, other = [await past_connection(database, 0, name) for name in ("A", "B")]
    await world.days("2026-02-21")
    await warn_of_blocks(world)
    await fetch(database, "DELETE FROM accounts WHERE id = %s RETURNING 1", [world.account_id])
    await other.days("2026-02-22")
    await warn(other)
    await warn_of_blocks(other)
    assert len(await said(other, "trackerBlocked")) == 1
    assert await fetch(database, "SELECT DISTINCT account_id FROM billing_warnings") == [(other.account_id,)]
