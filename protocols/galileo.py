"""Galileosky over TCP: packets of tags, and what they become on their way through Iridium.

Packet      head u8 | length u16, its bit 15: more waits in the archive | content | crc16, MODBUS, of all before it
            all numbers little-endian
Head 01     records of tags: tag u8 | value of the tag's own size, see TAGS; a tag that comes again begins the next record.
            The first packet is the login: hardware, firmware, IMEI, and no record
Head 08     compressed records: the minimal data set of 10 bytes | count u8 | the tags' numbers | their values
            minimal data set, bits from the highest: 1 unused | 25 seconds of the year | 1 place isn't valid | 22 longitude, from
            -180, 360 / 2^22 | 21 latitude, from -90, 180 / 2^21 | 1 alarm | 9 unused
Head 07     a photo's part u8 | bytes; no bytes: that was all. Photos are answered but not kept
Answer      02 | crc16 of the packet; to photos 07 | crc16. The tracker sends a packet again until it has this answer
Iridium     01 | length u16, big-endian | elements: what u8 | length u16 | bytes; what is 01 header (ends in the IMEI, session's
            state and time u32), 02 the records (tags or one compressed record), 03 place. No crc, no answer
Command     a packet 01 with IMEI, device 04, number E0, text E1; the answer has the same form
Source      Galileosky, "Protocol of data exchange with the server" (tags, compression, commands, photos); Iridium, "Short Burst
            Data Service Developers Guide" (DirectIP); names of attributes as in Traccar

A record without a place is telemetry alone. The compressed record doesn't say the year: it is the one that ends nearest to now.
Satellites are the lower half of a place's first byte; its upper half is 0 when the place is from satellites.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from fastcrc import crc16

from protocols.commands import Answer, CannotSend, Command
from protocols.frames import Frame
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream, utc_now

LARGEST_FRAME_BYTES = 3 + 0x7FFF + 2
TAGGED, PHOTO, COMPRESSED, ANSWERED, IGNORED = 0x01, 0x07, 0x08, 0x02, 0x15
HEADS = (TAGGED, 0x04, PHOTO, COMPRESSED, IGNORED)  # 04 and 15 are confirmed and not read
IRIDIUM = b"\x01\x00\x1c"  # the header's element comes first, with 28 bytes
IMEI, IMEI_BYTES = 0x03, 15
NUMBER, TEXT, REST, EXTENDED, ARRAY = 0xE0, 0xE1, 0xEB, 0xFE, 0xEA
SHORT, LONG = -1, -2  # sizes of tags that begin with their length, u8 or u16
DAY_S = 86_400


# --- Tags --------------------------------------------------------------------------------------------------------------------

TAGS: dict[
    int, tuple[int, str]
] = {  # number: bytes, and the attribute that the unsigned value becomes; none: READERS or not kept
    0x01: (1, "versionHw"),
    0x02: (1, "versionFw"),
    IMEI: (IMEI_BYTES, ""),
    0x04: (2, "deviceId"),
    0x10: (2, "index"),
    0x20: (4, ""),  # seconds since 1970, UTC
    0x21: (2, ""),  # and milliseconds
    0x30: (9, ""),  # source and satellites u8 | latitude i32, 1e-6 degree | longitude i32
    0x33: (4, ""),  # speed u16, 0.1 km/h | course u16, 0.1 degree
    0x34: (2, ""),  # altitude i16, m
    0x35: (1, ""),  # hdop, 0.1; from cells: accuracy, 10 m
    0x40: (2, ""),  # status
    0x41: (2, ""),  # supply, mV
    0x42: (2, ""),  # battery, mV
    0x43: (1, ""),  # own temperature i8
    0x44: (4, "acceleration"),
    0x45: (2, "output"),
    0x46: (2, "input"),
    0x47: (4, "ecoDrive"),
    0x48: (2, "statusExtended"),
    0x49: (1, "channel"),
    **{0x50 + n: (2, f"adc{n}") for n in range(8)},
    0x58: (2, "rs2320"),
    0x59: (2, "rs2321"),
    0x5A: (4, "rep500"),  # energy, W·h
    0x5B: (7, ""),  # refrigerator
    0x5C: (68, ""),  # pressures of tyres
    0x5D: (3, ""),  # dosimeter
    **{0x60 + n: (2, f"fuel{n}") for n in range(3)},  # fuel sensors on RS485, as they count
    **{0x63 + n: (3, "") for n in range(13)},  # the others: level u16 | temperature i8
    **{0x70 + n: (2, "") for n in range(8)},  # thermometers: number u8 | temperature i8
    **{0x78 + n: (2, f"adc{8 + n}") for n in range(6)},
    **{0x80 + n: (3, "") for n in range(8)},  # thermometers with hygrometer: number u8 | temperature i8 | humidity, 0.5 percent
    **{0x88 + n: (1, "") for n in range(5)},  # temperatures of fuel sensors i8
    0x90: (4, ""),  # the driver's key
    **{0xA0 + n: (1, f"can8BitR{15 + n}") for n in range(16)},
    **{0xB0 + n: (2, f"can16BitR{5 + n}") for n in range(10)},
    0xC0: (4, ""),  # fuel ever burnt, 0.5 l
    0xC1: (4, ""),  # fuel u8, 0.4 percent | coolant u8, from -40 | rpm u16, 0.125
    0xC2: (4, "canB0"),
    0xC3: (4, "canB1"),
    **{0xC4 + n: (1, f"can8BitR{n}") for n in range(15)},
    0xD3: (4, "driverUniqueId2"),
    0xD4: (4, ""),  # odometer, m
    0xD5: (1, "iButtons"),
    **{0xD6 + n: (2, f"can16BitR{n}") for n in range(5)},
    **{0xDB + n: (4, f"can32BitR{n}") for n in range(5)},
    NUMBER: (4, "index"),
    TEXT: (SHORT, ""),
    **{0xE2 + n: (4, f"userData{n}") for n in range(8)},
    ARRAY: (SHORT, ""),
    REST: (SHORT, ""),
    **{0xF0 + n: (4, f"can32BitR{5 + n}") for n in range(10)},
    0xFA: (3, ""),
    0xFD: (8, ""),
    EXTENDED: (LONG, ""),
}
SIZES = [TAGS.get(tag, (0, ""))[0] for tag in range(256)]  # 0: no manual has it
NAMES = [TAGS.get(tag, (0, ""))[1] for tag in range(256)]


def _status(report: Report, value: bytes) -> None:
    """Bits: 0 it moves, 5 battery is low, 6 no GPS antenna, 9 the engine runs, 12-13 signal, 15 alarm."""
    bits = value[0] | value[1] << 8
    report.attributes["status"] = bits
    report.motion = bits & 1
    report.ignition = bits >> 9 & 1
    report.gsm = bits >> 12 & 3
    if bits & 0x20:
        report.alarm("lowBattery")
    if bits & 0x40:
        report.alarm("gpsAntennaCut")
    if bits & 0x8000:
        report.alarm("general")


def _place(report: Report, value: bytes) -> None:
    report.valid = value[0] < 16
    report.satellites = value[0] & 15
    report.latitude = int.from_bytes(value[1:5], "little", signed=True) / 1e6
    report.longitude = int.from_bytes(value[5:], "little", signed=True) / 1e6


def _movement(report: Report, value: bytes) -> None:
    report.speed_kmh = (value[0] | value[1] << 8) * 0.1
    report.course_deg = (value[2] | value[3] << 8) * 0.1


def _time(report: Report, value: bytes) -> None:
    report.time_ms = int.from_bytes(value, "little") * 1000


def _milliseconds(report: Report, value: bytes) -> None:
    if report.time_ms is not None:
        report.time_ms += (value[0] | value[1] << 8) % 1000


def _altitude(report: Report, value: bytes) -> None:
    report.altitude_m = int.from_bytes(value, "little", signed=True)


def _precision(report: Report, value: bytes) -> None:
    report.attributes["hdop"] = value[0] / 10


def _power(report: Report, value: bytes) -> None:
    report.power_v = (value[0] | value[1] << 8) / 1000


def _battery(report: Report, value: bytes) -> None:
    report.battery_v = (value[0] | value[1] << 8) / 1000


def _odometer(report: Report, value: bytes) -> None:
    report.odometer_m = int.from_bytes(value, "little")


def _driver(report: Report, value: bytes) -> None:
    report.attributes["driverUniqueId"] = str(int.from_bytes(value, "little"))


def _fuel_total(report: Report, value: bytes) -> None:
    report.attributes["fuelTotal"] = int.from_bytes(value, "little") * 0.5


def _engine(report: Report, value: bytes) -> None:
    report.attributes["fuel"] = value[0] * 0.4
    report.attributes["temp1"] = value[1] - 40
    report.attributes["rpm"] = (value[2] | value[3] << 8) * 0.125


def _text(report: Report, value: bytes) -> None:
    report.attributes["result"] = value.decode("cp1251", "replace")


def _signed(name: str, at: int = 0) -> Callable[[Report, bytes], None]:
    def reader(report: Report, value: bytes) -> None:
        report.attributes[name] = value[at] - (value[at] & 0x80) * 2

    return reader


def _hex(name: str) -> Callable[[Report, bytes], None]:
    def reader(report: Report, value: bytes) -> None:
        report.attributes[name] = value.hex()

    return reader


def _fuel_sensor(number: int) -> Callable[[Report, bytes], None]:
    def reader(report: Report, value: bytes) -> None:
        report.attributes[f"fuel{number}"] = value[0] | value[1] << 8
        report.attributes[f"fuelTemp{number}"] = value[2] - (value[2] & 0x80) * 2

    return reader


def _hygrometer(number: int) -> Callable[[Report, bytes], None]:
    def reader(report: Report, value: bytes) -> None:
        report.attributes[f"temp{number}"] = value[1] - (value[1] & 0x80) * 2
        report.attributes[f"humidity{number}"] = value[2] / 2

    return reader


def _extended(report: Report, value: bytes) -> None:
    """Tags of two bytes. Past one of unknown size the rest is kept as it is."""
    at = 0
    while at + 2 <= len(value):
        tag = value[at] | value[at + 1] << 8
        size = 4 if tag <= 0x80 else EXTENDED_SIZES.get(tag, 0)
        if not size or at + 2 + size > len(value):
            report.attributes["extended"] = value[at:].hex()
            return
        number = int.from_bytes(value[at + 2 : at + 2 + size], "little")
        at += 2 + size
        if tag <= 0x20:
            report.attributes[f"modbus{tag - 1}"] = (number - (number >> 31 << 32)) / 100
        elif tag <= 0x60:
            report.attributes[f"bluetooth{tag - 0x21}"] = number
        elif tag <= 0x80:
            report.attributes[f"modbus{tag - 0x61 + 32}"] = (number - (number >> 31 << 32)) / 100
        elif tag == 0x85:
            report.gsm = number
        else:
            report.attributes[EXTENDED_NAMES[tag]] = number


EXTENDED_SIZES = {0x81: 2, 0x82: 2, 0x83: 2, 0x84: 2, 0x85: 1}
EXTENDED_NAMES = {0x81: "cid", 0x82: "lac", 0x83: "mcc", 0x84: "mnc"}
READERS: list[Callable[[Report, bytes], None] | None] = [None] * 256
for _tag, _reader in (
    (0x20, _time), (0x21, _milliseconds), (0x30, _place), (0x33, _movement), (0x34, _altitude), (0x35, _precision),
    (0x40, _status), (0x41, _power), (0x42, _battery), (0x43, _signed("deviceTemp")), (0x90, _driver), (0xC0, _fuel_total),
    (0xC1, _engine), (0xD4, _odometer), (TEXT, _text), (ARRAY, _hex("userDataArray")), (REST, _hex("resultData")),
    (EXTENDED, _extended), (0x5B, _hex("refrigerator")), (0x5C, _hex("tyres")), (0x5D, _hex("dosimeter")),
    (0xFA, _hex("ecoDriveMore")),
    *((0x63 + n, _fuel_sensor(3 + n)) for n in range(13)),
    *((0x70 + n, _signed(f"temp{n}", 1)) for n in range(8)),
    *((0x80 + n, _hygrometer(n)) for n in range(8)),
    *((0x88 + n, _signed(f"fuelTemp{n}")) for n in range(5)),
):  # fmt: skip
    READERS[_tag] = _reader


def _value(data: bytes, tag: int, at: int) -> tuple[int, int]:
    """Where a tag's value begins and ends. Raises CantRead, as nothing behind an unknown tag can be told apart."""
    size = SIZES[tag]
    if size == SHORT and at < len(data):
        size = data[at]
        at += 1
    elif size == LONG and at + 1 < len(data):
        size = data[at] | data[at + 1] << 8
        at += 2
    elif size <= 0:
        raise CantRead(f"tag {tag:#04x} is unknown or cut short")
    if at + size > len(data):
        raise CantRead(f"tag {tag:#04x} is cut short")
    return at, at + size


