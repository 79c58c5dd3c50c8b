"""`telematics serve`: the server with its pages, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import contextmanager, nullcontext
from typing import Any

import typer
import uvicorn
import uvloop
from pydantic import ValidationError

import dashboards
from telematics.config import Settings
from telematics.ingest.errors import IngestError
from telematics.logs import set_up_logs
from telematics.server import Server
from telematics.store.errors import StoreError


class CannotStart(Exception):
    """Said to the person at the terminal, in one sentence."""


class Web(uvicorn.Server):
    """uvicorn without its own handling of signals: the server stops as a whole, in its own order."""

    def capture_signals(self) -> Any:
        return nullcontext()


def serve() -> None:
    """Run the server: settings from telematics.toml and TELEMATICS_… variables."""
    run(read_settings())


def read_settings(**overrides: Any) -> Settings:
    """The settings; what is wrong with them is told in a line each, and ends the command."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        for problem in error.errors():
            typer.echo(f"setting {'.'.join(map(str, problem['loc']))}: {problem['msg']}", err=True)
        raise typer.Exit(1) from None
    except (OSError, ValueError) as error:  # telematics.toml can't be read, or is no TOML
        typer.echo(f"telematics.toml: {error}", err=True)
        raise typer.Exit(1) from None


def run(settings: Settings, beside: Callable[[Server], Awaitable[None]] | None = None) -> None:
    """Run the server until it is told to stop, with something beside it (the demo's fleet). One sentence when it can't start."""
    set_up_logs(settings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            failed = runner.run(_serve(settings, beside))
    except (StoreError, IngestError, CannotStart) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if failed:
        raise typer.Exit(1)


async def _serve(settings: Settings, beside: Callable[[Server], Awaitable[None]] | None) -> bool:
    """True when it stopped because a part had died."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with _listening(settings.http_host, settings.http_port) as door:
        async with Server(settings) as server:
            app = dashboards.create_app(server)
            config = uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                proxy_headers=True,
                forwarded_allow_ips=settings.trusted_proxies,
                ws="websockets-sansio",
                timeout_graceful_shutdown=3,
            )
            web = Web(config)
            tasks = [asyncio.create_task(web.serve(sockets=[door]), name="web")]
            if beside is not None:
                tasks.append(asyncio.create_task(_call(beside, server), name="beside"))
            endings = [asyncio.create_task(stop.wait()), asyncio.create_task(server.failed.wait())]
            await asyncio.wait([*tasks, *endings], return_when=asyncio.FIRST_COMPLETED)
            web.should_exit = True
            for task in [*tasks[1:], *endings]:
                task.cancel()
            results = await asyncio.gather(*tasks, *endings, return_exceptions=True)
            for result in results:
                if isinstance(result, Exception):
                    raise result
            return server.failed.is_set()


async def _call(beside: Callable[[Server], Awaitable[None]], server: Server) -> None:
    await beside(server)
    await asyncio.Event().wait()  # its end is not the server's


@contextmanager
def _listening(host: str, port: int) -> Any:
    """A socket that listens for browsers; taken before anything else is started, as a taken port is the likeliest mistake."""
    try:
        if host:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            door = socket.create_server((host, port), family=family, backlog=1024)
        elif socket.has_dualstack_ipv6():
            door = socket.create_server(("", port), family=socket.AF_INET6, backlog=1024, dualstack_ipv6=True)
        else:
            door = socket.create_server(("", port), backlog=1024)
    except OSError as error:
        raise CannotStart(
            f"can't listen for browsers on {host or '*'}:{port} ({error.strerror}): "
            "stop what uses the port, or set TELEMATICS_HTTP_PORT"
        ) from None
    with door:
        yield door
