"""Items whose layout depends on who made the tracker: AOVX's, Jimi's, KingSword's and what else shares their numbers."""

from __future__ import annotations

from protocols.cursor import Cursor
from protocols.jt808.told import Read, Told, one, put, words

AOVX = ("AL300", "GL100")  # told in item F2; they give these numbers to other things


def _version(c: Cursor, told: Told) -> None:
    text = c.text(c.left)
    told.attributes["versionFw"] = text
    for model in (*AOVX, "VL300"):
        if text.startswith(f"AOVX_{model}"):
            told.model = model


# --- E8: Jimi's JC cameras, or the state of a lock

JIMI_ALARMS = {
    0x0001: "fault", 0x0400: "hardAcceleration", 0x0401: "hardBraking", 0x0402: "hardCornering", 0x0403: "overspeed",
    0x0405: "accident", 0x0406: "vibration", 0x0407: "tow", 0x0408: "geofenceEnter", 0x0409: "geofenceExit", 0x040C: "door",
    0x0412: "hardAcceleration", 0x0413: "hardBraking", 0x0414: "hardCornering", 0x0415: "laneChange", 0x0416: "accident",
    0x0417: "accident", 0x0C01: "sos", 0x0C02: "lowPower", 0x0C05: "general", 0x0C0E: "powerCut", 0x0C0F: "lowBattery",
    0x0C10: "powerOff", 0x0C12: "tampering",
}  # fmt: skip


def _iccid_19(c: Cursor, told: Told) -> None:
    told.attributes["iccid"] = c.take(10).hex()[:19]


def _plugged(c: Cursor, told: Told) -> None:
    told.attributes["charge"] = c.u8() == 0


JIMI_STATES: dict[int, Read] = {
    0x0001: one("battery", 2, 0.01), 0x0002: one("dataUsage", 4), 0x0003: one("batteryLevel", 1), 0x0004: _plugged,
    0x0005: _iccid_19, 0x0007: one("hdop", 2, 0.1), 0x2001: one("power", 2, 0.1),
}  # fmt: skip


def _jimi(c: Cursor, told: Told) -> None:
    """Kind u16 | length u8 | value; three bytes that are no such thing are the state of a lock."""
    size = c.left
    kind = c.u16()
    length = c.u8() if c.left else 0
    if size == 3 and (length or not (kind in JIMI_ALARMS or kind in (0x0C03, 0x0C04))):
        told.attributes["lockStatus"] = kind << 8 | length
    elif kind in JIMI_ALARMS:
        told.alarm(JIMI_ALARMS[kind])
    elif kind in (0x0C03, 0x0C04):
        told.numbers["ignition"] = float(kind == 0x0C03)
    elif kind == 0x2002:
        told.attributes["uploadMode"] = c.u8()
        told.attributes["buffered"] = c.u8() == 1
    elif kind == 0x2003:
        _jimi_supply(c, told)
    elif kind == 0x2005:
        while c.left >= 3:
            number, value = c.u16(), Cursor(c.take(c.u8()))
            if number in JIMI_STATES:
                JIMI_STATES[number](value, told)


def _jimi_supply(c: Cursor, told: Told) -> None:
    told.attributes["charge"] = c.u8() == 1
    bars = c.u8()
    if 1 <= bars <= 6:
        told.numbers["battery_percent"] = bars * 100 // 6
    told.numbers["battery_v"] = c.u16() / 100
    told.numbers["gsm"] = c.u8()
    told.numbers["power_v"] = c.u16() / 100


# --- EB: cells, a time zone, or items with lengths and numbers of two bytes (KingSword, BSJ)


def _many(c: Cursor, told: Told) -> None:
    size = c.left
    if size >= 8 and (size - 3) % 5 == 0 and int.from_bytes(c.data[:2], "big") > 200:
        mcc, mnc = c.u16(), c.u8()
        while c.left:
            told.around.cell(mcc, mnc, c.u16(), c.u16(), c.u8())
    elif size and all(32 <= byte < 127 for byte in c.data):
        told.attributes["timezone"] = c.text(size)
    else:
        data, at = c.data, 0
        while at + 4 <= size:
            end = at + 2 + (data[at] << 8 | data[at + 1])  # the length is that of number and value
            reader = WIDE.get(data[at + 2] << 8 | data[at + 3])
            if reader is not None and end <= size:
                reader(Cursor(data[at + 4 : end]), told)
            at = end


