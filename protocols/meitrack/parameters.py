"""CCE: records of parameters with an id each, in four lists by the size of their values; little-endian.

A tracker sends the same ids for days, so what they mean is looked up once for each sequence of them: a `Plan` takes all values of
the first three lists in one go. The fourth list, of any size, is read one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from protocols.cursor import Around
from protocols.meitrack.records import SINCE_2000_MS
from protocols.meitrack.text import ALARMS
from protocols.reports import CantRead, Report

LIST_HEAD_BYTES = 6  # how many are left, how many there are
RECORD_HEAD_BYTES = 4  # length, number
LONGER_ID = 0xFE  # the first of two bytes


class Parameter(NamedTuple):
    """Where one value goes: into a column, into the attributes, or to whoever knows better."""

    column: str = ""
    factor: float = 1
    attribute: str = ""
    divisor: float = 1
    take: Callable[[Report, int], None] | None = None
    signed: bool = False


def _column(name: str, factor: float = 1, *, signed: bool = False) -> Parameter:
    return Parameter(column=name, factor=factor, signed=signed)


def _attribute(name: str, divisor: float = 1) -> Parameter:
    return Parameter(attribute=name, divisor=divisor)


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


SIZES: tuple[tuple[int, str, dict[int, Parameter]], ...] = (  # of the values: bytes, letter of struct, ids
    (1, "B", {
        0x01: Parameter(take=_event),
        0x05: Parameter(take=_valid),
        0x06: _column("satellites"),
        0x07: _column("gsm"),
        0x14: _attribute("output"),
        0x15: _attribute("input"),
        0x47: Parameter(take=_lock),
        0x97: _attribute("throttle"),
        0x9D: _attribute("fuel"),
        0xFE69: _column("battery_percent"),
    }),
    (2, "H", {
        0x08: _column("speed_kmh"),
        0x09: _column("course_deg"),
        0x0A: _attribute("hdop", 10),
        0x0B: _column("altitude_m", signed=True),
        0x16: _attribute("adc1", 100),
        0x17: _attribute("adc2", 100),
        0x18: _attribute("adc3", 100),
        0x19: _column("battery_v", 0.01),
        0x1A: _column("power_v", 0.01),
        0x29: _attribute("fuel", 100),
        0x40: Parameter(take=_event),
        0x91: _attribute("obdSpeed"),
        0x92: _attribute("obdSpeed"),
        0x98: _attribute("fuelUsed"),
        0x99: _attribute("rpm"),
        0x9C: _attribute("coolantTemp"),
        0x9F: _attribute("temp1"),
        0xC9: _attribute("fuelConsumption"),
    }),
    (4, "I", {
        0x02: _column("latitude", 1e-6, signed=True),
        0x03: _column("longitude", 1e-6, signed=True),
        0x04: Parameter(take=_time),
        0x0C: _column("odometer_m"),
        0x0D: _attribute("runtime"),
        0x25: Parameter(take=_driver),
        0x9B: _attribute("obdOdometer"),
        0xA0: _attribute("fuelUsed", 1000),
        0xA2: _attribute("fuelConsumption", 100),
        0xFEF4: _column("engine_hours_s", 60),
    }),
)  # fmt: skip


class Plan(NamedTuple):
    """One sequence of ids: how its values lie in the record, and who takes which of them."""

    wire: struct.Struct
    columns: tuple[tuple[int, str, float], ...]
    plain: tuple[tuple[int, str], ...]
    divided: tuple[tuple[int, str, float], ...]
    others: tuple[tuple[int, Callable[[Report, int], None]], ...]


@lru_cache(maxsize=512)
def _plan(ids: tuple[bytes, ...]) -> Plan:
    layout, known = ["<"], []
    for some, (size, letter, parameters) in zip(ids, SIZES, strict=True):
        layout.append("x")
        at = 0
        while at < len(some):
            at, name = _id(some, at)
            parameter = parameters.get(name)
            layout.append("xx" if name > 0xFF else "x")
            layout.append(f"{size}x" if parameter is None else letter.lower() if parameter.signed else letter)
            if parameter is not None:
                known.append(parameter)
    numbered = list(enumerate(known))
    return Plan(
        struct.Struct("".join(layout)),
        tuple((place, one.column, one.factor) for place, one in numbered if one.column),
        tuple((place, one.attribute) for place, one in numbered if one.attribute and one.divisor == 1),
        tuple((place, one.attribute, one.divisor) for place, one in numbered if one.attribute and one.divisor != 1),
        tuple((place, one.take) for place, one in numbered if one.take),
    )


def listed_records(data: bytes) -> Iterator[Report]:
    """Those before a record that can't be read are given. Raises CantRead."""
    count, at, found = int.from_bytes(data[4:LIST_HEAD_BYTES], "little"), LIST_HEAD_BYTES, 0
    while found < count and at + RECORD_HEAD_BYTES < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "little")
        try:
            yield _listed(data[at + RECORD_HEAD_BYTES : end])
        except (IndexError, struct.error):
            raise CantRead(f"record {found + 1} of {count} ends inside a parameter") from None
        found += 1
        at = end
    if not found:
        raise CantRead("a list without a whole record")


