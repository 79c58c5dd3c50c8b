"""Who is near whom: the search against all pairs, the pairs against a slow reference, and the whole in a server that dies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from telematics.config import Settings
from telematics.devices import Device, Devices, Groups
from telematics.geo import distance_m
from telematics.hours import Hours
from telematics.pipeline import pairs as pairs_module
from telematics.pipeline import plan as plan_module
from telematics.pipeline import proximity, worker
from telematics.pipeline.near import Points, near
from telematics.pipeline.pairs import NEVER, Look, Pairs, Places
from telematics.pipeline.plan import PLACE, Plan, device_of, make_plan, partner_of, rule_of
from telematics.pipeline.proximity import Proximities
from telematics.pipeline.state import State
from telematics.server import Server
from telematics.store.errors import StoreBusy
from telematics.store.records import Batch, Committed, Proximity
from tests.pipeline.near_reference import AllPairs, Fix
from tests.test_server import add_devices, rows, running, until

METRE = 1 / 111_195  # degrees of latitude
TRUCKS, TRAILERS, ALL = 1, 2, 3  # groups; ALL holds the others


def rule(number: int = 1, **more: Any) -> Proximity:
    fields: dict[str, Any] = {
        "account_id": 1, "name": f"proximity {number}", "device_id": None, "group_id": None, "to_device_id": None,
        "to_group_id": None, "to_latitude": None, "to_longitude": None, "enter_m": 100.0, "exit_m": 200.0, "minutes": None,
        "min_s": 0.0, "partner_age_s": 600.0, "cooldown_s": 0.0,
    }  # fmt: skip
    return Proximity(id=number, **(fields | more))


def fleet(*groups: int | None) -> list[Device]:
    """Devices 1, 2, … in these groups."""
    devices = Devices()
    devices.put(Device(number, 1, str(number), f"vehicle {number}", group_id=group) for number, group in enumerate(groups, 1))
    return list(devices)


GROUPS = Groups({TRUCKS: ALL, TRAILERS: ALL, ALL: None})


def places_of(fixes: Mapping[int, Fix], count: int) -> Places:
    def column(name: str, otherwise: float) -> Any:
        return np.array([getattr(fixes[number], name) if number in fixes else otherwise for number in range(1, count + 1)])

    nan = float("nan")
    time = np.array([int(fixes[number].time * 1000) if number in fixes else NEVER for number in range(1, count + 1)], "i8")
    return Places(
        column("latitude", nan).astype("f8"), column("longitude", nan).astype("f8"), time,
        column("speed_kmh", nan).astype("f8"), column("stands", True).astype("?"), time // 1000,
    )  # fmt: skip


class Watch:
    """`Pairs` of some devices, asked as the server does it."""

    def __init__(self, proximities: Sequence[Proximity], devices: Sequence[Device]) -> None:
        self.devices, self.pairs = devices, Pairs()
        self.pairs.change(make_plan(proximities, devices, GROUPS), set())

    def look(self, fixes: Mapping[int, Fix], now: float) -> list[tuple[int, int, int, bool, float]]:
        return told(self.pairs.plan, self.pairs.look(places_of(fixes, len(self.devices)), int(now * 1000)))


def told(plan: Plan, look: Look) -> list[tuple[int, int, int, bool, float]]:
    flips = look.flips
    return sorted(
        (
            int(plan.id[rule_of(key)]), int(plan.device_id[device_of(key)]),
            0 if partner_of(key) == PLACE else int(plan.device_id[partner_of(key)]), bool(is_near), int(since) / 1000,
        )
        for key, is_near, since, silent in zip(flips.key, flips.near, flips.since_ms, flips.silent, strict=True)
        if not silent
    )  # fmt: skip


def at(metres: float, time: float, **more: Any) -> Fix:
    """So far north of where all begins."""
    return Fix(43.0 + metres * METRE, 76.9, time, **more)


def apart(watch: Watch, *distances: float | tuple[float, float], every_s: float = 10) -> list[tuple[str, float]]:
    """What is told while vehicle 2 is so far from 1, both reporting; the first look is at `distances[0]`."""
    found = []
    for step, distance in enumerate(distances):
        time = step * every_s
        flips = watch.look({1: at(0, time), 2: at(float(distance), time)}, time)  # type: ignore[arg-type]
        found += [("near" if flip[3] else "apart", flip[4]) for flip in flips]
    return found


def test_what_has_to_last_is_noticed_when_it_has() -> None:
    """Half an hour near: the event's time is when that began, and the alert is news when it is over."""
    watch = Watch([rule(device_id=1, to_device_id=2, min_s=1800.0)], fleet(None, None))
    assert apart(watch, 500, 50, 50, 50, every_s=600) == []
    flips = watch.pairs.look(places_of({1: at(0, 2400), 2: at(50, 2400)}, 2), 2_401_000).flips
    assert (flips.since_ms.tolist(), flips.noticed_ms.tolist()) == ([600_000], [2_400_000])
    still = Watch([rule(device_id=1, to_device_id=2, min_s=1800.0)], fleet(None, None))
    assert apart(still, 500, 50, every_s=600) == []
    parked = places_of({1: at(0, 600, stands=True), 2: at(50, 600, stands=True)}, 2)
    assert still.pairs.look(parked, 2_399_000).flips.key.tolist() == []
    assert still.pairs.look(parked, 9_000_000).flips.noticed_ms.tolist() == [2_400_000]  # as soon as the clock could tell


