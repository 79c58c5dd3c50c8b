"""All zones of the server in memory, with one tree over them, kept as they are in the database.

In the tree each account has a lane of its own: its boxes are moved east by so many degrees. So a query meets nobody else's zones,
and an account that covers a city with zones makes nothing slower but its own vehicles.

Zones have places in arrays, so that a batch asks of thousands of positions at once: which zones could a segment touch (the tree),
and which of those is the device one for (`Index.attached`). An `Index` never changes. An edit makes a new one beside it, in a
thread, and `Zones.follow` puts it in the old one's place between two batches.
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import shapely
import structlog
from numpy.typing import NDArray

from telematics.devices import Groups, Targets
from telematics.hours import ALWAYS, Hours
from telematics.store.changes import Changes
from telematics.store.database import Database
from telematics.store.zones import ZoneRow, load_groups, load_zones
from telematics.zones import shapes

log = structlog.get_logger(__name__)

Places = NDArray[np.int64]
Numbers = NDArray[np.float64]

LANE_DEG = 2_000.0  # ways over the antimeridian end at 540° at most
PADDING_DEG = 1e-6  # what is lost to rounding in the lane of a ten-thousandth account is less
MOST_PAIRS = 5_000_000  # of a fix and a zone in one query, at most: 80 MB
MOST_AT_A_PLACE = 1_000  # zones of an account; further ones are left out: who is in more has no use for them


@dataclass(frozen=True, eq=False)
class Zone:
    """A zone as the pipeline and the alerts need it."""

    id: int
    account_id: int
    name: str
    zone_group: str
    enabled: bool
    targets: Targets
    outline: Any  # a shapely geometry, longitude first
    shape: int  # tells one outline and what decides about it from another
    depth_m: float
    hours: Hours
    time_zone: ZoneInfo
    border_m: float
    confirm_fixes: int
    confirm_s: float
    dwell_s: float | None
    back_by: time | None
    speed_limit_kmh: float | None
    passes: bool
    calendar_id: int | None
    changed_at: datetime

    @cached_property
    def edges(self) -> NDArray[np.float64]:
        """Every straight piece of the border: longitude and latitude of both ends."""
        return edges_of([self.outline])[0]

    @cached_property
    def boxes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The box around the outline; and two ellipses around its middle: where, how much narrower a degree of longitude is
        there, the radius squared of the one within it (0: the middle is not in the zone), the radius of the one around it."""
        middle = shapely.centroid(self.outline)
        narrower = math.cos(math.radians(middle.y))
        inner = np.array([middle.x, middle.y, narrower, 0.0, np.inf])
        ax, ay = (self.edges[:, 0] - middle.x) * narrower, self.edges[:, 1] - middle.y
        if len(ax):
            inner[4] = np.sqrt(np.max(ax * ax + ay * ay)) * 1.001
        if shapely.contains(self.outline, middle):
            dx, dy = (self.edges[:, 2] - middle.x) * narrower - ax, self.edges[:, 3] - middle.y - ay
            length = dx * dx + dy * dy
            along = np.clip(-(ax * dx + ay * dy) / np.where(length > 0, length, 1), 0, 1)
            inner[3] = np.min((ax + along * dx) ** 2 + (ay + along * dy) ** 2) * 0.999
        return np.array(shapely.bounds(self.outline)), inner

    @cached_property
    def core(self) -> Any:
        """What a segment has to cross before the zone counts as passed: not just its border's noise."""
        core = shapes.shrunk(self.outline, min(self.border_m, self.depth_m / 2))
        shapely.prepare(core)
        return core

    def same_place(self, other: Zone) -> bool:
        """Whether what is known of vehicles and the other stays true of this one."""
        return (
            self.shape == other.shape
            and self.enabled == other.enabled
            and self.account_id == other.account_id
            and self.targets == other.targets
        )


COLUMNS = (
    "outline", "account", "all_devices", "number", "limit_kmh", "passes", "timed", "border_m", "half_depth_m", "outer", "inner",
)  # fmt: skip


