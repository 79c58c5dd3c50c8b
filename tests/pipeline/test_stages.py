"""The stages against a slow reference, and their laws: how reports are cut into batches and replayed must not matter."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from protocols import Columns
from telematics.config import MotionSettings, SanitySettings
from telematics.pipeline.stages import Outcome, Reports, Stages
from telematics.pipeline.state import FIELDS, State
from telematics.store.records import Event, Rows
from tests.pipeline.reference import Device, Report, event_key

START = datetime(2026, 3, 1, 6, 0, tzinfo=UTC).timestamp()
NOW = np.datetime64("2026-03-02T00:00:00", "ms")
MOTION = MotionSettings(speed_limit_kmh=60)


def new_state(devices: int = 3) -> State:
    state = State(devices)
    state.device_id[:devices] = np.arange(devices) + 1
    return state


def reports_of(batch: list[tuple[int, Report]]) -> Reports:
    """(slot, report) pairs as columns, in order of arrival."""
    nan = float("nan")
    reports = [report for _, report in batch]
    columns = Columns.of(
        len(batch),
        frame=np.arange(len(batch)),
        time=np.array([int(report.time * 1000) for report in reports], "i8").view("M8[ms]"),
        valid=np.array([report.valid for report in reports], "?"),
        alarms=np.array([report.mask for report in reports], "u8"),
        latitude=[nan if report.latitude is None else report.latitude for report in reports],
        longitude=[nan if report.longitude is None else report.longitude for report in reports],
        speed_kmh=[nan if report.speed_kmh is None else report.speed_kmh for report in reports],
        ignition=[nan if report.ignition is None else float(report.ignition) for report in reports],
    )
    slots = np.array([slot for slot, _ in batch], "i4")
    received = [NOW if report.received is None else np.datetime64(int(report.received * 1000), "ms") for report in reports]
    return Reports(columns, slots, np.zeros(len(batch), "i2"), np.array(received, "M8[ms]"))


def run(batches: list[list[tuple[int, Report]]], sanity: SanitySettings | None = None) -> tuple[list[Outcome], State]:
    stages, state, outcomes, next_id = Stages(sanity or SanitySettings(), MOTION), new_state(), [], 1
    for batch in batches:
        outcome = stages.run(reports_of(batch), state, next_id)
        next_id += len(outcome.rows)
        outcomes.append(outcome)
    return outcomes, state


def events(outcomes: list[Outcome]) -> list[Event]:
    return [event for outcome in outcomes for event in outcome.events]


def drive(*speeds: float, every_s: float = 30, ignition: bool | None = None) -> list[tuple[int, Report]]:
    """Slot 0 going north at those speeds."""
    latitude, batch = 43.2, []
    for place, speed in enumerate(speeds):
        latitude += speed / 3.6 * every_s / 111_000
        batch.append((0, Report(START + place * every_s, latitude, 76.9, speed_kmh=speed, ignition=ignition)))
    return batch


def test_moving_begins_at_once_and_ends_when_the_stop_lasts() -> None:
    outcomes, state = run([drive(0, 30, 2, 30, 5, 2, 1, 0, 0, 0, 0)])
    assert [(event.type, event.time.timestamp() - START) for event in events(outcomes)] == [
        ("deviceMoving", 30),
        ("deviceStopped", 150),
    ]
    assert state["moving"][0] == 0


def test_a_short_halt_is_no_stop() -> None:
    outcomes, _ = run([drive(30, 0, 0, 0, 30, 30)])
    assert [event.type for event in events(outcomes)] == ["deviceMoving"]


def test_overspeed_is_raised_once_until_the_speed_was_below() -> None:
    outcomes, _ = run([drive(50, 61, 70, 59, 62, 56, 65)])
    over = [event for event in events(outcomes) if event.type == "deviceOverspeed"]
    assert [event.time.timestamp() - START for event in over] == [30, 180]
    assert over[0].attributes == {"speed_kmh": 61.0, "limit_kmh": 60.0}


def test_a_devices_own_speed_limit_goes_first() -> None:
    stages, state = Stages(SanitySettings(), MOTION), new_state()
    state.speed_limit_kmh[0] = 100
    outcome = stages.run(reports_of(drive(90, 99, 101)), state, 1)
    assert [event.attributes["limit_kmh"] for event in outcome.events if event.type == "deviceOverspeed"] == [100.0]


def test_the_first_ignition_heard_is_no_event() -> None:
    batch = [
        (0, Report(START + i, 43.2, 76.9, ignition=value)) for i, value in enumerate([True, None, True, False, None, False, True])
    ]
    outcomes, _ = run([batch])
    assert [(event.type, event.time.timestamp() - START) for event in events(outcomes)] == [("ignitionOff", 3), ("ignitionOn", 6)]


def test_an_alarm_that_goes_on_is_one_alarm_and_a_late_one_is_marked() -> None:
    batch = [
        (0, Report(START + minute * 60, 43.2, 76.9, alarm=alarm)) for minute, alarm in enumerate(["sos", "sos", None, "sos"])
    ]
    outcomes, _ = run([batch, [(0, Report(START + 90, 43.2, 76.9, alarm="powerCut"))]])
    assert [(event.subject, event.time.timestamp() - START, event.attributes) for event in events(outcomes)] == [
        ("sos", 0, {"alarm": "sos"}),
        ("sos", 180, {"alarm": "sos"}),
        ("powerCut", 90, {"alarm": "powerCut", "late": True}),
    ]


def test_the_same_alarm_hours_later_is_a_new_one() -> None:
    outcomes, _ = run([[(0, Report(START + hour * 3600, 43.2, 76.9, alarm="vibration")) for hour in (0, 4)]])
    assert len(events(outcomes)) == 2


def test_yesterday_after_today_changes_nothing_that_is_known_now() -> None:
    today = drive(30, 30, 30, 30)
    yesterday = [
        (0, Report(report.time - 86_400, report.latitude, report.longitude, speed_kmh=90, ignition=False)) for _, report in today
    ]
    (first, second), state = run([today, yesterday])
    assert not second.events
    assert second.rows.late.all()
    assert state["time"][0] == first.rows.columns.time[-1]
    assert state["speed_kmh"][0] == 30
    assert not second.good.any()


def test_a_jump_is_an_outlier_and_three_that_agree_are_the_truth() -> None:
    home, away = (43.2, 76.9), (51.1, 71.4)
    places = [home, home, away, home, away, away, away, away]
    outcomes, state = run([[(0, Report(START + i * 10, *place)) for i, place in enumerate(places)]])
    assert outcomes[0].rows.outlier.tolist() == [False, False, True, False, True, True, False, False]
    assert (state["latitude"][0], state["longitude"][0]) == away


def test_a_long_silence_makes_a_far_place_believable() -> None:
    outcomes, _ = run([[(0, Report(START, 43.2, 76.9)), (0, Report(START + 3 * 3600, 51.1, 71.4))]])
    assert not outcomes[0].rows.outlier.any()
    assert outcomes[0].rows.distance_m[1] == pytest.approx(973_000, rel=0.01)


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        pytest.param(
            Report(START + 2 * 86_400, 43.2, 76.9),
            "time 2026-03-03T06:00:00.000Z is ahead of the server's clock by more than 3600 s",
            id="future",
        ),
        pytest.param(Report(0, 43.2, 76.9), "time 1970-01-01T00:00:00.000Z is before 2000-01-01T00:00:00.000Z", id="no clock"),
        pytest.param(Report(START, 95.1, 76.9), "no such place: latitude 95.1, longitude 76.9", id="off the earth"),
    ],
)
def test_what_cannot_be_true_is_refused_with_the_reason(report: Report, reason: str) -> None:
    outcomes, state = run([[(1, report), (0, Report(START, 43.2, 76.9))]])
    assert [(refused.frame, refused.slot, refused.reason) for refused in outcomes[0].refused] == [(0, 1, reason)]
    assert len(outcomes[0].rows) == 1
    assert np.isnat(state["time"][1])


def test_a_report_without_time_or_place_is_telemetry_at_the_time_of_arrival() -> None:
    reports = reports_of([(0, Report(START, None, None, valid=False, ignition=True))])
    reports.columns.time[:] = np.datetime64("NaT", "ms")
    state = new_state()
    outcome = Stages(SanitySettings(), MOTION).run(reports, state, 1)
    assert outcome.rows.columns.time[0] == NOW
    assert state["ignition"][0] == 1
    assert state.latest(0) is None


def test_a_heartbeat_does_not_make_the_memory_behind_it_late() -> None:
    """A tracker that was out of reach says hello, and then what it saw meanwhile; its heartbeat's time is that of arrival."""
    now = datetime(2026, 3, 1, 23, 59, tzinfo=UTC).timestamp()
    hello = Report(now, valid=False, ignition=True, received=now)
    outcomes, state = run(
        [[(0, hello)], drive(30, 30, 30, ignition=False), [(0, Report(now + 61, valid=False, received=now + 61))]]
    )
    assert not any(outcome.rows.late.any() for outcome in outcomes)
    assert [event.type for event in events(outcomes)] == ["ignitionOff", "deviceMoving"]
    assert state["fix_time"][0] == outcomes[1].rows.columns.time[-1]
    assert state.total_m[0] == pytest.approx(500, rel=0.01)
    latest = state.latest(0)
    assert latest is not None
    assert latest.time.timestamp() == now + 61


