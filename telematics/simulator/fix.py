"""What a simulated tracker knows at one moment, and what each protocol's simulator can do with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec


class Fix(msgspec.Struct, frozen=True):
    time: datetime  # aware, UTC
    latitude: float
    longitude: float
    altitude_m: float = 0.0
    speed_kmh: float = 0.0
    course_deg: float = 0.0
    satellites: int = 12
    ignition: bool = True
    power_v: float = 12.6
    battery_percent: int = 90
    gsm: int = 4
    odometer_m: int = 0
    alarm: str | None = None  # Traccar's name
    blocked: bool = False  # a command has cut the engine off


class Wire(Protocol):
    """One simulated tracker's side of a connection; pure: bytes in and out."""

    accepted: bool | None  # has the server answered the login (None: not yet; False: refused; protocols without login: True)

    def hello(self) -> bytes:
        """The login; nothing when the protocol has none."""
        ...

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """The packet, or packets, that carry these fixes; without an alarm that the protocol has no word for."""
        ...

    def receive(self, data: bytes) -> int:
        """Take the server's bytes, however cut; how many more fixes it has acknowledged since the last call. It is called after
        each report too, with none: where the protocol has no acknowledgements, what was sent counts."""
        ...
