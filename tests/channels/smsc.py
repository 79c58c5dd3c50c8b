"""A small SMS centre over a real socket, written from the SMPP 3.4 specification and strict about what it is sent.

Why our own: of what PyPI has, aiosmpplib is a client; smppy (0.3.2) serves, but transceivers alone, and can neither refuse a
message nor be late with an answer; smpp.twisted3 needs twisted's reactor. It reads PDUs itself, not by smpplib, so that a
mistake of smpplib's would be seen.

Source  SMPP Protocol Specification v3.4, Issue 1.2: 3.2 (header), 4.1.1 (bind), 4.4 (submit_sm), 5.1.3 (command_status);
        3GPP TS 23.040, 9.2.3.24.1 (concatenated short messages)
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HEADER = struct.Struct(">IIII")
BIND_TRANSMITTER, SUBMIT, UNBIND, ENQUIRE, ENQUIRE_RESPONSE = 0x02, 0x04, 0x06, 0x15, 0x80000015
OK, INVALID_BIND_STATE, ALREADY_BOUND, WRONG_PASSWORD, WRONG_SYSTEM_ID = 0, 0x04, 0x05, 0x0E, 0x0F
THROTTLED, QUEUE_FULL, INVALID_DESTINATION = 0x58, 0x14, 0x0B


class Violation(AssertionError):
    """The client did what the specification doesn't allow."""


@dataclass
class Submitted:
    """A submit_sm, field by field."""

    source: tuple[int, int, str]  # type of number, numbering plan, address
    destination: tuple[int, int, str]
    esm_class: int
    protocol_id: int
    priority: int
    registered: int
    data_coding: int
    octets: bytes

    @property
    def header(self) -> tuple[int, int, int] | None:
        """Reference, parts in all, number of this one; None without a user data header."""
        if not self.esm_class & 0x40:
            return None
        length, kind, size, reference, total, number = self.octets[:6]
        if (length, kind, size) != (5, 0, 3):
            raise Violation(f"user data header {self.octets[:6].hex()}")
        return reference, total, number

    @property
    def text(self) -> str:
        body = self.octets[6 if self.header else 0 :]
        if self.data_coding == 8:
            return body.decode("utf-16-be")  # a torn surrogate raises
        if self.data_coding == 3:
            return body.decode("latin-1")
        return gsm_text(body)


@dataclass
class Smsc:
    """What it is told to do, and what it saw."""

    system_id: str = "fleet"
    password: str = "secret"
    statuses: list[int] = field(default_factory=list)  # of the next submit_sm; then OK
    hang_at: str = ""  # "connect", "bind", "submit": says nothing more from there on
    die_at: str = ""  # "bind", "submit": closes the connection there
    late_s: float = 0.0
    out_of_turn: bool = False  # asks and tells on its own account before it answers
    garbage: bytes = b""  # instead of an answer to submit_sm
    received: list[Submitted] = field(default_factory=list)
    binds: int = 0
    unbinds: int = 0
    open: int = 0
    enquired: int = 0  # of our enquire_link answered
    violations: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            if self.hang_at == "connect":
                await reader.read()
                return
            await self._converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Violation as violation:
            self.violations.append(str(violation))
        finally:
            self.open -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bound, last = False, 0
        while True:
            length, command, status, sequence = HEADER.unpack(await reader.readexactly(HEADER.size))
            if not HEADER.size <= length <= 4096:
                raise Violation(f"a PDU of {length} bytes")
            body = await reader.readexactly(length - HEADER.size)
            if status:
                raise Violation(f"a request with status {status}")
            if command == ENQUIRE_RESPONSE:
                self.enquired += 1
                continue
            if command & 0x80000000:
                continue  # an answer to what we asked out of turn
            if not last < sequence <= 0x7FFFFFFF:
                raise Violation(f"sequence number {sequence} after {last}")
            last = sequence
            await asyncio.sleep(self.late_s)
            if command == BIND_TRANSMITTER:
                if self.hang_at == "bind":
                    await reader.read()
                    return
                if self.die_at == "bind":
                    return
                answer = ALREADY_BOUND if bound else self._bind(body)
                bound = bound or answer == OK
                self._answer(writer, command, answer, sequence, b"SMSC\0" if answer == OK else b"")
            elif command == SUBMIT:
                if not bound:
                    raise Violation("submit_sm before a bind")
                message = submitted(body)
                if self.die_at == "submit":
                    return
                self.received.append(message)
                if self.hang_at == "submit":
                    await reader.read()
                    return
                if self.garbage:
                    writer.write(self.garbage)
                    continue
                if self.out_of_turn:
                    writer.write(HEADER.pack(16, ENQUIRE, 0, 9001))
                    writer.write(deliver(9002))
                    self._answer(writer, SUBMIT, OK, 0x7FFFFFF0, b"of nobody\0")
                answer = self.statuses.pop(0) if self.statuses else OK
                self._answer(writer, command, answer, sequence, f"id-{len(self.received)}\0".encode() if answer == OK else b"")
            elif command == UNBIND:
                self.unbinds += 1
                self._answer(writer, command, OK, sequence, b"")
                return
            else:
                raise Violation(f"command 0x{command:08X}")

    def _bind(self, body: bytes) -> int:
        pieces = iter(Fields(body))
        system_id, password, system_type = pieces.text(16), pieces.text(9), pieces.text(13)
        version, ton, npi, addresses = pieces.octet(), pieces.octet(), pieces.octet(), pieces.text(41)
        pieces.end()
        if version != 0x34 or system_type or ton or npi or addresses:
            raise Violation(f"bind with version {version:#x}, {system_type!r}, {ton}, {npi}, {addresses!r}")
        if system_id != self.system_id:
            return WRONG_SYSTEM_ID
        if password != self.password:
            return WRONG_PASSWORD
        self.binds += 1
        return OK

    @staticmethod
    def _answer(writer: asyncio.StreamWriter, command: int, status: int, sequence: int, body: bytes) -> None:
        writer.write(HEADER.pack(16 + len(body), 0x80000000 | command, status, sequence) + body)


