"""Guessing passwords is slowed: after a few failures each further one doubles the time until the next may be tried.

Three things are counted: a name from one address, an address whatever the name, a name whatever the address. The last two are
patient, so that neither an office behind one address nor the owner of a name that a stranger tries is locked out for long.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass, field

FORGET_S = 900.0  # without a failure
KEPT = 10_000  # counts of each kind, about 2 MB; the oldest make room


@dataclass(frozen=True, slots=True)
class Patience:
    free: int  # failures before the first wait
    longest_s: float

    def wait_s(self, failures: int) -> float:
        return 0.0 if failures < self.free else min(2.0 ** min(failures - self.free, 20), self.longest_s)


NAME_AT_ADDRESS = Patience(free=5, longest_s=300)
ADDRESS = Patience(free=20, longest_s=120)
NAME = Patience(free=50, longest_s=30)


@dataclass(slots=True)
class Count:
    failures: int = 0
    last: float = -math.inf


@dataclass(slots=True)
class Throttle:
    """Counts of failures in memory; `now` is monotonic seconds."""

    counts: OrderedDict[str, Count] = field(default_factory=OrderedDict)
    known: OrderedDict[str, None] = field(default_factory=OrderedDict)  # names at addresses that have signed in before

    def wait_s(self, name: str, address: str, now: float) -> float:
        """How long until this may be tried; 0: now."""
        keys = self._keys(name, address)
        if keys[0][0] in self.known:
            keys = keys[:2]  # what strangers try elsewhere is not the owner's business
        return max(self._wait_s(key, patience, now) for key, patience in keys)

    def failed(self, name: str, address: str, now: float) -> None:
        for key, _ in self._keys(name, address):
            count = self.counts.setdefault(key, Count())
            if now - count.last > FORGET_S:
                count.failures = 0
            count.failures += 1
            count.last = now
            self.counts.move_to_end(key)
        while len(self.counts) > 3 * KEPT:
            self.counts.popitem(last=False)

    def undone(self, name: str, address: str) -> None:
        """It was no failure after all."""
        for key, _ in self._keys(name, address):
            if count := self.counts.get(key):
                count.failures = max(0, count.failures - 1)

    def succeeded(self, name: str, address: str) -> None:
        """What counted as a failure until it was known. All others of this name from this address are forgiven; not those of the
        whole address: an attacker has a name of his own, too."""
        self.undone(name, address)
        (key, _), *_ = self._keys(name, address)
        self.counts.pop(key, None)
        self.known[key] = None
        self.known.move_to_end(key)
        while len(self.known) > KEPT:
            self.known.popitem(last=False)

    def _wait_s(self, key: str, patience: Patience, now: float) -> float:
        count = self.counts.get(key)
        if count is None or now - count.last > FORGET_S:
            return 0.0
        return max(0.0, count.last + patience.wait_s(count.failures) - now)

    def _keys(self, name: str, address: str) -> tuple[tuple[str, Patience], ...]:
        name, address = name.strip().lower()[:256], network(address)
        return (f"both {address} {name}", NAME_AT_ADDRESS), (f"address {address}", ADDRESS), (f"name {name}", NAME)


def network(address: str) -> str:
    """What one household has: an IPv4 address, or an IPv6 /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
