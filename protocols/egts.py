"""EGTS (ERA-GLONASS Telematics Standard) over TCP: Russia's national standard, spoken by trackers and between servers.

Packet     version u8 = 1 | key u8 | flags u8 | header's length u8 | encoding u8 | data's length u16 | number u16 | type u8 |
           [peer u16 | recipient u16 | time to live u8, if flag 0x20] | crc8 of the header | data | crc16 of the data
           all numbers little-endian; crc8: polynomial 0x31, from 0xFF; crc16: CCITT, from 0xFFFF; no data: no crc16
Type       0 answer: number of the packet u16 | result u8 | records     1 records
           2 signature's length u16 | signature | records
Record     length u16 | number u16 | flags u8 | [object u32, if 1] | [event u32, if 2] | [time u32, if 4] | service u8 |
           service of the recipient u8 | subrecords
Subrecord  type u8 | length u16 | fields; see READERS. Of the service 1, authentication: TERM_IDENTITY says who it is
Reply      an answer (type 0) with RECORD_RESPONSE (number of the record u16 | result u8) for each record; behind TERM_IDENTITY
           or DISPATCHER_IDENTITY (a server logs in) also records (type 1) with RESULT_CODE, at once.
           Results: 0 done, 129 can't be decrypted, 138 wrong crc, 151 not one of ours
Source     GOST R 54619-2011 (services, subrecords), GOST R 56361-2015 and 33472 (the same, renewed); names as in Traccar

A tracker is known by its IMEI, or what else TERM_IDENTITY holds (IMSI, phone number, number of the terminal). Servers and
trackers that don't log in say in each record whose it is: the object's number, in decimal. A packet may then hold several.
Each POS_DATA begins a report, also inside one record (Traccar keeps the last of them only). A place that the tracker calls
invalid is left out and its telemetry kept, as Traccar leaves out the report.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from fastcrc import crc8, crc16

from protocols.frames import ANSWER, Frame
from protocols.reports import Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 16 + 65535 + 2
HEADS = (11, 16)  # bytes of a header without and with the route
RESPONSE, APPDATA, SIGNED = 0, 1, 2
AUTH, TELEDATA = 1, 2
RECORD_RESPONSE, TERM_IDENTITY, DISPATCHER_IDENTITY, RESULT_CODE = 0, 1, 5, 9
DONE, CANT_DECRYPT, WRONG_CRC, NOT_OURS = 0, 129, 138, 151
SINCE_2010_MS = 1_262_304_000_000
RECORD = struct.Struct("<HHB")


class Record:
    """One record of a packet; object 0: it says none; time 0: not sent, else seconds since 2010."""

    __slots__ = ("body", "number", "object_id", "service", "time_s")

    def __init__(self, number: int, object_id: int, time_s: int, service: int, body: bytes) -> None:
        self.number, self.object_id, self.time_s, self.service, self.body = number, object_id, time_s, service, body


class Link(Stream):
    """One connection. The object's number of a record is passed over once the tracker has said who it is."""

    largest_frame_bytes = LARGEST_FRAME_BYTES
    most_trackers = 4096  # a packet holds 64 kB of records, each of any tracker

    def __init__(self) -> None:
        super().__init__()
        self.identified = False
        self._number = 0  # of our packets and records
        self._waiting: list[list[Record]] | None = None  # what is left of a packet that asks whose it is
        self._results: list[tuple[Record, int]] = []  # of the packet that is gone through
        self._logged_in: int | None = None  # what its login came to
        self._reported = False  # whether a frame came of it

    def cut(self, data: Buffer, at: int) -> int:
        if len(data) < at + 11:
            return MORE if data[at] == 1 else at + 1
        head = data[at + 3]
        if data[at] != 1 or head not in HEADS:
            return at + 11
        if len(data) < at + head:
            return MORE
        if crc8.nrsc_5(bytes(data[at : at + head - 1])) != data[at + head - 1]:
            return at + head
        size = int.from_bytes(data[at + 5 : at + 7], "little")
        return at + head + (size + 2 if size else 0)

    def hear(self, message: bytes, received: Received) -> None:
        if self._waiting is not None:  # it comes again, as its tracker is known now
            self._go_through(message, received)
            return
        head = message[3] if len(message) > 10 else 0
        if message[0] != 1 or head not in HEADS or crc8.nrsc_5(message[: head - 1]) != message[head - 1]:
            self.close("no EGTS packet begins here", message, received)
            return
        kind, data = message[9], message[head:-2]
        if len(message) == head or kind == RESPONSE:
            return  # to a packet of ours
        checked = crc16.ibm_3740(data) == int.from_bytes(message[-2:], "little")
        if message[2] & 0x1C:
            received.reply += self._answer(message, [], CANT_DECRYPT)
            self.reject("a packet that is encrypted or compressed", message, received)
        elif kind not in (APPDATA, SIGNED):
            self.reject(f"no packet of type {kind} is read", message, received)
        elif not checked:
            received.reply += self._answer(message, [], WRONG_CRC)
            unchecked = Frame("teledata", b"".join(_wire(one) for one in _records(data, kind) if one.service == TELEDATA))
            self.reject("the packet's crc is wrong", message, received, unchecked)
        else:
            self._take(message, data, kind, received)

    def _take(self, message: bytes, data: bytes, kind: int, received: Received) -> None:
        """Sort the records by whose they are: those of a login first, then each object's."""
        by_object: dict[int, list[Record]] = {}
        for record in _records(data, kind):
            whose = -1 if record.service == AUTH else 0 if self.identified else record.object_id
            by_object.setdefault(whose, []).append(record)
        self._results, self._logged_in, self._reported = [], None, False
        self._waiting = [by_object[key] for key in sorted(by_object, key=lambda key: key >= 0)]
        self._go_through(message, received)

    def _go_through(self, message: bytes, received: Received) -> None:
        waiting = self._waiting or []
        while waiting:
            records = waiting[0]
            if records[0].service == AUTH:
                unique_id, is_login = _identity(records)
                if unique_id and not self.speaks(unique_id, message, received):
                    break
                self.identified |= unique_id != ""
                self._logged_in = DONE if is_login else None
            elif not (self.identified or records[0].object_id == 0 or self.speaks(str(records[0].object_id), message, received)):
                break
            waiting.pop(0)
            self._results += [(record, DONE) for record in records]
            reports = b"".join([_wire(record) for record in records if record.service == TELEDATA])
            if reports:
                received.frames.append(Frame("teledata", reports))
                self._reported = True
        else:
            self._waiting = None
            self._acknowledge(message, received)
            return
        if received.login is None:  # an id that nobody can have was rejected
            waiting.pop(0)
            self._go_through(message, received)

    def stranger(self, message: bytes, received: Received) -> None:
        """Its records are refused by name; those of others in the packet are not."""
        if self._waiting:
            records = self._waiting.pop(0)
            self._results += [(record, NOT_OURS) for record in records]
            if records[0].service == AUTH:
                self.identified, self._logged_in = False, NOT_OURS
        self._go_through(message, received)

    def _acknowledge(self, message: bytes, received: Received) -> None:
        """At once where nothing is to be stored, else with the last frame of the packet."""
        answer = self._answer(message, self._results, DONE)
        self._results = []
        if not self._reported:
            received.reply += answer
        elif received.frames and not received.frames[-1].ack:
            last = received.frames[-1]
            received.frames[-1] = Frame(last.kind, last.payload, answer)
        else:  # its last frame is on its way already
            received.frames.append(Frame(ANSWER, b"", answer))
        if self._logged_in is not None:
            received.reply += self._packet(APPDATA, self._record(AUTH, bytes((RESULT_CODE, 1, 0, self._logged_in))))

    def _answer(self, message: bytes, results: list[tuple[Record, int]], result: int) -> bytes:
        """Ours to one packet: a record per service, in which each of its records has its result."""
        data = message[7:9] + bytes((result,))
        for service in dict.fromkeys(record.service for record, _ in results):
            each = (
                struct.pack("<BHHB", RECORD_RESPONSE, 3, record.number, code)
                for record, code in results
                if record.service == service
            )
            data += self._record(service, b"".join(each))
        return self._packet(RESPONSE, data)

    def _record(self, service: int, subrecords: bytes) -> bytes:
        self._number = (self._number + 1) & 0xFFFF
        return struct.pack("<HHBBB", len(subrecords), self._number, 0, service, service) + subrecords

    def _packet(self, kind: int, data: bytes) -> bytes:
        self._number = (self._number + 1) & 0xFFFF
        head = struct.pack("<5BHHB", 1, 0, 0, 11, 0, len(data), self._number, kind)
        return head + bytes((crc8.nrsc_5(head),)) + data + crc16.ibm_3740(data).to_bytes(2, "little")


