"""What is said of an alert, in the recipient's language: `compose` is the door.

The words stand in a table per language (en.toml, ru.toml, kk.toml), all with the same keys and placeholders; numbers, units
and plural forms are Babel's. Names come from people, so they are cleaned of everything that isn't printed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_date

from telematics.alerts.channels import Fact, Message
from telematics.alerts.matching import ACCOUNT_TYPES
from telematics.alerts.wording import page, quantities, shorten

LANGUAGES = ("en", "ru", "kk")
LISTED = 10  # facts told one by one; the rest is a number
LONGEST_NAME = 128
SUBJECT_NAMES = 48


@dataclass(frozen=True, slots=True)
class Table:
    """The words of a language."""

    language: str
    events: Mapping[str, Sequence[str]]
    alarms: Mapping[str, str]
    phrases: Mapping[str, str]
    more: Mapping[str, str]


def table(language: str) -> Table:
    """Of "ru_RU" the same as of "ru"; English where there is no table."""
    base = language.replace("_", "-").split("-")[0].lower()
    return _read(base if base in LANGUAGES else "en")


@cache
def _read(base: str) -> Table:
    return Table(base, **tomllib.loads((files(__name__) / f"{base}.toml").read_text(encoding="utf-8")))


def compose(
    delivery_id: int, facts: Sequence[Fact], *, more: int, language: str, time_zone: str, public_url: str | None,
    picture: bytes | None, now: datetime | None = None,
) -> Message:  # fmt: skip
    """One message about these facts (at least one) and so many `more` like them that aren't among them."""
    words = table(language)
    zone = _zone(time_zone)
    today = (now or datetime.now(UTC)).astimezone(zone)
    told = [_tell(fact, words, zone, today, public_url) for fact in facts[:LISTED]]
    unlisted = len(facts) - len(told) + more
    others = len(told) - 1 + unlisted
    first = told[0]
    rest = more_like_this(words, unlisted) if unlisted else None
    phrases = _phrases(facts[0], words)
    return Message(
        delivery_id=delivery_id,
        subject=sentence(facts[0], words, longest_name=SUBJECT_NAMES) + (f" (+{others})" if others else ""),
        text=page.text(told, rest, phrases),
        short=shorten.short(
            lambda longest: sentence(facts[0], words, longest_name=longest), first.when, others, first.place, first.url
        ),
        html=page.html(told, rest, phrases, words.language, with_picture=picture is not None),
        picture=picture,
        data={
            "type": "alert",
            "delivery": delivery_id,
            "language": words.language,
            "alerts": [_data(fact, words, public_url) for fact in facts],
            "more": more,
        },
    )


def sentence(fact: Fact, words: Table, *, longest_name: int = LONGEST_NAME) -> str:
    """The most telling sentence whose placeholders are all known."""
    known = _known(fact, words, longest_name)
    for candidate in words.events.get(fact.type, words.events["other"]):
        if placeholders(candidate) <= known.keys():
            return candidate.format(**known)
    return str(known["device"])  # unreachable with our tables: the last needs the device alone


@cache
def placeholders(template: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name)


def more_like_this(words: Table, count: int) -> str:
    form = Locale(words.language).plural_form(count)
    return words.more.get(form, words.more["other"]).format(n=count)


def clean(name: str) -> str:
    """On one line, without what isn't printed (line ends, direction marks)."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in name[:1000]).split())


def _tell(fact: Fact, words: Table, zone: tzinfo, today: datetime, public_url: str | None) -> page.Told:
    speed = fact.speed_kmh
    return page.Told(
        sentence=sentence(fact, words),
        when=moment(fact.time.astimezone(zone), today, words.language),
        late=words.phrases["late"] if fact.attributes.get("late") is True else None,
        place=shorten.middle(clean(fact.place), LONGEST_NAME) if fact.place else None,
        speed=quantities.speed(speed, words.language) if speed is not None and quantities.is_number(speed) else None,
        url=_url(fact, public_url),
    )


def _phrases(fact: Fact, words: Table) -> Mapping[str, str]:
    """What is said around it: of an account's own affairs other things than of a vehicle."""
    if fact.type not in ACCOUNT_TYPES:
        return words.phrases
    return {**words.phrases, "map": words.phrases["billing"], "reason": words.phrases["reason_account"]}


def _url(fact: Fact, public_url: str | None) -> str | None:
    if public_url and fact.type in ACCOUNT_TYPES:
        return f"{public_url.rstrip('/')}/billing"
    return f"{public_url.rstrip('/')}/alerts/{fact.alert_id}" if public_url else None


