"""Messages of JT/T 808 that are no position of the standard's form: telemetry, words, Jointech's locks, transparent data."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from protocols.cursor import Around, Cursor
from protocols.fields import KMH_PER_KNOT, time_ms
from protocols.frames import Frame
from protocols.jt808.items import obd_words, read_item
from protocols.jt808.session import general_answer, photo_answer
from protocols.jt808.told import Told
from protocols.jt808.transparent import TRANSPARENT, report_of
from protocols.reports import CantRead, Report

EAST_S = 8 * 3600


def _result(text: str) -> list[Report]:
    return [Report(attributes={"result": text})]


def _general(frame: Frame) -> list[Report]:
    if len(frame.payload) < 5:
        raise CantRead("an answer has five bytes")
    return _result(general_answer(frame.payload))


def _photo(frame: Frame) -> list[Report]:
    if len(frame.payload) < 3:
        raise CantRead("an answer has three bytes")
    return _result(photo_answer(frame.payload))


def _heartbeat(frame: Frame) -> list[Report]:
    """battery % u8 | gsm u8 | status u8"""
    percent, gsm, status = frame.payload[:3]
    return [Report(battery_percent=percent, gsm=gsm, attributes={"status": status})]


def _attributes(frame: Frame) -> list[Report]:
    """kind u16 | maker 5 | model 20 (2019: 30) | id 7 (2019: 30) | SIM's ICCID 10 | hardware, firmware: length u8 and text"""
    c = Cursor(frame.payload)
    c.u16()
    c.take(5)
    wide = bool(frame.context) and c.left >= 72
    report = Report()
    if model := c.text(30 if wide else 20):
        report.attributes["model"] = model
    c.take(30 if wide else 7)
    report.attributes["iccid"] = c.take(10).hex()
    if c.left and (hardware := c.text(min(c.u8(), c.left))):
        report.attributes["versionHw"] = hardware
    if c.left and (firmware := c.text(min(c.u8(), c.left))):
        report.attributes["versionFw"] = firmware
    return [report]


PARAMETERS: dict[int, tuple[str, bool]] = {  # number: what it is called, and whether it is text
    0x0001: ("heartbeatInterval", False), 0x0010: ("apn", True), 0x0013: ("server", True), 0x0018: ("port", False),
    0x0027: ("sleepReportInterval", False), 0x0028: ("emergencyReportInterval", False),
    0x0029: ("defaultReportInterval", False), 0x0055: ("overspeedThreshold", False), 0x0056: ("speedLimitDuration", False),
    0x0083: ("plateNumber", True),
}  # fmt: skip


def _parameters(frame: Frame) -> list[Report]:
    """serial u16 | count u8 | number u32, length u8, value …"""
    c = Cursor(frame.payload, 3)
    report = Report()
    while c.left >= 5:
        number, size = c.u32(), c.u8()
        if size > c.left:
            break
        value = c.take(size)
        if number == 0x0080 and size == 4:
            report.odometer_m = int.from_bytes(value, "big") * 100
        elif number in PARAMETERS:
            name, is_text = PARAMETERS[number]
            report.attributes[name] = value.decode("gbk", "replace").strip(" \0") if is_text else int.from_bytes(value, "big")
    return [report]


def _words(frame: Frame) -> list[Report]:
    """length u32 | text"""
    c = Cursor(frame.payload)
    return _result(c.take(min(c.u32(), c.left)).decode("ascii", "replace"))


def _driver(frame: Frame) -> list[Report]:
    """card in or out u8 | time | result u8 | length u8, name | card's code 20 | length u8, agency | valid until, BCD 4"""
    c = Cursor(frame.payload)
    report = Report()
    a = report.attributes
    a["cardStatus"] = c.u8()
    report.time_ms = c.bcd_time_ms(EAST_S)
    a["cardResult"] = c.u8()
    if name := c.text(c.u8(), "gbk"):
        a["driver"] = name
    if code := c.text(20):
        a["cardCode"] = code
    if agency := c.text(c.u8(), "gbk"):
        a["cardAgency"] = agency
    a["cardValidity"] = c.take(4).hex()
    return [report]


def _can(frame: Frame) -> list[Report]:
    """count u16 | time of day BCD 5 | number u32, of which the upper three bits are flags, data 8 …"""
    c = Cursor(frame.payload, 7)
    told: dict[str, str] = {}
    while c.left >= 12:
        number = c.u32() & 0x1FFFFFFF
        told[f"can{number:x}"] = c.take(8).hex()
    if not told:
        raise CantRead("no message of the bus is in it")
    return [Report(attributes=told)]


def _media(frame: Frame) -> list[Report]:
    """number u32 | image, sound, film u8 | format u8 | why u8 | channel u8"""
    c = Cursor(frame.payload)
    number = c.u32()
    c.u16()
    return [Report(attributes={"mediaId": number, "event": c.u8(), "channel": c.u8()})]


def _upgrade(frame: Frame) -> list[Report]:
    """what of u8 | result u8"""
    c = Cursor(frame.payload)
    part, result = c.u8(), c.u8()
    return _result(f"upgrade of {part}: {('done', 'failed', 'cancelled')[result] if result < 3 else f'result {result}'}")


def _battery_and_time(frame: Frame) -> list[Report]:
    """0210 of seven bytes: battery % u8 | time"""
    if len(frame.payload) != 7:
        return []
    c = Cursor(frame.payload)
    return [Report(battery_percent=c.u8(), time_ms=c.bcd_time_ms(EAST_S))]


