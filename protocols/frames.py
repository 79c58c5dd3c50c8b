"""A frame: one message of a tracker, as sessions hand it to decoders."""

from __future__ import annotations

import msgspec

ANSWER = "answer"  # the kind of a frame that holds no report: its `ack` only keeps its turn behind earlier ones


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message, cut out and checked (length, checksum) but not read. Its tracker is the one that logged in last."""

    kind: str  # the protocol's own, such as "location"
    payload: bytes
    ack: bytes = b""  # to be written after the commit; empty: the protocol has none
    context: int = 0  # what the session knows and the payload doesn't say (gt06: the tracker's time zone, seconds east)
    last: bool = False  # hang up after the ack
