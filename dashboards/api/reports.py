"""Reports over a range of time: route, events, stops, trips and a summary, in Traccar's shapes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from billing.allowances import History
from dashboards import allowed, auth, history, sql, tracks
from dashboards.allowed import Past
from dashboards.api import answers
from dashboards.api.devices import devices_of
from dashboards.api.parameters import Between, Ids, Range
from dashboards.api.positions import stream
from dashboards.identity import Viewer
from dashboards.problems import Problem
from dashboards.shapes import DeviceRow, EventOut, EventRow, Position, Stop, Summary, Trip, from_event, instant, knots
from dashboards.state import Shared, State
from dashboards.tracks import Break, Leg, Point
from telematics.config import MotionSettings

router = APIRouter(prefix="/api/reports", tags=["Reports"], dependencies=[Depends(allowed.reports)])
Parts = Sequence[Sequence[Point]]  # of a track, see tracks.parts
MOST_EVENTS = 50_000  # some 15 MB of JSON
Devices = Annotated[Ids, Query(alias="deviceId", description="repeatable")]
Types = Annotated[Sequence[Annotated[str, Field(max_length=64)]], Query(alias="type", max_length=100, description="repeatable")]


@router.get("/route", responses=answers.shaped(list[Position]))
async def route(viewer: auth.User, shared: Shared, between: Between, past: Past, device_ids: Devices = ()) -> Response:
    """All positions of the devices, one device after the other."""
    devices = await devices_of(shared, viewer, _named(device_ids))
    await history.check_size(shared.server, [device.id for device in devices], between, past)
    return await stream(_one_after_another(shared, devices, between, past))


@router.get("/events", responses=answers.shaped(list[EventOut]))
async def list_events(
    viewer: auth.User,
    shared: Shared,
    between: Between,
    past: Past,
    device_ids: Devices = (),
    types: Types = (),
) -> Response:
    """Events of the devices, or of all the viewer's; of these types, or of all (`allEvents` says so, too)."""
    if device_ids:
        await devices_of(shared, viewer, device_ids)
    rows = await sql.rows(
        shared.server.database,
        "events",
        EventRow,
        device_ids=list(device_ids) or None,
        types=None if not types or "allEvents" in types else list(types),
        since=past.since(between.since),
        until=between.until,
        limit=MOST_EVENTS + 1,
        **viewer.scope,
        **past.sql,
    )
    if len(rows) > MOST_EVENTS:
        raise Problem(413, f"More than {MOST_EVENTS:,} events", "Narrow the range from … to, name devices or types.")
    return await answers.listed(rows, lambda row: from_event(row, row.id))


@router.get("/stops", responses=answers.shaped(list[Stop]))
async def list_stops(viewer: auth.User, shared: Shared, between: Between, past: Past, device_ids: Devices = ()) -> Response:
    """Where the devices stood, from when to when."""
    return await _of_each(shared, viewer, device_ids, between, past, _stops)


@router.get("/trips", responses=answers.shaped(list[Trip]))
async def list_trips(viewer: auth.User, shared: Shared, between: Between, past: Past, device_ids: Devices = ()) -> Response:
    """What the devices drove between stops."""
    return await _of_each(shared, viewer, device_ids, between, past, _trips)


@router.get("/summary", responses=answers.shaped(list[Summary]))
async def summary(viewer: auth.User, shared: Shared, between: Between, past: Past, device_ids: Devices = ()) -> Response:
    """A line per device."""
    return await _of_each(shared, viewer, device_ids, between, past, _summaries)


async def _of_each(
    shared: State,
    viewer: Viewer,
    device_ids: Sequence[int],
    between: Range,
    past: History,
    made: Callable[[DeviceRow, Parts, MotionSettings], Sequence[object]],
) -> Response:
    """What is made of each device's track; in a thread, as a long one takes a good part of a second."""
    found: list[object] = []
    devices = await devices_of(shared, viewer, _named(device_ids))
    async for device, parts in _tracks(shared, devices, between, past):
        found += await asyncio.to_thread(made, device, parts, shared.server.settings.motion)
    return await answers.listed(found, lambda one: one)


def _named(device_ids: Sequence[int]) -> Sequence[int]:
    if not device_ids:
        raise Problem(400, "Which devices?", "Name at least one deviceId; groups don't exist here.")
    return device_ids


async def _one_after_another(
    shared: State, devices: Sequence[DeviceRow], between: Range, past: History
) -> AsyncIterator[list[Position]]:
    for device in devices:
        async for part in history.read(shared.server, device.id, between, past):
            yield part


