"""Ruptela over TCP and UDP: packets of records, and what the tracker is told.

Packet  length u16 | IMEI u64 | command u8 | content | CRC-16/KERMIT u16 of all between length and crc; length counts the same
        A datagram ends where it ends: its length is not looked at, as some trackers write that of an earlier one.
1, 68   records left u8 | count u8 | records        (68: extended, ids of two bytes)          acknowledged 100 | 1
        Record  time u32 s since 1970 | its fraction u8 | in 68: parts - 1 and part, 4 bits each | priority u8
                longitude i4 1e-7° | latitude i4 1e-7° (both -2^31: none) | altitude u16 0.1 m | course u16 0.01° | satellites u8
                speed u16 km/h | hdop u8 0.1 | event u8 (68: u16)
                four times: count u8 | that many: id u8 (68: u16), value of 1, 2, 4, 8 bytes      see `PARAMETERS`
        Parts of a record in 68 that follow each other are one report.
9       count u8 | codes: kind u8 | time u32 | longitude i4 | latitude i4 | 2: stored u8 | code of 5 letters, such as P0010
        acknowledged 109 | 1
15, 16  who I am, heartbeat       answered 115 | 1 and 116 | 1 (a stranger's 15: 115 | 0)
36      driver's card: kind u8 | time u32 | registered u8 | card u8 | tracks u8 | three tracks of length u16 and text
        acknowledged 136 | 1
37      files: 2 u8 | source u8 | name, 8 bytes | parts u16 | part u16 | bytes     not kept; the next part is asked for
2 3 4 7 answers to commands, text;  5 6 17 answers to commands, a byte
To it   length u16 | 100 + command u8 | content | CRC-16/KERMIT u16
        108 text as in an SMS · 102 configuration · 103 version · 104 firmware · 105 server · 106 odometer · 117 output
        137 photo
Source  Ruptela, "Communication protocol" (FM-Pro4, FM-Eco4, FM-Tco4), tables "Records", "Extended records", "IO ID list"; scales
        of values and names of attributes as in Traccar's RuptelaProtocolDecoder; words of SMS: "FM4 SMS commands"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from struct import Struct
from typing import Any

from fastcrc import crc16

from protocols.commands import Answer, CannotSend, Command
from protocols.frames import Frame
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

# Records come in packets of at most 1,024 bytes by the manual; twice that leaves room for trackers that count differently.
LARGEST_FRAME_BYTES = 2048
HEAD_BYTES = 11  # length, IMEI and command
SHORTEST_BYTES = HEAD_BYTES + 2

RECORDS, DTCS, IDENTIFICATION, HEARTBEAT, DRIVER_CARD, FILES, EXTENDED_RECORDS = 1, 9, 15, 16, 36, 37, 68
REPORTS = {RECORDS: "records", EXTENDED_RECORDS: "extended", DTCS: "dtcs", DRIVER_CARD: "card"}
ANSWERS_IN_WORDS = (2, 3, 4, 7)
ANSWERS_IN_A_BYTE = (5, 6, 17)
PART_OF_FILE = Struct(">BB8sHH")

NOWHERE = -(2**31)
PLACE = Struct(">iiHHBHB")
DTC = Struct(">BIiiB5s")
CARD = Struct(">BIBBB")

SIGNED = {32, 74, 78, 79, 80}
PARAMETERS: dict[int, tuple[str, float]] = {  # id: attribute, scale. Those with a column, an alarm or a flag are in `_put`
    2: ("in1", 1), 3: ("in2", 1), 4: ("in3", 1), 5: ("in4", 1),
    20: ("adc3", 1), 21: ("adc4", 1), 22: ("adc1", 1), 23: ("adc2", 1),
    32: ("deviceTemp", 1), 39: ("engineLoad", 1),
    74: ("temp3", 0.1), 78: ("temp0", 0.1), 79: ("temp1", 0.1), 80: ("temp2", 0.1),
    94: ("rpm", 0.25), 95: ("obdSpeed", 1), 98: ("fuel", 100 / 255), 100: ("fuelConsumption", 0.05), 150: ("operator", 1),
    164: ("tripOdometer", 5), 165: ("obdSpeed", 1 / 256), 166: ("rpm", 0.125), 197: ("rpm", 0.125),
    205: ("fuelLevel", 1), 207: ("fuelLevel", 0.4), 208: ("fuelUsed", 0.5), 645: ("obdOdometer", 1000),
}  # fmt: skip
COLUMNS: dict[int, tuple[str, float]] = {  # id: column, scale
    27: ("gsm", 1), 29: ("power_v", 0.001), 30: ("battery_v", 0.001), 65: ("odometer_m", 1), 163: ("odometer_m", 5),
}  # fmt: skip
FLAGS = {13: "motion", 173: "motion", 251: "ignition", 409: "ignition"}
ALARMS = {88: "jamming", 134: "hardBraking", 136: "hardAcceleration", 410: "tow", 411: "accident"}
CHARGE, DRIVER_KEY, ANTENNA, COVER = 170, 34, 415, 758
TWO_PARTS = ((126, 127), (155, 156))  # the driver's card as CAN and the tachograph tell it: ids of its first and second half
TAG_PARTS = (760, 761)


def packet(command: int, content: bytes) -> bytes:
    """What the server writes."""
    body = bytes((command,)) + content
    return len(body).to_bytes(2, "big") + body + crc16.kermit(body).to_bytes(2, "big")


ACKNOWLEDGEMENTS = {RECORDS: 100, EXTENDED_RECORDS: 100, DTCS: 109, DRIVER_CARD: 136}
STORED = {kind: packet(command, b"\x01") for kind, command in ACKNOWLEDGEMENTS.items()}


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def cut(self, data: Buffer, at: int) -> int:
        if self.whole:
            return len(data)
        if len(data) - at < 2:
            return MORE
        end = at + int.from_bytes(data[at : at + 2], "big") + 4
        if end - at < SHORTEST_BYTES:
            return at - end
        return end if end <= len(data) else MORE

    def hear(self, message: bytes, received: Received) -> None:
        if len(message) < SHORTEST_BYTES:
            self.reject("too short for a packet", message, received)
            return
        command = message[10]
        if crc16.kermit(message[2:-2]) != int.from_bytes(message[-2:], "big"):
            kind = REPORTS.get(command)
            unchecked = Frame(kind, message[HEAD_BYTES:-2]) if kind in ("records", "extended") else None
            self.reject("the crc is wrong", message, received, unchecked)
        elif self.speaks(f"{int.from_bytes(message[2:10], 'big'):015d}", message, received):
            self._take(command, message[HEAD_BYTES:-2], received)

    def stranger(self, message: bytes, received: Received) -> None:
        if message[10] == IDENTIFICATION:
            received.reply += packet(100 + IDENTIFICATION, b"\x00")

    def _take(self, command: int, content: bytes, received: Received) -> None:
        if command in REPORTS:
            received.frames.append(Frame(REPORTS[command], content, STORED[command]))
        elif command in (IDENTIFICATION, HEARTBEAT):
            received.reply += packet(100 + command, b"\x01")
        elif command == FILES:
            self._file(content, received)
        elif command in ANSWERS_IN_WORDS:
            received.frames.append(Frame("answer in words", bytes((command,)) + content))
            received.answers.append(Answer(_words(content)))
        elif command in ANSWERS_IN_A_BYTE and content:
            received.frames.append(Frame("answer in a byte", bytes((command, content[0]))))
            received.answers.append(Answer(str(content[0])))
        else:
            self.reject(f"packets of command {command} are not kept", content, received)

    def _file(self, content: bytes, received: Received) -> None:
        """A part of a photo: ask for the next one, so that the tracker can forget it, and tell of the last."""
        if len(content) < PART_OF_FILE.size or content[0] != 2:
            self.reject("no part of a file", content, received)
            return
        kind, source, name, parts, part = PART_OF_FILE.unpack_from(content)
        if part + 1 < parts:
            following = bytes((kind, source)) + name + (part + 1).to_bytes(2, "big")
            received.reply += packet(100 + FILES, following)
        else:
            received.answers.append(Answer(f"file {_words(name)} has come, {parts} parts; files are not kept", ok=True))
            self.reject("files are not kept", content[: PART_OF_FILE.size], received)

    def command(self, command: Command, serial: int, password: str) -> bytes:
        """There is no room for a serial. Words of an SMS are sent with the password in front."""
        match command.type:
            case "configuration":
                return packet(102, _ascii(command["data"] + "\r\n"))
            case "getVersion":
                return packet(103, b"")
            case "firmwareUpdate":
                return packet(104, b"|FU_STRT*\r\n")
            case "setConnection":
                return packet(105, _ascii(f"{command['server']},{command['port']},TCP"))
            case "setOdometer":
                return packet(106, command["data"].to_bytes(4, "big"))
            case "outputControl":
                if not (command["data"].isdecimal() and int(command["data"]) < 2**32):
                    raise CannotSend("the state of an output is a number, such as 1 or 0")
                return packet(117, command["index"].to_bytes(4, "big") + int(command["data"]).to_bytes(4, "big"))
            case "requestPhoto":  # of the camera with that number, taken at any time
                return packet(137, bytes((1, command["index"] - 1)) + bytes(4) + b"\x7f\xff\xff\xff")
            case "custom":
                return packet(108, _ascii(command["data"]))
        return packet(108, _ascii(text_message(command, password)))


SMS_WORDS = {
    "positionSingle": "coords", "rebootDevice": "reset", "getVersion": "version", "deviceIdentification": "imei",
    "engineStop": "immobilizer 10", "engineResume": "resetimmob",
}  # fmt: skip


def text_message(command: Command, password: str) -> str:
    """A command as an SMS: password, blank, words; without a password the blank remains. Raises CannotSend."""
    if command.type == "custom":
        return f"{password} {command['data']}"
    if command.type not in SMS_WORDS:
        raise CannotSend(f"Ruptela trackers know by SMS {', '.join(SMS_WORDS)}, and custom")
    return f"{password} {SMS_WORDS[command.type]}"


def _ascii(text: str) -> bytes:
    if not text.isascii():
        raise CannotSend("Ruptela trackers understand plain ASCII only")
    return text.encode()


def _words(content: bytes) -> str:
    return content.decode("ascii", "replace").replace("\0", "").strip()


def read(frame: Frame) -> Iterable[Report]:
    """The reports of one frame, oldest first. Raises CantRead."""
    content = frame.payload
    match frame.kind:
        case "records" | "extended":
            return _records(content, wide=frame.kind == "extended")
        case "dtcs":
            return _dtcs(content)
        case "card":
            return [_card(content)]
        case "answer in words":
            return [Report(attributes={"type": content[0], "result": _words(content[1:])})]
        case "answer in a byte":
            return [Report(attributes={"type": content[0], "result": str(content[1])})]
    return []


@lru_cache(maxsize=512)  # at most 256 counts of four sizes; trackers send the same few
def _values(wide: bool, size: int, count: int) -> Struct:
    return Struct(">" + (("H" if wide else "B") + {1: "B", 2: "H", 4: "I", 8: "Q"}[size]) * count)


def _records(content: bytes, *, wide: bool) -> Iterator[Report]:
    """What is read before a record that can't be is given."""
    if len(content) < 2:
        raise CantRead("no count of records")
    at, before = 2, None
    try:
        for _ in range(content[1]):
            report, at = _record(content, at, wide, before)
            if before is not None and report is not before:
                yield before
            before = report
    except CantRead:
        if before is not None:
            yield before
        raise
    if before is not None:
        yield before