def _records(data: bytes, kind: int) -> Iterator[Record]:
    """The records of a packet. The number of the object holds for those behind it that say none."""
    at = 0
    if kind == SIGNED:
        at = 2 + int.from_bytes(data[:2], "little")
    object_id = 0
    while at + 7 <= len(data):
        size, number, flags = RECORD.unpack_from(data, at)
        at += 5
        time_s = 0
        if flags & 1:
            object_id = int.from_bytes(data[at : at + 4], "little")
            at += 4
        if flags & 2:
            at += 4
        if flags & 4:
            time_s = int.from_bytes(data[at : at + 4], "little")
            at += 4
        if at + 2 + size > len(data):
            return
        yield Record(number, object_id, time_s, data[at], data[at + 2 : at + 2 + size])
        at += 2 + size


def _wire(record: Record) -> bytes:
    """A record as frames keep it: time u32 | length u16 | subrecords."""
    return struct.pack("<IH", record.time_s, len(record.body)) + record.body


def _subrecords(body: bytes) -> Iterator[tuple[int, bytes]]:
    at, end = 0, len(body)
    while at + 3 <= end:
        stop = at + 3 + (body[at + 1] | body[at + 2] << 8)
        yield body[at], body[at + 3 : stop]
        at = stop


NAMES = ((1, 2, False), (2, 15, True), (4, 16, True), (8, 3, False), (32, 3, False), (64, 2, False), (128, 15, True))


