"""Totem over TCP: lines of text in five forms, of which a tracker speaks one.

Line     $$ | length | … ; CR LF behind it is not counted. Length: four decimal digits for AT, two hex digits for the older forms.
AT       $$ length, kind xx, IMEI | status, time yymmddhhmmss, …, serial dddd, checksum xx: XOR of all before it
         kind    what has happened, see `AT_ALARMS`; AA: nothing but time           fields of fixed width, see `AT`
         E2      driver's key: IMEI|yymmddhhmmss,longitude,latitude,key|xx
         E5      OBD: IMEI|yymmddhhmmss,longitude,latitude,version, then `OBD` in that order,|xx
RMC      $$ xx IMEI | alarm xx, $GPRMC sentence | pdop | hdop | vdop | io, binary | time of the battery | charged d,
         battery ddd 0.01 V, supply dddd 0.01 V | [analog |] …lac xxxx, cell xxxx | temperature | odometer km | serial | … |
         CRC-16/MODBUS xxxx
Parted   $$ xx IMEI | alarm xx, ddmmyyhhmmss | A or V | latitude | N | longitude | E | knots | course | hdop | io, binary |
         charged d, battery dd 0.1 V, supply dd V | analog | lac, cell | temperature | odometer km | serial, checksum
Compact  $$ xx IMEI | fields of fixed width, see `COMPACT`
Answer   AT: $$0014AA, serial, checksum; the others: ACK OK CR LF
To it    $$ length CF password,code checksum                     the codes are `CODES`; as SMS *password,code#
Source   Totem Technology, "AT09 protocol & commands" V2.43 and the older "AT06/AT07 protocol"; what these leave open as in
         Traccar's TotemProtocolDecoder, but for two readings that can't be true: RMC's supply is in 0.01 V as its battery is, and
         OBD's longitude comes first as in all their lines with degrees

A length longer or shorter than its line (identities written over) is corrected by the line's end, if that has come already.
The checksums of the forms Parted and Compact are not looked at: which sum they are is told nowhere.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from fastcrc import crc16

from protocols.commands import CannotSend, Command
from protocols.fields import KMH_PER_KNOT, minutes, time_ms
from protocols.frames import Frame
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

# Four digits of length allow 9,999; lines have up to 200 bytes, parts of photos about 1,000.
LARGEST_FRAME_BYTES = 4096
SHORTEST_REPORT = 40  # of what stands between IMEI and checksum in an AT line; a heartbeat has less

OLD_ALARMS = {0x01: "sos", 0x10: "lowBattery", 0x11: "overspeed", 0x30: "parking", 0x42: "geofenceExit", 0x43: "geofenceEnter"}
AT_ALARMS = {
    0x01: "sos", 0x02: "overspeed", 0x04: "geofenceExit", 0x05: "geofenceEnter", 0x06: "tow", 0x07: "gpsAntennaCut",
    0x10: "powerCut", 0x11: "powerRestored", 0x12: "lowPower", 0x13: "lowBattery",
    0x40: "vibration", 0x41: "idle", 0x42: "hardAcceleration", 0x43: "hardBraking",
}  # fmt: skip
STATUS_ALARMS = {31: "sos", 29: "overspeed", 27: "geofenceExit", 26: "geofenceEnter", 25: "gpsAntennaCut"}
ANY_STATUS_ALARM = sum(1 << bit for bit in STATUS_ALARMS)
IGNITION, CHARGING = 30, 28
OUTPUTS = (23, 22, 21)
VALID, VALID_WITH_TEMPERATURES = 14, 12

PLACE = r"(?P<latitude>\d{4}\.\d{4})(?P<north>[NS])(?P<longitude>\d{5}\.\d{4})(?P<east>[EW])"
AT = re.compile(  # all widths are fixed; which of the optional ones are there follows from the line's length
    r"(?P<status>[0-9A-Fa-f]{8})(?P<time>\d{12})"
    r"(?:(?P<battery>\d\d)(?P<supply>\d\d)|(?P<fine_battery>\d{3}))"  # 0.1 V and V, or 0.01 V
    r"(?P<adc1>\d{4})(?:(?:(?P<adc2>\d{4})(?P<adc3>\d{4})(?P<adc4>\d{4}))?(?P<temp1>\d{4})(?P<temp2>\d{4})?)?"
    r"[0-9A-Fa-f]{8}(?:\d{5})?"  # cell; network and country
    r"(?P<satellites>\d\d)(?P<gsm>\d\d)(?P<course>\d{3})(?P<speed>\d{3})(?P<hdop>\d\d\.\d)(?P<odometer>\d{7})"  # km/h, km
    + PLACE
    + r"(?:\d{4})?\d{4}[0-9A-Fa-f]{2}",  # temperature, serial, checksum
    re.ASCII,
)
COMPACT = re.compile(
    r"(?P<alarm>[0-9A-Fa-f]{2})(?P<time>\d{12})(?P<io>[0-9A-Fa-f]{4})[01](?P<battery>\d\d)(?P<supply>\d\d)"  # ddmmyy, 0.1 V, V
    r"(?P<adc1>\d{4})(?P<adc2>\d{4})(?P<temp1>\d{3})(?P<temp2>\d{3})[0-9A-Fa-f]{8}(?P<valid>[AV])"
    r"(?P<satellites>\d\d)(?P<course>\d{3})(?P<speed>\d{3})(?P<pdop>\d\d\.\d)(?P<odometer>\d{7})"  # knots, km
    + PLACE
    + r"\d{4}[0-9A-Fa-f]{4}",
    re.ASCII,
)
OBD = (
    "odometer", "fuelUsed", "fuelConsumption", "power", "rpm", "obdSpeed", "intakeFlow", "mapIntake", "coolantTemp", "intakeTemp",
    "engineLoad", "throttle", "fuel",
)  # fmt: skip

CODES = {
    "rebootDevice": "006", "factoryReset": "007", "positionSingle": "012", "getVersion": "056",
    "engineStop": "025,C,1", "engineResume": "025,C,0",
}  # fmt: skip


def checksum(text: bytes) -> bytes:
    """Two hex digits: XOR of all bytes."""
    return b"%02X" % np.bitwise_xor.reduce(np.frombuffer(text, "u1"))


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def cut(self, data: Buffer, at: int) -> int:
        if data[at] in b"\r\n":
            return at + 1
        if len(data) - at < 6:
            return MORE
        head = bytes(data[at : at + 6])
        length = int(head[2:6]) if head[2:6].isdigit() and head[2] == ord("0") else _hex(head[2:4])
        line_end = self.find(data, b"\r\n", at)
        if head[:2] != b"$$" or length <= len(head):
            return at - (line_end + 2) if line_end >= 0 else MORE
        end = at + length
        if 0 <= line_end < end or (line_end > end and data.find(b"$$", end, line_end) < 0):
            return line_end + 2
        if end == len(data) and data[-1] == ord("\r"):  # is it the line's end?
            return MORE
        return end if end <= len(data) else MORE

    def hear(self, message: bytes, received: Received) -> None:
        if message in (b"\r", b"\n"):
            return
        line = message.rstrip(b"\r\n")
        is_at = line[2:3] == b"0"
        head, mark, rest = line.partition(b"|")
        if not mark or not rest:
            self.reject("no | behind the tracker's id", message, received)
            return
        frame = self._at_frame(line) if is_at else Frame(_form(line), line, b"ACK OK\r\n")
        if is_at and checksum(line[:-2]) != line[-2:].upper():
            self.reject("the checksum is wrong", line, received, frame)
        elif frame.kind == "rmc" and crc16.modbus(line[:-4]) != _hex(line[-4:]):
            self.reject("the crc is wrong", line, received, frame)
        elif self.speaks(head[8 if is_at else 4 :].decode("ascii", "replace"), message, received):
            if is_at and len(rest) < SHORTEST_REPORT:
                received.reply += frame.ack
            else:
                received.frames.append(frame)

    def _at_frame(self, line: bytes) -> Frame:
        answer = b"$$0014AA" + line[-6:-2]
        kind = "obd" if b",$Cloud" in line else {b"E2": "key", b"E5": "obd"}.get(line[6:8], "at")
        return Frame(kind, line, answer + checksum(answer))

    def command(self, command: Command, serial: int, password: str) -> bytes:
        """There is no room for a serial."""
        words = _words(command, password)
        text = b"$$%04dCF" % (10 + len(words)) + words
        return text + checksum(text)


def _words(command: Command, password: str) -> bytes:
    code = command["data"] if command.type == "custom" else CODES.get(command.type)
    if code is None:
        raise CannotSend(f"Totem trackers know {', '.join(CODES)}, and custom")
    if not code.isascii():
        raise CannotSend("Totem trackers understand plain ASCII only")
    return f"{password or '000000'},{code}".encode()


def text_message(command: Command, password: str) -> str:
    """A command as an SMS. Raises CannotSend."""
    return f"*{_words(command, password).decode()}#"


def _form(line: bytes) -> str:
    if b"$GPRMC" in line:
        return "rmc"
    return "parted" if line.count(b"|") > 1 else "compact"


def _is_hex(digits: bytes) -> bool:
    return all(digit in b"0123456789ABCDEFabcdef" for digit in digits)


def _hex(digits: bytes) -> int:
    return int(digits, 16) if _is_hex(digits) and digits else -1


def read(frame: Frame) -> list[Report]:
    """The report of one line. Raises CantRead, or IndexError and ValueError for a field that isn't there or is no number."""
    text = frame.payload.decode("ascii", "replace")
    match frame.kind:
        case "at":
            return [_at(text)]
        case "key":
            return [_key(text)]
        case "obd":
            return [_obd(text)]
        case "rmc":
            return [_rmc(text.split("|"))]
        case "parted":
            return [_parted(text.split("|"))]
    return [_compact(text)]


