"""GT06 frames made of modules, each with a number and a length, from Jimi's newer trackers."""

from __future__ import annotations

from protocols.cursor import Cursor
from protocols.gt06.fields import ReadKind, Report, point, unix_ms


def modular(r: Cursor, report: Report, zone_s: int) -> None:
    """0x70: modules, each id u16, length u16, content."""
    sent_ms: int | None = None
    while r.left >= 4:
        number, module = r.u16(), Cursor(r.take(r.u16()))
        if number == 0x2C:
            sent_ms = unix_ms(module.u32())
        elif number in MODULES:
            MODULES[number](module, report, zone_s)
    if report.time_ms is None:
        report.time_ms = sent_ms


def module_iccid(r: Cursor, report: Report, zone_s: int) -> None:
    report.more["iccid"] = r.take(10).hex().rstrip("f")


def module_satellites(r: Cursor, report: Report, zone_s: int) -> None:
    report.numbers["satellites"] = r.u8()


def module_visible(r: Cursor, report: Report, zone_s: int) -> None:
    report.more["satVisible"] = r.u8()


def module_cell(r: Cursor, report: Report, zone_s: int) -> None:
    mcc, mnc, area, tower = r.u16(), r.u16(), r.u16(), r.unsigned(3)
    if tower:
        report.cell(mcc, mnc, area, tower, r.u8())


def module_battery(r: Cursor, report: Report, zone_s: int) -> None:
    report.numbers["battery_v"] = r.u16() / 100


def module_hdop(r: Cursor, report: Report, zone_s: int) -> None:
    report.more["hdop"] = r.u8() / 10


def module_index(r: Cursor, report: Report, zone_s: int) -> None:
    report.more["index"] = r.u32()


def module_inputs(r: Cursor, report: Report, zone_s: int) -> None:
    inputs = r.u8()
    report.more |= {"door": inputs & 0x0F > 0, "tamper": inputs >> 4 > 0}


def module_boot(r: Cursor, report: Report, zone_s: int) -> None:
    report.more["bootReason"] = r.u8()


def module_odometer(r: Cursor, report: Report, zone_s: int) -> None:
    report.numbers["odometer_m"] = r.u32()


def module_place(r: Cursor, report: Report, zone_s: int) -> None:
    report.time_ms = unix_ms(r.u32())
    report.numbers |= {"satellites": r.u8(), "altitude_m": r.signed(2)}
    latitude, longitude = r.u32(), r.u32()
    report.numbers["speed_kmh"] = r.u8()
    point(report, latitude, longitude, r.u16())


MODULE_ALARMS: dict[int, str] = {
    0x10: "door", 0x12: "removing", 0x14: "geofenceEnter", 0x15: "geofenceExit", 0x16: "temperature", 0x1A: "lowBattery",
    0x1B: "overspeed", 0x1C: "powerOn", 0x1D: "powerOff", 0x20: "vibration", 0x21: "powerCut", 0x23: "tampering",
}  # fmt: skip


def module_event(r: Cursor, report: Report, zone_s: int) -> None:
    event = r.u8()
    report.more["event"] = event
    report.alarm(MODULE_ALARMS.get(event))


def module_tag(r: Cursor, report: Report, zone_s: int) -> None:
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


def device_status(r: Cursor, report: Report, zone_s: int) -> None:
    """0xF1: time, then states, each id u16, length u8, content."""
    report.time_ms = unix_ms(r.u32())
    while r.left >= 3:
        number, state = r.u16(), Cursor(r.take(r.u8()))
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


def peripheral(r: Cursor, report: Report, zone_s: int) -> None:
    """0xF2: time, then what hangs on the tracker; a tag's length has two bytes, others' one, or two when it starts with 0."""
    report.time_ms = unix_ms(r.u32())
    while r.left >= 3:
        number = r.u16()
        if number == 0x0A:
            bluetooth_tag(Cursor(r.take(r.u16())), report)
        elif number == 0x0C:
            external_battery(Cursor(r.take(r.u8())), report)
        else:
            r.take(r.u8() or r.u8())


def bluetooth_tag(r: Cursor, report: Report) -> None:
    r.u8()  # kind of address
    report.more["mac"] = r.take(6).hex()
    event, value = r.u8(), r.u8()
    report.more["event"] = event
    if event:
        report.more["eventData"] = value
    report.more |= {"dataType": r.u8(), "dataDetails": r.rest().hex()}


def external_battery(r: Cursor, report: Report) -> None:
    report.more["externalBatteryLevel"] = r.u8()
    if r.u8():
        report.more["externalBatteryCharge"] = True
    report.more["externalBatteryCycles"] = r.u16()
