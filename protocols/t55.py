"""Trackers, modems and routers that send NMEA 0183 sentences as they are, and those whose own sentences look alike. TCP and UDP.

Line    [id][,]sentence or name/id/sentence, CR LF. A line is at most 1024 bytes
Who     $PGID,id*cs · $DEVID,id*cs · $PCPTI,id,… · $PSIWMDID,id*cs · $CONNECT,id,… · $GPFID,id · $IMEI=id · IMEI id ·
        the id alone, in hexadecimal digits
Fix     $--RMC        `nmea.rmc`; some go on behind the checksum: ,satellites,imei,ignition,fuel %,battery[,io1,io2 …]
        $--GGA        `nmea.gga`
        $GPRMA        A|V , ddmm.mm , N|S , dddmm.mm , E|W , , , knots , degrees , …                        without a time
        $TRCCR        yyyymmddhhmmss.sss , A|V , latitude ° , longitude ° , knots , degrees , altitude m , battery V , *cs
        $PUBX,00      hhmmss.ss , ddmm.mm , N|S , dddmm.mm , E|W , altitude m , status, NF: no fix , accuracy m ,
                      vertical accuracy , km/h , degrees , climb , age , hdop , vdop , tdop , satellites , id , 0*cs
        QZE           imei , event , ddmmyyyy , hhmmss , latitude ° , longitude ° , km/h , degrees , A|V , ignition
        $ID           imei , … , words with their values (`WORDS`)                                         Maxon WMCS
Status  $GPIOP        inputs , outputs (8 times 0 or 1) , adc 1 … 4 V , power V , battery V *cs
        $GPTXT,NET    id , operator , dBm , mcc mnc *cs
Reply   none
Source  NMEA 0183; u-blox, "Receiver description", PUBX,00; what makers send of their own: as Traccar reads it

Checksums are not looked at: trackers write constants there, or change a sentence behind its sum. Sentences of receivers that hold
no place (GSV, GSA, VTG …) are passed over. Modems by Maxon report before they say who they are ($GPFID): the last fix waits.
"""

from __future__ import annotations

import re

from protocols.fields import KMH_PER_KNOT, minutes, time_ms
from protocols.frames import Frame
from protocols.nmea import gga, moment_ms, number, rmc
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import LONGEST_ID, MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 1024
NAMED: tuple[
    tuple[str, int, str], ...
] = (  # what a sentence that says who it is begins with · where the id stands · what ends it
    ("$PGID,", 6, "*"),
    ("$DEVID,", 7, "*"),
    ("$PSIWMDID,", 10, "*"),
    ("$GPFID,", 7, "*"),
    ("$PCPTI,", 7, ","),
    ("$CONNECT,", 9, ","),
    ("$IMEI", 6, "*"),
    ("IMEI", 5, "*"),
)
HEX_ID = re.compile(r"[0-9A-F]+", re.ASCII)
EXTENDED = re.compile(r"\*[^,]*,(\d+),(\d{5,}),([01]),(\d+),(\d+)(,.*)?", re.ASCII)
OF_RECEIVERS = re.compile(r"\$(?:G[A-Z]{4}|PUBX),", re.ASCII)
FULL_NAMES = {"GPTXT": "$GPTXT,NET,", "PUBX": "$PUBX,00,"}  # under these names receivers write other things too
ID_FIELD = {"GPTXT": 2, "QZE": 1, "PUBX": 19, "ID": 1}  # where the id stands among a sentence's fields


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__(whole=whole)
        self._early: Frame | None = None  # the last fix of somebody who hasn't said yet who he is

    def cut(self, data: Buffer, at: int) -> int:
        end = self.find(data, b"\n", at)
        if end < 0:
            return len(data) if self.whole else MORE
        return end + 1

    def hear(self, message: bytes, received: Received) -> None:
        line = message.decode("ascii", "replace").strip("\0 \r\n\t")
        if not line:
            return
        front, mark, rest = line.partition("$")
        if mark and front:
            name = front.rstrip(",") if not front.endswith("/") else front[front.find("/") + 1 : -1]
            if not self.speaks(name, message, received):
                return
            line = mark + rest
        for begin, start, end in NAMED:
            if line.startswith(begin):
                self._introduced(line[start:].partition(end)[0], message, received)
                return
        if HEX_ID.fullmatch(line):
            self._introduced(line, message, received)
            return
        if line.startswith("$G") and line[3:6] in ("RMC", "GGA"):
            self._fix(line[3:6], line, message, received)
            return
        kind = line.partition(",")[0].lstrip("$")
        if kind not in READERS or not line.startswith(FULL_NAMES.get(kind, "")):
            if not OF_RECEIVERS.match(line):
                self.reject("no such sentence is read", message, received)
        elif (field := ID_FIELD.get(kind)) is None or self._named_in(line, field, message, received):
            received.frames.append(Frame(kind, line.encode()))

    def _introduced(self, name: str, message: bytes, received: Received) -> None:
        if self.speaks(name, message, received) and self._early is not None:
            received.frames.append(self._early)
            self._early = None

    def stranger(self, message: bytes, received: Received) -> None:
        self._early = None

    def _fix(self, kind: str, line: str, message: bytes, received: Received) -> None:
        named = EXTENDED.fullmatch(line, max(line.find("*"), 0)) if kind == "RMC" and line.count(",") > 13 else None
        if named is not None and not self.speaks(named[2], message, received):
            return
        frame = Frame(kind, line.encode())
        received.frames.append(frame)  # without a name it goes to the dead letters
        if not self.tracker:
            self._early = frame

    def _named_in(self, line: str, field: int, message: bytes, received: Received) -> bool:
        """A sentence that holds its id. One of a receiver by u-blox has a 0 there, and is of whoever spoke before."""
        fields = line.split(",", field + 1)
        name = fields[field] if len(fields) > field else ""
        if name in ("", "0") and self.known:
            return True
        return self.speaks(name[: LONGEST_ID + 1], message, received)


