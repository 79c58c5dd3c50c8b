"""Zones and crashes: what waits for late fixes or for the clock is told once, whenever the server is killed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from telematics.alerts.outbox import Outbox
from telematics.config import Settings
from telematics.pipeline import revisit, worker, zonekeeper
from telematics.pipeline.revisit import Changes, _to_tell
from telematics.server import Server
from telematics.store.records import Batch, Committed, Event
from telematics.store.revisits import Told
from tests.pipeline.test_geofences import HOME
from tests.pipeline.test_revisits import DEPOT, agree, drive, expected, settled, told, zoned
from tests.pipeline.test_worker import crash
from tests.pipeline.zones import circle
from tests.test_server import rows, running, send, until

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=100)
KINDS = "geofenceEnter,geofenceExit,geofenceDwell,geofenceAway,geofencePass"


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisit, "QUIET_S", 0.2)
    monkeypatch.setattr(revisit, "LOOK_S", 0.05)
    monkeypatch.setattr(worker, "TICK_S", 0.05)


async def add_rule(server: Server) -> None:
    found = await rows(
        server,
        "INSERT INTO rules (account_id, name, types) SELECT max(id), 'all', %s FROM accounts RETURNING account_id",
        KINDS.split(","),
    )
    await until(lambda: bool(server.alerts.rules.of(found[0][0], "geofenceEnter")))


async def heard(server: Server, count: int) -> list[tuple[str, datetime]]:
    """What there are alerts of, when so many events were told and nothing waits any more."""
    async with asyncio.timeout(10):
        while len(await ever_told(server)) < count or await rows(server, "SELECT FROM outbox"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return await rows(server, "SELECT type, time FROM alerts ORDER BY time")


async def ever_told(server: Server) -> list[tuple[str, datetime]]:
    """Superseded or not."""
    return await rows(server, "SELECT type, time FROM events WHERE subject <> '' ORDER BY time")


@asynccontextmanager
async def restarted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    async with running(settings, snapshot_s=0.2) as server:
        monkeypatch.undo()
        monkeypatch.setattr(worker, "TICK_S", 0.05)
        await until(lambda: len(server.zones.index) == 1)
        yield server


@pytest.mark.parametrize("when", ["before the revisit", "after the revisit"])
async def test_late_rows_were_stored(settings: Settings, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Live there is one fix inside, on the border of being told; the late ones tell when it entered. The tracker's next fix is
    there before anything could have been quiet."""
    if when == "before the revisit":
        monkeypatch.setattr(revisit, "QUIET_S", 1000.0)
    way = drive(900, 800, 100, 50, 0, 0, 0)
    async with zoned(settings, DEPOT, snapshot_s=1000) as (server, device_id):
        await add_rule(server)
        await send(server, "teltonika", [*way[:2], way[4]])
        await send(server, "teltonika", way[2:4])
        if when == "after the revisit":
            await until(lambda: server.zones_of(device_id) == [1])
        assert await rows(server, "SELECT count(*) FROM revisits") == [(1,)]
        assert len(await ever_told(server)) == (when == "after the revisit")
        crash(monkeypatch)
    monkeypatch.setattr(revisit, "QUIET_S", 1000.0)
    monkeypatch.setattr(revisit, "LONGEST_S", 1000.0)
    async with restarted(settings, monkeypatch) as server:
        assert server.zones_of(device_id) == [1]
        await send(server, "teltonika", way[5:])
        await settled(server)
        agree(await told(server), await expected(server, [DEPOT]))
        assert len(await ever_told(server)) == 1
        assert await heard(server, 1) == await ever_told(server)


async def test_the_clock_had_confirmed_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing was saved since. The vehicle's next word is that it has left: that comes after the entering, and is told."""
    zone = circle(1, *HOME, 200, confirm_s=0.5)
    way = drive(900, 800, 0, 800, 900, every_s=0.3, begin=NOW)
    async with zoned(settings, zone, snapshot_s=1000) as (server, device_id):
        await add_rule(server)
        await send(server, "teltonika", way[:3])
        await until(lambda: server.zones_of(device_id) == [1])
        assert [kind for kind, _ in await heard(server, 1)] == ["geofenceEnter"]
        crash(monkeypatch)
    async with restarted(settings, monkeypatch) as server:
        assert server.zones_of(device_id) == [1]
        await send(server, "teltonika", way[3:])
        await until(lambda: server.zones_of(device_id) == [])
        assert [kind for kind, _ in await heard(server, 2)] == ["geofenceEnter", "geofenceExit"]
        assert await heard(server, 2) == await ever_told(server)


