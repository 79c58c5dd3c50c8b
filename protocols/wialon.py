"""Wialon IPS 1.1 and 2.0 over TCP and UDP: lines of text.

Line    [version;][id]#type#body CR LF        (version and id in front only where there was no login: UDP, some trackers)
        FF | length u16 little-endian | zlib  (a compressed container of one line)
Body    fields of `FIELDS` parted by ";" ; NA or nothing: not sent. 2.0 ends in a CRC-16/ARC, hex, of all before it
        L    [version;]id;password[;crc]      says who is talking          AL 1 welcome, 0 refused, 10 bad crc
        SD   the first 10 fields[;crc]        a fix                        ASD 1 stored, else the field's own code, 13 bad crc
        D    all 16 fields[;crc]              a fix with telemetry         AD 1 stored, else the field's own code, 16 bad crc
        B    records as in SD or D, "|" between them[|crc]                 AB how many were stored, nothing: bad crc
        M    text[;crc]                       a message of the driver      AM 1 stored, 01 bad crc
        P                                     heartbeat                    AP
        I    size;block;…CR LF and size bytes a photo, not kept            AI block;0
        T    file;size;block;…CR LF and size bytes, a tachograph file, not kept   AT block;0
        IT   what the tachograph file is      not kept                     AIT 0
To it   #M#text[;crc] for the driver, answered by #AM#1; or the tracker's own words as a line without #, as its maker likes them:
        what it answers, a line or an M, is what comes next
Source  Gurtam, "Wialon IPS, communication protocol" v.1.1, v.2.0 and v.2.1; names of attributes and what becomes of missing
        places and satellites, and words of commands: as Traccar has them

A record that can't be read costs only itself in a B packet: the others are stored, the packet becomes a dead letter, and all of
it is acknowledged, since the tracker would send the same bytes for ever.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from fastcrc import crc16

from protocols.columns import ALARM_BIT, Columns
from protocols.commands import Answer, CannotSend, Command
from protocols.errors import BadFrame
from protocols.frames import Frame
from protocols.session import Codec, Decoded, Received, Unreadable
from protocols.streams import MOST_REJECTED

NUMBER = r"(\d{1,15}(?:\.\d{0,15})?)"
FIELDS: tuple[tuple[str, str, str], ...] = (  # name · what may stand there besides NA or nothing · what AD says when it is wrong
    ("date", r"(\d{6})", "0"),  # ddmmyy, UTC
    ("time", r"((?:[01]\d|2[0-3])[0-5]\d[0-5]\d(?:\.\d{1,9})?)", "0"),  # hhmmss, UTC; fractions since 2.1
    ("latitude", r"(\d{0,3})(\d\d(?:\.\d{0,15})?)", "10"),  # ddmm.mmmm: degrees and minutes; some let minutes pass 60
    ("latitude's half", "([NS])", "10"),
    ("longitude", r"(\d{0,3})(\d\d(?:\.\d{0,15})?)", "10"),  # dddmm.mmmm
    ("longitude's half", "([EW])", "10"),
    ("speed", NUMBER, "11"),  # km/h
    ("course", NUMBER, "11"),  # degrees
    ("altitude", "(-?" + NUMBER[1:], "11"),  # m
    ("satellites", r"(\d{1,5})", "12"),
    ("hdop", NUMBER, "12"),
    ("inputs", r"(\d{1,18})", "13"),  # one bit per input
    ("outputs", r"(\d{1,18})", "13"),
    ("adc", r"((?:-?\d{1,15}(?:\.\d{0,15})?|NA)?(?:,(?:-?\d{1,15}(?:\.\d{0,15})?|NA)?)*)", "14"),  # volts, "," between them
    ("ibutton", "([^;]*)", "15"),  # the driver's key
    ("params", "(.*)", "15"),  # name:type:value, "," between them; type 1 whole number, 2 number, 3 text
)
SHORT = 10  # fields of SD


def _pattern(fields: Sequence[tuple[str, str, str]]) -> str:
    return ";".join(f"(?:NA|{may_be}|)" for _, may_be, _ in fields)


RECORD = re.compile(f"{_pattern(FIELDS[:SHORT])}(?:;{_pattern(FIELDS[SHORT:])})?", re.ASCII | re.DOTALL)
EACH = tuple(re.compile(_pattern([field]), re.ASCII | re.DOTALL) for field in FIELDS)

CRC = re.compile(rb"[0-9A-Fa-f]{1,4}")
BAD_CRC = {"L": b"#AL#10\r\n", "SD": b"#ASD#13\r\n", "D": b"#AD#16\r\n", "B": b"#AB#\r\n", "M": b"#AM#01\r\n"}
STORED = {"SD": b"#ASD#1\r\n", "D": b"#AD#1\r\n", "M": b"#AM#1\r\n"}
NAMES = {name.encode(): name for name in ("L", "SD", "D", "B", "M", "P", "I", "IT", "T", "AM")}
COMMANDS = ("custom", "deviceIdentification", "message", "outputControl", "rebootDevice", "sendUssd")

# B holds at most 5,000 records by the manual, and a record of D with a dozen parameters takes about 200 bytes.
LARGEST_FRAME_BYTES = 1 << 20
LONGEST_ID = 64
MOST_TOLD = 100  # commands without an answer; many trackers never give one
LARGEST_BLOCK_BYTES = 1 << 24  # of a photo, skipped as it comes and never kept; more is not a size


class Link(msgspec.Struct):
    """One connection or one datagram. `whole`: what is received ends with its last byte, so the last line needs no end."""

    whole: bool = False
    buffer: bytearray = msgspec.field(default_factory=bytearray)
    seen: int = 0  # bytes of the buffer that hold no line end, so that a long line is not searched again and again
    skip: int = 0  # bytes of a photo that are still to come
    tracker: str = ""  # who was admitted last
    asked: str = ""  # who waits to be admitted
    waiting: tuple[str, bytes, bytes] | None = None  # the packet behind an id in front of it: type, body, line
    has_crc: bool = False  # the login said 2.0
    rejected: int = 0  # lines
    told: int = 0  # commands that it has not answered
    spoke: bool = False  # at least one line was Wialon's
    refused: bool = False  # the last id in front of a packet was not ours: lines without an id are nobody's
    closed: bool = False

    def receive(self, data: bytes) -> Received:
        received = Received()
        if not self.closed:
            self.buffer += data
            self._go_on(received)
        return received

    def admit(self, known: bool) -> Received:
        received = Received()
        asked, self.asked = self.asked, ""
        waiting, self.waiting = self.waiting, None
        if not asked or self.closed:
            return received
        self.tracker = asked if known else ""
        self.refused = not known
        if waiting is not None:
            if known:
                self._packet(received, *waiting)
        elif known:
            received.reply = b"#AL#1\r\n"
        else:
            received.reply = b"#AL#0\r\n"
            self._close(received)
            return received
        self._go_on(received)
        return received

    def _close(self, received: Received) -> None:
        self.closed = received.close = True
        self.buffer.clear()

    def _go_on(self, received: Received) -> None:
        """Read whole lines until there are none, or one asks to be admitted."""
        buffer, start = self.buffer, 0
        while start < len(buffer) and not self.asked and not self.closed:
            if self.skip:
                step = min(self.skip, len(buffer) - start)
                self.skip -= step
                start += step
            elif buffer[start] == 0xFF:
                end = start + 3 + int.from_bytes(buffer[start + 1 : start + 3], "little")
                if len(buffer) < max(end, start + 3):
                    if self.whole:
                        received.rejects.append(BadFrame("the compressed packet is cut short", bytes(buffer[start:])))
                        start = len(buffer)
                    break
                container = bytes(buffer[start:end])
                start = end
                if (inflated := _inflate(container[3:])) is None:
                    received.rejects.append(BadFrame("the compressed packet can't be inflated", container))
                else:  # in front of the rest, so that a login in it holds the rest back as any other
                    del buffer[:start]
                    buffer[:0] = inflated
                    start = self.seen = 0
            else:
                end = buffer.find(b"\n", max(start, self.seen))
                if end < 0 and self.whole:
                    end = len(buffer)
                if (len(buffer) if end < 0 else end) - start > LARGEST_FRAME_BYTES:
                    received.rejects.append(BadFrame("a line longer than any packet", bytes(buffer[start : start + 1024])))
                    self._close(received)
                    return
                if end < 0:
                    self.seen = len(buffer)
                    break
                line = bytes(buffer[start:end]).rstrip(b"\r")
                start = end + 1
                if line:
                    before = len(received.rejects)
                    self._line(received, line)
                    self.rejected += len(received.rejects) - before
                    if self.rejected >= MOST_REJECTED:
                        self._close(received)
        if self.closed:
            return
        del buffer[:start]
        self.seen = max(0, self.seen - start)

    def _line(self, received: Received, line: bytes) -> None:
        front, mark, rest = line.partition(b"#")
        word, second, body = rest.partition(b"#")
        if not mark and self.told and self.tracker and line.isascii() and line.decode().isprintable():
            received.frames.append(Frame("M", line))
            self._answered(received, line.decode(), None)
        elif not mark or not second:
            received.rejects.append(BadFrame("not a Wialon packet: no #type# in it", line))
            if not self.spoke:  # another protocol, or a scanner: nothing will come of it
                self._close(received)
        else:
            self.spoke = True
            self._said(received, front, word, body, line)

    def _said(self, received: Received, front: bytes, word: bytes, body: bytes, line: bytes) -> None:
        kind = NAMES.get(word)
        if kind is None:
            received.rejects.append(BadFrame(f"no packet of type {word[:16].decode('ascii', 'replace')} is read", line))
        elif kind == "L":
            self._login(received, body, line)
        elif front:
            self._introduced(received, front, kind, body, line)
        elif self.refused and kind != "P":
            received.rejects.append(BadFrame("the tracker has not logged in", line))
        else:
            self._packet(received, kind, body, line)

    def _login(self, received: Received, body: bytes, line: bytes) -> None:
        """1.1 has no version in front; 2.0 has one, and a crc at the end."""
        fields = body.split(b";")
        versioned = len(fields) > 1 and b"." in fields[0]
        self.has_crc = versioned and len(fields) > 3
        if self.has_crc and not _crc_is_right(body, body.rfind(b";")):
            received.reply += BAD_CRC["L"]
            received.rejects.append(BadFrame("the login's crc is wrong", line))
            return
        name = _identity(fields[1 if versioned else 0])
        if name is None:
            received.reply += b"#AL#0\r\n"
            received.rejects.append(BadFrame("a login without an id", line))
            self._close(received)
            return
        self.asked = received.login = name

    def _introduced(self, received: Received, front: bytes, kind: str, body: bytes, line: bytes) -> None:
        """A packet with the tracker's id in front of it."""
        version, mark, bare = front.partition(b";")
        name = _identity(bare if mark else front)
        if name is None:
            received.rejects.append(BadFrame("no id can be read in front of the packet", line))
            return
        if mark and version[:1].isdigit():
            self.has_crc = version >= b"2"
        if name == self.tracker:
            self._packet(received, kind, body, line)
        else:
            self.waiting = kind, body, line
            self.asked = received.login = name

    def _packet(self, received: Received, kind: str, body: bytes, line: bytes) -> None:
        if kind == "P":
            received.reply += b"#AP#\r\n"
        elif kind == "AM":
            self._answered(received, body.decode("ascii", "replace"), body.startswith(b"1"))
        elif kind in BAD_CRC:
            self._data(received, kind, body, line)
        else:
            self._not_kept(received, kind, body, line)

    def _data(self, received: Received, kind: str, body: bytes, line: bytes) -> None:
        end = _crc_place(kind, body, self.has_crc)
        if end >= 0:
            if not _crc_is_right(body, end):
                received.reply += BAD_CRC[kind]
                received.rejects.append(BadFrame("the crc is wrong", line))
                return
            body = body[:end]
        if kind == "B":
            body = body.rstrip(b"|")
            ack = b"#AB#%d\r\n" % (body.count(b"|") + 1 if body else 0)
        else:
            ack = STORED[kind]
        received.frames.append(Frame(kind, body, ack))
        if kind == "M":
            self._answered(received, _text(body), None)

    def _answered(self, received: Received, text: str, ok: bool | None) -> None:
        """Drivers write, too: only what follows a command is taken for an answer."""
        if self.told:
            self.told -= 1
            received.answers.append(Answer(text, ok=ok))

    def command(self, command: Command, serial: int, password: str) -> bytes:
        text = words(command)
        if command.type == "message":
            text = f"#M#{text}"
            if self.has_crc:
                text += f";{crc16.arc((text[3:] + ';').encode()):04X}"
        self.told = min(self.told + 1, MOST_TOLD)
        return text.encode() + b"\r\n"

    def _not_kept(self, received: Received, kind: str, body: bytes, line: bytes) -> None:
        """Photos and tachograph files: say so, and let the bytes behind the line pass."""
        received.rejects.append(BadFrame(f"packets of type {kind} are not kept", line))
        if kind == "IT":
            received.reply += b"#AIT#0\r\n"
            return
        fields = body.split(b";")[1 if kind == "T" else 0 :]
        numbers = [int(field) for field in fields[:2] if field.isdigit() and len(field) < 10]
        if len(numbers) == 2 and numbers[0] <= LARGEST_BLOCK_BYTES:
            self.skip = numbers[0]
            received.reply += b"#A%s#%d;0\r\n" % (kind.encode(), numbers[1])


