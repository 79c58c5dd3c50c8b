"""A GT06 tracker that does not exist: the wire as Concox's manual draws it, written without the decoder.

Location 0x22, alarm 0x26 and heartbeat 0x13; see `protocols/gt06` for the layout. Each fix is one packet with the next serial,
so that the server's answers, which repeat kind and serial, count the fixes it has stored.

Commands come as 0x80 with the words that its maker takes by SMS; the answer, 0x15, repeats the server's own four bytes. A
heartbeat behind it tells the state of the relay.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC

from fastcrc.crc16 import ibm_sdlc

from telematics.simulator.fix import Fix
from telematics.simulator.orders import Heard, Order, every

LOGIN, LOCATION, ALARM, HEARTBEAT = 0x01, 0x22, 0x26, 0x13
MODEL = b"\x20\x01"
UTC_ENGLISH = b"\x00\x02"
CELL = struct.pack(">HBH", 401, 2, 0x5249) + b"\x00\x27\xdb"  # Kazakhstan, Kcell

ALARM_CODES = {  # Traccar's name: the manual's code
    "sos": 0x01, "powerCut": 0x02, "vibration": 0x03, "geofenceEnter": 0x04, "geofenceExit": 0x05, "overspeed": 0x06,
    "lowBattery": 0x0E, "powerOff": 0x11, "tampering": 0x13, "door": 0x14, "removing": 0x18, "fallDown": 0x23,
    "hardAcceleration": 0x29, "hardBraking": 0x28, "hardCornering": 0x2A, "accident": 0x2C, "jamming": 0x30,
}  # fmt: skip
COMMAND, ANSWER = 0x80, 0x15
WORDS = {  # a command's first word: Traccar's name for it
    "WHERE": "positionSingle", "STATUS": "getDeviceStatus", "VERSION": "getVersion", "PARAM": "deviceIdentification",
    "RESET": "rebootDevice", "FACTORY": "factoryReset", "TIMER": "positionPeriodic", "DYD": "engineStop", "HFYD": "engineResume",
    "RELAY,1": "engineStop", "RELAY,0": "engineResume", "GMT": "setTimezone", "SERVER": "setConnection", "SPEED": "alarmSpeed",
    "SOS": "sosNumber",
}  # fmt: skip
REST_BYTES = 1024  # more without a whole answer is not a GT06 server


class Tracker(Heard):
    """The tracker's side of a connection; see `fix.Wire`."""

    def __init__(self, unique_id: str) -> None:
        """Raises ValueError when the id is not an IMEI: the login has room for 15 digits and nothing else."""
        if not (unique_id.isascii() and unique_id.isdecimal() and len(unique_id) == 15):
            raise ValueError(f"a GT06 tracker is known by its IMEI, 15 digits, not {unique_id!r}")
        super().__init__()
        self.accepted: bool | None = None
        self._imei = bytes.fromhex("0" + unique_id)
        self._serial = 0
        self._rest = b""

    def hello(self) -> bytes:
        return self._packet(LOGIN, self._imei + MODEL + UTC_ENGLISH)

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """A packet per fix."""
        return b"".join(self._alarm(fix) if fix.alarm in ALARM_CODES else self._location(fix) for fix in fixes)

    def status(self, fix: Fix) -> bytes:
        """The heartbeat."""
        return self._packet(HEARTBEAT, _bars(fix) + b"\x00\x02")

    def receive(self, data: bytes) -> int:
        data = self._rest + data
        acknowledged = at = 0
        while (start := data.find(b"xx", at)) >= 0 and len(data) > start + 2:
            end = start + data[start + 2] + 5
            if len(data) < end:
                break
            acknowledged += self._answered(data[start:end])
            at = end
        self._rest = data[at:][-REST_BYTES:]
        return acknowledged

    def _answered(self, packet: bytes) -> int:
        if packet[-2:] != b"\r\n" or int.from_bytes(packet[-4:-2], "big") != ibm_sdlc(packet[2:-4]):
            return 0
        if packet[3] == LOGIN:
            self.accepted = True
        elif packet[3] == COMMAND:
            self._hear(packet[5:9], packet[9 : 5 + packet[4]].decode("ascii", "replace"))
        return int(packet[3] in (LOCATION, ALARM))

    def _hear(self, mark: bytes, text: str) -> None:
        words = text.rstrip("#").upper().split(",")
        kind = WORDS.get(words[0]) or WORDS.get(",".join(words[:2]), "custom")
        interval_s = every(words[1]) if kind == "positionPeriodic" and len(words) > 1 else 0
        self.hear(Order(kind, text, mark, interval_s))

    def answer(self, order: Order, fix: Fix) -> bytes:
        text = _said(order, fix).encode()
        said = self._packet(ANSWER, bytes((4 + len(text),)) + order.mark + text + UTC_ENGLISH)
        return said + self.status(fix)

    def _location(self, fix: Fix) -> bytes:
        tail = struct.pack(">BBBI", fix.ignition, 0, 0, fix.odometer_m)  # 0, 0: the interval was over, sent for the first time
        return self._packet(LOCATION, _place(fix) + CELL + tail)

    def _alarm(self, fix: Fix) -> bytes:
        cell = bytes((len(CELL) + 1,)) + CELL  # the length counts itself
        return self._packet(ALARM, _place(fix) + cell + _bars(fix) + bytes((ALARM_CODES[fix.alarm or ""], 0x02)))

    def _packet(self, kind: int, content: bytes) -> bytes:
        self._serial = self._serial % 0xFFFF + 1
        body = bytes((len(content) + 5, kind)) + content + self._serial.to_bytes(2, "big")
        return b"xx" + body + ibm_sdlc(body).to_bytes(2, "big") + b"\r\n"


