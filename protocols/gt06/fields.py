"""What the readers of GT06 frames share: codes and their meanings as tables, a cursor over content, and the report being made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from protocols.columns import ALARM_BIT
from protocols.cursor import Cursor

DEGREES = 1.0 / 1_800_000  # a unit of latitude or longitude: 1/30000 minute
IGNITION_SENT, IGNITION, FIXED, WEST, NORTH, COURSE = 0x4000, 0x8000, 0x1000, 0x0800, 0x0400, 0x03FF  # bits of a place's flags

ALARM_CODES: dict[int, str] = {  # Concox manual, "alarm and language", and Jimi's later additions; absent: not an alarm
    0x01: "sos", 0x02: "powerCut", 0x03: "vibration", 0x04: "geofenceEnter", 0x05: "geofenceExit", 0x06: "overspeed",
    0x09: "vibration", 0x0C: "tampering", 0x0E: "lowBattery", 0x0F: "lowBattery", 0x11: "powerOff", 0x13: "tampering",
    0x14: "door", 0x18: "removing", 0x19: "lowBattery", 0x1A: "hardBraking", 0x1B: "hardCornering", 0x23: "fallDown",
    0x25: "tampering", 0x26: "hardAcceleration", 0x27: "hardBraking", 0x28: "hardBraking", 0x29: "hardAcceleration",
    0x2A: "hardCornering", 0x2B: "hardCornering", 0x2C: "accident", 0x2E: "hardCornering", 0x30: "jamming",
    0x32: "tampering", 0x33: "lock", 0x34: "unlock", 0x53: "fuelLeak", 0x5B: "temperature", 0x5C: "temperature", 0xC9: "idle",
    0x107: "jamming", 0x10B: "jamming",
}  # fmt: skip
STATUS_ALARMS: tuple[str | None, ...] = (None, "vibration", "powerCut", "lowBattery", "sos", None, "geofence", "removing")


def alarm_bit(name: str | None) -> int:
    return ALARM_BIT[name] if name else 0


def _battery_percent(value: int) -> float:
    if value <= 6:
        return value * 100 // 6
    return value if value <= 100 else np.nan


BATTERY_PERCENT: NDArray[np.float32] = np.array([_battery_percent(value) for value in range(256)], "f4")
ALARM_MASK: NDArray[np.uint64] = np.array([alarm_bit(ALARM_CODES.get(code)) for code in range(256)], "u8")
STATUS_MASK: NDArray[np.uint64] = np.array([alarm_bit(STATUS_ALARMS[status >> 3 & 7]) for status in range(256)], "u8")


def status_words(status: int) -> dict[str, Any]:
    """The attributes in a status byte."""
    return {"status": status, "charge": bool(status & 0x04), "blocked": bool(status & 0x80)}


def upload_words(event: int, archive: int) -> dict[str, Any]:
    """Why a location was sent, unless because its interval was over, and whether it comes from memory."""
    return ({"event": event} if event else {}) | ({"archive": True} if archive else {})


STATUS_JSON: tuple[bytes, ...] = tuple(msgspec.json.encode(status_words(status)) for status in range(256))


class Report:
    """One row of columns while it is being read."""

    __slots__ = ("alarms", "cells", "more", "numbers", "time_ms", "valid", "wifi")

    def __init__(self) -> None:
        self.time_ms: int | None = None
        self.valid = False
        self.numbers: dict[str, float] = {}  # by column
        self.alarms = 0
        self.more: dict[str, Any] = {}  # attributes
        self.cells: list[dict[str, int]] = []
        self.wifi: list[dict[str, Any]] = []

    def alarm(self, name: str | None) -> None:
        self.alarms |= alarm_bit(name)

    def cell(self, mcc: int, mnc: int, area: int, cell: int, signal: int | None = None) -> None:
        """A cell tower; area 0 is a table's empty place."""
        if area > 0:
            tower = {"mobileCountryCode": mcc & 0x7FFF, "mobileNetworkCode": mnc, "locationAreaCode": area, "cellId": cell}
            self.cells.append(tower if signal is None else tower | {"signalStrength": signal})

    def access_point(self, mac: bytes, signal: int | None) -> None:
        point: dict[str, Any] = {"macAddress": mac.hex(":")}
        self.wifi.append(point if signal is None else point | {"signalStrength": signal})

    def attributes(self) -> bytes | None:
        """Cells and access points are kept where they are all that tells the place, as Traccar's `network`."""
        if (self.cells or self.wifi) and "latitude" not in self.numbers:
            network = {"cellTowers": self.cells, "wifiAccessPoints": self.wifi}
            self.more["network"] = {name: seen for name, seen in network.items() if seen}
        return msgspec.json.encode(self.more) if self.more else None


