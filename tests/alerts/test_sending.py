"""From an event to what became of telling people of it, on a real database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from telematics.alerts import outbox
from telematics.alerts.channels import NotSent, Sent
from telematics.alerts.matching import REASONS
from telematics.config import Settings
from telematics.store.database import Database
from telematics.store.devices import load_devices
from telematics.store.maintenance import Maintenance
from telematics.store.records import Event
from telematics.store.writer import add_events
from tests.alerts.conftest import Desk, desk_on
from tests.store.rows import fetch

ALL_DAY = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00"}]


async def test_an_event_becomes_a_message_at_once(desk: Desk) -> None:
    anna = await desk.user("anna")
    await desk.rule(anna, channels=["web", "mail"])
    began = asyncio.get_running_loop().time()
    await desk.happens("sos")
    await desk.until(sent=2)
    assert asyncio.get_running_loop().time() - began < 1
    ((address, message),) = desk.gateways["mail"].told
    assert address == "anna@example.com"
    assert "Truck 1: SOS" in message.subject
    assert await desk.deliveries() == [("web", str(anna), "sent", None), ("mail", "anna@example.com", "sent", None)]
    assert await fetch(desk.database, "SELECT count(*) FROM outbox") == [(0,)]


async def test_what_nobody_asks_for_leaves_the_outbox_and_nothing_else(desk: Desk) -> None:
    await desk.rule(await desk.user("anna"), types=["ignitionOn"])
    await desk.happens("sos", count=1200)

    async def empty() -> bool:
        return await fetch(desk.database, "SELECT count(*) FROM outbox") == [(0,)]

    await desk.eventually(empty)
    assert await fetch(desk.database, "SELECT count(*) FROM alerts") == [(0,)]


async def test_superseded_and_correcting_events_are_told_to_nobody(desk: Desk) -> None:
    await desk.rule(await desk.user("anna"), types=["geofenceEnter"])
    await desk.happens("7", kind="geofenceEnter", superseded=True)
    await desk.happens("7", kind="geofenceEnter", corrects=True)
    await desk.happens("7", kind="geofenceEnter", geofence="Depot")
    await desk.until(sent=1)
    assert await fetch(desk.database, "SELECT count(*) FROM alerts") == [(1,)]


@pytest.mark.parametrize(("how", "reason"), [({"ago_s": 1000}, "stale"), ({"late": True, "ago_s": 60}, "late")])
async def test_old_news_goes_to_the_feed_only(desk: Desk, how: dict[str, object], reason: str) -> None:
    anna = await desk.user("anna", phone="+77010000001")
    await desk.rule(anna, channels=["web", "mail", "sms"], urgent=True)
    await desk.happens(**how)  # type: ignore[arg-type]
    await desk.until(sent=1, skipped=2)
    assert [row[2:] for row in await desk.deliveries()] == [("sent", None), ("skipped", reason), ("skipped", reason)]
    assert not desk.gateways["mail"].told


async def test_what_could_not_be_known_earlier_is_told(database: Database, settings: Settings) -> None:
    """A tracker that reports every 20 minutes, or was offline for hours: the crossing was long ago, the report is new. Where it
    was seen is the place of that report, and the next one is held back by the cooldown as any other."""
    async with desk_on(database, settings, bundle_s=0) as desk:
        await desk.rule(await desk.user("anna"), cooldown_s=7200)
        now = datetime.now(UTC)
        reported = now - timedelta(seconds=5)
        await fetch(
            database,
            "INSERT INTO positions (id, device_id, time, received, valid, outlier, late, distance_m, latitude, longitude)"
            " VALUES (8, %s, %s, now(), true, false, false, 0, 43.5, 76.9),"
            " (7, %s, %s, now(), true, false, false, 0, 43.25, 76.9) RETURNING id",
            [desk.truck, reported, desk.truck, now - timedelta(hours=6)],
        )
        left = Event(desk.truck, now - timedelta(hours=5), "alarm", "sos", 8, {"noticed": reported.isoformat()})
        async with database.pool.connection() as connection:
            await add_events(connection, [left])
        desk.alerts.wake()
        await desk.until(sent=1)
        assert await fetch(database, "SELECT latitude FROM alerts") == [(43.5,)]
        again = Event(desk.truck, now - timedelta(hours=4), "alarm", "sos", 8, {"noticed": reported.isoformat()})
        async with database.pool.connection() as connection:
            await add_events(connection, [again])
        desk.alerts.wake()
        await desk.eventually(lambda: _no_outbox(database))
        assert await desk.states() == {"sent": 1}


async def _no_outbox(database: Database) -> bool:
    return await fetch(database, "SELECT count(*) FROM outbox") == [(0,)]


async def test_what_has_become_stale_while_it_waited_is_not_sent(database: Database, settings: Settings) -> None:
    async with desk_on(database, settings, bundle_s=1.5, stale_s=1) as desk:
        await desk.rule(await desk.user("anna"))
        await desk.happens("sos", ago_s=-0.1)
        await desk.until(sent=1)
        await desk.happens("tow", ago_s=-60)  # waits for a bundle, for too long; that its clock is ahead makes it no younger
        await desk.until(sent=1, skipped=1)
        assert (await desk.deliveries("reason")) == [(None,), ("stale",)]


async def test_of_a_vehicle_that_went_to_another_account_nobody_hears_any_more(database: Database, settings: Settings) -> None:
    async with desk_on(database, settings, bundle_s=1.5) as desk:
        await desk.rule(await desk.user("anna"))
        await desk.happens("sos")
        await desk.until(sent=1)
        await desk.happens("tow")  # waits for a bundle
        await desk.until(sent=1, waiting=1)
        others = await desk.insert("accounts", {"name": "Others"})
        await fetch(database, "UPDATE devices SET account_id = %s WHERE id = %s RETURNING id", [others, desk.truck])
        async with database.pool.connection() as connection:
            desk.devices.put(await load_devices(connection, None))
        await desk.until(sent=1, skipped=1)
        assert (await desk.deliveries("reason")) == [(None,), ("device removed",)]


async def test_quiet_hours_are_kept_but_by_urgent_rules(desk: Desk) -> None:
    anna = await desk.user("anna", quiet_hours=ALL_DAY, phone="+77010000001")
    await desk.rule(anna, channels=["web", "mail", "sms"])
    await desk.happens("sos")
    await desk.until(sent=1, skipped=2)
    assert {row[3] for row in await desk.deliveries() if row[2] == "skipped"} == {"quiet hours"}
    await desk.rule(anna, types=["powerLost"], channels=["sms"], urgent=True)
    await desk.happens("", kind="powerLost")
    await desk.until(sent=2, skipped=2)
    assert desk.gateways["sms"].addresses == ["+77010000001"]


@pytest.mark.parametrize(
    ("trouble", "state", "reason"),
    [
        ("no number", "skipped", "no phone number"),
        ("no gateway", "skipped", "not configured: set [sms] url"),
        ("no money", "skipped", "not paid for: the balance is empty"),
        ("refused", "failed", "gateway: no such subscriber"),
        ("silent", "failed", "may have been sent: no answer"),
    ],
)
async def test_an_email_goes_in_an_sms_place_and_the_record_says_why(desk: Desk, trouble: str, state: str, reason: str) -> None:
    sms = desk.gateways["sms"]
    anna = await desk.user("anna", **({} if trouble == "no number" else {"phone": "+77010000001"}))
    if trouble == "no gateway":
        sms.configured = "set [sms] url"
    if trouble == "no money":
        desk.alerts.meter = Meter("the balance is empty")
    if trouble == "refused":
        sms.answers = [NotSent("no such subscriber", permanent=True)]
    if trouble == "silent":
        sms.answers = [NotSent("no answer", uncertain=True, retry_after_s=1), NotSent("no answer", uncertain=True)]
    await desk.rule(anna, channels=["sms"])
    await desk.happens("sos")
    await desk.until(**{state: 1, "sent": 1})
    (text, mail) = await desk.deliveries("id, channel, state, reason, fallback_of, attempts")
    assert text[1:5] == ("sms", state, reason, None)
    assert mail[1:5] == ("mail", "sent", None, text[0])
    assert desk.gateways["mail"].addresses == ["anna@example.com"]
    assert text[5] == {"refused": 1, "silent": 2}.get(trouble, 0 if trouble != "no money" else 1)


async def test_who_gets_an_email_anyway_gets_no_second_one(desk: Desk) -> None:
    await desk.rule(await desk.user("anna"), channels=["sms", "mail"])
    await desk.happens("sos")
    await desk.until(skipped=1, sent=1)
    assert desk.gateways["mail"].addresses == ["anna@example.com"]


class Meter:
    """Of a billing that keeps a purse."""

    def __init__(self, refusal: str | None = None) -> None:
        self.refusal = refusal
        self.told: list[tuple[object, ...]] = []

    async def reserve(self, account_id: int, delivery_id: int, parts: int) -> str | None:
        self.told.append(("reserve", account_id, delivery_id, parts))
        return self.refusal

    async def settle(self, delivery_id: int, parts: int) -> None:
        self.told.append(("settle", delivery_id, parts))

    async def give_back(self, delivery_id: int) -> None:
        self.told.append(("give back", delivery_id))


async def test_the_meter_hears_of_every_sms(desk: Desk) -> None:
    desk.alerts.meter = meter = Meter()
    desk.gateways["sms"].answers = [Sent(parts=2), NotSent("refused", permanent=True)]
    await desk.rule(await desk.user("anna", phone="+77010000001"), channels=["sms"])
    await desk.happens("sos")
    await desk.until(sent=1)
    await desk.happens("tow")
    await desk.until(sent=2, failed=1)
    first, second = [row[0] for row in await desk.deliveries("id")][:2]
    assert meter.told == [
        ("reserve", desk.account, first, 1), ("settle", first, 2), ("reserve", desk.account, second, 1), ("give back", second),
    ]  # fmt: skip


async def test_a_flood_is_told_in_a_few_messages(database: Database, settings: Settings) -> None:
    async with desk_on(database, settings, bundle_s=1) as desk:
        await desk.rule(await desk.user("anna"))
        await desk.happens("sos")
        await desk.until(sent=1)
        await desk.happens("sos", count=300)
        await desk.happens("sos", count=200, ago_s=1)
        await desk.until(sent=2, bundled=499)
        first, second = desk.gateways["mail"].told
        assert "(+499)" in second[1].subject
        assert "490" in second[1].text  # ten are listed
        heads = await fetch(database, "SELECT DISTINCT bundled_in, reason FROM deliveries WHERE state = 'bundled'")
        assert heads == [(second[1].delivery_id, None)]
        assert first[1].delivery_id < second[1].delivery_id


async def test_a_bundle_that_was_an_sms_goes_whole_by_email(database: Database, settings: Settings) -> None:
    async with desk_on(database, settings, bundle_s=0) as desk:
        desk.gateways["sms"].answers = [NotSent("refused", permanent=True)]
        await desk.rule(await desk.user("anna", phone="+77010000001"), channels=["sms"])
        await desk.happens("sos", count=20)
        await desk.until(failed=1, bundled=19, sent=1)
        ((_, message),) = desk.gateways["mail"].told
        assert "(+19)" in message.subject


async def test_an_hour_has_so_many_messages_and_then_sms_become_emails(database: Database, settings: Settings) -> None:
    async with desk_on(database, settings, bundle_s=0, sms_per_hour=3) as desk:
        await desk.rule(await desk.user("anna", phone="+77010000001"), channels=["sms"])
        for place in range(5):
            await desk.happens(f"kind{place}", ago_s=place)
            await desk.until(**({"sent": place + 1} if place < 3 else {"sent": place + 1, "skipped": place - 2}))
        assert len(desk.gateways["sms"].told) == 3
        assert len(desk.gateways["mail"].told) == 2
        assert [row[3] for row in await desk.deliveries() if row[2] == "skipped"] == ["hourly limit"] * 2


async def test_a_called_program_waits_for_its_turn(database: Database, settings: Settings) -> None:
    async with desk_on(database, settings, mails_per_hour=2) as desk:
        await desk.rule(channels=["webhook"], webhook_url="https://example.com/hook")
        for place in range(3):
            await desk.happens(f"kind{place}", ago_s=place)
            await desk.until(**({"sent": place + 1} if place < 2 else {"sent": 2, "waiting": 1}))

        async def held_back() -> bool:
            due_in = "SELECT reason, due_at - now() BETWEEN '55 s' AND '60 s' FROM deliveries WHERE state = 'waiting'"
            return await fetch(database, due_in) == [("hourly limit", True)]

        await desk.eventually(held_back)


async def test_a_gateway_that_hangs_holds_up_nobody_else(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telematics.alerts.sender.STOP_S", 0.1)
    async with desk_on(database, settings, bundle_s=0, timeout_s=30) as desk:
        desk.gateways["mail"].answers = [20.0] * 8  # every place of e-mail
        desk.gateways["webhook"].hangs_for = "https://hangs.example.com/"
        names = [f"user{number}" for number in range(9)]
        await desk.rule(*[await desk.user(name) for name in names])
        await desk.rule(channels=["webhook"], webhook_url="https://hangs.example.com/")
        await desk.rule(channels=["webhook"], webhook_url="https://works.example.com/")
        await desk.rule(await desk.user("anna", phone="+77010000001"), channels=["sms"])
        began = asyncio.get_running_loop().time()
        await desk.happens("sos")
        await desk.until(sending=9, waiting=1, sent=2)
        assert asyncio.get_running_loop().time() - began < 2
        assert desk.gateways["sms"].addresses == ["+77010000001"]
        assert sorted(desk.gateways["webhook"].addresses) == ["https://hangs.example.com/", "https://works.example.com/"]


async def test_tries_end(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telematics.alerts.retries.FIRST_S", 0.05)
    async with desk_on(database, settings, bundle_s=0, attempts=3) as desk:
        desk.gateways["mail"].answers = [NotSent("connection refused")] * 9
        await desk.rule(await desk.user("anna"))
        await desk.happens("sos")
        await desk.until(failed=1)
        assert await desk.deliveries("state, reason, attempts") == [("failed", "gateway: connection refused", 3)]
        assert len({message.delivery_id for _, message in desk.gateways["mail"].told}) == 1


async def test_what_was_broken_off_goes_once_more_at_most(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a killed server leaves it: begun, and its lease over. Nobody says so; it is found by looking."""
    monkeypatch.setattr("telematics.alerts.sender.POLL_S", 0.2)
    async with desk_on(database, settings, bundle_s=0) as desk:
        await desk.rule(await desk.user("anna"), channels=["mail"])
        await desk.rule(channels=["webhook"], webhook_url="https://example.com/")
        await desk.happens("sos")
        await desk.until(sent=2)
        broken_off = (
            "UPDATE deliveries SET state = 'sending', leased_until = now() - interval '1 s' WHERE state = 'sent' RETURNING id"
        )
        await fetch(desk.database, broken_off)
        await desk.until(sent=2)
        await fetch(desk.database, broken_off)
        await desk.until(sent=1, failed=1)
        assert await desk.deliveries("channel, state, reason") == [
            ("mail", "failed", "may have been sent: the server stopped in the middle"),
            ("webhook", "sent", None),
        ]
        assert len(desk.gateways["mail"].told) == 2
        assert len({message.delivery_id for _, message in desk.gateways["webhook"].told}) == 1
        assert len(desk.gateways["webhook"].told) == 3


