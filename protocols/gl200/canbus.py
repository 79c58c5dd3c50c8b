"""Engine data: CAN and what ERI carries of it, by the bits of three masks one after the other, and OBD."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from protocols.gl200.text import Text, is_degrees, moment, number, put
from protocols.reports import CantRead, Report

Take = Callable[[Report, str], None]


def _into(name: str) -> Take:
    return lambda report, text: put(report.attributes, name, text)


def _hex(name: str) -> Take:
    def take(report: Report, text: str) -> None:
        report.attributes[name] = int(text, 16)

    return take


def _text(name: str) -> Take:
    def take(report: Report, text: str) -> None:
        report.attributes[name] = text

    return take


def _litres(name: str) -> Take:
    """`L12.5`, or without the letter; `K…` is kilograms of gas, which no attribute counts."""

    def take(report: Report, text: str) -> None:
        if text[0] != "K":
            put(report.attributes, name, text.lstrip("L"))

    return take


def _times(name: str, factor: int) -> Take:
    def take(report: Report, text: str) -> None:
        report.attributes[name] = int(text) * factor

    return take


def _ignition(report: Report, text: str) -> None:
    report.ignition = float(int(text) > 0)


def _odometer(report: Report, text: str) -> None:
    if text[0] == "H":  # hectometres; I: counted by impulses
        report.attributes["obdOdometer"] = int(text[1:]) * 100


def _consumption(report: Report, text: str) -> None:
    if text.startswith("L/H"):
        put(report.attributes, "fuelConsumption", text[3:])


def _fuel(report: Report, text: str) -> None:
    if text[0] == "L":
        report.fuel_l = float(text[1:])
    else:
        put(report.attributes, "fuel", text.lstrip("P"))


def _hours(report: Report, text: str) -> None:
    report.engine_hours_s = float(text) * 3600


def _adblue(report: Report, text: str) -> None:
    put(report.attributes, "adBlueLevel", text.lstrip("LP"))


def _volts(name: str) -> Take:
    def take(report: Report, text: str) -> None:
        report.attributes[name] = int(text) / 1000

    return take


def _nothing(report: Report, text: str) -> None:
    """What isn't kept."""


FIRST: tuple[tuple[int, Take], ...] = (  # in the order of the fields, which isn't quite the bits'
    (0, _text("vin")),
    (1, _ignition),
    (2, _odometer),
    (3, _litres("fuelUsed")),
    (5, _into("rpm")),
    (4, _into("obdSpeed")),
    (6, _into("coolantTemp")),
    (7, _consumption),
    (8, _fuel),
    (9, _times("range", 100)),  # hectometres
    (10, _into("throttle")),
    (11, _hours),
    (12, _into("drivingTime")),
    (13, _into("idleHours")),
    (14, _litres("idleFuelConsumption")),
    (15, _into("axleWeight")),
    (16, _hex("tachographInfo")),
    (17, _hex("indicators")),
    (18, _hex("lights")),
    (19, _hex("doors")),
    (20, _into("vehicleOverspeed")),
    (21, _into("engineOverspeed")),
)
BEHIND: dict[str, tuple[int, ...]] = {  # bits of the first mask that only these models have
    "GV350M": (22, 23, 24),  # distance by impulses, weight, catalyst
    "GV350CEU": (23, 24, 25, 26, 27),  # cold starts, starts, starts by ignition, cold running, handbrake
    "GV355CEU": (23, 24, 25, 26, 27),
}
MORE, SECOND_MORE = 29, 31  # the bit that another mask follows
SECOND: tuple[tuple[int, Take], ...] = (
    (0, _adblue),
    (1, _into("axleWeight1")),
    (2, _into("axleWeight3")),
    (3, _into("axleWeight4")),
    (4, _nothing),  # the tachograph: overspeed, motion, direction
    (5, _nothing),
    (6, _nothing),
    (7, _volts("adc1")),
    (8, _nothing),  # brake pedal, engine brake, kick-downs, effective speed, cruise control …
    (9, _nothing),
    (10, _nothing),
    (11, _nothing),
    (12, _nothing),
    (13, _nothing),
    (14, _nothing),
    (15, _text("driver1Card")),
    (16, _text("driver2Card")),
    (17, _text("driver1Name")),
    (18, _text("driver2Name")),
    (19, _text("registration")),
    (20, _nothing),
    (21, _into("rapidBrakings")),
    (22, _into("rapidAccelerations")),
    (23, _into("engineTorque")),
    (24, _into("serviceDistance")),
    (25, _into("ambientTemp")),
)


