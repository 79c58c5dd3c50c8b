"""SMS that are paid for (rule 8): by the real sender through a real SMPP gateway, and the meter alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import PoolClosed

import dashboards
from billing import meter as metering
from billing import tariffs
from billing.book import open_book
from billing.check import problems
from billing.meter import NO_ACCOUNT, NO_MONEY, NOT_IN_TARIFF, SmsMeter
from billing.topup import reverse, top_up
from dashboards import sql
from telematics.alerts.channels import Channel
from telematics.alerts.channels.helpers import Helpers
from telematics.alerts.channels.sms import Sms
from telematics.alerts.matching import Person
from telematics.alerts.outbox import UNREACHABLE
from telematics.alerts.sender import SPARE_S
from telematics.config import Settings, SmsSettings
from telematics.store.database import Database, open_database
from tests.alerts.conftest import Desk, desk_on
from tests.channels.smsc import INVALID_DESTINATION, Smsc, serving
from tests.store.rows import fetch

PRICE, SMS = 30000, 1500  # 300.00 a month, 15.00 an SMS


@dataclass
class Purse:
    """An account with money, and what became of it."""

    database: Database
    account: int

    async def balances(self) -> tuple[int, int, int]:
        """At hand, set aside for SMS, and what the provider got for SMS: of the lines, not of what is kept beside them."""
        ((customer, aside, revenue),) = await fetch(
            self.database,
            "SELECT coalesce(sum(l.amount) FILTER (WHERE a.kind = 'customer'), 0)::bigint,"
            " coalesce(sum(l.amount) FILTER (WHERE a.kind = 'sms'), 0)::bigint,"
            " coalesce(sum(l.amount) FILTER (WHERE a.kind = 'revenue' AND e.kind LIKE 'sms%%'), 0)::bigint"
            " FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id JOIN ledger_accounts a ON a.id = l.ledger_id"
            " WHERE e.account_id = %s",
            [self.account],
        )
        return customer, aside, revenue

    async def entries(self) -> list[tuple[str, str]]:
        text = "SELECT kind, key FROM ledger_entries WHERE account_id = %s AND kind LIKE 'sms%%' ORDER BY id"
        return await fetch(self.database, text, [self.account])

    async def charge(self, delivery_id: int) -> tuple[Any, ...]:
        text = "SELECT state, amount, tries, parts FROM sms_charges WHERE delivery_id = %s"
        return (await fetch(self.database, text, [delivery_id]))[0]


async def purse(database: Database, account: int, balance: int, *, sms_price: int = SMS, sms: bool = True) -> Purse:
    """On a tariff of its own, with so much at hand after its trackers' connections are paid."""
    first = tariffs.NewVersion(since=date(2020, 1, 1), price=PRICE, sms_price=sms_price, sms=sms)
    async with database.pool.connection() as connection:
        tariff = await tariffs.add(connection, "Start", "", "EUR", first)
    ((trackers,),) = await fetch(database, "SELECT count(*)::int FROM devices WHERE account_id = %s", [account])
    async with open_book(database, account) as book:
        money = balance + trackers * PRICE
        if money:
            await top_up(book, money, way="cash", key=f"cash {account}")
        await tariffs.change(book, tariff.id)
        assert book.balance == balance
    return Purse(database, account)


@pytest.fixture
async def account(database: Database) -> int:
    return int((await fetch(database, "INSERT INTO accounts (name) VALUES ('Fleet') RETURNING id"))[0][0])


@pytest.fixture(autouse=True)
async def sound(database: Database) -> AsyncIterator[None]:
    yield
    assert await problems(database) == []


# --- by the sender


@asynccontextmanager
async def office(database: Database, settings: Settings, smsc: Smsc, **alerts: Any) -> AsyncIterator[Desk]:
    """The alerts with their real meter, and with the real way to a gateway."""
    async with serving(smsc), desk_on(database, settings, **{"bundle_s": 0, **alerts}) as desk:
        ways: dict[str, Channel] = desk.alerts.channels
        ways["sms"] = Sms(SmsSettings(url=f"smpp://fleet:secret@127.0.0.1:{smsc.port}/Fleet/{{phone}}"), Helpers())
        desk.alerts.meter = SmsMeter(database)
        yield desk