def _acceleration(frame: Frame) -> list[Report]:
    """time 6 | x, y, z u16 with a bit for the sign, again and again"""
    c = Cursor(frame.payload)
    seen: list[str] = []
    while c.left >= 12:
        c.take(6)
        seen.append("[" + ",".join(str(_signed(c.u16())) for _ in range(3)) + "]")
    return [Report(attributes={"gSensor": f"[{','.join(seen)}]"})]


def _signed(value: int) -> int:
    return -(value & 0x7FFF) if value & 0x8000 else value


def _text(frame: Frame) -> list[Report]:
    """encoding u8 | text"""
    return _result(frame.payload[1:].decode("gbk", "replace").strip("\0"))


def _text_answer(frame: Frame) -> list[Report]:
    """serial u16 | text in UTF-16"""
    return _result(frame.payload[2:].decode("utf-16-be", "replace").strip(" \0"))


def _sentence(frame: Frame) -> list[Report]:
    return _result(frame.payload.decode("ascii", "replace"))


def _transparent(frame: Frame) -> list[Report]:
    """kind u8 | what its maker puts there"""
    c = Cursor(frame.payload)
    kind = c.u8()
    if kind == 0x41:
        told = Told()
        obd_words(c.text(c.left), told)
        return [report_of(told)]
    return TRANSPARENT[kind](c) if kind in TRANSPARENT else []


# --- Jointech's locks: 5501, and 5502 for a place that isn't known

TILT = 0x0C
LOCK_ALARMS = ((0, "overspeed"), (1, "lowPower"), (2, "vibration"), (3, "lowBattery"), (5, "geofenceEnter"), (6, "geofenceExit"))


def _lock(frame: Frame) -> list[Report]:
    """ddmmyyhhmmss UTC | latitude ddmmmmmm, longitude dddmmmmmm and a nibble of flags: 0 fix, 1 north, 2 east | knots BCD 1
    | course/2 u8 | gsm u8 | satellites u8 | km u32 | battery % u8 | cell u32 | area u16 | product u8 | status u16 | alarms u16
    | items as in a position"""
    c = Cursor(frame.payload)
    time = _day_first(c)
    digits = c.take(9).hex()
    flags = int(digits[17], 16)
    latitude, longitude = (int(digits[:2]) + int(digits[2:8]) / 600_000, int(digits[8:11]) + int(digits[11:17]) / 600_000)
    report = Report(
        time_ms=time,
        valid=frame.kind == "lock",
        latitude=latitude if flags & 2 else -latitude,
        longitude=longitude if flags & 4 else -longitude,
        speed_kmh=c.bcd(1) * KMH_PER_KNOT,
        course_deg=c.u8() * 2,
        gsm=c.u8(),
        satellites=c.u8(),
        odometer_m=c.u32() * 1000,
    )
    battery = c.u8()
    if battery <= 100:
        report.battery_percent = battery
    elif battery in (0xAA, 0xAB):
        report.attributes["charge"] = True
    cell, area, product, status, alarms = c.u32(), c.u16(), c.u8(), c.u16(), c.u16()
    if product in (1, 2):
        if alarms & 1:
            report.alarm("lowPower")
    elif product == 3:
        report.attributes["blocked"] = bool(status & 0x20)
        for bit, name in LOCK_ALARMS:
            if alarms >> bit & 1:
                report.alarm(name)
    report.attributes["status"] = status
    _lock_items(c, report, cell, area)
    return [report]


def _day_first(c: Cursor) -> int | None:
    """ddmmyyhhmmss; None: the clock isn't set, as before the first fix."""
    day, month, year, hour, minute, second = (c.bcd(1) for _ in range(6))
    try:
        return time_ms(year, month, day, hour, minute, second)
    except CantRead:
        return None


def _lock_items(c: Cursor, report: Report, cell: int, area: int) -> None:
    around = Around()
    while c.left >= 2:
        number, size = c.u8(), c.u8()
        if size > c.left:
            break
        value = Cursor(c.take(size))
        if number == 0x02 and size >= 2:
            report.altitude_m = value.i16()
        elif number == 0x0A and size == 3:
            around.cell(value.u16(), value.u8(), area, cell)
        elif number == 0x10 and size:
            report.attributes["wakeSource"] = value.u8()
        elif number == 0xFC and size:
            report.attributes["geofence"] = value.u8()
        elif number == TILT and size >= 6:
            report.attributes["tilt"] = f"[{value.i16()},{value.i16()},{value.i16()}]"
        elif number == 0x0B:
            told = Told()
            read_item(number, value.data, told)
            report.attributes.update(told.attributes)
    if not report.valid:
        report.attributes.update(around.network())


MESSAGES: dict[str, Callable[[Frame], Iterable[Report]]] = {
    "acceleration": _acceleration,
    "answer to a command": _general,
    "attributes": _attributes,
    "can": _can,
    "driver": _driver,
    "heartbeat": _heartbeat,
    "lock": _lock,
    "lock blind": _lock,
    "media": _media,
    "parameters": _parameters,
    "photo taken": _photo,
    "sentence": _sentence,
    "short batch": _battery_and_time,
    "text": _text,
    "text answer": _text_answer,
    "transparent": _transparent,
    "upgrade": _upgrade,
    "words": _words,
}
