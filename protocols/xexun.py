"""Xexun's text protocol over TCP: an RMC sentence and what is around it, in a basic and a full form.

Basic   G[PN]RMC,… *cs,F|L,[alarm,] imei:digits,       ends behind the IMEI's comma; a line end may stand behind cs
Full    serial,phone,G[PN]RMC,… *cs,F|L,[alarm], imei:digits,satellites,altitude m,F|L:volts V[/ADC1=volts V …],charging,
        length,crc,mcc,mnc,lac,cell[,km] LF                       serial: yymmddhhmmss of the tracker's own clock
        F|L              F: the receiver has a fix, L: it has none; before the volts F: the battery is full, L: it is low
        mcc,mnc          decimal; lac and cell in hexadecimal digits
        without a fix the whole RMC sentence may be missing: serial,phone,,L,[alarm], imei:digits,,,F:volts V,…
Reply   none
Source  Xexun, TK103-2 user manual, "GPRS transport protocols"; `nmea.rmc`; names of alarms, and what the volts are: by Traccar

Degrees may be missing before the minutes of a place near 0°. NMEA's checksum isn't looked at: firmware changes sentences behind
it, and the CRC at the end of the full form is of text that carriers change.
"""

from __future__ import annotations

import re
from typing import Any

from protocols.frames import Frame
from protocols.nmea import number, rmc
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 1024
LINE_ENDS = re.compile(rb"[\r\n]+")
IMEI = re.compile(r"imei:(\d{1,20}),", re.ASCII)
SENTENCE = re.compile(r"G[PN]RMC,")
POWER = re.compile(r"[FL]:(\d{1,6}\.\d{1,6})V", re.ASCII)
ADC = re.compile(r"/ADC(\d)=(\d{1,6}\.\d{1,6})V", re.ASCII)
ALARMS = {
    "help me": "sos",
    "low battery": "lowBattery",
    "move": "movement",
    "moved": "movement",
    "speed": "overspeed",
    "stockade": "geofence",
}
IGNITION = {"acc on": 1.0, "accstart": 1.0, "acc off": 0.0, "accstop": 0.0}


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def cut(self, data: Buffer, at: int) -> int:
        if ends := LINE_ENDS.match(data, at):
            return ends.end()
        if data[at] == ord("G"):  # the basic form needs no line end
            name = self.find(data, b"imei:", at)
            end = self.find(data, b",", name + 5) if name >= 0 else -1
        else:
            end = self.find(data, b"\n", at)
        return end + 1 if end >= 0 else MORE

    def hear(self, message: bytes, received: Received) -> None:
        line = message.decode("ascii", "replace").strip()
        if not line:
            return
        found = IMEI.search(line)
        if found is None:
            self.reject("a line without an IMEI", message, received)
        elif self.speaks(found[1], message, received):
            received.frames.append(Frame("report", line.encode()))


def read(frame: Frame) -> list[Report]:
    line = frame.payload.decode("ascii", "replace")
    name = IMEI.search(line)
    if name is None:
        raise CantRead("a line without an IMEI")
    begin = SENTENCE.search(line, 0, name.start())
    if begin is not None:
        sentence, mark, behind = line[begin.end() : name.start()].partition("*")
        if not mark:
            raise CantRead("an RMC sentence without its end")
        report = rmc(sentence.split(","))
        signal, alarm = [*behind.split(","), "", ""][1:3]
        head = line[: begin.start()].split(",")
    else:
        head = line[: name.start()].split(",")
        report = Report(attributes={})
        signal, alarm = [*head[3:], "", ""][:2]
    attributes: dict[str, Any] = report.attributes
    if signal.strip():
        attributes["signal"] = signal.strip()
    _say(report, alarm)
    if len(head) > 1:
        if head[0].strip():
            attributes["serial"] = head[0].strip()
        if head[1].strip():
            attributes["number"] = head[1].strip()
    if name.end() < len(line):
        _tail(report, line[name.end() :].split(","))
    return [report]


def _say(report: Report, alarm: str) -> None:
    word = alarm.strip().lower().rstrip("!")
    if word in IGNITION:
        report.ignition = IGNITION[word]
    elif word in ALARMS:
        report.alarm(ALARMS[word])
    elif word:
        report.attributes["event"] = alarm.strip()


def _tail(report: Report, fields: list[str]) -> None:
    """What the full form has behind the IMEI."""
    satellites, altitude, power, charging, _, _, mcc, mnc, lac, cell = (fields + [""] * 10)[:10]
    report.satellites = number(satellites.strip())
    report.altitude_m = number(altitude.strip())
    if volts := POWER.match(power):
        report.power_v = float(volts[1])
        report.attributes.update((f"adc{place}", float(value)) for place, value in ADC.findall(power))
    if charging in ("0", "1"):
        report.attributes["charge"] = charging == "1"
    if mcc and mnc and lac and cell:
        report.attributes |= {"mcc": int(mcc), "mnc": int(mnc), "lac": int(lac, 16), "cid": int(cell, 16)}


CODEC = Codec(
    name="xexun",
    port=5006,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=None,
    decode=decode_each(read),
    makers="Xexun and the makers of its many copies",
    models="TK102, TK102-2, TK103-2, TK201, XT009, XT011",
    reads="alarms, ignition, power, satellites, cell",
    source="Xexun TK103-2 user manual, GPRS transport protocols",
)
