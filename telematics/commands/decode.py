"""`telematics decode`: what a packet says, for a person or, with --jsonl, for a program."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import msgspec
import typer
from rich.console import Console
from rich.table import Table

import protocols
from protocols import ANSWER, BadFrame, Codec, Frame, Received, Session

OWN_WORDS = {"frame"}


def decode(
    protocol: Annotated[str, typer.Argument(help="Protocol name, such as gt06.", show_default=False)] = "",
    packet: Annotated[
        str, typer.Argument(help="The packet in hex; text protocols may be typed as they are.", show_default=False)
    ] = "",
    name: Annotated[str, typer.Option("--protocol", help="Protocol name, for --jsonl.")] = "",
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Read {id, wire | http, identified} lines, write {id, positions, error}.")
    ] = False,
) -> None:
    """Explain a packet: telematics decode gt06 78780d01…"""
    try:
        codec = protocols.codec(name or protocol)
    except protocols.UnknownProtocol as error:
        raise typer.BadParameter(str(error)) from None
    if jsonl:
        for line in sys.stdin:
            sys.stdout.write(answer(codec, line) + "\n")
        return
    if not packet:
        raise typer.BadParameter("give the packet in hex behind the protocol's name, or --jsonl and lines on standard input")
    explain(codec, wire_of(packet))


def wire_of(packet: str) -> bytes:
    """Hex, with or without blanks; anything else is text, and gets the line end that a terminal can't type."""
    try:
        return bytes.fromhex(packet)
    except ValueError:
        return packet.encode() + b"\r\n"


def answer(codec: Codec, line: str) -> str:
    """One line of --jsonl: the question's id, the positions in it, and what was wrong."""
    case: dict[str, Any] = {}
    try:
        case = msgspec.json.decode(line)
        wire = bytes.fromhex(case["wire"]) if "wire" in case else http_request(case["http"])
    except (ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
        return msgspec.json.encode(
            {"id": case.get("id") if isinstance(case, dict) else None, "positions": [], "error": f"not a question: {error}"}
        ).decode()
    told = read(codec, wire)
    result: dict[str, Any] = {"id": case.get("id"), "positions": told.positions}
    if told.errors:
        result["error"] = "; ".join(told.errors)
    return msgspec.json.encode(result).decode()


class Told(msgspec.Struct):
    """All that a codec makes of some bytes."""

    logins: list[str]
    frames: list[Frame]
    positions: list[dict[str, Any]]
    replies: list[bytes]
    errors: list[str]


def read(codec: Codec, wire: bytes) -> Told:
    """What the codec reads in wire, as a stream or, when that gives nothing, as a datagram."""
    told = _read(codec, codec.session(), wire)
    if not told.logins and codec.datagram is not None and all(frame.kind == ANSWER for frame in told.frames):
        as_datagram = _read(codec, codec.datagram(), wire)
        if as_datagram.frames or as_datagram.logins:
            return as_datagram
    return told


def _read(codec: Codec, session: Session, wire: bytes) -> Told:
    logins: list[str] = []
    frames: list[Frame] = []
    replies: list[bytes] = []
    rejects: list[BadFrame] = []
    received: Received = session.receive(wire)
    while True:
        frames += received.frames
        rejects += received.rejects
        if received.reply:
            replies.append(received.reply)
        if received.login is None:
            break
        logins.append(received.login)
        received = session.admit(known=True)
    decoded = codec.decode(frames)
    errors = [str(reject) for reject in rejects] + [bad.reason for bad in decoded.unreadable]
    return Told(logins, frames, list(decoded.columns.rows()), replies + [f.ack for f in frames if f.ack], errors)


def http_request(http: dict[str, Any]) -> bytes:
    """The bytes of an HTTP/1.1 request from {method, path, query, headers, body}."""
    body = http.get("body") or ""
    payload = body.encode() if isinstance(body, str) else bytes(body)
    target = http.get("path") or "/"
    if http.get("query") and not urlsplit(target).query:
        target += "?" + http["query"]
    target = quote(target, safe="!#$%&'()*+,-./:;=?@[]_~")  # what a client would have escaped, a record may not have
    headers = {"Host": "telematics", **(http.get("headers") or {}), "Content-Length": str(len(payload))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{http.get('method') or 'GET'} {target} HTTP/1.1\r\n{head}\r\n".encode() + payload


def explain(codec: Codec, wire: bytes) -> None:
    """Print what the packet says; exit with 1 when nothing in it could be read."""
    told, out = read(codec, wire), Console()
    for login in told.logins:
        out.print(f"[bold]says it is[/] {login}")
    for place, position in enumerate(told.positions, 1):
        out.print(_table(f"report {place}", position.items()))
    for frame in told.frames:
        if not told.positions:
            out.print(f"[bold]{frame.kind}[/], {len(frame.payload)} bytes, holds no report")
    for reply in told.replies:
        out.print(
            f"[bold]server answers[/] {reply.hex()}"
            + (f"  {reply!r}" if reply.isascii() and reply.strip().isascii() and b"\r\n" in reply else "")
        )
    for error in told.errors:
        out.print(f"[bold red]can't be read:[/] {error}")
    if not (told.logins or told.frames):
        if not told.errors:
            out.print("nothing whole in these bytes: is the packet complete, and the protocol right?")
        raise typer.Exit(1)


def _table(title: str, fields: Iterable[tuple[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in fields:
        if name == "attributes":
            for attribute, inner in value.items():
                table.add_row(f"  {attribute}", str(inner))
        elif value is not None:
            table.add_row(name, str(value))
    return table