def _first_fuel(c: Cursor, told: Told) -> None:
    told.attributes["fuel1"] = c.u16() / 10


def _second_fuel(c: Cursor, told: Told) -> None:
    told.attributes["fuel2"] = float(c.text(6))


def _volts(c: Cursor, told: Told) -> None:
    if c.left == 4:
        told.numbers["power_v"] = c.u32() / 1000
    else:
        told.numbers["battery_v"] = c.u16() / 1000


def _inverted_alarms(c: Cursor, told: Told) -> None:
    """A bit that isn't set is an alarm."""
    bits = c.u32()
    if not bits & 1:
        told.alarm("powerOff")
    if not bits >> 12 & 1:
        told.alarm("removing")


def _inverted_state(c: Cursor, told: Told) -> None:
    bits = c.u32()
    if not bits >> 6 & 1:
        told.alarm("vibration")
    state = bits >> 23 & 3
    if state < 2:
        told.numbers["motion"] = float(state == 0)


def _battery_alarm(c: Cursor, told: Told) -> None:
    kind = c.u8()
    told.attributes["batteryAlarm"] = kind
    if kind in (3, 4):
        told.alarm("lowBattery")


def _iccid(c: Cursor, told: Told) -> None:
    told.attributes["iccid"] = c.take(10).hex().rstrip("f")


def _wifi_words(c: Cursor, told: Told) -> None:
    c.u8()  # how many
    seen = c.text(c.left).split(",")
    for mac, signal in zip(seen[::2], seen[1::2], strict=False):
        told.around.access_point(bytes.fromhex(mac.replace(":", "")), int(signal[:5]))


def _wide_cell(c: Cursor, told: Told) -> None:
    told.around.cell(c.u16(), c.u8(), c.u16(), c.u32())


WIDE: dict[int, Read] = {
    0x0001: _first_fuel, 0x0023: _second_fuel, 0x002D: _volts, 0x0089: _inverted_alarms, 0x00A8: one("batteryLevel", 1),
    0x00B2: _iccid, 0x00B9: _wifi_words, 0x00C5: _inverted_state, 0x00C6: _battery_alarm, 0x00CE: one("power", 2, 0.01),
    0x00D8: _wide_cell, 0x00E1: one("batteryLevel", 1),
}  # fmt: skip

# --- F3 to F9


def _percent_of_255(c: Cursor, told: Told) -> None:
    told.attributes["throttle"] = c.u16() * 100 // 255


def _hex(name: str) -> Read:
    def read(c: Cursor, told: Told) -> None:
        if c.left:
            told.attributes[name] = c.rest().hex()

    return read


CAN: dict[int, Read] = {
    0x0002: one("obdSpeed", 2, 0.1), 0x0003: one("rpm", 2), 0x0004: one("power", 2, 0.001), 0x0005: one("obdOdometer", 4, 100),
    0x0007: one("fuelConsumption", 2, 0.1), 0x0008: one("engineLoad", 2, 0.1), 0x0009: one("coolantTemp", 2, 1, -40),
    0x000B: one("intakePressure", 2), 0x000C: one("intakeTemp", 2, 1, -40), 0x000D: one("intakeFlow", 2),
    0x000E: _percent_of_255, 0x0050: words("vin"), 0x0051: _hex("cvn"), 0x0052: words("calid"),
    0x0100: one("tripOdometer", 2, 0.1), 0x0102: one("tripFuel", 2, 0.1), 0x0112: one("hardAccelerationCount", 2),
    0x0113: one("hardDecelerationCount", 2), 0x0114: one("hardCorneringCount", 2),
}  # fmt: skip


def _beacons_or_can(c: Cursor, told: Told) -> None:
    if told.model not in AOVX:
        while c.left >= 3:
            number, value = c.u16(), Cursor(c.take(c.u8()))
            if number in CAN:
                CAN[number](value, told)
        return
    mask, tag = c.u8(), 0
    while c.left >= 7:
        tag += 1
        _beacon(c, told, f"tag{tag}", mask)


