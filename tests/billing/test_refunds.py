"""Money that goes back: rules 20 and 21, by every way it came, and with everything that can go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from billing import refunds
from billing.check import problems
from billing.errors import NotEnoughMoney, Refused
from billing.ledger import Line
from billing.payments import by_hand, table
from billing.payments.provider import ByHand, Notice, Page, Payment, Provider, ProviderFailed, ProviderUnavailable
from billing.payments.providers import Providers
from billing.payments.receive import receive
from billing.refunds import Part, Refund
from billing.tariffs import changes_left
from billing.trackers import rehearsed
from telematics.store.database import Database
from tests.billing.world import World


@dataclass
class Card:
    """A provider isn't ours, so that it is played: it gives back once for a key, as they do, and fails when it is told to."""

    name: str = "card"
    title: str = "Card"
    fails: Exception | None = None
    lost: bool = False  # its answers
    given: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    together: asyncio.Barrier | None = None

    def takes(self, currency: str) -> bool:
        return True

    async def start(self, payment: Payment, return_url: str, language: str) -> Page:
        return Page("https://card.example.com/")

    def verify(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notice]:
        return ()

    async def refund(self, payment: Payment, amount: int, key: str, attempt: int) -> str:
        self.asked.append((key, attempt))
        if self.together is not None:
            await self.together.wait()
        if self.fails is not None:
            raise self.fails
        self.given[key] = amount
        if self.lost:
            raise ProviderUnavailable("no answer")
        return f"re-{key}"

    async def state(self, payment: Payment) -> Notice | None:
        return None

    async def aclose(self) -> None:
        pass


class Ways(Providers):
    def __init__(self, *cards: Provider) -> None:
        super().__init__({})
        self._providers = {card.name: card for card in cards}


@dataclass
class Till:
    world: World
    card: Card
    ways: Providers

    @staticmethod
    async def open(database: Database, **more: Any) -> Till:
        card = Card()
        world = await World.begin(database, "2026-01-10 12:00", **{"paid": False, **more})
        return Till(world, card, Ways(card))

    async def pays(self, way: str, amount: int) -> Payment:
        """And each a minute later than the one before."""
        self.world.later(minutes=1)
        async with self.world.book() as book:
            payment, _ = await by_hand.enter(book, way, amount, reference=f"{way}-{self.world.now:%H:%M}")  # type: ignore[arg-type]
        return payment

    async def asks(self, amount: int) -> Refund:
        async with self.world.book() as book:
            return await refunds.request(book, amount, "please")

    async def approves(self, refund: Refund) -> list[Part]:
        async with self.world.book() as book:
            await refunds.approve(book, refund.id)
        await refunds.pay(self.world.database, self.ways, refund.id, now=self.world.now)
        return await self.parts(refund)

    async def parts(self, refund: Refund) -> list[Part]:
        async with self.world.database.pool.connection() as connection:
            return await refunds.parts(connection, [refund.id])

    async def state(self, refund: Refund) -> str:
        async with self.world.database.pool.connection() as connection:
            return (await refunds.refund(connection, refund.id)).state

    async def money(self) -> tuple[int, int]:
        """At hand, and set aside."""
        return await self.world.balance(), await self.world.balance("refund")

    async def refundable(self) -> int:
        async with self.world.book() as book:
            return await refunds.refundable(book.connection, book.account_id, book.balance)


async def test_rule_20_unused_money_goes_back_by_the_way_it_came(database: Database) -> None:
    till = await Till.open(database)
    await till.pays("cash", 100_00)
    await till.pays("card", 200_00)
    await till.world.top_up(50_00, kind="bonus")
    refund = await till.asks(250_00)
    assert (await till.money(), refund.state) == ((100_00, 250_00), "requested")
    parts = await till.approves(refund)
    assert [(part.provider, part.amount, part.state) for part in parts] == [("card", 200_00, "paid"), ("cash", 50_00, "waiting")]
    assert (await till.money(), await till.state(refund)) == ((100_00, 50_00), "paying")
    async with till.world.book() as book:
        done = await refunds.paid_by_hand(book, refund.id, None, "receipt 12")
    assert (done.state, await till.money()) == ("paid", (100_00, 0))
    assert await till.refundable() == 50_00  # the other 50.00 are the bonus
    assert await problems(database) == []


