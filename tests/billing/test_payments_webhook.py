"""The adapter for any other provider: its page's address, and callbacks signed as standardwebhooks.com says. The example in
docs/payments.md is run as it stands there."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import standardwebhooks

from billing.payments.provider import BadNotice, BadSignature, ByHand, Payment
from billing.payments.webhook import SignedWebhook, page_text
from telematics.config import ProviderSettings

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
REFERENCE = "0b6ad4a4-2a5b-4b1c-9a3f-0d7f6a1c2e3d"
DOCS = Path(__file__).parents[2] / "docs" / "payments.md"
PAYMENT = Payment(
    id=7, reference=UUID(REFERENCE), account_id=1, account_name="fleet", provider="kaspi", provider_id=None, amount=300_50,
    currency="KZT", state="created", reason=None, flagged=None, received=None, refunded=0, page_url=None, entry_id=None,
    user_id=1, note=None, created_at=datetime(2026, 1, 10, tzinfo=UTC), changed_at=datetime(2026, 1, 10, tzinfo=UTC),
    paid_at=None, attributes={},
)  # fmt: skip
PAGE = "https://pay.example.com/p?o={reference}&a={amount}&c={currency}&r={return_url}&t={timestamp}&s={signature}&x={unknown}"


def adapter(**more: Any) -> SignedWebhook:
    said = {"kind": "webhook", "webhook_secret": SECRET, "page_url": PAGE, **more}
    return SignedWebhook("kaspi", ProviderSettings.model_validate(said))


def signed(body: bytes, secret: str = SECRET, at: float | None = None, message: str = "msg_1") -> dict[str, str]:
    """By the standard's text: HMAC-SHA256 of "id.time.body" under the bytes of the secret, in base64."""
    when = str(int(time.time() if at is None else at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message}.{when}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": message, "webhook-timestamp": when, "webhook-signature": "v1," + base64.b64encode(mac).decode()}


PAID = {"id": "tx-9", "reference": REFERENCE, "status": "paid", "amount": "300.50", "currency": "KZT"}


async def test_the_page_s_address_is_filled_in_and_signed() -> None:
    page = await adapter().start(PAYMENT, "https://gps.example.com/billing?a=1&b=2", "ru")
    said = {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
    assert said["o"] == REFERENCE
    assert (said["a"], said["c"], said["r"]) == ("300.50", "KZT", "https://gps.example.com/billing?a=1&b=2")
    assert said["x"] == "{unknown}"
    headers = {"webhook-id": said["o"], "webhook-timestamp": said["t"], "webhook-signature": said["s"]}
    standardwebhooks.Webhook(SECRET).verify(page_text(said["a"], said["c"], said["r"]), headers, json_parse=False)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (PAID, {"kind": "paid", "amount": 300_50, "currency": "KZT"}),
        ({**PAID, "amount": "300.5", "more": [1, 2]}, {"kind": "paid", "amount": 300_50, "currency": "KZT"}),
        ({**PAID, "amount": "300", "currency": "JPY"}, {"kind": "paid", "amount": 300, "currency": "JPY"}),
        ({**PAID, "status": "pending", "amount": None, "currency": None}, {"kind": "pending"}),
        (
            {**PAID, "status": "failed", "reason": "limit"},
            {"kind": "failed", "reason": "limit", "amount": 300_50, "currency": "KZT"},
        ),
        (
            {**PAID, "status": "failed", "reason": "E4711"},
            {"kind": "failed", "reason": "other", "amount": 300_50, "currency": "KZT"},
        ),
        ({**PAID, "status": "expired"}, {"kind": "expired", "amount": 300_50, "currency": "KZT"}),
        ({**PAID, "status": "refunded", "amount": "10"}, {"kind": "refunded", "amount": 10_00, "currency": "KZT"}),
        ({**PAID, "status": "disputed"}, {"kind": "dispute_opened", "amount": 300_50, "currency": "KZT"}),
        ({**PAID, "status": "dispute_won"}, {"kind": "dispute_won", "amount": 300_50, "currency": "KZT"}),
        ({**PAID, "status": "dispute_lost"}, {"kind": "dispute_lost", "amount": 300_50, "currency": "KZT"}),
    ],
)
def test_each_status_in_our_words(body: dict[str, Any], said: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    (notice,) = adapter().verify(signed(raw), raw)
    assert notice.said() == {"event_id": "msg_1", "reference": REFERENCE, "provider_id": "tx-9", **said}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(lambda body: {}, id="none"),
        pytest.param(lambda body: {**signed(body), "webhook-signature": ""}, id="empty"),
        pytest.param(lambda body: {**signed(body), "webhook-signature": "v1"}, id="no signature in it"),
        pytest.param(lambda body: {**signed(body), "webhook-signature": "v1,é"}, id="no base64"),
        pytest.param(lambda body: {**signed(body), "webhook-timestamp": "soon"}, id="no time"),
        pytest.param(lambda body: {**signed(body), "webhook-timestamp": "nan"}, id="not a number"),
        pytest.param(lambda body: {**signed(body), "webhook-timestamp": "1e300"}, id="no such time"),
        pytest.param(lambda body: {**signed(body), "webhook-id": "msg_2"}, id="another word's signature"),
        pytest.param(lambda body: signed(body, "whsec_" + base64.b64encode(b"x" * 24).decode()), id="another's secret"),
        pytest.param(lambda body: signed(body, at=time.time() - 400), id="a replay"),
        pytest.param(lambda body: signed(body, at=time.time() + 400), id="from the future"),
        pytest.param(lambda body: signed(body + b" "), id="another body"),
    ],
)
def test_signatures_that_are_not_believed(headers: Any) -> None:
    raw = json.dumps(PAID).encode()
    with pytest.raises(BadSignature):
        adapter().verify(headers(raw), raw)


