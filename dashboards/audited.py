"""Who acts, for the audit log: `author.note(connection, "device.changed", …)` in the transaction that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from psycopg import AsyncConnection

from dashboards import auth
from dashboards.identity import Viewer, client_address
from telematics.store import audit


@dataclass(frozen=True, slots=True)
class Actor:
    viewer: Viewer
    address: str

    async def note(
        self,
        connection: AsyncConnection[Any],
        action: str,
        *,
        account_id: int | None,
        subject: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """`account_id` is whose affair it is: its people may read the line."""
        await audit.note(
            connection,
            action,
            user=self.viewer.name or self.viewer.email,
            user_id=self.viewer.user_id,
            account_id=account_id,
            subject=subject,
            details=details,
            address=self.address,
        )


def _anybody(request: Request, viewer: Annotated[Viewer, Depends(auth.current_user)]) -> Actor:
    return Actor(viewer, client_address(request))


def _author(request: Request, viewer: Annotated[Viewer, Depends(auth.editor)]) -> Actor:
    return Actor(viewer, client_address(request))


Author = Annotated[Actor, Depends(_author)]  # somebody who may change things
Anybody = Annotated[Actor, Depends(_anybody)]  # for what is one's own
