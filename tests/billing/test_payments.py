"""What providers say becomes money once, whatever the order, however often, at whatever moment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count, permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import daily, refunds
from billing.check import problems
from billing.errors import Refused
from billing.payments import by_hand, table
from billing.payments.begin import BEGUN_AN_HOUR, EXPIRES, SILENT, begin, look_after
from billing.payments.provider import BadNotice, Notice, Payment
from billing.payments.providers import Providers
from billing.payments.receive import hear_unknown, receive
from billing.payments.states import Known, hear
from telematics.config import ProviderSettings
from telematics.store.database import Database
from tests.billing.world import World, one

SECRET = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
PAGE = "https://pay.example.com/{reference}?amount={amount}&currency={currency}&back={return_url}"
_events = count(1)


@dataclass
class Shop:
    """An account that has begun to pay at a provider called `kaspi`."""

    world: World
    providers: Providers
    reference: UUID

    @staticmethod
    async def open(database: Database, amount: int = 300_00, **more: Any) -> Shop:
        world = await World.begin(database, "2026-01-10 15:30", **{"paid": False, **more})
        settings = ProviderSettings.model_validate({"kind": "webhook", "webhook_secret": SECRET, "page_url": PAGE})
        shop = Shop(world, Providers({"kaspi": settings}), uuid4())
        await shop.begin(amount)
        return shop

    async def begin(self, amount: int, reference: UUID | None = None) -> Payment:
        self.reference = reference or uuid4()
        return await begin(
            self.world.database, self.providers, self.world.account_id, provider="kaspi", amount=amount, reference=self.reference,
            return_url="https://gps.example.com/billing", language="en", title="Top-up", now=self.world.now,
        )  # fmt: skip

    def word(self, kind: Any, amount: int | None = None, *, event: str | None = None, **more: Any) -> Notice:
        said = {"reference": str(self.reference), "provider_id": "tx-1", "currency": "EUR", "amount": amount, **more}
        return Notice(event or f"evt-{next(_events)}", kind, **said)

    async def says(self, kind: Any, amount: int | None = None, **more: Any) -> str:
        return await receive(self.world.database, "kaspi", self.word(kind, amount, **more), now=self.world.now)

    async def payment(self) -> Payment:
        async with self.world.database.pool.connection() as connection:
            return (await table.payments(connection, reference=self.reference, limit=1))[0]

    async def state(self) -> tuple[str, str | None]:
        payment = await self.payment()
        return payment.state, payment.flagged

    async def clearing(self, kind: str = "clearing") -> int:
        """Of the provider's own ledger."""
        async with self.world.database.pool.connection() as connection:
            text = (
                "SELECT coalesce(sum(li.amount), 0) FROM ledger_lines li"
                " JOIN ledger_accounts l ON l.id = li.ledger_id WHERE l.kind = %s"
            )
            return int((await one(connection, text, [kind]))[0])


async def test_pending_money_is_not_available_and_paid_money_is(database: Database) -> None:
    shop = await Shop.open(database)
    assert (await shop.state(), await shop.world.balance()) == (("created", None), 0)
    assert await shop.says("pending") == "pending"
    assert (await shop.state(), await shop.world.balance()) == (("pending", None), 0)
    assert await shop.says("paid", 300_00) == "paid"
    assert (await shop.state(), await shop.world.balance()) == (("paid", None), 300_00)
    assert await shop.clearing() == -300_00
    assert await problems(database) == []


async def test_a_payment_unblocks_as_a_top_up_does(database: Database) -> None:
    shop = await Shop.open(database, paid=True)
    await shop.world.connect("A")
    assert await shop.world.states() == {"A": "unpaid"}
    await shop.says("paid", 300_00)
    assert (await shop.world.states(), await shop.world.balance()) == ({"A": "working"}, 0)


