"""The worked examples of the rules of billing, with their figures. The tariff costs 300.00 a month, an SMS 15.00."""

from __future__ import annotations

from datetime import date

import pytest

from billing.check import problems
from billing.errors import Refused
from billing.meter import SmsMeter
from billing.rules import share
from telematics.store.database import Database
from tests.billing.world import World


async def test_connected_on_10_january_and_the_days_after(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 15:30", money=1_000_00)
    await world.connect("A")
    assert await world.charges("A") == [("2026-01-10", "connection", "A", -300_00)]  # at once

    await world.days("2026-02-09")  # … 02-09 are covered
    assert await world.balance() == 700_00

    await world.days("2026-02-10")  # first daily charge
    assert (await world.charges("A", "daily"))[0][0] == "2026-02-10"

    await world.days("2026-03-31")
    daily = {day: -amount for day, _, _, amount in await world.charges("A", "daily")}
    assert list(daily) == [f"2026-02-{day}" for day in range(10, 29)] + [f"2026-03-{day:02}" for day in range(1, 32)]
    assert {amount for day, amount in daily.items() if day < "2026-03"} == {10_71, 10_72}
    assert {amount for day, amount in daily.items() if day >= "2026-03"} == {9_67, 9_68}
    assert sum(amount for day, amount in daily.items() if day >= "2026-03") == 300_00  # a whole month: exactly its price
    assert await problems(database) == []


def test_all_of_february_would_cost_exactly_its_price() -> None:
    assert sum(share(300_00, date(2026, 2, day)) for day in range(1, 29)) == 300_00
    assert {share(300_00, date(2026, 2, day)) for day in range(1, 29)} == {10_71, 10_72}


async def test_25_left_and_three_trackers_in_the_order_of_their_connection(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 15:30", money=2_000_00)
    await world.connect("A", "B", "C")
    await world.days("2026-02-19")
    await world.spend(25_00)

    await world.days("2026-02-20")
    today = share(300_00, date(2026, 2, 20))
    assert await world.states() == {"A": "working", "B": "working", "C": "unpaid"}
    assert [(name, -amount) for day, _, name, amount in await world.charges(kind="daily") if day == "2026-02-20"] == [
        ("A", today), ("B", today),
    ]  # fmt: skip # ≈ 21.4
    assert await world.balance() == 25_00 - 2 * today  # ≈ 3.6
    assert 3_55 <= await world.balance() <= 3_60

    await world.top_up(5_00)
    assert await world.states() == {"A": "working", "B": "working", "C": "unpaid"}

    left = await world.balance()
    outcome = await world.top_up(10_00)
    assert [(charge.name, charge.what, charge.amount) for charge in outcome.charges] == [("C", "daily", today)]
    assert outcome.unblocked == ["C"]
    assert await world.states() == {"A": "working", "B": "working", "C": "working"}
    assert await world.balance() == left + 10_00 - today
    assert await problems(database) == []


async def test_20_left_and_two_alerts_by_sms(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 15:30", money=20_00)
    meter = SmsMeter(database, clock=lambda: world.now)
    assert await meter.reserve(world.account_id, 1, 1) is None
    await meter.settle(1, 1)
    assert await world.balance() == 5_00
    assert await meter.reserve(world.account_id, 2, 1) is not None  # goes by e-mail
    assert await world.balance() == 5_00
    assert await problems(database) == []


async def test_two_changes_in_may_and_a_third(database: Database) -> None:
    world = await World.begin(database, "2026-05-01 10:00", paid=False, money=1_000_00)
    other = await world.another(400_00)
    await world.at("2026-05-03 10:00")
    await world.change(world.tariff_id)
    await world.at("2026-05-17 10:00")
    await world.change(other)
    await world.at("2026-05-30 10:00")
    with pytest.raises(Refused) as refused:
        await world.change(world.tariff_id)
    assert (refused.value.code, refused.value.values["next"]) == ("too_many_changes", date(2026, 6, 1))
    await world.at("2026-06-01 00:00")
    await world.change(world.tariff_id)
    assert await problems(database) == []
