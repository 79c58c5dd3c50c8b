"""kill -9 between sending and writing it down: a real process, a real SMTP server, a real web server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope

from telematics.config import Settings
from telematics.store.database import Database
from tests.alerts.conftest import desk_on
from tests.store.rows import fetch


@dataclass
class Receivers:
    """They take everything and answer nothing, until `answering`."""

    mails: list[Envelope] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)  # webhook-id of each
    answering: bool = False
    smtp_port: int = 0
    http_port: int = 0

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:  # noqa: N802 # aiosmtpd's name
        self.mails.append(envelope)
        if not self.answering:
            await asyncio.sleep(60)
        return "250 OK"

    async def called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
            await reader.readexactly(int(headers["content-length"]))
            self.calls.append(headers["webhook-id"])
            if not self.answering:
                await reader.read()
            else:
                writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receivers() -> AsyncIterator[Receivers]:
    found = Receivers()
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(lambda: SMTP(found, hostname="mail.example.com", loop=loop), "127.0.0.1", 0)
    http = await asyncio.start_server(found.called, "127.0.0.1", 0)
    found.smtp_port, found.http_port = smtp.sockets[0].getsockname()[1], http.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        smtp.close()
        http.close()


@asynccontextmanager
async def a_worker(settings: Settings, smtp_port: int) -> AsyncIterator[None]:
    """Killed at the end of the block."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.alerts.worker", str(settings.database_url), str(smtp_port), str(settings.data_dir),
        cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        worker.kill()
        await worker.wait()


async def until(true: Any, within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 # what is waited for happens in another process
            await asyncio.sleep(0.02)


async def test_killed_between_sending_and_recording(database: Database, settings: Settings) -> None:
    async with receivers() as outside:
        async with desk_on(database, settings, running=False) as desk:
            await desk.rule(await desk.user("anna"))
            await desk.rule(channels=["webhook"], webhook_url=f"http://127.0.0.1:{outside.http_port}/hook")
            await desk.happens("sos")
        for life in (1, 2):
            async with a_worker(settings, outside.smtp_port):
                await until(lambda life=life: len(outside.mails) == life and len(outside.calls) == life)
        assert await fetch(database, "SELECT DISTINCT state FROM deliveries") == [("sending",)]
        outside.answering = True
        async with a_worker(settings, outside.smtp_port):
            await until(lambda: len(outside.calls) == 3)

            async def ended() -> bool:
                return not await fetch(database, "SELECT FROM deliveries WHERE state IN ('waiting', 'sending')")

            async with asyncio.timeout(10):
                while not await ended():  # noqa: ASYNC110 # likewise
                    await asyncio.sleep(0.02)
        assert await fetch(database, "SELECT channel, state, reason, attempts FROM deliveries ORDER BY id") == [
            ("mail", "failed", "may have been sent: the server stopped in the middle", 2),
            ("webhook", "sent", None, 3),
        ]
        assert len(outside.mails) == 2  # once more, and never again
        ids = {message_from_bytes(mail.original_content or b"")["Message-ID"] for mail in outside.mails}
        assert len(ids) == 1  # of which the receiver's mail program shows one, if it will
        assert len(set(outside.calls)) == 1
        assert await fetch(database, "SELECT count(*) FROM alerts") == [(1,)]
