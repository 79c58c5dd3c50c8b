"""What is said of alerts: three tables alike, every sentence built and measured, and texts that a person would send."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest
from babel import Locale

from protocols import ALARMS
from telematics.alerts.channels import Fact, gsm
from telematics.alerts.matching import ACCOUNT_TYPES
from telematics.alerts.wording import LANGUAGES, LISTED, compose, placeholders, quantities, table
from telematics.alerts.wording.shorten import MOST_PARTS, middle

NOW = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)
URL = "https://gps.example.kz"
TRUCK = {"en": "Scania A 123 BC", "ru": "Камаз А123ВС", "kk": "Камаз А123ВС"}
DEPOT = {"en": "Central depot", "ru": "Склад 2", "kk": "Қойма 2"}

EVENTS: dict[str, tuple[str, Mapping[str, Any]]] = {  # type → subject, attributes, as the pipeline raises them
    "deviceOnline": ("", {}),
    "deviceOffline": ("", {}),
    "deviceMoving": ("", {}),
    "deviceStopped": ("", {}),
    "deviceOverspeed": ("", {"speed_kmh": 112.4, "limit_kmh": 90.0}),
    "ignitionOn": ("", {}),
    "ignitionOff": ("", {}),
    "alarm": ("hardBraking", {}),
    "deviceInactive": ("", {"inactive_s": 86_400.0}),
    "deviceFuelDrop": ("", {"fuel_before_l": 180.0, "fuel_after_l": 142.5}),
    "deviceFuelIncrease": ("", {"fuel_before_l": 40.0, "fuel_after_l": 220.0}),
    "geofenceEnter": ("5", {"geofence": "x"}),
    "geofenceExit": ("5", {"geofence": "x"}),
    "geofenceDwell": ("5", {"geofence": "x", "dwell_s": 5400}),
    "geofencePass": ("5", {"geofence": "x", "exit": "2026-03-12T12:00:00Z"}),
    "geofenceAway": ("5", {"geofence": "x"}),
    "proximityEnter": ("3:8", {"proximity": "Эвакуатор", "partner": 8, "partner_name": "MAN 7", "distance_m": 1240.0}),
    "proximityExit": ("3:8", {"proximity": "Эвакуатор", "partner": 8, "partner_name": "MAN 7", "distance_m": 12_400.0}),
    "deviceIdle": ("", {"idle_s": 600}),
    "powerLost": ("", {"power_v": 0.4}),
    "powerRestored": ("", {"power_v": 27.9}),
    "batteryLow": ("", {"battery_percent": 18.0}),
    "commandResult": ("7", {"commandId": 7, "command": "engineStop", "state": "answered", "result": "OK"}),
}

ACCOUNT: dict[str, tuple[str, Mapping[str, Any]]] = {  # the same of what is about the account itself
    "balanceLow": ("7", {"days_left": 7, "runs_out": "2026-03-20", "balance": 123_450, "currency": "KZT"}),
    "trackerBlocked": ("", {"trackers": ["MAN 7", "Volvo 3"], "count": 7, "needed": 20_050, "balance": 0, "currency": "EUR"}),
}


def fact(kind: str, language: str = "en", **more: Any) -> Fact:
    subject, attributes = (EVENTS | ACCOUNT).get(kind, ("", {}))
    given = {
        "alert_id": 1234, "device_name": TRUCK[language], "type": kind, "subject": subject, "time": NOW, "attributes": attributes,
        "zone_name": DEPOT[language] if kind.startswith("geofence") else None, "place": None, "latitude": 51.1, "longitude": 71.4,
        "speed_kmh": 34.0,
    }  # fmt: skip
    return Fact(**given | more)


def said(*facts: Fact, language: str = "en", more: int = 0, url: str | None = URL, zone: str = "Asia/Almaty") -> Any:
    return compose(7, facts, more=more, language=language, time_zone=zone, public_url=url, picture=None, now=NOW)


def raw(language: str) -> dict[str, Any]:
    return tomllib.loads((files("telematics.alerts.wording") / f"{language}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tables_are_alike(language: str) -> None:
    english, other = raw("en"), raw(language)
    assert other.keys() == english.keys()
    for part in ("events", "alarms", "phrases"):
        assert other[part].keys() == english[part].keys()
    for kind, sentences in english["events"].items():
        found = [placeholders(sentence) for sentence in other["events"][kind]]
        assert found == [placeholders(sentence) for sentence in sentences], kind
        assert found[-1] <= {"device", "type"}, f"{kind}: the last sentence must fit when nothing else is known"
    assert set(other["more"]) == set(Locale(language).plural_form.tags) | {"other"}
    assert all(placeholders(sentence) == {"n"} for sentence in other["more"].values())
    assert set(other["alarms"]) == set(ALARMS)
    assert set(other["events"]) == {*EVENTS, *ACCOUNT, "other"}
    assert set(ACCOUNT) == set(ACCOUNT_TYPES)


def test_english_costs_no_ucs2() -> None:
    words = raw("en")
    for sentence in [*words["alarms"].values(), *(one for some in words["events"].values() for one in some)]:
        assert gsm.alphabet_of(sentence) == "gsm", sentence


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_event_is_one_short_message(language: str) -> None:
    """Its whole sentence, nothing shortened, with its time."""
    for kind in EVENTS:
        message = said(fact(kind, language), language=language)
        first = message.short.splitlines()[0]
        assert gsm.count_parts(message.short) == 1, (len(message.short), message.short)
        assert first == f"{message.subject}, 17:00"
        assert TRUCK[language] in first
        assert "{" not in first
        assert ".." not in first


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_alarm_is_one_short_message(language: str) -> None:
    for kind in ALARMS:
        assert gsm.count_parts(said(fact("alarm", language, subject=kind), language=language).short) == 1, kind


@pytest.mark.parametrize(
    ("language", "event", "sentence"),
    [
        ("en", fact("geofenceEnter"), "Scania A 123 BC entered Central depot"),
        ("ru", fact("geofenceEnter", "ru"), "Камаз А123ВС: въезд в «Склад 2»"),
        ("kk", fact("geofenceEnter", "kk"), "Камаз А123ВС: «Қойма 2» аймағына кірді"),
        ("en", fact("deviceOverspeed"), "Scania A 123 BC is speeding: 112 km/h, limit 90 km/h"),
        ("ru", fact("deviceOverspeed", "ru", subject="5", zone_name="Посёлок"),
         "Камаз А123ВС: превышение в зоне «Посёлок», 112 км/ч при 90 км/ч"),
        ("en", fact("deviceOverspeed", attributes={}, speed_kmh=None), "Scania A 123 BC is speeding"),
        ("kk", fact("geofenceDwell", "kk"), "Камаз А123ВС: «Қойма 2» аймағында болғанына 1 сағ 30 мин"),
        ("ru", fact("deviceFuelDrop", "ru"), "Камаз А123ВС: топлива меньше на 38 л, осталось 142 л"),
        ("ru", fact("proximityEnter", "ru"), "Камаз А123ВС и MAN 7 рядом: 1,2 км"),
        ("ru", fact("proximityEnter", "ru", attributes={"proximity": "Клиент", "partner": None, "distance_m": 640}),
         "Камаз А123ВС подъезжает: Клиент, 640 м"),
        ("en", fact("alarm", subject="sos"), "Scania A 123 BC: SOS"),
        ("en", fact("alarm", subject="makersOwn"), "Scania A 123 BC: makersOwn"),
        ("en", fact("maintenance"), "Scania A 123 BC: maintenance"),
        ("en", fact("batteryLow", attributes={"battery_percent": "low"}), "Scania A 123 BC: tracker battery low"),
        ("en", fact("deviceIdle", attributes={"idle_s": float("inf")}), "Scania A 123 BC is idling"),
        ("en", fact("geofenceEnter", zone_name=None), "Scania A 123 BC entered x"),
        ("en", fact("geofenceEnter", device_name="{zone} %s\r\nBcc: x\u202e"), "{zone} %s Bcc: x entered Central depot"),
        ("fr_FR", fact("ignitionOn"), "Scania A 123 BC: ignition on"),
    ],
)  # fmt: skip
def test_what_is_said(language: str, event: Fact, sentence: str) -> None:
    assert said(event, language=language).subject == sentence


@pytest.mark.parametrize(
    ("language", "event", "sentence", "parts"),
    [
        ("en", fact("balanceLow"), "Money for trackers lasts 7 days more, 1,234.50 KZT left", 1),
        ("en", fact("balanceLow", attributes={"days_left": 1, "balance": 5, "currency": "EUR"}),
         "Money for trackers lasts 1 day more, 0.05 EUR left", 1),
        ("en", fact("balanceLow", attributes={"days_left": 0, "balance": 500, "currency": "JPY"}),
         "Money for trackers is running out, 500 JPY left", 1),
        ("en", fact("balanceLow", attributes={}), "Money for trackers is running out", 1),
        ("ru", fact("balanceLow"), "Денег на трекеры хватит на 7 дней, баланс 1 234,50 KZT", 1),
        ("ru", fact("balanceLow", attributes={"days_left": 1, "balance": 5, "currency": "RUB"}),
         "Денег на трекеры хватит на 1 день, баланс 0,05 RUB", 1),
        ("kk", fact("balanceLow", attributes={"days_left": 3, "balance": 5, "currency": "KZT"}),
         "Трекерлерге ақша 3 күнге жетеді, баланс 0,05 KZT", 1),
        ("en", fact("trackerBlocked"), "No money, blocked: MAN 7, Volvo 3 (+5). Top up 200.50 EUR", 1),
        ("ru", fact("trackerBlocked"), "Нет денег, заблокировано: MAN 7, Volvo 3 (+5). Пополните на 200,50 EUR", 2),
        ("kk", fact("trackerBlocked", attributes={"trackers": ["MAN 7"], "count": 1, "needed": 1, "currency": "KZT"}),
         "Ақша жоқ, бұғатталды: MAN 7. 0,01 KZT толтырыңыз", 1),
        ("en", fact("trackerBlocked", attributes={"trackers": [], "needed": True}), "Trackers are blocked: no money", 1),
    ],
)  # fmt: skip
def test_what_is_said_of_an_account(language: str, event: Fact, sentence: str, parts: int) -> None:
    """Its link leads to the money, and it says that nobody's rule asked for it."""
    message = said(event, language=language)
    assert message.subject == sentence
    assert gsm.count_parts(message.short) == parts
    words = raw(language)["phrases"]
    assert message.html
    for body in (message.text, message.html):
        assert f"{URL}/billing" in body
        assert words["map"] not in body
    assert words["reason_account"] in message.html


