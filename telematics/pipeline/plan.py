"""Which vehicles are watched for which proximity, as arrays: made anew when proximities, groups or devices change.

A pair is one number: the proximity's place in the plan, the slot of the vehicle, the slot of its partner (PLACE: the proximity's
place). Of two vehicles that could each be the other's partner the one with the lower number is the vehicle, so that a group
watched against itself gives each pair once. A vehicle is never its own partner.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telematics.devices import Device, Groups
from telematics.pipeline.near import MOST_SETS, Points
from telematics.store.records import Proximity

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SLOT_BITS = 21
PLACE = 2**SLOT_BITS - 1  # in place of a slot
MOST_MEMBERS = 1_000_000  # of all proximities together, some 40 MB: ten of a group of 100,000, or a thousand of a thousand
MOST_OF_ACCOUNT = 500_000  # of an account's: the others' have room, too
FEW = 256  # pairs of a proximity that are looked at one by one; more are searched for
WINDING = 1.3  # roads are that much longer than the straight line
FASTEST_KMH = 160.0  # from further away than that takes nobody comes within the minutes


def rule_of(keys: Any) -> Ints:
    return np.asarray(keys >> (2 * SLOT_BITS))


def device_of(keys: Any) -> Ints:
    return np.asarray(keys >> SLOT_BITS & PLACE)


def partner_of(keys: Any) -> Ints:
    return np.asarray(keys & PLACE)


def pair_key(rule: Any, device: Any, partner: Any) -> Ints:
    return np.asarray((np.asarray(rule, "i8") << SLOT_BITS | device) << SLOT_BITS | partner)


def among(keys: Ints, known: Ints) -> NDArray[np.bool_]:
    """Which of the keys are among the known ones, which are sorted."""
    if not len(known):
        return np.zeros(len(keys), "?")
    return np.asarray(known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys)


@dataclass
class Plan:
    """Frozen once it is made. Members are numbers of a proximity's place in the plan and a slot, sorted."""

    proximities: Sequence[Proximity] = ()
    device_id: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, "i4"))  # by slot
    who: Ints = field(default_factory=lambda: np.zeros(0, "i8"))
    whom: Ints = field(default_factory=lambda: np.zeros(0, "i8"))  # without places
    left_out: tuple[int, ...] = ()  # ids of proximities that have no members here, as there were too many

    def __post_init__(self) -> None:
        def values(name: str) -> Floats:
            return np.array([getattr(proximity, name) for proximity in self.proximities], "f8")  # None becomes NaN

        self.id = np.array([proximity.id for proximity in self.proximities], "i8")
        self.account = np.array([proximity.account_id for proximity in self.proximities], "i8")
        self.enter_m, self.exit_m, self.minutes = values("enter_m"), values("exit_m"), values("minutes")
        self.min_ms, self.age_ms = values("min_s") * 1000, values("partner_age_s") * 1000
        self.cooldown_ms = values("cooldown_s") * 1000
        self.latitude, self.longitude = values("to_latitude"), values("to_longitude")
        # How far away a pair may be and yet be near
        self.reach_m = np.fmax(self.enter_m, self.minutes / 60 * FASTEST_KMH * 1000 / WINDING)

    @cached_property
    def few(self) -> Ints:
        """The pairs of proximities that have but a few, sorted."""
        count = self._sizes[0] * self._sizes[1]
        rules = np.flatnonzero((count > 0) & (count <= FEW))
        keys = [self._pairs(rule) for rule in rules.tolist()]
        return np.sort(self.proper(np.concatenate([np.zeros(0, "i8"), *keys])))

    @cached_property
    def searched(self) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """Of proximities with more pairs: the members of the smaller side, those of the other, and by proximity whether the
        smaller side is the partners'. A place is a member with the slot PLACE."""
        who, whom = self._sizes
        many = who * whom > FEW
        turned = many & (whom < who)
        places = (np.flatnonzero(self.at_place) << SLOT_BITS) | PLACE
        partners = np.sort(np.concatenate([self.whom, places]))
        first = [self.who[(many & ~turned)[self.who >> SLOT_BITS]], partners[(many & turned)[partners >> SLOT_BITS]]]
        second = [self.who[(many & turned)[self.who >> SLOT_BITS]], partners[(many & ~turned)[partners >> SLOT_BITS]]]
        return np.concatenate(first), np.concatenate(second), turned

    @cached_property
    def at_place(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.latitude)

    @cached_property
    def _sizes(self) -> tuple[Ints, Ints]:
        count = len(self.proximities)
        who = np.bincount(self.who >> SLOT_BITS, minlength=count)
        return who, np.bincount(self.whom >> SLOT_BITS, minlength=count) + self.at_place

    def _pairs(self, rule: int) -> Ints:
        def side(members: Ints) -> Ints:
            start, end = np.searchsorted(members, (rule << SLOT_BITS, (rule + 1) << SLOT_BITS))
            return np.asarray(members[start:end] & PLACE)

        who = side(self.who)
        whom = np.array([PLACE]) if self.at_place[rule] else side(self.whom)
        return pair_key(rule, np.repeat(who, len(whom)), np.tile(whom, len(who)))

    def proper(self, keys: Ints) -> Ints:
        """Without vehicles that are their own partners, and with one of two pairs that are the same."""
        return np.asarray(keys[self._is_proper(keys)])

    def _is_proper(self, keys: Ints) -> NDArray[np.bool_]:
        rule, device, partner = rule_of(keys), device_of(keys), partner_of(keys)
        alone = partner == PLACE
        both = ~alone & among(rule << SLOT_BITS | partner, self.who) & among(rule << SLOT_BITS | device, self.whom)
        same = np.zeros(len(keys), "?")
        same[both] = self.device_id[device[both]] > self.device_id[partner[both]]
        return np.asarray((device != partner) & ~same)

    def holds(self, keys: Ints) -> NDArray[np.bool_]:
        """Which pairs are watched."""
        rule, partner = rule_of(keys), partner_of(keys)
        known = (rule >= 0) & (rule < len(self.proximities))
        member = known & among(rule << SLOT_BITS | device_of(keys), self.who)
        alone = partner == PLACE
        other = among(rule << SLOT_BITS | partner, self.whom)
        other[known & alone] = self.at_place[rule[known & alone]]
        held = member & other
        held[held] = self._is_proper(keys[held])
        return held

    def points(self, members: Ints, latitude: Floats, longitude: Floats) -> Points:
        """Where members are; places of proximities among them."""
        rule, slot = members >> SLOT_BITS, members & PLACE
        alone = slot == PLACE
        slot = np.where(alone, 0, slot)
        return Points(
            rule,
            np.where(alone, self.latitude[rule], latitude[slot]),
            np.where(alone, self.longitude[rule], longitude[slot]),
        )

    def renumbered(self, keys: Ints, bits: int, ids: Ints) -> Ints:
        """Keys of a plan whose proximities had these ids as keys of this one; -1 for proximities that are gone."""
        if not len(self.id) or not len(keys):
            return np.full(len(keys), -1, "i8")
        rule = keys >> bits
        place = np.minimum(np.searchsorted(self.id, ids[rule]), len(self.id) - 1)
        return np.where(self.id[place] == ids[rule], place << bits | keys & ((1 << bits) - 1), -1)


