"""A tracker that speaks Wialon IPS 2.0 (the layout is told in `protocols/wialon.py`; written from the manual, apart from it).

Commands are the maker's own words, on a line; it answers with a message for the driver's dispatcher (M). Its first output has the
engine's relay.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastcrc import crc16

from telematics.simulator.fix import Fix
from telematics.simulator.orders import Heard, Order, switched

LONGEST_ANSWER_BYTES = 2048  # a server that writes more without a line end is not Wialon's


class Tracker(Heard):
    def __init__(self, unique_id: str) -> None:
        super().__init__()
        self.unique_id = unique_id
        self.accepted: bool | None = None
        self._answers = b""

    def hello(self) -> bytes:
        return _packet("L", f"2.0;{self.unique_id};NA;")

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """One fix as D, several as one B."""
        if len(fixes) == 1:
            return _packet("D", _record(fixes[0]) + ";")
        return _packet("B", "".join(_record(fix) + "|" for fix in fixes)) if fixes else b""

    def receive(self, data: bytes) -> int:
        *lines, rest = (self._answers + data).split(b"\n")
        self._answers = rest[-LONGEST_ANSWER_BYTES:]
        return sum(self._answered(line.strip()) for line in lines)

    def _answered(self, line: bytes) -> int:
        words, mark, answer = line.partition(b"#")
        if words and not mark:
            self.hear(_order(words.decode("utf-8", "replace")))
        kind, _, result = answer.partition(b"#")
        if kind == b"AL":
            self.accepted = result == b"1"
        elif kind == b"AD" and result == b"1":
            return 1
        elif kind == b"AB" and result.isdigit():
            return int(result)
        elif kind == b"M":
            self.hear(Order("message", result.rpartition(b";")[0].decode("utf-8", "replace")))
        return 0

    def answer(self, order: Order, fix: Fix) -> bytes:
        if order.type == "message":  # on the driver's screen
            return b"#AM#1\r\n"
        return _packet("M", f"{_said(order, self.unique_id)};")


def _order(text: str) -> Order:
    if text[:1] == "L" and text[1:2].isdigit() and text[2:3] == "=":
        return Order(switched(int(text[1]), text[3:]), text)
    return Order({"VER?": "deviceIdentification", "reboot": "rebootDevice"}.get(text, "custom"), text)


def _said(order: Order, unique_id: str) -> str:
    match order.type:
        case "custom":
            return f"{order.text.replace(';', ',')}: unknown"
        case "deviceIdentification":
            return f"VER=1.0 ID={unique_id}"
    return f"{order.text}: OK"


def _packet(kind: str, body: str) -> bytes:
    text = body.encode()
    return b"#%s#%s%04X\r\n" % (kind.encode(), text, crc16.arc(text))


def _record(fix: Fix) -> str:
    fraction = f".{fix.time.microsecond // 1000:03d}" if fix.time.microsecond else ""
    params = [
        f"ignition:1:{fix.ignition:d}",
        f"power:2:{fix.power_v:.3f}",
        f"batteryLevel:1:{fix.battery_percent}",
        f"rssi:1:{fix.gsm}",
        f"odometer:1:{fix.odometer_m}",
    ]
    if fix.alarm == "sos":
        params.append("SOS:1:1")
    elif fix.alarm:
        params.append(f"alarm:3:{fix.alarm}")
    return ";".join(
        (
            fix.time.strftime("%d%m%y"),
            fix.time.strftime("%H%M%S") + fraction,
            _angle(fix.latitude, digits=2),
            "N" if fix.latitude >= 0 else "S",
            _angle(fix.longitude, digits=3),
            "E" if fix.longitude >= 0 else "W",
            f"{fix.speed_kmh:.2f}",
            f"{fix.course_deg:.1f}",
            f"{fix.altitude_m:.1f}",
            str(fix.satellites),
            f"NA;NA;{1 if fix.blocked else 'NA'};;NA",  # hdop, inputs, outputs, adc, ibutton
            ",".join(params),
        )
    )


def _angle(degrees: float, *, digits: int) -> str:
    """Degrees and minutes with seven decimals (a fifth of a millimetre), as whole numbers, so that no minute rounds up to 60."""
    whole, rest = divmod(round(abs(degrees) * 60 * 10**7), 60 * 10**7)
    minutes, decimals = divmod(rest, 10**7)
    return f"{whole:0{digits}d}{minutes:02d}.{decimals:07d}"
