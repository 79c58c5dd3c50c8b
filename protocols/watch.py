"""Watches and lockets (SeTracker and kin) over TCP: text and voice in square brackets.

Message  [maker*id*length*TYPE,fields]             maker: two letters (SG, 3G, CS, ZJ …); id digits; length hex, of what follows
         [maker*id*number*length*TYPE,fields]      ZJ and others count their messages; an answer repeats the number
         in binary fields } [ ] , * are written as } and 1 to 5
UD AL WT ddmmyy,hhmmss,A,degrees,N,degrees,E,km/h,course,altitude m,satellites,signal %,battery %,steps,tumbles,status hex,
         cells,delay,mcc,mnc,(area,cell,signal)*,points,(name,mac,signal)*,accuracy
         UD now, UD2 kept while there was no network, AL alarm, answered AL; suffixes such as UD_LTE mean the same
         status: bit 0 low battery, 1 left a zone, 2 entered one, 3 on the wrist, 4 moving (state); from 16 on alarms: 16 sos,
         17 low battery, 18 left, 19 entered, 20 taken off, 21 and 22 fall
LK       steps,tumbles,battery %                   heartbeat, answered LK
TKQ TKQ2 asks for voice, answered the same         INIT  answered INIT,1
PULSE HEART BLOOD BPHRT TEMP BTEMP2 OXYGEN         pulse, blood pressure, temperature, oxygen in blood
TK JXTK IMG                                        voice and photos, not kept; JXTK is answered JXTKR,1
         any other type: the watch's answer to a command
Source   "GPS watch communication protocol" (3G/SG, V1.1; ZJ); alarm bits and health as in Traccar's WatchProtocolDecoder

Lengths are often wrong, so a message ends at its bracket; the length decides where a network's name has brackets of its own.
"""

from __future__ import annotations

import re
from typing import Any

from protocols.commands import Answer, CannotSend, Command, offset_minutes
from protocols.fields import time_ms
from protocols.frames import Frame
from protocols.reports import NAN, CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 1 << 16  # voice: fifteen seconds of AMR take some 25,000 bytes
MOST_BRACKETS = 8  # in names of networks
BLANKS = b"\r\n \0"
HEAD = re.compile(rb"\[([^\[\]*]{2})\*([^\[\]*]{1,32})\*(?:([^\[\]*]{1,16})\*)?([0-9A-Fa-f]{4})\*")
ESCAPED = re.compile(rb"}([\x01-\x05])")
PLAIN_OF = {1: b"}", 2: b"[", 3: b"]", 4: b",", 5: b"*"}
CODE_OF = {byte[0]: b"}" + bytes((code,)) for code, byte in PLAIN_OF.items()}
STATUS_ALARMS = (
    (1 << 0, "lowBattery"),
    (1 << 1, "geofenceExit"),
    (1 << 2, "geofenceEnter"),
    (1 << 14, "powerCut"),
    (1 << 16, "sos"),
    (1 << 17, "lowBattery"),
    (1 << 18, "geofenceExit"),
    (1 << 19, "geofenceEnter"),
    (1 << 20, "removing"),
    (1 << 21 | 1 << 22, "fallDown"),
)
MOVING = 1 << 4
HEALTH = ("PULSE", "HEART", "BLOOD", "BPHRT", "TEMP", "BTEMP2", "OXYGEN")
PLACE, BEAT, BODY, SAID, VOICE = "place", "heartbeat", "health", "said", "voice"
NOT_KEPT = "voice and photos are not kept"
KEPT_OF_VOICE_BYTES = 64  # which part of which recording it is


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__(whole=whole)
        self.maker = b"3G"
        self.counts = False  # messages have numbers
        self._sent: set[int] = set()  # numbers of commands: a watch that counts on its own doesn't repeat them

    def cut(self, data: Buffer, at: int) -> int:
        if data[at] in BLANKS:
            return at + 1
        if data[at : at + 1] != b"[":
            begin = data.find(b"[", at)
            return at - (begin if begin >= 0 else len(data))
        end = self.find(data, b"]", at)
        if end < 0:
            return MORE
        start, depth = at + 1, 1
        for _ in range(MOST_BRACKETS):
            depth += data.count(b"[", start, end) - 1
            if depth == 0:
                return end + 1
            start, end = end + 1, data.find(b"]", end + 1)
            if end < 0:
                break
        head = HEAD.match(data, at)
        if head is None:
            return data.find(b"]", at) + 1
        by_length = head.end() + int(head[4], 16)
        if len(data) <= by_length:
            return MORE
        return (by_length if data[by_length : by_length + 1] == b"]" else data.find(b"]", at)) + 1

    def hear(self, message: bytes, received: Received) -> None:
        if not message.strip(BLANKS):
            return
        head = HEAD.match(message)
        if head is None:
            self.reject("not a watch's message: [maker*id*length*type]", message, received)
            return
        maker, name, number, _ = head.groups()
        if not self.speaks(name.decode("ascii", "replace"), message, received):
            return
        self.maker, self.counts = maker, number is not None
        content = ESCAPED.sub(lambda code: PLAIN_OF[code[1][0]], message[head.end() : -1])
        word, _, rest = content.partition(b",")
        kind = word.decode("ascii", "replace")
        if kind.startswith(("UD", "AL", "WT")):
            ack = self._packet(b"AL", number) if kind.startswith("AL") else b""
            received.frames.append(Frame(PLACE, content, ack))
        elif kind == "LK":
            if rest.count(b",") >= 2:
                received.frames.append(Frame(BEAT, content, self._packet(b"LK", number)))
            else:
                received.reply += self._packet(b"LK", number)
        elif kind in ("TKQ", "TKQ2", "INIT"):
            received.reply += self._packet(b"INIT,1" if kind == "INIT" else word, number)
        elif kind.upper() in HEALTH and rest:
            received.frames.append(Frame(BODY, content))
        elif kind == "JXTK" and len(rest) > 1:
            received.frames.append(Frame(VOICE, content[:KEPT_OF_VOICE_BYTES], self._packet(b"JXTKR,1", number)))
        elif kind in ("TK", "img", "IMG") and len(rest) > 1:
            self.reject(NOT_KEPT, message, received)
        else:
            serial = _serial(number)
            received.answers.append(Answer(content.decode("utf-8", "replace")[:1000], serial if serial in self._sent else None))
            received.frames.append(Frame(SAID, content))

    def _packet(self, content: bytes, number: bytes | None) -> bytes:
        count = b"" if number is None else number + b"*"
        return b"[%b*%b*%b%04X*%b]" % (self.maker, self.tracker.encode(), count, len(content), content)

    def command(self, command: Command, serial: int, password: str) -> bytes:
        said = self._packet(_words(command).encode(), b"%04X" % serial if self.counts else None)
        self._sent.add(serial)
        return said


