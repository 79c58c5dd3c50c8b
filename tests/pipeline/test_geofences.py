"""The stage of zones against the slow reference, its laws, and what must raise nothing."""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from math import cos, hypot, radians, sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from geographiclib.geodesic import Geodesic
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs

from protocols import Columns
from telematics.config import MotionSettings, SanitySettings
from telematics.devices import Groups, Targets
from telematics.hours import Hours
from telematics.pipeline.stages import Outcome, Stages
from telematics.pipeline.state import State
from telematics.store.records import Event, Rows
from telematics.zones.registry import Index, Zone
from telematics.zones.shapes import outline
from tests.pipeline.visits_reference import Fix, visits
from tests.pipeline.zones import START, area_of, circle, fleet, index_of, reports, told, zone

BUSES = Path(__file__).parents[3] / "shared" / "tracks" / "liverpool_bus_14.csv"
HOME = (76.9, 43.2)
NORTH_M = 1e-3 / float(Geodesic.WGS84.Inverse(43.2, 76.9, 43.201, 76.9)["s12"])  # degrees of latitude
EAST_M = 1e-3 / float(Geodesic.WGS84.Inverse(43.2, 76.9, 43.2, 76.901)["s12"])
DEPOT = circle(1, *HOME, 200)
CALM = SanitySettings(max_jump_kmh=1e9)


def stages_with(*zones: Zone, sanity: SanitySettings = CALM) -> Stages:
    stages = Stages(sanity, MotionSettings())
    stages.geofences.index = index_of(*zones)
    return stages


def run(batches: Sequence[Sequence[tuple[int, Fix]]], *zones: Zone, sanity: SanitySettings = CALM) -> tuple[list[Event], State]:
    stages, state, events, next_id = stages_with(*zones, sanity=sanity), fleet(3), list[Event](), 1
    for batch in batches:
        outcome = stages.run(reports(batch), state, next_id)
        next_id += len(outcome.rows)
        events += outcome.events
    return events, state


def east(*metres: float, every_s: float = 30, accuracy_m: float | None = None, north_m: float = 0) -> list[tuple[int, Fix]]:
    """Slot 0, that far east of home."""
    longitude, latitude = HOME
    return [
        (0, Fix(START + place * every_s, longitude + away * EAST_M, latitude + north_m * NORTH_M, accuracy_m))
        for place, away in enumerate(metres)
    ]


def happened(batch: list[tuple[int, Fix]], *zones: Zone, **options: Any) -> list[tuple[str, float]]:
    events, _ = run([batch], *(zones or (DEPOT,)), **options)
    return [(kind, round(at - START, 1)) for _, kind, at in sorted(told(events), key=lambda event: event[2])]


def test_entering_and_leaving_are_told_at_the_crossing() -> None:
    """200 m from the middle; between 300 and 100 m that is half the way, and 30 s a step."""
    way = [*east(400, 300, 100, 0, 0, -100, -300, -400)]
    assert happened(way) == [("geofenceEnter", 45.0), ("geofenceExit", 165.0)]


@pytest.mark.parametrize(
    ("way", "zone"),
    [
        pytest.param(east(400, 205, 198, 203, 196, 208, 400), DEPOT, id="a flicker at the border"),
        pytest.param(east(400, 100, 400, 400), DEPOT, id="one fix inside"),
        pytest.param(east(0, 0, 250, 0, 0, 0), DEPOT, id="one fix outside"),
        pytest.param(
            [*east(400, 400), (0, Fix(START + 40, *HOME, accuracy_m=300)), (0, Fix(START + 50, *HOME, accuracy_m=300))],
            DEPOT,
            id="fixes of poor accuracy inside",
        ),
        pytest.param(
            [*east(0, 0), *[(0, Fix(START + 60 + s, HOME[0] + 260 * EAST_M, HOME[1], accuracy_m=90)) for s in range(5)]],
            DEPOT,
            id="outside by less than the accuracy",
        ),
        pytest.param(east(0, 0, 210, 211, 212, 210, 213, 0), DEPOT, id="within the border band"),
        pytest.param(east(400, 194, 193, 192, 193, 400, 400), DEPOT, id="the same inside"),
        pytest.param(east(400, -400, 400, north_m=195), DEPOT, id="past the zone's edge"),
        pytest.param(east(0, 10, 0, -20), DEPOT, id="a device that begins inside"),
    ],
)
def test_nothing_is_told_of(way: list[tuple[int, Fix]], zone: Zone) -> None:
    assert happened(way, zone) == []