def test_the_secret_before_is_believed_as_well() -> None:
    raw = json.dumps(PAID).encode()
    new = "whsec_" + base64.b64encode(b"another secret of 24 byt").decode()
    assert adapter(webhook_secret=new, previous_webhook_secret=SECRET).verify(signed(raw), raw)[0].kind == "paid"
    with pytest.raises(BadSignature):
        adapter(webhook_secret=new).verify(signed(raw), raw)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(json.dumps({**PAID, "amount": 300.5}).encode(), id="a number, which may be tiyn or tenge"),
        pytest.param(json.dumps({**PAID, "amount": "300.505"}).encode(), id="a part of a tiyn"),
        pytest.param(json.dumps({**PAID, "amount": "1,234.50"}).encode(), id="separators"),
        pytest.param(json.dumps({**PAID, "amount": "-5"}).encode(), id="below zero"),
        pytest.param(json.dumps({**PAID, "amount": "0"}).encode(), id="nothing paid"),
        pytest.param(json.dumps({**PAID, "amount": "9" * 200}).encode(), id="more than there is"),
        pytest.param(json.dumps({**PAID, "amount": None}).encode(), id="no amount"),
        pytest.param(json.dumps({**PAID, "currency": "tenge"}).encode(), id="no currency"),
        pytest.param(json.dumps({**PAID, "status": "ok"}).encode(), id="an unknown status"),
        pytest.param(json.dumps({**PAID, "reference": "x" * 300}).encode(), id="an endless reference"),
        pytest.param(json.dumps({**PAID, "id": "a\nb"}).encode(), id="control characters"),
    ],
)
def test_signed_nonsense_is_told(body: bytes) -> None:
    with pytest.raises(BadNotice):
        adapter().verify(signed(body), body)


async def test_money_goes_back_in_its_own_office() -> None:
    with pytest.raises(ByHand):
        await adapter().refund(PAYMENT, 1, "refund:1:7", 1)
    assert await adapter().state(PAYMENT) is None


def test_the_example_of_the_docs_signs_as_we_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is Python, and ends in a request: what it would have sent is checked."""
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    sent: list[Any] = []

    class Answered:
        status = 200

        def __enter__(self) -> Answered:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read(self) -> bytes:
            return b""

    monkeypatch.setattr("urllib.request.urlopen", lambda request: sent.append(request) or Answered())
    exec(compile(example, str(DOCS), "exec"), {})
    (request,) = sent
    secret = re.search(r'SECRET = "(whsec_[^"]+)"', example)
    assert secret is not None
    (notice,) = adapter(webhook_secret=secret[1]).verify(
        {name.lower(): value for name, value in request.header_items()}, request.data
    )
    assert (notice.kind, notice.amount, notice.currency) == ("paid", 300_00, "KZT")
    assert request.full_url.endswith("/api/billing/payments/callback/kaspi")


def test_the_shell_s_example_signs_as_we_check(tmp_path: Path) -> None:
    """curl is replaced by what writes down how it was called."""
    (example,) = re.findall(r"```bash\n(.*?)```", DOCS.read_text(), re.DOTALL)
    said = tmp_path / "said"
    curl = tmp_path / "curl"
    curl.write_text(f'#!/bin/sh\nfor one in "$@"; do printf "%s\\0" "$one"; done > {said}\n')
    curl.chmod(0o755)
    subprocess.run(
        ["bash", "-ec", example], check=True, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, timeout=20
    )
    words = said.read_text().split("\0")
    headers = dict(word.split(": ", 1) for word in words if word.startswith("webhook-"))
    body = words[words.index("--data-binary") + 1].encode()
    secret = re.search(r"SECRET=whsec_(\S+)", example)
    assert secret is not None
    assert adapter(webhook_secret="whsec_" + secret[1]).verify(headers, body)[0].kind == "paid"
