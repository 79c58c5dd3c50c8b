"""CCC, records of one layout, and CCE, records of parameters with an id each; little-endian."""

from __future__ import annotations

import struct
from collections.abc import Callable

from protocols.cursor import Around
from protocols.meitrack.text import ALARMS
from protocols.reports import NAN, CantRead, Report

RECORD = struct.Struct(
    "<B"  # event
    "ii"  # latitude, longitude, 1e-6 degree
    "I"  # seconds since 2000, UTC
    "BBB"  # valid, satellites, GSM
    "HHHh"  # km/h, course, HDOP in tenths, altitude m
    "II"  # odometer m, run time s
    "4H"  # cell
    "H"  # inputs and outputs
    "HHH"  # analog input, battery in hundredths of a volt, power the same
    "I"  # fence
)
CCC_HEAD_BYTES = 8
SINCE_2000_MS = 946_684_800_000


def count_of_fixed(content: bytes) -> int:
    """How many records a CCC holds."""
    head = content.split(b",", 3)
    return max(0, len(head[3]) - CCC_HEAD_BYTES) // RECORD.size if len(head) > 3 else 0


def fixed_records(data: bytes) -> list[Report]:
    if len(data) < CCC_HEAD_BYTES:
        raise CantRead("a list shorter than its head")
    size = int.from_bytes(data[2:4], "little")
    if size != RECORD.size:
        raise CantRead(f"records of {size} bytes: only those of {RECORD.size} are known")
    end = CCC_HEAD_BYTES + (len(data) - CCC_HEAD_BYTES) // size * size
    return [_record(*values) for values in RECORD.iter_unpack(data[CCC_HEAD_BYTES:end])]


def _record(
    event: int, latitude: int, longitude: int, time: int, valid: int, satellites: int, gsm: int, speed: int, course: int,
    hdop: int, altitude: int, odometer: int, runtime: int, mcc: int, mnc: int, lac: int, cell: int, status: int, analog: int,
    battery: int, power: int, fence: int,
) -> Report:  # fmt: skip
    report = Report(
        SINCE_2000_MS + time * 1000,
        valid == 1,
        0,
        latitude / 1e6,
        longitude / 1e6,
        altitude,
        speed,
        course,
        NAN,
        satellites,
        power_v=power / 100,
        battery_v=battery / 100,
        odometer_m=odometer,
        gsm=gsm,
        attributes={"event": event, "hdop": hdop / 10, "runtime": runtime, "status": status, "adc1": analog},
    )
    if event in ALARMS:
        report.alarm(ALARMS[event])
    if not report.valid:
        around = Around()
        around.cell(mcc, mnc, lac, cell, gsm)
        report.attributes.update(around.network())
    return report


# --- CCE ---------------------------------------------------------------------------------------------------------------------

Put = Callable[[Report, int], None]


def _column(name: str, factor: float = 1) -> Put:
    return lambda report, value: setattr(report, name, value * factor)


def _attribute(name: str, divisor: int = 1) -> Put:
    def put(report: Report, value: int) -> None:
        report.attributes[name] = value if divisor == 1 else value / divisor

    return put


def _valid(report: Report, value: int) -> None:
    report.valid = value > 0


def _event(report: Report, value: int) -> None:
    report.attributes["event"] = value
    if value in ALARMS:
        report.alarm(ALARMS[value])


def _lock(report: Report, value: int) -> None:
    if value:
        report.attributes["lock"] = value == 2


def _time(report: Report, value: int) -> None:
    report.time_ms = SINCE_2000_MS + value * 1000


def _driver(report: Report, value: int) -> None:
    report.attributes["driverUniqueId"] = str(value)


