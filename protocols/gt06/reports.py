"""The decoder's door, and the two reports that make up most of the traffic, locations and heartbeats, read as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from protocols.columns import NUMBERS, Columns
from protocols.frames import Frame
from protocols.gt06 import packets
from protocols.gt06.fields import (
    ALARM_MASK,
    BATTERY_PERCENT,
    COURSE,
    DEGREES,
    FIXED,
    IGNITION,
    IGNITION_SENT,
    NORTH,
    STATUS_JSON,
    STATUS_MASK,
    WEST,
    Report,
    no_such_date,
    off_the_earth,
    upload_words,
)
from protocols.session import Decoded, Unreadable

PLACE = [  # every location begins so: 18 bytes, in the order of the wire
    ("date", "u1", (6,)),  # year from 2000, month, day, hour, minute, second
    ("satellites", "u1"),  # in the low nibble
    ("latitude", ">u4"),  # 1/30000 minute
    ("longitude", ">u4"),
    ("speed_kmh", "u1"),
    ("flags", ">u2"),  # course, hemispheres, fix, ignition
]
UPLOAD = [
    ("ignition", "u1"),
    ("event", "u1"),  # why it was sent: 0 interval, 1 distance, 2 corner, 3 ignition …
    ("archive", "u1"),  # 1: sent again from memory
]
ODOMETER = [("odometer_m", ">u4")]
STATUS = [
    ("status", "u1"),
    ("battery", "u1"),
    ("gsm", "u1"),
    ("alarm", "u1"),
    ("language", "u1"),
]
PLACE_BYTES = 18
CELL_BYTES: dict[str, int] = {  # what stands between place and tail, when the network code is narrow
    "0x10": 0,
    "0x11": 10,  # wide network code, cell u32
    "0x12": 8,
    "0x22": 8,
    "0x2d": 8,
    "0x31": 8,
    "0xa0": 15,  # area u32, cell u64
}
EVENT_KINDS = frozenset(("0x22", "0x2d", "0x31"))  # these name the reason of sending, and may have unknown bytes behind it
HEARTBEAT = "0x13"
HEARTBEAT_BYTES = 5

NO_TIME = np.iinfo(np.int64).min  # NaT


class Group(NamedTuple):
    """Frames of one kind and length."""

    places: list[int]  # among all frames
    payloads: list[bytes]
    zones_s: list[int]

    def some(self, which: list[int]) -> Group:
        """Those of the frames, counted within the group."""
        return Group(
            [self.places[place] for place in which],
            [self.payloads[place] for place in which],
            [self.zones_s[place] for place in which],
        )


def decode(frames: Sequence[Frame]) -> Decoded:
    """Frames of any kinds and trackers; rows come in the order of their frames."""
    groups: dict[tuple[str, int], Group] = {}
    for place, frame in enumerate(frames):
        payload = frame.payload
        key = (frame.kind, len(payload))
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group([], [], [])
        group.places.append(place)
        group.payloads.append(payload)
        group.zones_s.append(frame.context)
    parts: list[Columns] = []
    unreadable: list[Unreadable] = []
    for (kind, size), group in groups.items():
        if packets.variant(kind, size) is None:
            if kind in CELL_BYTES and size >= PLACE_BYTES + CELL_BYTES[kind]:
                parts += _read_locations(kind, size, group, unreadable)
                continue
            if kind == HEARTBEAT and size == HEARTBEAT_BYTES:
                parts.append(_read_heartbeats(group))
                continue
        parts.append(_read_one_by_one(kind, size, group, unreadable))
    unreadable.sort(key=lambda bad: bad.frame)
    return Decoded(Columns.concat(parts).in_frame_order(), unreadable)


@lru_cache(maxsize=4096)
def layout(kind: str, size: int, wide: bool) -> np.dtype[Any]:
    """The wire of a location of that kind and length, as a numpy record."""
    cell = CELL_BYTES[kind]
    tail = PLACE_BYTES + cell + (1 if wide and kind != "0x11" and cell else 0)
    left = size - tail
    fields: list[Any] = list(PLACE)
    if left in (3, 7) or (kind in EVENT_KINDS and left >= 3):
        fields += [("cell", "V", tail - PLACE_BYTES), *UPLOAD]
        if left == 7:
            fields += ODOMETER
    elif left == 4:
        fields += [("cell", "V", tail - PLACE_BYTES), *ODOMETER]
    known = np.dtype(_sized(fields))
    return np.dtype(_sized([*fields, ("unknown", "V", size - known.itemsize)]))


def _sized(fields: list[Any]) -> list[Any]:
    """Fields without empty ones; ("name", "V", 3) becomes three bytes that nobody reads."""
    return [(field[0], f"V{field[2]}") if field[1] == "V" else field for field in fields if field[1] != "V" or field[2] > 0]


def _read_locations(kind: str, size: int, group: Group, unreadable: list[Unreadable]) -> list[Columns]:
    """Split by the width of the network code, which is a bit in the first byte of the cell."""
    if size == PLACE_BYTES or not CELL_BYTES[kind]:
        return [_read_places(layout(kind, size, False), group, unreadable)]
    wide = [payload[PLACE_BYTES] >= 0x80 for payload in group.payloads]
    if not any(wide):
        return [_read_places(layout(kind, size, False), group, unreadable)]
    parts = []
    for width in (False, True):
        some = [place for place, is_wide in enumerate(wide) if is_wide is width]
        if some:
            parts.append(_read_places(layout(kind, size, width), group.some(some), unreadable))
    return parts


def _read_places(wire_layout: np.dtype[Any], group: Group, unreadable: list[Unreadable]) -> Columns:
    wire = np.frombuffer(b"".join(group.payloads), wire_layout)
    flags = wire["flags"]
    latitude = wire["latitude"] * np.where(flags & NORTH, DEGREES, -DEGREES)
    longitude = wire["longitude"] * np.where(flags & WEST, -DEGREES, DEGREES)
    time, is_date = instants(wire["date"], np.array(group.zones_s, "i8"))
    good = is_date & (np.abs(latitude) <= 90) & (np.abs(longitude) <= 180)
    ignition = np.where(flags & IGNITION_SENT, (flags & IGNITION) != 0, np.nan)
    more: dict[str, Any] = {}
    attributes: list[bytes | None] | None = None
    names = wire_layout.names or ()
    if "ignition" in names:
        ignition = wire["ignition"] > 0
        attributes = _upload_attributes(wire["event"], wire["archive"])
    if "odometer_m" in names:
        more["odometer_m"] = wire["odometer_m"]
    columns = Columns.of(
        len(wire),
        frame=group.places,
        time=time,
        valid=(flags & FIXED) != 0,
        latitude=latitude,
        longitude=longitude,
        speed_kmh=wire["speed_kmh"],
        course_deg=flags & COURSE,
        satellites=wire["satellites"] & 0x0F,
        ignition=ignition,
        attributes=attributes,
        **more,
    )
    if bool(good.all()):
        return columns
    for place in np.flatnonzero(~good).tolist():
        reason = off_the_earth(latitude[place], longitude[place]) if is_date[place] else no_such_date(*wire["date"][place])
        unreadable.append(Unreadable(group.places[place], reason))
    return columns.take(np.flatnonzero(good))


def instants(dates: NDArray[np.uint8], zones_s: NDArray[np.int64]) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Rows of y m d h m s as UTC, and which of them are dates at all."""
    year, month, day, hour, minute, second = dates.T.astype("i8")
    months = (360 + year * 12 + np.clip(month, 1, 12) - 1).astype("M8[M]")  # counted from 1970; 2000 is 360 months on
    first = months.astype("M8[D]")
    days_in_month = ((months + np.timedelta64(1, "M")).astype("M8[D]") - first).astype("i8")
    is_date = (month >= 1) & (month <= 12) & (day >= 1) & (day <= days_in_month) & (hour < 24) & (minute < 60) & (second < 60)
    seconds = first.astype("M8[s]").astype("i8") + (day - 1) * 86400 + hour * 3600 + minute * 60 + second - zones_s
    return (seconds * 1000).astype("M8[ms]"), is_date


