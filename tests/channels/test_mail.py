"""E-mail through a real SMTP server (aiosmtpd), and through scripted ones that hang, refuse or die."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from telematics.alerts.channels import Message, NotSent
from telematics.alerts.channels.mail import Mail
from telematics.config import MailSettings

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
MESSAGE = Message(
    delivery_id=42,
    subject="Камаз: въезд в «Склад»",
    text="Камаз: въезд в «Склад»\n.\n..две точки\n" + "длинная строка " * 200,
    short="",
    html='<p>Камаз</p><img src="cid:map">',
    picture=PICTURE,
    data={"alerts": [{"id": 7, "time": "2026-03-12T14:05:00.000+00:00"}]},
)


class Box:
    """Takes mail, but not for everybody."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.encrypted: list[bool] = []

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox here"
        if address.startswith("full@"):
            return "452 4.2.2 mailbox full, come back tomorrow"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(envelope)
        self.encrypted.append(session.ssl is not None)
        return "250 2.0.0 queued as 4711"

    def mail(self) -> EmailMessage:
        content = self.mails[-1].content
        assert isinstance(content, bytes)
        found = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        return found


def login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(success=(data.login, data.password) == (b"fleet", b"pass word"), handled=False)


@asynccontextmanager
async def serving(box: Box, implicit: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(box, hostname="mx.test", enable_SMTPUTF8=True, **options), "127.0.0.1", 0, ssl=implicit
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def settings(port: int, **more: Any) -> MailSettings:
    return MailSettings(
        **{"host": "localhost", "port": port, "security": "none", "sender": "gps@example.com", "sender_name": "Автопарк"} | more
    )


async def test_a_mail_arrives_whole() -> None:
    box = Box()
    async with serving(box) as port:
        sent = await Mail(settings(port)).send("anna@example.com", MESSAGE, deadline_s=2)
    assert sent.provider_id == "2.0.0 queued as 4711"
    (envelope,) = box.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("gps@example.com", ["anna@example.com"])
    mail = box.mail()
    assert mail["From"].addresses[0].display_name == "Автопарк"
    assert mail["From"].addresses[0].addr_spec == "gps@example.com"
    assert mail["To"] == "anna@example.com"
    assert mail["Subject"] == MESSAGE.subject
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] is None
    assert abs((parsedate_to_datetime(mail["Date"]) - datetime.now(UTC)).total_seconds()) < 60
    text, html, picture = mail.get_body(("plain",)), mail.get_body(("html",)), mail.get_payload()[1].get_payload()[1]
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == MESSAGE.text + "\n"
    assert html.get_content().strip() == MESSAGE.html
    assert picture["Content-ID"] == "<map>"
    assert picture["Content-Disposition"].startswith("inline")
    assert picture.get_content() == PICTURE
    assert max(map(len, envelope.content.splitlines())) < 998  # RFC 5322, 2.1.1


async def test_a_second_try_has_the_first_ones_id_and_another_delivery_another() -> None:
    box = Box()
    async with serving(box) as port:
        mail = Mail(settings(port))
        seen = []
        for delivery_id, address in (
            (42, "a@example.com"),
            (42, "a@example.com"),
            (43, "a@example.com"),
            (0, "a@x.kz"),
            (0, "a@x.kz"),
        ):
            message = Message(delivery_id=delivery_id, subject="s", text="t", short="", data=MESSAGE.data)
            await mail.send(address, message, deadline_s=2)
            seen.append(box.mail()["Message-ID"])
    assert seen[0] == seen[1]
    assert len(set(seen)) == 4
    assert all(one.endswith("@example.com>") for one in seen)


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("x\r\nBcc: spy@evil.test\r\n\r\n<script>\u2028\x00", id="line ends"),
        pytest.param("Truck =?utf-8?q?=0d=0aBcc:_spy@evil.test=0d=0a=0d=0a<script>?= moved", id="line ends in an encoded word"),
        pytest.param("=?utf-8?b?eA0KQmNjOiBzcHlAZXZpbC50ZXN0?=", id="line ends in base64"),
    ],
)
@pytest.mark.parametrize("field", ["subject", "sender_name"])
async def test_a_header_can_not_be_broken_out_of(field: str, hostile: str) -> None:
    box = Box()
    async with serving(box) as port:
        mail = Mail(settings(port, **({"sender_name": hostile} if field == "sender_name" else {})))
        message = Message(delivery_id=1, subject=hostile if field == "subject" else "s", text="t", short="")
        await mail.send("anna@example.com", message, deadline_s=2)
    assert box.mail()["Bcc"] is None
    assert box.mails[0].rcpt_tos == ["anna@example.com"]
    assert box.mail().get_content().strip() == "t"


