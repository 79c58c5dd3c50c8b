"""E-mail by SMTP: a connection per mail, one deadline for the whole conversation.

An answer of the server's decides: 4xx is temporary, 5xx permanent. Only a connection that ends, or a deadline that passes,
after the mail's last line was written leaves open whether it will arrive. The Message-ID is the same for every try of a
delivery, so that the mailbox of somebody who is sent a mail again can show it once.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import ssl
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.policy import SMTPUTF8 as WIDE_WIRE
from email.utils import format_datetime, localtime, make_msgid

import aiosmtplib

from telematics.alerts.channels import PICTURE, Message, NotSent, Sent
from telematics.alerts.channels.said import said
from telematics.config import MailSettings

ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x20\x7f]{1,64}@[^\s@<>()\[\],;:\\\"/\x00-\x20\x7f]{1,253}")
START_INPUT = 354
Refusal = aiosmtplib.SMTPResponseException


class Mail:
    name = "mail"
    idempotent = False

    def __init__(self, settings: MailSettings, tls: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._tls = tls

    @property
    def configured(self) -> str | None:
        if not self._settings.host:
            return "no e-mail is sent: [mail] host is not set"
        try:
            sender = ascii_address(self._settings.sender)
        except ValueError as error:
            return f"[mail] sender: {error}"
        return None if sender.isascii() else "[mail] sender: write it with the letters a to z"

    async def send(self, address: str, message: Message, *, deadline_s: float) -> Sent:
        if reason := self.configured:
            raise NotSent(reason, permanent=True)
        try:
            recipient = ascii_address(address)
        except ValueError as error:
            raise NotSent(str(error), permanent=True) from error
        mail = _Mail(build(self._settings, recipient, message))
        client = self._client(deadline_s)
        try:
            async with asyncio.timeout(deadline_s):
                return await self._converse(client, recipient, mail)
        except (Refusal, aiosmtplib.SMTPRecipientsRefused) as error:
            raise self._refused(error) from error
        except aiosmtplib.SMTPNotSupported as error:
            raise NotSent(f"the mail server can't do it: {said(str(error))}", permanent=True) from error
        except (TimeoutError, aiosmtplib.SMTPTimeoutError) as error:
            raise NotSent(mail.unanswered(f"within {deadline_s:g} s"), uncertain=mail.written) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            if mail.written:
                raise NotSent(mail.unanswered(f"before the connection was lost ({said(str(error))})"), uncertain=True) from error
            raise NotSent(f"the mail server can't be reached: {said(str(error))}") from error
        finally:
            client.close()

    async def close(self) -> None:
        return None

    async def probe(self, deadline_s: float) -> str | None:
        """None: the server can be reached and takes the login; otherwise what is wrong."""
        if reason := self.configured:
            return reason
        client = self._client(deadline_s)
        try:
            async with asyncio.timeout(deadline_s):
                await self._enter(client)
                await client.quit()
        except Refusal as error:
            return self._refused(error).reason
        except TimeoutError:
            return f"the mail server didn't answer within {deadline_s:g} s"
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return f"the mail server can't be reached: {said(str(error))}"
        finally:
            client.close()
        return None

    def _client(self, deadline_s: float) -> aiosmtplib.SMTP:
        """starttls is demanded, not tried: what listens on the way could take it out of the server's list."""
        settings = self._settings
        return aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=None if settings.security == "none" else self._trusted(),
            local_hostname=own_name(),
            timeout=deadline_s,
        )

    def _trusted(self) -> ssl.SSLContext:
        """Made once: reading all the authorities takes some milliseconds."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    async def _enter(self, client: aiosmtplib.SMTP) -> None:
        await client.connect()
        if self._settings.username:
            await client.login(self._settings.username, self._settings.password or "")

    async def _converse(self, client: aiosmtplib.SMTP, recipient: str, mail: _Mail) -> Sent:
        await self._enter(client)
        wide = not recipient.isascii()
        if wide and client.last_ehlo_response is None:
            await client.ehlo()  # what it can do is known from its answer
        if wide and not client.supports_extension("smtputf8"):
            raise aiosmtplib.SMTPNotSupported("it takes no addresses with letters other than a to z")
        options, encoding = (["SMTPUTF8"], "utf-8") if wide else ([], "ascii")
        await client.mail(ascii_address(self._settings.sender), options=options, encoding=encoding)
        await client.rcpt(recipient, encoding=encoding)
        answer = await client.execute_command(b"DATA")
        if answer.code != START_INPUT:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        assert client.protocol is not None
        client.protocol.write(wire(mail.message, wide=wide))
        mail.written = True
        answer = await client.protocol.read_response(timeout=None)  # our own deadline stands around it
        if answer.code != aiosmtplib.SMTPStatus.completed:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        client.protocol.write(b"QUIT\r\n")  # without waiting for an answer: the mail is delivered, whatever goes wrong now
        return Sent(provider_id=said(answer.message))

    def _refused(self, error: aiosmtplib.SMTPException) -> NotSent:
        answers = error.recipients if isinstance(error, aiosmtplib.SMTPRecipientsRefused) else [error]
        answer = answers[0]
        assert isinstance(answer, Refusal)
        whom = {
            aiosmtplib.SMTPRecipientRefused: "the recipient",
            aiosmtplib.SMTPSenderRefused: f"the sender {self._settings.sender}",
            aiosmtplib.SMTPAuthenticationError: "the login",
            aiosmtplib.SMTPDataError: "the mail",
        }.get(type(answer), "the conversation")
        words = said(answer.message, [self._settings.password])
        # A wrong login is mended by whoever runs the server: the mail can wait for that
        permanent = 500 <= answer.code < 600 and not isinstance(answer, aiosmtplib.SMTPAuthenticationError)
        return NotSent(f"the mail server refused {whom}: {answer.code} {words}".rstrip(), permanent=permanent)


@dataclass(slots=True)
class _Mail:
    message: EmailMessage
    written: bool = False  # to its last line: from here on the server may have it

    def unanswered(self, until: str) -> str:
        if self.written:
            return f"the mail server took the mail and said neither yes nor no {until}: it may have gone out"
        return f"the mail server didn't answer {until}"


def ascii_address(address: str) -> str:
    """With the domain as the DNS writes it. Raises ValueError for what isn't an e-mail address."""
    if len(address) > 254 or not ADDRESS.fullmatch(address) or "=?" in address:  # an encoded word, see `_plain`
        raise ValueError(f"{said(address)!r} is not an e-mail address")
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain if domain.isascii() else domain.encode('idna').decode()}"
    except UnicodeError as error:
        raise ValueError(f"{said(address)!r} is not an e-mail address") from error


