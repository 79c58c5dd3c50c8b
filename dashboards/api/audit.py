"""The audit log: who did what. Administrators read all of it, those who may change things what concerns their account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Response

from dashboards import auth, sql
from dashboards.api import answers
from dashboards.api.deliveries import Before, Limit, Since, Until
from dashboards.api.parameters import Id
from dashboards.billing_shapes import AuditOut
from dashboards.operator_rows import AuditRow
from dashboards.problems import not_found
from dashboards.shapes import instant
from dashboards.state import Shared

router = APIRouter(prefix="/api/audit", tags=["Audit"])
# What operators write for each other
OWN_WORDS = {"payment.entered": "note", "payment.accepted": "reason", "payment.dismissed": "reason"}
Action = Annotated[str | None, Query(max_length=64, pattern=r"^[a-zA-Z.]+$", description="such as tariff.changed")]


@dataclass(frozen=True, slots=True)
class ToldRow(AuditRow):
    """A row of `audit.sql`."""

    by_provider: bool  # then customers aren't told who


@router.get("", responses=answers.shaped(list[AuditOut]))
async def audit(
    viewer: auth.Editor,
    shared: Shared,
    account_id: Annotated[Id | None, Query(alias="accountId")] = None,
    user_id: Annotated[Id | None, Query(alias="userId")] = None,
    action: Action = None,
    since: Since = None,
    until: Until = None,
    before: Before = None,
    limit: Limit = 100,
) -> Response:
    """The newest first."""
    if account_id is not None and account_id != viewer.account_id and not viewer.administrator:
        raise not_found("account")
    found = await sql.rows(
        shared.server.database,
        "audit",
        ToldRow,
        wanted=account_id,
        user_id=user_id,
        action=action,
        since=since,
        until=until,
        before=before,
        limit=limit,
        **viewer.scope,
    )

    def shape(row: ToldRow) -> AuditOut:
        hidden = row.by_provider and not viewer.administrator
        return AuditOut(
            id=row.id,
            at=instant(row.at),
            user_id=None if hidden else row.user_id,
            user_name="" if hidden else row.user_name,
            by_provider=row.by_provider,
            account_id=row.account_id,
            account=row.account,
            action=row.action,
            subject=row.subject,
            details={name: value for name, value in row.details.items() if not hidden or name != OWN_WORDS.get(row.action)},
            address="" if hidden else row.address,
        )

    return await answers.listed(found, shape)
