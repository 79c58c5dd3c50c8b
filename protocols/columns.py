"""Columns: what decoders hand to the server, one numpy array per field and one place in it per report.

A report is a fix (it has a place) or telemetry alone (latitude and longitude are NaN). "Not sent" is NaN for numbers, NaT for
time, 0 for `alarms` and None for `attributes`; yes-or-no telemetry is 1.0, 0.0 or NaN for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Times = NDArray[np.datetime64]

ALARMS: tuple[str, ...] = (  # Traccar's names; a name's place is its bit in `Columns.alarms`, so add at the end only
    "general", "sos", "removing", "tampering", "vibration", "movement", "lowspeed", "overspeed", "fallDown", "lowPower",
    "lowBattery", "fault", "powerOff", "powerOn", "door", "lock", "unlock", "geofence", "geofenceEnter", "geofenceExit",
    "gpsAntennaCut", "accident", "tow", "idle", "highRpm", "hardAcceleration", "hardBraking", "hardCornering", "laneChange",
    "fatigueDriving", "powerCut", "powerRestored", "jamming", "temperature", "parking", "bonnet", "footBrake", "fuelLeak",
)  # fmt: skip
ALARM_BIT: dict[str, int] = {name: 1 << place for place, name in enumerate(ALARMS)}


def alarm_names(mask: int) -> list[str]:
    """The names of the bits set in mask, in the order of ALARMS."""
    return [name for place, name in enumerate(ALARMS) if mask >> place & 1]


NUMBERS: tuple[tuple[str, str], ...] = (  # name and dtype of every column whose "not sent" is NaN
    ("latitude", "f8"),
    ("longitude", "f8"),
    ("altitude_m", "f4"),
    ("speed_kmh", "f4"),
    ("course_deg", "f4"),
    ("accuracy_m", "f4"),
    ("satellites", "f4"),
    ("ignition", "f4"),
    ("motion", "f4"),
    ("power_v", "f4"),
    ("battery_v", "f4"),
    ("battery_percent", "f4"),
    ("odometer_m", "f8"),
    ("engine_hours_s", "f8"),
    ("fuel_l", "f4"),
    ("gsm", "f4"),
)
FLAGS = ("ignition", "motion")  # numbers that mean yes or no


@dataclass(slots=True)
class Columns:
    """Reports as parallel arrays, in the order of their frames (`frame` never falls)."""

    frame: NDArray[np.int32]  # which of the decoded frames the report came in
    time: Times  # datetime64[ms], UTC, the tracker's own; NaT: not sent, the server takes the time of arrival
    valid: NDArray[np.bool_]  # the tracker vouches for the place; False for telemetry alone
    latitude: Float64  # WGS 84 degrees, NaN: telemetry alone
    longitude: Float64
    altitude_m: Float32
    speed_kmh: Float32
    course_deg: Float32  # 0 to 360, clockwise from north
    accuracy_m: Float32  # radius; NaN: not sent
    satellites: Float32
    ignition: Float32  # 1, 0 or NaN
    motion: Float32  # the tracker's own opinion: 1, 0 or NaN
    power_v: Float32  # the vehicle's supply
    battery_v: Float32  # the tracker's own battery
    battery_percent: Float32
    odometer_m: Float64  # the vehicle's or tracker's own counter, not a trip's
    engine_hours_s: Float64
    fuel_l: Float32
    gsm: Float32  # signal as the protocol counts it (0 to 5 bars, 0 to 31, or dBm)
    alarms: NDArray[np.uint64]  # one bit per name in ALARMS
    attributes: list[bytes | None]  # a JSON object of all the rest, by Traccar's names where it has one

    @classmethod
    def of(
        cls,
        rows: int,
        *,
        frame: ArrayLike,
        time: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        alarms: ArrayLike | None = None,
        attributes: list[bytes | None] | None = None,
        **numbers: ArrayLike,
    ) -> Columns:
        """Columns of that many rows from what was sent; everything else is "not sent". A scalar stands for all rows.

        Raises TypeError for a name that is not a column.
        """
        unknown = numbers.keys() - dict(NUMBERS).keys()
        if unknown:
            raise TypeError(f"no such columns: {', '.join(sorted(unknown))}")
        return cls(
            frame=_filled(rows, np.dtype("i4"), frame),
            time=_filled(rows, np.dtype("M8[ms]"), np.datetime64("NaT", "ms") if time is None else time),
            valid=_filled(rows, np.dtype("?"), False if valid is None else valid),
            alarms=_filled(rows, np.dtype("u8"), 0 if alarms is None else alarms),
            attributes=[None] * rows if attributes is None else attributes,
            **{name: _filled(rows, np.dtype(kind), numbers.get(name, np.nan)) for name, kind in NUMBERS},
        )

    @classmethod
    def empty(cls) -> Columns:
        return cls.of(0, frame=0)

    @classmethod
    def concat(cls, parts: Sequence[Columns]) -> Columns:
        """All rows of all parts, in that order."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.empty()
        joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS}
        return cls(attributes=[value for part in parts for value in part.attributes], **joined)

    def take(self, rows: NDArray[np.integer[Any]]) -> Columns:
        """The rows at those places, in the order given."""
        taken: dict[str, Any] = {name: getattr(self, name)[rows] for name in ARRAYS}
        return Columns(attributes=[self.attributes[row] for row in rows.tolist()], **taken)

    def in_frame_order(self) -> Columns:
        """The same rows with `frame` rising; rows of one frame keep their order."""
        if len(self) < 2 or bool((self.frame[1:] >= self.frame[:-1]).all()):
            return self
        return self.take(np.argsort(self.frame, kind="stable"))

    def __len__(self) -> int:
        return len(self.frame)

    def row(self, place: int) -> dict[str, Any]:
        """What was sent in one report, as plain values; `time` in ISO 8601, `alarm` as Traccar writes it ("sos,door")."""
        time = self.time[place]
        report: dict[str, Any] = {
            "time": None if np.isnat(time) else f"{time.astype('M8[ms]')}Z",
            "valid": bool(self.valid[place]),
        }
        for name, _ in NUMBERS:
            value = float(getattr(self, name)[place])
            if value == value:
                report[name] = bool(value) if name in FLAGS else value
        if mask := int(self.alarms[place]):
            report["alarm"] = ",".join(alarm_names(mask))
        attributes = self.attributes[place]
        report["attributes"] = msgspec.json.decode(attributes) if attributes else {}
        if "latitude" not in report:
            report["no_fix"] = True
        return report

    def rows(self) -> Iterable[dict[str, Any]]:
        return (self.row(place) for place in range(len(self)))


ARRAYS: tuple[str, ...] = tuple(field.name for field in fields(Columns) if field.name != "attributes")


def _filled(rows: int, kind: np.dtype[Any], values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values).astype(kind, copy=False)
    return array if array.ndim else np.full(rows, array, kind)
