"""Alerts about an account itself: whom they reach and how. When they are raised is tests/billing/test_warnings.py's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from telematics.alerts.accounts import pause, tell
from telematics.alerts.channels import NotSent
from telematics.alerts.matching import Person
from telematics.hours import Hours
from telematics.store.alerts import NewAccountAlert
from tests.alerts.conftest import Desk
from tests.store.rows import fetch

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ALWAYS = [{"days": DAYS, "from": "00:00", "to": "24:00"}]
NIGHT = [{"days": DAYS, "from": "20:00", "to": "06:00"}]
LOW: dict[str, Any] = {"days_left": 3, "runs_out": "2026-03-20", "balance": 12_34, "currency": "EUR"}
BLOCKED: dict[str, Any] = {"count": 2, "trackers": ["MAN 7", "Volvo 3"], "needed": 20_05, "balance": 5, "currency": "EUR"}


async def happens(desk: Desk, kind: str, facts: Mapping[str, Any], *, account: int | None = None, urgent: bool = False) -> int:
    """As billing tells it; how many are new."""
    alert = NewAccountAlert(account or desk.account, kind, "3", dict(facts), urgent)
    async with desk.database.pool.connection() as connection:
        made = await tell(connection, [alert], datetime.now(UTC), ("web", "mail", "sms"))
    desk.alerts.sender.wake()
    return made


async def test_everybody_who_may_do_something_hears_of_it_in_their_language(desk: Desk) -> None:
    ids = [
        await desk.user("anna", phone="+77010000001"),
        await desk.user("berik", language="kk"),
    ]
    await desk.user("rita", readonly=True, phone="+77010000002")
    await desk.user("dan", disabled=True)
    others = await desk.insert("accounts", {"name": "Others"})
    await desk.insert("users", {"account_id": others, "email": "boris@example.com", "name": "boris", "password_hash": ""})
    assert await happens(desk, "trackerBlocked", BLOCKED, urgent=True) == 1
    await desk.until(sent=5)
    assert await desk.deliveries("channel, address") == [
        ("web", str(ids[0])),
        ("mail", "anna@example.com"),
        ("sms", "+77010000001"),
        ("web", str(ids[1])),
        ("mail", "berik@example.com"),
    ]
    assert {address: message.subject for address, message in desk.gateways["mail"].told} == {
        "anna@example.com": "No money, blocked: MAN 7, Volvo 3. Top up 20.05 EUR",
        "berik@example.com": "Ақша жоқ, бұғатталды: MAN 7, Volvo 3. 20,05 EUR толтырыңыз",
    }
    ((_, text),) = desk.gateways["sms"].told
    assert text.short.startswith("No money, blocked: MAN 7, Volvo 3. Top up 20.05 EUR")


async def test_of_a_disabled_account_nobody_hears(desk: Desk) -> None:
    await desk.user("anna")
    await fetch(desk.database, "UPDATE accounts SET disabled = true WHERE id = %s RETURNING 1", [desk.account])
    assert await happens(desk, "trackerBlocked", BLOCKED) == 1
    assert await desk.deliveries() == []


async def test_the_meter_is_never_asked_and_an_sms_that_fails_costs_no_second_mail(desk: Desk) -> None:
    class Nobody:
        async def reserve(self, account_id: int, delivery_id: int, parts: int) -> str | None:
            raise AssertionError("it is free of charge")

        settle = give_back = reserve

    desk.alerts.meter = Nobody()  # type: ignore[assignment]
    desk.gateways["sms"].answers = [NotSent("no such subscriber", permanent=True)]
    await desk.user("anna", phone="+77010000001")
    await happens(desk, "trackerBlocked", BLOCKED, urgent=True)
    await desk.until(sent=2, failed=1)
    assert desk.gateways["mail"].addresses == ["anna@example.com"]


async def test_a_failed_sms_goes_by_mail_where_none_went_out(desk: Desk) -> None:
    desk.gateways["sms"].answers = [NotSent("no such subscriber", permanent=True)]
    await desk.user("anna", phone="+77010000001")
    async with desk.database.pool.connection() as connection:
        await tell(connection, [NewAccountAlert(desk.account, "trackerBlocked", urgent=True)], datetime.now(UTC), ["sms"])
    await desk.until(sent=1, failed=1)
    text, mail = await desk.deliveries("id, channel, state, fallback_of, rule_id")
    assert mail[1:] == ("mail", "sent", text[0], None)


async def test_quiet_hours_are_waited_for_but_not_by_blocks(desk: Desk) -> None:
    await desk.user("anna", quiet_hours=ALWAYS)
    await happens(desk, "balanceLow", LOW)
    await desk.until(sent=1, waiting=1)
    _, waits = await desk.deliveries("channel, reason, due_at > now() + interval '23 hours'")
    assert waits == ("mail", "quiet hours", True)
    await happens(desk, "trackerBlocked", BLOCKED, urgent=True)
    await desk.until(sent=3, waiting=1)
    assert desk.gateways["mail"].addresses == ["anna@example.com"]
    await fetch(desk.database, "UPDATE deliveries SET due_at = now() WHERE state = 'waiting' RETURNING 1")  # quiet hours still
    desk.alerts.sender.wake()
    await desk.until(sent=3, waiting=1)
    await fetch(desk.database, "UPDATE users SET quiet_hours = NULL RETURNING 1")
    await fetch(desk.database, "UPDATE deliveries SET due_at = now() WHERE state = 'waiting' RETURNING 1")
    desk.alerts.sender.wake()
    await desk.until(sent=4)


@pytest.mark.parametrize(
    ("quiet", "channel", "now", "hours"),
    [
        pytest.param(None, "mail", "2026-03-12 21:00", 0, id="a mail at two in the morning"),
        pytest.param(None, "sms", "2026-03-12 21:00", 7, id="an SMS waits for nine"),
        pytest.param(None, "sms", "2026-03-12 12:00", 0, id="by day it doesn't"),
        pytest.param(NIGHT, "mail", "2026-03-12 21:00", 4, id="quiet hours until six"),
        pytest.param(NIGHT, "sms", "2026-03-12 21:10", 7 - 10 / 60, id="and an SMS until nine all the same"),
        pytest.param(NIGHT, "sms", "2026-03-12 15:30", 12.5, id="from the evening on"),
        pytest.param(ALWAYS, "mail", "2026-03-12 21:00", 24, id="who is never to be disturbed: it is asked again"),
    ],
)
def test_how_long_it_waits(quiet: Any, channel: str, now: str, hours: float) -> None:
    zone = "Asia/Almaty"  # UTC+5
    person = Person(1, 1, "a@b.c", "A", "en", zone, "+7701", Hours.of(quiet, None, zone) if quiet else None)
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert pause(person, channel, at) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE users SET readonly = true RETURNING 1", "recipient removed"),
        ("UPDATE users SET disabled = true RETURNING 1", "recipient removed"),
        ("UPDATE accounts SET disabled = true RETURNING 1", "recipient removed"),
        ("UPDATE users SET email = 'else@example.com' RETURNING 1", "recipient removed"),
        ("DELETE FROM users RETURNING 1", "recipient removed"),
        ("UPDATE alerts SET created_at = now() - interval '49 hours' RETURNING 1", "stale"),
    ],
)
async def test_who_is_no_recipient_any_more_hears_nothing(desk: Desk, statement: str, reason: str) -> None:
    await desk.user("anna", quiet_hours=ALWAYS)
    await happens(desk, "balanceLow", LOW)
    await fetch(desk.database, statement)
    await fetch(desk.database, "UPDATE deliveries SET due_at = now() WHERE state = 'waiting' RETURNING 1")
    desk.alerts.sender.wake()
    await desk.until(sent=1, skipped=1)
    assert (await desk.deliveries("reason"))[1] == (reason,)


async def test_it_is_worth_telling_longer_and_waits_for_no_bundle(desk: Desk) -> None:
    """Older than alerts.stale_s, twice to one address within a minute."""
    await desk.user("anna")
    for subject in ("a", "b"):
        alert = NewAccountAlert(desk.account, "trackerBlocked", subject, BLOCKED, True)
        async with desk.database.pool.connection() as connection:
            await tell(connection, [alert], datetime.now(UTC) - timedelta(hours=20), ["mail"])
    await fetch(desk.database, "UPDATE alerts SET created_at = now() - interval '20 hours' RETURNING 1")
    desk.alerts.sender.wake()
    await desk.until(sent=2)


async def test_the_same_moment_tells_it_once(desk: Desk) -> None:
    await desk.user("anna")
    now, alert = datetime.now(UTC), NewAccountAlert(desk.account, "balanceLow", "3", LOW)
    for made in (1, 0):
        async with desk.database.pool.connection() as connection:
            assert await tell(connection, [alert, NewAccountAlert(999_999, "balanceLow")], now, ["web", "mail"]) == made
    assert len(await desk.deliveries()) == 2


async def test_the_seventh_in_a_day_costs_the_provider_no_sms(desk: Desk) -> None:
    """Whoever blocks and unblocks trackers has as many alerts as they like, and may give another phone before each."""
    user = await desk.user("anna")
    for number in range(8):
        async with desk.database.pool.connection() as connection:
            await connection.execute("UPDATE users SET phone = %s WHERE id = %s", (f"+7701000000{number}", user))
        assert await happens(desk, "trackerBlocked", BLOCKED, urgent=True) == 1
    told = [channel for (channel,) in await desk.deliveries("channel")]
    assert (told.count("sms"), told.count("web"), told.count("mail")) == (6, 8, 8)
