"""Listening to one tracker: each read and write with its bytes, and what was read in them, as it happens.

`/api/listen?deviceId=7`, or for administrators `?uniqueId=…` of a tracker that is nobody's yet. A message is
{"at": ISO 8601, "incoming": true, "protocol": …, "address": …, "hex": …, "text": … or null, "bytes": how many there were,
"frames": [{"kind", "positions": […], "errors": […], "answer": hex}], "errors": […]}; {} says that the line is alive. What is
answered after the commit comes as a message of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, WebSocket

from billing.errors import Refused
from dashboards import security
from dashboards.api.devices import device_of
from dashboards.api.parameters import LARGEST_ID
from dashboards.api.socket import KEEP_ALIVE_S, POLICY_VIOLATION, refuse, run_until_gone
from dashboards.identity import Viewer
from dashboards.problems import Problem
from dashboards.shapes import instant
from dashboards.state import State, of
from protocols import ANSWER, Frame
from telematics.ingest.taps import Overheard, Tap

router = APIRouter(tags=["Live"])
SHOWN_BYTES = 4_096  # of one read or write
SHOWN_FRAMES = 50  # of one read
MOST_LISTENERS = 100  # at once, of all viewers: each costs the hot path a look at what it hears
AT_ONCE = 20  # reads in a second; of a gateway that says more, the newest


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
        if len(shared.server.intake.taps) >= MOST_LISTENERS:
            raise Problem(429, "Too many listen at the moment", "Try again a little later.")
        with shared.auth.watch(signed) as ended, shared.server.intake.taps.listen(called) as tap:
            await socket.accept()
            await run_until_gone(socket, shared, signed, ended, tell(socket, tap))
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


async def tell(socket: WebSocket, tap: Tap) -> None:
    while True:
        overheard: list[Overheard] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEEP_ALIVE_S):
                overheard = await tap.wait()
        for told in overheard[-AT_ONCE:]:
            await socket.send_text(msgspec.json.encode(shape(told)).decode())
        if not overheard:
            await socket.send_text("{}")
        elif len(overheard) >= AT_ONCE:
            await asyncio.sleep(1)


def shape(told: Overheard) -> dict[str, Any]:
    """As it goes to the browser."""
    data = told.data[:SHOWN_BYTES]
    printable = data.isascii() and all(byte >= 32 or byte in b"\r\n\t" for byte in data) and b"\x7f" not in data
    return {
        "at": instant(datetime.fromtimestamp(told.at, UTC)),
        "incoming": told.incoming,
        "protocol": told.codec.name,
        "address": told.address,
        "bytes": len(told.data),
        "hex": data.hex(),
        "text": data.decode() if printable else None,
        "frames": [_frame(told, frame) for frame in told.frames[:SHOWN_FRAMES]],
        "errors": [reject.reason for reject in told.rejects[:SHOWN_FRAMES]],
    }


def _frame(told: Overheard, frame: Frame) -> dict[str, Any]:
    if frame.kind == ANSWER:
        return {"kind": frame.kind, "positions": [], "errors": [], "answer": frame.ack.hex()}
    decoded = told.codec.decode([frame])
    errors = [bad.reason for bad in decoded.unreadable]
    return {
        "kind": frame.kind,
        "positions": [row for _, row in zip(range(SHOWN_FRAMES), decoded.columns.rows(), strict=False)],
        "errors": errors,
        "answer": frame.ack.hex(),
    }
