"""Suntech's reports in bytes: the universal report, zipped, and what was felt in a crash."""

from __future__ import annotations

from struct import Struct

from msgspec.json import encode

from protocols.fields import bcd, time_ms
from protocols.reports import CantRead, Report
from protocols.suntech.text import ALERTS, DRIVER_ALERT, read_serial, say_why

CRASH_PLACE_BYTES = 12 + 600
CRASH_SAMPLES = 100  # of acceleration, three axes, in the second around each place
CRASH_BYTES = 6 + 4 * CRASH_PLACE_BYTES
CRASH_SECONDS = (-3, -2, -1, 1)  # when the four places were taken, seen from the crash


ZIP_BYTES = (0, 1, 3, 1, 3, 3, 4, 2, 2, 2, 1, 4, 4, 2, 2, 1, 1, 1, 1, 1, 2)  # of the field that belongs to each bit of the mask
ZIP_DRIVER = 21


def read_zip(message: bytes) -> Report:
    """The universal report in bytes. Latitude and longitude are 1e-6°, the highest bit is the sign."""
    mask = int.from_bytes(message[8:11], "big")
    values: dict[int, bytes] = {}
    at = 11
    for bit, size in enumerate(ZIP_BYTES):
        if size and mask >> bit & 1:
            values[bit] = message[at : at + size]
            at += size
    if at > len(message):
        raise CantRead("the report ends within its fields")
    report = Report(attributes={"type": "ALT" if message[0] == 0x82 else "STT"})
    attributes = report.attributes
    number = {bit: int.from_bytes(value, "big") for bit, value in values.items()}
    if 2 in values:
        attributes["versionFw"] = ".".join(str(part) for part in values[2])
    if number.get(3) == 0:
        attributes["archive"] = True
    if 4 in values and 5 in values:
        report.time_ms = time_ms(*values[4], *values[5])
    report.gsm = number.get(10, report.gsm)
    if 11 in values and 12 in values:
        report.latitude, report.longitude = _signed(number[11]), _signed(number[12])
    if 13 in values:
        report.speed_kmh = number[13] / 100
    if 14 in values:
        report.course_deg = number[14] / 100
    report.satellites = number.get(15, report.satellites)
    report.valid = number.get(16, 0) > 0
    if 17 in values:
        report.ignition = float(number[17] & 1)
        attributes["input"] = number[17]
    if 18 in values:
        attributes["output"] = number[18]
    if 19 in values and message[0] == 0x82:
        attributes["event"] = number[19]
        if number[19] in ALERTS:
            report.alarm(ALERTS[number[19]])
        if number[19] == DRIVER_ALERT and mask >> ZIP_DRIVER & 1:
            attributes["driverUniqueId"] = message[at : at + 8].hex()
    return report


OLD_ZIP = Struct(">3x6B3xB3sB3sHsHsBIBsB")
# model, version | date and time | cell | latitude, longitude: degrees, millionths | km/h, hundredths | course, hundredths |
# 0x80 valid, 0x40 south, 0x20 west, satellites | odometer m | supply V, hundredths | inputs and outputs; then what its kind has
OLD_ZIP_AT = 9
OLD_ZIP_TAIL = Struct(">IBsB")  # minutes of driving | backup V and hundredths | 0 late
OLD_ZIP_KINDS = {0x10: ("STT", 3), 0x11: ("EMG", 1), 0x12: ("EVT", 1), 0x13: ("ALT", 1), 0x16: ("UEX", 3)}  # and least bytes


def read_old_zip(message: bytes) -> Report:
    """A legacy report in bytes. Whole parts are numbers, what is behind the point is BCD."""
    kind, own_bytes = OLD_ZIP_KINDS[message[3]]
    values = OLD_ZIP.unpack_from(message, OLD_ZIP_AT)
    (north, north_part, east, east_part, speed, speed_part, course, course_part, flags, odometer, volts, volts_part,
     states) = values[6:]  # fmt: skip
    latitude, longitude = north + int(bcd(north_part)) / 1e6, east + int(bcd(east_part)) / 1e6
    report = Report(
        time_ms=time_ms(*values[:6]),
        valid=flags & 0x80 > 0,
        latitude=-latitude if flags & 0x40 else latitude,
        longitude=-longitude if flags & 0x20 else longitude,
        speed_kmh=speed + int(bcd(speed_part)) / 100,
        course_deg=course + int(bcd(course_part)) / 100,
        satellites=flags & 0x1F,
        odometer_m=odometer,
        power_v=volts + int(bcd(volts_part)) / 100,
        ignition=states & 1,
        attributes={"type": kind},
    )
    for bit, name in enumerate(("in1", "in2", "in3", "out1", "out2"), 1):
        report.attributes[name] = bool(states >> bit & 1)
    at = OLD_ZIP_AT + OLD_ZIP.size
    if kind == "STT":
        report.attributes["status"] = message[at]
    elif kind == "UEX":
        size = int.from_bytes(message[at : at + 2], "big")
        said = message[at + 2 : at + 2 + size].decode("ascii", "replace")
        read_serial(report, [str(len(said)), *said.split(";"), ""], 0)
        own_bytes += size
    else:
        say_why(report, kind, message[at])
    tail = message[at + own_bytes : -1]
    if len(tail) >= OLD_ZIP_TAIL.size:
        minutes, backup, backup_part, is_now = OLD_ZIP_TAIL.unpack_from(tail)
        report.engine_hours_s, report.battery_v = minutes * 60, backup + int(bcd(backup_part)) / 100
        if not is_now:
            report.attributes["archive"] = True
    return report


def _signed(value: int) -> float:
    return -(value & 0x7FFFFFFF) / 1e6 if value >> 31 else value / 1e6


def read_crash(content: bytes) -> list[Report]:
    """Four places around a crash, each with a second of acceleration. The crash is told in the one that follows it."""
    crash_ms = time_ms(*content[:6])
    reports = []
    for number, second in enumerate(CRASH_SECONDS):
        at = 6 + number * CRASH_PLACE_BYTES
        samples = content[at + 12 : at + CRASH_PLACE_BYTES]
        axes = [int.from_bytes(samples[place : place + 2], "little", signed=True) for place in range(0, len(samples), 2)]
        report = Report(
            time_ms=crash_ms + second * 1000,
            valid=True,
            latitude=int.from_bytes(content[at : at + 4], "little", signed=True) * 1e-7,
            longitude=int.from_bytes(content[at + 4 : at + 8], "little", signed=True) * 1e-7,
            speed_kmh=int.from_bytes(content[at + 8 : at + 10], "big") / 100,
            course_deg=int.from_bytes(content[at + 10 : at + 12], "big") / 100,
            attributes={"gSensor": encode([axes[sample : sample + 3] for sample in range(0, 3 * CRASH_SAMPLES, 3)]).decode()},
        )
        if second > 0:
            report.alarm("accident")
        reports.append(report)
    return reports
