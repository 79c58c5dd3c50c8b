"""Reports read packet by packet, and how they become columns: for protocols whose packets differ too much for one table.

A protocol's `read(frame)` gives the reports of one frame and raises CantRead for what its manual doesn't allow; `decode_each`
makes a decoder of it. It costs some 3 µs a report beside what `read` costs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Annotated, Any

import msgspec
import numpy as np

from protocols.columns import ALARM_BIT, NUMBERS, Columns
from protocols.frames import ANSWER, Frame
from protocols.session import Decoded, Unreadable

NAN = float("nan")
LAST_MS = 253402300799999  # the end of year 9999, the last that Python and Postgres both write
LARGEST = 1e15  # of a number: beyond it nothing that a tracker measures lies, and the narrower columns end
NAMES = tuple(name for name, _ in NUMBERS)


class CantRead(ValueError):
    """No manual allows these bytes, though their frame was whole. The message is the reason for the dead letter."""


class Report(msgspec.Struct, omit_defaults=True):  # what isn't sent isn't written either, where a frame carries it as JSON
    """One report as plain values; the units are those of `columns.Columns`. NaN and None: not sent."""

    time_ms: int | None = None  # since 1970, UTC; None: the time of arrival counts
    valid: bool = False
    alarms: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    latitude: float = NAN
    longitude: float = NAN
    altitude_m: float = NAN
    speed_kmh: float = NAN
    course_deg: float = NAN
    accuracy_m: float = NAN
    satellites: float = NAN
    ignition: float = NAN
    motion: float = NAN
    power_v: float = NAN
    battery_v: float = NAN
    battery_percent: float = NAN
    odometer_m: float = NAN
    engine_hours_s: float = NAN
    fuel_l: float = NAN
    gsm: float = NAN
    attributes: dict[str, Any] = {}  # by Traccar's names; what has a column above doesn't belong here

    def alarm(self, name: str) -> None:
        """Add an alarm by Traccar's name; one that isn't Traccar's is kept in the attributes."""
        bit = ALARM_BIT.get(name)
        if bit is None:
            self.attributes["alarm"] = name
        else:
            self.alarms |= bit


def decode_each(read: Callable[[Frame], Iterable[Report]]) -> Callable[[Sequence[Frame]], Decoded]:
    """A decoder that reads frame by frame. What was read before CantRead is kept."""

    def decode(frames: Sequence[Frame]) -> Decoded:
        reports: list[Report] = []
        places: list[int] = []
        unreadable: list[Unreadable] = []
        for place, frame in enumerate(frames):
            if frame.kind == ANSWER:
                continue
            try:
                reports.extend(read(frame))
            except CantRead as error:
                unreadable.append(Unreadable(place, str(error)))
            except (ValueError, IndexError, OverflowError, struct.error) as error:  # a field that isn't there or is none
                unreadable.append(Unreadable(place, f"a field can't be read: {str(error)[:100]}"))
            places.extend([place] * (len(reports) - len(places)))
        return Decoded(columns_of(reports, places), unreadable)

    return decode


def columns_of(reports: Sequence[Report], frames: Sequence[int]) -> Columns:
    """Reports in the order of their frames. What can't be true of any tracker (a latitude of 200) is "not sent"."""
    if not reports:
        return Columns.empty()
    count = len(reports)
    numbers = np.empty((len(NAMES), count), "f8")
    for row, name in enumerate(NAMES):
        values = [getattr(report, name) for report in reports]
        try:
            numbers[row] = values
        except OverflowError:  # digits without end in one report: the others are not to pay for it
            numbers[row] = [value if abs(value) < LARGEST else NAN for value in values]
    numbers[~(np.abs(numbers) < LARGEST)] = np.nan
    nowhere = ~((np.abs(numbers[0]) <= 90) & (np.abs(numbers[1]) <= 180))
    numbers[:2, nowhere] = np.nan
    time = [report.time_ms if report.time_ms is not None and 0 <= report.time_ms <= LAST_MS else NOT_SENT for report in reports]
    return Columns.of(
        count,
        frame=np.array(frames, "i4"),
        time=np.array(time, "i8").view("M8[ms]"),
        valid=np.array([report.valid for report in reports], "?") & ~nowhere,
        alarms=np.array([report.alarms for report in reports], "u8"),
        attributes=[encoded(report.attributes) for report in reports],
        **dict(zip(NAMES, numbers, strict=True)),
    )


NOT_SENT = np.datetime64("NaT", "ms").astype(np.int64).item()
_encode = msgspec.json.Encoder().encode


def encoded(attributes: dict[str, Any]) -> bytes | None:
    """Attributes as the store takes them: no NUL (Postgres keeps none in text), no number past 64 bits, nothing infinite."""
    if not attributes:
        return None
    try:
        text = _encode(attributes)
    except (OverflowError, ValueError):  # a number past 64 bits, one of more digits than Python writes, half a character
        return _encode(_mild(attributes))
    return _encode(_mild(attributes)) if b"\\u0000" in text else text


def _mild(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value) if abs(value) < 10**40 else None
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {_mild(str(name)): _mild(inner) for name, inner in value.items()}
    return [_mild(inner) for inner in value] if isinstance(value, list) else value