def test_near_begins_within_enter_and_ends_beyond_exit() -> None:
    watch = Watch([rule(device_id=1, to_device_id=2)], fleet(None, None))
    assert apart(watch, 500, 150, 99, 150, 199, 101, 201, 150, 90) == [("near", 20), ("apart", 60), ("near", 80)]


def test_flicker_between_the_radii_raises_nothing() -> None:
    watch = Watch([rule(device_id=1, to_device_id=2)], fleet(None, None))
    assert apart(watch, 500, 90, 110, 90, 190, 110, 95, 199, 101, 90) == [("near", 10)]


def test_what_does_not_last_does_not_count_and_the_time_is_that_of_the_first_fix() -> None:
    watch = Watch([rule(device_id=1, to_device_id=2, min_s=30)], fleet(None, None))
    assert apart(watch, 500, 90, 90, 150, 90, 90, 90, 90, 300, 90, 300, 300, 300, 300) == [("near", 40), ("apart", 100)]


def test_whoever_is_near_at_the_first_look_is_told_of_when_they_part() -> None:
    watch = Watch([rule(device_id=1, to_device_id=2)], fleet(None, None))
    assert apart(watch, 50, 60, 300) == [("apart", 20)]


def test_the_same_pair_is_not_near_again_before_the_cooldown_is_over() -> None:
    watch = Watch([rule(device_id=1, to_device_id=2, cooldown_s=60)], fleet(None, None))
    assert apart(watch, 500, 90, 300, 90, 300, 90, 90, 90, 90, 90) == [("near", 10), ("apart", 20), ("near", 80)]


def test_either_may_report_and_an_old_fix_of_either_is_not_believed() -> None:
    watch = Watch([rule(device_id=1, to_device_id=2, partner_age_s=60)], fleet(None, None))
    assert watch.look({1: at(0, 0), 2: at(500, 0)}, 0) == []
    assert watch.look({1: at(500, 61), 2: at(500, 0)}, 61) == []
    assert watch.look({1: at(500, 61), 2: at(500, 62)}, 62) == [(1, 1, 2, True, 62)]
    assert watch.look({1: at(900, 130), 2: at(500, 62)}, 130) == []
    assert watch.look({1: at(900, 130), 2: at(500, 80)}, 131) == [(1, 1, 2, False, 130)]


def test_two_that_stand_side_by_side_and_say_no_more_are_settled_by_the_clock() -> None:
    watch = Watch([rule(device_id=1, to_device_id=2, min_s=30)], fleet(None, None))
    parked = {1: at(0, 0, stands=True), 2: at(50, 12, stands=True)}
    watch.look({1: at(0, 0, stands=True), 2: at(500, 0)}, 0)
    assert watch.look(parked, 13) == []
    assert watch.look(parked, 41.9) == []
    assert watch.look(parked, 42) == [(1, 1, 2, True, 12)]


