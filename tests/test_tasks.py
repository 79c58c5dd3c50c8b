"""Tasks end when they are told to, also those that lose a cancellation on the way."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from telematics import tasks


async def deaf_once(ended: list[str]) -> None:
    """As on Python 3.11, when a `wait_for` is cancelled just as it ends."""
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("deaf")


async def test_a_lost_cancellation_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "SWALLOWED_S", 0.05)
    ended: list[str] = []
    whole = asyncio.create_task(tasks.together(one=deaf_once(ended), other=deaf_once(ended)))
    await asyncio.sleep(0.02)
    whole.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await whole
    assert ended == ["deaf", "deaf"]


async def test_when_one_fails_all_end() -> None:
    ended: list[str] = []

    async def fails() -> None:
        raise ValueError("broken")

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")

    with pytest.raises(ValueError, match="broken"):
        await tasks.together(one=fails(), other=waits())
    assert ended == ["waits"]
