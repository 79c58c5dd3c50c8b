"""What goes into the store and comes out of it, as the rest of the server holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from protocols import Columns
from telematics.hours import ALWAYS, Hours


@dataclass(slots=True)
class Rows:
    """Positions to be stored: what was decoded, and beside it what the stages found. Parallel arrays."""

    columns: Columns  # `time` has no NaT any more: where nothing was sent it is the time of arrival
    id: NDArray[np.int64]  # given by the pipeline, rising in the order of commits
    device_id: NDArray[np.int32]
    received: NDArray[np.datetime64]  # datetime64[ms]
    outlier: NDArray[np.bool_]  # the place can't be believed (jump, impossible speed); kept, left out of distances
    distance_m: NDArray[np.float64]  # from the device's previous good fix in order of time; 0 for late rows until stored
    late: NDArray[np.bool_]  # not newer than the device's newest report: may be a repeat, and changes its neighbours' distances

    def __len__(self) -> int:
        return len(self.id)

    @classmethod
    def none(cls) -> Rows:
        """What a batch of events alone has."""
        zero = np.zeros(0, "i8")
        return cls(
            Columns.empty(), zero, zero.astype("i4"), zero.view("M8[ms]"), zero.astype("?"), zero.astype("f8"), zero.astype("?")
        )

    def take(self, places: NDArray[np.integer[Any]]) -> Rows:
        """The rows at those places, in the order given."""
        return Rows(
            columns=self.columns.take(places),
            id=self.id[places],
            device_id=self.device_id[places],
            received=self.received[places],
            outlier=self.outlier[places],
            distance_m=self.distance_m[places],
            late=self.late[places],
        )


class Event(msgspec.Struct, frozen=True, gc=False):
    """Something happened. (device, time, type, subject) is its key: raised twice, it is stored once."""

    device_id: int
    time: datetime  # of the fix that made it true, aware UTC
    type: str  # Traccar's: deviceMoving, ignitionOn, alarm, …
    subject: str = ""  # what tells two events of one type and time apart: the alarm's name, a geofence's id
    position_id: int | None = None
    attributes: dict[str, Any] = {}


NOTICED = "noticed"  # attribute of an event: when reports could first tell of it, where that was well after its time
LONG_AFTER = timedelta(minutes=1)


def noticed_at(time: datetime, noticed: datetime) -> dict[str, str]:
    """For an event's attributes. A tracker that reports every 20 minutes has left a zone at some time between two reports, and
    what is settled only after an hour began an hour ago: whether an alert is stale isn't asked of that time, but of this."""
    return {NOTICED: noticed.isoformat().replace("+00:00", "Z")} if noticed - time >= LONG_AFTER else {}


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """Bytes that could not be read, or a report that can't be true."""

    received: datetime
    protocol: str
    address: str
    reason: str
    frame: bytes
    kind: str = ""  # the frame's kind when it was cut out whole; empty: raw bytes of the stream
    context: int = 0
    device_id: int | None = None
    unique_id: str | None = None


class UnknownTracker(msgspec.Struct, frozen=True, gc=False):
    """Somebody who reports and is not in the list of devices."""

    protocol: str
    unique_id: str
    address: str
    first_heard: datetime
    last_heard: datetime
    count: int


class Proximity(msgspec.Struct, frozen=True):
    """Whose nearness to whom, or to a place, is told."""

    id: int
    account_id: int
    name: str
    device_id: int | None  # who: a vehicle …
    group_id: int | None  # … or any of a group
    to_device_id: int | None  # to whom: a vehicle, …
    to_group_id: int | None  # … any of a group …
    to_latitude: float | None  # … or a place
    to_longitude: float | None
    enter_m: float
    exit_m: float
    minutes: float | None
    min_s: float
    partner_age_s: float
    cooldown_s: float
    hours: Hours = ALWAYS

    @property
    def whom(self) -> tuple[object, ...]:
        """What decides which pairs are near: when it changes, what was known of them is worth nothing."""
        who = (self.account_id, self.device_id, self.group_id, self.to_device_id, self.to_group_id)
        return (*who, self.to_latitude, self.to_longitude, self.enter_m, self.exit_m, self.minutes)


class Pair(msgspec.Struct, frozen=True, gc=False):
    """A vehicle and its partner (0: a place), near each other or not. Vehicle 0: the proximity was looked at."""

    proximity_id: int
    device_id: int
    partner_id: int
    near: bool | None  # None: forgotten
    since: datetime


class PairNews(msgspec.Struct, frozen=True):
    """What has changed of pairs: first, proximities all of whose pairs are forgotten."""

    forgotten: list[int] = []
    pairs: list[Pair] = []

    def __bool__(self) -> bool:
        return bool(self.forgotten or self.pairs)


@dataclass(slots=True)
class Batch:
    """What one transaction stores."""

    rows: Rows
    events: list[Event] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    pairs: PairNews | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What the store alone could know of a batch."""

    late_new: NDArray[np.int64]  # places in `rows` of late rows that were not stored before
    late_distance: dict[int, float]  # device id → metres by which late rows changed its total (may be negative)
    repeats: int  # late rows that were stored already
    # Places of rows that were said to be in order and yet were stored before (or twice in the batch): their distances count
    # for nothing.
    stored_before: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    event_ids: list[int | None] = field(default_factory=list)  # beside `events`: its id; None: it was stored before
