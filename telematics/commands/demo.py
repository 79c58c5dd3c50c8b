"""`telematics demo`: the real server on an embedded database, with a fleet that drives in and between Almaty and Astana.

The fleet talks to the server as trackers do, over its ports and in its protocols. At the first start it sends the last hours, so
that there is history to look at; at a later one what the vehicles drove meanwhile, at most as much. Trackers obey commands and
answer them, where their simulator can. Beside it there is a customer who doesn't pay: three vehicles, two of them blocked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import platformdirs
import typer
from psycopg.types.json import Jsonb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dashboards import passwords, people
from telematics.commands import demo_billing, demo_orders, demo_rules, demo_zones
from telematics.commands.serve import read_settings, run
from telematics.commands.simulate import drive
from telematics.server import Server
from telematics.simulator.client import Address, Client, Totals
from telematics.simulator.fleet import PROTOCOLS, Fleet, Vehicle
from telematics.simulator.wires import WIRES
from telematics.store.database import Database

EMAIL = "demo@example.com"
ACCOUNT = "Demo Logistics"
TIME_ZONE = "Asia/Almaty"
SEED = 1
FORMER = PROTOCOLS[:4]  # all that the fleet spoke in earlier versions: a demo that was begun with one goes on
PAST_INTERVAL_S, LIVE_INTERVAL_S = 15.0, 4.0
BACKFILL_BATCH, BACKFILL_WINDOW = 50, 500
LONGEST_BACKFILL_S = 120.0  # then the rest comes while it drives
SPEED_LIMITS_KMH = {"truck": 90, "bus": 95, "van": 90, "car": 100, "motorcycle": 90}


def demo(
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where its database lives.", show_default="a folder of yours", envvar="TELEMATICS_DEMO_DIR"),
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the pages.", show_default="8082")] = None,
    vehicles: Annotated[int, typer.Option(min=1, max=5000, help="How many drive.")] = 60,
    history: Annotated[float, typer.Option(min=0, max=72, help="Hours of history that the first start sends.")] = 12,
    password: Annotated[str, typer.Option(help="For the login.", show_default="made up, and kept")] = "",
) -> None:
    """Start the server with a simulated fleet and show where to look."""
    folder = (data_dir or Path(platformdirs.user_data_dir("telematics")) / "demo").expanduser().absolute()
    if password and not passwords.SHORTEST <= len(password) <= passwords.LONGEST:
        raise typer.BadParameter(f"a password has {passwords.SHORTEST} to {passwords.LONGEST} characters")
    login = _kept_password(folder, password)
    overrides = {
        "database_url": None,
        "data_dir": folder,
        "log_level": os.environ.get("TELEMATICS_LOG_LEVEL", "error"),
        "limits": {"connections": max(1000, vehicles + 100)},
        **({} if port is None else {"http_port": port}),
    }
    settings = read_settings(**overrides)
    out = Console()
    out.print(f"Starting; data is kept in {folder}", highlight=False, soft_wrap=True)

    async def beside(server: Server) -> None:
        await _demonstrate(server, vehicles, timedelta(hours=history), login, out)

    run(settings, beside)


def _kept_password(folder: Path, wanted: str) -> str:
    """The password of the first start, kept beside the data for the next one."""
    file = folder / "demo-password"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not wanted and file.exists():
            return file.read_text(encoding="utf-8").strip()
        wanted = wanted or passwords.generate()
        file.touch(mode=0o600)
        file.write_text(wanted + "\n", encoding="utf-8")
        return wanted
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        typer.echo(f"can't write to {folder}: {reason}. Choose another folder with --data-dir", err=True)
        raise typer.Exit(1) from None


async def _demonstrate(server: Server, count: int, history: timedelta, login: str, out: Console) -> None:
    heard = tuple(name for name in PROTOCOLS if name in server.listeners.ports)
    if not heard:
        raise typer.BadParameter(f"the demo's trackers speak {', '.join(PROTOCOLS)}: let protocols name one of them")
    fleet = _deal(SEED, count, heard)
    others = _deal(SEED + 1, demo_billing.CUSTOMERS_VEHICLES, heard)
    account_id = await _introduce(server, fleet, others, login)
    fleet = _known(server, fleet, _deal(SEED, count, FORMER))
    vehicles = [*fleet, *_known(server, others, _deal(SEED + 1, len(others), FORMER))]
    totals = Totals()
    clients = [_client(server, vehicle, totals) for vehicle in vehicles]
    trackers = [asyncio.create_task(client.run()) for client in clients]
    trackers.append(asyncio.create_task(demo_billing.keep(server.database, account_id)))
    try:
        await _catch_up(server, vehicles, clients, history, out)
        async with server.database.pool.connection() as connection:
            await demo_rules.tidy(connection, ACCOUNT)
        for vehicle in vehicles:
            vehicle.interval_s = LIVE_INTERVAL_S
        _welcome(server, len(fleet), login, out)
        await drive(vehicles, clients, gaps=True)
    finally:
        for tracker in trackers:
            tracker.cancel()
        await asyncio.gather(*trackers, return_exceptions=True)


def _deal(seed: int, count: int, names: Sequence[str]) -> Sequence[Vehicle]:
    return Fleet(seed, count, names, PAST_INTERVAL_S).vehicles


def _known(server: Server, vehicles: Sequence[Vehicle], former: Sequence[Vehicle]) -> list[Vehicle]:
    """Those that the server knows: as they are dealt out now, or as they were when this demo's data began."""
    dealt = ((vehicle, before) for vehicle, before in zip(vehicles, former, strict=True))
    known = (next((one for one in both if server.devices.named(one.unique_id) is not None), None) for both in dealt)
    return [vehicle for vehicle in known if vehicle is not None and vehicle.protocol in server.listeners.ports]