def _take(report: Report, tag: int, value: bytes) -> None:
    if name := NAMES[tag]:
        report.attributes[name] = int.from_bytes(value, "little")
    elif (reader := READERS[tag]) is not None:
        reader(report, value)


# --- The session -------------------------------------------------------------------------------------------------------------


class Link(Stream):
    """One connection. `now` is asked for the year of compressed records; tests hand in their own."""

    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        super().__init__()
        self._now = now
        self._photo_bytes = 0

    def cut(self, data: Buffer, at: int) -> int:
        if data[at] not in HEADS:
            return min(at + 16, len(data))
        if len(data) < at + 6:
            return at + 5 if len(data) == at + 5 and not (data[at + 1] | data[at + 2] & 0x7F) else MORE
        if data[at] == TAGGED and data[at + 3 : at + 6] == IRIDIUM:
            return at + 3 + int.from_bytes(data[at + 1 : at + 3], "big")
        return at + 5 + (data[at + 1] | (data[at + 2] & 0x7F) << 8)

    def hear(self, message: bytes, received: Received) -> None:
        if message[0] not in HEADS:
            self.close("no Galileosky packet begins here", message, received)
        elif message[0] == TAGGED and message[3:6] == IRIDIUM:
            self._iridium(message, received)
        elif crc16.modbus(message[:-2]) != message[-2] | message[-1] << 8:
            frame = self._frame(message, b"")
            self.reject("the packet's crc is wrong", message, received, frame)
        elif message[0] == TAGGED:
            self._tags(message, received)
        elif message[0] == COMPRESSED:
            received.frames.append(self._frame(message, bytes((ANSWERED,)) + message[-2:]))
        elif message[0] == PHOTO:
            self._photo(message, received)
        elif self.known:
            received.reply += bytes((ANSWERED,)) + message[-2:]

    def _frame(self, message: bytes, ack: bytes) -> Frame:
        if message[0] == COMPRESSED:
            return Frame("compressed", message[3:-2], ack, context=int(self._now().timestamp()))
        return Frame("tags" if message[0] == TAGGED else "other", message[3:-2], ack)

    def _tags(self, message: bytes, received: Received) -> None:
        imei, at = _head(message)
        if imei is not None and not self.speaks(imei.decode("ascii", "replace"), message, received):
            return
        answer = bytes((ANSWERED,)) + message[-2:]
        if at == len(message) - 2:  # the login
            if imei is not None:
                received.reply += answer
            return
        if message[at] == NUMBER and len(message) > at + 7 and message[at + 5] == TEXT:
            serial = int.from_bytes(message[at + 1 : at + 5], "little")
            text = message[at + 7 : min(at + 7 + message[at + 6], len(message) - 2)]
            received.answers.append(Answer(text.decode("cp1251", "replace"), serial=serial if 0 < serial < 0x10000 else None))
        received.frames.append(Frame("tags", message[3:-2], answer))

    def _photo(self, message: bytes, received: Received) -> None:
        answer = bytes((PHOTO,)) + message[-2:]
        if len(message) > 6:
            self._photo_bytes += len(message) - 6
            if self.known:
                received.reply += answer
        else:
            received.frames.append(Frame("photo", self._photo_bytes.to_bytes(8, "little"), answer))
            self._photo_bytes = 0

    def _iridium(self, message: bytes, received: Received) -> None:
        imei = message[10:25].decode("ascii", "replace")
        if len(message) < 34:
            self.reject("the Iridium header is cut short", message, received)
        elif self.speaks(imei, message, received):
            received.frames.append(Frame("iridium", message[3:], context=int(self._now().timestamp())))

    def command(self, command: Command, serial: int, password: str) -> bytes:
        """The IMEI says which tracker is meant, as the manual wants it; the number comes back with the answer."""
        text = words(command).encode("cp1251", "replace")
        imei = self.tracker.encode("ascii", "replace")
        if len(imei) != IMEI_BYTES:
            raise CannotSend("the tracker has not said its IMEI of 15 digits")
        if len(text) > 255:
            raise CannotSend("a Galileosky command has at most 255 letters")
        content = bytes((IMEI,)) + imei + b"\x04\0\0" + bytes((NUMBER,)) + serial.to_bytes(4, "little")
        content += bytes((TEXT, len(text))) + text
        packet = bytes((TAGGED,)) + len(content).to_bytes(2, "little") + content
        return packet + crc16.modbus(packet).to_bytes(2, "little")