# --- Reading -----------------------------------------------------------------------------------------------------------------


def _rmc(line: str) -> list[Report]:
    report = rmc(line.split("*", 1)[0].split(",")[1:])
    if found := EXTENDED.fullmatch(line, max(line.find("*"), 0)):
        satellites, _, ignition, fuel, battery, more = found.groups()
        report.satellites = int(satellites)
        report.ignition = int(ignition)
        report.battery_v = float(battery)
        report.attributes = {"fuel": int(fuel)}
        if more:
            report.attributes.update((f"io{place}", value) for place, value in enumerate(more[1:].split(","), 1))
    return [] if report.latitude != report.latitude and not found else [report]  # a receiver that has no fix says nothing


def _gga(line: str) -> list[Report]:
    report = gga(line.split("*", 1)[0].split(",")[1:])
    return [] if report.latitude != report.latitude else [report]


def _rma(line: str) -> list[Report]:
    _, status, latitude, north, longitude, east, _, _, speed, course = line.split(",")[:10]
    return [
        Report(
            valid=status == "A",
            latitude=minutes(latitude, north),
            longitude=minutes(longitude, east),
            speed_kmh=number(speed) * KMH_PER_KNOT,
            course_deg=number(course),
        )
    ]


def _trccr(line: str) -> list[Report]:
    _, time, status, latitude, longitude, speed, course, altitude, battery = line.split("*", 1)[0].split(",")[:9]
    return [
        Report(
            time_ms=time_ms(int(time[:4]), int(time[4:6]), int(time[6:8]), int(time[8:10]), int(time[10:12]), float(time[12:])),
            valid=status == "A",
            latitude=float(latitude),
            longitude=float(longitude),
            speed_kmh=number(speed) * KMH_PER_KNOT,
            course_deg=number(course),
            altitude_m=number(altitude),
            battery_v=number(battery),
        )
    ]


