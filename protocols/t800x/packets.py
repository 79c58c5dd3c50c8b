"""TopFlyTech's packets: positions, harsh driving, networks and answers; beacons and assets are in `assets.py`.

Position  2323, 2525, 2626: intervals 7 | signal u16 (6-0) | status u8 | settings 6 | io u16 | 13, 14: outputs u8, u8
          | volts u16 0.01, two of them, five in 13 and 14, none in 2626 | alarm u8 | u8 | odometer m u32 | battery BCD %
          | time | place | 13, 14: battery BCD 0.01 V u16 | supply BCD 0.01 V u16 | OBD 19
          2727: status u8 | alarm u8 | time | place | accelerations 5 | battery BCD % | °C u8 (7: below zero) | light BCD 0.1
          | battery BCD 0.1 V | solar BCD 0.1 V | odometer m u32 | inputs u16 (2 ignition, 10-4 signal) | settings 10 | … lock u8
Status    7 from memory, 6 place, 4-0 satellites
IO        14 ignition, 13 air conditioner, 12 and 11 inputs 3 and 4, 9-7 outputs
Place     altitude m, longitude, latitude f32 | 0.1 km/h BCD u16 (2626: precision) | course u16; without one: cells
OBD       0.1 km/h BCD u16 | fuel used ml u32 | ml now u32 | rpm u16 | air flow, pressure | coolant, air °C + 40 | load, throttle,
          fuel %; all ones: not known. Traccar begins it two bytes earlier and reads one byte for all the last seven
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from fastcrc import crc8

from protocols.cursor import Around, Cursor
from protocols.frames import Frame
from protocols.reports import Report
from protocols.t800x import assets

GPS, ALARM, GPS_2, ALARM_2, COMMAND = 0x02, 0x04, 0x13, 0x14, 0x81
POSITIONS = frozenset((GPS, ALARM, GPS_2, ALARM_2))
LONG = frozenset((GPS_2, ALARM_2))
ALARMED = frozenset((ALARM, ALARM_2, 0x25, 0x64))
T2626, T2727 = b"&&", b"''"

ALARMS = {
    1: "powerCut", 2: "lowBattery", 3: "sos", 4: "overspeed", 5: "geofenceEnter", 6: "geofenceExit", 7: "tow", 8: "vibration",
    10: "vibration", 21: "jamming", 23: "powerRestored", 24: "lowPower",
}  # fmt: skip


def checksum_is_right(content: bytes) -> bool:
    return len(content) > 1 and content[0] == crc8.nrsc_5(content[1:])


def alarm_code(mark: bytes, kind: int, content: bytes) -> int | None:
    """What is said again in the acknowledgement; None: it is no alarm, or hides its code."""
    if kind not in POSITIONS and kind not in ALARMED:
        return None
    if mark == T2727:
        return assets.data_alarm(content) if kind == 0x64 else content[1] if len(content) > 1 else None
    at = 18 + (2 if kind in LONG else 0) + (0 if mark == T2626 else 10 if kind in LONG else 4)
    return content[at] if len(content) > at else None


def read(frame: Frame) -> list[Report]:
    mark, kind = bytes.fromhex(frame.kind[:2]) * 2, int(frame.kind[2:], 16)
    c = Cursor(frame.payload)
    if kind in POSITIONS:
        report = _asset_position(c) if mark == T2727 else _position(c, mark, kind)
        report.attributes["index"] = frame.context
        return [report]
    if kind == COMMAND:
        c.u8()  # by network or SMS
        return [Report(attributes={"result": c.rest().decode("utf-16-le", "replace")})]
    return READ[mark, kind](c, frame.context)


BEGIN = Struct(">7xHB6xH")  # intervals and angles, signal, status, settings, io
MIDDLE = Struct(">BxIB")  # alarm, odometer, battery
PLACE = Struct("<fff")


def _position(c: Cursor, mark: bytes, kind: int) -> Report:
    report = Report()
    a = report.attributes
    signal, status, io = c.unpack(BEGIN)
    report.gsm, report.satellites = signal & 0x7F, status & 0x1F
    report.ignition = io >> 14 & 1
    a["ac"], a["in3"], a["in4"] = bool(io >> 13 & 1), bool(io >> 12 & 1), bool(io >> 11 & 1)
    if kind in LONG:
        a["output"] = c.u8()
        c.u8()
    else:
        a["out1"], a["out2"], a["out3"] = bool(io >> 7 & 1), bool(io >> 8 & 1), bool(io >> 9 & 1)
    if mark != T2626:
        for number in range(1, 6 if kind in LONG else 3):
            volts = c.u16()
            if volts != 0xFFFF:
                a[f"adc{number}"] = volts / 100
    alarm, report.odometer_m, percent = c.unpack(MIDDLE)
    a["alarmCode"] = alarm
    if alarm in ALARMS:
        report.alarm(ALARMS[alarm])
    report.battery_percent = (percent >> 4) * 10 + (percent & 15) or 100
    if status & 0x80:
        a["archive"] = True
    report.time_ms = c.bcd_time_ms()
    if status & 0x40:
        _place(c, report, has_speed=mark != T2626)
    else:
        _cells(c, report)
    _supplies(c, report, battery=kind in LONG)
    return report


def _place(c: Cursor, report: Report, *, has_speed: bool) -> None:
    report.valid = True
    report.altitude_m, report.longitude, report.latitude = c.unpack(PLACE)
    if has_speed:
        report.speed_kmh = c.bcd(2) / 10
    else:
        c.u16()
    report.course_deg = c.u16()


def _cells(c: Cursor, report: Report) -> None:
    around = Around()
    inner = Cursor(c.take(16))
    mcc, mnc = inner.u16le(), inner.u16le()
    if mcc != 0xFFFF and mnc != 0xFFFF:
        for _ in range(3):
            around.cell(mcc, mnc, inner.u16le(), inner.u16le())
    report.attributes.update(around.network())


def _supplies(c: Cursor, report: Report, *, battery: bool) -> None:
    if battery and c.left >= 2:
        report.battery_v = c.bcd(2) / 100
    if c.left >= 2:
        report.power_v = c.bcd(2) / 100
    if c.left < 19:
        return
    a = report.attributes
    speed = c.take(2).hex()
    if speed.isdecimal():
        report.speed_kmh = a["obdSpeed"] = int(speed) / 10
    for name, unit in (("fuelUsed", 1000), ("fuelConsumption", 1000)):
        value = c.u32()
        if value != 0xFFFFFFFF:
            a[name] = value / unit
    rpm = c.u16()
    if rpm != 0xFFFF:
        a["rpm"] = rpm
    for name, less in OBD:
        value = c.u8()
        if value != 0xFF:
            a[name] = value - less


OBD = (("airInput", 0), ("airPressure", 0), ("coolantTemp", 40), ("airTemp", 40), ("engineLoad", 0), ("throttle", 0), ("fuel", 0))


def _asset_position(c: Cursor) -> Report:
    report = Report()
    a = report.attributes
    status, alarm = c.u8(), c.u8()
    report.satellites = status & 0x1F
    a["alarmCode"] = alarm
    assets.alarm(alarm, report)
    if status & 0x80:
        a["archive"] = True
    report.time_ms = c.bcd_time_ms()
    if status & 0x40:
        _place(c, report, has_speed=True)
    else:
        around = Around()
        assets.cells(Cursor(c.take(16)), around)
        a.update(around.network())
    a["gSensor"] = _accelerations(int.from_bytes(c.take(5), "big"))
    assets.supplies(c, report)
    a["input"] = int.from_bytes(c.data[c.at - 2 : c.at], "big")
    c.take(10)  # intervals and angles
    if c.left >= 6:
        c.take(5)
        assets.lock(c.u8(), report)
    return report


def _accelerations(value: int) -> str:
    """Of 40 bits, three times: 1 not negative, 7 whole g, 4 tenths; four are left. Traccar takes x's parts for each other."""
    z = (value >> 8 & 0x7F) + (value >> 4 & 15) / 10
    y = (value >> 20 & 0x7F) + (value >> 16 & 15) / 10
    x = (value >> 32 & 0x7F) + (value >> 28 & 15) / 10
    signed = (x if value >> 39 & 1 else -x, y if value >> 27 & 1 else -y, z if value >> 15 & 1 else -z)
    return "[" + ",".join(str(one) for one in signed) + "]"


