"""Who did what, when and from where: written in the transaction that does it, and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from telematics.store.repair import clean_text
from telematics.store.sql import query

LONGEST_TEXT = 2_000  # of a value in the details
SECRETS = frozenset(
    {"password", "password_hash", "token", "secret", "webhook_secret", "url", "webhook_url"}
)  # never written down
HIDDEN = "…"


async def note(
    connection: AsyncConnection[Any],
    action: str,
    *,
    user: str = "",
    user_id: int | None = None,
    account_id: int | None = None,
    subject: str = "",
    details: Mapping[str, Any] | None = None,
    address: str = "",
) -> None:
    """`action` is a thing and what became of it, such as `tariff.changed`; nobody as the user is the server itself."""
    await connection.execute(
        query("note"),
        {
            "action": action,
            "user_id": user_id,
            "user_name": clean_text(user)[:LONGEST_TEXT],
            "account_id": account_id,
            "subject": clean_text(subject)[:LONGEST_TEXT],
            "details": Jsonb(details or {}),
            "address": clean_text(address)[:200],
        },
    )


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What differs, [before, after]; of secrets that they differ, of long values their beginning."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: [_told(name, before.get(name)), _told(name, after.get(name))] for name in names}


def _told(name: str, value: Any) -> Any:
    if any(word in name.lower().replace("_", "") for word in SECRETS):
        return None if value is None else HIDDEN
    if isinstance(value, Mapping):
        value = {key: _told(str(key), inner) for key, inner in value.items()}
    elif isinstance(value, list | tuple):
        value = [_told(name, inner) for inner in value]
    elif isinstance(value, bool | int | float) or value is None:
        return value
    text = str(value)
    if len(text) > LONGEST_TEXT:
        return text[:LONGEST_TEXT] + HIDDEN
    return value if isinstance(value, dict | list) else text
