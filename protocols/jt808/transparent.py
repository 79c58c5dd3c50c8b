"""0900, transparent data: what makers send in messages of their own.

40  text; GTSL|…|…|…|driver …
41  $OBD-RT,…                                            (`items.obd_words`)
53  status u32 | latitude, longitude u32 | altitude m | 0.1 km/h | course | time | count u8 | beacons: index u8, mac 6, signal i8,
    length u8, data
54  the same place, then samples: mask u16 | time | what the mask says
F0  time | from memory u8 | vehicle u8 | kind u8 | 01 numbers of the vehicle, 02 trouble codes, 03 alarms, 04 trips, 0B vin,
    15 event;
    01 to 03 end in status u32 | latitude, longitude u32. Their place comes without speed and course, next to positions that have
    them; so they are telemetry alone, as Traccar has it.
F3  number u16 | length u16 | value: 0002 collision, 0006 time
FF  time | latitude, longitude i32 | altitude m | 0.1 km/h | course
"""

from __future__ import annotations

from collections.abc import Callable

from protocols.cursor import Cursor
from protocols.jt808.told import Read, Told, one, words
from protocols.reports import Report

EAST_S = 8 * 3600


def report_of(told: Told, time_ms: int | None = None) -> Report:
    report = Report(time_ms=time_ms, alarms=told.alarms, attributes=told.attributes)
    for name, value in told.numbers.items():
        setattr(report, name, value)
    return report


def _text(c: Cursor) -> list[Report]:
    text = c.text(c.left)
    if not text.startswith("GTSL"):
        return [Report(attributes={"data": text})] if text else []
    values = text.split("|")
    return [Report(attributes={"driverUniqueId": values[4]})] if len(values) > 4 else []


def _place(c: Cursor) -> Report:
    status = c.u32()
    latitude, longitude = c.u32() / 1e6, c.u32() / 1e6
    return Report(
        valid=bool(status & 2),
        ignition=float(status & 1),
        latitude=-latitude if status & 4 else latitude,
        longitude=-longitude if status & 8 else longitude,
        altitude_m=c.i16(),
        speed_kmh=c.u16() / 10,
        course_deg=c.u16(),
        time_ms=c.bcd_time_ms(EAST_S),
        attributes={"blocked": bool(status >> 10 & 1), "charge": bool(status >> 26 & 1)},
    )


def _beacons(c: Cursor) -> list[Report]:
    report = _place(c)
    c.u8()  # beacons in all messages of this round
    while c.left >= 9:
        tag = f"tag{c.u8() + 1}"
        report.attributes[tag + "Mac"], report.attributes[tag + "Rssi"] = c.take(6).hex(), c.i8()
        report.attributes[tag + "Data"] = c.take(min(c.u8(), c.left)).hex()
    return [report]


def _samples(c: Cursor) -> list[Report]:
    report = _place(c)
    a = report.attributes
    while c.left >= 8:
        mask = c.u16()
        c.take(6)  # when
        if mask & 1:
            a["lightSensor"] = c.u16()
        if mask & 2:
            a["deviceTemp"], a["humidity"] = c.i16() / 10, c.i16() / 10
        if mask & 4:
            a["temp3"] = c.i16() / 10
        if mask & 8:
            c.take(6)  # accelerations
        if mask & 16:
            a["airPressure"] = c.u16()
    return [report]


def _collision(c: Cursor) -> list[Report]:
    report = Report()
    while c.left >= 4:
        number, value = c.u16(), Cursor(c.take(c.u16()))
        if number == 0x0002:
            report.attributes["collision"] = value.u16() / 25_600
        elif number == 0x0006:
            report.time_ms = value.bcd_time_ms(EAST_S)
    return [report]


def _bare_place(c: Cursor) -> list[Report]:
    time = c.bcd_time_ms(EAST_S)
    return [
        Report(
            time_ms=time,
            valid=True,
            latitude=c.i32() / 1e6,
            longitude=c.i32() / 1e6,
            altitude_m=c.i16(),
            speed_kmh=c.u16() / 10,
            course_deg=c.u16(),
        )
    ]


# --- F0: a vehicle's bus


def _vehicle(c: Cursor) -> list[Report]:
    told, time = Told(), c.bcd_time_ms(EAST_S)
    if c.u8() > 0:
        told.attributes["archive"] = True
    c.u8()  # kind of vehicle
    reader = VEHICLE.get(c.u8())
    if reader is None:
        return []
    reader(c, told)
    return [report_of(told, time)]


def _status(c: Cursor, told: Told) -> None:
    """The status behind what was read, and a place that is passed over (see above)."""
    if c.left >= 4:
        status = c.u32()
        told.numbers["ignition"] = float(status & 1)
        told.attributes["blocked"], told.attributes["charge"] = bool(status >> 10 & 1), bool(status >> 26 & 1)


