"""What an account's tariff allows now, kept in memory: asking costs no query but the first time, after a change, and once a day.

History is judged by when it was received (rule 4): each stretch of time in which the account was on one version of one tariff is
a `Window`, and what was received in it is shown for as many days as that version allows, whatever the account is on today. So
moving up reveals nothing older, and moving down takes nothing back. Days are whole days of the account.

Queries get the windows as two arrays, `History.sql`: what a position may be at least as young as is found by `width_bucket` among
the windows' beginnings, a fraction of a microsecond a row. Where nothing is limited both are NULL, and the planner drops it:

    (%(received_from)s::timestamptz[] IS NULL
     OR time >= (%(not_before)s::timestamptz[])[1 + width_bucket(received, %(received_from)s::timestamptz[])])
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from billing import sql
from billing.errors import Refused
from billing.rules import local_day, zone_of
from telematics.store.changes import Changes
from telematics.store.database import Database

KEPT = 50_000  # accounts that asked last, about 1 kB each
WAIT_S = 4.0  # for a connection: a sentence now is better than an answer late
EVER = datetime(1, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 12, 31, tzinfo=UTC)


class NotInTariff(Refused):
    """`feature` is a field of Allowance; of a number `limit` says how many are allowed."""

    def __init__(self, allowance: Allowance, feature: str, detail: str, **values: Any) -> None:
        super().__init__("tariff", detail, feature=feature, tariff=allowance.tariff, **values)


@dataclass(frozen=True, slots=True)
class Window:
    """What was received from … until (EVER: the beginning, NEVER: the end) is shown back to `not_before`; None: all of it."""

    received_from: datetime
    received_until: datetime
    not_before: datetime | None


@dataclass(frozen=True, slots=True)
class History:
    """Windows that follow each other without gaps; none where nothing is limited."""

    windows: tuple[Window, ...] = ()

    @property
    def sql(self) -> dict[str, list[datetime] | None]:
        """The parameters of the condition above."""
        if not self.windows:
            return {"received_from": None, "not_before": None}
        return {
            "received_from": [window.received_from for window in self.windows[1:]],
            "not_before": [window.not_before or EVER for window in self.windows],
        }

    def since(self, asked: datetime) -> datetime:
        """Where a range that begins at `asked` begins: there is nothing to be seen before, and nothing to be read."""
        return max([asked, min(window.not_before or EVER for window in self.windows)]) if self.windows else asked

    @property
    def shown_from(self) -> datetime | None:
        """Since when there is history of what trackers sent at once; None: all there is. What they sent late may be older."""
        firsts = [
            max(window.received_from, window.not_before or EVER)
            for window in self.windows
            if (window.not_before or EVER) < window.received_until
        ]
        earliest = min(firsts, default=EVER)
        return None if earliest == EVER else earliest


@dataclass(frozen=True, slots=True)
class Allowance:
    """`zones` and `proximities` are how many there may be; None: without a limit."""

    tariff: str = ""
    zones: int | None = None
    proximities: int | None = None
    sms: bool = True
    reports: bool = True
    api: bool = True
    history: History = History()

    def check_reports(self) -> None:
        """Raises NotInTariff."""
        if not self.reports:
            said = f"The tariff {self.tariff} has no reports. Positions and history are there; for reports choose another tariff."
            raise NotInTariff(self, "reports", said)

    def check_api(self) -> None:
        """Of tokens and Basic authorization. Raises NotInTariff."""
        if not self.api:
            said = (
                f"The tariff {self.tariff} has no API: tokens and Basic authorization don't open anything. "
                "Log in to the pages, or choose another tariff there."
            )
            raise NotInTariff(self, "api", said)

    def check_room(self, feature: str, there: int, more: int = 1) -> None:
        """So many more zones or proximities. Raises NotInTariff. Those that are there stay, even where they are too many."""
        limit: int | None = getattr(self, feature)
        if limit is not None and there + more > limit:
            come = "" if more == 1 else f", and {more} would be added"
            said = f"The tariff {self.tariff} allows {limit} {feature}: there are {there}{come}."
            said += " Remove some, or choose another tariff."
            raise NotInTariff(self, feature, said, limit=limit, there=there)


EVERYTHING = Allowance()  # for the provider's own people


@dataclass(frozen=True, slots=True)
class Term:
    """A row of `allowed.sql`: a version of the tariff of a period. `since` is a day of the account's."""

    period_id: int
    period_since: datetime | None
    name: str
    since: date
    history_days: int | None
    zones: int | None
    proximities: int | None
    sms: bool
    reports: bool
    api: bool
    time_zone: str


