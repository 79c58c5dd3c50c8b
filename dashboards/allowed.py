"""What the tariff of whoever asks allows. The provider's own people are never limited."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from billing.allowances import EVERYTHING, Allowance, History
from dashboards import auth
from dashboards.identity import Viewer
from dashboards.state import Shared, State


async def allowance(shared: State, viewer: Viewer) -> Allowance:
    """From memory."""
    return EVERYTHING if viewer.administrator else await shared.billing.allowances.of(viewer.account_id)


async def history(viewer: auth.User, shared: Shared) -> History:
    """How far back the viewer sees."""
    return (await allowance(shared, viewer)).history


async def reports(viewer: auth.User, shared: Shared) -> None:
    """For routes of reports. Raises NotInTariff."""
    (await allowance(shared, viewer)).check_reports()


Past = Annotated[History, Depends(history)]
