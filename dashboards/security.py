"""What every request passes before a route sees it, and every answer after: bounds, the same-origin check, headers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards import problems
from dashboards.problems import Problem
from telematics.config import Settings

LARGEST_BODY = 1 << 20  # the largest honest one is a device's, some kB
TOO_LARGE = f"At most {LARGEST_BODY:,} bytes."
BODY_S = 30.0  # for all of it
SAFE = ("GET", "HEAD", "OPTIONS")
METHODS = (*SAFE, "POST", "PUT", "PATCH", "DELETE")
REQUESTS = Histogram(
    "telematics_http_request_seconds",
    "Time from a request of a browser or program to the end of its answer.",
    ("route", "method"),
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 10),
)
DOCS = "/api/docs"
DOCS_SCRIPTS = "https://cdn.jsdelivr.net"  # where FastAPI's documentation page takes Swagger UI from


class Guard:
    """Refuses what is too large or comes from another site's page, and dresses every answer."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.policy = content_policy(settings)
        self.public_url = settings.public_url
        self.transport_security = (settings.public_url or "").startswith("https:")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        dressed = self._dressed(scope, send)
        if refusal := self._refusal(scope):
            await problems.answer(refusal.status, refusal.title, refusal.detail)(scope, receive, dressed)
            return
        started = time.perf_counter()
        try:
            await self.app(scope, _bounded(receive), dressed)
        finally:
            route = getattr(scope.get("route"), "path", "none")  # the pattern: paths themselves are without number
            method = scope["method"] if scope["method"] in METHODS else "other"
            REQUESTS.labels(route, method).observe(time.perf_counter() - started)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > LARGEST_BODY:
            return Problem(413, "The request is too large", TOO_LARGE)
        if scope["method"] not in SAFE and not _by_token(headers) and not same_origin(headers, self.public_url):
            return Problem(
                403,
                "Sent by another site's page",
                "Do it on this server's own pages, or with a bearer token. Behind a proxy, set public_url.",
            )
        return None

    def _dressed(self, scope: Scope, send: Send) -> Send:
        path = scope["path"]

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", docs_policy() if path == DOCS else self.policy)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("X-Frame-Options", "SAMEORIGIN")
                headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
                headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
                headers.setdefault("Permissions-Policy", "camera=(), microphone=(), payment=(), usb=()")
                if self.transport_security:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
                if path.startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        return dressed


def _by_token(headers: Mapping[str, str]) -> bool:
    """What a page can send only on purpose. Names and passwords browsers keep, and send along whoever asks."""
    return headers.get("authorization", "").lower().startswith("bearer ")


def same_origin(headers: Mapping[str, str], public_url: str | None) -> bool:
    """Whether a page of this server asks, or no page at all. Browsers say where a request comes from, and scripts can't forge it.

    What brings no word of it (curl, Traccar's apps) isn't a page of another site.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")  # known better than from Host, which proxies change
    origin = headers.get("origin")
    if origin is None:
        return True
    _, _, asked = origin.partition("://")
    return bool(asked) and asked in (headers.get("host"), urlsplit(public_url or "").netloc)


def content_policy(settings: Settings) -> str:
    """What pages may load: their own scripts only; map tiles from any https server, and from where the settings point."""
    tiles = " ".join(_origins((settings.map.style_url, settings.map.style_url_dark)))
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "worker-src 'self' blob:",  # MapLibre's workers
            "child-src blob:",
            f"img-src 'self' https: data: blob: {tiles}".strip(),
            f"connect-src 'self' https: {tiles}".strip(),
            "style-src 'self' 'unsafe-inline'",  # MapLibre and the charts place things by style attributes
            "font-src 'self' https: data:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    )


def docs_policy() -> str:
    return (
        f"default-src 'self'; script-src 'self' 'unsafe-inline' {DOCS_SCRIPTS}; style-src 'self' 'unsafe-inline' {DOCS_SCRIPTS}; "
        "img-src 'self' data: https:; object-src 'none'; frame-ancestors 'none'"
    )


def _origins(urls: Iterable[str]) -> list[str]:
    """Of plain-http servers; https ones are allowed anyway."""
    parts = [urlsplit(url) for url in urls]
    return sorted({f"http://{part.netloc}" for part in parts if part.scheme == "http" and part.netloc})


def _bounded(receive: Receive) -> Receive:
    """Raises starlette's HTTPException, which FastAPI lets through where it reads a body."""
    seen = 0
    until: float | None = asyncio.get_running_loop().time() + BODY_S

    async def bounded() -> Message:
        nonlocal seen, until
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, f"The whole request must be here within {BODY_S:.0f} s.") from None
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > LARGEST_BODY:
                raise HTTPException(413, TOO_LARGE)
        if not message.get("more_body"):
            until = None  # what is received from here on is that the client has gone, at any time
        return message

    return bounded
