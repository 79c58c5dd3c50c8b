"""A simulated Teltonika tracker: Codec 8 Extended over TCP, commands in Codec 12 and 14; packets of the other codecs for tests.

Written from the maker's manual ("Teltonika Data Sending Protocols"), on purpose without a look at `protocols.teltonika`: when the
decoder reads back what this builds, two readings of the manual agree.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC

from fastcrc.crc16 import arc

from telematics.simulator.fix import Fix
from telematics.simulator.orders import Heard, Order, every, switched

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

CODEC_12, CODEC_14, TO_TRACKER, ANSWER, NOT_MINE = 0x0C, 0x0E, 0x05, 0x06, 0x11
OUTPUT_1 = 179
WORDS = {  # a command's first word: Traccar's name for it
    "getver": "getVersion", "getinfo": "getDeviceStatus", "getstatus": "getModemStatus", "getgps": "positionSingle",
    "cpureset": "rebootDevice", "defaultcfg": "factoryReset", "setparam": "configuration",
}  # fmt: skip
INTERVAL = re.compile(r"10055:(\d{1,6})", re.ASCII)  # of sending, at home and moving
REST_BYTES = 4096

Elements = Mapping[int, Mapping[int, int]]  # bytes of the value → AVL id → value


class Tracker(Heard):
    """One tracker over TCP."""

    def __init__(self, unique_id: str) -> None:
        super().__init__()
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
        data = self._heard + data
        acknowledged = at = 0
        while len(data) - at >= 4:
            count = int.from_bytes(data[at : at + 4], "big")
            if count:  # a packet's records are stored
                acknowledged += count
                at += 4
                continue
            end = at + 12 + int.from_bytes(data[at + 4 : at + 8], "big")
            if len(data) - at < 8 or len(data) < end:
                break
            self._hear(data[at + 8 : end - 4])
            at = end
        self._heard = data[at:][-REST_BYTES:]
        return acknowledged

    def _hear(self, content: bytes) -> None:
        """A command: codec, 1, 5, length u32, text; in Codec 14 the IMEI in front of the text."""
        if content[:3] not in (bytes((CODEC_12, 1, TO_TRACKER)), bytes((CODEC_14, 1, TO_TRACKER))):
            return
        mark, text = content[:1], content[7:-1]
        if content[0] == CODEC_14:
            mark, text = mark + text[:8], text[8:]
        words = text.decode("ascii", "replace").strip()
        self.hear(_order(words, mark) if self._is_mine(mark[1:]) else Order("custom", words, mark))

    def _is_mine(self, name: bytes) -> bool:
        return not name or name.hex() == self.unique_id.zfill(16)

    def answer(self, order: Order, fix: Fix) -> bytes:
        """In the codec of the command; that one was for another IMEI is said by a type of its own."""
        codec, name = order.mark[0], order.mark[1:]
        if not self._is_mine(name):
            content = bytes((codec, 1, NOT_MINE)) + struct.pack(">I", len(name)) + name
        else:
            text = name + _said(order, fix, self.unique_id).encode()
            content = bytes((codec, 1, ANSWER)) + struct.pack(">I", len(text)) + text
        return framed(content + b"\x01")


def _order(text: str, mark: bytes) -> Order:
    first, _, rest = text.partition(" ")
    if first == "setdigout":  # a sign for each output: 1, 0, or ? for one that stays as it is
        outputs = rest.split(" ")[0]
        return Order(switched(1 if outputs[:1] in ("0", "1") else 2, outputs[:1]), text, mark)
    if first == "setparam" and (found := INTERVAL.search(rest)):
        return Order("positionPeriodic", text, mark, every(found[1]))
    return Order(WORDS.get(first, "custom"), text, mark)


def _said(order: Order, fix: Fix, unique_id: str) -> str:
    time = fix.time.astimezone(UTC)
    match order.type:
        case "engineStop" | "engineResume" | "outputControl":
            states = enumerate(order.text.partition(" ")[2].split(" ")[0], start=1)
            return " ".join(f"DOUT{n}:{'IGNORED' if state == '?' else f'{state} Timeout:INFINITY'}" for n, state in states)
        case "positionSingle":
            moved = f"Alt:{round(fix.altitude_m)} Speed:{round(fix.speed_kmh)} Dir:{round(fix.course_deg)}"
            place = f"GPS:1 Sat:{fix.satellites} Lat:{fix.latitude:.6f} Long:{fix.longitude:.6f}"
            return f"{place} {moved} Date: {time:%Y/%m/%d} Time: {time:%H:%M:%S}"
        case "getVersion":
            return f"Code Ver:03.28.07_00 Rev:1 Device IMEI:{unique_id} Device ID:000 BL Ver:1.10 FW:FMB120 Uptime: 4021"
        case "getDeviceStatus":
            times = f"RTC:{time:%Y/%m/%d %H:%M} Init:{time:%Y/%m/%d} 00:00 UpTime:4021s"
            return f"{times} PWR:PwrVoltage RST:0 GPS:1 SAT:{fix.satellites}"
        case "getModemStatus":
            return f"Data Link: 1 GPRS: 1 Phone: 0 SIM: 0 OP: {OPERATOR} Signal: {fix.gsm} NewSMS: 0 Roaming: 0 SMSFull: 0"
        case "positionPeriodic" | "configuration":
            return f"New value {order.text.partition(' ')[2]}"
        case "custom":
            return "Unknown command or invalid format"
    return "OK"


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
    if fix.blocked:
        elements[1][OUTPUT_1] = 1
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
