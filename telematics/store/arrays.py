"""Rows from the database as numpy columns: the way back of `copy.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

DTYPES: dict[str, str] = {
    "float8": "f8",
    "float4": "f4",
    "int2": "i2",
    "int4": "i4",
    "int8": "i8",
    "boolean": "?",
    "flag": "f4",
    "mask": "u8",
}
NOT_A_TIME = np.iinfo(np.int64).min  # how numpy writes NaT


def selected(name: str, kind: str) -> str:
    """How the column is asked for: times as milliseconds since 1970, a jsonb as its text."""
    if kind == "timestamptz":
        return f"(extract(epoch FROM {name}) * 1000)::bigint"
    return f"{name}::text" if kind == "jsonb" else name


def array(kind: str, values: Sequence[Any]) -> Any:
    """A column of what came back. NULL is NaN, NaT, 0 for whole numbers, None for a jsonb."""
    if kind == "jsonb":
        return [None if value is None else value.encode() for value in values]
    if kind == "timestamptz":
        return np.array([NOT_A_TIME if value is None else value for value in values], np.int64).view("M8[ms]")
    if kind in ("float8", "float4", "flag"):
        return np.array(values, np.float64).astype(DTYPES[kind])  # None becomes NaN
    return np.array([0 if value is None else value for value in values], DTYPES[kind])
