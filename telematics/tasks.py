"""Ending tasks, on Python 3.11 as well."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

SWALLOWED_S = 1.0


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for their end. Said again, as Python 3.11's `wait_for`, which psycopg waits by, may swallow a
    cancellation that comes together with what it waits for (python/cpython#86296)."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=SWALLOWED_S)


async def together(**works: Coroutine[Any, Any, None]) -> None:
    """Until it is cancelled, or one of them ends; then all end. As a TaskGroup, which tells its tasks only once."""
    tasks = [asyncio.create_task(work, name=name.replace("_", " ")) for name, work in works.items()]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(tasks)
