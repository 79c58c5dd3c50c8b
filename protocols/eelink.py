"""Eelink over TCP and UDP.

Packet  67 67 | kind u8 | length u16 of what follows | serial u16 | content                numbers are big-endian
UDP     45 4C | length u16 | checksum u16 | IMEI, BCD 8 (a leading 0 and 15 digits) | packets
        length and checksum cover all behind them (length: the checksum as well); checksum: rotate left by one, add each byte
01      login: IMEI BCD 8 | language u8 | time zone u8 | …         answered at once with time u32 | version 1 u16 | 0 u8
03      heartbeat: status u16                                                   answered at once with nothing
02      old place | status u16 | battery mV u16 | gsm u16 | adc1, adc2 u16      the old form has no answer to it
04      old place | alarm u8              05  old place | event u8 | time u32 | status u16       06  old place | SMS
07      time u32 | OBD: number u8, value u32 …; four bytes are a status u16 and a number instead
12      place | status u16 | battery mV u16 | adc0, adc1 u16 | odometer m u32 | gsm, gps counters u16 | steps, s walked u16
        | temperature i16 1/256 °C | humidity 0.1 % u16 | light 1/256 u32 | CO2 u32 | temperature i16 1/16 °C
        | beacons: count u8, version u8, then mac 6 | signal, 0, model, version u8 | mV u16 | i16 1/256 °C | data u16
14      place | alarm u8 | status u16     15  place | event u8 | status u16
16 to 19 place | …                        1E, 1F  photos: not kept                 81  data: passed over
80      words, answer to a command: kind u8 | server's number u32 | text
        old place: time u32 | latitude, longitude i32, 1/30000 minute | km/h u8 | course u16 | cell 9 bytes | 0 fix u8
        place: time u32 | mask u8: 0 gps: latitude, longitude i32 | altitude i16 | km/h u16 | course u16 | satellites u8;
        1 cell: mcc, mnc u16 | area u16 | cell u32 | signal u8; 2, 3 cells: area, cell, signal; 4, 5, 6 access points: mac 6,
        signal; 7 a list: radio u8 | counts u8: 2-0 cells, 6-3 access points | …
        status: 0 fix, 2 ignition if 1, 4 armed if 3, 6 not blocked if 5, 8 charging if 7, 9 motion if 3, 10 gps on
Reply   67 67 | kind | length | serial | content, by UDP in its envelope

An answer to a packet that holds a report is sent once it is stored. An alarm's answer could bring an SMS text; we send none.

Source  Eelink, "GPS tracker communication protocol" V1.7 and V2.0; names of attributes as in Traccar's EelinkProtocolDecoder
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from struct import Struct

from protocols.commands import Answer, CannotSend, Command, offset_minutes
from protocols.cursor import Around, Cursor
from protocols.frames import Frame
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream, utc_now

# Photos come in pieces of at most 1 KB, a list of beacons in one packet; a length is 16 bits.
LARGEST_FRAME_BYTES = 8192
MARK, ENVELOPE = b"gg", b"EL"
ENVELOPE_BYTES = 14  # mark, length, checksum, imei

LOGIN, HEARTBEAT, WORDS, DATA = 0x01, 0x03, 0x80, 0x81
OLD_GPS, OLD_ALARM, OLD_STATE, OLD_SMS, OBD = 0x02, 0x04, 0x05, 0x06, 0x07
NORMAL, WARNING, REPORT = 0x12, 0x14, 0x15
PHOTO, PHOTO_PART = 0x1E, 0x1F
OLD = frozenset((OLD_GPS, OLD_ALARM, OLD_STATE, OLD_SMS))
READ = OLD | {OBD, WORDS} | frozenset(range(NORMAL, 0x1A))
UNANSWERED = frozenset((OLD_GPS, DATA, WORDS))

ALARMS = {
    0x01: "powerOff", 0x02: "sos", 0x03: "lowBattery", 0x04: "vibration", 0x08: "gpsAntennaCut", 0x09: "gpsAntennaCut",
    0x25: "removing", 0x81: "lowspeed", 0x82: "overspeed", 0x83: "geofenceEnter", 0x84: "geofenceExit", 0x85: "accident",
    0x86: "fallDown",
}  # fmt: skip


def checksum(data: bytes) -> int:
    total = 0
    for byte in data:
        total = ((total << 1 | total >> 15) + byte) & 0xFFFF
    return total


def packet(kind: int, serial: int, content: bytes = b"") -> bytes:
    return MARK + bytes((kind,)) + (len(content) + 2).to_bytes(2, "big") + serial.to_bytes(2, "big") + content


def enveloped(imei: bytes, packets: bytes) -> bytes:
    inner = imei + packets
    return ENVELOPE + (len(inner) + 2).to_bytes(2, "big") + checksum(inner).to_bytes(2, "big") + inner


class Link(Stream):
    """One connection, or one datagram. `now` is said in the answer to a login; tests hand in their own."""

    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self, *, whole: bool = False, now: Callable[[], datetime] = utc_now) -> None:
        super().__init__(whole=whole)
        self._now = now
        self._envelope = b""  # the IMEI of an envelope: what is answered goes into one, too

    def cut(self, data: Buffer, at: int) -> int:
        if len(data) < at + 5:
            return MORE
        if data.startswith(MARK, at):
            return at + 5 + int.from_bytes(data[at + 3 : at + 5], "big")
        if data.startswith(ENVELOPE, at):
            return at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        end = self.find(data, MARK, at + 1)
        return at - end if end > 0 else MORE

    def hear(self, message: bytes, received: Received) -> None:
        if message[:2] == MARK:
            self._envelope = b""
            self._packet(message, message, received)
            return
        imei = message[6:ENVELOPE_BYTES]
        if len(imei) < 8:
            self.reject("an envelope without an IMEI", message, received)
            return
        if checksum(message[6:]) != int.from_bytes(message[4:6], "big"):
            frames = [
                Frame(f"{inner[2]:02x}", inner[5:]) for inner in _packets(message[ENVELOPE_BYTES:]) if inner[2] in READ
            ]  # told to who explains it
            self.reject("the checksum is wrong", message, received, frames[0] if frames else None)
            return
        if not self.speaks(imei.hex()[1:], message, received):
            return
        self._envelope = imei
        for inner in _packets(message[ENVELOPE_BYTES:]):
            if self.closed:
                break
            self._packet(inner, message, received)

    def _packet(self, inner: bytes, message: bytes, received: Received) -> None:
        kind, content = inner[2], inner[5:]
        if len(content) < 2:
            self.reject("a packet without a serial", inner, received)
            return
        serial = int.from_bytes(content[:2], "big")
        if kind == LOGIN:
            self._login(content, message, serial, received)
            return
        if self.tracker and not self.known:  # a stranger's
            return
        answer = b"" if kind in UNANSWERED or not self.known else self._answer(packet(kind, serial))
        if kind in READ:
            if kind == WORDS:
                received.answers.append(Answer(_words(content), serial=_number(content)))
            received.frames.append(Frame(f"{kind:02x}", content, answer))
        elif kind == HEARTBEAT:
            received.reply += answer
            if len(content) >= 4:
                received.frames.append(Frame(f"{kind:02x}", content))
        elif kind != DATA:
            received.reply += answer
            reason = "photos are not kept" if kind in (PHOTO, PHOTO_PART) else f"no packet of kind {kind:02x} is read"
            self.reject(reason, inner, received)

    def _login(self, content: bytes, message: bytes, serial: int, received: Received) -> None:
        if len(content) < 10:
            self.reject("a login without an IMEI", message, received)
            return
        if self._envelope or self.speaks(content[2:10].hex()[1:], message, received):
            now = int(self._now().timestamp())
            received.reply += self._answer(packet(LOGIN, serial, now.to_bytes(4, "big") + b"\x00\x01\x00"))

    def _answer(self, answer: bytes) -> bytes:
        return enveloped(self._envelope, answer) if self._envelope else answer

    def command(self, command: Command, serial: int, password: str) -> bytes:
        text = words(command)
        content = b"\x01" + serial.to_bytes(4, "big") + text.encode()
        return self._answer(packet(WORDS, serial, content))


def _packets(data: bytes) -> list[bytes]:
    """The packets in an envelope, up to what is none."""
    packets: list[bytes] = []
    at = 0
    while data[at : at + 2] == MARK and len(data) >= at + 5:
        end = at + 5 + int.from_bytes(data[at + 3 : at + 5], "big")
        if end > len(data):
            break
        packets.append(data[at:end])
        at = end
    return packets


def words(command: Command) -> str:
    """A command in Eelink's own words, the same by SMS. Raises CannotSend."""
    if command.type in WORDS_OF:
        return WORDS_OF[command.type]
    if command.type == "custom":
        return str(command["data"])
    if command.type == "positionPeriodic":
        return f"TIMER,{command['frequency']},1#"
    if command.type == "outputControl":
        if not 1 <= command["index"] <= 4 or command["data"] not in ("0", "1"):
            raise CannotSend("outputs are 1 to 4, and their state is 1 or 0")
        place = command["index"] - 1
        mask = "".join("1" if bit == place else "0" for bit in range(4))
        return f"PORT,{mask if command['data'] == '1' else '0000'},{mask}#"
    if command.type == "setTimezone":
        minutes = offset_minutes(command["timezone"])
        if minutes % 60:
            raise CannotSend("time zones are whole hours")
        return f"GMT,{'W' if minutes < 0 else 'E'},{abs(minutes) // 60}#"
    if command.type == "sosNumber":
        return f"SOS,A,{command['phone']}#"
    if command.type == "sendSms":
        return f"FW,{command['phone']},{command['message']}#"
    raise CannotSend(f"Eelink has no words for {command.type}; custom takes its own, such as STATUS#")


