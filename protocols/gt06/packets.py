"""Every kind of GT06 frame that is not an ordinary location or heartbeat, each by a few lines that read straight down the wire.

A reader takes the cursor, the report to fill and the tracker's time zone, and raises ValueError, whose text is the reason,
when the bytes can't be what their number says. What models do differently stands in VARIANTS, found by kind and length, so
that no model's name appears in a reader that others share.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from protocols.gt06.fields import (
    ALARM_CODES,
    Reader,
    Report,
    battery,
    bcd_date_ms,
    cell,
    date_ms,
    place,
    point,
    status,
    unix_ms,
    upload_words,
)

ReadKind = Callable[[Reader, Report, int], None]


def read(kind: str, content: bytes, zone_s: int) -> Report | str:
    """What one frame reports, or why it can't be read."""
    reader = variant(kind, len(content)) or READERS.get(kind)
    if reader is None:
        return f"no manual of ours knows the kind {kind}"
    report = Report()
    try:
        reader(Reader(content), report, zone_s)
    except ValueError as error:
        return str(error)
    return report


def variant(kind: str, size: int) -> ReadKind | None:
    """The reader of a model's own form of a kind, known by the length of its content."""
    known = VARIANTS.get((kind, size))
    if known is None:
        least = LONG_VARIANTS.get(kind)
        if least is not None and size >= least[0]:
            return least[1]
    return known


# Locations


def location(r: Reader, report: Report, zone_s: int) -> None:
    """Place, cell and, in known lengths, ignition, reason of sending and odometer."""
    place(r, report, zone_s)
    if r.left >= 8:
        cell(r, report)
    upload(r, report)


def upload(r: Reader, report: Report) -> None:
    if r.left in (3, 7):
        report.numbers["ignition"] = r.u8() > 0
        report.more |= upload_words(r.u8(), r.u8())
    if r.left == 4:
        report.numbers["odometer_m"] = r.u32()


def place_only(r: Reader, report: Report, zone_s: int) -> None:
    """0x1A asks for an address by phone, 0x1E lists seven cells: neither list is needed beside a place."""
    place(r, report, zone_s)


def location_modules(r: Reader, report: Report, zone_s: int) -> None:
    """0x37: a location and modules, each id u16, length u8, content."""
    place(r, report, zone_s)
    cell(r, report)
    report.numbers["ignition"] = r.u8() > 0
    report.more |= upload_words(r.u8(), r.u8())
    while r.left >= 3:
        number, module = r.u16(), Reader(r.take(r.u8()))
        if number == 0x27:
            report.numbers["power_v"] = module.u16() / 100
        elif number == 0x2E:
            report.numbers["odometer_m"] = module.u32()
        elif number == 0x3B:
            report.numbers["accuracy_m"] = module.u16() / 100


def location_with_imei(r: Reader, report: Report, zone_s: int) -> None:
    """QH302R puts its IMEI before the place; no year from 2010 on begins like an IMEI."""
    if r.data[0] < 10:
        r.take(8)
    location(r, report, zone_s)


def location_4g(r: Reader, report: Report, zone_s: int) -> None:
    """0x38: why it was sent, whether again, and a cell of any generation."""
    place(r, report, zone_s)
    report.more |= upload_words(r.u8(), r.u8())
    typed_cell(r, report)


def typed_cell(r: Reader, report: Report) -> None:
    if r.u8() >= 3:  # LTE
        cell(r, report, area=4, tower=8, signal=2)
    else:
        cell(r, report, signal=1)


def x1_location(r: Reader, report: Report, zone_s: int) -> None:
    """0x34 of X1, whose voltages are 0.01 V, the vehicle's first."""
    r.u32()  # data and alarm
    place(r, report, zone_s)
    r.u16()  # terminal information
    report.numbers["odometer_m"] = r.u32()
    report.cell(r.u16(), r.u8(), r.u16(), r.u32())
    if driver := r.u32():
        report.more["driverUniqueId"] = str(driver)
    report.numbers |= {"power_v": r.u16() / 100, "battery_v": r.u16() / 100}
    ports = r.u32()
    report.more |= {"input": r.u8(), "output": r.u8()}
    for number in range(1, (ports >> 20 & 0xF) + 1):
        report.more[f"adc{number}"] = r.u16() / 100


def ibutton(r: Reader, report: Report, zone_s: int) -> None:
    r.take(8)  # IMEI
    place(r, report, zone_s)
    cell(r, report, tower=4)
    report.more["driverUniqueId"] = str(r.unsigned(6))


