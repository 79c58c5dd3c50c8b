"""The rules of billing, each by its number, on a real database."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from billing import forecast, refunds, statement, tariffs, trackers
from billing.allowances import Allowances
from billing.check import problems
from billing.errors import NotEnoughMoney, Refused
from billing.meter import SmsMeter
from billing.payments import by_hand
from billing.rules import share
from billing.tariffs import NewVersion
from billing.topup import top_up
from billing.trackers import rehearsed
from telematics.store.database import Database
from tests.billing.world import World, one

NEW_YEAR = "2026-01-10 15:30"


async def test_rule_1_a_price_change_is_a_new_version_and_never_touches_what_was_charged(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=2_000_00)
    await world.connect("A")
    before = await world.charges()
    await world.version(date(2026, 2, 15), 600_00)
    await world.days("2026-02-16")
    assert (await world.charges())[: len(before)] == before
    daily = {day: -amount for day, _, _, amount in await world.charges("A", "daily")}
    assert daily["2026-02-14"] == share(300_00, date(2026, 2, 14))
    assert daily["2026-02-15"] == share(600_00, date(2026, 2, 15))
    assert await problems(database) == []


async def test_rule_1_a_version_cannot_begin_where_the_day_has_begun(database: Database) -> None:
    world = await World.begin(database, "2026-02-14 09:59")
    await world.version(date(2026, 2, 15), 1)  # it is the 14th on Kiritimati until 10:00 UTC
    world.later(minutes=1)
    with pytest.raises(Refused, match="begun"):
        await world.version(date(2026, 2, 15), 2)


async def test_rule_1_free_costs_nothing(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, paid=False, money=500_00)
    await world.connect("A", "B")
    await world.days("2026-03-01")
    assert await world.balance() == 500_00
    async with database.pool.connection() as connection:
        with pytest.raises(Refused):
            await tariffs.add_version(connection, world.free_id, NewVersion(date(2100, 1, 1), 1))


async def test_rule_2_the_tariff_applies_to_every_tracker_but_the_test_one(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, paid=False, money=1_000_00)
    await world.connect("A", "B", "T")
    await world.set_test("T")
    outcome = await world.change(world.tariff_id)
    assert [(charge.name, charge.what, charge.amount) for charge in outcome.charges] == [
        ("A", "connection", 300_00), ("B", "connection", 300_00),
    ]  # fmt: skip


async def test_rule_3_two_changes_a_calendar_month_and_they_cost_nothing(database: Database) -> None:
    world = await World.begin(database, "2026-01-31 22:30", time_zone="Europe/Berlin", money=1_000_00)
    other = await world.another(400_00)
    await world.change(other)
    await world.change(world.tariff_id)
    assert await world.balance() == 1_000_00
    with pytest.raises(Refused) as refused:
        await world.change(other)
    assert refused.value.code == "too_many_changes"
    world.later(hours=1)  # in Berlin it is February
    await world.change(other)


async def test_rule_3_an_operators_change_does_not_count(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR)
    other = await world.another(400_00)
    await world.change(other, counted=False)
    async with world.book() as book:
        assert await tariffs.changes_left(book) == 2


async def test_rule_4_what_was_received_keeps_the_depth_of_the_tariff_it_came_under(database: Database) -> None:
    """A week's depth, then a year's, then a week's again."""
    world = await World.begin(database, "2026-03-01 12:00", paid=False)
    week, year = await world.another(100, history_days=7), await world.another(200, history_days=365)
    await world.change(week, counted=False)
    await world.at("2026-04-01 12:00")
    await world.change(year, counted=False)
    await world.at("2026-05-01 12:00")
    await world.change(week, counted=False)
    allowances = Allowances(database, clock=lambda: datetime(2026, 6, 1, 12, tzinfo=UTC))
    windows = (await allowances.of(world.account_id)).history.windows

    def shown_back_to(day: str) -> datetime | None:
        at = datetime.fromisoformat(day).replace(tzinfo=UTC)
        return next(window.not_before for window in windows if window.received_from <= at < window.received_until)

    recent = datetime(2026, 5, 26, tzinfo=UTC)
    for day, oldest in (("2026-03-20", recent), ("2026-04-20", datetime(2025, 6, 2, tzinfo=UTC)), ("2026-05-20", recent)):
        found = shown_back_to(day)
        assert found is not None
        assert abs(found - oldest) <= timedelta(days=1), day


