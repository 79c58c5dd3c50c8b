"""All devices in memory, by what they call themselves: ingest asks with every login and can't wait for a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec


class Device(msgspec.Struct, frozen=True):
    """A device as ingest and the pipeline need it. `slot` is its place in the pipeline's state arrays, for good."""

    id: int
    account_id: int
    unique_id: str
    name: str
    disabled: bool = False
    speed_limit_kmh: float | None = None
    slot: int = -1


class Devices:
    """The registry. Slots are given once and never reused while the process lives."""

    def __init__(self) -> None:
        self._by_id: dict[int, Device] = {}
        self._by_unique_id: dict[str, Device] = {}
        self._slots: dict[int, int] = {}

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
            device = msgspec.structs.replace(device, slot=self._slots.setdefault(device.id, len(self._slots)))
            self._by_id[device.id] = device
            self._by_unique_id[device.unique_id] = device

    def remove(self, device_id: int) -> None:
        device = self._by_id.pop(device_id, None)
        if device is not None and self._by_unique_id.get(device.unique_id) is device:
            del self._by_unique_id[device.unique_id]
