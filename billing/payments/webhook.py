"""Any other provider: a page whose address is a template, and callbacks signed as standardwebhooks.com describes.

    page      page_url, with {reference}, {amount}, {currency}, {return_url}, {timestamp} and {signature} filled in
    callback  POST /api/billing/payments/callback/NAME, headers webhook-id, webhook-timestamp, webhook-signature
              {"id": …, "reference": …, "status": …, "amount": "300.00", "currency": "KZT", "reason": …}

Amounts are texts in whole currency units, so that nobody takes 300 tiyn for 300 tenge. Where a provider speaks another language
(Kaspi, YooKassa …) a few lines in front translate it; docs/payments.md has them, and the signature of the page.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
import standardwebhooks
from standardwebhooks.webhooks import WebhookVerificationError

from billing.money import digits, plain
from billing.payments.provider import REASONS, BadNotice, BadSignature, ByHand, Kind, Notice, Page, Payment, Reason
from telematics.config import ProviderSettings

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
STATUSES: dict[str, Kind] = {
    "pending": "pending",
    "paid": "paid",
    "failed": "failed",
    "expired": "expired",
    "refunded": "refunded",
    "disputed": "dispute_opened",
    "dispute_won": "dispute_won",
    "dispute_lost": "dispute_lost",
}


class Callback(msgspec.Struct, frozen=True):
    """What is sent. Fields that we don't know are left alone."""

    id: Text  # the provider's, of the transaction
    reference: Text  # ours
    status: Literal["pending", "paid", "failed", "expired", "refunded", "disputed", "dispute_won", "dispute_lost"]
    amount: Text | None = None
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] | None = None
    reason: str | None = None


class SignedWebhook:
    """A `Provider`."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        assert settings.page_url is not None
        self.name = name
        self.title = settings.title or name
        self._currencies = settings.currencies
        self._page_url = settings.page_url
        secrets = (settings.webhook_secret, settings.previous_webhook_secret)
        self._keys = [key(secret.get_secret_value()) for secret in secrets if secret is not None]

    def takes(self, currency: str) -> bool:
        return self._currencies is None or currency in self._currencies

    async def start(self, payment: Payment, return_url: str, language: str) -> Page:
        now = datetime.now(UTC)
        reference, amount = str(payment.reference), plain(payment.amount, payment.currency)
        signature = self._keys[0].sign(reference, now, page_text(amount, payment.currency, return_url))
        values = {
            "reference": reference,
            "amount": amount,
            "currency": payment.currency,
            "return_url": return_url,
            "timestamp": str(int(now.timestamp())),
            "signature": signature,
            "language": language,
        }
        url = self._page_url
        for name, value in values.items():  # not str.format: a template is data
            url = url.replace(f"{{{name}}}", quote(value, safe=""))
        return Page(url)

    def verify(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notice]:
        if not any(_signed(one, headers, body) for one in self._keys):
            raise BadSignature("the signature is wrong, or its time is more than five minutes off: see docs/payments.md")
        try:
            said = msgspec.json.decode(body, type=Callback)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadNotice(str(error)) from error
        currency = said.currency
        amount = amount_of(said.amount, currency) if said.amount is not None and currency is not None else None
        reason: Reason = said.reason if said.reason in REASONS else "other"
        return (
            Notice(
                headers["webhook-id"],
                STATUSES[said.status],
                reference=said.reference,
                provider_id=said.id,
                amount=amount,
                currency=currency,
                reason=reason if said.status == "failed" else None,
                body=msgspec.to_builtins(said),
            ),
        )

    async def refund(self, payment: Payment, amount: int, key: str, attempt: int) -> str:
        raise ByHand("give the money back in the provider's own office, and mark it as paid with the number that it has there")

    async def state(self, payment: Payment) -> Notice | None:
        return None

    async def aclose(self) -> None:
        pass


def amount_of(text: str, currency: str) -> int:
    """Stricter than what people may write: `1.234` must not become a thousand. Raises BadNotice."""
    most: int = digits(currency)
    found = re.fullmatch(r"(\d{1,13})(?:\.(\d+))?", text, re.ASCII)
    if found is None or len(found[2] or "") > most:
        raise BadNotice(f"the amount {text[:40]!r} can't be read: write it like {plain(30050, currency)}, without separators")
    amount: int = int(found[1]) * 10**most + int((found[2] or "").ljust(most, "0") or "0")
    return amount


def key(secret: str) -> standardwebhooks.Webhook:
    return standardwebhooks.Webhook(base64.b64decode(secret.removeprefix("whsec_")))


def page_text(amount: str, currency: str, return_url: str) -> str:
    """What the page's signature is of; its id is the reference."""
    return f"{amount} {currency} {return_url}"


def _signed(one: standardwebhooks.Webhook, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        one.verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: no UTF-8, no base64, signatures without a version
        return False
    return True
