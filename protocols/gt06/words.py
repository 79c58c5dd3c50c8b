"""GT06 frames of words: answers to commands, information, and what hangs on the tracker's wires."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from protocols.cursor import Cursor
from protocols.gt06.fields import ReadKind, Report, date_ms, hexadecimal, text, unix_ms


def command_result(r: Cursor, report: Report, zone_s: int) -> None:
    """0x15: length, the server's own four bytes, text; some clones send the length as 0 and pad with zeros."""
    length = r.u8()
    r.u32()
    words = text(r.take(length - 4)) if length >= 4 else text(r.rest().split(b"\0", 1)[0])
    if words.startswith("<ICCID:"):
        report.more["iccid"] = words[7:27]
    elif words:
        report.more["result"] = words


SPOKEN_PLACE = re.compile(
    r"Current position!Lat:([NS])(\d{1,2}\.\d{1,9}),Lon:([EW])(\d{1,3}\.\d{1,9}),"
    r"Course:(\d{1,3}\.\d{1,9}),Speed:(\d{1,4}\.\d{1,9}),"
    r"DateTime:(\d{4}-\d\d-\d\d) +(\d\d:\d\d:\d\d)",
    re.ASCII,
)


def long_command_result(r: Cursor, report: Report, zone_s: int) -> None:
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


def short_information(r: Cursor, report: Report, zone_s: int) -> None:
    report.numbers["power_v"] = r.signed(2) / 100


def information(r: Cursor, report: Report, zone_s: int) -> None:
    """0x94: the first byte says of what."""
    subject = r.u8()
    reader = INFORMATION.get(subject)
    if reader is None:
        raise ValueError(f"no manual of ours knows the information 0x{subject:02x}")
    reader(r, report, zone_s)


def voltage(r: Cursor, report: Report, zone_s: int) -> None:
    report.more["adc1"] = r.u16() / 100


SYNCHRONISED: dict[str, str] = {
    "ALM1": "alarm1Status", "ALM2": "alarm2Status", "ALM3": "alarm3Status", "ALM4": "alarm4Status",
    "STA1": "otherStatus", "DYD": "engineStatus",
}  # fmt: skip


def synchronised(r: Cursor, report: Report, zone_s: int) -> None:
    """Settings as NAME=VALUE; the known ones hold bits in hexadecimal."""
    for pair in text(r.rest()).split(";"):
        name, _, value = pair.partition("=")
        if name in SYNCHRONISED and value:
            report.more[SYNCHRONISED[name]] = hexadecimal(value)
        elif name == "ICCID" and value:
            report.more["iccid"] = value.rstrip("Ff")


def door(r: Cursor, report: Report, zone_s: int) -> None:
    if r.left >= 7:
        report.time_ms = date_ms(r, zone_s)
    flags = r.u8()
    report.more |= {"door": bool(flags & 0x01), "io1": bool(flags & 0x04)}


def sim_card(r: Cursor, report: Report, zone_s: int) -> None:
    r.take(16)  # IMEI, IMSI
    report.more["iccid"] = r.take(10).hex().rstrip("f")


def network_or_power(r: Cursor, report: Report, zone_s: int) -> None:
    if r.left == 1:
        report.more["networkTechnology"] = "4G" if r.u8() else "2G"
    else:
        report.numbers["power_v"] = r.u16() / 100


FUEL_SENSOR = re.compile(
    r"!AIOIL,\d+,\d+\.\d+,(\d{1,5}\.\d{1,5}),[^,]+,\d{4},(\d{1,5}\.\d{1,5}),[01],\d+,[0-9A-Fa-f]{2}", re.ASCII
)


def fuel_sensor(r: Cursor, report: Report, zone_s: int) -> None:
    if r.left and r.data[r.at] != ord("!"):
        report.time_ms = date_ms(r, zone_s)
    sensor = FUEL_SENSOR.fullmatch(text(r.rest()))
    if sensor is None:
        raise ValueError("not the words of a fuel sensor")
    report.more |= {"temp1": float(sensor[1]), "fuel": float(sensor[2])}


def serial_port(r: Cursor, report: Report, zone_s: int) -> None:
    """A reader's card in binary, or any words."""
    if r.left and chr(r.data[r.at]).isalpha():
        report.more["serial"] = text(r.rest())
        return
    r.take(2)  # header, type
    report.more["driverUniqueId"] = r.take(4).hex()


def climate(r: Cursor, report: Report, zone_s: int) -> None:
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


def transparent(r: Cursor, report: Report, zone_s: int) -> None:
    """0x9B: what came in on the serial port; text when all of it is."""
    r.u8()  # kind of device
    data = r.rest()
    report.more["result"] = text(data) if all(0x20 <= byte < 0x7F or byte in b"\r\n\t" for byte in data) else data.hex()


OBD_PLACE_BYTES = 12  # satellites, latitude, longitude, speed, flags: the next location says the same


def obd(r: Cursor, report: Report, zone_s: int) -> None:
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
            report.more[OBD_WORDS[number]] = hexadecimal(value) / 100
        elif number in OBD_COLUMNS:
            column, unit = OBD_COLUMNS[number]
            report.numbers[column] = hexadecimal(value) * unit


OBD_WORDS: dict[str, str] = {"2B": "fuel", "2D": "coolantTemp", "35": "obdSpeed", "36": "rpm", "47": "fuelUsed"}
OBD_COLUMNS: dict[str, tuple[str, float]] = {"28": ("odometer_m", 10), "49": ("engine_hours_s", 36)}  # 0.01 km, 0.01 h


def battery_pack(r: Cursor, report: Report, zone_s: int) -> None:
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


def bluetooth_clock(r: Cursor, report: Report, zone_s: int) -> None:
    report.time_ms = date_ms(r, zone_s)
    report.numbers["gsm"] = r.signed(1)
    report.more |= {"tagMac": r.take(6).hex(), "tagUuid": r.take(16).hex(), "tagMajor": r.u16(), "tagMinor": r.u16()}
    report.more |= {"tagBattery": r.u16() / 100, "clock": r.u8() >> 2 & 0xF}
