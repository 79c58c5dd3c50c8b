"""Navtelecom over TCP: NTCB, and FLEX inside it (1.0, 2.0 and 3.0).

NTCB       "@NTC" | for whom u32 | from whom u32 | length u16 | xor of the data u8 | xor of the 15 bytes before it u8 | data
           all numbers little-endian; the answer swaps the two numbers; no data: the tracker is still there, as is a single 7F
Data       *>S:IMEI                                  says who is talking          *<S
           *>T record | *>A count u8 | records       see NTCB_FORMATS             *<T number u32 | *<A count u8
           *>FLEX B0 | version u8 | structure u8 | count of bits u8 | bits, from the highest: which of FIELDS the records hold
                                                                                  *<FLEX B0 | version u8 | structure u8
           any other text is the answer to a command, or news: *@…
FLEX       "~" | letter | what it says | crc8, polynomial 0x31, from 0xFF; answered in the same form, after the commit
           A  count u8 | records                                                  ~A count u8
           T  number u32 | record, an event                                       ~T number u32
           C  record, the present state                                           ~C
           E  count u8 | each: length u16 | extra record                          ~E count u8
           X  length u16 | number u32 | extra record                              ~X number u32
           A, T and C are one length each once the bits are agreed; an extra record says what it is: see EXTRA
Command    NTCB with text, such as *!SETOUT 1Y
Source     Navtelecom, "Protocol NTCB" 6.x and "Protocol FLEX" 1.0, 2.0, 3.0; names of attributes as in Traccar

Lengths of extra records are little-endian by the manual; some trackers write them the other way round, which is taken where the
first byte is 0. The length in X may count itself: the checksum tells. FLEX 4.0 and later is answered with 3.0.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import lru_cache, reduce
from math import degrees
from operator import xor
from typing import Any

from fastcrc import crc8

from protocols.commands import Answer, CannotSend, Command
from protocols.fields import time_ms
from protocols.frames import ANSWER, Frame
from protocols.reports import CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 256 << 10  # 255 records of FLEX 3.0 with every field
HEAD_BYTES = 16
AT, TILDE, STILL_THERE = 0x40, 0x7E, 0x7F
VERSIONS = (0x0A, 0x14, 0x1E)  # 1.0, 2.0, 3.0


class Link(Stream):
    """One connection: first NTCB, and FLEX from the moment when its fields are agreed."""

    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self) -> None:
        super().__init__()
        self._route = b"@NTC\1\0\0\0\0\0\0\0"  # preamble, us and the tracker, as it writes them
        self._fields = b""  # count of bits, and bits
        self._record_bytes = 0

    def cut(self, data: Buffer, at: int) -> int:
        size = len(data) - at
        if data[at] == AT:
            if size < HEAD_BYTES:
                return MORE
            right = reduce(xor, data[at : at + 15]) == data[at + 15]
            return at + HEAD_BYTES + (data[at + 12] | data[at + 13] << 8 if right else 0)
        if data[at] != TILDE:
            return at + 1
        if size < 3:
            return MORE
        letter = data[at + 1]
        if letter == 0x41:  # A
            return at + 4 + self._record_bytes * data[at + 2]
        if letter == 0x54:  # T
            return at + 7 + self._record_bytes
        if letter == 0x43:  # C
            return at + 3 + self._record_bytes
        if letter == 0x45:  # E
            return self._cut_extras(data, at)
        if letter == 0x58:  # X
            if size < 4:
                return MORE
            end = at + 7 + (data[at + 2] | data[at + 3] << 8)
            if len(data) < end:
                return MORE
            return end if crc8.nrsc_5(bytes(data[at : end - 1])) == data[end - 1] else end + 2
        return at + 2

    def _cut_extras(self, data: Buffer, at: int) -> int:
        end = at + 3
        for _ in range(data[at + 2]):
            if len(data) < end + 2:
                return MORE
            end += 2 + _length(data, end)
        return end + 1

    def hear(self, message: bytes, received: Received) -> None:
        if message[0] == AT:
            self._ntcb(message, received)
        elif message[0] == TILDE:
            self._flex(message, received)
        elif message[0] != STILL_THERE:
            self.close("neither NTCB nor FLEX begins here", message, received)

    # --- NTCB

    def _ntcb(self, message: bytes, received: Received) -> None:
        if reduce(xor, message[:15]) != message[15]:
            self.close("the xor of the head is wrong", message, received)
            return
        self._route = message[:12]
        data = message[16:]
        if not data:
            return
        if reduce(xor, data) != message[14]:
            unchecked = self._records(data)
            self.reject("the xor of the data is wrong", message, received, unchecked)
        elif data.startswith(b"*>S"):
            if self.speaks(data[4:].decode("ascii", "replace").strip(" \0"), message, received):
                received.reply += self._say(b"*<S")
        elif data.startswith(b"*>FLEX"):
            self._agree(data[6:], message, received)
        elif (frame := self._records(data)) is not None:
            received.frames.append(frame)
        else:
            text = _text(data)
            received.answers.append(Answer(text))
            received.frames.append(Frame("text", text.encode()))

    def _records(self, data: bytes) -> Frame | None:
        """The frame of T or A; None: it is neither."""
        if data.startswith(b"*>T"):
            number = data[5:9] if data[3:4] == b"\0" else data[4:8]
            return Frame("ntcb", b"\1" + data[3:], self._say(b"*<T" + number))
        if data.startswith(b"*>A"):
            return Frame("ntcb", data[3:], self._say(b"*<A" + data[3:4]))
        return None

    def _agree(self, data: bytes, message: bytes, received: Received) -> None:
        """What the records of FLEX are to hold. A version that isn't known is answered with one that is."""
        if len(data) < 4 or data[0] != 0xB0 or len(data) < 4 + (data[3] + 7) // 8:
            self.reject("FLEX's fields can't be read", message, received)
            return
        version, structure, bits = data[1], data[2], data[3]
        if version in VERSIONS and structure in VERSIONS:
            self._fields = data[3 : 4 + (bits + 7) // 8]
            self._record_bytes = _plan(self._fields)[0].size
        else:
            version, structure = (VERSIONS[-1] if one > VERSIONS[-1] else VERSIONS[1] for one in (version, structure))
        received.reply += self._say(b"*<FLEX\xb0" + bytes((version, structure)))

    def _say(self, data: bytes) -> bytes:
        """NTCB to the tracker."""
        head = (
            self._route[:4] + self._route[8:12] + self._route[4:8] + len(data).to_bytes(2, "little") + bytes((reduce(xor, data),))
        )
        return head + bytes((reduce(xor, head),)) + data

    def command(self, command: Command, serial: int, password: str) -> bytes:
        match command.type:
            case "custom":
                text = str(command["data"])
            case "outputControl":
                if command["data"] not in ("0", "1"):
                    raise CannotSend("an output's state is 1 or 0")
                text = f"*!SETOUT {command['index']}{'Y' if command['data'] == '1' else 'N'}"
            case _:
                raise CannotSend(f"Navtelecom has no words for {command.type}; send its own as a custom command")
        return self._say(text.encode("cp1251", "replace"))

    # --- FLEX

    def _flex(self, message: bytes, received: Received) -> None:
        letter, name = message[1:2], message[:2]
        if letter not in b"ATCEX" or (letter in b"ATC" and not self._record_bytes):
            self.close("FLEX, whose fields have not been agreed", message, received)
            return
        body = message[2:-1]
        if letter == b"A":
            frame = Frame("flex", self._fields + body, _summed(name + body[:1]))
        elif letter == b"T":
            frame = Frame("flex", self._fields + b"\1" + body[4:], _summed(name + body[:4]))
        elif letter == b"C":
            frame = Frame("flex", self._fields + b"\1" + body, _summed(name))
        elif letter == b"E":
            frame = Frame("extra", body, _summed(name + body[:1]))
        else:
            frame = Frame("extra", b"\1" + len(body[6:]).to_bytes(2, "little") + body[6:], _summed(name + body[2:6]))
        if crc8.nrsc_5(message[:-1]) != message[-1]:
            self.reject("FLEX's crc is wrong", message, received, frame)
        elif letter in b"AE" and body[:1] in (b"", b"\0"):
            received.frames.append(Frame(ANSWER, b"", frame.ack))
        else:
            received.frames.append(frame)


def _length(data: Buffer, at: int) -> int:
    """Of an extra record."""
    return data[at + 1] if data[at] == 0 else data[at] | data[at + 1] << 8


def _summed(data: bytes) -> bytes:
    return data + bytes((crc8.nrsc_5(data),))


def _text(data: bytes) -> str:
    text = data.decode("cp1251", "replace")
    return text if text.isprintable() else data.hex()


# --- NTCB's records ----------------------------------------------------------------------------------------------------------

NTCB_HEAD = struct.Struct("<IH6B3B")  # number | event | its time: h m s day month-1 year-2000 | state | modules | GSM
PLACE = "B6BfffHffHH"  # 2 valid | time as above | latitude, longitude, radian | km/h | course | odometer, km | way, km | seconds
PLACE_60 = "B6BiiifHffHH"  # 2 valid, 4.. satellites | time | latitude, longitude, 1e-4 minute | altitude, 0.1 m | the same
NTCB_FORMATS: dict[
    int, tuple[struct.Struct, tuple[str, ...], str]
] = {  # number: layout, names of what is in front, place, temperatures
    number: (struct.Struct("<" + front + place + behind), tuple(names.split()), place)
    for number, front, names, place, behind in (
        (0x01, "HHHHhHH", "output input power battery temp1 adc1 adc2", "", ""),
        (0x02, "HHHHhHHII", "output input power battery temp1 adc1 adc2 count1 count2", PLACE, ""),
        (0x03, "HHHHh", "output input power battery temp1", "", ""),
        (0x04, "BHHH4b", "output input power battery temp1 temp2 temp3 temp4", "", ""),
        (0x05, "BBHHHHII", "state input power battery adc1 adc2 count1 count2", PLACE, ""),
        (0x15, "BBHHHHII", "state input power battery adc1 adc2 count1 count2", PLACE, "HbHHbHHbH"),
        (0x25, "BBHHHHII", "state input power battery adc1 adc2 count1 count2", PLACE, "HbHHbHHbH4b"),
        (
            0x06,
            "BBHHHHHIIHHHbHbHbHbHbHbHbHb4biH",
            "output input power battery adc1 adc2 adc3 count1 count2 freq1 freq2 fuel0 fuelTemp0 fuel1 fuelTemp1 fuel2 fuelTemp2 "
            "fuel3 fuelTemp3 fuel4 fuelTemp4 fuel5 fuelTemp5 fuel6 fuelTemp6 fuel7 fuelTemp7 "
            "temp1 temp2 temp3 temp4 axleWeight rpm",
            PLACE_60,
            "",
        ),
    )
}
NO_FUEL = 0xFA00  # and above: the sensor isn't there or doesn't answer
NO_TEMPERATURE = -128
OUTPUT_BITS = {0x01: 16, 0x02: 16, 0x03: 16, 0x04: 4, 0x05: 2, 0x15: 2, 0x25: 2, 0x06: 4}
INPUT_BITS = {0x01: 16, 0x02: 16, 0x03: 16, 0x05: 8, 0x15: 8, 0x25: 8, 0x06: 8}
IN, OUT = tuple(f"in{n + 1}" for n in range(16)), tuple(f"out{n + 1}" for n in range(16))


def _read_ntcb(data: bytes) -> Iterator[Report]:
    at = 1
    for _ in range(data[0]):
        if data[at] == 0:  # two bytes of format, by some
            at += 1
        number = data[at]
        if number not in NTCB_FORMATS:
            raise CantRead(f"format {number:#04x} of NTCB is unknown")
        layout, names, place = NTCB_FORMATS[number]
        at += 1
        if len(data) < at + NTCB_HEAD.size + layout.size:
            raise CantRead("the record is cut short")
        head = NTCB_HEAD.unpack_from(data, at)
        values = layout.unpack_from(data, at + NTCB_HEAD.size)
        at += NTCB_HEAD.size + layout.size
        report = Report()
        _ntcb_head(report, number, head)
        _ntcb_telemetry(report, number, dict(zip(names, values, strict=False)))
        if place:
            _ntcb_place(report, values[len(names) :], place)
            if place is PLACE:
                _ntcb_fuel(report, values[len(names) + 15 :])
        else:
            report.time_ms = _clock(head[2:8])
        yield report


def _ntcb_head(report: Report, number: int, head: tuple[int, ...]) -> None:
    state = head[8]
    alarmed = state & (2 if number == 0x06 else 0x80)
    report.attributes = {
        "format": number,
        "index": head[0],
        "event": head[1],
        "armed": bool(state & 1) if number == 0x06 else state & 0x7F,
        "status": head[9],
    }
    report.gsm = head[10]
    if alarmed:
        report.alarm("general")


def _ntcb_telemetry(report: Report, number: int, values: dict[str, int]) -> None:
    attributes = report.attributes
    if "state" in values:
        report.satellites = values["state"] >> 2
        values["output"] = values.pop("state") & 3
    report.power_v = values.pop("power") / 1000
    report.battery_v = values.pop("battery") / 1000
    values["output"] &= (1 << OUTPUT_BITS[number]) - 1
    for bit in range(OUTPUT_BITS[number]):
        attributes[OUT[bit]] = bool(values["output"] >> bit & 1)
    if number == 0x04:  # some of its inputs count: bits and what they are
        wide = values["input"]
        attributes |= {name: bool(wide >> bit & 1) for bit, name in enumerate(IN[:4])}
        attributes |= {"in5": wide >> 4 & 7, "in6": wide >> 7 & 7, "in7": wide >> 10 & 3, "in8": wide >> 12 & 3}
    for bit in range(INPUT_BITS.get(number, 0)):
        attributes[IN[bit]] = bool(values["input"] >> bit & 1)
    for name, value in values.items():
        if name.startswith("fuelTemp"):
            absent = f"fuel{name[8:]}" not in attributes
        else:
            absent = (name[:4] == "temp" and value == NO_TEMPERATURE) or (name[:4] == "fuel" and value >= NO_FUEL)
        if not absent:
            attributes[name] = value


def _ntcb_place(report: Report, values: tuple[Any, ...], place: str) -> None:
    report.valid = bool(values[0] & 2)
    report.time_ms = _clock(values[1:7])
    if place is PLACE:
        report.latitude, report.longitude = degrees(values[7]), degrees(values[8])
        speed, course, odometer, way = values[9:13]
    else:
        report.satellites = values[0] >> 2
        report.latitude, report.longitude = values[7] / 600_000, values[8] / 600_000
        report.altitude_m = values[9] / 10
        speed, course, odometer, way = values[10:14]
    report.speed_kmh, report.course_deg = speed, course
    report.odometer_m = odometer * 1000
    if way == way:
        report.attributes["distance"] = way * 1000


def _ntcb_fuel(report: Report, values: tuple[int, ...]) -> None:
    """Three fuel sensors: level, temperature, frequency; four thermometers."""
    for sensor in range(min(3, len(values) // 3)):
        if values[sensor * 3] < NO_FUEL:
            report.attributes[f"fuel{sensor + 1}"] = values[sensor * 3]
            report.attributes[f"fuelTemp{sensor + 1}"] = values[sensor * 3 + 1]
    for place, value in enumerate(values[9:]):
        if value != NO_TEMPERATURE:
            report.attributes[f"temp{place + 1}"] = value


def _clock(fields: tuple[int, ...]) -> int | None:
    """Hour, minute, second, day, month from 0, year; None where there is none yet."""
    hour, minute, second, day, month, year = fields
    try:
        return time_ms(year + 2000, month + 1, day, hour, minute, second)
    except CantRead:
        return None


# --- FLEX's records ----------------------------------------------------------------------------------------------------------

Reader = Callable[[Report, Any], None]


def _column(name: str, factor: float = 1) -> Reader:
    def reader(report: Report, value: Any) -> None:
        setattr(report, name, value * factor)

    return reader


def _bits(name: str, names: tuple[str, ...], shift: int = 0) -> Reader:
    def reader(report: Report, value: int) -> None:
        report.attributes[name] = (report.attributes.get(name, 0) if shift else 0) | value << shift
        for bit in range(8):
            report.attributes[names[bit + shift]] = bool(value >> bit & 1)

    return reader


def _sensor(name: str, absent: int) -> Reader:
    def reader(report: Report, value: int) -> None:
        if (value < absent) if absent > 0 else (value != absent):
            report.attributes[name] = value

    return reader


def _level(number: int) -> Reader:
    def reader(report: Report, value: bytes) -> None:
        level = value[0] | value[1] << 8
        if level < NO_FUEL:
            report.attributes[f"fuel{number}"] = level
            report.attributes[f"fuelTemp{number}"] = value[2] - (value[2] & 0x80) * 2

    return reader


def _armed(report: Report, value: int) -> None:
    report.attributes["armed"] = bool(value & 1)
    if value & 2:
        report.alarm("general")


def _modules(report: Report, value: int) -> None:
    report.attributes["status"] = report.attributes.get("status", 0) | value << 8


def _event_time(report: Report, value: int) -> None:
    if report.time_ms is None:
        report.time_ms = value * 1000


def _fix_time(report: Report, value: int) -> None:
    if value:
        report.time_ms = value * 1000


def _satellites(report: Report, value: int) -> None:
    report.valid = bool(value & 2)
    report.satellites = value >> 2


def _visible(report: Report, value: bytes) -> None:
    report.attributes["satVisible"] = sum(value)


def _precision(report: Report, value: bytes) -> None:
    report.attributes["hdop"], report.attributes["pdop"] = value[0] / 10, value[1] / 10


def _hours(report: Report, value: int) -> None:
    report.engine_hours_s = value


FIELDS: dict[int, tuple[str, str | Reader | None]] = {  # number as in the manual, from 1: layout, and where it goes
    1: ("I", "index"),
    2: ("H", "event"),
    3: ("I", _event_time),
    4: ("B", _armed),
    5: ("B", "status"),
    6: ("B", _modules),
    7: ("B", _column("gsm")),
    8: ("B", _satellites),
    9: ("I", _fix_time),
    10: ("i", _column("latitude", 1 / 600_000)),
    11: ("i", _column("longitude", 1 / 600_000)),
    12: ("i", _column("altitude_m", 0.1)),
    13: ("f", _column("speed_kmh")),
    14: ("H", _column("course_deg")),
    15: ("f", _column("odometer_m", 1000)),  # km
    16: ("f", lambda report, value: report.attributes.__setitem__("distance", value * 1000)),
    17: ("H", None),  # seconds of the last way
    18: ("H", None),  # and those with a valid place
    19: ("H", _column("power_v", 0.001)),
    20: ("H", _column("battery_v", 0.001)),
    **{21 + n: ("H", f"adc{n + 1}") for n in range(8)},  # mV
    29: ("B", _bits("input", IN)),
    30: ("B", _bits("input", IN, 8)),
    31: ("B", _bits("output", OUT)),
    32: ("B", _bits("output", OUT, 8)),
    33: ("I", "count1"),
    34: ("I", "count2"),
    35: ("H", "freq1"),
    36: ("H", "freq2"),
    37: ("I", _hours),
    **{38 + n: ("H", _sensor(f"rs485Fuel{n + 1}", 65500)) for n in range(6)},
    44: ("H", _sensor("rs232Fuel", 65500)),
    **{45 + n: ("b", _sensor(f"temp{n + 1}", NO_TEMPERATURE)) for n in range(8)},
    53: ("H", "canFuelLevel"),
    54: ("f", "fuelUsed"),  # l
    55: ("H", "rpm"),
    56: ("b", "coolantTemp"),
    57: ("f", "canOdometer"),  # km
    **{58 + n: ("H", f"axleLoad{n + 1}") for n in range(5)},
    63: ("B", "throttle"),
    64: ("B", "brake"),
    65: ("B", "engineLoad"),
    66: ("H", "adBlue"),
    67: ("I", "canHours"),
    68: ("h", "serviceDistance"),
    69: ("B", "obdSpeed"),
    70: ("8s", _visible),
    71: ("2s", _precision),
    **{78 + n: ("b", _sensor(f"fuelTemp{n + 1}", NO_TEMPERATURE)) for n in range(6)},
    **{84 + n: ("3s", _level(7 + n)) for n in range(10)},
}
SIZES = {  # of the fields that are passed over, in bytes
    **dict.fromkeys((72, 98, 99, 101, 104, 118, *range(122, 127), 139, 140, 144, 145, *range(167, 171)), 1),
    **dict.fromkeys((199, 202, *range(207, 223)), 1),
    **dict.fromkeys((142, 146, 198), 3),
    **dict.fromkeys((74, 76, 102, 103, 105, *range(127, 133), 172, 173, 174, 176, 179, *range(193, 197), 203, 205, 206), 4),
    **dict.fromkeys(range(238, 253), 4),
    73: 16,
    77: 37,
    94: 6,
    95: 12,
    96: 24,
    97: 48,
    107: 6,
    109: 6,
    197: 6,
    204: 5,
    253: 8,
    254: 8,
    255: 8,
}


@lru_cache(maxsize=1024)  # a mask per model and setting
def _plan(fields: bytes) -> tuple[struct.Struct, tuple[str | Reader | None, ...]]:
    """How a record of these fields (count of bits, bits) is laid out, and where each of its values goes."""
    layout, places = "<", []
    for bit in range(fields[0]):
        if fields[1 + bit // 8] >> 7 - bit % 8 & 1:
            code, place = FIELDS.get(bit + 1, (f"{SIZES.get(bit + 1, 2)}s", None))
            layout += code
            places.append(place)
    return struct.Struct(layout), tuple(places)


def _read_flex(data: bytes) -> Iterator[Report]:
    at = 1 + (data[0] + 7) // 8
    layout, places = _plan(data[:at])
    for number in range(data[at]):
        start = at + 1 + number * layout.size
        if len(data) < start + layout.size:
            raise CantRead("the record is cut short")
        report = Report()
        attributes = report.attributes
        for place, value in zip(places, layout.unpack_from(data, start), strict=True):
            if type(place) is str:
                attributes[place] = value
            elif place is not None:
                place(report, value)  # type: ignore[operator] # it is no str
        yield report


EXTRA = struct.Struct("<BBIHIBIiiifHf")
"""0A | bytes of what always is there | number | event | its time | 2 valid, 4.. satellites | time | latitude, longitude in 1e-4
minute | altitude, 0.1 m | km/h | course | odometer, km; behind it what the accelerometer saw"""


def _read_extra(data: bytes) -> Iterator[Report]:
    at = 1
    for _ in range(data[0]):
        size = _length(data, at)
        record = data[at + 2 : at + 2 + size]
        at += 2 + size
        if len(record) < EXTRA.size or record[0] != 0x0A:
            raise CantRead("an extra record that no manual has")
        values = EXTRA.unpack_from(record)
        report = Report(time_ms=values[6] * 1000)
        _satellites(report, values[5])
        report.latitude, report.longitude = values[7] / 600_000, values[8] / 600_000
        report.altitude_m = values[9] / 10
        report.speed_kmh, report.course_deg, report.odometer_m = values[10], values[11], values[12] * 1000
        report.attributes["index"], report.attributes["event"] = values[2], values[3]
        yield report


def read(frame: Frame) -> Iterator[Report]:
    """The reports of one message in its order. Raises CantRead; what came before it is given."""
    if frame.kind == "ntcb":
        yield from _read_ntcb(frame.payload)
    elif frame.kind == "flex":
        yield from _read_flex(frame.payload)
    elif frame.kind == "extra":
        yield from _read_extra(frame.payload)
    else:
        yield Report(attributes={"result": frame.payload.decode()})


CODEC = Codec(
    name="navis",
    port=5019,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=None,
    decode=decode_each(read),
    makers="Navtelecom",
    models="SIGNAL S-2115, S-2551, S-2651, S-4651, SMART S-2330, S-2430, S-2435",
    reads="supply, battery, GSM, satellites, odometer, engine hours, inputs, outputs, adc, counters, temperatures, fuel sensors, "
    "CAN, state of guard, alarms",
    source="Navtelecom, Protocol NTCB and Protocol FLEX 1.0 to 3.0; names of attributes as Traccar has them",
    commands=("custom", "outputControl"),
)
