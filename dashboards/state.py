"""What the routes share: made once by `create_app`, found again through the connection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from weakref import WeakValueDictionary

from fastapi import Depends
from starlette.requests import HTTPConnection

from dashboards.callbacks import Callbacks

if TYPE_CHECKING:
    from billing.service import Billing
    from dashboards.geocoder import Geocoder
    from dashboards.identity import Auth
    from dashboards.live import Live
    from telematics.server import Server


@dataclass(frozen=True, slots=True)
class State:
    server: Server
    auth: Auth
    live: Live
    geocoder: Geocoder
    billing: Billing
    callbacks: Callbacks = field(default_factory=Callbacks)
    running: WeakValueDictionary[tuple[int, str], asyncio.Lock] = field(default_factory=WeakValueDictionary)  # idempotency.py


def of(connection: HTTPConnection) -> State:
    found = connection.app.state.dashboards
    assert isinstance(found, State)
    return found


Shared = Annotated[State, Depends(of)]
