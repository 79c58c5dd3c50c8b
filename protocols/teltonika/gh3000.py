"""Codec 7: records of the GH3000, a personal tracker of 2009. They are few, so they are read one by one.

```
Record     time u32         & 3FFFFFFF: seconds since 2007; the upper two bits are its priority
           mask u8          01 a GPS element follows, 02 elements of 1 byte, 04 of 2 bytes, 08 of 4 bytes
GPS        mask u8
           & 01             latitude f32, longitude f32, degrees
           & 02             altitude u16, m
           & 04             course u8, 360/256 degrees
           & 08             speed u8, km/h
           & 10             satellites u8
           & 20             area u16, cell u16
           & 40             GSM signal u8
           & 80             operator u32
Elements   count u8, then as many: id u8, value
Source     as Traccar 6 reads it; the maker's manual is no longer published
```
A record without latitude and longitude is telemetry alone. (Traccar takes it for a valid fix at 0, 0.)
"""

from __future__ import annotations

import math
import struct
from typing import Any

from protocols.columns import ALARM_BIT
from protocols.teltonika.rows import CantRead, Report

GH3000 = 0x07
EPOCH_S = 1167609600  # 2007-01-01
PLACE, GPS = 0x01, 0x01
FIELDS: tuple[tuple[int, str, str], ...] = (  # of the GPS element behind the place: bit, wire format, name
    (0x02, ">H", "altitude_m"),
    (0x04, ">B", "course_deg"),
    (0x08, ">B", "speed_kmh"),
    (0x10, ">B", "satellites"),
    (0x20, ">HH", "cell"),
    (0x40, ">B", "gsm"),
    (0x80, ">I", "operator"),
)
SIZES = ((0x02, 1), (0x04, 2), (0x08, 4))  # of the elements, by bit of the mask


def read_gh3000(payload: bytes) -> list[Report]:
    """The records of a body. Raises CantRead."""
    try:
        reports, at = [], 2
        for _ in range(payload[1]):
            report, at = _record(payload, at)
            reports.append(report)
    except (struct.error, IndexError):
        raise CantRead("a record is cut") from None
    if at != len(payload) - 1 or payload[at] != payload[1]:
        raise CantRead(f"more or less than the {payload[1]} records it says")
    return reports


def _record(payload: bytes, at: int) -> tuple[Report, int]:
    seconds, mask = struct.unpack_from(">IB", payload, at)
    report = Report({}, time_ms=((seconds & 0x3FFFFFFF) + EPOCH_S) * 1000)
    at += 5
    if mask & GPS:
        at = _gps(payload, at, report)
    for bit, size in SIZES:
        if mask & bit:
            count = payload[at]
            at += 1
            for _ in range(count):
                _element(payload[at], int.from_bytes(payload[at + 1 : at + 1 + size], "big"), report)
                at += 1 + size
    return report, at


def _gps(payload: bytes, at: int, report: Report) -> int:
    mask, numbers = payload[at], report.numbers
    at += 1
    if mask & PLACE:
        latitude, longitude = struct.unpack_from(">ff", payload, at)
        at += 8
        if not (math.isfinite(latitude) and math.isfinite(longitude)):
            raise CantRead("a place that is no number")
        numbers["latitude"], numbers["longitude"] = latitude, longitude
        report.valid = True
    for bit, form, name in FIELDS:
        if not mask & bit:
            continue
        value, *more = struct.unpack_from(form, payload, at)
        at += struct.calcsize(form)
        if name == "cell":
            report.attributes |= {"lac": value, "cid2g": more[0]}
        elif name == "operator":
            report.attributes["operator"] = value
        else:
            numbers[name] = value * 360 / 256 if name == "course_deg" else value
    if numbers.get("satellites") == 0:
        report.valid = False
    return at


def _element(number: int, value: int, report: Report) -> None:
    attributes: dict[str, Any] = report.attributes
    if number in COLUMNS:
        name, factor = COLUMNS[number]
        report.numbers[name] = value * factor if name != "motion" else value != 0
    elif number in DILUTIONS:
        attributes[DILUTIONS[number]] = value / 10
    elif number in FLAGS:
        attributes[FLAGS[number]] = value != 0
    elif number == SOS:
        report.alarms |= ALARM_BIT["sos"] if value else 0
    else:
        attributes[NAMES.get(number, f"io{number}")] = value


COLUMNS = {1: ("battery_percent", 1.0), 67: ("battery_v", 0.001), 240: ("motion", 1.0)}
DILUTIONS = {20: "hdop", 21: "vdop", 22: "pdop"}
FLAGS = {2: "usbConnected", 244: "roaming"}
NAMES = {5: "uptime", 221: "button"}
SOS = 222
