"""When something applies: weekly windows and iCalendar calendars, in an account's time zone.

A weekly window is wall time: 20:00–06:00 on Friday begins at Friday's 20:00 and ends at Saturday's 06:00 as clocks show them
there, however long that night is. Where clocks go back, an hour that comes twice is meant the first time, so that a window
neither opens nor closes twice; where they go forward, a skipped time counts from the hour before (RFC 5545, section 3.3.5).

iCalendar comes from people, and a few bytes of it can ask for years of work. So only what says when an event is gets to the
parser (no VTIMEZONE: the parser would keep a stranger's clock for everybody, under any name), and every day that a rule looks at
is counted: past `WORK` the calendar is refused. What a day's windows are is worked out once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
import structlog

log = structlog.get_logger(__name__)

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LARGEST_CALENDAR = 256 * 1024  # characters
MOST_WINDOWS = 50
MOST_EVENTS = 1_000  # each is looked at once a day: about 20 ms
MOST_DATES = 5_000  # of RDATE and EXDATE
MOST_AT_ONCE = 500  # events around one day: about 8 ms, and trackers wait for it
LONGEST_PROPERTY = 2_000  # characters, but of lists of dates: every day of a year by its number has 1,400
MOST_POSITIONS = 10  # of BYSETPOS: for each the days of a year are sorted
LONGEST_EVENT = timedelta(days=366)
WORK = 300_000  # days that rules may look at before there is an answer: 0.1 to 0.8 s
MOST_OCCURRENCES = 20_000  # since they began, all of which the library remembers: 2 MB
DAYS_KEPT = 32  # whose windows are remembered; events come in order, but for late ones
CALENDARS_KEPT = 256
DAY = timedelta(days=1)

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_TIMING = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "SEQUENCE", "STATUS", "UID")
_EXAMPLE = 'write [{"days": ["mon", "tue"], "from": "20:00", "to": "06:00"}]'

Span = tuple[float, float]  # seconds since 1970


def parse_weekly(value: object) -> list[dict[str, Any]] | None:
    """Weekly windows as they are stored; None: always. Raises ValueError that says what to write."""
    if value is None or value == []:
        return None
    if not isinstance(value, list | tuple):
        raise ValueError(f"hours are a list of windows: {_EXAMPLE}")
    if len(value) > MOST_WINDOWS:
        raise ValueError(f"at most {MOST_WINDOWS} windows")
    return [_window(one) for one in value]


def _window(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"a window has days, from and to: {_EXAMPLE}")
    days, start, end = value.get("days"), value.get("from"), value.get("to")
    if not isinstance(days, list | tuple) or not days or not all(isinstance(day, str) and day.lower() in DAYS for day in days):
        raise ValueError(f"days are some of {', '.join(DAYS)}: {_EXAMPLE}")
    if not isinstance(start, str) or not _CLOCK.fullmatch(start):
        raise ValueError(f"from is a time between 00:00 and 23:59: {_EXAMPLE}")
    if not isinstance(end, str) or not (_CLOCK.fullmatch(end) or end == "24:00"):
        raise ValueError(f"to is a time between 00:00 and 24:00: {_EXAMPLE}")
    meant = {day.lower() for day in days}
    return {"days": [day for day in DAYS if day in meant], "from": start, "to": end}


@dataclass(frozen=True, slots=True)
class Hours:
    """Weekly windows and a calendar; where both are given, both must hold. Neither: always."""

    weekly: tuple[tuple[frozenset[int], int, int], ...] = ()  # days, 0 is Monday; from and to in minutes of the day
    calendar: Calendar | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    _kept: dict[date, tuple[Span, ...]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, weekly: object, ical: str | None, time_zone: str) -> Hours:
        """Raises ValueError that says what to write. May take tenths of a second for a large calendar that wasn't seen lately."""
        zone = _zone(time_zone)
        windows = tuple(
            (frozenset(DAYS.index(day) for day in window["days"]), _minutes(window["from"]), _minutes(window["to"]))
            for window in parse_weekly(weekly) or ()
        )
        return cls(windows, _calendar(ical, zone) if ical else None, zone)

    @property
    def always(self) -> bool:
        return not self.weekly and self.calendar is None

    def contains(self, at: datetime) -> bool:
        """Whether it applies at this time, which knows its zone."""
        if self.always:
            return True
        seconds, day = at.timestamp(), at.astimezone(self.zone).date()
        if self.weekly and not _within(seconds, _kept(self._kept, day, self._windows)):
            return False
        return self.calendar is None or self.calendar.contains(seconds, day)

    def _windows(self, day: date) -> Iterator[Span]:
        for begins in (day - DAY, day):  # last night's may go on
            for days, start, end in self.weekly:
                if begins.weekday() in days:
                    yield self._at(begins, start), self._at(begins, end if end > start else end + 24 * 60)

    def _at(self, day: date, minutes: int) -> float:
        days, minute = divmod(minutes, 24 * 60)
        return datetime.combine(day + timedelta(days=days), time(*divmod(minute, 60)), self.zone).timestamp()


