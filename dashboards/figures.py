"""Amounts, numbers and days as the viewer's language writes them: filters of the templates.

{{ 968 | money("EUR") }}  €9.68      {{ 968 | money("EUR", True) }}  +€9.68      {{ 968 | amount("EUR") }}  9.68, for a field
{{ 1234 | number }}       1,234      {{ day | day }}  20 Mar 2026    day("whole")  20 March 2026    day("weekday")  Fri 20 Mar
                                                                           day("month")  Mar 2026
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from typing import Any

from babel.dates import format_date
from babel.numbers import format_decimal

from billing.money import plain, shown

ENGLISH = "en_GB"  # the day before the month, as on the rest of the pages
DAYS = {
    "en": {"short": "d MMM y", "whole": "d MMMM y", "weekday": "EEE d MMM", "month": "LLL y"},
    "ru": {"short": "d MMM y", "whole": "d MMMM y", "weekday": "EEE, d MMM", "month": "LLL y"},
    "kk": {"short": "y 'ж.' d MMM", "whole": "y 'ж.' d MMMM", "weekday": "EEE, d MMM", "month": "y 'ж.' LLL"},
}
MINUS = "\u2212"


def filters(language: str) -> dict[str, Callable[..., str]]:
    return {
        "money": partial(_money, language),
        "amount": plain,
        "number": partial(_number, language),
        "day": partial(_day, language),
    }


def _money(language: str, amount: int, currency: str, signed: bool = False) -> str:
    text = shown(abs(amount), currency, language)
    return f"{MINUS if amount < 0 else '+' if signed and amount else ''}{text}"


def _number(language: str, value: Any) -> str:
    return str(format_decimal(value, locale=language))


def _day(language: str, value: date | datetime, form: str = "short") -> str:
    locale = ENGLISH if language == "en" else language
    return str(format_date(value, DAYS.get(language, DAYS["en"])[form], locale=locale))
