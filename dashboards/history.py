"""A device's stored positions, as Traccar shows them: reports of telemetry alone stand where the vehicle was last known to be.

They come in parts, each a query of its own by the last time given, so that a reader of any slowness holds no connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from billing.allowances import History
from dashboards import sql
from dashboards.api.parameters import Range
from dashboards.identity import Viewer
from dashboards.live import batched
from dashboards.problems import Problem
from dashboards.shapes import Place, Position, Stored, from_stored, place_of
from telematics.server import Server

LONGEST = 100_000  # rows of one answer: a month of a vehicle that reports every 25 s; some 50 MB of JSON
PART = 2_500  # rows of one query
AT_ONCE = 200  # positions given at once: about 6 ms, files of them included, before others get a turn


async def check_size(server: Server, device_ids: Sequence[int], between: Range, past: History) -> int:
    """How many positions there are to be seen. Raises Problem 413 for more than fit in one answer."""
    size = await sql.value(
        server.database,
        "history_size",
        device_ids=list(device_ids),
        since=past.since(between.since),
        until=between.until,
        bound=LONGEST + 1,
        **past.sql,
    )
    if size > LONGEST:
        raise Problem(413, f"More than {LONGEST:,} positions", "Narrow the range from … to, or name fewer devices.")
    return int(size)


async def read(
    server: Server, device_id: int, between: Range, past: History, limit: int = LONGEST
) -> AsyncIterator[list[Position]]:
    """In order of time, in parts, up to `limit` positions, as far as the tariff shows them. Reports before the first known place
    of all are left out."""
    since = past.since(between.since)
    walk = await _start(server, device_id, since, past)
    after = since - timedelta(microseconds=1)
    while limit > 0:
        asked = min(PART, limit)
        rows = await sql.rows(
            server.database,
            "history",
            Stored,
            device_id=device_id,
            after=after,
            until=between.until,
            limit=asked,
            **past.sql,
        )
        for some in batched(rows, AT_ONCE):
            part = [position for row in some if (position := walk.step(row)) is not None]
            limit -= len(part)
            yield part
            await asyncio.sleep(0)
        if len(rows) < asked:
            return
        after = rows[-1].time


async def by_number(server: Server, viewer: Viewer, numbers: Sequence[int], past: History) -> list[Position]:
    """Those of the viewer's, in the order asked for, as far as the tariff shows them."""
    rows = await sql.rows(server.database, "positions_by_id", Stored, ids=list(numbers), **viewer.scope, **past.sql)
    found: dict[int, Position] = {}
    for row in rows:
        place = place_of(row) or await _place_before(server, row.device_id, row.time, past)
        if place is not None:
            found[row.id] = from_stored(
                row,
                place,
                protocol=_protocol(server, row.device_id),
                total_m=None,
                moves_at_kmh=server.settings.motion.start_kmh,
            )
    return [found[number] for number in dict.fromkeys(numbers) if number in found]


@dataclass(slots=True)
class Walk:
    """Carries along a track what a row alone doesn't say: the last place, and the distance so far."""

    place: Place | None
    total_m: float
    protocol: str
    moves_at_kmh: float

    def step(self, row: Stored) -> Position | None:
        self.total_m += row.distance_m
        own = place_of(row)
        place = own or self.place
        if own is not None and not row.outlier:
            self.place = own
        if place is None:
            return None
        return from_stored(row, place, protocol=self.protocol, total_m=self.total_m, moves_at_kmh=self.moves_at_kmh)


async def _start(server: Server, device_id: int, since: datetime, past: History) -> Walk:
    day = datetime.combine(since.astimezone(UTC).date(), time(), UTC)
    total_m = await sql.value(server.database, "distance_before", device_id=device_id, since=since, day=day)
    place = await _place_before(server, device_id, since, past)
    return Walk(place, total_m, _protocol(server, device_id), server.settings.motion.start_kmh)


async def _place_before(server: Server, device_id: int, since: datetime, past: History) -> Place | None:
    return await sql.row(server.database, "place_before", Place, device_id=device_id, since=since, **past.sql)


def _protocol(server: Server, device_id: int) -> str:
    """The one it speaks now: positions don't hold it, and a tracker seldom changes it."""
    latest = server.latest([device_id])
    return latest[0].protocol if latest else ""