async def test_rule_5_a_connection_is_a_months_price_and_31_days(database: Database) -> None:
    world = await World.begin(database, "2026-02-01 00:00", money=1_000_00)
    await world.connect("A")
    await world.days("2026-03-05")
    assert [(day, kind, amount) for day, kind, _, amount in await world.charges("A")] == [
        ("2026-02-01", "connection", -300_00),
        ("2026-03-04", "daily", -share(300_00, date(2026, 3, 4))),  # the 32nd day
        ("2026-03-05", "daily", -share(300_00, date(2026, 3, 5))),
    ]


@pytest.mark.parametrize("price", [1, 14, 15, 16, 30, 31, 45, 300_00, 299_99, 10**12 + 7])
def test_rule_6_the_days_of_a_month_add_up_to_its_price(price: int) -> None:
    for first in (date(2026, 2, 1), date(2028, 2, 1), date(2026, 4, 1), date(2026, 12, 1)):
        days = [first + timedelta(days=n) for n in range(31) if (first + timedelta(days=n)).month == first.month]
        assert sum(share(price, day) for day in days) == price


@pytest.mark.parametrize(
    ("price", "day", "amount"),
    [
        pytest.param(15, date(2026, 4, 1), 0, id="½ → 0"),
        pytest.param(15, date(2026, 4, 2), 1, id="1 − 0"),
        pytest.param(15, date(2026, 4, 3), 1, id="1½ → 2, − 1"),
        pytest.param(15, date(2026, 4, 4), 0, id="2 − 2"),
        pytest.param(15, date(2026, 4, 5), 0, id="2½ → 2, − 2"),
        pytest.param(15, date(2026, 4, 7), 1, id="3½ → 4, − 3"),
        pytest.param(300_00, date(2026, 3, 1), 9_68, id="967.74"),
        pytest.param(300_00, date(2026, 3, 31), 9_68, id="30000 − 29032.26"),
        pytest.param(300_00, date(2028, 2, 29), 10_34, id="30000 − 28965.52, a leap year"),
    ],
)
def test_rule_6_half_to_even(price: int, day: date, amount: int) -> None:
    assert share(price, day) == amount


async def test_rule_7_from_free_each_connection_and_between_paid_ones_none(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, paid=False, money=2_000_00)
    assert (await world.change(world.tariff_id, counted=False)).charges == []  # with no tracker nothing
    await world.change(world.free_id, counted=False)
    await world.connect("A", "B")
    await world.days("2026-03-01")
    outcome = await world.change(world.tariff_id)
    assert outcome.total == 600_00
    other = await world.another(600_00)
    await world.days("2026-03-31")
    assert (await world.change(other)).charges == []
    await world.days("2026-04-01")
    assert [amount for _, _, _, amount in await world.charges(kind="daily")] == [-share(600_00, date(2026, 4, 1))] * 2
    assert await problems(database) == []


async def test_rule_7_the_preview_is_the_charge(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, paid=False, money=700_00)
    await world.connect("A", "B", "C")
    async with world.book() as book:
        async with rehearsed(book):
            told = await tariffs.change(book, world.tariff_id)
        assert book.balance == 700_00
        assert book.tariff.free
    assert (told.total, told.blocked) == (600_00, ["C"])
    assert await world.states() == {"A": "working", "B": "working", "C": "working"}
    done = await world.change(world.tariff_id)
    assert (done.charges, done.blocked) == (told.charges, told.blocked)


