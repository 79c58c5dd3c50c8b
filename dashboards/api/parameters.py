"""What routes take, checked: numbers that fit the database, times as Traccar's clients write them, pages of a list."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints

from dashboards.problems import Problem

LARGEST_ID = 2**31 - 1
LARGEST_POSITION_ID = 2**63 - 1
LONGEST_RANGE = timedelta(days=366)
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
IDS_AT_ONCE = 1_000
ATTRIBUTES_BYTES = 16 * 1024  # as JSON; a device has a handful
ATTRIBUTES_LEVELS = 16  # what comes in deeper than a reader's stack would break every list that it is in
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?)?\s*(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)

DeviceId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
PathId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
EventId = Annotated[int, Path(ge=1, le=LARGEST_POSITION_ID)]
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Ids = Annotated[Sequence[Id], Query(max_length=IDS_AT_ONCE)]
PositionIds = Annotated[Sequence[Annotated[int, Field(ge=1, le=LARGEST_POSITION_ID)]], Query(max_length=IDS_AT_ONCE)]


def _time(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    text = str(value).strip()
    if not _TIME.fullmatch(text):
        if re.search(r"\d \d\d:?\d\d$", text):
            raise ValueError("a time zone lost its plus sign: write it as %2B, or give the time in UTC with Z")
        raise ValueError("give a time such as 2026-01-26T15:57:02Z")
    try:
        time = datetime.fromisoformat(text.upper().replace(",", "."))
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("there is no such time; give one such as 2026-01-26T15:57:02Z") from None
    if not EARLIEST <= time <= LATEST:
        raise ValueError("give a time between the years 1970 and 2200")
    return time


Instant = Annotated[datetime, BeforeValidator(_time)]


def _day(value: object) -> date:
    text = str(value).strip()
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError("give a day such as 2026-01-26") from None
    if not EARLIEST.date() <= day < LATEST.date():
        raise ValueError("give a day between the years 1970 and 2200")
    return day


Day = Annotated[date, BeforeValidator(_day)]


@dataclass(frozen=True, slots=True)
class Range:
    since: datetime
    until: datetime


def checked_range(since: datetime, until: datetime) -> Range:
    """Raises Problem 400 for a range that is empty or too long."""
    if since >= until:
        raise Problem(400, "The range is empty", "`from` must be before `to`.")
    if until - since > LONGEST_RANGE:
        raise Problem(400, "The range is too long", f"Ask for at most {LONGEST_RANGE.days} days at once.")
    return Range(since, until)


def _range(
    since: Annotated[Instant, Query(alias="from", description="ISO 8601, such as 2026-01-26T15:57:02Z")],
    until: Annotated[Instant, Query(alias="to", description="ISO 8601")],
) -> Range:
    return checked_range(since, until)


Between = Annotated[Range, Depends(_range)]


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. Traccar's clients ask for all of it at once and get up to 20,000."""

    limit: int
    offset: int

    @property
    def sql(self) -> dict[str, int]:
        return {"limit": self.limit, "offset": self.offset}

    def headers(self, total: int, request: Request) -> dict[str, str]:
        headers = {"X-Total-Count": str(total)}
        if self.offset + self.limit < total:
            url = request.url.include_query_params(limit=self.limit, offset=self.offset + self.limit)
            headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        return headers


def _page(limit: Annotated[int, Query(ge=1, le=20_000)] = 20_000, offset: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0) -> Page:
    return Page(limit, offset)


Paged = Annotated[Page, Depends(_page)]


def _text(value: str) -> str:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise ValueError("control characters can't be stored")
    return value


def _small(value: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        size = len(msgspec.json.encode(value))
    except (msgspec.MsgspecError, UnicodeEncodeError, OverflowError, RecursionError, TypeError, ValueError):
        raise ValueError("this can't be stored as JSON") from None
    if size > ATTRIBUTES_BYTES:
        raise ValueError(f"at most {ATTRIBUTES_BYTES} bytes of JSON")
    if not _shallow(value, ATTRIBUTES_LEVELS):
        raise ValueError(f"at most {ATTRIBUTES_LEVELS} levels")
    return value


def _shallow(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_shallow(one, levels - 1) for one in inner)


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128), AfterValidator(_text)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=512), AfterValidator(_text)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(_text)]
Attributes = Annotated[dict[str, Any], AfterValidator(_small)]


def _zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("give a time zone such as Asia/Almaty")
    return name


TimeZone = Annotated[str, AfterValidator(_zone)]


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class Body(BaseModel, alias_generator=camel, extra="ignore", frozen=True):
    """A request's JSON. What isn't known is ignored: Traccar's clients send whole objects back."""