def moment(at: datetime, today: datetime, language: str) -> str:
    """The time of day; the date with it when it isn't today's."""
    clock = at.strftime("%H:%M")
    if at.date() == today.date():
        return clock
    return f"{format_date(at, 'd MMM' if at.year == today.year else 'd MMM y', locale=language)}, {clock}"


def _known(fact: Fact, words: Table, longest_name: int) -> dict[str, str]:
    """What is known of the fact, by the placeholders' names."""

    def name(text: object) -> str | None:
        cleaned = clean(text) if isinstance(text, str) else ""
        return shorten.middle(cleaned, longest_name) if cleaned else None

    given, language = fact.attributes, words.language
    zone = name(fact.zone_name) or name(given.get("geofence"))
    with_partner = given.get("partner") is not None
    found: dict[str, str | None] = {
        "device": name(fact.device_name) or f"#{fact.alert_id}",
        "type": name(fact.type) or "?",
        "zone": zone if fact.type.startswith("geofence") or fact.subject else None,
        "alarm": _alarm(fact, words) if fact.type == "alarm" else None,
        "partner": name(given.get("partner_name")) if with_partner else None,
        "proximity": name(given.get("proximity")),
        "distance": _of(given, quantities.distance, language, "distance_m"),
        "speed": _of({"speed_kmh": fact.speed_kmh} | dict(given), quantities.speed, language, "speed_kmh"),
        "limit": _of(given, quantities.speed, language, "limit_kmh"),
        "duration": _of(given, quantities.duration, language, "dwell_s", "idle_s", "inactive_s"),
        "left": _of(given, quantities.volume, language, "fuel_after_l"),
        "fuel": _fuel(given, language),
        "volts": _of(given, quantities.voltage, language, "power_v"),
        "percent": _of(given, quantities.percent, language, "battery_percent"),
        "days": _of(given, quantities.days, language, "days_left") if given.get("days_left") else None,
        "balance": _money(given, "balance", language),
        "needed": _money(given, "needed", language),
        "trackers": _names(given, name),
        "command": name(given.get("command")),
        "result": name(given.get("result")),
    }
    return {key: value for key, value in found.items() if value is not None}


def _money(given: Mapping[str, Any], which: str, language: str) -> str | None:
    amount, currency = given.get(which), given.get("currency")
    if not isinstance(amount, int) or isinstance(amount, bool) or not isinstance(currency, str) or len(currency) != 3:
        return None
    return quantities.money(amount, currency, language)


def _names(given: Mapping[str, Any], name: Callable[[object], str | None]) -> str | None:
    """Those that are told by name, and how many more there are: "Truck 1, Truck 2 (+5)"."""
    told = given.get("trackers")
    names = [one for one in map(name, told) if one] if isinstance(told, list) else []
    count = given.get("count")
    more = count - len(names) if isinstance(count, int) else 0
    return ", ".join(names) + (f" (+{more})" if more > 0 else "") if names else None


def _alarm(fact: Fact, words: Table) -> str | None:
    return words.alarms.get(fact.subject) or shorten.middle(clean(fact.subject), LONGEST_NAME) or None


def _of(given: Mapping[str, Any], say: quantities.Say, language: str, *names: str) -> str | None:
    for name in names:
        if quantities.is_number(value := given.get(name)):
            return say(value, language)
    return None


def _fuel(given: Mapping[str, Any], language: str) -> str | None:
    before, after = given.get("fuel_before_l"), given.get("fuel_after_l")
    if not (quantities.is_number(before) and quantities.is_number(after)):
        return None
    return quantities.volume(abs(before - after), language)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):  # nobody is left untold for the name of a time zone
        return UTC


def _data(fact: Fact, words: Table, public_url: str | None) -> dict[str, Any]:
    """The webhook's shape of an alert; docs/channels.md tells it."""
    return {
        "id": fact.alert_id,
        "type": fact.type,
        "subject": fact.subject,
        "time": fact.time.astimezone(UTC).isoformat(timespec="milliseconds"),
        "device": fact.device_name,
        "geofence": fact.zone_name,
        "place": fact.place,
        "latitude": fact.latitude,
        "longitude": fact.longitude,
        "speedKmh": fact.speed_kmh,
        "attributes": dict(fact.attributes),
        "text": sentence(fact, words),
        "url": _url(fact, public_url),
    }
