"""TopFlyTech's beacons and sensors, and what its trackers of assets and locks (2727) send besides positions."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from struct import Struct

from protocols.cursor import Around, Cursor
from protocols.reports import CantRead, Report

ALARMS = {
    1: "removing", 2: "tampering", 3: "sos", 4: "removing", 5: "fallDown", 6: "lowBattery", 8: "temperature", 9: "vibration",
    14: "geofenceEnter", 15: "geofenceExit", 16: "movement", 30: "temperature", 33: "temperature", 37: "temperature",
}  # fmt: skip
LOCKED = frozenset(
    (0x00, 0x05, 0x07, 0x12, 0x13, 0x14, 0x16, 0x17, *(high << 4 | low for high in (2, 3, 4, 5) for low in (2, 3, 4, 6, 7)))
)
OPEN = frozenset((0x03, 0x06, 0x08, *(high << 4 | low for high in (1, 2, 3, 4, 5) for low in (1, 5))))


def alarm(code: int, report: Report) -> None:
    if code in ALARMS:
        report.alarm(ALARMS[code])


def lock(kind: int, report: Report) -> None:
    """What a lock did last."""
    report.attributes["lockType"] = kind
    if kind in LOCKED or kind in OPEN:
        report.attributes["lock"] = kind in LOCKED
    if kind == 1:
        report.alarm("tampering")


def cells(c: Cursor, around: Around) -> None:
    """mcc (15: of LTE) u16 | mnc u16 | LTE: cell u32, area u16; else three times area, cell u16"""
    mcc, mnc = c.u16(), c.u16()
    if mcc == 0xFFFF or mnc == 0xFFFF:
        return
    if mcc & 0x8000:
        cell, area = c.u32(), c.u16()
        around.cell(mcc & 0x7FFF, mnc, area, cell)
        return
    for _ in range(3):
        area, cell = c.u16(), c.u16()
        if area != 0xFFFF and cell != 0xFFFF:
            around.cell(mcc, mnc, area, cell)


def access_points(c: Cursor, report: Report, around: Around) -> None:
    """its own mac 6 | three times mac 6, signal i8"""
    report.attributes["wifiMac"] = c.take(6).hex()
    for _ in range(3):
        around.access_point(c.take(6), c.i8())


def place(c: Cursor, report: Report, around: Around, *, sent: bool) -> None:
    """Altitude, longitude, latitude f32 | BCD 0.1 km/h | course u16; or cells."""
    if not sent or c.data[c.at : c.at + 4] == b"\xff\xff\xff\xff":
        cells(c, around)
        return
    _coordinates(c, report)
    speed, course = c.take(2), c.u16()
    if speed != b"\xff\xff":
        report.speed_kmh = Cursor(speed).bcd(2) / 10
    if course <= 360:
        report.course_deg = course


def _coordinates(c: Cursor, report: Report) -> None:
    altitude, longitude, latitude = c.float_le(), c.float_le(), c.float_le()
    if isfinite(altitude) and abs(latitude) <= 90 and abs(longitude) <= 180:
        report.altitude_m, report.longitude, report.latitude, report.valid = altitude, longitude, latitude, True


SUPPLIES = Struct(">BBBBBIH")


def supplies(c: Cursor, report: Report) -> None:
    """battery BCD % | °C u8 | light BCD 0.1 | battery BCD 0.1 V | solar BCD 0.1 V | odometer m u32 | inputs u16"""
    percent, temperature, light, battery, solar, report.odometer_m, inputs = c.unpack(SUPPLIES)
    if percent != 0xFF:
        report.battery_percent = (percent >> 4) * 10 + (percent & 15) or 100
    if temperature != 0xFF:
        report.attributes["deviceTemp"] = (temperature & 0x7F) * (-1 if temperature & 0x80 else 1)
    if light != 0xFF:
        report.attributes["lightSensor"] = _tenths(light)
    if battery != 0xFF:
        report.battery_v = _tenths(battery)
    if solar != 0xFF:
        report.attributes["solarPanel"] = _tenths(solar)
    report.ignition, report.gsm = inputs >> 2 & 1, inputs >> 4 & 0x7F


def _tenths(bcd: int) -> float:
    return ((bcd >> 4) * 10 + (bcd & 15)) / 10


# --- beacons: 10, and 12 with a place


def beacons(c: Cursor, serial: int) -> list[Report]:
    """time | ignition u8 | again and again: kind u16, sensor"""
    report = Report(time_ms=c.bcd_time_ms(), ignition=float(c.u8() > 0))
    tag = 0
    while c.left >= 2:
        tag += 1
        kind = c.u16()
        if kind not in SENSORS:
            break  # its length isn't known
        _sensor(c, report, f"tag{tag}", kind)
        if kind in (2, 3):
            c.take(min(17, c.left))  # status and place
    return [report]


def _placed_beacons(c: Cursor, serial: int) -> list[Report]:
    """time | ignition u8 | status u8 | place | kind u16 | sensors of that kind"""
    report = Report(time_ms=c.bcd_time_ms(), ignition=float(c.u8() > 0))
    _located(c, report, c.u8())
    kind, tag = c.u16(), 0
    while c.left and kind in SENSORS:
        tag += 1
        _sensor(c, report, f"tag{tag}", 0x16 if kind == 6 else kind)
    return [report]


def _located(c: Cursor, report: Report, status: int) -> None:
    if status & 0x80:
        report.attributes["archive"] = True
    around = Around()
    place(Cursor(c.take(16)), report, around, sent=bool(status & 0x40))
    report.attributes.update(around.network())


def _temperature(c: Cursor) -> float:
    value = c.u16()
    return (-(value & 0x7FFF) if value & 0x8000 else value) / 100


def _sensor(c: Cursor, report: Report, tag: str, kind: int) -> None:
    a = report.attributes
    mac = c.take(6).hex()
    a["driverUniqueId" if kind == 3 else tag + "Id"] = mac
    SENSORS[kind](c, report, tag)


def _tire(c: Cursor, report: Report, tag: str) -> None:
    a = report.attributes
    a[tag + "Battery"], a[tag + "TirePressure"] = round(c.u8() / 100 + 1.22, 2), c.u8() * 3.054
    a[tag + "TireTemp"], a[tag + "TireStatus"] = c.u8() - 55, c.u8()


def _button(c: Cursor, report: Report, tag: str) -> None:
    report.attributes[tag + "Battery"] = c.bcd(1) / 10
    code = c.u8()
    if code < 2:
        report.alarm(("sos", "lowBattery")[code])


def _driver(c: Cursor, report: Report, tag: str) -> None:
    report.attributes[tag + "Battery"] = c.bcd(1) / 10
    if c.u8() == 1:
        report.alarm("lowBattery")


def _battery(c: Cursor, report: Report, tag: str) -> None:
    report.attributes[tag + "Battery"] = round(c.u8() / 100 + 2, 2)


def _climate(c: Cursor, report: Report, tag: str) -> None:
    a = report.attributes
    _battery(c, report, tag)
    c.u8()  # percent
    a[tag + "Temp"], a[tag + "Humidity"], a[tag + "LightSensor"] = _temperature(c), c.u16() / 100, c.u16()
    a[tag + "Rssi"] = c.u8() - 128


def _door(c: Cursor, report: Report, tag: str) -> None:
    a = report.attributes
    _battery(c, report, tag)
    c.u8()  # percent
    a[tag + "Temp"], a[tag + "Door"], a[tag + "Rssi"] = _temperature(c), c.u8() > 0, c.u8() - 128


def _relay(c: Cursor, report: Report, tag: str) -> None:
    a = report.attributes
    _battery(c, report, tag)
    a[tag + "Output"], a[tag + "Rssi"] = c.u8() > 0, c.u8() - 128


def _long_relay(c: Cursor, report: Report, tag: str) -> None:
    a = report.attributes
    _battery(c, report, tag)
    a[tag + "BatteryLevel"], a[tag + "Temp"] = c.u8(), _temperature(c)
    a[tag + "Output"], a[tag + "Rssi"] = c.u8() > 0, c.u8() - 128


SENSORS: dict[int, Callable[[Cursor, Report, str], None]] = {
    1: _tire, 2: _button, 3: _driver, 4: _climate, 5: _door, 6: _relay, 0x16: _long_relay,
}  # fmt: skip

# --- locks, access points, temperatures, geofences


def _lock(c: Cursor, serial: int) -> list[Report]:
    """time | status u8 | place | what it did u8 | id: length u8 and bytes"""
    report = Report(time_ms=c.bcd_time_ms(), attributes={"index": serial})
    status = c.u8()
    report.satellites = status & 0x1F
    _located(c, report, status)
    lock(c.u8(), report)
    report.attributes["lockId"] = c.take(c.u8()).hex()
    return [report]


def _lock_beside(c: Cursor, serial: int) -> list[Report]:
    """time | status u8 | place | signal u8 | versions 4 | alarm, what it did u8 | status u16 (5: open) | mV, solar mV u16 | °C i8
    | mac 6 | id 4 | number u8, length u8, value …"""
    report = Report(time_ms=c.bcd_time_ms(), attributes={"index": serial})
    status = c.u8()
    report.satellites = status & 0x1F
    _located(c, report, status)
    a = report.attributes
    a["lockRssi"] = c.u8() - 128
    c.take(4)
    a["lockAlarm"], a["lockType"], state = c.u8(), c.u8(), c.u16()
    a["lockStatus"], a["lock"] = state, not state & 0x20
    a["lockBattery"], a["lockSolarPanel"], a["lockTemp"] = c.u16() / 1000, c.u16() / 1000, c.i8()
    a["lockId"], a["lockDeviceId"] = c.take(6).hex(), c.take(4).hex()
    while c.left >= 2:
        number, value = c.u8(), c.take(c.u8())
        if number == 2 and len(value) == 1:
            a["lockBatteryLevel"] = value[0]
        else:
            a[f"lockData{number}"] = value.hex()
    return [report]


def _wifi(c: Cursor, serial: int) -> list[Report]:
    """status u8 (5: access points, 6: place) | alarm u8 | time | place 27 | accelerations 5 | supplies | settings 13 | lock"""
    status, code = c.u8(), c.u8()
    report = Report(time_ms=c.bcd_time_ms(), attributes={"index": serial, "alarmCode": code})
    alarm(code, report)
    if status & 0x80:
        report.attributes["archive"] = True
    around, where = Around(), Cursor(c.take(27))
    if status & 0x20:
        access_points(where, report, around)
    else:
        place(where, report, around, sent=bool(status & 0x40))
    report.attributes.update(around.network())
    c.take(5)
    supplies(c, report)
    c.take(13)
    if c.left >= 3:
        c.u16()
        lock(c.u8(), report)
    return [report]


def _temperatures(c: Cursor, serial: int) -> list[Report]:
    """time | kind u8: 1 | interval s u16 | 0.01 °C i16 …"""
    report = Report(time_ms=c.bcd_time_ms(), attributes={"index": serial})
    kind = c.u8()
    if kind != 1:
        raise CantRead(f"no sensor of kind {kind} is read")
    a = report.attributes
    a["sensorType"], a["samplingInterval"] = kind, c.u16()
    samples: list[float | None] = []
    while c.left >= 2:
        value = c.i16()
        samples.append(None if value == -1 else value / 100)
    a["temperatureSamples"] = "[" + ", ".join("null" if sample is None else str(sample) for sample in samples) + "]"
    if samples and samples[0] is not None:
        a["temp1"] = samples[0]
    return [report]


def _geofences(c: Cursor, serial: int) -> list[Report]:
    """time | on u8 | number u8, length u16, value …"""
    report = Report(time_ms=c.bcd_time_ms(), attributes={"index": serial})
    report.attributes["deviceGeofenceEnabled"] = c.u8() != 0
    while c.left >= 3:
        number = c.u8()
        report.attributes[f"deviceGeofence{number}"] = c.take(c.u16()).hex()
    return [report]


# --- 62 and 64: checksum u8 | format u8 (7 from memory, 6 answer wanted, 5-4 encrypted) | time | groups: kind u8, count, values
# group 1: numbers, passed over; 2: numbers with a size by their number; 3: count u16, blocks: number u16, length u8


def _sizes(group: int, number: int) -> int:
    if group == 1:
        return 1 if number < 0x80 else 2 if number < 0xC0 else 4 if number < 0xF0 else 8
    return 1 if number < 0x60 else 2 if number < 0xA0 else 4


def data_alarm(content: bytes) -> int | None:
    """The alarm's code in a packet of 64."""
    try:
        code = _data(Cursor(content), 0)[0].attributes.get("alarmCode")
    except CantRead:
        return None
    return code if isinstance(code, int) else None


