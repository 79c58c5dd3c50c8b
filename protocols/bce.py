"""BCE (Blue Sky) over TCP.

Stream  "#BCE#" CR LF once, then frames
Frame   imei u64 | blocks | sum u8: of all bytes before it. All numbers are little-endian
Block   length u16 | type u8 | key u8 | structures to the length's end        type A5: kept until it is confirmed, A0: not
Struct  length u8 | time u32: low 4 bits the kind, the others × 2 s since 2008-01-01, UTC |
        kind 7: masks u16, bit 15: one more follows | for each mask in turn the fields that its bits name (`MASKS`)
        other kinds are the tracker's own business
Reply   imei u64 | length 2 u16 | 19 | key u8, its low 7 bits | sum u8        for each block of type A5, once it is stored
Source  BCE, "FMS500 communication protocol"; masks and fields as Traccar names them; the engine's fields have the units of J1939,
        where a field of all ones wasn't sent

A frame doesn't say how many blocks it has: it ends behind the first one where the sum is right. A place off the globe is how
these trackers say that they have none. Their time is full after 17 years and begins anew: see `ROUND_S`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from protocols.frames import Frame
from protocols.reports import NAN, CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 16 << 10  # the largest seen have 650 bytes; a block's own length would let it have 64 KB
HANDSHAKE = b"#BCE#\r\n"
KEPT, TIMED, OUTPUT_SET, CONFIRM = 0xA5, 0xA0, 0xC1, 0x19
EPOCH_S = 0x47798280  # 2008-01-01
ROUND_S = 0x0FFFFFFF << 1  # then the 28 bits of the time begin anew, first on 2025-01-05; that all ones are skipped: by Traccar
EARLIEST_S = 1514764800  # 2018-01-01: what seems earlier is of the next round. To be moved on before 2034
DATA = 7  # the kind of structure that holds telemetry

MASKS: tuple[dict[int, tuple[str, tuple[str, ...]]], ...] = (  # for each bit: the struct's letters, and names; x: not kept
    {
        0: ("ffBBBHI", ("longitude", "latitude", "speed", "satellites", "course", "altitude", "odometer")),
        1: ("H", ("input",)),
        **{bit: ("H", (f"adc{bit - 1}",)) for bit in range(2, 10)},
        10: ("4x", ()),
        11: ("4x", ()),
        12: ("H", ("fuel1",)),
        13: ("H", ("fuel2",)),
        14: ("HBHHxB", ("mcc", "mnc", "lac", "cid", "dbm")),
    },
    {
        0: ("H", ("wheelSpeed",)),
        1: ("B", ("throttle",)),
        2: ("I", ("fuelUsed",)),
        3: ("B", ("fuel",)),
        4: ("H", ("rpm",)),
        5: ("I", ("hours",)),
        6: ("I", ("odometer",)),
        7: ("B", ("coolantTemp",)),
        8: ("B", ("fuel2",)),
        9: ("B", ("engineLoad",)),
        10: ("H", ("serviceOdometer",)),
        11: ("8x", ()),
        12: ("H", ("ambientTemp",)),
        13: ("8x", ()),
        14: ("H", ("fuelConsumption",)),
    },
    {
        0: ("2x", ()),
        1: ("I", ("fuelConsumption",)),
        2: ("HB", ("axleWeight", "axleWeightHigh")),
        3: ("x", ()),
        4: ("20x", ()),
        5: ("2x", ()),
        6: ("Q", ("driverUniqueId",)),
        7: ("H", ("temp1",)),
        8: ("2x", ()),
        9: ("HbHb", ("fuel1", "fuelTemp1", "fuel2", "fuelTemp2")),
        10: ("HbHb", ("fuel3", "fuelTemp3", "fuel4", "fuelTemp4")),
        11: ("21x", ()),
        12: ("20x", ()),
        13: ("9x", ()),
        14: ("21x", ()),
    },
    {
        0: ("4x", ()),
        1: ("30x", ()),
        2: ("4x", ()),
        3: ("10x", ()),
        4: ("x", ()),
        5: ("2x", ()),
        6: ("BBB", ("maxAcceleration", "maxBraking", "maxCornering")),
        7: ("16x", ()),
        8: ("H8xH8xH8xH8x", ("temp1", "temp2", "temp3", "temp4")),
        9: ("16s16s", ("driver1", "driver2")),
        10: ("I", ("odometer",)),
    },
)
ENGINE = 1  # the place of the engine's mask, where all ones say "not sent"
ALL_ONES = {"B": 0xFF, "H": 0xFFFF, "I": 0xFFFFFFFF}
SCALES = {  # what one of it is, and what zero is
    "fuelUsed": (0.5, 0),  # l
    "rpm": (0.125, 0),
    "coolantTemp": (1, -40),  # °C
    "ambientTemp": (0.03125, -273),
    "wheelSpeed": (1 / 256, 0),  # km/h
    "throttle": (0.4, 0),  # %
    "maxAcceleration": (0.02, 0),  # g
    "maxBraking": (0.02, 0),
    "maxCornering": (0.02, 0),
    "temp1": (0.1, -273),
    "temp2": (0.1, -273),
    "temp3": (0.1, -273),
    "temp4": (0.1, -273),
}
HOURS_S = 180  # of the engine: 0.05 h


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__(whole=whole)
        self._end = 8  # of the blocks looked at, counted from the frame's start
        self._sum = 0  # of the bytes up to there
        self._summed = 0
        self._broken = 0  # behind which byte the sum should have been right

    def cut(self, data: Buffer, at: int) -> int:
        end = self._cut(data, at)
        if end != MORE:
            self._end, self._sum, self._summed = 8, 0, 0
        return end

    def _cut(self, data: Buffer, at: int) -> int:
        size = len(data) - at
        if data[at] == HANDSHAKE[0] and HANDSHAKE.startswith(data[at : at + len(HANDSHAKE)]):
            return at + len(HANDSHAKE) if size >= len(HANDSHAKE) else MORE
        while size >= self._end + 3:
            length = data[at + self._end] | data[at + self._end + 1] << 8
            end = self._end + 2 + length
            follows = self._end == 8 or data[at + self._end + 2] in (KEPT, TIMED, OUTPUT_SET)
            if length < 2 or not follows or end >= LARGEST_FRAME_BYTES:  # no block begins here, so the sum was wrong
                self._broken = self._end + 1
                return len(data)
            if size <= end:
                return MORE
            self._sum = (self._sum + sum(data[at + self._summed : at + end])) & 0xFF
            self._summed = self._end = end
            if data[at + end] == self._sum:
                return at + end + 1
        return MORE

    def hear(self, message: bytes, received: Received) -> None:
        if self._broken:  # over TCP a wrong sum means that we are out of step: the tracker begins anew, and sends again
            unchecked = Frame("blocks", message[: self._broken]) if self._broken > 9 else None
            self.reject("the checksum is wrong", message[: self._broken + 2], received, unchecked)
            self.close("", message, received)
            return
        if message == HANDSHAKE:
            return
        imei = message[:8]
        if not self.speaks(f"{int.from_bytes(imei, 'little'):015d}", message, received):
            return
        ack, reports = bytearray(), False
        for type_, key, _, _ in blocks(message):
            reports |= type_ in (KEPT, TIMED)
            if type_ == KEPT:
                confirmed = imei + bytes((2, 0, CONFIRM, key & 0x7F))
                ack += confirmed + bytes((sum(confirmed) & 0xFF,))
        if reports:
            received.frames.append(Frame("blocks", message, bytes(ack)))


def blocks(message: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Type, key, start and end of each block that is whole."""
    at = 8
    while at + 4 < len(message):
        end = at + 2 + (message[at] | message[at + 1] << 8)
        if end > len(message) - 1:
            return
        yield message[at + 2], message[at + 3], at + 4, end
        at = end