def test_an_outlier_and_a_jump_raise_nothing() -> None:
    away = [(0, Fix(START + 60, HOME[0] + 1, HOME[1])), (0, Fix(START + 70, HOME[0] + 1, HOME[1], speed_kmh=900))]
    way = [*east(0, 0), *away, *[(0, Fix(START + 80 + s, *HOME)) for s in range(3)]]
    assert happened(way, sanity=SanitySettings()) == []


def test_one_fix_that_nothing_contradicts_is_enough_after_a_while() -> None:
    assert happened(east(400, 100, 0, every_s=119), circle(1, *HOME, 200, confirm_fixes=9)) == []
    assert happened(east(400, 0, 0, every_s=120), circle(1, *HOME, 200, confirm_fixes=9)) == [("geofenceEnter", 60.0)]


@pytest.mark.parametrize(
    ("way", "more", "minutes"),
    [
        pytest.param(east(0, 0, 2000, 4000, every_s=1200), {}, 42, id="settled when nothing came for confirm_s"),
        pytest.param(east(0, 0, 2000, 4000, every_s=1200), {"confirm_s": 0.0}, 60, id="settled by the second fix outside"),
        pytest.param(east(0, 0, 220, 400, every_s=1200), {"confirm_fixes": 1}, 40, id="settled by the first"),
        pytest.param(east(0, 0, 220, 400, every_s=60), {"confirm_fixes": 1}, None, id="soon"),
    ],
)
def test_a_tracker_that_reports_rarely_is_noticed_when_it_does(
    way: list[tuple[int, Fix]], more: dict[str, Any], minutes: float | None
) -> None:
    """It left at some time in between; an alert isn't stale because of that."""
    (left,) = [event for event in run([way], circle(1, *HOME, 200, **more))[0] if event.type == "geofenceExit"]
    noticed = left.attributes.get("noticed")
    assert (noticed and datetime.fromisoformat(noticed).timestamp() - START) == (minutes and minutes * 60)


def test_a_zone_that_was_driven_through_between_two_fixes_was_passed() -> None:
    events, _ = run([east(1000, -1000)], DEPOT)
    (passed,) = [event for event in events if event.type == "geofencePass"]
    assert passed.time.timestamp() - START == pytest.approx(12, abs=0.02)
    assert datetime.fromisoformat(passed.attributes["exit"]).timestamp() - START == pytest.approx(18, abs=0.02)
    assert happened(east(1000, -1000), circle(1, *HOME, 200, passes=False)) == []
    assert happened(east(1000, -1000, every_s=601), DEPOT) == []


def test_a_zone_narrower_than_its_border_band_can_be_entered() -> None:
    """A gate of 24 m: its middle is no further than 12 m from the border, and that is clear enough."""
    assert [kind for kind, _ in happened(east(400, 0, 0, 0), circle(1, *HOME, 12))] == ["geofenceEnter"]


def test_the_way_over_the_antimeridian_is_the_short_one() -> None:
    strait = zone(1, shapely.union(shapely.box(179.99, 0, 180, 1), shapely.box(-180, 0, -179.99, 1)))
    ways = [
        [(0, Fix(START + 60 * place, x, 0.5)) for place, x in enumerate(way)] for way in ((179.98, -179.98), (-179.98, 179.98))
    ]
    assert [[kind for kind, _ in happened(way, strait)] for way in ways] == [["geofencePass"]] * 2