# By event, then by event again for archived ones. Most are event 0, "the interval is over", which needs no word.
UPLOAD_JSON: tuple[bytes | None, ...] = tuple(
    msgspec.json.encode(words) if (words := upload_words(event, archive)) else None for archive in (0, 1) for event in range(256)
)


def _upload_attributes(event: NDArray[np.uint8], archive: NDArray[np.uint8]) -> list[bytes | None] | None:
    codes = event + (archive > 0) * np.uint16(256)
    return [UPLOAD_JSON[code] for code in codes.tolist()] if codes.any() else None


def _read_heartbeats(group: Group) -> Columns:
    wire = np.frombuffer(b"".join(group.payloads), STATUS)
    status = wire["status"]
    return Columns.of(
        len(wire),
        frame=group.places,
        ignition=(status & 0x02) > 0,
        battery_percent=BATTERY_PERCENT[wire["battery"]],
        gsm=wire["gsm"],
        alarms=STATUS_MASK[status] | ALARM_MASK[wire["alarm"]],
        attributes=[STATUS_JSON[flags] for flags in status.tolist()],
    )


def _read_one_by_one(kind: str, size: int, group: Group, unreadable: list[Unreadable]) -> Columns:
    places: list[int] = []
    reports: list[Report] = []
    for place, payload, zone_s in zip(*group, strict=True):
        read = packets.read(kind, payload, zone_s)
        if isinstance(read, str):
            unreadable.append(Unreadable(place, read))
        else:
            places.append(place)
            reports.append(read)
    return _columns(places, reports)


def _columns(places: list[int], reports: list[Report]) -> Columns:
    if not reports:
        return Columns.empty()
    used = {name for report in reports for name in report.numbers}
    times = [NO_TIME if report.time_ms is None else report.time_ms for report in reports]
    return Columns.of(
        len(reports),
        frame=places,
        time=np.array(times, "i8").astype("M8[ms]"),
        valid=[report.valid for report in reports],
        alarms=np.array([report.alarms for report in reports], "u8"),
        attributes=[report.attributes() for report in reports],
        **{name: [report.numbers.get(name, np.nan) for report in reports] for name, _ in NUMBERS if name in used},
    )