WORDS_OF = {
    "engineResume": "RELAY,0#",
    "engineStop": "RELAY,1#",
    "getDeviceStatus": "STATUS#",
    "getVersion": "VERSION#",
    "positionSingle": "WHERE#",
    "positionStop": "TIMER,0,0#",
    "rebootDevice": "RESET#",
}
COMMANDS = ("custom", *sorted((*WORDS_OF, "outputControl", "positionPeriodic", "sendSms", "setTimezone", "sosNumber")))

# --- Reading packets ---------------------------------------------------------------------------------------------------------

DEGREES = 1 / 1_800_000  # 1/30000 minute


def read(frame: Frame) -> list[Report]:
    """At most one report."""
    kind = int(frame.kind, 16)
    c = Cursor(frame.payload)
    serial = c.u16()
    if kind == WORDS:
        return [_answered(frame.payload)]
    if kind == HEARTBEAT or (kind == OBD and c.left == 4):
        report = Report()
        _flags(c.u16(), report)
        return [report]
    if kind == OBD:
        return [_obd(c)]
    report = _old(c, kind) if kind in OLD else _new(c, kind)
    report.attributes["index"] = serial
    return [report]


def _flags(status: int, report: Report) -> None:
    """What both forms have alike: in each pair the lower bit says whether the higher means anything."""
    if status & 2:
        report.ignition = status >> 2 & 1
    if status & 8:
        report.attributes["armed"] = bool(status & 0x10)
    if status & 0x20:
        report.attributes["blocked"] = not status & 0x40
    if status & 0x80:
        report.attributes["charge"] = bool(status & 0x100)
    report.attributes["status"] = status


