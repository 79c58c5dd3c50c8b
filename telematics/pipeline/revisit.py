"""Late fixes and zones: what was told of a stretch of the past is held to what its fixes, all of them now, say.

The store notes the stretch in the transaction that stores late rows. When it has been quiet for a moment, the device's good
fixes from some way before to some way behind it are walked as if they had come in order, beginning with what was told of its
zones until then. Then three things are done in one transaction:

- what is true and was not told is told now, `late`; where it stands for something else that was told at another time, it only
  `corrects` that, and nobody is alerted again; if nobody has heard of that yet, it takes its place in the outbox;
- what was told and is not true is `superseded`: kept, and left out of lists;
- the stretch is done, or what is left of it: a long one goes in pieces, and other devices have their turn between.

What is known now does not change, with one exception: where the walk reaches the newest fix, and no newer one came meanwhile, the
device's visits are those of the walk. A crash may forget them before they are saved, so such a stretch is done only with the next
snapshot. Everything here may be done twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import structlog
from msgspec import structs
from numpy.typing import NDArray
from psycopg import AsyncConnection

from protocols import Columns
from telematics.config import Settings
from telematics.devices import Device, Devices
from telematics.geo import distance_m
from telematics.pipeline.geofences import Geofences, contained, moment
from telematics.pipeline.state import State, instant
from telematics.pipeline.visits import DWELL, ENTER, EXIT, Visit, first_look
from telematics.pipeline.worker import Worker
from telematics.pipeline.zonekeeper import AWAY
from telematics.store import breaks, revisits
from telematics.store.database import Database
from telematics.store.errors import StoreError
from telematics.store.records import Event, Rows
from telematics.store.revisits import Key, Stretch, Told
from telematics.store.writer import add_events
from telematics.zones.registry import Index, Zone

log = structlog.get_logger()

LOOK_S = 0.5
QUIET_S = 2.0  # a tracker that sends its memory is not interrupted …
LONGEST_S = 15.0  # … for longer than this
START_S = 5.0  # a start is held up no longer
BEFORE, AFTER = 200, 500  # fixes around a stretch; half of them are walked for what lies beyond to be as it was
PIECE = 10_000  # fixes of a stretch at a time, some 0.1 s of a thread
PIECE_TIME = timedelta(days=1)
NEARBY = timedelta(hours=1)  # an event that moved no further is the same one
ROUNDING = timedelta(milliseconds=1)
ENDLESS = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


@dataclass(slots=True)
class Walked:
    """What a stretch's fixes say."""

    events: list[Event]
    visits: dict[int, Visit]
    before: dict[int, Visit]  # at the beginning
    time_of: dict[int, datetime]  # of fixes by position's id
    last: np.datetime64


@dataclass(slots=True)
class Changes:
    """What is to be put right."""

    missing: list[Event] = field(default_factory=list)
    mark: list[Told] = field(default_factory=list)
    superseded: list[bool] = field(default_factory=list)  # of each to be marked; False: it is true after all

    @property
    def gone(self) -> list[Told]:
        return [event for event, superseded in zip(self.mark, self.superseded, strict=True) if superseded]

    @property
    def restored(self) -> list[Told]:
        return [event for event, superseded in zip(self.mark, self.superseded, strict=True) if not superseded]


