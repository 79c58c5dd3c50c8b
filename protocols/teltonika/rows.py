"""Where the reports of all frames of one call come together: each reader adds its own, `columns` puts them in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocols.columns import NUMBERS, Columns
from protocols.session import Unreadable

KINDS = dict(NUMBERS)


class CantRead(ValueError):
    """The bytes passed their checksum, but no manual allows them. The message is the reason for the dead letter."""


class Report(msgspec.Struct):
    """One report that was read on its own, as plain values."""

    attributes: dict[str, Any]
    time_ms: int | None = None
    valid: bool = False
    alarms: int = 0
    numbers: dict[str, float] = {}


class _Part(msgspec.Struct):
    frames: NDArray[Any]
    places: NDArray[Any]  # of the report in its frame
    time: ArrayLike
    valid: ArrayLike
    alarms: ArrayLike
    attributes: Sequence[bytes | None]
    numbers: Mapping[str, ArrayLike]


class Rows:
    def __init__(self, frames: int) -> None:
        self.unreadable: list[Unreadable] = []
        self._counts = np.zeros(frames, np.intp)
        self._parts: list[_Part] = []

    def expect(self, frame: int, count: int) -> None:
        """The frame holds that many reports, in places from 0."""
        self._counts[frame] = count

    def cant_read(self, frame: int, reason: str) -> None:
        self.unreadable.append(Unreadable(frame, reason))

    def add(
        self,
        frames: NDArray[Any],
        places: NDArray[Any],
        *,
        time: ArrayLike,
        valid: ArrayLike,
        alarms: ArrayLike,
        attributes: Sequence[bytes | None],
        numbers: Mapping[str, ArrayLike],
    ) -> None:
        """Reports in parallel arrays. Their frames are to be expected before `columns`."""
        self._parts.append(_Part(frames, places, time, valid, alarms, attributes, numbers))

    def add_reports(self, frame: int, reports: Sequence[Report]) -> None:
        """All reports of a frame."""
        self.expect(frame, len(reports))
        for place, report in enumerate(reports):
            self.add(
                np.array([frame]),
                np.array([place]),
                time=np.datetime64("NaT" if report.time_ms is None else report.time_ms, "ms"),
                valid=report.valid,
                alarms=np.uint64(report.alarms),
                attributes=[msgspec.json.encode(report.attributes) if report.attributes else None],
                numbers=report.numbers,
            )

    def columns(self) -> Columns:
        """All reports in the order of their frames, and in a frame in that of the wire."""
        count = int(self._counts.sum())
        first = np.cumsum(self._counts) - self._counts
        time, valid, alarms = np.full(count, "NaT", "M8[ms]"), np.zeros(count, "?"), np.zeros(count, "u8")
        numbers: dict[str, NDArray[Any]] = {}
        attributes: list[bytes | None] = [None] * count
        for part in self._parts:
            rows = first[part.frames] + part.places
            time[rows], valid[rows], alarms[rows] = part.time, part.valid, part.alarms
            for name, values in part.numbers.items():
                if name not in numbers:
                    numbers[name] = np.full(count, np.nan, KINDS[name])
                numbers[name][rows] = values
            for row, text in zip(rows.tolist(), part.attributes, strict=True):
                attributes[row] = text
        frame = np.repeat(np.arange(len(self._counts)), self._counts)
        return Columns.of(count, frame=frame, time=time, valid=valid, alarms=alarms, attributes=attributes, **numbers)
