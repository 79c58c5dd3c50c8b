"""What reports say of a vehicle's condition: idling, fuel, power, battery; and, by the clock, that nothing was heard for long.

Idling   It stands once a speed is below motion.stop_kmh, until one reaches motion.start_kmh or a fix is far from the one before:
         a fix that drifts about a parking place ends nothing. Standing with the ignition on for idle_s is told once, with the
         time at which it was reached, however late the report comes that shows it.
Fuel     The first reading of a minute is looked at, so that a tank being filled is not ten small fillings. While it stands, two
         such readings that agree are the level; a level that differs from the reference by the threshold is told, and becomes
         the reference. On the way the reference follows readings smoothed, as fuel slops about. A reading that nothing
         confirms changes nothing, and 0 is what sensors without power say. What goes slower than SLOW_L an hour is consumption.
Power    Lost below power_lost_v once it was there, and back when it is a volt above.
Battery  Low below battery_low_percent, and told again only after it was ten points above.

All of it is a function of a device's reports in their order, so that neither batches nor a replay after a crash change it.
A device's own attributes go before the settings; what makes no sense in them is ignored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telematics.config import ConditionSettings, MotionSettings
from telematics.pipeline.runs import Mask, Slots, before, carried, first_of_run, linear, settle, start_of_streak
from telematics.pipeline.state import THRESHOLDS, State, instant
from telematics.store.records import Event, Rows, noticed_at

Places = NDArray[np.intp]

ATTRIBUTES: Mapping[str, tuple[str, float, float]] = {  # threshold → attribute, what it may be between
    "idle_s": ("idleSeconds", 1, 30 * 86_400),
    "fuel_drop_l": ("fuelDropThreshold", 0.1, 1e6),
    "fuel_increase_l": ("fuelIncreaseThreshold", 0.1, 1e6),
    "power_lost_v": ("powerLostVolts", 0.1, 1000),
    "battery_low_percent": ("batteryLowPercent", 0.1, 100),
    "inactive_s": ("inactiveSeconds", 1, 10 * 366 * 86_400),
}
ON_THE_WAY, STANDS, IDLES = 0, 1, 2  # State.idling; IDLES: it was told
UNKNOWN, WELL, TROUBLE = 0, 1, 2  # State.power_lost and State.battery_low
MOVED_M = 300.0  # a fix so far from the one before is not where the vehicle stood
POWER_BACK_V = 1.0
BATTERY_BACK_PERCENT = 10.0
FOLLOWED = 0.2  # of a reading on the way goes into the reference: over five minutes
AGREE = 0.05  # of the threshold: two readings this near to each other agree …
AGREE_L = 0.3  # … or this near
SLOW_L = 5.0  # an hour: an engine that runs while the vehicle stands, a heater
MOST_AT_ONCE = 1_000  # silent devices told of in one batch, which others wait for; the rest a second later
LISTENED = np.timedelta64(3_600_000, "ms")  # after we were deaf, before silence longer than this counts


def thresholds(attributes: Mapping[str, object]) -> dict[str, float]:
    """What a device's attributes ask for, NaN for what they don't. An owner may have written anything into them."""
    return {name: _number(attributes.get(key), least, most) for name, (key, least, most) in ATTRIBUTES.items()}


def _number(value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return number if least <= number <= most else math.nan


@dataclass(frozen=True, slots=True)
class Motion:
    """What the stages know of movement: rows that changed what is known, and the speeds of those with one."""

    news: Places
    moved: Places
    speed_kmh: NDArray[np.float64]  # of `moved`


class Conditions:
    def __init__(self, settings: ConditionSettings, motion: MotionSettings) -> None:
        self._motion = motion
        self._defaults = {name: float(getattr(settings, name)) for name in THRESHOLDS}

    def raised(self, rows: Rows, slot: Slots, motion: Motion, state: State) -> list[Event]:
        """Events of a batch; the state's own fields are moved on. To be called before the state takes over what rows say."""
        events, stands = self._idling(rows, slot, motion, state)
        current = np.flatnonzero(~rows.late)
        events += self._fuel(rows, slot, current, stands, state)
        events += self._power(rows, slot, current, state)
        events += self._battery(rows, slot, current, state)
        return events

    def silent(self, state: State, now: np.datetime64, listening_since: np.datetime64) -> list[int]:
        """Slots whose device has become inactive: heard once, and not for so long that it was to be told. What was said while we
        didn't listen comes within an hour, or within that limit if it is shorter."""
        limit = self._limit("inactive_s", np.arange(state.capacity), state)
        span = (limit * 1000).astype("m8[ms]")
        due = (now - state["heard"] > span) & (now - listening_since > np.minimum(span, LISTENED))  # False for NaT
        told = state["inactive"] != 0
        back = told & ~(now - state["heard"] > span)
        state["inactive"][back] = 0
        gone: NDArray[np.int64] = np.flatnonzero(due & ~told)[:MOST_AT_ONCE]
        state["inactive"][gone] = 1
        state.dirty[back] = True
        state.dirty[gone] = True
        return list(map(int, gone))

    def inactive(self, slot: int, state: State) -> Event:
        """What is told of one of them: the time is that at which it became true."""
        limit_s = float(self._limit("inactive_s", np.array([slot]), state)[0])
        time = state["heard"][slot] + np.timedelta64(int(limit_s * 1000), "ms")
        return Event(int(state.device_id[slot]), instant(time), "deviceInactive", attributes={"inactive_s": _plain(limit_s)})

    def _limit(self, name: str, slot: NDArray[Any], state: State) -> NDArray[np.float64]:
        own = state.thresholds[name][slot].astype("f8")
        return np.where(np.isnan(own), self._defaults[name], own)

    def _idling(self, rows: Rows, slot: Slots, motion: Motion, state: State) -> tuple[list[Event], Mask]:
        """Events, and for each row whether the vehicle stood then."""
        every = np.full(len(rows), np.nan)
        slow = motion.speed_kmh < self._motion.stop_kmh
        fast = (motion.speed_kmh >= self._motion.start_kmh) | (rows.distance_m[motion.moved] > MOVED_M)
        every[motion.moved[slow]] = 1
        every[motion.moved[fast]] = 0
        places = motion.news
        own, time = slot[places], rows.columns.time[places]
        stands = carried(every[places], own, state["idling"][own] != ON_THE_WAY) > 0
        ignition = np.where(rows.late[places], np.nan, rows.columns.ignition[places])
        idle = stands & (carried(ignition, own, state["ignition"][own]) > 0)
        told_before = state["idling"][own] == IDLES
        since = start_of_streak(idle, own, time, state["idle_since"])
        limit = self._limit("idle_s", own, state)
        reached = idle & (time - since >= (limit * 1000).astype("m8[ms]"))
        kept = idle & _reached_before(idle, reached, own, told_before)
        phase = np.where(kept, IDLES, np.where(stands, STANDS, ON_THE_WAY)).astype("i2")
        was = settle(phase, own, state["idling"])
        events = []
        for place in np.flatnonzero((phase == IDLES) & (was != IDLES)).tolist():
            at = since[place] + np.timedelta64(int(limit[place] * 1000), "ms")
            events.append(_event(rows, places[place], "deviceIdle", at, idle_s=_plain(limit[place])))
        stood = np.zeros(len(rows), "?")
        stood[places] = stands
        return events, stood

    def _fuel(self, rows: Rows, slot: Slots, current: Places, stands: Mask, state: State) -> list[Event]:
        sent = current[~np.isnan(rows.columns.fuel_l[current])]
        if not len(sent):
            return []
        last = before(rows.columns.fuel_l[sent].astype("f8"), slot[sent], state["fuel_l"])
        some = rows.columns.fuel_l[sent] > 0
        places, last = sent[some], last[some]
        minute = rows.columns.time[places].astype("M8[m]")
        new = minute != before(minute, slot[places], state["fuel_checked"])  # True for NaT
        places, last = places[new], last[new]
        own, time = slot[places], rows.columns.time[places]
        level, stood = rows.columns.fuel_l[places].astype("f8"), stands[places]
        drop, increase = self._limit("fuel_drop_l", own, state), self._limit("fuel_increase_l", own, state)
        checked_at = settle(time, own, state["fuel_checked"])
        checked = settle(np.where(stood, level, np.nan), own, state["fuel_checked_l"])
        least = np.minimum(drop, increase)
        near = np.maximum(AGREE * least, AGREE_L)
        hours = np.nan_to_num((time - checked_at) / np.timedelta64(3_600_000, "ms"), nan=0.0)
        used = np.clip(SLOW_L * hours, 0, np.maximum(least / 2 - near, 0))
        agree = stood & (level <= checked + near) & (level >= checked - near - used)
        steady = ~stood & ~(np.abs(level - last) > least)
        reference = _reference(level, agree, steady, own, state["fuel_reference_l"][own].astype("f8"))
        was = settle(reference, own, state["fuel_reference_l"])
        told = agree & ((level <= was - drop) | (level >= was + increase))
        events = []
        for place in np.flatnonzero(told).tolist():
            name = "deviceFuelDrop" if level[place] < was[place] else "deviceFuelIncrease"
            found = {"fuel_before_l": round(float(was[place]), 1), "fuel_after_l": round(float(level[place]), 1)}
            events.append(_event(rows, places[place], name, checked_at[place], **found))
        return events

    def _power(self, rows: Rows, slot: Slots, current: Places, state: State) -> list[Event]:
        volts, own = rows.columns.power_v[current], slot[current]
        least = self._limit("power_lost_v", own, state)
        back = volts >= least + POWER_BACK_V
        had = carried(np.where(back, 1.0, np.nan), own, state["power_lost"][own] != UNKNOWN) > 0
        lost = (volts < least) & had  # a tracker that never had any is not one that lost it
        events = []
        for place, phase, was in _changes(lost, back, own, state["power_lost"]):
            if was != UNKNOWN:
                name = "powerLost" if phase == TROUBLE else "powerRestored"
                row = current[place]
                events.append(_event(rows, row, name, rows.columns.time[row], power_v=round(float(volts[place]), 2)))
        return events

    def _battery(self, rows: Rows, slot: Slots, current: Places, state: State) -> list[Event]:
        percent = rows.columns.battery_percent
        least = self._limit("battery_low_percent", slot[current], state)
        low = percent[current] < least
        well = percent[current] >= np.minimum(least + BATTERY_BACK_PERCENT, 100)
        changed = _changes(low, well, slot[current], state["battery_low"])
        return [
            _event(
                rows, current[place], "batteryLow", rows.columns.time[current[place]],
                battery_percent=round(float(percent[current[place]]), 1),
            )
            for place, phase, _ in changed
            if phase == TROUBLE
        ]  # fmt: skip


