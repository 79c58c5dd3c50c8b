"""What new accounts begin with, and an account's currency."""

from __future__ import annotations

from typing import Any

from babel.numbers import is_currency
from psycopg import AsyncConnection

from billing import sql
from billing.catalogue import all_tariffs
from billing.errors import Refused
from billing.ledger import Book


async def set_defaults(connection: AsyncConnection[Any], currency: str, tariff_id: int) -> None:
    """Raises Refused: bad_currency, no_tariff, other_currency, not_offered."""
    checked(currency)
    tariff = (await all_tariffs(connection)).get(tariff_id)
    if tariff is None:
        raise Refused("no_tariff", "There is no such tariff.")
    if tariff.currency not in (None, currency):
        raise Refused("other_currency", f"{tariff.name} is priced in {tariff.currency}: choose that currency, or another tariff.")
    if not tariff.offered:
        raise Refused("not_offered", f"{tariff.name} is no longer on offer: choose another tariff.")
    await sql.run(connection, "set_defaults", currency=currency, tariff_id=tariff_id)


async def set_currency(book: Book, currency: str) -> None:
    """Of an account that has had no money yet. Raises Refused: bad_currency, has_entries, other_currency."""
    checked(currency)
    if currency == book.currency:
        return
    if not book.tariff.free:
        raise Refused(
            "other_currency",
            f"{book.tariff.name} is priced in {book.tariff.currency}: move the account to the free tariff first.",
        )
    if await sql.value(book.connection, "has_money", account_id=book.account_id):
        raise Refused("has_entries", f"The account has had money in {book.currency}: make another account for {currency}.")
    await sql.run(book.connection, "set_currency", account_id=book.account_id, currency=currency)
    book.currency = currency


def checked(currency: str) -> str:
    """A currency that there is. Raises Refused."""
    if not is_currency(currency):
        raise Refused("bad_currency", f"{currency[:10]!r} is no currency: write its three letters, such as KZT.")
    return currency
