"""Binary messages (the makers say HEX), big-endian; the CRC-16/CCITT-FALSE covers what is between header and itself.

+RSP +EVT   type u8 | mask u32 | length u16 | device type u8 | protocol u16 | firmware u16 | id 8 | battery u8, % |
            power u16, mV | what some types have | motion u8 | satellites u8 | what some types have | count u8 | places
Place       accuracy u8 | speed u24, 0.1 km/h | course u16 | altitude i16, m | longitude i32, latitude i32, 1e-6 degree |
            time 7: year u16, month, day, hour, minute, second | mcc u16, mnc u16, lac u16, cell u16 | reserved u8
Type 100    count u16 | points, one a second: 01 in the two highest bits: speed 12 bits, course 9, then longitude i32,
            latitude i32, and in the first of all its time u32; 10: how much speed (7 bits), course (7), longitude (12)
            and latitude (11) differ from the point before; else: no place in that second
+INF        type u8 | mask u16 | length u16 | id 8 | device type u8 | protocol u16 | firmware u16 | groups of the mask
Tail        send time 7 | count u16 | crc u16 | 0D 0A, of every message
+BSP, +BVT, +BNF are late ones. The id is the IMEI, two digits a byte, or the device's name.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from protocols.cursor import Around, Cursor
from protocols.fields import time_ms
from protocols.frames import Frame
from protocols.reports import Report

NAMED, SPEED, COURSE, ALTITUDE, CELL = 1 << 6, 1 << 0, 1 << 1, 1 << 2, 1 << 3  # bits of the mask
TYPE, PROTOCOL, FIRMWARE, BATTERY, POWER = 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12
COMPRESSED, BY_PHONE, FENCE = 100, 3, 8
LONGEST_LIST = 1500  # points in one message: a byte each at least
BEHIND_BYTES: dict[int, int] = {  # of an event: what stands between satellites and count
    6: 2,  # BPL: the battery's voltage
    15: 3,  # UPD: code, retry
    17: 4,  # IDF: how long it idled
    21: 5,  # GSS: signal of the satellites
    23: 1,  # CRA: crash counter
    26: 12,  # GES: the fence, its radius and interval
    31: 2,  # GPJ: jamming of the satellites
    33: 1,  # JDS: jamming of the network
    34: 3,  # UPC: command, result
    35: 1,  # RMD: roaming
    45: 7,  # VGN: report type, how long the ignition was off
    46: 7,  # VGF: report type, how long the ignition was on
}
ALARMS: dict[int, str] = {6: "lowBattery", 23: "accident", 33: "jamming"}
IGNITION: dict[int, float] = {45: 1.0, 46: 0.0}
STATES: dict[int, tuple[float, float]] = {  # of the device: ignition, motion
    0x11: (0.0, 0.0),
    0x12: (0.0, 1.0),
    0x16: (0.0, 1.0),
    0x1A: (0.0, 1.0),
    0x21: (1.0, 0.0),
    0x22: (1.0, 1.0),
    0x41: (float("nan"), 0.0),
    0x42: (float("nan"), 1.0),
}


def read(frame: Frame) -> list[Report]:
    """The reports of one message."""
    message = frame.payload
    head = message[1:4]
    late = message[1:2] == b"B"
    if head in (b"RSP", b"BSP"):
        return _places(message, late)
    if head in (b"EVT", b"BVT"):
        return [_event(message, late)]
    if head in (b"INF", b"BNF"):
        return [_information(message, late)]
    if head == b"ACK":
        return [_bare(message, {"result": message.hex()})]
    return [_bare(message, {"type": head.decode("ascii"), "data": message.hex()})]


# --- Whose it is -------------------------------------------------------------------------------------------------------------

IDENTITY_AT: dict[bytes, tuple[int, ...]] = {  # where the id may stand, where no mask says it
    b"+INF": (9, 11),
    b"+BNF": (9, 11),
    b"+CRD": (13, 15),
    b"+BRD": (13, 15),
    b"+LGN": (15,),
    b"+ACK": (12, 10),
    b"+HBD": (11, 9),
    b"+ATI": (10, 12),
}


def identity(message: bytes) -> str:
    """The IMEI or, where the device is told to send it, its name; empty when neither can be read."""
    places = IDENTITY_AT.get(message[:4])
    if places is None:
        mask = int.from_bytes(message[5:9], "big")
        at = _id_at(mask)
        name = "" if mask & NAMED else imei(message[at : at + 8])
        return name or _name(message[at : at + 8])
    for at in places:
        if name := imei(message[at : at + 8]):
            return name
    return _name(message[places[0] : places[0] + 8])


@lru_cache(maxsize=4096)
def imei(packed: bytes) -> str:
    """135790246811220 is sent as 0D 39 5A 18 44 0B 16 00; empty when its check digit says that it is none."""
    if len(packed) < 8 or max(packed[:7]) > 99 or packed[7] > 9 or not packed[0]:
        return ""
    digits = "".join(f"{byte:02d}" for byte in packed[:7]) + str(packed[7])
    total = sum(int(digit) if place % 2 == 0 else sum(divmod(int(digit) * 2, 10)) for place, digit in enumerate(digits))
    return digits if total % 10 == 0 else ""


def _name(packed: bytes) -> str:
    text = packed.rstrip(b"\0").decode("ascii", "replace").strip()
    return text if text.isprintable() and "\ufffd" not in text else ""


def _id_at(mask: int) -> int:
    return 11 + bool(mask & TYPE) + 2 * bool(mask & PROTOCOL) + 2 * bool(mask & FIRMWARE)


# --- Reports -----------------------------------------------------------------------------------------------------------------


class Head:
    """What reports and events have in front: telemetry that every place of theirs shares."""

    def __init__(self, data: Cursor, *, late: bool) -> None:
        self.type = data.u8()
        self.mask = data.u32()
        data.at = 11
        self.attributes: dict[str, Any] = {"archive": True} if late else {}
        self.attributes["type"] = str(self.type)
        data.take(bool(self.mask & TYPE) + 2 * bool(self.mask & PROTOCOL))
        if self.mask & FIRMWARE:
            self.attributes["versionFw"] = str(data.u16())
        data.take(8)
        self.battery_percent: float = data.u8() if self.mask & BATTERY else float("nan")
        self.power_v: float = data.u16() / 1000 if self.mask & POWER else float("nan")

    def motion(self, data: Cursor) -> None:
        self.state = STATES.get(data.u8(), (float("nan"), float("nan")))
        self.satellites = data.u8()

    def report(self, time: int | None = None) -> Report:
        return Report(
            time_ms=time,
            ignition=self.state[0],
            motion=self.state[1],
            battery_percent=self.battery_percent,
            power_v=self.power_v,
            satellites=self.satellites,
            attributes=dict(self.attributes),
        )


def _moment(data: Cursor) -> int:
    return time_ms(data.u16(), data.u8(), data.u8(), data.u8(), data.u8(), data.u8())


def _body(message: bytes) -> Cursor:
    return Cursor(message[:-6], 4)


def _places(message: bytes, late: bool) -> list[Report]:
    data = _body(message)
    head = Head(data, late=late)
    if head.type == FENCE:
        data.take(2)
    head.motion(data)
    if head.type == COMPRESSED:
        return _points(data, head)
    data.take(1)
    if head.type == BY_PHONE:
        data.take(1)
        while (byte := data.u8()) & 0x0F != 0x0F and byte & 0xF0 != 0xF0:
            pass
    return [_place(data, head) for _ in range(data.u8())]


def _place(data: Cursor, head: Head) -> Report:
    report = head.report()
    accuracy = data.u8()
    report.valid = accuracy > 0
    report.attributes["hdop"] = accuracy
    if head.mask & SPEED:
        report.speed_kmh = data.u24() / 10
    if head.mask & COURSE:
        report.course_deg = data.u16()
    if head.mask & ALTITUDE:
        report.altitude_m = data.i16()
    report.longitude = data.i32() / 1e6
    report.latitude = data.i32() / 1e6
    report.time_ms = _moment(data)
    if head.mask & CELL:
        around = Around()
        around.cell(data.u16(), data.u16(), data.u16(), data.u16())
        data.take(1)
        if not report.valid:
            report.attributes.update(around.network())
    return report


def _points(data: Cursor, head: Head) -> list[Report]:
    """One a second; speed and course of each are what they were before and a difference."""
    reports: list[Report] = []
    speed = course = longitude = latitude = second = 0
    for _ in range(min(data.u16(), LONGEST_LIST)):
        second += second > 0
        kind = data.data[data.at] >> 6 if data.left else 0
        if kind == 1:
            bits = data.u24()
            speed, course = bits >> 9 & 0xFFF, bits & 0x1FF
            longitude, latitude = data.i32(), data.i32()
            second = second or data.u32()
        elif kind == 2:
            bits = int.from_bytes(data.take(5), "big")
            speed += _signed(bits >> 30, 7)
            course += _signed(bits >> 23, 7)
            longitude += _signed(bits >> 11, 12)
            latitude += _signed(bits, 11)
        else:
            data.take(1)
            continue
        report = Report(time_ms=second * 1000, valid=True, speed_kmh=speed / 10, course_deg=course % 360)
        report.longitude, report.latitude = longitude / 1e6, latitude / 1e6
        report.attributes = dict(head.attributes)
        reports.append(report)
    return reports


def _signed(bits: int, size: int) -> int:
    value = bits & (1 << size) - 1
    return value - (1 << size) if value >> (size - 1) else value


def _event(message: bytes, late: bool) -> Report:
    data = _body(message)
    head = Head(data, late=late)
    head.motion(data)
    data.take(BEHIND_BYTES.get(head.type, 0) + 1)
    report = _place(data, head)
    if alarm := ALARMS.get(head.type):
        report.alarm(alarm)
    report.ignition = IGNITION.get(head.type, report.ignition)
    return report


def _bare(message: bytes, attributes: dict[str, Any]) -> Report:
    return Report(time_ms=_moment(Cursor(message, len(message) - 13)), attributes=attributes)


VERSIONS, INPUTS, SATELLITES, SUPPLY, SIM, SIGNAL, ZONE = 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14


def _information(message: bytes, late: bool) -> Report:
    """The groups in the order of the mask's bits; types beside 1 hold only some of them."""
    data = _body(message)
    kind, mask = data.u8(), data.u16()
    report = _bare(message, {"type": "INF", **({"archive": True} if late else {})})
    data.at = 20
    report.attributes["versionFw"] = str(data.u16())
    if kind != 1 or mask & INPUTS:  # which groups these have depends on the model
        return report
    if mask & VERSIONS:
        report.attributes["versionHw"] = data.u16()
        data.take(4)
    if mask & SATELLITES:
        report.ignition, report.motion = STATES.get(data.u8(), (float("nan"), float("nan")))
        data.take(1)
        report.satellites = data.u8()
        data.take(21)
    if mask & SUPPLY:
        data.take(1)
        report.power_v, report.battery_v = data.u16() / 1000, data.u16() / 1000
        report.battery_percent = data.u8()
    if mask & SIM:
        report.attributes["iccid"] = data.take(10).hex()
    if mask & SIGNAL:
        report.gsm = data.u8()
    return report
