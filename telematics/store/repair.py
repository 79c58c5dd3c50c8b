"""What is done with a batch that the database refuses for its content: the rest of it is stored all the same.

PostgreSQL's jsonb takes less than trackers send: no U+0000, no lone surrogates, no numbers beyond its numeric, no nesting
without end. This is looked at only after a refusal, so that it costs the good batches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from telematics.store.records import Batch, Committed, DeadLetter, Rows

DEEPEST = 64
EARLIEST, LATEST = np.datetime64("0001-01-02", "ms"), np.datetime64("9999-12-30", "ms")
SET_ASIDE = "attributes"  # the kind of dead letters made here: they hold JSON, not a tracker's frame
LETTER_BYTES = 65_536  # a longer frame is kept cut off


def clean_text(text: str) -> str:
    """Without what PostgreSQL's text can't hold."""
    return text.replace("\x00", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode("utf-8")


def clean_json(value: Any, depth: int = 0) -> Any:
    """The same value with clean texts. Raises ValueError when it is nested too deep."""
    if depth > DEEPEST:
        raise ValueError("nested too deep")
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(str(key)): clean_json(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [clean_json(inner, depth + 1) for inner in value]
    return value


@dataclass(frozen=True, slots=True)
class Repaired:
    """A batch that is stored in place of another one."""

    batch: Batch
    places: NDArray[np.int64] | None  # of its rows in the original; None: the same

    def in_places_of_original(self, committed: Committed) -> Committed:
        if self.places is None:
            return committed
        return replace(committed, late_new=self.places[committed.late_new], stored_before=self.places[committed.stored_before])


def repair(batch: Batch, *, strip: bool = False) -> Repaired:
    """The batch with attributes as jsonb takes them. What can't be put right becomes a dead letter: attributes alone, since
    their row can do without them; the row as a whole when no calendar has its time. `strip`: all attributes, whatever is
    wrong with them."""
    rows, letters = batch.rows, list(batch.dead_letters)
    time = rows.columns.time
    possible = (time >= EARLIEST) & (time <= LATEST)  # NaT compares as False
    impossible = np.flatnonzero(~possible).tolist()
    letters += [set_aside(rows, place, reason="the time can't be stored") for place in impossible]
    places = np.flatnonzero(possible).astype(np.int64)
    rows = rows.take(places)  # a copy: the caller's columns stay as they are
    attributes: list[bytes | None] = []
    for place, text in enumerate(rows.columns.attributes):
        cleaned = None
        if text:
            try:
                if strip:
                    raise ValueError("refused by the database")
                cleaned = msgspec.json.encode(clean_json(msgspec.json.decode(text.decode("utf-8", "replace"))))
            except (msgspec.DecodeError, ValueError, RecursionError) as error:
                letters.append(set_aside(rows, place, reason=f"attributes can't be stored: {error}"))
        attributes.append(cleaned)
    rows.columns.attributes = attributes
    return Repaired(replace(batch, rows=rows, dead_letters=letters), places)


def set_aside(rows: Rows, place: int, reason: str) -> DeadLetter:
    return DeadLetter(
        received=_moment(rows.received[place]),
        protocol="",
        address="",
        reason=clean_text(reason)[:500],
        frame=rows.columns.attributes[place] or b"",
        kind=SET_ASIDE,
        device_id=int(rows.device_id[place]),
    )


def _moment(time: np.datetime64) -> datetime:
    if not EARLIEST <= time <= LATEST:
        return datetime(1970, 1, 1, tzinfo=UTC)
    moment: datetime = time.astype("M8[us]").item()
    return moment.replace(tzinfo=UTC)
