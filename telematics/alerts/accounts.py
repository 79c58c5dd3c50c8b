"""Alerts about an account itself: its money runs out, its trackers are blocked. Nobody writes rules for them.

They are told to the account's people who may do something about it, cost nothing, and never are too old for an hour's delay: who
sleeps is told in the morning. `tell` writes them within the caller's transaction; once that is committed every process hears of
them by the channel `changes`, shows them to who looks, and whoever sends messages sends theirs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from telematics.alerts.matching import Person, Rule
from telematics.alerts.rules import hours_of, person_of
from telematics.devices import Targets
from telematics.store import alerts as store
from telematics.store.alerts import NewAccountAlert, NewDelivery

STALE_S = 48 * 3600.0  # what is said of money is old by then
PATIENCE = 10  # so many times as many tries as for an event: there is time
SMS_NIGHT = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "21:00", "to": "09:00"}]
STEP = timedelta(minutes=15)
LONGEST_WAIT = timedelta(days=1)  # then it is asked again
SMS_A_DAY = 6  # alerts of an account: the provider pays, and who blocks and unblocks all day could have one a minute to any phone


async def tell(connection: AsyncConnection[Any], alerts: Sequence[NewAccountAlert], now: datetime, ways: Sequence[str]) -> int:
    """Into the feed, and on their way by these channels. How many are new."""
    numbers = await store.add_account_alerts(connection, alerts, now)
    told = await store.account_alerts_since(connection, sorted({one for one, _, _ in numbers}), now - timedelta(days=1))
    people = defaultdict[int, list[Person]](list)
    for row in await store.people_of(connection, sorted({account_id for account_id, _, _ in numbers})):
        people[row.account_id].append(person_of(row))
    await store.add_deliveries(
        connection,
        [
            delivery
            for alert in alerts
            if alert.key in numbers
            for person in people[alert.account_id]
            for delivery in _deliveries(numbers[alert.key], alert, person, _ways(ways, told.get(alert.account_id, 0)), now)
        ],
    )
    return len(numbers)


def _ways(ways: Sequence[str], told: int) -> list[str]:
    """Those that are left to the last of so many alerts of a day."""
    return [channel for channel in ways if channel != "sms" or told <= SMS_A_DAY]


def _deliveries(
    alert_id: int, alert: NewAccountAlert, person: Person, ways: Sequence[str], now: datetime
) -> Iterator[NewDelivery]:
    addresses = {"web": str(person.id), "mail": person.email, "sms": person.phone}
    for channel in ways:
        address = addresses[channel]
        if not address:
            continue
        wait = timedelta() if alert.urgent or channel == "web" else pause(person, channel, now)
        state = "sent" if channel == "web" else "waiting"
        reason = "quiet hours" if wait else None
        yield NewDelivery(alert_id, None, person.id, channel, address, state, reason, due_at=now + wait if wait else None)


def pause(person: Person, channel: str, now: datetime) -> timedelta:
    """For how long this person isn't to be disturbed: quiet hours, and for phones the night."""
    night = hours_of(SMS_NIGHT, None, person.time_zone, user_id=person.id) if channel == "sms" else None
    quiet = [hours for hours in (person.quiet, night) if hours is not None]
    waited = timedelta()
    while waited < LONGEST_WAIT and any(hours.contains(now + waited) for hours in quiet):
        # steps end on quarters of an hour, as hours that people write down do
        waited += STEP - timedelta(seconds=(now + waited).timestamp() % STEP.total_seconds())
    return waited


def rule_for(person: Person, *, urgent: bool) -> Rule:
    """What stands in a rule's place where a message is made."""
    return Rule(
        id=0,
        account_id=person.account_id,
        name="",
        types=frozenset(),
        targets=Targets(person.account_id, False, frozenset(), frozenset()),
        channels=(),
        people=(person,),
        named=True,
        urgent=urgent,
        language=person.language,
        time_zone=person.time_zone,
    )


async def person_for(connection: AsyncConnection[Any], account_id: int, user_id: int | None) -> Person | None:
    """The recipient as they are now; None: no longer one."""
    rows = [] if user_id is None else await store.people_of(connection, [account_id], [user_id])
    return person_of(rows[0]) if rows else None
