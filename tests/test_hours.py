"""Weekly windows and iCalendar, over changes of the clocks, and with calendars that want years of work."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from telematics.hours import ALWAYS, LARGEST_CALENDAR, Hours, parse_weekly

NIGHT = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "20:00", "to": "06:00"}]
FRIDAY_NIGHT = [{"days": ["fri"], "from": "20:00", "to": "06:00"}]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def calendar(*lines: str, uid: str = "1") -> str:
    event = "\r\n".join(lines)
    return (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n{event}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )


@pytest.mark.parametrize(
    ("weekly", "zone", "when", "inside"),
    [
        pytest.param(FRIDAY_NIGHT, "Asia/Almaty", "2026-01-30T14:59:59", False, id="Friday 19:59:59 in Almaty"),
        pytest.param(FRIDAY_NIGHT, "Asia/Almaty", "2026-01-30T15:00:00", True, id="Friday 20:00 in Almaty"),
        pytest.param(FRIDAY_NIGHT, "Asia/Almaty", "2026-01-31T00:59:59", True, id="Saturday 05:59:59: still Friday's window"),
        pytest.param(FRIDAY_NIGHT, "Asia/Almaty", "2026-01-31T01:00:00", False, id="Saturday 06:00: over"),
        pytest.param(FRIDAY_NIGHT, "Asia/Almaty", "2026-01-31T16:00:00", False, id="Saturday 21:00: no window begins"),
        pytest.param(FRIDAY_NIGHT, "Asia/Almaty", "2026-01-29T22:00:00", False, id="Friday 03:00: Thursday has no window"),
        pytest.param(NIGHT, "Europe/Berlin", "2026-03-28T18:59:59", False, id="19:59:59 before the night that clocks go forward"),
        pytest.param(NIGHT, "Europe/Berlin", "2026-03-28T19:00:00", True, id="20:00, still winter time"),
        pytest.param(NIGHT, "Europe/Berlin", "2026-03-29T03:59:59", True, id="05:59:59 in summer time: a night of nine hours"),
        pytest.param(NIGHT, "Europe/Berlin", "2026-03-29T04:00:00", False, id="06:00 in summer time"),
        pytest.param(NIGHT, "Europe/Berlin", "2026-10-24T18:00:00", True, id="20:00 in summer time"),
        pytest.param(NIGHT, "Europe/Berlin", "2026-10-25T04:59:59", True, id="05:59:59 in winter time: a night of eleven hours"),
        pytest.param(NIGHT, "Europe/Berlin", "2026-10-25T05:00:00", False, id="06:00 in winter time"),
        pytest.param(
            [{"days": ["sun"], "from": "01:00", "to": "02:30"}],
            "Europe/Berlin",
            "2026-10-25T00:29:59",
            True,
            id="02:29:59, the first of two",
        ),
        pytest.param(
            [{"days": ["sun"], "from": "01:00", "to": "02:30"}],
            "Europe/Berlin",
            "2026-10-25T01:15:00",
            False,
            id="02:15 again: it doesn't open twice",
        ),
        pytest.param(
            [{"days": ["sun"], "from": "02:15", "to": "02:45"}],
            "Europe/Berlin",
            "2026-03-29T01:30:00",
            True,
            id="a window in the hour that is skipped comes an hour later",
        ),
        pytest.param(NIGHT, "Asia/Almaty", "2024-02-29T17:30:00", True, id="Almaty's change of 2024: 23:30, the first"),
        pytest.param(NIGHT, "Asia/Almaty", "2024-02-29T18:30:00", True, id="Almaty's change of 2024: 23:30 again"),
        pytest.param(NIGHT, "Asia/Almaty", "2024-03-01T00:59:59", True, id="05:59:59 at the new +05"),
        pytest.param(NIGHT, "Asia/Almaty", "2024-03-01T01:00:00", False, id="06:00 at the new +05"),
        pytest.param([{"days": ["mon"], "from": "00:00", "to": "24:00"}], "UTC", "2026-01-26T23:59:59", True, id="until 24:00"),
        pytest.param(
            [{"days": ["mon"], "from": "00:00", "to": "24:00"}], "UTC", "2026-01-27T00:00:00", False, id="24:00 is over"
        ),
        pytest.param([{"days": ["mon"], "from": "08:00", "to": "08:00"}], "UTC", "2026-01-27T07:59:59", True, id="a whole day"),
        pytest.param(None, "UTC", "2026-01-26T23:59:59", True, id="no windows: always"),
        pytest.param([], "UTC", "2026-01-26T23:59:59", True, id="an empty list: always"),
    ],
)
def test_weekly_windows_are_wall_time(weekly: Any, zone: str, when: str, inside: bool) -> None:
    assert Hours.of(weekly, None, zone).contains(at(when)) is inside


@pytest.mark.parametrize(
    ("ical", "zone", "when", "inside"),
    [
        pytest.param(
            calendar("DTSTART:20260105T090000", "DTEND:20260105T180000", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
            "Asia/Almaty",
            "2026-01-26T04:00:00",
            True,
            id="floating times are those of the account: Monday 09:00 in Almaty",
        ),
        pytest.param(
            calendar("DTSTART:20260105T090000", "DTEND:20260105T180000", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
            "Asia/Almaty",
            "2026-01-26T03:59:59",
            False,
            id="a second before",
        ),
        pytest.param(
            calendar("DTSTART:20260105T090000", "DTEND:20260105T180000", "RRULE:FREQ=DAILY", "EXDATE:20260126T090000"),
            "Asia/Almaty",
            "2026-01-26T05:00:00",
            False,
            id="EXDATE takes a day out",
        ),
        pytest.param(
            calendar("DTSTART:20260105T090000", "DTEND:20260105T180000", "RDATE:20260131T090000,20260207T090000"),
            "Asia/Almaty",
            "2026-02-07T12:59:59",
            True,
            id="RDATE adds one, as long as the first",
        ),
        pytest.param(
            calendar("DTSTART;VALUE=DATE:20260321", "DTEND;VALUE=DATE:20260324", "RRULE:FREQ=YEARLY"),
            "Asia/Almaty",
            "2027-03-20T19:00:00",
            True,
            id="an event of whole days begins at the account's midnight",
        ),
        pytest.param(
            calendar("DTSTART;VALUE=DATE:20260321", "DTEND;VALUE=DATE:20260324", "RRULE:FREQ=YEARLY"),
            "Asia/Almaty",
            "2027-03-23T19:00:00",
            False,
            id="and its end is the day after",
        ),
        pytest.param(
            calendar("DTSTART;VALUE=DATE:20260321"), "Asia/Almaty", "2026-03-21T18:59:59", True, id="without an end it is one day"
        ),
        pytest.param(
            calendar("DTSTART;TZID=Europe/Berlin:20260327T200000", "DURATION:PT10H", "RRULE:FREQ=DAILY"),
            "Asia/Almaty",
            "2026-03-29T18:00:00",
            True,
            id="a zone of its own, after its clocks went forward",
        ),
        pytest.param(
            calendar("DTSTART;TZID=Europe/Berlin:20260327T200000", "DURATION:PT10H", "RRULE:FREQ=DAILY"),
            "Asia/Almaty",
            "2026-03-29T17:59:59",
            False,
            id="20:00 there, to the second",
        ),
        pytest.param(
            calendar("DTSTART:20260105T150000Z", "DTEND:20260105T160000Z", "RRULE:FREQ=DAILY;UNTIL=20260110T000000Z"),
            "Asia/Almaty",
            "2026-01-10T15:30:00",
            False,
            id="UNTIL",
        ),
        pytest.param(
            calendar(
                "DTSTART;TZID=W. Europe Standard Time:20261117T080000", "DTEND;TZID=W. Europe Standard Time:20261117T090000"
            ),
            "UTC",
            "2026-11-17T07:00:00",
            True,
            id="Outlook's name of a zone",
        ),
        pytest.param(
            calendar("DTSTART:20200106T090000", "DTEND:20200106T180000", "RRULE:FREQ=DAILY;COUNT=1000000000"),
            "UTC",
            "2026-01-26T12:00:00",
            True,
            id="a huge COUNT costs nothing",
        ),
        pytest.param(
            calendar("DTSTART:20260105T090000", "DTEND:20260105T180000", "STATUS:CANCELLED").replace(
                "END:VCALENDAR", "BEGIN:VEVENT\nDTSTART:20260106T090000\nDTEND:20260106T100000\nEND:VEVENT\nEND:VCALENDAR"
            ),
            "UTC",
            "2026-01-05T12:00:00",
            False,
            id="a cancelled event isn't one",
        ),
        pytest.param(
            calendar(
                "DTSTART:20260105T090000",
                "DTEND:20260105T180000",
                "RRULE:FREQ=DAILY",
                "BEGIN:VALARM",
                "TRIGGER:-PT15M",
                "DTSTART:20270105T090000",
                "END:VALARM",
            ),
            "UTC",
            "2026-01-06T09:30:00",
            True,
            id="what is within an event isn't its own",
        ),
    ],
)
def test_calendars_say_when(ical: str, zone: str, when: str, inside: bool) -> None:
    assert Hours.of(None, ical, zone).contains(at(when)) is inside


def test_a_moved_occurrence_counts_where_it_was_moved_to() -> None:
    series = calendar("DTSTART:20260105T090000", "DTEND:20260105T100000", "RRULE:FREQ=DAILY")
    times = "RECURRENCE-ID:20260107T090000\r\nDTSTART:20260107T150000\r\nDTEND:20260107T160000"
    moved = f"BEGIN:VEVENT\r\nUID:1\r\n{times}\r\nEND:VEVENT\r\n"
    hours = Hours.of(None, series.replace("END:VCALENDAR", moved + "END:VCALENDAR"), "UTC")
    assert [hours.contains(at(f"2026-01-07T{hour}:30:00")) for hour in ("09", "15")] == [False, True]
    assert hours.contains(at("2026-01-08T09:30:00"))


@pytest.mark.parametrize(
    ("start", "at_it"), [("20260107T090000", "2026-01-07T09:30:00"), (";VALUE=DATE:20260107", "2026-01-07T09:30:00")]
)
def test_one_occurrence_is_called_off(start: str, at_it: str) -> None:
    whole = start.startswith(";")
    first = ("DTSTART;VALUE=DATE:20260105",) if whole else ("DTSTART:20260105T090000", "DTEND:20260105T100000")
    start = start if whole else f":{start}"
    off = f"BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID{start}\r\nDTSTART{start}\r\nSTATUS:CANCELLED\r\nEND:VEVENT\r\n"
    series = calendar(*first, "RRULE:FREQ=DAILY")
    assert Hours.of(None, series, "UTC").contains(at(at_it))
    hours = Hours.of(None, series.replace("END:VCALENDAR", off + "END:VCALENDAR"), "UTC")
    assert not hours.contains(at(at_it))
    assert hours.contains(at("2026-01-08T09:30:00"))


def test_both_must_hold() -> None:
    workdays = calendar("DTSTART;VALUE=DATE:20260105", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "EXDATE;VALUE=DATE:20260126")
    hours = Hours.of(NIGHT, workdays, "UTC")
    assert hours.contains(at("2026-01-27T21:00:00"))
    assert not hours.contains(at("2026-01-26T21:00:00"))  # taken out of the calendar
    assert not hours.contains(at("2026-01-27T12:00:00"))  # no night


def test_a_file_defines_no_clock_for_others() -> None:
    """The parser would keep the first definition it meets of a name, for every later calendar of the process."""
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Mine\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\n"
        "TZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    )
    event = calendar("DTSTART;TZID=Mine:20260105T090000", "DURATION:PT1H").replace("BEGIN:VEVENT", zone + "BEGIN:VEVENT")
    with pytest.raises(ValueError, match="the time zone 'Mine' isn't known"):
        Hours.of(None, event, "UTC")


NEVER = "DTSTART:20200106T090000", "DTEND:20200106T180000"
MANY_EVENTS = "BEGIN:VCALENDAR\n" + "BEGIN:VEVENT\nDTSTART:20250101T000000\nEND:VEVENT\n" * 1001 + "END:VCALENDAR"
DAYS = ",".join(["20200101"] * 5001)


@pytest.mark.parametrize(
    ("ical", "why"),
    [
        pytest.param(calendar(*NEVER, "RRULE:FREQ=SECONDLY"), "at most every hour", id="every second"),
        pytest.param(calendar(*NEVER, "RRULE:FREQ=MINUTELY"), "at most every hour", id="every minute"),
        pytest.param(calendar(*NEVER, "RR\r\n ULE:FREQ=SECON\r\n DLY"), "at most every hour", id="every second, folded"),
        pytest.param(calendar(*NEVER, "rrule:freq=secondly"), "at most every hour", id="every second, small letters"),
        pytest.param(
            calendar(*NEVER, "RRULE:FREQ=DAILY;BYMINUTE=" + ",".join(map(str, range(60)))), "24 times a day", id="minutes"
        ),
        pytest.param(calendar(*NEVER, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"), "too long", id="30 February, by days"),
        pytest.param(calendar(*NEVER, "RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30"), "too long", id="30 February, by hours"),
        pytest.param(calendar(*NEVER, "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "too long", id="30 February, by years"),
        pytest.param(calendar(*NEVER, "RRULE:FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300"), "too long", id="the 300th Monday of a month"),
        pytest.param(calendar(*NEVER, "RRULE:FREQ=DAILY;INTERVAL=0"), "too long", id="never going on"),
        pytest.param(
            calendar(*NEVER, "RRULE:FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=1" + ",1" * 10), "at most 10 of its days", id="places"
        ),
        pytest.param(
            calendar(*NEVER, "RRULE:FREQ=DAILY;BYDAY=MO" + ",MO" * 1_000), "at most 2000 characters", id="one long rule"
        ),
        pytest.param(calendar("DTSTART" + ";X=1" * 1_000 + ":20260105T090000"), "at most 2000 characters", id="one long head"),
        pytest.param(
            calendar("DTSTART:20251101T000000", "DURATION:P366D", "RRULE:FREQ=DAILY").replace(
                "END:VCALENDAR",
                "BEGIN:VEVENT\nUID:2\nDTSTART:20251101T000000\nDURATION:P366D\nRRULE:FREQ=DAILY\nEND:VEVENT\nEND:VCALENDAR",
            ),
            "too long",
            id="700 at once",
        ),
        pytest.param(
            calendar("DTSTART:00010101T000000", "DURATION:PT1H", "RRULE:FREQ=HOURLY"), "too long", id="since the year 1"
        ),
        pytest.param(
            calendar("DTSTART:20200101T000000", "DURATION:PT30M", "RRULE:FREQ=HOURLY"), "too long", id="all kept in memory"
        ),
        pytest.param(calendar("DTSTART;TZID=America:20260105T090000"), "use a name such as", id="a folder of zones"),
        pytest.param(calendar(f"DTSTART;TZID={'x' * 500}:20260105T090000"), "use a name such as", id="a long zone"),
        pytest.param(calendar("DTSTART:20251101T000000", "DURATION:P366D", "RRULE:FREQ=HOURLY"), "too long", id="8,784 at once"),
        pytest.param(calendar("DTSTART:20200101T000000", "DTEND:21200101T000000"), "at most 366 days", id="a century"),
        pytest.param(calendar("DTSTART:20200101T000000", "DURATION:-P400D"), "at most 366 days", id="backwards"),
        pytest.param(calendar("DTSTART:20200101T000000", f"EXDATE;VALUE=DATE:{DAYS}"), "single dates", id="5,001 dates"),
        pytest.param(MANY_EVENTS, "at most 1000 events", id="1,001 events"),
        pytest.param("x" * (LARGEST_CALENDAR + 1), "at most 256 KiB", id="too large"),
        pytest.param("BEGIN:VCALENDAR\nEND:VCALENDAR", "there is no event", id="no event"),
        pytest.param("BEGIN:VEVENT\n" * 15_000, "there is no event", id="deep and never ending"),
        pytest.param("not a calendar", "there is no event", id="something else"),
        pytest.param(calendar("DTSTART:tomorrow"), "isn't a calendar that can be read", id="no time"),
        pytest.param(calendar("DTSTART;TZID=Nowhere:20260105T090000"), "use a name such as Asia/Almaty", id="no zone"),
    ],
)
def test_calendars_that_would_cost_much_are_refused_soon(ical: str, why: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match=why):
        Hours.of(None, ical, "Asia/Almaty")
    assert time.process_time() - began < 5  # about 0.6 s at most; without the bound minutes


@pytest.mark.parametrize(
    ("weekly", "why"),
    [
        ("always", "a list of windows"),
        ([5], "days, from and to"),
        ([{"days": [], "from": "08:00", "to": "09:00"}], "days are some of mon"),
        ([{"days": ["Monday"], "from": "08:00", "to": "09:00"}], "days are some of mon"),
        ([{"days": ["mon"], "from": "24:00", "to": "09:00"}], "from is a time"),
        ([{"days": ["mon"], "from": "8:00", "to": "09:00"}], "from is a time"),
        ([{"days": ["mon"], "from": "08:00", "to": "24:01"}], "to is a time"),
        ([{"days": ["mon"], "from": "08:00"}], "to is a time"),
        ([{"days": ["mon"], "from": "08:00", "to": "09:00"}] * 51, "at most 50"),
    ],
)
def test_windows_that_say_nothing_are_refused(weekly: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_weekly(weekly)


def test_windows_are_stored_in_order_and_once() -> None:
    assert parse_weekly([{"days": ["Sun", "mon", "mon"], "from": "20:00", "to": "06:00", "note": "x"}]) == [
        {"days": ["mon", "sun"], "from": "20:00", "to": "06:00"}
    ]


def test_an_unknown_zone_is_refused() -> None:
    for name in ("Mars/Olympus", "", "../etc/passwd", "x" * 1000):
        with pytest.raises(ValueError, match="isn't known"):
            Hours.of(None, None, name)


def test_always() -> None:
    assert ALWAYS.always
    assert ALWAYS.contains(at("2026-01-26T00:00:00"))
    assert not Hours.of(NIGHT, None, "UTC").always