class Index:
    """Zones by place. Frozen: `updated` gives another."""

    def __init__(self, capacity: int = 0) -> None:
        self.zones: list[Zone | None] = [None] * capacity
        self.place_of: dict[int, int] = {}
        self.outline = np.full(capacity, None, object)
        self.account = np.zeros(capacity, "i4")
        self.all_devices = np.zeros(capacity, "?")
        self.number = np.zeros(capacity, "u8")  # a random one for each zone: their sums tell sets of zones apart
        self.numbers: list[int] = [0] * capacity  # the same, as Python's own
        self.limit_kmh = np.full(capacity, np.inf)
        self.passes = np.zeros(capacity, "?")
        self.timed = np.zeros(capacity, "?")  # every fix inside matters: for dwelling, or speed
        self.border_m, self.half_depth_m = np.zeros(capacity), np.zeros(capacity)
        self.outer = np.zeros((capacity, 4))  # west, south, east, north of the outline …
        self.inner = np.zeros((capacity, 5))  # … and ellipses within and around it; nearly all fixes are told by these
        self.accounts = np.zeros(1, "i8")  # by account: how many zones it has
        self._lane: NDArray[np.floating[Any]] = np.zeros(1)  # by account
        self.tree = shapely.STRtree([])
        self._device_keys = np.zeros(0, "i8")  # device or group in the upper half, the zone's place in the lower; sorted
        self._group_keys = np.zeros(0, "i8")
        self._parent, self._levels = np.zeros(1, "i8"), 1  # of groups by number, 0: none; how deep they are within each other

    def __len__(self) -> int:
        return len(self.place_of)

    def updated(self, zones: Iterable[Zone], gone: Collection[int], groups: Groups) -> Index:
        """The same with these zones instead of their forerunners, and without those that are gone."""
        zones = [zone for zone in zones if zone.enabled and zone.outline is not None]
        drop = {self.place_of[zone_id] for zone_id in gone if zone_id in self.place_of}
        fresh = [zone for zone in zones if zone.id not in self.place_of]
        free = [place for place, zone in enumerate(self.zones) if zone is None or place in drop]
        capacity = len(self.zones)
        if len(fresh) > len(free):
            grown = max(64, capacity * 2, capacity + len(fresh))
            free += range(capacity, grown)
            capacity = grown
        new = Index(capacity)
        for name in COLUMNS:
            getattr(new, name)[: len(self.zones)] = getattr(self, name)
        new.zones[: len(self.zones)] = self.zones
        new.numbers[: len(self.zones)] = self.numbers
        new.place_of = {zone_id: place for zone_id, place in self.place_of.items() if place not in drop}
        for place in drop:
            new._clear(place)
        places = iter(free)
        for zone in zones:
            new._put(new.place_of[zone.id] if zone.id in new.place_of else next(places), zone)
        used = np.array([place for place, zone in enumerate(new.zones) if zone is not None], "i8")
        new.accounts = np.append(np.bincount(new.account[used]), 0)  # the last is for all that follow
        new._lane = np.cumsum(new.accounts > 0) * (new.accounts > 0) * LANE_DEG  # without zones: a lane where nothing is
        new.tree = new._tree(used)
        new._attach(groups)
        return new

    def only(self, ids: Collection[int]) -> Index:
        """A small tree over some of the zones; places and targets as here."""
        part = Index()
        part.__dict__.update(self.__dict__)
        part.place_of = {zone_id: self.place_of[zone_id] for zone_id in ids if zone_id in self.place_of}
        part.tree = self._tree(np.array(list(part.place_of.values()), "i8"))
        return part

    def _tree(self, places: Places) -> shapely.STRtree:
        boxes = np.full(len(self.zones), None, object)
        lane = self._lane[self.account[places]]
        west, south, east, north = self.outer[places].T
        boxes[places] = shapely.box(west + lane, south, east + lane, north)
        return shapely.STRtree(boxes)

    def touched(
        self,
        account: NDArray[Any],
        from_longitude: Numbers,
        from_latitude: Numbers,
        longitude: Numbers,
        latitude: Numbers,
    ) -> tuple[Places, Places]:
        """Of ways: pairs of a way's place in the arrays and the place of a zone of its account whose box it may touch."""
        account = np.minimum(account, len(self.accounts) - 1)
        lane, most = self._lane[account], np.cumsum(self.accounts[account].astype("i8"))
        west, east = np.fmin(from_longitude, longitude) - PADDING_DEG, np.fmax(from_longitude, longitude) + PADDING_DEG
        south, north = np.fmin(from_latitude, latitude) - PADDING_DEG, np.fmax(from_latitude, latitude) + PADDING_DEG
        boxes = shapely.box(west + lane, south, east + lane, north)
        ways, zones, start = [np.zeros(0, "i8")], [np.zeros(0, "i8")], 0
        while start < len(boxes):
            before = most[start - 1] if start else 0
            end = max(start + 1, int(np.searchsorted(most, before + MOST_PAIRS, "right")))
            way, zone = self.tree.query(boxes[start:end])
            way, zone = _not_too_many(way, zone)
            ways.append(way + start)
            zones.append(zone)
            start = end
        return np.concatenate(ways), np.concatenate(zones)

    def holds(self, places: Places, longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Of pairs of a zone's place and a fix: whether it is in the zone, or on its border."""
        outer, inner = self.outer[places], self.inner[places]
        dx, dy = (longitude - inner[:, 0]) * inner[:, 2], latitude - inner[:, 1]
        apart = dx * dx + dy * dy
        inside = apart < inner[:, 3]
        within = (longitude >= outer[:, 0]) & (longitude <= outer[:, 2]) & (latitude >= outer[:, 1]) & (latitude <= outer[:, 3])
        rest = np.flatnonzero(within & ~inside & (apart <= inner[:, 4] * inner[:, 4]))
        inside[rest] = shapely.intersects_xy(self.outline[places[rest]], longitude[rest], latitude[rest])
        return np.asarray(inside)

    def reached(self, places: Places, longitude: Numbers, latitude: Numbers, way_deg: Numbers) -> NDArray[np.bool_]:
        """Of the same pairs: whether a way of that length which ends at the fix may touch the zone."""
        inner = self.inner[places]
        apart = np.hypot((longitude - inner[:, 0]) * inner[:, 2], latitude - inner[:, 1])
        return np.asarray(apart <= inner[:, 4] + way_deg)

    def least_deg(self, places: Places, longitude: Numbers, latitude: Numbers) -> Numbers:
        """Of the same pairs: degrees of latitude to the border, at the least. 0 where it isn't easily seen."""
        outer, inner = self.outer[places], self.inner[places]
        narrower = np.cos(np.radians(np.minimum(np.abs(latitude) + 1, 90)))  # as nearer to the pole
        east = np.maximum(np.maximum(outer[:, 0] - longitude, longitude - outer[:, 2]), 0) * narrower
        north = np.maximum(np.maximum(outer[:, 1] - latitude, latitude - outer[:, 3]), 0)
        away = np.hypot(east, north)
        middle = np.hypot((longitude - inner[:, 0]) * inner[:, 2], latitude - inner[:, 1])
        within = (np.sqrt(inner[:, 3]) - middle) * np.minimum(narrower / inner[:, 2], 1)
        return np.asarray(np.maximum(np.minimum(away, 1), within.clip(0)))

    def regrouped(self, groups: Groups) -> Index:
        """The same after groups changed."""
        return self.updated((), (), groups)

    def attached(self, places: Places, device_id: NDArray[Any], account: NDArray[Any], group: NDArray[Any]) -> NDArray[np.bool_]:
        """Of pairs of a zone's place and a device: whether the zone is for the device."""
        same = self.account[places] == account
        mask = same & self.all_devices[places]
        if len(self._device_keys) or len(self._group_keys):
            rest = np.flatnonzero(same & ~mask)
            if len(rest):
                low = places[rest].astype("i8")
                mask[rest] = _among(device_id[rest].astype("i8") << 32 | low, self._device_keys)
                mask[rest] |= self._for_groups(group[rest].astype("i8"), low)
        return np.asarray(mask)

    def devices_of(self, place: int, device_id: NDArray[Any], account: NDArray[Any], group: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of those devices the zone is for."""
        return self.attached(np.full(len(device_id), place, "i8"), device_id, account, group)

    def _clear(self, place: int) -> None:
        self.zones[place] = None
        self.outline[place] = None

    def _put(self, place: int, zone: Zone) -> None:
        self.zones[place] = zone
        self.place_of[zone.id] = place
        self.outline[place] = zone.outline
        self.account[place] = zone.account_id
        self.all_devices[place] = zone.targets.all_devices
        self.number[place] = self.numbers[place] = _scattered(zone.id)
        self.limit_kmh[place] = np.inf if zone.speed_limit_kmh is None else zone.speed_limit_kmh
        self.passes[place] = zone.passes
        self.timed[place] = zone.dwell_s is not None or zone.speed_limit_kmh is not None
        self.border_m[place], self.half_depth_m[place] = zone.border_m, zone.depth_m / 2
        self.outer[place], self.inner[place] = zone.boxes

    def _attach(self, groups: Groups) -> None:
        targeted = [
            (place, zone.targets) for place, zone in enumerate(self.zones) if zone is not None and not zone.targets.all_devices
        ]
        self._device_keys = _keys((device_id, place) for place, targets in targeted for device_id in targets.device_ids)
        self._group_keys = _keys((group_id, place) for place, targets in targeted for group_id in targets.group_ids)
        self._levels = groups.levels
        self._parent = np.zeros(max(groups.parents, default=0) + 2, "i8")
        for group_id, parent_id in groups.parents.items():
            self._parent[group_id] = parent_id or 0

    def _for_groups(self, group: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the zone is for the group, or one that it is within. Level by level: with keys for all that is below a
        group, an account's groups times its zones would have to fit into memory."""
        found = np.zeros(len(group), "?")
        for _ in range(self._levels):
            found |= _among(group << 32 | places, self._group_keys)
            group = self._parent[np.minimum(group, len(self._parent) - 1)]
            if not group.any():
                break
        return found


def _not_too_many(way: Places, zone: Places) -> tuple[Places, Places]:
    if len(way) <= MOST_AT_A_PLACE or np.bincount(way).max() <= MOST_AT_A_PLACE:
        return way, zone
    order = np.lexsort((zone, way))  # always the same ones
    way, zone = way[order], zone[order]
    kept = np.arange(len(way)) - np.searchsorted(way, way) < MOST_AT_A_PLACE
    return way[kept], zone[kept]


def _keys(pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(sorted({high << 32 | low for high, low in pairs}), "i8")


def _among(keys: NDArray[np.int64], ordered: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not len(ordered):
        return np.zeros(len(keys), "?")
    found = np.searchsorted(ordered, keys)
    found[found == len(ordered)] = 0
    return np.asarray(ordered[found] == keys)


def _scattered(number: int) -> int:
    """Steele, Lea and Flood's SplitMix64: a random-looking 64-bit number for each."""
    z = (number + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    z = (z ^ z >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return z ^ z >> 31


# The index to come; ids of zones that are not where they were, and of those that are but have other rules
Follow = Callable[[Index, frozenset[int], frozenset[int]], Awaitable[None]]


class Zones:
    """The registry. `watch` first; then it is kept fresh."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._zones: dict[int, Zone] = {}
        self._seen_groups: dict[int, int | None] = {}
        self.groups = Groups()
        self.index = Index()
        self.follow: Follow | None = None  # takes each new index over; it is ours when this is done

    def __len__(self) -> int:
        return len(self._zones)

    def get(self, zone_id: int) -> Zone | None:
        """Disabled ones, too."""
        return self._zones.get(zone_id)

    def watch(self, changes: Changes) -> None:
        changes.subscribe("groups", self.reload_groups)
        changes.subscribe("zones", self.reload)
        changes.subscribe("calendars", self._reload_calendars)
        changes.subscribe("accounts", self._reload_accounts)

    async def reload(self, ids: set[int] | None) -> None:
        """Take over what the table says of these zones, or of all."""
        async with self._database.pool.connection() as connection:
            rows = await load_zones(connection, None if ids is None else sorted(ids))
        found = {row.id for row in rows}
        gone = (self._zones.keys() if ids is None else ids & self._zones.keys()) - found
        zones = await asyncio.to_thread(_zones, rows)
        kept = self._zones
        if ids is None:  # nobody knows what changed: only what did is done anew
            zones = [zone for zone in zones if (old := kept.get(zone.id)) is None or not _same(old, zone)]
        for zone in zones:
            _carry_over(kept.get(zone.id), zone)
        if not zones and not gone:
            return
        moved = {zone.id for zone in zones if (old := kept.get(zone.id)) is None or not zone.same_place(old)} | gone
        disabled = {zone.id for zone in zones if not zone.enabled or zone.outline is None}
        index = await asyncio.to_thread(self.index.updated, zones, gone | disabled, self.groups)
        await self._take(index, frozenset(moved), frozenset(zone.id for zone in zones))
        for zone in zones:
            self._zones[zone.id] = zone
        for zone_id in gone:
            del self._zones[zone_id]

    async def reload_groups(self, ids: set[int] | None) -> None:
        """Which group is in which. There are few, so always all."""
        async with self._database.pool.connection() as connection:
            parents = await load_groups(connection)
        if parents == self._seen_groups:
            return
        self._seen_groups = parents
        self.groups.replace(parents)
        if len(self.index):
            index = await asyncio.to_thread(self.index.regrouped, self.groups)
            by_group = frozenset(zone.id for zone in self._zones.values() if zone.targets.group_ids)
            await self._take(index, by_group, by_group)

    async def _reload_calendars(self, ids: set[int] | None) -> None:
        if ids is not None:  # with everything else they came with the zones
            await self._reload_where(lambda zone: zone.calendar_id in ids)

    async def _reload_accounts(self, ids: set[int] | None) -> None:
        if ids is not None:
            await self._reload_where(lambda zone: zone.account_id in ids)

    async def _reload_where(self, touched: Callable[[Zone], bool]) -> None:
        ids = {zone.id for zone in self._zones.values() if touched(zone)}
        if ids:
            await self.reload(ids)

    async def _take(self, index: Index, moved: frozenset[int], edited: frozenset[int]) -> None:
        if self.follow is not None:
            await self.follow(index, moved, edited)
        self.index = index


def _zones(rows: Sequence[ZoneRow]) -> list[Zone]:
    outlines = shapely.from_wkb(np.array([row.outline for row in rows], object), on_invalid="ignore")
    areas = np.isin(shapely.get_type_id(outlines), (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))
    outlines[~(areas & np.isfinite(shapely.area(outlines)) & ~shapely.is_empty(outlines))] = None  # by hand into the table
    shapely.prepare(outlines)
    zones = [_zone(row, outline) for row, outline in zip(rows, outlines, strict=True)]
    readable = [zone for zone in zones if zone.outline is not None]
    for zone, edges in zip(readable, edges_of([zone.outline for zone in readable]), strict=True):
        zone.__dict__["edges"] = edges
        zone.__dict__["boxes"] = zone.boxes  # here, in the thread, rather than when a vehicle comes
    return zones


def edges_of(outlines: Sequence[Any]) -> list[NDArray[np.float64]]:
    """Every straight piece of each border: longitude and latitude of both ends."""
    if not outlines:
        return []
    parts, zone = shapely.get_parts(np.array(outlines, object), return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    coordinates, ring = shapely.get_coordinates(rings, return_index=True)
    edges = np.hstack([coordinates[:-1], coordinates[1:]])
    own = zone[part[ring[:-1]]]
    # At the antimeridian the area goes on
    kept = (ring[1:] == ring[:-1]) & ~((np.abs(edges[:, 0]) == 180) & (edges[:, 0] == edges[:, 2]))
    edges, own = edges[kept], own[kept]
    return np.split(edges, np.searchsorted(own, np.arange(1, len(outlines))))


def _zone(row: ZoneRow, outline: Any) -> Zone:
    if outline is None:
        log.error("a zone's outline can't be read; draw it again", zone=row.id, account=row.account_id)
    decides = repr((row.border_m, row.depth_m)).encode()
    return Zone(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        zone_group=row.zone_group,
        enabled=row.enabled,
        targets=Targets(
            account_id=row.account_id,
            all_devices=row.all_devices,
            device_ids=frozenset(row.device_ids or ()),
            group_ids=frozenset(row.group_ids or ()),
        ),
        outline=outline,
        shape=zlib.crc32(decides, zlib.crc32(row.outline)),
        depth_m=row.depth_m,
        hours=_hours(row),
        time_zone=_time_zone(row.time_zone),
        border_m=row.border_m,
        confirm_fixes=row.confirm_fixes,
        confirm_s=row.confirm_s,
        dwell_s=row.dwell_s,
        back_by=row.back_by,
        speed_limit_kmh=row.speed_limit_kmh,
        passes=row.passes,
        calendar_id=row.calendar_id,
        changed_at=row.changed_at,
    )


def _hours(row: ZoneRow) -> Hours:
    try:
        return Hours.of(row.hours, row.calendar, row.time_zone)
    except ValueError as error:  # better an alert too many than none
        log.error("a zone's hours can't be read; it counts always", zone=row.id, reason=str(error))
        return ALWAYS


def _time_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _same(old: Zone, new: Zone) -> bool:
    """What the database told twice. A calendar's text is compared by its hours."""
    fields = (name for name in Zone.__dataclass_fields__ if name != "outline")
    return all(getattr(old, name) == getattr(new, name) for name in fields)


def _carry_over(old: Zone | None, new: Zone) -> None:
    """What was worked out of the same outline needn't be again."""
    if old is not None and old.shape == new.shape:
        for name in ("edges", "boxes", "core"):
            if name in old.__dict__:
                new.__dict__[name] = old.__dict__[name]
