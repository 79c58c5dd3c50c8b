"""`make bench`: acknowledged positions a second through real sockets, against raw binary COPY of the same rows in the same run.

(a) GT06, 2,000 connections, one position a packet
(b) Teltonika 8E, 2,000 connections, 10 records a packet, 12 IO elements each
(c) a mixed fleet: 40 % GT06, 25 % Teltonika 8E, 15 % H02, 10 % Queclink, 10 % JT/T 808, once by positions and once by packets
For each: full load, half load for the acknowledgement's latency, raw COPY of the rows that were stored. Then what it costs to
read each protocol (bench/decoding.py); 10,000 idle connections; then what watching nearness costs (bench/proximity.py), what
zones cost (bench/zones.py), and what money costs (bench/billing.py).
The figures go to the screen and, as JSON, to bench/results/. Nothing here is a test: `--require` compares with what we promise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import billing, decoding, proximity, zones
from bench.host import Host, connect, running
from bench.load import unique_id

RESULTS = Path(__file__).parent / "results"
CONNECTIONS = 2_000
IDLE = 10_000
FIRST_ID = 860_000_000_000_000
PROMISES = {"gt06": 0.15, "teltonika": 0.2, "mix_by_positions": 0.2, "mix_by_packets": 0.2}  # of raw COPY
IDLE_BYTES = 400_000_000
HALF_LOAD_P99_MS = {"gt06": 250.0, "teltonika": 250.0}
MIX = {"gt06": 0.4, "teltonika": 0.25, "h02": 0.15, "gl200": 0.1, "jt808": 0.1}
LOADS = {  # by name: protocols, with their shares of the packets' number, or of the positions'
    "gt06": ({"gt06": 1.0}, "packets"),
    "teltonika": ({"teltonika": 1.0}, "packets"),
    "mix_by_positions": (MIX, "positions"),
    "mix_by_packets": (MIX, "packets"),
}
MEASURES = (*LOADS, "decoding", "idle", "proximity", "zones", "billing")
RECORDS = {"teltonika": 10}  # positions in a packet, where it isn't one
out = Console()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20, help="of full load, and of half load")
    parser.add_argument("--only", choices=MEASURES, action="append", help="some of the measures")
    parser.add_argument("--require", action="store_true", help="exit with 1 when a promise is not kept")
    arguments = parser.parse_args()
    chosen = arguments.only or MEASURES
    figures: dict[str, Any] = {"at": datetime.now(UTC).isoformat(), "machine": platform.platform(), "cores": os.cpu_count()}
    broken: list[str] = []
    for name in LOADS:
        if name in chosen:
            figures[name] = measure(name, arguments.seconds)
            broken += check(name, figures[name])
    if "decoding" in chosen:
        figures["decoding"] = decoding.measure()
        broken += decoding.check(figures["decoding"])
    if "idle" in chosen:
        figures["idle"] = measure_idle()
        if figures["idle"]["server_bytes"] > IDLE_BYTES:
            broken.append(f"idle: {figures['idle']['server_bytes'] / 1e6:.0f} MB instead of {IDLE_BYTES / 1e6:.0f}")
    if "proximity" in chosen:
        figures["proximity"] = proximity.measure()
        broken += proximity.check(figures["proximity"])
    if "zones" in chosen:
        figures["zones"] = measure_zones(arguments.seconds)
        broken += zones.check(figures["zones"])
    if "billing" in chosen:
        figures["billing"] = billing.measure()
        broken += billing.check(figures["billing"])
    show(figures)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(figures, indent=2) + "\n")
    out.print(f"stored as {file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file}")
    for promise in broken:
        out.print(f"[red]not kept[/] {promise}")
    if broken and arguments.require:
        raise SystemExit(1)


def measure(name: str, seconds: float) -> dict[str, Any]:
    """Full load, half load, raw COPY of the same rows; all on the same server and the same table."""
    shares, of = LOADS[name]
    counts = connections(shares, of)
    with running(devices(counts)) as host:
        before = host.cpu_s()
        full = load_all(host, counts, seconds, rate="max")
        after = host.cpu_s()
        half = load_all(host, counts, seconds, rate=str(full["acknowledged_per_s"] // 2), start=full["next_start"])
        stored = settled_count(host)
        raw = raw_copy(host)
    rate = full["acknowledged"] / full["seconds"]
    return {
        "positions_per_s": round(rate),
        "raw_copy_rows_per_s": round(raw),
        "ratio": round(rate / raw, 3),
        "acknowledged": full["acknowledged_at_last"] + half["acknowledged_at_last"],
        "stored": stored,
        "ack_p50_ms": full["p50_ms"],
        "ack_p99_ms": full["p99_ms"],
        "half_load_positions_per_s": round(half["acknowledged"] / half["seconds"]),
        "half_load_p50_ms": half["p50_ms"],
        "half_load_p99_ms": half["p99_ms"],
        "server_us_per_position": round((after[0] - before[0]) / full["acknowledged_at_last"] * 1e6, 2),
        "database_us_per_position": round((after[1] - before[1]) / full["acknowledged_at_last"] * 1e6, 2),
        "load_us_per_position": round(full["cpu_s"] / full["acknowledged"] * 1e6, 2),
        "packets_per_s": full["packets_per_s"],
        **({f"share_of_{of}": {name: told[f"of_{of}"] for name, told in full["shares"].items()}} if len(counts) > 1 else {}),
        "errors": full["errors"] + half["errors"],
        "load_average": round(os.getloadavg()[0], 1),
    }


def connections(shares: dict[str, float], of: str) -> dict[str, int]:
    """How many of each protocol: all have as many packets under way, so that these are their shares of the packets."""
    weights = {name: share / (RECORDS.get(name, 1) if of == "positions" else 1) for name, share in shares.items()}
    return {name: round(CONNECTIONS * weight / sum(weights.values())) for name, weight in weights.items()}


def devices(counts: dict[str, int]) -> dict[str, list[str]]:
    """Their unique ids, as bench/load.py numbers them."""
    found, first = {}, 0
    for protocol, count in counts.items():
        found[protocol] = [unique_id(protocol, FIRST_ID, first + number) for number in range(count)]
        first += count
    return found


def measure_idle() -> dict[str, Any]:
    """What so many logged-in trackers that say nothing cost."""
    with running({"gt06": unique_ids(IDLE)}) as host:
        empty = host.memory_bytes()
        process = start_load(host, "gt06", ["--idle", str(IDLE), "--duration", "25"])
        deadline = time.monotonic() + 60
        while host.health()["connections"] < IDLE and time.monotonic() < deadline:
            time.sleep(0.5)
        time.sleep(3)
        connections, full = host.health()["connections"], host.memory_bytes()
        process.terminate()
        process.wait(30)
    return {
        "connections": connections,
        "server_bytes": full,
        "server_bytes_without": empty,
        "bytes_per_connection": round((full - empty) / max(1, connections)),
    }


def measure_zones(seconds: float) -> dict[str, Any]:
    """The stage alone, then whole servers: ingest with and without zones, an edit under load."""
    figures = zones.measure_stage()
    with running({"gt06": unique_ids(CONNECTIONS)}) as host:
        figures |= zones.measure_ingest(host, load, seconds)
    return figures | zones.measure_edit(run_load, FIRST_ID, CONNECTIONS)


def unique_ids(count: int) -> list[str]:
    """As bench/load.py numbers them."""
    return [str(FIRST_ID + number) for number in range(count)]


def start_load(host: Host, protocol: str, options: list[str]) -> subprocess.Popen[str]:
    return run_load(["--protocol", protocol, "--port", str(host.ports[protocol]), *options])


def run_load(options: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.load", "--first-id", str(FIRST_ID), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)


def load(host: Host, protocol: str, seconds: float, rate: str, start: str = "") -> dict[str, Any]:
    """A run of the load generator in its own process, with trackers of one protocol."""
    return load_all(host, {protocol: CONNECTIONS}, seconds, rate, start)


def load_all(host: Host, counts: dict[str, int], seconds: float, rate: str, start: str = "") -> dict[str, Any]:
    """A run of the load generator in its own process."""
    mix = ",".join(f"{name}:{count}:{RECORDS.get(name, 1)}:{host.ports[name]}" for name, count in counts.items())
    options = ["--mix", mix, "--duration", str(seconds), "--rate", rate]
    options += ["--start", start] if start else []
    process = run_load(options)
    printed, _ = process.communicate(timeout=seconds * 3 + 120)
    if process.returncode:
        raise SystemExit(f"the load generator ended with {process.returncode}: {printed}")
    figures: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    return figures


def settled_count(host: Host) -> int:
    """Rows in the table, once nothing is written any more."""
    with connect(host) as connection:
        last = -1
        while True:
            row = connection.execute("SELECT count(*) FROM positions").fetchone()
            assert row is not None
            if row[0] == last:
                return int(last)
            last = row[0]
            time.sleep(0.5)


def raw_copy(host: Host) -> float:
    """Rows a second that a bare binary COPY puts into the same table, from the rows that the load has stored."""
    with connect(host) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY (SELECT * FROM positions LIMIT 1000000) TO STDOUT (FORMAT binary)") as copy:
            blocks = [bytes(block) for block in copy]
        buffer = b"".join(blocks)
        row = cursor.execute("SELECT least(count(*), 1000000) FROM positions").fetchone()
        assert row is not None
        connection.execute("TRUNCATE positions")
        connection.execute("CHECKPOINT")
        started = time.perf_counter()
        with cursor.copy("COPY positions FROM STDIN (FORMAT binary)") as copy:
            for start in range(0, len(buffer), 1 << 18):
                copy.write(buffer[start : start + (1 << 18)])
        seconds = time.perf_counter() - started
        connection.execute("TRUNCATE positions")
    return float(row[0] / seconds)


def check(name: str, figures: dict[str, Any]) -> list[str]:
    """What is promised and not kept."""
    broken = []
    if figures["ratio"] < PROMISES[name]:
        broken.append(f"{name}: {figures['ratio']} of raw COPY instead of {PROMISES[name]}")
    if figures["half_load_p99_ms"] > (promised := HALF_LOAD_P99_MS.get(name, inf)):
        broken.append(f"{name}: p99 at half load {figures['half_load_p99_ms']} ms instead of {promised:.0f}")
    if figures["stored"] < figures["acknowledged"]:
        broken.append(f"{name}: {figures['acknowledged']} acknowledged, {figures['stored']} stored")
    return broken


def show(figures: dict[str, Any]) -> None:
    for name in MEASURES:
        if name not in figures:
            continue
        table = Table(title=name, title_justify="left", show_header=name == "decoding")
        if name == "decoding":  # a line for each protocol
            labels = next(iter(figures[name].values()))
            for label in ("protocol", *labels):
                table.add_column(label.replace("_", " "), justify="left" if label == "protocol" else "right")
            for protocol, told in figures[name].items():
                table.add_row(protocol, *(f"{value:,}" for value in told.values()))
        else:
            for label, value in figures[name].items():
                table.add_row(label.replace("_", " "), f"{value:,}" if isinstance(value, int | float) else str(value))
        out.print(table)


if __name__ == "__main__":
    main()