def sr411_location(r: Reader, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    cell(r, report)
    report.numbers |= {"ignition": r.u8() > 0, "power_v": r.u16() / 100, "battery_v": r.u16() / 100}


def card_location(r: Reader, report: Report, zone_s: int) -> None:
    """GT06E with a card reader."""
    place(r, report, zone_s)
    cell(r, report)
    report.numbers["odometer_m"] = r.u32()
    if card := text(r.take(r.u8())):
        report.more["card"] = card


def wetrust_location(r: Reader, report: Report, zone_s: int) -> None:
    card_location(r, report, zone_s)
    if r.u8():
        report.alarm("general")
    report.more |= {"cardStatus": r.u8(), "drivingTime": r.u16()}


def benway_location(r: Reader, report: Report, zone_s: int) -> None:
    """Two bytes of bits: 15 ignition, 14 second input, 12 temperature rather than voltage."""
    place(r, report, zone_s)
    cell(r, report)
    bits = r.u16()
    report.numbers["ignition"] = bool(bits & 0x8000)
    report.more["in2"] = bool(bits & 0x4000)
    if bits & 0x1000:
        degrees = bits & 0x1FF
        report.more["temp1"] = -degrees if bits & 0x200 else degrees
    else:
        report.more["adc1"] = (bits & 0x3FF) * (1 if bits & 0x2000 else 0.1)


def vxt01_location(r: Reader, report: Report, zone_s: int) -> None:
    """A status of volts behind the cell; the seventh alarm of its flags is overspeed."""
    place(r, report, zone_s)
    cell(r, report)
    flags = r.data[r.at] if r.left else 0
    before = report.alarms
    volts_status(r, report)
    if flags >> 3 & 7 == 7:
        report.alarms = before
        report.alarm("overspeed")


def volts_status(r: Reader, report: Report) -> None:
    status(r, report)
    report.numbers |= {"power_v": r.u16() / 100, "gsm": r.u8()}


def s5_location(r: Reader, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    cell(r, report)
    volts_status(r, report)
    report.alarm(ALARM_CODES.get(r.u8()))
    report.more["oil"] = r.u16()
    degrees = r.u8()
    report.more["temp1"] = -(degrees & 0x7F) if degrees & 0x80 else degrees
    report.numbers["odometer_m"] = r.u32() * 10


def seeworld_location(r: Reader, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    cell(r, report, tower=4)
    report.numbers["ignition"] = r.u8() > 0
    r.take(2)  # reporting mode, sent again
    report.numbers["odometer_m"] = r.u32()
    r.u32()  # travel time
    degrees = r.u16()
    report.more |= {"temp1": (-(degrees & 0x7FFF) if degrees & 0x8000 else degrees) / 100, "humidity": r.u16() / 100}


def sl4x_location(r: Reader, report: Report, zone_s: int) -> None:
    """0x31. The cell is u64 in trackers without an odometer, u32 in those with one; both make the same length."""
    place(r, report, zone_s)
    wide_tower = r.data[r.at + 6 : r.at + 10] == bytes(4)
    cell(r, report, wide=True, tower=8 if wide_tower else 4)
    report.numbers["ignition"] = r.u8() > 0
    report.more |= upload_words(r.u8(), r.u8())
    if r.left == 6:
        report.numbers["odometer_m"] = r.u32()
    report.numbers["altitude_m"] = r.signed(2)


def rfid_location(r: Reader, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    cell(r, report)
    report.more["driverUniqueId"] = r.take(8).hex()


def nt_location(r: Reader, report: Report, zone_s: int) -> None:
    """NT11 to NT46, VL100 and XT40: source, IMEI and the tracker's own time before the place, telemetry and driver behind."""
    if any(digit > 9 for byte in r.data[1:9] for digit in divmod(byte, 16)):
        location(r, report, zone_s)
        return
    r.take(1 + 8 + 6)
    place(r, report, zone_s)
    length = r.u8()
    if length:
        r.take(length - 1)
    status(r, report)
    report.numbers |= {"power_v": r.u16() / 100, "battery_v": r.u8() / 10, "gsm": r.u8()}
    report.alarm(ALARM_CODES.get(r.u8()))
    r.u8()  # language
    report.numbers |= {"odometer_m": r.unsigned(3), "engine_hours_s": r.unsigned(3) * 60}
    if r.left and (length := r.u8()) > 1:
        r.u8()  # kind of identifier
        report.more["driverUniqueId"] = r.take(length - 1).hex()


def lw4g_location(r: Reader, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    cell(r, report, area=4, tower=8)
    r.u8()  # network
    status(r, report)
    report.numbers["power_v"] = r.u16() / 100
    battery(r, report)
    report.numbers["gsm"] = r.u8()
    report.alarm(ALARM_CODES.get(r.u8()))
    r.u8()  # language
    report.numbers |= {"odometer_m": r.u32(), "engine_hours_s": r.u32()}
    r.take(8)  # terminal id
    report.more["input"] = r.u16()


# Statuses and alarms


def heartbeat_volts(r: Reader, report: Report, zone_s: int) -> None:
    """0x23 of GK310 and others; the voltage is the battery's."""
    flags = r.u8()
    report.more |= {"armed": bool(flags & 0x01), "charge": bool(flags & 0x04)}
    report.numbers["ignition"] = bool(flags & 0x02)
    if r.left >= 2:
        report.numbers["battery_v"] = r.u16() / 100
    if r.left:
        report.numbers["gsm"] = r.u8()


def bar_status(r: Reader, report: Report, *, long_codes: bool = False) -> None:
    """Flags, battery, signal, alarm and language; with long codes the language's high half belongs to the alarm."""
    status(r, report)
    battery(r, report)
    report.numbers["gsm"] = r.u8()
    code = r.u8() if r.left else 0
    language = r.u8() if r.left else 0
    report.alarm(ALARM_CODES.get((language >> 4) << 8 | code if long_codes else code))


def plain_status(r: Reader, report: Report, zone_s: int) -> None:
    bar_status(r, report)


def obd6_status(r: Reader, report: Report, zone_s: int) -> None:
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


def temperature_status(r: Reader, report: Report, zone_s: int) -> None:
    r.take(5)  # flags, satellites, alarm, language
    report.numbers["battery_percent"] = r.u8()
    r.take(8)  # mode, voltage, reserved, times
    degrees = r.u16()
    report.more["temp1"] = (degrees & 0x7FFF) / 10 * (1 if degrees & 0x8000 else -1)


def module_status(r: Reader, report: Report, zone_s: int) -> None:
    """0x36 of Jimi's 4G trackers."""
    bar_status(r, report)
    status_modules(r, report)


def module_alarm(r: Reader, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    typed_cell(r, report)
    bar_status(r, report, long_codes=True)
    status_modules(r, report)


def status_modules(r: Reader, report: Report) -> None:
    """Each id u16, length u8, content."""
    while r.left >= 3:
        number, module = r.u16(), Reader(r.take(r.u8()))
        if number == 0x18:
            report.numbers["battery_v"] = module.u16() / 100
        elif number == 0x32:
            report.more["startupStatus"] = module.u8()
        elif number == 0x6A:
            report.numbers["battery_percent"] = module.u8()


def cell_status(r: Reader, report: Report, zone_s: int) -> None:
    cell(r, report)
    bar_status(r, report)


def cell_status_4g(r: Reader, report: Report, zone_s: int) -> None:
    cell(r, report, area=4, tower=8)
    bar_status(r, report)


def cell_only_4g(r: Reader, report: Report, zone_s: int) -> None:
    """0xA7: asks for an address by phone."""
    cell(r, report, area=4, tower=8)


def cells_of_space10x(r: Reader, report: Report, zone_s: int) -> None:
    report.time_ms = date_ms(r, zone_s)


def alarm(r: Reader, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    skip_cell(r, 5)
    bar_status(r, report)


def fence_alarm(r: Reader, report: Report, zone_s: int) -> None:
    """0x27 and 0xA4: which of the fences comes last."""
    place(r, report, zone_s)
    skip_cell(r, 6)
    bar_status(r, report, long_codes=True)
    if r.left:
        report.more["geofence"] = r.u8()


def alarm_with_altitude(r: Reader, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    skip_cell(r, 7)
    bar_status(r, report)
    report.numbers["altitude_m"] = r.signed(2)


def skip_cell(r: Reader, status_bytes: int) -> None:
    """The cell before a status. Its length byte counts itself in most trackers, not in all, and may be 0 before a row of
    zeros; so the end of the frame decides where the status starts, unless it leaves room for bytes that we don't know."""
    length = r.u8()
    start = len(r.data) - status_bytes
    cell_bytes = start - r.at
    if length == 0 or length >= cell_bytes:
        r.take(cell_bytes)
    else:
        r.take(length - 1)


CAMERA_ALARMS: dict[int, str] = {
    0x0E: "lowPower", 0x76: "temperature", 0x80: "vibration", 0x87: "overspeed", 0x88: "powerCut", 0x90: "hardAcceleration",
    0x91: "hardBraking", 0x92: "hardCornering", 0x93: "accident",
}  # fmt: skip


def camera_alarm(r: Reader, report: Report, zone_s: int) -> None:
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


def jc400_place(r: Reader, report: Report, zone_s: int) -> None:
    r.take(3)  # FFFF, version
    report.time_ms = date_ms(r, zone_s)
    report.numbers["satellites"] = r.u8() & 0x0F
    latitude, longitude = r.u32(), r.u32()
    point(report, latitude, longitude, r.u16())
    report.numbers |= {"speed_kmh": r.u16(), "power_v": r.u16() / 10}


AZ735_STATES: dict[int, bool] = {0xA0: True, 0xA1: False}  # armed
AZ735_ALARMS: dict[int, str] = {0xA2: "lowBattery", 0xA3: "lowBattery", 0xA4: "general", 0xA5: "door"}


def az735_location(r: Reader, report: Report, zone_s: int) -> None:
    """0x32 long: each part has its length before it, 0 when it is missing."""
    report.time_ms = date_ms(r, zone_s)
    if length := r.u8():
        az735_place(Reader(r.take(length)), report)
    if length := r.u8():
        part = Reader(r.take(length - 1))
        cell(part, report)
        report.numbers["gsm"] = r.u8()
    r.take(r.u8())  # more cells
    r.take(r.u8())  # access points
    report.more["status"] = r.u8()


def az735_place(r: Reader, report: Report) -> None:
    report.numbers["satellites"] = r.u8() & 0x0F
    latitude, longitude = r.u32(), r.u32()
    report.numbers["speed_kmh"] = r.u8()
    point(report, latitude, longitude, r.u16())


def az735_alarm(r: Reader, report: Report, zone_s: int) -> None:
    az735_location(r, report, zone_s)
    state = report.more["status"]
    if state in AZ735_STATES:
        report.more["armed"] = AZ735_STATES[state]
    report.alarm(AZ735_ALARMS.get(state))


# Cells and access points, for those who can't see the sky


def cells(*, area: int = 2, tower: int = 3, count: int = 7, wifi: bool = False) -> ReadKind:
    """A reader of the date, a fixed number of cells with their signal, and perhaps access points."""

    def read_cells(r: Reader, report: Report, zone_s: int) -> None:
        report.time_ms = date_ms(r, zone_s)
        mcc = r.u16()
        mnc = r.u16() if mcc & 0x8000 else r.u8()
        for _ in range(count):
            neighbour(r, report, mcc, mnc, area, tower)
        r.u8()  # timing advance
        if wifi:
            access_points(r, report)

    return read_cells


def neighbour(r: Reader, report: Report, mcc: int, mnc: int, area: int, tower: int) -> None:
    report.cell(mcc, mnc, r.unsigned(area), r.unsigned(tower), -r.u8())


def access_points(r: Reader, report: Report) -> None:
    for _ in range(r.u8()):
        report.access_point(r.take(6), r.u8())


def wanway_cells(r: Reader, report: Report, zone_s: int) -> None:
    report.time_ms = date_ms(r, zone_s)
    r.u8()  # timing advance
    mcc = r.u16()
    mnc = r.u16() if mcc & 0x8000 else r.u8()
    for _ in range(r.u8()):
        neighbour(r, report, mcc, mnc, 2, 3)


def sl4x_cells(r: Reader, report: Report, zone_s: int) -> None:
    """0x34 of SL4X: as many cells as there is room for."""
    report.time_ms = date_ms(r, zone_s)
    r.u8()  # timing advance
    mcc, mnc = r.u16(), r.u16()
    while r.left >= 7:
        neighbour(r, report, mcc, mnc, 2, 4)


def wifi_alarm(r: Reader, report: Report, zone_s: int) -> None:
    report.time_ms = date_ms(r, zone_s)
    mcc = r.u16()
    mnc = r.u16() if mcc & 0x8000 else r.u8()
    area, tower = (4, 8) if r.u8() else (2, 3)
    for _ in range(r.u8()):
        neighbour(r, report, mcc, mnc, area, tower)
    r.u8()  # timing advance
    access_points(r, report)
    code, language = r.u8(), r.u8()
    report.alarm(ALARM_CODES.get((language >> 4) << 8 | code))


def wifi(r: Reader, report: Report, zone_s: int) -> None:
    """The frames without a checksum; the session puts their count of access points first."""
    count = r.u8()
    report.time_ms = bcd_date_ms(r)
    for _ in range(count):
        report.access_point(r.take(6), r.u8())
    towers, mcc, mnc = r.u8(), r.u16(), r.u8()
    for _ in range(towers):
        report.cell(mcc, mnc, r.u16(), r.u16(), r.u8())


def wifi_macs(r: Reader, report: Report, zone_s: int) -> None:
    report.time_ms = date_ms(r, zone_s)
    for _ in range(r.u8()):
        r.u16()
        report.access_point(r.take(6), None)


# Texts and what hangs on the tracker's wires


def text(data: bytes) -> str:
    """Printable text without the padding around it."""
    return data.decode("ascii", "replace").strip(" \t\r\n\0")


def command_result(r: Reader, report: Report, zone_s: int) -> None:
    """0x15: length, the server's own four bytes, text; some clones send the length as 0 and pad with zeros."""
    length = r.u8()
    r.u32()
    words = text(r.take(length - 4)) if length >= 4 else text(r.rest().split(b"\0", 1)[0])
    if words.startswith("<ICCID:"):
        report.more["iccid"] = words[7:27]
    elif words:
        report.more["result"] = words


SPOKEN_PLACE = re.compile(
    r"Current position!Lat:([NS])(\d+\.\d+),Lon:([EW])(\d+\.\d+),Course:(\d+\.\d+),Speed:(\d+\.\d+),"
    r"DateTime:(\d{4}-\d\d-\d\d) +(\d\d:\d\d:\d\d)"
)


def long_command_result(r: Reader, report: Report, zone_s: int) -> None:
    """0x21: the server's own four bytes, encoding (1 ASCII, 2 UTF-16), text."""
    r.u32()
    encoding, data = r.u8(), r.rest()
    words = text(data) if encoding == 1 else data.decode("utf-16-be", "replace").strip(" \t\r\n\0")
    spoken = SPOKEN_PLACE.match(words)
    if spoken is None:
        report.more["result"] = words
        return
    south_north, north, west_east, east, course, speed, date, hour = spoken.groups()
    report.time_ms = int(datetime.fromisoformat(f"{date}T{hour}").replace(tzinfo=UTC).timestamp()) * 1000
    report.valid = True
    report.numbers |= {
        "latitude": on_the_earth(float(north), 90) * (-1 if south_north == "S" else 1),
        "longitude": on_the_earth(float(east), 180) * (-1 if west_east == "W" else 1),
        "course_deg": float(course),
        "speed_kmh": float(speed),
    }


def on_the_earth(degrees: float, most: float) -> float:
    if degrees > most:
        raise ValueError(f"no such place: {degrees}")
    return degrees


def short_information(r: Reader, report: Report, zone_s: int) -> None:
    report.numbers["power_v"] = r.signed(2) / 100


def information(r: Reader, report: Report, zone_s: int) -> None:
    """0x94: the first byte says of what."""
    subject = r.u8()
    reader = INFORMATION.get(subject)
    if reader is None:
        raise ValueError(f"no manual of ours knows the information 0x{subject:02x}")
    reader(r, report, zone_s)


def voltage(r: Reader, report: Report, zone_s: int) -> None:
    report.more["adc1"] = r.u16() / 100


SYNCHRONISED: dict[str, str] = {
    "ALM1": "alarm1Status", "ALM2": "alarm2Status", "ALM3": "alarm3Status", "ALM4": "alarm4Status",
    "STA1": "otherStatus", "DYD": "engineStatus",
}  # fmt: skip


def synchronised(r: Reader, report: Report, zone_s: int) -> None:
    """Settings as NAME=VALUE; the known ones hold bits in hexadecimal."""
    for pair in text(r.rest()).split(";"):
        name, _, value = pair.partition("=")
        if name in SYNCHRONISED and value:
            report.more[SYNCHRONISED[name]] = int(value, 16)
        elif name == "ICCID" and value:
            report.more["iccid"] = value.rstrip("Ff")


def door(r: Reader, report: Report, zone_s: int) -> None:
    if r.left >= 7:
        report.time_ms = date_ms(r, zone_s)
    flags = r.u8()
    report.more |= {"door": bool(flags & 0x01), "io1": bool(flags & 0x04)}


def sim_card(r: Reader, report: Report, zone_s: int) -> None:
    r.take(16)  # IMEI, IMSI
    report.more["iccid"] = r.take(10).hex().rstrip("f")


def network_or_power(r: Reader, report: Report, zone_s: int) -> None:
    if r.left == 1:
        report.more["networkTechnology"] = "4G" if r.u8() else "2G"
    else:
        report.numbers["power_v"] = r.u16() / 100


FUEL_SENSOR = re.compile(r"!AIOIL,\d+,\d+\.\d+,(\d+\.\d+),[^,]+,\d{3}\d,(\d+\.\d+),[01],\d+,[0-9A-Fa-f]{2}")


def fuel_sensor(r: Reader, report: Report, zone_s: int) -> None:
    if r.left and r.data[r.at] != ord("!"):
        report.time_ms = date_ms(r, zone_s)
    sensor = FUEL_SENSOR.fullmatch(text(r.rest()))
    if sensor is None:
        raise ValueError("not the words of a fuel sensor")
    report.more |= {"temp1": float(sensor[1]), "fuel": float(sensor[2])}


def serial_port(r: Reader, report: Report, zone_s: int) -> None:
    """A reader's card in binary, or any words."""
    if r.left and chr(r.data[r.at]).isalpha():
        report.more["serial"] = text(r.rest())
        return
    r.take(2)  # header, type
    report.more["driverUniqueId"] = r.take(4).hex()


def climate(r: Reader, report: Report, zone_s: int) -> None:
    report.more |= {"temp1": r.signed(4) / 10, "humidity": r.signed(4) / 10}


INFORMATION: dict[int, ReadKind] = {
    0x00: voltage,
    0x04: synchronised,
    0x05: door,
    0x0A: sim_card,
    0x0B: network_or_power,
    0x0D: fuel_sensor,
    0x1B: serial_port,
    0x1E: climate,
}


def transparent(r: Reader, report: Report, zone_s: int) -> None:
    """0x9B: what came in on the serial port; text when all of it is."""
    r.u8()  # kind of device
    data = r.rest()
    report.more["result"] = text(data) if all(0x20 <= byte < 0x7F or byte in b"\r\n\t" for byte in data) else data.hex()


OBD_PLACE_BYTES = 12  # satellites, latitude, longitude, speed, flags: the next location says the same


def obd(r: Reader, report: Report, zone_s: int) -> None:
    """0x8C of FM08ABC: pairs like 283=000274d8, the first two digits hexadecimal, values in hundredths."""
    report.time_ms = date_ms(r, zone_s)
    report.numbers["ignition"] = r.u8() > 0
    for pair in text(r.take(r.left - OBD_PLACE_BYTES)).split(","):
        name, _, value = pair.partition("=")
        if not value:
            continue
        number = name[:2].upper()
        if number == "4A":
            report.more["vin"] = value
        elif number in OBD_WORDS:
            report.more[OBD_WORDS[number]] = int(value, 16) / 100
        elif number in OBD_COLUMNS:
            column, unit = OBD_COLUMNS[number]
            report.numbers[column] = int(value, 16) * unit


OBD_WORDS: dict[str, str] = {"2B": "fuel", "2D": "coolantTemp", "35": "obdSpeed", "36": "rpm", "47": "fuelUsed"}
OBD_COLUMNS: dict[str, tuple[str, float]] = {"28": ("odometer_m", 10), "49": ("engine_hours_s", 36)}  # 0.01 km, 0.01 h


def battery_pack(r: Reader, report: Report, zone_s: int) -> None:
    """0x40 of WD-209, a battery's own computer."""
    r.take(8)  # serial number
    report.time_ms = unix_ms(r.u32())
    report.more |= {"relativeCapacity": r.u8(), "remainingCapacity": r.u16(), "absoluteCapacity": r.u8()}
    report.more |= {"fullCapacity": r.u16(), "batteryHealth": r.u8(), "batteryTemp": round(r.u16() / 10 - 273.1, 1)}
    report.more["current"] = r.u16()
    report.numbers["battery_v"] = r.u16() / 1000
    report.more["cycleIndex"] = r.u16()
    report.more |= {f"batteryCell{number}": r.u16() / 1000 for number in range(1, 15)}
    report.more |= {"currentChargeInterval": r.u16(), "maxChargeInterval": r.u16(), "barcode": text(r.take(16))}
    report.more |= {"batteryVersion": r.u16(), "manufacturer": text(r.take(16)), "batteryStatus": r.u32()}
    report.more |= {"controllerStatus": r.u32(), "controllerFault": r.u32()}


def bluetooth_clock(r: Reader, report: Report, zone_s: int) -> None:
    report.time_ms = date_ms(r, zone_s)
    report.numbers["gsm"] = r.signed(1)
    report.more |= {"tagMac": r.take(6).hex(), "tagUuid": r.take(16).hex(), "tagMajor": r.u16(), "tagMinor": r.u16()}
    report.more |= {"tagBattery": r.u16() / 100, "clock": r.u8() >> 2 & 0xF}


# Frames of modules


def modular(r: Reader, report: Report, zone_s: int) -> None:
    """0x70: modules, each id u16, length u16, content."""
    sent_ms: int | None = None
    while r.left >= 4:
        number, module = r.u16(), Reader(r.take(r.u16()))
        if number == 0x2C:
            sent_ms = unix_ms(module.u32())
        elif number in MODULES:
            MODULES[number](module, report, zone_s)
    if report.time_ms is None:
        report.time_ms = sent_ms


def module_iccid(r: Reader, report: Report, zone_s: int) -> None:
    report.more["iccid"] = r.take(10).hex().rstrip("f")


def module_satellites(r: Reader, report: Report, zone_s: int) -> None:
    report.numbers["satellites"] = r.u8()


def module_visible(r: Reader, report: Report, zone_s: int) -> None:
    report.more["satVisible"] = r.u8()


def module_cell(r: Reader, report: Report, zone_s: int) -> None:
    mcc, mnc, area, tower = r.u16(), r.u16(), r.u16(), r.unsigned(3)
    if tower:
        report.cell(mcc, mnc, area, tower, r.u8())


def module_battery(r: Reader, report: Report, zone_s: int) -> None:
    report.numbers["battery_v"] = r.u16() / 100


def module_hdop(r: Reader, report: Report, zone_s: int) -> None:
    report.more["hdop"] = r.u8() / 10


def module_index(r: Reader, report: Report, zone_s: int) -> None:
    report.more["index"] = r.u32()


def module_inputs(r: Reader, report: Report, zone_s: int) -> None:
    inputs = r.u8()
    report.more |= {"door": inputs & 0x0F > 0, "tamper": inputs >> 4 > 0}


def module_boot(r: Reader, report: Report, zone_s: int) -> None:
    report.more["bootReason"] = r.u8()


def module_odometer(r: Reader, report: Report, zone_s: int) -> None:
    report.numbers["odometer_m"] = r.u32()


def module_place(r: Reader, report: Report, zone_s: int) -> None:
    report.time_ms = unix_ms(r.u32())
    report.numbers |= {"satellites": r.u8(), "altitude_m": r.signed(2)}
    latitude, longitude = r.u32(), r.u32()
    report.numbers["speed_kmh"] = r.u8()
    point(report, latitude, longitude, r.u16())


MODULE_ALARMS: dict[int, str] = {
    0x10: "door", 0x12: "removing", 0x14: "geofenceEnter", 0x15: "geofenceExit", 0x16: "temperature", 0x1A: "lowBattery",
    0x1B: "overspeed", 0x1C: "powerOn", 0x1D: "powerOff", 0x20: "vibration", 0x21: "powerCut", 0x23: "tampering",
}  # fmt: skip


def module_event(r: Reader, report: Report, zone_s: int) -> None:
    event = r.u8()
    report.more["event"] = event
    report.alarm(MODULE_ALARMS.get(event))


def module_tag(r: Reader, report: Report, zone_s: int) -> None:
    report.more |= {"tag1Id": r.take(6).hex(), "tag1Battery": r.u16() / 1000, "tag1BatteryLevel": r.u8()}
    report.more |= {"tag1Temp": r.signed(2) / 10, "tag1Humidity": r.signed(2), "tag1Status": r.u8()}


MODULES: dict[int, ReadKind] = {
    0x03: module_iccid,
    0x09: module_satellites,
    0x0A: module_visible,
    0x11: module_cell,
    0x18: module_battery,
    0x28: module_hdop,
    0x29: module_index,
    0x2A: module_inputs,
    0x2B: module_boot,
    0x2E: module_odometer,
    0x33: module_place,
    0x34: module_event,
    0x7F: module_tag,
}


def device_status(r: Reader, report: Report, zone_s: int) -> None:
    """0xF1: time, then states, each id u16, length u8, content."""
    report.time_ms = unix_ms(r.u32())
    while r.left >= 3:
        number, state = r.u16(), Reader(r.take(r.u8()))
        if number == 0x01:
            report.numbers["motion"] = state.u8() in (2, 4)
        elif number == 0x02:
            report.more["armed"] = state.u8() > 0
        elif number == 0x04:
            report.numbers["ignition"] = state.u8() > 0
        elif number == 0x05:
            report.numbers["power_v"] = state.u16() / 100
        elif number == 0x07:
            report.more["charge"] = state.u8() > 0
        elif number == 0x0A:
            report.more["chargeVoltage"] = state.u16()
        elif number == 0x0B:
            report.more["batteryTemp"] = state.u16() / 10


def peripheral(r: Reader, report: Report, zone_s: int) -> None:
    """0xF2: time, then what hangs on the tracker; a tag's length has two bytes, others' one, or two when it starts with 0."""
    report.time_ms = unix_ms(r.u32())
    while r.left >= 3:
        number = r.u16()
        if number == 0x0A:
            bluetooth_tag(Reader(r.take(r.u16())), report)
        elif number == 0x0C:
            external_battery(Reader(r.take(r.u8())), report)
        else:
            r.take(r.u8() or r.u8())


def bluetooth_tag(r: Reader, report: Report) -> None:
    r.u8()  # kind of address
    report.more["mac"] = r.take(6).hex()
    event, value = r.u8(), r.u8()
    report.more["event"] = event
    if event:
        report.more["eventData"] = value
    report.more |= {"dataType": r.u8(), "dataDetails": r.rest().hex()}


def external_battery(r: Reader, report: Report) -> None:
    report.more["externalBatteryLevel"] = r.u8()
    if r.u8():
        report.more["externalBatteryCharge"] = True
    report.more["externalBatteryCycles"] = r.u16()


def picture(r: Reader, report: Report, zone_s: int) -> None:
    raise ValueError("a piece of a picture; pictures are not taken in")


READERS: dict[str, ReadKind] = {
    "0x10": place_only,  # these seven come here only when they are shorter than any manual says
    "0x11": place_only,
    "0x12": place_only,
    "0x22": place_only,
    "0x2d": place_only,
    "0x31": place_only,
    "0xa0": place_only,
    "0x13": plain_status,
    "0x15": command_result,
    "0x16": alarm,
    "0x18": cells(wifi=True),
    "0x19": cell_status,
    "0x1a": place_only,
    "0x1e": place_only,
    "0x21": long_command_result,
    "0x23": heartbeat_volts,
    "0x24": cells(),
    "0x25": location,
    "0x26": alarm,
    "0x27": fence_alarm,
    "0x28": cells(),
    "0x2c": cells(wifi=True),
    "0x2e": cells(),
    "0x32": alarm,
    "0x33": cells(tower=4, count=6, wifi=True),
    "0x34": x1_location,
    "0x35": picture,
    "0x36": module_status,
    "0x37": location_modules,
    "0x38": location_4g,
    "0x39": module_alarm,
    "0x40": battery_pack,
    "0x61": ibutton,
    "0x94": short_information,
    "0x95": camera_alarm,
    "0xa1": cells(area=4, tower=8),
    "0xa2": cells(area=4, tower=8, wifi=True),
    "0xa3": alarm,
    "0xa4": fence_alarm,
    "0xa5": cell_status_4g,
    "0xa7": cell_only_4g,
    "0xa9": wifi_alarm,
    "0xb2": bluetooth_clock,
    "0xf3": wifi_macs,
    "wifi": wifi,
    "0x13 long": plain_status,
    "0x21 long": long_command_result,
    "0x32 long": az735_location,
    "0x33 long": az735_alarm,
    "0x36 long": picture,
    "0x41 long": picture,
    "0x70 long": modular,
    "0x8c long": obd,
    "0x94 long": information,
    "0x95 long": camera_alarm,
    "0x9b long": transparent,
    "0x9c long": transparent,
    "0xf1 long": device_status,
    "0xf2 long": peripheral,
}
VARIANTS: dict[tuple[str, int], ReadKind] = {  # by kind and bytes of content
    ("0x12", 28): benway_location,
    ("0x12", 31): vxt01_location,
    ("0x12", 34): location_with_imei,
    ("0x12", 36): wetrust_location,
    ("0x12", 38): s5_location,
    ("0x13", 14): obd6_status,
    ("0x13", 16): temperature_status,
    ("0x16", 31): vxt01_location,
    ("0x17", 35): rfid_location,
    ("0x22", 42): seeworld_location,
    ("0x24", 41): sr411_location,
    ("0x24", 44): wanway_cells,
    ("0x31", 37): sl4x_location,
    ("0x32", 36): alarm_with_altitude,
    ("0x34", 50): sl4x_cells,
    ("0xa2", 59): lw4g_location,
    ("0xa3", 7): plain_status,
}
LONG_VARIANTS: dict[str, tuple[int, ReadKind]] = {  # from that many bytes of content on
    "0x12": (108, card_location),
    "0x19": (18, cells_of_space10x),
    "0x22": (54, nt_location),
    "0x25": (54, nt_location),
}
