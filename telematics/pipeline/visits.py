"""One vehicle and one zone: what its fixes, in order of time, say of entering and leaving. The one truth; pure and scalar.

A fix on the other side than the one that is settled makes a candidate: the border was crossed between the fix before and this
one. Whether it was, and not only seemed so, is settled by fixes clear of the border: as many as the zone wants, or one that
nothing contradicts for as long as the zone wants. A fix back on the settled side makes the candidate forgotten. The event's time
is that of the crossing, whenever it was confirmed. (The rules, one by one: docs/architecture.md, "Zones".)
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import time
from typing import Any, NamedTuple, Protocol

import msgspec

ENTER, EXIT, DWELL, PASS, SPEED = "geofenceEnter", "geofenceExit", "geofenceDwell", "geofencePass", "deviceOverspeed"


class Visit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is remembered of a vehicle and a zone; as stored, a list. Times are milliseconds since 1970."""

    zone_id: int
    shape: int  # of the zone this is about: of another one it says nothing
    inside: bool  # as settled
    since: int | None = None  # of the crossing that settled it, or of the first look; None: long ago, or of no interest
    dwelt: bool = False  # geofenceDwell was told
    over: bool = False  # the zone's speed limit is broken, and that was told
    crossed: int | None = None  # a candidate: when the border was crossed, …
    position_id: int | None = None  # … the first fix beyond it, …
    clear_fixes: int = 0  # … how many were clear of the border, …
    clear: int | None = None  # … when the first of them was …
    clear_received: int | None = None  # … and when it was heard; None: late


class Sight(NamedTuple):
    """A fix as a zone sees it."""

    time: int
    received: int | None  # None: it came late, when "nothing contradicted for so long" could not be waited for
    position_id: int
    inside: bool  # on the border counts as inside
    clear: bool  # of the border, on the side where it is
    crossed: int  # when the way from the fix before crossed the border last; where it didn't, the fix's time
    passed: tuple[int, int] | None = None  # the way led through the zone's core: from when to when it was in the zone
    speed_kmh: float = float("nan")


