"""The stages: reports of many devices and their state in, rows to be stored and events out. Pure, but for the state.

sane? → seen before? → order → jumps → distance → zones · conditions · motion · ignition · overspeed · alarm → newest

Reports that are not newer than the device's newest are late: they are stored (once), the store puts their distances right, and
they change nothing that is known now; of their events only alarms are raised, marked as late, since an alarm stays true. Two
things are not so simple:

- What has no time of its own, such as a heartbeat, gets that of its arrival. It is news, but it must not make a report late whose
  time is the tracker's: the clocks differ, and behind the first heartbeat comes the memory of a day without network.
- A late fix may still be newer than the newest fix, where only telemetry came after that one. Then it leads on: place, motion and
  the next distance go from it, while the store measures it, as every late one.

The laws, tested: cutting the same reports into other batches changes neither rows, nor events, nor state; running the stored
rows of a batch through the stages again gives the same events and state, which is how a crash is recovered from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from protocols import Columns, alarm_names
from protocols.columns import NUMBERS
from telematics.config import ConditionSettings, MotionSettings, SanitySettings, ZoneSettings
from telematics.geo import distance_m
from telematics.pipeline.conditions import Conditions, Motion
from telematics.pipeline.geofences import Geofences
from telematics.pipeline.jumps import find_jumps
from telematics.pipeline.runs import Mask, Slots, before, first_of_run, last_of_run, rises, settle, start_of_streak
from telematics.pipeline.state import FIX, TELEMETRY, UNSURE, State, instant
from telematics.store.records import Event, Rows

log = structlog.get_logger()
ALARM_GOES_ON = np.timedelta64(10, "m")  # repeated within this it is one alarm: trackers repeat it with each report
FAR_APART = 2**42  # ms, 139 years: more than lies between the arrivals of one batch


@dataclass(slots=True)
class Reports:
    """Decoded reports of known devices. Parallel arrays in order of arrival."""

    columns: Columns
    slot: Slots
    protocol: NDArray[np.int16]  # a place in state.PROTOCOLS
    received: NDArray[np.datetime64]  # datetime64[ms]

    def take(self, places: NDArray[np.integer[Any]]) -> Reports:
        return Reports(self.columns.take(places), self.slot[places], self.protocol[places], self.received[places])


@dataclass(frozen=True, slots=True)
class Refused:
    """A report that can't be true; its frame becomes a dead letter."""

    frame: int  # as in Columns.frame
    slot: int
    reason: str


@dataclass(slots=True)
class Outcome:
    """What the stages made of a batch."""

    rows: Rows
    slot: Slots  # of each row
    events: list[Event] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    good: Mask = field(default_factory=lambda: np.zeros(0, "?"))  # rows whose distance counts: in order, placed, believed
    news: Mask = field(default_factory=lambda: np.zeros(0, "?"))  # rows that changed what is known now


