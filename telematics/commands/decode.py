"""`telematics decode`: what a packet says, for a person or, with --jsonl, for a program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import protocols
from protocols import ANSWER, BadFrame, Codec, Frame, Received, Session
from telematics.commands.captures import looks_like_a_file, talks_of

UNITS = {
    "latitude": "°", "longitude": "°", "altitude_m": "m", "speed_kmh": "km/h", "course_deg": "°", "accuracy_m": "m",
    "power_v": "V", "battery_v": "V", "battery_percent": "%", "odometer_m": "m", "engine_hours_s": "s", "fuel_l": "l",
}  # fmt: skip
WINDS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")


def decode(
    protocol: Annotated[str, typer.Argument(help="Protocol name, such as gt06.", show_default=False)] = "",
    packet: Annotated[
        str,
        typer.Argument(help="The packet in hex, or a file with it; text protocols may be typed as they are.", show_default=False),
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
    for wire in wires_of(codec, packet):
        explain(codec, wire)


def wires_of(codec: Codec, packet: str) -> list[bytes]:
    """What a command line's argument holds, or the file that it names: of a stream one, of datagrams each its own."""
    try:
        is_file = len(packet) < 4096 and Path(packet).is_file()
    except (OSError, ValueError):
        is_file = False
    if not is_file and not looks_like_a_file(packet):
        return [wire_of(codec, packet)]
    try:
        pieces = talks_of(packet)[0].pieces
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from None
    return [b"".join(pieces)] if "tcp" in codec.transports else pieces


def wire_of(codec: Codec, packet: str) -> bytes:
    """Hex, with or without blanks; anything else is text, and gets what a terminal can't type: the line end, or HTTP."""
    try:
        return bytes.fromhex(packet)
    except ValueError:
        if codec.http and not packet.startswith(("GET ", "POST ")):
            return http_request({"path": "/", "query": packet.partition("?")[2] or packet})
        return packet.encode() + (b"\r\n\r\n" if codec.http else b"\r\n")


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
    frame_of: list[int]  # for each position the frame that it came in
    replies: list[bytes]  # given at once, to logins and the like
    rejects: list[BadFrame]
    unreadable: list[str]  # why, one per frame
    closed: bool  # the session hung up

    @property
    def errors(self) -> list[str]:
        return [str(reject) for reject in self.rejects] + self.unreadable

    @property
    def says_something(self) -> bool:
        return bool(self.logins or self.replies or any(frame.kind != ANSWER for frame in self.frames))


def read(codec: Codec, wire: bytes) -> Told:
    """What the codec reads in wire, as a stream or, when that gives nothing, as a datagram."""
    told = read_with(codec, codec.session(), wire)
    if not told.logins and codec.datagram is not None and all(frame.kind == ANSWER for frame in told.frames):
        as_datagram = read_with(codec, codec.datagram(), wire)
        if as_datagram.frames or as_datagram.logins:
            return as_datagram
    return told


def read_with(codec: Codec, session: Session, wire: bytes) -> Told:
    """What a new session makes of wire, when every tracker is known."""
    closed = False
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
        closed |= received.close
        if received.login is None:
            break
        logins.append(received.login)
        received = session.admit(known=True)
    frames += [reject.unchecked for reject in rejects if reject.unchecked is not None]  # explained, with the checksum as an error
    decoded = codec.decode(frames)
    return Told(
        logins,
        frames,
        list(decoded.columns.rows()),
        decoded.columns.frame.tolist(),
        replies,
        rejects,
        [bad.reason for bad in decoded.unreadable],
        closed,
    )


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
    out.print(f"{len(wire)} bytes of {codec.name} ({codec.makers})" if codec.makers else f"{len(wire)} bytes of {codec.name}")
    for login in told.logins:
        out.print(f"The tracker says it is [bold]{escape(login)}[/]", highlight=False, soft_wrap=True)
    for reply in told.replies:
        out.print(f"Answered at once with {_bytes(reply)}", highlight=False, soft_wrap=True)
    for number, frame in enumerate(told.frames):
        positions = [position for position, of in zip(told.positions, told.frame_of, strict=True) if of == number]
        what = {0: "no report in it", 1: "one report"}.get(len(positions), f"{len(positions)} reports")
        out.print(f"\n[bold]{frame.kind}[/], {len(frame.payload)} bytes: {what}", highlight=False, soft_wrap=True)
        for position in positions:
            out.print(_table(position))
        if frame.ack:
            out.print(f"Answered, once it is stored, with {_bytes(frame.ack)}", highlight=False, soft_wrap=True)
    for error in told.errors:
        out.print(f"[bold red]can't be read:[/] {escape(error)}", highlight=False, soft_wrap=True)
    if not (told.logins or told.frames):
        if not told.errors:
            out.print("Nothing whole in these bytes: is the packet complete?")
        for other in _others(codec, wire):
            out.print(f"It reads as {other}, though: telematics decode {other} …")
        raise typer.Exit(1)


def _others(codec: Codec, wire: bytes) -> list[str]:
    """The protocols, besides this one, in which the bytes say something."""
    readings = ((other.name, read(other, wire)) for other in protocols.CODECS if other is not codec)
    return [name for name, told in readings if told.logins or told.positions]


def _bytes(data: bytes) -> str:
    """Hex, and behind it the text if it is text."""
    printable = data.isascii() and all(32 <= byte < 127 or byte in b"\r\n" for byte in data)
    return f"[bold]{data.hex()}[/]" + (f"  {escape(repr(data.decode()))}" if printable else "")


def _table(position: dict[str, Any]) -> Table:
    table = Table(show_header=False)
    for name, value in position.items():
        if name == "attributes":
            for attribute, inner in value.items():
                table.add_row(f"[dim]{escape(attribute)}", escape(str(inner)))
        else:
            table.add_row(name, escape(_value(name, value)))
    if position.get("latitude") is not None:
        place = f"{position['latitude']:.6f}/{position['longitude']:.6f}"
        table.add_row("on the map", f"https://www.openstreetmap.org/#map=16/{place}")
    return table


def _value(name: str, value: Any) -> str:
    if name == "valid":
        return "yes" if value else "no: the tracker does not vouch for this place"
    if name == "time":
        return str(value) if value else "not sent: the time of arrival counts"
    if name == "no_fix":
        return "telemetry alone, without a place"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        unit = UNITS.get(name, "")
        text = f"{value:.7f}" if name in ("latitude", "longitude") else f"{value:.6g}" if abs(value) < 1e5 else f"{value:.0f}"
        if name == "course_deg":
            return f"{text}{unit} ({WINDS[round(value / 45) % 8]})"
        return f"{text}{unit}" if unit == "°" else f"{text} {unit}".rstrip()
    return str(value)
