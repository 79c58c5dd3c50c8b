"""GPS103 (Coban) over TCP and UDP: text that ends in a semicolon.

Login      ##,imei:123456789012345,A;        answer LOAD
Heartbeat  123456789012345;                  answer ON
Report     imei:id,keyword,local time,extra,F,utc,A,ddmm.mmmm,N,dddmm.mmmm,E,speed,course,altitude,
           ignition,door,fuel1%,fuel2%,temperature;
           keyword: "tracker" for a plain position, otherwise what happened; local time yymmddhhmm[ss], utc hhmmss.sss: their
           difference is the time zone; extra: phone number, card or battery; A valid, V not; speed in knots, altitude in m
           imei:id,keyword,local time,extra,L,,,area hex,,cell hex,,,…;      cells, without GPS
OBD        imei:id,OBD,yymmddhhmmss,odometer m,fuel l/h,average l/100 km,hours,km/h,load%,coolant,throttle%,rpm,volts,codes…;
Other      imei:id,name,event,sensor,volts,hhmmss,ddmmyy,signal,fix,±degrees,±degrees,km/h,course,altitude,hdop,satellites,
           ignition,charge,error,*           dashes: not sent
Commands   **,imei:id,letter[,parameters];   "help me" is answered so with E: the alarm is heard
Source     Coban, "GPRS protocol" 2014-12-12; letters before the number and missing letters as in Traccar's Gps103ProtocolDecoder

Photos (vt, vr) are not kept.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from protocols.commands import Answer, CannotSend, Command, offset_minutes
from protocols.fields import KMH_PER_KNOT, minutes, time_ms
from protocols.frames import Frame
from protocols.reports import NAN, CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 4096  # a part of a photo is the longest, with some 2,000 hex digits
BLANKS = b"\r\n; \0"
BETWEEN = BLANKS + b"*"
END = re.compile(rb"[;*\n]")
NAME = re.compile(rb"imei:(\d{5,20}),?")
DIGITS = re.compile(rb"\d{5,20}")
LOCAL = re.compile(r"(\d\d)/?(\d\d)/?(\d\d) ?(\d\d):?(\d\d)(?:\d\d)?", re.ASCII)
UTC = re.compile(r"(\d\d)(\d\d)(\d\d)(?:\.\d{0,9})?", re.ASCII)
NUMBER = re.compile(r"[-+]?\d{1,12}(?:\.\d{0,9})?", re.ASCII)
ALARMS_OF = {
    "help me": "sos",
    "low battery": "lowBattery",
    "stockade": "geofence",
    "move": "movement",
    "speed": "overspeed",
    "door alarm": "door",
    "ac alarm": "powerCut",
    "accident alarm": "accident",
    "sensor alarm": "vibration",
    "bonnet alarm": "bonnet",
    "footbrake alarm": "footBrake",
    "DTC": "fault",
}
DAY_MINUTES = 24 * 60
OBD, OTHER, REPORT = "OBD", "other", "report"
OTHER_FIELDS = 19


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def cut(self, data: Buffer, at: int) -> int:
        if data[at] in BETWEEN:
            return at + 1
        end = END.search(data, at)
        if end is None:
            return len(data) if self.whole else MORE
        return end.end()

    def hear(self, message: bytes, received: Received) -> None:
        text = message.strip(BLANKS)
        if not text:
            return
        named = NAME.search(text)
        if named is None:
            alone = DIGITS.fullmatch(text)
            if alone is None:
                self.reject("no imei in a message", message, received)
            elif self.speaks(alone[0].decode(), message, received):
                received.reply += b"ON"
            return
        if not self.speaks(named[1].decode(), message, received):
            return
        if text[:1].isdigit():  # a heartbeat before the report
            received.reply += b"ON"
        text = text[named.start() :]
        if len(text) <= 27:  # ##,imei:…,A
            received.reply += b"LOAD"
        else:
            self._report(text, named[1], received)

    def _report(self, text: bytes, name: bytes, received: Received) -> None:
        _, *rest = text.split(b",", 2)
        keyword = rest[0] if rest else b""
        if keyword.startswith(b"vr"):
            self.reject("photos are not kept", text, received)
        elif keyword == b"OBD":
            received.frames.append(Frame(OBD, text))
        elif text.endswith(b"*"):
            received.frames.append(Frame(OTHER, text))
        else:
            ack = b"**,imei:%b,E;" % name if keyword == b"help me" else b""
            if keyword in ANSWERS:
                received.answers.append(Answer(keyword.decode(), ok=True))
            received.frames.append(Frame(REPORT, text, ack))

    def command(self, command: Command, serial: int, password: str) -> bytes:
        return f"**,imei:{self.tracker},{_words(command)};".encode()


# --- Commands

LETTERS = {
    "alarmArm": "L",
    "alarmDisarm": "M",
    "alarmDismiss": "E",
    "engineResume": "K",
    "engineStop": "J",
    "positionSingle": "B",
    "positionStop": "A",
    "requestPhoto": "160",
}
COMMANDS = ("custom", *sorted([*LETTERS, "alarmSpeed", "positionPeriodic", "setSpeedLimit", "setTimezone"]))
UNANSWERED = ("alarmDismiss", "positionPeriodic", "positionSingle", "positionStop", "requestPhoto")  # but by what they ask for
ANSWERS = (b"jt", b"kt", b"lt", b"mt", b"et", b"gt", b"ht", b"it", b"nt", b"ot", b"pt", b"qt")  # the letter, and "done"


def _words(command: Command) -> str:
    if command.type in LETTERS:
        return LETTERS[command.type]
    match command.type:
        case "custom":
            return str(command["data"]).rstrip(";")
        case "positionPeriodic":
            return f"C,{_interval(command['frequency'])}"
        case "alarmSpeed" | "setSpeedLimit":
            return f"H,{command['data']:03d}"
        case "setTimezone":
            return f"I,{offset_minutes(command['timezone']) / 60:+g}"
    raise CannotSend(f"GPS103 has no {command.type}; it has {', '.join(COMMANDS)}")


def _interval(seconds: int) -> str:
    """Two digits and a unit, in the largest unit that fits, as the tracker takes it."""
    for unit, letter in ((3600, "h"), (60, "m")):
        if seconds >= unit:
            return f"{min(seconds // unit, 99):02d}{letter}"
    return f"{seconds:02d}s"


def sms(command: Command, password: str) -> str:
    """The words of Coban's user manual. Raises CannotSend."""
    password = password or "123456"
    words = {
        "alarmArm": "arm",
        "alarmDisarm": "disarm",
        "engineResume": "resume",
        "engineStop": "stop",
        "getDeviceStatus": "check",
        "rebootDevice": "reset",
        "positionStop": "nofix",
    }
    if command.type in words:
        return words[command.type] + password
    match command.type:
        case "custom":
            return str(command["data"])
        case "positionPeriodic":
            interval = _interval(command["frequency"])
            return f"fix{interval[:-1]:0>3}{interval[-1]}***n{password}"
        case "alarmSpeed" | "setSpeedLimit":
            return f"speed{password} {command['data']:03d}"
        case "setTimezone":
            return f"time zone{password} {offset_minutes(command['timezone']) / 60:g}"
        case "setConnection":
            return f"adminip{password} {command['server']} {command['port']}"
    raise CannotSend(f"there is no text message for {command.type}; there is for {', '.join(sorted(words))}")