@pytest.mark.parametrize(
    ("amount", "code"),
    [(0, "bad_amount"), (-5, "bad_amount"), (150_01, "not_enough_money"), (100_01, "not_refundable")],
)
async def test_what_can_t_be_asked_back(database: Database, amount: int, code: str) -> None:
    till = await Till.open(database)
    await till.pays("cash", 100_00)
    await till.world.top_up(50_00, kind="bonus")
    with pytest.raises(Refused) as refused:
        await till.asks(amount)
    assert (refused.value.code, isinstance(refused.value, NotEnoughMoney)) == (code, code == "not_enough_money")
    assert await till.money() == (150_00, 0)


async def test_what_is_used_can_t_be_asked_back(database: Database) -> None:
    till = await Till.open(database, paid=True)
    await till.pays("cash", 350_00)
    await till.world.connect("A")
    assert await till.refundable() == 50_00
    with pytest.raises(NotEnoughMoney):
        await till.asks(51_00)


async def test_two_requests_at_once_can_t_have_the_same_money(database: Database) -> None:
    till = await Till.open(database)
    await till.pays("cash", 100_00)
    told = await asyncio.gather(*(till.asks(60_00) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(one, Refund) for one in told) == 1
    assert await till.money() == (40_00, 60_00)


async def test_a_request_is_cancelled(database: Database) -> None:
    till = await Till.open(database)
    await till.pays("cash", 100_00)
    refund = await till.asks(100_00)
    async with till.world.book() as book:
        await refunds.cancel(book, refund.id)
        with pytest.raises(Refused) as again:
            await refunds.cancel(book, refund.id)
        with pytest.raises(Refused) as late:
            await refunds.approve(book, refund.id)
    assert (again.value.code, late.value.code) == ("not_open", "not_open")
    assert (await till.state(refund), await till.money()) == ("cancelled", (100_00, 0))
    assert await problems(database) == []


async def test_a_rejected_request_pays_for_blocked_trackers(database: Database) -> None:
    till = await Till.open(database, paid=True)
    await till.pays("cash", 300_00)
    refund = await till.asks(300_00)
    await till.world.connect("A")
    assert await till.world.states() == {"A": "unpaid"}
    async with till.world.book() as book:
        outcome = await refunds.reject(book, refund.id, "use it up")
    assert (outcome.unblocked, await till.world.states()) == (["A"], {"A": "working"})
    assert (await till.state(refund), await till.money()) == ("rejected", (0, 0))
    assert await problems(database) == []


async def test_another_s_refund_is_not_there(database: Database) -> None:
    till = await Till.open(database)
    await till.pays("cash", 100_00)
    refund = await till.asks(10_00)
    other = await World.begin(database, "2026-01-10 12:00", paid=False)
    async with other.book() as book:
        with pytest.raises(Refused) as refused:
            await refunds.cancel(book, refund.id)
    assert refused.value.code == "no_refund"


async def test_a_provider_that_refuses_keeps_its_reason_and_is_tried_again(database: Database) -> None:
    till = await Till.open(database)
    payment = await till.pays("card", 100_00)
    refund = await till.asks(100_00)
    till.card.fails = ProviderFailed("the card is closed")
    (part,) = await till.approves(refund)
    assert (part.state, part.reason, await till.state(refund)) == ("failed", "the card is closed", "paying")
    assert await till.money() == (0, 100_00)
    till.card.fails = None
    (part,) = await till.approves(refund)
    assert (part.state, part.reason, await till.state(refund), await till.money()) == ("paid", None, "paid", (0, 0))
    assert till.card.asked == [(f"refund:{refund.id}:{payment.id}", 1), (f"refund:{refund.id}:{payment.id}", 2)]
    assert await problems(database) == []


async def test_a_provider_that_doesn_t_answer_is_asked_again_and_pays_once(database: Database) -> None:
    till = await Till.open(database)
    await till.pays("card", 100_00)
    refund = await till.asks(100_00)
    till.card.lost = True  # it has done it, and we don't know
    (part,) = await till.approves(refund)
    assert (part.state, part.reason) == ("waiting", "no answer")
    async with till.world.book() as book:
        with pytest.raises(Refused) as refused:
            await refunds.reject(book, refund.id, "too slow")
        with pytest.raises(Refused) as sent:
            await refunds.paid_by_hand(book, refund.id, None, "by bank")
    assert (refused.value.code, sent.value.code) == ("under_way", "under_way")
    till.card.lost = False
    assert await refunds.pay_waiting(database, till.ways, now=till.world.now) == 1
    assert (await till.state(refund), await till.money()) == ("paid", (0, 0))
    assert till.card.given == {till.card.asked[0][0]: 100_00}
    assert {attempt for _, attempt in till.card.asked} == {1}
    assert await refunds.pay_waiting(database, till.ways, now=till.world.now) == 0


async def test_two_operators_at_once_send_it_once(database: Database) -> None:
    till = await Till.open(database)
    await till.pays("card", 100_00)
    refund = await till.asks(60_00)
    async with till.world.book() as book:
        await refunds.approve(book, refund.id)
    till.card.together = asyncio.Barrier(3)  # all three ask before any of them is answered
    await asyncio.gather(*(refunds.pay(database, till.ways, refund.id, now=till.world.now) for _ in range(3)))
    assert (await till.state(refund), await till.money()) == ("paid", (40_00, 0))
    assert list(till.card.given.values()) == [60_00]
    assert await problems(database) == []


async def test_what_a_provider_refuses_is_sent_by_hand(database: Database) -> None:
    till = await Till.open(database)
    payment = await till.pays("card", 100_00)
    refund = await till.asks(100_00)
    till.card.fails = ProviderFailed("too old")
    await till.approves(refund)
    async with till.world.book() as book:
        with pytest.raises(Refused) as refused:
            await refunds.paid_by_hand(book, refund.id, payment.id + 1, "x")
        done = await refunds.paid_by_hand(book, refund.id, payment.id, "by bank 7")
        with pytest.raises(Refused) as again:
            await refunds.paid_by_hand(book, refund.id, payment.id, "by bank 7")
    assert (refused.value.code, again.value.code, done.state) == ("no_part", "not_open", "paid")
    assert await problems(database) == []


async def test_a_refund_that_can_t_be_finished_gives_the_rest_back(database: Database) -> None:
    till = await Till.open(database)
    await till.pays("card", 70_00)
    await till.pays("cash", 30_00)
    refund = await till.asks(100_00)
    till.card.fails = ProviderFailed("too old")
    await till.approves(refund)
    async with till.world.book() as book:
        await refunds.paid_by_hand(book, refund.id, (await till.parts(refund))[0].payment_id, "receipt 1")
    async with till.world.book() as book:
        await refunds.reject(book, refund.id, "the card is closed")
    assert (await till.state(refund), await till.money()) == ("paid", (70_00, 0))
    assert await till.refundable() == 70_00
    assert await problems(database) == []


async def test_a_provider_without_refunds_waits_for_a_hand(database: Database) -> None:
    till = await Till.open(database)
    await till.pays("card", 100_00)
    refund = await till.asks(100_00)
    till.card.fails = ByHand("in the office")
    (part,) = await till.approves(refund)
    assert (part.state, part.reason, part.under_way) == ("waiting", "by hand", False)
    assert await refunds.pay_waiting(database, till.ways, now=till.world.now) == 0
    async with till.world.book() as book:
        assert (await refunds.paid_by_hand(book, refund.id, None, "office 1")).state == "paid"


async def test_a_refund_that_came_back_is_set_aside_again(database: Database) -> None:
    till = await Till.open(database)
    payment = await till.pays("card", 100_00)
    refund = await till.asks(100_00)
    (part,) = await till.approves(refund)
    word = Notice("evt-back", "refund_failed", provider_id=payment.provider_id, refund_id=part.provider_id)
    assert await receive(database, "card", word, now=till.world.now) == "a refund came back"
    assert (await till.state(refund), await till.money()) == ("paying", (0, 100_00))
    assert (await till.parts(refund))[0].state == "failed"
    assert await problems(database) == []
    await till.approves(refund)
    assert (await till.state(refund), await till.money()) == ("paid", (0, 0))
    async with database.pool.connection() as connection:
        row = await table.payment(connection, payment.id)
    assert (row.state, row.refunded, row.flagged) == ("refunded", 100_00, "refund_failed")
    assert await problems(database) == []
    other = Notice("evt-other", "refund_failed", provider_id=payment.provider_id, refund_id="re-of-nobody")
    assert await receive(database, "card", other, now=till.world.now) == "not a refund of ours"


async def test_a_disputed_payment_is_not_given_back_as_well(database: Database) -> None:
    till = await Till.open(database)
    payment = await till.pays("card", 100_00)
    await till.pays("cash", 20_00)
    refund = await till.asks(90_00)
    word = Notice("evt-1", "dispute_opened", provider_id=payment.provider_id, amount=100_00, currency="EUR", dispute_id="dp")
    await receive(database, "card", word, now=till.world.now)
    assert (await till.state(refund), await till.money()) == ("rejected", (20_00, 0))
    assert await till.refundable() == 20_00
    assert await problems(database) == []


async def test_a_top_up_that_was_reversed_is_not_given_back(database: Database) -> None:
    till = await Till.open(database)
    payment = await till.pays("cash", 100_00)
    await till.world.top_up(100_00, kind="bonus")
    assert payment.entry_id is not None
    await till.world.reverse(payment.entry_id)
    assert await till.refundable() == 0


# --- rule 21


async def test_rule_21_withdrawal_gives_all_back(database: Database) -> None:
    till = await Till.open(database, paid=True)
    await till.world.top_up(50_00, kind="bonus")
    await till.pays("card", 500_00)
    await till.pays("cash", 200_00)
    await till.world.connect("A", "B")
    async with till.world.book() as book:  # an SMS, as the meter charges it
        await book.post("sms", [Line("customer", -15_00), Line("sms", 15_00)], key="sms:1:1")
        await book.post("sms_settled", [Line("sms", -15_00), Line("revenue", 15_00)], key="sms:1:1:settled")
        await book.post("sms", [Line("customer", -15_00), Line("sms", 15_00)], key="sms:2:1")
        await book.post("sms_returned", [Line("sms", -15_00), Line("customer", 15_00)], key="sms:2:1:returned")
    assert await till.world.balance() == 750_00 - 600_00 - 15_00
    await till.world.at("2026-01-24 23:59")  # the 14th day after
    async with till.world.book() as book, rehearsed(book):
        shown, _ = await refunds.withdraw(book)
    assert shown.amount == 700_00
    assert await till.world.balance() == 135_00  # a rehearsal leaves nothing
    async with till.world.book() as book:
        refund, _ = await refunds.withdraw(book, "not for us")
        assert book.tariff.free
    assert (refund.kind, refund.amount, await till.money()) == ("withdrawal", 700_00, (50_00, 700_00))
    assert await till.world.states() == {"A": "working", "B": "working"}
    async with till.world.book() as book:
        with pytest.raises(Refused) as refused:
            await refunds.cancel(book, refund.id)
    assert refused.value.code == "withdrawal"
    await till.approves(refund)
    async with till.world.book() as book:
        assert (await refunds.paid_by_hand(book, refund.id, None, "receipt 9")).state == "paid"
    assert await till.money() == (50_00, 0)
    assert await problems(database) == []


async def test_withdrawing_is_no_change_of_the_tariff_that_counts(database: Database) -> None:
    till = await Till.open(database, paid=True)
    await till.pays("cash", 10_00)
    async with till.world.book() as book:
        await refunds.withdraw(book)
        assert await changes_left(book) == 2


async def test_a_blocked_tracker_is_not_paid_from_what_goes_back(database: Database) -> None:
    till = await Till.open(database, paid=True)
    await till.pays("cash", 300_00)
    await till.world.connect("A", "B")
    assert await till.world.states() == {"A": "working", "B": "unpaid"}
    async with till.world.book() as book:
        refund, _ = await refunds.withdraw(book)
    assert (refund.amount, await till.money()) == (300_00, (0, 300_00))
    assert await till.world.states() == {"A": "working", "B": "working"}  # on Free
    assert await problems(database) == []


async def test_charges_that_were_reversed_before_are_not_reversed_twice(database: Database) -> None:
    till = await Till.open(database, paid=True)
    await till.pays("cash", 600_00)
    await till.world.connect("A", "B")
    await till.world.reverse(await till.world.newest("connection"), 1)
    async with till.world.book() as book:
        refund, _ = await refunds.withdraw(book)
    assert (refund.amount, await till.money()) == (600_00, (0, 600_00))
    assert await problems(database) == []


@pytest.mark.parametrize(
    ("first", "then", "code"),
    [
        pytest.param("2026-01-10 12:00", "2026-01-25 00:00", "too_late", id="the 15th day after"),
        pytest.param(None, "2026-01-10 12:00", "nothing_paid", id="nothing was paid"),
    ],
)
async def test_who_can_t_withdraw(database: Database, first: str | None, then: str, code: str) -> None:
    till = await Till.open(database, paid=True)
    if first:
        await till.pays("cash", 10_00)
    await till.world.at(then)
    async with till.world.book() as book:
        assert not await refunds.can_withdraw(book.connection, book.account_id, book.day)
        with pytest.raises(Refused) as refused:
            await refunds.withdraw(book)
    assert refused.value.code == code


async def test_the_days_are_the_account_s_own(database: Database) -> None:
    till = await Till.open(database, time_zone="Pacific/Kiritimati")  # 14 hours ahead: the first payment is of 2026-01-11
    await till.pays("cash", 10_00)
    await till.world.at("2026-01-25 09:00")
    async with till.world.book() as book:
        assert await refunds.can_withdraw(book.connection, book.account_id, book.day)
    await till.world.at("2026-01-25 10:00")
    async with till.world.book() as book:
        assert not await refunds.can_withdraw(book.connection, book.account_id, book.day)


async def test_an_sms_on_its_way_is_waited_for(database: Database) -> None:
    till = await Till.open(database, paid=True)
    await till.pays("cash", 100_00)
    async with till.world.book() as book:
        await book.post("sms", [Line("customer", -15_00), Line("sms", 15_00)], key="sms:1:1")
        with pytest.raises(Refused) as refused:
            await refunds.withdraw(book)
    assert refused.value.code == "sms_under_way"


async def test_what_was_given_back_before_is_not_given_back_again(database: Database) -> None:
    till = await Till.open(database)
    await till.pays("card", 100_00)
    await till.approves(await till.asks(40_00))
    pending = await till.asks(10_00)
    async with till.world.book() as book:
        refund, _ = await refunds.withdraw(book)
    assert (refund.amount, await till.money()) == (50_00, (0, 60_00))
    await till.approves(pending)
    await till.approves(refund)
    assert (sum(till.card.given.values()), await till.money()) == (100_00, (0, 0))
    assert await problems(database) == []
