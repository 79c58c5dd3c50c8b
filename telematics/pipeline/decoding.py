"""Entries of the intake → reports: every protocol's frames go to their codec at once, whoever sent them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import structlog
from numpy.typing import NDArray

from protocols import ANSWER, Codec, Columns, Decoded, Frame, Unreadable
from telematics.ingest.batch import Entry
from telematics.pipeline.stages import Refused, Reports
from telematics.pipeline.state import PROTOCOLS
from telematics.store.records import DeadLetter

log = structlog.get_logger()


@dataclass(slots=True)
class Intaken:
    """A batch's frames in one numbering, and what was read in them."""

    frames: list[Frame]
    entry: NDArray[np.int32]  # of each frame
    reports: Reports  # `columns.frame` counts in `frames`
    dead_letters: list[DeadLetter] = field(default_factory=list)
    acks: dict[int, bytes] = field(default_factory=dict)  # frames that are to be answered otherwise than they said


def decode(entries: Sequence[Entry]) -> Intaken:
    """Reports in order of their frames. A frame whose source is no device's gives none: it is there for its ack alone."""
    frames = [frame for entry in entries for frame in entry.frames]
    entry_of = np.repeat(np.arange(len(entries), dtype="i4"), [len(entry.frames) for entry in entries])
    slot_of = np.array([-1 if entry.device is None else entry.device.slot for entry in entries], "i4")
    arrived = np.array([entry.arrived * 1000 for entry in entries], "i8").view("M8[ms]")
    parts: list[Columns] = []
    protocols: list[NDArray[np.int16]] = []
    taken = Intaken(frames, entry_of, Reports(Columns.empty(), np.zeros(0, "i4"), np.zeros(0, "i2"), np.zeros(0, "M8[ms]")))
    for codec, places in _by_codec(entries, frames):
        decoded = _decode_all(codec, [frames[place] for place in places] if len(places) != len(frames) else frames)
        columns = decoded.columns
        columns.frame = np.asarray(places, "i4")[columns.frame]
        parts.append(columns)
        protocols.append(np.full(len(columns), PROTOCOLS.index(codec.name), "i2"))
        for bad in decoded.unreadable:
            place = places[bad.frame]
            if frames[place].kind == ANSWER:  # there is nothing in it to be read, which not every decoder knows
                continue
            taken.dead_letters.append(dead_letter(entries[entry_of[place]], frames[place], bad.reason))
            if bad.ack is not None:
                taken.acks[place] = bad.ack
    columns = Columns.concat(parts)
    its_entry = entry_of[columns.frame]
    reports = Reports(columns, slot_of[its_entry], np.concatenate([*protocols, np.zeros(0, "i2")]), arrived[its_entry])
    nobodys = reports.slot < 0
    taken.reports = reports.take(np.flatnonzero(~nobodys)) if nobodys.any() else reports
    return taken


def refusals(taken: Intaken, entries: Sequence[Entry], refused: Sequence[Refused]) -> list[DeadLetter]:
    """A dead letter for each frame that held a report which can't be true, with the first reason."""
    reasons: dict[int, str] = {}
    for report in refused:
        reasons.setdefault(report.frame, report.reason)
    return [dead_letter(entries[taken.entry[place]], taken.frames[place], reason) for place, reason in reasons.items()]


def dead_letter(entry: Entry, frame: Frame, reason: str) -> DeadLetter:
    return DeadLetter(
        received=datetime.fromtimestamp(entry.arrived, UTC),
        protocol=entry.source.codec.name,
        address=entry.source.address,
        reason=reason,
        frame=frame.payload,
        kind=frame.kind,
        context=frame.context,
        device_id=entry.device.id if entry.device else None,
        unique_id=entry.device.unique_id if entry.device else None,
    )


def _by_codec(entries: Sequence[Entry], frames: list[Frame]) -> list[tuple[Codec, list[int] | range]]:
    codecs = {id(entry.source.codec): entry.source.codec for entry in entries}
    if len(codecs) == 1:
        return [(next(iter(codecs.values())), range(len(frames)))]
    places: dict[int, list[int]] = {key: [] for key in codecs}
    start = 0
    for entry in entries:
        end = start + len(entry.frames)
        places[id(entry.source.codec)].extend(range(start, end))
        start = end
    return [(codec, places[key]) for key, codec in codecs.items()]


def _decode_all(codec: Codec, frames: Sequence[Frame]) -> Decoded:
    """A codec never raises; should one do so all the same, the frame it stumbles over is set aside and the others go on."""
    try:
        return codec.decode(frames)
    except Exception:
        log.exception("decoder failed; reading frame by frame", protocol=codec.name, frames=len(frames))
    parts: list[Columns] = []
    unreadable: list[Unreadable] = []
    for place, frame in enumerate(frames):
        try:
            decoded = codec.decode([frame])
        except Exception as error:
            unreadable.append(Unreadable(place, f"the decoder failed: {error!r}"))
            continue
        decoded.columns.frame = np.full(len(decoded.columns), place, "i4")
        parts.append(decoded.columns)
        unreadable += [Unreadable(place, bad.reason, bad.ack) for bad in decoded.unreadable]
    return Decoded(Columns.concat(parts), unreadable)