def words(command: Command) -> str:
    """What a tracker is told. Raises CannotSend."""
    match command.type:
        case "custom":
            return str(command["data"])
        case "message":
            return str(command["message"])
        case "rebootDevice":
            return "reboot"
        case "deviceIdentification":
            return "VER?"
        case "sendUssd":
            return f"USSD:{command['phone']}"
        case "outputControl":
            return f"L{command['index']}={command['data']}"
    raise CannotSend(f"wialon has no {command.type}; it has {', '.join(COMMANDS)}")


def _inflate(packed: bytes) -> bytes | None:
    """The line in a compressed container; None when it is not zlib's, not one line, or larger than honest text becomes."""
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(packed, min(LARGEST_FRAME_BYTES, 1024 + 50 * len(packed)))
    except zlib.error:
        return None
    line = text.rstrip(b"\r\n")
    if not inflater.eof or not line or line[0] == 0xFF or b"\n" in line:  # a container in a container would keep us busy
        return None
    return line + b"\r\n"


def _identity(name: bytes) -> str | None:
    """The tracker's id, or None when it is empty, too long or not printable."""
    name = name.strip()
    if not 0 < len(name) <= LONGEST_ID or not name.isascii() or not (text := name.decode()).isprintable():
        return None
    return text


def _crc_place(kind: str, body: bytes, declared: bool) -> int:
    """Where body ends and its crc's separator stands; -1: it has none. Without a login, the count of fields tells."""
    place = max(body.rfind(b";"), body.rfind(b"|"))
    if declared:
        return max(place, 0)
    if place < 0 or kind == "M" or not CRC.fullmatch(body, place + 1):
        return -1
    if kind == "B":
        return place if body[place] == ord("|") else -1
    return place if body.count(b";") == (SHORT if kind == "SD" else len(FIELDS)) else -1