def test_dwelling_is_told_once_and_of_whoever_left_after_it() -> None:
    depot = circle(1, *HOME, 200, dwell_s=100.0)
    assert happened(east(400, 0, 0, 0, 0, 0, 0), depot) == [("geofenceEnter", 15.0), ("geofenceDwell", 115.0)]
    assert happened(east(400, 0, 0, 400, 400), depot) == [("geofenceEnter", 15.0), ("geofenceExit", 75.0)]
    quiet = [*east(400, 0, 0), (0, Fix(START + 3600, *HOME)), *[(0, Fix(START + 4000 + s, HOME[0] + 1, HOME[1])) for s in (0, 1)]]
    assert ("geofenceDwell", 115.0) in happened(quiet, depot)


def test_the_speed_limit_holds_inside_and_is_told_once() -> None:
    depot = circle(1, *HOME, 200, speed_limit_kmh=20.0)
    speeds = [(400, 90), (0, 50), (10, 18), (20, 21), (10, 25), (0, 18.5), (5, 22), (0, 16), (0, 30), (400, 80)]
    way = [(0, Fix(fix.time, fix.longitude, fix.latitude, speed_kmh=speed))
           for (_, fix), (_, speed) in zip(east(*[away for away, _ in speeds]), speeds, strict=True)]  # fmt: skip
    events, _ = run([way], depot)
    over = [event for event in events if event.type == "deviceOverspeed"]
    assert [(event.time.timestamp() - START, event.attributes["speed_kmh"]) for event in over] == [(90, 21.0), (240, 30.0)]
    assert over[0].subject == "1"
    assert over[0].attributes == {"speed_kmh": 21.0, "limit_kmh": 20.0, "geofence": "zone 1"}


def test_hours_gate_what_is_told_but_not_what_is_known() -> None:
    morning = Hours.of([{"days": ["sun"], "from": "06:02", "to": "07:00"}], None, "UTC")  # START is a Sunday's 06:00
    depot = circle(1, *HOME, 200, hours=morning)
    assert happened(east(400, 0, 0, 0, 0, 0, 400, 400), depot) == [("geofenceExit", 165.0)]


def test_a_zone_is_for_its_account_its_devices_and_its_groups() -> None:
    groups = Groups({5: None, 6: 5, 7: None})
    targets = {
        1: Targets(account_id=1, device_ids=frozenset({1})),
        2: Targets(account_id=1, group_ids=frozenset({5})),
        3: Targets(account_id=1),
        4: Targets(account_id=2, all_devices=True),
        5: Targets(account_id=1, all_devices=True),
    }
    zones = [circle(number, *HOME, 200, targets=target, account_id=target.account_id) for number, target in targets.items()]
    stages, state = stages_with(), fleet(3)
    stages.geofences.index = stages.geofences.index.updated(zones, (), groups)
    state.group_id[:3] = (7, 6, 0)
    state.account_id[2] = 2
    batch = [(slot, fix) for _, fix in east(400, 0, 0) for slot in (0, 1, 2)]
    events = stages.run(reports(batch), state, 1).events
    entered = sorted((event.device_id, int(event.subject)) for event in events if event.type == "geofenceEnter")
    assert entered == [(1, 1), (1, 5), (2, 2), (2, 5), (3, 4)]


def test_zones_for_groups_of_very_many_groups_cost_little() -> None:
    """The most that an account may have; in one number for each pair they took ten seconds and a gigabyte."""
    chain: dict[int, int | None] = {number: number - 1 or None for number in range(1, 17)}
    groups = Groups(chain | dict.fromkeys(range(17, 5_017), 1))
    depot = circle(1, *HOME, 200, targets=Targets(account_id=1, group_ids=frozenset({1})))
    began = time.process_time()
    index = Index().updated([replace(depot, id=number) for number in range(1, 2_001)], (), groups)
    place, group = np.zeros(4, "i8"), np.array([16, 5_016, 0, 9_999], "i4")
    assert index.attached(place, np.arange(4), np.ones(4, "i4"), group).tolist() == [True, True, False, False]
    assert time.process_time() - began < 2


