"""Passwords: argon2id in threads of its own, few at a time, since each check costs 64 MiB and a good part of a second's core."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from dashboards.problems import Problem

WAITING = 32  # checks in line; more means an attack, and honest people would wait longer than they do
SHORTEST = 8
LONGEST = 256  # characters; argon2 reads them all
HASHER = PasswordHasher()
_threads = ThreadPoolExecutor(2, thread_name_prefix="argon2")
_line = asyncio.Semaphore(WAITING)


def generate() -> str:
    """A password for somebody who will be asked to change it: 100 bits, without look-alikes."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


async def hashed(password: str) -> str:
    async with _place_in_line():
        return await asyncio.get_running_loop().run_in_executor(_threads, HASHER.hash, password)


async def matches(password: str, password_hash: str | None) -> bool:
    """Takes as long when there is no such user (None), so that nobody can find out by the clock."""
    async with _place_in_line():
        return await asyncio.get_running_loop().run_in_executor(_threads, _matches, password, password_hash)


def outdated(password_hash: str) -> bool:
    """Whether it was made with other parameters than today's."""
    return HASHER.check_needs_rehash(password_hash)


def _matches(password: str, password_hash: str | None) -> bool:
    try:
        return HASHER.verify(password_hash or _nobody(), password) and password_hash is not None
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return HASHER.hash(secrets.token_hex())


@asynccontextmanager
async def _place_in_line() -> AsyncIterator[None]:
    if _line.locked():
        raise Problem(429, "Too many people are logging in", "Try again in a few seconds.", {"Retry-After": "5"})
    async with _line:  # doesn't wait: there is a place
        yield
