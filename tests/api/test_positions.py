"""History, reports and files, from what a phone has sent through its port."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import gpxpy
import pytest
import pytest_asyncio

from dashboards import history
from tests.api.conftest import Tracker, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
START = datetime(2026, 1, 26, 15, 0, tzinfo=UTC)
DAY = {"from": "2026-01-26T00:00:00Z", "to": "2026-01-27T00:00:00Z"}


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def written(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def van(world: World) -> Tracker:
    """Parked 10 minutes, 5 minutes' drive, parked again; telemetry alone before the first place, and in the second stop."""
    van = await world.tracker()
    await van.report(at(-5), None, None, batt=50)
    for minute in range(0, 11, 2):
        await van.report(at(minute), 51.0, 71.0, speed=0, ignition="false")
    for minute in range(11, 16):
        await van.report(at(minute), 51.0 + (minute - 10) * 0.01, 71.0, speed=36, bearing=1, ignition="true", fuel=50 - minute)
    for minute in range(16, 25, 2):
        await van.report(at(minute), 51.06, 71.0, speed=0, ignition="false")
    await van.report(at(25), None, None, batt=40, alarm="sos")
    return van


async def ask(world: World, path: str, van: Tracker, **more: Any) -> Any:
    async with world.signed_in("anna") as anna:
        answer = await anna.get(path, params={"deviceId": van.id, **DAY, **more})
        assert answer.status_code == 200, answer.text
        return answer