def _crc_is_right(body: bytes, end: int) -> bool:
    """The crc covers its own separator."""
    sent = CRC.fullmatch(body, end + 1)
    return sent is not None and int(sent[0], 16) == crc16.arc(body[: end + 1])


# --- Reading records ---------------------------------------------------------------------------------------------------------

NAN = float("nan")
TELEMETRY = {  # a parameter's name in small letters → the column; where Wialon's catalogue has a name of its own, both
    "ignition": "ignition",
    "motion": "motion",
    "power": "power_v",
    "pwr_ext": "power_v",
    "battery": "battery_v",
    "pwr_int": "battery_v",
    "batterylevel": "battery_percent",
    "odometer": "odometer_m",
    "rssi": "gsm",
    "gsm": "gsm",
    "accuracy": "accuracy_m",
}
COLUMNS = (  # the order of a row
    "frame", "time", "valid", "latitude", "longitude", "altitude_m", "speed_kmh", "course_deg", "satellites", "alarms",
    "ignition", "motion", "power_v", "battery_v", "battery_percent", "odometer_m", "gsm", "accuracy_m",
)  # fmt: skip
TOLD = COLUMNS[10:]  # the columns that come from parameters
NOTHING_TOLD = (NAN,) * len(TOLD)
NOT_SENT = np.datetime64("NaT", "ms").astype(np.int64).item()
WORDS = {"true": True, "false": False}
WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
DECIMAL = re.compile(r"[-+]?\d{1,18}(?:\.\d{0,18})?(?:[eE][-+]?\d{1,2})?", re.ASCII)
encode = msgspec.json.Encoder().encode
Row = tuple[Any, ...]


