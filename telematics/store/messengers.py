"""Users' messengers and rules' secrets, as the channels need them when a message leaves."""

from __future__ import annotations

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from telematics.store.database import Database
from telematics.store.errors import StoreBusy, translate
from telematics.store.sql import query

WAIT_S = 4.0


async def messenger_url(database: Database, messenger_id: int) -> str | None:
    """Raises StoreError while the database can't say."""
    return await _value(database, "messenger_url", messenger_id)


async def webhook_secret(database: Database, delivery_id: int) -> str | None:
    """Of the rule that the delivery is of. Raises StoreError while the database can't say."""
    return await _value(database, "webhook_secret", delivery_id)


async def _value(database: Database, name: str, key: int) -> str | None:
    try:
        async with database.pool.connection(timeout=WAIT_S) as connection:
            row = await (await connection.execute(query(name).encode(), {"id": key})).fetchone()
    except (psycopg.Error, PoolTimeout, PoolClosed, TooManyRequests) as error:
        raise (translate(error) if isinstance(error, psycopg.Error) else None) or StoreBusy(str(error)) from error
    return None if row is None else row[0]