def test_a_hole_is_outside_and_the_antimeridian_is_no_border() -> None:
    ring = [[x, y] for x, y in ((-1000, -1000), (1000, -1000), (1000, 1000), (-1000, 1000), (-1000, -1000))]
    hole = [[x / 5, y / 5] for x, y in ring]
    rings = [[[HOME[0] + x * EAST_M, HOME[1] + y * NORTH_M] for x, y in part] for part in (ring, hole)]
    donut = zone(1, outline("polygon", {"type": "Polygon", "coordinates": rings}))
    assert happened(east(2000, 600, 600, 0, 0, 600, 600), donut) == [
        ("geofenceEnter", 21.4),
        ("geofenceExit", 80.0),
        ("geofenceEnter", 130.0),
    ]
    bering = circle(1, 180.0, 60.0, 5000)
    degree_m = 111_412 * cos(radians(60))
    at = [-20_000, -3000, -100, 100, 3000, 20_000, 20_000]
    way = [(0, Fix(START + 60 * place, (180 + x / degree_m + 180) % 360 - 180, 60.0)) for place, x in enumerate(at)]
    assert [kind for kind, _ in happened(way, bering)] == ["geofenceEnter", "geofenceExit"]


# --- laws ---

ZONES = (
    circle(1, *HOME, 300, dwell_s=90.0),
    circle(2, HOME[0] + 400 * EAST_M, HOME[1], 200, confirm_fixes=1, border_m=40.0),
    circle(3, HOME[0] - 150 * EAST_M, HOME[1] + 200 * NORTH_M, 90, confirm_fixes=3, confirm_s=40.0, speed_limit_kmh=40.0),
    zone(4, outline("corridor", {"type": "LineString", "coordinates": [
        [HOME[0] - 900 * EAST_M, HOME[1] - 400 * NORTH_M], [HOME[0] + 900 * EAST_M, HOME[1] + 100 * NORTH_M]]}, width_m=60)),
)  # fmt: skip
steps = st.tuples(
    st.sampled_from([1, 5, 15, 30, 45, 90, 130, 700]), st.floats(-1, 1), st.floats(-1, 1),
    st.sampled_from([None, None, 5.0, 60.0, 150.0]),
    st.sampled_from([None, 0.0, 38.0, 45.0]), st.booleans(),
)  # fmt: skip


def _ways(drawn: list[tuple[int, float, float, float | None, float | None, bool]]) -> list[tuple[int, Fix]]:
    """A drive that mostly goes on where it is, in and out of the zones."""
    x, y, time, way = 0.0, 0.0, START, []
    for seconds, dx, dy, accuracy_m, speed, far in drawn:
        time += seconds
        reach = 700 if far else 60
        x, y = x / 2 + dx * reach if far else x + dx * reach, y / 2 + dy * reach if far else y + dy * reach
        way.append((0, Fix(time, HOME[0] + x * EAST_M, HOME[1] + y * NORTH_M, accuracy_m, speed)))
    return way


drives = st.lists(steps, min_size=2, max_size=40).map(_ways)


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # shrinking takes minutes
@given(drives)
def test_the_stage_tells_what_the_reference_tells(way: list[tuple[int, Fix]]) -> None:
    zones = list(ZONES)
    events, _ = run([way], *zones)
    speeds = [fix for _, fix in way]
    if any(fix.speed_kmh is None for fix in speeds):  # what the stage takes from the way instead is stages.py's affair
        zones = [one for one in zones if one.speed_limit_kmh is None]
    expected = visits(speeds, [area_of(one) for one in zones])
    _agree([event for event in told(events) if int(event[0]) in {one.id for one in zones}], expected)


