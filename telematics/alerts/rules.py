"""All rules in memory, with whom they name, kept fresh by `Changes`: an event is matched without asking the database."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from telematics.alerts.matching import Person, Rule
from telematics.devices import Targets
from telematics.hours import ALWAYS, Hours
from telematics.store.alerts import PersonRow, RuleRow, load_rules
from telematics.store.changes import Changes
from telematics.store.database import Database

log = structlog.get_logger(__name__)


class _Named(msgspec.Struct, frozen=True):
    """A user whom a rule names, as rules.sql tells."""

    id: int
    account_id: int
    email: str
    name: str
    language: str
    time_zone: str
    phone: str | None
    quiet_hours: Any
    administrator: bool
    disabled: bool


class Rules:
    """`subscribe` before Changes are loaded; then `of` is what an event of an account may meet."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules: dict[int, Rule] = {}
        self._by_kind: dict[tuple[int, str], list[Rule]] = {}

    def __len__(self) -> int:
        return len(self._rules)

    def get(self, rule_id: int | None) -> Rule | None:
        """None also for one that is switched off."""
        return None if rule_id is None else self._rules.get(rule_id)

    def of(self, account_id: int, event_type: str) -> Sequence[Rule]:
        return self._by_kind.get((account_id, event_type), ())

    def subscribe(self, changes: Changes) -> None:
        changes.subscribe("rules", self.load)
        changes.subscribe("users", self._users_changed)
        changes.subscribe("calendars", self._calendars_changed)
        changes.subscribe("accounts", self._accounts_changed)

    async def load(self, rule_ids: set[int] | None) -> None:
        """These rules as the table has them now; None: all."""
        if rule_ids is None:
            self._put(await self._asked(), gone=list(self._rules))
        else:
            self._put(await self._asked(ids=rule_ids), gone=rule_ids)

    async def _users_changed(self, user_ids: set[int] | None) -> None:
        if user_ids is not None:  # None: everything is loaded, `load` hears of that
            self._put(await self._asked(user_ids=user_ids))

    async def _calendars_changed(self, calendar_ids: set[int] | None) -> None:
        if calendar_ids is not None:
            self._put(await self._asked(calendar_ids=calendar_ids))

    async def _accounts_changed(self, account_ids: set[int] | None) -> None:
        if account_ids is not None:
            self._put(await self._asked(account_ids=account_ids))

    async def _asked(self, **ids: Iterable[int]) -> dict[int, Rule | None]:
        """By their numbers; None for one that is switched off."""
        async with self._database.pool.connection() as connection:
            rows = await load_rules(connection, **{name: sorted(given) for name, given in ids.items()})
        return await asyncio.to_thread(_rules_of, rows)

    def _put(self, found: Mapping[int, Rule | None], gone: Iterable[int] = ()) -> None:
        """At once: no event shall come between."""
        for rule_id in (*gone, *found):
            self._rules.pop(rule_id, None)
        self._rules |= {rule_id: rule for rule_id, rule in found.items() if rule is not None}
        by_kind = defaultdict[tuple[int, str], list[Rule]](list)
        for rule in self._rules.values():
            for kind in rule.types:
                by_kind[rule.account_id, kind].append(rule)
        self._by_kind = dict(by_kind)


def _rules_of(rows: Iterable[RuleRow]) -> dict[int, Rule | None]:
    """A calendar that nobody read lately takes tenths of a second."""
    return {row.id: rule_of(row) if row.active else None for row in rows}


def rule_of(row: RuleRow) -> Rule:
    named = msgspec.convert(row.people, list[_Named])
    told = (user for user in named if not user.disabled and (user.account_id == row.account_id or user.administrator))
    return Rule(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        types=frozenset(row.types),
        alarms=frozenset(row.alarms),
        targets=Targets(row.account_id, row.all_devices, frozenset(row.device_ids), frozenset(row.group_ids)),
        zone_ids=frozenset(row.zone_ids),
        zone_groups=frozenset(row.zone_groups),
        proximity_ids=_proximity_ids(row.attributes),
        hours=hours_of(row.hours, row.calendar, row.time_zone, rule_id=row.id) or ALWAYS,
        channels=tuple(row.channels),
        people=tuple(person_of(user) for user in told),
        named=bool(named),
        emails=tuple(row.emails),
        phones=tuple(row.phones),
        webhook_url=row.webhook_url,
        urgent=row.urgent,
        cooldown_s=row.cooldown_s,
        command_id=row.command_id,
        language=row.language,
        time_zone=row.time_zone,
    )


def person_of(user: _Named | PersonRow) -> Person:
    return Person(
        id=user.id,
        account_id=user.account_id,
        email=user.email,
        name=user.name,
        language=user.language,
        time_zone=user.time_zone,
        phone=user.phone,
        quiet=hours_of(user.quiet_hours, None, user.time_zone, user_id=user.id) if user.quiet_hours else None,
        administrator=user.administrator,
    )


def _proximity_ids(attributes: Mapping[str, Any]) -> frozenset[int]:
    """`proximityIds`: the occasions of nearness that the rule is about, where it isn't about all of its devices'."""
    named = attributes.get("proximityIds")
    return frozenset(one for one in named if isinstance(one, int)) if isinstance(named, list) else frozenset()


def hours_of(weekly: Any, ical: str | None, time_zone: str, **whose: int) -> Hours | None:
    """None for what can't be read, by whatever way it came into the table: better an alert too many than none."""
    try:
        return Hours.of(weekly, ical, time_zone)
    except ValueError as error:
        log.warning("hours can't be read and count for nothing", reason=str(error), **whose)
        return None
