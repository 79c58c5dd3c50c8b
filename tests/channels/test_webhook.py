"""Webhooks to a real HTTP server: signatures, answers, and addresses that users may not have us call."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
import standardwebhooks
import trustme

from telematics.alerts.channels import Message, NotSent, webhook
from telematics.alerts.channels.webhook import Webhook, check_secret, check_url, new_secret, retry_after_s
from telematics.config import AlertSettings, Settings
from telematics.store.database import Database

SECRET = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
DATA = {"type": "alert", "alerts": [{"id": 7, "device": "Камаз", "latitude": 51.1}], "more": 0}


def message(**more: Any) -> Message:
    return Message(**{"delivery_id": 42, "subject": "", "text": "", "short": "", "data": DATA, "secret": SECRET} | more)


@dataclass
class Receiver:
    """Answers with `head`; None: nothing at all."""

    head: bytes | None = b"HTTP/1.1 204 No Content\r\n\r\n"
    endless: bool = False
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:]) if name}
            self.requests.append((lines[0], headers, await reader.readexactly(int(headers["content-length"]))))
            if self.head is None:
                await reader.read()
                return
            writer.write(self.head)
            while self.endless:
                writer.write(b"x" * 65536)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(receiver: Receiver, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


UNASKED: Any = None  # the database: where a message brings its secret, nothing is looked up


@pytest.fixture
def hook() -> Webhook:
    return Webhook(Settings(alerts=AlertSettings(private_webhooks=True)), UNASKED)


async def test_a_receiver_can_verify_what_it_gets(hook: Webhook) -> None:
    async with receiving(Receiver()) as receiver:
        sent = await hook.send(f"http://u:p%40w@localhost:{receiver.port}/hook?a=1#part", message(), deadline_s=2)
        await hook.send(f"http://localhost:{receiver.port}/hook", message(), deadline_s=2)
    (line, headers, body), (_, again, _) = receiver.requests
    assert line == "POST /hook?a=1 HTTP/1.1"
    assert headers["host"] == f"localhost:{receiver.port}"
    assert headers["authorization"] == "Basic dTpwQHc="
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == again["webhook-id"] == sent.provider_id == "delivery-42"
    assert json.loads(body) == DATA
    assert standardwebhooks.Webhook(SECRET).verify(body, headers) == DATA
    with pytest.raises(standardwebhooks.webhooks.WebhookVerificationError):
        standardwebhooks.Webhook(new_secret()).verify(body, headers)


async def test_the_rules_secret_signs_what_is_a_delivery(database: Database) -> None:
    hook = Webhook(Settings(alerts=AlertSettings(private_webhooks=True)), database)
    async with database.pool.connection() as connection:
        row = await (
            await connection.execute(
                "WITH a AS (INSERT INTO accounts (name) VALUES ('A') RETURNING id),"
                " d AS (INSERT INTO devices (account_id, unique_id, name) SELECT id, '1', 'T' FROM a RETURNING id),"
                " l AS (INSERT INTO alerts (account_id, device_id, time, type)"
                " SELECT a.id, d.id, now(), 'x' FROM a, d RETURNING id),"
                " r AS (INSERT INTO rules (account_id, types, webhook_secret) SELECT id, '{x}', %s FROM a RETURNING id)"
                " INSERT INTO deliveries (alert_id, account_id, rule_id, channel, address)"
                " SELECT l.id, a.id, r.id, 'webhook', 'u' FROM l, a, r RETURNING id",
                [SECRET],
            )
        ).fetchone()
    assert row is not None
    async with receiving(Receiver()) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        await hook.send(url, message(delivery_id=row[0], secret=None), deadline_s=2)
        await hook.send(url, message(delivery_id=0, secret=None), deadline_s=2)
        await hook.send(url, message(delivery_id=0, secret=None), deadline_s=2)
    (_, headers, body), (_, test, _), (_, other, _) = receiver.requests
    assert standardwebhooks.Webhook(SECRET).verify(body, headers) == DATA
    assert "webhook-signature" not in test
    assert test["webhook-id"] != other["webhook-id"]


@pytest.mark.parametrize(
    ("head", "permanent", "wait_s", "words"),
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", True, None, "400 Bad Request", id="400"),
        pytest.param(b"HTTP/1.1 410 Gone\r\n\r\n", True, None, "410 Gone", id="410"),
        pytest.param(b"HTTP/1.1 408 Request Timeout\r\n\r\n", False, None, "408", id="408"),
        pytest.param(b"HTTP/1.1 429 Slow\r\nRetry-After: 17\r\n\r\n", False, 17.0, "429 Slow", id="429"),
        pytest.param(b"HTTP/1.1 503 Off\r\nRetry-After: 999999999\r\n\r\n", False, 3600.0, "503 Off", id="503"),
        pytest.param(b"HTTP/1.1 500 \r\nRetry-After: soon\r\n\r\n", False, None, "500", id="500"),
        pytest.param(b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/\r\n\r\n", True, None, "redirects", id="a redirect"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", False, None, "failed", id="no web server"),
        pytest.param(b"", False, None, "failed", id="closes"),
        pytest.param(None, False, None, "didn't answer within 0.3 s", id="hangs"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100_000, False, None, "", id="headers without an end"),
    ],
)
async def test_what_an_answer_means(hook: Webhook, head: bytes | None, permanent: bool, wait_s: float | None, words: str) -> None:
    began = time.monotonic()
    async with receiving(Receiver(head)) as receiver:
        with pytest.raises(NotSent) as told:
            await hook.send(f"http://127.0.0.1:{receiver.port}/", message(), deadline_s=0.3)
    assert time.monotonic() - began < 1
    assert words in told.value.reason
    assert (told.value.permanent, told.value.retry_after_s) == (permanent, wait_s)
    assert len(receiver.requests) == 1


async def test_an_endless_body_is_not_read(hook: Webhook) -> None:
    async with receiving(Receiver(b"HTTP/1.1 200 OK\r\n\r\n", endless=True)) as receiver:
        await hook.send(f"http://127.0.0.1:{receiver.port}/", message(), deadline_s=2)


async def test_nobody_there(hook: Webhook) -> None:
    async with receiving(Receiver()) as receiver:
        pass
    with pytest.raises(NotSent, match="can't be reached") as told:
        await hook.send(f"http://127.0.0.1:{receiver.port}/", message(), deadline_s=2)
    assert (told.value.permanent, told.value.uncertain) == (False, False)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
        "127.1",
    ],
)
async def test_private_addresses_are_not_called(host: str) -> None:
    async with receiving(Receiver()) as receiver:
        with pytest.raises(NotSent) as told:
            await Webhook(Settings(), UNASKED).send(f"http://{host}:{receiver.port}/", message(), deadline_s=2)
    assert "private network" in told.value.reason or "can't be found" in told.value.reason
    assert not receiver.requests


async def test_a_name_that_changes_its_mind_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: public when it is checked, ours when it is connected to. It is asked once."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "rebind.test":
            return real(host, *args, **kwargs)
        asked.append(host)
        return real("192.0.2.1" if len(asked) == 1 else "127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(webhook, "is_public", lambda address: address == "192.0.2.1")
    async with receiving(Receiver()) as receiver:
        with pytest.raises(NotSent):
            await Webhook(Settings(), UNASKED).send(f"http://rebind.test:{receiver.port}/", message(), deadline_s=0.3)
    assert asked == ["rebind.test"]
    assert not receiver.requests


async def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(host: str, port: int, **kwargs: Any) -> Any:
        return [(2, 1, 6, "", ("8.8.8.8", port)), (2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(NotSent, match="private network"):
        await Webhook(Settings(), UNASKED).send("http://two.test/", message(), deadline_s=1)


async def test_the_certificate_is_checked_for_the_name_and_not_for_the_address() -> None:
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(theirs)
    authority.configure_trust(ours)
    receiver = Receiver()
    theirs.sni_callback = lambda _, name, __: receiver.names.append(name)
    settings = Settings(alerts=AlertSettings(private_webhooks=True))
    async with receiving(receiver, theirs):
        await Webhook(settings, UNASKED, ours).send(f"https://localhost:{receiver.port}/", message(), deadline_s=2)
        with pytest.raises(NotSent, match=r"(?i)certificate"):
            await Webhook(settings, UNASKED, ours).send(f"https://127.0.0.1:{receiver.port}/", message(), deadline_s=2)
        with pytest.raises(NotSent, match=r"(?i)certificate"):
            await Webhook(settings, UNASKED).send(f"https://localhost:{receiver.port}/", message(), deadline_s=2)
    assert receiver.names[0] == "localhost"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "https://a b/",
        "http://x\n/",
        "http://" + "a" * 2001,
    ],
)
async def test_what_is_no_address_of_a_webhook(hook: Webhook, url: str) -> None:
    with pytest.raises(ValueError, match=r"https://example\.com/path"):
        check_url(url)
    with pytest.raises(NotSent) as told:
        await hook.send(url, message(), deadline_s=1)
    assert told.value.permanent


@pytest.mark.parametrize("secret", ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all!!", "whsec_" + "A" * 200])
async def test_what_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and 24 to 64 random bytes"):
        check_secret(secret)
    assert check_secret(new_secret())


def test_when_to_come_again() -> None:
    at = datetime.now(UTC) + timedelta(seconds=100)
    assert 95 < (retry_after_s(format_datetime(at, usegmt=True)) or 0) <= 100
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert [retry_after_s(header) for header in (None, "", "-1", "1.5", "١٢", "9" * 400)] == [
        None,
        None,
        None,
        None,
        None,
        3600.0,
    ]


def test_a_hooks_url_keeps_what_matters() -> None:
    assert check_url("https://u:p@пример.рф:8443/a?b=c#d") == httpx.URL("https://u:p@xn--e1afmkfd.xn--p1ai:8443/a?b=c")