@pytest.mark.parametrize(
    ("language", "count", "words"),
    [
        ("en", 1, "and 1 more like this"), ("en", 37, "and 37 more like this"),
        ("ru", 1, "и ещё 1 такое же событие"), ("ru", 3, "и ещё 3 таких же события"), ("ru", 37, "и ещё 37 таких же событий"),
        ("ru", 11, "и ещё 11 таких же событий"), ("ru", 21, "и ещё 21 такое же событие"),
        ("kk", 37, "және осындай тағы 37 оқиға"),
    ],
)  # fmt: skip
def test_more_like_this(language: str, count: int, words: str) -> None:
    message = said(fact("ignitionOn", language), language=language, more=count)
    assert words in message.text
    assert words in message.html
    assert message.subject.endswith(f" (+{count})")
    assert f" (+{count})" in message.short
    assert message.data["more"] == count


def test_a_bundle_tells_some_and_counts_the_rest() -> None:
    message = said(*(fact("ignitionOn", device_name=f"Van {n}") for n in range(LISTED + 5)), more=20)
    assert message.subject == "Van 0: ignition on (+34)"
    assert "Van 9: ignition on" in message.text
    assert "Van 10" not in message.text
    assert "and 25 more like this" in message.text
    assert len(message.data["alerts"]) == LISTED + 5
    assert message.data["more"] == 20


