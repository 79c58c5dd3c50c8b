"""Zones as the API gives and takes them: Traccar's geofences, with what is ours beside it.

What Traccar writes in its own way (`area`, `attributes.polylineDistance`, `attributes.color`) stands beside ours (`geometry` with
`radius` and `width`, `color`). Clients send whole objects back, so what differs from what is stored is what was changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import time
from typing import Any, TypeVar

import msgspec
import shapely
from msgspec import UNSET, UnsetType

from dashboards.problems import Problem
from dashboards.shapes import Attributes, Shape
from telematics.zones import formats, shapes

Made = TypeVar("Made")
# Geometry and calendars are worked out beside the loop, and by a few at once: a corridor of 2,000 points takes a second.
_WORKERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="zones")
KINDS = {"Point": "circle", "Polygon": "polygon", "MultiPolygon": "polygon", "LineString": "corridor"}


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """A row of `geofences.sql`."""

    id: int
    account_id: int
    name: str
    description: str | None
    kind: str
    geometry: str  # GeoJSON
    radius_m: float | None
    width_m: float | None
    outline: bytes | None  # WKB, where asked for
    color: str | None
    zone_group: str
    all_devices: bool
    enabled: bool
    hours: list[dict[str, Any]] | None
    calendar_id: int | None
    border_m: float
    confirm_fixes: int
    confirm_s: float
    dwell_s: float | None
    back_by: time | None
    speed_limit_kmh: float | None
    passes: bool
    attributes: dict[str, Any]
    device_ids: list[int]
    group_ids: list[int]


class GeofenceOut(Shape, frozen=True):
    id: int
    name: str
    description: str | None
    area: str  # Traccar's WKT, latitude first
    calendar_id: int  # 0: none
    attributes: Attributes
    account_id: int  # this and what follows is ours
    kind: str
    geometry: dict[str, Any]  # GeoJSON, longitude first
    radius: float | None  # m
    width: float | None  # m
    color: str | None
    group: str
    all_devices: bool
    device_ids: list[int]
    group_ids: list[int]
    enabled: bool
    hours: list[dict[str, Any]] | None
    border: float  # m
    confirm_fixes: int
    confirm_seconds: float
    dwell_seconds: float | None
    back_by: str | None
    speed_limit: float | None  # km/h
    passes: bool
    outline: dict[str, Any] | UnsetType = UNSET  # GeoJSON of the area on the ellipsoid


class DraftOut(Shape, frozen=True):
    """What a file says of a zone, ready to be stored."""

    name: str
    description: str | None
    kind: str
    geometry: dict[str, Any]
    radius: float | None
    width: float | None
    color: str | None
    group: str
    area: str
    note: str | None  # what was assumed


class RefusedOut(Shape, frozen=True):
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outlined:
    """What is stored of a zone's place."""

    kind: str
    geometry: dict[str, Any]
    radius_m: float | None
    width_m: float | None
    outline: bytes | None  # WKB; None: as it was
    depth_m: float | None


async def beside(make: Callable[..., Made], *given: Any) -> Made:
    """In a thread for what takes long."""
    return await asyncio.get_running_loop().run_in_executor(_WORKERS, make, *given)


def from_zone(row: ZoneRow) -> GeofenceOut:
    geometry = msgspec.json.decode(row.geometry)
    attributes = dict(row.attributes)
    if row.width_m is not None:
        attributes["polylineDistance"] = row.width_m / 2
    if row.color is not None:
        attributes["color"] = row.color
    return GeofenceOut(
        id=row.id,
        name=row.name,
        description=row.description,
        area=formats.area_of(geometry, row.radius_m),
        calendar_id=row.calendar_id or 0,
        attributes=attributes,
        account_id=row.account_id,
        kind=row.kind,
        geometry=geometry,
        radius=row.radius_m,
        width=row.width_m,
        color=row.color,
        group=row.zone_group,
        all_devices=row.all_devices,
        device_ids=row.device_ids,
        group_ids=row.group_ids,
        enabled=row.enabled,
        hours=row.hours,
        border=row.border_m,
        confirm_fixes=row.confirm_fixes,
        confirm_seconds=row.confirm_s,
        dwell_seconds=row.dwell_s,
        back_by=row.back_by.strftime("%H:%M") if row.back_by else None,
        speed_limit=row.speed_limit_kmh,
        passes=row.passes,
        outline=UNSET if row.outline is None else _geojson(row.outline),
    )