def test_vehicles_that_only_pass_each_other_are_not_settled_by_the_clock() -> None:
    watch = Watch([rule(device_id=1, to_device_id=2, min_s=30)], fleet(None, None))
    watch.look({1: at(0, 0), 2: at(5000, 0)}, 0)
    assert watch.look({1: at(0, 60), 2: at(50, 60)}, 61) == []
    assert watch.look({1: at(0, 60), 2: at(50, 60)}, 119) == []
    assert watch.look({1: at(0, 120), 2: at(5000, 120)}, 121) == []


def test_a_group_watched_against_itself_gives_each_pair_once_and_nobody_is_near_himself() -> None:
    watch = Watch([rule(group_id=TRUCKS, to_group_id=ALL)], fleet(TRUCKS, TRUCKS, TRAILERS))
    away = {number: at(number * 1000, 0) for number in (1, 2, 3)}
    assert watch.look(away, 0) == []
    assert watch.look({number: at(number, 10) for number in (1, 2, 3)}, 10) == [
        (1, 1, 2, True, 10), (1, 1, 3, True, 10), (1, 2, 3, True, 10),
    ]  # fmt: skip


def test_approaching_a_place_counts_by_minutes_or_distance() -> None:
    """Ten minutes at 60 km/h are 10 km of road, 7.7 km as the crow flies."""
    place = rule(device_id=1, to_latitude=43.0, to_longitude=76.9, minutes=10, enter_m=500.0, exit_m=1000.0)
    watch = Watch([place], fleet(None))
    found = []
    for step, kilometres in enumerate((20.0, 9.0, 7.0, 7.2, 9.0, 12.0, 3.0, 0.4)):
        speed = 60.0 if kilometres > 1 else 0.0
        found += watch.look({1: at(kilometres * 1000, step * 120, speed_kmh=speed)}, step * 120)
    assert [(flip[2], flip[3], flip[4]) for flip in found] == [(0, True, 240), (0, False, 600), (0, True, 720)]


def test_an_edit_forgets_and_a_new_member_is_taken_in_silently() -> None:
    first, devices = rule(group_id=TRUCKS, to_group_id=TRAILERS), fleet(TRUCKS, TRAILERS, None)
    watch = Watch([first], devices)
    fixes = {number: at(number, 0) for number in (1, 2, 3)}
    assert watch.look(fixes, 0) == []
    assert watch.look({**fixes, 2: at(500, 10)}, 10) == [(1, 1, 2, False, 10)]
    grown = fleet(TRUCKS, TRAILERS, TRAILERS)
    assert len(watch.pairs.change(make_plan([first], grown, GROUPS), set())) == 0
    fixes = {1: at(1, 20), 2: at(500, 20), 3: at(3, 20)}
    assert watch.look(fixes, 20) == []  # 3 came into the group where it was
    assert watch.look({**fixes, 2: at(2, 30), 3: at(900, 30)}, 30) == [(1, 1, 2, True, 30), (1, 1, 3, False, 30)]
    assert len(watch.pairs.change(make_plan([rule(group_id=TRUCKS, to_group_id=TRAILERS, enter_m=90.0)], grown, GROUPS), {1})) > 0
    assert watch.look({1: at(1, 40), 2: at(2, 40), 3: at(3, 40)}, 40) == []
    assert len(watch.pairs.change(make_plan([], grown, GROUPS), {1})) == 2
    assert watch.look({1: at(1, 50), 2: at(900, 50), 3: at(900, 50)}, 50) == []


def test_proximities_keep_their_pairs_when_another_comes_before_them() -> None:
    watch = Watch([rule(5, device_id=1, to_device_id=2)], fleet(None, None))
    apart(watch, 500, 50)
    watch.pairs.change(
        make_plan([rule(2, device_id=1, to_device_id=2), rule(5, device_id=1, to_device_id=2)], watch.devices, GROUPS), set()
    )
    assert watch.look({1: at(0, 30), 2: at(50, 30)}, 30) == []
    assert watch.look({1: at(0, 40), 2: at(500, 40)}, 40) == [(2, 1, 2, False, 40), (5, 1, 2, False, 40)]