class Revisits:
    """`run` is a task for the life of the server."""

    def __init__(self, settings: Settings, database: Database, devices: Devices, state: State, worker: Worker) -> None:
        self._settings = settings.zones
        self._tolerance_kmh = settings.motion.speed_tolerance_kmh
        self._database = database
        self._devices = devices
        self._state = state
        self._keeper = worker.zones
        self._geofences = worker.stages.geofences
        self._saving = worker.saver
        self._seen: dict[int, float] = {}  # device → since when it waits
        self._unsaved: dict[int, tuple[datetime, int]] = {}  # device → its stretch, and the snapshot that will hold its visits
        self.told: Callable[[list[Event]], None] | None = None  # hears of events that were added

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.once()
            except (StoreError, psycopg.Error) as error:
                log.info("late visits wait", reason=str(error).partition("\n")[0])

    async def catch_up(self) -> None:
        """At the start, before anybody is heard. What was told late before a crash, and whose visits were not saved, the next
        live fix would tell once more."""
        try:
            await self.once(START_S)
        except (StoreError, psycopg.Error) as error:
            log.info("late visits wait", reason=str(error).partition("\n")[0])

    async def once(self, at_once_s: float = 0) -> int:
        """Every stretch that is due, a piece of each. How many there were. `at_once_s`: as many as there is time for, however
        short they have been quiet."""
        async with self._database.pool.connection() as connection:
            stretches = await revisits.waiting(connection)
        now = time.monotonic()
        self._seen = {stretch.device_id: self._seen.get(stretch.device_id, now) for stretch in stretches}
        count = 0
        for stretch in stretches:
            changed_at, snapshot = self._unsaved.get(stretch.device_id, (None, 0))
            if changed_at == stretch.changed_at:
                if self._saving.saved >= snapshot:
                    await self._finish(stretch)
            elif at_once_s:
                if time.monotonic() - now < at_once_s:
                    await self._revisit(stretch)
            elif stretch.quiet_s >= QUIET_S or now - self._seen[stretch.device_id] >= LONGEST_S:
                await self._revisit(stretch)
                count += 1
        return count

    async def _finish(self, stretch: Stretch) -> None:
        async with self._database.pool.connection() as connection:
            await revisits.done(connection, stretch)
        del self._unsaved[stretch.device_id]

    async def _revisit(self, stretch: Stretch) -> None:
        device = self._devices.get(stretch.device_id)
        index = self._geofences.index
        if device is None or not len(index):
            async with self._database.pool.connection() as connection:
                await revisits.done(connection, stretch)
            return
        async with self._database.pool.connection() as connection:
            begins, ends = await _unbroken(connection, stretch)
            rows, first, last, rest, newest = await _load(connection, stretch, begins, ends)
            if not len(rows):
                await revisits.done(connection, stretch, rest)
                return
            entered = await revisits.entered(connection, device.id, _at(rows, 0))
            known = {zone_id: told for zone_id, told in entered.items() if told[1] >= begins}
            walked = await asyncio.to_thread(self._walk, device, index, rows, known)
            waited_s = time.monotonic() - self._seen[device.id]
            if newest and self._state["zoned_time"][device.slot] != walked.last and waited_s < LONGEST_S:
                return  # a fix came meanwhile, and may have told of the same visit: with it the walk says what corrects it
            async with connection.transaction():
                stored = await revisits.told(connection, device.id, first, last)
                changes = _compare(index, walked, stored, first, last)
                await revisits.mark(connection, device.id, changes.mark, changes.superseded)
                unheard = await revisits.withdraw(connection, device.id, changes.gone)
                added, again = _to_tell(changes, unheard)
                await revisits.tell_again(connection, device.id, again)
                ids = await add_events(connection, added) if added else []
                if not newest:
                    await revisits.done(connection, stretch, rest)
        if (added or again) and self.told is not None:
            self.told([event for event, event_id in zip(added, ids, strict=True) if event_id is not None])
        if newest:
            self._take_over(device, stretch, walked, [*stored, *added])
        self._seen.pop(device.id, None)

    def _take_over(self, device: Device, stretch: Stretch, walked: Walked, told: Sequence[Told | Event]) -> None:
        """Nothing waits in here, so that no batch comes between. If a newer fix came, the stretch is walked once more."""
        if self._state["zoned_time"][device.slot] != walked.last:
            return
        confirmed = {(event.time, event.subject) for event in told if event.type in (ENTER, EXIT)}
        visits = []
        for visit in walked.visits.values():
            if visit.crossed is not None and (moment(visit.crossed), str(visit.zone_id)) in confirmed:  # by the clock
                visit = Visit(visit.zone_id, visit.shape, not visit.inside, visit.crossed)
            live = self._state.zoned.of(device.slot).get(visit.zone_id)
            if live is not None and live.inside and visit.inside and live.since == visit.since and live.dwelt:
                visit = structs.replace(visit, dwelt=True)
            visits.append(visit)
        self._keeper.take_over(device.slot, visits)
        self._unsaved[device.id] = (stretch.changed_at, self._saving.copies + 1)

    def _walk(self, device: Device, index: Index, rows: Rows, known: dict[int, tuple[bool, datetime]]) -> Walked:
        """In a thread, on a state of its own."""
        state, geofences = State(1), Geofences(self._settings, self._tolerance_kmh)
        geofences.index = index
        state.device_id[0], state.account_id[0], state.group_id[0] = device.id, device.account_id, device.group_id or 0
        speed = _speeds(rows)
        exact = np.flatnonzero(~(rows.columns.accuracy_m > self._settings.max_accuracy_m))
        time_of = dict(zip(rows.id.tolist(), map(instant, rows.columns.time), strict=True))
        if not len(exact):
            return Walked([], {}, {}, time_of, np.datetime64("NaT", "ms"))
        begin, columns = int(exact[0]), rows.columns
        state["zoned_time"][0] = columns.time[begin]
        state["zoned_longitude"][0], state["zoned_latitude"][0] = columns.longitude[begin], columns.latitude[begin]
        state.zoned.replace(0, _seeds(index, state, rows, begin, known), index)
        before = dict(state.zoned.of(0))
        places = exact[1:]
        events: list[Event] = []
        for start in range(0, len(places), 500):  # in portions, so that others get the interpreter
            part = places[start : start + 500]
            events += geofences.raised(rows, np.zeros(len(rows), "i4"), part, speed[part], state)
        return Walked(events, dict(state.zoned.of(0)), before, time_of, state["zoned_time"][0])


