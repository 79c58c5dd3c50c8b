"""Bringing the state back at start: the snapshot, then the positions that were stored after it.

Positions are the log. After a clean stop there is nothing to do; after a crash the last few seconds are run through the stages
again. Their events are written once more under the same keys, and so are stored once.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import structlog
from numpy.typing import NDArray
from psycopg import AsyncConnection

from telematics.devices import Devices
from telematics.pipeline.geofences import moment
from telematics.pipeline.saving import Days
from telematics.pipeline.stages import Stages
from telematics.pipeline.state import FIELDS, OFFLINE, ONLINE, State, instant
from telematics.pipeline.visits import ENTER, EXIT
from telematics.pipeline.zonekeeper import ZoneKeeper
from telematics.store import breaks, snapshot
from telematics.store.database import Database
from telematics.store.records import Batch, Rows
from telematics.store.sql import query
from telematics.store.writer import Writer
from telematics.zones.registry import Index

log = structlog.get_logger()


async def recover(
    database: Database,
    writer: Writer,
    devices: Devices,
    state: State,
    stages: Stages,
    days: Days,
    keeper: ZoneKeeper,
    zones: Index,
) -> int:
    """Fill the state. Returns the id of the newest position in it."""
    state.grow(devices.slots)
    async with database.pool.connection() as connection:
        saved, watermark = await snapshot.load(connection)
        slots = _place(saved, devices, state)
        keeper.restore(zones, zip(slots.tolist(), cast("list[bytes | None]", saved["zones"]), strict=True))
        await _statuses(connection, devices, state)
        for device_id, metres in (await snapshot.totals(connection)).items():
            device = devices.get(device_id)
            if device is not None:
                state.total_m[device.slot] = metres
        replayed = 0
        broken = Broken(await breaks.unsaved(connection), devices, state)
        async for rows in snapshot.positions_since(connection, watermark):
            watermark = int(rows.id.max())
            replayed += len(rows)
            slot = _slots(rows.device_id, devices)
            known = np.flatnonzero(slot >= 0)
            for part in broken.parts(rows.received[known], slot[known]):
                places = known[part]
                outcome = stages.replay(rows.take(places), slot[places], state["protocol"][slot[places]], state)
                days.add(outcome)
                if outcome.events:
                    await writer.commit(Batch(Rows.none(), outcome.events))
        broken.finish()
        await _candidates(connection, keeper, state)
    if replayed:
        log.info("positions since the last snapshot were run through the stages again", positions=replayed)
        state["heard"][:] = np.fmax(state["heard"], state["received"])
    return watermark


class Broken:
    """Devices that were blocked: what the snapshot doesn't know of that is made up for, where the positions show it."""

    def __init__(self, found: Iterable[tuple[int, np.datetime64, bool]], devices: Devices, state: State) -> None:
        self._state = state
        self._left = defaultdict[int, list[np.datetime64]](list)  # by slot, in order
        for device_id, at, new in found:
            device = devices.get(device_id)
            if device is not None and new:
                self._left[device.slot].append(at)
            elif device is not None:
                state.anew[device.slot] = not np.isnat(state["fix_time"][device.slot])

    def parts(self, received: NDArray[np.datetime64], slot: NDArray[np.int32]) -> Iterator[NDArray[np.intp]]:
        """Places of rows from before their device's first break; of those before its second, the state having been told of the
        first; and so on."""
        passed = np.zeros(len(slot), "i8")
        for its in np.unique(slot).tolist():
            if its in self._left:
                mine = np.flatnonzero(slot == its)
                passed[mine] = np.searchsorted(np.array(self._left[its]), received[mine], "right")
                self._left[its] = self._left[its][int(passed[mine].max()) :]
        for number in range(int(passed.max(initial=0)) + 1):
            places = np.flatnonzero(passed == number)
            if number:
                self._break_off(np.unique(slot[places]))
            yield places

    def finish(self) -> None:
        """All rows were given."""
        waiting = np.array([slot for slot, times in self._left.items() if times], "i8")
        self._break_off(np.union1d(waiting, np.flatnonzero(self._state.blocked)))

    def _break_off(self, slots: NDArray[np.integer[Any]]) -> None:
        for slot in slots.tolist():
            self._state.break_off(slot)


async def _candidates(connection: AsyncConnection[Any], keeper: ZoneKeeper, state: State) -> None:
    """Of enterings and leavings that the clock confirms, those that it had confirmed before the crash are; for the others it
    begins anew, since what trackers had to say against them while we were away they have yet to send."""
    waiting = keeper.candidates()
    values = {
        "device_ids": [int(state.device_id[slot]) for slot, _ in waiting],
        "times": [moment(visit.crossed or 0) for _, visit in waiting],
        "types": [EXIT if visit.inside else ENTER for _, visit in waiting],
        "subjects": [str(visit.zone_id) for _, visit in waiting],
    }
    found = await (await connection.execute(query("told_already"), values)).fetchall() if waiting else []
    keeper.settle([waiting[place - 1] for (place,) in found])
    keeper.listen(int(time.time() * 1000))


async def _statuses(connection: AsyncConnection[Any], devices: Devices, state: State) -> None:
    """Online and offline as last told: to tell it again after a crash would be one message too many.

    The snapshot holds every status up to the newest word in it, perhaps some behind it; to apply those twice does no harm.
    """
    heard = state["heard"][~np.isnat(state["heard"])]
    since = instant(heard.max()) if len(heard) else datetime(1970, 1, 1, tzinfo=UTC)
    async for device_id, name in await connection.execute(query("statuses_since"), {"since": since}):
        device = devices.get(device_id)
        if device is not None:
            state["status"][device.slot] = ONLINE if name == "deviceOnline" else OFFLINE
            state.dirty[device.slot] = True


def _place(saved: dict[str, object], devices: Devices, state: State) -> NDArray[np.int32]:
    """Put saved fields into the slots of their devices. Returns the slots."""
    slot = _slots(np.asarray(saved["device_id"]), devices)
    known = np.flatnonzero(slot >= 0)
    for name, _, _ in FIELDS:
        state[name][slot[known]] = np.asarray(saved[name])[known]
    attributes = saved["attributes"]
    assert isinstance(attributes, list)
    for place in known.tolist():
        state.attributes[slot[place]] = attributes[place]
    return slot


def _slots(device_ids: NDArray[np.int32], devices: Devices) -> NDArray[np.int32]:
    """-1 for devices that are gone."""
    return np.array(
        [-1 if (device := devices.get(device_id)) is None else device.slot for device_id in device_ids.tolist()], "i4"
    )
