"""AAA: one report as fields between commas."""

from __future__ import annotations

from typing import Any

from protocols.cursor import Around
from protocols.fields import time_ms
from protocols.reports import NAN, CantRead, Report

ALARMS: dict[int, str] = {
    1: "sos",
    17: "lowBattery",
    18: "lowPower",
    19: "overspeed",
    20: "geofenceEnter",
    21: "geofenceExit",
    22: "powerRestored",
    23: "powerCut",
    28: "gpsAntennaCut",
    36: "tow",
    44: "jamming",
    50: "temperature",
    51: "temperature",
    78: "accident",
    79: "fallDown",
    90: "hardCornering",
    91: "hardCornering",
    129: "hardBraking",
    130: "hardAcceleration",
    133: "idle",
    135: "fatigueDriving",
}
DRIVER = 37  # the event of a card at the reader
HUNDREDTHS, MVT340 = 500, 1023  # the largest value of a battery in each scale; above them the converter has 12 bits
TAXI = ("taximeterStart", "taximeterEnd", "taximeterDistance", "taximeterFare", "taximeterTrip", "taximeterWait")
WHOLE = ("taximeterDistance", "taximeterFare")


def has_place(content: bytes) -> bool:
    fields = content.split(b",", 10)
    return any(len(fields) > at + 5 and fields[at + 3] in (b"A", b"V") and b"." in fields[at] for at in (4, 5))


def line(fields: list[str]) -> Report:
    if "." not in fields[4]:  # some firmwares have a number in front of the event
        del fields[3]
    (event, latitude, longitude, time, valid, satellites, gsm, speed, course, hdop, altitude, odometer, runtime, cell, ports,
     analogs, *more) = fields[3:]  # fmt: skip
    kind = int(event)
    attributes: dict[str, Any] = {"event": kind}
    report = Report(
        _moment(time),
        valid == "A",
        0,
        float(latitude),
        float(longitude),
        _float(altitude),
        _float(speed),
        _float(course),
        NAN,
        _float(satellites),
        odometer_m=_float(odometer),
        gsm=_float(gsm),
        attributes=attributes,
    )
    if kind in ALARMS:
        report.alarm(ALARMS[kind])
    if hdop:
        attributes["hdop"] = float(hdop)
    if runtime:
        attributes["runtime"] = int(runtime)
    if len(ports) == 4:
        attributes["input"], attributes["output"] = int(ports[:2], 16), int(ports[2:], 16)
    try:
        _cell(cell, report, gsm)
        _analogs(analogs, report)
        if more:
            _more(more, kind, report)
    except ValueError:  # a firmware with other fields behind the place: that stays
        attributes["incomplete"] = True
    return report


def _moment(text: str) -> int:
    if len(text) != 12:
        raise CantRead(f"no time: {text[:20]}")
    return time_ms(int(text[:2]), int(text[2:4]), int(text[4:6]), int(text[6:8]), int(text[8:10]), int(text[10:]))


def _float(text: str) -> float:
    return float(text) if text else NAN


def _cell(text: str, report: Report, gsm: str) -> None:
    parts = text.split("|")
    if report.valid or len(parts) < 4 or not (parts[0].isdecimal() and parts[1].isdecimal()):
        return  # a place by satellites needs none by towers
    area, tower = int(parts[2] or "0", 16), int(parts[3] or "0", 16)
    around = Around()
    around.cell(int(parts[0]), int(parts[1]), area, tower, int(gsm) if gsm.isdecimal() else None)
    report.attributes.update(around.network())


def _analogs(text: str, report: Report) -> None:
    parts = text.split("|")
    if "." in parts[0]:
        report.battery_v = float(parts[0])
        report.power_v = float(parts[1]) if len(parts) > 1 else NAN
        return
    *inputs, battery, power = parts
    for number, value in enumerate(inputs, 1):
        if value:
            report.attributes[f"adc{number}"] = int(value, 16)
    raw_battery, raw_power = int(battery or "0", 16), int(power or "0", 16)
    if raw_battery <= HUNDREDTHS:
        battery_v, power_v = 1 / 100, 1 / 100
    elif raw_battery <= MVT340:
        battery_v, power_v = 3 * 2 / 1024, 3 * 16 / 1024
    else:
        battery_v, power_v = 3.3 * 2 / 4096, 3.3 * 16 / 4096
    if battery:
        report.battery_v = raw_battery * battery_v
    if power:
        report.power_v = raw_power * power_v


def _more(fields: list[str], event: int, report: Report) -> None:
    """What the event says, reserved, version, fuel, temperatures, count, data: firmwares end anywhere among them."""
    said, _, version, fuel, temperatures, *data = (*fields, "", "", "", "", "")[: max(5, len(fields))]
    attributes = report.attributes
    if said and event == DRIVER:
        attributes["driverUniqueId"] = said
    elif said:
        attributes["eventData"] = said
    if not version.isdecimal() and version:
        return
    if len(fuel) == 4:
        attributes["fuel"] = int(fuel[:2], 16) + int(fuel[2:], 16) / 100
    for part in temperatures.split("|"):
        if len(part) == 6:
            attributes[f"temp{int(part[:2], 16)}"] = _degrees(part[2:], hundredths=int(version or 0) >= 3)
    if len(data) > 2 and data[2]:
        attributes["tempData"] = data[2]
    if len(data) > 6 and data[6]:
        _taxi(data[6].split("|"), attributes)


def _degrees(text: str, *, hundredths: bool) -> float:
    """Hundredths of a degree, or, in old versions, whole degrees with a sign and hundredths away from zero."""
    value = int(text, 16)
    if hundredths:
        return (value - 0x10000 if value & 0x8000 else value) / 100
    whole, rest = value >> 8, value & 0xFF
    return whole - 256 - rest / 100 if whole > 127 else whole + rest / 100


def _taxi(parts: list[str], attributes: dict[str, Any]) -> None:
    """`10|start`, or `11|start|end|m|fare|trip|wait`: the meter's second digit says that the trip is over."""
    if len(parts) < 2 or len(parts[0]) < 2:
        return
    attributes["taximeterOn"] = parts[0][1] == "0"
    for name, value in zip(TAXI, parts[1:], strict=False):
        attributes[name] = int(value) if name in WHOLE and value.isdecimal() else value
