"""What payment providers may cost before it is known that it is they: a signature is checked before anything is read, strangers
are counted, and a few words at a time are turned into money."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from fastapi import Request

from dashboards.problems import Problem
from dashboards.throttle import network

LARGEST = 262_144  # bytes; Stripe's largest events have some 30 kB
AT_ONCE = 4  # words that move money, of the pool's connections; the others wait
WAIT_S = 8.0  # for its turn; providers give up after some ten seconds, and say it again
BAD_A_MINUTE = 20  # wrong signatures of an address that are told apart and logged; the others only that they are too many
KEPT = 10_000  # addresses, the oldest make room


@dataclass(slots=True)
class Callbacks:
    """Of this process. A right signature is never refused for what others do."""

    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _bad: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)  # since when, how many

    def stranger(self, address: str, now: float | None = None) -> bool:
        """A wrong signature; whether it is one of the few that are worth a line in the log. Raises Problem 429 for too many."""
        now = time.monotonic() if now is None else now
        key = network(address)
        since, count = self._bad.get(key, (now, 0))
        if now - since >= 60:
            since, count = now, 0
        self._bad[key] = (since, count + 1)
        self._bad.move_to_end(key)
        while len(self._bad) > KEPT:
            self._bad.popitem(last=False)
        if count >= BAD_A_MINUTE:
            after = str(int(61 - (now - since)))
            raise Problem(429, "Too many wrong signatures", "Wait a minute, and compare the secret.", {"Retry-After": after})
        return count < 3


async def body_of(request: Request) -> bytes:
    """Raises Problem 413."""
    parts, size = list[bytes](), 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST:
            raise Problem(413, "The callback is too large", f"At most {LARGEST:,} bytes.")
        parts.append(part)
    return b"".join(parts)
