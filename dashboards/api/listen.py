"""Listening to one tracker: each read and write with its bytes, and what was read in them, as it happens.

`/api/listen?deviceId=7`, or for administrators `?uniqueId=…` of a tracker that is nobody's yet. A message is
{"at": ISO 8601, "incoming": true, "protocol": …, "address": …, "bytes": how many there were, "hex": the first of them,
"text": … or null, "shared": whether the connection speaks for several trackers (then hex is empty, and each frame has its own),
"frames": [{"kind", "positions": […], "errors": […], "answer": hex}], "leftOut": frames that are not shown, "errors": […]};
{"missed": 12} that so many reads and writes went by unseen, as they came faster than they are shown; {} that the line is alive.
What is answered after the commit comes as a message of its own.

Trackers go first: what is shown is cut and thinned out in `telematics.ingest.taps`, and explaining it takes a tenth of the time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from billing.errors import Refused
from dashboards import security
from dashboards.api.devices import device_of
from dashboards.api.parameters import LARGEST_ID
from dashboards.api.socket import KEEP_ALIVE_S, POLICY_VIOLATION, refuse, run_until_gone
from dashboards.identity import Viewer
from dashboards.problems import Problem
from dashboards.shapes import instant
from dashboards.state import State, of
from protocols import ANSWER
from telematics.ingest.taps import Overheard, Tap, Taps

router = APIRouter(tags=["Live"])
SHOWN_POSITIONS = 50  # of one read
NOT_SOONER_S = 1.0  # what comes meanwhile is told together, up to `taps.KEPT` of it
LOOK_AGAIN_S = 5.0  # whether the tracker is still the listener's
NOT_YOURS, FULL = 4404, 4429  # close codes


@router.websocket("/api/listen")
async def listen(
    socket: WebSocket,
    device_id: Annotated[int | None, Query(alias="deviceId", ge=1, le=LARGEST_ID)] = None,
    unique_id: Annotated[str | None, Query(alias="uniqueId", min_length=1, max_length=128)] = None,
) -> None:
    shared = of(socket)
    try:
        signed = await shared.auth.signed_in(socket, None)
        if signed is None or not security.same_origin(socket.headers, shared.server.settings.public_url):
            await socket.close(POLICY_VIOLATION)  # before it is accepted: the browser gets a 403
            return
        called = await _whom(shared, signed.viewer, device_id, unique_id)
        taps = shared.server.intake.taps
        with shared.auth.watch(signed) as ended:
            await socket.accept()
            if not taps.room_for(called, signed.viewer.user_id):
                await socket.close(FULL, "Too many listen at the moment")
                return
            with taps.listen(called, signed.viewer.user_id) as tap:
                allowed = _allowed(shared, signed.viewer, device_id, called)
                await run_until_gone(socket, shared, signed, ended, tell(socket, taps, tap, allowed))
    except (Problem, Refused) as error:
        await refuse(socket, error)


async def _whom(shared: State, viewer: Viewer, device_id: int | None, unique_id: str | None) -> str:
    """The unique id. Raises Problem 403 or 404."""
    if device_id is not None:
        return (await device_of(shared, viewer, device_id)).unique_id
    if unique_id is None:
        raise Problem(400, "Which tracker?", "Give its number as deviceId, or for administrators its uniqueId.")
    if not viewer.administrator:
        raise Problem(403, "Only for administrators", "Add the tracker first, and listen to it then.")
    return unique_id


def _allowed(shared: State, viewer: Viewer, device_id: int | None, called: str) -> Callable[[], bool]:
    """Whether it is still the listener's: it may be sold, blocked or given another id while somebody listens."""

    def allowed() -> bool:
        if device_id is None:
            return viewer.administrator
        device = shared.server.devices.get(device_id)
        return device is not None and device.unique_id == called and not device.blocked and viewer.sees(device)

    return allowed


async def tell(socket: WebSocket, taps: Taps, tap: Tap, allowed: Callable[[], bool]) -> None:
    silent_s = 0.0
    while True:
        overheard: list[Overheard] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_S):
                overheard = await tap.wait()
        if not allowed():
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(NOT_YOURS, "The tracker is not yours any more")
            return
        silent_s = 0.0 if overheard else silent_s + LOOK_AGAIN_S
        for told in overheard:
            if not told.told:
                async with taps.explaining():
                    told.told = told.told or msgspec.json.encode(shape(told)).decode()
            await socket.send_text(told.told)
        if tap.missed:
            missed, tap.missed = tap.missed, 0
            await socket.send_text(f'{{"missed":{missed}}}')
        if overheard:
            await asyncio.sleep(NOT_SOONER_S)
        elif silent_s >= KEEP_ALIVE_S:
            silent_s = 0.0
            await socket.send_text("{}")


def shape(told: Overheard) -> dict[str, Any]:
    """As it goes to the browser."""
    data = told.data
    printable = data.isascii() and all(byte >= 32 or byte in b"\r\n\t" for byte in data) and b"\x7f" not in data
    return {
        "at": instant(datetime.fromtimestamp(told.at, UTC)),
        "incoming": told.incoming,
        "protocol": told.codec.name,
        "address": told.address,
        "bytes": told.size,
        "hex": data.hex(),
        "text": data.decode() if printable and data else None,
        "shared": told.shared,
        "frames": _frames(told),
        "leftOut": told.left_out,
        "errors": [reject.reason for reject in told.rejects],
    }


def _frames(told: Overheard) -> list[dict[str, Any]]:
    """All reports are read in one go, as the pipeline does."""
    shown: list[dict[str, Any]] = [
        {"kind": frame.kind, "positions": [], "errors": [], "answer": frame.ack.hex()} for frame in told.frames
    ]
    if told.shared:
        for one, frame in zip(shown, told.frames, strict=True):
            one["hex"] = frame.payload.hex()
    places = [place for place, frame in enumerate(told.frames) if frame.kind != ANSWER]
    if places:
        decoded = told.codec.decode([told.frames[place] for place in places])
        of_row = decoded.columns.frame[:SHOWN_POSITIONS].tolist()
        for index, row in zip(of_row, islice(decoded.columns.rows(), SHOWN_POSITIONS), strict=True):
            shown[places[index]]["positions"].append(row)
        for bad in decoded.unreadable:
            shown[places[bad.frame]]["errors"].append(bad.reason)
    return shown
