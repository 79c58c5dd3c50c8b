"""Accounts: whose the vehicles are. Ours; Traccar has no such thing. Administrators change them, a user sees the own one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from psycopg import AsyncConnection

from dashboards import auth, people, sql
from dashboards.api import answers
from dashboards.api.parameters import Body, Name, Paged, PathId, TimeZone
from dashboards.api.users import Language
from dashboards.audited import Author
from dashboards.identity import Viewer
from dashboards.problems import not_found
from dashboards.shapes import AccountOut, instant
from dashboards.state import Shared, State
from telematics.store import audit

router = APIRouter(prefix="/api/accounts", tags=["Accounts"])


class AccountChange(Body):
    """Fields that aren't sent stay as they are."""

    name: Name | None = None
    time_zone: TimeZone | None = None
    language: Language | None = None
    disabled: bool | None = None
    mqtt_publish: bool | None = None
    mqtt_discovery: bool | None = None


class NewAccount(Body):
    name: Name
    time_zone: TimeZone = "UTC"
    language: Language = "en"
    disabled: bool = False


@router.get("", responses=answers.shaped(list[AccountOut]))
async def list_accounts(viewer: auth.User, shared: Shared, page: Paged, request: Request) -> Response:
    total = await sql.value(shared.server.database, "accounts_count", **viewer.scope)
    found = await sql.rows(shared.server.database, "accounts", people.AccountRow, id=None, **page.sql, **viewer.scope)
    return await answers.listed(found, shape, page.headers(total, request))


@router.post("", responses=answers.shaped(AccountOut))
async def add_account(new: NewAccount, _: auth.Administrator, author: Author, shared: Shared) -> Response:
    async def told(connection: AsyncConnection[Any], row: people.AccountRow) -> None:
        await author.note(connection, "account.added", account_id=row.id, subject=subject(row.id), details=_told(row))

    row = await people.create_account(
        shared.server.database,
        new.name,
        time_zone=new.time_zone,
        language=new.language,
        disabled=new.disabled,
        then=told,
    )
    return answers.json(shape(row))


@router.get("/{account_id}", responses=answers.shaped(AccountOut))
async def get_account(account_id: PathId, viewer: auth.User, shared: Shared) -> Response:
    return answers.json(shape(await _account(shared, viewer, account_id)))


@router.put("/{account_id}", responses=answers.shaped(AccountOut))
async def change_account(
    account_id: PathId, change: AccountChange, viewer: auth.Administrator, author: Author, shared: Shared
) -> Response:
    """A disabled account's people can't sign in; its trackers are still heard. `mqttPublish`: its positions, states and events
    are published to the broker; `mqttDiscovery`: and Home Assistant finds its trackers there."""
    row = await _account(shared, viewer, account_id)
    given = {name: value for name in change.model_fields_set if (value := getattr(change, name)) is not None}

    async def told(connection: AsyncConnection[Any], after: people.AccountRow) -> None:
        details = audit.changed(_told(row), _told(after))
        await author.note(connection, "account.changed", account_id=account_id, subject=subject(account_id), details=details)

    saved = await people.change_account(shared.server.database, replace(row, **given), then=told)
    shared.auth.forget_account(account_id)
    return answers.json(shape(saved))


@router.delete("/{account_id}", status_code=204, response_class=Response)
async def remove_account(account_id: PathId, viewer: auth.Administrator, author: Author, shared: Shared) -> Response:
    """With its users and devices. Not while it has money: what is the customer's is paid back first."""
    row = await _account(shared, viewer, account_id)

    async def told(connection: AsyncConnection[Any]) -> None:
        await author.note(connection, "account.removed", account_id=account_id, subject=subject(account_id), details=_told(row))

    await people.remove_account(shared.server.database, account_id, then=told)
    shared.auth.forget_account(account_id)
    return Response(status_code=204)


def shape(row: people.AccountRow) -> AccountOut:
    since = instant(row.created_at)
    return AccountOut(row.id, row.name, row.time_zone, row.language, row.disabled, since, row.mqtt_publish, row.mqtt_discovery)


def subject(account_id: int) -> str:
    """Of the audit log."""
    return f"account {account_id}"


def _told(row: people.AccountRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "timeZone": row.time_zone,
        "language": row.language,
        "disabled": row.disabled,
        "mqttPublish": row.mqtt_publish,
        "mqttDiscovery": row.mqtt_discovery,
    }


async def _account(shared: State, viewer: Viewer, account_id: int) -> people.AccountRow:
    scope = {"everything": viewer.administrator, "account_id": viewer.account_id}
    row = await sql.row(shared.server.database, "accounts", people.AccountRow, id=account_id, limit=1, offset=0, **scope)
    if row is None:
        raise not_found("account")
    return row