def _data(c: Cursor, serial: int) -> list[Report]:
    c.u8()  # the checksum, checked by the session
    form = c.u8()
    if form & 0x30:
        raise CantRead("the content is encrypted")
    report = Report(time_ms=c.bcd_time_ms(), attributes={"index": serial})
    if form & 0x80:
        report.attributes["archive"] = True
    around = Around()
    while c.left:
        group = c.u8()
        if not 1 <= group <= 3:
            raise CantRead(f"no group {group} is known, nor its length")
        for _ in range(c.u16() if group == 3 else c.u8()):
            number = c.u16() if group == 3 else c.u8()
            value = c.take(c.u8() if group == 3 else _sizes(group, number))
            if group == 2 and value.strip(b"\xff"):
                _value(number, value, report)
            elif group == 3 and number in BLOCKS:
                BLOCKS[number](Cursor(value), report, around)
    gps = report.attributes.get("gpsStatus")
    if gps is not None:
        report.valid = report.valid and bool(gps & 4)
        if gps & 2:
            report.attributes["archive"] = True
    report.attributes.update(around.network() if not report.valid else {})
    return [report]


NUMBERS: dict[int, tuple[str, float]] = {  # number: the attribute, and what one is there
    0x02: ("gpsStatus", 1), 0x09: ("networkStatus", 1), 0x0F: ("lockType", 1), 0x63: ("solarPanel", 0.001),
    0x65: ("humidityRaw", 1), 0xA2: ("lightIntensity", 1),
}  # fmt: skip
COLUMNS: dict[int, tuple[str, float]] = {
    0x03: ("gsm", 1), 0x07: ("battery_percent", 1), 0x60: ("battery_v", 0.001), 0x62: ("speed_kmh", 1), 0xA0: ("odometer_m", 1),
    0xA1: ("power_v", 0.001),
}  # fmt: skip