@pytest.mark.parametrize(
    "address",
    ["", "anna", "@example.com", "anna@", "a b@example.com", "anna@example.com\r\nRCPT TO:<spy@evil.test>", "<anna@example.com>",
     "anna@example.com,spy@evil.test", "=?utf-8?q?a=0d=0aBcc=3aspy?=@example.com",
     "a" * 65 + "@example.com", "anna@" + "e" * 260, "anna@exa..mple\u00e9.com"],
)  # fmt: skip
async def test_what_is_no_address_is_refused(address: str) -> None:
    box = Box()
    async with serving(box) as port:
        with pytest.raises(NotSent, match="not an e-mail address") as told:
            await Mail(settings(port)).send(address, MESSAGE, deadline_s=2)
    assert told.value.permanent
    assert not box.mails


@pytest.mark.parametrize(
    ("address", "received"),
    [("anna@почта.рф", "anna@xn--80a1acny.xn--p1ai"), ("анна@example.com", "анна@example.com")],
)
async def test_addresses_beyond_ascii(address: str, received: str) -> None:
    box = Box()
    async with serving(box) as port:
        await Mail(settings(port)).send(address, MESSAGE, deadline_s=2)
    assert box.mails[0].rcpt_tos == [received]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # aiosmtpd doesn't see that it is spoken in TLS
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_encrypted_and_logged_in(security: str) -> None:
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(theirs)
    authority.configure_trust(ours)
    box = Box()
    options: dict[str, Any] = {"authenticator": login, "auth_required": True, "auth_exclude_mechanism": ["LOGIN"]}
    options |= {"tls_context": theirs, "require_starttls": True} if security == "starttls" else {"auth_require_tls": False}
    async with serving(box, theirs if security == "tls" else None, **options) as port:
        chosen = settings(port, security=security, username="fleet", password="pass word")
        await Mail(chosen, ours).send("anna@example.com", MESSAGE, deadline_s=3)
        assert len(box.mails) == 1
        assert await Mail(chosen, ours).probe(3) is None
        with pytest.raises(NotSent, match="certificate verify failed"):
            await Mail(chosen).send("anna@example.com", MESSAGE, deadline_s=3)
        wrong = settings(port, security=security, username="fleet", password="wrong-one")
        with pytest.raises(NotSent, match="refused the login: 535") as told:
            await Mail(wrong, ours).send("anna@example.com", MESSAGE, deadline_s=3)
        assert "wrong-one" not in told.value.reason
        assert not told.value.permanent  # the operator can mend it while the mail waits
        assert "refused the login" in (await Mail(wrong, ours).probe(3) or "")
    assert len(box.mails) == 1


async def test_starttls_is_not_given_up_for_a_server_without_it() -> None:
    box = Box()
    async with serving(box) as port:
        with pytest.raises(NotSent, match=r"(?i)starttls"):
            await Mail(settings(port, security="starttls")).send("anna@example.com", MESSAGE, deadline_s=2)
    assert not box.mails


@pytest.mark.parametrize(
    ("address", "permanent", "words"),
    [
        ("nobody@example.com", True, "recipient: 550 5.1.1 no such mailbox here"),
        ("full@example.com", False, "recipient: 452 4.2.2"),
    ],
)
async def test_why_a_recipient_is_refused(address: str, permanent: bool, words: str) -> None:
    async with serving(Box()) as port:
        with pytest.raises(NotSent) as told:
            await Mail(settings(port)).send(address, MESSAGE, deadline_s=2)
    assert words in told.value.reason
    assert (told.value.permanent, told.value.uncertain) == (permanent, False)


