"""`telematics replay`: real tracks from a file, sent by simulated trackers as if they were driven now."""

from __future__ import annotations

import asyncio
import heapq
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from telematics.commands.simulate import named_protocols
from telematics.commands.trackers import Newcomer, address, adopt, run
from telematics.simulator.client import Client, Totals
from telematics.simulator.fix import Fix
from telematics.simulator.fleet import with_check_digit
from telematics.simulator.tracks import TrackError, read_tracks, shifted
from telematics.simulator.wires import UDP_WIRES, WIRES, port_of

AHEAD = 2_000  # fixes that a tracker may have unsent at the fastest pace, so that memory stays small


def replay(
    file: Annotated[
        Path, typer.Argument(help="CSV with a header (vehicle,time,latitude,longitude,…) or GPX.", show_default=False)
    ],
    protocol: Annotated[str, typer.Option(help="How the trackers talk.")] = "gt06",
    speed: Annotated[str, typer.Option(help="1: as it was driven; 10: ten times faster; max: at once.")] = "1",
    unique_id: Annotated[str, typer.Option("--id", help="The tracker's id, for a file with one vehicle.")] = "",
    id_prefix: Annotated[str, typer.Option(help="Put before each vehicle's name to make its tracker's id.")] = "",
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move the times: at pace 1 the first fix is now, at a faster one the last.")
    ] = False,
    host: Annotated[str, typer.Option(help="The server.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0: the protocol's usual one.")] = 0,
    udp: Annotated[bool, typer.Option("--udp", help="Datagrams (teltonika).")] = False,
    tls: Annotated[bool, typer.Option("--tls", help="Encrypted connections.")] = False,
    adopt_: Annotated[bool, typer.Option("--adopt", help="First add the trackers to the server through its API.")] = False,
    api: Annotated[str, typer.Option(help="The server's pages, for --adopt.")] = "http://127.0.0.1:8082",
    token: Annotated[str, typer.Option(help="For --adopt.", envvar="TELEMATICS_TOKEN")] = "",
    email: Annotated[str, typer.Option(help="For --adopt, with --password.")] = "",
    password: Annotated[str, typer.Option(help="For --adopt.", envvar="TELEMATICS_PASSWORD")] = "",
) -> None:
    """Send a real track: telematics replay bus.csv --protocol gt06 --speed 10"""
    names = named_protocols(protocol, udp=udp, port=port)
    if len(names) > 1:
        raise typer.BadParameter("replay talks one protocol at a time")
    name = names[0]
    pace = _pace(speed)
    try:
        tracks = read_tracks(file)
    except TrackError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if unique_id and len(tracks) > 1:
        raise typer.BadParameter(f"--id names one tracker, but there are {len(tracks)} vehicles: use --id-prefix")
    if shift_to_now:
        times = [fix.time for fixes in tracks.values() for fix in fixes]
        tracks = shifted(tracks, datetime.now(UTC) - (min(times) if pace is not None and pace <= 1 else max(times)))
    known_as = {vehicle: unique_id or tracker_id(id_prefix + vehicle, name) for vehicle in tracks}
    for vehicle, fixes in tracks.items():
        typer.echo(f"{vehicle}: {len(fixes)} fixes as tracker {known_as[vehicle]}", err=True)
    if adopt_:
        added = adopt(api, [Newcomer(known_as[v], v, "bus") for v in tracks], token, email, password)
        typer.echo(f"{added} of {len(tracks)} trackers were new to the server", err=True)
    totals = Totals()
    target = address(host, port or port_of(name), udp=udp, tls=tls)
    wire = (UDP_WIRES if udp else WIRES)[name]
    # As fast as possible: reports of many fixes, many of them under way. At a pace: as a tracker that is connected sends.
    batch, window = (50, 500) if pace is None else (10, 100)
    clients = {
        v: Client(known_as[v], wire, target, totals, batch=12 if udp else batch, window=12 if udp else window) for v in tracks
    }
    run(list(clients.values()), lambda: _feed(tracks, clients, pace), totals)


def _pace(text: str) -> float | None:
    """None: as fast as possible."""
    if text == "max":
        return None
    try:
        pace = float(text)
    except ValueError:
        pace = 0
    if not 0 < pace <= 1e6:
        raise typer.BadParameter(f"--speed is a number such as 10, or max; not {text!r}")
    return pace


def tracker_id(vehicle: str, protocol: str) -> str:
    """What a vehicle's tracker calls itself. GT06 has room for 15 digits and nothing else: a number gets zeros before it, and
    any other name the IMEI that its checksum gives."""
    if protocol != "gt06" or (vehicle.isdecimal() and vehicle.isascii() and len(vehicle) == 15):
        return vehicle
    if vehicle.isdecimal() and vehicle.isascii() and len(vehicle) < 15:
        return vehicle.zfill(15)
    return with_check_digit(f"8688{zlib.crc32(vehicle.encode()):010d}")


async def _feed(tracks: Mapping[str, list[Fix]], clients: Mapping[str, Client], pace: float | None) -> None:
    if pace is None:
        await asyncio.gather(*(_pour(fixes, clients[vehicle]) for vehicle, fixes in tracks.items()))
        return
    loop = asyncio.get_running_loop()
    first = min(fixes[0].time for fixes in tracks.values() if fixes)
    start = loop.time()
    in_order = heapq.merge(
        *([(fix.time, vehicle, fix) for fix in fixes] for vehicle, fixes in tracks.items()), key=lambda due: due[0]
    )
    for moment, vehicle, fix in in_order:
        wait = start + (moment - first).total_seconds() / pace - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        clients[vehicle].offer(fix)


async def _pour(fixes: list[Fix], client: Client) -> None:
    for at in range(0, len(fixes), AHEAD):
        client.offer(*fixes[at : at + AHEAD])
        await client.drained()