def can(message: Text) -> list[Report]:
    """`name,type,state,mask,data…,place,cell,reserved`: the place stands at the end, found from there."""
    message.at = 5
    fields = message.fields
    last = _last_place(fields)
    report = message.bare()
    if last:
        accuracy, speed, course, altitude, longitude, latitude, time = fields[last - 4 : last + 3]
        report.valid = accuracy.isdecimal() and int(accuracy) > 0
        report.time_ms = moment(time)
        report.longitude, report.latitude = float(longitude), float(latitude)
        report.speed_kmh, report.course_deg, report.altitude_m = number(speed), number(course), number(altitude)
    can_fields(message, report, within=False)
    return [report]


def _last_place(fields: list[str]) -> int:
    for at in range(len(fields) - 4, 8, -1):
        if is_degrees(fields[at]) and is_degrees(fields[at + 1]) and len(fields[at + 2]) == 14:
            return at
    return 0


def can_fields(message: Text, report: Report, *, within: bool) -> None:
    """`state,mask,data…`. Within another report the status has said better whether the ignition is on."""
    ignition = report.ignition
    message.next()
    try:
        mask = int(message.next() or "0", 16)
        _walk(message, report, mask, FIRST)
        for bit in BEHIND.get(message.model.name, ()):
            message.at += mask >> bit & 1
        if mask >> MORE & 1:
            _walk(message, report, int(message.next() or "0", 16), SECOND)
    except (ValueError, IndexError):  # what was read before it stays: the lists grow with each firmware
        report.attributes["incomplete"] = True
    if within and ignition == ignition:
        report.ignition = ignition


def _walk(message: Text, report: Report, mask: int, table: tuple[tuple[int, Take], ...]) -> None:
    for bit, take in table:
        if mask >> bit & 1 and (text := message.next()):
            take(report, text)


OBD: tuple[tuple[str, str], ...] = (  # fields behind the mask; kind: whole or other number, text, or nothing
    ("vin", "text"),
    ("obdConnected", ""),
    ("obdVoltage", "millivolts"),
    ("supportedPids", ""),
    ("rpm", "number"),
    ("obdSpeed", "number"),
    ("coolantTemp", "number"),
    ("fuelConsumption", "number"),
    ("dtcsClearedDistance", "number"),
    ("milDistance", "number"),
    ("odbConnect", "yes"),  # the malfunction lamp; Traccar's name
    ("dtcsNumber", "number"),
    ("dtcsCodes", "text"),
    ("throttle", "number"),
    ("engineLoad", "number"),
    ("fuel", "number"),
)


def obd(message: Text) -> list[Report]:
    """`vin,name,type,mask,` the fields of OBD, on some its protocol, the engine's odometer in km, the place, odometer."""
    if not message.seek_place():
        raise CantRead("a report of OBD without a place")
    start = message.at
    values = message.fields[7:start]
    report = message.place()
    message.appended(report)
    rest = message.rest()
    if rest and rest[0]:
        report.odometer_m = number(rest[0]) * 1000
    attributes: dict[str, Any] = report.attributes
    for (name, kind), value in zip(OBD, values, strict=False):
        if not value or not kind:
            continue
        if kind == "number":
            put(attributes, name, value)
        elif kind == "text":
            attributes[name] = value
        elif kind == "yes":
            attributes[name] = value == "1"
        elif value.isdecimal():
            attributes[name] = int(value) / 1000
    if len(values) > len(OBD) and values[-1].isdecimal():
        attributes["obdOdometer"] = int(values[-1]) * 1000
    return [report]
