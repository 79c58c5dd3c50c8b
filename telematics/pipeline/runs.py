"""Small tools for arrays whose rows are sorted by device slot and, within a slot, by time or at least by arrival.

A stage that depends on the row before it (did the ignition change? how far from the last fix?) needs no loop: within a run of
equal slots the row before is the neighbour, and before the first row of a run stands the device's state.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Slots = NDArray[np.int32]


def first_of_run(slot: Slots) -> Mask:
    """True where a device's rows begin."""
    first = np.ones(len(slot), "?")
    first[1:] = slot[1:] != slot[:-1]
    return first


def last_of_run(slot: Slots) -> Mask:
    """True where a device's rows end."""
    last = np.ones(len(slot), "?")
    last[:-1] = slot[1:] != slot[:-1]
    return last


def before(values: NDArray[Any], slot: Slots, state: NDArray[Any]) -> NDArray[Any]:
    """For each row the value of the row before it; for a device's first row what the state says."""
    previous = np.empty(len(values), values.dtype)
    previous[1:] = values[:-1]
    first = first_of_run(slot)
    previous[first] = state[slot[first]]
    return previous


def settle(values: NDArray[Any], slot: Slots, state: NDArray[Any]) -> NDArray[Any]:
    """Like `before`, and then each device's last value becomes its state."""
    previous = before(values, slot, state)
    last = last_of_run(slot)
    state[slot[last]] = values[last]
    return previous


def rises(time: NDArray[np.datetime64], slot: Slots, floor: NDArray[np.datetime64]) -> Mask:
    """True where a device's time is later than its floor and all its times before. Times need not be in order here."""
    rank = np.empty(len(time), "i8")
    order = np.lexsort((time, slot))
    rank[order] = np.arange(len(time))
    newest = time[order[np.maximum.accumulate(rank)]]  # lower slots rank lower, so that each device begins anew
    before_it = np.full(len(time), "NaT", "M8[ms]")
    before_it[1:] = newest[:-1]
    before_it[first_of_run(slot)] = "NaT"
    known = np.fmax(before_it, floor)
    return np.asarray(np.isnat(known) | (time > known))


def start_of_streak(
    holds: Mask, slot: Slots, time: NDArray[np.datetime64], state: NDArray[np.datetime64]
) -> NDArray[np.datetime64]:
    """Since when `holds` has held without a break, for rows where it does (NaT elsewhere).

    A streak that reaches back to the device's first row goes on from the state, which is the streak's start or NaT; the state
    is then moved to each device's last row.
    """
    rows = np.arange(len(slot))
    first = first_of_run(slot)
    begins = holds.copy()
    begins[1:] &= ~holds[:-1] | first[1:]
    start_row = np.maximum.accumulate(np.where(begins, rows, 0))
    since = np.where(holds, time[start_row], np.datetime64("NaT", "ms"))
    # Streaks that began with a device's first row and were under way already
    carried = holds & first[start_row] & ~np.isnat(state[slot])
    since[carried] = state[slot[carried]]
    last = last_of_run(slot)
    state[slot[last]] = since[last]
    return since


def carried(values: NDArray[np.float64], slot: Slots, start: NDArray[Any]) -> NDArray[np.float64]:
    """For each row the newest value up to it that isn't NaN; for rows before a device's first one what `start` says there."""
    rows = np.arange(len(slot))
    known = ~np.isnan(values)
    place = np.maximum.accumulate(np.where(known | first_of_run(slot), rows, 0))
    return np.where(known[place], values[place], start)


def linear(keep: NDArray[np.float64], add: NDArray[np.float64], slot: Slots, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each row keep * (the row before's result) + add; before a device's first row stands `start`. All rows at once: two
    steps in a row are one step of the same kind, so that spans are doubled until they reach back to where keep is 0."""
    keep, add = keep.copy(), add.copy()
    first = first_of_run(slot)
    add[first] = np.where(keep[first] == 0, add[first], keep[first] * start[first] + add[first])
    keep[first] = 0
    span = 1
    while span < len(keep) and keep.any():
        add[span:] = np.where(keep[span:] == 0, add[span:], keep[span:] * add[:-span] + add[span:])  # 0 * NaN is not 0
        keep[span:] *= keep[:-span].copy()
        span *= 2
    return add
