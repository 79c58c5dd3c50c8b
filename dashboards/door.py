"""How browsers and programs reach the application: uvicorn, with bounds on what a slow or greedy client may hold.

uvicorn waits for ever for a request's head, and for a client that has stopped reading. Here the first is cut off after HEAD_S,
the second when it has taken nothing for STALLED_S. Bodies have their time and size in `security.py`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from telematics.config import Settings

HEAD_S = 15.0  # until a request's head is there, from the connection or the answer before
STALLED_S = 30.0  # without taking a byte of what was written
HEAD_BYTES = 32 * 1024  # twice what proxies let through
SOCKET_MESSAGE_BYTES = 64 * 1024  # unpacked; viewers have nothing to say
CONNECTIONS = 5_000  # each costs some 20 kB; trackers have their own


class Stall:
    """Cuts a connection whose other end takes nothing any more."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None

    def begins(self) -> None:
        """More is written than is taken."""
        self.ends()
        self._left = self._transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(STALLED_S, self._look)

    def ends(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._transport.get_write_buffer_size() < self._left:
            self.begins()
        else:
            self._transport.abort()


class Watched(asyncio.Protocol):
    """Whatever is written to it is to be taken."""

    _stall: Stall

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._stall = Stall(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stall.ends()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall.begins()

    def resume_writing(self) -> None:
        self._stall.ends()
        super().resume_writing()


class Http(Watched, H11Protocol):
    """A connection of a browser."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._head_is_there()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._head_is_there()
        self._stall.ends()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        self._await_head()
        super().on_response_complete()

    def _await_head(self) -> None:
        self._head_is_there()
        self._head = self.loop.call_later(HEAD_S, self.transport.abort)

    def _head_is_there(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


class Socket(Watched, WebSocketsSansIOProtocol):
    """A live socket."""


def configuration(app: FastAPI, settings: Settings, *, stop_s: int) -> uvicorn.Config:
    """`stop_s`: for requests under way when the server is told to stop."""
    return uvicorn.Config(
        app,
        http=Http,
        ws=Socket,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        proxy_headers=True,
        forwarded_allow_ips=trusted(settings.trusted_proxies),
        h11_max_incomplete_event_size=HEAD_BYTES,
        ws_max_size=SOCKET_MESSAGE_BYTES,
        timeout_graceful_shutdown=stop_s,
    )


def trusted(proxies: str) -> str:
    """The same proxies, and as they look on a socket that is for IPv6 as well."""
    names = [name.strip() for name in proxies.split(",") if name.strip()]
    mapped = [_mapped(name) for name in names if "." in name]
    return ",".join([*names, *mapped])


def _mapped(address: str) -> str:
    """10.0.0.0/8 is ::ffff:10.0.0.0/104 there."""
    host, slash, bits = address.partition("/")
    return f"::ffff:{host}{slash}{int(bits) + 96 if bits.isdecimal() else bits}"