async def _tracks(
    shared: State, devices: Sequence[DeviceRow], between: Range, past: History
) -> AsyncIterator[tuple[DeviceRow, Parts]]:
    await history.check_size(shared.server, [device.id for device in devices], between, past)
    for device in devices:
        points = await sql.rows(
            shared.server.database,
            "track",
            Point,
            device_id=device.id,
            since=past.since(between.since),
            until=between.until,
            limit=history.LONGEST,
            **past.sql,
        )
        since, until = between.since, between.until
        breaks = await sql.rows(shared.server.database, "breaks", Break, device_id=device.id, since=since, until=until)
        yield device, tracks.parts(points, breaks)


def _stops(device: DeviceRow, parts: Parts, motion: MotionSettings) -> list[Stop]:
    return [_stop(device, points[leg.first : leg.last + 1]) for points in parts for leg in tracks.stops(points, motion)]


def _trips(device: DeviceRow, parts: Parts, motion: MotionSettings) -> list[Trip]:
    return [_trip(device, points, leg) for points in parts for leg in tracks.trips(points, motion)]


def _stop(device: DeviceRow, points: Sequence[Point]) -> Stop:
    first, last = points[0], points[-1]
    odometer = tracks.first_and_last(point.odometer_m for point in points)
    hours = tracks.first_and_last(point.engine_hours_s for point in points)
    return Stop(
        device_id=device.id,
        device_name=device.name,
        start_time=instant(first.time),
        end_time=instant(last.time),
        duration=_milliseconds(first, last),
        position_id=first.id,
        latitude=first.latitude,
        longitude=first.longitude,
        lat=first.latitude,
        lon=first.longitude,
        start_odometer=odometer[0],
        end_odometer=odometer[1],
        engine_hours=round((hours[1] - hours[0]) * 1000),
        spent_fuel=round(tracks.spent_l(points), 2),
    )


def _trip(device: DeviceRow, all_points: Sequence[Point], leg: Leg) -> Trip:
    points = all_points[leg.first : leg.last + 1]
    first, last = points[0], points[-1]
    way_m = tracks.way_m(all_points, leg)
    odometer = tracks.first_and_last(point.odometer_m for point in points)
    seconds = (last.time - first.time).total_seconds()
    return Trip(
        device_id=device.id,
        device_name=device.name,
        start_time=instant(first.time),
        end_time=instant(last.time),
        duration=_milliseconds(first, last),
        distance=round(way_m, 1),
        average_speed=knots(way_m / seconds * 3.6 if seconds else 0),
        max_speed=knots(tracks.fastest_kmh(points)),
        start_position_id=first.id,
        end_position_id=last.id,
        start_lat=first.latitude,
        start_lon=first.longitude,
        end_lat=last.latitude,
        end_lon=last.longitude,
        start_odometer=odometer[0],
        end_odometer=odometer[1],
        spent_fuel=round(tracks.spent_l(points), 2),
    )


def _summaries(device: DeviceRow, parts: Parts, motion: MotionSettings) -> list[Summary]:
    return [_summary(device, parts, motion)]


def _summary(device: DeviceRow, parts: Parts, motion: MotionSettings) -> Summary:
    points = list(chain.from_iterable(parts))
    way_m = sum(point.distance_m for point in points)
    driven = [(part[leg.first], part[leg.last]) for part in parts for leg in tracks.trips(part, motion)]
    driven_s = sum((last.time - first.time).total_seconds() for first, last in driven)
    odometer = tracks.first_and_last(point.odometer_m for point in points)
    hours = tracks.first_and_last(point.engine_hours_s for point in points)
    return Summary(
        device_id=device.id,
        device_name=device.name,
        start_time=instant(points[0].time) if points else None,
        end_time=instant(points[-1].time) if points else None,
        distance=round(way_m, 1),
        average_speed=knots(way_m / driven_s * 3.6 if driven_s else 0),
        max_speed=knots(tracks.fastest_kmh(points)),
        engine_hours=round((hours[1] - hours[0]) * 1000) or round(driven_s * 1000),
        start_odometer=odometer[0],
        end_odometer=odometer[1],
        spent_fuel=round(sum(map(tracks.spent_l, parts)), 2),
    )


def _milliseconds(first: Point, last: Point) -> int:
    return round((last.time - first.time).total_seconds() * 1000)