def _identity(records: list[Record]) -> tuple[str, bool]:
    """Who a login says it is, empty when it says nothing; and whether it is a login at all.

    TERM_IDENTITY  number u32 | flags u8 | [dispatcher u16, if 1] | [IMEI 15, if 2] | [IMSI 16, if 4] | [language 3, if 8] |
                   [network 3, if 32] | [buffer u16, if 64] | [phone 15, if 128]
    """
    is_login = False
    for kind, data in (subrecord for record in records for subrecord in _subrecords(record.body)):
        is_login |= kind == DISPATCHER_IDENTITY
        if kind != TERM_IDENTITY or len(data) < 5:
            continue
        at, names = 5, []
        for bit, size, is_name in NAMES:
            if data[4] & bit:
                if is_name:
                    names.append(data[at : at + size].decode("ascii", "replace").strip(" \0"))
                at += size
        return next((name for name in names if name), str(int.from_bytes(data[:4], "little"))), True
    return "", is_login


# --- Reading records ---------------------------------------------------------------------------------------------------------

POS_DATA = struct.Struct(
    "<IIIBHB3sBB"
)  # time since 2010 | latitude | longitude | flags | speed | course | odometer | inputs | source
DEGREES_LATITUDE, DEGREES_LONGITUDE = 90 / 0xFFFFFFFF, 180 / 0xFFFFFFFF
ALARMS = {  # why POS_DATA was sent, table 3 of the annex: Traccar's name
    7: "overspeed",
    9: "fault",  # too much current through an output
    10: "tampering",
    11: "powerCut",
    12: "lowBattery",
    13: "sos",
    15: "sos",  # emergency call
    19: "fault",  # of the battery
    20: "hardAcceleration",
    21: "hardBraking",
    22: "fault",  # of the navigation module
    23: "fault",  # of the accident's sensor
    24: "fault",  # of the GSM antenna
    25: "gpsAntennaCut",
    27: "lowspeed",
    28: "tow",  # it moves, and the ignition is off
}


