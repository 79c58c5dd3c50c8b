"""`telematics doctor`: what the server would find here, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import socket
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console
from rich.text import Text

from billing.check import problems
from billing.daily import behind
from telematics.alerts.channels.helpers import Helpers
from telematics.alerts.channels.mail import Mail
from telematics.alerts.channels.sms import Sms
from telematics.commands.serve import read_settings
from telematics.config import Settings
from telematics.ingest.listeners import enabled
from telematics.mqtt.inbound import probe
from telematics.store.database import Database, open_database
from telematics.store.errors import StoreError, translate
from telematics.store.sql import query
from telematics.store.writer import LOCK

LOW_BYTES, SCARCE_BYTES = 1 * 2**30, 10 * 2**30  # a thousand vehicles write about 1.5 GB a day
SPARE_FILES = 200  # besides trackers: database, pages, logs
GATEWAY_S = 10.0
PROOF_S = 20.0
PROVE = "run telematics billing check"
CLOCK_S = 5.0  # a clock further off than this shows in what is late and what is ahead

Level = Literal["good", "note", "bad"]
MARKS: dict[Level, tuple[str, str]] = {"good": ("ok  ", "green"), "note": ("note", "yellow"), "bad": ("BAD ", "bold red")}


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    what: str
    do: str = ""


def doctor() -> None:
    """Look at the database, ports, limits and clock, and say what to do about what is wrong."""
    settings = read_settings()
    console = Console(highlight=False, soft_wrap=True)
    bad = 0

    async def show() -> None:
        nonlocal bad
        async with aclosing(examine(settings)) as findings:  # closes the database, also when nobody reads on: `doctor | head`
            async for finding in findings:
                mark, style = MARKS[finding.level]
                console.print(Text(mark, style), finding.what)
                if finding.do:
                    console.print(Text(f"     → {finding.do}"))
                bad += finding.level == "bad"

    asyncio.run(show())
    if bad:
        raise typer.Exit(1)


async def examine(settings: Settings) -> AsyncGenerator[Finding]:
    """Everything there is to say, in the order in which to mend it."""
    for finding in (*_folder(settings), *_files(settings)):
        yield finding
    serving = False
    try:
        async with open_database(settings) as database:
            yield Finding("good", f"database: {_where(settings)}")
            for look in LOOKS:
                yield await _looked(look, database)
            serving = await _serving(database)
    except StoreError as error:
        yield Finding("bad", f"database: {_where(settings)}: {error}")  # its sentence says what to do
    except psycopg.Error as error:
        yield Finding("bad", f"database: {translate(error) or error}", "look into the database's log")
    if serving:
        yield Finding("note", "a server runs on this database: ports it listens on are shown as taken")
    for finding in _ports(settings, serving):
        yield finding
    yield await _mail(settings)
    yield await _sms(settings)
    yield await _mqtt(settings)


async def _mail(settings: Settings) -> Finding:
    """Whether the SMTP server can be reached and takes the login. Nothing is sent."""
    mail = Mail(settings.mail)
    if settings.mail.host is None:
        return Finding("note", "e-mail: no alerts go by e-mail", "set [mail] host, and username and password if it asks for them")
    where = f"{settings.mail.host}:{settings.mail.port} ({settings.mail.security})"
    if wrong := await mail.probe(GATEWAY_S):
        return Finding("bad", f"e-mail through {where}: {wrong}", "correct [mail] host, port, security, username, password")
    return Finding("good", f"e-mail through {where}, from {settings.mail.sender}")


async def _sms(settings: Settings) -> Finding:
    """Whether an SMPP gateway takes the bind; of others, whether Apprise can read the URL. Nothing is sent."""
    if settings.sms.url is None:
        return Finding("note", "SMS: no alerts go by SMS", "set [sms] url, see docs/channels.md")
    sms = Sms(settings.sms, Helpers())
    try:
        wrong = await sms.probe(GATEWAY_S)
    finally:
        await sms.close()
    if wrong:
        return Finding("bad", f"SMS: {wrong}", "correct [sms] url, see docs/channels.md")
    return Finding("good", f"SMS through {settings.sms.url.partition('://')[0]}://…")  # the rest holds the password


async def _mqtt(settings: Settings) -> Finding:
    """Whether the broker takes us, under a name that disturbs no server, and may be subscribed to. Nothing is published."""
    if settings.mqtt.url is None:
        return Finding("note", "MQTT: nothing comes or goes by a broker", "set [mqtt] url, see docs/mqtt.md")
    if wrong := await probe(settings.mqtt):
        return Finding("bad", f"MQTT: {wrong}", "correct [mqtt] in the settings, or the broker's users and rights")
    return Finding("good", "MQTT: the broker takes us and lets us subscribe")


def _where(settings: Settings) -> str:
    if settings.database_url is None:
        return f"embedded PostgreSQL in {settings.data_dir / 'database'}"
    try:
        parts = conninfo_to_dict(settings.database_url)
    except psycopg.Error:
        return "database_url"
    return f"{parts.get('dbname', '')} on {parts.get('host', 'this machine')}"  # without the password


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir.expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield Finding("bad", f"data folder {folder}: {error.strerror}", "make it writable, or set data_dir to another folder")
        return
    yield Finding("good", f"data folder {folder} is writable")
    yield disk(folder)


def disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    what = f"{free / 2**30:.1f} GB free in {folder}"
    if free < LOW_BYTES:
        return Finding("bad", what, "make room: when the disk is full nothing is stored, and trackers keep what they have")
    if free < SCARCE_BYTES:
        return Finding("note", what, "enough for some days; set retention_days, or give it more")
    return Finding("good", what)


def _files(settings: Settings) -> Iterator[Finding]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # the server raises the soft limit itself
    wanted = settings.limits.connections + SPARE_FILES
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        yield Finding("good", f"open files: enough for limits.connections = {settings.limits.connections}")
    else:
        what = f"{hard} open files allowed, {wanted} wanted for limits.connections = {settings.limits.connections}"
        yield Finding("note", what, f"LimitNOFILE={wanted} in the systemd unit, or lower limits.connections")


async def _looked(look: Callable[[Database], Awaitable[Finding]], database: Database) -> Finding:
    try:
        return await look(database)
    except psycopg.Error as error:
        return Finding("bad", f"database: {translate(error) or error}", "give the user the rights of the database's owner")


async def _version(database: Database) -> Finding:
    async with database.pool.connection() as connection:
        version = connection.info.server_version
    kind = database.kind
    what = f"PostgreSQL {version // 10000}.{version % 10000}"
    if kind.note is not None:
        return Finding("note", f"{what}, positions as in {kind.shape}", kind.note)
    if kind.name == "postgresql":
        return Finding("good", f"{what} without TimescaleDB: positions are partitioned by day, nothing is compressed")
    licence = (
        "Community: days older than a week are compressed" if kind.name == "timescaledb-community" else "Apache: no compression"
    )
    return Finding("good", f"{what} with TimescaleDB {kind.timescaledb}, edition {licence}")


async def _durable(database: Database) -> Finding:
    off = []
    async with database.pool.connection() as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            row = await (await connection.execute("SELECT current_setting(%s)", [name])).fetchone()
            if row is not None and row[0] in ("off", "local") and (name, row[0]) != ("synchronous_commit", "local"):
                off.append(name)
    if off:
        names = ", ".join(off)
        # synchronous_commit is set by the server for its own commits, the others by the database's owner alone
        level: Level = "note" if off == ["synchronous_commit"] else "bad"
        return Finding(level, f"{names} off in the database", f"ALTER SYSTEM SET {off[0]} = on: acknowledged means stored")
    return Finding("good", "what is committed is on disk (fsync, full_page_writes, synchronous_commit)")


async def _writable(database: Database) -> Finding:
    async with database.pool.connection() as connection, connection.transaction(force_rollback=True):
        await connection.execute("UPDATE snapshot SET position_id = position_id")
        await connection.execute("CREATE TABLE doctor_was_here (nothing int)")
    return Finding("good", "the database can be written to, and tables made")


async def _clock(database: Database) -> Finding:
    async with database.pool.connection() as connection:
        before = datetime.now(UTC)
        row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
        after = datetime.now(UTC)
    assert row is not None
    off = (row[0] - (before + (after - before) / 2)).total_seconds()
    if abs(off) > CLOCK_S + (after - before).total_seconds():
        return Finding(
            "bad", f"this machine's clock is {-off:+.0f} s from the database's", "set both by NTP (timedatectl set-ntp true)"
        )
    return Finding("good", f"clock: {after:%Y-%m-%d %H:%M:%S} UTC, as the database's")


async def _charged(database: Database) -> Finding:
    """Whether somebody charges the days as they begin."""
    accounts, days = await behind(database)
    if not accounts:
        return Finding("good", "billing: every account is charged through its today")
    what = f"billing: {_count(days, 'day')} of {_count(accounts, 'account')} are still to be charged"
    if days == accounts:
        return Finding("note", what, "a day that has just begun is charged within a minute by a running server")
    return Finding(
        "bad", what, "run a server (telematics serve, or serve --role jobs), or telematics billing run; its log says why not"
    )


async def _right(database: Database) -> Finding:
    """Whether the money is right, as far as that can be proved while somebody waits."""
    try:
        async with asyncio.timeout(PROOF_S):
            found = await problems(database)
    except TimeoutError:
        return Finding("note", f"billing: the proof of the ledger takes longer than {PROOF_S:.0f} s here", PROVE)
    if found:
        first = f"{found[0].where}: {found[0].what}"
        return Finding(
            "bad", f"billing: {_count(len(found), 'problem')} in the ledger, the first: {first}", f"{PROVE} for all of them"
        )
    return Finding("good", "billing: balances, charges and blocks are what the ledger says")


LOOKS: tuple[Callable[[Database], Awaitable[Finding]], ...] = (_version, _durable, _writable, _clock, _charged, _right)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


async def _serving(database: Database) -> bool:
    async with database.pool.connection() as connection:
        return await (await connection.execute(query("writer"), {"lock": LOCK})).fetchone() is not None


def _ports(settings: Settings, serving: bool) -> Iterator[Finding]:
    for codec, listener in enabled(settings):
        port = codec.port if listener.port is None else listener.port
        for transport in codec.transports:
            yield port_free(f"{codec.name} {transport} {port}", listener.host, port, transport, serving)
    yield port_free(f"pages tcp {settings.http_port}", settings.http_host, settings.http_port, "tcp", serving)


def port_free(name: str, host: str, port: int, transport: str, serving: bool) -> Finding:
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    try:
        addresses = socket.getaddrinfo(host or None, port, type=kind, flags=socket.AI_PASSIVE)
    except OSError as error:
        return Finding("bad", f"port {name}: {host!r} is no address ({error.strerror})", "correct the listener's host")
    for family, _, _, _, address in addresses:
        try:
            with socket.socket(family, kind) as door:
                if transport == "tcp" and os.name == "posix":
                    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                door.bind(address)
        except PermissionError:
            return Finding(
                "bad", f"port {name} may not be opened", "take one above 1023, or give the server CAP_NET_BIND_SERVICE"
            )
        except OSError as error:
            if family == socket.AF_INET6 and not host:
                continue  # a machine without IPv6
            if serving:
                return Finding("note", f"port {name} is taken")
            return Finding(
                "bad",
                f"port {name} is taken ({error.strerror})",
                f"stop what listens there (ss -lptun 'sport = :{port}'), or set another port",
            )
    return Finding("good", f"port {name} is free")
