"""People who sign in. Administrators of the provider change them; others see those of their account and may change themselves."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from psycopg import AsyncConnection
from pydantic import AfterValidator, BeforeValidator, Field

from dashboards import auth, passwords, people, sql
from dashboards.api import answers
from dashboards.api.parameters import Attributes, Body, Id, Name, Paged, PathId, TimeZone
from dashboards.audited import Author
from dashboards.identity import CommandRight, Viewer
from dashboards.problems import Problem, not_found
from dashboards.shapes import UserOut
from dashboards.state import Shared, State
from telematics.alerts.channels.phones import normalised
from telematics.hours import parse_weekly
from telematics.store import audit

router = APIRouter(prefix="/api/users", tags=["Users"])

Language = Annotated[str, Field(pattern=r"^[a-zA-Z]{2,3}([-_][a-zA-Z]{2,4})?$", description="such as en, ru, kk")]
Password = Annotated[str, Field(min_length=passwords.SHORTEST, max_length=passwords.LONGEST)]
Email = Annotated[str, Field(min_length=3, max_length=254, pattern=r"^[^\s@\x00]+@[^\s@\x00]+$")]


def _phone(written: str) -> str | None:
    return normalised(written) if written.strip() else None


Phone = Annotated[str, Field(max_length=64, description="with the country's code; empty: none"), AfterValidator(_phone)]
Weekly = Annotated[list[dict[str, Any]] | None, BeforeValidator(parse_weekly)]


class UserChange(Body):
    """Fields that aren't sent stay as they are."""

    name: Name | None = None
    email: Email | None = None
    password: Password | None = None
    administrator: bool | None = None
    readonly: bool | None = None
    disabled: bool | None = None
    language: Language | None = None
    attributes: Attributes | None = None
    account_id: Id | None = None
    phone: Phone | None = None
    time_zone: TimeZone | None = None
    quiet_hours: Weekly = None
    commands: CommandRight | None = None


class NewUser(UserChange):
    name: Name
    email: Email
    password: Password


@router.get("", responses=answers.shaped(list[UserOut]))
async def list_users(viewer: auth.User, shared: Shared, page: Paged, request: Request) -> Response:
    """The account's users; administrators get everybody."""
    total = await sql.value(shared.server.database, "users_count", **viewer.scope)
    found = await sql.rows(shared.server.database, "users", people.UserRow, id=None, **page.sql, **viewer.scope)
    return await answers.listed(found, shape, page.headers(total, request))


@router.post("", responses=answers.shaped(UserOut))
async def add_user(new: NewUser, viewer: auth.Administrator, author: Author, shared: Shared) -> Response:
    """Add somebody; without accountId to the administrator's own account."""

    async def told(connection: AsyncConnection[Any], row: people.UserRow) -> None:
        await author.note(connection, "user.added", account_id=row.account_id, subject=subject(row.id), details=_told(row))

    row = await people.create_user(
        shared.server.database,
        email=new.email,
        name=new.name,
        password=new.password,
        account_id=new.account_id or viewer.account_id,
        administrator=bool(new.administrator),
        readonly=bool(new.readonly),
        disabled=bool(new.disabled),
        language=new.language,
        attributes=new.attributes or {},
        phone=new.phone,
        time_zone=new.time_zone,
        quiet_hours=new.quiet_hours,
        commands=new.commands or "all",
        then=told,
    )
    return answers.json(shape(row))


@router.get("/{user_id}", responses=answers.shaped(UserOut))
async def get_user(user_id: PathId, viewer: auth.User, shared: Shared) -> Response:
    return answers.json(shape(await _user(shared, viewer, user_id)))


@router.put("/{user_id}", responses=answers.shaped(UserOut))
async def change_user(user_id: PathId, change: UserChange, viewer: auth.Editor, author: Author, shared: Shared) -> Response:
    """Administrators change everything; others their own name, password, language, attributes, phone, time zone and
    quiet hours, in which nothing but urgent alerts is sent. A new password ends all sessions and tokens of the user."""
    row = await _user(shared, viewer, user_id)
    if not viewer.administrator and row.id != viewer.user_id:
        raise Problem(403, "Only for administrators", "You may change yourself, not others.")
    changed = _merged(row, change)
    if not viewer.administrator and (changed.rights != row.rights or changed.email != row.email):
        raise Problem(
            403,
            "Only for administrators",
            "You may change your name, password, language, phone, time zone, quiet hours and attributes.",
        )

    async def told(connection: AsyncConnection[Any], after: people.UserRow) -> None:
        details = audit.changed(_told(row), _told(after))
        if change.password is not None:
            details["password"] = [audit.HIDDEN, audit.HIDDEN]
        for account_id in {row.account_id, after.account_id}:
            await author.note(connection, "user.changed", account_id=account_id, subject=subject(user_id), details=details)

    saved = await people.change_user(shared.server.database, changed, password=change.password, then=told)
    shared.auth.forget_user(user_id)
    return answers.json(shape(saved))


@router.delete("/{user_id}", status_code=204, response_class=Response)
async def remove_user(user_id: PathId, viewer: auth.Administrator, author: Author, shared: Shared) -> Response:
    row = await _user(shared, viewer, user_id)

    async def told(connection: AsyncConnection[Any]) -> None:
        await author.note(connection, "user.removed", account_id=row.account_id, subject=subject(user_id), details=_told(row))

    await people.remove_user(shared.server.database, user_id, then=told)
    shared.auth.forget_user(user_id)
    return Response(status_code=204)


async def own(shared: State, viewer: Viewer) -> UserOut:
    """The viewer's own entry."""
    return shape(await _user(shared, viewer, viewer.user_id))


def shape(row: people.UserRow) -> UserOut:
    return UserOut(
        id=row.id,
        name=row.name,
        email=row.email,
        readonly=row.readonly,
        administrator=row.administrator,
        disabled=row.disabled,
        attributes=row.attributes,
        account_id=row.account_id,
        language=row.language,
        device_readonly=row.readonly,
        phone=row.phone,
        time_zone=row.time_zone,
        quiet_hours=row.quiet_hours,
        commands=row.commands,
        limit_commands=row.commands != "all",
    )


def subject(user_id: int) -> str:
    """Of the audit log."""
    return f"user {user_id}"


def _told(row: people.UserRow) -> dict[str, Any]:
    """For the audit log: a row has no secrets."""
    return {name: value for name, value in asdict(row).items() if name != "id"}


async def _user(shared: State, viewer: Viewer, user_id: int) -> people.UserRow:
    row = await sql.row(shared.server.database, "users", people.UserRow, id=user_id, limit=1, offset=0, **viewer.scope)
    if row is None:
        raise not_found("user")
    return row


def _merged(row: people.UserRow, change: UserChange) -> people.UserRow:
    given = {name: getattr(change, name) for name in change.model_fields_set - {"password"}}
    clearable = {"language", "phone", "time_zone", "quiet_hours"}
    changed = {name: value for name, value in given.items() if value is not None or name in clearable}
    if "email" in changed:
        changed["email"] = changed["email"].lower()
    return replace(row, **changed)
