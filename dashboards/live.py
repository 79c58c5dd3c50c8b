"""The newest of each vehicle as JSON, encoded once for all who look at it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import structlog

from dashboards import shapes, sql
from dashboards.identity import Viewer
from telematics.store.records import Event

if TYPE_CHECKING:
    from telematics.server import Server

log = structlog.get_logger(__name__)
AT_ONCE = 500  # vehicles encoded before other connections get a turn: about 5 ms
EVENT_IDS_KEPT = 10_000  # of the newest events, some 2 MB
Key = tuple[int, datetime, str, str]


class EventId(msgspec.Struct, frozen=True):
    id: int
    device_id: int
    time: datetime
    type: str
    subject: str


@dataclass(slots=True)
class Live:
    server: Server
    _encoder: msgspec.json.Encoder = field(default_factory=msgspec.json.Encoder)
    _positions: dict[int, tuple[int, bytes]] = field(default_factory=dict)  # at most one per device of the registry
    _event_ids: OrderedDict[Key, int] = field(default_factory=OrderedDict)

    def visible(self, viewer: Viewer) -> list[int]:
        """The ids of all devices that the viewer sees."""
        return [device.id for device in self.server.devices if viewer.sees(device)]

    def sees(self, viewer: Viewer, device_id: int) -> bool:
        device = self.server.devices.get(device_id)
        return device is not None and viewer.sees(device)

    async def positions(self, device_ids: Sequence[int]) -> list[bytes]:
        """The newest position of each, as JSON; devices that never had a place are left out."""
        encoded: list[bytes] = []
        for start in range(0, len(device_ids), AT_ONCE):
            some = map(self._position, device_ids[start : start + AT_ONCE])
            encoded += [position for position in some if position is not None]
            await asyncio.sleep(0)
        return encoded

    async def devices(self, viewer: Viewer, device_ids: Sequence[int]) -> list[bytes]:
        """The devices with these ids that the viewer may see, as JSON."""
        found: list[bytes] = []
        for start in range(0, len(device_ids), 10 * AT_ONCE):
            ids = list(device_ids[start : start + 10 * AT_ONCE])
            rows = await sql.rows(
                self.server.database,
                "devices",
                shapes.DeviceRow,
                ids=ids,
                unique_ids=None,
                limit=len(ids),
                offset=0,
                **viewer.scope,
            )
            found += await self.device_rows(rows)
        return found

    async def device_rows(self, rows: Sequence[shapes.DeviceRow]) -> list[bytes]:
        encoded: list[bytes] = []
        for place, row in enumerate(rows, 1):
            encoded.append(self._encoder.encode(shapes.from_device(row, self.server.status(row.id))))
            if place % AT_ONCE == 0:
                await asyncio.sleep(0)
        return encoded

    async def events(self, events: Iterable[Event]) -> list[bytes]:
        """Events as JSON, with the numbers that the database gave them; 0 when it can't be asked just now."""
        events = list(events)
        await self._learn_ids([event for event in events if _key(event) not in self._event_ids])
        return [self._encoder.encode(shapes.from_event(event, self._event_ids.get(_key(event), 0))) for event in events]

    def _position(self, device_id: int) -> bytes | None:
        position_id = self.server.status(device_id).position_id
        known = self._positions.get(device_id)
        if known is not None and known[0] == position_id:
            return known[1]
        latest = self.server.latest([device_id])
        if not latest:
            return None
        encoded = self._encoder.encode(shapes.from_latest(latest[0]))
        self._positions[device_id] = (latest[0].position_id, encoded)
        if len(self._positions) > 2 * len(self.server.devices) + AT_ONCE:  # devices come and go
            self._positions = {key: kept for key, kept in self._positions.items() if self.server.devices.get(key)}
        return encoded

    async def _learn_ids(self, events: Sequence[Event]) -> None:
        if not events:
            return
        try:
            found = await sql.rows(
                self.server.database,
                "event_ids",
                EventId,
                device_ids=[event.device_id for event in events],
                times=[event.time for event in events],
                types=[event.type for event in events],
                subjects=[event.subject for event in events],
            )
        except sql.UNREACHABLE as error:
            log.warning("events are shown without their numbers", reason=str(error))
            return
        for row in found:
            self._event_ids[row.device_id, row.time, row.type, row.subject] = row.id
        while len(self._event_ids) > EVENT_IDS_KEPT:
            self._event_ids.popitem(last=False)


def _key(event: Event) -> Key:
    return event.device_id, event.time, event.type, event.subject


def joined(items: Iterable[bytes]) -> bytes:
    """A JSON array of values that are JSON already."""
    return b"[" + b",".join(items) + b"]"