class Calendar:
    """An iCalendar's events, as the times they cover."""

    def __init__(self, text: str, zone: ZoneInfo) -> None:
        self._zone = zone
        self._work = _Work(WORK)
        self._lock = Lock()  # dateutil's own is left locked by the thread that comes to a rule's end
        self._broken = False
        self._kept: dict[date, tuple[Span, ...]] = {}
        try:
            self._query = recurring_ical_events.of(icalendar.Calendar.from_ical(_sifted(text)))
            rules = [rule for series in self._query.series for rule in getattr(series.recurrence, "rrules", ())[1:]]  # not dates
            for rule in rules:
                _count(rule, self._work)
            for series in self._query.series:
                if any(abs(event.duration) > LONGEST_EVENT for event in series.components):
                    raise _Refused(f"an event lasts at most {LONGEST_EVENT.days} days")
            self._spans(datetime.now(zone).date())  # what can't be worked out is refused now, not met at night
            if sum(len(rule._cache) for rule in rules) > MOST_OCCURRENCES:
                raise TooMuchWork
        except TooMuchWork:
            raise ValueError(
                "this calendar takes too long to work out: let its rules begin later (DTSTART) or repeat less often, "
                "and leave out rules that never come"
            ) from None
        except _Refused:
            raise
        except Exception as error:  # the parsers' own trouble with strange bytes has many names
            said = str(error).partition("\n")[0][:200] if isinstance(error, ValueError) else type(error).__name__
            raise ValueError(f"this isn't a calendar that can be read ({said}); export it as iCalendar (.ics)") from None
        self._work.left += WORK  # it was fine when it came, and time goes on

    def contains(self, seconds: float, day: date) -> bool:
        return _within(seconds, _kept(self._kept, day, self._covered))

    def _covered(self, day: date) -> tuple[Span, ...]:
        """A calendar is no reason to stop a pipeline: one that breaks later is empty from then on."""
        with self._lock:
            if self._broken:
                return ()
            try:
                return self._spans(day)
            except Exception as error:
                self._broken = True
                log.warning(
                    "a calendar can't be worked out", day=day.isoformat(), reason=f"{type(error).__name__}: {error}"[:200]
                )
                return ()

    def _spans(self, day: date) -> tuple[Span, ...]:
        # A day more on both sides: the library compares floating times with others by what their clocks show.
        midnight = datetime.combine(day, time(), self._zone)
        spans = list[Span]()
        for series in self._query.series:
            for event in series.between(midnight - DAY, midnight + 2 * DAY):
                spans.append((self._instant(event.start), self._instant(event.end)))
                if len(spans) > MOST_AT_ONCE:
                    raise TooMuchWork
        return tuple(spans)

    def _instant(self, when: date) -> float:
        """Days and floating times are those of the account's zone."""
        if not isinstance(when, datetime):
            when = datetime.combine(when, time())
        return (when if when.tzinfo else when.replace(tzinfo=self._zone)).timestamp()


class _Refused(ValueError):
    """In our own words."""


class TooMuchWork(Exception):
    """A calendar's rules look at more days than anybody needs."""


class _Work:
    """What a calendar's rules may still do."""

    def __init__(self, left: int) -> None:
        self.left = left


class _Months(tuple[int, ...]):
    """The months of a rule, which dateutil asks first of each day that it looks at. Counting there bounds its search, also where
    no day is ever found: it would look on until the year 9999."""

    work: _Work
    cost: int

    def __contains__(self, month: object) -> bool:
        self.work.left -= self.cost
        if self.work.left < 0:
            raise TooMuchWork
        return super().__contains__(month)


def _count(rule: Any, work: _Work) -> None:
    months = _Months(rule._bymonth or range(1, 13))
    months.work, months.cost = work, max(len(rule._timeset or ()), 1)  # so many times of each day
    rule._bymonth = months