def _agree(mine: list[tuple[str, str, float]], expected: list[tuple[str, str, float]]) -> None:
    assert [event[:2] for event in sorted(mine, key=_in_order)] == [event[:2] for event in sorted(expected, key=_in_order)]
    for one, other in zip(sorted(mine, key=_in_order), sorted(expected, key=_in_order), strict=True):
        assert one[2] == pytest.approx(other[2], abs=0.002)


def _in_order(event: tuple[str, str, float]) -> tuple[str, float]:
    return event[0], round(event[2], 1)


@settings(max_examples=60, deadline=None)
@given(drives)
def test_enter_and_exit_take_turns(way: list[tuple[int, Fix]]) -> None:
    events, state = run([way], *ZONES)
    for one in ZONES:
        turns = [event for event in events if event.subject == str(one.id) and event.type in ("geofenceEnter", "geofenceExit")]
        turns.sort(key=lambda event: event.time)
        assert all(a.type != b.type for a, b in pairwise(turns))
        visit = state.zoned.of(0).get(one.id)
        if turns:
            assert (turns[-1].type == "geofenceEnter") == (visit is not None and visit.inside)


@settings(max_examples=60, deadline=None)
@given(drives, drives, st.lists(st.integers(0, 60), max_size=5))
def test_how_fixes_are_cut_into_batches_does_not_matter(
    first: list[tuple[int, Fix]], second: list[tuple[int, Fix]], cuts: list[int]
) -> None:
    log = sorted([*first, *((1, fix) for _, fix in second)], key=lambda pair: pair[1].time)
    edges = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    whole, state = run([log], *ZONES)
    parts, cut_state = run([log[a:b] for a, b in pairwise(edges)], *ZONES)
    assert sorted(map(_told, whole)) == sorted(map(_told, parts))
    assert _known(state) == _known(cut_state)


@settings(max_examples=60, deadline=None)
@given(drives, st.integers(1, 20), st.integers(1, 3), st.integers(0, 3))
def test_after_a_crash_the_stored_rows_give_the_same(way: list[tuple[int, Fix]], size: int, at_once: int, saved: int) -> None:
    stages, state, outcomes = stages_with(*ZONES), fleet(3), list[Outcome]()
    again = fleet(3)
    for number, start in enumerate(range(0, len(way), size)):
        outcomes.append(stages.run(reports(way[start : start + size]), state, start + 1))
        if number < saved:  # as the snapshot holds it
            stages.replay(outcomes[-1].rows, outcomes[-1].slot, np.zeros(len(outcomes[-1].slot), "i2"), again)
    events, rest = [event for outcome in outcomes[saved:] for event in outcome.events], outcomes[saved:]
    replayed = list[Event]()
    for start in range(0, len(rest), at_once):
        rows, slot = _stored(rest[start : start + at_once])
        replayed += stages_with(*ZONES).replay(rows, slot, np.zeros(len(slot), "i2"), again).events
    assert sorted(map(_told, events)) == sorted(map(_told, replayed))
    assert _known(state, ids=True) == _known(again, ids=True)


def _stored(outcomes: list[Outcome]) -> tuple[Rows, Any]:
    columns = Columns.concat([outcome.rows.columns for outcome in outcomes])
    columns.frame = np.arange(len(columns), dtype="i4")
    names = ("id", "device_id", "received", "outlier", "distance_m", "late")
    joined = {name: np.concatenate([getattr(outcome.rows, name) for outcome in outcomes]) for name in names}
    return Rows(columns, **joined), np.concatenate([outcome.slot for outcome in outcomes])


def _told(event: Event) -> str:
    return f"{event.device_id} {event.time} {event.type} {event.subject} {sorted(event.attributes.items())}"


def _known(state: State, ids: bool = False) -> list[Any]:
    found: list[Any] = [str(state[name][:3]) for name in ("zoned_time", "zoned_latitude", "zoned_longitude")]
    for slot in range(3):
        visits = sorted(state.zoned.of(slot).values(), key=lambda visit: visit.zone_id)
        found += visits if ids else [structs.replace(visit, position_id=None) for visit in visits]
    zoned = state.zoned
    return [*found, zoned.mark[:3].tolist(), zoned.pending[:3].tolist(), zoned.due[:3].tolist(), zoned.limit_kmh[:3].tolist()]