def test_outside_its_hours_nobody_is_told_and_the_pair_moves_on() -> None:
    """1 March 2026 is a Sunday; the fixes are of 06:00 and on."""
    start = datetime(2026, 3, 1, 6, 0, tzinfo=UTC).timestamp()
    devices = Devices()
    devices.put(fleet(None, None))
    hours = Hours.of([{"days": ["sun"], "from": "06:01", "to": "07:00"}], None, "UTC")
    watch = Proximities(cast("Any", None), devices, lambda: GROUPS, State(2))
    watch.pairs.change(make_plan([rule(device_id=1, to_device_id=2, hours=hours)], list(devices), GROUPS), set())
    found = []
    for step, metres in enumerate((500, 50, 500, 50)):
        now = start + step * 30
        events, pairs = watch._look(places_of({1: at(0, now), 2: at(metres, now)}, 2), int(now * 1000))
        found += [([event.type for event in events], [pair.near for pair in pairs])]
    assert found == [([], []), ([], [True]), (["proximityExit"], [None]), (["proximityEnter"], [True])]


def test_too_many_pairs_are_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs_module, "MOST_PAIRS", 10)
    monkeypatch.setattr(plan_module, "FEW", 0)
    watch = Watch([rule(7, group_id=TRUCKS, to_group_id=TRUCKS), rule(8, device_id=1, to_device_id=2)], fleet(*[TRUCKS] * 8))
    watch.look({number: at(number * 1000, 0) for number in range(1, 9)}, 0)
    look = watch.pairs.look(places_of({number: at(number, 10) for number in range(1, 9)}, 8), 10_000)
    assert look.crowded == (7,)
    flips = told(watch.pairs.plan, look)
    assert len([flip for flip in flips if flip[0] == 7]) == 10  # of 28
    assert len([flip for flip in flips if flip[0] == 8]) == 1
    assert len(watch.pairs) == 11


def test_a_proximity_too_many_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "MOST_MEMBERS", 8)
    chosen = [
        rule(1, group_id=ALL, to_group_id=ALL),
        rule(2, device_id=1, to_group_id=TRUCKS),
        rule(3, device_id=1, to_device_id=2),
    ]
    watch = Watch(chosen, fleet(*[TRUCKS] * 3))
    watch.look({number: at(number * 1000, 0) for number in (1, 2, 3)}, 0)
    look = watch.pairs.look(places_of({number: at(number, 10) for number in (1, 2, 3)}, 3), 10_000)
    assert look.crowded == (1,)
    assert [flip[:3] for flip in told(watch.pairs.plan, look)] == [(2, 1, 2), (2, 1, 3), (3, 1, 2)]


def test_nobody_takes_up_the_room_of_other_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small proximities of one account come before a larger one of another's, and so do their pairs."""
    devices = Devices()
    devices.put(Device(number, 1 + (number > 4), str(number), f"vehicle {number}", group_id=TRUCKS) for number in range(1, 9))
    theirs = rule(9, account_id=2, group_id=TRUCKS, to_group_id=TRUCKS)  # 17 members, as large as any
    monkeypatch.setattr(plan_module, "MOST_MEMBERS", 60)
    monkeypatch.setattr(plan_module, "MOST_OF_ACCOUNT", 36)
    crowd = [rule(number, group_id=TRUCKS, to_group_id=TRUCKS) for number in range(1, 9)]
    assert make_plan([*crowd, theirs], list(devices), GROUPS).left_out == (3, 4, 5, 6, 7, 8)

    monkeypatch.setattr(pairs_module, "MOST_OF_ACCOUNT", 6)
    monkeypatch.setattr(pairs_module, "MOST_OF_ALL", 12)
    watch = Watch([*crowd, theirs], list(devices))
    watch.look({number: at(number * 1000, 0) for number in range(1, 9)}, 0)
    look = watch.pairs.look(places_of({number: at(number, 10) for number in range(1, 9)}, 8), 10_000)
    assert [sum(flip[0] == number for flip in told(watch.pairs.plan, look)) for number in (1, 2, 9)] == [6, 0, 6]
    assert sorted(look.crowded) == [2, 3, 4, 5, 6, 7, 8]


sets = st.sampled_from([25.0, 150.0, 2_000.0, 40_000.0, 900_000.0, 9e6])
spots = st.one_of(
    st.tuples(st.floats(43.0, 43.02), st.floats(76.9, 76.92)),
    st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
    st.tuples(st.floats(-1, 1), st.sampled_from([179.999, -179.999, 180.0, -180.0])),
    st.tuples(st.floats(89.9, 90) | st.floats(-90, -89.9), st.floats(-180, 180)),
    st.just((float("nan"), float("nan"))),
)
points = st.lists(st.tuples(st.integers(0, 2), spots), max_size=15)