# --- Reading -----------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)  # a tracker sends what it was set up for: a handful of combinations
def layout(masks: tuple[int, ...]) -> tuple[struct.Struct, tuple[tuple[str, float], ...]]:
    """How the fields of some masks are read: names, and the value that says "not sent" (NaN: none does)."""
    letters = "<"
    names: list[tuple[str, float]] = []
    for place, (mask, fields) in enumerate(zip(masks, MASKS, strict=False)):
        for bit, (form, told) in fields.items():
            if mask >> bit & 1:
                letters += form
                names += [(name, ALL_ONES[form] if place == ENGINE else NAN) for name in told]
    return struct.Struct(letters), tuple(names)


def read(frame: Frame) -> Iterator[Report]:
    data = frame.payload
    for type_, _, at, block_end in blocks(data):
        if type_ not in (KEPT, TIMED):
            continue
        while at < block_end:
            end = at + 1 + data[at]
            if end > block_end:
                raise CantRead("a structure is longer than its block")
            if end >= at + 5 and data[at + 1] & 0x0F == DATA:
                report = _structure(data[at + 1 : end])
                if report is not None:
                    yield report
            at = end


def _structure(data: bytes) -> Report | None:
    (time,) = struct.unpack_from("<I", data)
    masks: list[int] = []
    at = 4
    while not masks or masks[-1] >> 15:
        masks += struct.unpack_from("<H", data, at)
        at += 2
    fields, names = layout(tuple(masks[: len(MASKS)]))
    values: dict[str, Any] = {}
    for (name, nothing), value in zip(names, fields.unpack_from(data, at), strict=True):
        if value != nothing:
            values[name] = value
    if not values:
        return None
    time_s = (time >> 4 << 1) + EPOCH_S
    if time_s < EARLIEST_S:
        time_s += ROUND_S
    pop = values.pop
    report = Report(
        time_ms=time_s * 1000,
        longitude=pop("longitude", NAN),
        latitude=pop("latitude", NAN),
        speed_kmh=pop("speed", NAN),
        course_deg=pop("course", NAN) * 2,
        altitude_m=pop("altitude", NAN),
        odometer_m=pop("odometer", NAN),
        engine_hours_s=pop("hours", NAN) * HOURS_S,
        gsm=-pop("dbm", NAN),
        attributes=values,
    )
    report.valid = report.latitude == report.latitude
    if "satellites" in values:  # and the dilution above them
        both = pop("satellites")
        report.satellites, values["hdop"] = both & 15, both >> 4
    if "axleWeight" in values:
        values["axleWeight"] += pop("axleWeightHigh") << 16
    if "driverUniqueId" in values:
        values["driverUniqueId"] = str(values["driverUniqueId"])
    for name in SCALES.keys() & values.keys():
        one, zero = SCALES[name]
        if values[name] or zero != -273:  # no sensor is at 0 K: there is none
            values[name] = round(values[name] * one + zero, 3)
        else:
            pop(name)
    for name in ("driver1", "driver2"):
        if name in values:
            values[name] = values[name].decode("ascii", "replace").strip("\0 ")
    return report


CODEC = Codec(
    name="bce",
    port=5080,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=None,
    decode=decode_each(read),
    makers="BCE (Baltic Car Equipment)",
    models="FM Blue, FMS500 ONE, FMS500 Light, FMS500 StCAN, FMS500 Tacho",
    reads="inputs, voltages, fuel, the engine's figures, drivers, temperatures, driving style, cell",
    source="BCE FMS500 communication protocol",
)
