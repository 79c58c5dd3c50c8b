"""SMS by HTTP gateways and messengers, through Apprise in its helper processes: real processes, a real gateway on a real port."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psutil
import pytest

from telematics.alerts.channels import Message, NotSent
from telematics.alerts.channels.addresses import is_public
from telematics.alerts.channels.helpers import Helpers, secrets_of
from telematics.alerts.channels.messenger import ALLOWED, Messenger, check_text
from telematics.alerts.channels.sms import Sms
from telematics.config import AlertSettings, Settings, SmsSettings
from telematics.store.database import Database

PHONE = "+77011234567"
TEXT = Message(delivery_id=1, subject="", text="Камаз: въезд в «Склад»", short="Камаз: въезд в «Склад», 14:05")


@dataclass
class Gateway:
    """An HTTP gateway; `status` 0 says nothing, -1 closes, -2 answers a byte at a time without an end."""

    status: int = 200
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                (int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length")), 0
            )
            self.requests.append((head.split("\r\n")[0], await reader.readexactly(length)))
            if self.status == 0:
                await reader.read()
            elif self.status == -2:
                writer.write(b"HTTP/1.1 200 OK\r\n")
                while not writer.is_closing():
                    writer.write(b"X: y\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            elif self.status > 0:
                writer.write(f"HTTP/1.1 {self.status} So\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(status: int = 200) -> AsyncIterator[Gateway]:
    gateway = Gateway(status)
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    gateway.port = server.sockets[0].getsockname()[1]
    try:
        yield gateway
    finally:
        server.close()


@pytest.fixture
async def helpers() -> AsyncIterator[Helpers]:
    helpers = Helpers(most=2)
    yield helpers
    await helpers.close()


def sms(gateway: Gateway, helpers: Helpers) -> Sms:
    found = Sms(SmsSettings(url=f"json://fleet:topsecret@127.0.0.1:{gateway.port}/send/{{phone}}"), helpers)
    assert found.configured is None
    return found


async def test_an_http_gateway_gets_number_and_text(helpers: Helpers) -> None:
    async with serving() as gateway:
        channel = sms(gateway, helpers)
        sent = await channel.send("+7 701 123-45-67", TEXT, deadline_s=10)
        await channel.send(PHONE, TEXT, deadline_s=10)
    assert sent.parts == 1
    (line, body), _ = gateway.requests
    assert line == f"POST /send/{PHONE} HTTP/1.1" or line == "POST /send/%2B77011234567 HTTP/1.1"
    assert json.loads(body)["message"] == TEXT.short


@pytest.mark.parametrize(
    ("status", "permanent", "uncertain"),
    [
        pytest.param(403, True, False, id="refused"),
        pytest.param(429, False, False, id="too many"),
        pytest.param(503, False, False, id="out of order"),
        pytest.param(0, False, True, id="hangs"),
        pytest.param(-1, False, True, id="closes after the request"),
        pytest.param(-2, False, True, id="answers without an end"),
    ],
)
async def test_a_gateway_that_misbehaves(helpers: Helpers, status: int, permanent: bool, uncertain: bool) -> None:
    async with serving(status) as gateway:
        await helpers.look(f"json://127.0.0.1:{gateway.port}/", deadline_s=10)  # the helper is up: what is timed is the gateway
        began = time.monotonic()
        with pytest.raises(NotSent) as told:
            await sms(gateway, helpers).send(PHONE, TEXT, deadline_s=0.6)
    assert time.monotonic() - began < 1
    assert (told.value.permanent, told.value.uncertain) == (permanent, uncertain), told.value.reason
    assert "topsecret" not in told.value.reason


async def test_nobody_there(helpers: Helpers) -> None:
    async with serving() as gateway:
        pass
    with pytest.raises(NotSent) as told:
        await sms(gateway, helpers).send(PHONE, TEXT, deadline_s=5)
    assert (told.value.permanent, told.value.uncertain) == (False, False), told.value.reason


async def test_a_gateway_that_hangs_takes_no_place_for_ever(helpers: Helpers) -> None:
    async with serving(0) as hanging, serving() as good:
        results = await asyncio.gather(
            *(sms(hanging, helpers).send(PHONE, TEXT, deadline_s=1.0) for _ in range(6)), return_exceptions=True
        )
        assert all(isinstance(result, NotSent) for result in results)
        assert len(hanging.requests) <= 2  # so many helpers
        assert sum("helpers are busy" in str(result) for result in results) >= 4
        await sms(good, helpers).send(PHONE, TEXT, deadline_s=10)
    assert len(good.requests) == 1


async def test_a_helper_that_is_killed_is_replaced(helpers: Helpers) -> None:
    async with serving() as gateway:
        await sms(gateway, helpers).send(PHONE, TEXT, deadline_s=10)
        process = helpers._idle[0][0]
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        await sms(gateway, helpers).send(PHONE, TEXT, deadline_s=10)
        assert helpers._idle[0][0].pid != process.pid


async def test_a_helper_ends_with_the_server(helpers: Helpers) -> None:
    """Also when the server was killed: its end of the pipe closes."""
    async with serving() as gateway:
        await sms(gateway, helpers).send(PHONE, TEXT, deadline_s=10)
    process = helpers._idle[0][0]
    assert process.stdin is not None
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 5) == 0


async def test_users_reach_no_private_address_even_where_the_list_would_let_them(helpers: Helpers) -> None:
    async with serving() as gateway:
        with pytest.raises(NotSent):
            await helpers.notify(f"json://localhost:{gateway.port}/", title="", body="x", deadline_s=5, public_only=True)
        assert not gateway.requests


async def test_our_secrets_are_not_handed_to_helpers(helpers: Helpers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMATICS_MAIL__PASSWORD", "hush")
    await helpers.look("json://localhost/", deadline_s=10)
    assert "hush" not in psutil.Process(helpers._idle[0][0].pid).environ().values()


LET_IN = [
    ("tgram://123456789:abcdefg_hijklmnopqrstuvwxyzabcdef/12345", "Telegram"),
    ("tgram://123456789:abcdefg_hijklmnopqrstuvwxyzabcdef/12345?topic=7", "Telegram"),
    ("https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "Discord"),
    ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general", "Slack"),
    ("ntfy://depot-alerts", "ntfy"),
    ("whatsapp://token123@123456789012/77011234567", "WhatsApp"),
    ("pover://usssssssssssssssssssssssssssss@atttttttttttttttttttttttttttttt", "Pushover"),
    ("matrixs://anna:secret@matrix.org/#depot", "Matrix"),
    ("workflows://prod-15.westus.logic.azure.com:443/643e69f83c8944/4dgiAIpVb", "Power Automate / Workflows (for MSTeams)"),
    ("gchat://workspace/key/token", "Google Chat"),
]
KEPT_OUT = [
    "json://127.0.0.1/", "jsons://example.com/", "xml://10.0.0.1/", "form://example.com/", "apprise://localhost/token",
    "syslog://", "dbus://", "gnome://", "macosx://", "windows://", "file:///etc/passwd", "exec://id", "mailto://u:p@localhost",
    "mailtos://u:p@gmail.com?smtp=localhost", "mqtt://localhost/topic", "smpp://u:p@localhost/1/2", "signal://localhost/1/2",
    "gotify://localhost/token", "home://localhost/", "rocket://u:p@localhost/#a", "http://localhost/", "https://localhost/",
    "https://169.254.169.254/latest/meta-data", "ftp://x", "", "tgram", "://", "tgram://x y", "tgram://[",
    "ntfy://localhost/topic", "ntfys://ntfy.evil.test/topic", "ntfy://u:p@10.0.0.1/topic", "ntfy://topic?mode=private",
    "matrixs://u:p@localhost/#r", "matrixs://u:p@matrix.org.evil.test/#r", "matrixs://u:p@evilmatrix.org/#r", "matrix://u:p@matrix.org/#r",
    "workflows://localhost:443/aaaaaaaaaaaa/bbbbbbbbb", "workflows://evil.test/x.logic.azure.com/bbbbbbbbb",
    "tgram://123456789:abcdefg_hijklmnopqrstuvwxyzabcdef/12345?template=file:///etc/passwd",
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=http://localhost/",
    "ntfy://topic?attach=http://localhost/", "tgram://123456789:abcdefg_hijklmnopqrstuvwxyzabcdef/1?rto=9999",
    "tgram://123456789:abcdefg_hijklmnopqrstuvwxyzabcdef/1?verify=no", "ntfy://topic?+X-Header=1", "ntfy://topic?to=a;mode=private",
    "ntfy://topic?%6dode=private", "tgram://nonsense", "https://ifttt.com/applets/x", "tgram://" + "a" * 1000,
]  # fmt: skip


async def test_messengers_that_are_let_in(database: Database, helpers: Helpers) -> None:
    messenger = Messenger(database.settings, database, helpers)
    assert [(url, await messenger.examine(url)) for url, _ in LET_IN] == LET_IN


async def test_messengers_that_are_not(database: Database, helpers: Helpers) -> None:
    messenger = Messenger(database.settings, database, helpers)
    for url in KEPT_OUT:
        with pytest.raises(ValueError) as told:  # noqa: PT011
            pytest.fail(f"{url} is let in as {await messenger.examine(url)}")
        assert len(str(told.value)) > 20  # says what to do


def test_an_error_says_which_messengers_there_are() -> None:
    with pytest.raises(ValueError, match="tgram://, whatsapp://") as told:
        check_text("json://localhost/")
    assert ALLOWED in str(told.value)


async def _messenger(database: Database, url: str) -> str:
    async with database.pool.connection() as connection:
        row = await (
            await connection.execute(
                "WITH account AS (INSERT INTO accounts (name) VALUES ('A') RETURNING id),"
                " person AS (INSERT INTO users (account_id, email, name, password_hash)"
                " SELECT id, 'a@x.kz', 'A', '' FROM account RETURNING id)"
                " INSERT INTO messengers (user_id, name, url) SELECT id, 'mine', %s FROM person RETURNING id",
                [url],
            )
        ).fetchone()
    assert row is not None
    return str(row[0])


async def test_a_message_goes_to_the_messenger_of_the_table(
    database: Database, helpers: Helpers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as the way out of this machine: a proxy that is asked for Telegram's host, and for nothing else."""
    async with serving(502) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        messenger = Messenger(database.settings, database, helpers)
        number = await _messenger(database, "tgram://123456789:abcdefg_hijklmnopqrstuvwxyzabcdef/12345")
        with pytest.raises(NotSent) as told:
            await messenger.send(number, TEXT, deadline_s=10)
    assert {line.rpartition(" ")[0] for line, _ in proxy.requests} == {"CONNECT api.telegram.org:443"}
    assert "abcdefg" not in told.value.reason
    assert not told.value.permanent