@examples(max_examples=150, deadline=None)
@given(points, points, st.tuples(sets, sets, sets))
def test_the_search_finds_the_pairs_that_all_pairs_give(first: list[Any], second: list[Any], reach: tuple[float, ...]) -> None:
    def made(of: list[Any]) -> Points:
        return Points(
            np.array([one for one, _ in of], "i8"), np.array([spot[0] for _, spot in of], "f8"),
            np.array([spot[1] for _, spot in of], "f8"),
        )  # fmt: skip

    found = near(made(first), made(second), np.array(reach), 10**9)
    wanted = [
        (i, j)
        for i, (one, spot) in enumerate(first)
        for j, (other, place) in enumerate(second)
        if one == other and distance_m(*spot, *place) <= reach[one]
    ]
    assert sorted(zip(found.first.tolist(), found.second.tolist(), strict=True)) == wanted
    assert not len(found.cut)


def test_a_set_with_too_many_candidates_is_cut_and_others_are_not() -> None:
    of = np.repeat([0, 1], [100, 5]).astype("i8")
    crowd = Points(of, np.full(105, 43.2), np.full(105, 76.9))
    found = near(crowd, crowd, np.array([100.0, 100.0]), 1000)
    assert found.cut.tolist() == [0]
    assert np.bincount(of[found.first]).tolist() == [1000, 25]


RULES = [
    rule(1, device_id=1, to_device_id=2, min_s=15.0),
    rule(2, device_id=1, to_group_id=TRAILERS, cooldown_s=35.0),
    rule(3, group_id=TRUCKS, to_group_id=TRUCKS, partner_age_s=20.0, min_s=10.0),
    rule(4, group_id=TRUCKS, to_group_id=ALL, enter_m=50.0, exit_m=50.0, min_s=25.0, cooldown_s=60.0),
    rule(5, group_id=TRUCKS, to_latitude=43.0, to_longitude=76.9, enter_m=100.0, exit_m=100.0),
    rule(6, device_id=3, to_latitude=43.0, to_longitude=76.9, minutes=1.0, enter_m=40.0, exit_m=70.0, min_s=5.0),
]
steps = st.dictionaries(
    st.integers(1, 5),
    st.tuples(st.integers(0, 16), st.sampled_from([0.0, 15.0, 60.0]), st.integers(0, 9), st.booleans()),
    max_size=5,
)


@examples(max_examples=120, deadline=None)
@given(st.lists(steps, min_size=2, max_size=25), st.sampled_from([0, 4, 256]))
def test_pairs_do_what_all_pairs_do_and_alternate(moves: list[dict[int, Any]], few: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "FEW", few)  # 0: all are searched for
        devices = fleet(TRUCKS, TRUCKS, TRAILERS, TRAILERS, ALL)
        watch, slow = Watch(RULES, devices), AllPairs(RULES, devices, GROUPS)
        fixes: dict[int, Fix] = {}
        last: dict[tuple[int, ...], bool] = {}
        for step, moved in enumerate(moves):
            now = 10.0 * step
            for number, (place, speed, lag, stands) in moved.items():
                if number not in fixes or fixes[number].time < now - lag:
                    fixes[number] = at(place * 30, now - lag, speed_kmh=speed, stands=stands)
            found = watch.look(fixes, now)
            assert found == slow.look(fixes, now)
            for *pair, is_near, _ in found:
                assert last.get(tuple(pair)) is not is_near
                last[tuple(pair)] = is_near


