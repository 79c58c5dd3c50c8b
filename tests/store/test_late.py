"""Late and repeated reports: whatever the order they come in, what is stored is what would be there had they come in order."""

from __future__ import annotations

import time
from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from telematics.geo import distance_m
from telematics.store.database import Database
from telematics.store.records import Batch, Committed, Rows
from telematics.store.writer import Writer
from tests.store.rows import add_devices, fetch, make_rows


def path(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A drive of so many fixes, some 100 m apart."""
    random = np.random.default_rng(seed)
    return 43.2 + np.cumsum(random.uniform(-1e-3, 1e-3, count)), 76.9 + np.cumsum(random.uniform(-1e-3, 1e-3, count))


def chained(latitude: NDArray[np.float64], longitude: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What the pipeline would have found in order: metres from the good fix before."""
    metres = np.zeros(len(latitude))
    places = np.flatnonzero(good)
    metres[places[1:]] = distance_m(latitude[places[:-1]], longitude[places[:-1]], latitude[places[1:]], longitude[places[1:]])
    return metres


async def send(writer: Writer, rows: Rows, order: NDArray[np.int64], batch: int) -> tuple[dict[date, float], list[Committed]]:
    """Send the rows in that order as the pipeline would, with a state of its own: a row is late when it is not newer than the
    newest before, and the distance of others is from the newest good fix. Returns metres by day of rows in order, and the
    answers."""
    answers, days = [], dict[date, float]()
    newest, fix = np.datetime64("1970-01-01", "ms"), None
    for start in range(0, len(order), batch):
        part = rows.take(order[start : start + batch])
        part.id = np.arange(len(part)) + await writer.next_ids(len(part))
        for place, moment in enumerate(part.columns.time):
            part.late[place] = moment <= newest
            part.distance_m[place] = 0
            if part.late[place]:
                continue
            newest = moment
            if part.columns.valid[place] and not np.isnan(part.columns.latitude[place]):
                here = (part.columns.latitude[place], part.columns.longitude[place])
                part.distance_m[place] = 0 if fix is None else distance_m(*fix, *here)
                fix = here
                day = moment.astype("M8[D]").item()
                days[day] = days.get(day, 0) + float(part.distance_m[place])
        answers.append(await writer.commit(Batch(part)))
        if answers[-1].late_new.size:  # a late fix may be the newest good one, when what came after it had no place
            fixes = make_good(rows, order[: start + batch])
            fix = None if fixes is None else fixes
    return days, answers


def make_good(rows: Rows, sent: NDArray[np.int64]) -> tuple[float, float] | None:
    """The place of the newest good fix among those sent."""
    good = [place for place in sent if rows.columns.valid[place] and not np.isnan(rows.columns.latitude[place])]
    if not good:
        return None
    last = max(good, key=lambda place: rows.columns.time[place])
    return float(rows.columns.latitude[last]), float(rows.columns.longitude[last])


@pytest.mark.parametrize(
    ("seed", "batch"), [(0, 1), (1, 1), *((seed, 7) for seed in range(6)), *((seed, 1000) for seed in range(6))]
)
async def test_in_any_order_the_same_is_stored(database: Database, seed: int, batch: int) -> None:
    """A drive over several midnights, some reports without a place, some not valid; shuffled, some sent twice."""
    random = np.random.default_rng(seed)
    (device,) = await add_devices(database, 1)
    count = 60
    latitude, longitude = path(count, seed)
    valid = random.random(count) > 0.1
    placed = random.random(count) > 0.1
    rows = make_rows(
        device, np.arange(count) * 3600 + np.arange(count) % 7, first_id=1, valid=valid,
        latitude=np.where(placed, latitude, np.nan), longitude=np.where(placed, longitude, np.nan),
    )  # fmt: skip
    expected = chained(latitude, longitude, valid & placed)
    order = random.permutation(np.concatenate([np.arange(count), random.integers(0, count, 15)]))
    async with Writer(database) as writer:
        days, answers = await send(writer, rows, order, batch)
    stored = await fetch(database, "SELECT time, distance_m FROM positions ORDER BY time")
    assert [row[0].timestamp() for row in stored] == (rows.columns.time.astype("i8") / 1000).tolist()
    assert [row[1] for row in stored] == pytest.approx(expected, abs=1e-6)
    assert sum(answer.repeats for answer in answers) == len(order) - count
    late = sum(metres for answer in answers for metres in answer.late_distance.values())
    assert sum(days.values()) + late == pytest.approx(expected.sum(), abs=1e-6)
    for day, metres in await fetch(database, "SELECT day, distance_m FROM device_days"):
        days[day] = days.get(day, 0) + metres
    of_day = rows.columns.time.astype("M8[D]").astype(object)
    assert days == pytest.approx({day: expected[of_day == day].sum() for day in days}, abs=1e-6)
    ordered = [
        row[0]
        for row in await fetch(database, "SELECT count(*) FROM positions WHERE NOT late AND valid AND latitude IS NOT NULL")
    ]
    fixes = await fetch(database, "SELECT coalesce(sum(fixes), 0) FROM device_days")
    assert ordered[0] + fixes[0][0] == (valid & placed).sum()


async def test_a_late_spike_is_an_outlier_and_its_neighbours_are_not(database: Database) -> None:
    """Known: 0 s and 600 s. Late between them: a fix, a spike of 500 km, a fix."""
    (device,) = await add_devices(database, 1)
    async with Writer(database) as writer:
        await writer.commit(
            Batch(make_rows(device, [0, 600], first_id=1, latitude=[43, 43.06], longitude=76, distance_m=[0, 6671.7]))
        )
        late = make_rows(device, [100, 200, 300], first_id=3, late=True, latitude=[43.01, 48, 43.03], longitude=76)
        committed = await writer.commit(Batch(late))
    assert committed.late_distance[device] == pytest.approx(0, abs=1)
    stored = await fetch(database, "SELECT outlier, round(distance_m) FROM positions ORDER BY time")
    assert stored == [(False, 0), (False, 1112), (True, 0), (False, 2224), (False, 3336)]
    assert await fetch(database, "SELECT fixes, abs(distance_m) < 1 FROM device_days") == [(2, True)]


@pytest.mark.parametrize(("seconds", "outlier"), [(-60, True), (660, True), (-36_000, False), (36_000, False)])
async def test_at_an_end_one_neighbour_judges(database: Database, seconds: int, outlier: bool) -> None:
    """A fix 500 km off: a minute away from the only neighbour it can't be true, ten hours away it can."""
    (device,) = await add_devices(database, 1)
    async with Writer(database) as writer:
        await writer.commit(Batch(make_rows(device, [0, 600], first_id=1, latitude=43, longitude=76)))
        await writer.commit(Batch(make_rows(device, seconds, first_id=3, late=True, latitude=47.5, longitude=76)))
    assert await fetch(database, "SELECT outlier FROM positions WHERE id = 3") == [(outlier,)]


async def test_the_neighbour_may_be_months_away(database: Database) -> None:
    (device,) = await add_devices(database, 1)
    day = 86_400
    async with Writer(database) as writer:
        await writer.commit(
            Batch(make_rows(device, [-200 * day, 0], first_id=1, latitude=[43, 43.2], longitude=76, distance_m=[0, 22239]))
        )
        committed = await writer.commit(
            Batch(make_rows(device, [-100 * day], first_id=3, late=True, latitude=43.3, longitude=76))
        )
    stored = await fetch(database, "SELECT round(distance_m) FROM positions ORDER BY time")
    assert stored == [(0,), (33359,), (11120,)]
    assert committed.late_distance[device] == pytest.approx(22239, abs=5)


async def test_a_memory_of_ten_thousand_records_takes_a_second(database: Database) -> None:
    """Into a history that has a fix every minute already; the same once more changes nothing."""
    (device,) = await add_devices(database, 1)
    count = 10_000
    latitude, longitude = path(2 * count, 3)
    rows = make_rows(device, np.arange(2 * count) * 30, first_id=1, latitude=latitude, longitude=longitude)
    good = np.ones(count, np.bool_)
    known, late = rows.take(np.arange(0, 2 * count, 2)), rows.take(np.arange(1, 2 * count, 2))
    known.distance_m = chained(latitude[::2], longitude[::2], good)
    late.late[:] = True
    async with Writer(database) as writer:
        await writer.commit(Batch(known))
        began = time.perf_counter()
        committed = await writer.commit(Batch(late))
        took_s = time.perf_counter() - began
        again = await writer.commit(Batch(late))
    print(f"late: {count / took_s:.0f} rows/s")
    assert took_s < 10  # about one on a quiet machine
    assert (len(committed.late_new), committed.repeats) == (count, 0)
    assert (len(again.late_new), again.repeats, again.late_distance) == (0, count, {})
    stored = [row[0] for row in await fetch(database, "SELECT distance_m FROM positions ORDER BY time")]
    assert stored == pytest.approx(chained(latitude, longitude, np.ones(2 * count, np.bool_)), abs=1e-6)


async def test_many_devices_at_once(database: Database) -> None:
    """After an outage, thousands of trackers send what they kept: two each, before anything stored and after."""
    devices = await add_devices(database, 1000)
    async with Writer(database) as writer:
        await writer.commit(Batch(make_rows(devices, np.zeros(1000), first_id=1, latitude=43, longitude=76)))
        ids = np.repeat(devices, 2)
        late = make_rows(
            ids, np.tile([-60, -120], 1000), first_id=2000, late=True, latitude=43, longitude=np.tile([76.01, 76.02], 1000)
        )
        committed = await writer.commit(Batch(late))
    assert set(committed.late_distance) == set(devices)
    assert list(committed.late_distance.values()) == pytest.approx([2 * 813.2] * 1000, abs=1)
