"""H02's reports: the plain position in whole columns, all else message by message."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice

import numpy as np

from protocols.columns import ALARM_BIT, Columns, Float64
from protocols.fields import KMH_PER_KNOT, time_ms
from protocols.frames import ANSWER, Frame
from protocols.reports import NAN, CantRead, Report, decode_each
from protocols.session import Decoded

BINARY, LONG_BINARY, MILEAGE = "$", "$ long id", "X"
SHORT_BYTES, LONG_BYTES = 32, 42
M_PER_COUNT = 1852 / 3600  # of the binary mileage: the knots of each second added up

# The position as most trackers send it most of the time. What differs in anything goes the long way, with the same result.
PLAIN = re.compile(
    rb"\*..,\d*,V1,((?:[01]\d|2[0-3])[0-5]\d[0-5]\d),([AV]),(\d{2,5}\.\d{1,8}),([NS]),(\d{2,6}\.\d{1,8}),([EW]),"
    rb"(\d{1,4}(?:\.\d{0,6})?),(\d{1,3}(?:\.\d{0,6})?),(\d{6}),([0-9A-Fa-f]{8}(?:,[ \w]*)*)#",
    re.DOTALL,
)
DATE_FIELD, STATUS_FIELD = 8, 9

NUMBER = re.compile(r" *\d{1,9}(?:\.\d{0,9})?", re.ASCII)
DATE = re.compile(r"\d{6}", re.ASCII)
STATUS = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)
DIGITS = re.compile(r"\d+", re.ASCII)
DAY_AND_CLOCK = re.compile(r"\d{8}", re.ASCII)
BATTERY = re.compile(r"\d{1,3}", re.ASCII)
ANGLES = (
    re.compile(r"-(\d{1,3})-(\d{1,3}\.\d{1,10})", re.ASCII),  # -23-3.3408: the sign is the letter's, which follows as well
    re.compile(r"(\d{0,3})(\d\d\.\d{1,10})", re.ASCII),  # 2235.1777
    re.compile(r"(\d{1,3})(\d\d\d{4})", re.ASCII),  # 22351777: four decimals without their point
)
VEHICLE = re.compile(r"(\d{1,12}),(-?\d{1,4}),(\d{1,4}\.\d{1,4}),(-?\d{1,5}),([0-9A-Fa-f]{1,8}),([0-9A-Fa-f]{1,8})", re.ASCII)
STATUS_ALARMS = (  # the first bit that is 0 of these; the second byte's bit 2 is Traccar's reading of sos
    (1 << 0, "vibration"),
    (1 << 1 | 1 << 18, "sos"),
    (1 << 2, "overspeed"),
    (1 << 19, "powerCut"),
)
IGNITION = 1 << 10
ALARM_TYPES = {"1": "sos", "2": "lowBattery", "3": "geofence"}  # of ALRM
UNITS_OF_V3 = 0.01  # volts
MOST_CELLS = 64
MOST_POINTS = 200  # in one BC; the manual allows half as many


def decode(frames: Sequence[Frame]) -> Decoded:
    """Plain positions together, the rest one by one."""
    plain, places, days, others = [], [], [], []
    match = PLAIN.fullmatch
    for place, frame in enumerate(frames):
        if frame.kind == "V1" and (found := match(frame.payload)) is not None:
            fields = found.groups()
            if (day := _day_ms(fields[DATE_FIELD])) >= 0:
                plain.append(fields)
                places.append(place)
                days.append(day)
                continue
        if frame.kind != ANSWER:
            others.append(place)
    if not others:
        return Decoded(_plain_columns(plain, places, days))
    rest = _decode_others([frames[place] for place in others])
    rest.columns.frame = np.array(others, "i4")[rest.columns.frame]
    unreadable = [type(bad)(others[bad.frame], bad.reason, bad.ack) for bad in rest.unreadable]
    columns = Columns.concat([_plain_columns(plain, places, days), rest.columns]) if plain else rest.columns
    return Decoded(columns.in_frame_order(), unreadable)


@lru_cache(maxsize=4096)
def _day_ms(date: bytes) -> int:
    """When the day ddmmyy begins; -1: there is no such day."""
    try:
        return time_ms(int(date[4:]), int(date[2:4]), int(date[:2]))
    except CantRead:
        return -1


def _plain_columns(fields: list[tuple[bytes, ...]], places: list[int], days: list[int]) -> Columns:
    if not fields:
        return Columns.empty()
    count = len(fields)
    clock, valid, north, ns, east, ew, speed, course, _, status = zip(*fields, strict=True)
    hms = np.fromiter(map(int, clock), "i8", count)
    seconds = hms // 10000 * 3600 + hms // 100 % 100 * 60 + hms % 100
    latitude, longitude = _degrees(north, ns, b"S"), _degrees(east, ew, b"W")
    nowhere = (np.abs(latitude) > 90) | (np.abs(longitude) > 180)
    latitude[nowhere] = longitude[nowhere] = NAN
    told = list(map(_status_and_rest, status))
    return Columns.of(
        count,
        frame=np.array(places, "i4"),
        time=(np.array(days, "i8") + seconds * 1000).view("M8[ms]"),
        valid=(np.array(valid) == b"A") & ~nowhere,
        latitude=latitude,
        longitude=longitude,
        speed_kmh=np.fromiter(map(float, speed), "f8", count) * KMH_PER_KNOT,
        course_deg=np.fromiter(map(float, course), "f8", count),
        ignition=np.array([row[0] for row in told], "f4"),
        alarms=np.array([row[1] for row in told], "u8"),
        attributes=[row[2] for row in told],
    )


def _degrees(angles: Sequence[bytes], letters: Sequence[bytes], negative: bytes) -> Float64:
    value = np.fromiter(map(float, angles), "f8", len(angles))
    degrees = np.floor(value / 100)
    signed: Float64 = (degrees + (value - degrees * 100) / 60) * np.where(np.array(letters) == negative, -1.0, 1.0)
    return signed


@lru_cache(maxsize=1 << 14)  # a tracker that stands sends the same cell again and again
def _status_and_rest(field: bytes) -> tuple[float, int, bytes]:
    """Ignition, alarms, and the JSON of the rest, from the status and what follows it."""
    flags = int(field[:8], 16)
    parts = [b'"status":%d' % flags]
    for number, part in enumerate(field[9:].split(b","), 1):
        if value := part.strip():
            parts.append(b'"io%d":"%b"' % (number, value))
    return float(flags & IGNITION != 0), _alarms(flags), b"{%b}" % b",".join(parts)


def _alarms(flags: int) -> int:
    for bits, name in STATUS_ALARMS:
        if flags & bits != bits:
            return ALARM_BIT[name]
    return 0


# --- One by one


def read(frame: Frame) -> list[Report]:
    """The report of one message. Raises CantRead."""
    kind = frame.kind
    if kind in (BINARY, LONG_BINARY, MILEAGE):
        return [_binary(frame.payload, kind)]
    fields = frame.payload.decode("ascii", "replace").rstrip("#").split(",")
    if reader := READERS.get(kind):
        return [reader(fields)]
    if kind == "BC":
        return _blind_spots(fields, frame.context)
    return [_position(fields)]


_decode_others: Callable[[Sequence[Frame]], Decoded] = decode_each(read)


def place_of(fields: list[str], *, answers: bool) -> int | None:
    """Which field is the latitude: the one before N or S and a longitude; the last such in an answer to a command."""
    for at in range(len(fields) - 4, 4, -1) if answers else range(5, min(8, len(fields) - 3)):
        if fields[at + 1] in ("N", "S") and fields[at + 3] in ("E", "W"):
            return at
    return None


def _position(fields: list[str]) -> Report:
    """V1 and its kin. V4 repeats a command and its time first, ALRM a type, so the place is looked for by its letters."""
    kind = fields[2]
    at = place_of(fields, answers=kind == "V4")
    if at is None:
        if kind == "V4":
            return Report(attributes={"result": ",".join(fields[3:])[:1000]})
        raise CantRead(f"no place in a message of type {kind[:20]}")
    report = Report(valid=fields[at - 1] == "A" or DIGITS.fullmatch(fields[at - 1]) is not None, attributes={})
    before = fields[3 : at - 2]
    if kind == "V4" and before:
        report.attributes["result"] = ",".join(before)[:1000]
    elif kind == "ALRM" and before:
        report.alarm(ALARM_TYPES.get(before[0], "general"))
    report.latitude, report.longitude = _angle(*fields[at : at + 2]), _angle(*fields[at + 2 : at + 4])
    rest = fields[at + 4 :] + [""] * 3
    report.speed_kmh, report.course_deg = _number(rest[0]) * KMH_PER_KNOT, _number(rest[1])
    dated = 3 if BATTERY.fullmatch(rest[2]) else 2  # a battery bar may come before the date
    if dated < len(rest) and DATE.fullmatch(rest[dated]):
        report.time_ms = _time(rest[dated], fields[at - 2])
    elif rest[dated : dated + 1] != [""]:
        raise CantRead(f"no date: {rest[dated][:20]}")
    _after_date(report, fields[at + 4 + dated + 1 :])
    return report


def _after_date(report: Report, rest: list[str]) -> None:
    """The status, perhaps behind three fields of the SIM card, and what the model adds: its numbers or its cell."""
    status = next((at for at in (0, 3) if at < len(rest) and STATUS.fullmatch(rest[at])), None)
    if status is None:
        return
    _flags(report, rest[status])
    more = rest[status + 1 :]
    if vehicle := VEHICLE.fullmatch(",".join(more[:6])) if len(more) == 6 else None:
        report.odometer_m = float(vehicle[1])
        report.altitude_m = float(vehicle[4])
        report.attributes |= {"temp1": int(vehicle[2]), "fuel": float(vehicle[3])}
        return
    for number, value in enumerate(islice(more, 64), 1):
        if value := value.strip():
            report.attributes[f"io{number}"] = value[:64]


def _flags(report: Report, status: str) -> None:
    flags = int(status, 16)
    report.alarms |= _alarms(flags)
    report.ignition = float(flags & IGNITION != 0)
    report.attributes["status"] = flags


def _angle(text: str, letter: str) -> float:
    for form in ANGLES:
        if found := form.fullmatch(text):
            part = float(found[2]) if "." in found[2] else int(found[2]) / 10_000
            value = int(found[1] or 0) + part / 60
            return -value if letter in "SW" else value
    raise CantRead(f"no degrees and minutes: {text[:20]}")


def _number(text: str) -> float:
    """A speed or course; nothing is 0 by the manual."""
    if not text.strip():
        return 0.0
    if not NUMBER.fullmatch(text):
        raise CantRead(f"no number: {text[:20]}")
    return float(text)


def _time(date: str, clock: str = "") -> int:
    """Milliseconds of ddmmyy and hhmmss; without the second, midnight."""
    if not DATE.fullmatch(date) or (clock and not DATE.fullmatch(clock)):
        raise CantRead(f"no time: {date[:20]} {clock[:20]}")
    hour, minute, second = (int(clock[:2]), int(clock[2:4]), int(clock[4:])) if clock else (0, 0, 0)
    return time_ms(int(date[4:]), int(date[2:4]), int(date[:2]), hour, minute, second)


def _neighbours(fields: list[str]) -> Report:
    """NBR: time, country, network, delay, count, then area, cell and signal of each, date, status. The count is often wrong, so
    that the date tells where the cells end."""
    ends = range(8, min(len(fields) - 1, 8 + 3 * MOST_CELLS + 1), 3)
    end = next((at for at in ends if DATE.fullmatch(fields[at]) and STATUS.fullmatch(fields[at + 1][:8])), None)
    if end is None:
        raise CantRead(f"no date behind the cells, in {len(fields)} fields")
    report = Report(time_ms=_time(fields[end], fields[3]), attributes={})
    cells = [tuple(map(int, fields[at : at + 3])) for at in range(8, end, 3)]
    _network(report, int(fields[4]), int(fields[5]), cells)
    _flags(report, fields[end + 1][:8])
    return report


def _link(fields: list[str]) -> Report:
    """LINK: time, signal, satellites, battery, steps, turnovers, date, status."""
    if len(fields) < 11:
        raise CantRead("too few fields of a heartbeat")
    gsm, satellites, battery, steps, turnovers = map(int, fields[4:9])
    report = Report(
        time_ms=_time(fields[9], fields[3]),
        gsm=gsm,
        satellites=satellites,
        battery_percent=battery,
        attributes={"steps": steps, "turnovers": turnovers},
    )
    _flags(report, _status(fields[10]))
    return report


def _cells_and_battery(fields: list[str]) -> Report:
    """V3: time, country and network in one, count, area, cell and two numbers of each, battery, restarts, X, date, status."""
    if len(fields) > 7 and fields[4] in ("A", "V", "B", ""):
        return _position(fields)  # the older V3: a position that asks for its address
    count = int(fields[5]) if len(fields) > 5 else 0
    end = 6 + 4 * count
    if not 0 < count <= 64 or len(fields) < end + 5:
        raise CantRead(f"{count} cells in {len(fields)} fields")
    report = Report(time_ms=_time(fields[end + 3], fields[3]), battery_v=int(fields[end], 16) * UNITS_OF_V3, attributes={})
    cells = [(int(fields[at]), int(fields[at + 1])) for at in range(6, end, 4)]
    _network(report, int(fields[4][:3]), int(fields[4][3:]), cells)
    _flags(report, _status(fields[end + 4]))
    return report


def _simple(fields: list[str]) -> Report:
    """VP1: a place without a time of day, or cells with Y between them."""
    if len(fields) > 3 and fields[3] == "V":
        cells = [tuple(map(int, text.split(",")[:3])) for text in ",".join(fields[6:]).split("Y")[:64] if text]
        report = Report(attributes={})
        _network(report, int(fields[4]), int(fields[5]), cells)
        return report
    if len(fields) < 11:
        raise CantRead("too few fields of a position")
    report = Report(
        time_ms=_time(fields[10]),
        valid=True,  # GPS or BeiDou: without a fix the tracker sends cells
        latitude=_angle(fields[4], fields[5]),
        longitude=_angle(fields[6], fields[7]),
        speed_kmh=_number(fields[8]) * KMH_PER_KNOT,
        course_deg=_number(fields[9]),
        attributes={},
    )
    _after_date(report, fields[11:])
    return report


def _blind_spots(fields: list[str], date: int) -> list[Report]:
    """BC: points from where there was no network. They say day and time, the month is that of the last position (ddmmyy), or
    the one before it."""
    if not date:
        raise CantRead("points that only say their day, and no position came before them")
    last_day, month, year = date // 10_000, date // 100 % 100, date % 100
    reports = []
    for point in ",".join(fields[5:]).split(";")[:MOST_POINTS]:
        parts = [part.strip() for part in point.split(",")]
        if len(parts) < 8 or not DAY_AND_CLOCK.fullmatch(parts[7]):
            raise CantRead(f"no point: {point[:60]}")
        day, clock = int(parts[7][:2]), parts[7][2:]
        months = year * 12 + month - 1 - (day > last_day)
        report = Report(
            time_ms=_time(f"{day:02d}{months % 12 + 1:02d}{months // 12:02d}", clock),
            valid=parts[0] == "A",
            latitude=_angle(parts[1], parts[2]),
            longitude=_angle(parts[3], parts[4]),
            speed_kmh=_number(parts[5]) * KMH_PER_KNOT,
            course_deg=_number(parts[6]),
            attributes={"archive": True},
        )
        _after_date(report, parts[8:])
        reports.append(report)
    return reports


def _battery(fields: list[str]) -> Report:
    """HTBT and V0: heartbeats, whose first field is the battery."""
    return Report(battery_percent=int(fields[3]), attributes={})


def _last_battery(fields: list[str]) -> Report:
    """XT: a heartbeat whose last field is the battery."""
    return Report(battery_percent=int(fields[-1]), attributes={})


def _text(fields: list[str]) -> Report:
    """SMS: what the tracker answers to a command that came as text."""
    return Report(attributes={"result": ",".join(fields[3:])[:1000]})


READERS: dict[str, Callable[[list[str]], Report]] = {
    "NBR": _neighbours,
    "LINK": _link,
    "V3": _cells_and_battery,
    "VP1": _simple,
    "HTBT": _battery,
    "V0": _battery,
    "XT": _last_battery,
    "SMS": _text,
}


def _status(text: str) -> str:
    if not STATUS.fullmatch(text[:8]):
        raise CantRead(f"no status: {text[:20]}")
    return text[:8]


def _network(report: Report, mcc: int, mnc: int, cells: Sequence[Sequence[int]]) -> None:
    """The cells that are all that tells the place, as Traccar's `network`; area 0 is a table's empty place."""
    towers = [
        {"mobileCountryCode": mcc, "mobileNetworkCode": mnc, "locationAreaCode": area, "cellId": cell}
        | ({"signalStrength": signal[0]} if signal else {})
        for area, cell, *signal in cells
        if area
    ]
    if towers:
        report.attributes["network"] = {"cellTowers": towers}


def _binary(data: bytes, kind: str) -> Report:
    at = 9 if kind == LONG_BINARY else 6
    digits = data[at : at + 19].hex()  # from the time to the course; all but three of them are decimal
    if len(digits) < 38 or not (digits[:20] + digits[22:31]).isdecimal() or not digits[32:].isdecimal():
        raise CantRead(f"no decimal digits: {digits}")
    flags = int(digits[31], 16)
    latitude = int(digits[12:14]) + int(digits[14:20]) / 600_000
    longitude = int(digits[22:25]) + int(digits[25:31]) / 600_000
    report = Report(
        time_ms=_time(digits[6:12], digits[:6]),
        valid=flags & 2 != 0,
        latitude=latitude if flags & 4 else -latitude,
        longitude=longitude if flags & 8 else -longitude,
        speed_kmh=int(digits[32:35]) * KMH_PER_KNOT,
        course_deg=float(int(digits[35:38])),
        attributes={},
    )
    if kind == MILEAGE:
        report.odometer_m = int(bytes(data[1:6]).hex()) * M_PER_COUNT
        report.attributes["temp1"] = data[at + 10]
    else:
        report.battery_percent = _battery_percent(data[at + 10])
    _flags(report, data[at + 19 : at + 23].hex())
    return report


def _battery_percent(code: int) -> float:
    """Six bars, or percent, or bars with F in front, as Traccar reads them."""
    if 0 < code <= 6:
        return (code - 1) * (10 if code <= 3 else 20)
    if 6 < code <= 100:
        return code
    return code - 0xF0 if 0xF1 <= code <= 0xF6 else NAN


__all__ = ["BINARY", "LONG_BINARY", "LONG_BYTES", "MILEAGE", "SHORT_BYTES", "decode", "place_of", "read"]
