"""One batch, one transaction, whatever happens on the way."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
import pytest

from telematics.config import LimitSettings, Settings
from telematics.store import writer as writer_module
from telematics.store.database import Database, open_database
from telematics.store.errors import StoreBusy, StoreRefused
from telematics.store.records import Batch, DeadLetter, Event, Rows
from telematics.store.writer import IDS_AT_ONCE, Writer
from tests.store.proxy import Proxy
from tests.store.rows import add_devices, fetch, make_rows

MOMENT = datetime(2026, 3, 10, 12, tzinfo=UTC)
LETTER = DeadLetter(MOMENT, "gt06", "10.0.0.1:5", "checksum", b"\x78\x78\x00")


def event(device: int, kind: str = "ignitionOn", **more: Any) -> Event:
    return Event(device_id=device, time=MOMENT, type=kind, **more)


async def count(database: Database, table: str = "positions") -> int:
    return int((await fetch(database, f"SELECT count(*) FROM {table}"))[0][0])


EVERY_COLUMN = {
    "latitude": 43.238949, "longitude": 76.889709, "altitude_m": 786.5, "speed_kmh": 61.25, "course_deg": 359.5,
    "accuracy_m": 3.5, "satellites": 11, "ignition": 1, "motion": 0, "power_v": 12.75, "battery_v": 4.125,
    "battery_percent": 87.5, "odometer_m": 123456789.5, "engine_hours_s": 360000.25, "fuel_l": 45.5, "gsm": -71,
}  # fmt: skip
FLAGS = {"ignition": True, "motion": False}


@pytest.mark.parametrize("missing", [None, *EVERY_COLUMN, "alarms", "attributes", "all"])
async def test_every_value_comes_back_and_so_does_every_null(database: Database, missing: str | None) -> None:
    """The column is NULL in the middle one of three rows, or in all of them in turn."""
    sent: dict[str, Any] = {name: np.full(3, value, "f8") for name, value in EVERY_COLUMN.items()}
    alarms = np.full(3, 1 << 37 | 2, "u8")
    attributes: list[bytes | None] = [b'{"a": 1}', b'{"b": "\xd0\xb6"}', b"{}"]
    for name, values in sent.items():
        if missing in (name, "all"):
            values[1] = np.nan
    if missing in ("alarms", "all"):
        alarms[1] = 0
    if missing in ("attributes", "all"):
        attributes[1] = None
    rows = make_rows(5, [0, 1.5, 2], first_id=10, attributes=attributes, alarms=alarms, distance_m=[0, 7.5, 8], **sent)
    async with Writer(database) as writer:
        await writer.commit(Batch(rows))
    names = [*EVERY_COLUMN, "alarms", "attributes"]
    stored = await fetch(
        database, f"SELECT id, device_id, time, received, distance_m, {', '.join(names)} FROM positions ORDER BY id"
    )
    for place, (number, device, time, received, distance, *values) in enumerate(stored):
        assert (number, device, distance) == (10 + place, 5, [0, 7.5, 8][place])
        assert time == datetime.fromtimestamp(MOMENT.timestamp() + [0, 1.5, 2][place], UTC)
        assert received == datetime(2026, 3, 11, 12, tzinfo=UTC)
        expected: list[Any] = [FLAGS.get(name, value) for name, value in EVERY_COLUMN.items()]
        expected += [1 << 37 | 2, [{"a": 1}, {"b": "ж"}, {}][place]]
        if place == 1:
            expected = [None if missing in (name, "all") else value for name, value in zip(names, expected, strict=True)]
        assert values == expected


async def test_a_batch_is_stored_whole(database: Database) -> None:
    (device,) = await add_devices(database, 1)
    events = [event(device), event(device, "alarm", subject="sos", attributes={"alarm": "s\x00s"}), event(device)]
    async with Writer(database) as writer:
        first = await writer.commit(Batch(make_rows(device, [0, 1, 2], first_id=1), events, [LETTER]))
        again = await writer.commit(Batch(make_rows(device, [3], first_id=4), events))
    assert await count(database) == 4
    assert first.event_ids[0] is not None
    assert first.event_ids[1] is not None
    assert first.event_ids[2] is None  # the same as the first
    assert again.event_ids == [None, None, None]
    assert await count(database, "events") == await count(database, "outbox") == 2
    assert await fetch(database, "SELECT reason, frame FROM dead_letters") == [("checksum", b"\x78\x78\x00")]
    assert await fetch(database, "SELECT attributes FROM events WHERE subject = 'sos'") == [({"alarm": "s␀s"},)]


async def test_rows_said_to_be_in_order_that_are_there_already_are_stored_once(database: Database) -> None:
    async with Writer(database) as writer:
        await writer.commit(Batch(make_rows(5, [0, 1, 2], first_id=1, distance_m=5)))
        committed = await writer.commit(Batch(make_rows(5, [2, 3, 3, 1, 4], first_id=4, distance_m=6)))
    assert committed.stored_before.tolist() == [0, 2, 3]
    assert await fetch(database, "SELECT id FROM positions ORDER BY time") == [(1,), (2,), (3,), (5,), (8,)]


@pytest.mark.parametrize(
    ("attributes", "stored"),
    [
        pytest.param(rb'{"text": "a\u0000b"}', {"text": "a␀b"}, id="U+0000 in a value"),
        pytest.param(rb'{"a\u0000b": 1}', {"a␀b": 1}, id="U+0000 in a name"),
        pytest.param(rb'{"text": "\ud800"}', None, id="half a surrogate pair"),
        pytest.param(b'{"text": "\xff"}', {"text": "�"}, id="not UTF-8"),
        pytest.param(b'{"text": ', None, id="cut off"),
        pytest.param(b'{"a":' * 20_000 + b"1" + b"}" * 20_000, None, id="nested without end"),
        pytest.param(b'{"n": 1e999999}', None, id="no number of this world"),
    ],
)
async def test_one_bad_row_never_stops_the_others(database: Database, attributes: bytes, stored: object) -> None:
    rows = make_rows(5, [0, 1, 2], first_id=1, attributes=[b'{"good": 1}', attributes, None])
    late = make_rows(6, [0, 1], first_id=4, late=True, attributes=[attributes, b'{"good": 2}'])
    async with Writer(database) as writer:
        await writer.commit(Batch(rows))
        committed = await writer.commit(Batch(late))
    assert committed.late_new.tolist() == [0, 1]
    found = [row[0] for row in await fetch(database, "SELECT attributes FROM positions ORDER BY id")]
    if stored is None and found[1] is not None:
        assert set(found[1]) <= {"text", "n"}  # kept, put right
    else:
        assert found[1] == stored
    assert (found[0], found[2], found[4]) == ({"good": 1}, None, {"good": 2})
    assert await count(database, "dead_letters") == (2 if found[1] is None else 0)


async def test_a_time_that_no_calendar_has_is_set_aside(database: Database) -> None:
    rows = make_rows(5, [0, 1, 2], first_id=1)
    rows.columns.time[1] = np.datetime64("300000-01-01", "ms")
    async with Writer(database) as writer:
        await writer.commit(Batch(rows))
    assert await fetch(database, "SELECT id FROM positions ORDER BY id") == [(1,), (3,)]
    assert await fetch(database, "SELECT reason, device_id FROM dead_letters") == [("the time can't be stored", 5)]


async def test_texts_of_dead_letters_may_be_anything(database: Database) -> None:
    letter = DeadLetter(MOMENT, "g\x00t", "a\ud800", "r\x00", b"\x00\xff", unique_id="\x00")
    async with Writer(database) as writer:
        await writer.commit(Batch(Rows.none(), dead_letters=[letter]))
    assert await fetch(database, "SELECT protocol, address, reason, unique_id, frame FROM dead_letters") == [
        ("g␀t", "a?", "r␀", "␀", b"\x00\xff")
    ]


async def test_dead_letters_are_bounded(database: Database, settings: Settings) -> None:
    few = settings.model_copy(update={"limits": LimitSettings(dead_letters=10)})
    async with Writer(database, few) as writer:
        for number in range(6):
            letters = [DeadLetter(MOMENT, "gt06", "", f"{number}", b"") for _ in range(4)]
            await writer.commit(Batch(Rows.none(), dead_letters=letters))
    assert [row[0] for row in await fetch(database, "SELECT reason FROM dead_letters ORDER BY id")] == [*"33444455", "5", "5"]


async def test_a_removed_device_stops_nobody(database: Database) -> None:
    gone, here = await add_devices(database, 2)
    await fetch(database, "DELETE FROM devices WHERE id = %s RETURNING id", [gone])
    rows = make_rows(
        [gone, gone, here, here], [0, 60, 0, 60], first_id=1, late=True, latitude=[43, 43.01, 43, 43.01], longitude=76
    )
    async with Writer(database) as writer:
        await writer.commit(Batch(rows))
    assert await count(database) == 4
    assert [row[0] for row in await fetch(database, "SELECT device_id FROM device_days")] == [here]


async def test_ids_rise_and_are_never_given_twice(database: Database) -> None:
    async with Writer(database) as writer:
        assert await writer.next_ids(1) == 1
        assert await writer.next_ids(10) == 2
        wide = await writer.next_ids(3 * IDS_AT_ONCE)  # more than a block
        after = await writer.next_ids(1)
    assert wide > 11
    assert after >= wide + 3 * IDS_AT_ONCE
    async with Writer(database) as writer:
        assert await writer.next_ids(1) > after


async def test_a_second_writer_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "OPEN_S", 0.5)
    async with Writer(database), open_database(database.settings) as other:
        with pytest.raises(StoreRefused, match=r"another telematics server writes to this database .process [0-9]+ from"):
            await Writer(other).open()
    async with Writer(database):  # the lock went with its owner
        pass


async def settled(database: Database) -> None:
    """A connection that the pool is still making commits, too: the cut is meant for the writer's."""
    async with asyncio.timeout(10):
        while (stats := database.pool.get_stats())["pool_size"] != stats["pool_available"]:  # noqa: ASYNC110 # the pool tells nobody
            await asyncio.sleep(0.02)


