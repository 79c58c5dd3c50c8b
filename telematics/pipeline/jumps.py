"""Which fixes can't be believed: those that could be reached from the last good one only at an impossible speed.

Almost never is there one, so the common way compares all neighbours at once; only devices with a suspicious step, or in the
middle of one, are walked through fix by fix. Three fixes in a row that agree with each other outvote the one before them: then
that was the wrong one, or the device was carried.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from telematics.config import SanitySettings
from telematics.geo import distance_m
from telematics.pipeline.runs import Mask, Slots, before
from telematics.pipeline.state import State

AGREE = 3  # so many outliers that agree become the truth


def find_jumps(
    slot: Slots,
    time: NDArray[np.datetime64],
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    state: State,
    sanity: SanitySettings,
) -> Mask:
    """True for fixes that are jumps. Rows are sorted by slot and time; the state's `jump…` fields move on."""
    jumped = np.zeros(len(slot), "?")
    metres = distance_m(
        before(latitude, slot, state["latitude"]), before(longitude, slot, state["longitude"]), latitude, longitude
    )
    since = before(time, slot, state["fix_time"])
    seconds = np.where(np.isnat(since), np.inf, (time - since).astype("f8") / 1000)
    suspicious = _too_far(metres, seconds, sanity) | (state["jumps"][slot] > 0)
    if not suspicious.any():
        return jumped
    for device in np.unique(slot[suspicious]).tolist():
        places = np.flatnonzero(slot == device)
        jumped[places] = _walk(device, time[places], latitude[places], longitude[places], state, sanity)
    return jumped


def _too_far(metres: Any, seconds: Any, sanity: SanitySettings) -> Any:
    return (metres > sanity.min_jump_m) & (metres * 3.6 > sanity.max_jump_kmh * seconds)


def _walk(
    device: int,
    time: NDArray[np.datetime64],
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    state: State,
    sanity: SanitySettings,
) -> Mask:
    jumped = np.zeros(len(time), "?")
    good = (state["latitude"][device], state["longitude"][device], state["fix_time"][device])
    jump = (state["jump_latitude"][device], state["jump_longitude"][device], state["jump_time"][device])
    count = int(state["jumps"][device])
    for place in range(len(time)):
        fix = (latitude[place], longitude[place], time[place])
        if _reachable(good, fix, sanity):
            good, count = fix, 0
            continue
        count = count + 1 if count and _reachable(jump, fix, sanity) else 1
        if count == AGREE:
            good, count = fix, 0
        else:
            jump, jumped[place] = fix, True
    state["jumps"][device] = count
    state["jump_latitude"][device], state["jump_longitude"][device], state["jump_time"][device] = jump
    return jumped


def _reachable(old: tuple[Any, Any, Any], new: tuple[Any, Any, Any], sanity: SanitySettings) -> bool:
    if np.isnat(old[2]):
        return True
    metres = float(distance_m(old[0], old[1], new[0], new[1]))
    return not _too_far(metres, float((new[2] - old[2]) / np.timedelta64(1, "s")), sanity)
