"""An H02 tracker that does not exist: V1 as the maker's manual draws it, written without the decoder; see `protocols/h02`.

There is no login: each message names its tracker. The server's V4 repeats date and time of the position that it has kept. The
tracker's own V4 answers a command and repeats its time; D1 is answered by a position alone, R1 by silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from telematics.simulator.fix import Fix
from telematics.simulator.orders import Heard, Order, every

KMH_PER_KNOT = 1.852
WELL = 0xFFFFFFFF  # every bit is set while nothing is wrong
IGNITION_OFF = 1 << 10
CUT_OFF = 1 << 27  # oil and engine
ALARM_BITS = {"vibration": 1 << 0, "sos": 1 << 1, "overspeed": 1 << 2, "powerCut": 1 << 19}  # Traccar's name: cleared
CELL = "401,2,21065,10203"  # Kazakhstan, Kcell
WORDS = {  # Traccar's name for a command by its word, and by its parameters where they differ
    "D1": "positionSingle", "R1": "rebootDevice", "R7": "alarmDismiss", "INFO": "getDeviceStatus", "RESET": "factoryReset",
    "S71": "positionPeriodic", "S14": "setSpeedLimit", "S20,1,1": "engineStop", "S20,1,0": "engineResume",
    "SCF,0,0": "alarmArm", "SCF,1,1": "alarmDisarm",
}  # fmt: skip
SILENT = ("positionSingle", "rebootDevice", "alarmDismiss")
REST_BYTES = 1024  # more without an end is not an H02 server
LONGEST_ID = 15


class Tracker(Heard):
    """The tracker's side of a connection; see `fix.Wire`."""

    accepted: bool | None = True

    def __init__(self, unique_id: str) -> None:
        """Raises ValueError for what is no number: ten digits of the IMEI, or all of it."""
        if not (unique_id.isascii() and unique_id.isdecimal() and len(unique_id) <= LONGEST_ID):
            raise ValueError(f"an H02 tracker is known by up to {LONGEST_ID} digits, not {unique_id!r}")
        super().__init__()
        self._id = unique_id
        self._rest = b""

    def hello(self) -> bytes:
        return b""

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """A V1 per fix."""
        return b"".join(self._position(fix, "V1") for fix in fixes)

    def status(self, fix: Fix) -> bytes:
        """LINK, the heartbeat that tells signal, satellites and battery."""
        time = fix.time.astimezone(UTC)
        parts = f"{time:%H%M%S},{fix.gsm},{fix.satellites},{fix.battery_percent},0,0,{time:%d%m%y},{_status(fix):08X}"
        return f"*HQ,{self._id},LINK,{parts}#".encode()

    def receive(self, data: bytes) -> int:
        *messages, rest = (self._rest + data).split(b"#")
        self._rest = rest[-REST_BYTES:]
        mine, stored = f"*HQ,{self._id},".encode(), 0
        for message in messages:
            begin, _, said = message.lstrip().partition(mine)
            if begin or not said:
                continue
            if said.startswith(b"V4,V1,"):
                stored += 1
            else:
                self._hear(said.decode("ascii", "replace"))
        return stored

    def _hear(self, text: str) -> None:
        """A word, the time of the command, parameters."""
        word, clock, *parameters = [*text.split(","), "", ""][: max(2, text.count(",") + 1)]
        kind = WORDS.get(",".join((word, *parameters))) or WORDS.get(word, "custom")
        interval_s = every(parameters[-1]) if kind == "positionPeriodic" and parameters else 0
        self.hear(Order(kind, word, clock.encode(), interval_s))

    def answer(self, order: Order, fix: Fix) -> bytes:
        if order.type in SILENT:
            return b""
        outcome = "ERROR" if order.type == "custom" else "DONE"
        return self._position(fix, ",".join(part for part in ("V4", order.text, outcome, order.mark.decode()) if part))

    def _position(self, fix: Fix, kind: str) -> bytes:
        time = fix.time.astimezone(UTC)
        latitude, longitude = _angle(fix.latitude, digits=2), _angle(fix.longitude, digits=3)
        halves = "N" if fix.latitude >= 0 else "S", "E" if fix.longitude >= 0 else "W"
        return (
            f"*HQ,{self._id},{kind},{time:%H%M%S},A,{latitude},{halves[0]},{longitude},{halves[1]},"
            f"{fix.speed_kmh / KMH_PER_KNOT:06.2f},{round(fix.course_deg) % 360:03d},{time:%d%m%y},{_status(fix):08X},{CELL}#"
        ).encode()


def _status(fix: Fix) -> int:
    status = WELL & ~ALARM_BITS.get(fix.alarm or "", 0)
    status &= ~(CUT_OFF if fix.blocked else 0)
    return status if fix.ignition else status & ~IGNITION_OFF


def _angle(degrees: float, *, digits: int) -> str:
    """Degrees and minutes with four decimals, as whole numbers, so that no minute rounds up to 60."""
    whole, rest = divmod(round(abs(degrees) * 600_000), 600_000)
    return f"{whole:0{digits}d}{rest // 10_000:02d}.{rest % 10_000:04d}"
