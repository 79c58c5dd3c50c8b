"""Saving the state: every few seconds the devices that changed, with the batch they are the state of.

A snapshot is copied when the batch that went through the stages last is committed, so that it is never ahead of the positions;
what is stored after it is run through the stages again at the next start.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import structlog
from numpy.typing import NDArray

from telematics.pipeline.stages import Outcome
from telematics.pipeline.state import FIELDS, State
from telematics.store.database import Database
from telematics.store.errors import StoreBusy
from telematics.store.snapshot import DayTotals, save

log = structlog.get_logger()
RETRY_S = 1.0
KEPT_PARTS = 64  # batches' sums kept apart between snapshots


class Days:
    """Distance and fixes by device and UTC day since the last snapshot."""

    def __init__(self) -> None:
        self._parts: list[DayTotals] = []

    def add(self, outcome: Outcome) -> None:
        """Count the good rows of a batch; late ones are counted by the store, when it knows which of them are new."""
        self._count(outcome, np.flatnonzero(outcome.good), 1)
        if len(self._parts) > KEPT_PARTS:
            self._parts = [self._joined()]

    def take_back(self, outcome: Outcome, places: NDArray[np.int64]) -> None:
        """Rows of a batch that was added turned out to be stored, and so counted, before."""
        self._count(outcome, places[outcome.good[places]], -1)

    def _count(self, outcome: Outcome, places: NDArray[np.integer[Any]], sign: int) -> None:
        if len(places):
            rows = outcome.rows
            days = rows.columns.time[places].astype("M8[D]")
            fixes = np.full(len(places), sign, "i4")
            self._parts.append(_summed(rows.device_id[places], days, sign * rows.distance_m[places], fixes))

    def take(self) -> DayTotals:
        totals = self._joined()
        self._parts = []
        return totals

    def _joined(self) -> DayTotals:
        parts = self._parts
        return _summed(
            np.concatenate([np.zeros(0, "i4"), *(part.device_id for part in parts)]),
            np.concatenate([np.zeros(0, "M8[D]"), *(part.day for part in parts)]),
            np.concatenate([np.zeros(0), *(part.distance_m for part in parts)]),
            np.concatenate([np.zeros(0, "i4"), *(part.fixes for part in parts)]),
        )


def _summed(device_id: NDArray[Any], day: NDArray[Any], distance_m: NDArray[Any], fixes: NDArray[Any]) -> DayTotals:
    key = device_id.astype("i8") << 32 | day.astype("i8")
    unique, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return DayTotals(
        device_id=device_id[first].astype("i4"),
        day=day[first],
        distance_m=np.bincount(inverse, distance_m, len(unique)).astype("f8"),
        fixes=np.bincount(inverse, fixes, len(unique)).astype("i4"),
    )


@dataclass(slots=True)
class Snapshot:
    fields: dict[str, Any]
    days: DayTotals
    watermark: int
    number: int


class Saver:
    """At most one snapshot under way; the next is taken when it is saved."""

    def __init__(self, database: Database, state: State, days: Days, every_s: float) -> None:
        self._database = database
        self._state = state
        self._days = days
        self._every_s = every_s
        self._next = time.monotonic() + every_s
        self._task: asyncio.Task[None] | None = None
        self.copies = 0  # snapshots begun
        self.saved = 0  # the number of the last one that was saved

    @property
    def due(self) -> bool:
        return time.monotonic() >= self._next and (self._task is None or self._task.done())

    def copy(self, watermark: int) -> Snapshot:
        self.copies += 1
        state = self._state
        dirty = np.flatnonzero(state.dirty)
        state.dirty[dirty] = False
        fields: dict[str, Any] = {name: state[name][dirty] for name, _, _ in FIELDS}
        fields["device_id"] = state.device_id[dirty]
        fields["attributes"] = [state.attributes[slot] for slot in dirty.tolist()]
        fields["zones"] = [state.zoned.text(slot) for slot in dirty.tolist()]
        return Snapshot(fields, self._days.take(), watermark, self.copies)

    def start(self, watermark: int) -> None:
        """Save what has changed. All that went through the stages must be committed: positions up to the one of that id."""
        self._next = time.monotonic() + self._every_s
        self._task = asyncio.create_task(self.write(self.copy(watermark)))

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def write(self, snapshot: Snapshot) -> None:
        """Until it is saved: day totals are increments, and must neither be lost nor counted twice."""
        while True:
            try:
                async with self._database.pool.connection() as connection:
                    await save(connection, snapshot.fields, snapshot.days, snapshot.watermark)
            except (StoreBusy, psycopg.OperationalError) as busy:
                log.warning("the snapshot of device states waits", reason=str(busy))
                await asyncio.sleep(RETRY_S)
            else:
                self.saved = snapshot.number
                return

    async def finish(self, watermark: int) -> None:
        """Wait for the one under way and save what has changed since, at a clean stop."""
        if self._task is not None:
            await self._task
        await self.write(self.copy(watermark))
