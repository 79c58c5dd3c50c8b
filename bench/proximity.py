"""What watching 2,000 vehicles among 100,000 costs, all of them moving and reporting once a second.

trailers   1,000 trailers, each behind its truck; some are left behind on the way
tow_trucks 2,000 tow trucks against all 100,000 within 500 m
both       the two together

Vehicles are spread over Kazakhstan's towns by population and move through the streets at up to 60 km/h. A tick is what the server
does once a second: the copy of all places, the look, events and pairs made of what changed. Its processor time is divided by the
100,000 positions of that second.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from telematics.devices import Device, Devices, Groups
from telematics.pipeline.plan import make_plan
from telematics.pipeline.proximity import Proximities
from telematics.pipeline.state import State
from telematics.store.records import Proximity

DEVICES, WATCHED = 100_000, 2_000
TICKS, WARM_UP = 40, 35  # pairs are settled after min_s
MIN_S = 30.0
TOW_TRUCKS, ALL = 1, 2
DEGREE_M = 111_195.0
PROMISE_US = 3.0
TOWNS = (  # latitude, longitude, thousands of people (Bureau of National Statistics, 2023), kilometres across
    (43.24, 76.89, 2200, 30), (51.17, 71.43, 1390, 28), (42.32, 69.60, 1200, 30), (50.28, 57.17, 560, 22),
    (49.80, 73.10, 510, 24), (42.90, 71.37, 430, 18), (52.29, 76.97, 365, 16), (49.95, 82.61, 370, 18),
    (50.41, 80.23, 330, 18), (47.11, 51.92, 305, 16), (44.85, 65.51, 340, 16), (53.21, 63.63, 260, 14),
    (51.23, 51.37, 330, 14), (43.30, 68.25, 220, 12), (43.65, 51.17, 270, 12), (45.02, 78.37, 170, 12),
    (54.87, 69.16, 220, 12), (51.72, 75.32, 150, 10), (53.28, 69.40, 160, 12), (52.96, 63.12, 125, 10),
    (50.05, 72.96, 180, 12), (46.85, 74.98, 70, 8),
)  # fmt: skip


def measure() -> dict[str, Any]:
    return {
        f"{name}_{label}": value
        for name, chosen in (("trailers", _trailers), ("tow_trucks", _tow_trucks), ("both", _both))
        for label, value in _measured(chosen).items()
    }


def check(figures: dict[str, Any]) -> list[str]:
    """What is promised and not kept."""
    return [
        f"proximity: {name.replace('_', ' ')} {value} instead of {PROMISE_US}"
        for name, value in figures.items()
        if name.endswith("us_per_position") and value > PROMISE_US
    ]


def _trailers() -> list[Proximity]:
    return [
        _proximity(number + 1, enter_m=200.0, exit_m=500.0, device_id=number + 1, to_device_id=WATCHED // 2 + number + 1)
        for number in range(WATCHED // 2)
    ]


def _tow_trucks() -> list[Proximity]:
    return [_proximity(WATCHED + 1, enter_m=500.0, exit_m=700.0, group_id=TOW_TRUCKS, to_group_id=ALL)]


def _both() -> list[Proximity]:
    return _trailers() + _tow_trucks()


def _proximity(number: int, **more: Any) -> Proximity:
    sides = dict.fromkeys(("device_id", "group_id", "to_device_id", "to_group_id", "to_latitude", "to_longitude"))
    times = {"minutes": None, "min_s": MIN_S, "partner_age_s": 600.0, "cooldown_s": 900.0}
    return Proximity(id=number, account_id=1, name="bench", **cast("dict[str, Any]", {**sides, **times, **more}))


class Fleet:
    """Vehicles 1 … DEVICES; the first thousand tow the next."""

    def __init__(self) -> None:
        chance = np.random.default_rng(7)
        towns = np.array(TOWNS)
        town = towns[chance.choice(len(towns), DEVICES, p=towns[:, 2] / towns[:, 2].sum())]
        far_m = town[:, 3] * 500 * np.sqrt(chance.random(DEVICES))
        bearing = chance.random(DEVICES) * 2 * np.pi
        self.latitude = town[:, 0] + far_m * np.cos(bearing) / DEGREE_M
        self.longitude = town[:, 1] + far_m * np.sin(bearing) / DEGREE_M / np.cos(np.radians(town[:, 0]))
        self.speed_ms = chance.uniform(3, 17, DEVICES)
        self.heading = chance.choice(4, DEVICES) * np.pi / 2
        self._chance = chance
        self.state = State(DEVICES)
        self.devices = Devices()
        self.devices.put(
            Device(number, 1, str(number), f"vehicle {number}", group_id=TOW_TRUCKS if number <= WATCHED else ALL)
            for number in range(1, DEVICES + 1)
        )
        self.state.device_id[:DEVICES] = np.arange(DEVICES) + 1
        self._left = np.zeros(WATCHED // 2, "?")
        self._time_ms = int(time.time() * 1000)

    def drive(self) -> int:
        """A second goes by. Returns the time, in milliseconds since 1970."""
        self._time_ms += 1000
        turns = self._chance.random(DEVICES) < 0.03
        self.heading[turns] += self._chance.choice([-1, 1], int(turns.sum())) * np.pi / 2
        self.latitude += np.cos(self.heading) * self.speed_ms / DEGREE_M
        self.longitude += np.sin(self.heading) * self.speed_ms / DEGREE_M / np.cos(np.radians(self.latitude))
        tows = WATCHED // 2
        self._left |= self._chance.random(tows) < 0.1 / TICKS
        behind = np.flatnonzero(~self._left)
        self.latitude[tows + behind] = self.latitude[behind] - 10 / DEGREE_M
        self.longitude[tows + behind] = self.longitude[behind]
        state = self.state
        state["latitude"][:DEVICES], state["longitude"][:DEVICES] = self.latitude, self.longitude
        state["speed_kmh"][:DEVICES] = self.speed_ms * 3.6
        state["time"][:DEVICES] = state["fix_time"][:DEVICES] = np.datetime64(self._time_ms, "ms")
        state["position_id"][:DEVICES] += DEVICES
        state["moving"][:DEVICES] = 1
        return self._time_ms


def _measured(chosen: Callable[[], list[Proximity]]) -> dict[str, Any]:
    fleet, groups = Fleet(), Groups({TOW_TRUCKS: ALL, ALL: None})
    watch = Proximities(cast("Any", None), fleet.devices, lambda: groups, fleet.state)  # nothing here asks the database
    watch.pairs.change(make_plan(chosen(), list(fleet.devices), groups), set())
    took, events = list[float](), 0
    for tick in range(WARM_UP + TICKS):
        now_ms = fleet.drive()
        started = time.process_time()
        places = watch._places()
        found, _ = watch._look(places, now_ms)
        took.append(time.process_time() - started)
        if tick >= WARM_UP:
            events += len(found)
    settled = took[WARM_UP:]
    return {
        "pairs_near": int(watch.pairs.near.sum()),
        "pairs_watched": len(watch.pairs),
        "events_per_s": round(events / TICKS),
        "tick_ms": round(statistics.median(settled) * 1000, 1),
        "slowest_tick_ms": round(max(settled) * 1000, 1),
        "us_per_position": round(statistics.mean(settled) / DEVICES * 1e6, 3),
    }
