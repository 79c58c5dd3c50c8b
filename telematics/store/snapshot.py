"""The snapshot of device states, and the log behind it.

States, the totals of days and the watermark (every position up to this id is in them) are saved in one transaction, so that
after a crash the positions above the watermark, run through the stages again, give the state there was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import AsyncConnection, errors

from protocols import Columns
from protocols.columns import NUMBERS
from telematics.store import positions
from telematics.store.arrays import array, selected
from telematics.store.copy import Kind, copy_in, encode
from telematics.store.errors import translate
from telematics.store.records import Rows
from telematics.store.sql import query

AT_ONCE = 5_000  # rows in memory while reading
TRIES = 3

COLUMNS: tuple[tuple[str, Kind], ...] = (  # of device_state, as in its migration
    ("device_id", "int4"),
    ("heard", "timestamptz"),
    ("time", "timestamptz"),
    ("clock", "timestamptz"),
    ("position_id", "int8"),
    ("received", "timestamptz"),
    ("fix_time", "timestamptz"),
    ("latitude", "float8"),
    ("longitude", "float8"),
    ("altitude_m", "float4"),
    ("speed_kmh", "float4"),
    ("course_deg", "float4"),
    ("accuracy_m", "float4"),
    ("valid", "boolean"),
    ("satellites", "float4"),
    ("ignition", "float4"),
    ("motion", "float4"),
    ("power_v", "float4"),
    ("battery_v", "float4"),
    ("battery_percent", "float4"),
    ("odometer_m", "float8"),
    ("engine_hours_s", "float8"),
    ("fuel_l", "float4"),
    ("gsm", "float4"),
    ("alarms", "int8"),
    ("protocol", "int2"),
    ("moving", "int2"),
    ("candidate_time", "timestamptz"),
    ("overspeed", "int2"),
    ("status", "int2"),
    ("jumps", "int2"),
    ("jump_latitude", "float8"),
    ("jump_longitude", "float8"),
    ("jump_time", "timestamptz"),
    ("idle_since", "timestamptz"),
    ("idling", "int2"),
    ("fuel_reference_l", "float4"),
    ("fuel_checked", "timestamptz"),
    ("fuel_checked_l", "float4"),
    ("power_lost", "int2"),
    ("battery_low", "int2"),
    ("inactive", "int2"),
    ("zoned_time", "timestamptz"),
    ("zoned_latitude", "float8"),
    ("zoned_longitude", "float8"),
    ("zones", "jsonb"),
    ("attributes", "jsonb"),
)
NAMES = ", ".join(name for name, _ in COLUMNS)
TEXTS = tuple(name for name, kind in COLUMNS if kind == "jsonb")


@dataclass(frozen=True, slots=True)
class DayTotals:
    """Increments to device_days. A fix is counted when it is good: it has a place, is valid and no outlier."""

    device_id: NDArray[np.int32]
    day: NDArray[np.datetime64]  # datetime64[D], UTC
    distance_m: NDArray[np.float64]
    fixes: NDArray[np.int32]

    @classmethod
    def none(cls) -> DayTotals:
        return cls(np.zeros(0, "i4"), np.zeros(0, "M8[D]"), np.zeros(0), np.zeros(0, "i4"))


async def load(connection: AsyncConnection[Any]) -> tuple[dict[str, Any], int]:
    """Columns of device_state by name, and the watermark."""
    parts: list[dict[str, Any]] = []
    columns = ", ".join(selected(name, kind) for name, kind in COLUMNS)
    async with connection.transaction():
        row = await (await connection.execute("SELECT position_id FROM snapshot")).fetchone()
        assert row is not None
        async with connection.cursor(name="device_states") as cursor:
            await cursor.execute(f"SELECT {columns} FROM device_state ORDER BY device_id".encode())  # noqa: S608 # names written above
            while rows := await cursor.fetchmany(AT_ONCE):
                parts.append(
                    {name: array(kind, values) for (name, kind), values in zip(COLUMNS, zip(*rows, strict=True), strict=True)}
                )
    if not parts:
        return {name: array(kind, ()) for name, kind in COLUMNS}, row[0]
    fields: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name, kind in COLUMNS if kind != "jsonb"}
    for name in TEXTS:
        fields[name] = [text for part in parts for text in part[name]]
    return fields, row[0]


async def save(connection: AsyncConnection[Any], fields: Mapping[str, Any], days: DayTotals, watermark: int) -> None:
    """Save the states of these devices, add to their days, set the watermark: all or nothing.

    To be called again with the same when it failed, even when nobody knows whether it did: days are added only where the
    watermark rises, so days that are not empty need a watermark above the last. Raises StoreBusy.
    """
    try:
        for attempt in range(TRIES):
            try:
                async with connection.transaction():
                    await _save(connection, fields, days, watermark)
                return
            except (errors.ForeignKeyViolation, errors.DeadlockDetected):  # a device was removed meanwhile
                if attempt == TRIES - 1:
                    raise
    except psycopg.Error as error:
        raise translate(error) or error from error


async def _save(connection: AsyncConnection[Any], fields: Mapping[str, Any], days: DayTotals, watermark: int) -> None:
    row = await (await connection.execute("SELECT position_id FROM snapshot FOR UPDATE")).fetchone()
    assert row is not None
    if len(fields["device_id"]):
        await connection.execute("CREATE TEMP TABLE IF NOT EXISTS saved_state (LIKE device_state) ON COMMIT DELETE ROWS")
        buffer = encode([(kind, _field(fields[name], kind)) for name, kind in COLUMNS])
        await copy_in(connection, f"COPY saved_state ({NAMES}) FROM STDIN (FORMAT binary)", buffer)
        await connection.execute(_upsert())
    if watermark > row[0]:
        if len(days.device_id):
            await connection.execute(
                query("add_days"),
                {
                    "device_ids": days.device_id.tolist(),
                    "days": days.day.astype("M8[D]").tolist(),
                    "distances": days.distance_m.tolist(),
                    "fixes": days.fixes.tolist(),
                },
            )
        await connection.execute("UPDATE snapshot SET position_id = %s", [watermark])


def _field(values: Any, kind: str) -> Any:
    if kind == "jsonb":
        return values
    if kind == "timestamptz":
        return np.asarray(values, "M8[ms]")
    return np.asarray(values)


@cache
def _upsert() -> bytes:
    sets = ", ".join(f"{name} = excluded.{name}" for name, _ in COLUMNS if name != "device_id")
    return query("save_states").format(names=NAMES, sets=sets).encode()


async def positions_since(connection: AsyncConnection[Any], watermark: int) -> AsyncIterator[Rows]:
    """The positions stored after that one, in the order of their ids, a few thousand at a time."""
    columns = ", ".join(selected(name, kind) for name, kind, _ in positions.COLUMNS)
    text = query("positions_since").format(columns=columns)
    async with connection.transaction(), connection.cursor(name="positions_since") as cursor:
        await connection.execute("SET LOCAL statement_timeout = 0")  # sorting a long backlog may take a while
        await cursor.execute(text.encode(), {"watermark": watermark})
        while rows := await cursor.fetchmany(AT_ONCE):
            yield rows_of(rows)


def rows_of(rows: list[Any]) -> Rows:
    """Rows that were asked for with positions.COLUMNS."""
    if not rows:
        return Rows.none()
    found = {
        name: array(kind, values) for (name, kind, _), values in zip(positions.COLUMNS, zip(*rows, strict=True), strict=True)
    }
    columns = Columns.of(
        len(rows),
        frame=np.arange(len(rows)),
        time=found["time"],
        valid=found["valid"],
        alarms=found["alarms"],
        attributes=found["attributes"],
        **{name: found[name] for name, _ in NUMBERS},
    )
    return Rows(
        columns=columns,
        id=found["id"],
        device_id=found["device_id"],
        received=found["received"],
        outlier=found["outlier"],
        distance_m=found["distance_m"],
        late=found["late"],
    )


async def totals(connection: AsyncConnection[Any]) -> dict[int, float]:
    """Metres each device has gone in all its days."""
    rows = await connection.execute(query("totals"))
    return dict(await rows.fetchall())