@pytest.mark.parametrize(
    ("words", "state", "balance"),
    [
        pytest.param([("failed", {"reason": "not_enough_money"})], "failed", 0, id="refused by the bank"),
        pytest.param([("expired", {})], "expired", 0, id="nobody paid"),
        pytest.param([("failed", {"reason": "limit"}), ("paid", {"amount": 300_00})], "paid", 300_00, id="paid by another card"),
        pytest.param([("expired", {}), ("paid", {"amount": 300_00})], "paid", 300_00, id="late success"),
        pytest.param([("paid", {"amount": 300_00}), ("failed", {})], "paid", 300_00, id="an old refusal comes late"),
        pytest.param([("failed", {}), ("pending", {})], "failed", 0, id="pending comes after its failure"),
        pytest.param([("paid", {"amount": 300_00}), ("paid", {"amount": 300_00})], "paid", 300_00, id="said twice in two words"),
        pytest.param([("paid", {"amount": 299_00})], "mismatched", 0, id="less than was asked"),
        pytest.param([("paid", {"amount": 301_00})], "mismatched", 0, id="more than was asked"),
        pytest.param([("paid", {"amount": 300_00, "currency": "USD"})], "mismatched", 0, id="in another currency"),
        pytest.param([("paid", {"amount": 300_00}), ("refunded", {"amount": 100_00})], "paid", 200_00, id="a part given back"),
        pytest.param([("paid", {"amount": 300_00}), ("refunded", {"amount": 300_00})], "refunded", 0, id="all given back"),
        pytest.param(
            [("paid", {"amount": 300_00}), ("dispute_opened", {"amount": 300_00})], "disputed", 0, id="the customer disputes it"
        ),
        pytest.param([("paid", {"amount": 300_00}), ("dispute_lost", {"amount": 300_00})], "lost", 0, id="a dispute is lost"),
        pytest.param(
            [("paid", {"amount": 300_00}), ("dispute_opened", {"amount": 300_00}), ("dispute_won", {"amount": 300_00})],
            "paid", 300_00, id="a dispute is won",
        ),
        pytest.param(
            [("dispute_won", {"amount": 300_00}), ("paid", {"amount": 300_00}), ("dispute_opened", {"amount": 300_00})],
            "paid", 300_00, id="a dispute is won before it is heard of",
        ),
        pytest.param([("refunded", {"amount": 300_00}), ("paid", {"amount": 300_00})], "refunded", 0, id="given back first"),
    ],
)  # fmt: skip
async def test_what_becomes_of_a_payment(
    database: Database, words: list[tuple[str, dict[str, Any]]], state: str, balance: int
) -> None:
    shop = await Shop.open(database)
    for kind, more in words:
        await shop.says(kind, **more)
    assert ((await shop.state())[0], await shop.world.balance(), await shop.clearing()) == (state, balance, -balance)
    assert await problems(database) == []


async def test_why_it_failed_is_kept_for_the_customer(database: Database) -> None:
    shop = await Shop.open(database)
    await shop.says("failed")
    assert (await shop.payment()).reason == "other"
    await shop.says("failed", reason="expired_card")
    assert (await shop.payment()).reason == "expired_card"
    await shop.says("paid", 300_00)
    assert (await shop.payment()).reason is None


async def test_the_same_word_twice_at_once_counts_once(database: Database) -> None:
    shop = await Shop.open(database)
    word = shop.word("paid", 300_00, event="evt-once")
    told = await asyncio.gather(*(receive(database, "kaspi", word, now=shop.world.now) for _ in range(6)))
    assert sorted(told) == ["heard before"] * 5 + ["paid"]
    assert await shop.world.balance() == 300_00


async def test_many_words_at_once_count_once(database: Database) -> None:
    shop = await Shop.open(database)
    words = [shop.word("paid", 300_00) for _ in range(4)] + [shop.word("pending"), shop.word("refunded", 50_00)]
    await asyncio.gather(*(receive(database, "kaspi", word, now=shop.world.now) for word in words))
    assert ((await shop.state())[0], await shop.world.balance(), await shop.clearing()) == ("paid", 250_00, -250_00)


async def test_a_callback_beside_the_daily_run(database: Database) -> None:
    """Whoever is first: the tracker is paid for once, and the money is there once."""
    shop = await Shop.open(database, amount=100_00, paid=True, money=300_00)
    await shop.world.connect("A")
    await shop.world.at("2026-02-10 00:30")  # the first day that is charged, and there is nothing left
    word = shop.word("paid", 100_00)
    await asyncio.gather(
        daily.run(database, now=shop.world.now),
        receive(database, "kaspi", word, now=shop.world.now),
        receive(database, "kaspi", word, now=shop.world.now),
        daily.run(database, now=shop.world.now),
    )
    assert (await shop.world.states(), await shop.world.balance()) == ({"A": "working"}, 100_00 - 10_71)
    assert await problems(database) == []


async def test_the_same_id_with_another_amount_is_refused_and_flagged(database: Database) -> None:
    shop = await Shop.open(database)
    await shop.says("paid", 300_00, event="evt-a")
    assert await shop.says("paid", 400_00, event="evt-a") == "refused: another amount than before"
    assert await shop.says("paid", 400_00, event="evt-b") == "refused: another amount than before"
    assert await shop.says("paid", 400_00, event="evt-b") == "heard before"
    assert (await shop.state(), await shop.world.balance()) == (("paid", "other_amount"), 300_00)
    async with database.pool.connection() as connection:
        kept = [event.outcome for event in await table.events_of(connection, (await shop.payment()).id)]
    assert kept == ["paid", "refused: another amount than before", "refused: another amount than before"]


