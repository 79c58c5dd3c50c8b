"""A customer begins to pay: the payment is noted, the provider gives the page. And payments that nothing is heard of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from psycopg.types.json import Jsonb

from billing import sql
from billing.book import WAIT_S, open_book
from billing.errors import Refused
from billing.money import LARGEST
from billing.payments import table
from billing.payments.provider import BadNotice, Notice, Page, Payment, Provider, ProviderFailed, ProviderUnavailable, Reason
from billing.payments.providers import Providers
from billing.payments.receive import hear_unknown, receive
from telematics.store.database import Database

log = structlog.get_logger(__name__)
BEGUN_AN_HOUR = 30  # payments of an account that nobody finished; more are a mistake, or a thief trying cards
SILENT = timedelta(minutes=15)  # before a provider is asked what has become of a payment
EXPIRES = timedelta(days=2)  # a payment of which nobody speaks; money that comes later counts all the same
ASKED_AT_ONCE = 20


async def begin(
    database: Database,
    providers: Providers,
    account_id: int,
    *,
    provider: str,
    amount: int,
    reference: UUID,
    return_url: str,
    language: str,
    title: str,
    user_id: int | None = None,
    now: datetime | None = None,
) -> Payment:
    """The payment with its page; of the same reference it is the same one.

    Raises Refused: no_provider, bad_amount, other_currency, too_many_payments; ProviderFailed, ProviderUnavailable (the payment
    has failed then, and says why).
    """
    now = now or datetime.now(UTC)
    way = providers.get(provider)
    if way is None:
        raise Refused("no_provider", "There is no such way to pay: look at the list of those on offer.")
    if not 0 < amount <= LARGEST:
        raise Refused("bad_amount", "The amount must be above zero.")
    async with open_book(database, account_id, now=now, user_id=user_id) as book:
        connection = book.connection
        if not way.takes(book.currency):
            raise Refused("other_currency", f"{way.title} doesn't take {book.currency}: choose another way to pay.")
        begun = await sql.value(connection, "begun_lately", account_id=account_id, since=now - timedelta(hours=1))
        if begun >= BEGUN_AN_HOUR:
            raise Refused("too_many_payments", "Many payments were begun and not finished: wait an hour, or ask us.")
        payment_id = await sql.value(
            connection, "add_payment", reference=reference, account_id=account_id, provider=provider, provider_id=None,
            amount=amount, currency=book.currency, user_id=user_id, note=title, now=now,
        )  # fmt: skip
        payment = await table.payment(connection, payment_id, account_id=account_id)
    if payment.page_url is not None:
        return payment
    try:
        page = await way.start(payment, return_url.replace("{reference}", str(reference)), language)
    except ProviderFailed as error:
        await _failed(database, payment, error, now)
        raise
    return await _made(database, payment, page, now)


async def _made(database: Database, payment: Payment, page: Page, now: datetime) -> Payment:
    session = {} if page.session_id is None else {"session": page.session_id}
    async with database.pool.connection(timeout=WAIT_S) as connection:
        await sql.run(connection, "page_made", id=payment.id, page_url=page.url, attributes=Jsonb(session), now=now)
        return await table.payment(connection, payment.id)


async def _failed(database: Database, payment: Payment, error: ProviderFailed, now: datetime) -> None:
    """The customer has got no page."""
    log.warning("a provider gave no page", provider=payment.provider, payment=payment.id, reason=error.reason)
    reason: Reason = "unavailable" if isinstance(error, ProviderUnavailable) else "other"
    reference = str(payment.reference)
    notice = Notice(f"start:{reference}", "failed", reference=reference, reason=reason, body={"reason": error.reason})
    await receive(database, payment.provider, notice, now=now)


async def look_after(database: Database, providers: Providers, *, now: datetime | None = None) -> None:
    """To be called now and then: words that came too early are heard again, providers are asked for payments that nothing is
    heard of, and those that nobody speaks of expire."""
    now = now or datetime.now(UTC)
    await hear_unknown(database, now=now)
    async with database.pool.connection(timeout=WAIT_S) as connection:
        cursor = await connection.execute(
            sql.text("silent_payments"), {"before": now - SILENT, "limit": ASKED_AT_ONCE}, prepare=False
        )
        silent = [await table.payment(connection, row[0]) for row in await cursor.fetchall()]
    for payment in silent:
        async with database.pool.connection(timeout=WAIT_S) as connection:
            await sql.run(connection, "asked", id=payment.id, now=now)  # first: if this one stumbles, next time it's others' turn
        notice = await _news(providers.get(payment.provider), payment)
        if notice is None and payment.state == "created" and now - payment.created_at > EXPIRES:
            notice = Notice(f"expired:{payment.reference}", "expired", reference=str(payment.reference))
        if notice is not None:
            await receive(database, payment.provider, replace(notice, reference=str(payment.reference)), now=now)


async def _news(provider: Provider | None, payment: Payment) -> Notice | None:
    try:
        return await provider.state(payment) if provider is not None else None
    except (ProviderFailed, BadNotice) as error:
        log.warning("a provider doesn't say what became of a payment", payment=payment.id, reason=str(error))
        return None
