"""What went wrong, told in the form of RFC 9457 (application/problem+json): a title, and a detail that says what to do.

Traccar's clients look at the status alone, which is the one Traccar would give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
import psycopg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from billing.errors import Refused
from dashboards import sql

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
ERRORS_TOLD = 20  # of one request; nobody reads more, and a hostile body could have thousands


class Problem(Exception):
    """Ends a request with this answer."""

    def __init__(self, status: int, title: str, detail: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status, self.title, self.detail = status, title, detail
        self.headers = dict(headers or {})


def not_found(what: str) -> Problem:
    """Also for what exists but isn't the viewer's: the two must not be told apart."""
    return Problem(404, f"No such {what}", "There is none with this number, or it isn't yours.")


def answer(
    status: int,
    title: str,
    detail: str = "",
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] = (),
    members: Mapping[str, Any] | None = None,
) -> Response:
    """`members` are the problem's own, as the RFC has it: they hide none of its words."""
    body: dict[str, Any] = {**(members or {}), "type": "about:blank", "title": title, "status": status}
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = errors
    return Response(msgspec.json.encode(body), status, dict(headers or {}), MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Every error of the app leaves as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(RequestValidationError, _invalid)
    for busy in sql.UNREACHABLE:
        app.add_exception_handler(busy, _busy)
    for unusable in (psycopg.DataError, UnicodeEncodeError):
        app.add_exception_handler(unusable, _unusable)
    app.add_exception_handler(Exception, _unforeseen)


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return answer(error.status, error.title, error.detail, error.headers)


def _refused(request: Request, error: Exception) -> Response:
    """With a code for programs, and the values that the sentence was made of."""
    assert isinstance(error, Refused)
    status, title = 409, "Refused"
    if error.code == "not_enough_money":
        status, title = 402, "Not enough money"
    elif error.code == "tariff":
        status, title = 403, "Your tariff doesn't allow this"
    elif error.code.startswith("no_"):
        status, title = 404, "There is no such thing"
    elif error.code.startswith("bad_"):
        status, title = 400, "The request can't be understood"
    members = {_camel(name): value for name, value in {**error.values, "code": error.code}.items()}
    return answer(status, title, str(error), members=members)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    detail = "" if error.detail == title else str(error.detail)
    return answer(error.status_code, title, detail, error.headers)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    told = [_readable(wrong) for wrong in error.errors()[:ERRORS_TOLD]]
    detail = "; ".join(f"{wrong['field']}: {wrong['message']}" for wrong in told)
    return answer(400, "The request can't be understood", detail, errors=told)


def _readable(wrong: Mapping[str, Any]) -> dict[str, str]:
    where = [str(step) for step in wrong["loc"] if step not in ("body", "query", "path")]
    message = str(wrong["msg"]).removeprefix("Value error, ")
    return {"field": ".".join(where)[:100] or "body", "message": message[:300]}


def _gone(request: Request, error: Exception) -> Response:
    """Nobody reads it. Without it each would leave sixty lines in the log, at no cost to whoever wants it full."""
    return answer(400, "The request broke off")


def _busy(request: Request, error: Exception) -> Response:
    log.warning("a request failed for want of the database", path=request.scope["path"], error=str(error))
    return answer(
        503,
        "The database doesn't answer just now",
        "Try again in a few seconds; a narrower range is answered faster.",
        {"Retry-After": "5"},
    )


def _unusable(request: Request, error: Exception) -> Response:
    return answer(400, "The request holds a value that can't be stored", "Text must be Unicode without NUL, numbers in range.")


def _unforeseen(request: Request, error: Exception) -> Response:
    return answer(500, "Something went wrong in the server", "It has been logged; if it stays, tell the administrator the time.")