def _old(c: Cursor, kind: int) -> Report:
    report = Report(time_ms=c.u32() * 1000, latitude=c.i32() * DEGREES, longitude=c.i32() * DEGREES)
    report.speed_kmh, report.course_deg = c.u8(), c.u16()
    around = Around()
    mcc, mnc, area = c.u16(), c.u16(), c.u16()
    around.cell(mcc, mnc, area, c.u24())
    report.valid = bool(c.u8() & 1)
    if not report.valid:
        report.attributes.update(around.network())
    if kind == OLD_GPS and c.left >= 2:
        _flags(c.u16(), report)
        if c.left >= 8:
            report.battery_v, report.gsm = c.u16() / 1000, c.u16()
            report.attributes["adc1"], report.attributes["adc2"] = c.u16(), c.u16()
    elif kind == OLD_ALARM:
        _alarm(c.u8(), report)
    elif kind == OLD_STATE:
        event = c.u8()
        report.attributes["event"] = event
        if event in (1, 2, 3) and c.left >= 6:
            c.u32()  # the tracker's clock
            _flags(c.u16(), report)
    elif kind == OLD_SMS and c.left > 21:
        c.take(21)  # whose it is
        report.attributes["message"] = c.text(c.left, "utf-8")
    return report


def _alarm(code: int, report: Report) -> None:
    if code in ALARMS:
        report.alarm(ALARMS[code])


BEGIN = Struct(">IB")
PLACE = Struct(">iihHHB")
CELL = Struct(">HIB")
CLIMATE = Struct(">hHII")


def _new(c: Cursor, kind: int) -> Report:
    seconds, mask = c.unpack(BEGIN)
    report = Report(time_ms=seconds * 1000)
    if mask & 1:
        latitude, longitude, report.altitude_m, report.speed_kmh, report.course_deg, report.satellites = c.unpack(PLACE)
        report.latitude, report.longitude = latitude * DEGREES, longitude * DEGREES
    around = _around(c, mask)
    if not mask & 1:
        report.attributes.update(around.network())
    if kind == WARNING:
        _alarm(c.u8(), report)
    elif kind == REPORT:
        c.u8()  # why it is sent
    if kind in (NORMAL, WARNING, REPORT):
        status = c.u16()
        report.valid = bool(status & 1) and bool(mask & 1)
        _flags(status, report)
        if status & 8:
            report.motion = status >> 9 & 1
        report.attributes["gps"] = bool(status & 0x400)
    if kind == NORMAL:
        _sensors(c, report)
    return report


def _around(c: Cursor, mask: int) -> Around:
    around = Around()
    mcc = mnc = 0
    if mask & 2:
        mcc, mnc = c.u16(), c.u16()
        around.cell(mcc, mnc, *c.unpack(CELL))
    if mask & 0x7C:
        for bit in (2, 3):
            if mask >> bit & 1:
                around.cell(mcc, mnc, *c.unpack(CELL))
        for bit in (4, 5, 6):
            if mask >> bit & 1:
                around.access_point(c.take(6), c.i8())
    if mask & 0x80:
        _list(c, around)
    return around


