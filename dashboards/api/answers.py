"""How routes answer: msgspec's JSON, and what OpenAPI shall say of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from dashboards.live import batched, joined

Row = TypeVar("Row")
AT_ONCE = 500  # shapes encoded before others get a turn: about 3 ms
_described: dict[str, Any] = {}
_encoder = msgspec.json.Encoder()
PROBLEM = {"description": "What is wrong, and what to do (RFC 9457)", "content": {"application/problem+json": {}}}


def shaped(kind: Any, text: str = "OK") -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: what it gives when all is well, and that it may give problems."""
    _described[repr(kind)] = kind
    (schema,), _ = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    return {200: {"description": text, "content": {"application/json": {"schema": schema}}}, "4XX": PROBLEM}


def json(value: Any, headers: dict[str, str] | None = None) -> Response:
    return raw(_encoder.encode(value), headers)


async def listed(rows: Sequence[Row], shape: Callable[[Row], object], headers: dict[str, str] | None = None) -> Response:
    """A JSON array of shapes, made in pieces: others have turns in between."""
    encoded: list[bytes] = []
    for some in batched(rows, AT_ONCE):
        encoded += [_encoder.encode(shape(row)) for row in some]
        await asyncio.sleep(0)
    return raw(joined(encoded), headers)


def raw(body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, headers=headers, media_type="application/json")


def describe(app: FastAPI) -> None:
    """OpenAPI with the shapes of `shaped` in it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _, components = msgspec.json.schema_components(_described.values(), ref_template="#/components/schemas/{name}")
            known = schema.setdefault("components", {})
            known.setdefault("schemas", {}).update(components)
            known["securitySchemes"] = {
                "cookie": {"type": "apiKey", "in": "cookie", "name": "JSESSIONID"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            }
            schema["security"] = [{"cookie": []}, {"bearer": []}, {"basic": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
