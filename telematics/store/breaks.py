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


async def newest(connection: AsyncConnection[Any]) -> dict[int, np.datetime64]:
    """By device, for those that were ever blocked."""
    rows = await (await connection.execute(query("newest_breaks"))).fetchall()
    times = array("timestamptz", [at for _, at in rows])
    return dict(zip([device_id for device_id, _ in rows], times, strict=True))


async def between(
    connection: AsyncConnection[Any], device_ids: Sequence[int], since: datetime, until: datetime
) -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
    """Breaks of these devices after one time and up to another: parallel arrays, in order of device and time."""
    values = {"device_ids": list(device_ids), "since": since, "until": until}
    rows = await (await connection.execute(query("breaks"), values)).fetchall()
    return np.array([device_id for device_id, _ in rows], "i8"), array("timestamptz", [at for _, at in rows])