def _head(message: bytes) -> tuple[bytes | None, int]:
    """The IMEI, if one of the tags in front says it, and where the first tag stands that isn't of a login."""
    imei, at, end = None, 3, len(message) - 2
    while at < end and message[at] <= 0x04 and (size := SIZES[message[at]]) and at + 1 + size <= end:
        if message[at] == IMEI:
            if imei is not None:  # the next record
                break
            imei = message[at + 1 : at + 16]
        at += 1 + size
    return imei, at


def words(command: Command, password: str = "") -> str:
    """A command as Galileosky's manual writes it, the same over the net and by SMS. Raises CannotSend."""
    match command.type:
        case "custom":
            return str(command["data"])
        case "deviceIdentification":
            return "IMEI"
        case "getDeviceStatus":
            return "Status"
        case "outputControl":
            return f"Out {command['index']},{command['data']}"
        case "positionPeriodic":
            return f"WrPeriod {command['frequency']},{command['frequency']}"
        case "rebootDevice":
            return "Reset"
        case "requestPhoto":
            return f"Makephoto {command['index']}"
        case "setConnection":
            return f"ServerIp {command['server']},{command['port']}"
    raise CannotSend(f"a Galileosky tracker has no words for {command.type}; send its own as a custom command")


# --- Reading records ---------------------------------------------------------------------------------------------------------


