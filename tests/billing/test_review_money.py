"""What somebody could do who wants service without paying, or wishes the daily charge ill: each was possible once."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest
from psycopg.errors import Error, RestrictViolation

from billing import daily, forecast, refunds, topup
from billing.book import book_on
from billing.check import problems
from billing.errors import Refused
from billing.meter import SmsMeter
from billing.payments import by_hand, table
from billing.payments.provider import Notice, ProviderFailed
from billing.payments.receive import receive
from billing.service import midnight_s
from billing.warnings import warn_of_low_money
from telematics.store.database import Database
from tests.billing.test_refunds import Till
from tests.billing.world import World, one


async def execute(database: Database, text: str, values: Any = None) -> None:
    async with database.pool.connection() as connection:
        await connection.execute(text.encode(), values)


async def until_waiting(database: Database, what: str) -> None:
    """Somebody waits for a lock with a statement like this."""
    text = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE %s"
    )
    for _ in range(200):
        async with database.pool.connection() as connection:
            if (await one(connection, text, [what]))[0]:
                return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


# --- one account must not stop the others


async def test_prices_beyond_all_measure_stop_nobody(database: Database) -> None:
    """Trackers times price is more than a bigint holds."""
    world = await World.begin(database, "2026-01-10 12:00", money=900_00)
    await world.connect("A")
    dear = await World.begin(database, "2026-01-10 12:00", price=9 * 10**18, paid=False)
    await dear.connect(*(f"T{number}" for number in range(40)))
    await dear.change(dear.tariff_id)
    await execute(
        database,
        "UPDATE blocks SET until = now() WHERE account_id = %s",
        [dear.account_id],
    )
    await execute(
        database,
        "UPDATE billed_trackers SET connection_due = false, covered_until = '2026-01-10' WHERE account_id = %s",
        [dear.account_id],
    )
    await world.at("2026-02-10 12:00")
    heard: list[Any] = []

    async def tell(connection: Any, alerts: Any, now: Any) -> None:
        heard.extend(alerts)

    await warn_of_low_money(database, tell, now=world.now)
    ran = await world.run()
    assert (ran.left, await world.balance()) == (0, 900_00 - 300_00 - 10_71)
    assert set((await dear.states()).values()) == {"unpaid"}


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param(
            "UPDATE billing_accounts SET charged_through = '2026-02-09' WHERE account_id = %s", id="a day to be charged twice"
        ),
        pytest.param("UPDATE billing_accounts SET tariff_id = {bare} WHERE account_id = %s", id="a tariff without a price"),
    ],
)
async def test_an_account_that_somebody_spoiled_stops_no_other(database: Database, spoiled: str) -> None:
    worlds = [await World.begin(database, "2026-01-10 12:00", money=900_00) for _ in range(3)]
    for world in worlds:
        await world.connect("A")
        await world.at("2026-02-10 12:00")
    await worlds[0].run()
    async with database.pool.connection() as connection:
        (bare,) = await one(connection, "INSERT INTO tariffs (name, currency) VALUES ('Bare', 'EUR') RETURNING id")
        await connection.execute(spoiled.format(bare=bare).encode(), [worlds[1].account_id])
    ran = await daily.run(database, now=worlds[0].now.replace(day=11))
    assert ran.failed == {worlds[1].account_id}
    assert (ran.left, ran.days) == (0, 2)
    for world in (worlds[0], worlds[2]):
        assert len(await world.charges("A", "daily")) == 2


async def test_a_time_zone_that_nobody_knows_is_utc(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 12:00", money=900_00, time_zone="Mars/Olympus")
    assert midnight_s(["Mars/Olympus"], world.now) == 12 * 3600 + 1
    await world.connect("A")
    await world.at("2026-02-10 00:30")
    assert (await world.run()).trackers == 1


# --- money and accounts that go


async def test_an_account_is_not_removed_while_money_comes_in(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 12:00", paid=False)
    removal = asyncio.create_task(asyncio.sleep(0))
    async with world.book() as book:
        await topup.top_up(book, 10_00, way="cash", key="topup:race")
        removal = asyncio.create_task(execute(database, "DELETE FROM accounts WHERE id = %s", [world.account_id]))
        await until_waiting(database, "DELETE FROM accounts%")
    with pytest.raises(RestrictViolation):
        await removal
    assert await problems(database) == []


async def test_money_does_not_come_in_for_an_account_that_is_being_removed(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 12:00", paid=False)
    async with database.pool.connection() as connection:
        await connection.execute("DELETE FROM accounts WHERE id = %s", [world.account_id])
        paying = asyncio.create_task(world.top_up(10_00))
        await until_waiting(database, "%FROM billing_accounts b JOIN accounts a%")
    with pytest.raises(Refused, match="no such account"):
        await paying
    assert await world.balance() == 0


# --- top-ups that were given back, and are taken back


async def test_what_went_back_to_the_customer_is_not_taken_back_as_well(database: Database) -> None:
    till = await Till.open(database)
    payment = await till.pays("card", 100_00)
    await till.world.top_up(100_00, kind="bonus")
    assert payment.entry_id is not None
    refund = await till.asks(60_00)
    async with till.world.book() as book:
        await refunds.approve(book, refund.id)
    with pytest.raises(Refused) as going:
        await till.world.reverse(payment.entry_id)
    await refunds.pay(database, till.ways, refund.id, now=till.world.now)
    with pytest.raises(Refused) as gone:
        await till.world.reverse(payment.entry_id)
    assert (going.value.code, gone.value.code) == ("given_back", "given_back")
    assert await till.money() == (140_00, 0)
    assert await problems(database) == []


async def test_what_is_disputed_is_not_taken_back_as_well(database: Database) -> None:
    till = await Till.open(database)
    payment = await till.pays("card", 100_00)
    await till.world.top_up(100_00, kind="bonus")
    word = Notice("evt-1", "dispute_opened", provider_id=payment.provider_id, amount=100_00, currency="EUR", dispute_id="dp")
    await receive(database, "card", word, now=till.world.now)
    assert payment.entry_id is not None
    with pytest.raises(Refused) as refused:
        await till.world.reverse(payment.entry_id)
    assert (refused.value.code, await till.money()) == ("given_back", (100_00, 0))


async def test_a_refund_that_fails_for_a_dispute_pays_for_no_tracker(database: Database) -> None:
    """The bank took the money while it was set aside; what comes back from the refund is not the customer's any more."""
    till = await Till.open(database, paid=True)
    payment = await till.pays("card", 300_00)
    refund = await till.asks(300_00)
    await till.world.connect("A")
    till.card.fails = ProviderFailed("the charge is disputed")
    word = Notice("evt-1", "dispute_opened", provider_id=payment.provider_id, amount=300_00, currency="EUR", dispute_id="dp")
    async with till.world.book() as book:
        await refunds.approve(book, refund.id)
    await receive(database, "card", word, now=till.world.now)
    await refunds.pay(database, till.ways, refund.id, now=till.world.now)
    async with till.world.book() as book:
        outcome = await refunds.reject(book, refund.id, "disputed")
    assert (outcome.unblocked, await till.money(), await till.world.states()) == ([], (0, 0), {"A": "unpaid"})
    assert await problems(database) == []
    won = Notice("evt-2", "dispute_won", provider_id=payment.provider_id, amount=300_00, currency="EUR", dispute_id="dp")
    await receive(database, "card", won, now=till.world.now)  # and now it is
    assert (await till.money(), await till.world.states()) == ((0, 0), {"A": "working"})
    assert await problems(database) == []