async def test_what_is_no_longer_wanted_is_not_sent(desk: Desk) -> None:
    mail = desk.gateways["mail"]
    mail.answers = [NotSent("busy", retry_after_s=1)]
    rule = await desk.rule(await desk.user("anna"))
    await desk.happens("sos")
    await desk.until(waiting=1)
    await fetch(desk.database, "UPDATE rules SET enabled = false WHERE id = %s RETURNING id", [rule])
    await desk.alerts.rules.load({rule})
    await desk.until(skipped=1)
    assert await desk.deliveries() == [("mail", "anna@example.com", "skipped", "rule removed")]
    assert len(mail.told) == 1


async def test_only_who_may_be_told_is(desk: Desk) -> None:
    other = (await fetch(desk.database, "INSERT INTO accounts (name) VALUES ('Other') RETURNING id"))[0][0]
    stranger = await desk.user("stranger", account_id=other)
    provider = await desk.user("provider", account_id=other, administrator=True)
    gone = await desk.user("gone", disabled=True)
    anna = await desk.user("anna")
    await desk.rule(stranger, provider, gone, anna, channels=["web", "mail"])
    theirs = await desk.insert("devices", {"account_id": other, "unique_id": "imei-2", "name": "Theirs"})
    off = await desk.insert("devices", {"account_id": desk.account, "unique_id": "imei-3", "name": "Off", "disabled": True})
    async with desk.database.pool.connection() as connection:
        desk.devices.put(await load_devices(connection, [theirs, off]))
    for device in (theirs, off, desk.truck):
        await desk.happens("sos", device=device)
    await desk.until(sent=4)
    assert sorted(desk.gateways["mail"].addresses) == ["anna@example.com", "provider@example.com"]
    assert await fetch(desk.database, "SELECT device_id FROM alerts") == [(desk.truck,)]


