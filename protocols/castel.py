"""Castel over TCP and UDP: OBD plugs and trackers, in three families of packets.

Packet  40 40 | length u16, of all | version u8 | id, 20 bytes, 00 behind it | type, 2 bytes | content | CRC-16/X-25 of all before
        | 0D 0A; numbers are little-endian, the type is not. Version 3 and 4 are OBD plugs (SC), others trackers (CC);
        24 24 instead of 40 40: MPIP, without a version
Place   day, month, year u8 | hour, minute, second u8 | latitude u32 | longitude u32 1/3,600,000° | speed u16 cm/s
        | course u16 0.1° | flags u8: 1 east, 2 north, 4 and 8 a fix, satellites above
State   ignition on u32 | now u32, s since 1970 | odometer u32 m | trip u32 m | fuel u32 0.01 l | fuel u16 | status u32 | 8 bytes
        status: 10 hard acceleration, 20 hard braking, 40 idle, 40000 ignition
SC      1001 login, 1002 logout, B001 asked for: [u16] state | count u8 | places …
        4001 places: late u8 | state | count | places                      400E the same without late, a fuel level u16 for each
        4007 alarm: index u32 | state | count | places | count u8 | alarms: new u8, code u8 (`ALARMS`), value u16, limit u16
        401F all: late u8 | index u32 | state | count | places | tag u16, length u16, value …    see `_tag`
        4002 OBD, 4005 its freeze frame: state | rate u16 or flag u8 | count | PIDs u16 | [groups, size] | values
        4003 accelerations | 4004 PIDs that the car knows | 4006, 400B trouble codes | 4008 cell | 4009 asleep: time u32 | place
        5101 A-GPS asked for: place | A002 answer to a question | 1003 heartbeat
CC      4001 login: place | status u32 | battery u8 | odometer u32 …      4206 heartbeat: late u8 | count | the same, 7 bytes
MPIP    4001, 4201, 4202, 4206 place | 2001 login: index u32 | time u32 | u8 | place | 4204 eight places, 31 bytes behind each
Answer  1001: 9001 | FFFFFFFF | 0000 | time u32; 1003: 9003; 4007: C007 | index; CC 4001: 8001, 4206: 8206; MPIP: 4001, 2001: 1001
To it   CC 4583 | 1 cuts the fuel, 0 lets it flow
Source  Castel, "IDD-213 communication protocol" 1.06 (passenger cars) and 1.18 (commercial vehicles), "PT-690/MPIP-620 protocol";
        what becomes of undocumented fields: as in Traccar's CastelProtocolDecoder

There is no clock here: the answer to a login repeats the tracker's own time. A packet that is the same as the one before it, byte
by byte, was sent again: it is acknowledged and not stored twice.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from fastcrc import crc16
from msgspec.json import encode

from protocols.commands import CannotSend, Command
from protocols.cursor import Cursor
from protocols.fields import time_ms
from protocols.frames import ANSWER, Frame
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

# Traccar takes 1,024; 255 places in a packet would be 5,000 bytes, but no manual shows more than 20.
LARGEST_FRAME_BYTES = 2048
SHORTEST_BYTES = 2 + 2 + 20 + 2 + 2 + 2
HEADS = (b"@@", b"$$")
ID_BYTES = 20

ALARMS = {
    0x01: "overspeed", 0x02: "lowPower", 0x03: "temperature", 0x04: "hardAcceleration", 0x05: "hardBraking", 0x06: "idle",
    0x07: "tow", 0x08: "highRpm", 0x09: "powerOn", 0x0B: "laneChange", 0x0C: "hardCornering", 0x0D: "fatigueDriving",
    0x0E: "powerOff", 0x11: "accident", 0x12: "tampering", 0x1C: "vibration",
}  # fmt: skip
IGNITION_ON, IGNITION_OFF = 0x16, 0x17
STATUS_ALARMS = {4: "hardAcceleration", 5: "hardBraking", 6: "idle"}
STATUS_IGNITION = 18

PID_BYTES = {
    pid: size
    for size, pids in {
        1: "04 05 06 07 08 09 0b 0d 0e 0f 11 12 13 1c 1d 1e 2c 2d 2e 2f 30 33 43 45 46 47 48 49 4a 4b 4c 51 52 5a 5b 5c 61 62",
        2: "02 03 0a 0c 10 14 15 16 17 18 19 1a 1b 1f 21 22 23 31 32 3c 3d 3e 3f 42 44 4d 4e 50 53 54 55 56 57 58 59 5d 5e 63 9d",
        4: "00 01 20 24 25 26 27 28 29 2a 2b 34 35 36 37 38 39 3a 3b 40 41 4f 5f 60 64 67 a4 a6",
    }.items()
    for pid in bytes.fromhex(pids)
}
PID_NAMES = {
    0x04: "engineLoad", 0x05: "coolantTemp", 0x0B: "mapIntake", 0x0C: "rpm", 0x0D: "obdSpeed", 0x0F: "intakeTemp",
    0x11: "throttle", 0x21: "milDistance", 0x2F: "fuel", 0x31: "clearedDistance",
}  # fmt: skip

SC_PLACES = {0x1001, 0x1002, 0x4001, 0x4007, 0x400E, 0x401F, 0xB001}
SC_STATES = {0x4002, 0x4003, 0x4004, 0x4005, 0x4006, 0x4008, 0x400B}
SC_LONE_PLACES = {0x4009: 4, 0x5101: 0}  # what stands in front of the place
SC_ANSWER = 0xA002
SC_LOGIN, SC_HEARTBEAT, SC_ALARM = 0x1001, 0x1003, 0x4007
CC_LOGIN, CC_HEARTBEAT, CC_FUEL = 0x4001, 0x4206, 0x4583
MPIP_LONE_PLACES = {0x4001: 0, 0x2001: 9, 0x4201: 0, 0x4202: 0, 0x4206: 0}
MPIP_LOGIN, MPIP_EIGHT = 0x2001, 0x4204
AT_ONCE = {("sc", SC_LOGIN), ("sc", SC_HEARTBEAT), ("cc", CC_LOGIN), ("mpip", MPIP_LOGIN)}  # others: once they are stored


def packet(head: bytes, identity: bytes, kind: int, content: bytes = b"") -> bytes:
    """What the server writes; head is the version, or nothing."""
    body = head + identity + kind.to_bytes(2, "big") + content
    body = b"@@" + (len(body) + 8).to_bytes(2, "little") + body
    return body + crc16.ibm_sdlc(body).to_bytes(2, "little") + b"\r\n"


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__(whole=whole)
        self.before = b""  # the packet before this one
        self.identity = bytes(ID_BYTES)

    def cut(self, data: Buffer, at: int) -> int:
        size = len(data)
        for place in range(at, size):
            if data[place : place + 2] not in HEADS and not (place == size - 1 and data[place] in b"@$"):
                continue
            if size - place >= 4 and not SHORTEST_BYTES <= _length(data, place) <= LARGEST_FRAME_BYTES:
                continue
            if place > at:
                return at - place
            end = place + _length(data, place) if size - place >= 4 else size + 1
            return end if end <= size else MORE
        return at - size

    def hear(self, message: bytes, received: Received) -> None:
        at = 5 if message[0] == ord("@") else 4
        family = "mpip" if at == 4 else "sc" if message[4] in (3, 4) else "cc"
        identity = message[at : at + ID_BYTES]
        kind = int.from_bytes(message[at + ID_BYTES : at + ID_BYTES + 2], "big")
        content = message[at + ID_BYTES + 2 : -4]
        if crc16.ibm_sdlc(message[:-4]) != int.from_bytes(message[-4:-2], "little"):
            unchecked = Frame(family, content, context=kind)
            self.reject("the crc is wrong", message, received, unchecked)
        elif self.speaks(identity.rstrip(b"\0 ").decode("ascii", "replace"), message, received):
            again, self.before, self.identity = message == self.before, message, identity
            ack = _answer_to(family, kind, message[4:5] if at == 5 else b"\xff", identity, content)
            if (family, kind) in AT_ONCE:
                received.reply, ack = received.reply + ack, b""
            if again or (kind == SC_HEARTBEAT and family == "sc"):
                if ack:
                    received.frames.append(Frame(ANSWER, b"", ack))
            elif _is_read(family, kind):
                received.frames.append(Frame(family, content, ack, kind))
            else:
                self.reject(f"packets of type {kind:04x} are not kept", message, received)

    def command(self, command: Command, serial: int, password: str) -> bytes:
        """There is no room for a serial or a password."""
        if command.type not in ("engineStop", "engineResume"):
            raise CannotSend("Castel trackers know engineStop and engineResume")
        return packet(b"\x01", self.identity, CC_FUEL, b"\x01" if command.type == "engineStop" else b"\x00")


def _length(data: Buffer, at: int) -> int:
    return int.from_bytes(data[at + 2 : at + 4], "little")


def _answer_to(family: str, kind: int, head: bytes, identity: bytes, content: bytes) -> bytes:
    """What the tracker waits for; nothing: it doesn't."""
    match family, kind:
        case "sc", 0x1001:
            return packet(head, identity, 0x9001, b"\xff\xff\xff\xff\0\0" + content[4:8].ljust(4, b"\0"))
        case "sc", 0x1003:
            return packet(head, identity, 0x9003)
        case "sc", 0x4007:
            return packet(head, identity, 0xC007, content[:4])
        case "cc", (0x4001 | 0x4206):
            return packet(head, identity, kind ^ 0xC000)
        case "mpip", 0x2001:
            return packet(b"", identity, 0x1001, bytes(4) + b"\xff" * 8)
        case "mpip", 0x4001:
            return packet(head, identity, kind)
    return b""


