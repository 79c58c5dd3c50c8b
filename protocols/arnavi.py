"""Arnavi over TCP: packages of records with tags, and the older lines of text.

Header    FF | version u8 | IMEI u64 | version 24 (hex): another id of 8 bytes            all numbers little-endian
          versions 22, 23 (hex; its answer holds the time), 24 and 25
Answer    7B 00 00 7D to version 22; 7B 04 00 | sum of the time u8 | time u32 | 7D to the others
Package   5B | number u8 | records | 5D
Record    type u8 | length u16 | time u32 | content | sum of time and content u8
          types: 0 ping, 1 tags, 3 text, 4 file, 6 binary; the last two are answered but not kept
Tag       number u8 | value of 4 bytes, see TAGS
Answer    7B 00 | number u8 | 7D, after the commit. 5B FD | number u8 | 5D is the tracker's own, to commands
Text      $AV,V2 to V4,id,index,supply,battery,…,moves,ignition,inputs,a,b[,c,d],fix,satellites[,altitude,geoid],hhmmss,
          ddmm.mmmmN,dddmm.mmmmE,knots,course,ddmmyy,…*xor       lines end in CR LF; supply and battery in 10 mV
          other lines ($AV,V3DI …, $AV,V6SD …) tell of the tracker itself and hold no report
Answer    RCPTOK CR LF
Source    Arnavi, "Protocol of binary data transfer" (HEADER, HEADER2, HEADER3) and "Arnavi text protocol V2 to V4"; names of
          attributes, and that the place of a line always is valid, as in Traccar

A record without latitude is telemetry alone. The tracker asks for our time only in its login; `now` tells it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import reduce
from operator import xor

from protocols.fields import KMH_PER_KNOT, minutes, time_ms
from protocols.frames import ANSWER, Frame
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream, utc_now

LARGEST_FRAME_BYTES = 128 << 10
LONGEST_LINE_BYTES = 1024
HEADER, PACKAGE, END, DOLLAR, OWN_ANSWER = 0xFF, 0x5B, 0x5D, 0x24, 0xFD
HEADER_BYTES = {0x22: 10, 0x23: 10, 0x24: 18, 0x25: 10}
PING, TAGGED, TEXT, FILE, BINARY = 0, 1, 3, 4, 6
RECORD_BYTES = 8  # type, length, time and sum around the content


class Link(Stream):
    """One connection. `now` answers the login's question for the time; tests hand in their own."""

    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        super().__init__()
        self._now = now
        self._walked = 0  # bytes of a package's records that are whole, so that they aren't walked again with each read

    def cut(self, data: Buffer, at: int) -> int:
        first, size = data[at], len(data) - at
        if first == HEADER:
            return MORE if size < 2 else at + HEADER_BYTES.get(data[at + 1], 2)
        if first == DOLLAR:
            return self._cut_line(data, at)
        if first == PACKAGE:
            return self._cut_package(data, at)
        return at + 1

    def _cut_line(self, data: Buffer, at: int) -> int:
        """Behind the checksum, as some firmware sends no line end; without one, behind the line end."""
        end, star = self.find(data, b"\n", at), self.find(data, b"*", at)
        if star >= 0 and (end < 0 or star < end):
            return star + 3
        if end >= 0:
            return end + 1
        return MORE if len(data) - at <= LONGEST_LINE_BYTES else at + 1

    def _cut_package(self, data: Buffer, at: int) -> int:
        if len(data) < at + 3:
            return MORE
        if data[at + 1] == OWN_ANSWER:
            return at + 4
        place = at + max(self._walked, 2)
        while place < len(data) and data[place] != END:
            if len(data) < place + 3:
                break
            step = place + RECORD_BYTES + (data[place + 1] | data[place + 2] << 8)
            if step > len(data):
                break
            place = step
        if place < len(data) and data[place] == END:
            self._walked = 0
            return place + 1
        self._walked = place - at
        return MORE

    def hear(self, message: bytes, received: Received) -> None:
        if message[0] == HEADER:
            self._header(message, received)
        elif message[0] == PACKAGE:
            self._package(message, received)
        elif message[0] == DOLLAR:
            self._line(message, received)
        elif message[0] not in b"\r\n":
            self.close("neither a package nor a line of Arnavi begins here", message, received)

    def _header(self, message: bytes, received: Received) -> None:
        if len(message) < 10:
            self.close(f"version {message[1]:#04x} of the header is unknown", message, received)
        elif self.speaks(str(int.from_bytes(message[2:10], "little", signed=True)), message, received):
            if message[1] == 0x22:
                received.reply += b"\x7b\0\0\x7d"
            else:
                time = int(self._now().timestamp()).to_bytes(4, "little")
                received.reply += b"\x7b\x04\0" + bytes((sum(time) & 0xFF,)) + time + b"\x7d"

    def _package(self, message: bytes, received: Received) -> None:
        if message[1] == OWN_ANSWER:
            return
        answer = b"\x7b\0" + message[1:2] + b"\x7d"
        kinds, right = set(), True
        for kind, record in _records(message[2:-1]):
            kinds.add(kind)
            right &= sum(record[:-1]) & 0xFF == record[-1]
        frame = Frame("package", message[2:-1], answer)
        if not right:
            self.reject("a record's checksum is wrong", message, received, frame)
        elif kinds & {TAGGED, TEXT}:
            received.frames.append(frame)
        elif self.known:
            received.frames.append(Frame(ANSWER, b"", answer))

    def _line(self, message: bytes, received: Received) -> None:
        line = message.rstrip(b"\r\n")
        body, star, sent = line.partition(b"*")
        fields = body.split(b",")
        if len(fields) < 4 or fields[0] != b"$AV":
            self.reject("no line of Arnavi", line, received)
            return
        frame = Frame("line", body, b"RCPTOK\r\n")
        if star and (not _is_hex(sent) or int(sent, 16) != reduce(xor, body[1:])):
            self.reject("the line's checksum is wrong", line, received, frame)
        elif self.speaks(fields[2].decode("ascii", "replace"), message, received):
            received.frames.append(frame if LINE.fullmatch(fields[1]) else Frame(ANSWER, b"", frame.ack))