class Fields:
    """A PDU's body, read from its beginning, each field with its greatest length."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def __iter__(self) -> Fields:
        return self

    def __next__(self) -> int:
        return self.octet()

    def octet(self) -> int:
        if self._at >= len(self._body):
            raise Violation("a PDU that ends too early")
        self._at += 1
        return self._body[self._at - 1]

    def text(self, longest: int) -> str:
        end = self._body.find(b"\0", self._at)
        if end < 0 or end - self._at >= longest:
            raise Violation(f"a text longer than {longest - 1}: {self._body[self._at :]!r}")
        text, self._at = self._body[self._at : end].decode("ascii"), end + 1
        return text

    def octets(self, count: int) -> bytes:
        octets = self._body[self._at : self._at + count]
        self._at += count
        if len(octets) != count:
            raise Violation("sm_length is greater than the message")
        return octets

    def end(self) -> None:
        if self._at != len(self._body):
            raise Violation(f"{len(self._body) - self._at} octets too many")


def submitted(body: bytes) -> Submitted:
    fields = Fields(body)
    if fields.text(6):
        raise Violation("a service type")
    source = fields.octet(), fields.octet(), fields.text(21)
    destination = fields.octet(), fields.octet(), fields.text(21)
    esm_class, protocol_id, priority = fields.octet(), fields.octet(), fields.octet()
    if fields.text(17) or fields.text(17):
        raise Violation("a time of delivery or validity")
    registered, replace, data_coding, canned = fields.octet(), fields.octet(), fields.octet(), fields.octet()
    if replace or canned:
        raise Violation("replace_if_present or a canned message")
    octets = fields.octets(fields.octet())
    fields.end()
    message = Submitted(source, destination, esm_class, protocol_id, priority, registered, data_coding, octets)
    if not octets or len(octets) > (160 if data_coding == 0 else 140):
        raise Violation(f"{len(octets)} octets of text")
    return message


def deliver(sequence: int) -> bytes:
    """A deliver_sm: somebody's answer, or a receipt. The specification lets no gateway send one to a transmitter; some do."""
    body = b"\0" + b"\1\1+77010000000\0" + b"\1\1fleet\0" + b"\0\0\0" + b"\0\0" + b"\0\0\0\0" + b"\2ok"
    return HEADER.pack(16 + len(body), 0x05, 0, sequence) + body


def gsm_text(octets: bytes) -> str:
    """Septets, one an octet, of the default alphabet as TS 23.038 draws it: columns of 16."""
    columns = (
        "@£$¥èéùìòÇ\nØø\rÅå", "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ", " !\"#¤%&'()*+,-./", "0123456789:;<=>?",
        "¡ABCDEFGHIJKLMNO", "PQRSTUVWXYZÄÖÑÜ§", "¿abcdefghijklmno", "pqrstuvwxyzäöñüà",
    )  # fmt: skip
    extension = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€"}

    def letters(stream: Iterator[int]) -> Iterator[str]:
        for octet in stream:
            if octet == 0x1B:
                code = next(stream, None)
                if code is None:
                    raise Violation("an escape torn from its letter")
                yield extension[code]
            else:
                yield columns[octet >> 4][octet & 15]

    return "".join(letters(iter(octets)))


@asynccontextmanager
async def serving(smsc: Smsc, tls: ssl.SSLContext | None = None) -> AsyncIterator[Smsc]:
    """On a port of its own. What it saw against the specification fails the test."""
    server = await asyncio.start_server(smsc.serve, "127.0.0.1", 0, ssl=tls)
    smsc.port = server.sockets[0].getsockname()[1]
    try:
        yield smsc
    finally:
        server.close()
    assert not smsc.violations