@pytest.mark.parametrize(
    ("language", "at", "zone", "when"),
    [
        ("en", NOW, "UTC", "12:00"), ("en", NOW, "Asia/Almaty", "17:00"),
        ("en", NOW, "Nonsense/Zone", "12:00"), ("en", NOW, "../etc", "12:00"),
        ("en", NOW.replace(day=11), "UTC", "11 Mar, 12:00"), ("ru", NOW.replace(day=11), "UTC", "11 мар., 12:00"),
        ("ru", NOW.replace(year=2025), "UTC", "12 мар. 2025, 12:00"), ("kk", NOW.replace(month=1), "UTC", "12 қаң., 12:00"),
        ("en", NOW.replace(hour=20), "Asia/Almaty", "13 Mar, 01:00"),
    ],
)  # fmt: skip
def test_when_it_was(language: str, at: datetime, zone: str, when: str) -> None:
    """The date only when it isn't the recipient's today."""
    assert f": {when}\n" in said(fact("ignitionOn", language, time=at), language=language, zone=zone).text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [*EVENTS, "alarm", "somethingNew"])
def test_long_names_are_cut_in_the_middle_and_an_sms_stays_short(language: str, kind: str) -> None:
    name = "Седельный тягач Мерседес-Бенц Актрос 1845 госномер 123 АВС 02"
    event = fact(
        kind, language, device_name=name, zone_name="Площадка временного хранения у посёлка Жибек Жолы № 17",
        subject="9" * 500 if kind == "alarm" else "5", attributes={**EVENTS.get(kind, ("", {}))[1], "partner_name": name},
    )  # fmt: skip
    if kind == "somethingNew":
        event = fact("y" * 5000, language, device_name=name * 50)
    message = said(event, language=language, more=12345)
    two_names_and_numbers = kind in ("deviceOverspeed", "geofenceDwell")
    most = MOST_PARTS if kind not in EVENTS or kind == "alarm" else 2 if two_names_and_numbers else 1
    assert gsm.count_parts(message.short) <= most, message.short
    assert message.short.startswith("Седе")
    assert len(message.subject) < 260