def feature(row: ZoneRow) -> dict[str, Any]:
    """A GeoJSON Feature, which an import takes back."""
    geometry = msgspec.json.decode(row.geometry) if row.outline is None else _geojson(row.outline)
    said = {
        "name": row.name,
        "description": row.description,
        "kind": row.kind,
        "radius": row.radius_m,
        "width": row.width_m,
        "color": row.color,
        "group": row.zone_group,
    }
    return {"type": "Feature", "id": row.id, "geometry": geometry, "properties": said}


def from_draft(draft: formats.Draft) -> DraftOut:
    return DraftOut(
        name=draft.name,
        description=draft.description,
        kind=draft.kind,
        geometry=draft.geometry,
        radius=draft.radius_m,
        width=draft.width_m,
        color=draft.color,
        group=draft.group,
        area=formats.area_of(draft.geometry, draft.radius_m),
        note=draft.note,
    )


def outlined(kind: str, geometry: Mapping[str, Any], radius_m: float | None, width_m: float | None) -> Outlined:
    """With what is worked out of it. Raises Problem 400 that says what to do."""
    try:
        clean = shapes.normal(kind, geometry)
        area = shapes.outline(kind, clean, radius_m, width_m)
        depth_m = {"circle": radius_m, "corridor": (width_m or 0) / 2}.get(kind) or shapes.depth_m(area)
    except ValueError as error:
        raise Problem(400, "There is no such zone", f"{error}.") from None
    return Outlined(
        kind=kind,
        geometry=clean,
        radius_m=radius_m if kind == "circle" else None,
        width_m=width_m if kind == "corridor" else None,
        outline=shapely.to_wkb(area),
        depth_m=depth_m,
    )


def place(
    before: ZoneRow | None,
    *,
    geometry: Mapping[str, Any] | None,
    area: str | None,
    radius_m: float | None,
    width_m: float | None,
    polyline_m: float | None,
) -> Outlined:
    """Where a zone is to be, of what was given of it. Raises Problem 400. Takes up to a second, for a thread."""
    stored: dict[str, Any] = msgspec.json.decode(before.geometry) if before else {}
    kind, told_m = "", None
    if geometry is not None and not _same(geometry, stored):
        found: Mapping[str, Any] = geometry
    elif area is not None and not (before and area == formats.area_of(stored, before.radius_m)):
        kind, found, told_m = _read(area)
    elif before:
        found = stored
    else:
        raise Problem(400, "Where is it?", "Give its `area` (Traccar's WKT) or its `geometry` (GeoJSON).")
    kind = kind or KINDS.get(str(found.get("type")), "")
    if not kind:
        raise Problem(400, "There is no such zone", "geometry: a Point, Polygon, MultiPolygon or LineString of GeoJSON.")
    given_m = radius_m if told_m is None else told_m
    radius_m = given_m if given_m is not None else before.radius_m if before else None
    width_m = _width_m(before, width_m, polyline_m)
    if before and found is stored and radius_m == before.radius_m and (kind != "corridor" or width_m == before.width_m):
        return Outlined(before.kind, stored, before.radius_m, before.width_m, None, None)
    return outlined(kind, found, radius_m, width_m)


def _same(geometry: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    return bool(stored) and geometry.get("type") == stored["type"] and geometry.get("coordinates") == stored["coordinates"]


def _read(area: str) -> tuple[str, dict[str, Any], float | None]:
    try:
        return formats.read_area(area)
    except ValueError as error:
        raise Problem(400, "The area can't be read", f"area: {error}.") from None


def _width_m(before: ZoneRow | None, width_m: float | None, polyline_m: float | None) -> float | None:
    stored = before.width_m if before else None
    if width_m is not None and width_m != stored:
        return width_m
    if polyline_m is not None and (stored is None or polyline_m != stored / 2):
        return 2 * polyline_m
    return stored or formats.DEFAULT_WIDTH_M


def _geojson(outline: bytes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(shapely.to_geojson(shapely.from_wkb(outline)))
    return found
