"""A Queclink GV300 that does not exist: @Track as text, written from the manual apart from the decoder; see `protocols/gl200`.

There is no login. Each message counts on, and the server's +SACK repeats the count of what it has stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from telematics.simulator.fix import Fix

VERSION, NAME = "250504", "gv300"
CELL = "0401,0002,5249,27DB"  # Kazakhstan, Kcell
STANDS_KMH = 2.0
ALARMS = {  # Traccar's name: what the message is called, and its report type
    "sos": ("SOS", "00"), "overspeed": ("SPD", "01"), "tow": ("TOW", "00"), "idle": ("IDL", "00"), "temperature": ("TEM", "01"),
    "geofenceEnter": ("GEO", "01"), "geofenceExit": ("GEO", "00"), "hardBraking": ("HBM", "10"),
    "hardAcceleration": ("HBM", "11"), "hardCornering": ("HBM", "12"), "jamming": ("JDS", "01"),
}  # fmt: skip
EVENTS = {"powerCut": "MPF", "powerRestored": "MPN", "lowBattery": "BPL", "movement": "STT", "accident": "CRA"}
REST_BYTES = 256  # more without an end is not a Queclink server


class Tracker:
    """The tracker's side of a connection; see `fix.Wire`."""

    accepted: bool | None = True

    def __init__(self, unique_id: str) -> None:
        """Raises ValueError when the id is not an IMEI."""
        if not (unique_id.isascii() and unique_id.isdecimal() and len(unique_id) == 15):
            raise ValueError(f"a Queclink tracker is known by its IMEI, 15 digits, not {unique_id!r}")
        self._id = unique_id
        self._count = 0
        self._waiting: set[bytes] = set()
        self._rest = b""

    def hello(self) -> bytes:
        return b""

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """A message per fix."""
        messages = [self._message(*_report(fix), fix) for fix in fixes]
        self._waiting.update(message[-5:-1] for message in messages)
        return b"".join(messages)

    def status(self, fix: Fix) -> bytes:
        """The heartbeat."""
        return self._message("+ACK:GTHBD", "", fix)

    def receive(self, data: bytes) -> int:
        *answers, rest = (self._rest + data).split(b"$")
        self._rest = rest[-REST_BYTES:]
        stored = {answer[6:] for answer in answers if answer.startswith(b"+SACK:")} & self._waiting
        self._waiting -= stored
        return len(stored)

    def _message(self, head: str, fields: str, fix: Fix) -> bytes:
        self._count = (self._count + 1) & 0xFFFF
        sent = f"{fix.time.astimezone(UTC):%Y%m%d%H%M%S}"
        parts = (head, VERSION, self._id, NAME, *([fields] if fields else []), sent, f"{self._count:04X}$")
        return ",".join(parts).encode()


def _report(fix: Fix) -> tuple[str, str]:
    place = _place(fix)
    odometer_km = f"{fix.odometer_m / 1000:.1f}"
    if fix.alarm in ALARMS:
        name, kind = ALARMS[fix.alarm]
        return f"+RESP:GT{name}", f",{kind},1,{place},{odometer_km}"
    if fix.alarm in EVENTS:
        said = {"BPL": "3.55,", "STT": f"{_state(fix)},", "CRA": "01,"}.get(EVENTS[fix.alarm], "")
        return f"+RESP:GT{EVENTS[fix.alarm]}", f"{said}{place},{odometer_km}"
    supply_mv = round(fix.power_v * 1000)
    telemetry = f"{odometer_km},,,,{fix.battery_percent},{_state(fix)}{fix.ignition:02X}00,,,"
    return "+RESP:GTFRI", f"{supply_mv},10,1,{place},{telemetry}"


def _place(fix: Fix) -> str:
    """Accuracy 1, as with many satellites; the field behind the cell is reserved."""
    return (
        f"1,{fix.speed_kmh:.1f},{round(fix.course_deg) % 360},{fix.altitude_m:.1f},{fix.longitude:.6f},{fix.latitude:.6f},"
        f"{fix.time.astimezone(UTC):%Y%m%d%H%M%S},{CELL},00"
    )


def _state(fix: Fix) -> str:
    return f"{2 if fix.ignition else 1}{1 if fix.speed_kmh < STANDS_KMH else 2}"