async def test_cooldown_is_kept_across_batches_and_restarts(desk: Desk) -> None:
    await desk.rule(await desk.user("anna"), cooldown_s=300)
    await desk.happens("sos", count=3)
    await desk.until(sent=1)
    await desk.happens("sos", ago_s=-1)
    await desk.happens("tow")
    await desk.until(sent=2)
    assert await fetch(desk.database, "SELECT subject FROM alerts ORDER BY id") == [("sos",), ("tow",)]


async def test_a_late_alert_keeps_nobody_from_hearing_the_next(desk: Desk) -> None:
    await desk.rule(await desk.user("anna"), cooldown_s=300)
    await desk.happens("sos", ago_s=60, late=True)
    await desk.until(skipped=1)
    await desk.happens("sos")
    await desk.until(skipped=1, sent=1)


async def test_an_event_that_can_t_be_matched_holds_up_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(rule: object, event: object, *rest: object) -> bool:
        if getattr(event, "subject", "") == "poison":
            raise RuntimeError("poison")
        return True

    monkeypatch.setattr(outbox, "meets", breaks)
    await desk.rule(await desk.user("anna"))
    for subject in ("sos", "poison", "tow"):
        await desk.happens(subject)
    await desk.until(sent=2)
    assert await fetch(desk.database, "SELECT count(*) FROM outbox") == [(0,)]