def _serial(number: bytes | None) -> int | None:
    try:
        return int(number, 16) or None if number is not None and len(number) == 4 else None
    except ValueError:
        return None


# --- Commands

WORDS = {
    "factoryReset": "FACTORY",
    "getDeviceStatus": "TS",
    "getVersion": "VERNO",
    "positionSingle": "CR",
    "powerOff": "POWEROFF",
    "rebootDevice": "RESET",
}
SWITCHES = {"alarmBattery": "LOWBAT", "alarmRemove": "REMOVE", "alarmSos": "SOSSMS", "setIndicator": "FLOWER"}
TEXTS = {"alarmClock": "REMIND", "setPhonebook": "PHB", "silenceTime": "SILENCETIME"}
COMMANDS = (
    "custom",
    *sorted([*WORDS, *SWITCHES, *TEXTS, "message", "positionPeriodic", "setConnection", "setTimezone", "sosNumber"]),
)


def _words(command: Command) -> str:
    if command.type in WORDS:
        return WORDS[command.type]
    if command.type in SWITCHES:
        return f"{SWITCHES[command.type]},{command['enable']:d}"
    if command.type in TEXTS:
        return f"{TEXTS[command.type]},{command['data']}"
    match command.type:
        case "custom":
            return str(command["data"])
        case "message":
            return f"MESSAGE,{command['message'].encode('utf-16-be', 'replace').hex().upper()}"
        case "positionPeriodic":
            return f"UPLOAD,{command['frequency']}"
        case "setConnection":
            return f"IP,{command['server']},{command['port']}"
        case "setTimezone":
            return f"LZ,0,{offset_minutes(command['timezone']) / 60:+g}"  # 0: English
        case "sosNumber":
            return f"SOS{command['index']},{command['phone']}"
    raise CannotSend(f"watches have no {command.type}; they have {', '.join(COMMANDS)}")


def sms(command: Command, password: str) -> str:
    """The same words in lower case, behind the watch's password. Raises CannotSend."""
    if command.type in ("alarmClock", "message", "setPhonebook", "silenceTime"):
        raise CannotSend(f"there is no text message for {command.type}")
    return f"pw,{password or '123456'},{command['data'] if command.type == 'custom' else _words(command).lower()}#"


# --- Reports


