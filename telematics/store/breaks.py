"""When devices were blocked and unblocked: what they sent between is missing, so that the way over such a moment is nobody's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from telematics.store.arrays import array
from telematics.store.sql import query


async def unsaved(connection: AsyncConnection[Any]) -> list[tuple[int, np.datetime64, bool]]:
    """(device, when, whether what was saved of its state is from before), in order of time; of devices without a place since then
    also breaks that are known."""
    rows = await (await connection.execute(query("unsaved_breaks"))).fetchall()
    times = array("timestamptz", [at for _, at, _ in rows])
    return [(device_id, at, new) for (device_id, _, new), at in zip(rows, times, strict=True)]


async def between(
    connection: AsyncConnection[Any], device_ids: Sequence[int], since: datetime, until: datetime
) -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
    """Breaks of these devices after one time and up to another: parallel arrays, in order of device and time."""
    values = {"device_ids": list(device_ids), "since": since, "until": until}
    rows = await (await connection.execute(query("breaks"), values)).fetchall()
    return np.array([device_id for device_id, _ in rows], "i8"), array("timestamptz", [at for _, at in rows])
