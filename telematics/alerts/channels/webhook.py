"""Webhooks: a POST of JSON to the customer's own program, signed as standardwebhooks.com describes.

The id of the delivery goes along, so that the receiver can tell a repeat. The address comes from users: its host is resolved
here, and the connection goes to the address that was checked, whatever the name says a moment later.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
import secrets
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.metadata import version

import httpx
import standardwebhooks

from telematics.alerts.channels import Message, NotSent, Sent
from telematics.alerts.channels.addresses import is_public
from telematics.alerts.channels.said import said
from telematics.config import Settings
from telematics.store.database import Database
from telematics.store.errors import StoreError
from telematics.store.messengers import webhook_secret

LONGEST_URL = 2000
SECRET_BYTES = range(24, 65)  # what the specification asks for
TRIED = 3  # addresses of a host
LATEST_S = 3600.0  # the longest Retry-After that is believed
TEMPORARY = frozenset([408, 425, 429])  # of 4xx
_resolver = ThreadPoolExecutor(max_workers=4, thread_name_prefix="resolve")  # of its own: a slow DNS may keep others from nothing


class Webhook:
    name = "webhook"
    idempotent = True
    configured = None  # each rule brings its own address

    def __init__(self, settings: Settings, database: Database, tls: ssl.SSLContext | None = None) -> None:
        self._database = database
        self._private = settings.alerts.private_webhooks
        self._tls = tls

    async def send(self, address: str, message: Message, *, deadline_s: float) -> Sent:
        try:
            url = check_url(address)
        except ValueError as error:
            raise NotSent(str(error), permanent=True) from error
        try:
            async with asyncio.timeout(deadline_s):
                secret = message.secret or await webhook_secret(self._database, message.delivery_id)
                request_id, headers, body = signed(message, secret)
                answer = await self._post(url, headers, body, deadline_s)
        except StoreError as error:
            raise NotSent(f"the webhook's secret can't be looked up: {error}") from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise NotSent(f"the webhook didn't answer within {deadline_s:g} s", uncertain=True) from error
        except httpx.ConnectError as error:
            raise NotSent(f"the webhook can't be reached: {said(str(error))}") from error
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            raise NotSent(f"the connection with the webhook failed: {said(str(error))}", uncertain=True) from error
        judge(answer)
        return Sent(provider_id=request_id)

    async def close(self) -> None:
        return None

    async def _post(self, url: httpx.URL, headers: dict[str, str], body: bytes, deadline_s: float) -> httpx.Response:
        """The answer's head; its body is not read."""
        addresses = await self._addresses(url)
        async with httpx.AsyncClient(
            verify=self._tls or _trusted(),
            trust_env=False,
            follow_redirects=False,
            timeout=deadline_s,
            limits=httpx.Limits(max_keepalive_connections=0),
        ) as client:
            for last, address in ((address == addresses[-1], address) for address in addresses):
                try:
                    async with client.stream(
                        "POST",
                        url.copy_with(host=address),
                        headers={"Host": url.netloc.decode(), **headers},
                        content=body,
                        extensions={"sni_hostname": url.raw_host.decode()},
                    ) as answer:
                        return answer
                except httpx.ConnectError:
                    if last:
                        raise
        raise AssertionError("there is at least one address")

    async def _addresses(self, url: httpx.URL) -> list[str]:
        """Of the host; all of them public, unless private ones are allowed."""
        port = url.port or (443 if url.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                _resolver, lambda: socket.getaddrinfo(url.raw_host.decode().strip("[]"), port, type=socket.SOCK_STREAM)
            )
        except (OSError, UnicodeError) as error:
            raise NotSent(f"the webhook's host {url.host} can't be found") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self._private and not all(is_public(address) for address in addresses):
            raise NotSent(
                "the webhook's address is in a private network: use a public one, or set [alerts] private_webhooks",
                permanent=True,
            )
        return addresses[:TRIED]


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


def check_url(url: str) -> httpx.URL:
    """Raises ValueError with what to write."""
    try:
        parsed = httpx.URL(url) if len(url) <= LONGEST_URL and url.isprintable() and " " not in url else None
    except httpx.InvalidURL:
        parsed = None
    if parsed is None or parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("write the webhook as https://example.com/path")
    return parsed.copy_with(fragment=None)


def check_secret(secret: str) -> str:
    """Raises ValueError for what isn't whsec_ and 24 to 64 bytes in base64."""
    encoded = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith("whsec_") or len(key) not in SECRET_BYTES:
        raise ValueError("a webhook's secret is whsec_ and 24 to 64 random bytes in base64")
    return secret


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def signed(message: Message, secret: str | None) -> tuple[str, dict[str, str], bytes]:
    """The request's id, headers and body. Raises NotSent when it can't be signed."""
    number = message.delivery_id
    request_id = f"delivery-{number}" if number > 0 else f"test-{secrets.token_hex(8)}"
    now = datetime.now(UTC)
    try:
        text = json.dumps(dict(message.data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        signature = standardwebhooks.Webhook(check_secret(secret)).sign(request_id, now, text) if secret else None
    except (ValueError, TypeError) as error:
        raise NotSent(f"the webhook can't be signed: {said(str(error), [secret])}", permanent=True) from error
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"telematics/{version('telematics')}",
        "webhook-id": request_id,
        "webhook-timestamp": str(math.floor(now.timestamp())),
    }
    if signature is not None:
        headers["webhook-signature"] = signature
    return request_id, headers, text.encode()


def judge(answer: httpx.Response) -> None:
    """Raises NotSent unless it is a yes."""
    status = answer.status_code
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise NotSent(f"the webhook answered {status}: redirects aren't followed, give the address itself", permanent=True)
    if 400 <= status < 500 and status not in TEMPORARY:
        raise NotSent(f"the webhook refused it: {status} {said(answer.reason_phrase)}".rstrip(), permanent=True)
    raise NotSent(
        f"the webhook can't take it now: {status} {said(answer.reason_phrase)}".rstrip(),
        retry_after_s=retry_after_s(answer.headers.get("retry-after")),
    )


def retry_after_s(header: str | None) -> float | None:
    """Seconds, or a date (RFC 9110, 10.2.3); what is neither says nothing."""
    if not header:
        return None
    if header.isascii() and header.isdigit():
        return min(float(header[:9]), LATEST_S)
    try:
        at = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return None
    wait_s = ((at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return min(max(0.0, wait_s), LATEST_S)