def read(frame: Frame) -> list[Report]:
    """The report of one message. Raises CantRead."""
    fields = frame.payload.decode("utf-8", "replace").split(",")
    match frame.kind:
        case "place":
            return [_place(fields[0], [field.strip() for field in fields[1:]])]
        case "heartbeat":
            return [Report(battery_percent=int(fields[3]), attributes={"steps": int(fields[1])})]
        case "health":
            return [_health(fields[0].upper(), fields[1:])]
        case "voice":  # a dead letter, and as such acknowledged: the watch would send it again and again
            raise CantRead(NOT_KEPT)
    return [Report(attributes={"result": ",".join(fields)[:1000]})]


def _place(kind: str, fields: list[str]) -> Report:
    if len(fields) < 16:
        raise CantRead(f"a place has 16 fields, not {len(fields)}")
    (date, clock, valid, north, ns, east, ew, speed, course, altitude, satellites, gsm, battery, steps, _, status) = fields[:16]
    if len(date) != 6 or len(clock) != 6 or valid not in ("A", "V"):
        raise CantRead(f"no time and fix: {date[:20]},{clock[:20]},{valid[:20]}")
    report = Report(
        time_ms=time_ms(int(date[4:]), int(date[2:4]), int(date[:2]), int(clock[:2]), int(clock[2:4]), int(clock[4:])),
        valid=valid == "A",
        latitude=-abs(float(north)) if ns == "S" else float(north),
        longitude=-abs(float(east)) if ew == "W" else float(east),
        speed_kmh=float(speed),
        course_deg=float(course),
        altitude_m=float(altitude),
        satellites=int(satellites),
        gsm=int(gsm),
        battery_percent=int(battery),
        attributes={"steps": int(steps)},
    )
    flags = int(status, 16)
    alarm = next((name for bits, name in STATUS_ALARMS if flags & bits), "general" if kind.startswith("AL") else None)
    if alarm is not None:
        report.alarm(alarm)
    report.motion = 1.0 if flags & MOVING else NAN  # what a 0 means is not said
    if kind.startswith("UD2"):
        report.attributes["archive"] = True
    if not report.valid and (network := _network(fields[16:])):
        report.attributes["network"] = network
    return report


def _network(fields: list[str]) -> dict[str, Any]:
    """Cells and access points, as far as they can be read: makers differ in what they leave out."""
    network: dict[str, Any] = {}
    try:
        at, count = 1, int(fields[0])
        if count > 0:
            mcc, mnc = int(fields[2] or 0), int(fields[3] or 0)
            at = 4 + 3 * count
            cells = [fields[place : place + 3] for place in range(4, min(at, 4 + 3 * 32), 3)]
            network["cellTowers"] = [
                {"mobileCountryCode": mcc, "mobileNetworkCode": mnc, "locationAreaCode": _number(area), "cellId": _number(cell)}
                | ({"signalStrength": int(signal)} if signal else {})
                for area, cell, signal in cells
            ]
        points = int(fields[at] or 0)
        seen = [fields[place : place + 2] for place in range(at + 2, at + 2 + 3 * min(points, 64), 3)]
        network["wifiAccessPoints"] = [
            {"macAddress": mac, "signalStrength": int(signal)} for mac, signal in seen if mac not in ("", "0") and signal
        ]
    except (ValueError, IndexError):
        pass
    return {name: seen for name, seen in network.items() if seen}


def _number(text: str) -> int:
    return int(text, 16 if any(letter in "abcdefABCDEF" for letter in text) else 10)


def _health(kind: str, fields: list[str]) -> Report:
    told: dict[str, Any] = {}
    if kind == "TEMP":
        told["temp1"] = float(fields[0])
    elif kind == "BTEMP2":
        if int(fields[0]) > 0:
            told["temp1"] = float(fields[1])
    elif kind == "OXYGEN":
        told["bloodOxygen"] = int(fields[1])
    else:
        if kind in ("BPHRT", "BLOOD"):
            told |= {"pressureHigh": fields[0], "pressureLow": fields[1]}
            fields = fields[2:]
        if fields and fields[0]:
            told["heartRate"] = int(fields[0])
    return Report(attributes=told)


CODEC = Codec(
    name="watch",
    port=5093,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=None,
    decode=decode_each(read),
    makers="Wonlex, Reachfar, ZGPAX, Jimi and other makers of SeTracker watches, lockets and pet trackers",
    source='"GPS watch communication protocol" V1.1',
    models="Q50, Q60, Q90, GW100, GW300, GW1000, RF-V16, DF25",
    reads="battery, signal, satellites, steps, alarms, pulse, blood pressure, temperature, cells and access points",
    commands=COMMANDS,
    sms=sms,
)