def _time_ms(digits: str, *, day_first: bool = False) -> int:
    if len(digits) < 12:
        raise CantRead(f"no time: {digits}")
    first, third = int(digits[:2]), int(digits[4:6])
    year, day = (third, first) if day_first else (first, third)
    return time_ms(year, int(digits[2:4]), day, int(digits[6:8]), int(digits[8:10]), int(digits[10:12]))


def _fixed(layout: re.Pattern[str], body: str, report: Report) -> dict[str, Any]:
    """The fields of a line of fixed widths, None where they aren't there; what the two forms have alike is in the report."""
    found = layout.match(body)
    if found is None:
        raise CantRead(f"the fields have other widths: {body[:100]}")
    fields: dict[str, Any] = found.groupdict()
    report.latitude = minutes(fields["latitude"], fields["north"])
    report.longitude = minutes(fields["longitude"], fields["east"])
    report.satellites, report.course_deg = int(fields["satellites"]), int(fields["course"])
    report.odometer_m = int(fields["odometer"]) * 1000
    if fields["battery"] is not None:
        report.battery_v, report.power_v = int(fields["battery"]) / 10, int(fields["supply"])
    attributes = report.attributes
    for name in ("adc1", "adc2", "adc3", "adc4", "temp1", "temp2"):
        if (value := fields.get(name)) is not None:
            attributes[name] = value
    return fields


