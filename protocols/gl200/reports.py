"""Reports of position: FRI and its kin, and the extended ERI, whose mask says what accessories stand behind the common fields."""

from __future__ import annotations

from typing import Any

from protocols.gl200.canbus import can_fields
from protocols.gl200.models import model_of
from protocols.gl200.text import (
    FIXED,
    Text,
    hours_s,
    is_status,
    moment,
    number,
    percent,
    put,
    status_of,
    take_analog,
    take_status,
)
from protocols.reports import NAN, CantRead, Report

MOST_PLACES = 64  # the manuals say 15


def fixed(message: Text) -> list[Report]:
    """`name,power,type,count,place…,telemetry`: one report per place; the telemetry is the last one's."""
    fields = message.fields
    vin = message.model.vin or len(fields[3]) == 17
    start = _begin(message, 8 if vin else 7)
    if vin and fields[3]:
        message.attributes["vin"] = fields[3]
    reports = places(message, fields[start - 1])
    last = reports[-1]
    power = fields[start - 3]
    if power.isdecimal() and 10 < int(power) < 100_000:
        last.power_v = int(power) / 1000
    try:
        _telemetry(message, last, fields[start - 2 - message.model.spare])
    except (ValueError, IndexError):  # the places and what was read before stay
        last.attributes["incomplete"] = True
    return reports


USUAL = 30  # fields of a fixed report of one place by a wired tracker with two analog inputs: nearly all that is sent


def usual(fields: list[str]) -> Report | None:
    """That report read straight down, in half the time; None when anything in it is unusual: `fixed` reads the same from it."""
    if len(fields) != USUAL or fields[0][-3:] != "FRI" or fields[6] != "1" or fields[18] not in ("00", ""):
        return None
    (head, version, _, _, power, _, _, hdop, speed, course, altitude, longitude, latitude, time, _, _, _, _, _,
     odometer, hours, first, second, battery, status, rpm, consumption, fuel, _, _) = fields  # fmt: skip
    if len(version) > 10:
        return None
    model = model_of(version)
    if (
        not (longitude[-7:-6] == latitude[-7:-6] == "." and len(longitude) < 12 and len(latitude) < 12 and len(time) == 14)
        or not (hdop and len(status) == 6 and is_status(status))
        or (first and not first.isdecimal())
        or (second and not second.isdecimal())
        or (rpm or consumption or fuel or model.vin or model.signal or not model.reserves or len(fields[3]) == 17)
    ):
        return None
    attributes: dict[str, Any] = {"type": "FRI", "hdop": float(hdop)}
    if head[1] == "B":
        attributes = {"type": "FRI", "archive": True, "hdop": float(hdop)}
    if first:
        attributes["adc1"] = int(first) / 1000
    if second:
        attributes["adc2"] = int(second) / 1000
    ignition, motion, more = status_of(status)
    attributes.update(more)
    return Report(
        moment(time),
        True,
        0,
        float(latitude),
        float(longitude),
        float(altitude) if altitude else NAN,
        float(speed) if speed else NAN,
        float(course) if course else NAN,
        NAN,
        NAN,
        ignition,
        motion,
        int(power) / 1000 if power.isdecimal() and 10 < int(power) < 100_000 else NAN,
        NAN,
        percent(battery),
        float(odometer) * 1000 if odometer else NAN,
        hours_s(hours),
        attributes=attributes,
    )


def _begin(message: Text, usually: int) -> int:
    """Go to the first place: where it usually is, where its shape is found, or, when it is empty, some places before that."""
    message.at = 3
    if not message.seek_place() or message.begins(usually) or (message.at - usually) % FIXED == 0:
        message.at = usually
    return message.at


def places(message: Text, count: str) -> list[Report]:
    """As many places as count says. What is appended to the last one is taken as well."""
    many = int(count) if count.isdecimal() else 1
    if many > MOST_PLACES:
        raise CantRead(f"{many} places can't be in one message")
    reports = [message.place()]
    for _ in range(1, many):
        if not message.go_on(reports[-1]):
            break
        reports.append(message.place())
    message.appended(reports[-1])
    return reports


