"""What the tariff of whoever asks allows. The provider's own people are never limited."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends
from psycopg import AsyncConnection

from billing.allowances import EVERYTHING, Allowance, History
from dashboards import auth, sql
from dashboards.identity import Viewer
from dashboards.shapes import instant
from dashboards.state import Shared, State

ROOM = {"zones": "geofences_room", "proximities": "proximities_room"}  # queries that count them


async def allowance(shared: State, viewer: Viewer) -> Allowance:
    """From memory."""
    return EVERYTHING if viewer.administrator else await shared.billing.allowances.of(viewer.account_id)


async def for_page(shared: State, viewer: Viewer) -> dict[str, Any]:
    """For the scripts of pages, so that they ask for nothing that is refused, and say so before somebody tries."""
    found = await allowance(shared, viewer)
    shown_from = found.history.shown_from
    return {
        "tariff": found.tariff,
        "zones": found.zones,
        "reports": found.reports,
        "historyFrom": shown_from and instant(shown_from),
    }


async def of_account(shared: State, viewer: Viewer, account_id: int) -> Allowance:
    """What the viewer may do in an account. To be asked before a connection is taken, as it may take one, too."""
    return EVERYTHING if viewer.administrator else await shared.billing.allowances.of(account_id)


async def check_room(
    connection: AsyncConnection[Any], allowance: Allowance, feature: str, account_id: int, more: int = 1
) -> None:
    """Raises NotInTariff unless so many more zones or proximities may be added. Others who add some in the same account wait for
    the end of the transaction, so that of two the last place is one's."""
    if getattr(allowance, feature) is None:
        return
    await connection.execute(sql.text("account_lock"), {"id": account_id})
    cursor = await connection.execute(sql.text(ROOM[feature]), {"account": account_id})
    (there,) = await cursor.fetchone() or (0,)
    allowance.check_room(feature, there, more)


async def history(viewer: auth.User, shared: Shared) -> History:
    """How far back the viewer sees."""
    return (await allowance(shared, viewer)).history


async def reports(viewer: auth.User, shared: Shared) -> None:
    """For routes of reports. Raises NotInTariff."""
    (await allowance(shared, viewer)).check_reports()


Past = Annotated[History, Depends(history)]