def test_a_fix_from_before_telemetry_leads_on_and_is_measured_by_the_store() -> None:
    """No fix now, then the memory of the way here: the next distance is measured from the memory's last fix, not from home."""
    blind = [(0, Report(START + 100, valid=False))]
    memory, after = drive(36, 36, 36), drive(*[36] * 7)[6:]
    outcomes, state = run([drive(36)[:1], blind, memory[1:], after])
    assert outcomes[2].rows.late.all()
    assert outcomes[2].rows.distance_m.tolist() == [0, 0]
    assert outcomes[2].news.all()
    assert outcomes[3].rows.distance_m[0] == pytest.approx(4 * 300, rel=0.01)
    assert state["latitude"][0] == after[0][1].latitude


def test_reports_without_a_time_in_one_read_are_all_kept() -> None:
    reports = reports_of([(slot, Report(START, valid=False)) for slot in (0, 1, 0, 0, 1)])
    reports.columns.time[:] = np.datetime64("NaT", "ms")
    outcome = Stages(SanitySettings(), MOTION).run(reports, new_state(), 1)
    assert not outcome.rows.late.any()
    assert (outcome.rows.columns.time - NOW).astype("i8").tolist() == [0, 1, 2, 0, 1]


def test_null_island_and_infinity_are_not_believed() -> None:
    reports = reports_of([(0, Report(START, 0.0, 0.0, speed_kmh=float("inf")))])
    state = new_state()
    outcome = Stages(SanitySettings(), MOTION).run(reports, state, 1)
    assert np.isnan(outcome.rows.columns.latitude[0])
    assert np.isnan(outcome.rows.columns.speed_kmh[0])
    assert not outcome.rows.columns.valid[0]