async def test_rule_8_an_sms_costs_its_price_or_nothing(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=40_00)
    meter = SmsMeter(database, clock=lambda: world.now)
    assert await meter.reserve(world.account_id, 1, 1) is None
    assert (await world.balance(), await world.balance("sms")) == (25_00, 15_00)
    await meter.give_back(1)  # it failed
    assert (await world.balance(), await world.balance("sms")) == (40_00, 0)
    silent = await world.another(300_00, sms=False, sms_price=1_00)
    await world.change(silent)
    assert await meter.reserve(world.account_id, 2, 1) is not None  # the tariff allows none
    assert await world.balance() == 40_00
    assert await problems(database) == []


async def test_rule_9_nothing_else_is_ever_charged(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=2_000_00)
    await world.connect("A", "B")
    await world.block("B")
    await world.move("Pacific/Kiritimati")
    await world.days("2026-02-20")
    assert {kind for _, kind, _, amount in await world.charges() if amount < 0} == {"connection", "daily"}


async def test_rule_10_nothing_comes_back_and_coming_back_is_charged_again(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=2_000_00)
    await world.connect("A", "B")
    await world.remove("A")
    assert await world.balance() == 1_400_00
    await world.connect("A")
    assert await world.balance() == 1_100_00
    await world.change(world.free_id)
    assert await world.balance() == 1_100_00
    await world.change(world.tariff_id)
    assert await world.balance() == 500_00
    assert await problems(database) == []


async def test_rule_11_one_test_tracker_that_costs_nothing_until_it_is_an_ordinary_one(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=1_000_00)
    await world.connect("A", "B")
    await world.set_test("A")
    with pytest.raises(Refused) as refused:
        await world.set_test("B")
    assert refused.value.code == "test_taken"
    await world.days("2026-02-12")
    assert await world.charges("A", "daily") == []
    assert len(await world.charges("B", "daily")) == 3
    balance = await world.balance()
    outcome = await world.set_test("A", False)
    assert [(charge.name, charge.what, charge.amount) for charge in outcome.charges] == [("A", "connection", 300_00)]
    assert await world.balance() == balance - 300_00
    assert await problems(database) == []


async def test_rule_11_once_a_test_it_is_connected_and_paid_for_last(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=900_00)
    await world.connect("A", "B")
    await world.set_test("A")
    world.later(days=1)
    await world.set_test("A", False)
    await world.days("2026-02-10")
    assert await world.balance() == 0
    assert await world.states() == {"B": "unpaid", "A": "working"}  # whose own month ends today
    await world.days("2026-02-11")
    today = share(300_00, date(2026, 2, 11))
    assert (await world.top_up(today)).unblocked == ["B"]
    assert await world.states() == {"B": "working", "A": "unpaid"}


async def test_rule_12_paid_in_the_order_of_connection_and_never_below_zero(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=750_00)
    await world.connect("A", "B", "C")
    assert await world.states() == {"A": "working", "B": "working", "C": "unpaid"}
    assert await world.balance() == 150_00
    await world.days("2026-02-16")  # seven days of two: 150.00 less 14 × 10.71 or 10.72
    assert await world.states() == {"A": "working", "B": "working", "C": "unpaid"}
    assert await world.balance() == 150_00 - 2 * sum(share(300_00, date(2026, 2, day)) for day in range(10, 17))
    await world.days("2026-02-17")
    assert await world.states() == {"A": "unpaid", "B": "unpaid", "C": "unpaid"}
    assert 0 <= await world.balance() < 10_71
    assert await problems(database) == []


async def test_rule_13_a_blocked_tracker_costs_nothing_and_its_device_is_marked(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=1_000_00)
    await world.connect("A")
    await world.days("2026-02-15")
    await world.block("A")
    await world.days("2026-02-25")
    assert (await world.charges("A", "daily"))[-1][0] == "2026-02-15"
    async with database.pool.connection() as connection:
        assert await one(connection, "SELECT blocked FROM devices") == ("owner",)
    assert await problems(database) == []