async def test_a_second_payment_of_one_order_is_flagged(database: Database) -> None:
    shop = await Shop.open(database)
    await shop.says("paid", 300_00)
    await shop.says("paid", 300_00, provider_id="tx-2")
    assert (await shop.state(), await shop.world.balance()) == (("paid", "second_payment"), 300_00)


async def test_a_transaction_of_another_payment_is_refused(database: Database) -> None:
    shop = await Shop.open(database)
    await shop.says("paid", 300_00)
    await shop.begin(300_00)
    assert await shop.says("paid", 300_00) == "refused: its transaction id belongs to another payment"
    assert (await shop.state(), await shop.world.balance()) == (("created", "foreign_id"), 300_00)


async def test_two_payments_race_for_one_transaction(database: Database) -> None:
    shop = await Shop.open(database)
    first = shop.word("paid", 300_00)
    other = await Shop.open(database)
    second = other.word("paid", 300_00)
    told = await asyncio.gather(*(receive(database, "kaspi", word, now=shop.world.now) for word in (first, second)))
    assert sorted(told) == ["paid", "refused: its transaction id belongs to another payment"]
    assert await shop.world.balance() + await other.world.balance() == 300_00


async def test_an_operator_accepts_what_came(database: Database) -> None:
    shop = await Shop.open(database)
    await shop.says("paid", 250_00)
    assert (await shop.state(), await shop.world.balance()) == (("mismatched", "wrong_amount"), 0)
    payment = await shop.payment()
    async with shop.world.book() as book:
        accepted, _ = await by_hand.accept(book, payment.id)
    assert (accepted.state, accepted.flagged, accepted.amount, accepted.received) == ("paid", None, 250_00, 250_00)
    assert await shop.world.balance() == 250_00
    assert await shop.says("paid", 250_00) == "heard before"
    async with shop.world.book() as book:
        with pytest.raises(Refused, match="nothing to accept"):
            await by_hand.accept(book, payment.id)
    assert await problems(database) == []


async def test_another_currency_can_t_be_accepted(database: Database) -> None:
    shop = await Shop.open(database)
    await shop.says("paid", 300_00, currency="USD")
    async with shop.world.book() as book:
        with pytest.raises(Refused) as refused:
            await by_hand.accept(book, (await shop.payment()).id)
    assert refused.value.code == "other_currency"


async def test_what_was_spent_is_the_provider_s_loss(database: Database) -> None:
    shop = await Shop.open(database, paid=True)
    await shop.says("paid", 300_00)
    await shop.world.connect("A")  # takes it all
    await shop.world.top_up(20_00, kind="bonus")
    await shop.says("dispute_opened", 300_00, dispute_id="dp-1")
    assert (await shop.state(), await shop.world.balance()) == (("disputed", "disputed loss"), 0)
    assert (await shop.clearing(), await shop.clearing("loss")) == (0, -280_00)
    await shop.says("dispute_won", 300_00, dispute_id="dp-1")
    assert ((await shop.state())[0], await shop.world.balance()) == ("paid", 20_00)
    assert (await shop.clearing(), await shop.clearing("loss")) == (-300_00, 0)
    assert await problems(database) == []


async def test_money_that_is_gone_pays_for_no_tracker(database: Database) -> None:
    """It is told of the refund before the payment: the blocked tracker must not be paid from it."""
    shop = await Shop.open(database, paid=True)
    await shop.world.connect("A")
    await shop.says("refunded", 300_00)
    await shop.says("paid", 300_00)
    assert (await shop.world.states(), await shop.world.balance()) == ({"A": "unpaid"}, 0)
    assert await shop.clearing("loss") == 0


async def test_a_word_about_nothing_we_know_is_kept(database: Database) -> None:
    shop = await Shop.open(database)
    assert await shop.says("paid", 300_00, reference=str(uuid4()), event="evt-x") == "unknown"
    assert await shop.says("paid", 300_00, reference=str(uuid4()), event="evt-y") == "unknown"
    assert await shop.says("paid", 300_00, reference="x' OR 1=1", event="evt-z", provider_id="tx-9") == "unknown"
    async with database.pool.connection() as connection:
        assert len(await table.unknown_events(connection)) == 3
    assert await shop.world.balance() == 0


