"""A JT/T 808 tracker that does not exist: the wire as the standard draws it, written without the decoder.

Authentication 0102, position 0200 and heartbeat 0002; see `protocols/jt808` for the layout. A number of up to 12 digits is sent
in the form of 2013, a longer one, such as an IMEI, in that of 2019. Each fix is one message with the next serial, so that
general answers to positions count the fixes that are stored. Commands are answered by 0001, which repeats their serial, or by
what they ask for: a position 0201, parameters 0104, attributes 0107.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, timedelta
from functools import reduce
from operator import xor

from telematics.simulator.fix import Fix
from telematics.simulator.orders import LONGEST_INTERVAL_S, Heard, Order

ANSWER, HEARTBEAT, AUTHENTICATION, POSITION = 0x0001, 0x0002, 0x0102, 0x0200
GENERAL_ANSWER = 0x8001
BEIJING = timedelta(hours=8)
ALARM_BITS = {  # Traccar's name: the standard's bit
    "sos": 0, "overspeed": 1, "fatigueDriving": 2, "fault": 4, "gpsAntennaCut": 5, "lowBattery": 7, "powerOff": 8,
    "vibration": 15, "tampering": 17, "parking": 19, "geofence": 20, "general": 26, "movement": 28, "accident": 29,
}  # fmt: skip
DRIVING_BITS = {"hardAcceleration": 8, "hardBraking": 9, "hardCornering": 10}  # in item 57
DONE, NOT_SUPPORTED = 0, 3  # results in our general answer
CONTROL, SET, PARAMETERS, ATTRIBUTES, WHERE = 0x8105, 0x8103, 0x8104, 0x8107, 0x8201
CONTROLS = {0xF0: "engineStop", 0xF1: "engineResume", 4: "rebootDevice", 5: "factoryReset", 3: "powerOff"}
ORDERS = {  # the server's message: Traccar's name of the command
    PARAMETERS: "getDeviceStatus", ATTRIBUTES: "getVersion", WHERE: "positionSingle", SET: "configuration",
    0x8203: "alarmDismiss", 0x8300: "message", 0x8400: "voiceMonitoring", 0x8801: "requestPhoto",
}  # fmt: skip
REGISTERED = 0x8100
INTERVAL = 0x0029  # parameter, s
REST_BYTES = 1024  # more without a whole answer is not a JT/T 808 server


class Tracker(Heard):
    """The tracker's side of a connection; see `fix.Wire`."""

    def __init__(self, unique_id: str) -> None:
        """Raises ValueError when the id can't be a number in BCD."""
        if not (unique_id.isascii() and unique_id.isdecimal() and len(unique_id) <= 20):
            raise ValueError(f"a JT/T 808 tracker is known by a number of at most 20 digits, not {unique_id!r}")
        super().__init__()
        self.accepted: bool | None = None
        self._code = unique_id.encode()
        self._of_2019 = len(unique_id) > 12
        self._number = bytes.fromhex(unique_id.zfill(20 if self._of_2019 else 12))
        self._serial = 0
        self._rest = b""

    def hello(self) -> bytes:
        """The authentication of a tracker that was registered before."""
        code = (
            bytes((len(self._code),)) + self._code + b"123456789012345" + b"V1.0".ljust(20, b"\0")
            if self._of_2019
            else self._code
        )
        return self._message(AUTHENTICATION, code)

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """A message per fix."""
        return b"".join(self._message(POSITION, _position(fix)) for fix in fixes)

    def status(self, fix: Fix) -> bytes:
        """The heartbeat."""
        return self._message(HEARTBEAT, b"")

    def receive(self, data: bytes) -> int:
        data = self._rest + data
        acknowledged = 0
        while (start := data.find(b"\x7e")) >= 0 and (end := data.find(b"\x7e", start + 1)) >= 0:
            acknowledged += self._answered(data[start + 1 : end])
            data = data[end + 1 :]
        self._rest = data[-REST_BYTES:]
        return acknowledged

    def _answered(self, message: bytes) -> int:
        content = message.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
        if len(content) < 13 or reduce(xor, content):
            return 0
        if int.from_bytes(content[:2], "big") != GENERAL_ANSWER:
            self._hear(content)
            return 0
        kind, result = int.from_bytes(content[-4:-2], "big"), content[-2]
        if kind == AUTHENTICATION:
            self.accepted = result == 0
        return int(kind == POSITION and result == 0)

    def _hear(self, content: bytes) -> None:
        kind, at = int.from_bytes(content[:2], "big"), 15 if self._of_2019 else 10
        mark, body = content[at : at + 2] + content[:2], content[at + 2 : -1]
        name, interval_s = ORDERS.get(kind, "custom"), 0
        if kind == CONTROL and body:
            name = CONTROLS.get(body[0], "custom")
        elif kind == SET and body[1:6] == INTERVAL.to_bytes(4, "big") + b"\x04":
            name, interval_s = "positionPeriodic", min(int.from_bytes(body[6:10], "big"), LONGEST_INTERVAL_S)
        elif kind == REGISTERED:
            return
        self.hear(Order(name, f"{kind:04X}:{body.hex()}", mark, interval_s))

    def answer(self, order: Order, fix: Fix) -> bytes:
        serial, kind = order.mark[:2], int.from_bytes(order.mark[2:], "big")
        if kind == WHERE:
            return self._message(0x0201, serial + _position(fix))
        if kind == PARAMETERS:  # one: how often it reports
            return self._message(0x0104, serial + b"\x01" + struct.pack(">IBI", INTERVAL, 4, 10))
        if kind == ATTRIBUTES:  # kind u16, maker 5, model 20, id 7, ICCID 10, versions of hardware and firmware, GNSS and network
            made = b"SIMUL" + b"T808".ljust(20, b"\0") + b"0000001" + bytes(10)
            return self._message(0x0107, b"\0\1" + made + b"\x03HW1" + b"\x03FW1" + b"\x03\x03")
        result = NOT_SUPPORTED if order.type == "custom" else DONE
        return self._message(ANSWER, order.mark + bytes((result,)))

    def _message(self, kind: int, body: bytes) -> bytes:
        self._serial = self._serial % 0xFFFF + 1
        front = b"\x01" if self._of_2019 else b""
        head = struct.pack(">HH", kind, len(body) | (0x4000 if self._of_2019 else 0)) + front + self._number
        content = head + self._serial.to_bytes(2, "big") + body
        content += bytes((reduce(xor, content),))
        return b"\x7e" + content.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def _position(fix: Fix) -> bytes:
    alarms = 1 << ALARM_BITS[fix.alarm] if fix.alarm in ALARM_BITS else 0
    status = fix.ignition | 1 << 1 | (fix.latitude < 0) << 2 | (fix.longitude < 0) << 3 | fix.blocked << 10
    head = struct.pack(
        ">IIIIhHH",
        alarms,
        status,
        round(abs(fix.latitude) * 1e6),
        round(abs(fix.longitude) * 1e6),
        round(fix.altitude_m),
        round(fix.speed_kmh * 10),
        round(fix.course_deg) % 360,
    )
    time = bytes.fromhex(f"{fix.time.astimezone(UTC) + BEIJING:%y%m%d%H%M%S}")
    items = struct.pack(">BBIBBBBBB", 0x01, 4, fix.odometer_m // 100, 0x30, 1, fix.gsm, 0x31, 1, fix.satellites)
    items += struct.pack(">BBHBBB", 0x61, 2, round(fix.power_v * 100), 0xD4, 1, fix.battery_percent)
    if fix.alarm in DRIVING_BITS:
        items += struct.pack(">BBHHI", 0x57, 8, 1 << DRIVING_BITS[fix.alarm], 0, 0)
    return head + time + items
