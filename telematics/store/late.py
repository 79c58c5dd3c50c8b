"""Late reports: a tracker sends yesterday's memory after today's. Each is stored once, and distances come out as if all had
come in order.

A report is late when it is not newer than the newest one of its device. Which of them are new is asked of the database in one
query. A new good fix (its place counts) then changes a chain: its own distance is from the good fix before it, and the one
after it is measured anew from it. To know the chain around n new fixes, 2n stored ones are enough: the last before each and
the first after each, asked for in one query again, and searched only between its new neighbours. Merged in order of time,
each row's predecessor stands beside it, except between two stored rows, whose distance does not change.

    stored      a───────────b──c──────────────d
    new                 x            y     z
    merged      a       x   b  c     y     z  d      measured anew: x, b, y, z, d

A new fix that could only be reached from its neighbours, and they from it, at an impossible speed is stored as an outlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from telematics.config import SanitySettings
from telematics.geo import distance_m
from telematics.store import breaks, positions
from telematics.store.copy import copy_in
from telematics.store.records import Rows
from telematics.store.sql import query

NEAR = np.timedelta64(2, "D")  # the ends of a chain are looked for this far first: few partitions hold them nearly always
LONG_AGO = np.datetime64("0001-01-02", "ms")  # Python's datetime, through which times travel, ends a day further
FAR_AHEAD = np.datetime64("9999-12-30", "ms")


@dataclass(slots=True)
class DayChanges:
    """What is to be added to device_days."""

    device_id: list[int] = field(default_factory=list)
    day: list[date] = field(default_factory=list)
    distance_m: list[float] = field(default_factory=list)
    fixes: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Settled:
    """Late rows after they were stored."""

    new: NDArray[np.int64]  # places of those stored now
    distance: dict[int, float]
    repeats: int


async def stored(
    connection: AsyncConnection[Any], device_id: NDArray[Any], time: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which of these (device, time) are in positions, and under which ids (0: not stored)."""
    ids = np.zeros(len(time), np.int64)
    found = await connection.execute(
        query("stored"),
        {"device_ids": device_id.tolist(), "times": moments(time), "since": moment(time.min()), "until": moment(time.max())},
    )
    for place, position_id in await found.fetchall():
        ids[place - 1] = position_id
    return ids != 0, ids


def first_of_each(device_id: NDArray[Any], time: NDArray[Any]) -> NDArray[np.bool_]:
    """True for the first row of each (device, time)."""
    order = np.lexsort((time, device_id))
    same = (device_id[order][1:] == device_id[order][:-1]) & (time[order][1:] == time[order][:-1])
    first = np.ones(len(time), np.bool_)
    first[order[1:][same]] = False  # lexsort is stable: the first of equal ones is the first that came
    return first


async def store_late(connection: AsyncConnection[Any], rows: Rows, sanity: SanitySettings) -> Settled:
    """Store these late rows within the caller's transaction, put their neighbours' distances right and the totals of days
    with them.

    Rows that are not late and came with them must be stored already, so that they are found as neighbours.
    """
    known, _ = await stored(connection, rows.device_id, rows.columns.time)
    places = np.flatnonzero(~known & first_of_each(rows.device_id, rows.columns.time))
    if not len(places):
        return Settled(places.astype(np.int64), {}, len(rows))
    new = rows.take(places)
    new.late = np.ones(len(new), np.bool_)
    new.distance_m = np.zeros(len(new))
    chain = _Chain.of(new)
    if len(chain.place):
        await chain.find_neighbours(connection)
        await chain.find_breaks(connection)
        new.outlier = new.outlier | chain.judge(sanity, len(new))
        new.distance_m = chain.measure(len(new))
    await copy_in(connection, positions.COPY, positions.buffer(new))
    if len(chain.place):
        await chain.correct_neighbours(connection)
        await add_days(connection, chain.days)
    await note_revisits(connection, new)
    return Settled(places.astype(np.int64), chain.distance, len(rows) - len(places))


async def note_revisits(connection: AsyncConnection[Any], new: Rows) -> None:
    """What was concluded of zones around these rows has to be looked at again."""
    good = np.flatnonzero(positions.good(new))
    if len(good):
        device_ids, times = new.device_id[good].tolist(), moments(new.columns.time[good])
        await connection.execute(query("note_revisits"), {"device_ids": device_ids, "times": times})