def _is_read(family: str, kind: int) -> bool:
    if family == "sc":
        return kind in SC_PLACES or kind in SC_STATES or kind in SC_LONE_PLACES or kind == SC_ANSWER
    if family == "cc":
        return kind in (CC_LOGIN, CC_HEARTBEAT)
    return kind in MPIP_LONE_PLACES or kind == MPIP_EIGHT


def read(frame: Frame) -> list[Report]:
    """The reports of one packet; its type is the frame's context. Raises CantRead."""
    cursor, kind = Cursor(frame.payload), frame.context
    if frame.kind == "sc":
        if kind in SC_PLACES:
            return _places(cursor, kind)
        if kind in SC_LONE_PLACES:
            cursor.take(SC_LONE_PLACES[kind])
            return [_place(cursor)]
        return [_answer(cursor)] if kind == SC_ANSWER else [_state_only(cursor, kind)]
    if frame.kind == "cc":
        return _cc(cursor, kind)
    if kind == MPIP_EIGHT:
        reports = []
        for _ in range(8):
            reports.append(_place(cursor))
            cursor.take(31)
        return reports
    if kind not in MPIP_LONE_PLACES:  # of a packet whose checksum is wrong
        raise CantRead(f"no packet of type {kind:#06x} is read")
    cursor.take(MPIP_LONE_PLACES[kind])
    return [_place(cursor)]


