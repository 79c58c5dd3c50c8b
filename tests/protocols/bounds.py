"""What no bytes of a tracker may do to the server, for any codec: the tests and `bench.fuzz` check the same."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from itertools import pairwise
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import msgspec
import numpy as np

from protocols import ANSWER, CannotSend, Codec, Commanded, Received, Session
from protocols.columns import NUMBERS, Columns
from protocols.commands import TYPES, WrongParameter, checked
from telematics.simulator.wires import UDP_WIRES, WIRES
from tests.simulator.test_client import ID, fixes

MOST_ASKED = 10_000  # logins that one read may lead to
NARROW = {name for name, kind in NUMBERS if kind == "f4"}
READ_BYTES = 64 << 10  # what one read of a socket may bring
WAITING_BYTES = 256 << 10  # what may lie behind a login that waits for its answer
OWN_BYTES = 64 << 10  # a session without anything in it: parsers have buffers of their own


def heard(session: Session, data: bytes, *, known: bool = True) -> Received:
    """All that comes of some bytes."""
    received = session.receive(data)
    whole = received
    for _ in range(MOST_ASKED):
        if received.login is None:
            return whole
        received = session.admit(known)
        whole.reply += received.reply
        whole.frames = whole.frames + received.frames
        whole.rejects = whole.rejects + received.rejects
        whole.answers = whole.answers + received.answers
        whole.close |= received.close
    raise AssertionError("a login without end")


def check(codec: Codec, data: bytes, cuts: Sequence[int] = (), *, known: bool = True) -> None:
    """Some bytes, cut in some places, through a connection and as a datagram, and all that comes of them through the decoder."""
    session, frames = codec.session(), []
    for start, end in pairwise([0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]):
        received = heard(session, data[start:end], known=known)
        assert isinstance(received.reply, bytes)
        frames += received.frames
        if received.close:
            assert not heard(session, data, known=known).frames, "it goes on after its end"
            break
    assert held_bytes(session) <= most_held(codec, len(data))
    if codec.datagram is not None:
        frames += heard(codec.datagram(), data, known=known).frames
    decoded = codec.decode([frame for frame in frames if frame.kind != ANSWER])
    check_columns(decoded.columns, len(frames))
    assert all(0 <= unreadable.frame < len(frames) for unreadable in decoded.unreadable)


def check_columns(columns: Columns, frames: int) -> None:
    """What the pipeline takes for granted. (Places off the earth it sets aside itself.)"""
    count = len(columns)
    assert not count or (columns.frame[0] >= 0 and columns.frame[-1] < frames and (np.diff(columns.frame) >= 0).all())
    for name, _ in NUMBERS:
        values = getattr(columns, name)
        assert len(values) == count, name
        assert not np.isinf(values).any(), name
    assert (np.isnan(columns.latitude) == np.isnan(columns.longitude)).all()
    assert not (columns.valid & np.isnan(columns.latitude)).any()
    for attributes in columns.attributes:
        if attributes is not None:
            assert isinstance(msgspec.json.decode(attributes), dict)
            assert b"\\u0000" not in attributes


def check_commands(codec: Codec) -> None:
    """Every type that a codec says it has can be told, or says why not."""
    session = codec.session()
    for kind in TYPES:
        try:
            command = checked(kind.name, {one.name: SAMPLE.get(one.kind, "1") for one in kind.parameters})
        except WrongParameter as error:
            raise AssertionError(f"{kind.name}: {error}") from None
        try:
            told = session.command(command, 7, "") if isinstance(session, Commanded) else b""
        except CannotSend as error:
            told, why = b"", str(error)
        else:
            why = ""
        if kind.name in codec.commands:
            assert told or why, f"{kind.name}: nothing is told"
        else:
            assert not told, f"{kind.name} is not among the commands that it says it has"


SAMPLE: dict[str, Any] = {"integer": 1, "number": 1, "yes": True, "zone": "+05:00"}


# --- Memory ------------------------------------------------------------------------------------------------------------------

NOT_ITS_OWN = (type, ModuleType, FunctionType, BuiltinFunctionType)


def held_bytes(session: object) -> int:
    """All memory that hangs on a session and not on its code."""
    seen: set[int] = set()
    waiting: list[Any] = [session]
    total = 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, NOT_ITS_OWN):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        waiting += gc.get_referents(one)
    return total


def most_held(codec: Codec, read_bytes: int) -> int:
    """A message that isn't whole, twice as buffers grow ahead, or one read behind a login."""
    return 2 * codec.largest_frame_bytes + 3 * min(read_bytes, WAITING_BYTES) + OWN_BYTES


# --- Time --------------------------------------------------------------------------------------------------------------------


def quickest_s(session: Session, data: bytes, rounds: int = 40) -> float:
    """How long one more byte takes at best. (The best of many is the machine's speed, not what else it does.)"""
    best = float("inf")
    for place in range(rounds):
        start = time.perf_counter()
        session.receive(data[place % len(data) : place % len(data) + 1])
        best = min(best, time.perf_counter() - start)
    return best


# --- Bytes to begin with -----------------------------------------------------------------------------------------------------


@cache
def seeds(codec: Codec) -> list[bytes]:
    """Messages of the protocol, as far as the simulator knows them, and what strangers send."""
    found = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"*", b"$GPRMC,", b"\x00\x0f", b"##,", b"\x7e\x02\x00"]
    with suppress(ModuleNotFoundError):  # the manual's own, where the protocol's tests name them so
        found += getattr(import_module(f"tests.protocols.test_{codec.name}"), "MESSAGES", [])
    for wires in (WIRES, UDP_WIRES):
        if codec.name in wires:
            wire = wires[codec.name](ID)
            found += [message for message in (wire.hello(), wire.report(fixes(1)), wire.report(fixes(3))) if message]
    return found