def read(frame: Frame) -> Iterator[Report]:
    """The reports of one packet in its order. Raises CantRead at a tag that no manual has; what came before it is given."""
    if frame.kind == "tags":
        yield from _read_tags(frame.payload)
    elif frame.kind == "compressed":
        at = 0
        while at + 11 <= len(frame.payload):
            report = Report()
            try:
                at = _read_compressed(report, frame.payload, at, frame.context)
            finally:
                yield report
    elif frame.kind == "iridium":
        yield _read_iridium(frame.payload, frame.context)
    elif frame.kind == "photo":
        yield Report(attributes={"photoBytes": int.from_bytes(frame.payload, "little")})


def _read_tags(data: bytes) -> Iterator[Report]:
    report, at, end = Report(), 0, len(data)
    seen: set[int] = set()
    try:
        while at < end:
            tag = data[at]
            if tag in seen:
                if _tells(report):
                    yield report
                report = Report()
                seen.clear()
            seen.add(tag)
            size = SIZES[tag]
            if size > 0 and at + size < end:
                start, at = at + 1, at + 1 + size
            else:
                start, at = _value(data, tag, at + 1)
            if name := NAMES[tag]:
                report.attributes[name] = int.from_bytes(data[start:at], "little")
            elif (reader := READERS[tag]) is not None:
                reader(report, data[start:at])
    except CantRead:
        if _tells(report):
            yield report
        raise
    if _tells(report):
        yield report