class WrongField(Exception):
    """A field that the manual doesn't allow; the code is what AD and ASD call it."""

    def __init__(self, name: str, code: str) -> None:
        super().__init__(name)
        self.name, self.code = name, code


def decode(frames: Sequence[Frame]) -> Decoded:
    """One row per SD, D and M, and per record of B."""
    rows: list[Row] = []
    attributes: list[bytes | None] = []
    unreadable: list[Unreadable] = []
    for place, frame in enumerate(frames):
        text = _text(frame.payload)
        if frame.kind == "B":
            _black_box(place, text, rows, attributes, unreadable)
        elif frame.kind == "M":
            rows.append((place, NOT_SENT, False, NAN, NAN, NAN, NAN, NAN, NAN, 0, *NOTHING_TOLD))
            attributes.append(encode({"result": text}))
        else:
            try:
                row, rest = _record(place, text, archive=False)
            except WrongField as wrong:
                ack = f"#A{'SD' if frame.kind == 'SD' else 'D'}#{wrong.code}\r\n".encode()
                unreadable.append(Unreadable(place, f"{wrong.name} can't be read", ack))
            else:
                rows.append(row)
                attributes.append(rest)
    if not rows:
        return Decoded(Columns.empty(), unreadable)
    values = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    time = np.array(values.pop("time"), np.int64).view("M8[ms]")
    return Decoded(Columns.of(len(rows), time=time, attributes=attributes, **values), unreadable)


