"""`telematics simulate`: a fleet that drives and reports to any server, over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from protocols import UnknownProtocol
from telematics.commands.trackers import Newcomer, address, adopt, run
from telematics.simulator.client import Client, Totals
from telematics.simulator.fleet import PROTOCOLS, Fleet, Vehicle
from telematics.simulator.wires import UDP_WIRES, WIRES, port_of

TICKS = 10  # a second is cut so finely: the fleet's reports are spread over it


def simulate(
    protocol: Annotated[str, typer.Option(help="One or several, with commas between; dealt out in turn.")] = ",".join(PROTOCOLS),
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many trackers.")] = 10,
    interval: Annotated[float, typer.Option(min=1, help="Seconds between a tracker's reports.")] = 10,
    rate: Annotated[float, typer.Option(min=0, help="Reports a second of all trackers together, instead of --interval.")] = 0,
    host: Annotated[str, typer.Option(help="The server.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0: the protocol's usual one.")] = 0,
    udp: Annotated[bool, typer.Option("--udp", help="Datagrams (teltonika, suntech).")] = False,
    tls: Annotated[bool, typer.Option("--tls", help="Encrypted connections.")] = False,
    duration: Annotated[float, typer.Option(min=0, help="Seconds; 0: until Ctrl-C.")] = 0,
    seed: Annotated[int, typer.Option(help="Another seed, another fleet.")] = 1,
    first_id: Annotated[int, typer.Option(min=0, help="Number the trackers from here on, instead of IMEIs.")] = 0,
    gaps: Annotated[
        bool, typer.Option("--gaps", help="Now and then without coverage: what is measured then comes later.")
    ] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Only print the trackers: id, protocol and name.")] = False,
    adopt_: Annotated[bool, typer.Option("--adopt", help="First add the trackers to the server through its API.")] = False,
    api: Annotated[str, typer.Option(help="The server's pages, for --adopt.")] = "http://127.0.0.1:8082",
    token: Annotated[str, typer.Option(help="For --adopt.", envvar="TELEMATICS_TOKEN")] = "",
    email: Annotated[str, typer.Option(help="For --adopt, with --password.")] = "",
    password: Annotated[str, typer.Option(help="For --adopt.", envvar="TELEMATICS_PASSWORD")] = "",
) -> None:
    """Drive a fleet against a server: telematics simulate --protocol gt06,teltonika --count 100 --interval 5"""
    names = named_protocols(protocol, udp=udp, port=port)
    if rate:
        interval = count / rate
        if interval < 1:
            raise typer.BadParameter(
                f"a tracker reports at most once a second: for {rate:g} a second take --count {rate:.0f} or more"
            )
    fleet = Fleet(seed=seed, count=count, protocols=names, interval_s=interval, parked_s=interval, first_id=first_id or None)
    vehicles, wires = fleet.vehicles, UDP_WIRES if udp else WIRES
    for vehicle in (*vehicles[: len(names)], *vehicles[-len(names) :]):
        try:
            wires[vehicle.protocol](vehicle.unique_id)
        except ValueError as error:
            raise typer.BadParameter(f"{error}: choose another --first-id") from None
    if ids:
        for vehicle in vehicles:
            typer.echo(f"{vehicle.unique_id}\t{vehicle.protocol}\t{vehicle.name}")
        return
    if adopt_:
        added = adopt(api, [Newcomer(v.unique_id, v.name, v.category) for v in vehicles], token, email, password)
        typer.echo(f"{added} of {count} trackers were new to the server", err=True)
    totals = Totals()
    targets = {name: address(host, port or port_of(name), udp=udp, tls=tls) for name in names}
    clients = [Client(v.unique_id, wires[v.protocol], targets[v.protocol], totals, batch=10, obey=v.obey) for v in vehicles]
    run(clients, lambda: drive(vehicles, clients, gaps=gaps), totals, duration)


def named_protocols(text: str, *, udp: bool, port: int) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    wires = UDP_WIRES if udp else WIRES
    for name in names:
        if name not in wires:
            known = ", ".join(wires)
            raise typer.BadParameter(
                f"no {'UDP ' if udp else ''}tracker of protocol {name!r} can be simulated; there are {known}"
            )
        try:
            port_of(name)
        except UnknownProtocol as error:
            raise typer.BadParameter(str(error)) from None
    if not names:
        raise typer.BadParameter("name a protocol")
    if port and len(names) > 1:
        raise typer.BadParameter("--port is one protocol's; each of several has its own")
    return names


async def drive(vehicles: Sequence[Vehicle], clients: Sequence[Client], *, gaps: bool) -> None:
    """Give each client what its vehicle measures, in real time and without end; a tenth of the fleet at a time."""
    loop = asyncio.get_running_loop()
    pairs = list(zip(vehicles, clients, strict=True))
    tick = 0
    start, began = loop.time(), datetime.now(UTC)
    while True:
        now = began + timedelta(seconds=tick / TICKS)  # the time it should be: a late tick makes up for it
        for vehicle, client in pairs[tick % TICKS :: TICKS]:
            covered = not gaps or vehicle.covered(now)
            fix = vehicle.advance(now)
            if fix is not None:
                client.remember([fix])
            if covered:
                client.pump()
        tick += 1
        await asyncio.sleep(max(0.0, start + tick / TICKS - loop.time()))