async def test_a_refund_that_was_given_back_outside_pays_for_no_tracker(database: Database) -> None:
    till = await Till.open(database, paid=True)
    payment = await till.pays("card", 300_00)
    refund = await till.asks(300_00)
    await till.world.connect("A")
    till.card.fails = ProviderFailed("it was refunded already")
    await till.approves(refund)
    word = Notice("evt-1", "refunded", provider_id=payment.provider_id, amount=300_00, currency="EUR")
    await receive(database, "card", word, now=till.world.now)
    async with till.world.book() as book:
        outcome = await refunds.reject(book, refund.id, "done by hand")
    assert (outcome.unblocked, await till.money(), await till.world.states()) == ([], (0, 0), {"A": "unpaid"})
    assert await problems(database) == []


async def test_one_does_not_withdraw_with_nothing_at_hand(database: Database) -> None:
    till = await Till.open(database, paid=True)
    await till.world.top_up(300_00, kind="bonus")
    bonus = await till.world.newest("bonus")
    await till.world.connect("A")
    await till.world.at("2026-01-11 12:00")
    await till.pays("cash", 300_00)
    await till.world.reverse(bonus)
    async with till.world.book() as book:
        with pytest.raises(Refused) as refused:
            await refunds.withdraw(book)
    assert refused.value.code == "nothing_paid"