LINE = re.compile(rb"V\d")  # versions that report; V3DI and V6SD don't
HEX = re.compile(rb"[0-9A-Fa-f]{1,2}")


def _is_hex(text: bytes) -> bool:
    return HEX.fullmatch(text) is not None


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type, and time, content and checksum, of each record of a package."""
    at = 0
    while at + RECORD_BYTES <= len(data):
        end = at + RECORD_BYTES + (data[at + 1] | data[at + 2] << 8)
        yield data[at], data[at + 3 : end]
        at = end


# --- Reading tags ------------------------------------------------------------------------------------------------------------

Reader = Callable[[Report, bytes, int], None]  # report, value, value as a number


def _power(report: Report, value: bytes, number: int) -> None:
    """Battery u16, supply u16, mV; 0: there is none, FFFF: not measured."""
    battery, power = number & 0xFFFF, number >> 16
    if battery not in (0, 0xFFFF):
        report.battery_v = battery / 1000
    if power not in (0, 0xFFFF):
        report.power_v = power / 1000


def _latitude(report: Report, value: bytes, number: int) -> None:
    report.latitude = struct.unpack("<f", value)[0]


def _longitude(report: Report, value: bytes, number: int) -> None:
    report.longitude = struct.unpack("<f", value)[0]


def _movement(report: Report, value: bytes, number: int) -> None:
    """Course u8, 2 degrees | altitude u8, 10 m | GPS and GLONASS satellites, four bits each; FE, FF: the place is of cells or of
    WLANs, which tell nothing of the rest | speed u8, knots"""
    report.valid = value[2] < 0xFE
    if report.valid:
        report.course_deg = value[0] * 2
        report.altitude_m = value[1] * 10
        report.satellites = (value[2] & 15) + (value[2] >> 4)
        report.speed_kmh = value[3] * KMH_PER_KNOT


def _inputs(report: Report, value: bytes, number: int) -> None:
    """What u8: 1 states (ignition and call button u8 | inputs u16), 6 pulses, 7 Hz, 8 mV: input u8 | value u16"""
    rest = number >> 16
    match value[0]:
        case 1:
            report.ignition = value[1] & 1
            report.attributes["callButton"] = bool(value[1] & 2)
            report.attributes["input"] = rest
        case 6:
            report.attributes[f"pulses{value[1]}"] = rest
        case 7:
            report.attributes[f"freq{value[1]}"] = rest
        case 8:
            report.attributes[f"adc{value[1]}"] = rest / 1000


def _cell(report: Report, value: bytes, number: int) -> None:
    report.attributes["cid"], report.attributes["lac"] = number & 0xFFFF, number >> 16


def _network(report: Report, value: bytes, number: int) -> None:
    """Network u8 | country u16 | signal u8, 0 to 31"""
    report.attributes["mnc"], report.attributes["mcc"] = value[0], number >> 8 & 0xFFFF
    report.gsm = value[3]


def _status(report: Report, value: bytes, number: int) -> None:
    """Bits: 0-7 inputs, 8-11 outputs, 12-13 GSM, 14-15 navigation, 16 it moves, 18 SIM, 19 guarded, 20 emergency"""
    report.attributes["status"] = number
    report.attributes.setdefault("input", number & 0xFF)
    report.attributes["output"] = number >> 8 & 15
    report.attributes["armed"] = bool(number >> 19 & 1)
    report.motion = number >> 16 & 1
    if number >> 20 & 1:
        report.alarm("sos")


def _can_status(report: Report, value: bytes, number: int) -> None:
    report.attributes["canStatus"] = number
    for bit, name in CAN_BITS:
        report.attributes[name] = bool(number >> bit & 1)


CAN_BITS = (
    (8, "doorDriver"),
    (9, "doorPassenger"),
    (10, "trunkOpen"),
    (11, "hoodOpen"),
    (12, "handbrake"),
    (13, "brakePedal"),
    (14, "engineRunning"),
    (16, "canIgnition"),
    (19, "keyInIgnition"),
)


def _hours(report: Report, value: bytes, number: int) -> None:
    report.engine_hours_s = number * 36  # 0.01 h


def _odometer(report: Report, value: bytes, number: int) -> None:
    report.odometer_m = number * 10


def _fuel(report: Report, value: bytes, number: int) -> None:
    report.fuel_l = number


def _load(report: Report, value: bytes, number: int) -> None:
    """Pedal u8 | engine's load u8, percent | how it moves u16"""
    report.attributes["throttle"], report.attributes["engineLoad"] = value[0], value[1]
    if number >> 16:
        report.attributes["motionStatus"] = number >> 16


