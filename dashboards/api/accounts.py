"""Accounts: whose the vehicles are. Ours; Traccar has no such thing. Administrators change them, a user sees the own one."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request, Response

from dashboards import auth, people, sql
from dashboards.api import answers
from dashboards.api.parameters import Body, Name, Paged, PathId, TimeZone
from dashboards.api.users import Language
from dashboards.identity import Viewer
from dashboards.problems import not_found
from dashboards.shapes import AccountOut, instant
from dashboards.state import Shared, State

router = APIRouter(prefix="/api/accounts", tags=["Accounts"])


class AccountChange(Body):
    """Fields that aren't sent stay as they are."""

    name: Name | None = None
    time_zone: TimeZone | None = None
    language: Language | None = None
    disabled: bool | None = None


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
async def add_account(new: NewAccount, _: auth.Administrator, shared: Shared) -> Response:
    row = await people.create_account(
        shared.server.database, new.name, time_zone=new.time_zone, language=new.language, disabled=new.disabled
    )
    return answers.json(shape(row))


@router.get("/{account_id}", responses=answers.shaped(AccountOut))
async def get_account(account_id: PathId, viewer: auth.User, shared: Shared) -> Response:
    return answers.json(shape(await _account(shared, viewer, account_id)))


@router.put("/{account_id}", responses=answers.shaped(AccountOut))
async def change_account(account_id: PathId, change: AccountChange, viewer: auth.Administrator, shared: Shared) -> Response:
    """A disabled account's people can't sign in; its trackers are still heard."""
    row = await _account(shared, viewer, account_id)
    given = {name: value for name in change.model_fields_set if (value := getattr(change, name)) is not None}
    saved = await people.change_account(shared.server.database, replace(row, **given))
    shared.auth.forget_account(account_id)
    return answers.json(shape(saved))


@router.delete("/{account_id}", status_code=204, response_class=Response)
async def remove_account(account_id: PathId, viewer: auth.Administrator, shared: Shared) -> Response:
    """With its users and devices."""
    await _account(shared, viewer, account_id)
    await people.remove_account(shared.server.database, account_id)
    shared.auth.forget_account(account_id)
    return Response(status_code=204)


def shape(row: people.AccountRow) -> AccountOut:
    return AccountOut(row.id, row.name, row.time_zone, row.language, row.disabled, instant(row.created_at))


async def _account(shared: State, viewer: Viewer, account_id: int) -> people.AccountRow:
    scope = {"everything": viewer.administrator, "account_id": viewer.account_id}
    row = await sql.row(shared.server.database, "accounts", people.AccountRow, id=account_id, limit=1, offset=0, **scope)
    if row is None:
        raise not_found("account")
    return row