async def test_the_answer_to_a_commit_is_lost(database: Database, settings: Settings) -> None:
    (device,) = await add_devices(database, 1)
    with Proxy(database.url) as proxy:
        async with open_database(settings.model_copy(update={"database_url": proxy.url})) as far, Writer(far) as writer:
            rows = make_rows(device, [0, 60], first_id=1, late=[False, True], latitude=43, longitude=[76, 76.01])
            batch = Batch(rows, [event(device)], [LETTER])
            await settled(far)
            proxy.cut_after_commit = True
            with pytest.raises(StoreBusy):
                await writer.commit(batch)
            committed = await writer.commit(batch)
            assert committed.late_new.tolist() == [1]
            assert committed.late_distance[device] == pytest.approx(813.2, abs=0.5)
            assert committed.event_ids != [None]
            await writer.commit(Batch(make_rows(device, [120], first_id=3)))
    assert await count(database) == 3
    assert await count(database, "events") == await count(database, "dead_letters") == 1


async def test_the_backend_dies_at_commit(database: Database) -> None:
    """A deferred trigger holds the COMMIT until its process is ended: nothing of the batch is there, and the second try
    stores it."""
    async with database.pool.connection() as connection:
        await connection.execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(20); RETURN NULL; END'"
        )
        await connection.execute(
            "CREATE CONSTRAINT TRIGGER dawdle AFTER UPDATE ON last_batch DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION dawdle()"
        )
    async with Writer(database) as writer:
        batch = Batch(make_rows(5, [0, 1], first_id=1), dead_letters=[LETTER])
        commit = asyncio.create_task(writer.commit(batch))
        while not await fetch(  # noqa: ASYNC110 # nobody in the database tells us
            database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'"
        ):
            await asyncio.sleep(0.02)
        with pytest.raises(StoreBusy):
            await commit
        assert await count(database) == 0
        async with database.pool.connection() as connection:
            await connection.execute("DROP TRIGGER dawdle ON last_batch")
        await writer.commit(batch)
    assert await count(database) == 2
    assert await count(database, "dead_letters") == 1


