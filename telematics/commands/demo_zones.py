"""The zones and groups of the demo's account: what a haulier of Almaty might draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import shapely
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from telematics.simulator.roads import kazakhstan
from telematics.zones import shapes

ROAD_SHAPE_DEG = 0.006  # how far the corridor's line may be from the road: 700 m of its 5 km

# Groups by the words that the names of their vehicles begin with (telematics/simulator/fleet.py, ROLES).
GROUPS = {
    "Tow trucks": ("Tow truck", "Эвакуатор"),
    "Long-haul": ("КамАЗ", "MAN", "Volvo", "Coach", "Sprinter"),
    "Buses": ("Bus", "Автобус"),
    "Deliveries": ("Delivery", "Газель", "Van", "Шымкент", "Courier"),
}


@dataclass(frozen=True, slots=True)
class DemoZone:
    name: str
    kind: str
    geometry: dict[str, Any]
    color: str
    zone_group: str = ""
    radius_m: float | None = None
    width_m: float | None = None
    groups: Sequence[str] = ()  # for whom; empty: all
    dwell_s: float | None = None
    speed_limit_kmh: float | None = None
    passes: bool = True


def zones() -> Iterator[DemoZone]:
    yield DemoZone("Depot", "circle", _point(43.2833, 76.9335), "#0d9c93", radius_m=350, dwell_s=3600)
    yield DemoZone(
        "Fuel station, Kuldzha road", "circle", _point(43.2775, 76.975), "#c98a08", radius_m=150, dwell_s=1200, passes=False
    )
    yield DemoZone("Almaty", "polygon", ALMATY, "#2f7de1", "Cities", passes=False)
    yield DemoZone("Astana", "polygon", ASTANA, "#2f7de1", "Cities", passes=False)
    yield DemoZone("Golden Square, 40 km/h", "polygon", GOLDEN_SQUARE, "#e0642b", "Slow zones", speed_limit_kmh=40, passes=False)
    yield DemoZone(
        "Road Almaty – Astana", "corridor", _road(), "#7d5fe0", "Roads", width_m=5_000, groups=("Long-haul",), passes=False
    )


def _point(latitude: float, longitude: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [longitude, latitude]}


def _ring(*places: tuple[float, float]) -> list[list[float]]:
    """Of latitudes and longitudes, as maps are read."""
    return [[longitude, latitude] for latitude, longitude in (*places, places[0])]


def _road() -> dict[str, Any]:
    """The highways that the quickest way takes, with as few points as its shape needs."""
    roads = kazakhstan()
    start, goal = roads.edges_of_city["Almaty"][0].end, roads.edges_of_city["Astana"][0].start
    points = [(longitude, latitude) for edge in roads.route(start, goal) if not edge.city for latitude, longitude in edge.points]
    line = shapely.LineString(points).simplify(ROAD_SHAPE_DEG)
    return {"type": "LineString", "coordinates": [[round(x, 5), round(y, 5)] for x, y in line.coords]}


# The streets of the simulator's cities with room around them.
_ALMATY = _ring(
    (43.352, 76.845), (43.362, 76.93), (43.352, 77.012), (43.318, 77.068), (43.275, 77.105), (43.235, 77.03), (43.152, 77.075),
    (43.148, 77.03), (43.2, 76.97), (43.188, 76.9), (43.195, 76.8), (43.232, 76.775), (43.29, 76.785),
)  # fmt: skip
ALMATY = {"type": "Polygon", "coordinates": [_ALMATY]}
_ASTANA = _ring(
    (51.21, 71.39), (51.215, 71.47), (51.19, 71.55), (51.15, 71.58), (51.09, 71.56), (51.02, 71.5), (51.02, 71.43),
    (51.08, 71.345), (51.15, 71.335),
)  # fmt: skip
ASTANA = {"type": "Polygon", "coordinates": [_ASTANA]}
_SQUARE = _ring((43.2625, 76.9345), (43.2605, 76.9565), (43.2375, 76.9545), (43.2395, 76.9325))
_PARK = _ring((43.2598, 76.9508), (43.2592, 76.9548), (43.2571, 76.9545), (43.2577, 76.9505))  # no cars in Panfilov park
GOLDEN_SQUARE = {"type": "Polygon", "coordinates": [_SQUARE, _PARK]}


async def furnish(connection: AsyncConnection[Any], account_id: int) -> None:
    """Stores groups, puts the account's vehicles into them, and draws the zones."""
    groups: dict[str, int] = {}
    for name, words in GROUPS.items():
        cursor = await connection.execute(
            "INSERT INTO groups (account_id, name) VALUES (%s, %s) RETURNING id", (account_id, name)
        )
        ((groups[name],),) = await cursor.fetchall()
        starts = [f"{word}%" for word in words]
        change = "UPDATE devices SET group_id = %s WHERE account_id = %s AND name LIKE ANY(%s)"
        await connection.execute(change, (groups[name], account_id, starts))
    for zone in zones():
        await _draw(connection, account_id, zone, [groups[name] for name in zone.groups])


async def _draw(connection: AsyncConnection[Any], account_id: int, zone: DemoZone, group_ids: Sequence[int]) -> None:
    area = shapes.outline(zone.kind, zone.geometry, zone.radius_m, zone.width_m)
    row = {
        "account_id": account_id,
        "name": zone.name,
        "kind": zone.kind,
        "geometry": Jsonb(zone.geometry),
        "radius_m": zone.radius_m,
        "width_m": zone.width_m,
        "outline": shapely.to_wkb(area),
        "depth_m": shapes.depth_m(area),
        "color": zone.color,
        "zone_group": zone.zone_group,
        "all_devices": not group_ids,
        "dwell_s": zone.dwell_s,
        "speed_limit_kmh": zone.speed_limit_kmh,
        "passes": zone.passes,
    }
    columns = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    cursor = await connection.execute(f"INSERT INTO zones ({columns}) VALUES ({values}) RETURNING id", row)  # noqa: S608 - our own names
    ((zone_id,),) = await cursor.fetchall()
    for group_id in group_ids:
        await connection.execute("INSERT INTO zone_targets (zone_id, group_id) VALUES (%s, %s)", (zone_id, group_id))