async def test_events_taken_twice_are_told_once(desk: Desk) -> None:
    await desk.rule(await desk.user("anna"))
    await desk.happens("sos")
    await desk.until(sent=1)
    again = (
        "INSERT INTO outbox (device_id, event_time, event_type, event_subject)"
        " SELECT device_id, time, type, subject FROM events RETURNING id"
    )
    await fetch(desk.database, again)
    desk.alerts.wake()

    async def empty() -> bool:
        return await fetch(desk.database, "SELECT count(*) FROM outbox") == [(0,)]

    await desk.eventually(empty)
    assert await desk.states() == {"sent": 1}


async def test_every_reason_is_a_known_one(desk: Desk) -> None:
    desk.gateways["mail"].answers = [NotSent("no", permanent=True)]
    await desk.rule(await desk.user("anna"), channels=["mail", "sms", "messenger"])
    await desk.happens("sos")
    await desk.until(failed=1, skipped=2)
    for (reason,) in await desk.deliveries("reason"):
        assert reason.partition(":")[0] in REASONS


async def test_a_database_that_fails_meanwhile_makes_nothing_go_twice(desk: Desk, server_url: str) -> None:
    """Connections are lost while the message is under way; what became of it is written down by new ones."""
    desk.gateways["mail"].answers = [1.0]
    await desk.rule(await desk.user("anna"))
    await desk.happens("sos")
    await desk.until(sending=1)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [conninfo_to_dict(desk.database.url)["dbname"]],
        )
    await desk.happens("tow")
    await desk.until(sent=2)
    assert sorted(message.delivery_id for _, message in desk.gateways["mail"].told) == [1, 2]  # the first may be composed anew