class Stages:
    def __init__(
        self,
        sanity: SanitySettings,
        motion: MotionSettings,
        conditions: ConditionSettings | None = None,
        zones: ZoneSettings | None = None,
    ) -> None:
        self._sanity = sanity
        self._motion = motion
        self.conditions = Conditions(conditions or ConditionSettings(), motion)
        self.geofences = Geofences(zones, motion.speed_tolerance_kmh)
        self._not_before = np.datetime64(sanity.not_before.astimezone(UTC).replace(tzinfo=None), "ms")
        self._future = np.timedelta64(int(sanity.future_s * 1000), "ms")

    def run(self, reports: Reports, state: State, first_id: int) -> Outcome:
        """Move the state on by these reports. Rows get ids from first_id on, by device and time."""
        reports, refused = self._sane(reports)
        reports = reports.take(np.lexsort((reports.columns.time, reports.slot)))
        slot, columns, count = reports.slot, reports.columns, len(reports.slot)
        late = _late(reports, state)
        placed = columns.valid & ~np.isnan(columns.latitude)
        too_fast = placed & (columns.speed_kmh > self._sanity.max_speed_kmh)
        rows = Rows(
            columns=columns,
            id=np.arange(first_id, first_id + count, dtype="i8"),
            device_id=state.device_id[slot],
            received=reports.received,
            outlier=too_fast,
            distance_m=np.zeros(count),
            late=late,
        )
        leading = self._leading(rows, slot, state)
        state.begin_anew(slot[leading])
        rows.outlier[leading] |= self._jumps(rows, slot, leading, state)
        outcome = self._advance(rows, slot, reports.protocol, leading, state)
        outcome.refused = refused
        return outcome

    def replay(self, rows: Rows, slot: Slots, protocol: NDArray[np.int16], state: State) -> Outcome:
        """The same for rows that were stored already, after a crash: what was decided then stands."""
        order = np.lexsort((rows.id, slot))
        rows = rows.take(order)
        slot = slot[order]
        leading = self._leading(rows, slot, state)
        state.begin_anew(slot[leading])
        self._jumps(rows, slot, leading, state)
        return self._advance(rows, slot, protocol[order], leading, state)

    def _advance(self, rows: Rows, slot: Slots, protocol: NDArray[np.int16], leading: NDArray[np.intp], state: State) -> Outcome:
        columns = rows.columns
        current = ~rows.late
        good = current & columns.valid & ~np.isnan(columns.latitude) & ~rows.outlier
        events = _alarms(rows, slot, state)
        fixes = leading[~rows.outlier[leading]]
        news = current.copy()
        news[fixes] = True
        speed = _travel(rows, slot, fixes, state)
        events += self._zones(rows, slot, fixes, speed, state)
        moved = fixes[~np.isnan(speed)]
        speed = speed[~np.isnan(speed)]
        events += self.conditions.raised(rows, slot, Motion(np.flatnonzero(news), moved, speed), state)
        events += _ignition(rows, slot, np.flatnonzero(current), state)
        events += self._moving(rows, slot[moved], moved, speed, state)
        events += self._overspeed(rows, slot[moved], moved, speed, state)
        _take_place(rows, slot, fixes, state)
        _newest(rows, slot, protocol, np.flatnonzero(current), good, state)
        return Outcome(rows=rows, slot=slot, events=events, good=good, news=news)

    def _zones(self, rows: Rows, slot: Slots, fixes: NDArray[np.intp], speed: NDArray[np.float64], state: State) -> list[Event]:
        """A mistake there must not keep positions from being stored."""
        try:
            return self.geofences.raised(rows, slot, fixes, speed, state)
        except Exception:
            log.exception("zones could not be asked of a batch", rows=len(rows))
            return []

    def _leading(self, rows: Rows, slot: Slots, state: State) -> NDArray[np.intp]:
        """Places of the fixes that are newer than all fixes before them, jumps among them. What is not late always is."""
        columns = rows.columns
        fixes = np.flatnonzero(columns.valid & ~np.isnan(columns.latitude) & ~(columns.speed_kmh > self._sanity.max_speed_kmh))
        if not rows.late[fixes].any():
            return fixes
        own = slot[fixes]
        newest = np.fmax(state["fix_time"][own], state["jump_time"][own])
        return fixes[rises(columns.time[fixes], own, newest)]

    def _jumps(self, rows: Rows, slot: Slots, places: NDArray[np.intp], state: State) -> Mask:
        columns = rows.columns
        return find_jumps(
            slot[places], columns.time[places], columns.latitude[places], columns.longitude[places], state, self._sanity
        )

    def _sane(self, reports: Reports) -> tuple[Reports, list[Refused]]:
        """Give reports without a time that of their arrival; refuse those from elsewhere in time or space."""
        columns = reports.columns
        _give_time(reports)
        for name, _ in NUMBERS:  # text protocols can say 1e999; no later stage and no JSON reader should meet it
            values = getattr(columns, name)
            endless = np.isinf(values)
            if endless.any():
                setattr(columns, name, np.where(endless, np.nan, values))
        nowhere = np.isnan(columns.latitude) | np.isnan(columns.longitude) | ((columns.latitude == 0) & (columns.longitude == 0))
        if nowhere.any():  # 0° N 0° E is what trackers without a fix say
            columns.latitude = np.where(nowhere, np.nan, columns.latitude)
            columns.longitude = np.where(nowhere, np.nan, columns.longitude)
            columns.valid = columns.valid & ~nowhere
        ahead = columns.time > reports.received + self._future
        old = columns.time < self._not_before
        off_earth = (np.abs(columns.latitude) > 90) | (np.abs(columns.longitude) > 180)
        bad = ahead | old | off_earth
        if not bad.any():
            return reports, []
        refused = []
        for place in np.flatnonzero(bad).tolist():
            if off_earth[place]:
                reason = f"no such place: latitude {columns.latitude[place]}, longitude {columns.longitude[place]}"
            elif ahead[place]:
                reason = f"time {columns.time[place]}Z is ahead of the server's clock by more than {self._sanity.future_s:.0f} s"
            else:
                reason = f"time {columns.time[place]}Z is before {self._not_before}Z"
            refused.append(Refused(frame=int(columns.frame[place]), slot=int(reports.slot[place]), reason=reason))
        return reports.take(np.flatnonzero(~bad)), refused

    def _moving(self, rows: Rows, slot: Slots, places: NDArray[np.intp], speed: NDArray[np.float64], state: State) -> list[Event]:
        """Moving begins at once at start_kmh; it ends when the speed has stayed below stop_kmh for stop_s."""
        time = rows.columns.time[places]
        slow = speed < self._motion.stop_kmh
        since = start_of_streak(slow, slot, time, state["candidate_time"])
        stopped = slow & (time - since >= np.timedelta64(int(self._motion.stop_s * 1000), "ms"))
        decided = np.flatnonzero(stopped | (speed >= self._motion.start_kmh))
        moving = (~stopped[decided]).astype("i2")
        was = settle(moving, slot[decided], state["moving"])
        events = []
        for place in np.flatnonzero((moving != was) & (was != UNSURE)).tolist():
            row = decided[place]
            name, at = ("deviceMoving", time[row]) if moving[place] else ("deviceStopped", since[row])
            events.append(_event(rows, places[row], name, time=at))
        return events

    def _overspeed(
        self, rows: Rows, slot: Slots, places: NDArray[np.intp], speed: NDArray[np.float64], state: State
    ) -> list[Event]:
        """Raised when the limit is passed, and not again before the speed has been a little below it."""
        limit = state.speed_limit_kmh[slot]
        if self._motion.speed_limit_kmh is not None:
            limit = np.where(np.isnan(limit), self._motion.speed_limit_kmh, limit)
        above = speed > limit
        decided = np.flatnonzero(above | (speed <= limit - self._motion.speed_tolerance_kmh) | np.isnan(limit))
        over = above[decided].astype("i2")
        was = settle(over, slot[decided], state["overspeed"])
        return [
            _event(
                rows, places[row], "deviceOverspeed", speed_kmh=round(float(speed[row]), 1), limit_kmh=round(float(limit[row]), 1)
            )
            for row in decided[(over == 1) & (was == 0)].tolist()
        ]


