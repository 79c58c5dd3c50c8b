"""Whom we can reach now: for each device the speaker by which it was heard last, and who is told of it.

TCP trackers are reached while they are connected, those of UDP for as long as routers on the way remember where the datagram
came from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, KeysView, Sequence
from typing import TYPE_CHECKING

from protocols import Answer, Commanded

if TYPE_CHECKING:
    from telematics.ingest.connection import Speaker

UDP_S = 60.0  # routers forget sooner or later; the shortest that is common


class Reach:
    """Called from the event loop only."""

    def __init__(self) -> None:
        self._speakers: dict[int, tuple[Speaker, float]] = {}  # by device; since when, in monotonic seconds
        self.arrived: Callable[[int], None] | None = None  # a device has just said who it is
        self.answered: Callable[[int, Sequence[Answer]], None] | None = None  # a device answers commands

    def attach(self, device_id: int, speaker: Speaker) -> None:
        self._speakers[device_id] = (speaker, time.monotonic())
        if self.arrived is not None:
            self.arrived(device_id)

    def tell(self, device_id: int, answers: Sequence[Answer]) -> None:
        """The device answers commands."""
        if self.answered is not None:
            self.answered(device_id, answers)

    def leave(self, speaker: Speaker) -> None:
        """Its connection has ended."""
        for device_id in speaker.spoke_for:
            if (found := self._speakers.get(device_id)) is not None and found[0] is speaker:
                del self._speakers[device_id]

    def among(self, device_ids: KeysView[int]) -> set[int]:
        """Those of them that were heard, and may still be there. The smaller of the two is looked through."""
        return self._speakers.keys() & device_ids

    def speaker(self, device_id: int) -> Speaker | None:
        """By whom the device can be told something now. A gateway's connection speaks for one of its trackers at a time."""
        found = self._speakers.get(device_id)
        if found is None:
            return None
        speaker, since = found
        if not speaker.lasting and time.monotonic() - since > UDP_S:
            del self._speakers[device_id]
            return None
        device = speaker.device
        return speaker if device is not None and device.id == device_id and speaker.listens else None

    def takes_commands(self, device_id: int) -> bool | None:
        """None: it isn't there."""
        speaker = self.speaker(device_id)
        return None if speaker is None else isinstance(speaker.session, Commanded) and bool(speaker.codec.commands)