@dataclass(frozen=True, slots=True)
class _Known:
    allowance: Allowance
    until: datetime  # when the account's next day begins


class Allowances:
    """`watch` the changes, and ask `of` at any time."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._clock = clock
        self._known: OrderedDict[int, _Known] = OrderedDict()  # the last asked last
        self._forgotten = 0  # counts what was told: an answer from before it is not kept after it

    def watch(self, changes: Changes) -> None:
        changes.subscribe("billing_accounts", self._forget)
        changes.subscribe("accounts", self._forget)  # their time zone
        changes.subscribe("tariffs", self._forget_all)

    async def of(self, account_id: int) -> Allowance:
        """Of an account that doesn't exist everything: whoever asks for it finds that out by other means."""
        now = self._clock()
        known = self._known.get(account_id)
        if known is not None and now < known.until:
            self._known.move_to_end(account_id)
            return known.allowance
        before = self._forgotten
        async with self._database.pool.connection(timeout=WAIT_S) as connection:
            terms = await sql.rows(connection, "allowed", Term, account_id=account_id)
        if not terms:
            return EVERYTHING
        zone = zone_of(terms[0].time_zone)
        known = _Known(allowance(terms, now), _midnight(local_day(now, terms[0].time_zone) + timedelta(days=1), zone))
        if self._forgotten == before:
            self._known[account_id] = known
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return known.allowance

    async def _forget(self, account_ids: set[int] | None) -> None:
        self._forgotten += 1
        if account_ids is None:
            self._known.clear()
        for account_id in account_ids or ():
            self._known.pop(account_id, None)

    async def _forget_all(self, _: set[int] | None) -> None:
        await self._forget(None)


def allowance(terms: Sequence[Term], now: datetime) -> Allowance:
    """Of an account's terms, in the order of `allowed.sql`."""
    day = local_day(now, terms[0].time_zone)
    latest = [term for term in terms if term.period_id == terms[-1].period_id]
    term = next((term for term in reversed(latest) if term.since <= day), latest[0])
    history = History(tuple(windows(terms, day)))
    return Allowance(term.name, term.zones, term.proximities, term.sms, term.reports, term.api, history)


def windows(terms: Sequence[Term], day: date) -> list[Window]:
    """As seen on that day of the account's; none where nothing is limited."""
    zone = zone_of(terms[0].time_zone)
    found: list[Window] = []
    for (since, days), (until, _) in pairwise([*_begun(terms, day, zone), (NEVER, None)]):
        not_before = None if days is None else _days_before(day, days, zone)
        if since >= until:
            continue
        if found and found[-1].not_before == not_before:
            found[-1] = Window(found[-1].received_from, until, not_before)
        else:
            found.append(Window(since, until, not_before))
    return found if any(window.not_before is not None for window in found) else []


def _begun(terms: Sequence[Term], day: date, zone: ZoneInfo) -> list[tuple[datetime, int | None]]:
    """From when how many days of history were allowed, in order. A version begins within its period, and the first with it; one
    that is still to come begins when the day does."""
    periods = [list(rows) for _, rows in groupby(terms, key=lambda term: term.period_id)]
    ends = [rows[0].period_since or EVER for rows in periods[1:]] + [NEVER]
    begun: list[tuple[datetime, int | None]] = []
    for rows, end in zip(periods, ends, strict=True):
        start = rows[0].period_since or EVER
        begun.append((min(start, end), rows[0].history_days))
        later = [row for row in rows[1:] if row.since <= day]
        begun += [(min(max(start, _midnight(row.since, zone)), end), row.history_days) for row in later]
    return begun


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _days_before(day: date, days: int, zone: ZoneInfo) -> datetime | None:
    """The beginning of the day so many days ago; None: before all days."""
    try:
        return _midnight(day - timedelta(days=days), zone)
    except OverflowError:
        return None
