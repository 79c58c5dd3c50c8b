"""Locations of GT06 that are not the ordinary ones: models with more to tell, and older forms."""

from __future__ import annotations

from protocols.cursor import Cursor
from protocols.gt06.fields import ALARM_CODES, Report, battery, cell, place, status, text, typed_cell, upload_words


def location(r: Cursor, report: Report, zone_s: int) -> None:
    """Place, cell and, in known lengths, ignition, reason of sending and odometer."""
    place(r, report, zone_s)
    if r.left >= 8:
        cell(r, report)
    upload(r, report)


def location_with_driver(r: Cursor, report: Report, zone_s: int) -> None:
    """0x25 of XT40, where it is not one of `nt_location`'s: a cell of four bytes."""
    place(r, report, zone_s)
    cell(r, report, tower=4)
    upload(r, report)


def upload(r: Cursor, report: Report) -> None:
    if r.left in (3, 7):
        report.numbers["ignition"] = r.u8() > 0
        report.more |= upload_words(r.u8(), r.u8())
    if r.left == 4:
        report.numbers["odometer_m"] = r.u32()


def place_only(r: Cursor, report: Report, zone_s: int) -> None:
    """0x1A asks for an address by phone, 0x1E lists seven cells: neither list is needed beside a place."""
    place(r, report, zone_s)


def location_modules(r: Cursor, report: Report, zone_s: int) -> None:
    """0x37: a location and modules, each id u16, length u8, content."""
    place(r, report, zone_s)
    cell(r, report)
    report.numbers["ignition"] = r.u8() > 0
    report.more |= upload_words(r.u8(), r.u8())
    while r.left >= 3:
        number, module = r.u16(), Cursor(r.take(r.u8()))
        if number == 0x27:
            report.numbers["power_v"] = module.u16() / 100
        elif number == 0x2E:
            report.numbers["odometer_m"] = module.u32()
        elif number == 0x3B:
            report.numbers["accuracy_m"] = module.u16() / 100


def location_with_imei(r: Cursor, report: Report, zone_s: int) -> None:
    """QH302R puts its IMEI before the place; no year from 2010 on begins like an IMEI."""
    if r.data[0] < 10:
        r.take(8)
    location(r, report, zone_s)


def location_4g(r: Cursor, report: Report, zone_s: int) -> None:
    """0x38: why it was sent, whether again, and a cell of any generation."""
    place(r, report, zone_s)
    report.more |= upload_words(r.u8(), r.u8())
    typed_cell(r, report)


def x1_location(r: Cursor, report: Report, zone_s: int) -> None:
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


def ibutton(r: Cursor, report: Report, zone_s: int) -> None:
    r.take(8)  # IMEI
    place(r, report, zone_s)
    cell(r, report, tower=4)
    report.more["driverUniqueId"] = str(r.unsigned(6))


def sr411_location(r: Cursor, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    cell(r, report)
    report.numbers |= {"ignition": r.u8() > 0, "power_v": r.u16() / 100, "battery_v": r.u16() / 100}


def card_location(r: Cursor, report: Report, zone_s: int) -> None:
    """GT06E with a card reader."""
    place(r, report, zone_s)
    cell(r, report)
    report.numbers["odometer_m"] = r.u32()
    if card := text(r.take(r.u8())):
        report.more["card"] = card


def wetrust_location(r: Cursor, report: Report, zone_s: int) -> None:
    card_location(r, report, zone_s)
    if r.u8():
        report.alarm("general")
    report.more |= {"cardStatus": r.u8(), "drivingTime": r.u16()}


def benway_location(r: Cursor, report: Report, zone_s: int) -> None:
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


def vxt01_location(r: Cursor, report: Report, zone_s: int) -> None:
    """A status of volts behind the cell; the seventh alarm of its flags is overspeed."""
    place(r, report, zone_s)
    cell(r, report)
    flags = r.data[r.at] if r.left else 0
    before = report.alarms
    volts_status(r, report)
    if flags >> 3 & 7 == 7:
        report.alarms = before
        report.alarm("overspeed")


def volts_status(r: Cursor, report: Report) -> None:
    status(r, report)
    report.numbers |= {"power_v": r.u16() / 100, "gsm": r.u8()}


def s5_location(r: Cursor, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    cell(r, report)
    volts_status(r, report)
    report.alarm(ALARM_CODES.get(r.u8()))
    report.more["oil"] = r.u16()
    degrees = r.u8()
    report.more["temp1"] = -(degrees & 0x7F) if degrees & 0x80 else degrees
    report.numbers["odometer_m"] = r.u32() * 10


def seeworld_location(r: Cursor, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    cell(r, report, tower=4)
    report.numbers["ignition"] = r.u8() > 0
    r.take(2)  # reporting mode, sent again
    report.numbers["odometer_m"] = r.u32()
    r.u32()  # travel time
    degrees = r.u16()
    report.more |= {"temp1": (-(degrees & 0x7FFF) if degrees & 0x8000 else degrees) / 100, "humidity": r.u16() / 100}


def sl4x_location(r: Cursor, report: Report, zone_s: int) -> None:
    """0x31. The cell is u64 in trackers without an odometer, u32 in those with one; both make the same length."""
    place(r, report, zone_s)
    wide_tower = r.data[r.at + 6 : r.at + 10] == bytes(4)
    cell(r, report, wide=True, tower=8 if wide_tower else 4)
    report.numbers["ignition"] = r.u8() > 0
    report.more |= upload_words(r.u8(), r.u8())
    if r.left == 6:
        report.numbers["odometer_m"] = r.u32()
    report.numbers["altitude_m"] = r.signed(2)


def rfid_location(r: Cursor, report: Report, zone_s: int) -> None:
    place(r, report, zone_s)
    cell(r, report)
    report.more["driverUniqueId"] = r.take(8).hex()


def nt_location(r: Cursor, report: Report, zone_s: int) -> None:
    """NT11 to NT46, VL100 and XT40: source, IMEI and the tracker's own time before the place, telemetry and driver behind."""
    if any(digit > 9 for byte in r.data[1:9] for digit in divmod(byte, 16)):
        location(r, report, zone_s)  # only a place
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


def lw4g_location(r: Cursor, report: Report, zone_s: int) -> None:
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