BYTES: dict[int, Put] = {
    0x01: _event,
    0x05: _valid,
    0x06: _column("satellites"),
    0x07: _column("gsm"),
    0x14: _attribute("output"),
    0x15: _attribute("input"),
    0x47: _lock,
    0x97: _attribute("throttle"),
    0x9D: _attribute("fuel"),
    0xFE69: _column("battery_percent"),
}
WORDS: dict[int, Put] = {
    0x08: _column("speed_kmh"),
    0x09: _column("course_deg"),
    0x0A: _attribute("hdop", 10),
    0x16: _attribute("adc1", 100),
    0x17: _attribute("adc2", 100),
    0x18: _attribute("adc3", 100),
    0x19: _column("battery_v", 0.01),
    0x1A: _column("power_v", 0.01),
    0x29: _attribute("fuel", 100),
    0x40: _event,
    0x91: _attribute("obdSpeed"),
    0x92: _attribute("obdSpeed"),
    0x98: _attribute("fuelUsed"),
    0x99: _attribute("rpm"),
    0x9C: _attribute("coolantTemp"),
    0x9F: _attribute("temp1"),
    0xC9: _attribute("fuelConsumption"),
}
SIGNED_WORDS: dict[int, Put] = {0x0B: _column("altitude_m")}
LONGS: dict[int, Put] = {
    0x04: _time,
    0x0C: _column("odometer_m"),
    0x0D: _attribute("runtime"),
    0x25: _driver,
    0x9B: _attribute("obdOdometer"),
    0xA0: _attribute("fuelUsed", 1000),
    0xA2: _attribute("fuelConsumption", 100),
    0xFEF4: _column("engine_hours_s", 60),
}
SIGNED_LONGS: dict[int, Put] = {0x02: _column("latitude", 1e-6), 0x03: _column("longitude", 1e-6)}
LISTS: tuple[tuple[int, dict[int, Put], dict[int, Put]], ...] = (  # bytes of a value, who takes it without and with a sign
    (1, BYTES, {}),
    (2, WORDS, SIGNED_WORDS),
    (4, LONGS, SIGNED_LONGS),
)
CELLS = frozenset((0x0E, 0x0F, 0x10, 0x12, 0x13))
NETWORKS = range(0x1D, 0x26)
PROBES = range(0x2A, 0x32)
CELL = struct.Struct("<HHHIh")
PROBE = struct.Struct("<Bh")
BATTERIES = ("", "battery2Level", "battery3Level")


def listed_records(data: bytes) -> list[Report]:
    count, at, reports = int.from_bytes(data[4:6], "little"), 6, []
    for _ in range(count):
        if at + 5 > len(data):
            break
        end = at + 2 + int.from_bytes(data[at : at + 2], "little")
        try:
            reports.append(_listed(data[: min(end, len(data))], at + 4))
        except IndexError:
            raise CantRead(f"record {len(reports) + 1} of {count} ends inside a parameter") from None
        at = end
    if not reports:
        raise CantRead("a list without a whole record")
    return reports


def _listed(data: bytes, at: int) -> Report:
    report = Report()
    for size, unsigned, signed in LISTS:
        count = data[at]
        at += 1
        for _ in range(count):
            at, name = _id(data, at)
            value = data[at : at + size]
            at += size
            if put := unsigned.get(name):
                put(report, int.from_bytes(value, "little"))
            elif put := signed.get(name):
                put(report, int.from_bytes(value, "little", signed=True))
    if at >= len(data):
        return report
    around = Around()
    count = data[at]
    at += 1
    for _ in range(count):
        at, name = _id(data, at)
        value = data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
        _long_value(name, value, report, around)
    if not report.valid:
        report.attributes.update(around.network())
    return report


def _id(data: bytes, at: int) -> tuple[int, int]:
    """Where the value begins, and whose it is."""
    if data[at] == 0xFE:
        return at + 2, 0xFE00 | data[at + 1]
    return at + 1, data[at]


def _long_value(name: int, value: bytes, report: Report, around: Around) -> None:
    attributes = report.attributes
    if name in CELLS and len(value) >= CELL.size:
        around.cell(*CELL.unpack_from(value))
    elif name in NETWORKS and len(value) >= 8:
        around.access_point(value[:6], int.from_bytes(value[6:8], "little", signed=True))
    elif name in PROBES and len(value) >= PROBE.size:
        attributes[f"temp{name - 0x2A}"] = PROBE.unpack_from(value)[1] / 100
    elif name == 0xFE31 and len(value) >= 2:
        attributes["alarmType"] = value[1]
        if value[0] == 2 and len(value) > 10:
            file = value[2:].decode("ascii", "replace")
            attributes["image"] = f"{file[:4]}-{file[4:6]}-{file[6:8]}/{file}"
    elif name == 0xFE73 and len(value) >= 2 and len(value) >= value[1] + 13:
        end = 2 + value[1]
        battery, temperature, humidity = struct.unpack_from("<Bhh", value, end + 6)
        attributes["tagName"] = value[2:end].decode("ascii", "replace")
        attributes |= {"tagBattery": battery, "tagTemp": temperature / 256, "tagHumidity": humidity / 256}
    elif name == 0xFEA8:
        for place, key in enumerate(BATTERIES):
            present = value[2 * place : 2 * place + 2]
            if len(present) == 2 and present[0]:
                if key:
                    attributes[key] = present[1]
                else:
                    report.battery_percent = present[1]
