"""Cellocator's wireless protocol (Pointer, PowerFleet) over TCP and UDP. Numbers are little-endian where nothing else is said.

Frame   "MCGP" | type u8 | unit u32 | control u16, not in type 8 | numerator u8 | what the type has, below |
        sum u8: of all behind the mark. "MCPG", and "MCG" with another letter: units that write places in degrees and km/h
Type 0  status and place, 70 bytes in all: `STATUS`                      type 3  programming, 31 bytes         7  log, 70 bytes
Type 8  of a port, 19 + length u16 at 16                                 type 9  modules, 15 + length u8 at 13
Type 11 control u8 | length u16 | 4 reserved | modules: type u8, length u16, content. 16 + length in all
        module 2   operator u16 | signature u32 | count u8 | that many of id u16, length u8, value
               6   hdop u8 | mode 1 u8 | mode 2 u8 | satellites u8 | longitude i32, latitude i32, 1e-8 radian | altitude i32, cm |
                   speed u8, cm/s | course u16, 0.001 radian
               7   valid u8 | second, minute, hour, day, month, year - 2000, a byte each
Reply   "MCGP" 04 | unit | 00 | 0 u32 | 00 | numerator | 11 zeros | sum                       when it is stored
        to type 11: "MCGP" 0B | unit | numerator | 0 u32 | 80 | length 10 u16 | 0 u32 | 09 | 3 u16 | 00 | 0 u16 | sum
Source  Pointer Telocation, "Cellocator Wireless Communication Protocol" 4.1.8 and "Cellocator Integration" (2012), examples;
        validity of places, the speed in module 6 and names: as Traccar reads them

Types 3, 7, 8 and 9 hold nothing that is read: they are kept as dead letters, and acknowledged, since units would send them again.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from math import degrees
from typing import Any

from protocols.fields import KMH_PER_MPS, time_ms
from protocols.frames import Frame
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 4096  # modules are a few hundred bytes; the length of type 11 would allow 64 KB
MARK = re.compile(rb"MC(?:G[A-Z]|PG)")
MARK_BYTES = 4
BEGUN = re.compile(rb"M(?:C(?:G|P)?)?")  # a mark of which the rest hasn't come
STATUS_TYPE, PORT, OLD_MODULES, MODULES = 0, 8, 9, 11
FIXED_BYTES = {STATUS_TYPE: 70, 3: 31, 7: 70}
ALARMS = {70: "sos", 80: "powerCut", 81: "lowPower", 83: "lowBattery", 87: "powerRestored"}  # by the reason for the transmission


def signed_off(message: bytes) -> bytes:
    """With its sum behind it."""
    return message + bytes((sum(message[4:]) & 0xFF,))


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def cut(self, data: Buffer, at: int) -> int:
        size = len(data) - at
        if not MARK.match(data, at) and not (size < MARK_BYTES and BEGUN.fullmatch(data, at)):
            return at - _next_mark(data, at)
        if size < 15:
            return MORE
        type_ = data[at + 4]
        if type_ in FIXED_BYTES:
            length = FIXED_BYTES[type_]
        elif type_ == PORT:
            length = 19 + (data[at + 16] | data[at + 17] << 8) if size >= 18 else 19
        elif type_ == OLD_MODULES:
            length = 15 + data[at + 13]
        elif type_ == MODULES:
            length = 16 + (data[at + 13] | data[at + 14] << 8)
        else:
            return -MARK_BYTES  # look for the next mark
        if length > LARGEST_FRAME_BYTES:
            return -MARK_BYTES
        return at + length if size >= length else MORE

    def hear(self, message: bytes, received: Received) -> None:
        type_ = message[4]
        kind = {STATUS_TYPE: "status" if message.startswith(b"MCGP") else "other status", MODULES: "modules"}.get(
            type_, str(type_)
        )
        if sum(message[4:-1]) & 0xFF != message[-1]:
            self.reject("the checksum is wrong", message, received, Frame(kind, message))
            return
        unit = message[5:9]
        if not self.speaks(str(int.from_bytes(unit, "little")), message, received):
            return
        numerator = message[9 if type_ == PORT else 11]
        if type_ == MODULES:
            ack = b"MCGP\x0b" + unit + bytes((numerator, 0, 0, 0, 0, 0x80, 10, 0, 0, 0, 0, 0, 9, 3, 0, 0, 0, 0))
        else:
            ack = b"MCGP\x04" + unit + bytes((0, 0, 0, 0, 0, 0, numerator)) + bytes(11)
        received.frames.append(Frame(kind, message, signed_off(ack)))


def _next_mark(data: Buffer, at: int) -> int:
    """Where the next one begins; its first bytes may be the last that came."""
    if following := MARK.search(data, at):
        return following.start()
    return len(data) - next((count for count in (3, 2, 1) if BEGUN.fullmatch(data, len(data) - count)), 0)


# --- Reading -----------------------------------------------------------------------------------------------------------------

STATUS = struct.Struct(  # from the version of the hardware on
    "<BBxBxBBB"  # hardware, firmware, protocol, status of the unit and of its modem, flags, data of the reason, reason, mode
    "4s"  # inputs: bit 29 ignition, 24 door, 7 charging of the big-endian number
    "xBBBB"  # operator, four analog inputs
    "3s6xHBBBB"  # odometer, for many purposes, time of fix, state of the place, two modes, satellites
    "iiiIH"  # longitude, latitude, altitude cm, speed, course
    "BBBBBH"  # second, minute, hour, day, month, year
)
RADIANS = 1e-8
MODULE = struct.Struct("<BH")
GPS_MODULE = struct.Struct("<BBBBiiiBH")


def read(frame: Frame) -> list[Report]:
    if frame.kind == "status":
        return [_status(frame.payload, other=False)]
    if frame.kind == "other status":
        return [_status(frame.payload, other=True)]
    if frame.kind == "modules":
        return [_modules(frame.payload)]
    raise CantRead(f"messages of type {frame.kind} are not read")


def _status(data: bytes, *, other: bool) -> Report:
    (hardware, firmware, status, _, reason, mode, inputs, adc1, adc2, adc3, adc4, odometer, _, _, _, _, satellites,
     longitude, latitude, altitude, speed, course, *moment) = STATUS.unpack_from(data, 12)  # fmt: skip
    bits = int.from_bytes(inputs, "big")
    attributes: dict[str, Any] = {
        "versionHw": hardware,
        "versionFw": firmware,
        "status": status & 15,
        "event": reason,
        "mode": mode,
        "door": bool(bits >> 24 & 1),
        "charge": bool(bits >> 7 & 1),
        "input": bits,
        "driverUniqueId": data[32:38].hex(),
    }
    if other:
        attributes |= {"adc1": adc1 | adc2 << 8, "adc2": adc3 | adc4 << 8}
    else:
        attributes |= {"adc1": adc1, "adc2": adc2, "adc3": adc3, "adc4": adc4}
    report = Report(
        time_ms=_moment_ms(moment),
        valid=True,
        longitude=longitude * 1e-7 if other else degrees(longitude * RADIANS),
        latitude=latitude * 1e-7 if other else degrees(latitude * RADIANS),
        altitude_m=altitude * 0.01,
        speed_kmh=speed if other else speed * 0.01 * KMH_PER_MPS,
        course_deg=course / 1000 if other else degrees(course / 1000),
        satellites=satellites,
        ignition=bits >> 29 & 1,
        odometer_m=int.from_bytes(odometer, "little"),
        attributes=attributes,
    )
    if reason in ALARMS:
        report.alarm(ALARMS[reason])
    return report


def _moment_ms(parts: Sequence[int]) -> int | None:
    """Seconds come first and years last. None: the unit's clock hasn't been set yet."""
    second, minute, hour, day, month, year = parts
    try:
        return time_ms(year, month, day, hour, minute, second)
    except CantRead:
        return None


def _modules(data: bytes) -> Report:
    report = Report(attributes={})
    at, last = 19, len(data) - 1
    while at + 3 <= last:
        type_, length = MODULE.unpack_from(data, at)
        at += MODULE.size
        content = data[at : min(at + length, last)]
        if type_ == 2:
            _variables(report, content)
        elif type_ == 6:
            hdop, _, _, satellites, longitude, latitude, altitude, speed, course = GPS_MODULE.unpack_from(content)
            report.attributes["hdop"] = hdop
            report.satellites = satellites
            report.longitude, report.latitude = degrees(longitude * RADIANS), degrees(latitude * RADIANS)
            report.altitude_m = altitude * 0.01
            report.speed_kmh, report.course_deg = speed * 0.01 * KMH_PER_MPS, degrees(course / 1000)
        elif type_ == 7:
            report.time_ms = _moment_ms(content[1:7])
        at += length
    return report


def _variables(report: Report, content: bytes) -> None:
    """Of the vehicle's bus."""
    at = 7
    while at + 3 <= len(content):
        name, size = content[at] | content[at + 1] << 8, content[at + 2]
        report.attributes[f"io{name}"] = int.from_bytes(content[at + 3 : at + 3 + size], "little")
        at += 3 + size


CODEC = Codec(
    name="cellocator",
    port=5033,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=lambda: Link(whole=True),
    decode=decode_each(read),
    makers="Cellocator (Pointer Telocation, PowerFleet)",
    models="Olympic, 370, CelloTrack, Cello-IQ, CR200, CR300, PointerCept",
    reads="ignition, door, inputs, voltages, odometer, driver, alarms, the bus' variables",
    source="Pointer Telocation, Cellocator Wireless Communication Protocol",
)
