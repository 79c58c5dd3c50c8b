"""Zones without a fix: the clock, edits, and what is restored at a start."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from telematics.devices import Groups, Targets
from telematics.hours import Hours
from telematics.pipeline import zonekeeper
from telematics.pipeline.stages import Stages
from telematics.pipeline.state import OFFLINE, ONLINE, State
from telematics.pipeline.visits import Visit
from telematics.pipeline.zonekeeper import ZoneKeeper, deadlines, was_there
from telematics.store.records import Event
from telematics.zones.registry import Index, Zone
from tests.pipeline.test_geofences import EAST_M, HOME, east, stages_with
from tests.pipeline.visits_reference import Fix
from tests.pipeline.zones import START, circle, fleet, index_of, reports

ALMATY = ZoneInfo("Asia/Almaty")


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(START + seconds, UTC)


def kept(*zones: Zone) -> tuple[Stages, State, ZoneKeeper]:
    stages, state = stages_with(*zones), fleet(3)
    state["status"][:3] = ONLINE
    return stages, state, ZoneKeeper(stages.geofences, state)


def drive(stages: Stages, state: State, way: list[tuple[int, Fix]]) -> list[Event]:
    return [event for event in stages.run(reports(way), state, 1).events if event.subject]


def brief(events: list[Event]) -> list[tuple[str, float]]:
    return [(event.type, round(event.time.timestamp() - START, 1)) for event in events]


def test_one_clear_fix_is_confirmed_by_the_clock_once() -> None:
    stages, state, keeper = kept(circle(1, *HOME, 200))
    assert drive(stages, state, east(400, 0)) == []
    assert keeper.tick(at(149)) == []
    assert brief(keeper.tick(at(151))) == [("geofenceEnter", 15.0)]
    assert keeper.tick(at(300)) == []
    assert keeper.zones_of(0) == [1]


def test_a_vehicle_that_went_quiet_inside_dwells_as_long_as_it_is_online() -> None:
    stages, state, keeper = kept(circle(1, *HOME, 200, dwell_s=600.0))
    drive(stages, state, east(400, 0, 0))
    state["status"][0] = OFFLINE
    assert keeper.tick(at(700)) == []
    state["status"][0] = ONLINE
    assert keeper.tick(at(610)) == []
    assert brief(keeper.tick(at(620))) == [("geofenceDwell", 615.0)]
    assert keeper.tick(at(2000)) == []


def test_silence_says_nothing_while_nobody_listens() -> None:
    """Slot 0 and 1 are inside; then the server is away, and slot 1 is heard again at 1000 s."""
    stages, state, keeper = kept(circle(1, *HOME, 200, dwell_s=600.0))
    drive(stages, state, [*east(400, 0, 0), *[(1, fix) for _, fix in east(400, 0, 0)]])
    keeper.listen(round((START + 1000) * 1000))
    state["clock"][1] = state["received"][1] = np.datetime64(round((START + 1000) * 1000), "ms")
    assert [event.device_id for event in keeper.tick(at(1001))] == [2]
    assert keeper.tick(at(1029)) == []
    assert [event.device_id for event in keeper.tick(at(1031))] == [1]


def test_a_candidate_has_to_stand_while_somebody_listens() -> None:
    stages, state, keeper = kept(circle(1, *HOME, 200))
    drive(stages, state, east(400, 0))
    keeper.listen(round((START + 1000) * 1000))
    assert keeper.tick(at(1119)) == []
    assert brief(keeper.tick(at(1121))) == [("geofenceEnter", 15.0)]


def test_what_was_told_of_before_a_crash_is_settled() -> None:
    stages, state, keeper = kept(circle(1, *HOME, 200))
    drive(stages, state, east(400, 0))
    keeper.settle(keeper.candidates())
    assert keeper.zones_of(0) == [1]
    assert keeper.tick(at(300)) == []
    assert keeper.candidates() == []


def test_memory_of_yesterday_does_not_dwell_by_todays_clock() -> None:
    stages, state, keeper = kept(circle(1, *HOME, 200, dwell_s=600.0))
    late = reports(east(400, 0, 0))
    late.received = late.received + np.timedelta64(1, "D")
    stages.run(late, state, 1)
    assert keeper.tick(at(86_400 + 100)) == []


def test_who_is_not_back_is_told_at_the_deadline_once() -> None:
    """START is 11:00 in Almaty; slot 2 never had a fix, slot 1 is in, slot 0 is away."""
    stages, state, keeper = kept(circle(1, *HOME, 200, back_by=time(11, 30), time_zone=ALMATY))
    drive(stages, state, [*east(9000, 9000), *[(1, fix) for _, fix in east(0, 0)]])
    assert [keeper.tick(at(seconds)) for seconds in (100, 140, 1799)] == [[], [], []]
    (away,) = keeper.tick(at(1800.5))
    assert (away.device_id, away.type, away.time, away.subject) == (1, "geofenceAway", at(1800), "1")
    assert keeper.tick(at(1802)) == []
    assert [event.device_id for event in keeper.tick(at(1800 + 86_400))] == [1]


def test_after_a_restart_deadlines_of_the_last_minutes_are_caught_up_when_trackers_have_spoken() -> None:
    zone = circle(1, *HOME, 200, back_by=time(11, 30), time_zone=ALMATY)
    stages, state, keeper = kept(zone)
    drive(stages, state, east(9000, 9000))
    assert keeper.tick(at(1800 + 600)) == []
    assert [event.time for event in keeper.tick(at(1800 + 640))] == [at(1800)]
    _, _, much_later = kept(zone)
    assert much_later.tick(at(1800 + 3600)) == much_later.tick(at(1800 + 3640)) == []


def test_hours_gate_deadlines() -> None:
    weekdays = Hours.of([{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "00:00", "to": "24:00"}], None, "Asia/Almaty")
    stages, state, keeper = kept(circle(1, *HOME, 200, back_by=time(11, 30), time_zone=ALMATY, hours=weekdays))
    drive(stages, state, east(9000, 9000))
    keeper.tick(at(0))
    assert keeper.tick(at(1801)) == []  # a Sunday
    assert [event.time for event in keeper.tick(at(1801 + 86_400))] == [at(1800 + 86_400)]


@pytest.mark.parametrize(
    ("visit", "there"),
    [
        pytest.param(Visit(1, 0, True, 50), True, id="back in time"),
        pytest.param(Visit(1, 0, True, 150), False, id="back too late"),
        pytest.param(Visit(1, 0, True, None), True, id="there for long"),
        pytest.param(Visit(1, 0, False, 150), True, id="left behind the deadline"),
        pytest.param(Visit(1, 0, False, 50), False, id="left before it"),
        pytest.param(Visit(1, 0, False, None, crossed=90), True, id="on the way in"),
    ],
)
def test_being_there_at_a_deadline(visit: Visit, there: bool) -> None:
    assert was_there(visit, 100) == there


def test_deadlines_follow_the_clocks_of_the_place() -> None:
    berlin = circle(1, *HOME, 200, back_by=time(18, 0), time_zone=ZoneInfo("Europe/Berlin"))
    begin = datetime(2026, 3, 28, tzinfo=UTC)
    found = deadlines(berlin, int(begin.timestamp() * 1000), int((begin + timedelta(days=2)).timestamp() * 1000))
    assert [datetime.fromtimestamp(ms / 1000, UTC).hour for ms in found] == [17, 16]  # summer time began


async def test_an_edit_is_taken_over_silently_and_a_rename_changes_nothing() -> None:
    stages, state, keeper = kept(circle(1, *HOME, 200), circle(2, *HOME, 500))
    drive(stages, state, east(0, 0, 0))
    before = state.zoned.of(0)[2]
    index = stages.geofences.index.updated([circle(1, HOME[0] + 1, HOME[1], 200), circle(3, *HOME, 50)], (), Groups())
    await keeper.follow(index, frozenset({1, 3}), frozenset({1, 3}))
    assert keeper.zones_of(0) == [2, 3]
    renamed = index.updated([circle(2, *HOME, 500, name="Yard", speed_limit_kmh=20.0)], (), Groups())
    await keeper.follow(renamed, frozenset(), frozenset({2}))
    assert state.zoned.of(0)[2] == before
    assert state.zoned.limit_kmh[0] == 20
    gone = renamed.updated((), {2}, Groups())
    await keeper.follow(gone, frozenset({2}), frozenset())
    assert keeper.zones_of(0) == [3]
    assert drive(stages, state, east(0, 0, every_s=50)[1:]) == []
    far = [(0, Fix(START + 500 + s, HOME[0] + 0.1, HOME[1])) for s in (0, 30)]
    assert [event.subject for event in drive(stages, state, far)] == ["3"]


def test_what_was_saved_is_restored_and_edited_zones_are_looked_at_anew() -> None:
    zones = [circle(1, *HOME, 200), circle(2, *HOME, 500)]
    stages, state, _ = kept(*zones)
    drive(stages, state, east(900, 0, 0))
    text = state.zoned.text(0)
    again, edited = kept()[1], [zones[0], circle(2, HOME[0] + 1, HOME[1], 500), circle(3, *HOME, 90)]
    for name in ("zoned_time", "zoned_latitude", "zoned_longitude"):
        again[name][:3] = state[name][:3]
    keeper = ZoneKeeper(stages_with().geofences, again)
    keeper.restore(index_of(*edited), [(0, text), (1, None), (-1, b"[[9]]"), (2, b'{"not": "ours"}')])
    assert keeper.zones_of(0) == [1, 3]
    assert again.zoned.of(0)[1] == state.zoned.of(0)[1]


async def test_a_batch_that_comes_while_a_zone_is_looked_up_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who drives in or out meanwhile is where he is then, and nobody is told."""
    stages, state, keeper = kept(circle(9, HOME[0] + 1, HOME[1], 200))
    drive(stages, state, [*east(400, 400), *((1, fix) for _, fix in east(0, 0))])
    look_up = zonekeeper._found_in

    def slowly(*asked: Any) -> Any:
        found = look_up(*asked)
        later = [(slot, Fix(START + 100, HOME[0] + away * EAST_M, HOME[1])) for slot, away in enumerate((0, 400))]
        assert drive(stages, state, later) == []
        return found

    monkeypatch.setattr(zonekeeper, "_found_in", slowly)
    index = stages.geofences.index.updated([circle(1, *HOME, 200)], (), Groups())
    await keeper.follow(index, frozenset({1}), frozenset({1}))
    assert [keeper.zones_of(slot) for slot in (0, 1)] == [[1], []]