ReadKind = Callable[[Cursor, Report, int], None]  # a reader of one kind: cursor, row to fill, zone in seconds


def unix_ms(seconds: int) -> int:
    return seconds * 1000


def date_ms(r: Cursor, zone_s: int) -> int:
    """Six binary numbers y m d h m s. Raises ValueError when they are no date."""
    year, month, day, hour, minute, second = r.take(6)
    return _instant_ms(year, month, day, hour, minute, second) - zone_s * 1000


def bcd_date_ms(r: Cursor) -> int:
    """Six numbers of two decimal digits each, in UTC. Raises ValueError when they are no date."""
    digits = r.take(6).hex()
    year, month, day, hour, minute, second = (int(digits[place : place + 2]) for place in range(0, 12, 2))
    return _instant_ms(year, month, day, hour, minute, second)


def _instant_ms(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    try:
        instant = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise ValueError(no_such_date(year, month, day, hour, minute, second)) from None
    return int(instant.timestamp()) * 1000


def no_such_date(year: int, month: int, day: int, hour: int, minute: int, second: int) -> str:
    return f"no such date: 20{year:02}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"


def off_the_earth(latitude: float, longitude: float) -> str:
    return f"no such place: {latitude:.5f}, {longitude:.5f}"


def place(r: Cursor, report: Report, zone_s: int) -> None:
    """Date and place as in every location."""
    report.time_ms = date_ms(r, zone_s)
    fix(r, report)


def fix(r: Cursor, report: Report) -> None:
    """Satellites and place, without the date."""
    report.numbers["satellites"] = r.u8() & 0x0F
    latitude, longitude = r.u32(), r.u32()
    report.numbers["speed_kmh"] = r.u8()
    point(report, latitude, longitude, r.u16())


def point(report: Report, latitude: int, longitude: int, flags: int) -> None:
    north = latitude * DEGREES * (1 if flags & NORTH else -1)
    east = longitude * DEGREES * (-1 if flags & WEST else 1)
    if abs(north) > 90 or abs(east) > 180:
        raise ValueError(off_the_earth(north, east))
    report.numbers |= {"latitude": north, "longitude": east, "course_deg": flags & COURSE}
    report.valid = bool(flags & FIXED)
    if flags & IGNITION_SENT:
        report.numbers["ignition"] = bool(flags & IGNITION)


def cell(r: Cursor, report: Report, *, area: int = 2, tower: int = 3, wide: bool = False, signal: int = 0) -> None:
    """One cell; area, tower and signal are the widths of their fields in bytes, wide that of the network code."""
    mcc = r.u16()
    mnc = r.u16() if wide or mcc & 0x8000 else r.u8()
    report.cell(mcc, mnc, r.unsigned(area), r.unsigned(tower), r.unsigned(signal) if signal else None)


def typed_cell(r: Cursor, report: Report) -> None:
    if r.u8() >= 3:  # LTE
        cell(r, report, area=4, tower=8, signal=2)
    else:
        cell(r, report, signal=1)


def status(r: Cursor, report: Report) -> None:
    """The flags of a status; what follows them differs."""
    flags = r.u8()
    report.numbers["ignition"] = bool(flags & 0x02)
    report.more |= status_words(flags)
    report.alarm(STATUS_ALARMS[flags >> 3 & 7])


def battery(r: Cursor, report: Report) -> None:
    percent = float(BATTERY_PERCENT[r.u8()])
    if percent == percent:
        report.numbers["battery_percent"] = percent


def bar_status(r: Cursor, report: Report, *, long_codes: bool = False) -> None:
    """Flags, battery, signal, alarm and language; with long codes the language's high half belongs to the alarm."""
    status(r, report)
    battery(r, report)
    report.numbers["gsm"] = r.u8()
    code = r.u8() if r.left else 0
    language = r.u8() if r.left else 0
    report.alarm(ALARM_CODES.get((language >> 4) << 8 | code if long_codes else code))


def text(data: bytes) -> str:
    """Printable text without the padding around it."""
    return data.decode("ascii", "replace").strip(" \t\r\n\0")


def hexadecimal(digits: str) -> int:
    """At most 32 bits. Raises ValueError."""
    if len(digits) > 8:
        raise ValueError(f"more than eight hexadecimal digits: {digits[:16]}…")
    return int(digits, 16)
