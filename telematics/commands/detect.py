"""`telematics detect`: which protocol a captured packet is of, best guess first, and what to do next.

Every codec reads the bytes; what it makes of them is weighed. The strongest witness is a checksum: with one bit changed, in a few
places, nothing is read any more. Then come an identity, places and times that can be true, how much of the bytes was used, and,
in a capture, the port.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

import protocols
from protocols import ANSWER, Codec
from telematics.commands.captures import Talk, talks_of
from telematics.commands.decode import Told, http_request, read_with

LOOKED_AT_BYTES = 16 << 10  # of a stream: what it is shows at its beginning, and every codec reads it several times
MOST_DATAGRAMS = 20
MOST_TALKS = 20  # of a capture; the longest ones
SHOWN = 3
PROBES = 4  # bits to change, one at a time
EARLIEST = datetime(2001, 1, 1, tzinfo=UTC)
TRUE = 6.0  # a guess with so much weight is not by chance
MOST_ROWS = 50


class Guess(msgspec.Struct):
    """One protocol, and what speaks for it."""

    codec: Codec
    weight: float
    reasons: list[str]
    told: Told


def detect(
    packet: Annotated[
        str, typer.Argument(help="Hex, text, or a file of either, of raw bytes, or a capture (pcap, pcapng).", show_default=False)
    ],
    port: Annotated[int, typer.Option("--port", help="The port that the tracker sent it to, if that is known.")] = 0,
) -> None:
    """Say which protocol a captured packet is: telematics detect 78780d01…"""
    try:
        talks = talks_of(packet)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from None
    if port:
        for talk in talks:
            talk.port = port
    out = Console()
    found = [(talk, guesses) for talk in talks[:MOST_TALKS] if (guesses := guess(talk))]
    for talk, guesses in found:
        _show(out, talk, guesses)
    if not found:
        out.print("No protocol of ours reads anything in these bytes. Is the packet whole, and is it from the tracker's side?")
        raise typer.Exit(1)


def guess(talk: Talk) -> list[Guess]:
    """The protocols in which it says something, the likeliest first."""
    found = [one for codec in protocols.CODECS if (one := _judge(codec, talk)) is not None and one.weight > 0]
    return sorted(found, key=lambda one: -one.weight)


def _judge(codec: Codec, talk: Talk) -> Guess | None:
    """What speaks for a protocol; None: nothing at all."""
    best: Guess | None = None
    for datagrams in (False, True):
        if (datagrams and codec.datagram is None) or talk.udp is (not datagrams):
            continue
        told = _read(codec, _pieces(codec, talk, datagrams), datagrams)
        if told.says_something:
            weighed = _weigh(codec, talk, told, datagrams)
            if best is None or weighed.weight > best.weight:
                best = weighed
    return best


def _pieces(codec: Codec, talk: Talk, datagrams: bool) -> list[bytes]:
    pieces = talk.pieces[:MOST_DATAGRAMS] if datagrams else [b"".join(talk.pieces)[:LOOKED_AT_BYTES]]
    return [_as_request(piece) for piece in pieces] if codec.http else pieces


def _as_request(data: bytes) -> bytes:
    """The request around a body or a query that somebody has without it."""
    text = data.strip()
    if text[:1] in (b"{", b"["):
        return http_request({"method": "POST", "body": text})
    if b"=" in text and text.isascii() and not text.startswith((b"GET ", b"POST ")) and b"\n" not in text and b" " not in text:
        return http_request({"path": "/", "query": text.partition(b"?")[2].decode() or text.decode()})
    return data


def _read(codec: Codec, pieces: Sequence[bytes], datagrams: bool) -> Told:
    """All pieces, as one stream or each as a datagram."""
    whole = Told([], [], [], [], [], [], [], closed=False)
    for piece in pieces:
        session = codec.datagram() if datagrams and codec.datagram is not None else codec.session()
        told = read_with(codec, session, piece)
        whole.logins += told.logins
        whole.frames += told.frames
        whole.positions += told.positions
        whole.replies += told.replies
        whole.rejects += told.rejects
        whole.unreadable += told.unreadable
        whole.closed |= told.closed
    return whole


def _weigh(codec: Codec, talk: Talk, told: Told, datagrams: bool) -> Guess:
    reasons: list[str] = []
    weight = 1.0
    frames = [frame for frame in told.frames if frame.kind != ANSWER]
    unchecked = sum(reject.unchecked is not None for reject in told.rejects)
    for points, reason in (
        _identity(told.logins),
        _reports(told),
        (0.5, f"it has an answer for that: {told.replies[0][:24].hex()}") if told.replies else (0, ""),
        _checksum(codec, talk, told, datagrams),
        (2.0, f"it came to port {codec.port}, its own") if codec.port and codec.port == talk.port else (0, ""),
        (-3.0 * unchecked / len(frames), "a checksum is wrong") if unchecked and frames else (0, ""),
        (-3.0 * len(told.unreadable) / len(frames), "some of it can't be read") if told.unreadable and frames else (0, ""),
        _refused(codec, talk, told, datagrams),
    ):
        weight += points
        if reason:
            reasons.append(reason)
    return Guess(codec, weight, reasons, told)


def _identity(logins: Sequence[str]) -> tuple[float, str]:
    if not logins:
        return 0, ""
    name = logins[0]
    if name.isascii() and name.isdecimal() and len(name) == 15:
        return (4, f"it names IMEI {name}, whose check digit is right") if _luhn(name) else (2.5, f"it names the tracker {name}")
    if name.isascii() and name.isalnum() and 5 <= len(name) <= 20:
        return 1.5, f"it names the tracker {name}"
    return 0.5, f"it names the tracker {name[:40]}"


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(number // 10 + number % 10 for number in doubled) % 10 == 0


def _reports(told: Told) -> tuple[float, str]:
    """Places and times that can be true, weighed by how much is said with them."""
    rows = told.positions[:MOST_ROWS]
    if not rows:
        return 0, ""
    good = sum(map(_likelihood, rows)) / len(rows)
    fixes = [row for row in rows if "no_fix" not in row]
    more = "" if len(rows) == 1 else f", {len(told.positions)} reports in all"
    if fixes and good > 0:
        first = fixes[0]
        return good, f"a position: {first['latitude']:.5f}, {first['longitude']:.5f} at {first['time'] or 'no time'}{more}"
    return good, f"telemetry: {_words(rows[0])}{more}" if good > 0 else "what it would say can't be true"


def _likelihood(row: dict[str, Any]) -> float:
    said = len(row) - 3 + min(len(row["attributes"]), 10) / 2  # beside time, valid and attributes
    if row["time"] is None:
        likely = 0.5
    else:
        moment = datetime.fromisoformat(row["time"])
        likely = 2.0 if EARLIEST <= moment <= datetime.now(UTC) + timedelta(days=2) else -3.0
    if "no_fix" not in row:
        odd = row.get("speed_kmh", 0) > 400 or row.get("satellites", 0) > 60 or row.get("course_deg", 0) > 360
        odd |= abs(row.get("altitude_m", 0)) > 12_000
        nowhere = abs(row["latitude"]) < 0.01 and abs(row["longitude"]) < 0.01
        likely += -3.0 if odd else 0.5 if nowhere else 2.5
    return likely + min(said, 12) * 0.15


def _words(row: dict[str, Any]) -> str:
    names = [name for name in row if name not in ("time", "valid", "attributes", "no_fix")]
    return ", ".join([*names, *row["attributes"]][:5]) or "nothing but that it lives"


def _checksum(codec: Codec, talk: Talk, told: Told, datagrams: bool) -> tuple[float, str]:
    """Whether a changed bit makes all of it unreadable, wherever it is."""
    if told.rejects and not told.logins and not told.positions:
        return 0, ""
    pieces = _pieces(codec, talk, datagrams)[:1]
    size = len(pieces[0])
    if codec.http or size < 6:
        return 0, ""
    noticed, before = 0, _content(_read(codec, pieces, datagrams))
    for place in range(PROBES):
        damaged = bytearray(pieces[0])
        damaged[size * (place + 1) // (PROBES + 1)] ^= 0x01
        after = _read(codec, [bytes(damaged)], datagrams)
        noticed += not after.says_something or len(_content(after)) < len(before) or any(r.unchecked for r in after.rejects)
    return (5, "its checksum is right") if noticed == PROBES else (0, "")


def _content(told: Told) -> list[object]:
    return [*told.logins, *(frame for frame in told.frames if frame.kind != ANSWER)]


def _refused(codec: Codec, talk: Talk, told: Told, datagrams: bool) -> tuple[float, str]:
    rejected = sum(len(reject.frame) for reject in told.rejects if reject.unchecked is None)
    if not rejected and not told.rejects:
        return 0, ""
    share = min(1.0, rejected / max(1, sum(map(len, _pieces(codec, talk, datagrams)))))
    return -1.0 - 5.0 * share - 2.0 * told.closed, f"but not all of it: {told.rejects[0].reason}"


def _show(out: Console, talk: Talk, guesses: Sequence[Guess]) -> None:
    if talk.source:
        out.print(f"\n{escape(talk.source)}, {sum(map(len, talk.pieces))} bytes", highlight=False, soft_wrap=True)
    likely = [one for one in guesses if one.weight >= guesses[0].weight / 3][:SHOWN]
    for place, one in enumerate(likely):
        codec = one.codec
        sure = "" if place else "" if one.weight >= TRUE else "perhaps "
        mark = f"{sure}[bold]{codec.name}[/]" if not place else f"or {codec.name}"
        out.print(f"{mark} ({escape(codec.makers)})", highlight=False, soft_wrap=True)
        for reason in one.reasons:
            out.print(f"  {escape(reason)}", highlight=False, soft_wrap=True)
    _next(out, likely[0].codec)


def _next(out: Console, codec: Codec) -> None:
    if codec.transports:
        out.print(
            f"Next: point the tracker to port {codec.port} of your server ({' or '.join(codec.transports)}), "
            f"and see all that the packet says with: telematics decode {codec.name} …",
            highlight=False,
            soft_wrap=True,
        )
    else:
        out.print(f"Next: see all that it says with: telematics decode {codec.name} …", highlight=False, soft_wrap=True)
