"""`telematics serve`: the server with its pages, until Ctrl-C, SIGTERM or the end of its terminal."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import prometheus_client
import structlog
import typer
import uvicorn
import uvloop
from pydantic import ValidationError
from pydantic_settings import SettingsError

import dashboards
from billing.service import Billing
from dashboards import people
from dashboards.door import configuration
from telematics.commands.jobs import billing_on, run_jobs
from telematics.config import Settings
from telematics.ingest.errors import IngestError
from telematics.logs import set_up_logs
from telematics.server import Server
from telematics.store.errors import StoreError

log = structlog.get_logger()
FIRST_EMAIL = "admin@localhost"
BACKLOG = 1024
OTHER_VARIABLES = ("config", "role", "demo_dir", "password", "token", "test_database_url", "chromium")  # of commands and tests
WEB_STOP_S = 3  # for requests under way when the server is told to stop

Work = Callable[[Server], Awaitable[None]]


class CannotStart(Exception):
    """Said to the person at the terminal, in one sentence."""


class Web(uvicorn.Server):
    """uvicorn without its own handling of signals: the server stops as a whole, in its own order."""

    def capture_signals(self) -> Any:
        return nullcontext()


class Role(StrEnum):
    """What a process does."""

    ALL = "all"
    JOBS = "jobs"


def serve(
    role: Annotated[
        Role,
        typer.Option(help="all; jobs: charges and warnings alone, without listeners and pages.", envvar="TELEMATICS_ROLE"),
    ] = Role.ALL,
) -> None:
    """Run the server: settings from telematics.toml and TELEMATICS_… variables."""
    if role is Role.JOBS:
        return run_jobs(read_settings())
    run(read_settings(), first=tell_first_login)


def read_settings(**overrides: Any) -> Settings:
    """The settings; what is wrong with them is told in a line each, and ends the command."""
    named = os.environ.get("TELEMATICS_CONFIG")
    for name in misspelt(os.environ):
        typer.echo(f"{name} is no setting of this server: it is ignored", err=True)
    try:
        if named and not Path(named).is_file():
            raise ValueError("there is no such file, and TELEMATICS_CONFIG names it")
        return Settings(**overrides)
    except ValidationError as error:
        for problem in error.errors():
            reason = (
                "there is no such setting"
                if problem["type"] == "extra_forbidden"
                else problem["msg"].removeprefix("Value error, ")
            )
            typer.echo(f"setting {'.'.join(map(str, problem['loc']))}: {reason}", err=True)
    except SettingsError as error:  # a variable that should hold JSON
        typer.echo(str(error), err=True)
    except (OSError, ValueError) as error:  # the file can't be read, or is no TOML
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        typer.echo(f"{named or 'telematics.toml'}: {reason}", err=True)
    raise typer.Exit(1)


def misspelt(environment: Iterable[str]) -> list[str]:
    """Variables that look like settings and are none. No error: where a service is called telematics, Kubernetes sets some."""
    known = {*Settings.model_fields, *OTHER_VARIABLES}
    mine = (name for name in environment if name.startswith("TELEMATICS_"))
    return sorted(name for name in mine if name.removeprefix("TELEMATICS_").lower().partition("__")[0] not in known)


def run(settings: Settings, beside: Work | None = None, *, first: Work | None = None) -> None:
    """Run the server until it is told to stop, with something beside it (the demo's fleet). One sentence when it can't start.

    `first` is done before browsers are let in.
    """
    set_up_logs(settings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            failed = runner.run(_serve(settings, beside, first))
    except (StoreError, IngestError, CannotStart) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except asyncio.CancelledError:  # told to stop during the start
        return
    if failed:
        raise typer.Exit(1)


async def tell_first_login(server: Server) -> None:
    """Whoever starts a server that has no administrator learns how to get in; nobody after that."""
    password = await people.ensure_first_administrator(server.database, FIRST_EMAIL)
    if password is not None:
        typer.echo(f"Log in at {address(server.settings)} as {FIRST_EMAIL} with the password {password} (it is shown this once)")


def address(settings: Settings) -> str:
    """Where a browser finds the pages; on this machine, unless the settings know better."""
    host = settings.http_host if settings.http_host not in ("", "0.0.0.0", "::") else "localhost"  # noqa: S104 # compared, not bound to
    return settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}"


class Stop:
    """Ctrl-C, SIGTERM, a closed terminal. They break off a start; later they set `told`; said twice, nothing is waited for."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self._main = asyncio.current_task()
        self._server: Server | None = None
        closed = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)  # nohup ignores it
        for number in (signal.SIGINT, signal.SIGTERM, *closed):
            asyncio.get_running_loop().add_signal_handler(number, self._tell)

    def started(self, server: Server) -> None:
        self._server = server

    def _tell(self) -> None:
        if self._server is None:
            if self._main is not None and not self.told.is_set():
                self._main.cancel()
        elif self.told.is_set():
            self._server.hurry()
        self.told.set()


async def _serve(settings: Settings, beside: Work | None, first: Work | None) -> bool:
    """True when it stopped because a part had died."""
    stop = Stop()
    with _listening(settings.http_host, settings.http_port) as door:
        async with Server(settings) as server, AsyncExitStack() as stack:
            if first is not None:
                await first(server)
            stop.started(server)
            billing = _billing(server, stack)
            web = _web(server, billing)
            working = [
                asyncio.create_task(web.serve(sockets=[door]), name="web"),
                asyncio.create_task(billing.run(), name="billing"),
            ]
            if beside is not None:
                working.append(asyncio.create_task(_call(beside, server), name="beside"))
            endings = [asyncio.create_task(stop.told.wait()), asyncio.create_task(server.failed.wait())]
            log.info("ready", pages=address(settings), devices=len(server.devices), database=server.database.edition)
            await asyncio.wait([*working, *endings], return_when=asyncio.FIRST_COMPLETED)
            log.info("stopping")
            web.should_exit = True
            for task in [*working[1:], *endings]:
                task.cancel()
            for result in await asyncio.gather(*working, *endings, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result
            return server.failed.is_set()


async def _call(beside: Work, server: Server) -> None:
    await beside(server)
    await asyncio.Event().wait()  # its end is not the server's


def _billing(server: Server, stack: AsyncExitStack) -> Billing:
    """What `telematics` may not import, put together: the server tells billing what changed, and asks it for nothing else."""
    billing = billing_on(server.database, server.settings)
    billing.watch(server.changes)
    server.alerts.meter = billing.meter
    prometheus_client.REGISTRY.register(billing.metrics)
    stack.callback(prometheus_client.REGISTRY.unregister, billing.metrics)
    stack.push_async_callback(billing.providers.aclose)
    return billing


def _web(server: Server, billing: Billing) -> Web:
    return Web(configuration(dashboards.create_app(server, billing), server.settings, stop_s=WEB_STOP_S))


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens for browsers; taken before anything else is started, as a taken port is the likeliest mistake."""
    try:
        door = _door(host, port)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]
        do = "stop what uses the port, or set TELEMATICS_HTTP_PORT to another"
        if error.errno == errno.EACCES:
            do = "set TELEMATICS_HTTP_PORT to one above 1023, or let a reverse proxy listen there"
        elif error.errno != errno.EADDRINUSE:
            do = "set TELEMATICS_HTTP_HOST to an address of this machine, or leave it empty"
        raise CannotStart(f"can't listen for browsers on {host or '*'}:{port} ({reason}): {do}") from None
    with door:
        yield door


def _door(host: str, port: int) -> socket.socket:
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    try:
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise
        return socket.create_server(("", port), backlog=BACKLOG)  # a machine without IPv6
