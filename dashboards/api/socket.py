"""The live socket: first everything the viewer may see, then what changes, at most once a second.

A viewer costs a set of numbers on the bus, not a queue: while a slow one takes its time, newer positions replace older ones.
Messages are Traccar's: {"devices": […], "positions": […], "events": […]}, any of them; {} says that the line is alive. Ours are
{"removed": [id, …]}: devices that are gone, or another's now, and {"alerts": […]}: new ones and those that somebody acknowledged
or commented, each with `toast`, whether a rule names this viewer, and {"commands": […]}: those that were queued, and those that
something became of. `/api/socket?only=alerts` brings nothing but these two: for pages without a map.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from billing.errors import Refused
from dashboards import security, sql
from dashboards.identity import Signed
from dashboards.live import batched, joined
from dashboards.notices import language_of
from dashboards.problems import Problem
from dashboards.state import State, of
from telematics.live import Feed, News

log = structlog.get_logger(__name__)
router = APIRouter(tags=["Live"])
NOT_SOONER_S = 1.0
KEEP_ALIVE_S = 25.0  # below the 30 s after which some proxies hang up
STILL_THERE_S = 10.0  # how often it's asked whether the session has ended elsewhere
AT_ONCE = 250  # vehicles in a message, some 200 kB: on a slow line pings must get through in between
REMOVED_AT_ONCE = 10_000  # ids, some 70 kB
SIGNED_OUT = 4401  # close code: the browser should go to the login page
POLICY_VIOLATION = 1008


@router.websocket("/api/socket")
async def live(socket: WebSocket, token: str | None = None, only: str | None = None) -> None:
    shared = of(socket)
    try:
        signed = await shared.auth.signed_in(socket, token)
        if signed is None or not security.same_origin(socket.headers, shared.server.settings.public_url):
            await socket.close(POLICY_VIOLATION)  # before it is accepted: the browser gets a 403
            return
        with shared.auth.watch(signed) as ended:
            await _serve(socket, shared, signed, ended, only_alerts=only == "alerts")
    except (Problem, Refused) as error:
        await refuse(socket, error)


async def refuse(socket: WebSocket, error: Problem | Refused) -> None:
    log.info("live socket refused", reason=str(error))
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(POLICY_VIOLATION, error.title if isinstance(error, Problem) else "Not in your tariff")


async def _serve(socket: WebSocket, shared: State, signed: Signed, ended: asyncio.Event, *, only_alerts: bool) -> None:
    """Until the viewer goes away or what vouches for the viewer ends."""
    await socket.accept()
    view = View(socket, shared, signed, language_of(socket, signed.viewer), only_alerts)
    await run_until_gone(socket, shared, signed, ended, view.tell())


async def run_until_gone(
    socket: WebSocket, shared: State, signed: Signed, ended: asyncio.Event, telling: Coroutine[Any, Any, None]
) -> None:
    """`telling` talks to an accepted socket until the viewer goes away, or what vouches for the viewer ends."""
    tasks = [
        asyncio.create_task(telling, name="live socket"),
        asyncio.create_task(_until_gone(socket)),
        asyncio.create_task(_until_signed_out(shared, signed, ended)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        told, gone, signed_out = tasks
        if signed_out.done() and not gone.done():
            told.cancel()
            await asyncio.wait([told])
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(SIGNED_OUT, "Signed out")
        elif told.done() and not gone.done():
            _log_failure(told)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(1011)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _log_failure(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, (WebSocketDisconnect, RuntimeError, ConnectionError)):
        log.warning("live socket ends", error=repr(error))


async def _until_gone(socket: WebSocket) -> None:
    """What viewers say is thrown away; Traccar's own page asks for logs, which we don't show."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass


async def _until_signed_out(shared: State, signed: Signed, ended: asyncio.Event) -> None:
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STILL_THERE_S):
                await ended.wait()
        if not ended.is_set():
            try:
                if not await shared.auth.still(signed):
                    return
            except sql.UNREACHABLE:
                continue  # a database that is down signs nobody out


@dataclass(slots=True)
class View:
    """One open socket, and what it has been shown."""

    socket: WebSocket
    shared: State
    signed: Signed
    language: str
    only_alerts: bool = False
    shown: set[int] = field(default_factory=set)

    async def tell(self) -> None:
        viewer = self.signed.viewer
        # Asked for each report: an administrator's costs nothing
        sees = _nothing if self.only_alerts else bool if viewer.administrator else self._sees
        with self.shared.server.bus.subscribe(sees, None if viewer.administrator else viewer.account_id) as feed:
            if not self.only_alerts:
                await self._first()
            while True:
                news = await self._news(feed)
                if not news:
                    await self._send({})
                    continue
                await self._changes(news)
                await feed.pause(NOT_SOONER_S)

    def _sees(self, device_id: int) -> bool:
        """Also what was shown and isn't the viewer's any more: that is news, too."""
        return device_id in self.shown or self.shared.live.sees(self.signed.viewer, device_id)

    async def _news(self, feed: Feed) -> News:
        try:
            async with asyncio.timeout(KEEP_ALIVE_S):
                return await feed.wait()
        except TimeoutError:
            return News()

    async def _first(self) -> None:
        live = self.shared.live
        visible = await live.visible(self.signed.viewer)
        for part in list(batched(visible, AT_ONCE)) or [[]]:
            self.shown.update(part)
            devices = await live.devices(self.signed.viewer, part)
            await self._send({"devices": devices, "positions": await live.positions(part)}, also_empty=True)
        await self._tell_removed(live.hidden(self.signed.viewer))  # the page may have loaded its list a moment before

    async def _changes(self, news: News) -> None:
        live, viewer = self.shared.live, self.signed.viewer
        now = {device_id: live.sees(viewer, device_id) for device_id in news.devices | news.positions}
        removed = [device_id for device_id, sees in now.items() if not sees and device_id in self.shown]
        self.shown.difference_update(removed)
        changed = [device_id for device_id in news.devices if now[device_id]]
        new = [device_id for device_id in changed if device_id not in self.shown]
        self.shown.update(changed)
        moved = [device_id for device_id in news.positions.union(new) if live.sees(viewer, device_id)]
        events = [event for event in news.events if live.sees(viewer, event.device_id)]
        await self._tell_removed(removed)
        for start in range(0, max(len(changed), len(moved)), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            devices = await live.devices(viewer, changed[some])
            await self._send({"devices": devices, "positions": await live.positions(moved[some])})
        if events:
            await self._send({"events": await live.events(events)})
        if news.alerts:
            await self._send({"alerts": await live.alerts(viewer, news.alerts, self.language)})
        if news.commands:
            await self._send({"commands": await live.commands(viewer, news.commands)})

    async def _tell_removed(self, device_ids: Sequence[int]) -> None:
        for some in batched(device_ids, REMOVED_AT_ONCE):
            await self._send_text(b'{"removed":' + msgspec.json.encode(some) + b"}")

    async def _send(self, lists: Mapping[str, Sequence[bytes]], *, also_empty: bool = False) -> None:
        parts = [b'"%b":%b' % (name.encode(), joined(items)) for name, items in lists.items() if items or also_empty]
        if parts or not lists:
            await self._send_text(b"{" + b",".join(parts) + b"}")

    async def _send_text(self, message: bytes) -> None:
        await self.socket.send_text(message.decode())


def _nothing(_: int) -> bool:
    return False