async def test_the_example_of_the_rules(database: Database, settings: Settings) -> None:
    """Balance 20.00, an alert by SMS: 15.00, balance 5.00. Another goes by e-mail, balance 5.00."""
    smsc = Smsc()
    async with office(database, settings, smsc) as desk:
        money = await purse(database, desk.account, 2000)
        await desk.rule(await desk.user("anna", phone="+77010000001"), channels=["sms"])
        await desk.happens("sos")
        await desk.until(sent=1)
        await desk.eventually(lambda: _settled(money, (500, 0, 1500)))
        await desk.happens("tow")
        await desk.until(sent=2, skipped=1)
        assert await desk.deliveries() == [
            ("sms", "+77010000001", "sent", None),
            ("sms", "+77010000001", "skipped", f"not paid for: {NO_MONEY}"),
            ("mail", "anna@example.com", "sent", None),
        ]
        assert await money.balances() == (500, 0, 1500)
        assert len(smsc.received) == 1
        assert desk.gateways["mail"].addresses == ["anna@example.com"]
        # The charge tells tracker, tariff version and day, as each does
        ((tracker, version, day),) = await fetch(
            database,
            "SELECT t.device_id, v.sms_price, e.day FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id AND l.no = 1"
            " JOIN billed_trackers t ON t.id = l.tracker_id JOIN tariff_versions v ON v.id = l.version_id WHERE e.kind = 'sms'",
        )
        assert (tracker, version, day) == (desk.truck, SMS, datetime.now(UTC).date())


async def _settled(money: Purse, balances: tuple[int, int, int]) -> bool:
    return await money.balances() == balances


async def test_what_the_gateway_refuses_is_given_back_and_goes_by_email(database: Database, settings: Settings) -> None:
    smsc = Smsc(statuses=[INVALID_DESTINATION])
    async with office(database, settings, smsc) as desk:
        money = await purse(database, desk.account, 2000)
        await desk.rule(await desk.user("anna", phone="+77010000001"), channels=["sms"])
        await desk.happens("sos")
        await desk.until(failed=1, sent=1)
        await desk.eventually(lambda: _settled(money, (2000, 0, 0)))
        assert [kind for kind, _ in await money.entries()] == ["sms", "sms_returned"]
        lines = await fetch(
            database,
            "SELECT l.amount, l.tracker_id IS NOT NULL, l.version_id IS NOT NULL FROM ledger_lines l"
            " JOIN ledger_accounts a ON a.id = l.ledger_id AND a.kind = 'customer' JOIN ledger_entries e ON e.id = l.entry_id"
            " WHERE e.kind LIKE 'sms%%' ORDER BY e.id",
        )
        assert lines == [(-SMS, True, True), (SMS, True, True)], "of the tracker's statement it is gone again, too"


async def test_of_two_alerts_at_once_the_last_coins_pay_for_one(database: Database, settings: Settings) -> None:
    smsc = Smsc(late_s=0.2)  # both are on their way together
    async with office(database, settings, smsc) as desk:
        money = await purse(database, desk.account, 2000)
        await desk.rule(
            *[await desk.user(name, phone=phone) for name, phone in (("anna", "+77010000001"), ("bea", "+77010000002"))],
            channels=["sms"],
        )
        await desk.happens("sos")
        await desk.until(sent=2, skipped=1)
        await desk.eventually(lambda: _settled(money, (500, 0, 1500)))
        assert len(smsc.received) == 1
        assert len(desk.gateways["mail"].told) == 1


async def test_a_tariff_without_sms_sends_an_email_at_no_cost(database: Database, settings: Settings) -> None:
    smsc = Smsc()
    async with office(database, settings, smsc) as desk:
        money = await purse(database, desk.account, 2000, sms=False)
        await desk.rule(await desk.user("anna", phone="+77010000001"), channels=["sms"])
        await desk.happens("sos")
        await desk.until(sent=1, skipped=1)
        assert await desk.deliveries("channel, reason") == [("sms", f"not paid for: {NOT_IN_TARIFF}"), ("mail", None)]
        assert await money.balances() == (2000, 0, 0)
        assert not smsc.binds


