"""An EGTS tracker that does not exist: the wire as GOST R 54619 draws it, written without the decoder.

It logs in with TERM_IDENTITY; a packet of fixes has a record for each, with POS_DATA, EXT_POS_DATA and STATE_DATA. The server's
answer names the records that it stored. See `protocols/egts` for the layout.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from fastcrc.crc8 import nrsc_5
from fastcrc.crc16 import ibm_3740

from telematics.simulator.fix import Fix

RESPONSE, APPDATA = 0, 1
AUTH, TELEDATA = 1, 2
RECORD_RESPONSE, TERM_IDENTITY, RESULT_CODE, POS_DATA, EXT_POS_DATA, STATE_DATA = 0, 1, 9, 16, 17, 21
SINCE_2010_S = 1_262_304_000
RECORDS_A_PACKET = 400  # with 54 bytes each well below the 65,535 that a packet can hold
REST_BYTES = 70_000

ALARM_SOURCES = {  # Traccar's name: why the record is sent, by the manual
    "overspeed": 7, "fault": 9, "tampering": 10, "powerCut": 11, "lowBattery": 12, "sos": 13, "hardAcceleration": 20,
    "hardBraking": 21, "gpsAntennaCut": 25, "lowspeed": 27, "tow": 28,
}  # fmt: skip


class Tracker:
    """The tracker's side of a connection; see `fix.Wire`."""

    def __init__(self, unique_id: str) -> None:
        """Raises ValueError when the id is not an IMEI: the login has room for 15 letters."""
        if not (unique_id.isascii() and unique_id.isdecimal() and len(unique_id) == 15):
            raise ValueError(f"an EGTS tracker is known by its IMEI, 15 digits, not {unique_id!r}")
        self.accepted: bool | None = None
        self._imei = unique_id.encode()
        self._packets = self._records = 0
        self._rest = b""

    def hello(self) -> bytes:
        identity = struct.pack("<IB", int(self._imei[-9:]), 2) + self._imei
        return self._packet(APPDATA, self._record(AUTH, _subrecord(TERM_IDENTITY, identity)))

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """Packets of up to 400 records."""
        records = [self._record(TELEDATA, _fix(fix)) for fix in fixes]
        return b"".join(
            self._packet(APPDATA, b"".join(records[at : at + RECORDS_A_PACKET]))
            for at in range(0, len(records), RECORDS_A_PACKET)
        )

    def receive(self, data: bytes) -> int:
        data = self._rest + data
        stored = at = 0
        while len(data) >= at + 11:
            head, size = data[at + 3], int.from_bytes(data[at + 5 : at + 7], "little")
            end = at + head + (size + 2 if size else 0)
            if len(data) < end:
                break
            stored += self._heard(data[at + 9], data[at + head : end - 2])
            at = end
        self._rest = data[at:][-REST_BYTES:]
        return stored

    def _heard(self, kind: int, data: bytes) -> int:
        stored, at = 0, 3 if kind == RESPONSE else 0
        while at + 7 <= len(data):
            end = at + 7 + int.from_bytes(data[at : at + 2], "little")
            service = data[at + 5]
            at += 7
            while at + 3 <= end:
                what, size = data[at], int.from_bytes(data[at + 1 : at + 3], "little")
                if what == RESULT_CODE:
                    self.accepted = data[at + 3] == 0
                elif what == RECORD_RESPONSE and service == TELEDATA and data[at + 5] == 0:
                    stored += 1
                at += 3 + size
        return stored

    def _record(self, service: int, subrecords: bytes) -> bytes:
        self._records = (self._records + 1) & 0xFFFF
        return struct.pack("<HHBBB", len(subrecords), self._records, 0, service, service) + subrecords

    def _packet(self, kind: int, data: bytes) -> bytes:
        self._packets = (self._packets + 1) & 0xFFFF
        head = struct.pack("<5BHHB", 1, 0, 0, 11, 0, len(data), self._packets, kind)
        return head + bytes((nrsc_5(head),)) + data + ibm_3740(data).to_bytes(2, "little")


def _subrecord(kind: int, data: bytes) -> bytes:
    return struct.pack("<BH", kind, len(data)) + data


def _fix(fix: Fix) -> bytes:
    course = round(fix.course_deg) % 360
    speed = min(round(fix.speed_kmh * 10), 0x3FFF) | (fix.altitude_m < 0) << 14 | course >> 8 << 15
    flags = 0x83 | (fix.speed_kmh > 0) << 4 | (fix.latitude < 0) << 5 | (fix.longitude < 0) << 6
    place = struct.pack(
        "<IIIBHB3sBB3s",
        int(fix.time.timestamp()) - SINCE_2010_S,
        round(abs(fix.latitude) / 90 * 0xFFFFFFFF),
        round(abs(fix.longitude) / 180 * 0xFFFFFFFF),
        flags,
        speed,
        course & 0xFF,
        (fix.odometer_m // 100 & 0xFFFFFF).to_bytes(3, "little"),
        int(fix.ignition),
        ALARM_SOURCES.get(fix.alarm or "", 0),
        round(abs(fix.altitude_m)).to_bytes(3, "little"),
    )
    state = bytes((2, min(round(fix.power_v * 10), 255), 0, min(32 + fix.battery_percent // 10, 255), 0))  # 3.2 to 4.2 V
    return (
        _subrecord(POS_DATA, place)
        + _subrecord(EXT_POS_DATA, bytes((8, min(fix.satellites, 255))))
        + _subrecord(STATE_DATA, state)
    )
