"""Rows for PostgreSQL's binary COPY, built by numpy without a step per row.

A row on the wire is a count of columns, and for each column a length and the value, all big-endian; a length of -1 is NULL
and has no value. When nothing is NULL, rows of fixed width are one structured dtype:

    n i2 | len i4 value | len i4 value | …            (PostgreSQL manual, "COPY", "Binary Format")

NULLs: a column that is NULL in every row is left out of the dtype but for its -1. Where only some rows lack it, the value's
bytes are dropped afterwards by a mask over the matrix of bytes. Columns of varying width, jsonb, come last and are joined in
per row. Times count microseconds since 2000-01-01, dates days; a jsonb is a version byte 1 and the text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

Kind = Literal["timestamptz", "date", "float8", "float4", "int2", "int4", "int8", "boolean", "flag", "mask", "jsonb"]
Values = Any  # an array, or for a jsonb a list of bytes, None for NULL

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
EPOCH = np.datetime64("2000-01-01", "ms")
EPOCH_MS = int(EPOCH.view(np.int64))
FARTHEST_MS = 2**63 // 1000 - 1  # what fits into microseconds; beyond PostgreSQL's times, so that it refuses them

_WIRE: dict[str, str] = {
    "timestamptz": ">i8",
    "date": ">i4",
    "float8": ">f8",
    "float4": ">f4",
    "int2": ">i2",
    "int4": ">i4",
    "int8": ">i8",
    "boolean": "u1",
    "flag": "u1",  # a boolean from floats: 1, 0, NaN for NULL
    "mask": ">i8",  # a bigint from bits: 0 is NULL
    "jsonb": "u1",  # the version byte; the text is joined in
}


@dataclass(frozen=True, slots=True)
class _Layout:
    row: np.dtype[Any]
    template: NDArray[np.uint8]  # one row with its count and lengths filled in
    value_at: tuple[int, ...]  # of each column; -1 where the column is NULL in all rows
    size: tuple[int, ...]


@lru_cache(maxsize=1024)  # combinations of columns that no row has; a protocol has a few
def _layout(kinds: tuple[str, ...], absent: tuple[bool, ...], more: int) -> _Layout:
    fields: list[tuple[str, str]] = [("columns", ">i2")]
    for place, (kind, missing) in enumerate(zip(kinds, absent, strict=True)):
        fields.append((f"len{place}", ">i4"))
        if not missing:
            fields.append((f"val{place}", _WIRE[kind]))
    row = np.dtype(fields)
    template = np.zeros(1, row)
    template["columns"] = len(kinds) + more
    value_at, size = [], []
    for place, (kind, missing) in enumerate(zip(kinds, absent, strict=True)):
        wire = np.dtype(_WIRE[kind])
        template[f"len{place}"] = -1 if missing else wire.itemsize
        assert row.fields is not None
        value_at.append(-1 if missing else int(row.fields[f"val{place}"][1]))
        size.append(wire.itemsize)
    return _Layout(row, template.view(np.uint8), tuple(value_at), tuple(size))


def encode(columns: Sequence[tuple[Kind, Values]]) -> bytes:
    """A whole COPY stream of these parallel columns, at least one. jsonb columns must be the last ones."""
    rows = len(columns[0][1])
    if rows == 0:
        return HEADER + TRAILER
    more: list[Sequence[bytes | None]] = []  # behind the first jsonb
    while len(columns) > 1 and columns[-1][0] == columns[-2][0] == "jsonb":
        more.insert(0, columns[-1][1])
        columns = columns[:-1]
    texts: Sequence[bytes | None] = columns[-1][1] if columns[-1][0] == "jsonb" else ()
    lengths = np.fromiter((len(text or b"") for text in texts), np.int64, rows) if any(texts) else None
    nulls: list[NDArray[np.bool_] | None] = [_nulls(kind, values, lengths) for kind, values in columns]
    absent = tuple(null is not None and bool(null.all()) for null in nulls)
    layout = _layout(tuple(kind for kind, _ in columns), absent, len(more))
    matrix = np.empty((rows, layout.row.itemsize), np.uint8)
    matrix[:] = layout.template
    record = matrix.view(layout.row)[:, 0]
    keep: NDArray[np.bool_] | None = None
    dropped = np.zeros(rows, np.int64)
    for place, ((kind, values), null) in enumerate(zip(columns, nulls, strict=True)):
        if absent[place]:
            continue
        if kind == "jsonb":
            assert lengths is not None
            record[f"len{place}"] = lengths + 1
            record[f"val{place}"] = 1
        else:
            record[f"val{place}"] = _wire(kind, values, null)
        if null is not None:
            keep = np.ones(matrix.shape, np.bool_) if keep is None else keep
            at, size = layout.value_at[place], layout.size[place]
            record[f"len{place}"][null] = -1
            keep[:, at : at + size] = ~null[:, None]
            dropped[null] += size
    flat = (matrix if keep is None else matrix[keep]).tobytes()
    if lengths is None and not more:
        return b"".join((HEADER, flat, TRAILER))
    ends = np.cumsum(layout.row.itemsize - dropped).tolist()
    pieces: list[bytes] = [b""] * (2 * rows)
    pieces[0::2] = [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    pieces[1::2] = [text or b"" for text in texts]
    for further in more:
        pieces[1::2] = [piece + _counted(text) for piece, text in zip(pieces[1::2], further, strict=True)]
    return b"".join((HEADER, *pieces, TRAILER))


def _counted(text: bytes | None) -> bytes:
    """A jsonb with its length, as it stands in a row."""
    return NULL if not text else (len(text) + 1).to_bytes(4, "big") + b"\x01" + text


def _nulls(kind: Kind, values: Values, lengths: NDArray[np.int64] | None) -> NDArray[np.bool_] | None:
    """Which rows are NULL; None: none is."""
    if kind == "jsonb":
        null: NDArray[np.bool_] = np.ones(len(values), np.bool_) if lengths is None else lengths == 0
    elif kind in ("float8", "float4", "flag"):
        null = np.isnan(values)
    elif kind in ("timestamptz", "date"):
        null = np.isnat(values)
    elif kind == "mask":
        null = np.asarray(values) == 0
    else:
        return None
    return null if null.any() else None


def _wire(kind: Kind, array: NDArray[Any], null: NDArray[np.bool_] | None) -> Any:
    if kind == "timestamptz":
        ms = array.astype("M8[ms]").view(np.int64) - EPOCH_MS
        return np.clip(ms, -FARTHEST_MS, FARTHEST_MS) * 1000
    if kind == "date":
        return (array.astype("M8[D]") - EPOCH.astype("M8[D]")).view(np.int64)
    if kind == "flag":
        return (array if null is None else np.where(null, 0, array)) != 0
    if kind == "mask":
        return array.view(np.int64)
    return array


async def copy_in(connection: AsyncConnection[Any], statement: str, buffer: bytes) -> None:
    """Send a stream of `encode` to a `COPY … FROM STDIN (FORMAT binary)`."""
    async with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for start in range(0, len(buffer), CHUNK_BYTES):
            await copy.write(buffer[start : start + CHUNK_BYTES])
            await asyncio.sleep(0)  # others have their turn between chunks


CHUNK_BYTES = 2**20