async def test_what_costs_nothing_is_not_in_the_ledger(database: Database, settings: Settings) -> None:
    """As on Free, which nobody needs money for."""
    smsc = Smsc()
    async with office(database, settings, smsc) as desk:
        await desk.rule(await desk.user("anna", phone="+77010000001"), channels=["sms"])
        await desk.happens("sos")
        await desk.until(sent=1)

        async def ended() -> bool:
            return await fetch(database, "SELECT state, amount FROM sms_charges") == [("settled", 0)]

        await desk.eventually(ended)
        assert await fetch(database, "SELECT count(*)::int FROM ledger_entries") == [(0,)]


async def test_while_the_database_of_money_is_away_an_alert_waits(database: Database, settings: Settings) -> None:
    smsc = Smsc()
    async with office(database, settings, smsc) as desk:
        money = await purse(database, desk.account, 2000)
        async with open_database(settings) as other:
            desk.alerts.meter = SmsMeter(other)
        with pytest.raises(PoolClosed):
            await desk.alerts.meter.reserve(desk.account, 1, 1)
        await desk.rule(await desk.user("anna", phone="+77010000001"), channels=["sms"])
        await desk.happens("sos")
        await desk.until(waiting=1)

        async def tried() -> bool:
            ((reason,),) = await desk.deliveries("reason")
            return bool(reason and reason.startswith("trying again: the database does not answer"))

        await desk.eventually(tried)
        desk.alerts.meter = SmsMeter(database)
        await fetch(database, "UPDATE deliveries SET due_at = now() RETURNING id")
        desk.alerts.sender.wake()
        await desk.until(sent=1)
        await desk.eventually(lambda: _settled(money, (500, 0, 1500)))
        assert len(smsc.received) == 1


async def test_a_test_message_is_paid_for_as_well(database: Database, settings: Settings) -> None:
    smsc = Smsc()
    async with office(database, settings, smsc) as desk:
        money = await purse(database, desk.account, 2000)
        anna = await desk.user("anna", phone="+77010000001")
        async with database.pool.connection() as connection:
            person = (await sql.rows_on(connection, "notification_person", Person, user_id=anna))[0]
        (first,) = await desk.alerts.test(person, "sms")
        (second,) = await desk.alerts.test(person, "sms")
        assert (first.state, second.state, second.reason) == ("sent", "skipped", f"not paid for: {NO_MONEY}")
        assert await money.balances() == (500, 0, 1500)


# --- the meter alone


@pytest.mark.parametrize(
    ("told", "state", "balances"),
    [
        ("reserve", "reserved", (500, 1500, 0)),
        ("reserve reserve reserve", "reserved", (500, 1500, 0)),
        ("reserve settle", "settled", (500, 0, 1500)),
        ("reserve settle settle", "settled", (500, 0, 1500)),
        ("reserve settle give_back", "settled", (500, 0, 1500)),
        ("reserve settle reserve", "settled", (500, 0, 1500)),
        ("reserve give_back", "returned", (2000, 0, 0)),
        ("reserve give_back give_back", "returned", (2000, 0, 0)),
        ("reserve give_back settle", "returned", (2000, 0, 0)),
        ("reserve give_back reserve", "reserved", (500, 1500, 0)),
        ("reserve give_back reserve settle", "settled", (500, 0, 1500)),
        ("reserve give_back reserve give_back reserve settle settle", "settled", (500, 0, 1500)),
    ],
)
async def test_whatever_is_told_again_is_done_once(
    database: Database, account: int, told: str, state: str, balances: tuple[int, int, int]
) -> None:
    money, meter = await purse(database, account, 2000), SmsMeter(database)
    for word in told.split():
        await tell(meter, word, account, 7)
    assert await money.balances() == balances
    tries = 1 + told.count("give_back reserve")
    assert (await money.charge(7))[:3] == (state, SMS, tries)
    assert await money.entries() == sorted(await money.entries(), key=lambda one: one[1].split(":")[2])


