"""What it costs to read every protocol, without sockets and database: one core, batches of a thousand typical messages.

session    bytes of one message → frame, one message at a time, as a tracker that drives sends them
decode     a thousand frames → columns

Processor time, best of several rounds: what other programs on the machine do shows least there.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import protocols
from bench.packets import RECORDS, conversation
from protocols import Codec, Frame, Session

BATCH = 1_000
ROUNDS = 12
PROMISE_POSITIONS_PER_S = 25_000


def measure() -> dict[str, Any]:
    return {codec.name: measure_one(codec) for codec in protocols.CODECS}


def check(figures: dict[str, Any]) -> list[str]:
    """What is promised and not kept."""
    return [
        f"decoding {name}: {told['decode_positions_per_s']:,} positions a second instead of {PROMISE_POSITIONS_PER_S:,}"
        for name, told in figures.items()
        if told["decode_positions_per_s"] < PROMISE_POSITIONS_PER_S
    ]


def measure_one(codec: Codec) -> dict[str, int | float]:
    hello, messages = conversation(codec.name, BATCH)
    frames = frames_of(spoken(codec, hello), messages)
    rows = len(codec.decode(frames).columns)
    if rows != BATCH * RECORDS.get(codec.name, 1):
        raise SystemExit(f"{codec.name}: {rows} positions were read in {BATCH} messages")
    decode_s = best(lambda: None, lambda _: codec.decode(frames))
    session_s = best(lambda: spoken(codec, hello), lambda session: frames_of(session, messages))
    return {
        "session_us_per_message": round(session_s / BATCH * 1e6, 2),
        "decode_us_per_position": round(decode_s / rows * 1e6, 2),
        "decode_packets_per_s": round(BATCH / decode_s),
        "decode_positions_per_s": round(rows / decode_s),
    }


def spoken(codec: Codec, hello: bytes) -> Session:
    """A session that has heard the login."""
    session = (codec.datagram or codec.session)() if codec.transports == ("udp",) else codec.session()
    if hello:
        frames_of(session, [hello])
    return session


def frames_of(session: Session, messages: list[bytes]) -> list[Frame]:
    """What comes of the messages, each in a read of its own."""
    frames: list[Frame] = []
    for message in messages:
        received = session.receive(message)
        frames += received.frames
        while received.login is not None:
            received = session.admit(known=True)
            frames += received.frames
    return frames


def best(prepare: Callable[[], Any], work: Callable[[Any], object]) -> float:
    """Processor seconds of the fastest round."""
    took = []
    for _ in range(ROUNDS):
        prepared = prepare()
        gc.collect()
        begun = time.process_time()
        work(prepared)
        took.append(time.process_time() - begun)
    return min(took)
