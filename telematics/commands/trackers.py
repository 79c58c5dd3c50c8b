"""What `simulate` and `replay` share: options, making trackers known to a server, the run itself and how it is shown."""

from __future__ import annotations

import asyncio
import resource
import signal
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import typer
import uvloop
from rich.console import Console
from rich.live import Live
from rich.table import Table

from telematics.simulator.client import Address, Client, Totals

SHOWN_S = 0.5
TOLD_S = 5.0  # on something that is no terminal
GIVE_UP_S = 5.0  # without any connection, or with every tracker refused
LAST_WORDS_S = 15.0  # for what is still unacknowledged at the end


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A device to be made known to a server."""

    unique_id: str
    name: str
    category: str


def address(host: str, port: int, *, udp: bool, tls: bool) -> Address:
    return Address(host, port, udp=udp, tls=ssl.create_default_context() if tls else None)


def adopt(api: str, newcomers: Sequence[Newcomer], token: str, email: str, password: str) -> int:
    """Add those devices that the server does not have, and say how many; ends the command with a sentence when it can't."""
    if not token and not (email and password):
        raise typer.BadParameter("to add devices, say who you are: --token, or --email and --password")
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with httpx.Client(base_url=api.rstrip("/"), headers=headers, timeout=30) as web:
            if not token:
                _said(web.post("/api/session", data={"email": email, "password": password}))
            there = {device["uniqueId"] for device in _said(web.get("/api/devices", params={"withBlocked": True})).json()}
            missing = [newcomer for newcomer in newcomers if newcomer.unique_id not in there]
            for new in missing:
                _said(web.post("/api/devices", json={"name": new.name, "uniqueId": new.unique_id, "category": new.category}))
            return len(missing)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _sentence(f"can't reach the API at {api}: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise _sentence(f"what answers at {api} is not this server's API") from None


def _said(answer: httpx.Response) -> httpx.Response:
    if answer.status_code == 401:
        raise _sentence(f"{answer.url.host} does not accept this login")
    if not answer.is_success:
        raise _sentence(f"{answer.request.method} {answer.url} was answered {answer.status_code}: {answer.text[:300]}")
    return answer


def _sentence(text: str) -> typer.Exit:
    typer.echo(text, err=True)
    return typer.Exit(1)


def run(clients: Sequence[Client], feed: Callable[[], Awaitable[None]], totals: Totals, duration_s: float = 0) -> None:
    """Run trackers while `feed` gives them fixes; ends with it, with the duration or with Ctrl-C, and sums up.

    Exits with 1 and a sentence when the server can't be reached or wants none of the trackers.
    """
    raise_open_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        trouble = runner.run(_run(clients, feed, totals, duration_s))
    out = Console(stderr=True)
    left = sum(client.unacknowledged for client in clients)
    out.print(_summary(totals, left, len(clients)))
    if trouble:
        raise _sentence(trouble)


def raise_open_files() -> None:
    """A connection is a file, and shells allow 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _run(clients: Sequence[Client], feed: Callable[[], Awaitable[None]], totals: Totals, duration_s: float) -> str:
    """Why it ended early; empty when it didn't."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    trackers = [asyncio.create_task(client.run()) for client in clients]
    feeding = asyncio.ensure_future(feed())
    watching = asyncio.create_task(_watch(clients, totals))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([feeding, watching, stopping], timeout=duration_s or None, return_when=asyncio.FIRST_COMPLETED)
        if feeding.done():
            feeding.result()
        feeding.cancel()
        if not watching.done() and not stop.is_set():
            await _last_words(clients, watching, stopping)
        return watching.result() if watching.done() else ""
    finally:
        for task in (*trackers, feeding, watching, stopping):
            task.cancel()
        await asyncio.gather(*trackers, feeding, watching, stopping, return_exceptions=True)


async def _last_words(clients: Sequence[Client], *endings: asyncio.Future[Any]) -> None:
    """The acknowledgements that are still under way: as long as they keep coming."""
    before = -1
    while (left := sum(client.unacknowledged for client in clients)) != before and left:
        before = left
        rest = asyncio.gather(*(client.drained() for client in clients))
        await asyncio.wait([rest, *endings], timeout=LAST_WORDS_S, return_when=asyncio.FIRST_COMPLETED)
        rest.cancel()
        if any(ending.done() for ending in endings):
            return


async def _watch(clients: Sequence[Client], totals: Totals) -> str:
    """Show how it goes; returns when there is no sense in going on."""
    out = Console(stderr=True)
    start = time.monotonic()
    told = start
    with Live(console=out, refresh_per_second=2, transient=True) if out.is_terminal else _Quiet() as live:
        while True:
            await asyncio.sleep(SHOWN_S)
            if time.monotonic() - start > GIVE_UP_S and (trouble := _hopeless(totals, clients)):
                return trouble
            if isinstance(live, Live):
                live.update(_table(totals, clients, time.monotonic() - start))
            elif time.monotonic() - told > TOLD_S:
                told = time.monotonic()
                print(_summary(totals, sum(c.unacknowledged for c in clients), len(clients)), file=sys.stderr)


class _Quiet:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def _hopeless(totals: Totals, clients: Sequence[Client]) -> str:
    if totals.acknowledged or totals.connections:
        return ""
    if totals.unreachable:
        return f"{totals.unreachable}: is the server running, and is this the protocol's port?"
    if len(totals.refused) == len(clients):
        some = ", ".join(sorted(totals.refused)[:3])
        return (
            f"the server at {clients[0].address} does not know these trackers ({some}…): "
            "add them on its page of unknown trackers, or here with --adopt"
        )
    return ""


def _table(totals: Totals, clients: Sequence[Client], seconds: float) -> Table:
    table = Table(show_header=False, box=None)
    table.add_row("connected", f"{totals.connections} of {len(clients)}")
    table.add_row("acknowledged", f"{totals.acknowledged:,}  ({totals.acknowledged / seconds:,.1f}/s)")
    table.add_row("sent", f"{totals.sent:,}" + (f", of them {totals.resent:,} again" if totals.resent else ""))
    table.add_row("waiting", f"{sum(client.unacknowledged for client in clients):,}")
    table.add_row("acknowledged after", latency(totals))
    if totals.refused:
        table.add_row("[red]refused", f"{len(totals.refused)}: unknown to the server ({', '.join(sorted(totals.refused)[:3])}…)")
    if totals.dropped:
        table.add_row("[red]forgotten", f"{totals.dropped:,}: memory full")
    if totals.unreachable:
        table.add_row("[red]trouble", totals.unreachable)
    return table


def latency(totals: Totals) -> str:
    """Half of the newest acknowledgements came within the first figure, 99 of 100 within the second."""
    ordered = sorted(totals.latencies_s)
    if not ordered:
        return "–"
    half, most = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"{half * 1000:.0f} ms (99 %: {most * 1000:.0f} ms)"


def _summary(totals: Totals, left: int, count: int) -> str:
    parts = [f"{totals.acknowledged:,} acknowledged of {totals.acknowledged + left:,}", f"after {latency(totals)}"]
    if totals.resent:
        parts.append(f"{totals.resent:,} sent again")
    if totals.refused:
        parts.append(f"{len(totals.refused)} of {count} trackers refused")
    if totals.dropped:
        parts.append(f"{totals.dropped:,} forgotten, memory full")
    if totals.unreachable:
        parts.append(totals.unreachable)
    return "; ".join(parts)
