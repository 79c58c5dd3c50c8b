"""What a simulated tracker makes of a command of the server's.

The wire hears it (`receive`), says what it is (`orders`), and has words for the answer (`answer`); who carries it out is the
vehicle that the tracker is in (`fleet.Vehicle.obey`). Wires that hear nothing of the kind have no `orders`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec

from telematics.simulator.fix import Fix, Wire

MOST_WAITING = 100  # of a tracker that can't answer yet
LONGEST_INTERVAL_S = 86_400
ENGINE_OUTPUT = 1  # where trackers that only know outputs have the engine's relay


class Order(msgspec.Struct, frozen=True):
    """A command as the tracker heard it."""

    type: str  # Traccar's; "custom" for words that mean nothing to it
    text: str  # the words
    mark: bytes = b""  # what the answer has to repeat
    interval_s: int = 0  # of positionPeriodic


@runtime_checkable
class Obedient(Wire, Protocol):
    """A wire that hears commands."""

    def orders(self) -> list[Order]:
        """Those that came since the last call."""
        ...

    def answer(self, order: Order, fix: Fix) -> bytes:
        """What the tracker says to it, once it has been carried out. `fix` is the newest one."""
        ...


class Heard:
    """The commands that a wire has heard and nobody has carried out yet."""

    def __init__(self) -> None:
        self._orders: list[Order] = []

    def hear(self, order: Order) -> None:
        if len(self._orders) < MOST_WAITING:
            self._orders.append(order)

    def orders(self) -> list[Order]:
        orders, self._orders = self._orders, []
        return orders


def every(text: str) -> int:
    """Seconds between reports, from a tracker's words for them; 0: no number."""
    return min(int(text), LONGEST_INTERVAL_S) if text.isascii() and text.isdecimal() and len(text) < 8 else 0


def switched(output: int, state: str) -> str:
    """The type of a command that switches an output."""
    if output == ENGINE_OUTPUT and state in ("0", "1"):
        return "engineStop" if state == "1" else "engineResume"
    return "outputControl"