def _tells(report: Report) -> bool:
    """Whether it is a record, and not just who the tracker is."""
    return report.time_ms is not None or report.latitude == report.latitude or "result" in report.attributes


def _read_compressed(report: Report, data: bytes, at: int, now_s: int) -> int:
    """One compressed record; where the next begins. Raises CantRead."""
    bits = int.from_bytes(data[at : at + 10], "big")
    report.time_ms = _this_year_ms(bits >> 54 & 0x1FFFFFF, now_s)
    report.valid = not bits >> 53 & 1
    report.longitude = (bits >> 31 & 0x3FFFFF) * 360 / (1 << 22) - 180
    report.latitude = (bits >> 10 & 0x1FFFFF) * 180 / (1 << 21) - 90
    if bits >> 9 & 1:
        report.alarm("general")
    count = data[at + 10] & 0x7F
    tags = data[at + 11 : at + 11 + count]
    at += 11 + count
    for tag in tags:
        start, at = _value(data, tag, at)
        _take(report, tag, data[start:at])
    return at


def _this_year_ms(second: int, now_s: int) -> int:
    """That second of this year, or of the last one when it were to come: a record of New Year's Eve is sent after it."""
    year = datetime.fromtimestamp(now_s, UTC).year
    time_s = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) + second
    if time_s > now_s + DAY_S and year > 1970:
        time_s = int(datetime(year - 1, 1, 1, tzinfo=UTC).timestamp()) + second
    return time_s * 1000