def _record(content: bytes, at: int, wide: bool, before: Report | None) -> tuple[Report, int]:
    """The report that begins there, or the one before it if that goes on; and where it ends."""
    body = at + (7 if wide else 6)
    event_at = body + PLACE.size
    if len(content) < event_at + 1:
        raise CantRead("the packet ends within a record")
    parts, part = (content[at + 5] >> 4, content[at + 5] & 15) if wide else (0, 0)
    report = before if before is not None and 0 < part <= parts else Report(attributes={})
    report.time_ms = int.from_bytes(content[at : at + 4], "big") * 1000
    attributes = report.attributes
    longitude, latitude, altitude, course, satellites, speed, hdop = PLACE.unpack_from(content, body)
    if longitude != NOWHERE and latitude != NOWHERE:
        report.valid = True
        report.longitude, report.latitude = longitude * 1e-7, latitude * 1e-7
        report.altitude_m, report.course_deg = altitude / 10, course / 100
        report.satellites, report.speed_kmh = satellites, speed
        attributes["hdop"] = hdop / 10
    if wide:
        attributes["event"] = int.from_bytes(content[event_at : event_at + 2], "big")
        return report, _parameters(content, event_at + 2, wide, report)
    attributes["event"] = content[event_at]
    return report, _parameters(content, event_at + 1, wide, report)