def _telemetry(message: Text, report: Report, kind: str) -> None:
    """The end of a fixed report: the number of its fields says which of the makers' layouts it is."""
    rest = message.rest()
    attributes = report.attributes
    if len(rest) >= 9:
        _vehicle(report, rest)
    elif message.model.signal == 2 and len(rest) >= 4:  # millivolts stand where others have the appended mask
        battery = message.fields[message.at - 1]
        if battery.isdecimal():
            report.battery_v = int(battery) / 1000
        report.battery_percent = percent(rest[0])
        if rest[2]:
            report.motion = float(rest[2] != "0")
        put(attributes, "temp1", rest[3])
    elif len(rest) == 2 and report.odometer_m != report.odometer_m and "." not in rest[0]:
        if rest[0]:
            report.gsm = float(rest[0])
            if kind.isdecimal():
                report.motion = float(int(kind) & 1)
                attributes["charge"] = bool(int(kind) & 2)
        report.battery_percent = percent(rest[1])
    elif rest:
        if "." in rest[0]:
            report.odometer_m = float(rest[0]) * 1000
        level = rest[1] if len(rest) > 1 and (not rest[0] or "." in rest[0]) else rest[0]
        report.battery_percent = percent(level if level.isdecimal() else rest[-1])


def _vehicle(report: Report, rest: list[str]) -> int:
    """odometer km, hours, analog inputs, battery %, status, rpm, consumption, fuel %. Returns where the status stands."""
    if rest[0]:
        report.odometer_m = number(rest[0]) * 1000
    if rest[1]:
        report.engine_hours_s = hours_s(rest[1])
    at = 5
    if not is_status(rest[5]):
        at = next((other for other in (6, 4, 7) if other < len(rest) and is_status(rest[other])), 6 if len(rest) == 10 else 5)
    for place in range(2, at - 1):
        if rest[place]:
            take_analog(report, place - 1, rest[place])
    if rest[at - 1]:
        report.battery_percent = percent(rest[at - 1])
    if at < len(rest) and is_status(rest[at]):
        take_status(report, rest[at])
    if len(rest) > at + 1 and rest[at + 1]:
        put(report.attributes, "rpm", rest[at + 1])
    if len(rest) > at + 2 and rest[at + 2]:
        put(report.attributes, "fuelConsumption", rest[at + 2])
    if len(rest) > at + 3 and rest[at + 3]:
        put(report.attributes, "fuel", rest[at + 3])
    return at


# --- Extended reports --------------------------------------------------------------------------------------------------------


def extended(message: Text) -> list[Report]:
    """`name,mask,power,type,count,place…`, the model's telemetry, then what the mask says."""
    fields = message.fields
    vin = message.model.vin
    start = _begin(message, 9 if vin else 8)
    if vin and fields[3]:
        message.attributes["vin"] = fields[3]
    mask, power, count = int(fields[start - 4] or "0", 16), fields[start - 3], fields[start - 1]
    reports = places(message, count)
    last = reports[-1]
    if power.isdecimal():
        last.power_v = int(power) / 1000
    try:
        TAILS[message.model.tail](message, last, mask)
        _accessories(message, last, mask)
    except (ValueError, IndexError):  # the place and what was read before stay: accessories differ by firmware
        last.attributes["incomplete"] = True
    return reports


def _vehicle_tail(message: Text, report: Report, mask: int) -> None:
    rest = message.rest()
    analogs = message.model.analogs
    at = analogs + 3 + message.model.reserved
    if analogs < 0 or at >= len(rest) or (rest[at] and not is_status(rest[at])):
        at = next((place for place in range(4, min(8, len(rest))) if is_status(rest[place])), 4)
        analogs = at - 3
    report.odometer_m = float(rest[0]) * 1000 if rest[0] else report.odometer_m
    report.engine_hours_s = hours_s(rest[1])
    for input_ in range(analogs):
        take_analog(report, input_ + 1, rest[2 + input_])
    report.battery_percent = percent(rest[at - 1])
    if is_status(rest[at]):
        take_status(report, rest[at])
    message.at += at + 2  # and the device at the serial port


def _inputs_tail(message: Text, report: Report, mask: int) -> None:
    """GV200: odometer, hours, three analog inputs, inputs, outputs, device at the serial port."""
    odometer, hours, *analogs = (message.next() for _ in range(5))
    report.odometer_m = float(odometer) * 1000 if odometer else NAN
    report.engine_hours_s = hours_s(hours)
    for input_, analog in enumerate(analogs, 1):
        take_analog(report, input_, analog)
    for name in ("input", "output"):
        if value := message.next():
            report.attributes[name] = int(value, 16)
    message.next()


def _mode_tail(message: Text, report: Report, mask: int) -> None:
    report.battery_percent = percent(message.next())
    message.next()
    if value := message.next():
        report.motion = float(value != "0")


