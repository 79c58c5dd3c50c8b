"""An H02 tracker that does not exist: V1 as the maker's manual draws it, written without the decoder; see `protocols/h02`.

There is no login: each message names its tracker. The server's V4 repeats date and time of the position that it has kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from telematics.simulator.fix import Fix

KMH_PER_KNOT = 1.852
WELL = 0xFFFFFFFF  # every bit is set while nothing is wrong
IGNITION_OFF = 1 << 10
ALARM_BITS = {"vibration": 1 << 0, "sos": 1 << 1, "overspeed": 1 << 2, "powerCut": 1 << 19}  # Traccar's name: cleared
CELL = "401,2,21065,10203"  # Kazakhstan, Kcell
REST_BYTES = 1024  # more without an end is not an H02 server
LONGEST_ID = 15


class Tracker:
    """The tracker's side of a connection; see `fix.Wire`."""

    accepted: bool | None = True

    def __init__(self, unique_id: str) -> None:
        """Raises ValueError for what is no number: ten digits of the IMEI, or all of it."""
        if not (unique_id.isascii() and unique_id.isdecimal() and len(unique_id) <= LONGEST_ID):
            raise ValueError(f"an H02 tracker is known by up to {LONGEST_ID} digits, not {unique_id!r}")
        self._id = unique_id
        self._rest = b""

    def hello(self) -> bytes:
        return b""

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """A V1 per fix."""
        return b"".join(self._position(fix) for fix in fixes)

    def status(self, fix: Fix) -> bytes:
        """LINK, the heartbeat that tells signal, satellites and battery."""
        time = fix.time.astimezone(UTC)
        parts = f"{time:%H%M%S},{fix.gsm},{fix.satellites},{fix.battery_percent},0,0,{time:%d%m%y},{_status(fix):08X}"
        return f"*HQ,{self._id},LINK,{parts}#".encode()

    def receive(self, data: bytes) -> int:
        *messages, rest = (self._rest + data).split(b"#")
        self._rest = rest[-REST_BYTES:]
        mine = f"*HQ,{self._id},V4,V1,".encode()
        return sum(message.lstrip().startswith(mine) for message in messages)

    def _position(self, fix: Fix) -> bytes:
        time = fix.time.astimezone(UTC)
        latitude, longitude = _angle(fix.latitude, digits=2), _angle(fix.longitude, digits=3)
        halves = "N" if fix.latitude >= 0 else "S", "E" if fix.longitude >= 0 else "W"
        return (
            f"*HQ,{self._id},V1,{time:%H%M%S},A,{latitude},{halves[0]},{longitude},{halves[1]},"
            f"{fix.speed_kmh / KMH_PER_KNOT:06.2f},{round(fix.course_deg) % 360:03d},{time:%d%m%y},{_status(fix):08X},{CELL}#"
        ).encode()


def _status(fix: Fix) -> int:
    status = WELL & ~ALARM_BITS.get(fix.alarm or "", 0)
    return status if fix.ignition else status & ~IGNITION_OFF


def _angle(degrees: float, *, digits: int) -> str:
    """Degrees and minutes with four decimals, as whole numbers, so that no minute rounds up to 60."""
    whole, rest = divmod(round(abs(degrees) * 600_000), 600_000)
    return f"{whole:0{digits}d}{rest // 10_000:02d}.{rest % 10_000:04d}"