async def test_connections_are_ended_again_and_again(database: Database) -> None:
    """Batches with everything in them, while somebody ends the database's processes: each is stored once."""
    (device,) = await add_devices(database, 1)

    async def end() -> None:
        async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as connection:
            for _ in range(25):
                await asyncio.sleep(0.03)
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s",
                    [writer_module.LOCK],
                )

    random = np.random.default_rng(0)
    async with Writer(database) as writer:
        ender = asyncio.create_task(end())
        busy = 0
        for number in range(40):
            seconds = [number * 10, number * 10 + 1, *random.integers(0, number * 10 + 1, 3)]
            rows = make_rows(
                device, seconds, first_id=1 + number * 5, late=[False, False, True, True, True], latitude=43, longitude=76
            )
            batch = Batch(rows, [event(device, f"kind {number}")], [LETTER])
            while True:
                try:
                    await writer.commit(batch)
                    break
                except StoreBusy:
                    busy += 1
        await ender
    assert busy
    assert await count(database, "dead_letters") == await count(database, "events") == await count(database, "outbox") == 40
    assert await fetch(database, "SELECT count(DISTINCT time) = count(*) FROM positions") == [(True,)]
    assert await fetch(database, "SELECT count(*) FROM positions WHERE NOT late") == [(80,)]