def make_plan(proximities: Iterable[Proximity], devices: Sequence[Device], groups: Groups, nowhere: Collection[int] = ()) -> Plan:
    """Some 50 ms for 100,000 devices, beside the loop. `nowhere`: slots of those that nobody knows the place of."""
    chosen = sorted(proximities, key=lambda proximity: proximity.id)[:MOST_SETS]
    wanted = {group for proximity in chosen for group in (proximity.group_id, proximity.to_group_id) if group is not None}
    within: dict[int | None, tuple[int, ...]] = {None: ()}
    members, account = defaultdict[int, list[int]](list), np.zeros(0, "i4")
    by_id: dict[int, int] = {}
    watched = {number for proximity in chosen for number in (proximity.device_id, proximity.to_device_id)}
    top = max((device.slot for device in devices), default=-1) + 1
    account, device_id = np.zeros(top, "i4"), np.zeros(top, "i4")
    for device in devices:
        if device.disabled or device.blocked or device.slot >= PLACE or device.slot in nowhere:
            continue
        device_id[device.slot], account[device.slot] = device.id, device.account_id
        if device.id in watched:
            by_id[device.id] = device.slot
        if device.group_id not in within:
            within[device.group_id] = tuple(groups.of(device) & wanted)
        for group in within[device.group_id]:
            members[group].append(device.slot)
    grouped = {group: np.array(slots, "i8") for group, slots in members.items()}
    nobody = np.zeros(0, "i8")

    def side(place: int, proximity: Proximity, device: int | None, group: int | None) -> Ints:
        slots = grouped.get(group, nobody) if group is not None else nobody
        if device is not None and device in by_id:
            slots = np.array([by_id[device]], "i8")
        slots = slots[account[slots] == proximity.account_id]
        return place << SLOT_BITS | np.sort(slots)

    def most(proximity: Proximity) -> int:
        sides = (proximity.group_id, proximity.to_group_id)
        return 1 + sum(len(grouped.get(group, nobody)) for group in sides if group is not None)

    left_out = _left_out(np.array([most(one) for one in chosen], "i8"), np.array([one.account_id for one in chosen], "i8"))
    who, whom = [nobody], [nobody]
    for place, one in enumerate(chosen):
        if place not in left_out:
            who.append(side(place, one, one.device_id, one.group_id))
            whom.append(side(place, one, one.to_device_id, one.to_group_id))
    crowded = tuple(chosen[place].id for place in sorted(left_out))
    return Plan(chosen, device_id, np.concatenate(who), np.concatenate(whom), crowded)


def _left_out(size: Ints, account: Ints) -> set[int]:
    """The greedy go without, not whoever came after them: first those of each account, then of all."""
    order = np.lexsort((size, account))
    until = np.cumsum(size[order])
    begins = np.flatnonzero(np.diff(account[order], prepend=-1))
    before = np.repeat(until[begins] - size[order[begins]], np.diff(np.append(begins, len(order))))
    greedy = np.zeros(len(size), "?")
    greedy[order] = until - before > MOST_OF_ACCOUNT
    order = np.argsort(size, kind="stable")
    greedy[order] |= np.cumsum(np.where(greedy, 0, size)[order]) > MOST_MEMBERS
    return set(np.flatnonzero(greedy).tolist())