def _network(c: Cursor, serial: int) -> list[Report]:
    report = Report(time_ms=c.bcd_time_ms())
    a = report.attributes
    a["operator"] = c.text(c.u8(), "utf-16-le")
    a["networkTechnology"], a["networkBand"] = c.text(c.u8()), c.text(c.u8())
    c.take(c.u8())  # imsi
    a["iccid"] = c.text(c.u8())
    return [report]


def _driving(c: Cursor, serial: int) -> list[Report]:
    """What it was u8 | twice, before and after: time | altitude, longitude, latitude f32 | BCD 0.1 km/h | 0.1 degree | rpm"""
    code = c.u8()
    reports: list[Report] = []
    while c.left >= 24:
        report = Report(time_ms=c.bcd_time_ms())
        place = c.take(12)
        if place[:4] != b"\xff\xff\xff\xff":
            inner = Cursor(place)
            report.valid = True
            report.altitude_m, report.longitude, report.latitude = inner.float_le(), inner.float_le(), inner.float_le()
        report.speed_kmh = c.bcd(2) / 10
        course, rpm = c.u16(), c.u16()
        if course != 0xFFFF:
            report.course_deg = course / 10
        if rpm != 0xFFFF:
            report.attributes["rpm"] = rpm
        reports.append(report)
    if reports and code <= 5:
        reports[-1].alarm("hardBraking" if code % 2 == 0 else "hardAcceleration")
    return reports


def _driving_of_sensor(c: Cursor, serial: int) -> list[Report]:
    """What it was u8 | time | status u8 | accelerations 5 | place with 0.1 degree | rpm u16"""
    report = Report()
    code = c.u8()
    report.time_ms = c.bcd_time_ms()
    status = c.u8()
    c.take(5)
    _place(c, report, has_speed=True)
    report.valid = not status & 0x80
    report.course_deg /= 10
    report.attributes["rpm"] = c.u16()
    if code < 3:
        report.alarm(("hardBraking", "hardAcceleration", "hardCornering")[code])
    return [report]


def _all(
    kind: int, reader: Callable[[Cursor, int], list[Report]]
) -> dict[tuple[bytes, int], Callable[[Cursor, int], list[Report]]]:
    return {(mark, kind): reader for mark in (b"##", b"%%", T2626, T2727)}


ASSET = {(T2727, kind): reader for kind, reader in assets.READ.items()}
ASSET_DATA = frozenset(((T2727, 0x62), (T2727, 0x64)))
READ: dict[tuple[bytes, int], Callable[[Cursor, int], list[Report]]] = {
    (T2626, 0x05): _driving,
    (T2626, 0x06): _driving_of_sensor,
    (T2727, 0x05): _network,
    **_all(0x10, assets.beacons),
    **_all(0x11, _network),
    **ASSET,
}