def _reached_before(idle: Mask, reached: Mask, slot: Slots, told_before: Mask) -> Mask:
    """Whether the streak that a row is in has reached its limit at that row or before: clocks differ, and time may go back."""
    first = first_of_run(slot)
    rows = np.arange(len(slot))
    changes = first.copy()
    changes[1:] |= idle[1:] != idle[:-1]
    start = np.maximum.accumulate(np.where(changes, rows, 0))
    newest = np.maximum.accumulate(np.where(reached, rows, -1))
    return (newest >= start) | (first[start] & told_before)


def _reference(
    level: NDArray[np.float64], agree: Mask, steady: Mask, slot: Slots, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The reference at each reading: the level when two agree, smoothed on the way, otherwise as it was."""
    tells = agree | steady
    first = first_of_run(slot)
    count = np.cumsum(tells)
    before_run: NDArray[np.int64] = (count - tells)[np.maximum.accumulate(np.where(first, np.arange(len(slot)), 0))]
    begins = tells & (count - before_run == 1) & np.isnan(start)  # nothing was known before it
    set_anew = agree | begins
    keep = np.where(set_anew, 0.0, np.where(steady, 1 - FOLLOWED, 1.0))
    add = np.where(set_anew, level, np.where(steady, FOLLOWED * level, 0.0))
    return linear(keep, add, slot, start)


def _changes(bad: Mask, good: Mask, slot: Slots, state: NDArray[np.int16]) -> list[tuple[int, int, int]]:
    """(place, phase, phase before) where it changes; what is neither bad nor good changes nothing."""
    decided = np.flatnonzero(bad | good)
    if not len(decided):
        return []
    phase = np.where(bad[decided], TROUBLE, WELL).astype("i2")
    was = settle(phase, slot[decided], state)
    changed = np.flatnonzero(phase != was)
    return list(zip(decided[changed].tolist(), phase[changed].tolist(), was[changed].tolist(), strict=True))


def _plain(seconds: float) -> float | int:
    """300, not 300.0."""
    return int(seconds) if float(seconds).is_integer() else round(float(seconds), 1)


def _event(rows: Rows, place: int | np.integer[Any], name: str, time: np.datetime64, **attributes: object) -> Event:
    at, noticed = instant(time), instant(rows.columns.time[place])
    attributes |= noticed_at(at, noticed)
    return Event(int(rows.device_id[place]), at, name, position_id=int(rows.id[place]), attributes=attributes)