# In a server


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and batches ten times as often."""
    monkeypatch.setattr(proximity, "TICK_S", 0.1)
    monkeypatch.setattr(worker, "TICK_S", 0.1)


async def watched(server: Server, **more: float) -> tuple[int, int, int]:
    """(proximity, truck, trailer): the truck and its trailer."""
    ids = await add_devices(server, ["truck", "trailer"])
    values = {"enter_m": 100, "exit_m": 200, "min_s": 0, "cooldown_s": 0, **more}
    found = await rows(
        server,
        "INSERT INTO proximities (account_id, name, device_id, to_device_id, enter_m, exit_m, min_s, cooldown_s)"
        " SELECT account_id, 'trailer', %s, %s, %s, %s, %s, %s FROM devices LIMIT 1 RETURNING id",
        *(ids["truck"], ids["trailer"], *values.values()),
    )
    await until(lambda: server.proximities.pairs.plan.id.tolist() == [found[0][0]])
    await until(lambda: server.proximities.looks > 0)
    return found[0][0], ids["truck"], ids["trailer"]


async def say(server: Server, unique_id: str, metres: float, time: datetime) -> None:
    """By OsmAnd's protocol; stored when this returns."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.listeners.ports["osmand"])
    place = f"lat={43 + metres * METRE:.6f}&lon=76.9&timestamp={int(time.timestamp())}"
    writer.write(f"GET /?id={unique_id}&{place} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(10):
        assert b" 200 " in await reader.readline()
    writer.close()


async def looked(server: Server) -> None:
    """A look that began after this call."""
    looks = server.proximities.looks
    await until(lambda: server.proximities.looks >= looks + 2)


EVENTS = "SELECT device_id, type, subject, time, attributes FROM events WHERE type LIKE 'proximity%%' ORDER BY time, type"
PAIRS = "SELECT proximity_id, device_id, partner_id, near FROM proximity_pairs ORDER BY 2"
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


async def events(server: Server, count: int) -> list[tuple[Any, ...]]:
    """Those of nearness, once there are so many."""
    async with asyncio.timeout(10):
        while len(stored := await rows(server, EVENTS)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return stored


@pytest.mark.usefixtures("hasty")
async def test_an_event_is_stored_with_its_outbox_row_and_its_pair(settings: Settings) -> None:
    async with running(settings) as server:
        number, truck, trailer = await watched(server)
        await say(server, "truck", 0, NOW)
        await say(server, "trailer", 500, NOW)
        await looked(server)
        await say(server, "trailer", 50, NOW + timedelta(seconds=10))
        await until(lambda: len(server.proximities.pairs) == 1)
        stored = await events(server, 1)
        subject = f"{number}:{trailer}"
        attributes = {"proximity": "trailer", "partner": trailer, "partner_name": "trailer", "distance_m": 50}
        assert stored == [(truck, "proximityEnter", subject, NOW + timedelta(seconds=10), attributes)]
        assert await rows(server, PAIRS) == [(number, 0, 0, False), (number, truck, trailer, True)]
        await rows(server, "UPDATE proximities SET exit_m = 300 RETURNING id")  # who is near now is near without a word
        await until(lambda: server.proximities.pairs.plan.exit_m.tolist() == [300])
        await looked(server)
        assert len(await rows(server, EVENTS)) == 1
        await say(server, "truck", 900, NOW + timedelta(seconds=60))
        stored = await events(server, 2)
        assert stored[1][:2] == (truck, "proximityExit")
        await rows(server, "DELETE FROM proximities RETURNING id")
        await until(lambda: len(server.proximities.pairs) == 0)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("when", ["before the commit", "after the commit"])
async def test_a_kill_raises_nothing_twice_and_loses_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Killed once before the transaction that tells of a pair, once right after it."""
    async with running(settings) as server:
        await watched(server)
        await say(server, "truck", 0, NOW)
        await say(server, "trailer", 500, NOW)
        await looked(server)
        died = asyncio.Event()
        commit = server.worker._writer.commit

        async def dies(batch: Batch) -> Committed:
            if not any(event.type.startswith("proximity") for event in batch.events) and not died.is_set():
                return await commit(batch)
            if not died.is_set() and when == "after the commit":
                await commit(batch)
            died.set()
            raise StoreBusy("killed")

        monkeypatch.setattr(server.worker._writer, "commit", dies)
        await say(server, "trailer", 50, NOW + timedelta(seconds=10))
        await died.wait()
        server.hurry()
    assert died.is_set()
    async with running(settings) as server:
        await until(lambda: server.proximities.looks > 0 and server.worker.ready)
        await looked(server)
        await say(server, "trailer", 50, NOW + timedelta(seconds=20))
        await looked(server)
        await say(server, "trailer", 500, NOW + timedelta(seconds=30))
        stored = await events(server, 2)
        assert [(row[1], row[3] - NOW) for row in stored] == [
            ("proximityEnter", timedelta(seconds=10)),
            ("proximityExit", timedelta(seconds=30)),
        ]