def _parameters(content: bytes, at: int, wide: bool, report: Report) -> int:
    """The four lists of values. Where they end."""
    attributes = report.attributes
    halves: dict[int, int] = {}
    for size in (1, 2, 4, 8):
        if at >= len(content):
            raise CantRead("the packet ends within a record")
        count = content[at]
        at += 1
        if not count:
            continue
        layout = _values(wide, size, count)
        if at + layout.size > len(content):
            raise CantRead("the packet ends within a record")
        fields = layout.unpack_from(content, at)
        at += layout.size
        for key, value in zip(fields[::2], fields[1::2], strict=True):
            known = PARAMETERS.get(key)
            if known is not None:
                name, scale = known
                if key in SIGNED and value >> (8 * size - 1):
                    value -= 1 << 8 * size
                attributes[name] = value if scale == 1 else value * scale
            elif not _put(report, key, value, size, halves):
                attributes[f"io{key}"] = value
    if halves:
        _whole(attributes, halves)
    return at


def _put(report: Report, key: int, value: int, size: int, halves: dict[int, int]) -> bool:
    """A value that is more than an attribute with a scale. False: nothing is known of this id."""
    if key in COLUMNS:
        name, scale = COLUMNS[key]
        setattr(report, name, value * scale)
    elif key in FLAGS:
        setattr(report, FLAGS[key], float(value > 0))
    elif key in ALARMS:
        if value > 0:
            report.alarm(ALARMS[key])
    elif key == CHARGE:
        report.attributes["charge"] = value > 0
    elif key == ANTENNA:
        if value == 0:
            report.alarm("gpsAntennaCut")
    elif key == COVER:
        if value == 1:
            report.alarm("tampering")
    elif key == DRIVER_KEY:
        report.attributes["driverUniqueId"] = f"{value:0{2 * size}x}"
    elif any(key in pair for pair in (*TWO_PARTS, TAG_PARTS)):
        halves[key] = value
    else:
        return False
    return True