async def test_rule_14_a_top_up_frees_as_many_as_it_pays_for_in_order(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=900_00)
    await world.connect("A", "B", "C")
    await world.days("2026-02-10")
    await world.connect("D")  # whose connection can't be paid
    assert set((await world.states()).values()) == {"unpaid"}
    today = share(300_00, date(2026, 2, 10))
    outcome = await world.top_up(2 * today)
    assert outcome.unblocked == ["A", "B"]
    assert await world.balance() == 0
    outcome = await world.top_up(today + 300_00)
    assert {(charge.name, charge.what, charge.amount) for charge in outcome.charges} == {
        ("C", "daily", today), ("D", "connection", 300_00),
    }  # fmt: skip
    assert await world.balance() == 0
    assert await problems(database) == []


async def test_rule_14_what_is_too_dear_does_not_keep_the_others_waiting(database: Database) -> None:
    """A's connection is unpaid, and it comes first; the money is enough for B's day."""
    world = await World.begin(database, NEW_YEAR, paid=False, money=300_00)
    await world.connect("A", "B")
    await world.block("A", administrator=True)
    await world.change(world.tariff_id)
    await world.days("2026-02-10")
    await world.unblock_by_administrator("A")
    assert await world.states() == {"A": "unpaid", "B": "unpaid"}
    assert (await world.top_up(11_00)).unblocked == ["B"]
    assert (await world.top_up(300_00)).unblocked == ["A"]
    assert await problems(database) == []


async def test_rule_15_the_owner_unblocks_by_hand_or_nothing_changes(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=600_00)
    await world.connect("A", "B")
    await world.days("2026-02-10")
    today = share(300_00, date(2026, 2, 10))
    with pytest.raises(NotEnoughMoney) as refused:
        await world.unblock("B")
    assert (refused.value.values["needed"], refused.value.values["balance"]) == (today, 0)
    assert await world.states() == {"A": "unpaid", "B": "unpaid"}
    await world.top_up(today - 1)
    assert (await world.charges("B", "daily"), await world.balance()) == ([], today - 1)
    async with world.book() as book:  # a bonus that pays for nobody by itself
        await trackers.block(book, world.devices["A"], "sold")
        await trackers.block(book, world.devices["B"], "sold")
    await world.top_up(1)
    assert await world.states() == {"A": "owner", "B": "owner"}
    outcome = await world.unblock("B")
    assert (outcome.total, outcome.unblocked) == (today, ["B"])
    assert await world.states() == {"A": "owner", "B": "working"}
    await world.block("B")
    assert (await world.unblock("B")).total == 0  # the day is paid already
    assert await problems(database) == []


async def test_rule_16_no_top_up_lifts_an_administrators_block(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=300_00)
    await world.connect("A")
    await world.block("A", administrator=True)
    assert (await world.top_up(1_000_00)).unblocked == []
    assert await world.states() == {"A": "administrator"}
    with pytest.raises(Refused) as refused:
        await world.unblock("A")
    assert refused.value.code == "blocked_by_administrator"
    assert (await world.unblock_by_administrator("A")).unblocked == ["A"]
    assert await world.states() == {"A": "working"}


async def test_rule_17_a_block_is_told_to_every_process_at_once(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=300_00)
    await world.connect("A")
    async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as listener:
        await listener.execute("LISTEN devices")
        told = asyncio.create_task(_next(listener))
        await world.block("A")
        assert await asyncio.wait_for(told, 1) == str(world.devices["A"])
        told = asyncio.create_task(_next(listener))
        await world.unblock("A")
        assert await asyncio.wait_for(told, 1) == str(world.devices["A"])


async def _next(listener: psycopg.AsyncConnection[Any]) -> str:
    async for notice in listener.notifies():
        return notice.payload
    raise AssertionError


