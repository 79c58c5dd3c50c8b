"""A simulated Teltonika tracker: Codec 8 Extended over TCP, and packets of the other codecs for tests.

Written from the maker's manual ("Teltonika Data Sending Protocols"), on purpose without a look at `protocols.teltonika`: when the
decoder reads back what this builds, two readings of the manual agree.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from fastcrc.crc16 import arc

from telematics.simulator.fix import Fix

CODEC_8, CODEC_8E, CODEC_16 = 0x08, 0x8E, 0x10
MOST_RECORDS = 255  # in a packet: the count is one byte
OPERATOR = 40101  # MCC and MNC: Beeline in Kazakhstan
ALARMS: dict[str, tuple[int, int]] = {  # AVL id and value of one byte, by Traccar's name
    "general": (236, 1),
    "sos": (236, 1),  # the alarm button; Traccar, and so everybody, reads it as "general"
    "tow": (246, 1),
    "accident": (247, 1),
    "jamming": (249, 1),
    "idle": (251, 1),
    "powerCut": (252, 1),
    "hardAcceleration": (253, 1),
    "hardBraking": (253, 2),
    "hardCornering": (253, 3),
    "fallDown": (242, 1),
}
HIGH = 1  # priority of a record that tells of an event
EVENTUAL, PERIODICAL = 6, 7  # generation types of Codec 16

Elements = Mapping[int, Mapping[int, int]]  # bytes of the value → AVL id → value


class Tracker:
    """One tracker over TCP."""

    def __init__(self, unique_id: str) -> None:
        self.unique_id = unique_id
        self.accepted: bool | None = None
        self._heard = b""

    def hello(self) -> bytes:
        return struct.pack(">H", len(self.unique_id)) + self.unique_id.encode("ascii")

    def report(self, fixes: Sequence[Fix]) -> bytes:
        return packets(fixes)

    def receive(self, data: bytes) -> int:
        if self.accepted is None and data:
            self.accepted, data = data[0] == 1, data[1:]
        self._heard += data
        whole = len(self._heard) // 4 * 4
        counts, self._heard = self._heard[:whole], self._heard[whole:]
        return sum(struct.unpack(f">{whole // 4}I", counts))


def packets(fixes: Sequence[Fix], codec: int = CODEC_8E) -> bytes:
    """The fixes as TCP packets, as many as it takes."""
    return b"".join(framed(body(fixes[at : at + MOST_RECORDS], codec)) for at in range(0, len(fixes), MOST_RECORDS))


def framed(content: bytes) -> bytes:
    """Content as a TCP packet: preamble, length, content, checksum."""
    return struct.pack(">II", 0, len(content)) + content + struct.pack(">I", arc(content))


def datagram(unique_id: str, fixes: Sequence[Fix], codec: int = CODEC_8E, number: int = 1, channel: int = 0xCAFE) -> bytes:
    """Up to 255 fixes as a UDP packet with that AVL packet number."""
    name = unique_id.encode("ascii")
    rest = struct.pack(">HBBH", channel, 1, number, len(name)) + name + body(fixes, codec)
    return struct.pack(">H", len(rest)) + rest


def body(fixes: Sequence[Fix], codec: int = CODEC_8E) -> bytes:
    """Codec, count, records, count: what TCP and UDP packets have in common."""
    ends = bytes([len(fixes)])
    return bytes([codec]) + ends + b"".join(record(fix, codec) for fix in fixes) + ends


def record(fix: Fix, codec: int = CODEC_8E) -> bytes:
    """A fix with the twelve elements that an FMB sends, and one more when it has an alarm that the maker knows."""
    event, value = ALARMS.get(fix.alarm or "", (0, 0))
    elements: dict[int, dict[int, int]] = {
        1: {
            239: int(fix.ignition),
            240: int(fix.speed_kmh > 0),
            21: fix.gsm,
            69: 1 if fix.satellites else 2,  # GNSS on, with or without a fix
            200: 0,  # no sleep
            113: fix.battery_percent,
        },
        2: {
            66: round(fix.power_v * 1000),
            67: 3400 + 8 * fix.battery_percent,  # mV
            181: 14,  # PDOP and HDOP, tenths
            182: 8,
        },
        4: {241: OPERATOR, 16: fix.odometer_m},
        8: {},
    }
    if event:
        elements[1][event] = value
    return raw_record(fix, elements, codec, event=event, priority=HIGH if event else 0)


def raw_record(
    fix: Fix,
    elements: Elements,
    codec: int = CODEC_8E,
    *,
    event: int = 0,
    priority: int = 0,
    any_size: Mapping[int, bytes] | None = None,
) -> bytes:
    """The place and time of a fix with any elements; those of any size exist in Codec 8 Extended only."""
    number, count = (">B" if codec == CODEC_8 else ">H"), (">H" if codec == CODEC_8E else ">B")
    parts = [
        struct.pack(
            ">QBiihHBH",
            round(fix.time.timestamp() * 1000),
            priority,
            round(fix.longitude * 1e7),
            round(fix.latitude * 1e7),
            round(fix.altitude_m),
            round(fix.course_deg),
            fix.satellites,
            round(fix.speed_kmh),
        ),
        struct.pack(number, event),
        bytes([EVENTUAL if event else PERIODICAL]) if codec == CODEC_16 else b"",
        struct.pack(count, sum(map(len, elements.values())) + len(any_size or ())),
    ]
    for size in sorted(elements):
        parts.append(struct.pack(count, len(elements[size])))
        parts += [struct.pack(number, avl_id) + value.to_bytes(size, "big") for avl_id, value in elements[size].items()]
    if codec == CODEC_8E:
        parts.append(struct.pack(">H", len(any_size or ())))
        parts += [struct.pack(">HH", avl_id, len(value)) + value for avl_id, value in (any_size or {}).items()]
    return b"".join(parts)