def _place(cursor: Cursor) -> Report:
    day, month, year, hour, minute, second = cursor.take(6)
    latitude, longitude = cursor.u32le() / 3_600_000, cursor.u32le() / 3_600_000
    speed, course, flags = cursor.u16le(), cursor.u16le(), cursor.u8()
    report = Report(attributes={})
    try:
        report.time_ms = time_ms(year, month, day, hour, minute, second)
    except CantRead:  # zeros until the first fix: the time of arrival counts
        report.time_ms = None
    report.latitude = latitude if flags & 2 else -latitude
    report.longitude = longitude if flags & 1 else -longitude
    report.valid = bool(flags & 0x0C)
    report.speed_kmh, report.course_deg = speed * 0.036, course / 10
    report.satellites = flags >> 4
    return report


def _state(cursor: Cursor) -> Report:
    """The state alone; places that come with it take it over."""
    cursor.u32le()
    now_s = cursor.u32le()
    report = Report(time_ms=now_s * 1000 if now_s else None, attributes={})
    report.odometer_m = cursor.u32le()
    report.attributes |= {"tripOdometer": cursor.u32le(), "fuelConsumption": cursor.u32le()}
    cursor.u16le()
    status = cursor.u32le()
    report.attributes["status"] = status
    report.ignition = float(status >> STATUS_IGNITION & 1)
    cursor.take(8)
    return report


def _places(cursor: Cursor, kind: int) -> list[Report]:
    late = cursor.u8() if kind in (0x4001, 0x401F) else 0
    cursor.take({SC_ALARM: 4, 0x401F: 4, 0xB001: 2}.get(kind, 0))
    state = _state(cursor)
    reports = [_place(cursor) for _ in range(cursor.u8() if cursor.left else 0)]
    for report in reports:
        report.odometer_m, report.ignition = state.odometer_m, state.ignition
        report.attributes |= state.attributes
        if late:
            report.attributes["archive"] = True
    if not reports:
        reports.append(state)
    if kind == SC_ALARM:
        _alarms(cursor, reports)
    elif kind == 0x400E:
        for report in reports:
            if cursor.left >= 2:
                report.attributes["adc1"] = cursor.u16le()
    elif kind == 0x401F:
        _tagged(cursor, reports)
    return reports


def _alarms(cursor: Cursor, reports: list[Report]) -> None:
    for _ in range(cursor.u8() if cursor.left else 0):
        is_new, code = cursor.u8(), cursor.u8()
        cursor.take(4)
        if not is_new:  # it is over
            continue
        for report in reports:
            if code in ALARMS:
                report.alarm(ALARMS[code])
            elif code in (IGNITION_ON, IGNITION_OFF):
                report.ignition = float(code == IGNITION_ON)
            report.attributes["event"] = code


