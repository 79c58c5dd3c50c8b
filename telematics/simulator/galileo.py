"""A Galileosky tracker that does not exist: the wire as the maker's manual draws it, written without the decoder.

The first packet holds hardware, firmware and IMEI; then each packet holds up to ten records of tags. The server answers a packet
with its checksum. See `protocols/galileo` for the layout.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from fastcrc.crc16 import modbus

from telematics.simulator.fix import Fix

RECORDS_A_PACKET = 10  # with some 60 bytes each below the thousand that the manual allows
ALARM_BITS = {  # of the status
    "lowBattery": 1 << 5,
    "gpsAntennaCut": 1 << 6,
    "general": 1 << 15,
    "sos": 1 << 15,  # it has one bit for all the rest, which is read as "general"
}


class Tracker:
    """The tracker's side of a connection; see `fix.Wire`."""

    def __init__(self, unique_id: str) -> None:
        """Raises ValueError when the id is not an IMEI: its tag has room for 15 letters."""
        if not (unique_id.isascii() and unique_id.isdecimal() and len(unique_id) == 15):
            raise ValueError(f"a Galileosky tracker is known by its IMEI, 15 digits, not {unique_id!r}")
        self.accepted: bool | None = None
        self._identity = b"\x03" + unique_id.encode() + b"\x04\x01\x00"
        self._number = 0
        self._login = b""
        self._waiting: list[tuple[bytes, int]] = []  # checksum and records of the packets that aren't answered
        self._rest = b""

    def hello(self) -> bytes:
        packet = _packet(b"\x01\x11\x02\x25" + self._identity)
        self._login = packet[-2:]
        return packet

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """Packets of up to ten records."""
        packets = []
        for at in range(0, len(fixes), RECORDS_A_PACKET):
            some = fixes[at : at + RECORDS_A_PACKET]
            packet = _packet(b"".join(self._record(fix) for fix in some))
            self._waiting.append((packet[-2:], len(some)))
            packets.append(packet)
        return b"".join(packets)

    def receive(self, data: bytes) -> int:
        """Answers are three bytes: 02 and the packet's checksum. Commands of the server are passed over."""
        data = self._rest + data
        stored = at = 0
        while len(data) >= at + 3:
            if data[at] != 2:
                end = at + 5 + int.from_bytes(data[at + 1 : at + 3], "little")
                if len(data) < end:
                    break
                at = end
                continue
            answer = data[at + 1 : at + 3]
            at += 3
            if self.accepted is None and answer == self._login:
                self.accepted = True
                continue
            for place, (checksum, count) in enumerate(self._waiting):
                if checksum == answer:
                    del self._waiting[place]
                    stored += count
                    break
        self._rest = data[at:][:40_000]
        return stored

    def _record(self, fix: Fix) -> bytes:
        self._number = (self._number + 1) & 0xFFFF
        status = (fix.speed_kmh > 0) | fix.ignition << 9 | min(fix.gsm, 3) << 12
        status |= ALARM_BITS.get(fix.alarm or "", 0)
        return self._identity + b"".join(
            (
                struct.pack("<BH", 0x10, self._number),
                struct.pack("<BI", 0x20, int(fix.time.timestamp())),
                struct.pack("<BBii", 0x30, min(fix.satellites, 15), round(fix.latitude * 1e6), round(fix.longitude * 1e6)),
                struct.pack("<BHH", 0x33, min(round(fix.speed_kmh * 10), 65535), round(fix.course_deg * 10) % 3600),
                struct.pack("<Bh", 0x34, round(fix.altitude_m)),
                struct.pack("<BH", 0x40, status),
                struct.pack("<BH", 0x41, min(round(fix.power_v * 1000), 65535)),
                struct.pack("<BH", 0x42, 3200 + fix.battery_percent * 10),  # mV of its own cell
                struct.pack("<BI", 0xD4, fix.odometer_m & 0xFFFFFFFF),
            )
        )


def _packet(content: bytes) -> bytes:
    packet = b"\x01" + len(content).to_bytes(2, "little") + content
    return packet + modbus(packet).to_bytes(2, "little")
