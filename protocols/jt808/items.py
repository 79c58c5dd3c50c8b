"""The items behind a position: number u8 | length u8 | value, of the standard and of the makers who added theirs.

`PLAIN` are those that are one number in a column; `ITEMS` are all others. What isn't known is passed over. An item that is
shorter than what should be in it is passed over, too: it never reads into the next.

Source  JT/T 808-2013 and -2019, table 27; makers' additions (Huabao, Concox BSJ and KingSword, Jointech, Jimi JC, AOVX,
        and others): as Traccar's Jt808ProtocolDecoder knows them
"""

from __future__ import annotations

from protocols.cursor import Cursor
from protocols.jt808.makers import MAKERS
from protocols.jt808.told import Read, Told, one, put, words
from protocols.reports import CantRead

CHARGING = 0xFF  # instead of a battery's percent
PLAIN: dict[bytes, tuple[str, float]] = {  # number and length: the column, and what one is there
    b"\x01\x04": ("odometer_m", 100),
    b"\x06\x01": ("battery_percent", 1),
    b"\x30\x01": ("gsm", 1),
    b"\x31\x01": ("satellites", 1),
    b"\x61\x02": ("power_v", 0.01),
    b"\x68\x02": ("battery_percent", 0.01),
    b"\x69\x02": ("battery_v", 0.01),
    b"\x82\x02": ("power_v", 0.1),
    b"\xac\x04": ("odometer_m", 1),
    b"\xd3\x02": ("power_v", 0.1),
    b"\xd4\x01": ("battery_percent", 1),
    b"\xd5\x02": ("battery_v", 0.01),
    b"\xe1\x01": ("battery_percent", 1),
    b"\xe1\x02": ("power_v", 0.1),
    b"\xe2\x04": ("fuel_l", 0.1),
    b"\xe9\x01": ("battery_percent", 1),
    b"\xf1\x04": ("power_v", 0.001),
    b"\xfe\x01": ("battery_percent", 1),
    b"\xfe\x02": ("power_v", 0.1),
    b"\xfe\x04": ("odometer_m", 1),
}


def read_items(tail: bytes, at: int, told: Told) -> None:
    """All items from there on."""
    size = len(tail)
    while at < size - 1:
        start, end = at + 2, at + 2 + tail[at + 1]
        if end > size:
            return
        key = tail[at:start]
        plain = PLAIN.get(key)
        if plain is not None:
            told.numbers[plain[0]] = int.from_bytes(tail[start:end], "big") * plain[1]
        elif key[0] == 0x80 and end < size and tail[end] in EXTENDED:  # what follows is a list of its own
            read_extended(tail[start + 1 :], told)
            return
        else:
            read_item(key[0], tail[start:end], told)
        at = end


def read_item(number: int, value: bytes, told: Told) -> None:
    reader = ITEMS.get(number)
    if reader is None:
        return
    try:
        reader(Cursor(value), told)
    except (CantRead, ValueError, IndexError):  # shorter than its maker says, or no number where one should be
        return


def walks(tail: bytes) -> bool:
    """Whether items fill it to its end."""
    at, size = 0, len(tail)
    while at < size - 1 and tail[at]:
        at += 2 + tail[at + 1]
    return at == size


def fixed_tail(tail: bytes, told: Told) -> None:
    """18 bytes: battery and mileage left u16 each | odometer km u32 | battery 0.1 V u16 | area u32 | gsm u8 | 3 bytes."""
    c = Cursor(tail, 4)
    told.numbers["odometer_m"] = c.u32() * 1000
    told.numbers["battery_v"] = c.u16() / 10
    c.u32()
    told.numbers["gsm"] = c.u8()


# --- the items, in the order of their numbers


def _fuel(c: Cursor, told: Told) -> None:
    value = c.u16()
    if value & 0x8000:
        told.attributes["fuel"] = value & 0x7FFF  # percent
    else:
        told.numbers["fuel_l"] = value / 10


