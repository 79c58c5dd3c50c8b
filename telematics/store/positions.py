"""The columns of the table positions, as `Rows` hold them: one line per column, in the order of tables/positions.sql."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telematics.store.copy import Kind, encode
from telematics.store.records import Rows

Values = Any  # an array, or for attributes a list of bytes

COLUMNS: tuple[tuple[str, Kind, Callable[[Rows], Values]], ...] = (
    ("id", "int8", lambda rows: rows.id),
    ("device_id", "int4", lambda rows: rows.device_id),
    ("time", "timestamptz", lambda rows: rows.columns.time),
    ("received", "timestamptz", lambda rows: rows.received),
    ("valid", "boolean", lambda rows: rows.columns.valid),
    ("outlier", "boolean", lambda rows: rows.outlier),
    ("late", "boolean", lambda rows: rows.late),
    ("distance_m", "float8", lambda rows: rows.distance_m),
    ("latitude", "float8", lambda rows: rows.columns.latitude),
    ("longitude", "float8", lambda rows: rows.columns.longitude),
    ("altitude_m", "float4", lambda rows: rows.columns.altitude_m),
    ("speed_kmh", "float4", lambda rows: rows.columns.speed_kmh),
    ("course_deg", "float4", lambda rows: rows.columns.course_deg),
    ("accuracy_m", "float4", lambda rows: rows.columns.accuracy_m),
    ("satellites", "float4", lambda rows: rows.columns.satellites),
    ("ignition", "flag", lambda rows: rows.columns.ignition),
    ("motion", "flag", lambda rows: rows.columns.motion),
    ("power_v", "float4", lambda rows: rows.columns.power_v),
    ("battery_v", "float4", lambda rows: rows.columns.battery_v),
    ("battery_percent", "float4", lambda rows: rows.columns.battery_percent),
    ("odometer_m", "float8", lambda rows: rows.columns.odometer_m),
    ("engine_hours_s", "float8", lambda rows: rows.columns.engine_hours_s),
    ("fuel_l", "float4", lambda rows: rows.columns.fuel_l),
    ("gsm", "float4", lambda rows: rows.columns.gsm),
    ("alarms", "mask", lambda rows: rows.columns.alarms),
    ("attributes", "jsonb", lambda rows: rows.columns.attributes),
)
NAMES = ", ".join(name for name, _, _ in COLUMNS)
COPY = f"COPY positions ({NAMES}) FROM STDIN (FORMAT binary)"


def buffer(rows: Rows) -> bytes:
    """The rows as a stream for COPY."""
    return encode([(kind, take(rows)) for _, kind, take in COLUMNS])


def good(rows: Rows) -> NDArray[np.bool_]:
    """Which rows have a place that counts for distances. SQL says the same as `latitude IS NOT NULL AND valid AND NOT
    outlier`."""
    return rows.columns.valid & ~rows.outlier & ~np.isnan(rows.columns.latitude)
