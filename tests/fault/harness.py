"""A real server in its own process, a fleet that reports to it whatever happens, and what must be in the database afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from telematics.simulator.client import Address, Client, Totals
from telematics.simulator.fix import Fix
from telematics.simulator.wires import WIRES
from tests.pipeline.reference import Device, Report

PROTOCOLS = ("gt06", "teltonika", "wialon", "osmand")
START_S = 60
FORGETFUL = 8  # drives, of each protocol two


class ServerProcess:
    """`telematics serve` on free ports, started and killed at will."""

    def __init__(self, data_dir: Path, ports: dict[str, int], database_url: str | None = None, **more: str) -> None:
        """`more`: settings, without their prefix."""
        self.data_dir, self.ports = data_dir, ports
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TELEMATICS_")},
            "TELEMATICS_DATA_DIR": str(data_dir),
            "TELEMATICS_HTTP_HOST": "127.0.0.1",
            "TELEMATICS_HTTP_PORT": str(ports["http"]),
            "TELEMATICS_LOG_LEVEL": "error",
            "TELEMATICS_MOTION__SPEED_LIMIT_KMH": "60",
            "TELEMATICS_SNAPSHOT_S": "1",
            "TELEMATICS_PROTOCOLS": ",".join(PROTOCOLS),
            **{f"TELEMATICS_LISTENERS__{name.upper()}__PORT": str(ports[name]) for name in PROTOCOLS},
            **({"TELEMATICS_DATABASE_URL": database_url} if database_url else {}),
            **{f"TELEMATICS_{name}": value for name, value in more.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "telematics", "serve"], env=self._environment)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self._process.poll() is None, "the server ended by itself"
            if self.health() == "ok":
                return
            time.sleep(0.1)
        raise AssertionError("the server did not get ready")

    def health(self) -> str:
        """ok, degraded, down, or "" when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['http']}/api/health", timeout=2) as answer:
                return str(json.load(answer)["status"])
        except urllib.error.HTTPError as error:
            return "down" if error.code == 503 else ""
        except OSError:
            return ""

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """As an administrator would; the state is saved."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(60) == 0

    def kill_database(self) -> None:
        """The embedded PostgreSQL's first process."""
        os.kill(int((self.data_dir / "database" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)


@dataclass
class Drive:
    """One device and everything it will ever report."""

    protocol: str
    unique_id: str
    fixes: list[Fix]  # as they are sent
    forgetful: bool = False  # sends some of them late
    client: Client | None = None
    offered: int = 0

    @property
    def reported(self) -> list[Fix]:
        return self.fixes[: self.offered]

    def expected_events(self) -> Counter[tuple[datetime, str, str]]:
        device = Device()
        for fix in self.reported:
            device.report(
                Report(
                    fix.time.timestamp(),
                    fix.latitude,
                    fix.longitude,
                    speed_kmh=fix.speed_kmh,
                    ignition=fix.ignition,
                    alarm=fix.alarm,
                )
            )
        # Teltonika's alarm element does not say which alarm it is
        return Counter(
            (datetime.fromtimestamp(at, UTC), name, "general" if subject and self.protocol == "teltonika" else subject)
            for at, name, subject in device.events
        )


@dataclass
class Fleet:
    """Drives that report a little at a time, over all protocols, and never give up."""

    drives: list[Drive]
    ports: dict[str, int]
    totals: Totals = field(default_factory=Totals)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def report(self, every_s: float) -> None:
        """Until `enough`, and then until everything is acknowledged. The clients run on whatever happens to the server."""
        running = []
        for drive in self.drives:
            wire, address = WIRES[drive.protocol], Address("127.0.0.1", self.ports[drive.protocol])
            drive.client = Client(drive.unique_id, wire, address, self.totals, batch=5, window=20)
            running.append(asyncio.create_task(drive.client.run()))
        try:
            async with asyncio.TaskGroup() as group:
                for drive in self.drives:
                    group.create_task(self._feed(drive, every_s))
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _feed(self, drive: Drive, every_s: float) -> None:
        assert drive.client is not None
        for fix in drive.fixes:
            if self.enough.is_set():
                break
            drive.client.offer(fix)
            drive.offered += 1
            await asyncio.sleep(random.uniform(0, 2 * every_s))
        await drive.client.drained()


def make_drives(count: int, fixes: int, seed: int) -> list[Drive]:
    """Vehicles that start and stop, speed, switch the ignition and call for help, every 10 s since some hours ago."""
    dice = random.Random(seed)
    drives = []
    for number in range(count):
        start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=10 * fixes + 60)
        latitude, speed, heading, ignition, track = 43.2 + number * 0.01, 0, 1, True, list[Fix]()
        for place in range(fixes):
            if place and dice.random() < 0.2:  # the reference asks nothing of the first fix
                speed = dice.choice([0, 0, 3, 6, 20, 50, 62, 75])
            if dice.random() < 0.05:
                ignition = not ignition
            if dice.random() < 0.02:
                heading = -heading
            latitude += heading * speed / 3.6 * 10 / 111_000
            track.append(
                Fix(
                    time=start + timedelta(seconds=10 * place),
                    latitude=round(latitude, 6),
                    longitude=76.9 + dice.choice([0, 0, 0, 0.0003]),
                    speed_kmh=speed,
                    ignition=ignition,
                    alarm="sos" if dice.random() < 0.01 else None,
                )
            )
        protocol = PROTOCOLS[number % len(PROTOCOLS)]
        forgetful = number < FORGETFUL
        drives.append(Drive(protocol, f"86{number:013d}", out_of_order(track, dice) if forgetful else track, forgetful))
    return drives


def out_of_order(track: list[Fix], dice: random.Random) -> list[Fix]:
    """Now and then a stretch is sent only after the one that follows it."""
    sent, place = list[Fix](), 0
    while place < len(track):
        middle = place + dice.randint(1, 40)
        end = middle + dice.randint(1, 40)
        first, second = track[place:middle], track[middle:end]
        sent += [*second, *first] if dice.random() < 0.5 else [*first, *second]
        place = end
    return sent


async def add_devices(connection: psycopg.AsyncConnection[Any], drives: list[Drive]) -> None:
    account = await (await connection.execute("INSERT INTO accounts (name) VALUES ('faults') RETURNING id")).fetchone()
    assert account is not None
    for drive in drives:
        await connection.execute(
            "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, %s)",
            (account[0], drive.unique_id, drive.unique_id),
        )


async def check(connection: psycopg.AsyncConnection[Any], drives: list[Drive]) -> None:
    """Every acknowledged position is there once, no event is missing or twice, and all sums agree."""
    for drive in drives:
        device_id = await _one(connection, "SELECT id FROM devices WHERE unique_id = %s", drive.unique_id)
        cursor = await connection.execute(
            "SELECT time FROM positions WHERE device_id = %s AND latitude IS NOT NULL ORDER BY time", (device_id,)
        )
        times = [row[0] async for row in cursor]
        assert times == sorted(fix.time for fix in drive.reported), drive.unique_id
        cursor = await connection.execute(
            "SELECT time, type, subject FROM events WHERE device_id = %s AND type NOT IN ('deviceOnline', 'deviceOffline')"
            r" AND subject !~ '^\d+$'",  # of zones: visits.py
            (device_id,),
        )
        told = Counter([tuple(row) async for row in cursor])
        assert drive.forgetful or told == drive.expected_events(), drive.unique_id
        distance = await _one(connection, "SELECT sum(distance_m) FROM positions WHERE device_id = %s", device_id)
        days = await _one(connection, "SELECT sum(distance_m) FROM device_days WHERE device_id = %s", device_id)
        assert abs(distance - days) < 0.01, drive.unique_id
        assert await _one(connection, "SELECT sum(fixes) FROM device_days WHERE device_id = %s", device_id) == len(times)
        assert (
            await _one(connection, "SELECT count(*) FROM events WHERE device_id = %s AND type = 'deviceOnline'", device_id) == 1
        )


async def _one(connection: psycopg.AsyncConnection[Any], statement: str, *parameters: object) -> Any:
    row = await (await connection.execute(statement.encode(), parameters)).fetchone()
    assert row is not None
    return row[0]


def free_ports() -> Iterator[tuple[str, int]]:
    doors = {name: socket.create_server(("127.0.0.1", 0)) for name in (*PROTOCOLS, "http")}
    for name, door in doors.items():
        yield name, door.getsockname()[1]
    for door in doors.values():
        door.close()
