"""What holds for every simulated protocol: identities, alarms, and that the fleet knows them all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import protocols
from protocols import ALARMS
from telematics.simulator.fix import Fix
from telematics.simulator.fleet import PROTOCOLS, Fleet, identity
from telematics.simulator.wires import UDP_WIRES, WIRES

NOW = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
BOTH = [*((name, False) for name in WIRES), *((name, True) for name in UDP_WIRES)]


def read(protocol: str, unique_id: str, fixes: list[Fix], *, udp: bool = False) -> list[dict[str, object]]:
    """What the codec reads when such a tracker logs in and reports, each fix by itself."""
    codec, tracker = protocols.codec(protocol), (UDP_WIRES if udp else WIRES)[protocol](unique_id)
    make = codec.datagram if udp else codec.session
    assert make is not None
    session, frames = make(), []
    for data in (tracker.hello(), *(tracker.report([fix]) for fix in fixes)):
        received = session.receive(data) if data else protocols.Received()
        frames += received.frames
        while received.login is not None:
            assert received.login == unique_id
            received = session.admit(known=True)
            frames += received.frames
        assert received.rejects == []
        if udp:
            session = make()
    decoded = codec.decode(frames)
    assert list(decoded.unreadable) == []
    return [row for row in decoded.columns.rows() if not row.get("no_fix")]


def test_the_fleet_has_all_that_can_be_simulated() -> None:
    assert sorted(PROTOCOLS) == sorted(WIRES)
    vehicles = Fleet(count=2 * len(PROTOCOLS)).vehicles
    assert [vehicle.protocol for vehicle in vehicles] == [*PROTOCOLS, *PROTOCOLS]
    assert len({vehicle.unique_id for vehicle in vehicles}) == len(vehicles)


@pytest.mark.parametrize(("protocol", "udp"), BOTH)
def test_a_tracker_is_known_by_what_its_maker_calls_it(protocol: str, udp: bool) -> None:
    for number in (0, 123_456):
        (row,) = read(protocol, identity(protocol, seed=9, number=number), [Fix(NOW, 43.2, -76.9)], udp=udp)
        assert (row["latitude"], row["longitude"]) == (pytest.approx(43.2, abs=2e-6), pytest.approx(-76.9, abs=2e-6))


@pytest.mark.parametrize(("protocol", "udp"), BOTH)
def test_an_alarm_without_a_word_is_left_out_and_the_fix_goes_all_the_same(protocol: str, udp: bool) -> None:
    fixes = [Fix(NOW, 43.2, 76.9, alarm=name) for name in (*ALARMS, "noSuchAlarm")]
    rows = read(protocol, identity(protocol, seed=1, number=1), fixes, udp=udp)
    assert [row["latitude"] for row in rows] == pytest.approx([43.2] * len(fixes), abs=2e-6)
    told = [name for name, row in zip(ALARMS, rows, strict=False) if name in str(row.get("alarm", "")).split(",")]
    assert len(told) > 1, "it has words for some"
