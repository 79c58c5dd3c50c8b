"""Positions: the newest of each device, history, and history as files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from billing.allowances import History
from dashboards import auth, export, history
from dashboards.allowed import Past
from dashboards.api import answers
from dashboards.api.devices import device_of
from dashboards.api.parameters import Between, Id, Instant, PositionIds, Range, checked_range
from dashboards.live import joined
from dashboards.problems import Problem
from dashboards.shapes import DeviceRow, Position
from dashboards.state import Shared, State

router = APIRouter(prefix="/api/positions", tags=["Positions"])
_encoder = msgspec.json.Encoder()
Parts = AsyncIterator[list[Position]]
DeviceIdQuery = Annotated[Id, Query(alias="deviceId")]


@router.get("", responses=answers.shaped(list[Position]))
async def list_positions(
    request: Request,
    viewer: auth.User,
    shared: Shared,
    past: Past,
    device_id: Annotated[Id | None, Query(alias="deviceId")] = None,
    since: Annotated[Instant | None, Query(alias="from")] = None,
    until: Annotated[Instant | None, Query(alias="to")] = None,
    ids: Annotated[PositionIds, Query(alias="id")] = (),
    limit: Annotated[int | None, Query(ge=1, le=10_000, description="of history; Link: rel=next leads on")] = None,
) -> Response:
    """By `id` those; by `deviceId`, `from` and `to` history; by `deviceId` its newest; otherwise the newest of all devices."""
    if ids:
        return await answers.listed(await history.by_number(shared.server, viewer, ids, past), lambda position: position)
    if since is not None or until is not None:
        if device_id is None or since is None or until is None:
            raise Problem(400, "Not enough to go by", "History takes deviceId, from and to together.")
        between = checked_range(since, until)
        await device_of(shared, viewer, device_id)
        if limit is not None:
            return await _some(request, shared, device_id, between, past, limit)
        await history.check_size(shared.server, [device_id], between, past)
        return await stream(history.read(shared.server, device_id, between, past))
    if device_id is not None:
        await device_of(shared, viewer, device_id)
        return answers.raw(joined(await shared.live.positions([device_id])))
    return answers.raw(joined(await shared.live.positions(await shared.live.visible(viewer))))


@router.get("/csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def as_csv(viewer: auth.User, shared: Shared, between: Between, device_id: DeviceIdQuery, past: Past) -> Response:
    device, parts = await _history(shared, viewer, device_id, between, past)
    return await _file(export.csv(parts), device, "text/csv; charset=utf-8", "csv")


@router.get("/gpx", response_class=Response, responses={200: {"content": {"application/gpx+xml": {}}}})
async def as_gpx(viewer: auth.User, shared: Shared, between: Between, device_id: DeviceIdQuery, past: Past) -> Response:
    device, parts = await _history(shared, viewer, device_id, between, past)
    return await _file(export.gpx(parts, device.name), device, "application/gpx+xml", "gpx")


@router.get("/kml", response_class=Response, responses={200: {"content": {"application/vnd.google-earth.kml+xml": {}}}})
async def as_kml(viewer: auth.User, shared: Shared, between: Between, device_id: DeviceIdQuery, past: Past) -> Response:
    device, parts = await _history(shared, viewer, device_id, between, past)
    return await _file(export.kml(parts, device.name), device, "application/vnd.google-earth.kml+xml", "kml")


async def stream(parts: Parts) -> Response:
    """A JSON array, sent part by part."""
    return await _begun(_as_json(parts), lambda chunks: StreamingResponse(chunks, media_type="application/json"))


async def _as_json(parts: Parts) -> AsyncIterator[bytes]:
    comma = b"["
    async for part in parts:
        if part:
            yield comma + _encoder.encode(part)[1:-1]
            comma = b","
    yield b"[]" if comma == b"[" else b"]"


async def _some(request: Request, shared: State, device_id: int, between: Range, past: History, limit: int) -> Response:
    """The first `limit` rows, and where the next are."""
    parts = history.read(shared.server, device_id, between, past, limit + 1)
    positions = [position async for part in parts for position in part]
    headers = {}
    if len(positions) > limit:
        url = request.url.include_query_params(**{"from": positions[limit].device_time})
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return await answers.listed(positions[:limit], lambda position: position, headers)


async def _history(shared: State, viewer: auth.Viewer, device_id: int, between: Range, past: History) -> tuple[DeviceRow, Parts]:
    device = await device_of(shared, viewer, device_id)
    await history.check_size(shared.server, [device_id], between, past)
    return device, history.read(shared.server, device_id, between, past)


async def _file(chunks: AsyncIterator[bytes], device: DeviceRow, media_type: str, ending: str) -> Response:
    safe = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in device.name).strip("-") or "positions"
    headers = {"Content-Disposition": f'attachment; filename="{safe}.{ending}"'}
    return await _begun(chunks, lambda begun: StreamingResponse(begun, media_type=media_type, headers=headers))


async def _begun(chunks: AsyncIterator[bytes], respond: Callable[[AsyncIterator[bytes]], Response]) -> Response:
    """The first chunk is made before the answer begins, so that what fails at the start still gets its status."""
    first = await anext(chunks)

    async def all_chunks() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return respond(all_chunks())