def _black_box(place: int, text: str, rows: list[Row], attributes: list[bytes | None], unreadable: list[Unreadable]) -> None:
    records = text.split("|") if text else []
    wrong: list[str] = []
    for number, record in enumerate(records, 1):
        try:
            row, rest = _record(place, record, archive=True)
        except WrongField as error:
            wrong.append(f"{error.name} of record {number}")
        else:
            rows.append(row)
            attributes.append(rest)
    if wrong or not records:
        named = ", ".join(wrong[:5]) + (" …" if len(wrong) > 5 else "") if records else "any record"
        nothing = b"#AB#0\r\n" if len(wrong) == len(records) else None
        unreadable.append(Unreadable(place, f"{named} can't be read, of {len(records)} records", nothing))


def _text(payload: bytes) -> str:
    """Trackers write UTF-8 or, where the protocol was born, Windows-1251. Postgres keeps no NUL in text."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = payload.decode("cp1251", "replace")
    return text.replace("\0", "") if "\0" in text else text


def _record(place: int, text: str, *, archive: bool) -> tuple[Row, bytes | None]:
    found = RECORD.fullmatch(text)
    if found is None:
        found = _patched(text)
    (date, time, lat_deg, lat_min, north, lon_deg, lon_min, east, speed, course, altitude, satellites,
     hdop, inputs, outputs, adc, ibutton, params) = found.groups()  # fmt: skip
    if date and time:
        midnight = _midnight_ms(date)
        if midnight is None:
            raise WrongField("date", "0")
        second = int(time[:2]) * 3600 + int(time[2:4]) * 60 + int(time[4:6])
        moment = midnight + second * 1000 + (min(round(float(time[6:]) * 1000), 999) if len(time) > 6 else 0)
    else:
        moment = NOT_SENT
    if lat_min and lon_min and north and east:
        latitude = (int(lat_deg) if lat_deg else 0) + float(lat_min) / 60
        longitude = (int(lon_deg) if lon_deg else 0) + float(lon_min) / 60
        if latitude > 90 or longitude > 180:
            raise WrongField("latitude" if latitude > 90 else "longitude", "10")
        if north == "S":
            latitude = -latitude
        if east == "W":
            longitude = -longitude
    elif lat_min or lon_min or north or east:
        raise WrongField("latitude or longitude", "10")
    elif speed or course or altitude:
        latitude = longitude = 0.0  # as Traccar has it: motion was measured, so it is a fix, at no place and not valid
    else:
        latitude = longitude = NAN
    if course and float(course) > 360:
        raise WrongField("course", "11")
    rest: dict[str, Any] = {}
    if hdop:
        rest["hdop"] = float(hdop)
    if inputs:
        rest["input"] = int(inputs)
    if outputs:
        rest["output"] = int(outputs)
    if adc:
        rest.update((f"adc{n}", float(value)) for n, value in enumerate(adc.split(","), 1) if value and value != "NA")
    if ibutton:
        rest["driverUniqueId"] = ibutton
    alarms, told = _parameters(params, rest) if params else (0, NOTHING_TOLD)
    if archive:
        rest["archive"] = True
    row = (
        place,
        moment,
        bool(lat_min and satellites and int(satellites) >= 3),
        latitude,
        longitude,
        float(altitude) if altitude else NAN,
        float(speed) if speed else NAN,
        float(course) if course else NAN,
        int(satellites) if satellites else NAN,
        alarms,
        *told,
    )
    return row, encode(rest) if rest else None


def _patched(text: str) -> re.Match[str]:
    """What RECORD refuses: a record cut short behind the tenth field is read as far as it goes, any other is wrong."""
    fields = text.split(";", len(FIELDS) - 1)
    if len(fields) < SHORT:
        raise WrongField("the number of fields", "-1")
    for (name, _, code), may_be, field in zip(FIELDS, EACH, fields, strict=False):
        if not may_be.fullmatch(field):
            raise WrongField(name, code)
    found = RECORD.fullmatch(";".join(fields + [""] * (len(FIELDS) - len(fields))))
    if found is None:
        raise WrongField("the record", "-1")
    return found


@lru_cache(maxsize=4096)  # eleven years of days; what trackers send is nearly always today
def _midnight_ms(date: str) -> int | None:
    try:
        return int(datetime.strptime(f"{date}+0000", "%d%m%y%z").timestamp()) * 1000
    except ValueError:
        return None


def _parameters(params: str, rest: dict[str, Any]) -> tuple[int, tuple[float, ...]]:
    """The alarms and the columns in `TOLD`; what is neither goes into rest, odd items under "params", so that nothing is lost."""
    columns: dict[str, float] = {}
    alarms = 0
    odd: list[str] = []
    text_of: str | None = None  # the text parameter that a comma may have cut
    for item in params.split(","):
        name, _, typed = item.partition(":")
        kind, mark, sent = typed.partition(":")
        if not mark or not name:
            if text_of is not None:
                rest[text_of] = f"{rest[text_of]},{item}"
            elif item:
                odd.append(item)
            continue
        name = name.strip().lower()
        text_of = None
        value = _value(kind, sent)
        column = TELEMETRY.get(name)
        if column is not None and (number := _number(value, flag=column in ("ignition", "motion"))) is not None:
            columns[column] = number
        elif name == "sos" and value in (1, True):
            alarms |= ALARM_BIT["sos"]
        elif name == "alarm" and value in ALARM_BIT:
            alarms |= ALARM_BIT[str(value)]
        else:
            rest[name] = value
            if isinstance(value, str):
                text_of = name
    if odd:
        rest["params"] = ",".join(odd)
    return alarms, tuple([columns.get(name, NAN) for name in TOLD]) if columns else NOTHING_TOLD


def _value(kind: str, sent: str) -> int | float | bool | str:
    """By its type; a value that is not of its type stays text, because a fix is worth more than its parameter's form."""
    if kind == "3":
        return WORDS.get(sent.lower(), sent)
    if kind == "1" and WHOLE.fullmatch(sent):
        return int(sent)
    return float(sent) if DECIMAL.fullmatch(sent) else WORDS.get(sent.lower(), sent)


def _number(value: float | str, *, flag: bool) -> float | None:
    if isinstance(value, str):
        if not DECIMAL.fullmatch(value):
            return None
        value = float(value)
    return float(value) if value in (0, 1) or (not flag and abs(value) < 1e15) else None


CODEC = Codec(
    name="wialon",
    port=5039,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=lambda: Link(whole=True),
    decode=decode,
    makers="Gurtam's open protocol: ArusNavi, Bitrek, Galileosky, Navtelecom, Neomatica, Wialon's phone apps and many others",
    source="Gurtam, Wialon IPS communication protocol, v.1.1, v.2.0 and v.2.1",
    models="any that is set to Wialon IPS",
    reads="inputs, outputs, analog inputs, driver's key, messages of the driver, any parameter",
    commands=COMMANDS,
)