@pytest.mark.parametrize("left", [7, 3, 1])
async def test_rule_18_days_left_are_the_days_that_are_paid_for(database: Database, left: int) -> None:
    """What warnings go by; that each is given once is tested where they are written."""
    world = await World.begin(database, NEW_YEAR, money=300_00)
    await world.connect("A")
    await world.days("2026-02-09")
    money = sum(share(300_00, date(2026, 2, 10 + day)) for day in range(left))
    await world.top_up(money)
    async with database.pool.connection() as connection:
        outlook = await forecast.outlook(connection, world.account_id, now=world.now)
    assert (outlook.days_left, outlook.runs_out) == (left, date(2026, 2, 10 + left))
    await world.days(f"2026-02-{9 + left:02}")
    assert await world.states() == {"A": "working"}
    await world.days(f"2026-02-{10 + left:02}")
    assert await world.states() == {"A": "unpaid"}


async def test_rule_19_the_same_payment_counts_once(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR)
    await world.top_up(10_00, key="payment:7")
    with pytest.raises(psycopg.errors.UniqueViolation):
        await world.top_up(10_00, key="payment:7")
    assert await world.balance() == 10_00


async def test_rule_20_the_unused_balance_goes_back_by_the_way_it_came(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR)
    async with world.book() as book:
        await by_hand.enter(book, "cash", 500_00, reference="1")
        await top_up(book, 10_00, way="", key="gift", kind="bonus")
    await world.connect("A")
    async with world.book() as book:
        asked = await refunds.request(book, 210_00)  # what is left of what was paid, and the bonus is no part of it
    assert (await world.balance(), await world.balance("refund")) == (0, 210_00)
    async with world.book() as book:
        await refunds.reject(book, asked.id, "no")
    assert (await world.balance(), await world.balance("refund")) == (210_00, 0)
    async with world.book() as book:
        asked = await refunds.request(book, 200_00)
        assert [(part.provider, part.amount) for part in await refunds.approve(book, asked.id)] == [("cash", 200_00)]
        assert (await refunds.paid_by_hand(book, asked.id, None, "receipt 1")).state == "paid"
    assert (await world.balance(), await world.balance("refund")) == (10_00, 0)
    assert await problems(database) == []


async def test_rule_21_withdrawal_within_14_days_gives_all_back(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, paid=False)
    async with world.book() as book:
        await by_hand.enter(book, "cash", 700_00, reference="1")
    await world.change(world.tariff_id)
    await world.connect("A", "B")
    await world.at("2026-01-24 23:59")
    async with world.book() as book:
        asked, _ = await refunds.withdraw(book)
    assert (asked.kind, asked.amount) == ("withdrawal", 700_00)
    assert (await world.balance(), await world.balance("refund")) == (0, 700_00)
    assert [amount for _, kind, _, amount in await world.charges() if kind == "reversal"] == [300_00, 300_00]
    async with world.book() as book:
        assert book.tariff.free
    assert await problems(database) == []


async def test_rule_21_and_not_after(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR)
    async with world.book() as book:
        await by_hand.enter(book, "cash", 700_00, reference="1")
    await world.at("2026-01-25 00:00")
    with pytest.raises(Refused) as refused:
        async with world.book() as book:
            await refunds.withdraw(book)
    assert refused.value.code == "too_late"


# --- what must hold ---


async def test_a_run_that_was_down_catches_up_day_by_day_with_each_days_own_prices_and_blocks(database: Database) -> None:
    """The same as if it had run every day."""
    told = []
    for daily_runs in (True, False):
        world = await World.begin(database, NEW_YEAR, money=600_00 + 100_00)
        await world.connect("A", "B")
        await world.version(date(2026, 2, 12), 600_00)
        if daily_runs:
            await world.days("2026-02-20")
        else:
            await world.at("2026-02-20 01:00")
            await world.run()
        told.append((await world.charges(), await world.states(), await world.balance()))
    assert told[0] == told[1]
    prices = {day: -amount for day, _, _, amount in told[0][0] if day > "2026-02"}
    assert (prices["2026-02-11"], prices["2026-02-12"]) == (share(300_00, date(2026, 2, 11)), share(600_00, date(2026, 2, 12)))
    assert await problems(database) == []


