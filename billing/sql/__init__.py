"""The queries of billing, a file each. They are never prepared: a plan made for one account would be used for fifty thousand."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import class_row

Row = TypeVar("Row")


@cache
def text(name: str) -> bytes:
    """The text of a query, read once."""
    return Path(__file__).with_name(f"{name}.sql").read_bytes()


async def rows(connection: AsyncConnection[Any], name: str, kind: type[Row], /, **parameters: Any) -> list[Row]:
    """Raises psycopg's errors."""
    async with connection.cursor(row_factory=class_row(kind)) as cursor:
        await cursor.execute(text(name), parameters, prepare=False)
        return await cursor.fetchall()


async def row(connection: AsyncConnection[Any], name: str, kind: type[Row], /, **parameters: Any) -> Row | None:
    """The first row, or None."""
    found = await rows(connection, name, kind, **parameters)
    return found[0] if found else None


async def value(connection: AsyncConnection[Any], name: str, /, **parameters: Any) -> Any:
    """The first column of the first row, or None."""
    found = await (await connection.execute(text(name), parameters, prepare=False)).fetchone()
    return found[0] if found else None


async def run(connection: AsyncConnection[Any], name: str, /, **parameters: Any) -> int:
    """How many rows it changed."""
    return (await connection.execute(text(name), parameters, prepare=False)).rowcount
