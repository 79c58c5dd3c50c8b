"""Which protocols can be simulated, and how their trackers connect."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import protocols
from telematics.simulator import (
    egts,
    flespi,
    galileo,
    gl200,
    gt06,
    h02,
    jt808,
    meitrack,
    osmand,
    owntracks,
    ruptela,
    suntech,
    teltonika,
    wialon,
)
from telematics.simulator.fix import Fix, Wire

MOST_UDP_RECORDS = 12  # what fits into a datagram that no router cuts


class TeltonikaUdp:
    """A Teltonika tracker that sends datagrams: no login, and an answer names the packet that it acknowledges."""

    accepted: bool | None = True

    def __init__(self, unique_id: str) -> None:
        self._unique_id = unique_id
        self._number = 0
        self._waiting: dict[int, int] = {}

    def hello(self) -> bytes:
        return b""

    def report(self, fixes: Sequence[Fix]) -> bytes:
        """One datagram."""
        self._number = self._number % 255 + 1
        self._waiting[self._number] = len(fixes)
        return teltonika.datagram(self._unique_id, fixes, number=self._number)

    def receive(self, data: bytes) -> int:
        """Length (2), packet id (2), 1, the packet's number, how many records are kept."""
        if len(data) < 7:
            return 0
        return min(data[6], self._waiting.pop(data[5], 0))


WIRES: dict[str, Callable[[str], Wire]] = {
    "egts": egts.Tracker,
    "galileo": galileo.Tracker,
    "gt06": gt06.Tracker,
    "h02": h02.Tracker,
    "osmand": osmand.Tracker,
    "teltonika": teltonika.Tracker,
    "wialon": wialon.Tracker,
    "owntracks": owntracks.Tracker,
    "flespi": flespi.Tracker,
    "ruptela": ruptela.Tracker,
    "suntech": suntech.Tracker,
    "jt808": jt808.Tracker,
    "gl200": gl200.Tracker,
    "meitrack": meitrack.Tracker,
}
UDP_WIRES: dict[str, Callable[[str], Wire]] = {"teltonika": TeltonikaUdp, "suntech": suntech.UdpTracker}


def port_of(protocol: str) -> int:
    """The port that servers listen on for this protocol, unless told otherwise. Raises UnknownProtocol."""
    return protocols.codec(protocol).port
