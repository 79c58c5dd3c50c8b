"""The newest of each vehicle as JSON, encoded once for all who look at it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec
import structlog

from dashboards import shapes, sql
from dashboards.identity import Viewer
from dashboards.notices import ANY_ALERT, AlertRow, from_alert, with_toast
from dashboards.orders import commands_of, from_command
from telematics.live import AlertNews, CommandNews
from telematics.store.records import Event

if TYPE_CHECKING:
    from telematics.server import Server

log = structlog.get_logger(__name__)
AT_ONCE = 250  # vehicles encoded before other connections get a turn: about 4 ms
LOOKED_AT_ONCE = 10_000  # vehicles asked whose they are, likewise: about 3 ms
EVENT_IDS_KEPT = 10_000  # of the newest events, some 2 MB
Item = TypeVar("Item")
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

    async def visible(self, viewer: Viewer) -> list[int]:
        """The ids of all devices that the viewer sees. Blocked ones nobody does."""
        found: list[int] = []
        for some in batched(list(self.server.devices), LOOKED_AT_ONCE):
            found += [device.id for device in some if viewer.sees(device) and not device.blocked]
            await asyncio.sleep(0)
        return found

    def hidden(self, viewer: Viewer) -> list[int]:
        """The ids of those that are the viewer's, and blocked."""
        return [device.id for device in self.server.devices if device.blocked and viewer.sees(device)]

    def sees(self, viewer: Viewer, device_id: int) -> bool:
        device = self.server.devices.get(device_id)
        return device is not None and viewer.sees(device) and not device.blocked

    async def positions(self, device_ids: Sequence[int]) -> list[bytes]:
        """The newest position of each, as JSON; devices that never had a place are left out."""
        encoded: list[bytes] = []
        for some in batched(device_ids, AT_ONCE):
            encoded += self._encoded(some)
            await asyncio.sleep(0)
        return encoded

    async def devices(self, viewer: Viewer, device_ids: Sequence[int]) -> list[bytes]:
        """The devices with these ids that the viewer may see, as JSON."""
        found: list[bytes] = []
        for ids in batched(device_ids, 20 * AT_ONCE):
            rows = await sql.rows(
                self.server.database,
                "devices",
                shapes.DeviceRow,
                ids=ids,
                unique_ids=None,
                with_blocked=False,
                limit=len(ids),
                offset=0,
                **viewer.scope,
            )
            found += await self.device_rows(rows)
        return found

    async def device_rows(self, rows: Sequence[shapes.DeviceRow]) -> list[bytes]:
        encoded: list[bytes] = []
        for some in batched(rows, AT_ONCE):
            statuses = self.server.statuses(row.id for row in some)
            encoded += [self._encoder.encode(shapes.from_device(row, statuses[row.id])) for row in some]
            await asyncio.sleep(0)
        return encoded

    async def events(self, events: Iterable[Event]) -> list[bytes]:
        """Events as JSON, with the numbers that the database gave them; 0 when it can't be asked just now."""
        events = list(events)
        await self._learn_ids([event for event in events if _key(event) not in self._event_ids])
        return [self._encoder.encode(shapes.from_event(event, self._event_ids.get(_key(event), 0))) for event in events]

    async def commands(self, viewer: Viewer, news: Iterable[CommandNews]) -> list[bytes]:
        """As they stand now, each once, the newest first."""
        ids = sorted({one.id for one in news})
        try:
            rows = await commands_of(self.server.database, viewer, ids)
        except sql.UNREACHABLE as error:
            log.warning("commands are not shown live", reason=str(error))
            return []
        return [self._encoder.encode(from_command(row)) for row in rows]

    async def alerts(self, viewer: Viewer, news: Iterable[AlertNews], language: str) -> list[bytes]:
        """Alerts as JSON, oldest first; none when the database can't be asked just now: the feed has them."""
        toasts: dict[int, bool] = {}
        for one in news:  # somebody may have acknowledged it within the same second
            toasts[one.id] = toasts.get(one.id, False) or _is_for(viewer, one)
        try:
            which = {**ANY_ALERT, "ids": list(toasts), "limit": len(toasts), **viewer.scope}
            rows = await sql.rows(self.server.database, "alerts", AlertRow, **which)
        except sql.UNREACHABLE as error:
            log.warning("alerts are not shown live", reason=str(error))
            return []
        return [self._encoder.encode(with_toast(from_alert(row, language), toasts[row.id])) for row in reversed(rows)]

    def _encoded(self, device_ids: Sequence[int]) -> list[bytes]:
        """Those that have come since they were encoded last are encoded again."""
        newest = {device_id: status.position_id for device_id, status in self.server.statuses(device_ids).items()}
        known = self._positions
        stale = [device_id for device_id in device_ids if known.get(device_id, (0, b""))[0] != newest[device_id]]
        for latest in self.server.latest(stale):
            known[latest.device_id] = (latest.position_id, self._encoder.encode(shapes.from_latest(latest)))
        if len(known) > 2 * len(self.server.devices) + AT_ONCE:  # devices come and go
            self._positions = {key: kept for key, kept in known.items() if self.server.devices.get(key)}
        return [known[device_id][1] for device_id in device_ids if newest[device_id] is not None and device_id in known]

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


def _is_for(viewer: Viewer, news: AlertNews) -> bool:
    """Everybody of the account is not the provider's administrators, who see all accounts' alerts."""
    return viewer.account_id == news.account_id if news.toast is None else viewer.user_id in news.toast


def batched(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """In pieces of that size."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def joined(items: Iterable[bytes]) -> bytes:
    """A JSON array of values that are JSON already."""
    return b"[" + b",".join(items) + b"]"