def _sifted(text: str) -> str:
    """What says when events are, and nothing else of the file."""
    if len(text) > LARGEST_CALENDAR:
        raise _Refused(f"a calendar has at most {LARGEST_CALENDAR // 1024} KiB; leave out what is over, or split it")
    events = list(_events(re.sub(r"\r?\n[ \t]", "", text).splitlines()))
    if not events:
        raise _Refused("there is no event (BEGIN:VEVENT with a DTSTART) in this calendar; export it as iCalendar (.ics)")
    if len(events) > MOST_EVENTS:
        raise _Refused(f"a calendar has at most {MOST_EVENTS} events; leave out what is over")
    if sum(line.count(",") + 1 for event in events for line in event if line.startswith(("RDATE", "EXDATE"))) > MOST_DATES:
        raise _Refused(f"a calendar has at most {MOST_DATES} single dates (RDATE, EXDATE)")
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:hours"]
    for number, event in enumerate(events):
        uid = [] if any(line.startswith("UID") for line in event) else [f"UID:{number}"]
        lines += ["BEGIN:VEVENT", *uid, *event, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def _events(lines: Iterable[str]) -> Iterator[list[str]]:
    within: list[str] = []
    event: list[str] = []
    for line in lines:
        name = _property(line)
        if name == "BEGIN":
            within.append(line.partition(":")[2].strip().upper())
            event = [] if within[-1] == "VEVENT" else event
        elif name == "END":
            if within and within.pop() == "VEVENT" and "VEVENT" not in within and (timed := _timed(event)):
                yield timed
        elif within and within[-1] == "VEVENT" and name in _TIMING:
            event.append(_checked(name, line))


def _timed(event: list[str]) -> list[str]:
    """Nothing for what has no beginning or was called off. One occurrence that was called off takes its place and no time."""
    names = {_property(line) for line in event}
    if "DTSTART" not in names:
        return []
    if not any(line.upper().replace(" ", "") == "STATUS:CANCELLED" for line in event):
        return event
    if "RECURRENCE-ID" not in names:
        return []
    return [line for line in event if _property(line) not in ("DTEND", "DURATION", "STATUS", "RRULE", "RDATE")] + ["DURATION:P0D"]


def _property(line: str) -> str:
    return re.split("[:;]", line, maxsplit=1)[0].strip().upper()


def _checked(name: str, line: str) -> str:
    """The property as it may be parsed. Raises ValueError where it would cost too much, or be misread."""
    if len(line) > LONGEST_PROPERTY and name not in ("RDATE", "EXDATE"):
        raise _Refused(f"{name} has at most {LONGEST_PROPERTY} characters; say it in fewer words, or by several events")
    head, _, value = line.partition(":")
    zone = re.search(r';TZID="?([^";:]*)', head, re.IGNORECASE)
    if zone and not _known(zone[1]):
        raise _Refused(f"the time zone {zone[1][:60]!r} isn't known; use a name such as Asia/Almaty or Europe/Berlin (TZID=…)")
    if name == "RRULE":
        _check_rule(value.upper())
    return name + line[len(re.split("[:;]", line, maxsplit=1)[0]) :]


def _known(zone: str) -> bool:
    try:
        return icalendar.timezone.tzp.timezone(zone) is not None
    except (ValueError, OSError):  # a folder of the time zones, or too long for a file's name
        return False


def _check_rule(rule: str) -> None:
    parts = dict(part.partition("=")[::2] for part in rule.split(";"))
    if parts.get("FREQ", "").strip() in ("SECONDLY", "MINUTELY"):
        raise _Refused("a rule repeats at most every hour (FREQ=HOURLY); say how long an event lasts by DTEND instead")
    if parts.get("BYSETPOS", "").count(",") >= MOST_POSITIONS:
        raise _Refused(f"a rule chooses at most {MOST_POSITIONS} of its days by their places (BYSETPOS)")
    times = 1
    for part in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        times *= parts.get(part, "").count(",") + 1
    if times > 24:
        raise _Refused(
            "a rule gives at most 24 times a day (BYHOUR, BYMINUTE, BYSECOND); say how long an event lasts by DTEND instead"
        )


@lru_cache(maxsize=CALENDARS_KEPT)
def _calendar(text: str, zone: ZoneInfo) -> Calendar:
    """Many zones share a calendar: it is read once."""
    return Calendar(text, zone)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"the time zone {name[:60]!r} isn't known; use a name such as Asia/Almaty or Europe/Berlin") from None


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _within(seconds: float, spans: tuple[Span, ...]) -> bool:
    return any(start <= seconds < end for start, end in spans)


def _kept(kept: dict[date, tuple[Span, ...]], day: date, work_out: Any) -> tuple[Span, ...]:
    spans = kept.get(day)
    if spans is None:
        spans = tuple(work_out(day))
        if len(kept) >= DAYS_KEPT:
            kept.clear()
        kept[day] = spans
    return spans


ALWAYS = Hours()
