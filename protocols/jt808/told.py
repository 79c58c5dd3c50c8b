"""What the items of one position say, while they are being read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from protocols.columns import ALARM_BIT
from protocols.cursor import Around, Cursor


class Told(msgspec.Struct):
    """What the items of one position say."""

    numbers: dict[str, float] = {}  # by column
    attributes: dict[str, Any] = {}
    alarms: int = 0
    model: str = ""  # where an item tells it
    around: Around = msgspec.field(default_factory=Around)

    def alarm(self, name: str) -> None:
        self.alarms |= ALARM_BIT[name]


Read = Callable[[Cursor, Told], None]

COLUMN_OF = {"power": "power_v", "battery": "battery_v", "batteryLevel": "battery_percent", "rssi": "gsm", "sat": "satellites",
             "odometer": "odometer_m"}  # fmt: skip


def put(told: Told, name: str, value: Any) -> None:
    column = COLUMN_OF.get(name)
    if column is None:
        told.attributes[name] = value
    else:
        told.numbers[column] = value


def one(name: str, size: int, unit: float = 1, add: float = 0) -> Read:
    """One number."""

    def read(c: Cursor, told: Told) -> None:
        value = int.from_bytes(c.take(size), "big")
        put(told, name, value if unit == 1 and not add else round(value * unit + add, 6))

    return read


def words(name: str) -> Read:
    def read(c: Cursor, told: Told) -> None:
        if text := c.text(c.left):
            put(told, name, text)

    return read