def _battery_tail(message: Text, report: Report, mask: int) -> None:
    report.power_v = NAN  # the field in front is the report's id here
    rest = message.rest()
    report.battery_percent = percent(rest[0]) if rest else NAN
    message.next()


def _external_tail(message: Text, report: Report, mask: int) -> None:
    odometer = message.next()
    report.odometer_m = float(odometer) * 1000 if odometer else NAN
    report.battery_percent = percent(message.next())
    if mask & 1 << 7:
        put(report.attributes, "externalBattery", message.next())


TAILS = {
    "vehicle": _vehicle_tail,
    "inputs": _inputs_tail,
    "mode": _mode_tail,
    "battery": _battery_tail,
    "external": _external_tail,
}

FUEL, ONE_WIRE, CAN, FUEL_PERCENT, FUEL_VOLUME = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4
RADIO, FUEL_TEMPERATURE, BLUETOOTH, FUEL_DATA = 1 << 7, 1 << 10, 1 << 8, 1 << 29
BLE: tuple[tuple[int, str], ...] = (  # what the mask of a Bluetooth accessory says, in order; "": not kept
    (0, "Name"), (1, "Id"), (2, "Status"), (3, "Voltage"), (4, "Temp"), (5, "Humidity"), (7, ""), (8, "Event"), (9, "Pressure"),
    (10, ""), (11, "TempExact"), (12, "Magnet"), (13, "Battery"), (14, "Relay"),
)  # fmt: skip
TEXTS = ("Name", "Id", "Status", "Event", "Magnet", "Relay")


def _accessories(message: Text, report: Report, mask: int) -> None:
    attributes = report.attributes
    modern = message.model.name == "GV350M"
    if mask & FUEL and not modern and (level := message.next()):
        attributes["fuel"] = int(level, 16)
    if mask & FUEL_DATA:
        message.at += 2
        data = int(message.next() or "0", 16)
        if data & 1 and (level := message.next()):
            attributes["fuel"] = int(level, 16)
        if data & 2:
            message.next()
    if mask & ONE_WIRE:
        _one_wire(message, report)
    if mask & CAN:
        can_fields(message, report, within=True)
        return
    if (mask & (FUEL_PERCENT | FUEL_VOLUME) or (mask & FUEL and modern)) and message.at < len(message.fields) - 2:
        _fuel_sensors(message, report, mask, modern)
    if message.model.tail == "external":
        return
    if mask & RADIO:
        for tag in range(1, _count(message) + 1):
            attributes[f"tag{tag}Id"] = message.next()
            kind = message.next()
            put(attributes, f"tag{tag}Temp", message.next())
            if kind == "2":
                put(attributes, f"tag{tag}Humidity", message.next())
    if mask & BLUETOOTH:
        for tag in range(1, _count(message) + 1):
            _bluetooth(message, report, tag)


def _count(message: Text) -> int:
    """How many accessories follow; there can't be more of them than fields."""
    return min(int(message.next() or "0"), len(message.fields) - message.at)


def _one_wire(message: Text, report: Report) -> None:
    for sensor in range(1, _count(message) + 1):
        message.at += 2  # its id and what it is
        if value := message.next():
            raw = int(value, 16)
            report.attributes[f"temp{sensor}"] = (raw - 0x10000 if raw & 0x8000 else raw) * 0.0625


def _fuel_sensors(message: Text, report: Report, mask: int, modern: bool) -> None:
    for _ in range(_count(message)):
        message.next()  # what it is
        if modern:
            message.next()
            if mask & FUEL and (level := message.next()):
                report.attributes["fuel"] = int(level, 16)
        if mask & FUEL_PERCENT:
            put(report.attributes, "fuel", message.next())
        if mask & FUEL_VOLUME and (volume := message.next()):
            report.fuel_l = float(volume)
        if mask & FUEL_TEMPERATURE:
            put(report.attributes, "fuelTemp", message.next())


def _bluetooth(message: Text, report: Report, tag: int) -> None:
    message.at += 5 if message.model.name.startswith("GV600M") else 4  # index, type, model, (length,) data
    mask = int(message.next() or "0", 16)
    for bit, name in BLE:
        if mask >> bit & 1:
            value = message.next()
            if name in TEXTS and value:
                report.attributes[f"tag{tag}{name}"] = value
            elif name:
                put(report.attributes, f"tag{tag}{name}", value)