async def _unbroken(connection: AsyncConnection[Any], stretch: Stretch) -> tuple[datetime, datetime]:
    """Between which moments around the stretch's beginning the device was not blocked or unblocked: no walk goes beyond."""
    since, until = stretch.since - revisits.FAR, stretch.until + revisits.FAR
    _, times = await breaks.between(connection, [stretch.device_id], since, until)
    moments = [instant(at) for at in times]
    begins = max((at for at in moments if at <= stretch.since), default=datetime.min.replace(tzinfo=UTC))
    return begins, min((at for at in moments if at > stretch.since), default=ENDLESS)


async def _load(
    connection: AsyncConnection[Any], stretch: Stretch, begins: datetime, ends: datetime
) -> tuple[Rows, datetime, datetime, datetime | None, bool]:
    """Fixes; the times between which what is told must be true; where the rest begins; whether it reaches to now."""
    until = min(stretch.until, stretch.since + PIECE_TIME, ends - ROUNDING)
    before = await revisits.fixes_before(connection, stretch.device_id, stretch.since, BEFORE)
    before = before.take(np.flatnonzero(before.columns.time >= np.datetime64(begins.replace(tzinfo=None), "ms")))
    within = await revisits.fixes_after(connection, stretch.device_id, stretch.since, until, PIECE)
    if len(within) == PIECE:
        until = _at(within, -1)
    far = min(until + revisits.FAR, ends - ROUNDING)
    behind = await revisits.fixes_after(connection, stretch.device_id, until + ROUNDING, far, AFTER)
    rows = _joined([before, within, behind])
    whole = len(behind) < AFTER and until >= min(stretch.until, ends - ROUNDING)
    newest = whole and ends == ENDLESS
    rest = None if until >= stretch.until else ends if until == ends - ROUNDING else until
    if not len(rows):
        return rows, until, until, rest, newest
    first = _at(before, len(before) // 2) if len(before) == BEFORE else _at(rows, 0) - ROUNDING
    last = ends - ROUNDING if whole else _at(behind, len(behind) // 2) if len(behind) else until
    return rows, first, last, rest, newest


def _seeds(index: Index, state: State, rows: Rows, begin: int, known: dict[int, tuple[bool, datetime]]) -> list[Visit]:
    """The zones the device is in at its first fix here, as far as was told, and as it looks where nothing was."""
    slots = np.zeros(1, "i8")
    device = (state.device_id[:1], state.account_id[:1], state.group_id[:1])
    holding = {
        zone_id for _, zone_id in contained(index, slots, state["zoned_longitude"][:1], state["zoned_latitude"][:1], device)
    }
    at, position_id = int(rows.columns.time[begin].astype("M8[ms]").astype("i8")), int(rows.id[begin])
    visits = []
    for zone_id in {zone_id for zone_id in known if zone_id in index.place_of} | holding:
        zone = index.zones[index.place_of[zone_id]]
        if zone is None or not index.attached(np.array([index.place_of[zone_id]]), *device)[0]:
            continue
        inside, raw = known.get(zone_id, (zone_id in holding, None))[0], zone_id in holding
        if zone_id not in known:
            visits.append(first_look(zone, inside=inside, at=None))
            continue
        since = round(known[zone_id][1].timestamp() * 1000)
        dwelt = zone.dwell_s is not None and inside and since + zone.dwell_s * 1000 <= at
        visit = Visit(zone_id, zone.shape, inside, since if inside or zone.back_by is not None else None, dwelt)
        visits.append(visit if raw == inside else structs.replace(visit, crossed=at, position_id=position_id))
    return visits


def _compare(index: Index, walked: Walked, stored: Sequence[Told], first: datetime, last: datetime) -> Changes:
    """Between these times: what is true and what was told."""
    zones = _judged(index, stored)
    true = {(event.time, event.type, event.subject): event for event in walked.events if first < event.time <= last}
    waiting = {(moment(visit.crossed), str(visit.zone_id)) for visit in walked.visits.values() if visit.crossed is not None}
    changes = Changes()
    for past in stored:
        if past.subject not in zones:
            continue
        holds = past.key in true or _still_holds(past, walked, waiting)
        if holds == past.superseded:
            changes.mark.append(past)
            changes.superseded.append(not holds)
    told = {event.key for event in stored}
    judged = zones | (set(map(str, index.place_of)) - {event.subject for event in stored})
    changes.missing = [true[key] for key in sorted(true.keys() - told) if true[key].subject in judged]
    return changes


def _to_tell(changes: Changes, unheard: set[Key]) -> tuple[list[Event], list[Told]]:
    """Events to be added, and those told before that somebody has to hear of now. What replaces something that nobody has heard
    of yet is told in its place, with all that is due to it."""
    gone, added, again = changes.gone, list[Event](), list[Told]()
    for event in changes.missing:
        old = _replaced(event, gone)
        flags = {"late": True}
        if old is not None and (old.key not in unheard or old.attributes.get("corrects")):
            flags["corrects"] = True
        elif old is not None and not old.attributes.get("late"):
            flags = {}
        added.append(structs.replace(event, attributes={**event.attributes, **flags}))
    for past in changes.restored:
        old = _replaced(past, gone)
        if old is None or old.key in unheard:
            again.append(past)
    return added, again


def _judged(index: Index, stored: Sequence[Told]) -> set[str]:
    """Zones that are as they were when these events were told: of another shape nothing can be said by this one."""
    left_alone = {
        event.subject for event in stored if (zone := _zone(index, event.subject)) is None or event.created_at < zone.changed_at
    }
    return {event.subject for event in stored} - left_alone


def _zone(index: Index, subject: str) -> Zone | None:
    place = index.place_of.get(int(subject)) if subject.isdecimal() else None
    return None if place is None else index.zones[place]


def _still_holds(event: Told, walked: Walked, waiting: set[tuple[datetime, str]]) -> bool:
    """What only the clock could tell, and nothing here contradicts."""
    if event.type in (ENTER, EXIT):
        return (event.time, event.subject) in waiting
    if event.type == AWAY:
        return not _inside_at(event.time, event.subject, walked)
    if event.type == DWELL and "dwell_s" in event.attributes:
        if not _inside_at(event.time - timedelta(seconds=event.attributes["dwell_s"]), event.subject, walked):
            return False
        left = [one for one in walked.events if (one.type, one.subject) == (EXIT, event.subject)]
        since = event.time - timedelta(seconds=event.attributes["dwell_s"])
        after = min((one for one in left if one.time > since), key=lambda one: one.time, default=None)
        return after is None or walked.time_of.get(after.position_id or 0, event.time) >= event.time
    return False


def _inside_at(at: datetime, subject: str, walked: Walked) -> bool:
    turns = [event for event in walked.events if event.subject == subject and event.type in (ENTER, EXIT) and event.time <= at]
    if turns:
        return max(turns, key=lambda event: event.time).type == ENTER
    visit = walked.before.get(int(subject))
    return visit is not None and visit.inside


def _replaced(event: Event | Told, gone: list[Told]) -> Told | None:
    """What it stands for of those that are gone; each for one at most."""
    near = [
        one for one in gone if (one.type, one.subject) == (event.type, event.subject) and abs(one.time - event.time) <= NEARBY
    ]
    if not near:
        return None
    gone.remove(found := min(near, key=lambda one: abs(one.time - event.time)))
    return found


def _speeds(rows: Rows) -> NDArray[np.float64]:
    """As stages.py has them: the tracker's, or that of the way since the fix before."""
    columns = rows.columns
    sent = columns.speed_kmh.astype("f8")
    if len(sent) > 1:
        metres = distance_m(columns.latitude[:-1], columns.longitude[:-1], columns.latitude[1:], columns.longitude[1:])
        seconds = np.diff(columns.time).astype("m8[ms]").astype("f8") / 1000
        unsent = np.isnan(sent[1:])
        sent[1:][unsent] = metres[unsent] / seconds[unsent] * 3.6
    return sent


def _joined(parts: Sequence[Rows]) -> Rows:
    parts = [part for part in parts if len(part)]
    if not parts:
        return Rows.none()
    names = ("id", "device_id", "received", "outlier", "distance_m", "late")
    columns = Columns.concat([part.columns for part in parts])
    columns.frame = np.arange(len(columns), dtype="i4")
    return Rows(columns, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _at(rows: Rows, place: int) -> datetime:
    return instant(rows.columns.time[place])