HANG, DIE = "hang", "die"
GREETED = ["220 mx.test", "250 mx.test", "250 sender ok", "250 recipient ok"]  # greeting, EHLO, MAIL, RCPT


@asynccontextmanager
async def scripted(answers: Sequence[str]) -> AsyncIterator[int]:
    """Says these lines, one after each of the client's (the mail itself is one), then hangs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for place, answer in enumerate(answers):
                if place and answers[place - 1].startswith("354"):
                    await reader.readuntil(b"\r\n.\r\n")
                elif place:
                    await reader.readline()
                if answer == DIE:
                    return
                if answer == HANG:
                    break
                writer.write(answer.encode() + b"\r\n")
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("answers", "permanent", "uncertain", "words"),
    [
        pytest.param([HANG], False, False, "didn't answer within 0.3 s", id="hangs before its greeting"),
        pytest.param([DIE], False, False, "can't be reached", id="closes before its greeting"),
        pytest.param(["554 go away"], True, False, "554 go away", id="refuses to talk"),
        pytest.param(["421 too many connections"], False, False, "421 too many", id="has no time"),
        pytest.param(["HTTP/1.1 400 Bad Request"], False, False, "", id="is a web server"),
        pytest.param([*GREETED[:2], "451 try later"], False, False, "sender gps@example.com: 451", id="not now for the sender"),
        pytest.param([*GREETED[:2], "553 not yours"], True, False, "sender gps@example.com: 553", id="not this sender"),
        pytest.param([*GREETED, HANG], False, False, "didn't answer within", id="hangs at DATA"),
        pytest.param([*GREETED, "451 disk full"], False, False, "the mail: 451 disk full", id="no DATA now"),
        pytest.param([*GREETED, DIE], False, False, "can't be reached", id="closes at DATA"),
        pytest.param([*GREETED, "354 go on", HANG], False, True, "may have gone out", id="hangs after the mail"),
        pytest.param([*GREETED, "354 go on", DIE], False, True, "may have gone out", id="closes after the mail"),
        pytest.param([*GREETED, "354 go on", "554 spam"], True, False, "the mail: 554 spam", id="refuses the mail"),
        pytest.param([*GREETED, "354 go on", "452 no room"], False, False, "the mail: 452", id="has no room for the mail"),
    ],
)
async def test_a_server_that_misbehaves(answers: list[str], permanent: bool, uncertain: bool, words: str) -> None:
    began = time.monotonic()
    async with scripted(answers) as port:
        with pytest.raises(NotSent) as told:
            await Mail(settings(port)).send("anna@example.com", MESSAGE, deadline_s=0.3)
    assert time.monotonic() - began < 1
    assert words in told.value.reason
    assert (told.value.permanent, told.value.uncertain) == (permanent, uncertain), told.value.reason


@pytest.mark.parametrize("goodbye", [HANG, DIE, "500 what?"])
async def test_what_goes_wrong_after_the_yes_changes_nothing(goodbye: str) -> None:
    async with scripted([*GREETED, "354 go on", "250 queued", goodbye]) as port:
        assert (await Mail(settings(port)).send("anna@example.com", MESSAGE, deadline_s=3)).provider_id == "queued"


async def test_a_yes_just_before_the_deadline_is_a_yes() -> None:
    """The goodbye may not turn a sent mail into one that nobody knows of."""
    async with scripted([*GREETED, "354 go on", "250 queued", HANG]) as port:
        assert (await Mail(settings(port)).send("anna@example.com", MESSAGE, deadline_s=0.3)).provider_id == "queued"


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (MailSettings(), "[mail] host is not set"),
        (MailSettings(host="x", sender="Fleet <gps@example.com>"), "[mail] sender"),
        (MailSettings(host="x", sender="гпс@example.com"), "letters a to z"),
    ],
)
async def test_what_is_wrong_with_the_settings_is_told(chosen: MailSettings, words: str) -> None:
    assert words in (Mail(chosen).configured or "")
    with pytest.raises(NotSent) as told:
        await Mail(chosen).send("anna@example.com", MESSAGE, deadline_s=1)
    assert told.value.permanent
