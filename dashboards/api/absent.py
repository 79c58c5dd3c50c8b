"""Things of Traccar's that this server has none of. Home Assistant, Traccar's pages and its apps
ask for them at their start all the same, and stop at 404."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from dashboards import auth
from dashboards.api import answers

router = APIRouter(tags=["Absent"])


@router.get("/api/attributes/computed", responses=answers.shaped(list[dict[str, Any]]))
@router.get("/api/drivers", responses=answers.shaped(list[dict[str, Any]]))
@router.get("/api/maintenance", responses=answers.shaped(list[dict[str, Any]]))
@router.get("/api/orders", responses=answers.shaped(list[dict[str, Any]]))
async def none(_: auth.User) -> Response:
    """An empty list."""
    return answers.json([])