def _fuel_l(c: Cursor, told: Told) -> None:
    told.numbers["fuel_l"] = int.from_bytes(c.rest(), "big") / 100


NUMBERS: dict[int, Read] = {
    0x0102: one("odometer", 4, 100), 0x0528: one("odometer", 4, 100), 0x0546: one("odometer", 4, 100),
    0x0103: _fuel_l, 0x052A: _fuel_l, 0x0111: one("fuelTemp", 1, 1, -40), 0x012E: one("oilLevel", 2, 0.1),
    0x0105: one("fuelUsed", 4, 0.01), 0x052C: one("fuelUsed", 4, 0.01),
    0x014A: one("fuelConsumption", 2, 0.01), 0x0537: one("fuelConsumption", 2, 0.01),
    0x0538: one("fuelConsumption", 2, 0.01), 0x0539: one("fuelConsumption", 2, 0.01),
    0x052B: one("fuel", 1), 0x052D: one("coolantTemp", 1, 1, -40), 0x052E: one("airTemp", 1, 1, -40),
    0x0530: one("power", 2, 0.001), 0x0535: one("obdSpeed", 2, 0.1), 0x0536: one("rpm", 2), 0x053D: one("intakePressure", 2, 0.1),
    0x0544: one("liquidLevel", 1), 0x0547: one("throttle", 1), 0x0548: one("throttle", 1), 0xFEEC: words("vin"),
}  # fmt: skip


def _numbers(c: Cursor, told: Told) -> None:
    """count u8 | number u16, length u8, value …"""
    for _ in range(c.u8()):
        number, value = c.u16(), c.take(c.u8())
        if number in NUMBERS:
            NUMBERS[number](Cursor(value), told)
        elif len(value) in (1, 2, 4):
            told.attributes[f"io{number}"] = int.from_bytes(value, "big")
    _status(c, told)


def _codes(c: Cursor, told: Told) -> None:
    """systems u16 | system u32, count u16 | code u32, status u32, length u16, text …"""
    codes: list[str] = []
    for _ in range(c.u16()):
        c.u32()
        for _ in range(c.u16()):
            c.take(8)
            codes.append(c.text(c.u16()))
    told.attributes["dtcs"] = " ".join(codes)
    _status(c, told)


ALARMS = {
    0x01: "powerRestored", 0x02: "powerCut", 0x0E: "idle", 0x1A: "hardAcceleration", 0x1B: "hardBraking", 0x1C: "hardCornering",
    0x1D: "laneChange", 0x1E: "laneChange", 0x1F: "laneChange", 0x23: "fatigueDriving", 0x25: "overspeed", 0x26: "accident",
    0x27: "accident", 0x28: "accident", 0x31: "door", 0x32: "door",
}  # fmt: skip


def _alarms(c: Cursor, told: Told) -> None:
    """count u8 | alarm u8, length u8, value …"""
    for _ in range(c.u8()):
        number = c.u8()
        c.take(c.u8())
        if number in ALARMS:
            told.alarm(ALARMS[number])
    _status(c, told)


def _trip(c: Cursor, told: Told) -> None:
    """1 begun, 2 ended | number u32 | begun | ended | places 17 | idling count u16, s u16 | 0.1 km u16 | 0.01 l u16"""
    ended = c.u8() == 2
    told.attributes["tripNumber"] = c.u32()
    c.take(6)
    if ended:
        c.take(23)
        told.attributes["idlingCount"], told.attributes["idlingTime"] = c.u16(), c.u16()
        told.attributes["tripOdometer"], told.attributes["tripFuel"] = c.u16() * 100, c.u16() / 100


def _vin(c: Cursor, told: Told) -> None:
    if c.u8() > 0:
        told.attributes["vin"] = c.text(17)


EVENTS = {51: "hardAcceleration", 52: "hardBraking", 53: "hardCornering", 54: "laneChange", 56: "accident"}


def _event(c: Cursor, told: Told) -> None:
    event = c.u32()
    if event in EVENTS:
        told.alarm(EVENTS[event])
    else:
        told.attributes["event"] = event


VEHICLE: dict[int, Read] = {0x01: _numbers, 0x02: _codes, 0x03: _alarms, 0x04: _trip, 0x0B: _vin, 0x15: _event}
TRANSPARENT: dict[int, Callable[[Cursor], list[Report]]] = {
    0x40: _text,
    0x53: _beacons,
    0x54: _samples,
    0xF0: _vehicle,
    0xF3: _collision,
    0xFF: _bare_place,
}
