"""Signing in and out, and tokens for programs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from psycopg import AsyncConnection
from pydantic import ValidationError

from dashboards import auth, identity
from dashboards.api import answers
from dashboards.api.parameters import Body, Instant
from dashboards.api.users import own
from dashboards.audited import Anybody
from dashboards.problems import Problem
from dashboards.shapes import UserOut, instant
from dashboards.state import Shared

router = APIRouter(prefix="/api/session", tags=["Session"])
FIELDS = ["email", "password"]


class Login(Body):
    email: str
    password: str


@router.get("", responses=answers.shaped(UserOut))
async def who(request: Request, shared: Shared, token: Annotated[str | None, Query(max_length=256)] = None) -> Response:
    """Who is signed in; 404 when nobody is, as Traccar has it. `token` signs the browser in, for as long as the token lives."""
    signed = await shared.auth.signed_in(request, token)
    if signed is None:
        raise Problem(
            404, "Nobody is signed in", "Log in by POST /api/session." if token is None else "The token is wrong or has expired."
        )
    answer = answers.json(await own(shared, signed.viewer))
    if token is not None and signed.kind == "token":
        auth.set_cookie(request, answer, token)
    return answer


@router.post(
    "",
    responses=answers.shaped(UserOut),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {
                    "schema": {"type": "object", "required": FIELDS, "properties": {name: {"type": "string"} for name in FIELDS}}
                }
                for kind in ("application/x-www-form-urlencoded", "application/json")
            },
        }
    },
)
async def log_in(request: Request, shared: Shared) -> Response:
    """Sign in with a form, as Traccar's clients do, or with JSON: email and password."""
    login, address = await _login_of(request), identity.client_address(request)
    viewer = await shared.auth.login(login.email, login.password, address)
    old = request.cookies.get(identity.COOKIE)
    if old:
        await shared.auth.close_session(old)
    secret = await shared.auth.open_session(viewer, address, request.headers.get("user-agent", ""))
    answer = answers.json(await own(shared, viewer))
    auth.set_cookie(request, answer, secret)
    return answer


@router.delete("", status_code=204, response_class=Response)
async def log_out(request: Request, shared: Shared) -> Response:
    """Sign out. The session ends everywhere, its live sockets included."""
    secret = request.cookies.get(identity.COOKIE)
    if secret:
        await shared.auth.close_session(secret)
    answer = Response(status_code=204)
    auth.clear_cookie(request, answer)
    return answer


@router.post("/token", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def issue_token(
    signed: auth.SignedIn, author: Anybody, shared: Shared, expiration: Annotated[Instant | None, Form()] = None
) -> Response:
    """A token for programs, to be sent as `Authorization: Bearer …`. It is shown once, and lasts 7 days if not told otherwise."""
    details = {"until": None if expiration is None else instant(expiration)}

    async def told(connection: AsyncConnection[Any]) -> None:
        await author.note(connection, "token.made", account_id=author.viewer.account_id, details=details)

    return Response(await shared.auth.issue_token(signed, expiration, told), media_type="text/plain")


@router.post("/token/revoke", status_code=204, response_class=Response)
async def revoke_token(author: Anybody, shared: Shared, token: Annotated[str, Form(max_length=256)]) -> Response:
    """A token of one's own ends now."""

    async def told(connection: AsyncConnection[Any]) -> None:
        await author.note(connection, "token.revoked", account_id=author.viewer.account_id)

    await shared.auth.revoke_token(author.viewer, token, told)
    return Response(status_code=204)


async def _login_of(request: Request) -> Login:
    try:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
            return Login.model_validate_json(await request.body())
        async with request.form(max_files=0, max_fields=10) as form:
            return Login.model_validate(dict(form))
    except ValidationError:
        raise Problem(400, "Who signs in?", "Send email and password, as a form or as JSON.") from None
