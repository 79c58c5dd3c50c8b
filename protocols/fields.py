"""Fields that many makers write alike: degrees and minutes, dates, BCD."""

from __future__ import annotations

import calendar
from functools import lru_cache

from protocols.reports import CantRead

KMH_PER_KNOT = 1.852
KMH_PER_MPS = 3.6
KMH_PER_MPH = 1.609344
M_PER_MILE = 1609.344


def minutes(text: str, letter: str) -> float:
    """Degrees of NMEA's `ddmm.mmmm` or `dddmm.mmmm`, of any number of digits before the minutes; S and W are negative.

    Raises CantRead.
    """
    point = text.find(".")
    if point < 0:
        point = len(text)
    try:
        value = float(text[: point - 2] or 0) + float(text[point - 2 :]) / 60 if point > 2 else float(text) / 60
    except ValueError:
        raise CantRead(f"no degrees and minutes: {text[:20]}") from None
    return -value if letter in "SWsw" and letter else value


@lru_cache(maxsize=4096)  # what trackers send is nearly always today
def _day_ms(year: int, month: int, day: int) -> int:
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        raise CantRead(f"no such day: {year}-{month}-{day}")
    return calendar.timegm((year, month, day, 0, 0, 0)) * 1000


def time_ms(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: float = 0) -> int:
    """Milliseconds since 1970, UTC; a year below 100 is of this century. Raises CantRead."""
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 61):
        raise CantRead(f"no such time: {hour}:{minute}:{second}")
    return _day_ms(year + 2000 if year < 100 else year, month, day) + (hour * 60 + minute) * 60_000 + round(second * 1000)


def bcd(data: bytes) -> str:
    """Two digits a byte. Raises CantRead for what is no digit."""
    text = data.hex()
    if not text.isdecimal():
        raise CantRead(f"no digits: {text[:40]}")
    return text
