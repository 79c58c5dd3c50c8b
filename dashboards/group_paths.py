"""The groups that the form of a tracker offers, by their paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards import sql
from dashboards.auth import Viewer
from telematics.store.database import Database

DEEPEST = 16  # groups within groups that are still told apart by their path


@dataclass(frozen=True, slots=True)
class Group:
    """A row of `page_groups.sql`."""

    id: int
    name: str
    parent_id: int | None
    account_id: int
    account: str


@dataclass(frozen=True, slots=True)
class GroupChoice:
    """A group as a form offers it."""

    id: int
    path: str  # its name after those above it: "Trucks / North"
    account_id: int
    account: str


async def group_choices(database: Database, viewer: Viewer) -> list[GroupChoice]:
    """The groups that the viewer may see, each after the one it is in."""
    return paths(await sql.rows(database, "page_groups", Group, **viewer.scope))


def paths(groups: Sequence[Group]) -> list[GroupChoice]:
    known = {group.id: group for group in groups}

    def path(group: Group) -> list[str]:
        names: list[str] = []
        at: Group | None = group
        while at is not None and len(names) < DEEPEST:
            names.append(at.name)
            at = known.get(at.parent_id or 0)
        return names[::-1]

    chosen = [GroupChoice(group.id, " / ".join(path(group)), group.account_id, group.account) for group in groups]
    return sorted(chosen, key=lambda choice: (choice.account, choice.path.casefold(), choice.id))
