"""Stripe Checkout: a hosted page, signed webhooks, refunds; by Stripe's own library.

Its client blocks, so each question runs in one of a few threads of the adapter's own, with time limits: a Stripe that hangs costs
those threads and nobody else's. Amounts are whole minor units at Stripe as here, but the two don't agree on what that is
everywhere, see `to_stripe`.

    their event                                   our word
    checkout.session.completed, …succeeded        paid, or pending while payment_status is unpaid
    checkout.session.async_payment_failed         failed
    payment_intent.payment_failed                 failed, with the decline code in the customer's words; the page stays open
    checkout.session.expired                      expired
    charge.refunded                               refunded; amount_refunded is the total so far
    refund.failed, charge.refund.updated          refund_failed, where the status is failed or canceled
    charge.dispute.created, …funds_withdrawn      dispute_opened; not for inquiries (warning_…), which take no money
    charge.dispute.closed                         dispute_won or dispute_lost

Source: docs.stripe.com, "Receive Stripe events in your webhook endpoint", "Supported currencies" (zero-decimal, three-decimal,
special cases), "Decline codes", "Idempotent requests".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
import requests
import stripe as library
from stripe import RequestsClient, StripeClient, WebhookSignature

from billing.money import digits
from billing.payments.provider import (
    TIMEOUT_S,
    BadNotice,
    BadSignature,
    Kind,
    Notice,
    Page,
    Payment,
    ProviderFailed,
    ProviderUnavailable,
    Reason,
)
from telematics.config import ProviderSettings

Result = TypeVar("Result")
THREADS = 4  # questions at once; each ends after a few seconds
CONNECT_S, READ_S = 4.0, 10.0
TOLERANCE_S = 300  # the age of a signature, against replays; Stripe signs anew when it sends again

ZERO_DECIMAL = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
THREE_DECIMAL = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))  # the last digit must be 0
# All others have two, also ISK and UGX, whose decimals must be 00

DECLINES: dict[str, Reason] = {
    "insufficient_funds": "not_enough_money",
    "card_velocity_exceeded": "limit",
    "withdrawal_count_limit_exceeded": "limit",
    "invalid_amount": "limit",
    "incorrect_number": "wrong_data",
    "invalid_number": "wrong_data",
    "incorrect_cvc": "wrong_data",
    "invalid_cvc": "wrong_data",
    "incorrect_zip": "wrong_data",
    "incorrect_address": "wrong_data",
    "incorrect_pin": "wrong_data",
    "invalid_pin": "wrong_data",
    "invalid_expiry_month": "wrong_data",
    "invalid_expiry_year": "wrong_data",
    "invalid_account": "wrong_data",
    "new_account_information_available": "wrong_data",
    "expired_card": "expired_card",
    "transaction_not_allowed": "not_for_internet",
    "service_not_allowed": "not_for_internet",
    "not_permitted": "not_for_internet",
    "card_not_supported": "not_for_internet",
    "currency_not_supported": "not_for_internet",
    "restricted_card": "not_for_internet",
    "authentication_required": "not_authenticated",
    "authentication_not_handled": "not_authenticated",
    "mobile_device_authentication_required": "not_authenticated",
    "payment_intent_authentication_failure": "not_authenticated",
    "issuer_not_available": "unavailable",
    "processing_error": "unavailable",
    "try_again_later": "unavailable",
    "reenter_transaction": "unavailable",
}


class Stripe:
    """A `Provider`."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        assert settings.secret_key is not None
        self.name = name
        self.title = settings.title or name
        self._currencies = settings.currencies
        secrets = (settings.webhook_secret, settings.previous_webhook_secret)
        self._secrets = [secret.get_secret_value().strip() for secret in secrets if secret is not None]
        self._session = requests.Session()
        library.enable_telemetry = False  # nothing about our requests is told beside them
        self._client = StripeClient(
            settings.secret_key.get_secret_value().strip(),
            http_client=RequestsClient(timeout=(CONNECT_S, READ_S), session=self._session),
            base_addresses={"api": settings.api_url.rstrip("/")} if settings.api_url else {},
            max_network_retries=1,
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"payments-{name}")

    def takes(self, currency: str) -> bool:
        return self._currencies is None or currency in self._currencies

    async def start(self, payment: Payment, return_url: str, language: str) -> Page:
        reference = str(payment.reference)
        mark = {"reference": reference}
        session = await self._ask(
            lambda: self._client.v1.checkout.sessions.create(
                {
                    "mode": "payment",
                    "line_items": [
                        {
                            "quantity": 1,
                            "price_data": {
                                "currency": payment.currency.lower(),
                                "unit_amount": to_stripe(payment.amount, payment.currency),
                                "product_data": {"name": payment.note or "Top-up"},
                            },
                        }
                    ],
                    "adaptive_pricing": {"enabled": False},  # what was asked in one currency must not come in another
                    "client_reference_id": reference,
                    "metadata": mark,
                    "payment_intent_data": {"metadata": mark},  # Stripe hands it on to the charge, and so to its refunds
                    "success_url": return_url,
                    "cancel_url": return_url,
                    "locale": "ru" if language == "ru" else "en" if language == "en" else "auto",
                },
                {"idempotency_key": f"start:{reference}"},
            )
        )
        if not session.url:
            raise ProviderFailed("Stripe gave no page for the payment")
        return Page(session.url, session.id)

    def verify(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notice]:
        signature = headers.get("stripe-signature", "")
        if not any(self._signed(body, signature, secret) for secret in self._secrets):
            raise BadSignature("the signature is wrong, or older than five minutes: compare webhook_secret with Stripe's")
        try:
            event = msgspec.json.decode(body)
            return _notices(event) if isinstance(event, dict) else ()
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadNotice(f"this is no event of Stripe's: {error!r}") from error

    @staticmethod
    def _signed(body: bytes, signature: str, secret: str) -> bool:
        try:
            WebhookSignature.verify_header(body, signature, secret, TOLERANCE_S)
        except (library.SignatureVerificationError, ValueError):  # ValueError: no UTF-8, or numbers that are none
            return False
        return True

    async def refund(self, payment: Payment, amount: int, key: str, attempt: int) -> str:
        if payment.provider_id is None:
            raise ProviderFailed("Stripe's number of the payment isn't known: give the money back at Stripe and mark it as paid")
        intent, currency = payment.provider_id, payment.currency
        given = await self._ask(lambda: self._given(intent, key))
        if given is None:
            given = await self._ask(
                lambda: self._client.v1.refunds.create(
                    {
                        "payment_intent": intent,
                        "amount": to_stripe(amount, currency),
                        "metadata": {"key": key, "reference": str(payment.reference)},
                    },
                    {"idempotency_key": f"{key}:{attempt}"},  # a refusal is remembered under its key, too
                )
            )
        if given.status in ("failed", "canceled"):
            raise ProviderFailed(f"Stripe could not give it back: {given.failure_reason or given.status}")
        return given.id

    def _given(self, intent: str, key: str) -> library.Refund | None:
        """Stripe forgets idempotency keys after some days; what it gave back stays listed."""
        for given in self._client.v1.refunds.list({"payment_intent": intent, "limit": 100}).data:
            if (given.to_dict().get("metadata") or {}).get("key") == key and given.status not in ("failed", "canceled"):
                return given
        return None

    async def state(self, payment: Payment) -> Notice | None:
        session_id = payment.attributes.get("session")
        if not isinstance(session_id, str):
            return None
        session = await self._ask(lambda: self._client.v1.checkout.sessions.retrieve(session_id))
        if session.status == "expired":
            told = _session("checkout.session.expired", f"state:{session.id}:expired", session.to_dict())
        elif session.status == "complete":
            event_id = f"state:{session.id}:{session.payment_status}"
            told = _session("checkout.session.completed", event_id, session.to_dict())
        else:
            return None
        return told

    async def aclose(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    async def _ask(self, question: Callable[[], Result]) -> Result:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await asyncio.get_running_loop().run_in_executor(self._threads, question)
        except TimeoutError as error:
            raise ProviderUnavailable("Stripe did not answer in time") from error
        except (library.APIConnectionError, library.RateLimitError) as error:
            raise ProviderUnavailable(f"Stripe can't be reached: {_told(error)}") from error
        except library.StripeError as error:
            unsure = error.http_status is None or error.http_status >= 500
            raise (ProviderUnavailable if unsure else ProviderFailed)(f"Stripe refused: {_told(error)}") from error


def _told(error: library.StripeError) -> str:
    return str(error.user_message or error.code or type(error).__name__).partition("\n")[0][:300]


def exponent(currency: str) -> int:
    """How many decimals Stripe's amounts have."""
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


def to_stripe(amount: int, currency: str) -> int:
    """Raises ProviderFailed where Stripe can't take such an amount."""
    shift: int = exponent(currency) - digits(currency)
    whole, rest = _divided(amount * 10 ** max(shift, 0), 10 ** max(-shift, 0))
    if rest or (currency in THREE_DECIMAL and whole % 10):
        raise ProviderFailed(f"Stripe takes {currency} in tens of its smallest unit only: choose a round amount")
    return whole


def _divided(amount: int, by: int) -> tuple[int, int]:
    return divmod(amount, by)


def from_stripe(amount: object, currency: str) -> int:
    """Raises BadNotice."""
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise BadNotice(f"the amount {amount!r} is no whole number")
    shift: int = exponent(currency) - digits(currency)
    whole, rest = _divided(amount * 10 ** max(-shift, 0), 10 ** max(shift, 0))
    if rest:
        raise BadNotice(f"{amount} is no whole number of the smallest unit of {currency}")
    return whole


def _notices(event: dict[str, Any]) -> Sequence[Notice]:
    kind, event_id, thing = str(event["type"]), str(event["id"]), event["data"]["object"]
    if kind.startswith("checkout.session."):
        told = _session(kind, event_id, thing)
    elif kind == "payment_intent.payment_failed":
        error = thing.get("last_payment_error") or {}
        code = str(error.get("decline_code") or error.get("code") or "")
        told = Notice(
            event_id,
            "failed",
            reference=_reference(thing),
            provider_id=thing["id"],
            reason=DECLINES.get(code, "other"),
        )
    elif kind == "charge.refunded":
        told = _about("refunded", event_id, thing, amount="amount_refunded")
    elif kind in ("refund.failed", "charge.refund.updated", "refund.updated") and thing.get("status") in ("failed", "canceled"):
        told = _about("refund_failed", event_id, thing, refund_id=thing["id"])
    elif kind in ("charge.dispute.created", "charge.dispute.funds_withdrawn"):
        inquiry = str(thing.get("status", "")).startswith("warning")
        told = None if inquiry else _about("dispute_opened", event_id, thing, dispute_id=thing["id"])
    elif kind == "charge.dispute.closed" and thing.get("status") in ("won", "lost"):
        told = _about("dispute_won" if thing["status"] == "won" else "dispute_lost", event_id, thing, dispute_id=thing["id"])
    else:
        return ()
    return () if told is None else (replace(told, body=event),)


def _session(kind: str, event_id: str, session: dict[str, Any]) -> Notice | None:
    """A page's word; None for pages that aren't for a payment of ours."""
    what: Kind
    if kind in ("checkout.session.completed", "checkout.session.async_payment_succeeded"):
        what = "paid" if session.get("payment_status") == "paid" else "pending"
    elif kind == "checkout.session.async_payment_failed":
        what = "failed"
    elif kind == "checkout.session.expired":
        what = "expired"
    else:
        return None
    reference = session.get("client_reference_id") or _reference(session)
    intent = session.get("payment_intent")
    provider_id = intent if isinstance(intent, str) else None
    if reference is None and provider_id is None:
        return None
    currency = str(session.get("currency") or "").upper() or None
    paid = what == "paid" and currency is not None
    return Notice(
        event_id,
        what,
        reference=reference,
        provider_id=provider_id,
        amount=from_stripe(session.get("amount_total"), str(currency)) if paid else None,
        currency=currency,
        body=session,
    )


def _about(
    kind: Kind,
    event_id: str,
    thing: dict[str, Any],
    *,
    amount: str = "amount",
    dispute_id: str | None = None,
    refund_id: str | None = None,
) -> Notice | None:
    """Of a charge, a refund or a dispute; None for those of no payment of ours."""
    reference, intent = _reference(thing), thing.get("payment_intent")
    if reference is None and not isinstance(intent, str):
        return None
    currency = str(thing["currency"]).upper()
    return Notice(
        event_id,
        kind,
        reference=reference,
        provider_id=intent if isinstance(intent, str) else None,
        amount=from_stripe(thing[amount], currency),
        currency=currency,
        dispute_id=dispute_id,
        refund_id=refund_id,
        body=thing,
    )


def _reference(thing: Mapping[str, Any]) -> str | None:
    found = (thing.get("metadata") or {}).get("reference")
    return found if isinstance(found, str) else None
