"""Xexun's binary protocol over TCP: wearables and small trackers of 4G.

Frame   FAAF | type u16 | index u16 | imei 8, BCD, 15 digits and a filler | length u16, its low 10 bits | sum u16 | payload | FAAF
        between the flags FBBF 01 stands for FAAF and FBBF 02 for FBBF; sum: that of the payload's bytes, inverted
Type 14 count u8 | length u16 for each | records                            07: the answer to a command, text
Record  index u8 | time u32, s since 1970 | signal u8 | battery u16: bit 15 charging, below it % | mask u8, and what it names:
        0  alarm u32: bit 0 sos, 1 taken off, 15 fallen down
        1  places, their own mask u8:
           0  satellites u8 | longitude f32 | latitude f32                  as dddmm.mmmm, south and west are negative
           1  count u8 | access points: mac 6, dBm i8
           2  count u8 | cells: mcc u16, mnc u16, lac i32, cell u32, dBm i8
           3  count u8 | 12 bytes each, times of flight
           5  speed u16, 0.1 km/h | course u16, 0.1 degree
           6  satellites u8 | longitude f64 | latitude f64
           7  length u16 | "G" u8 | length u16 | longitude f64 | latitude f64 | valid u8 | satellites u8 | signal to noise u8 |
              speed u16, 0.1 km/h | course u16, 0.1 degree | altitude m f32
        3  fingerprint u32 · 4  version 20, imsi 8, iccid 10 · 5  parameters 12
Reply   FAAF | type | index | imei | length 0001 | sum FFFE | 01 | FAAF     to all but answers; for reports when they are stored
Source  Xexun, "GPS tracker communication protocol" (X0, TR series); how places are written and names: as Traccar reads them
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import trunc
from typing import Any

from protocols.frames import Frame
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 4096  # 1023 of payload, were each of them an escaped one
FLAG = b"\xfa\xaf"
HEAD = struct.Struct(">HH8sHH")
POSITION, RESULT = 0x14, 0x07
KINDS = {POSITION: "position", RESULT: "result"}
ALARMS = ((0, "sos"), (1, "removing"), (15, "fallDown"))


def checksum(payload: bytes) -> int:
    return ~sum(payload) & 0xFFFF  # 1023 bytes at most: no carry


def framed(body: bytes) -> bytes:
    return FLAG + body.replace(b"\xfb\xbf", b"\xfb\xbf\x02").replace(FLAG, b"\xfb\xbf\x01") + FLAG


def unescaped(body: bytes) -> bytes:
    if b"\xfb\xbf" not in body:
        return body
    first, *others = body.split(b"\xfb\xbf")
    marks = {0x01: FLAG, 0x02: b"\xfb\xbf"}
    return first + b"".join(marks.get(part[0], b"") + part[1:] if part else b"" for part in others)


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def cut(self, data: Buffer, at: int) -> int:
        if data[at] != FLAG[0] or data[at + 1 : at + 2] not in (b"", FLAG[1:]):
            begin = data.find(FLAG, at)
            if begin < 0:  # the flag's first byte may be the last that came
                begin = len(data) - (data[-1] == FLAG[0])
            return at - begin
        end = self.find(data, FLAG, at + 2)
        if end < 0:
            return MORE
        return end + 2 if end > at + 2 else end  # two flags in a row: the first one ended something that was lost

    def hear(self, message: bytes, received: Received) -> None:
        if len(message) < 4:
            return
        body = unescaped(message[2:-2])
        if len(body) < HEAD.size:
            self.reject("the frame is shorter than its head", message, received)
            return
        type_, index, imei, length, sent = HEAD.unpack_from(body)
        payload = body[HEAD.size : HEAD.size + (length & 0x3FF)]
        kind = KINDS.get(type_)
        if len(payload) != length & 0x3FF:
            self.reject("the frame is shorter than its length says", message, received)
        elif checksum(payload) != sent:
            unchecked = Frame(kind, payload) if kind is not None else None
            self.reject("the checksum is wrong", message, received, unchecked)
        elif self.speaks(imei.hex()[:15], message, received):
            reply = framed(struct.pack(">HH8sHHB", type_, index, imei, 1, 0xFFFE, 1))
            if kind is not None:
                received.frames.append(Frame(kind, payload, reply if type_ == POSITION else b""))
            else:
                received.reply += reply


# --- Reading -----------------------------------------------------------------------------------------------------------------

RECORD = struct.Struct(">BIBHB")
SHORT_PLACE = struct.Struct(">Bff")
LONG_PLACE = struct.Struct(">Bdd")
MOTION = struct.Struct(">HH")
CELL = struct.Struct(">HHiIb")
PRECISE = struct.Struct(">ddBBxHHf")


def degrees(value: float) -> float:
    """Of dddmm.mmmm; south and west are negative."""
    whole = trunc(value / 100)
    return whole + (value - whole * 100) / 60


def read(frame: Frame) -> Iterator[Report]:
    data = frame.payload
    if frame.kind == "result":
        yield Report(attributes={"result": data.decode("utf-8", "replace").strip("\0 \r\n")})
        return
    if not data:
        raise CantRead("a message without records")
    lengths = struct.unpack_from(f">{data[0]}H", data, 1)
    at = 1 + 2 * len(lengths)
    for length in lengths:
        if at + length > len(data):
            raise CantRead("a record is longer than its message")
        yield _record(data[at : at + length])
        at += length


def _record(data: bytes) -> Report:
    index, time_s, signal, battery, mask = RECORD.unpack_from(data)
    attributes: dict[str, Any] = {"index": index, "charge": bool(battery >> 15)}
    report = Report(time_ms=time_s * 1000, gsm=signal, battery_percent=battery & 0x7FFF, attributes=attributes)
    at = RECORD.size
    if mask & 1:
        (alarms,) = struct.unpack_from(">I", data, at)
        for bit, name in ALARMS:
            if alarms >> bit & 1:
                report.alarm(name)
        at += 4
    if mask & 2:
        at = _places(report, data, at)
    if mask & 8:
        at += 4
    if mask & 16:
        attributes["versionFw"] = data[at : at + 20].decode("ascii", "replace").strip("\0 ")
        attributes["iccid"] = data[at + 28 : at + 38].hex()
    return report


def _places(report: Report, data: bytes, at: int) -> int:
    """What the mask at `at` names. Where it ends."""
    mask = data[at]
    at += 1
    if mask & 1:
        at = _place(report, SHORT_PLACE, data, at)
    network: dict[str, Any] = {}
    if mask & 2:
        count, at = data[at], at + 1
        points = [struct.unpack_from(">6sb", data, at + 7 * place) for place in range(count)]
        network["wifiAccessPoints"] = [{"macAddress": mac.hex(":"), "signalStrength": dbm} for mac, dbm in points]
        at += 7 * count
    if mask & 4:
        count, at = data[at], at + 1
        names = ("mobileCountryCode", "mobileNetworkCode", "locationAreaCode", "cellId", "signalStrength")
        cells = [CELL.unpack_from(data, at + CELL.size * place) for place in range(count)]
        network["cellTowers"] = [dict(zip(names, cell, strict=True)) for cell in cells]
        at += CELL.size * count
    if network:
        report.attributes["network"] = network
    if mask & 8:
        at += 1 + 12 * data[at]
    if mask & 32:
        speed, course = MOTION.unpack_from(data, at)
        report.speed_kmh, report.course_deg = speed * 0.1, course * 0.1
        at += MOTION.size
    if mask & 64:
        at = _place(report, LONG_PLACE, data, at)
    if mask & 128:
        (length,) = struct.unpack_from(">H", data, at)
        if length and data[at + 2] == ord("G"):
            longitude, latitude, valid, satellites, speed, course, altitude = PRECISE.unpack_from(data, at + 5)
            report.satellites = satellites
            if valid:  # without a fix the rest is what it was before, or nothing
                report.valid, report.altitude_m = True, altitude
                report.longitude, report.latitude = degrees(longitude), degrees(latitude)
                report.speed_kmh, report.course_deg = speed * 0.1, course * 0.1
        at += 2 + length
    return at


def _place(report: Report, layout: struct.Struct, data: bytes, at: int) -> int:
    satellites, longitude, latitude = layout.unpack_from(data, at)
    report.longitude, report.latitude = degrees(longitude), degrees(latitude)
    report.valid, report.satellites = True, satellites
    return at + layout.size


CODEC = Codec(
    name="xexun2",
    port=5233,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=None,
    decode=decode_each(read),
    makers="Xexun",
    models="X0, X9, TR06, NT21, watches and pendants",
    reads="alarms, battery, signal, satellites, access points and cells",
    source="Xexun GPS tracker communication protocol",
)