def _said(order: Order, fix: Fix) -> str:
    match order.type:
        case "engineStop":
            return f"Cut off the fuel supply: Success!Speed:{round(fix.speed_kmh)} Km/h"
        case "engineResume":
            return "Restore fuel supply: Success!"
        case "positionSingle":
            north, east = "N" if fix.latitude >= 0 else "S", "E" if fix.longitude >= 0 else "W"
            place = f"Lat:{north}{abs(fix.latitude):.6f},Lon:{east}{abs(fix.longitude):.6f}"
            moved = f"Course:{fix.course_deg:.2f},Speed:{fix.speed_kmh:.2f}km/h"
            return f"{place},{moved},DateTime:{fix.time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case "getDeviceStatus":
            satellites, acc = f"Sat:{fix.satellites}", "ON" if fix.ignition else "OFF"
            return f"Battery:4.16V,NORMAL;GPRS:Link Up;GSM Signal Level:Strong;GPS:Successful positioning,{satellites};ACC:{acc}"
        case "getVersion":
            return "[VERSION]GT06N_20_61DM2_D22_R0_V01"
        case "deviceIdentification":
            return "PARAM:TIMER:10,10;SENDS:0;GMT:E,0,0;"
        case "rebootDevice":
            return "The terminal will restart after 60s!"
        case "custom":
            return "Invalid command!"
    return "OK!"


def _place(fix: Fix) -> bytes:
    time = fix.time.astimezone(UTC)
    flags = round(fix.course_deg) % 360 | 1 << 12
    flags |= (fix.latitude >= 0) << 10 | (fix.longitude < 0) << 11
    flags |= 1 << 14 | fix.ignition << 15
    return struct.pack(
        ">6BBIIBH",
        time.year - 2000,
        time.month,
        time.day,
        time.hour,
        time.minute,
        time.second,
        0xC0 | min(fix.satellites, 15),
        round(abs(fix.latitude) * 1_800_000),
        round(abs(fix.longitude) * 1_800_000),
        min(round(fix.speed_kmh), 255),
        flags,
    )


def _bars(fix: Fix) -> bytes:
    """Status, battery (percent above the six bars of old trackers) and signal."""
    charging = fix.power_v > 1
    flags = fix.blocked << 7 | 0x40 | charging << 2 | fix.ignition << 1
    return bytes((flags, max(fix.battery_percent, 7), fix.gsm))
