"""A Meitrack T1 that does not exist: lines and lists of records as the manual draws them, written apart from the decoder.

Events go as AAA, which nobody acknowledges, so what was sent counts; several fixes go as one CCC, and the server says how many of
them it has stored.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime

from telematics.simulator.fix import Fix

CELL = "401|2|5249|27DB"  # Kazakhstan, Kcell
INTERVAL = 35  # the event of a report whose time had come
ALARMS = {  # Traccar's name: the manual's event
    "sos": 1, "lowBattery": 17, "lowPower": 18, "overspeed": 19, "geofenceEnter": 20, "geofenceExit": 21, "powerRestored": 22,
    "powerCut": 23, "gpsAntennaCut": 28, "tow": 36, "jamming": 44, "accident": 78, "hardCornering": 90, "hardBraking": 129,
    "hardAcceleration": 130, "idle": 133, "fatigueDriving": 135,
}  # fmt: skip
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
EMPTY_V, FULL_V = 3.4, 4.2  # of the tracker's own battery
IGNITION_INPUT = 0x02
REST_BYTES = 256  # more without an end is not a Meitrack server


class Tracker:
    """The tracker's side of a connection; see `fix.Wire`."""

    accepted: bool | None = True

    def __init__(self, unique_id: str) -> None:
        """Raises ValueError when the id is not an IMEI."""
        if not (unique_id.isascii() and unique_id.isdecimal() and len(unique_id) == 15):
            raise ValueError(f"a Meitrack tracker is known by its IMEI, 15 digits, not {unique_id!r}")
        self._id = unique_id.encode()
        self._number = 0
        self._sent = 0
        self._rest = b""

    def hello(self) -> bytes:
        return b""

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """One fix as AAA, several as one CCC."""
        if len(fixes) > 1:
            records = b"".join(_record(fix) for fix in fixes)
            return self._packet(b"CCC", struct.pack("<HHI", 1, len(records) // len(fixes), len(fixes)) + records)
        self._sent += len(fixes)
        return b"".join(self._packet(b"AAA", _line(fix).encode()) for fix in fixes)

    def receive(self, data: bytes) -> int:
        *answers, rest = (self._rest + data).split(b"\r\n")
        self._rest = rest[-REST_BYTES:]
        sent, self._sent = self._sent, 0
        return sent + sum(self._stored(answer) for answer in answers)

    def _stored(self, answer: bytes) -> int:
        mine, _, count = answer.partition(b"*")[0].rpartition(b",CCC,")
        return int(count) if mine.endswith(self._id) and count.isdigit() else 0

    def _packet(self, kind: bytes, content: bytes) -> bytes:
        self._number = (self._number + 1) % 58
        body = b",%s,%s,%s*" % (self._id, kind, content)
        packet = b"$$%c%d%s" % (0x41 + self._number, len(body) + 4, body)
        return packet + b"%02X\r\n" % (sum(packet) & 0xFF)


def _event(fix: Fix) -> int:
    return ALARMS.get(fix.alarm or "", INTERVAL)


def _battery_v(fix: Fix) -> float:
    return EMPTY_V + (FULL_V - EMPTY_V) * fix.battery_percent / 100


def _line(fix: Fix) -> str:
    analogs = f"0000|0000|0000|{round(_battery_v(fix) * 100):04X}|{round(fix.power_v * 100):04X}"
    return ",".join(
        (
            f"{_event(fix)},{fix.latitude:.6f},{fix.longitude:.6f},{fix.time.astimezone(UTC):%y%m%d%H%M%S},A,{fix.satellites}",
            f"{fix.gsm},{fix.speed_kmh:.1f},{round(fix.course_deg) % 360},0.9,{round(fix.altitude_m)},{fix.odometer_m},0",
            f"{CELL},{fix.ignition * IGNITION_INPUT:02X}00,{analogs},,,3,,,0,0",
        )
    )


def _record(fix: Fix) -> bytes:
    return struct.pack(
        "<BiiIBBBHHHhIIHHHHHHHHI",
        _event(fix),
        round(fix.latitude * 1e6),
        round(fix.longitude * 1e6),
        int((fix.time - EPOCH).total_seconds()),
        True,
        fix.satellites,
        fix.gsm,
        round(fix.speed_kmh),
        round(fix.course_deg) % 360,
        9,  # HDOP, tenths
        round(fix.altitude_m),
        fix.odometer_m,
        0,
        401,
        2,
        0x5249,
        0x27DB,
        fix.ignition * IGNITION_INPUT << 8,
        0,
        round(_battery_v(fix) * 100),
        round(fix.power_v * 100),
        0,
    )