def _at(text: str) -> Report:
    report = Report(attributes={})
    fields = _fixed(AT, text.partition("|")[2], report)
    kind = int(text[6:8], 16)
    if kind in AT_ALARMS:
        report.alarm(AT_ALARMS[kind])
    status = int(fields["status"], 16)
    if status & ANY_STATUS_ALARM:
        for bit, name in STATUS_ALARMS.items():
            if status >> bit & 1:
                report.alarm(name)
    report.ignition = float(status >> IGNITION & 1)
    attributes = report.attributes
    attributes["charge"] = bool(status >> CHARGING & 1)
    for number, bit in enumerate(OUTPUTS, 1):
        attributes[f"out{number}"] = bool(status >> bit & 1)
    attributes["status"] = status
    report.time_ms = _time_ms(fields["time"])
    if fields["fine_battery"] is not None:
        report.battery_v = int(fields["fine_battery"]) / 100
    report.valid = bool(status >> (VALID if fields["temp2"] is None else VALID_WITH_TEMPERATURES) & 1)
    report.gsm = int(fields["gsm"])
    report.speed_kmh = int(fields["speed"])
    attributes["hdop"] = float(fields["hdop"])
    return report


def _in_degrees(time: str, longitude: str, latitude: str) -> Report:
    """Longitude comes first, by the manual; where the second can be no latitude, it was the other way round."""
    east, north = float(longitude), float(latitude)
    if abs(north) > 90:
        east, north = north, east
    return Report(time_ms=_time_ms(time), valid=True, latitude=north, longitude=east, attributes={})


def _key(text: str) -> Report:
    time, longitude, latitude, key = text.split("|")[1].split(",", 3)
    report = _in_degrees(time, longitude, latitude)
    report.attributes["driverUniqueId"] = key
    return report


