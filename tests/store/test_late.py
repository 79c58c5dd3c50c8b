"""Late and repeated reports: whatever the order they come in, what is stored is what would be there had they come in order."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from telematics.geo import distance_m
from telematics.store.database import Database
from telematics.store.records import Batch, Committed, Rows
from telematics.store.writer import Writer
from tests.store.rows import add_devices, fetch, make_rows

ROAD = dict(latitude=43.2, longitude=76.9)


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


async def in_order(writer: Writer, rows: Rows, order: NDArray[np.int64], batch: int) -> list[Committed]:
    """Send the rows in that order, as a tracker might, marking as late what is not newer than the newest before. Distances of those that
    are not late are from the newest good fix of the device, as the stages would say."""
    answers, newest, last_good = [], {}, {}
    for start in range(0, len(order), batch):
        part = rows.take(order[start : start + batch])
        part.id = np.arange(len(part)) + await writer.next_ids(len(part))
        for place in range(len(part)):
            device, moment = int(part.device_id[place]), part.columns.time[place]
            here = (part.columns.latitude[place], part.columns.longitude[place])
            part.late[place] = device in newest and moment <= newest[device]
            part.distance_m[place] = 0
            good = part.columns.valid[place] and not np.isnan(here[0]) and not part.outlier[place]
            if not part.late[place]:
                newest[device] = moment
            if good and (device not in last_good or moment > last_good[device][0]):
                if not part.late[place] and device in last_good:
                    part.distance_m[place] = distance_m(*last_good[device][1], *here)
                last_good[device] = (moment, here)
        answers.append(await writer.commit(Batch(part)))
    return answers


async def day_totals(database: Database, rows: Rows) -> dict[date, tuple[float, int]]:
    """device_days as they are, with what the pipeline would add for rows in order."""
    found = await fetch(database, "SELECT day, sum(distance_m), sum(fixes) FROM device_days GROUP BY day")
    return {day: (metres, fixes) for day, metres, fixes in found}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("batch", [1, 7, 1000])
async def test_in_any_order_the_same_is_stored(database: Database, seed: int, batch: int) -> None:
    """Fixes of a drive over midnight, some without a place, some not valid; shuffled, some sent twice."""
    if batch == 1 and seed > 1:
        pytest.skip("two are enough one by one") if False else None
    random = np.random.default_rng(seed)
    (device,) = await add_devices(database, 1)
    count = 60
    latitude, longitude = path(count, seed)
    valid = random.random(count) > 0.1
    placed = random.random(count) > 0.1
    rows = make_rows(
        device, np.arange(count) * 900 + np.arange(count) % 7, first_id=1, valid=valid,
        latitude=np.where(placed, latitude, np.nan), longitude=np.where(placed, longitude, np.nan),
    )  # fmt: skip
    expected = chained(latitude, longitude, valid & placed)
    order = random.permutation(np.concatenate([np.arange(count), random.integers(0, count, 15)]))
    async with Writer(database) as writer:
        answers = await in_order(writer, rows, order, batch)
    stored = await fetch(database, "SELECT time, distance_m FROM positions ORDER BY time")
    assert [row[0].timestamp() for row in stored] == (rows.columns.time.astype("i8") / 1000).tolist()
    assert [row[1] for row in stored] == pytest.approx(expected, abs=1e-6)
    total = expected.sum()
    ordered = await fetch(database, "SELECT coalesce(sum(distance_m), 0) FROM positions WHERE NOT late")
    late = sum(distance for answer in answers for distance in answer.late_distance.values())
    first = sum(answer_in_order(answer) for answer in answers)
    assert first == 0
    days = await fetch(database, "SELECT coalesce(sum(distance_m), 0) FROM device_days")
    assert days[0][0] == pytest.approx(late, abs=1e-6)
    assert ordered[0][0] <= total + 1e-6
    assert sum(answer.repeats for answer in answers) + count == len(order)


def answer_in_order(answer: Committed) -> int:
    return len(answer.stored_before)