places = st.tuples(st.floats(43.0, 43.05), st.floats(76.8, 76.85))
plain_reports = st.builds(
    lambda time, place, valid, speed, ignition, alarm: Report(
        START + time,
        place and place[0],
        place and place[1],
        valid,
        speed,
        ignition,
        alarm,
        received=START + time + 0.2,  # before the heartbeats behind it
    ),
    st.integers(0, 4000),
    st.none() | places,
    st.booleans() | st.just(True),
    st.none() | st.sampled_from([0.0, 3.0, 5.0, 20.0, 58.0, 61.0, 90.0]),
    st.none() | st.booleans(),
    st.none() | st.sampled_from(["sos", "powerCut"]),
)
heartbeats = st.builds(
    lambda time, ignition, alarm: Report(
        START + time + 0.25, valid=False, ignition=ignition, alarm=alarm, received=START + time + 0.25
    ),
    st.integers(0, 4000),
    st.none() | st.booleans(),
    st.none() | st.sampled_from(["sos", "powerCut"]),
)
logs = st.lists(st.tuples(st.integers(0, 2), plain_reports | heartbeats), max_size=40)
GENTLE = SanitySettings(max_jump_kmh=1e9)  # the reference knows no outliers


@settings(max_examples=150, deadline=None)
@given(logs)
def test_one_by_one_they_do_what_the_reference_does(log: list[tuple[int, Report]]) -> None:
    outcomes, state = run([[pair] for pair in log], GENTLE)
    devices = [Device() for _ in range(3)]
    for slot, report in log:
        devices[slot].report(report)
    for slot, device in enumerate(devices):
        mine = [event_key(event) for event in events(outcomes) if event.device_id == slot + 1]
        assert sorted(mine) == sorted(device.events)
        assert state.total_m[slot] == pytest.approx(device.total_m, rel=0.006, abs=0.01)