def _tagged(cursor: Cursor, reports: list[Report]) -> None:
    """What 401F has behind its places belongs to the last of them. A value that can't be read costs only itself."""
    while cursor.left >= 4:
        tag, size = cursor.u16le(), cursor.u16le()
        value = Cursor(cursor.take(min(size, cursor.left)))
        with suppress(CantRead):
            _tag(reports[-1], tag, value)


def _tag(report: Report, tag: int, value: Cursor) -> None:
    if tag == 0x0002:
        _pids(report, value)
    elif tag == 0x0006:
        value.u8()
        _codes(report, value, size=2)
    elif tag == 0x0007:
        value.take(4)
        _alarms(value, [report])
    elif tag == 0x000B:
        value.u8()
        _codes(report, value, size=4)
    elif tag == 0x0010:
        report.attributes["deviceTemp"] = value.i16le() / 10
    elif 0x0011 <= tag <= 0x0014:
        report.attributes[f"temp{tag - 0x10}"] = value.i16le() / 10
    elif tag == 0x0020:
        report.power_v = value.u16le() / 100
    elif tag == 0x0021:
        report.battery_v = value.u16le() / 100


def _pids(report: Report, cursor: Cursor) -> None:
    for _ in range(cursor.u8()):
        pid, value = cursor.u16le(), cursor.take(cursor.u16le())
        name = PID_NAMES.get(pid & 0xFF) if pid >> 8 == 0x21 else None
        report.attributes[name or f"pid{pid}"] = int.from_bytes(value, "little") if name else value.hex()


def _state_only(cursor: Cursor, kind: int) -> Report:
    report = _state(cursor)
    status = report.attributes["status"]
    for bit, name in STATUS_ALARMS.items():
        if status >> bit & 1:
            report.alarm(name)
    if kind == 0x4002:
        cursor.u16le()
        _obd(report, cursor, groups=True)
    elif kind == 0x4005:
        cursor.u8()
        _obd(report, cursor, groups=False)
    elif kind == 0x4003:
        cursor.u16le()
        samples = [[cursor.i16le() / 64 for _ in range(3)] for _ in range(cursor.u8())]
        report.attributes["gSensor"] = encode(samples).decode()
    elif kind in (0x4006, 0x400B):
        cursor.u8()
        _codes(report, cursor, size=4 if kind == 0x400B else 2)
    return report


def _obd(report: Report, cursor: Cursor, *, groups: bool) -> None:
    """Values of the first group, up to a PID whose size isn't known: what follows it can't be found."""
    pids = [cursor.u16le() & 0xFF for _ in range(cursor.u8())]
    if groups:
        cursor.take(2)
    for pid in pids:
        size = PID_BYTES.get(pid)
        if size is None or size > cursor.left:
            return
        value = int.from_bytes(cursor.take(size), "little")
        if pid in PID_NAMES:
            report.attributes[PID_NAMES[pid]] = value


def _codes(report: Report, cursor: Cursor, *, size: int) -> None:
    """Trouble codes as the plug of a garage shows them; of a commercial vehicle each has an attribute and a count behind it."""
    codes = []
    for _ in range(cursor.u8()):
        code = cursor.u16le()
        codes.append(f"{'PCBU'[code >> 14]}{code & 0x3FFF:04X}")
        cursor.take(size - 2)
    if codes:
        report.attributes["dtcs"] = " ".join(codes)


def _answer(cursor: Cursor) -> Report:
    cursor.take(4)  # index, count and number of answers
    cursor.take(2 * cursor.u8())  # tags that were not known
    results = []
    for _ in range(cursor.u8()):
        cursor.u16le()
        results.append(cursor.text(cursor.u16le()))
    return Report(attributes={"result": ";".join(results)})


def _cc(cursor: Cursor, kind: int) -> list[Report]:
    late, count = (cursor.u8(), cursor.u8()) if kind == CC_HEARTBEAT else (0, 1)
    reports = []
    for _ in range(count):
        report = _place(cursor)
        report.attributes["status"] = cursor.u32le()
        report.battery_v = cursor.u8()
        report.odometer_m = cursor.u32le()
        if late:
            report.attributes["archive"] = True
        if kind == CC_HEARTBEAT:
            cursor.take(7)  # geofence, flags and cell
        reports.append(report)
    return reports


CODEC = Codec(
    name="castel",
    port=5086,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=partial(Link, whole=True),
    decode=decode_each(read),
    makers="Castel",
    models="IDD-212, IDD-213, IDD-218, MPIP-618, MPIP-620, PT-690, PT-718",
    source="Castel, “IDD-213 communication protocol” 1.06 and 1.18, “MPIP-620 protocol”",
    reads="ignition, odometer, trip, fuel, OBD values, trouble codes, acceleration, temperatures, supply, battery, alarms",
    commands=("engineResume", "engineStop"),
    answers=False,
)