def _beacon(c: Cursor, told: Told, tag: str, mask: int) -> None:
    a = told.attributes
    a[tag + "Mac"], a[tag + "Rssi"] = c.take(6).hex(), c.i8()
    if mask & 1:
        a[tag + "Name"] = c.text(10)
    if mask & 2:
        c.take(2)  # its firmware
    if mask & 4:
        a[tag + "Battery"] = c.u16() / 1000
    if mask & 8:
        a[tag + "Temp"] = c.i16() / 10
    if mask & 16:
        a[tag + "Humidity"] = c.i16() / 10
    c.take(6 * (mask >> 5 & 1) + 2 * (mask >> 6 & 1) + 2 * (mask >> 7 & 1))  # accelerations, reserved


def _illuminance(c: Cursor, told: Told) -> None:
    if c.left == 2:
        told.attributes["illuminance"] = c.u16()


def _sensors(c: Cursor, told: Told) -> None:
    """Air pressure, an IMEI, or what the sensors said, with a mask of which."""
    aovx = told.model in AOVX
    if not aovx and c.left == 2:
        told.attributes["airPressure"] = c.u16()
        return
    if not aovx and c.left == 8:
        told.attributes["imei"] = c.take(8).hex()[1:]
        return
    a = told.attributes
    a["event"] = c.u8()
    if a["event"] == 2:
        told.numbers["motion"] = 1.0
    mask = c.u8()
    if mask & 1:
        a["lightSensor"] = c.u16()
    if mask & 2:
        a["temp1"] = c.i16() / 10
    if mask & 4:
        a["humidity"] = c.i16() / 10
    if mask & 8:
        a["gSensor"] = f"[{c.i16()},{c.i16()},{c.i16()}]"
    if mask & 16:
        c.take(10)  # the thresholds it was told
    if mask & 32:
        a["airPressure"] = c.u16()


def _humidity_or_battery(c: Cursor, told: Told) -> None:
    if c.left == 2:
        told.attributes["humidity"] = c.u16() / 10
        return
    told.numbers["battery_v"] = c.u32() / 1000
    if c.left and c.u8() in (2, 3):
        told.attributes["charge"] = True
    if c.left:
        told.numbers["battery_percent"] = c.u8()


def _card_or_temperature(c: Cursor, told: Told) -> None:
    if told.model in AOVX:
        c.take(9)  # mode, imei
        told.attributes["iccid"] = c.take(10).hex()
    else:
        told.attributes["temp2"] = round(c.u16() / 10 - 50, 3)


def _masked(c: Cursor, told: Told) -> None:
    mask = c.u16()
    c.take(4 * (mask & 1) + 4 * (mask >> 1 & 1))  # how old the place is, how long the ignition is on
    if mask & 4:
        told.attributes["hdop"] = c.u16() / 10
    c.take(6 * (mask >> 3 & 1) + 8 * (mask >> 5 & 1))  # the time of the place, the intervals
    if mask & 64:
        told.attributes["temp3"] = c.i16() / 10


def _marked(c: Cursor, told: Told) -> None:
    """FE of other lengths: behind 7C items, of which 01 are alarms."""
    if c.u8() != 0x7C:
        put(told, "batteryLevel", c.u8())
        return
    while c.left >= 2:
        number, value = c.u8(), Cursor(c.take(c.u8()))
        if number == 1:
            bits = value.u32()
            for bit, name in enumerate(("hardAcceleration", "hardBraking", "hardCornering", "accident", "tampering")):
                if bits >> bit & 1:
                    told.alarm(name)


MAKERS: dict[int, Read] = {
    0xE8: _jimi, 0xEB: _many, 0xF2: _version, 0xF3: _beacons_or_can, 0xF5: _illuminance, 0xF6: _sensors,
    0xF7: _humidity_or_battery, 0xF8: _card_or_temperature, 0xF9: _masked, 0xFE: _marked,
}  # fmt: skip