async def tell(meter: SmsMeter, word: str, account: int, delivery: int) -> str | None:
    if word == "reserve":
        return await meter.reserve(account, delivery, 1)
    await (meter.settle(delivery, 1) if word == "settle" else meter.give_back(delivery))
    return None


async def test_what_was_never_reserved_has_no_end(database: Database, account: int) -> None:
    meter = SmsMeter(database)
    await meter.settle(1, 1)
    await meter.give_back(1)
    assert await fetch(database, "SELECT count(*)::int FROM sms_charges") == [(0,)]


async def test_in_any_order_the_money_is_as_if_each_was_done_alone(database: Database, account: int) -> None:
    """Against a model of three lines; several at once, as senders of several processes are."""
    money, meter = await purse(database, account, 4 * SMS + 100), SmsMeter(database)
    luck = random.Random(8)
    states: dict[int, str] = {}
    for _ in range(60):
        delivery, word = luck.randrange(6), luck.choice(["reserve", "reserve", "settle", "give_back"])
        spent = SMS * sum(state != "returned" for state in states.values())
        room = 4 * SMS + 100 - spent >= SMS
        answers = await asyncio.gather(*(tell(meter, word, account, delivery) for _ in range(luck.randint(1, 2))))
        if word == "reserve" and states.get(delivery) in (None, "returned"):
            assert set(answers) == {None if room else NO_MONEY}
            if room:
                states[delivery] = "reserved"
        else:
            assert set(answers) == {None}
            if states.get(delivery) == "reserved" and word != "reserve":
                states[delivery] = "settled" if word == "settle" else "returned"
        counts = [SMS * list(states.values()).count(state) for state in ("reserved", "settled")]
        assert await money.balances() == (4 * SMS + 100 - sum(counts), *counts)
    assert {"reserved", "settled", "returned"} >= set(states.values()) >= {"settled"}


