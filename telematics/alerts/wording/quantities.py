"""Numbers with their units, as the language writes them (Babel's data)."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeGuard

from babel.numbers import format_currency, get_currency_precision
from babel.units import format_unit

Say = Callable[[float, str], str]


def is_number(value: Any) -> TypeGuard[float]:
    """Also what an attribute holds that anybody may have written."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e12


def speed(kmh: float, language: str) -> str:
    return _unit(round(kmh), "kilometer-per-hour", language)


def distance(metres: float, language: str) -> str:
    """Metres to the next ten below one kilometre; one decimal below ten kilometres."""
    if metres < 995:
        return _unit(round(metres) if metres < 100 else round(metres / 10) * 10, "meter", language)
    kilometres = metres / 1000
    return _unit(round(kilometres, 1) if kilometres < 10 else round(kilometres), "kilometer", language)


def duration(seconds: float, language: str) -> str:
    """Its two greatest units: 45 s, 12 min, 1 h 30 min, 2 days 3 h."""
    whole = max(0, round(seconds))
    if whole >= 60:
        whole = round(whole / 60) * 60
    if whole >= 86_400:
        whole = round(whole / 3600) * 3600
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    counted = ((days, "day"), (hours, "hour"), (minutes, "minute"), (seconds, "second"))
    said = [_unit(count, unit, language) for count, unit in counted if count]
    return " ".join(said[:2]) or _unit(0, "second", language)


def volume(litres: float, language: str) -> str:
    return _unit(round(litres, 1) if litres < 10 else round(litres), "liter", language)


def voltage(volts: float, language: str) -> str:
    return _unit(round(volts, 1), "volt", language)


def percent(value: float, language: str) -> str:
    return _unit(round(value), "percent", language)


def days(count: float, language: str) -> str:
    """In full: "7 дней". Kazakh has no other form than the short one, and Babel knows it by that name alone."""
    return _plain(format_unit(round(count), "day", length="short" if language == "kk" else "long", locale=language))


def money(amount: int, currency: str, language: str) -> str:
    """Of minor units, with the currency's code: "1,234.50 KZT". Its sign would cost an SMS in English half its room."""
    whole = Decimal(amount).scaleb(-get_currency_precision(currency))
    return _plain(format_currency(whole, currency, "#,##0.00 ¤¤", locale=language))


def _plain(said: str) -> str:
    return said.replace("\xa0", " ").replace("\u202f", " ")


def _unit(value: float, unit: str, language: str) -> str:
    plain = int(value) if float(value).is_integer() else value
    return _plain(format_unit(plain, unit, length="short", locale=language))