def _give_time(reports: Reports) -> None:
    """Reports without a time get that of their arrival; each of a device's its own, a millisecond apart where need be."""
    columns = reports.columns
    without = np.flatnonzero(np.isnat(columns.time))
    if not len(without):
        return
    order = without[np.lexsort((reports.received[without], reports.slot[without]))]
    slot, time = reports.slot[order], reports.received[order]
    crowded = (slot[1:] == slot[:-1]) & (time[1:] == time[:-1])
    if crowded.any():
        apart = np.arange(len(time)) - np.cumsum(first_of_run(slot)) * FAR_APART  # no device reaches into the next one's times
        time = (np.maximum.accumulate(time.astype("i8") - apart) + apart).astype("M8[ms]")
    columns.time = columns.time.copy()
    columns.time[order] = time
    reports.received = reports.received.copy()
    reports.received[order] = time


def _clockless(columns: Columns, received: NDArray[np.datetime64]) -> Mask:
    """Telemetry at the time of its arrival. Of stored rows it can be told in the same way."""
    return np.asarray((columns.time == received) & np.isnan(columns.latitude))


def _late(reports: Reports, state: State) -> Mask:
    """Not newer than the device's newest report of its kind, or the second of two with the same time."""
    time, slot = reports.columns.time, reports.slot
    newest = np.where(_clockless(reports.columns, reports.received), state["received"][slot], state["clock"][slot])
    late = time <= newest  # False for NaT: a device's first report is never late
    late[1:] |= (time[1:] == time[:-1]) & (slot[1:] == slot[:-1])
    return np.asarray(late)