async def test_another_provider_s_word_is_not_believed(database: Database) -> None:
    shop = await Shop.open(database)
    assert await receive(database, "stripe", shop.word("paid", 300_00), now=shop.world.now) == "unknown"
    assert await shop.world.balance() == 0


async def test_a_dispute_that_is_heard_of_before_its_payment_counts(database: Database) -> None:
    """It names the transaction alone, which nobody knows yet."""
    shop = await Shop.open(database)
    assert await shop.says("dispute_opened", 300_00, reference=None) == "unknown"
    await shop.says("paid", 300_00)
    assert ((await shop.state())[0], await shop.world.balance()) == ("disputed", 0)
    await shop.says("dispute_won", 300_00, reference=None)
    assert ((await shop.state())[0], await shop.world.balance()) == ("paid", 300_00)


async def test_words_that_crossed_are_heard_again(database: Database) -> None:
    shop = await Shop.open(database)
    assert await shop.says("refunded", 100_00, reference=None) == "unknown"
    async with database.pool.connection() as connection:  # as if both had come at the very same moment
        await connection.execute("UPDATE payments SET provider_id = 'tx-1'")
    await shop.says("paid", 300_00)
    assert await shop.world.balance() == 300_00
    assert await hear_unknown(database, now=shop.world.now) == 1
    assert await shop.world.balance() == 200_00


async def test_the_account_is_gone(database: Database) -> None:
    shop = await Shop.open(database)
    async with database.pool.connection() as connection:
        await connection.execute("DELETE FROM accounts WHERE id = %s", [shop.world.account_id])
    assert await shop.says("paid", 300_00) == "refused: the account is gone"
    assert (await shop.state()) == ("created", "no_account")


async def test_what_nobody_speaks_of_expires_and_counts_later_all_the_same(database: Database) -> None:
    shop = await Shop.open(database)
    await look_after(database, shop.providers, now=shop.world.now + SILENT * 2)
    assert (await shop.state())[0] == "created"
    await look_after(database, shop.providers, now=shop.world.now + EXPIRES + SILENT * 4)
    assert (await shop.state())[0] == "expired"
    await shop.says("paid", 300_00)
    assert await shop.world.balance() == 300_00


async def test_beginning_twice_under_one_reference_is_one_payment(database: Database) -> None:
    shop = await Shop.open(database)
    first = await shop.payment()
    again = await shop.begin(300_00, shop.reference)
    assert (again.id, again.page_url) == (first.id, first.page_url)
    assert str(shop.reference) in (first.page_url or "")


async def test_payments_that_nobody_finishes_are_bounded(database: Database) -> None:
    shop = await Shop.open(database)
    for _ in range(BEGUN_AN_HOUR - 1):
        await shop.begin(100_00)
    with pytest.raises(Refused) as refused:
        await shop.begin(100_00)
    assert refused.value.code == "too_many_payments"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        pytest.param({"provider": "nobody"}, "no_provider", id="no such way"),
        pytest.param({"amount": 0}, "bad_amount", id="nothing"),
        pytest.param({"amount": -5}, "bad_amount", id="less than nothing"),
    ],
)
async def test_what_can_t_begin(database: Database, more: dict[str, Any], code: str) -> None:
    shop = await Shop.open(database)
    said = {"provider": "kaspi", "amount": 1, "reference": uuid4(), "return_url": "x", "language": "en", "title": "x", **more}
    with pytest.raises(Refused) as refused:
        await begin(database, shop.providers, shop.world.account_id, **said)
    assert refused.value.code == code


async def test_cash_and_transfers_are_entered_once(database: Database) -> None:
    world = await World.begin(database, "2026-01-10 15:30", paid=False)
    async with world.book() as book:
        payment, _ = await by_hand.enter(book, "cash", 50_00, reference="receipt 7", note="at the office")
    assert (payment.state, payment.provider_id, payment.note) == ("paid", "receipt 7", "at the office")
    async with world.book() as book:
        with pytest.raises(Refused) as refused:
            await by_hand.enter(book, "cash", 50_00, reference="receipt 7")
        assert refused.value.code == "known_reference"
        await by_hand.enter(book, "bank", 50_00, reference="receipt 7")  # another way, another numbering
        await by_hand.enter(book, "cash", 50_00)
        await by_hand.enter(book, "cash", 50_00)
    assert await world.balance() == 200_00
    assert await problems(database) == []


async def test_an_account_that_changed_its_currency(database: Database) -> None:
    shop = await Shop.open(database)
    async with database.pool.connection() as connection:
        await connection.execute("UPDATE billing_accounts SET currency = 'KZT' WHERE account_id = %s", [shop.world.account_id])
    await shop.says("paid", 300_00)
    assert (await shop.state(), await shop.world.balance()) == (("created", "other_currency"), 0)