# --- Reports


def read(frame: Frame) -> list[Report]:
    """The report of one message. Raises CantRead."""
    fields = [field.strip() for field in frame.payload.decode("ascii", "replace").split(",")]
    if frame.kind == OBD:
        return [_obd(fields)]
    if frame.kind == OTHER or (len(fields) >= OTHER_FIELDS and fields[4] not in ("F", "L")):  # its star may be missing
        return [_other(fields)]
    return [_report(fields)]


def _report(fields: list[str]) -> Report:
    if len(fields) < 5:
        raise CantRead("too few fields")
    report = Report(attributes={})
    _keyword(report, fields[1])
    if fields[1] == "rfid" and fields[3]:
        report.attributes["driverUniqueId"] = fields[3]
    elif fields[3].endswith("%") and NUMBER.fullmatch(fields[3][:-1]):
        report.battery_percent = float(fields[3][:-1])
    if fields[4] == "F":
        _place(report, fields)
    elif fields[4] == "L":
        if len(fields) > 9 and fields[7] and fields[9]:
            tower = {"locationAreaCode": int(fields[7], 16), "cellId": int(fields[9], 16)}
            report.attributes["network"] = {"cellTowers": [tower]}
    else:
        raise CantRead(f"neither F nor L: {fields[4][:20]}")
    return report


def _keyword(report: Report, keyword: str) -> None:
    if keyword in ALARMS_OF:
        report.alarm(ALARMS_OF[keyword])
    elif keyword.startswith("T:"):
        report.alarm("temperature")
        _keep_number(report, "temp1", keyword[2:])
    elif keyword.startswith("oil"):
        report.alarm("fuelLeak")
        _keep_number(report, "fuel", keyword[3:].strip() if keyword.startswith("oil ") else "")
    elif keyword in ("acc on", "acc off"):
        report.ignition = float(keyword == "acc on")
    elif keyword and keyword != "tracker":
        report.attributes["event"] = keyword[:64]