async def test_a_database_that_hangs_is_busy(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "COMMIT_S", 1.0)
    monkeypatch.setattr(writer_module, "SESSION", "SET timezone = 'UTC'")
    with Proxy(database.url) as proxy:
        async with open_database(settings.model_copy(update={"database_url": proxy.url})) as far, Writer(far) as writer:
            batch = Batch(make_rows(5, [0, 1], first_id=1))
            proxy.hold()
            with pytest.raises(StoreBusy, match="has not answered"):
                await writer.commit(batch)
            proxy.release()
            await writer.commit(batch)
    assert await count(database) == 2


async def test_a_cancelled_commit_leaves_a_writer_that_works(database: Database) -> None:
    async with Writer(database) as writer:
        for delay in (0, 0.001, 0.003, 0.01):
            task = asyncio.create_task(writer.commit(Batch(make_rows(5, np.arange(500), first_id=1))))
            await asyncio.sleep(delay)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await writer.commit(Batch(make_rows(6, [0], first_id=1000)))
    assert await count(database) in (1, 501)


async def test_a_full_disk_is_said_so(database: Database) -> None:
    async with database.pool.connection() as connection:
        await connection.execute(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN RAISE EXCEPTION ''could not extend file'' USING ERRCODE = ''53100''; END'"
        )
        await connection.execute("CREATE TRIGGER no_room BEFORE UPDATE ON last_batch FOR EACH ROW EXECUTE FUNCTION no_room()")
    async with Writer(database) as writer:
        with pytest.raises(StoreBusy, match="the database's disk is full: make room"):
            await writer.commit(Batch(make_rows(5, [0], first_id=1)))
        async with database.pool.connection() as connection:
            await connection.execute("DROP TRIGGER no_room ON last_batch")
        await writer.commit(Batch(make_rows(5, [0], first_id=1)))
    assert await count(database) == 1
