"""What rules ask for, whom they tell, and what follows from a try: tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telematics.alerts.channels import NotSent
from telematics.alerts.matching import (
    CHANNELS,
    REASONS,
    Happening,
    Person,
    Rule,
    Zone,
    cooled,
    drafts,
    meets,
    unwanted,
    zone_of,
)
from telematics.alerts.retries import FIRST_S, JITTER, LONGEST_S, Next, after_crash, after_failure, pause_s
from telematics.devices import Device, Groups, Targets
from telematics.hours import Hours

NOW = datetime(2026, 7, 6, 22, 30, tzinfo=UTC)  # a Monday
NIGHT = [{"days": ["mon"], "from": "20:00", "to": "06:00"}]
DEVICE = Device(id=1, account_id=1, unique_id="imei-1", name="Truck", group_id=5)
GROUPS = Groups({5: 4, 4: None, 6: None})
ZONES = {7: Zone(1, "Depot", "depots"), 8: Zone(2, "Theirs", "depots")}
EVERYTHING = Rule(id=1, account_id=1, name="", types=frozenset(("alarm",)), targets=Targets(1, True), channels=("web",))


def some(*types: str, **more: Any) -> Rule:
    return replace(EVERYTHING, **({"types": frozenset(types)} if types else {}), **more)


def event(kind: str = "alarm", subject: str = "sos", **more: Any) -> Happening:
    return Happening(1, more.pop("time", NOW), kind, subject, **more)


@pytest.mark.parametrize(
    ("rule", "happening", "device", "met"),
    [
        pytest.param(some(), event(), DEVICE, True, id="all alarms of all vehicles"),
        pytest.param(some("ignitionOn"), event(), DEVICE, False, id="another type"),
        pytest.param(some(alarms=frozenset({"tow"})), event(), DEVICE, False, id="another kind of alarm"),
        pytest.param(some(alarms=frozenset({"tow", "sos"})), event(), DEVICE, True, id="one of its kinds"),
        pytest.param(
            some("ignitionOn", alarms=frozenset({"tow"})), event("ignitionOn", ""), DEVICE, True, id="kinds are alarms'"
        ),
        pytest.param(some(targets=Targets(2, True)), event(), DEVICE, False, id="another account's vehicle"),
        pytest.param(some(targets=Targets(1, False, frozenset({1}))), event(), DEVICE, True, id="this vehicle"),
        pytest.param(some(targets=Targets(1, False, frozenset({2}))), event(), DEVICE, False, id="another vehicle"),
        pytest.param(
            some(targets=Targets(1, False, frozenset(), frozenset({4}))), event(), DEVICE, True, id="a group above its own"
        ),
        pytest.param(some(targets=Targets(1, False, frozenset(), frozenset({6}))), event(), DEVICE, False, id="another group"),
        pytest.param(some(), event(attributes={"superseded": True}), DEVICE, False, id="contradicted since"),
        pytest.param(some(), event(attributes={"corrects": True}), DEVICE, False, id="told already, at another time"),
        pytest.param(some(), event(attributes={"late": True}), DEVICE, True, id="late: for the feed"),
        pytest.param(some("geofenceExit", zone_ids=frozenset({7})), event("geofenceExit", "7"), DEVICE, True, id="its zone"),
        pytest.param(some("geofenceExit", zone_ids=frozenset({7})), event("geofenceExit", "8"), DEVICE, False, id="another zone"),
        pytest.param(some("geofenceExit"), event("geofenceExit", "7"), DEVICE, True, id="any zone"),
        pytest.param(some("geofenceExit"), event("geofenceExit", "9"), DEVICE, True, id="any zone, also one that is gone"),
        pytest.param(some("geofenceExit"), event("geofenceExit", "8"), DEVICE, False, id="another account's zone"),
        pytest.param(
            some("geofenceExit", zone_groups=frozenset({"depots"})),
            event("geofenceExit", "7"),
            DEVICE,
            True,
            id="its group of zones",
        ),
        pytest.param(
            some("geofenceExit", zone_groups=frozenset({"depots"})),
            event("geofenceExit", "8"),
            DEVICE,
            False,
            id="another account's zone in a group of that name",
        ),
        pytest.param(
            some("geofenceExit", zone_groups=frozenset({"depots"})),
            event("geofenceExit", "9"),
            DEVICE,
            False,
            id="a zone that is gone",
        ),
        pytest.param(
            some("deviceOverspeed", zone_ids=frozenset({7})),
            event("deviceOverspeed", "7"),
            DEVICE,
            True,
            id="too fast in its zone",
        ),
        pytest.param(
            some("deviceOverspeed", zone_ids=frozenset({7})), event("deviceOverspeed", ""), DEVICE, False, id="too fast elsewhere"
        ),
        pytest.param(some("deviceOverspeed"), event("deviceOverspeed", ""), DEVICE, True, id="too fast anywhere"),
        pytest.param(some(zone_ids=frozenset({7})), event(), DEVICE, True, id="zones are nothing to an alarm"),
        pytest.param(some(hours=Hours.of(NIGHT, None, "UTC")), event(), DEVICE, True, id="in its hours"),
        pytest.param(
            some(hours=Hours.of(NIGHT, None, "UTC")), event(time=NOW + timedelta(hours=12)), DEVICE, False, id="outside its hours"
        ),
        pytest.param(some(hours=Hours.of(NIGHT, None, "Asia/Tokyo")), event(), DEVICE, False, id="07:30 of Tuesday there"),
        pytest.param(
            some(), event(), Device(id=1, account_id=1, unique_id="i", name="T", disabled=True), False, id="a disabled one"
        ),
    ],
)
def test_what_a_rule_asks_for(rule: Rule, happening: Happening, device: Device, met: bool) -> None:
    assert meets(rule, happening, device, GROUPS, ZONES.get) is met


ANNA = Person(1, 1, "anna@example.com", "Anna", "en", "UTC", phone="+77010000001")
BOB = Person(2, 1, "bob@example.com", "Bob", "ru", "UTC", quiet=Hours.of(NIGHT, None, "UTC"))
Told = list[tuple[str, str, str, str | None]]


@pytest.mark.parametrize(
    ("rules", "happening", "told"),
    [
        pytest.param([some()], event(), [("web", "*", "sent", None)], id="a rule that names nobody: the whole account's feed"),
        pytest.param(
            [
                some(
                    people=(ANNA,),
                    named=True,
                    channels=CHANNELS,
                    emails=("x@example.com",),
                    phones=("+1555000111",),
                    webhook_url="https://example.com/",
                )
            ],
            event(),
            [
                ("web", "1", "sent", None),
                ("mail", "anna@example.com", "waiting", None),
                ("mail", "x@example.com", "waiting", None),
                ("sms", "+77010000001", "waiting", None),
                ("sms", "+1555000111", "waiting", None),
                ("messenger", "70", "waiting", None),
                ("messenger", "71", "waiting", None),
                ("webhook", "https://example.com/", "waiting", None),
            ],
            id="every way",
        ),
        pytest.param(
            [some(people=(BOB,), named=True, channels=("sms",))],
            event(time=NOW - timedelta(hours=3)),
            [("sms", "user 2", "skipped", "stale")],
            id="nothing goes in place of what is stale",
        ),
        pytest.param(
            [some(people=(BOB,), named=True, channels=("sms",))],
            event(),
            [("sms", "user 2", "skipped", "quiet hours")],
            id="nor into quiet hours",
        ),
        pytest.param(
            [some(people=(BOB,), named=True, channels=("sms",), urgent=True)],
            event(),
            [("sms", "user 2", "skipped", "no phone number"), ("mail", "bob@example.com", "waiting", None)],
            id="urgent: through quiet hours, by e-mail for want of a number",
        ),
        pytest.param(
            [
                some(people=(BOB,), named=True, channels=("mail",)),
                some(id=2, people=(BOB,), named=True, channels=("mail",), urgent=True),
            ],
            event(),
            [("mail", "bob@example.com", "waiting", None)],
            id="two rules, one message, by the urgent one",
        ),
        pytest.param([some(named=True, channels=("web", "mail"))], event(), [], id="names only those who may be told no more"),
        pytest.param(
            [some(people=(ANNA,), named=True, channels=("web", "mail"))],
            event(attributes={"late": True}),
            [("web", "1", "sent", None), ("mail", "anna@example.com", "skipped", "late")],
            id="late",
        ),
        pytest.param(
            [some(people=(ANNA,), named=True, channels=("mail",))],
            event(time=NOW + timedelta(minutes=50)),
            [("mail", "anna@example.com", "waiting", None)],
            id="of a tracker whose clock is ahead",
        ),
        pytest.param(
            [some(people=(ANNA,), named=True, channels=("mail",))],
            event(time=NOW - timedelta(hours=5), attributes={"noticed": (NOW - timedelta(minutes=1)).isoformat()}),
            [("mail", "anna@example.com", "waiting", None)],
            id="long ago, but nobody could know earlier",
        ),
        pytest.param(
            [some(people=(ANNA,), named=True, channels=("mail",))],
            event(time=NOW - timedelta(hours=5), attributes={"noticed": (NOW - timedelta(hours=1)).isoformat()}),
            [("mail", "anna@example.com", "skipped", "stale")],
            id="noticed an hour ago",
        ),
        pytest.param(
            [some(people=(ANNA,), named=True, channels=("mail",))],
            event(time=NOW - timedelta(hours=5), attributes={"noticed": "yesterday"}),
            [("mail", "anna@example.com", "skipped", "stale")],
            id="noticed at no time",
        ),
    ],
)
def test_who_is_told(rules: list[Rule], happening: Happening, told: Told) -> None:
    made = drafts(rules, happening, {1: [70, 71]}, now=NOW, stale_s=900)
    assert [(one.channel, one.address, one.state, one.reason) for one in made] == told


@pytest.mark.parametrize(
    ("cooldown_s", "ago_s", "held"), [(0, [0.0], False), (60, [], False), (60, [59], True), (60, [60], False), (60, [-30], True)]
)
def test_cooldown(cooldown_s: float, ago_s: list[float], held: bool) -> None:
    assert cooled(some(cooldown_s=cooldown_s), NOW, [NOW - timedelta(seconds=ago) for ago in ago_s]) is held


@pytest.mark.parametrize(
    ("rule", "device", "channel", "address", "user_id", "reason"),
    [
        (some(people=(ANNA,)), DEVICE, "mail", "anna@example.com", 1, None),
        (some(people=(ANNA,)), DEVICE, "mail", "old@example.com", 1, "rule removed"),
        (some(people=(ANNA,)), DEVICE, "sms", "+77010000001", 1, None),
        (some(people=(ANNA,)), DEVICE, "messenger", "70", 1, None),
        (some(people=(ANNA,)), DEVICE, "mail", "bob@example.com", 2, "rule removed"),
        (some(emails=("x@example.com",)), DEVICE, "mail", "x@example.com", None, None),
        (some(), DEVICE, "mail", "x@example.com", None, "rule removed"),
        (some(webhook_url="https://a/"), DEVICE, "webhook", "https://b/", None, "rule removed"),
        (None, DEVICE, "mail", "anna@example.com", 1, "rule removed"),
        (some(people=(ANNA,)), None, "mail", "anna@example.com", 1, "device removed"),
    ],
)
def test_what_is_no_longer_wanted(
    rule: Rule | None, device: Device | None, channel: str, address: str, user_id: int | None, reason: str | None
) -> None:
    assert unwanted(rule, device, channel, address, user_id) == reason


@pytest.mark.parametrize(
    ("kind", "subject", "zone"),
    [
        ("geofenceEnter", "7", 7),
        ("deviceOverspeed", "7", 7),
        ("deviceOverspeed", "", None),
        ("alarm", "7", None),
        ("geofenceEnter", "x", None),
        ("geofenceEnter", "9" * 30, None),
        ("geofenceEnter", "²", None),
    ],
)
def test_the_zone_of_an_event(kind: str, subject: str, zone: int | None) -> None:
    assert zone_of(kind, subject) == zone


GATE = "gateway: busy"
DOUBT = "may have been sent: busy"


@pytest.mark.parametrize(
    ("error", "known", "becomes"),
    [
        ({}, {}, Next("waiting", "trying again: busy", 5.0)),
        ({}, {"attempts": 2}, Next("waiting", "trying again: busy", 15.0)),
        ({}, {"attempts": 5}, Next("failed", GATE)),
        ({"permanent": True}, {}, Next("failed", GATE)),
        ({"retry_after_s": 30}, {}, Next("waiting", "trying again: busy", 30)),
        ({"retry_after_s": 3000}, {}, Next("failed", GATE)),
        ({}, {"left_s": 3}, Next("failed", GATE)),
        ({"uncertain": True}, {}, Next("waiting", DOUBT, 5.0, uncertain=True)),
        ({"uncertain": True}, {"uncertain": True}, Next("failed", DOUBT, uncertain=True)),
        ({}, {"uncertain": True}, Next("waiting", "trying again: busy", 5.0)),
        ({"permanent": True}, {"uncertain": True}, Next("failed", DOUBT)),
        ({"uncertain": True}, {"idempotent": True, "uncertain": True}, Next("waiting", "trying again: busy", 5.0)),
    ],
)
def test_after_a_failure(error: dict[str, Any], known: dict[str, Any], becomes: Next) -> None:
    known = {"attempts": 1, "most": 5, "idempotent": False, "uncertain": False, "left_s": 800, "luck": 0.5, **known}
    assert after_failure(NotSent("busy", **error), **known) == becomes


@pytest.mark.parametrize(
    ("known", "state", "uncertain"),
    [
        ({"idempotent": True, "uncertain": False}, "waiting", False),
        ({"idempotent": True, "uncertain": True}, "waiting", False),
        ({"idempotent": False, "uncertain": False}, "waiting", True),
        ({"idempotent": False, "uncertain": True}, "failed", True),
        ({"idempotent": False, "uncertain": False, "attempts": 5}, "failed", True),
    ],
)
def test_after_a_crash(known: dict[str, Any], state: str, uncertain: bool) -> None:
    becomes = after_crash(**{"attempts": 1, "most": 5, **known})
    assert (becomes.state, becomes.uncertain) == (state, uncertain)
    assert becomes.reason.partition(":")[0] in REASONS


@given(st.integers(1, 1000), st.floats(0, 1))
def test_pauses_grow_and_have_a_bound(attempts: int, luck: float) -> None:
    assert FIRST_S * (1 - JITTER) <= pause_s(attempts, luck) <= LONGEST_S * (1 + JITTER)
    assert pause_s(attempts + 1, 0.5) >= pause_s(attempts, 0.5)


@given(st.lists(st.booleans(), max_size=8))
def test_who_can_t_tell_a_repeat_is_told_twice_at_most(answers: list[bool]) -> None:
    """`answers`: of each try whether it ended in doubt, or surely failed."""
    uncertain, doubtful = False, 0
    for attempts, doubt in enumerate(answers, 1):
        doubtful += doubt
        becomes = after_failure(
            NotSent("", uncertain=doubt), attempts=attempts, most=9, idempotent=False, uncertain=uncertain, left_s=1e9
        )
        uncertain |= becomes.uncertain
        if becomes.final:
            break
    assert doubtful <= 2