@settings(max_examples=150, deadline=None)
@given(logs, st.lists(st.integers(0, 40), max_size=4), st.booleans())
def test_how_reports_are_cut_into_batches_does_not_matter(log: list[tuple[int, Report]], cuts: list[int], gentle: bool) -> None:
    log = sorted(log, key=lambda pair: pair[1].time)  # in one batch they are sorted anyway
    sanity = GENTLE if gentle else SanitySettings(min_jump_m=100, max_jump_kmh=200)
    edges = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    whole, state = run([log], sanity)
    parts, cut_state = run([log[a:b] for a, b in pairwise(edges)], sanity)
    assert sorted(map(_told, events(whole))) == sorted(map(_told, events(parts)))
    assert _known(state, ids=False) == _known(cut_state, ids=False)


@settings(max_examples=100, deadline=None)
@given(logs, st.integers(0, 40), st.integers(1, 3))
def test_running_stored_rows_again_gives_the_same_state_and_events(
    log: list[tuple[int, Report]], size: int, at_once: int
) -> None:
    """Stored rows come back in other portions than they came in: `at_once` batches together."""
    sanity = SanitySettings(min_jump_m=100, max_jump_kmh=200)
    batches = [log[start : start + size + 1] for start in range(0, len(log), size + 1)]
    outcomes, state = run(batches, sanity)
    again, stages = new_state(), Stages(sanity, MOTION)
    replayed = []
    for start in range(0, len(outcomes), at_once):
        stored, slot = _stored(outcomes[start : start + at_once])
        replayed.append(stages.replay(stored, slot, np.zeros(len(slot), "i2"), again))
    assert sorted(map(_told, events(outcomes))) == sorted(map(_told, events(replayed)))
    assert _known(state) == _known(again)
    assert _distances(outcomes) == _distances(replayed)


def _told(event: Event) -> tuple[object, ...]:
    return event.device_id, *event_key(event), sorted(event.attributes.items())


def _known(state: State, ids: bool = True) -> dict[str, list[str]]:
    known = {name: [str(value) for value in state[name][:3]] for name, _, _ in FIELDS if ids or name != "position_id"}
    return known | {"total_m": [f"{value:.6f}" for value in state.total_m[:3]]}


def _distances(outcomes: list[Outcome]) -> dict[int, float]:
    """By the row's id."""
    pairs = [zip(outcome.rows.id.tolist(), outcome.rows.distance_m.tolist(), strict=True) for outcome in outcomes]
    return {row_id: distance for pair in pairs for row_id, distance in pair}


def _stored(outcomes: list[Outcome]) -> tuple[Rows, NDArray[np.int32]]:
    """The rows of those batches as they come back from the database, by id, and their slots."""
    columns = Columns.concat([outcome.rows.columns for outcome in outcomes])
    columns.frame = np.arange(len(columns), dtype="i4")
    rows = Rows(
        columns,
        **{
            name: np.concatenate([getattr(outcome.rows, name) for outcome in outcomes])
            for name in ("id", "device_id", "received", "outlier", "distance_m", "late")
        },
    )
    return rows, np.concatenate([outcome.slot for outcome in outcomes])