def _list(c: Cursor, around: Around) -> None:
    """radio u8 | counts u8 | first cell: mcc, mnc, area, tracking area u16, cell u32, advance, id, channel u16, signal u8
    | each other cell 5 bytes | access points: mac 6, signal i8"""
    c.u8()
    counts = c.u8()
    cells = counts & 7
    if cells:
        mcc, mnc, area, _, cell = c.u16(), c.u16(), c.u16(), c.u16(), c.u32()
        c.take(6)
        around.cell(mcc, mnc, area, cell, c.i8())
        c.take((cells - 1) * 5)
    for _ in range(counts >> 3 & 15):
        around.access_point(c.take(6), c.i8())


def _sensors(c: Cursor, report: Report) -> None:
    """What newer models add, each part only if the packet goes so far."""
    a = report.attributes
    if c.left >= 2:
        report.battery_v = c.u16() / 1000
    if c.left >= 4:
        a["adc0"], a["adc1"] = c.u16(), c.u16()
    if c.left >= 4:
        report.odometer_m = c.u32()
    if c.left >= 4:
        c.take(4)  # how long the modem and the receiver were on
    if c.left >= 4:
        a["steps"] = c.u16()
        c.u16()
    if c.left >= 12:
        temperature, humidity, light, a["co2"] = c.unpack(CLIMATE)
        a["temp1"], a["humidity"], a["illuminance"] = temperature / 256, humidity / 10, light / 256
    if c.left >= 2:
        a["temp2"] = c.i16() / 16
    if c.left >= 2:
        count = c.u8()
        c.u8()
        for tag in range(1, count + 1):
            a[f"tag{tag}Id"] = c.take(6).hex()
            c.take(4)  # signal, reserved, model, version
            a[f"tag{tag}Battery"], a[f"tag{tag}Temp"], a[f"tag{tag}Data"] = c.u16() / 1000, c.i16() / 256, c.u16()


def _obd(c: Cursor) -> Report:
    report = Report(time_ms=c.u32() * 1000)
    while c.left >= 5:
        number, value = c.u8(), c.i32()
        if number == 0x89:
            report.attributes["fuelConsumption"] = value
        elif number == 0x8A:
            report.odometer_m = value * 1000
        elif number == 0x8B:
            report.attributes["fuel"] = value // 10
    return report


SAID = re.compile(
    r"Lat:([NS])(\d{1,3}\.\d{1,9}).{0,40}?Lon:([EW])(\d{1,3}\.\d{1,9}).{0,40}?Course:(\d{1,3}\.\d{1,4}).{0,40}?"
    r"Speed:(\d{1,4}\.\d{1,4}).{0,40}?Date ?Time:(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)",
    re.ASCII | re.DOTALL,
)


def _number(content: bytes) -> int | None:
    """Our number of the command that is answered."""
    number = int.from_bytes(content[3:7], "big")
    return number if 0 < number <= 0xFFFF else None


def _words(content: bytes) -> str:
    """serial u16 | kind u8 | number u32 | text"""
    return content[7:].decode("utf-8", "replace").replace("\0", "")


def _answered(content: bytes) -> Report:
    """The answer to WHERE# is a place; all others are words."""
    text = _words(content)
    report = Report(attributes={"index": int.from_bytes(content[:2], "big")})
    found = SAID.search(text)
    if found is None:
        report.attributes["result"] = text
        return report
    north, latitude, east, longitude, course, speed, *moment = found.groups()
    try:
        time = datetime(*(int(part) for part in moment), tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        raise CantRead(f"no such time: {'-'.join(moment)}") from None
    report.time_ms, report.valid = int(time.timestamp()) * 1000, True
    report.latitude = float(latitude) * (-1 if north == "S" else 1)
    report.longitude = float(longitude) * (-1 if east == "W" else 1)
    report.course_deg, report.speed_kmh = float(course), float(speed)
    return report


decode = decode_each(read)


def datagram() -> Link:
    return Link(whole=True)


CODEC = Codec(
    name="eelink",
    port=5064,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=datagram,
    decode=decode,
    makers="Eelink (Shenzhen), KeepTrace and clones",
    source="Eelink, “GPS tracker communication protocol” V1.7 and V2.0",
    models="TK115, TK116, TK119, TK319, TK419, TK828, GPT06, GPT09, GPT26, GOT08, K6, K9, BOX-T",
    reads="ignition, battery, odometer, satellites, alarms, steps, temperatures, humidity, light, beacons, cells, OBD",
    commands=COMMANDS,
    sms=lambda command, password: words(command),
)
