"""Zones and drives for the tests: an index without a database, and the way from the stage's events to the reference's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import shapely
from psycopg import AsyncConnection

from protocols import Columns
from telematics.devices import Groups, Targets
from telematics.hours import ALWAYS
from telematics.pipeline.stages import Reports
from telematics.pipeline.state import State
from telematics.store.records import Event
from telematics.zones.registry import Index, Zone
from telematics.zones.shapes import depth_m, outline
from tests.pipeline.visits_reference import Area, Fix

START = datetime(2026, 3, 1, 6, 0, tzinfo=UTC).timestamp()
KINDS = ("geofenceEnter", "geofenceExit", "geofenceDwell", "geofencePass", "deviceOverspeed")


def circle(zone_id: int, longitude: float, latitude: float, radius_m: float, **changes: Any) -> Zone:
    return zone(zone_id, outline("circle", {"type": "Point", "coordinates": [longitude, latitude]}, radius_m=radius_m), **changes)


def zone(zone_id: int, area: Any, **changes: Any) -> Zone:
    shapely.prepare(area)
    fields: dict[str, Any] = {
        "id": zone_id,
        "account_id": 1,
        "name": f"zone {zone_id}",
        "zone_group": "",
        "enabled": True,
        "targets": Targets(account_id=1, all_devices=True),
        "outline": area,
        "shape": hash(area.wkb) & 0xFFFFFFFF,
        "depth_m": depth_m(area),
        "hours": ALWAYS,
        "time_zone": ZoneInfo("UTC"),
        "border_m": 15.0,
        "confirm_fixes": 2,
        "confirm_s": 120.0,
        "dwell_s": None,
        "back_by": None,
        "speed_limit_kmh": None,
        "passes": True,
        "calendar_id": None,
        "changed_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Zone(**(fields | changes))


async def insert_zones(connection: AsyncConnection[Any], zones: Sequence[Zone]) -> None:
    """Into the table, under the ids they have, for all devices of the newest account."""
    for one in zones:
        await connection.execute(
            "INSERT INTO zones (id, account_id, name, kind, geometry, outline, depth_m, all_devices, border_m, confirm_fixes,"
            " confirm_s, dwell_s, back_by, speed_limit_kmh, passes) OVERRIDING SYSTEM VALUE"
            " VALUES (%s, (SELECT max(id) FROM accounts), %s, 'polygon', '{}', %s, %s, true, %s, %s, %s, %s, %s, %s, %s)",
            (one.id, one.name, one.outline.wkb, one.depth_m, one.border_m, one.confirm_fixes, one.confirm_s, one.dwell_s,
             one.back_by, one.speed_limit_kmh, one.passes),
        )  # fmt: skip


def index_of(*zones: Zone) -> Index:
    return Index().updated(zones, (), Groups())


def area_of(zone: Zone) -> Area:
    """The same for the reference."""
    rings = [[(x, y) for x, y in ring.coords] for ring in shapely.get_rings(shapely.get_parts(zone.outline))]
    return Area(
        str(zone.id), rings, zone.depth_m, zone.border_m, zone.confirm_fixes, zone.confirm_s, zone.dwell_s, zone.speed_limit_kmh,
        zone.passes,
    )  # fmt: skip


def fleet(devices: int) -> State:
    """Devices 1, 2, … of account 1 in slots 0, 1, …"""
    state = State(devices)
    state.device_id[:devices] = np.arange(devices) + 1
    state.account_id[:devices] = 1
    return state


def reports(batch: Sequence[tuple[int, Fix]]) -> Reports:
    """(slot, fix) in order of arrival; a fix arrives half a second after its time."""
    nan = float("nan")
    fixes = [fix for _, fix in batch]
    time_ms = np.array([round(fix.time * 1000) for fix in fixes], "i8")
    columns = Columns.of(
        len(batch),
        frame=np.arange(len(batch)),
        time=time_ms.view("M8[ms]"),
        valid=np.ones(len(batch), "?"),
        latitude=[fix.latitude for fix in fixes],
        longitude=[fix.longitude for fix in fixes],
        speed_kmh=[nan if fix.speed_kmh is None else fix.speed_kmh for fix in fixes],
        accuracy_m=[nan if fix.accuracy_m is None else fix.accuracy_m for fix in fixes],
    )
    slots = np.array([slot for slot, _ in batch], "i4")
    return Reports(columns, slots, np.zeros(len(batch), "i2"), (time_ms + 500).view("M8[ms]"))


def told(events: Sequence[Event], device_id: int = 1) -> list[tuple[str, str, float]]:
    """As the reference tells it: zone, type, seconds."""
    return sorted(
        (event.subject, event.type, event.time.timestamp())
        for event in events
        if event.device_id == device_id and event.type in KINDS and event.subject
    )
