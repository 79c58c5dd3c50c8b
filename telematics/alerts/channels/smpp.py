"""SMS by SMPP 3.4: one bound connection, shared by all messages, closed when nobody needs it.

Why not Apprise's plugin: docs/adr/0005-smpp-without-apprise.md. The PDUs are smpplib's, the socket is asyncio's, so that every
wait has an end and a gateway that hangs costs a future, not a thread.

Source  SMPP Protocol Specification v3.4, Issue 1.2: 3.2 (header), 4.1 (bind), 4.4 (submit_sm), 4.11 (enquire_link),
        5.1.3 (command_status), 5.2.12 (esm_class), 5.2.19 (data_coding)
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import parse_qs, unquote, urlsplit

from smpplib import consts, smpp
from smpplib.command_codes import get_command_code

from telematics.alerts.channels import NotSent, Sent, gsm
from telematics.alerts.channels.said import said

HEADER = struct.Struct(">IIII")  # length, command, status, sequence
LONGEST_PDU = 64 * 1024  # the largest a gateway may send: a deliver_sm with a payload
IDLE_S = 30.0  # a bind nobody uses is given back
GOODBYE_S = 1.0
WINDOW = 10  # messages without an answer; gateways commonly allow ten
AGAIN_S = (0.2, 0.5, 1.0, 2.0, 4.0)  # before a throttled part follows parts that are out already
RESPONSE = 0x8000_0000
NACK, DELIVER, DATA, UNBIND, ENQUIRE = RESPONSE, 0x05, 0x103, 0x06, 0x15
ANSWERED = {DELIVER: b"\0", DATA: b"\0", ENQUIRE: b"", UNBIND: b""}  # requests of the gateway's, and the bodies of our answers
UDH = 0x40  # esm_class: the text begins with a header
TEMPORARY = frozenset(
    [
        consts.SMPP_ESME_RTHROTTLED,
        consts.SMPP_ESME_RMSGQFUL,
        consts.SMPP_ESME_RSYSERR,
        consts.SMPP_ESME_RINVBNDSTS,
        consts.SMPP_ESME_RALYBND,
        consts.SMPP_ESME_RBINDFAIL,
        consts.SMPP_ESME_RX_T_APPN,
    ]
)
CODING: dict[gsm.Alphabet, int] = {"gsm": 0, "latin1": 3, "ucs2": 8}
Choice = Literal["auto", "gsm", "latin1", "ucs2"]
ALPHABETS: tuple[Choice, ...] = get_args(Choice)
INTERNATIONAL, NATIONAL_SHORT, ALPHANUMERIC = (1, 1), (3, 0), (5, 0)  # type of number, numbering plan


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where to, and as whom. Lengths are the specification's, without the closing zero."""

    host: str
    port: int
    tls: bool
    system_id: str
    password: str
    source: str
    source_kind: tuple[int, int]
    system_type: str = ""
    alphabet: Choice = "auto"

    @classmethod
    def of(cls, url: str) -> tuple[Gateway, str]:
        """The gateway and the receiver of smpp://user:password@host:2775/sender/receiver. Raises ValueError."""
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        path = [unquote(piece) for piece in parts.path.split("/") if piece]
        if len(path) != 2 or not parts.hostname or not parts.username:
            raise ValueError("write it as smpp://user:password@host:2775/sender/{phone}")
        if unknown := set(options) - {"alphabet", "system_type", "source_ton", "source_npi"}:
            raise ValueError(f"it has no option {said(min(unknown))}: alphabet, system_type, source_ton and source_npi are known")
        source, receiver = path
        ton, npi = _kind_of(source)
        tls = parts.scheme == "smpps"
        alphabet = options.get("alphabet", "auto")
        if alphabet not in ALPHABETS:
            raise ValueError(f"alphabet is one of {', '.join(ALPHABETS)}")
        gateway = cls(
            host=parts.hostname,
            port=parts.port or (3550 if tls else 2775),
            tls=tls,
            system_id=_bounded(unquote(parts.username), 15, "user"),
            password=_bounded(unquote(parts.password or ""), 8, "password"),
            source=_bounded(source.removeprefix("+"), 20, "sender"),
            source_kind=(_octet(options, "source_ton", ton), _octet(options, "source_npi", npi)),
            system_type=_bounded(options.get("system_type", ""), 12, "system_type"),
            alphabet=alphabet,
        )
        return gateway, receiver


def _kind_of(source: str) -> tuple[int, int]:
    """A short code is the network's own, a name is a name."""
    if not source.removeprefix("+").isdigit():
        return ALPHANUMERIC
    return INTERNATIONAL if source.startswith("+") or len(source) > 6 else NATIONAL_SHORT


def _bounded(text: str, longest: int, what: str) -> str:
    """smpplib would cut it without a word."""
    if len(text) > longest or not text.isascii() or not (text.isprintable()):
        raise ValueError(f"its {what} may have at most {longest} letters, figures and signs of ASCII")
    return text


def _octet(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) > 255:
        raise ValueError(f"{name} is a number from 0 to 255")
    return int(text)


class Broken(Exception):
    """The connection is of no use any more."""


class Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"{consts.DESCRIPTIONS.get(status, 'no reason that the specification knows')} (0x{status:08X})")
        self.status = status


class Smpp:
    """Sends through one gateway. A connection is made when it is needed, and made anew after it broke."""

    def __init__(self, gateway: Gateway, tls: ssl.SSLContext | None = None) -> None:
        self.gateway = gateway
        self._tls = tls
        self._session: Session | None = None
        self._binding = asyncio.Lock()

    async def send(self, receiver: str, text: str, reference: int, *, deadline_s: float) -> Sent:
        """`receiver` in E.164. A message's parts carry `reference`, so that those of a second try belong to those of the first.
        Raises NotSent."""
        parts, coding = segments(text, self.gateway.alphabet, reference)
        progress = _Progress(len(parts))
        async with self._bounded(progress, deadline_s):
            session = await self._bound()
            async with session.window:
                return await self._submit(session, receiver.removeprefix("+"), parts, coding, progress)

    async def probe(self, *, deadline_s: float) -> None:
        """Binds, if it isn't bound. Raises NotSent."""
        async with self._bounded(_Progress(0), deadline_s):
            await self._bound()

    @asynccontextmanager
    async def _bounded(self, progress: _Progress, deadline_s: float) -> AsyncIterator[None]:
        """What goes wrong within, and what takes too long, as NotSent."""
        progress.asked_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(deadline_s):
                yield
        except TimeoutError as error:
            if self._session is not None and self._session.heard_s < progress.asked_s:  # it answers nobody any more
                self._session.close()
            raise progress.not_sent(f"the SMS gateway didn't answer within {deadline_s:g} s") from error
        except Refused as error:
            raise NotSent(
                f"the SMS gateway refused it: {error}{progress.so_far}",
                permanent=error.status not in TEMPORARY and not progress.accepted,
            ) from error
        except (Broken, OSError, ssl.SSLError) as error:
            raise progress.not_sent(f"the connection with the SMS gateway failed: {said(str(error))}") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.leave()

    async def _bound(self) -> Session:
        """The session, bound. Others wait for the one who binds: many gateways allow one bind a customer."""
        async with self._binding:
            if self._session is None or self._session.closed:
                self._session = await Session.open(self.gateway, self._tls)
            return self._session

    async def _submit(self, session: Session, receiver: str, parts: list[bytes], coding: int, progress: _Progress) -> Sent:
        """One after the other, each when its forerunner is accepted. What is accepted can't be taken back, so a gateway that has
        enough in the middle of a message is asked again."""
        first_id: str | None = None
        for part in parts:
            for pause_s in (*AGAIN_S, None):
                try:
                    message_id = await session.submit(
                        self.gateway, receiver, part, coding, UDH if len(parts) > 1 else 0, progress
                    )
                    break
                except Refused as error:
                    if pause_s is None or not progress.accepted or error.status not in TEMPORARY:
                        raise
                    await asyncio.sleep(pause_s)
            progress.accepted += 1
            first_id = first_id or message_id
        return Sent(provider_id=first_id or None, parts=len(parts))


@dataclass(slots=True)
class _Progress:
    """How far a message has come."""

    parts: int
    accepted: int = 0
    unanswered: bool = False  # a part was written, and not answered: the gateway may have it
    asked_s: float = 0.0  # when something was asked last, by the loop's clock

    @property
    def so_far(self) -> str:
        return f" ({self.accepted} of {self.parts} parts accepted)" if self.accepted else ""

    def not_sent(self, reason: str) -> NotSent:
        doubt = ": it may have gone out" if self.unanswered else ""
        return NotSent(f"{reason}{self.so_far}{doubt}", uncertain=self.unanswered)


def segments(text: str, alphabet: Choice, reference: int) -> tuple[list[bytes], int]:
    """The parts, each behind its header if there are several, and their data_coding. An alphabet that lacks letters gives way."""
    chosen: gsm.Alphabet = "ucs2"
    if alphabet == "auto":
        chosen = gsm.alphabet_of(text)
    elif alphabet in ("gsm", "latin1") and fits(text, alphabet):
        chosen = alphabet
    parts = gsm.split(text, chosen)
    if len(parts) == 1:
        return parts, CODING[chosen]
    head = bytes([5, 0, 3, reference % 256, len(parts)])
    return [head + bytes([number]) + part for number, part in enumerate(parts, start=1)], CODING[chosen]


def fits(text: str, alphabet: gsm.Alphabet) -> bool:
    try:
        gsm.split(text, alphabet)
    except UnicodeEncodeError:
        return False
    return True