def _whole(attributes: dict[str, Any], halves: dict[int, int]) -> None:
    """Texts of 16 bytes come as two values of 8; half of one says nothing and is kept as it came."""
    for first, second in TWO_PARTS:
        if first in halves and second in halves:
            card = halves.pop(first).to_bytes(8, "big") + halves.pop(second).to_bytes(8, "big")
            attributes["driverUniqueId"] = card.decode("ascii", "replace").replace("\0", "").strip()
    first, second = TAG_PARTS
    if first in halves and second in halves:
        attributes["tagId"] = f"{halves.pop(first):x}{halves.pop(second):x}"
    attributes.update((f"io{key}", value) for key, value in halves.items())


def _dtcs(content: bytes) -> list[Report]:
    if not content or len(content) < 1 + content[0] * DTC.size:
        raise CantRead("the packet ends within a trouble code")
    reports = []
    for _, time_s, longitude, latitude, stored, code in DTC.iter_unpack(content[1 : 1 + content[0] * DTC.size]):
        report = Report(
            time_ms=time_s * 1000,
            valid=True,
            longitude=longitude * 1e-7,
            latitude=latitude * 1e-7,
            attributes={"dtcs": _words(code)},
        )
        if stored == 2:
            report.attributes["archive"] = True
        reports.append(report)
    return reports


def _card(content: bytes) -> Report:
    if len(content) < CARD.size:
        raise CantRead("the packet ends within the driver's card")
    _, time_s, registered, _, _ = CARD.unpack_from(content)
    tracks, at = [], CARD.size
    for _ in range(3):
        end = at + 2 + int.from_bytes(content[at : at + 2], "big")
        tracks.append(_words(content[at + 2 : end]))
        at = end
    if at > len(content):
        raise CantRead("the packet ends within the driver's card")
    return Report(time_ms=time_s * 1000, attributes={"driverUniqueId": "|".join(tracks), "status": registered})


CODEC = Codec(
    name="ruptela",
    port=5046,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=partial(Link, whole=True),
    decode=decode_each(read),
    makers="Ruptela",
    models="FM-Eco4, FM-Pro4, FM-Tco4, FM-Plug4, HCV5, LCV5, Pro5, Eco5, Trace5",
    source="Ruptela, “Communication protocol” (FM4, generation 5); Ruptela, “FM4 SMS commands”",
    reads="alarms, inputs, analog, supply, battery, ignition, motion, odometer, CAN and OBD, temperatures, drivers, faults",
    commands=(
        "custom",
        "configuration",
        "deviceIdentification",
        "engineResume",
        "engineStop",
        "firmwareUpdate",
        "getVersion",
        "outputControl",
        "positionSingle",
        "rebootDevice",
        "requestPhoto",
        "setConnection",
        "setOdometer",
    ),
    sms=text_message,
)
