"""A Ruptela tracker that does not exist: extended records as the maker's manual lays them out; see `protocols/ruptela`."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence

from fastcrc import crc16

from telematics.simulator.fix import Fix

EXTENDED_RECORDS, IDENTIFICATION = 68, 15
STORED, WELCOME = 100, 100 + IDENTIFICATION  # records of both kinds are acknowledged as 100
MOST_RECORDS = 15  # in a packet, which has at most 1,024 bytes
PERIODIC = 7  # the event that made the record
IGNITION, GSM, SUPPLY, BATTERY, ODOMETER = 409, 27, 29, 30, 65
ALARMS = {
    "jamming": 88,
    "hardBraking": 134,
    "hardAcceleration": 136,
    "tow": 410,
    "accident": 411,
    "tampering": 758,
}  # by their ids
EMPTY_MV, FULL_MV = 3400, 4200
REST_BYTES = 1024  # more without a whole answer is not a Ruptela server


class Tracker:
    """The tracker's side of a connection; see `fix.Wire`."""

    def __init__(self, unique_id: str) -> None:
        """Raises ValueError when the id is not an IMEI."""
        if not (unique_id.isascii() and unique_id.isdecimal() and len(unique_id) == 15):
            raise ValueError(f"a Ruptela tracker is known by its IMEI, 15 digits, not {unique_id!r}")
        self.accepted: bool | None = None
        self._imei = int(unique_id).to_bytes(8, "big")
        self._waiting: deque[int] = deque()
        self._rest = b""

    def hello(self) -> bytes:
        return self._packet(IDENTIFICATION, b"ECO4 00.02.01.07")

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """Packets of up to 15 records."""
        packets = []
        for start in range(0, len(fixes), MOST_RECORDS):
            records = [_record(fix) for fix in fixes[start : start + MOST_RECORDS]]
            packets.append(self._packet(EXTENDED_RECORDS, bytes((0, len(records))) + b"".join(records)))
            self._waiting.append(len(records))
        return b"".join(packets)

    def receive(self, data: bytes) -> int:
        data = self._rest + data
        acknowledged = at = 0
        while len(data) - at >= 2 and len(data) >= (end := at + int.from_bytes(data[at : at + 2], "big") + 4):
            acknowledged += self._answered(data[at + 2 : end - 2], int.from_bytes(data[end - 2 : end], "big"))
            at = end
        self._rest = data[at:][-REST_BYTES:]
        return acknowledged

    def _answered(self, body: bytes, crc: int) -> int:
        if crc16.kermit(body) != crc or len(body) < 2:
            return 0
        if body[0] == WELCOME:
            self.accepted = body[1] == 1
        elif body[:2] == bytes((STORED, 1)) and self._waiting:
            return self._waiting.popleft()
        return 0

    def _packet(self, command: int, content: bytes) -> bytes:
        body = self._imei + bytes((command,)) + content
        return len(body).to_bytes(2, "big") + body + crc16.kermit(body).to_bytes(2, "big")


def _record(fix: Fix) -> bytes:
    head = struct.pack(
        ">IBBBiiHHBHBH",
        int(fix.time.timestamp()),
        0,
        0x10,  # one part, the first
        0,
        round(fix.longitude * 1e7),
        round(fix.latitude * 1e7),
        max(0, round(fix.altitude_m * 10)),
        round(fix.course_deg * 100) % 36000,
        fix.satellites,
        round(fix.speed_kmh),
        8,
        PERIODIC,
    )
    bytes_ = [(IGNITION, int(fix.ignition)), (GSM, fix.gsm)]
    if fix.alarm in ALARMS:
        bytes_.append((ALARMS[fix.alarm], 1))
    battery_mv = EMPTY_MV + (FULL_MV - EMPTY_MV) * fix.battery_percent // 100
    words = [(SUPPLY, round(fix.power_v * 1000)), (BATTERY, battery_mv)]
    return b"".join(
        (
            head,
            bytes((len(bytes_),)),
            *(struct.pack(">HB", *value) for value in bytes_),
            bytes((len(words),)),
            *(struct.pack(">HH", *value) for value in words),
            b"\x01",
            struct.pack(">HI", ODOMETER, fix.odometer_m),
            b"\0",
        )
    )