class Rules(Protocol):
    """What of a zone decides; telematics.zones.registry.Zone is one."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> int: ...
    @property
    def confirm_fixes(self) -> int: ...
    @property
    def confirm_s(self) -> float: ...
    @property
    def dwell_s(self) -> float | None: ...
    @property
    def speed_limit_kmh(self) -> float | None: ...
    @property
    def passes(self) -> bool: ...
    @property
    def back_by(self) -> time | None: ...


class Happening(NamedTuple):
    """Something to tell, hours or not."""

    type: str
    time: int
    position_id: int | None
    attributes: dict[str, Any]
    noticed: int  # when reports could first tell of it, on the tracker's clock


def first_look(zone: Rules, *, inside: bool, at: int | None) -> Visit:
    """Where a vehicle happens to be when it or the zone is new: nothing to tell."""
    return Visit(zone.id, zone.shape, inside, at if inside else None)


def walk(zone: Rules, visit: Visit, sights: Iterable[Sight], tolerance_kmh: float) -> tuple[Visit, list[Happening]]:
    """The visit after these fixes, and what happened. Fixes are in order of time, and follow those that made the visit."""
    told: list[Happening] = []
    quiet = zone.dwell_s is None and zone.speed_limit_kmh is None
    for sight in sights:
        if sight.inside == visit.inside and visit.crossed is None and sight.passed is None and (quiet or not sight.inside):
            continue
        if visit.crossed is not None and _uncontradicted(zone, visit, sight.time, sight.received):
            visit = _confirm(zone, visit, told, sight.time)
        was_out = not visit.inside and visit.crossed is None
        if sight.inside != visit.inside:
            visit = _beyond(zone, visit, sight, told)
        elif visit.crossed is not None:
            visit = _forget(visit)
        if was_out and not visit.inside and not sight.inside and sight.passed is not None and zone.passes:
            entered, left = sight.passed
            told.append(Happening(PASS, entered, sight.position_id, {"geofence": zone.name, "exit": left}, sight.time))
        if visit.inside and sight.inside and not quiet:
            visit = _stay(zone, visit, sight, tolerance_kmh, told)
    return visit, told


def confirm_quiet(zone: Rules, visit: Visit, now: int) -> tuple[Visit, list[Happening]]:
    """By the clock: a candidate that was heard long enough ago and that nothing has contradicted since."""
    told: list[Happening] = []
    if visit.crossed is not None and _uncontradicted(zone, visit, None, now):
        visit = _confirm(zone, visit, told)
    return visit, told


def settled(zone: Rules, visit: Visit) -> Visit:
    """A candidate that was confirmed and told of already."""
    return _confirm(zone, visit, [])


def unheard(visit: Visit, until: int) -> Visit:
    """Nobody could be heard until then: for how long nothing contradicts is counted from there."""
    if visit.clear_received is None or visit.clear_received >= until:
        return visit
    return msgspec.structs.replace(visit, clear_received=until)


def dwell_quiet(zone: Rules, visit: Visit, at: int) -> tuple[Visit, list[Happening]]:
    """By the clock: a vehicle that has said nothing of having left; `at` is the time on its own clock."""
    told: list[Happening] = []
    if visit.inside and visit.crossed is None:
        visit = _dwell(zone, visit, at, None, at, told)
    return visit, told


def dwell_due(zone: Rules, visit: Visit) -> int | None:
    """When geofenceDwell is to be told of this visit, if it goes on."""
    if zone.dwell_s is None or not visit.inside or visit.dwelt or visit.since is None:
        return None
    return visit.since + int(zone.dwell_s * 1000)


def _uncontradicted(zone: Rules, visit: Visit, at: int | None, received: int | None) -> bool:
    if visit.clear is None or zone.confirm_s <= 0:
        return False
    enough = zone.confirm_s * 1000
    if at is not None and at - visit.clear >= enough:
        return True
    return received is not None and visit.clear_received is not None and received - visit.clear_received >= enough


def _beyond(zone: Rules, visit: Visit, sight: Sight, told: list[Happening]) -> Visit:
    crossed, position_id, fixes = visit.crossed, visit.position_id, visit.clear_fixes
    clear, clear_received = visit.clear, visit.clear_received
    if crossed is None:
        crossed, position_id = sight.crossed, sight.position_id
    if sight.clear:
        fixes += 1
        if clear is None:
            clear, clear_received = sight.time, sight.received
    visit = Visit(
        visit.zone_id, visit.shape, visit.inside, visit.since, visit.dwelt, visit.over,
        crossed, position_id, fixes, clear, clear_received,
    )  # fmt: skip
    return _confirm(zone, visit, told, sight.time) if fixes >= zone.confirm_fixes else visit


def _confirm(zone: Rules, visit: Visit, told: list[Happening], at: int | None = None) -> Visit:
    """`at` is the time of the fix that settles it; None: the clock does."""
    assert visit.crossed is not None
    by_clock = visit.clear + int(zone.confirm_s * 1000) if visit.clear is not None and zone.confirm_s > 0 else at
    noticed = min((time for time in (at, by_clock) if time is not None), default=visit.crossed)
    if visit.inside:
        visit = _dwell(zone, visit, visit.crossed, visit.position_id, noticed, told)
    assert visit.crossed is not None
    kind = EXIT if visit.inside else ENTER
    told.append(Happening(kind, visit.crossed, visit.position_id, {"geofence": zone.name}, noticed))
    remembered = not visit.inside or zone.back_by is not None  # when it left matters only where it should be back
    return Visit(visit.zone_id, visit.shape, not visit.inside, visit.crossed if remembered else None)


def _forget(visit: Visit) -> Visit:
    return Visit(visit.zone_id, visit.shape, visit.inside, visit.since, visit.dwelt, visit.over)


def _stay(zone: Rules, visit: Visit, sight: Sight, tolerance_kmh: float, told: list[Happening]) -> Visit:
    visit = _dwell(zone, visit, sight.time, sight.position_id, sight.time, told)
    limit, speed = zone.speed_limit_kmh, sight.speed_kmh
    if limit is not None and not visit.over and speed > limit:
        attributes = {"speed_kmh": round(speed, 1), "limit_kmh": round(limit, 1), "geofence": zone.name}
        told.append(Happening(SPEED, sight.time, sight.position_id, attributes, sight.time))
        return msgspec.structs.replace(visit, over=True)
    if visit.over and (limit is None or speed <= limit - tolerance_kmh):
        return msgspec.structs.replace(visit, over=False)
    return visit


def _dwell(zone: Rules, visit: Visit, until: int, position_id: int | None, noticed: int, told: list[Happening]) -> Visit:
    due = dwell_due(zone, visit)
    if due is None or until < due:
        return visit
    told.append(Happening(DWELL, due, position_id, {"geofence": zone.name, "dwell_s": zone.dwell_s}, noticed))
    return msgspec.structs.replace(visit, dwelt=True)
