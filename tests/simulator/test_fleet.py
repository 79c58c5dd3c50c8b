"""Vehicles obey physics, the map and their seed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest

from telematics.simulator.fleet import PROTOCOLS, TEMPLATES, Fleet, Vehicle, imei, with_check_digit
from telematics.simulator.roads import course, kazakhstan, metres

MORNING = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)  # ten o'clock in Almaty
TOWNS = {
    "Almaty": ((43.13, 76.75), (43.40, 77.12)),
    "Astana": ((51.00, 71.32), (51.24, 71.60)),
    "Shymkent": ((42.25, 69.50), (42.40, 69.72)),
    "Balkhash": ((46.80, 74.90), (46.90, 75.05)),
}


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return Fleet(seed=7, count=TEMPLATES)


def test_all_roads_hang_together() -> None:
    roads = kazakhstan()
    for goal in range(len(roads.nodes)):
        assert goal == 0 or roads.route(0, goal)[-1].end == goal


@pytest.mark.parametrize(
    ("start", "goal", "km"),
    [
        pytest.param((43.2425, 76.9487), (51.1205, 71.4095), 1220, id="Almaty to Astana"),
        pytest.param((43.2425, 76.9487), (42.3180, 69.5900), 690, id="Almaty to Shymkent"),
        pytest.param((49.8010, 73.0890), (51.1205, 71.4095), 210, id="Karaganda to Astana"),
        pytest.param((43.2425, 76.9487), (43.8670, 77.0630), 75, id="Almaty to Konaev"),
    ],
)
def test_distances_are_about_those_on_the_signs(start: tuple[float, float], goal: tuple[float, float], km: float) -> None:
    roads = kazakhstan()
    nearest = [roads.nodes.index(min(roads.nodes, key=partial(metres, place))) for place in (start, goal)]
    assert sum(edge.length_m for edge in roads.route(*nearest)) / 1000 == pytest.approx(km, rel=0.08)


@pytest.mark.parametrize("number", range(0, TEMPLATES, 7))
def test_what_a_vehicle_does_in_a_second_is_possible(fleet: Fleet, number: int) -> None:
    """Speed is what the way says, and changes no faster than brakes and engines allow."""
    vehicle = fleet.vehicles[number]
    begin = MORNING.timestamp()
    before = vehicle.state(begin)
    for second in range(1, 3 * 3600):
        now = vehicle.state(begin + second)
        moved = metres((before.latitude, before.longitude), (now.latitude, now.longitude))
        travelled = now.travelled_m - before.travelled_m
        assert travelled >= 0
        assert moved <= travelled + 0.5
        assert travelled * 3.6 <= max(before.speed_kmh, now.speed_kmh) + 6
        assert abs(now.speed_kmh - before.speed_kmh) <= 3.6 * 3 + 0.1
        assert now.speed_kmh <= 165
        assert now.ignition or now.speed_kmh == 0
        before = now


def test_the_course_is_the_way_it_goes(fleet: Fleet) -> None:
    second, checked = MORNING.timestamp(), 0
    for vehicle in fleet.vehicles:
        a, b = vehicle.state(second), vehicle.state(second + 1)
        if a.course_deg == b.course_deg and a.speed_kmh > 20:
            went = course((a.latitude, a.longitude), (b.latitude, b.longitude))
            assert abs((went - a.course_deg + 180) % 360 - 180) < 2
            checked += 1
    assert checked > 5


def test_a_day_looks_like_a_day(fleet: Fleet) -> None:
    """By day many drive; everybody has a stop with the engine off; each town has its vehicles; some are on the highway."""
    states = [vehicle.state(MORNING.timestamp()) for vehicle in fleet.vehicles]
    assert sum(state.speed_kmh > 0 for state in states) >= 15
    for low, high in TOWNS.values():
        assert any(low[0] < s.latitude < high[0] and low[1] < s.longitude < high[1] for s in states)
    assert any(44 < state.latitude < 46 or 47 < state.latitude < 49 for state in states)
    day = [[vehicle.state(MORNING.timestamp() + hour * 900).ignition for hour in range(96)] for vehicle in fleet.vehicles]
    assert sum(not all(hours) for hours in day) >= TEMPLATES * 0.6
    assert all(any(hours) for hours in day)


def test_the_same_seed_is_the_same_fleet() -> None:
    def told(seed: int, begin: datetime) -> list[object]:
        vehicles = Fleet(seed=seed, count=4).vehicles
        return [fix for vehicle in vehicles for fix in vehicle.history(begin, MORNING + timedelta(hours=1))]

    assert told(3, MORNING) == told(3, MORNING)
    assert told(3, MORNING) != told(4, MORNING)


def test_where_a_vehicle_is_does_not_depend_on_when_it_was_started() -> None:
    early, late = Fleet(seed=3, count=5), Fleet(seed=3, count=5)
    for vehicle in early.vehicles:
        vehicle.state(MORNING.timestamp() - 20 * 86400)
    for one, other in zip(early.vehicles, late.vehicles, strict=True):
        a, b = one.state(MORNING.timestamp()), other.state(MORNING.timestamp())
        assert (a.latitude, a.longitude, a.speed_kmh) == (b.latitude, b.longitude, b.speed_kmh)


@pytest.mark.parametrize("number", range(0, TEMPLATES, 9))
def test_fixes_come_in_order_near_the_truth_and_often_enough(fleet: Fleet, number: int) -> None:
    vehicle = Fleet(seed=7, count=TEMPLATES, interval_s=10).vehicles[number]
    fixes = list(vehicle.history(MORNING, MORNING + timedelta(hours=4)))
    assert len(fixes) >= 4 * 3600 / 200
    for before, now in pairwise(fixes):
        since = (now.time - before.time).total_seconds()
        assert 1 <= since <= 190
        assert now.odometer_m >= before.odometer_m
        if before.ignition and now.ignition:
            assert since <= 35
    for fix in fixes[::20]:
        truth = vehicle.state(fix.time.timestamp())
        assert metres((fix.latitude, fix.longitude), (truth.latitude, truth.longitude)) < 60  # noise, kerb, and a second's way
        assert 0 <= fix.course_deg < 360
        assert 5 <= fix.satellites <= 20
        assert 11 < fix.power_v < 30 or fix.alarm == "powerCut"


def test_living_through_it_and_looking_back_give_the_same_kind_of_fixes() -> None:
    vehicle = Fleet(seed=7, count=2).vehicles[1]
    lived = [fix for second in range(3600) if (fix := vehicle.advance(MORNING + timedelta(seconds=second)))]
    past = list(Fleet(seed=7, count=2).vehicles[1].history(MORNING, MORNING + timedelta(hours=1)))
    assert len(lived) == pytest.approx(len(past), rel=0.4)


def test_the_odometer_goes_on_where_it_was_set(fleet: Fleet) -> None:
    vehicle: Vehicle = Fleet(seed=7, count=2).vehicles[1]
    vehicle.set_odometer(MORNING.timestamp(), 5_000_000)
    assert vehicle.fix(MORNING.timestamp()).odometer_m == pytest.approx(5_000_000, abs=1)
    assert 5_000_000 <= vehicle.fix(MORNING.timestamp() + 3 * 86400).odometer_m < 8_000_000


def test_alarms_and_lost_coverage_are_seldom_but_happen() -> None:
    fleet = Fleet(seed=7, count=TEMPLATES, interval_s=30)
    alarms = [fix.alarm for v in fleet.vehicles for fix in v.history(MORNING, MORNING + timedelta(hours=6)) if fix.alarm]
    assert 1 <= len(alarms) <= 25
    lost = sum(not v.covered(MORNING + timedelta(minutes=minute)) for v in fleet.vehicles for minute in range(0, 360, 5))
    assert 0 < lost < 0.1 * TEMPLATES * 72


def test_names_and_ids_are_of_the_place_and_unique() -> None:
    vehicles = Fleet(seed=1, count=300).vehicles
    assert len({vehicle.unique_id for vehicle in vehicles}) == len({vehicle.name for vehicle in vehicles}) == 300
    assert all(re.fullmatch(r".+ \d\d+ · \d{3} [A-Z]{3} (01|02|08|09|17)", vehicle.name) for vehicle in vehicles)
    assert {vehicle.protocol for vehicle in vehicles} == set(PROTOCOLS)
    assert {vehicle.category for vehicle in vehicles} == {"car", "van", "truck", "bus", "motorcycle"}


@pytest.mark.parametrize(
    ("body", "number"),
    [
        pytest.param("49015420323751", "490154203237518", id="the sample of 3GPP TS 23.003"),
        pytest.param("35685500000000", "356855000000007", id="check digit 7"),
        pytest.param("00000000000000", "000000000000000", id="check digit 0"),
    ],
)
def test_check_digits(body: str, number: str) -> None:
    assert with_check_digit(body) == number


def test_an_imei_has_fifteen_digits() -> None:
    assert re.fullmatch(r"86886103\d{7}", imei("86886103", seed=123456, number=99_999))


def test_a_large_fleet_is_quick_to_make_and_follows_the_small_one() -> None:
    vehicles = Fleet(seed=7, count=5000).vehicles
    first, follower = vehicles[3], vehicles[3 + TEMPLATES]
    a, b = first.state(MORNING.timestamp()), follower.state(MORNING.timestamp() + 171)
    assert (a.latitude, a.longitude) == (b.latitude, b.longitude)