async def test_history_is_whole_and_in_order(world: World, van: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PART", 4)  # so that it comes in several parts
    answer = await ask(world, "/api/positions", van)
    assert answer.headers["content-encoding"] == "gzip"
    positions = answer.json()
    assert positions == (await ask(world, "/api/reports/route", van)).json()
    assert [position["deviceTime"] for position in positions] == sorted(position["deviceTime"] for position in positions)
    assert len(positions) == 17, "all but the one before any place was known"
    first, driving, last = positions[0], positions[8], positions[-1]
    assert first["deviceTime"] == written(at(0))
    assert (first["latitude"], first["speed"], first["valid"], first["outdated"]) == (51.0, 0.0, True, False)
    assert (driving["speed"], driving["course"]) == (36.0, 1.0)
    assert driving["attributes"]["motion"] is True
    assert driving["attributes"]["ignition"] is True
    assert driving["attributes"]["fuel"] == 37.0
    assert driving["attributes"]["distance"] == pytest.approx(1112, rel=0.01)
    assert last["attributes"]["totalDistance"] == pytest.approx(6672, rel=0.01)


async def test_telemetry_alone_stands_where_the_vehicle_was(world: World, van: Tracker) -> None:
    for position in ((await ask(world, "/api/positions", van)).json()[-1], *(await latest(world, van))):
        assert position["deviceTime"] == written(at(25))
        assert position["fixTime"] == written(at(24))
        assert (position["latitude"], position["longitude"]) == (51.06, 71.0)
        assert position["outdated"] is True
        assert position["valid"] is False
        assert position["attributes"]["alarm"] == "sos"
        assert position["attributes"]["batteryLevel"] == 40.0
    # also when the place was reported before the range begins
    (only,) = (await ask(world, "/api/positions", van, **{"from": written(at(24.5))})).json()
    assert (only["latitude"], only["outdated"]) == (51.06, True)
    assert only["attributes"]["totalDistance"] == pytest.approx(6672, rel=0.01)


async def latest(world: World, van: Tracker) -> list[dict[str, Any]]:
    async with world.signed_in("anna") as anna:
        by_device = (await anna.get("/api/positions", params={"deviceId": van.id})).json()
        by_number = (await anna.get("/api/positions", params={"id": [by_device[0]["id"], 2**62]})).json()
        of_all = [position for position in (await anna.get("/api/positions")).json() if position["deviceId"] == van.id]
        assert by_device == of_all
        return [*by_device, *by_number]


async def test_history_can_be_walked_in_pages(world: World, van: Tracker) -> None:
    whole = (await ask(world, "/api/positions", van)).json()
    async with world.signed_in("anna") as anna:
        answer = await anna.get("/api/positions", params={"deviceId": van.id, **DAY, "limit": 5})
        walked = answer.json()
        assert len(walked) == 5
        while "next" in answer.links:
            answer = await anna.get(answer.links["next"]["url"])
            walked += answer.json()
    assert walked == whole


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({"from": DAY["to"], "to": DAY["from"]}, 400, "before"),
        ({"from": "2020-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, 400, "366 days"),
        ({"from": "2026-01-26T00:00:00.000 05:00", "to": DAY["to"]}, 400, "%2B"),
        ({"from": "yesterday", "to": DAY["to"]}, 400, "such as 2026"),
        ({"from": "2026-02-31T00:00:00Z", "to": DAY["to"]}, 400, "no such time"),
        ({"from": "0001-01-01T00:00:00+14:00", "to": DAY["to"]}, 400, "no such time"),
        ({"from": "1600000000", "to": DAY["to"]}, 400, "such as 2026"),
        ({"from": DAY["from"]}, 400, "together"),
        ({**DAY, "limit": 0}, 400, "limit"),
        ({**DAY, "deviceId": 10**12}, 400, "deviceId"),
        ({**DAY, "deviceId": 10**9}, 404, "yours"),
        ({"id": "x"}, 400, "id"),
    ],
)
async def test_a_question_that_makes_no_sense(world: World, query: dict[str, Any], status: int, says: str) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.get("/api/positions", params={"deviceId": world.ids["a1"], **query})
        assert answer.status_code == status
        assert says in answer.json()["detail"]


async def test_too_much_history_is_refused_with_advice(world: World, van: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LONGEST", 10)
    async with world.signed_in("anna") as anna:
        for path in ("/api/positions", "/api/positions/csv", "/api/reports/route", "/api/reports/stops"):
            answer = await anna.get(path, params={"deviceId": van.id, **DAY})
            assert answer.status_code == 413
            assert "Narrow the range" in answer.json()["detail"]


async def test_stops(world: World, van: Tracker) -> None:
    first, second = (await ask(world, "/api/reports/stops", van)).json()
    assert (first["startTime"], first["endTime"], first["duration"]) == (written(at(0)), written(at(11)), 11 * 60_000)
    assert (first["lat"], first["lon"], first["deviceName"]) == (51.0, 71.0, "Van")
    assert (second["startTime"], second["endTime"]) == (written(at(16)), written(at(24)))
    assert second["latitude"] == 51.06


async def test_trips(world: World, van: Tracker) -> None:
    (trip,) = (await ask(world, "/api/reports/trips", van)).json()
    assert (trip["startTime"], trip["endTime"], trip["duration"]) == (written(at(11)), written(at(16)), 5 * 60_000)
    assert trip["distance"] == pytest.approx(5560, rel=0.01)
    assert trip["maxSpeed"] == 36.0
    assert trip["averageSpeed"] == pytest.approx(5560 / 300 * 3.6 / 1.852, rel=0.01)
    assert trip["spentFuel"] == 4.0
    assert (trip["startLat"], trip["endLat"]) == (51.01, 51.06)


async def test_summary(world: World, van: Tracker) -> None:
    (line,) = (await ask(world, "/api/reports/summary", van)).json()
    assert line["distance"] == pytest.approx(6672, rel=0.01)
    assert line["maxSpeed"] == 36.0
    assert line["engineHours"] == 5 * 60_000
    (nothing,) = (
        await ask(world, "/api/reports/summary", van, **{"from": "2025-01-01T00:00:00Z", "to": "2025-01-02T00:00:00Z"})
    ).json()
    assert (nothing["distance"], nothing["startTime"]) == (0, None)


async def test_events_by_type_and_number(world: World, van: Tracker) -> None:
    events = (await ask(world, "/api/reports/events", van)).json()
    types = [event["type"] for event in events]
    assert "alarm" in types
    assert "ignitionOn" in types
    assert (await ask(world, "/api/reports/events", van, type="allEvents")).json() == events
    alarms = (await ask(world, "/api/reports/events", van, type=["alarm", "geofenceEnter"])).json()
    assert [event["attributes"]["alarm"] for event in alarms] == ["sos"]
    async with world.signed_in("anna") as anna:
        assert (await anna.get(f"/api/events/{alarms[0]['id']}")).json() == alarms[0]
        answer = await anna.get("/api/reports/events", params={"deviceId": van.id, "groupId": 1, **DAY})
        assert answer.json() == events
        assert (await anna.get("/api/reports/route", params=DAY)).status_code == 400


async def test_speeds_of_events_are_in_knots(world: World) -> None:
    van = await world.tracker()
    async with world.signed_in("anna") as anna:
        await anna.put(f"/api/devices/{van.id}", json={"attributes": {"speedLimit": 90}})
    for second, knots in ((0, 20), (10, 54), (20, 54)):
        await van.report(at(3) + timedelta(seconds=second), 51.0 + second * 0.00025, 71.0, speed=knots)
    (event,) = (await ask(world, "/api/reports/events", van, type="deviceOverspeed")).json()
    assert event["attributes"] == {"speed": pytest.approx(54, abs=0.1), "speedLimit": pytest.approx(90 / 1.852, abs=0.01)}


async def test_gpx(world: World, van: Tracker) -> None:
    answer = await ask(world, "/api/positions/gpx", van)
    assert answer.headers["content-disposition"] == 'attachment; filename="Van.gpx"'
    (track,) = gpxpy.parse(answer.text).tracks
    points = track.segments[0].points
    assert (track.name, len(points)) == ("Van", 16)
    assert (points[0].latitude, points[0].longitude, points[0].time) == (51.0, 71.0, START)


async def test_kml(world: World, van: Tracker) -> None:
    root = ElementTree.fromstring((await ask(world, "/api/positions/kml", van)).text)
    coordinates = root.find(".//{http://www.opengis.net/kml/2.2}coordinates")
    assert coordinates is not None
    assert (coordinates.text or "").split()[0] == "71.0,51.0,0.0"


async def test_csv(world: World, van: Tracker) -> None:
    rows = list(csv.DictReader(io.StringIO((await ask(world, "/api/positions/csv", van)).text)))
    assert len(rows) == 17
    assert (rows[8]["speed"], rows[8]["speedKmh"], rows[8]["latitude"]) == ("36.0", "66.67", "51.03")


async def test_nothing_is_an_empty_list(world: World) -> None:
    silent = await world.tracker()
    for path in ("/api/positions", "/api/reports/route", "/api/reports/stops", "/api/reports/trips"):
        assert (await ask(world, path, silent)).json() == []
    assert (await ask(world, "/api/positions/gpx", silent)).status_code == 200
