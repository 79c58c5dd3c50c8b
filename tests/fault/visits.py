"""Zones on the way of the fleet, a rule on them, and what must have come of both when everything is told."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
import shapely

from telematics.config import Settings
from telematics.store.database import open_database
from telematics.zones.registry import Zone
from tests.fault.harness import Drive
from tests.pipeline.visits_reference import Area, Fix, visits
from tests.pipeline.zones import area_of, circle, insert_zones, zone

TYPES = ["geofenceEnter", "geofenceExit", "geofencePass", "deviceOverspeed"]
SETTINGS = {
    "ALERTS__PRIVATE_WEBHOOKS": "true",
    "ALERTS__STALE_S": "1000000",  # the drives are of some hours ago
    "ALERTS__MAILS_PER_HOUR": "1000000",
    "ALERTS__TIMEOUT_S": "1",
}
EAST, WEST = 76.9 + 0.0002, 76.9 - 0.002  # some fixes are east of the border
SETTLED_S = 60


def make_zones() -> list[Zone]:
    """One after the other on the meridian that all drive along: yards, and a street that is driven through between two fixes.

    Nothing here waits for the clock, as what it says of vehicles that were not heard depends on when the server was killed.
    """
    found = []
    for number in range(16):
        south = 43.19 + 0.03 * number
        rules = {
            "confirm_fixes": (2, 1, 3, 30)[number % 4],  # 30: time comes first
            "confirm_s": (600.0, 0.0, 900.0, 600.0)[number % 4],
            "border_m": (15.0, 5.0, 30.0)[number % 3],
            "speed_limit_kmh": 55.0 if number % 5 == 0 else None,
        }
        if number % 3 == 0:  # without passes, as whether one led over the corner may depend on a hand's breadth
            found.append(zone(number + 1, shapely.box(WEST, south, EAST, south + 0.008), passes=False, **rules))
        elif number % 3 == 1:
            found.append(zone(number + 1, shapely.box(WEST, south, 76.905, south + 0.0007), **rules))
        else:
            found.append(circle(number + 1, 76.9, south, 300, **rules))
    return found


async def add_zones(connection: psycopg.AsyncConnection[Any], webhook: str) -> list[Zone]:
    """And a rule, which asks for all that happens there."""
    zones = make_zones()
    await insert_zones(connection, zones)
    await connection.execute(
        "INSERT INTO rules (account_id, name, types, channels, webhook_url, webhook_secret)"
        " SELECT id, 'all of it', %s, '{web,webhook}', %s, 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0' FROM accounts",
        (TYPES, webhook),
    )
    return zones


async def settled(settings: Settings) -> None:
    """Until nothing waits to be told: no event, no late stretch, no delivery under way."""
    waiting = (
        "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM revisits),"
        " (SELECT count(*) FROM deliveries WHERE state = 'sending')"
    )
    async with open_database(settings) as database, asyncio.timeout(SETTLED_S):
        while True:
            async with database.pool.connection() as connection:
                left = await (await connection.execute(waiting.encode())).fetchone()
            if left == (0, 0, 0):
                return
            await asyncio.sleep(0.2)


async def check_visits(connection: psycopg.AsyncConnection[Any], drives: list[Drive], zones: list[Zone]) -> None:
    """Events of zones, but for superseded ones, are the slow reference's; where fixes came in order, nothing is superseded."""
    areas = [area_of(one) for one in zones]
    told_at_all = 0
    for drive in drives:
        cursor = await connection.execute(
            "SELECT time, longitude, latitude, speed_kmh FROM positions JOIN devices ON devices.id = device_id"
            " WHERE unique_id = %s AND valid AND NOT outlier AND latitude IS NOT NULL ORDER BY time",
            (drive.unique_id,),
        )
        fixes = [Fix(at.timestamp(), x, y, speed_kmh=speed) async for at, x, y, speed in cursor]
        expected = visits(fixes, [area for area in areas if _on_the_way(area, fixes)])
        cursor = await connection.execute(
            "SELECT subject, type, time, coalesce((events.attributes -> 'superseded')::boolean, false) FROM events"
            r" JOIN devices ON devices.id = device_id WHERE unique_id = %s AND subject ~ '^\d+$'",
            (drive.unique_id,),
        )
        stored = [(subject, kind, at.timestamp(), superseded) async for subject, kind, at, superseded in cursor]
        told = sorted((subject, kind, at) for subject, kind, at, superseded in stored if not superseded)
        assert [event[:2] for event in told] == [event[:2] for event in expected], drive.unique_id
        times = [event[2] for event in told]
        assert times == pytest.approx([event[2] for event in expected], rel=0, abs=0.003), drive.unique_id
        assert drive.forgetful or len(told) == len(stored), drive.unique_id
        told_at_all += len(told)
    assert told_at_all > 100


def _on_the_way(area: Area, fixes: list[Fix]) -> bool:
    """All drive along a meridian."""
    _, south, _, north = area.box
    return min(fix.latitude for fix in fixes) <= north and max(fix.latitude for fix in fixes) >= south


async def check_alerts(connection: psycopg.AsyncConnection[Any], called: set[str]) -> None:
    """Each event that holds has one alert, unless it only moves another's time: that one had it. What was sent has arrived."""
    cursor = await connection.execute(
        "SELECT CASE WHEN events.attributes ? 'superseded' THEN 'superseded'"
        " WHEN events.attributes ? 'corrects' THEN 'corrects' ELSE 'holds' END, count(DISTINCT events.id), count(alerts.id)"
        " FROM events LEFT JOIN alerts ON event_id = events.id WHERE events.type = ANY(%s) GROUP BY 1",
        (TYPES,),
    )
    found = {kind: (events, alerts) async for kind, events, alerts in cursor}
    events, alerts = found["holds"]
    assert events == alerts > 100
    assert found.get("corrects", (0, 0))[1] == 0
    cursor = await connection.execute(
        "SELECT count(*), count(events.id), count(DISTINCT events.id) FROM alerts LEFT JOIN events ON events.id = event_id"
    )
    assert len(set(*[row async for row in cursor])) == 1
    cursor = await connection.execute(
        "SELECT CASE reason WHEN 'late' THEN reason ELSE state END, 'delivery-' || id FROM deliveries WHERE channel = 'webhook'"
    )
    deliveries = [row async for row in cursor]
    assert {state for state, _ in deliveries} <= {"sent", "bundled", "waiting", "late"}
    assert len(deliveries) >= alerts
    assert {request for state, request in deliveries if state == "sent"} <= called <= {request for _, request in deliveries}
    assert called