def _hdop(report: Report, value: bytes, number: int) -> None:
    report.attributes["hdop"] = (number & 0xFFFF) / 100


def _named(name: str, factor: float = 1, mask: int = 0xFFFFFFFF) -> Reader:
    def reader(report: Report, value: bytes, number: int) -> None:
        report.attributes[name] = number & mask if factor == 1 else (number & mask) * factor

    return reader


def _key(report: Report, value: bytes, number: int) -> None:
    report.attributes["driverUniqueId"] = str(number)


def _level(sensor: int) -> Reader:
    """Fuel sensor: level u16 | temperature u16, 0.1 degree from -10"""

    def reader(report: Report, value: bytes, number: int) -> None:
        level = number & 0xFFFF
        if level not in (0, 0xFFFF):
            report.attributes[f"llsLevel{sensor}"] = level
            report.attributes[f"llsTemp{sensor}"] = ((number >> 16) - 100) / 10

    return reader


TAGS: dict[int, Reader] = {
    1: _power,
    2: _key,
    3: _latitude,
    4: _longitude,
    5: _movement,
    6: _inputs,
    7: _cell,
    8: _network,
    9: _status,
    51: _can_status,
    52: _hours,
    53: _odometer,
    54: _named("fuelUsed", 0.1),  # l
    55: _named("fuel", 0.1, 0xFFFF),  # percent
    56: _fuel,
    57: _named("rpm", mask=0xFFFF),
    58: _named("engineTemp"),
    59: _named("obdSpeed"),
    **{60 + n: _named(f"axleLoad{n + 1}") for n in range(5)},  # kg
    69: _load,
    **{71 + n: _level(n + 1) for n in range(9)},
    151: _hdop,
}


