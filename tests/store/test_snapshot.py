"""Device states as they were left, and the positions behind them."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import numpy as np
import pytest

from telematics.pipeline.state import FIELDS
from telematics.store import snapshot
from telematics.store.database import Database
from telematics.store.records import Batch
from telematics.store.snapshot import DayTotals
from telematics.store.writer import Writer
from tests.store.rows import NOON, add_devices, fetch, make_rows


def states(device_ids: list[int], seed: int) -> dict[str, Any]:
    """Random values in every field, a third of them "not known"."""
    random = np.random.default_rng(seed)
    count = len(device_ids)
    fields: dict[str, Any] = {"device_id": np.array(device_ids, "i4")}
    for name, kind, _ in FIELDS:
        unknown = random.random(count) < 0.3
        if kind == "M8[ms]":
            fields[name] = np.where(unknown, np.datetime64("NaT", "ms"), NOON + random.integers(0, 10**9, count).astype("m8[ms]"))
        elif kind in ("f4", "f8"):
            fields[name] = np.where(unknown, np.nan, random.uniform(-180, 180, count)).astype(kind)
        else:
            fields[name] = random.integers(0, 2, count).astype(kind)
    fields["attributes"] = [None if random.random() < 0.3 else b'{"a": %d}' % number for number in range(count)]
    fields["zones"] = [None if random.random() < 0.6 else b"[[%d, 5]]" % number for number in range(count)]
    return fields


def test_every_field_of_the_state_is_saved() -> None:
    assert {name for name, _ in snapshot.COLUMNS} == {name for name, _, _ in FIELDS} | {"device_id", "attributes", "zones"}


async def test_states_come_back_as_they_were(database: Database) -> None:
    devices = await add_devices(database, 50)
    first, second = states(devices, 1), states(devices[10:20], 2)
    async with database.pool.connection() as connection:
        empty, watermark = await snapshot.load(connection)
        assert len(empty["device_id"]) == watermark == 0
        await snapshot.save(connection, first, DayTotals.none(), 7)
        await snapshot.save(connection, second, DayTotals.none(), 9)
        found, watermark = await snapshot.load(connection)
    assert watermark == 9
    for name, kind, _ in FIELDS:
        expected = first[name].copy()
        expected[10:20] = second[name]
        np.testing.assert_array_equal(found[name], expected, err_msg=name)
        assert found[name].dtype == np.dtype(kind)
    for name in ("attributes", "zones"):
        assert found[name] == first[name][:10] + second[name] + first[name][20:]


async def test_days_are_added_once_however_often_it_is_saved(database: Database) -> None:
    gone, here = await add_devices(database, 2)
    days = DayTotals(np.array([here, here, gone], "i4"), np.array(["2026-03-10", "2026-03-11", "2026-03-10"], "M8[D]"),
                     np.array([10.5, 20, 3]), np.array([1, 2, 1], "i4"))  # fmt: skip
    await fetch(database, "DELETE FROM devices WHERE id = %s RETURNING id", [gone])
    async with database.pool.connection() as connection:
        for watermark in (5, 5, 6):  # 5 again: nobody knew whether it had gone through
            await snapshot.save(connection, states([gone, here], 1), days, watermark)
        assert await snapshot.totals(connection) == {here: 61.0}
    stored = await fetch(database, "SELECT device_id, day, distance_m, fixes FROM device_days ORDER BY day")
    assert stored == [(here, date(2026, 3, 10), 21.0, 2), (here, date(2026, 3, 11), 40.0, 4)]
    assert await fetch(database, "SELECT device_id FROM device_state") == [(here,)]


async def test_positions_since_come_as_they_went(database: Database) -> None:
    count = 12_000
    random = np.random.default_rng(5)
    numbers = {name: np.where(random.random(count) < 0.3, np.nan, 1.25) for name in ("latitude", "power_v", "odometer_m", "gsm")}
    flags = {name: random.choice([0, 1, np.nan], count) for name in ("ignition", "motion")}
    rows = make_rows(
        random.integers(1, 50, count), np.arange(count), first_id=100, alarms=random.integers(0, 4, count),
        attributes=[None if number % 3 else b'{"n": %d}' % number for number in range(count)],
        outlier=random.random(count) < 0.1, distance_m=random.random(count), valid=random.random(count) < 0.9, **numbers, **flags,
    )  # fmt: skip
    async with Writer(database) as writer:
        await writer.commit(Batch(rows))
    async with database.pool.connection() as connection:
        parts = [part async for part in snapshot.positions_since(connection, 99 + 1000)]
    assert max(map(len, parts)) <= snapshot.AT_ONCE
    assert np.concatenate([part.id for part in parts]).tolist() == list(range(1100, 100 + count))
    for name in ("device_id", "outlier", "distance_m", "late", "received"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(rows, name)[1000:])
    for name in ("time", "valid", "alarms", "ignition", "motion", "longitude", *numbers):
        found = np.concatenate([getattr(part.columns, name) for part in parts])
        np.testing.assert_array_equal(found, getattr(rows.columns, name)[1000:], err_msg=name)
    assert [text for part in parts for text in part.columns.attributes] == rows.columns.attributes[1000:]


async def test_twenty_thousand_devices_are_saved_in_no_time(database: Database) -> None:
    devices = await add_devices(database, 20_000)
    async with database.pool.connection() as connection:
        await snapshot.save(connection, states(devices, 1), DayTotals.none(), 1)
        changed = states(devices, 2)
        began = time.perf_counter()
        await snapshot.save(connection, changed, DayTotals.none(), 2)
    took_s = time.perf_counter() - began
    print(f"snapshot: {len(devices) / took_s:.0f} devices/s")
    assert took_s < 10  # 0.4 on a quiet machine


@pytest.mark.parametrize("name", ["heard", "latitude", "moving", "attributes"])
async def test_a_field_that_is_missing_is_an_error(database: Database, name: str) -> None:
    devices = await add_devices(database, 1)
    fields = states(devices, 1)
    del fields[name]
    async with database.pool.connection() as connection:
        with pytest.raises(KeyError):
            await snapshot.save(connection, fields, DayTotals.none(), 1)