def test_place_and_link_go_along_where_they_cost_nothing() -> None:
    event = fact("geofenceEnter", place="12 km NE of Astana")
    assert said(event).short == f"Scania A 123 BC entered Central depot, 17:00, 12 km NE of Astana\n{URL}/alerts/1234"
    assert said(event, url=None).short == "Scania A 123 BC entered Central depot, 17:00, 12 km NE of Astana"
    russian = said(
        fact("geofenceEnter", "ru", place="Астана, 12 км к северо-востоку", zone_name="Склад на Сейфуллина"), language="ru"
    )
    assert russian.short == "Камаз А123ВС: въезд в «Склад на Сейфуллина», 17:00"


def test_a_mail_in_html_shows_names_as_they_are() -> None:
    message = said(fact("geofenceEnter", device_name="<script>alert(1)</script>", place='"><img src=x>'))
    assert "<script" not in message.html
    assert "<img" not in message.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; entered Central depot" in message.html
    assert f'href="{URL}/alerts/1234"' in message.html
    assert len(message.html) < 20_000
    drawn = compose(7, [fact("ignitionOn")], more=0, language="ru", time_zone="UTC", public_url=None, picture=b"x", now=NOW)
    assert drawn.html is not None
    assert 'src="cid:map"' in drawn.html
    assert "href" not in drawn.html


def test_what_a_webhook_gets() -> None:
    event = fact("geofenceEnter", place="Astana", subject="5")
    assert said(event).data == {
        "type": "alert", "delivery": 7, "language": "en", "more": 0,
        "alerts": [
            {
                "id": 1234, "type": "geofenceEnter", "subject": "5", "time": "2026-03-12T12:00:00.000+00:00",
                "device": "Scania A 123 BC", "geofence": "Central depot", "place": "Astana", "latitude": 51.1, "longitude": 71.4,
                "speedKmh": 34.0, "attributes": {"geofence": "x"}, "text": "Scania A 123 BC entered Central depot",
                "url": f"{URL}/alerts/1234",
            }
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("say", "value", "words"),
    [
        (quantities.duration, 45, "45 с"), (quantities.duration, 89, "1 мин"), (quantities.duration, 3599, "1 ч"),
        (quantities.duration, 5400, "1 ч 30 мин"), (quantities.duration, 183_600, "2 дн. 3 ч"), (quantities.duration, 0, "0 с"),
        (quantities.distance, 47.3, "47 м"), (quantities.distance, 643, "640 м"), (quantities.distance, 996, "1 км"),
        (quantities.distance, 1240, "1,2 км"), (quantities.distance, 12_600, "13 км"), (quantities.voltage, 11.84, "11,8 В"),
        (quantities.volume, 7.46, "7,5 л"), (quantities.percent, 14.6, "15 %"),
    ],
)  # fmt: skip
def test_quantities_as_russian_writes_them(say: quantities.Say, value: float, words: str) -> None:
    assert say(value, "ru") == words


def test_the_middle_gives_way() -> None:
    assert middle("Scania R450 A 123 BC", 12) == "Scani..23 BC"
    assert middle("short", 12) == "short"
    assert table("ru-RU") is table("ru")