def _listed(data: bytes) -> Report:
    """One record, without its head. Raises IndexError or struct.error when it is cut."""
    ids, at = [], 0
    for size, _, _ in SIZES:
        some, at = _ids(data, at, size)
        ids.append(some)
    if at > len(data):
        raise IndexError
    plan = _plan(tuple(ids))
    values = plan.wire.unpack_from(data)
    attributes = {name: values[place] for place, name in plan.plain}
    for place, name, divisor in plan.divided:
        attributes[name] = values[place] / divisor
    report = Report(attributes=attributes)
    for place, name, factor in plan.columns:
        setattr(report, name, values[place] * factor)
    for place, take in plan.others:
        take(report, values[place])
    if at < len(data):
        _any_size(data, at, report)
    return report


def _ids(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    """The ids of a list, and where the next one begins."""
    count, at, step, found = data[at], at + 1, size + 1, b""
    while True:
        some = data[at : at + count * step : step]
        plain = some.find(LONGER_ID)  # up to the first of two bytes the others stand where they are looked for
        if plain < 0:
            return found + some, at + count * step
        at += plain * step
        found += some[:plain] + data[at : at + 2]
        at += 2 + size
        count -= plain + 1


def _id(data: bytes, at: int) -> tuple[int, int]:
    """Where the value begins, and whose it is."""
    if data[at] == LONGER_ID:
        return at + 2, LONGER_ID << 8 | data[at + 1]
    return at + 1, data[at]


# --- Values of any size ------------------------------------------------------------------------------------------------------

CELL = struct.Struct("<HHHIh")
PROBE = struct.Struct("<xh")
TAG = struct.Struct("<6xBhh")
BATTERIES = ("", "battery2Level", "battery3Level")


def _any_size(data: bytes, at: int, report: Report) -> None:
    around = Around()
    count, at = data[at], at + 1
    for _ in range(count):
        at, name = _id(data, at)
        after = at + 1 + data[at]
        reader = READERS.get(name)
        if reader is not None:
            reader(name, data[at + 1 : after], report, around)
        at = after
    if not report.valid:
        report.attributes.update(around.network())


def _cell(name: int, value: bytes, report: Report, around: Around) -> None:
    if not report.valid and len(value) >= CELL.size:
        around.cell(*CELL.unpack_from(value))


def _network(name: int, value: bytes, report: Report, around: Around) -> None:
    if not report.valid and len(value) >= 8:
        around.access_point(value[:6], int.from_bytes(value[6:8], "little", signed=True))


def _probe(name: int, value: bytes, report: Report, around: Around) -> None:
    if len(value) >= PROBE.size:
        report.attributes[f"temp{name - FIRST_PROBE}"] = PROBE.unpack_from(value)[0] / 100


def _camera(name: int, value: bytes, report: Report, around: Around) -> None:
    """Version, kind of alarm, and the file that shows it: its name begins with the day."""
    if len(value) < 2:
        return
    report.attributes["alarmType"] = value[1]
    if value[0] == 2 and len(value) > 10:
        file = value[2:].decode("ascii", "replace")
        report.attributes["image"] = f"{file[:4]}-{file[4:6]}-{file[6:8]}/{file}"


def _tag(name: int, value: bytes, report: Report, around: Around) -> None:
    if len(value) < 2 or len(value) < value[1] + 13:
        return
    end = 2 + value[1]
    battery, temperature, humidity = TAG.unpack_from(value, end)
    report.attributes["tagName"] = value[2:end].decode("ascii", "replace")
    report.attributes |= {"tagBattery": battery, "tagTemp": temperature / 256, "tagHumidity": humidity / 256}


def _batteries(name: int, value: bytes, report: Report, around: Around) -> None:
    for place, key in enumerate(BATTERIES):
        present = value[2 * place : 2 * place + 2]
        if len(present) == 2 and present[0]:
            if key:
                report.attributes[key] = present[1]
            else:
                report.battery_percent = present[1]


FIRST_PROBE = 0x2A
READERS: dict[int, Callable[[int, bytes, Report, Around], None]] = {
    **dict.fromkeys((0x0E, 0x0F, 0x10, 0x12, 0x13), _cell),
    **dict.fromkeys(range(0x1D, 0x26), _network),
    **dict.fromkeys(range(FIRST_PROBE, 0x32), _probe),
    0xFE31: _camera,
    0xFE73: _tag,
    0xFEA8: _batteries,
}