@pytest.mark.parametrize(
    ("zone", "start", "days"),
    [
        pytest.param("Europe/Berlin", "2026-03-28", 3, id="23 hours"),
        pytest.param("Europe/Berlin", "2026-10-24", 3, id="25 hours"),
        pytest.param("Australia/Lord_Howe", "2026-04-04", 3, id="half an hour more"),
    ],
)
async def test_a_day_is_a_day_when_the_clock_changes(database: Database, zone: str, start: str, days: int) -> None:
    """A run every hour: one charge a day, at its own midnight."""
    first = date.fromisoformat(start)
    connected = datetime.combine(first, datetime.min.time(), UTC) - timedelta(days=40)
    world = await World.begin(database, connected.isoformat(), time_zone=zone, money=2_000_00)
    await world.connect("A")
    await world.at(f"{start} 00:00")
    await world.run()
    before = len(await world.charges("A", "daily"))
    seen = [before]
    for _ in range(days * 24):
        world.later(hours=1)
        await world.run()
        seen.append(len(await world.charges("A", "daily")))
    assert seen[-1] - seen[0] == days
    assert max(later - earlier for earlier, later in pairwise(seen)) == 1


async def test_moving_over_the_date_line_neither_skips_nor_doubles_a_day(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, time_zone="Pacific/Pago_Pago", money=2_000_00)
    await world.connect("A")
    await world.at("2026-02-15 11:30")  # there the 15th begins at 11:00 UTC; on Kiritimati it is the 16th since 10:00
    await world.run()
    assert (await world.charges("A", "daily"))[-1][0] == "2026-02-15"
    await world.move("Pacific/Kiritimati")
    await world.run()
    assert (await world.charges("A", "daily"))[-1][0] == "2026-02-16"
    await world.move("Pacific/Pago_Pago")
    for _ in range(4):
        await world.run()
        world.later(hours=12)
    days = [day for day, _, _, _ in await world.charges("A", "daily")]
    first = date.fromisoformat(days[0])
    assert days == [str(first + timedelta(days=n)) for n in range(len(days))]
    assert days[-1] == "2026-02-16"
    world.later(hours=12)
    await world.run()
    assert (await world.charges("A", "daily"))[-1][0] == "2026-02-17"
    assert await problems(database) == []


async def test_every_charge_tells_tracker_day_version_and_price(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=2_000_00)
    await world.connect("A")
    await world.days("2026-02-10")
    head = await statement.head(database, statement.Selection(world.account_id, date(2026, 1, 1), date(2026, 12, 31)))
    lines = {line.kind: line for line in await statement.page(database, head, limit=10, offset=0)}
    assert (head.opening, head.closing) == (0, await world.balance())
    for kind, day in (("connection", date(2026, 1, 10)), ("daily", date(2026, 2, 10))):
        line = lines[kind]
        assert (line.day, line.name, line.device_id, line.price) == (day, "A", world.devices["A"], 300_00)
        assert line.tariff is not None


async def test_the_calculator_is_the_charge(database: Database) -> None:
    world = await World.begin(database, NEW_YEAR, money=5_000_00)
    async with world.book() as book:
        connection, service = forecast.estimate(book.tariff, book.day, 80, new=3)
    await world.connect("A", "B", "C")
    await world.days("2026-03-30")  # the 80th day
    charged = [(kind, -amount) for _, kind, _, amount in await world.charges() if amount < 0]
    assert sum(amount for kind, amount in charged if kind == "connection") == connection == 900_00
    assert sum(amount for kind, amount in charged if kind == "daily") == service
