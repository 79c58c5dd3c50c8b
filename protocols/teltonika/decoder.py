"""Many frames of any trackers in, columns out."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.frames import ANSWER, Frame
from protocols.session import Decoded
from protocols.teltonika.framing import MESSAGE_CODECS
from protocols.teltonika.gh3000 import GH3000, read_gh3000
from protocols.teltonika.messages import read_messages
from protocols.teltonika.records import SHAPES, read_records
from protocols.teltonika.rows import CantRead, Rows


def decode(frames: Sequence[Frame]) -> Decoded:
    rows = Rows(len(frames))
    records: list[tuple[int, bytes]] = []
    for place, frame in enumerate(frames):
        payload = frame.payload
        if frame.kind == ANSWER:
            continue
        if len(payload) < 3:
            rows.cant_read(place, "too short for a codec and its counts")
        elif payload[0] in SHAPES:
            records.append((place, payload))
        elif payload[0] == GH3000 or payload[0] in MESSAGE_CODECS:
            try:
                rows.add_reports(place, read_gh3000(payload) if payload[0] == GH3000 else read_messages(payload))
            except CantRead as error:
                rows.cant_read(place, str(error))
        else:
            rows.cant_read(place, f"codec {payload[0]:02x} is not known")
    read_records(records, rows)
    return Decoded(rows.columns(), sorted(rows.unreadable, key=lambda unreadable: unreadable.frame))
