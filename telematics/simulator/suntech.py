"""A Suntech ST340 that does not exist: the reports of the ST300 manual, written without the decoder; see `protocols/suntech`.

Over TCP nothing is acknowledged, so what was sent counts; over UDP the server says ST300ACK for each report (UDP_ACK=1).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from telematics.simulator.fix import Fix

MODEL, VERSION, CELL = "02", "534", "0a3f12"
DRIVING, PARKED = 2, 1  # modes of a status report
EMERGENCIES = {"sos": 1, "parking": 2, "door": 5, "movement": 7}  # Traccar's name: the manual's code
ALERTS = {
    "overspeed": 1, "gpsAntennaCut": 3, "geofenceExit": 5, "geofenceEnter": 6, "lowBattery": 14, "vibration": 15, "accident": 16,
    "powerRestored": 40, "powerCut": 41, "hardAcceleration": 46, "hardBraking": 47, "jamming": 50,
}  # fmt: skip
EMPTY_V, FULL_V = 3.4, 4.2  # of the backup battery
LONGEST_ID = 15
REST_BYTES = 256  # more without an end is not a Suntech server


class Tracker:
    """The tracker's side of a connection; see `fix.Wire`."""

    accepted: bool | None = True

    def __init__(self, unique_id: str) -> None:
        """Raises ValueError for what is no number."""
        if not (unique_id.isascii() and unique_id.isdecimal() and len(unique_id) <= LONGEST_ID):
            raise ValueError(f"a Suntech tracker is known by up to {LONGEST_ID} digits, not {unique_id!r}")
        self._id = unique_id
        self._number = 0
        self._sent = 0

    def hello(self) -> bytes:
        """No login, but a tracker that has just connected says that it lives."""
        return f"ST300ALV;{self._id}\r".encode()

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """A line per fix."""
        lines = b"".join(self._line(fix).encode() for fix in fixes)
        self._sent += len(fixes)
        return lines

    def receive(self, data: bytes) -> int:
        sent, self._sent = self._sent, 0
        return sent

    def _line(self, fix: Fix) -> str:
        if fix.alarm in EMERGENCIES:
            kind, code = "EMG", f"{EMERGENCIES[fix.alarm]}"
        elif fix.alarm in ALERTS:
            kind, code = "ALT", f"{ALERTS[fix.alarm]}"
        else:
            self._number = self._number % 9999 + 1
            kind, code = "STT", f"{DRIVING if fix.ignition else PARKED};{self._number:04d}"
        time = fix.time.astimezone(UTC)
        backup_v = EMPTY_V + (FULL_V - EMPTY_V) * fix.battery_percent / 100
        course_deg = fix.course_deg % 360
        return (
            f"ST300{kind};{self._id};{MODEL};{VERSION};{time:%Y%m%d};{time:%H:%M:%S};{CELL};"
            f"{fix.latitude:+010.6f};{fix.longitude:+011.6f};{fix.speed_kmh:07.3f};{course_deg:06.2f};{fix.satellites};1;"
            f"{fix.odometer_m};{fix.power_v:.2f};{fix.ignition:d}00000;{code};000000;{backup_v:.1f};1\r"
        )


class UdpTracker(Tracker):
    """The same by datagram."""

    def __init__(self, unique_id: str) -> None:
        super().__init__(unique_id)
        self._rest = b""

    def receive(self, data: bytes) -> int:
        *answers, rest = (self._rest + data).split(b"\r")
        self._rest = rest[-REST_BYTES:]
        return answers.count(f"ST300ACK;{self._id}".encode())