def _pos_data(report: Report, data: bytes) -> None:
    """Flags: 1 valid, 8 late, 16 moving, 32 south, 64 west, 128 with altitude (u24, m). Speed in 0.1 km/h; its bit 14: below
    the sea, bit 15: the course's ninth bit. Odometer in 0.1 km."""
    time_s, latitude, longitude, flags, speed, course, odometer, inputs, source = POS_DATA.unpack_from(data)
    report.time_ms = SINCE_2010_MS + time_s * 1000
    if flags & 1:
        report.valid = True
        report.latitude = latitude * (-DEGREES_LATITUDE if flags & 32 else DEGREES_LATITUDE)
        report.longitude = longitude * (-DEGREES_LONGITUDE if flags & 64 else DEGREES_LONGITUDE)
        report.speed_kmh = (speed & 0x3FFF) * 0.1
        report.course_deg = course | (speed & 0x8000) >> 7
        if flags & 128:
            altitude_m = int.from_bytes(data[21:24], "little")
            report.altitude_m = -altitude_m if speed & 0x4000 else altitude_m
    report.motion = flags >> 4 & 1
    report.odometer_m = int.from_bytes(odometer, "little") * 100
    attributes = report.attributes
    attributes["input"] = inputs
    attributes["event"] = source
    if flags & 8:
        attributes["archive"] = True
    if source in ALARMS:
        report.alarm(ALARMS[source])


def _ext_pos_data(report: Report, data: bytes) -> None:
    """Flags u8 | [vdop u16, if 1] | [hdop u16, if 2] | [pdop u16, if 4] | [satellites u8, if 8] | [systems u16, if 16]"""
    at = 1
    for bit, name in ((1, "vdop"), (2, "hdop"), (4, "pdop")):
        if data[0] & bit:
            report.attributes[name] = int.from_bytes(data[at : at + 2], "little") / 100
            at += 2
    if data[0] & 8:
        report.satellites = data[at]


def _ad_sensors(report: Report, data: bytes) -> None:
    """Which inputs u8 | outputs u8 | which analog ones u8 | inputs u8, eight to each bit | analog u24"""
    report.attributes["output"] = data[1]
    at = 3
    for number in range(8):
        if data[0] >> number & 1:
            report.attributes[f"input{number + 1}"] = data[at]
            at += 1
    for number in range(8):
        if data[2] >> number & 1:
            report.attributes[f"adc{number + 1}"] = _u24(data, at)
            at += 3


def _counters(report: Report, data: bytes) -> None:
    at = 1
    for number in range(8):
        if data[0] >> number & 1:
            report.attributes[f"count{number + 1}"] = _u24(data, at)
            at += 3


def _state(report: Report, data: bytes) -> None:
    """Mode u8 | supply u8 | backup battery u8 | own battery u8, each 0.1 V | flags u8. Twenty is the older number of it; there
    longer ones are an accelerometer's log."""
    if len(data) != 5:
        return
    report.attributes["mode"] = data[0]
    report.power_v = data[1] / 10
    if battery := data[3] or data[2]:  # 0: it has none
        report.battery_v = battery / 10


def _loop_in(report: Report, data: bytes) -> None:
    """Which inputs u8 | states, four bits each"""
    states = [half for byte in data[1:] for half in (byte & 15, byte >> 4)]
    for number in range(8):
        if data[0] >> number & 1:
            report.attributes[f"loop{number + 1}"] = states.pop(0)