async def test_many_at_once_get_no_more_than_there_is(database: Database, account: int) -> None:
    money = await purse(database, account, 3 * SMS + SMS // 2)
    meters = [SmsMeter(database) for _ in range(3)]
    answers = await asyncio.gather(*(meters[number % 3].reserve(account, number, 1) for number in range(24)))
    assert sorted(str(answer) for answer in answers) == ["None"] * 3 + [NO_MONEY] * 21
    await asyncio.gather(*(meter.settle(number, 1) for number in range(24) for meter in meters))
    assert await money.balances() == (SMS // 2, 0, 3 * SMS)


async def test_a_price_that_changes_meanwhile_is_that_of_the_reservation(database: Database, account: int) -> None:
    money, meter = await purse(database, account, 4000), SmsMeter(database)
    await meter.reserve(account, 1, 1)
    new = "INSERT INTO tariff_versions (tariff_id, since, price, sms_price) SELECT tariff_id, current_date, price, 2000"
    await fetch(database, f"{new} FROM tariff_versions WHERE sms_price = %s RETURNING id", [SMS])
    await meter.settle(1, 1)
    await meter.reserve(account, 2, 1)
    assert await money.balances() == (500, 2000, 1500)
    await meter.give_back(2)
    assert await money.balances() == (2500, 0, 1500)


async def test_an_sms_of_several_parts_costs_the_same(database: Database, account: int) -> None:
    money, meter = await purse(database, account, 2000), SmsMeter(database)
    await meter.reserve(account, 1, 2)
    await meter.settle(1, 3)
    assert await money.balances() == (500, 0, 1500)
    assert await money.charge(1) == ("settled", SMS, 1, 3)
    noted = await fetch(database, "SELECT attributes FROM ledger_entries WHERE kind LIKE 'sms%%' ORDER BY id")
    assert noted == [({"delivery": 1, "parts": 2},), ({"parts": 3},)]


async def test_an_sms_that_was_sent_can_be_reversed_by_an_operator(database: Database, account: int) -> None:
    money, meter = await purse(database, account, 2000), SmsMeter(database)
    await meter.reserve(account, 1, 1)
    await meter.settle(1, 1)
    ((entry,),) = await fetch(database, "SELECT id FROM ledger_entries WHERE kind = 'sms'")
    async with open_book(database, account) as book:
        await reverse(book, entry, nos=None, memo="never arrived", key="reversal 1")
    assert (await money.balances())[0] == 2000


async def test_who_waits_too_long_for_an_account_is_told_to_try_again(
    database: Database, account: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the lease of the delivery ends, and somebody else sends it, too."""
    money, meter = await purse(database, account, 2000), SmsMeter(database)
    assert metering.RESERVE_S < SPARE_S
    monkeypatch.setattr(metering, "RESERVE_S", 0.2)
    async with open_book(database, account):
        with pytest.raises(UNREACHABLE, match="busy with the account's money"):
            await meter.reserve(account, 1, 1)
    assert await money.balances() == (2000, 0, 0)
    assert await meter.reserve(account, 1, 1) is None


async def test_of_an_account_that_is_gone_nothing_is_sent(database: Database) -> None:
    assert await SmsMeter(database).reserve(12345, 1, 1) == NO_ACCOUNT


async def test_what_breaks_off_in_the_middle_leaves_nothing(
    database: Database, account: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    money, meter = await purse(database, account, 2000), SmsMeter(database)

    async def broken(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr("billing.ledger.Book.post", broken)
        with pytest.raises(psycopg.OperationalError):
            await meter.reserve(account, 1, 1)
    assert await fetch(database, "SELECT count(*)::int FROM sms_charges") == [(0,)]
    await meter.reserve(account, 1, 1)
    with monkeypatch.context() as patch:
        patch.setattr("billing.ledger.Book.post", broken)
        with pytest.raises(psycopg.OperationalError):
            await meter.settle(1, 1)
    assert await money.balances() == (500, 1500, 0)
    await meter.settle(1, 1)
    assert await money.balances() == (500, 0, 1500)


@pytest.mark.parametrize(
    ("delivery", "charge", "balances"),
    [
        pytest.param("sent", "settled", (500, 0, 1500), id="it went out, and the process died before it told"),
        pytest.param("failed", "returned", (2000, 0, 0), id="it failed"),
        pytest.param("skipped", "returned", (2000, 0, 0), id="its rule was removed between two tries"),
        pytest.param("waiting", "reserved", (500, 1500, 0), id="it is tried again: the sender's business"),
        pytest.param("sending", "reserved", (500, 1500, 0), id="it is on its way: the sender's business"),
        pytest.param(None, "returned", (2000, 0, 0), id="a test message"),
    ],
)
async def test_what_nobody_ended_is_ended_as_the_delivery_did(
    database: Database, settings: Settings, delivery: str | None, charge: str, balances: tuple[int, int, int]
) -> None:
    async with desk_on(database, settings, running=False) as desk:
        money = await purse(database, desk.account, 2000)
        number = -77
        if delivery is not None:
            row = {"account_id": desk.account, "device_id": desk.truck, "time": datetime.now(UTC), "type": "alarm"}
            alert = await desk.insert("alerts", {**row, "subject": "sos", "attributes": {}, "noticed_at": datetime.now(UTC)})
            row = {"alert_id": alert, "account_id": desk.account, "channel": "sms", "address": "+77010000001", "state": delivery}
            number = await desk.insert("deliveries", {**row, "parts": 2})
        moment = datetime.now(UTC)
        meter = SmsMeter(database, clock=lambda: moment)
        assert await meter.reserve(desk.account, number, 2) is None
        assert await meter.tidy() == 0, "its sender may be about to tell"
        assert await money.balances() == (500, 1500, 0)
        moment += metering.LEFT_ALONE + timedelta(seconds=1)
        assert await meter.tidy() == (charge != "reserved")
        assert await money.balances() == balances
        assert (await money.charge(number))[0] == charge
        if charge == "settled":
            assert (await money.charge(number))[3] == 2
        assert await meter.tidy() == 0


def test_the_pages_say_every_reason_in_the_readers_words() -> None:
    words = (Path(dashboards.__file__).parent / "templates" / "parts" / "alert_words.html").read_text()
    for reason in metering.REASONS:
        assert f'"{reason}": _(' in words