def read(frame: Frame) -> Iterator[Report]:
    """The reports of a package or line, in its order."""
    if frame.kind == "line":
        yield _read_line(frame.payload.decode("ascii", "replace").split(","))
        return
    for kind, record in _records(frame.payload):
        if kind == TAGGED and len(record) > 5:
            yield _read_tags(record)
        elif kind == TEXT:
            report = Report(time_ms=int.from_bytes(record[:4], "little") * 1000)
            report.attributes["result"] = record[4:-1].decode("cp1251", "replace")
            yield report


def _read_tags(record: bytes) -> Report:
    report = Report(time_ms=int.from_bytes(record[:4], "little") * 1000)
    for at in range(4, len(record) - 5, 5):
        if (reader := TAGS.get(record[at])) is not None:
            value = record[at + 1 : at + 5]
            reader(report, value, int.from_bytes(value, "little"))
    return report


def _read_line(fields: list[str]) -> Report:
    """Where the place stands tells how many inputs and heights are in front of it."""
    place = next(
        (at for at in range(14, len(fields) - 4) if fields[at][-1:] in ("N", "S") and fields[at + 1][-1:] in ("E", "W")), 0
    )
    if not place:
        raise CantRead("the line has no place")
    clock, date, middle = fields[place - 1], fields[place + 4], fields[10 : place - 1]
    if len(middle) not in (4, 6, 8):
        raise CantRead("the line has a field too many or too few")
    has_heights = len(middle) > 4 and not (middle[-2].isdecimal() and middle[-1].isdecimal())
    report = Report(valid=True)
    report.time_ms = time_ms(int(date[4:6]), int(date[2:4]), int(date[:2]), int(clock[:2]), int(clock[2:4]), int(clock[4:6]))
    report.latitude = minutes(fields[place][:-1], fields[place][-1])
    report.longitude = minutes(fields[place + 1][:-1], fields[place + 1][-1])
    report.speed_kmh = float(fields[place + 2]) * KMH_PER_KNOT
    report.course_deg = float(fields[place + 3])
    report.altitude_m = float(middle[-2] or 0) if has_heights else 0.0
    report.satellites = int(middle[-3] if has_heights else middle[-1])
    report.power_v, report.battery_v = int(fields[4]) / 100, int(fields[5]) / 100
    report.motion, report.ignition = int(fields[7]), int(fields[8])
    report.attributes = {"index": int(fields[3]), "input": int(fields[9])}
    return report


CODEC = Codec(
    name="arnavi",
    port=5100,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=None,
    decode=decode_each(read),
    makers="Arnavi (ArusNavi)",
    models="Integral-2, Integral-3, Essence, Beacon, Arnavi 4, Arnavi 5",
    reads="ignition, motion, supply, battery, GSM, satellites, odometer, engine hours, inputs, outputs, adc, fuel sensors, CAN, "
    "drivers' keys, texts, emergency",
    source="Arnavi, Protocol of binary data transfer and text protocol V2 to V4; names of attributes as Traccar has them",
)
