"""All devices and their groups in memory: ingest asks with every login and can't wait for a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec


class Device(msgspec.Struct, frozen=True):
    """A device as ingest and the pipeline need it. `slot` is its place in the pipeline's state arrays, for good."""

    id: int
    account_id: int
    unique_id: str
    name: str
    disabled: bool = False
    speed_limit_kmh: float | None = None
    group_id: int | None = None
    category: str | None = None
    attributes: dict[str, object] = {}
    blocked: str | None = None  # why: what it sends is acknowledged and not kept, and nobody sees it
    slot: int = -1


class Devices:
    """The registry. Slots are given once and never reused while the process lives."""

    def __init__(self) -> None:
        self._by_id: dict[int, Device] = {}
        self._by_unique_id: dict[str, Device] = {}
        self._slots: dict[int, int] = {}
        self.version = 0  # rises with every change

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Device]:
        return iter(self._by_id.values())

    @property
    def slots(self) -> int:
        """How many slots have been given."""
        return len(self._slots)

    def get(self, device_id: int) -> Device | None:
        return self._by_id.get(device_id)

    def named(self, unique_id: str) -> Device | None:
        """The device that calls itself so; a disabled one is none of ours."""
        device = self._by_unique_id.get(unique_id)
        return None if device is None or device.disabled else device

    def put(self, devices: Iterable[Device]) -> None:
        """Add or replace."""
        for device in devices:
            self.remove(device.id)
            self.version += 1
            device = msgspec.structs.replace(device, slot=self._slots.setdefault(device.id, len(self._slots)))
            self._by_id[device.id] = device
            self._by_unique_id[device.unique_id] = device

    def remove(self, device_id: int) -> None:
        device = self._by_id.pop(device_id, None)
        self.version += device is not None
        if device is not None and self._by_unique_id.get(device.unique_id) is device:
            del self._by_unique_id[device.unique_id]


class Groups:
    """Which group is within which. A device belongs to its group and to all groups that one is within."""

    def __init__(self, parents: Mapping[int, int | None] | None = None) -> None:
        self._within: dict[int, frozenset[int]] = {}
        self.replace(parents or {})

    def replace(self, parents: Mapping[int, int | None]) -> None:
        """All groups anew, each with the one it is in."""
        self._within = {group: _upwards(group, parents) for group in parents}
        self.parents = dict(parents)
        self.levels = max(map(len, self._within.values()), default=1)  # groups within each other

    def of(self, device: Device) -> frozenset[int]:
        """The groups a device belongs to."""
        return frozenset() if device.group_id is None else self._within.get(device.group_id, frozenset((device.group_id,)))


def _upwards(group: int, parents: Mapping[int, int | None]) -> frozenset[int]:
    found = set[int]()
    above: int | None = group
    while above is not None and above not in found:  # a circle, made by two people at once, ends where it began
        found.add(above)
        above = parents.get(above)
    return frozenset(found)


class Targets(msgspec.Struct, frozen=True):
    """Which of an account's devices a zone, a rule or a proximity is about."""

    account_id: int
    all_devices: bool = False
    device_ids: frozenset[int] = frozenset()
    group_ids: frozenset[int] = frozenset()

    def include(self, device: Device, groups: Groups) -> bool:
        if device.account_id != self.account_id:
            return False
        return self.all_devices or device.id in self.device_ids or not self.group_ids.isdisjoint(groups.of(device))