def _travel(rows: Rows, slot: Slots, places: NDArray[np.intp], state: State) -> NDArray[np.float64]:
    """Put the distance from the fix before into rows, but for late ones. Returns the speed of each place, km/h: the tracker's, or
    if it sent none, that of the way since the fix before (NaN without one)."""
    columns = rows.columns
    own, time = slot[places], columns.time[places]
    latitude, longitude = columns.latitude[places], columns.longitude[places]
    metres = distance_m(before(latitude, own, state["latitude"]), before(longitude, own, state["longitude"]), latitude, longitude)
    metres = np.where(np.isnan(metres), 0.0, metres)
    counted = np.where(rows.late[places], 0.0, metres)  # the store measures late ones, and tells
    rows.distance_m[places] = counted
    np.add.at(state.total_m, own, counted)
    sent = columns.speed_kmh[places].astype("f8")
    unsent = np.isnan(sent)
    if unsent.any():
        seconds = (time - before(time, own, state["fix_time"])).astype("f8") / 1000
        seconds = np.where(np.isnat(before(time, own, state["fix_time"])), np.nan, seconds)
        sent = np.where(unsent, metres / seconds * 3.6, sent)
    return np.asarray(sent)


def _ignition(rows: Rows, slot: Slots, current: NDArray[np.intp], state: State) -> list[Event]:
    """On and off, where the device has said both."""
    ignition = rows.columns.ignition[current]
    known = np.flatnonzero(~np.isnan(ignition))
    places, value = current[known], ignition[known]
    was = settle(value, slot[places], state["ignition"])
    changed = np.flatnonzero((value != was) & ~np.isnan(was))
    return [_event(rows, places[i], "ignitionOn" if value[i] else "ignitionOff") for i in changed.tolist()]


def _alarms(rows: Rows, slot: Slots, state: State) -> list[Event]:
    """Each alarm when it begins. Late reports raise theirs too, marked; the event's key keeps repeats from being told twice."""
    alarms = rows.columns.alarms
    current = np.flatnonzero(~rows.late)
    time = rows.columns.time[current]
    own = slot[current]
    value = alarms[current]
    if not alarms.any() and not state["alarms"][own].any():
        return []
    was = before(value, own, state["alarms"].view("u8"))
    gap = time - before(time, own, state["time"])
    was = np.where(gap <= ALARM_GOES_ON, was, 0).astype("u8")  # False for NaT
    begins = value & ~was
    events = []
    for i in np.flatnonzero(begins).tolist():
        events += [_event(rows, current[i], "alarm", subject=name, alarm=name) for name in alarm_names(int(begins[i]))]
    for place in np.flatnonzero(rows.late & (alarms != 0)).tolist():
        events += [_event(rows, place, "alarm", subject=name, alarm=name, late=True) for name in alarm_names(int(alarms[place]))]
    return events


def _take_place(rows: Rows, slot: Slots, fixes: NDArray[np.intp], state: State) -> None:
    """Each device's last good fix becomes its place."""
    fixes = fixes[last_of_run(slot[fixes])]
    own = slot[fixes]
    for name in FIX:
        state[name][own] = getattr(rows.columns, name)[fixes]
    state["fix_time"][own] = rows.columns.time[fixes]
    state.dirty[own] = True


def _newest(rows: Rows, slot: Slots, protocol: NDArray[np.int16], places: NDArray[np.intp], good: Mask, state: State) -> None:
    """Each device's last row in order becomes its newest report; telemetry on the way is kept."""
    columns = rows.columns
    for name in TELEMETRY:
        values = getattr(columns, name)[places]
        sent = ~np.isnan(values)
        if sent.any():
            own = slot[places[sent]]
            last = last_of_run(own)
            state[name][own[last]] = values[sent][last]
    clocked = places[~_clockless(columns, rows.received)[places]]
    clocked = clocked[last_of_run(slot[clocked])]
    state["clock"][slot[clocked]] = columns.time[clocked]
    places = places[last_of_run(slot[places])]
    own = slot[places]
    state["time"][own] = columns.time[places]
    state["position_id"][own] = rows.id[places]
    state["received"][own] = rows.received[places]
    state["valid"][own] = good[places]
    state["alarms"][own] = columns.alarms[places].astype("i8")
    state["protocol"][own] = protocol[places]
    state.dirty[own] = True
    for place, its_slot in zip(places.tolist(), own.tolist(), strict=True):
        state.attributes[its_slot] = columns.attributes[place]


def _event(
    rows: Rows,
    place: int | np.integer[Any],
    name: str,
    *,
    subject: str = "",
    time: np.datetime64 | None = None,
    **attributes: object,
) -> Event:
    return Event(
        device_id=int(rows.device_id[place]),
        time=instant(rows.columns.time[place] if time is None else time),
        type=name,
        subject=subject,
        position_id=int(rows.id[place]),
        attributes=attributes,
    )
