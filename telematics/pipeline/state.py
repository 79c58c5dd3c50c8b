"""What the stages remember of each device: one array per field, indexed by the device's slot.

The arrays have the names and types of the table `device_state`, which is their snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

import protocols
from telematics.pipeline.zoned import Zoned

StatusName = Literal["unknown", "online", "offline"]
PROTOCOLS: tuple[str, ...] = tuple(codec.name for codec in protocols.CODECS)  # State.protocol is a place in it
UNKNOWN, ONLINE, OFFLINE = 0, 1, 2  # State.status
STATUS_NAMES: tuple[StatusName, ...] = ("unknown", "online", "offline")

FIELDS: tuple[tuple[str, str, Any], ...] = (  # name, dtype, what a device starts with
    ("heard", "M8[ms]", "NaT"),  # its last word, whatever it was, by the server's clock
    ("time", "M8[ms]", "NaT"),  # of its newest report
    ("clock", "M8[ms]", "NaT"),  # the same, leaving out telemetry that got the time of its arrival; an older report is late
    ("position_id", "i8", 0),  # of its newest report
    ("received", "M8[ms]", "NaT"),
    ("fix_time", "M8[ms]", "NaT"),  # of its newest good fix: valid and no outlier
    ("latitude", "f8", np.nan),
    ("longitude", "f8", np.nan),
    ("altitude_m", "f4", np.nan),
    ("speed_kmh", "f4", np.nan),
    ("course_deg", "f4", np.nan),
    ("accuracy_m", "f4", np.nan),
    ("valid", "?", False),  # whether the newest report held a good fix
    ("satellites", "f4", np.nan),  # from here to gsm: the last value that was sent
    ("ignition", "f4", np.nan),
    ("motion", "f4", np.nan),
    ("power_v", "f4", np.nan),
    ("battery_v", "f4", np.nan),
    ("battery_percent", "f4", np.nan),
    ("odometer_m", "f8", np.nan),
    ("engine_hours_s", "f8", np.nan),
    ("fuel_l", "f4", np.nan),
    ("gsm", "f4", np.nan),
    ("alarms", "i8", 0),  # of the newest report
    ("protocol", "i2", -1),
    ("moving", "i2", 0),  # 0 stands, 1 moves, -1 not known since it was blocked
    ("candidate_time", "M8[ms]", "NaT"),  # since when it has been slow; NaT: it isn't
    ("overspeed", "i2", 0),
    ("status", "i2", UNKNOWN),
    ("jumps", "i2", 0),  # outliers in a row that agree with each other
    ("jump_latitude", "f8", np.nan),  # the last of them
    ("jump_longitude", "f8", np.nan),
    ("jump_time", "M8[ms]", "NaT"),
    ("idle_since", "M8[ms]", "NaT"),  # since when it has stood with the ignition on
    ("idling", "i2", 0),  # 0 on the way, 1 stands, 2 idling was told
    ("fuel_reference_l", "f4", np.nan),  # what a new level is compared with
    ("fuel_checked", "M8[ms]", "NaT"),  # of the last reading that was looked at
    ("fuel_checked_l", "f4", np.nan),  # that reading, if it stood then
    ("power_lost", "i2", 0),  # 0 not known, 1 there, 2 lost
    ("battery_low", "i2", 0),  # 0 not known, 1 well, 2 low
    ("inactive", "i2", 0),  # 1: its silence was told
    ("zoned_time", "M8[ms]", "NaT"),  # of the last fix that zones were asked of; it was accurate enough
    ("zoned_latitude", "f8", np.nan),
    ("zoned_longitude", "f8", np.nan),
)
FIX = ("latitude", "longitude", "altitude_m", "speed_kmh", "course_deg", "accuracy_m")
TELEMETRY = (
    "satellites", "ignition", "motion", "power_v", "battery_v", "battery_percent", "odometer_m", "engine_hours_s", "fuel_l",
    "gsm",
)  # fmt: skip
BROKEN_OFF = (  # what a device that was blocked is asked anew
    "ignition", "candidate_time", "overspeed", "jumps", "idle_since", "idling", "fuel_reference_l", "fuel_checked",
    "fuel_checked_l", "power_lost", "zoned_time", "zoned_latitude", "zoned_longitude",
)  # fmt: skip
UNSURE = -1  # State.moving: what it does then is no change
_STARTS = {name: np.array(start, kind)[()] for name, kind, start in FIELDS}
THRESHOLDS = ("idle_s", "fuel_drop_l", "fuel_increase_l", "power_lost_v", "battery_low_percent", "inactive_s")


class Latest(msgspec.Struct, frozen=True):
    """Where a device is and what it last said. None: never sent."""

    device_id: int
    position_id: int
    time: datetime  # of the newest report
    fix_time: datetime  # of the newest good fix, which the place is from
    received: datetime
    valid: bool  # the newest report held a good fix
    latitude: float
    longitude: float
    altitude_m: float | None
    speed_kmh: float | None
    course_deg: float | None
    accuracy_m: float | None
    satellites: float | None
    ignition: bool | None
    motion: bool | None
    power_v: float | None
    battery_v: float | None
    battery_percent: float | None
    odometer_m: float | None  # the tracker's own
    engine_hours_s: float | None
    fuel_l: float | None
    gsm: float | None
    alarms: int  # a bit per name in protocols.ALARMS, of the newest report
    total_m: float  # the distance we have counted
    moving: bool
    protocol: str
    attributes: dict[str, Any]


class State:
    """Grows as devices are added; a slot's arrays are never reused for another device."""

    def __init__(self, capacity: int = 1024) -> None:
        self.capacity = 0
        self.fields: dict[str, NDArray[Any]] = {}
        self.device_id = np.zeros(0, "i4")
        self.total_m = np.zeros(0, "f8")  # the sum of device_days and what is not yet in it
        self.speed_limit_kmh = np.zeros(0, "f4")  # from the registry, not part of the snapshot
        self.thresholds = {name: np.zeros(0, "f4") for name in THRESHOLDS}  # the same; NaN: as in the settings
        self.account_id = np.zeros(0, "i4")  # and these
        self.group_id = np.zeros(0, "i4")  # 0: none
        self.blocked = np.zeros(0, "?")  # and this: it says much, and nothing of it is kept
        self.anew = np.zeros(0, "?")  # it was blocked since its newest fix: the way to the next one is nobody's
        self.zoned = Zoned()
        self.attributes: list[bytes | None] = []
        self.dirty = np.zeros(0, "?")  # changed since the last snapshot
        self.grow(capacity)

    def grow(self, slots: int) -> None:
        """Make room for that many slots."""
        if slots <= self.capacity:
            return
        capacity = max(slots, self.capacity * 2)
        for name, kind, start in FIELDS:
            self.fields[name] = _longer(self.fields.get(name, np.zeros(0, kind)), capacity, start)
        self.device_id = _longer(self.device_id, capacity, 0)
        self.total_m = _longer(self.total_m, capacity, 0.0)
        self.speed_limit_kmh = _longer(self.speed_limit_kmh, capacity, np.nan)
        self.thresholds = {name: _longer(values, capacity, np.nan) for name, values in self.thresholds.items()}
        self.account_id = _longer(self.account_id, capacity, 0)
        self.group_id = _longer(self.group_id, capacity, 0)
        self.blocked = _longer(self.blocked, capacity, False)
        self.anew = _longer(self.anew, capacity, False)
        self.zoned.grow(capacity)
        self.dirty = _longer(self.dirty, capacity, False)
        self.attributes += [None] * (capacity - self.capacity)
        self.capacity = capacity

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.fields[name]

    def forget(self, slot: int) -> None:
        """As if the device had never been heard."""
        for name, _, start in FIELDS:
            self.fields[name][slot] = start
        self.attributes[slot] = None
        self.zoned.forget(slot)
        self.total_m[slot] = 0
        self.blocked[slot] = self.anew[slot] = False
        self.dirty[slot] = False
        self.device_id[slot] = 0

    def break_off(self, slot: int) -> None:
        """Reports are missing from here on. What was going on ends without a word, and what comes next is told of as of a device
        that is heard for the first time: it may be anywhere. Its last place, the distance and whether it is heard stay."""
        if np.isnat(self.fields["received"][slot]):
            return
        for name in BROKEN_OFF:
            self.fields[name][slot] = _STARTS[name]
        self.fields["moving"][slot] = UNSURE
        self.zoned.forget(slot)
        self.anew[slot] = not np.isnat(self.fields["fix_time"][slot])
        self.dirty[slot] = True

    def begin_anew(self, slots: NDArray[np.integer[Any]]) -> None:
        """These have a fix again: the place before it is none that they came from."""
        anew = slots[self.anew[slots]]
        for name in ("latitude", "longitude", "fix_time"):
            self.fields[name][anew] = _STARTS[name]
        self.anew[anew] = False

    def latest(self, slot: int) -> Latest | None:
        """None when the device has never had a good fix."""
        return next(iter(self.latest_many([slot])), None)

    def latest_many(self, slots: Sequence[int]) -> list[Latest]:
        """In that order, without devices that have never had a good fix. Field by field: some 4 µs a device."""
        taken = np.asarray(slots, "i8")
        taken = taken[~np.isnan(self.fields["latitude"][taken])]
        columns = self.columns(_LATEST, taken)
        attributes = (self.attributes[slot] for slot in taken.tolist())
        decoded = (msgspec.json.decode(raw) if raw else {} for raw in attributes)
        return list(map(Latest, *columns, decoded))

    def columns(self, names: Sequence[str], slots: Sequence[int] | NDArray[np.int64]) -> list[list[Any]]:
        """Fields of those slots as Python's own values, None for what was never sent."""
        taken = np.asarray(slots, "i8")
        return [_readable(name, self._field(name)[taken]) for name in names]

    def _field(self, name: str) -> NDArray[Any]:
        if name == "device_id":
            return self.device_id
        return self.total_m if name == "total_m" else self.fields[name]


