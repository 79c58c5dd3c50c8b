"""A cursor over the bytes of a message, for layouts that are read field by field; and what is seen around a tracker."""

from __future__ import annotations

import struct
from typing import Any

from protocols.fields import time_ms
from protocols.reports import CantRead

_FLOAT = struct.Struct("<f")
DIGITS = tuple((byte >> 4) * 10 + (byte & 15) if byte >> 4 < 10 and byte & 15 < 10 else -1 for byte in range(256))  # -1: no BCD


class Cursor:
    """Numbers are big-endian where nothing else is said. Raises CantRead past the end."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        end = self.at + count
        if count < 0 or end > len(self.data):
            raise CantRead("the message ends inside a field")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        """Several fields at once, which costs as much as one."""
        end = self.at + layout.size
        if end > len(self.data):
            raise CantRead("the message ends inside a field")
        values = layout.unpack_from(self.data, self.at)
        self.at = end
        return values

    def rest(self) -> bytes:
        return self.take(self.left)

    def unsigned(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def signed(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big", signed=True)

    def u8(self) -> int:
        at = self.at
        if at >= len(self.data):
            raise CantRead("the message ends inside a field")
        self.at = at + 1
        return self.data[at]

    def i8(self) -> int:
        value = self.u8()
        return value - 256 if value > 127 else value

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def i16(self) -> int:
        return int.from_bytes(self.take(2), "big", signed=True)

    def u16le(self) -> int:
        return int.from_bytes(self.take(2), "little")

    def u32le(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def i16le(self) -> int:
        return int.from_bytes(self.take(2), "little", signed=True)

    def u24(self) -> int:
        return int.from_bytes(self.take(3), "big")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def i32(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def float_le(self) -> float:
        value: float = _FLOAT.unpack(self.take(4))[0]
        return value

    def bcd(self, count: int) -> int:
        """Two digits a byte; a nibble above nine counts as it is, as in the makers' own code."""
        value = 0
        for byte in self.take(count):
            value = value * 100 + (byte >> 4) * 10 + (byte & 15)
        return value

    def bcd_time_ms(self, east_s: int = 0) -> int | None:
        """YYMMDDhhmmss of a clock that is so far east of Greenwich; None: it isn't set."""
        year, month, day, hour, minute, second = self.take(6)
        if DIGITS[year] < 0:  # the others are out of their bounds then
            return None
        try:
            moment = time_ms(DIGITS[year], DIGITS[month], DIGITS[day], DIGITS[hour], DIGITS[minute], DIGITS[second])
            return moment - east_s * 1000
        except CantRead:
            return None

    def text(self, count: int, encoding: str = "ascii") -> str:
        return self.take(count).decode(encoding, "replace").strip(" \0\r\n\t")


class Around:
    """Cells and access points, kept as Traccar's `network` where they are all that tells the place."""

    __slots__ = ("cells", "wifi")

    def __init__(self) -> None:
        self.cells: list[dict[str, int]] = []
        self.wifi: list[dict[str, Any]] = []

    def cell(self, mcc: int, mnc: int, area: int, cell: int, signal: int | None = None) -> None:
        """A cell tower; area 0 is a table's empty place."""
        if area > 0:
            tower = {"mobileCountryCode": mcc, "mobileNetworkCode": mnc, "locationAreaCode": area, "cellId": cell}
            self.cells.append(tower if signal is None else tower | {"signalStrength": signal})

    def access_point(self, mac: bytes, signal: int) -> None:
        if any(mac) and mac != b"\xff" * 6:
            self.wifi.append({"macAddress": mac.hex(":"), "signalStrength": signal})

    def network(self) -> dict[str, Any]:
        """To be merged into the attributes."""
        if not self.cells and not self.wifi:
            return {}
        network = {"cellTowers": self.cells, "wifiAccessPoints": self.wifi}
        return {"network": {name: seen for name, seen in network.items() if seen}}