def _value(number: int, data: bytes, report: Report) -> None:
    value, a = int.from_bytes(data, "big"), report.attributes
    if number in NUMBERS:
        name, unit = NUMBERS[number]
        a[name] = value if unit == 1 else value * unit
    elif number in COLUMNS:
        name, unit = COLUMNS[number]
        setattr(report, name, value * unit)
    elif number == 0x01:
        a["alarmCode"] = value
        alarm(value, report)
    elif number == 0x0A:
        a["deviceTemp"] = (value & 0x7F) * (-1 if value & 0x80 else 1)
    elif number == 0x0E:
        a["rechargeable"] = bool(value & 0x80)
    elif number == 0x10:
        a["smartUpload"] = bool(value & 0x80)
    elif number == 0x18:
        a["door"], a["sensorConnected"] = not value & 0x80, bool(value & 1)
    elif number == 0x61:
        report.ignition = value >> 15 & 1
        a["usbConnected"], a["solarCharging"], a["charge"] = bool(value & 0x1000), bool(value & 0x800), bool(value & 0x1A00)
    elif number in (0x64, 0x66):
        degrees = (data[0] + (data[1] & 0x7F) / 100) * (-1 if data[1] & 0x80 else 1)
        a["temp1" if number == 0x64 else "deviceTemp"] = degrees


def _fix(c: Cursor, report: Report, around: Around) -> None:
    """altitude, longitude, latitude f32 | course u16 | precision u16 | satellites u8"""
    _coordinates(c, report)
    course, hdop, satellites = c.u16(), c.u16(), c.u8()
    if course <= 360:
        report.course_deg = course
    if hdop != 0xFFFF:
        report.attributes["hdop"] = hdop
    if satellites != 0xFF:
        report.satellites = satellites


def _accelerations(c: Cursor, report: Report, around: Around) -> None:
    for axis in "XYZ":
        report.attributes["acceleration" + axis] = c.i16()


BLOCKS: dict[int, Callable[[Cursor, Report, Around], None]] = {
    0x01: _fix,
    0x02: lambda c, report, around: cells(c, around),
    0x03: lambda c, report, around: cells(c, around),
    0x04: access_points,
    0x05: _accelerations,
}
READ: dict[int, Callable[[Cursor, int], list[Report]]] = {
    0x12: _placed_beacons,
    0x17: _lock,
    0x20: _geofences,
    0x24: _wifi,
    0x25: _wifi,
    0x26: _temperatures,
    0x27: _lock_beside,
    0x62: _data,
    0x64: _data,
}