def _client(server: Server, vehicle: Vehicle, totals: Totals) -> Client:
    listener = server.settings.listeners.get(vehicle.protocol)
    host = (listener.host if listener else "") or "127.0.0.1"
    address = Address("127.0.0.1" if host == "0.0.0.0" else host, server.listeners.ports[vehicle.protocol])  # noqa: S104
    wire, obey = WIRES[vehicle.protocol], vehicle.obey
    return Client(vehicle.unique_id, wire, address, totals, batch=BACKFILL_BATCH, window=BACKFILL_WINDOW, obey=obey)


async def _introduce(server: Server, fleet: Sequence[Vehicle], others: Sequence[Vehicle], login: str) -> int:
    """Accounts and users; devices, groups, zones and rules only with the account: what somebody has removed since stays removed.
    The number of the demo's own account."""
    database = server.database
    account_id, new = await _account(database, ACCOUNT, EMAIL, login, administrator=True)
    if new:
        await _connect(server, account_id, fleet)
        async with database.pool.connection() as connection:
            await demo_zones.furnish(connection, account_id)
            await demo_rules.furnish(connection, account_id)
            await demo_orders.furnish(connection, account_id, fleet)
    customer_id, new = await _account(database, demo_billing.CUSTOMER, demo_billing.CUSTOMER_EMAIL, login)
    if new:
        await _connect(server, customer_id, others)
    await demo_billing.furnish(database, account_id, customer_id)
    return account_id


async def _account(database: Database, name: str, email: str, login: str, *, administrator: bool = False) -> tuple[int, bool]:
    """With a user who signs in by that password. Its number, and whether it is new."""
    async with database.pool.connection() as connection:
        known = await (await connection.execute("SELECT id FROM accounts WHERE name = %s", (name,))).fetchone()
        user = await (await connection.execute("SELECT password_hash FROM users WHERE email = %s", (email,))).fetchone()
    account_id = known[0] if known else (await people.create_account(database, name, time_zone=TIME_ZONE)).id
    if user is None:
        await people.create_user(
            database, email=email, password=login, account_id=account_id, name=name.split()[0], administrator=administrator
        )
    elif not await passwords.matches(login, user[0]):
        await people.set_password(database, email, login)
    return account_id, known is None


async def _connect(server: Server, account_id: int, vehicles: Sequence[Vehicle]) -> None:
    added: list[int] = []
    async with server.database.pool.connection() as connection:
        for vehicle in vehicles:
            limit = {"speedLimit": SPEED_LIMITS_KMH[vehicle.category]}
            row = await connection.execute(
                "INSERT INTO devices (account_id, unique_id, name, category, attributes) VALUES (%s, %s, %s, %s, %s)"
                " ON CONFLICT (unique_id) DO NOTHING RETURNING id",
                (account_id, vehicle.unique_id, vehicle.name, vehicle.category, Jsonb(limit)),
            )
            added += [device_id for (device_id,) in await row.fetchall()]
    for device_id in added:
        await server.refresh_device(device_id)


async def _catch_up(
    server: Server, vehicles: Sequence[Vehicle], clients: Sequence[Client], history: timedelta, out: Console
) -> None:
    """Send what the vehicles drove since they were last heard, at most so much, and wait until it is stored."""
    now = datetime.now(UTC)
    for vehicle, client in zip(vehicles, clients, strict=True):
        since = _heard(server, vehicle, earliest=now - history)
        client.offer(*vehicle.history(since, now))
        await asyncio.sleep(0)  # the server runs in this loop too
    total = sum(client.unacknowledged for client in clients)
    bars = (TextColumn("Sending the last hours"), BarColumn(), MofNCompleteColumn(), TextColumn("positions"))
    with Progress(*bars, console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task("", total=total)
        stored = asyncio.gather(*(client.drained() for client in clients))
        deadline = asyncio.get_running_loop().time() + LONGEST_BACKFILL_S
        while not stored.done() and asyncio.get_running_loop().time() < deadline:
            await asyncio.wait([stored], timeout=0.2)
            progress.update(task, completed=total - sum(client.unacknowledged for client in clients))
        stored.cancel()


def _heard(server: Server, vehicle: Vehicle, earliest: datetime) -> datetime:
    """When its history goes on, and there its odometer as well."""
    device = server.devices.named(vehicle.unique_id)
    latest = server.latest([device.id])[0] if device is not None and server.latest([device.id]) else None
    if latest is None:
        return earliest
    if latest.odometer_m is not None:
        vehicle.set_odometer(latest.time.timestamp(), latest.odometer_m)
    return max(earliest, latest.time + timedelta(seconds=1))


def _welcome(server: Server, count: int, login: str, out: Console) -> None:
    settings = server.settings
    address = settings.public_url or f"http://{settings.http_host or 'localhost'}:{settings.http_port}"
    out.print(f"\n[bold]{count} vehicles are driving.[/] Look at them: [bold]{address}[/]", highlight=False, soft_wrap=True)
    out.print(f"Log in as [bold]{EMAIL}[/] with the password [bold]{login}[/]", highlight=False, soft_wrap=True)
    other = f"or, as a customer whose money has run out, as [bold]{demo_billing.CUSTOMER_EMAIL}[/] with the same"
    out.print(f"  {other}", highlight=False, soft_wrap=True)
    ports = ", ".join(f"{name} {number}" for name, number in sorted(server.listeners.ports.items()))
    out.print(f"Trackers may connect as well: {ports}. Ctrl-C stops it.\n", highlight=False, soft_wrap=True)