def _unlocking(c: Cursor, told: Told) -> None:
    """Jointech: command u8 | card u32 or password 6 | result u8, which is there when the length is even."""
    size = c.left
    told.attributes["lockCommand"] = c.u8()
    if 5 <= size <= 6:
        told.attributes["lockCard"] = c.u32()
    elif size >= 7:
        told.attributes["lockPassword"] = c.text(6)
    if size % 2 == 0:
        told.attributes["unlockResult"] = c.u8()


def _analog(c: Cursor, told: Told) -> None:
    told.attributes["adc1"], told.attributes["adc2"] = c.u16() / 100, c.u16() / 100


def _mode(c: Cursor, told: Told) -> None:
    """One byte, or a sentence: *M00,nn,ssVVVss… with the battery in 0.01 V."""
    if c.left == 1:
        told.attributes["mode"] = c.u8()
        return
    text = c.text(c.left)
    if text.startswith("*M00") and text[10:13].isdecimal():
        told.numbers["battery_v"] = int(text[10:13]) / 100


def _temperatures(c: Cursor, told: Told) -> None:
    if c.left not in (2, 16):
        return
    for place in range(1, c.left // 2 + 1):
        value = c.u16()
        if value != 0xFFFF:
            told.attributes[f"temp{place}"] = (-(value & 0x7FFF) if value & 0x8000 else value) / 10


def _battery_tenths(c: Cursor, told: Told) -> None:
    told.numbers["battery_percent"] = c.u8() * 10


def _driving(c: Cursor, told: Told) -> None:
    flags = c.u16()
    for bit, name in ((8, "hardAcceleration"), (9, "hardBraking"), (10, "hardCornering")):
        if flags >> bit & 1:
            told.alarm(name)


def _event(c: Cursor, told: Told) -> None:
    event = c.u16()
    told.attributes["event"] = event
    if 0x61 <= event <= 0x66 and c.left >= 14:
        c.take(6)  # the lock
        told.attributes["driverUniqueId"] = c.take(8).decode("ascii", "replace").replace("\0", "")


def _locks(c: Cursor, told: Told) -> None:
    for place in range(1, c.left // 11 + 1):
        told.attributes[f"lock{place}Id"] = c.take(6).hex()
        told.attributes[f"lock{place}Battery"] = c.u16() / 1000
        told.attributes[f"lock{place}Seal"] = c.u8() == 0x31
        c.take(2)  # its state, its signal


def _assistant(name: str) -> Read:
    """Alarms of the cameras (the provinces' standards): alarm's number u32 | state u8 | kind u8 | … | label 16."""

    def read(c: Cursor, told: Told) -> None:
        size = c.left
        c.take(5)
        told.attributes[name] = c.u8()
        if size >= 47:
            told.attributes["alarmLabel"] = c.data[-16:].hex()

    return read


def _behaviour(c: Cursor, told: Told) -> None:
    c.take(5)
    name = {1: "hardAcceleration", 2: "hardBraking", 3: "hardCornering", 0x16: "accident"}.get(c.u8())
    if name:
        told.alarm(name)


def _hundredths(c: Cursor, told: Told) -> None:
    told.numbers["battery_percent"] = c.u16() / 100


def _tires(c: Cursor, told: Told) -> None:
    while c.left >= 8:
        tire = c.u8()
        told.attributes[f"tire{tire}SensorId"] = c.take(3).hex()
        told.attributes[f"tire{tire}Pressure"] = (c.u16() & 0x3FF) / 40
        told.attributes[f"tire{tire}Temp"] = c.u8() - 50
        told.attributes[f"tire{tire}Status"] = c.u8()


def _obd(c: Cursor, told: Told) -> None:
    told.numbers["battery_v"] = c.u16() / 10
    a = told.attributes
    a["rpm"], a["obdSpeed"], a["throttle"], a["engineLoad"] = c.u16(), c.u8(), c.u8() * 100 // 255, c.u8() * 100 // 255
    a["coolantTemp"] = c.u8() - 40
    c.u16()
    a["fuelConsumption"] = c.u16() / 100
    c.take(8)
    a["fuelUsed"] = c.u16() / 100


def _user_alarms(c: Cursor, told: Told) -> None:
    if c.u32() & 8:
        told.alarm("vibration")


def _driver_number(c: Cursor, told: Told) -> None:
    told.attributes["driverUniqueId"] = str(c.u32())


def _cells_or_driver(c: Cursor, told: Told) -> None:
    if c.left < 12 or (c.left - 4) % 8:
        _driver_number(c, told)
        return
    mcc, mnc = c.u16(), c.u16()
    while c.left:
        area, cell, signal = c.u24(), c.u32(), c.u8()
        if area <= 0xFFFF and cell <= 0xFFFFFFF:
            told.around.cell(mcc, mnc, area, cell, signal)


def _padlocks(c: Cursor, told: Told) -> None:
    for place in range(1, c.u8() + 1):
        told.attributes[f"lock{place}Id"] = c.take(5).hex()
        told.attributes[f"lock{place}Card"] = c.take(5).hex()
        told.attributes[f"lock{place}Battery"] = c.u8()
        told.attributes[f"lock{place}Locked"] = not c.u16() & 0x20


def _lock_string(c: Cursor, told: Told) -> None:
    c.u16()  # how often it was cut
    status = c.u8()
    a = told.attributes
    a["string"], a["cover"] = bool(status & 1), bool(status & 8)
    told.numbers["motion"] = status >> 2 & 1


def _battery_both(c: Cursor, told: Told) -> None:
    c.u8()
    level, volts = c.u8(), c.u16()
    told.numbers["battery_percent"], told.numbers["battery_v"] = level, volts / 100


def _charge(c: Cursor, told: Told) -> None:
    if c.u8() == 0:
        told.attributes["charge"] = True
    told.numbers["battery_percent"] = c.u8()


def _motion(c: Cursor, told: Told) -> None:
    if c.left == 1:
        told.numbers["motion"] = float(c.u8() == 1)


OBD_WORDS = (  # $OBD-RT, behind the first comma
    "power", "rpm", "obdSpeed", "throttle", "engineLoad", "coolantTemp", "", "fuelConsumption", "tripOdometer", "obdOdometer",
    "tripFuelUsed", "fuelUsed",
)  # fmt: skip


def obd_words(text: str, told: Told) -> None:
    """A sentence: $OBD-RT,power V,rpm,km/h,throttle %,load %,coolant °C,fuel now,fuel,trip,odometer,trip's fuel,fuel used,…"""
    for name, value in zip(OBD_WORDS, text.split(",")[1:], strict=False):
        if name and value.strip():
            put(told, name, float(value[:24]))


def _humidity_or_obd(c: Cursor, told: Told) -> None:
    if c.data.startswith(b"$OBD-RT"):
        obd_words(c.text(c.left), told)
        return
    if c.left % 11:
        return
    while c.left:
        sensor = c.u8()
        c.take(6)  # its address
        told.attributes[f"temp{sensor}"] = _whole_and_part(c)
        told.attributes[f"humidity{sensor}"] = _whole_and_part(c)


def _whole_and_part(c: Cursor) -> float:
    whole, part = c.i8(), c.u8() / 255
    return whole - part if whole < 0 else whole + part


def _buttons(c: Cursor, told: Told) -> None:
    if c.left != 8:
        return
    flags = c.u16()
    if flags & 1:
        told.alarm("vibration")
    if flags & 0x0E:
        told.alarm("sos")


def _inside(c: Cursor, told: Told) -> None:
    """EA: kind u8, then items of a number u8 and a length u8."""
    c.u8()
    while c.left >= 2:
        number, value = c.u8(), Cursor(c.take(c.u8()))
        if number == 0x11:
            told.attributes["externalAlarms"], told.attributes["alarmThresholdType"] = value.u16(), value.u8()
        elif number in INSIDE:
            name, unit, add = INSIDE[number]
            told.attributes[name] = value.u16() if unit == 1 else round(value.u16() * unit + add, 6)


INSIDE = {
    0x13: ("externalIlluminance", 1, 0),
    0x14: ("externalAirPressure", 1, 0),
    0x15: ("externalHumidity", 0.1, 0),
    0x16: ("externalTemp", 0.1, -50),
}


def _supplies(c: Cursor, told: Told) -> None:
    if c.left == 6:
        told.numbers["gsm"], power, battery, satellites = c.u8(), c.u16(), c.u16(), c.u8()
        told.numbers["power_v"], told.numbers["battery_v"] = power / 1000, battery / 1000
        told.numbers["satellites"] = satellites


def _cells(c: Cursor, told: Told) -> None:
    while c.left >= 13:
        mcc, mnc, cell, area, signal = c.u16(), c.u16(), c.u32(), c.u32(), c.u8()
        told.around.cell(mcc, mnc, area, cell, signal)


def _access_points(c: Cursor, told: Told) -> None:
    while c.left >= 7:
        told.around.access_point(c.take(6), c.i8())


def read_extended(value: bytes, told: Told) -> None:
    """What stands behind item 80: numbers of OBD, each with its own length."""
    c = Cursor(value)
    try:
        while c.left >= 2:
            number, inner = c.u8(), Cursor(c.take(c.u8()))
            if number in EXTENDED and inner.left:
                EXTENDED[number](inner, told)
    except CantRead:
        return


def _level_behind(c: Cursor, told: Told) -> None:
    c.u8()  # the same in bars
    told.numbers["battery_percent"] = c.u8()


def _codes(c: Cursor, told: Told) -> None:
    told.attributes["dtcs"] = c.text(c.left).replace(",", " ")


EXTENDED: dict[int, Read] = {
    0x01: one("odometer", 4, 100), 0x02: _fuel, 0x03: one("obdSpeed", 2, 0.1), 0x56: _level_behind, 0x80: one("obdSpeed", 1),
    0x81: one("rpm", 2),
    0x82: one("power", 2, 0.1), 0x83: one("engineLoad", 1), 0x84: one("coolantTemp", 1, 1, -40), 0x85: one("fuelConsumption", 2),
    0x86: one("intakeTemp", 1, 1, -40), 0x87: one("intakeFlow", 2), 0x88: one("intakePressure", 1), 0x89: one("throttle", 1),
    0x8A: lambda c, told: None, 0x8B: words("vin"), 0x8C: one("obdOdometer", 4, 100), 0x8D: one("tripOdometer", 2, 1000),
    0x8E: one("fuel", 1), 0xA0: _codes, 0xCC: words("iccid"),
    0x61: one("power", 2, 0.01), 0x69: one("battery", 2, 0.01),
}  # fmt: skip

ITEMS: dict[int, Read] = {
    0x02: _fuel, 0x03: one("obdSpeed", 2, 0.1), 0x0B: _unlocking, 0x14: one("videoAlarm", 4), 0x25: one("input", 4),
    0x2B: _analog, 0x33: _mode, 0x51: _temperatures, 0x56: _battery_tenths, 0x57: _driving, 0x60: _event, 0x63: _locks,
    0x64: _assistant("adasAlarm"), 0x65: _assistant("dmsAlarm"), 0x67: words("password"), 0x68: _hundredths, 0x70: _behaviour,
    0x77: _tires, 0x91: _obd, 0x94: words("vin"), 0xA7: _analog, 0xBC: words("driver"), 0xBD: words("driverUniqueId"),
    0xCC: words("iccid"), 0xD0: _user_alarms, 0xD4: _driver_number, 0xD5: _padlocks, 0xDA: _lock_string,
    0xE1: _cells_or_driver, 0xE3: _battery_both, 0xE4: _charge, 0xE5: _motion, 0xE6: _humidity_or_obd, 0xE7: _buttons,
    0xE9: _driver_number, 0xEA: _inside, 0xEC: _access_points, 0xED: words("card"), 0xEE: _supplies, 0xF0: _cells,
    0xF4: _access_points, 0xFB: words("container"), 0xFC: one("geofence", 1),
    **MAKERS,
}  # fmt: skip
