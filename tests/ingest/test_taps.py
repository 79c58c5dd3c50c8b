"""Listening in costs trackers nothing that they notice, whoever listens to however much and reads it or not."""

from __future__ import annotations

import asyncio
import time

import pytest

from protocols import BadFrame, Frame, codec
from telematics.ingest import taps
from telematics.ingest.taps import Overheard, Tap, Taps

WIALON = codec("wialon")


def said(size: int = 100, frames: int = 1) -> Overheard:
    payload = b"x" * (size // max(1, frames))
    return Overheard(
        1.0, True, WIALON, "192.0.2.1", b"x" * size, [Frame("SD", payload)] * frames, [BadFrame("odd", b"")] * frames
    )


def kept(tap: Tap) -> int:
    return sum(len(one.data) + sum(len(frame.payload) for frame in one.frames) for one in tap._overheard)


def test_who_does_not_read_is_counted_for_and_nothing_is_kept_or_made_for_him(monkeypatch: pytest.MonkeyPatch) -> None:
    cuts: list[Overheard] = []

    def cut(self: Overheard) -> None:
        cuts.append(self)

    monkeypatch.setattr(Overheard, "cut", cut)
    heard = Taps()
    with heard.listen("gateway") as tap:
        for _ in range(10_000):
            heard.note("gateway", said())
        assert (len(tap._overheard), tap.missed, len(cuts)) == (taps.KEPT, 10_000 - taps.KEPT, taps.KEPT)


@pytest.mark.parametrize(("size", "frames"), [(1_048_576, 1), (1_048_576, 1_000), (262_144, 100_000)])
def test_huge_reads_are_cut(size: int, frames: int) -> None:
    heard = Taps()
    with heard.listen("huge") as tap:
        for _ in range(1 if frames > 1_000 else 100):
            heard.note("huge", said(size, frames))
        one = tap._overheard[0]
        assert one.size == size
        assert one.left_out == frames - len(one.frames)
        assert len(one.rejects) <= taps.KEPT_FRAMES
        assert kept(tap) <= taps.KEPT * (taps.KEPT_BYTES + taps.KEPT_PAYLOAD_BYTES)


def test_there_is_room_for_so_many_listeners() -> None:
    heard = Taps()
    open_taps = []

    def listens(unique_id: str, listener: int) -> bool:
        if not heard.room_for(unique_id, listener):
            return False
        open_taps.append(heard.listen(unique_id, listener))
        open_taps[-1].__enter__()
        return True

    assert [listens(f"t{place}", 1) for place in range(6)] == [True] * taps.LISTENERS_BY_ONE + [False]
    assert [listens("one", listener) for listener in range(100, 111)] == [True] * taps.LISTENERS_TO_ONE + [False]
    assert [listens(f"u{place}", 200 + place) for place in range(86)].count(True) == taps.LISTENERS - 15
    for tap in open_taps:
        tap.__exit__(None, None, None)
    assert not heard
    assert (len(heard), heard.room_for("t1", 1)) == (0, True)
    assert not heard._listeners, "nobody who ever listened is remembered"


async def test_explaining_takes_a_tenth_of_the_time() -> None:
    heard = Taps()
    spent = 0.0

    async def explains() -> None:
        nonlocal spent
        for _ in range(3):
            async with heard.explaining():
                began = time.perf_counter()
                while time.perf_counter() < began + 0.002:
                    pass
                spent += time.perf_counter() - began

    began = time.perf_counter()
    await asyncio.gather(*(explains() for _ in range(5)))
    assert spent < (time.perf_counter() - began) * taps.SHARE * 1.1


def test_each_of_two_misses_its_own() -> None:
    heard = Taps()
    with heard.listen("busy") as early:
        for _ in range(taps.KEPT):
            heard.note("busy", said())
        with heard.listen("busy") as late:
            for _ in range(taps.KEPT + 5):
                heard.note("busy", said())
            assert (early.missed, late.missed) == (taps.KEPT + 5, 5)
            assert not heard.want("busy")
            assert (early.missed, late.missed) == (taps.KEPT + 6, 6)


async def test_who_is_not_listened_to_is_not_kept() -> None:
    heard = Taps()
    with heard.listen("mine") as tap:
        heard.note("other", said())
        assert not heard.want("other")
        heard.note("mine", said(7))
        (one,) = await tap.wait()
        assert (one.size, one.data) == (7, b"x" * 7)