WORDS = (
    ("pending", None), ("failed", None), ("expired", None), ("paid", 300_00), ("paid", 300_00), ("refunded", 40_00),
    ("refunded", 100_00), ("dispute_opened", 120_00), ("dispute_won", 120_00),
)  # fmt: skip


@given(st.permutations(WORDS), st.lists(st.sampled_from(WORDS), max_size=4))
def test_in_any_order_and_however_often_the_same_is_known(words: list[Any], again: list[Any]) -> None:
    """The pure part: hundreds of orders."""
    known = Known(300_00, "EUR")
    for kind, amount in [*words, *again]:
        known = hear(known, Notice("e", kind, reference="r", amount=amount, currency="EUR", dispute_id="d")).known
    assert (known.state, known.credit, known.outside(0), known.disputed) == ("paid", 300_00, 100_00, 0)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(WORDS), st.lists(st.sampled_from(WORDS), max_size=3))
def test_in_any_order_the_ledger_ends_the_same(database_of: Any, words: list[Any], again: list[Any]) -> None:
    runner, database = database_of

    async def tried() -> tuple[str, int]:
        shop = await Shop.open(database)
        tx = f"tx-{shop.reference}"
        for kind, amount in [*words, *again]:
            await shop.says(kind, amount, provider_id=tx, dispute_id="d" if kind.startswith("dispute") else None)
        return (await shop.state())[0], await shop.world.balance()

    assert runner.run(tried()) == ("paid", 200_00)


def test_every_order_of_a_payment_and_its_dispute() -> None:
    for words in permutations([("paid", 300_00), ("dispute_opened", 300_00), ("dispute_lost", 300_00), ("failed", None)]):
        known = Known(300_00, "EUR")
        for kind, amount in words:
            known = hear(known, Notice("e", kind, reference="r", amount=amount, currency="EUR", dispute_id="d")).known  # type: ignore[arg-type]
        assert (known.state, known.disputed) == ("lost", 300_00)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"kind": "paid"}, id="paid without an amount"),
        pytest.param({"kind": "paid", "amount": 0, "currency": "EUR"}, id="nothing"),
        pytest.param({"kind": "paid", "amount": -1, "currency": "EUR"}, id="less than nothing"),
        pytest.param({"kind": "paid", "amount": 10**16, "currency": "EUR"}, id="more than there is"),
        pytest.param({"kind": "paid", "amount": 1, "currency": "EUR", "event_id": "x" * 300}, id="an id without end"),
        pytest.param({"kind": "paid", "amount": 1, "currency": "EUR", "provider_id": "a\0b"}, id="an id with a NUL"),
        pytest.param({"kind": "failed", "reference": None}, id="of no payment"),
    ],
)
def test_words_that_can_t_be(more: dict[str, Any]) -> None:
    with pytest.raises(BadNotice):
        Notice(**{"event_id": "e", "reference": "r", **more})


@pytest.fixture
def database_of(settings: Any) -> Any:
    """An open store and the loop it lives on, for hypothesis, whose examples aren't coroutines."""
    from telematics.store.database import open_database

    with asyncio.Runner() as runner:
        opened = open_database(settings)
        database = runner.run(opened.__aenter__())
        try:
            yield runner, database
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def test_a_refund_of_ours_told_by_its_provider_counts_once(database: Database) -> None:
    """The provider calls back for what we asked of it: before we have noted it, or after."""
    shop = await Shop.open(database)
    await shop.says("paid", 300_00)
    async with shop.world.book() as book:
        asked = await refunds.request(book, 100_00)
        await refunds.approve(book, asked.id)
    await shop.says("refunded", 100_00)  # the operator has just done it in the provider's office
    assert (await shop.state(), await shop.world.balance()) == (("paid", None), 200_00)
    await refunds.pay(database, shop.providers, asked.id, now=shop.world.now)
    async with shop.world.book() as book:
        done = await refunds.paid_by_hand(book, asked.id, None, "re-1")
    assert (done.state, await shop.world.balance(), await shop.clearing()) == ("paid", 200_00, -200_00)
    await shop.says("refunded", 100_00)
    assert (await shop.state(), await shop.world.balance()) == (("paid", None), 200_00)
    await shop.says("refunded", 150_00)  # and 50.00 more at the provider
    assert (await shop.state(), await shop.world.balance()) == (("paid", "refunded_outside"), 150_00)
    assert await problems(database) == []