def _place(report: Report, fields: list[str]) -> None:
    report.valid = fields[6] == "A"
    report.latitude, at = _angle(fields, 7, ("N", "S"))
    report.longitude, at = _angle(fields, at, ("E", "W"))
    if fields[at : at + 1] == [""] and not {"E", "W"}.intersection(fields[at - 2 : at]):  # an empty letter
        at += 1
    report.time_ms = _time(fields[2], fields[5])
    told = fields[at:] + [""] * 8
    report.speed_kmh = _number(told[0], 0.0) * KMH_PER_KNOT
    report.course_deg, report.altitude_m = _number(told[1], 0.0), _number(told[2])
    if told[3] in ("0", "1"):
        report.ignition = float(told[3])
    if told[4] in ("0", "1"):
        report.attributes["door"] = told[4] == "1"
    for name, text in (("fuel1", told[5]), ("fuel2", told[6])):
        if text.endswith("%"):
            _keep_number(report, name, text[:-1])
    if fields[1] == "DTC" and told[6]:
        report.attributes["dtcs"] = told[6][:64]
    _keep_number(report, "temp1", told[7])


def _angle(fields: list[str], at: int, letters: tuple[str, str]) -> tuple[float, int]:
    """Degrees, whose letter stands before or behind them, or nowhere; and where they end."""
    letter = ""
    if fields[at] in letters:
        letter = fields[at]
        at += 1
    text = fields[at]
    at += 1
    if at < len(fields) and fields[at] in letters:
        letter = fields[at]
        at += 1
    return minutes(text, letter), at


def _time(local: str, utc: str) -> int | None:
    """The local date with the time of day that UTC's clock shows: the day is the one that brings both within 12 hours."""
    found = LOCAL.fullmatch(local)
    if found is None:
        return None
    year, month, day, hour, minute = map(int, found.groups())
    clock = UTC.fullmatch(utc)
    if clock is None:
        return time_ms(year, month, day, hour, minute)
    east = (hour - int(clock[1])) * 60 + minute - int(clock[2])
    if east <= -DAY_MINUTES // 2:
        east += DAY_MINUTES
    elif east > DAY_MINUTES // 2:
        east -= DAY_MINUTES
    return time_ms(year, month, day, hour, minute, int(clock[3])) - east * 60_000


def _obd(fields: list[str]) -> Report:
    """A car's own numbers. What has no number is not sent."""
    told = fields + [""] * (13 - len(fields))
    stamp = told[2]
    if len(stamp) != 12 or not stamp.isdecimal():
        raise CantRead(f"no time: {stamp[:20]}")
    year, month, day, hour, minute, second = (int(stamp[at : at + 2]) for at in range(0, 12, 2))
    report = Report(
        time_ms=time_ms(year, month, day, hour, minute, second),
        odometer_m=_number(told[3]),
        engine_hours_s=_number(told[6]) * 3600,
        battery_v=_number(told[12]),  # Traccar's name for it; the car's, not the tracker's
        attributes={},
    )
    for name, text in (("fuelConsumption", told[5]), ("obdSpeed", told[7]), ("coolantTemp", told[9]), ("rpm", told[11])):
        _keep_number(report, name, text)
    for name, text in (("engineLoad", told[8]), ("throttle", told[10])):
        if text:
            report.attributes[name] = text[:16]
    if codes := " ".join(code for code in fields[13:] if code):
        report.attributes["dtcs"] = codes[:256]
    return report


def _other(fields: list[str]) -> Report:
    if len(fields) < OTHER_FIELDS:
        raise CantRead("too few fields")
    clock, date = fields[5], fields[6]
    report = Report(
        time_ms=time_ms(int(date[4:6]), int(date[2:4]), int(date[:2]), int(clock[:2]), int(clock[2:4]), int(clock[4:6])),
        gsm=int(fields[7]),
        valid=int(fields[8]) > 0,
        latitude=float(fields[9]),
        longitude=float(fields[10]),
        speed_kmh=float(fields[11]),
        course_deg=float(fields[12]),
        altitude_m=float(fields[13]),
        satellites=int(fields[15]),
        ignition=float(int(fields[16]) > 0),
        attributes={"hdop": float(fields[14]), "charge": int(fields[17]) > 0},
    )
    for name, text in (("event", fields[2]), ("sensorId", fields[3]), ("error", fields[18])):
        if text.strip("-"):
            report.attributes[name] = text[:64]
    _keep_number(report, "sensorVoltage", fields[4])
    return report


def _number(text: str, otherwise: float = NAN) -> float:
    return float(text) if text and NUMBER.fullmatch(text) else otherwise


def _keep_number(report: Report, name: str, text: str) -> None:
    if text and NUMBER.fullmatch(text):
        value: Any = float(text)
        report.attributes[name] = int(value) if value.is_integer() and "." not in text else value


CODEC = Codec(
    name="gps103",
    port=5001,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=partial(Link, whole=True),
    decode=decode_each(read),
    makers="Coban and clones",
    source='Coban, "GPRS protocol", 2014-12-12',
    models="GPS103-A, GPS103-B, GPS303, GPS304, GPS305, GPS306 (OBD), GPS307, GPS401, TK102, TK103A",
    reads="ignition, alarms, door, fuel, temperature, OBD, cards, cells",
    commands=COMMANDS,
    unanswered=UNANSWERED,
    sms=sms,
)