@pytest.mark.parametrize("address", ["999999", "0", "-1", "x", "", "99999999999999999999"])
async def test_a_messenger_that_is_gone(database: Database, helpers: Helpers, address: str) -> None:
    with pytest.raises(NotSent, match="was removed") as told:
        await Messenger(database.settings, database, helpers).send(address, TEXT, deadline_s=5)
    assert told.value.permanent


async def test_a_url_that_was_let_in_before_the_list_was_is_not_sent_to(database: Database, helpers: Helpers) -> None:
    async with serving() as gateway:
        number = await _messenger(database, f"json://127.0.0.1:{gateway.port}/")
        settings = Settings(alerts=AlertSettings(private_webhooks=True))
        with pytest.raises(NotSent, match="can't be used") as told:
            await Messenger(settings, database, helpers).send(number, TEXT, deadline_s=5)
    assert told.value.permanent
    assert not gateway.requests


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2a00:1450:4010:c0f::65", True), ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False),
        ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False),
        ("255.255.255.255", False), ("198.18.0.1", False), ("::1", False), ("::", False), ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("fd00::1", False),
        ("ff02::1", False), ("::ffff:127.0.0.1", False), ("::ffff:8.8.8.8", True), ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True), ("2002:7f00:1::", False), ("2002:a00:1::", False), ("localhost", False), ("", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_the_secrets_of_a_url() -> None:
    found = secrets_of("twilio://ACsid123:tok%2Fen99@+15551112222/+77011234567?key=hidden")
    assert {"ACsid123", "tok/en99", "tok%2Fen99", "hidden"} <= set(found)
    assert found == sorted(found, key=len, reverse=True)