async def test_a_mismatched_payment_that_went_back_is_not_accepted(database: Database) -> None:
    till = await Till.open(database)
    async with database.pool.connection() as connection:
        (payment_id, reference) = await one(
            connection,
            "INSERT INTO payments (account_id, provider, amount, currency) VALUES (%s, 'card', 10000, 'EUR')"
            " RETURNING id, reference",
            [till.world.account_id],
        )
    for number, (kind, amount) in enumerate([("paid", 200_00), ("refunded", 200_00)]):
        word = Notice(f"e{number}", kind, str(reference), "tx-1", amount, "EUR")  # type: ignore[arg-type]
        await receive(database, "card", word, now=till.world.now)
    async with till.world.book() as book:
        with pytest.raises(Refused) as refused:
            await by_hand.accept(book, payment_id)
    assert (refused.value.code, await till.money()) == ("given_back", (0, 0))


# --- trackers


async def test_money_of_an_sms_that_failed_frees_a_tracker(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 12:00", money=300_00 + 15_00)
    await world.connect("A")
    await world.at("2026-02-09 23:59")
    meter = SmsMeter(database, clock=lambda: world.now)
    assert await meter.reserve(world.account_id, 7, 1) is None
    await world.at("2026-02-10 00:01")
    await world.run()
    assert await world.states() == {"A": "unpaid"}
    await meter.give_back(7)
    assert (await world.states(), await world.balance()) == ({"A": "working"}, 15_00 - 10_71)
    assert await problems(database) == []


async def test_an_administrator_s_block_outlives_removing_and_adding_again(database: Database) -> None:
    """Rule 16."""
    world = await World.begin(database, "2026-01-10 12:00", paid=False)
    await world.connect("A", "B")
    await world.block("A", administrator=True)

    async def again(unique_id: str, name: str) -> None:
        async with world.book() as book:
            text = "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, %s) RETURNING id"
            (world.devices[name],) = await one(book.connection, text, [world.account_id, unique_id, name])

    async with database.pool.connection() as connection:
        (unique_id,) = await one(connection, "SELECT unique_id FROM devices WHERE id = %s", [world.devices["A"]])
    await world.remove("A")
    await again(unique_id, "A again")
    assert await world.states() == {"B": "working", "A again": "administrator"}
    async with database.pool.connection() as connection:
        text = "SELECT blocked, (SELECT reason FROM blocks WHERE until IS NULL) FROM devices WHERE unique_id = %s"
        assert await one(connection, text, [unique_id]) == ("administrator", "stolen")
    await world.unblock_by_administrator("A again")
    await world.remove("A again")
    await again(unique_id, "A for good")
    assert await world.states() == {"B": "working", "A for good": "working"}
    assert await problems(database) == []


async def test_a_number_can_t_be_renamed_away_from_an_administrator_s_block(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 12:00", paid=False)
    await world.connect("A", "B")
    await world.block("A", administrator=True)
    with pytest.raises(RestrictViolation):
        await execute(database, "UPDATE devices SET unique_id = 'other' WHERE id = %s", [world.devices["A"]])
    await execute(database, "UPDATE devices SET name = 'other' WHERE id = %s", [world.devices["A"]])
    await execute(database, "UPDATE devices SET unique_id = 'other' WHERE id = %s", [world.devices["B"]])


async def test_a_tracker_that_is_moved_takes_no_block_of_its_old_account_along(database: Database) -> None:
    """By whoever moves it without the accounts' books."""
    world = await World.begin(database, "2026-01-10 12:00", money=300_00)
    other = await World.begin(database, "2026-01-10 12:00", paid=False)
    await world.connect("A")
    await world.at("2026-02-10 12:00")
    async with database.pool.connection() as connection:
        await connection.execute("UPDATE devices SET account_id = %s WHERE id = %s", [other.account_id, world.devices["A"]])
        running = asyncio.create_task(world.run())
        await until_waiting(database, "%charge%")
    await running
    async with database.pool.connection() as connection:
        assert await one(connection, "SELECT blocked FROM devices WHERE id = %s", [world.devices["A"]]) == (None,)


async def test_renaming_and_paying_don_t_wait_for_each_other(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 12:00")
    await world.connect("A")
    assert await world.states() == {"A": "unpaid"}
    async with database.pool.connection() as renaming:
        await renaming.execute("SELECT FROM devices WHERE id = %s FOR NO KEY UPDATE", [world.devices["A"]])
        paying = asyncio.create_task(world.top_up(300_00))
        await until_waiting(database, "%")
        await renaming.execute("UPDATE devices SET name = 'B' WHERE id = %s", [world.devices["A"]])
    await paying
    assert await world.states() == {"B": "working"}


# --- past the program


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tariff_versions SET price = 1 WHERE tariff_id = %s",
        "UPDATE tariff_versions SET sms_price = 1 WHERE tariff_id = %s",
        "UPDATE tariff_versions SET since = '2030-01-01' WHERE tariff_id = %s",
        "DELETE FROM tariff_versions WHERE tariff_id = %s",
        "UPDATE tariffs SET currency = 'USD' WHERE id = %s",
    ],
)
async def test_a_price_that_was_charged_stays(database: Database, change: str) -> None:
    world = await World.begin(database, "2026-01-10 12:00", money=300_00)
    await world.connect("A")
    with pytest.raises(Error) as refused:
        await execute(database, change, [world.tariff_id])
    assert refused.value.sqlstate == "23001", refused.value
    await world.version(date(2026, 3, 1), 400_00)
    again = await world.version(date(2026, 3, 1), 500_00)  # begins nowhere yet: gives way
    assert again.price == 500_00


async def test_an_account_s_books_are_opened_by_one_at_a_time(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 12:00", money=300_00)
    async with world.book() as book:
        await execute(database, "UPDATE accounts SET time_zone = 'Asia/Almaty' WHERE id = %s", [world.account_id])
        assert (await book_on(book.connection, world.account_id, now=world.now)).balance == 300_00


# --- what is told


async def test_who_waited_for_the_book_writes_no_earlier_time_than_there_is(database: Database) -> None:
    """Or whose clock is slow: `billing check` would find charges of a tariff that the account was not on yet."""
    world = await World.begin(database, "2026-01-10 12:00", paid=False)
    await world.connect("A")
    waited = world.now
    world.later(seconds=10)
    await world.change(world.tariff_id)
    world.now = waited
    await world.top_up(300_00)
    assert await world.states() == {"A": "working"}
    assert await problems(database) == []


async def test_the_outlook_knows_of_days_that_are_still_to_be_charged(database: Database) -> None:
    """A minute after midnight, or with the jobs down for days, it says what it will say when they are."""
    world = await World.begin(database, "2026-01-10 12:00", money=2 * 300_00 + 9 * 10_71)
    await world.connect("A", "B")
    await world.at("2026-02-12 00:00:30")
    async with database.pool.connection() as connection:
        before = await forecast.outlook(connection, world.account_id, now=world.now)
    await world.run()
    async with database.pool.connection() as connection:
        after = await forecast.outlook(connection, world.account_id, now=world.now)
    assert (before.day, before.days_left, before.runs_out, before.days) == (
        after.day,
        after.days_left,
        after.runs_out,
        after.days,
    )
    await world.at("2026-02-20 00:00:30")  # it has run out meanwhile
    async with database.pool.connection() as connection:
        late = await forecast.outlook(connection, world.account_id, now=world.now)
    assert (late.day, late.days_left) == (date(2026, 2, 20), 0)
    await world.run()
    async with database.pool.connection() as connection:
        assert late.days == (await forecast.outlook(connection, world.account_id, now=world.now)).days


async def test_a_refund_made_outside_that_came_back_is_shown_to_an_operator(database: Database) -> None:
    """The customer's money was taken for it, and nobody would know."""
    till = await Till.open(database)
    payment = await till.pays("card", 100_00)
    refunded = Notice("evt-1", "refunded", provider_id=payment.provider_id, amount=100_00, currency="EUR")
    await receive(database, "card", refunded, now=till.world.now)
    async with till.world.book() as book:
        await by_hand.dismiss(book.connection, payment.id)
    word = Notice("evt-2", "refund_failed", provider_id=payment.provider_id, refund_id="re-outside")
    assert await receive(database, "card", word, now=till.world.now) == "not a refund of ours"
    async with database.pool.connection() as connection:
        assert "refund_failed" in ((await table.payment(connection, payment.id)).flagged or "")


async def test_a_refund_that_can_t_be_asked_after_holds_up_no_other(database: Database) -> None:
    till = await Till.open(database)
    await till.pays("card", 100_00)
    spoiled, other = await till.asks(10_00), await till.asks(20_00)
    till.card.lost = True
    for one_of in (spoiled, other):
        await till.approves(one_of)
    till.card.lost = False
    give = till.card.refund

    async def stumbles(payment: Any, amount: int, key: str, attempt: int) -> str:
        if amount == 10_00:
            raise ValueError("what the provider's library didn't foresee")
        return await give(payment, amount, key, attempt)

    till.card.refund = stumbles  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="foresee"):
        await refunds.pay_waiting(database, till.ways, now=till.world.now)
    assert (await till.state(spoiled), await till.state(other)) == ("paying", "paid")
