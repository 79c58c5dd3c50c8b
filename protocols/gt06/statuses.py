"""GT06 heartbeats and alarms, with or without a place.

The status is the same five bytes nearly everywhere; what stands before it differs.
"""

from __future__ import annotations

from protocols.cursor import Cursor
from protocols.gt06.fields import ALARM_CODES, Report, bar_status, cell, date_ms, place, point, status, text, typed_cell
from protocols.reports import CantRead


def heartbeat_volts(r: Cursor, report: Report, zone_s: int) -> None:
    """0x23 of GK310 and others; the voltage is the battery's."""
    flags = r.u8()
    report.more |= {"armed": bool(flags & 0x01), "charge": bool(flags & 0x04)}
    report.numbers["ignition"] = bool(flags & 0x02)
    if r.left >= 2:
        report.numbers["battery_v"] = r.u16() / 100
    if r.left:
        report.numbers["gsm"] = r.u8()


def plain_status(r: Cursor, report: Report, zone_s: int) -> None:
    bar_status(r, report)


def obd6_status(r: Cursor, report: Report, zone_s: int) -> None:
    status(r, report)
    signal = r.u16()
    report.numbers |= {"satellites": (signal >> 10 & 0x1F) + (signal >> 5 & 0x1F), "gsm": signal & 0x1F}
    report.alarm(ALARM_CODES.get(r.u8()))
    r.u8()  # language
    report.numbers["battery_percent"] = r.u8()
    mode = r.u8()
    report.numbers["power_v"] = r.u16() / 100
    r.take(3)  # reserved, working time
    if mode == 4:
        report.more["temp1"] = r.signed(2) / 10


def temperature_status(r: Cursor, report: Report, zone_s: int) -> None:
    r.take(5)  # flags, satellites, alarm, language
    report.numbers["battery_percent"] = r.u8()
    r.take(8)  # mode, voltage, reserved, times
    degrees = r.u16()
    report.more["temp1"] = (degrees & 0x7FFF) / 10 * (1 if degrees & 0x8000 else -1)


def module_status(r: Cursor, report: Report, zone_s: int) -> None:
    """0x36 of Jimi's 4G trackers."""
    bar_status(r, report)
    status_modules(r, report)


def module_alarm(r: Cursor, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    typed_cell(r, report)
    bar_status(r, report, long_codes=True)
    status_modules(r, report)


def status_modules(r: Cursor, report: Report) -> None:
    """Each id u16, length u8, content."""
    while r.left >= 3:
        number, module = r.u16(), Cursor(r.take(r.u8()))
        if number == 0x18:
            report.numbers["battery_v"] = module.u16() / 100
        elif number == 0x32:
            report.more["startupStatus"] = module.u8()
        elif number == 0x6A:
            report.numbers["battery_percent"] = module.u8()


def cell_status(r: Cursor, report: Report, zone_s: int) -> None:
    cell(r, report)
    bar_status(r, report)


def cell_status_4g(r: Cursor, report: Report, zone_s: int) -> None:
    cell(r, report, area=4, tower=8)
    bar_status(r, report)


def cell_only_4g(r: Cursor, report: Report, zone_s: int) -> None:
    """0xA7: asks for an address by phone."""
    cell(r, report, area=4, tower=8)


def cells_of_space10x(r: Cursor, report: Report, zone_s: int) -> None:
    report.time_ms = date_ms(r, zone_s)


def alarm(r: Cursor, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    skip_cell(r, 5)
    bar_status(r, report)


def fence_alarm(r: Cursor, report: Report, zone_s: int) -> None:
    """0x27 and 0xA4: which of the fences comes last."""
    place(r, report, zone_s)
    skip_cell(r, 6)
    bar_status(r, report, long_codes=True)
    if r.left:
        report.more["geofence"] = r.u8()


def alarm_with_altitude(r: Cursor, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    skip_cell(r, 7)
    bar_status(r, report)
    report.numbers["altitude_m"] = r.signed(2)


NARROW_CELL_BYTES = 8


def skip_cell(r: Cursor, status_bytes: int) -> None:
    """The cell before a status. Its length byte counts itself in most trackers, not in all, and may be 0 before a row of
    zeros; so the end of the frame decides where the status starts, unless it leaves room for bytes that we don't know."""
    length = r.u8()
    start = len(r.data) - status_bytes
    cell_bytes = start - r.at
    if length and cell_bytes < NARROW_CELL_BYTES:
        raise CantRead  # there is no status: these would be the cell's own bytes
    if length == 0 or length >= cell_bytes:
        r.take(cell_bytes)
    else:
        r.take(length - 1)


CAMERA_ALARMS: dict[int, str] = {
    0x0E: "lowPower", 0x76: "temperature", 0x80: "vibration", 0x87: "overspeed", 0x88: "powerCut", 0x90: "hardAcceleration",
    0x91: "hardBraking", 0x92: "hardCornering", 0x93: "accident",
}  # fmt: skip


def camera_alarm(r: Cursor, report: Report, zone_s: int) -> None:
    """0x95 of JC100 (date, and in the longer form a place without satellites and speed) and JC400 (FFFF before them)."""
    short = r.left <= 9
    if r.data[:2] == b"\xff\xff":
        jc400_place(r, report, zone_s)
    else:
        report.time_ms = date_ms(r, zone_s)
        if not short:
            latitude, longitude = r.u32(), r.u32()
            point(report, latitude, longitude, r.u16())
    event = r.u8()
    report.more["event"] = event
    if r.left >= 2:
        report.more["eventData"] = r.u16()
    report.alarm(("general" if short else "sos") if event == 1 else CAMERA_ALARMS.get(event))
    if files := text(r.rest()):
        report.more["eventFiles"] = files


def jc400_place(r: Cursor, report: Report, zone_s: int) -> None:
    r.take(3)  # FFFF, version
    report.time_ms = date_ms(r, zone_s)
    report.numbers["satellites"] = r.u8() & 0x0F
    latitude, longitude = r.u32(), r.u32()
    point(report, latitude, longitude, r.u16())
    report.numbers |= {"speed_kmh": r.u16(), "power_v": r.u16() / 10}


AZ735_STATES: dict[int, bool] = {0xA0: True, 0xA1: False}  # armed
AZ735_ALARMS: dict[int, str] = {0xA2: "lowBattery", 0xA3: "lowBattery", 0xA4: "general", 0xA5: "door"}


def az735_location(r: Cursor, report: Report, zone_s: int) -> None:
    """0x32 long: each part has its length before it, 0 when it is missing."""
    report.time_ms = date_ms(r, zone_s)
    if length := r.u8():
        az735_place(Cursor(r.take(length)), report)
    if length := r.u8():
        part = Cursor(r.take(length - 1))
        cell(part, report)
        report.numbers["gsm"] = r.u8()
    r.take(r.u8())  # more cells
    r.take(r.u8())  # access points
    report.more["status"] = r.u8()


def az735_place(r: Cursor, report: Report) -> None:
    report.numbers["satellites"] = r.u8() & 0x0F
    latitude, longitude = r.u32(), r.u32()
    report.numbers["speed_kmh"] = r.u8()
    point(report, latitude, longitude, r.u16())


def az735_alarm(r: Cursor, report: Report, zone_s: int) -> None:
    az735_location(r, report, zone_s)
    state = report.more["status"]
    if state in AZ735_STATES:
        report.more["armed"] = AZ735_STATES[state]
    report.alarm(AZ735_ALARMS.get(state))
