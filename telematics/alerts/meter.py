"""May this SMS be paid for? Whoever keeps the money answers; until somebody does, everything is free.

A reservation is made before the message leaves, settled with the parts it took, or given back when it didn't leave. All three
are told the delivery's id, so that a repeat after a crash reserves nothing twice.
"""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    async def reserve(self, account_id: int, delivery_id: int, parts: int) -> str | None:
        """None: go ahead; a text: why it may not be paid for, in a reader's words."""

    async def settle(self, delivery_id: int, parts: int) -> None:
        """It went out, in so many parts."""

    async def give_back(self, delivery_id: int) -> None:
        """It didn't go out."""


class FreeOfCharge:
    async def reserve(self, account_id: int, delivery_id: int, parts: int) -> str | None:
        return None

    async def settle(self, delivery_id: int, parts: int) -> None:
        return None

    async def give_back(self, delivery_id: int) -> None:
        return None