def _read_iridium(data: bytes, now_s: int) -> Report:
    """Header: number u32 | IMEI | session's state u8 | counters u16, u16 | time u32. Place: flags u8 (1: west, 2: south) |
    degrees u8 | thousandths of a minute u16, for each of both | radius u32, km. Big-endian."""
    report, content, at = Report(), b"", 0
    while at + 3 <= len(data):
        what, end = data[at], at + 3 + int.from_bytes(data[at + 1 : at + 3], "big")
        element = data[at + 3 : end]
        if what == 1 and len(element) >= 28:
            report.time_ms = int.from_bytes(element[24:28], "big") * 1000
        elif what == 3 and len(element) >= 7:
            latitude = element[1] + int.from_bytes(element[2:4], "big") / 60_000
            longitude = element[4] + int.from_bytes(element[5:7], "big") / 60_000
            report.latitude = -latitude if element[0] & 2 else latitude
            report.longitude = -longitude if element[0] & 1 else longitude
            if len(element) >= 11:
                report.accuracy_m = int.from_bytes(element[7:11], "big") * 1000
        elif what == 2:
            content = element
        at = end
    if _is_tags(content):
        at = 0
        while at < len(content):
            start, stop = _value(content, content[at], at + 1)
            _take(report, content[at], content[start:stop])
            at = stop
    elif len(content) >= 11:
        _read_compressed(report, content, 0, now_s)
    return report


def _is_tags(content: bytes) -> bool:
    """Whether that is tags from the first to the last byte, each once and rising; compressed records hardly ever are."""
    at, last = 0, 0
    while at < len(content):
        if content[at] <= last:
            return False
        last = content[at]
        try:
            _, at = _value(content, last, at + 1)
        except CantRead:
            return False
    return True


CODEC = Codec(
    name="galileo",
    port=5034,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=None,
    decode=decode_each(read),
    makers="Galileosky",
    models="2.3, 2.5, 5.0, 5.1, 7.0, 7x, 10, Base Block, Boss-Tracker",
    reads="ignition, motion, supply, battery, GSM, satellites, odometer, inputs, outputs, analog, temperatures, fuel sensors, "
    "CAN, Modbus, Bluetooth, drivers' keys, user data, alarms",
    source="Galileosky, Protocol of data exchange with the server; Iridium SBD DirectIP; names of attributes as Traccar has them",
    commands=(
        "custom", "deviceIdentification", "getDeviceStatus", "outputControl", "positionPeriodic", "rebootDevice",
        "requestPhoto", "setConnection",
    ),
    sms=words,
)  # fmt: skip