_LATEST = Latest.__struct_fields__[:-1]  # all but the attributes
_FLAGS = ("ignition", "motion")  # kept as numbers, NaN for never sent


def _readable(name: str, values: NDArray[Any]) -> list[Any]:
    """As Python has it: numbers with the digits that were sent (12.6, not 12.600000381), None for NaN."""
    if values.dtype.kind == "M":
        times: list[datetime | None] = values.astype("M8[ms]").tolist()
        return [time and time.replace(tzinfo=UTC) for time in times]
    if name in _FLAGS:
        return [None if value != value else value > 0 for value in values.tolist()]
    if name == "protocol":
        return [PROTOCOLS[place] if 0 <= place < len(PROTOCOLS) else "" for place in values.tolist()]
    if name == "moving":
        values = values > 0
    if values.dtype == "f4":
        values = _shortest(values)
    if values.dtype.kind == "f":
        return [None if value != value else value for value in values.tolist()]
    found: list[Any] = values.tolist()
    return found


def _shortest(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """With as few decimals, up to seven, as make the same 32-bit number."""
    wide = values.astype("f8")
    for decimals in range(7, -1, -1):
        rounded = np.round(wide, decimals)
        wide = np.where(rounded.astype("f4") == values, rounded, wide)
    return wide


def instant(time: np.datetime64) -> datetime:
    """An aware datetime; time must not be NaT."""
    return datetime.fromtimestamp(int(time.astype("M8[ms]").astype("i8")) / 1000, UTC)


def _longer(array: NDArray[Any], capacity: int, start: object) -> NDArray[Any]:
    longer = np.full(capacity, start, array.dtype)
    longer[: len(array)] = array
    return longer