# --- whole days ---


def generated() -> dict[str, list[Fix]]:
    """Four vehicles on rounds through the town, with gaps and jitter."""
    dice = np.random.default_rng(14)
    found: dict[str, list[Fix]] = {}
    for vehicle in range(4):
        time, fixes = START, []
        for place in range(900):
            time += float(dice.choice([10, 20, 20, 30, 400], p=[0.3, 0.3, 0.2, 0.19, 0.01]))
            turn = place / (90 + 15 * vehicle)
            radius = 2500 + 600 * sin(turn * 5)
            x, y = radius * sin(turn) + dice.normal(0, 6), radius * cos(turn) + dice.normal(0, 6)
            fixes.append(Fix(round(time, 3), HOME[0] + x * EAST_M, HOME[1] + y * NORTH_M))
        found[f"v{vehicle}"] = fixes
    return found


def buses() -> dict[str, list[Fix]]:
    found: defaultdict[str, dict[float, Fix]] = defaultdict(dict)
    with BUSES.open() as file:
        for row in csv.DictReader(file):
            time = datetime.fromisoformat(row["time"]).timestamp()
            found[row["vehicle"]].setdefault(time, Fix(time, float(row["longitude"]), float(row["latitude"])))
    return {vehicle: [fixes[time] for time in sorted(fixes)] for vehicle, fixes in found.items()}


def stops(tracks: dict[str, list[Fix]], count: int) -> list[Zone]:
    """Zones where vehicles are slowest, as somebody would draw them by hand around the stops; of many sizes and rules."""
    slow = [
        a.place
        for fixes in tracks.values()
        for a, b in pairwise(fixes)
        if hypot((a.longitude - b.longitude) / EAST_M, (a.latitude - b.latitude) / NORTH_M) < 15
    ] or [fix.place for fixes in tracks.values() for fix in fixes[::40]]
    zones: list[Zone] = []
    for place in slow:
        if all(hypot((place[0] - x) / EAST_M, (place[1] - y) / NORTH_M) > 350 for x, y in (_middle(one) for one in zones)):
            number = len(zones)
            rules = {"confirm_fixes": 1 + number % 3, "border_m": (5.0, 15.0, 30.0)[number % 3]}
            zones.append(circle(number + 1, *place, (40, 60, 90, 150)[number % 4], **rules))
        if len(zones) == count:
            break
    return zones


def _middle(one: Zone) -> tuple[float, float]:
    return shapely.centroid(one.outline).x, shapely.centroid(one.outline).y


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(generated, id="generated"),
        pytest.param(buses, id="buses", marks=pytest.mark.skipif(not BUSES.exists(), reason="the buses' tracks are not here")),
    ],
)
@pytest.mark.parametrize("at_once", [1, 57, 100_000])
def test_a_day_gives_the_references_visits(source: Any, at_once: int) -> None:
    tracks = source()
    zones = stops(tracks, 25)
    assert len(zones) > 10
    log = sorted(((slot, fix) for slot, fixes in enumerate(tracks.values()) for fix in fixes), key=lambda pair: pair[1].time)
    if at_once == 1:
        log = [pair for pair in log if pair[0] == 0]
    stages, state, events = stages_with(*zones, sanity=SanitySettings(min_jump_m=10**9)), fleet(len(tracks)), list[Event]()
    for start in range(0, len(log), at_once):
        events += stages.run(reports(log[start : start + at_once]), state, start + 1).events
    seen = 0
    for slot, fixes in enumerate(tracks.values()):
        if at_once == 1 and slot:
            break
        expected = visits(fixes, [area_of(one) for one in zones])
        _agree(told(events, slot + 1), expected)
        seen += len(expected)
    assert seen > 20