def build(settings: MailSettings, recipient: str, message: Message) -> EmailMessage:
    """Text first, HTML with its picture beside it. A header can't be broken out of: its value is one line, and the library finds
    no line ends to decode in it (`_plain`)."""
    mail = EmailMessage(policy=WIDE_WIRE if not recipient.isascii() else WIRE)
    sender = ascii_address(settings.sender)
    mail["From"] = Address(display_name=_plain(settings.sender_name), addr_spec=sender)
    local, _, domain = recipient.rpartition("@")
    mail["To"] = Address(username=local, domain=domain)  # addr_spec takes no letters beyond ASCII
    mail["Subject"] = _plain(message.subject) or "Telematics"
    mail["Date"] = format_datetime(localtime())
    mail["Message-ID"] = message_id(sender, recipient, message)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: holiday notices don't answer it
    mail["X-Auto-Response-Suppress"] = "All"  # Exchange's word for the same
    mail.set_content(message.text, cte="quoted-printable")
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html", cte="quoted-printable")
        if message.picture is not None:
            html = list(mail.iter_parts())[1]
            assert isinstance(html, EmailMessage)
            html.add_related(message.picture, "image", "png", cid=f"<{PICTURE}>", filename=f"{PICTURE}.png", disposition="inline")
    return mail


def _plain(words: str) -> str:
    """On one line, and nothing in it looks like an encoded word (RFC 2047): the email library decodes those also in what is
    written, so that "=?utf-8?q?=0d=0aBcc:…?=" in a vehicle's name would be two lines of the head."""
    return said(words.replace("=?", "= ?"))


def message_id(sender: str, recipient: str, message: Message) -> str:
    """The delivery's; of a message that is no delivery (a test) a new one each time."""
    domain = sender.rpartition("@")[2]
    if message.delivery_id <= 0:
        return make_msgid("test", domain)
    told = [(alert.get("id"), alert.get("time")) for alert in message.data.get("alerts", ())][:1]
    digest = hashlib.blake2b(f"{recipient} {told}".encode(), digest_size=9).hexdigest()  # two servers may share a domain
    return f"<alert-{message.delivery_id}-{digest}@{domain}>"


def wire(mail: EmailMessage, *, wide: bool) -> bytes:
    """As it follows DATA: CRLF, lines that begin with a dot doubled, a dot at the end."""
    body = mail.as_bytes(policy=WIDE_WIRE if wide else WIRE)
    body = re.sub(rb"\r\n|\r|\n", b"\r\n", body)
    return re.sub(rb"(?m)^\.", b"..", body.rstrip(b"\r\n")) + b"\r\n.\r\n"


def own_name() -> str:
    """For EHLO; asked of this machine alone, for the DNS may take its time."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", name) else "[127.0.0.1]"