def _pubx(line: str) -> list[Report]:
    fields = line.split("*", 1)[0].split(",")
    _, _, _, latitude, north, longitude, east, altitude, status, accuracy, _, speed, course, _, _, hdop, vdop, _, satellites = (
        fields[:19]
    )
    return [
        Report(
            valid=status != "NF",
            latitude=minutes(latitude, north),
            longitude=minutes(longitude, east),
            altitude_m=number(altitude),
            accuracy_m=number(accuracy),
            speed_kmh=number(speed),
            course_deg=number(course),
            satellites=number(satellites),
            attributes={"index": int(fields[1]), "hdop": float(hdop), "vdop": float(vdop)},
        )
    ]


def _qze(line: str) -> list[Report]:
    _, _, event, date, time, latitude, longitude, speed, course, status, ignition = line.split(",")[:11]
    return [
        Report(
            time_ms=moment_ms(date[:4] + date[6:8], time),
            valid=status == "A",
            latitude=float(latitude),
            longitude=float(longitude),
            speed_kmh=float(speed),
            course_deg=float(course),
            ignition=float(ignition[:1] == "1"),
            attributes={"event": int(event)},
        )
    ]


WORDS = {"O": "output", "I": "input", "ALARM": "status"}  # of WMCS, before the place: hexadecimal masks


def _wmcs(line: str) -> list[Report]:
    """Words and their values; behind GPSE and the letter for why it reports, those of the place."""
    report = Report(attributes={})
    words = iter(line.split(","))
    date = time = ""
    for word in words:
        if word in WORDS:
            report.attributes[WORDS[word]] = int(next(words, ""), 0)
        elif word[:4] == "GPSE":
            report.attributes["event"] = word
            report.valid = next(words, "") == "A"
            break
    for word in words:
        value = next(words, "")
        if word == "D":
            date = value
        elif word == "T":
            time = value
        elif word == "S":
            visible, _, used = value.partition(":")
            report.satellites = number(used)
            report.attributes["satVisible"] = int(visible)
        elif word == "La":
            report.latitude = float(value) * (-1 if next(words, "") == "S" else 1)
        elif word == "Lo":
            report.longitude = float(value) * (-1 if next(words, "") == "W" else 1)
        elif word == "H":
            report.course_deg = float(value)
        elif word == "V":
            report.speed_kmh = float(value)
        elif word == "DD":
            report.attributes["totalDistance"] = float(value)
    report.time_ms = moment_ms(date, time)
    return [report]


def _gpiop(line: str) -> list[Report]:
    _, inputs, outputs, *adcs, power, battery = line.split("*", 1)[0].split(",")[:9]
    attributes: dict[str, float] = {"input": int(inputs, 2), "output": int(outputs, 2)}
    attributes |= {f"adc{place}": float(value) for place, value in enumerate(adcs, 1)}
    return [Report(power_v=number(power), battery_v=number(battery), attributes=attributes)]


def _gptxt(line: str) -> list[Report]:
    _, _, _, operator, dbm, network = line.split("*", 1)[0].split(",")[:6]
    mcc, _, mnc = network.partition(" ")
    return [Report(gsm=float(dbm), attributes={"operator": operator, "mcc": int(mcc), "mnc": int(mnc)})]


READERS = {
    "RMC": _rmc,
    "GGA": _gga,
    "GPRMA": _rma,
    "TRCCR": _trccr,
    "PUBX": _pubx,
    "QZE": _qze,
    "ID": _wmcs,
    "GPIOP": _gpiop,
    "GPTXT": _gptxt,
}


def read(frame: Frame) -> list[Report]:
    reader = READERS.get(frame.kind)
    if reader is None:
        raise CantRead(f"no sentence {frame.kind[:16]} is read")
    return reader(frame.payload.decode("ascii", "replace"))


CODEC = Codec(
    name="t55",
    port=5005,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=lambda: Link(whole=True),
    decode=decode_each(read),
    makers="Maxon, CradlePoint, Sierra Wireless, Moxa, Four-Faith and others whose devices send NMEA sentences",
    models="T55, MA100, WMCS, IBR, OnCell, RUT",
    reads="ignition, power and battery, satellites, inputs, signal",
    source="NMEA 0183; u-blox receiver description (PUBX,00)",
)
