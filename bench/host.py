"""A server of its own for a measurement: real process, embedded database, free ports, devices already known."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from telematics.config import Settings
from telematics.store.database import open_database
from telematics.store.embedded import Embedded

PROTOCOLS = ("gt06", "teltonika", "h02", "gl200", "jt808")
START_S = 120


@dataclass(frozen=True, slots=True)
class Host:
    """A running server."""

    process: psutil.Process
    url: str  # of its database
    http_port: int
    ports: dict[str, int]

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/api/health", timeout=5) as answer:
            health: dict[str, Any] = json.load(answer)
        return health

    def memory_bytes(self) -> int:
        """Resident memory of the server's process; the database's processes are not in it."""
        return int(self.process.memory_info().rss)

    def cpu_s(self) -> tuple[float, float]:
        """Processor seconds so far: of the server, of its database."""
        server = self.process.cpu_times()
        database = 0.0
        for process in psutil.process_iter(["name"]):
            if process.info["name"] == "postgres":
                times = process.cpu_times()
                database += times.user + times.system
        return server.user + server.system, database


@contextmanager
def running(devices: dict[str, list[str]]) -> Iterator[Host]:
    """A server that knows these devices (protocol → unique ids), until the block ends."""
    with tempfile.TemporaryDirectory(prefix="telematics-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, PostgreSQL runs as another user
        ports = dict(zip((*PROTOCOLS, "http"), _free_ports(len(PROTOCOLS) + 1), strict=True))
        environment = {
            **os.environ,
            "TELEMATICS_DATA_DIR": str(Path(folder) / "data"),
            "TELEMATICS_HTTP_PORT": str(ports["http"]),
            "TELEMATICS_HTTP_HOST": "127.0.0.1",
            "TELEMATICS_LOG_LEVEL": "warning",
            "TELEMATICS_LIMITS__CONNECTIONS_PER_ADDRESS": "50000",
            "TELEMATICS_PROTOCOLS": ",".join(PROTOCOLS),
            **{f"TELEMATICS_LISTENERS__{name.upper()}__PORT": str(ports[name]) for name in PROTOCOLS},
        }
        environment.pop("TELEMATICS_DATABASE_URL", None)
        asyncio.run(_add_devices(Settings(data_dir=Path(folder) / "data", database_url=None), devices))
        process = subprocess.Popen([sys.executable, "-m", "telematics", "serve"], env=environment)
        try:
            host = Host(psutil.Process(process.pid), Embedded(Path(folder) / "data").conninfo, ports["http"], ports)
            _wait_until_ready(host, process)
            yield host
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


async def _add_devices(settings: Settings, devices: dict[str, list[str]]) -> None:
    async with open_database(settings) as database, database.pool.connection() as connection, connection.cursor() as cursor:
        await cursor.execute("INSERT INTO accounts (name) VALUES ('bench') RETURNING id")
        row = await cursor.fetchone()
        assert row is not None
        for protocol, unique_ids in devices.items():
            async with cursor.copy("COPY devices (account_id, unique_id, name) FROM STDIN") as copy:
                for unique_id in unique_ids:
                    await copy.write_row((row[0], unique_id, f"{protocol} {unique_id}"))


def _wait_until_ready(host: Host, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        try:
            if host.health()["status"] == "ok":
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the server did not get ready")


def _free_ports(count: int) -> list[int]:
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [door.getsockname()[1] for door in doors]
    for door in doors:
        door.close()
    return ports


def connect(host: Host) -> psycopg.Connection[Any]:
    return psycopg.connect(host.url, autocommit=True)