class Session:
    """A bound connection. A task of its own reads; answers find their requests by number."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._waiting: dict[int, tuple[int, asyncio.Future[tuple[int, bytes]]]] = {}
        self._sequence = 0
        self._loop = asyncio.get_running_loop()
        self.heard_s = self._loop.time()
        self._idle: asyncio.TimerHandle | None = None
        self._reading: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self.window = asyncio.Semaphore(WINDOW)
        self.closed = False

    @classmethod
    async def open(cls, gateway: Gateway, tls: ssl.SSLContext | None) -> Session:
        """Connected and bound. Raises OSError, Broken or Refused."""
        context = (tls or ssl.create_default_context()) if gateway.tls else None
        session = cls(*await asyncio.open_connection(gateway.host, gateway.port, ssl=context))
        try:
            session._reading = asyncio.create_task(session._read(), name="smpp")
            await session._request(
                "bind_transmitter",
                lambda: None,
                system_id=gateway.system_id,
                password=gateway.password,
                system_type=gateway.system_type,
            )
        except BaseException:  # also a deadline that passes
            session.close()
            raise
        session._rest()
        return session

    async def submit(
        self, gateway: Gateway, receiver: str, part: bytes, coding: int, esm_class: int, progress: _Progress
    ) -> str | None:
        """The gateway's id of it. Raises Refused or Broken."""

        def written() -> None:
            progress.unanswered, progress.asked_s = True, self._loop.time()

        body = await self._request(
            "submit_sm",
            written,
            source_addr_ton=gateway.source_kind[0],
            source_addr_npi=gateway.source_kind[1],
            source_addr=gateway.source,
            dest_addr_ton=INTERNATIONAL[0],
            dest_addr_npi=INTERNATIONAL[1],
            destination_addr=receiver,
            esm_class=esm_class,
            data_coding=coding,
            registered_delivery=0,
            short_message=part,
            answered=lambda: setattr(progress, "unanswered", False),
        )
        return said(body.split(b"\0", 1)[0][:64]) or None

    async def _request(
        self, command: str, written: Callable[[], None], *, answered: Callable[[], None] = lambda: None, **fields: Any
    ) -> bytes:
        """The answer's body. Raises Refused, or Broken when the connection ends before it comes."""
        if self.closed:
            raise Broken("it was closed")
        self._sequence = self._sequence % 0x7FFF_FFFF + 1
        number = self._sequence
        future: asyncio.Future[tuple[int, bytes]] = self._loop.create_future()
        pdu = smpp.make_pdu(command, client=_Numbered(number), **fields)
        self._waiting[number] = (RESPONSE | get_command_code(command), future)
        self._rest()
        try:
            self._writer.write(pdu.generate())
            written()
            await self._writer.drain()
            answer = await future
        except ConnectionError as error:
            raise Broken(str(error) or "it was reset") from error
        finally:
            del self._waiting[number]
            self._rest()
        answered()
        status, body = answer
        if status:
            raise Refused(status)
        return body

    async def _read(self) -> None:
        reason = "the gateway closed it"
        try:
            while True:
                head = await self._reader.readexactly(HEADER.size)
                length, command, status, number = HEADER.unpack(head)
                if not HEADER.size <= length <= LONGEST_PDU:
                    raise Broken(f"the gateway sent a PDU of {length} bytes")
                body = await self._reader.readexactly(length - HEADER.size)
                self.heard_s = self._loop.time()
                self._take(command, status, number, body)
        except asyncio.IncompleteReadError:
            pass
        except (OSError, Broken) as error:
            reason = said(str(error)) or reason
        finally:
            self._fail(reason)

    def _take(self, command: int, status: int, number: int, body: bytes) -> None:
        if command in ANSWERED:
            answer = ANSWERED[command]
            self._writer.write(HEADER.pack(HEADER.size + len(answer), RESPONSE | command, 0, number) + answer)
            if command == UNBIND:
                raise Broken("the gateway unbound it")
            return
        expected, future = self._waiting.get(number, (None, None))
        if future is None or future.done():
            return  # an answer that came too late
        if command == NACK:
            future.set_result((status or consts.SMPP_ESME_RUNKNOWNERR, b""))
        elif command != expected:
            raise Broken(f"the gateway answered with command 0x{command:08X}")
        else:
            future.set_result((status, body))

    def _rest(self) -> None:
        """Begins to count, once nothing is under way, how long nobody needs it."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if not self._waiting and not self.closed:
            self._idle = self._loop.call_later(IDLE_S, self._go)

    def _go(self) -> None:
        if not self._waiting:
            self._leaving = asyncio.create_task(self.leave(), name="smpp unbind")

    async def leave(self) -> None:
        """Unbind, as one says goodbye, and close."""
        if not self.closed:
            with suppress(TimeoutError, Refused, Broken, OSError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._request("unbind", lambda: None)
        self.close()

    def close(self) -> None:
        self._fail("it was closed")
        if self._reading is not None and self._reading is not asyncio.current_task():
            self._reading.cancel()

    def _fail(self, reason: str) -> None:
        """Everybody who waits hears it at once."""
        self.closed = True
        if self._idle is not None:
            self._idle.cancel()
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(Broken(reason))
        transport = self._writer.transport
        if transport.is_closing() or not transport.get_write_buffer_size():
            transport.close()
        else:  # a peer that doesn't read would keep it open
            self._loop.call_later(GOODBYE_S, transport.abort)
            transport.close()


class _Numbered:
    """What smpplib asks for the next number."""

    def __init__(self, number: int) -> None:
        self.sequence = number

    def next_sequence(self) -> int:
        return self.sequence