def test_who_changes_the_group_is_in_its_zones_without_a_word() -> None:
    mine, theirs = (Targets(account_id=1, all_devices=False, group_ids=frozenset({group})) for group in (5, 6))
    stages, state, keeper = kept(
        circle(1, *HOME, 200, targets=mine), circle(2, *HOME, 200, targets=theirs), circle(3, *HOME, 200)
    )
    stages.geofences.index = Index().updated(
        [one for one in stages.geofences.index.zones if one is not None], (), Groups({5: None, 6: None})
    )
    state.group_id[0] = 5
    drive(stages, state, east(0, 0))
    assert keeper.zones_of(0) == [1, 3]
    state.group_id[0] = 6
    keeper.reattach([0])
    assert keeper.zones_of(0) == [2, 3]
    assert drive(stages, state, [(0, Fix(START + 100, *HOME))]) == []


async def test_after_edits_the_sums_are_those_of_the_visits() -> None:
    """Whatever is dropped, seeded or has other rules, all slots at once: as if each slot's visits were put there anew."""
    stages, state, keeper = kept(*(circle(number, *HOME, 200, confirm_s=60.0) for number in (1, 2, 3)))
    ways = [[(slot, fix) for _, fix in way] for slot, way in enumerate((east(0, 0), east(0, 300), east(400, 400)))]
    drive(stages, state, [one for way in ways for one in way])
    state.dirty[:] = False
    texts = [state.zoned.text(slot) for slot in range(3)]
    moved = [circle(1, HOME[0] + 1, HOME[1], 200), circle(4, *HOME, 900, dwell_s=50.0)]
    index = stages.geofences.index.updated([*moved, circle(2, *HOME, 200, confirm_s=10.0, dwell_s=7.0)], {3}, Groups())
    await keeper.follow(index, frozenset({1, 3, 4}), frozenset({1, 2, 4}))
    assert [sorted(state.zoned.of(slot)) for slot in range(3)] == [[2, 4], [2, 4], [4]]
    assert state.zoned.of(1)[2].crossed is not None  # the candidate of the zone that stayed
    assert state.dirty[:3].all()
    assert all(state.zoned.text(slot) != text for slot, text in enumerate(texts))
    assert {number: state.zoned.slots_of(number) for number in (1, 2, 3, 4)} == {1: set(), 2: {0, 1}, 3: set(), 4: {0, 1, 2}}
    names = ("mark", "pending", "due", "ripe", "limit_kmh")
    sums = {name: getattr(state.zoned, name).copy() for name in names}
    for slot in range(3):
        state.zoned.replace(slot, list(state.zoned.of(slot).values()), index)
    assert all((sums[name] == getattr(state.zoned, name)).all() for name in names)
