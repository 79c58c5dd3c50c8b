"""GpsGate Server protocol over TCP: NMEA sentences.

Line    $body*checksum        ends in CR LF, LF or NUL; the checksum is NMEA's (`nmea.checksum`). At most 1024 bytes
        $FRLIN,domain,name,password       login; domain IMEI: name is the IMEI      $FRSES,session, or $FRERR,AuthError,why
        $FRVER,major,minor,software       which version is spoken                   $FRVER,1,0,GpsGate Server 1.0
        $FRWDT,NMEA                       positions will follow                     nothing
        $GPRMC,…                          a fix, of who logged in (`nmea.rmc`)      nothing
        $FRCMD,id,_SendMessage,size,ddmm.mmmm,N|S,dddmm.mmmm,E|W,altitude m,knots,degrees,ddmmyy,hhmmss.sss,0|1[,name=value …]
                                          other commands hold a place in the same fields, or none
        $FRCMD,id,_Ping[,name=value …]    alive                                     nothing
        $FRCMD, $FRRET, $FRVAL, $FRERR    others: the tracker's words on commands, not kept
Source  Franson Technology, "GpsGate Server Protocol Specification" v1.0, v1.1 and v2.0 (January 26, 2009)

A line without a checksum is taken. Passwords aren't checked: who is ours is told by the name, as in all other protocols. The
session's number means nothing to us and is made from the name.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

from protocols.fields import KMH_PER_KNOT, minutes
from protocols.frames import Frame
from protocols.nmea import checksum, moment_ms, number, rmc
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 1024
END = re.compile(rb"[\0\n]")
SUM = re.compile(rb"\*\s*([0-9A-Fa-f]{1,2})$")
VERSION = b"FRVER,1,0,GpsGate Server 1.0"
PASSED_OVER = ("FRWDT", "FRRDT", "FRRET", "FRVAL", "FRERR")


def sentence(body: bytes) -> bytes:
    return b"$%s*%02X\r\n" % (body, checksum(body))


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def cut(self, data: Buffer, at: int) -> int:
        end = END.search(data, at)
        return end.end() if end is not None else MORE

    def hear(self, message: bytes, received: Received) -> None:
        line = message.strip(b"\0 \r\n")
        if not line:
            return
        body = line[1:]
        unchecked = False
        if found := SUM.search(line):
            body = line[1 : found.start()]
            unchecked = checksum(body) != int(found[1], 16)
        text = body.decode("ascii", "replace")
        kind, _, rest = text.partition(",")
        if not line.startswith(b"$"):
            self.reject("no NMEA sentence", message, received)
        elif unchecked:
            frame = Frame(kind, body) if kind in READERS else None
            self.reject("the checksum is wrong", message, received, frame)
        elif kind == "FRLIN":
            self._login(rest.split(","), message, received)
        elif kind == "FRVER":
            received.reply += sentence(VERSION)
        elif kind == "FRCMD":
            if self.speaks(rest.partition(",")[0], message, received):
                received.frames.append(Frame(kind, body))
        elif kind in READERS:
            received.frames.append(Frame(kind, body))
        elif kind not in PASSED_OVER and not text.startswith("GP"):
            self.reject("no such sentence is read", message, received)

    def _login(self, fields: list[str], message: bytes, received: Received) -> None:
        if len(fields) < 2 or not fields[1].strip():
            received.reply += sentence(b"FRERR,AuthError,Parse error")
            self.reject("a login without a name", message, received)
        elif self.speaks(fields[1], message, received):
            received.reply += sentence(b"FRSES,%d" % zlib.crc32(fields[1].encode()))

    def stranger(self, message: bytes, received: Received) -> None:
        if message.startswith(b"$FRLIN"):
            received.reply += sentence(b"FRERR,AuthError,Unknown device")


# --- Reading -----------------------------------------------------------------------------------------------------------------


def _rmc(fields: list[str]) -> list[Report]:
    report = rmc(fields[1:])
    return [] if report.latitude != report.latitude else [report]  # a receiver that has no fix says nothing


NORTH_SOUTH, EAST_WEST = ("N", "S"), ("E", "W")


def _command(fields: list[str]) -> list[Report]:
    if len(fields) < 3:
        raise CantRead("a command without a name")
    placed = len(fields) >= 14 and fields[5] in NORTH_SOUTH and fields[7] in EAST_WEST  # makers have commands of their own
    if fields[2] != "_SendMessage" and not placed:
        attributes = _named(fields[3:])
        return [Report(attributes=attributes)] if attributes else []
    if len(fields) < 14:
        raise CantRead(f"a message has 14 fields at least, not {len(fields)}")
    latitude, north, longitude, east, altitude, speed, course, date, time, valid = fields[4:14]
    attributes = _named(fields[14:])
    report = Report(
        time_ms=moment_ms(date, time),
        valid=valid[:1] == "1",
        latitude=minutes(latitude, north),
        longitude=minutes(longitude, east),
        altitude_m=number(altitude),
        speed_kmh=number(speed) * KMH_PER_KNOT,
        course_deg=number(course),
        attributes=attributes,
    )
    if attributes.get("sosButton") == 1:
        report.alarm("sos")
    return [report]


def _named(fields: list[str]) -> dict[str, Any]:
    """What its makers let a tracker tell besides: SosButton=1, voltage=4."""
    told: dict[str, Any] = {}
    for field in fields:
        name, mark, value = field.partition("=")
        if not mark or not name or not value:
            continue
        try:
            told[name[:1].lower() + name[1:]] = float(value)
        except ValueError:
            told[name[:1].lower() + name[1:]] = value
    return told


READERS = {"GPRMC": _rmc, "FRCMD": _command}


def read(frame: Frame) -> list[Report]:
    reader = READERS.get(frame.kind)
    if reader is None:
        raise CantRead(f"no sentence {frame.kind[:16]} is read")
    return reader(frame.payload.decode("ascii", "replace").split(","))


CODEC = Codec(
    name="gpsgate",
    port=5026,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=None,
    decode=decode_each(read),
    makers="Franson's open protocol: GpsGate clients for phones, TrackerOne, GlobalSat, Falcom and others",
    models="GpsGate Client, TrackerOne",
    reads="what the tracker names itself, emergency button",
    source="Franson Technology, GpsGate Server Protocol Specification v1.0, v1.1 and v2.0",
)
