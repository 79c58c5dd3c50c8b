"""The rules of charging that are arithmetic alone. Amounts are whole minor units of the account's currency."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

COVERED_DAYS = 31  # that a connection pays for, its own among them
CHANGES_A_MONTH = 2  # of the tariff, by the customer
WITHDRAWAL_DAYS = 14  # after the day of the first payment
WARN_DAYS = (7, 3, 1)


@lru_cache(4096)
def share(price: int, day: date) -> int:
    """What this day of its month costs, of a price per month. The shares of a month add up to exactly the price."""
    days = monthrange(day.year, day.month)[1]
    return _part(price, day.day, days) - _part(price, day.day - 1, days)


def _part(price: int, days: int, of: int) -> int:
    """price · days / of, half to even."""
    whole, rest = divmod(price * days, of)
    return whole + (2 * rest > of or (2 * rest == of and whole % 2))


def covered_until(day: date) -> date:
    """The last day that a connection on this day pays for."""
    return day + timedelta(days=COVERED_DAYS - 1)


def local_day(now: datetime, time_zone: str) -> date:
    """The account's calendar day."""
    return now.astimezone(zone_of(time_zone)).date()


def zone_of(time_zone: str) -> ZoneInfo:
    """One that nobody knows (any more) is UTC: one account must not stop the others."""
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def may_withdraw(first_paid: date, day: date) -> bool:
    return day <= first_paid + timedelta(days=WITHDRAWAL_DAYS)