async def test_old_alerts_make_room_with_all_that_hangs_on_them(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telematics.store.maintenance.OLD_AT_ONCE", 2)
    await desk.rule(await desk.user("anna"), channels=["web"])
    await desk.happens("sos", count=5)
    await desk.happens("tow")
    await desk.until(sent=6)
    await fetch(desk.database, "UPDATE alerts SET created_at = now() - interval '366 days' WHERE subject = 'sos' RETURNING id")
    await Maintenance(desk.database).once(datetime.now(UTC))
    assert await fetch(desk.database, "SELECT subject FROM alerts") == [("tow",)]
    assert await desk.states() == {"sent": 1}


async def another(desk: Desk, **columns: Any) -> tuple[int, int]:
    """A rule of another account about a vehicle of its own; the account's number and the vehicle's."""
    account = await desk.insert("accounts", {"name": "Others"})
    device = await desk.insert("devices", {"account_id": account, "unique_id": "imei-2", "name": "Van 2"})
    async with desk.database.pool.connection() as connection:
        desk.devices.put(await load_devices(connection, [device]))
    await desk.rule(account_id=account, **columns)
    return account, device


async def test_nobody_uses_up_what_another_account_may_send(database: Database, settings: Settings) -> None:
    """Any account can name any address."""
    async with desk_on(database, settings, bundle_s=0, mails_per_hour=2) as desk:
        await desk.rule(await desk.user("anna"))
        _, device = await another(desk, emails=["anna@example.com"])
        for place in range(3):
            await desk.happens(f"kind{place}", ago_s=place, device=device)
            await desk.until(**({"sent": place + 1} if place < 2 else {"sent": 2, "skipped": 1}))
        await desk.happens("sos")
        await desk.until(sent=3, skipped=1)


async def test_webhooks_that_hang_hold_up_no_other_account(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telematics.alerts.sender.STOP_S", 0.1)
    async with desk_on(database, settings, bundle_s=0, timeout_s=30) as desk:
        desk.gateways["webhook"].answers = [20.0] * 8
        for place in range(20):
            await desk.rule(channels=["webhook"], webhook_url=f"https://hangs.example.com/{place}")
        _, device = await another(desk, channels=["webhook"], webhook_url="https://works.example.com/")
        await desk.happens("sos")
        await desk.until(sending=8, waiting=12)
        await desk.happens("sos", device=device)
        await desk.until(sending=8, waiting=12, sent=1)
        assert desk.gateways["webhook"].addresses[-1] == "https://works.example.com/"