def _obd(text: str) -> Report:
    time, longitude, latitude, _, *values = text.split("|")[1].split(",")
    report = _in_degrees(time, longitude, latitude)
    report.attributes = {name: int(value) for name, value in zip(OBD, values, strict=False) if value}
    if "odometer" in report.attributes:
        report.odometer_m = report.attributes.pop("odometer")
    if "power" in report.attributes:
        report.power_v = report.attributes.pop("power") / 1000
    return report


def _rmc(parts: list[str]) -> Report:
    alarm, sentence = parts[1][:2], parts[1].split(",")
    report = _old(alarm)
    attributes = report.attributes
    _, time, valid, latitude, north, longitude, east, speed, course, date = sentence[:10]
    if date != "000000":  # which it is until there was a fix
        report.time_ms = _time_ms(date + time, day_first=True)
        report.valid = valid == "A"
        report.latitude, report.longitude = minutes(latitude, north), minutes(longitude, east)
        report.speed_kmh, report.course_deg = float(speed or 0) * KMH_PER_KNOT, float(course or 0)
    for name, text in zip(("pdop", "hdop", "vdop"), parts[2:5], strict=True):
        attributes[name] = float(text)
    io = int(parts[5], 2)
    attributes["status"] = io
    if io & 1:
        report.alarm("sos")
    for name, bit in (("in3", 4), ("in4", 5), ("in1", 6), ("in2", 7), ("out1", 8), ("out2", 9)):
        attributes[name] = bool(io >> bit & 1)
    report.battery_v, report.power_v = int(parts[7][1:4]) / 100, int(parts[7][4:8]) / 100
    at = 8
    if "." not in parts[10]:  # an analog input stands in front of cell, temperature and odometer
        attributes["adc1"] = parts[8]
        at = 9
    attributes["temp1"] = parts[at + 1]
    report.odometer_m = float(parts[at + 2]) * 1000
    return report


def _parted(parts: list[str]) -> Report:
    report = _old(parts[1][:2])
    attributes = report.attributes
    report.time_ms = _time_ms(parts[1][2:], day_first=True)
    report.valid = parts[2] == "A"
    report.latitude, report.longitude = minutes(parts[3], parts[4]), minutes(parts[5], parts[6])
    report.speed_kmh, report.course_deg = float(parts[7] or 0) * KMH_PER_KNOT, float(parts[8] or 0)
    attributes["hdop"] = float(parts[9])
    io = int(parts[10], 2)
    attributes |= {"status": io, "antenna": bool(io & 1), "charge": bool(io >> 1 & 1)}
    attributes |= {f"in{number}": bool(io >> 1 + number & 1) for number in range(1, 7)}
    attributes |= {f"out{number}": bool(io >> 7 + number & 1) for number in range(1, 5)}
    report.battery_v, report.power_v = int(parts[11][1:3]) / 10, int(parts[11][3:5])
    attributes["adc1"], attributes["temp1"] = parts[12], parts[14]
    report.odometer_m = float(parts[15]) * 1000
    return report


def _compact(text: str) -> Report:
    report = Report(attributes={})
    fields = _fixed(COMPACT, text.partition("|")[2], report)
    alarm = int(fields["alarm"], 16)
    if alarm in OLD_ALARMS:
        report.alarm(OLD_ALARMS[alarm])
    report.attributes["io1"] = fields["io"]
    report.time_ms = _time_ms(fields["time"], day_first=True)
    report.valid = fields["valid"] == "A"
    report.speed_kmh = int(fields["speed"]) * KMH_PER_KNOT
    report.attributes["pdop"] = float(fields["pdop"])
    return report


def _old(alarm: str) -> Report:
    report = Report(attributes={})
    name = OLD_ALARMS.get(int(alarm, 16))
    if name is not None:
        report.alarm(name)
    return report


CODEC = Codec(
    name="totem",
    port=5007,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=None,
    decode=decode_each(read),
    makers="Totem Technology",
    models="AT05, AT06, AT07, AT09",
    source="Totem Technology, “AT09 protocol & commands” V2.43, “AT06/AT07 protocol”",
    reads="ignition, charging, supply, battery, outputs, analog, temperatures, odometer, signal, drivers, OBD, alarms",
    commands=("custom", "engineResume", "engineStop", "factoryReset", "getVersion", "positionSingle", "rebootDevice"),
    answers=False,
    sms=text_message,
)
