"""FastAPI dependencies that say who may come in, and the cookie that remembers them. `identity.py` does the checking."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from starlette.requests import HTTPConnection
from starlette.responses import Response

from billing.allowances import NotInTariff
from dashboards import identity
from dashboards.identity import Signed, Viewer
from dashboards.problems import Problem, not_found
from dashboards.state import of

__all__ = [
    "Account",
    "Administrator",
    "Editor",
    "SignedIn",
    "User",
    "Viewer",
    "account",
    "administrator",
    "current_user",
    "editor",
    "optional_user",
]


async def optional_signed(connection: HTTPConnection) -> Signed | None:
    signed: Signed | None = await of(connection).auth.signed_in(connection)
    return signed


async def optional_user(connection: HTTPConnection) -> Viewer | None:
    """Whoever is signed in, or None. A token in a browser's cookie that the tariff doesn't allow any more leads to the login."""
    try:
        signed = await optional_signed(connection)
    except NotInTariff:
        if "authorization" in connection.headers:
            raise
        return None
    return signed.viewer if signed else None


async def current_signed(connection: HTTPConnection) -> Signed:
    signed = await optional_signed(connection)
    if signed is None:
        raise Problem(401, "Nobody is signed in", "Log in by POST /api/session, or send a bearer token or Basic authorization.")
    return signed


SignedIn = Annotated[Signed, Depends(current_signed)]


async def current_user(signed: SignedIn) -> Viewer:
    """Whoever is signed in. Raises Problem 401 for nobody."""
    return signed.viewer


async def editor(viewer: Annotated[Viewer, Depends(current_user)]) -> Viewer:
    """Somebody who may change things. Raises Problem 403 for a viewer who may only look."""
    if viewer.readonly:
        raise Problem(403, "You may only look", "Ask an administrator for the right to change things.")
    return viewer


async def administrator(viewer: Annotated[Viewer, Depends(editor)]) -> Viewer:
    """Somebody of the provider's. Raises Problem 403 for others."""
    if not viewer.administrator:
        raise Problem(403, "Only for administrators", "Ask an administrator of the service to do it.")
    return viewer


async def account(
    viewer: Annotated[Viewer, Depends(current_user)],
    account_id: Annotated[
        int | None, Query(alias="accountId", ge=1, le=2**31 - 1, description="for administrators; otherwise the viewer's own")
    ] = None,
) -> int:
    """Whose money is meant. Raises Problem 404 for another's, which only administrators may ask for."""
    if account_id is None or account_id == viewer.account_id:
        return viewer.account_id
    if not viewer.administrator:
        raise not_found("account")
    return account_id


User = Annotated[Viewer, Depends(current_user)]
Account = Annotated[int, Depends(account)]
Editor = Annotated[Viewer, Depends(editor)]
Administrator = Annotated[Viewer, Depends(administrator)]


def set_cookie(connection: HTTPConnection, response: Response, secret: str) -> None:
    response.set_cookie(
        identity.COOKIE,
        secret,
        max_age=identity.COOKIE_LASTS_S,
        path="/",
        httponly=True,
        samesite="lax",
        secure=over_tls(connection),
    )


def clear_cookie(connection: HTTPConnection, response: Response) -> None:
    response.delete_cookie(identity.COOKIE, path="/", httponly=True, samesite="lax", secure=over_tls(connection))


def over_tls(connection: HTTPConnection) -> bool:
    """Whether the browser came by TLS, as far as the settings, the socket or a trusted proxy tell."""
    public_url = of(connection).server.settings.public_url or ""
    return public_url.startswith("https:") or connection.scope["scheme"] in ("https", "wss")