async def test_nobody_was_listening_when_it_was_contradicted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stray fix inside, the server is away for longer than a fix has to stand, and then comes the next fix of the tracker's
    memory: outside, within the time in which it contradicts."""
    zone = circle(1, *HOME, 200, confirm_s=0.8)
    way = drive(900, 800, 0, 800, 900, every_s=0.5, begin=NOW)
    async with zoned(settings, zone, snapshot_s=1000) as (server, device_id):
        await send(server, "teltonika", way[:3])
        crash(monkeypatch)
    await asyncio.sleep(0.9)
    async with restarted(settings, monkeypatch) as server:
        await send(server, "teltonika", way[3:])
        await asyncio.sleep(0.2)
        assert await ever_told(server) == []
        assert server.zones_of(device_id) == []


async def test_the_clock_has_told_of_dwelling_and_of_staying_away(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a crash, and would again after it."""
    monkeypatch.setattr(zonekeeper, "SETTLED_MS", 300)
    deadline = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5)
    zones = [circle(1, *HOME, 200, dwell_s=1.0), circle(2, HOME[0] + 1, HOME[1], 200, back_by=deadline.time())]
    began = datetime.now(UTC)
    async with zoned(settings, *zones, snapshot_s=1000) as (server, _):
        await add_rule(server)
        way = drive(900, 0, 0, every_s=0.1, begin=began)
        await send(server, "teltonika", way)
        await until(lambda: len(server.zones.index) == 2)
        async with asyncio.timeout(10):
            while len(first := await ever_told(server)) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert [kind for kind, _ in first] == ["geofenceAway", "geofenceEnter", "geofenceDwell"]
        assert first[0][1] == deadline
        assert await heard(server, 3) == first
        crash(monkeypatch)
    async with running(settings, snapshot_s=0.2) as server:
        await asyncio.sleep(0.6)
        assert await ever_told(server) == first
        assert await heard(server, 3) == first


async def test_a_correction_of_what_nobody_has_heard_of_is_told_in_its_place(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outbox was not looked at between the entering and the late fixes that move it."""
    once = Outbox.once

    async def asleep(_: Outbox) -> int:
        return 0

    monkeypatch.setattr(Outbox, "once", asleep)
    way = drive(900, 800, 700, 600, 300, 100, 0, 0)
    async with zoned(settings, DEPOT) as (server, device_id):
        await add_rule(server)
        await send(server, "teltonika", [*way[:2], *way[5:]])
        await until(lambda: server.zones_of(device_id) == [1])
        await send(server, "teltonika", way[2:5])
        await settled(server)
        assert len(await ever_told(server)) == 2
        monkeypatch.setattr(Outbox, "once", once)
        server.alerts.wake()
        ((_, at),) = await heard(server, 2)
        agree([("1", "geofenceEnter", at.timestamp())], await expected(server, [DEPOT]))
        flags = await rows(server, "SELECT attributes - 'geofence' - 'noticed' FROM events WHERE time = %s", at)
        assert flags == [({},)]


async def test_a_live_fix_that_comes_while_late_ones_are_walked_is_heard_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late ones say when it entered. The second fix inside says it too, at another time, and is about to be stored."""
    walking, go_on = threading.Event(), threading.Event()
    walk = revisit.Revisits._walk

    def slowly(*given: Any) -> revisit.Walked:
        walked = walk(*given)
        walking.set()
        go_on.wait(10)
        return walked

    monkeypatch.setattr(revisit.Revisits, "_walk", slowly)
    way = drive(900, 800, 100, 50, 0, 0, 0)
    async with zoned(settings, DEPOT) as (server, device_id):
        await add_rule(server)
        await send(server, "teltonika", [*way[:2], way[4]])
        await send(server, "teltonika", way[2:4])
        await until(walking.is_set)
        commit = server.worker._writer.commit

        async def slow(batch: Batch) -> Committed:
            if not go_on.is_set():
                go_on.set()
                await asyncio.sleep(0.3)
            return await commit(batch)

        monkeypatch.setattr(server.worker._writer, "commit", slow)
        await send(server, "teltonika", way[5:])
        await until(lambda: server.zones_of(device_id) == [1])
        await settled(server)
        agree(await told(server), await expected(server, [DEPOT]))
        assert len(await heard(server, 2)) == 1


def _told(minute: int, **attributes: Any) -> Told:
    return Told(NOW + timedelta(minutes=minute), "geofenceEnter", "1", None, NOW, attributes, superseded=False)


@pytest.mark.parametrize(
    ("mark", "superseded", "missing", "unheard", "flags", "again"),
    [
        pytest.param([], [], [0], [], [{"late"}], [], id="new"),
        pytest.param([_told(1)], [True], [0], [], [{"late", "corrects"}], [], id="corrects what was heard"),
        pytest.param([_told(1)], [True], [0], [1], [set()], [], id="in the place of what was not heard"),
        pytest.param([_told(1, late=True)], [True], [0], [1], [{"late"}], [], id="which was late itself"),
        pytest.param([_told(1, late=True, corrects=True)], [True], [0], [1], [{"late", "corrects"}], [], id="or a correction"),
        pytest.param([_told(1)], [True], [0, 2], [], [{"late", "corrects"}, {"late"}], [], id="one for one"),
        pytest.param([_told(0)], [False], [], [], [], [0], id="true after all"),
        pytest.param([_told(0), _told(1)], [False, True], [], [], [], [], id="true after all, in the place of what was heard"),
        pytest.param([_told(0), _told(1)], [False, True], [], [1], [], [0], id="in the place of what was not"),
    ],
)
def test_who_is_told_of_a_correction(
    mark: list[Told],
    superseded: list[bool],
    missing: Sequence[int],
    unheard: Sequence[int],
    flags: list[set[str]],
    again: list[int],
) -> None:
    events = [Event(1, _told(minute).time, "geofenceEnter", "1") for minute in missing]
    added, told_again = _to_tell(Changes(events, mark, superseded), {_told(minute).key for minute in unheard})
    assert [set(event.attributes) for event in added] == flags
    assert [event.key for event in told_again] == [_told(minute).key for minute in again]