async def add_days(connection: AsyncConnection[Any], days: DayChanges) -> None:
    if days.device_id:
        await connection.execute(
            query("add_days"),
            {"device_ids": days.device_id, "days": days.day, "distances": days.distance_m, "fixes": days.fixes},
        )


class _Chain:
    """New good fixes in order of device and time, with the stored ones around them."""

    def __init__(self, rows: Rows, place: NDArray[np.int64]) -> None:
        self.place = place  # of each new good fix among the new rows
        self.device_id = rows.device_id[place].astype(np.int64)
        self.time = rows.columns.time[place].astype("M8[ms]")
        self.latitude = rows.columns.latitude[place]
        self.longitude = rows.columns.longitude[place]
        self.before_distance = np.full(len(place), np.nan)  # what a stored row has now; NaN: the row is new
        self.outlier = np.zeros(len(place), np.bool_)
        self.part = np.zeros(len(place), np.int32)  # rises where the device was blocked since the row before
        self.distance: dict[int, float] = {}
        self.days = DayChanges()

    @classmethod
    def of(cls, rows: Rows) -> _Chain:
        place = np.flatnonzero(positions.good(rows))
        order = np.lexsort((rows.columns.time[place], rows.device_id[place]))
        return cls(rows, place[order].astype(np.int64))

    async def find_neighbours(self, connection: AsyncConnection[Any]) -> None:
        """Merge in the stored good fixes just before and just after each new one."""
        count = len(self.place)
        alone = np.ones(count + 1, np.bool_)  # between i-1 and i begins another device
        alone[1:count] = self.device_id[1:] != self.device_id[:-1]
        first, last = alone[:count], alone[1:]
        since, until = np.roll(self.time, 1), np.roll(self.time, -1)
        since[first] = np.maximum(self.time[first] - NEAR, LONG_AGO)
        until[last] = np.minimum(self.time[last] + NEAR, FAR_AHEAD)
        found = await self._ask(connection, np.arange(count), since, until)
        has_before, has_after = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        for place, time, *_ in found:
            side = has_before if time < self.time[place] else has_after
            side[place] = True
        far_before, far_after = first & ~has_before, last & ~has_after
        far = np.flatnonzero(far_before | far_after)
        if len(far):
            since, until = self.time.copy(), self.time.copy()  # nothing lies between a time and itself
            since[far_before], until[far_after] = LONG_AGO, FAR_AHEAD
            found += await self._ask(connection, far, since, until)
        self._merge(found)

    async def _ask(
        self, connection: AsyncConnection[Any], which: NDArray[np.integer[Any]], since: NDArray[Any], until: NDArray[Any]
    ) -> list[tuple[int, np.datetime64, float, float, float]]:
        answer = await connection.execute(
            query("neighbours"),
            {
                "device_ids": self.device_id[which].tolist(),
                "since": moments(since[which]),
                "times": moments(self.time[which]),
                "until": moments(until[which]),
            },
        )
        return [
            (int(which[place - 1]), np.datetime64(time.replace(tzinfo=None), "ms"), latitude, longitude, distance)
            for place, time, latitude, longitude, distance in await answer.fetchall()
        ]

    def _merge(self, found: Sequence[tuple[int, np.datetime64, float, float, float]]) -> None:
        """A stored fix may be the one after one new fix and the one before the next: it is taken once."""
        if not found:
            return
        near, time, latitude, longitude, distance = zip(*found, strict=True)
        count = len(found)
        device_id = np.concatenate([self.device_id, self.device_id[np.array(near)]])
        times = np.concatenate([self.time, np.array(time, "M8[ms]")])
        order = np.lexsort((times, device_id))
        order = order[first_of_each(device_id[order], times[order])]
        self.place = np.concatenate([self.place, np.full(count, -1)])[order]
        self.device_id, self.time = device_id[order], times[order]
        self.latitude = np.concatenate([self.latitude, np.array(latitude)])[order]
        self.longitude = np.concatenate([self.longitude, np.array(longitude)])[order]
        self.before_distance = np.concatenate([self.before_distance, np.array(distance)])[order]
        self.outlier = np.zeros(len(order), np.bool_)

    async def find_breaks(self, connection: AsyncConnection[Any]) -> None:
        """Ways over the moments at which devices were blocked or unblocked are not measured."""
        self.part = np.zeros(len(self.place), np.int32)
        ids = np.unique(self.device_id).tolist()
        device_id, at = await breaks.between(connection, ids, moment(self.time.min()), moment(self.time.max()))
        for its, when in zip(device_id.tolist(), at, strict=True):
            self.part += (self.device_id == its) & (self.time >= when)

    def judge(self, sanity: SanitySettings, rows: int) -> NDArray[np.bool_]:
        """Which new rows are outliers. First those that neither neighbour can be reached from, so that a single jump does not
        make its honest neighbours look wrong; then those at an end whose only neighbour is too far."""
        for both in (True, False):
            used = np.flatnonzero(~self.outlier)
            gap = self._impossible(used, sanity)  # of each and the one before it; -1: no such
            before, after = np.append(gap, -1)[:-1], np.append(gap[1:], -1)
            new = self.place[used] >= 0
            if both:
                wrong = new & (before == 1) & (after == 1)
            else:
                trusted_after = np.append(~new[1:], False)
                wrong = new & (((before == 1) & (after == -1)) | ((before == -1) & (after == 1) & trusted_after))
            self.outlier[used[wrong]] = True
        mask = np.zeros(rows, np.bool_)
        mask[self.place[self.outlier]] = True
        return mask

    def _impossible(self, used: NDArray[np.integer[Any]], sanity: SanitySettings) -> NDArray[np.int8]:
        metres = self._steps(used)
        hours = np.diff(self.time[used], prepend=self.time[used[:1]]) / np.timedelta64(1, "h")
        with np.errstate(divide="ignore", invalid="ignore"):
            jump = (metres > sanity.min_jump_m) & (metres / 1000 / hours > sanity.max_jump_kmh)
        return np.where(np.isnan(metres), -1, jump).astype(np.int8)

    def _steps(self, used: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Metres from the one before, NaN for the first of each device, and for the first after a break."""
        metres = np.full(len(used), np.nan)
        here, back = used[1:], used[:-1]
        metres[1:] = distance_m(self.latitude[back], self.longitude[back], self.latitude[here], self.longitude[here])
        metres[1:][(self.device_id[here] != self.device_id[back]) | (self.part[here] != self.part[back])] = np.nan
        return metres

    def measure(self, rows: int) -> NDArray[np.float64]:
        """The distances of the new rows; those of stored rows and the days' totals are kept for `correct_neighbours`."""
        used = np.flatnonzero(~self.outlier)
        metres = np.nan_to_num(self._steps(used))
        new = self.place[used] >= 0
        after_new = np.append(False, new[:-1] & (self.device_id[used][1:] == self.device_id[used][:-1]))
        changed = ~new & after_new & (metres != self.before_distance[used])
        self._changed, self._changed_to = used[changed], metres[changed]
        touched = new | changed
        delta = np.where(new, metres, metres - self.before_distance[used])[touched]
        device_id, day = self.device_id[used][touched], self.time[used][touched].astype("M8[D]")
        self.days = DayChanges(device_id.tolist(), day.tolist(), delta.tolist(), new[touched].astype(int).tolist())
        ids, inverse = np.unique(device_id, return_inverse=True)
        self.distance = dict(zip(ids.tolist(), np.bincount(inverse, delta, len(ids)).tolist(), strict=True))
        distances = np.zeros(rows)
        distances[self.place[used][new]] = metres[new]
        return distances

    async def correct_neighbours(self, connection: AsyncConnection[Any]) -> None:
        changed = self._changed
        if not len(changed):
            return
        time = self.time[changed]
        await connection.execute(
            query("set_distances"),
            {
                "device_ids": self.device_id[changed].tolist(),
                "times": moments(time),
                "distances": self._changed_to.tolist(),
                "since": moment(time.min()),
                "until": moment(time.max()),
            },
        )


def moment(time: np.datetime64) -> datetime:
    found: datetime = time.astype("M8[us]").item()
    return found.replace(tzinfo=UTC)


def moments(time: NDArray[Any]) -> list[datetime]:
    """As PostgreSQL takes them. Without a zone: the connections' own is UTC."""
    return time.astype("M8[us]").tolist()  # type: ignore[no-any-return]


def times(moments: Iterable[datetime]) -> NDArray[np.datetime64]:
    """The way back."""
    return np.array([moment.astimezone(UTC).replace(tzinfo=None) for moment in moments], "M8[ms]")