def _abs_input(report: Report, data: bytes) -> None:
    """One input by its number: state and the number's lower half u8 | upper part u8"""
    report.attributes[f"input{(data[0] >> 4 | data[1] << 4)}"] = data[0] & 15


def _abs_loop(report: Report, data: bytes) -> None:
    report.attributes[f"loop{(data[0] >> 4 | data[1] << 4)}"] = data[0] & 15


def _abs_analog(report: Report, data: bytes) -> None:
    report.attributes[f"adc{data[0]}"] = _u24(data, 1)


def _abs_counter(report: Report, data: bytes) -> None:
    report.attributes[f"count{data[0]}"] = _u24(data, 1)


def _liquid(report: Report, data: bytes) -> None:
    """Flags u8 | address u16 | level u32, or what the sensor said. Flags: 0-2 number, 3 as it was said, 4-5 unit (1: percent,
    2: 0.1 l), 6 the sensor is out of order."""
    flags = data[0]
    if flags & 8:
        report.attributes["liquidRaw"] = data[3:].hex()
        return
    level = int.from_bytes(data[3:7], "little")
    report.attributes["liquid"] = level
    report.attributes[f"liquid{(flags & 7) + 1}"] = level
    if not flags & 0x40 and flags >> 4 & 3 == 1:
        report.attributes["fuel"] = level
    elif not flags & 0x40 and flags >> 4 & 3 == 2:
        report.fuel_l = level / 10


def _passengers(report: Report, data: bytes) -> None:
    """Flags u8 (1: as the sensor said) | which doors u8 | which are open u8 | address u16 | for each door in u8, out u8"""
    if data[0] & 1:
        return
    counts = iter(data[5:])
    for door in range(8):
        if data[1] >> door & 1:
            report.attributes[f"door{door + 1}"] = bool(data[2] >> door & 1)
            report.attributes[f"in{door + 1}"] = next(counts, 0)
            report.attributes[f"out{door + 1}"] = next(counts, 0)


def _u24(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


READERS: dict[int, Callable[[Report, bytes], None]] = {
    16: _pos_data,
    17: _ext_pos_data,
    18: _ad_sensors,
    19: _counters,
    20: _state,
    21: _state,
    22: _loop_in,
    23: _abs_input,
    24: _abs_analog,
    25: _abs_counter,
    26: _abs_loop,
    27: _liquid,
    28: _passengers,
}


def read(frame: Frame) -> list[Report]:
    """The reports of one packet's records, oldest first as they came."""
    reports: list[Report] = []
    payload, at = frame.payload, 0
    while at + 6 <= len(payload):
        time_s, size = struct.unpack_from("<IH", payload, at)
        _read_record(reports, payload[at + 6 : at + 6 + size], time_s)
        at += 6 + size
    return reports


def _read_record(reports: list[Report], body: bytes, time_s: int) -> None:
    report: Report | None = None
    placed = False
    for kind, data in _subrecords(body):
        reader = READERS.get(kind)
        if reader is None:
            continue
        if report is None or (kind == 16 and placed):
            report = Report(time_ms=SINCE_2010_MS + time_s * 1000 if time_s else None)
            reports.append(report)
            placed = False
        try:
            reader(report, data)
        except (IndexError, struct.error):  # a subrecord that is cut short costs only itself
            report.attributes["truncated"] = kind
        else:
            placed |= kind == 16


CODEC = Codec(
    name="egts",
    port=5162,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=None,
    decode=decode_each(read),
    makers="Russian trackers and servers of many makers: Arnavi, Fort Telecom, Galileosky, Navtelecom, Omnicomm, Santel",
    models="ADM333, BITREK, Fort-112EG, Granit, SIGNAL, SMART, UMKa301",
    reads="odometer, inputs, outputs, adc, counters, fuel and liquid levels, supply and battery, satellites, passengers, alarms",
    source="GOST R 54619-2011 and GOST R 56361-2015; names of attributes as Traccar has them",
)
