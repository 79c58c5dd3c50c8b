"""Pairs of vehicles, or of a vehicle and a place, that come near each other and part: looked at about once a second.

Near     within enter_m, or at a place also when it would be there within so many minutes: 1.3 times the straight line, at the
         vehicle's speed of the last minute, though at SLOWEST_KMH at least.
Apart    further than exit_m; with minutes, also further than half as many again. In between nothing changes.

A pair is only looked at where the fixes of both are at most partner_age_s apart; which of the two reports doesn't matter. What
has lasted for min_s by the times of fixes is settled. Vehicles that both stand may be silent for long, so for them the clock will
do. A pair that parted is near again cooldown_s later at the earliest. What is told has the time of the later of the two fixes
that made it true.

Whoever is near when a proximity, or a member of it, is looked at for the first time is near without a word. All pairs that are
not in `Pairs` are apart. Pure, but for the arrays here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telematics.geo import distance_m
from telematics.pipeline.near import near
from telematics.pipeline.plan import (
    PLACE,
    SLOT_BITS,
    WINDING,
    Floats,
    Ints,
    Plan,
    among,
    device_of,
    pair_key,
    partner_of,
    rule_of,
)

Mask = NDArray[np.bool_]

NEVER = np.iinfo(np.int64).min  # NaT as a number
SLOWEST_KMH = 20.0
SMOOTHED_MS = 60_000.0
LONGER = 1.5  # of the minutes: further away than that it has left
MOST_PAIRS = 100_000  # of a proximity that are near or about to be; and as many that parted lately
MOST_OF_ACCOUNT = 250_000  # of all of an account's
MOST_OF_ALL = 500_000  # some 40 MB
CANDIDATES = 400_000  # of a proximity: two are looked at for each pair that is near


@dataclass(frozen=True, slots=True)
class Places:
    """What is known of all vehicles now, by slot: a copy, as the state goes on meanwhile."""

    latitude: Floats
    longitude: Floats
    time_ms: Ints  # of the newest fix; NEVER: none
    speed_kmh: Floats
    stands: Mask
    position_id: Ints  # of that fix; 0: its report is not the newest


@dataclass(frozen=True, slots=True)
class Flips:
    """Pairs that came near or parted. Parallel arrays."""

    key: Ints
    near: Mask
    since_ms: Ints
    distance_m: Floats
    position_id: Ints
    silent: Mask  # nobody is told
    noticed_ms: Ints  # when it had lasted long enough, as far as fixes tell

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found."""

    flips: Flips
    gone: Ints  # pairs that are apart and need not be remembered any more
    crowded: tuple[int, ...]  # proximities with more pairs than are watched


class Pairs:
    """Those that are near, or about to change, or parted lately; sorted by key."""

    def __init__(self) -> None:
        self.plan = Plan()
        self.key = np.zeros(0, "i8")
        self.near = np.zeros(0, "?")
        self.since_ms = np.zeros(0, "i8")  # of what was told last; NEVER: nothing
        self.changing_ms = np.zeros(0, "i8")  # since when it is otherwise; NEVER: it isn't
        self.distance_m = np.zeros(0, "f8")  # at that moment
        self.position_id = np.zeros(0, "i8")
        self._unseen = np.zeros(0, "i8")  # members that were never looked at
        self._time_ms = np.zeros(0, "i8")  # of the fixes of the last look
        self._speed_kmh = np.zeros(0, "f8")  # smoothed

    def __len__(self) -> int:
        return len(self.key)

    def restore(self, plan: Plan, key: Ints, near: Mask, since_ms: Ints, known: set[int]) -> None:
        """As saved, of pairs that the plan holds. `known`: ids of proximities that were looked at before."""
        self.plan = plan
        order = np.argsort(key)
        self._put(key[order], near[order], since_ms[order])
        seen = np.isin(plan.id, np.array(sorted(known), "i8"))
        self._unseen = np.concatenate([members[~seen[members >> SLOT_BITS]] for members in (plan.who, plan.whom)])
        self._unseen = np.unique(self._unseen)

    def change(self, plan: Plan, anew: set[int]) -> Ints:
        """Go on with this plan. `anew`: ids of proximities of which nothing is known any more. Returns keys, by the plan before,
        of pairs that aren't watched any longer."""
        old = self.plan
        is_anew = np.isin(plan.id, np.array(sorted(anew), "i8"))
        was_unseen = np.sort(plan.renumbered(self._unseen, SLOT_BITS, old.id))
        unseen = []
        for members, before in ((plan.who, old.who), (plan.whom, old.whom)):
            fresh = is_anew[members >> SLOT_BITS] | among(members, was_unseen)
            fresh |= ~among(members, np.sort(plan.renumbered(before, SLOT_BITS, old.id)))
            unseen.append(members[fresh])
        before_keys = self.key
        key = plan.renumbered(self.key, 2 * SLOT_BITS, old.id)
        held = plan.holds(key)
        held[held] = ~is_anew[rule_of(key[held])]
        self.plan = plan
        self._unseen = np.unique(np.concatenate(unseen))
        self.key = key
        self._keep(held)
        return before_keys[~held]

    def look(self, places: Places, now_ms: int) -> Look:
        plan = self.plan
        moved = self._moved(places)
        seen_anew = self._unseen
        key, cut = self._candidates(places, moved)
        self._unseen = np.zeros(0, "i8")
        if not len(key):
            return Look(_no_flips(), key, plan.left_out + _ids(plan, cut))
        rule, device, partner = rule_of(key), device_of(key), partner_of(key)
        alone = partner == PLACE
        other = np.where(alone, device, partner)
        apart_m = distance_m(
            places.latitude[device],
            places.longitude[device],
            np.where(alone, plan.latitude[rule], places.latitude[other]),
            np.where(alone, plan.longitude[rule], places.longitude[other]),
        )
        one, two = places.time_ms[device], places.time_ms[other]
        fresh = (one != NEVER) & (two != NEVER) & ~np.isnan(apart_m)
        time_ms = np.maximum(one, two)
        believed = fresh & (time_ms - np.minimum(one, two) <= plan.age_ms[rule])
        close, away = self._judged(rule, device, apart_m)

        place = np.minimum(np.searchsorted(self.key, key), max(len(self.key) - 1, 0))
        known = among(key, self.key)
        was_near = _at(self.near, place, known, np.False_)
        since = _at(self.since_ms, place, known, NEVER)
        changing = _at(self.changing_ms, place, known, NEVER)
        first_m = _at(self.distance_m, place, known, np.nan)
        position = _at(self.position_id, place, known, 0)

        otherwise = np.where(was_near, away, close)
        stand = places.stands[device] & (alone | places.stands[other])
        begins = believed & otherwise & (changing == NEVER)
        ends = (believed & ~otherwise) | (fresh & ~believed & ~stand)  # what nobody can tell any more has not lasted
        changing = np.where(begins, time_ms, np.where(ends, NEVER, changing))
        first_m = np.where(begins, apart_m, first_m)
        position = np.where(begins, places.position_id[device], position)
        changes = changing != NEVER
        free = np.where(was_near | (since == NEVER), changing, since + plan.cooldown_ms[rule].astype("i8"))
        at = np.maximum(changing, free)
        due = np.maximum(changing + plan.min_ms[rule].astype("i8"), free)
        flips = changes & ((believed & (time_ms >= due)) | (stand & (now_ms >= due)))

        anew = among(rule << SLOT_BITS | device, seen_anew) | (~alone & among(rule << SLOT_BITS | other, seen_anew))
        silent = anew & fresh & close & ~was_near
        flips = (flips & ~anew) | silent
        at = np.where(silent, time_ms, at)

        is_near = was_near ^ flips
        since = np.where(flips, at, since)
        noticed = np.where(believed & (time_ms >= due), time_ms, due)
        found = Flips(
            key[flips], is_near[flips], at[flips], np.where(silent, apart_m, first_m)[flips], position[flips], silent[flips],
            noticed[flips],
        )  # fmt: skip
        changing = np.where(flips | anew, NEVER, changing)
        keep = is_near | (changing != NEVER)
        over = self._crowded(rule, keep, known)
        cut = np.union1d(cut, np.unique(rule[over]))
        keep &= ~over
        cooling = ~keep & ~over & (since != NEVER) & (now_ms - since < plan.cooldown_ms[rule])
        keep |= _newest(rule, since, cooling)
        found = _without(found, over[flips])
        gone = key[known & ~keep & (since != NEVER)]
        self._put(key[keep], is_near[keep], since[keep], changing[keep], first_m[keep], position[keep])
        return Look(found, gone, plan.left_out + _ids(plan, cut))

    def _moved(self, places: Places) -> Mask:
        """Who has a fix that the last look didn't know; their speeds are smoothed by it."""
        count = len(places.time_ms)
        before = np.full(count, NEVER)
        before[: len(self._time_ms)] = self._time_ms[:count]
        speed = np.full(count, np.nan)
        speed[: len(self._speed_kmh)] = self._speed_kmh[:count]
        moved = np.asarray(places.time_ms != before)
        if not np.isnan(self.plan.minutes).all():
            past = np.where(before == NEVER, np.inf, (places.time_ms - before).astype("f8"))
            weight = 1 - np.exp(-np.maximum(past, 0) / SMOOTHED_MS)
            smooth = speed + weight * (places.speed_kmh - speed)
            speed = np.where(moved & ~np.isnan(places.speed_kmh), np.where(np.isnan(speed), places.speed_kmh, smooth), speed)
        self._time_ms, self._speed_kmh = places.time_ms, speed
        return moved

    def _candidates(self, places: Places, moved: Mask) -> tuple[Ints, Ints]:
        """Pairs to be looked at: those we watch; of the few those with news; and whoever is near, where somebody has news."""
        plan = self.plan
        few = plan.few
        device, partner = device_of(few), partner_of(few)
        news = moved[device] | moved[np.where(partner == PLACE, device, partner)]
        if len(self._unseen):
            news |= among(rule_of(few) << SLOT_BITS | device, self._unseen)
            news |= among(rule_of(few) << SLOT_BITS | partner, self._unseen)
        keys, cut = [self.key, few[news]], np.zeros(0, "i8")
        first, second, turned = plan.searched
        if len(first):
            busy = np.zeros(len(plan.id), "?")
            for members in (first, second):
                slot = members & PLACE
                stirs = (slot != PLACE) & moved[np.where(slot == PLACE, 0, slot)]
                busy[(members >> SLOT_BITS)[stirs]] = True
            busy[self._unseen >> SLOT_BITS] = True
            first, second = (members[busy[members >> SLOT_BITS]] for members in (first, second))
            at = [plan.points(members, places.latitude, places.longitude) for members in (first, second)]
            found = near(at[0], at[1], plan.reach_m, CANDIDATES)
            rule, one, two = first[found.first] >> SLOT_BITS, first[found.first] & PLACE, second[found.second] & PLACE
            turn = turned[rule]
            keys.append(plan.proper(pair_key(rule, np.where(turn, two, one), np.where(turn, one, two))))
            cut = found.cut
        return np.unique(np.concatenate(keys)), cut

    def _judged(self, rule: Ints, device: Ints, apart_m: Floats) -> tuple[Mask, Mask]:
        """(near, apart)"""
        plan = self.plan
        close, away = apart_m <= plan.enter_m[rule], apart_m > plan.exit_m[rule]
        minutes = plan.minutes[rule]
        timed = ~np.isnan(minutes)
        if timed.any():
            speed = np.fmax(self._speed_kmh[device], SLOWEST_KMH)
            lasts = apart_m * WINDING / (speed / 3.6) / 60
            close |= timed & (lasts <= minutes)
            away &= ~timed | (lasts > LONGER * minutes)
        return close, away

    def _crowded(self, rule: Ints, keep: Mask, known: Mask) -> Mask:
        """Pairs beyond those a proximity, an account's, or all of them may have: new ones, in the order of their numbers."""
        over = np.zeros(len(rule), "?")
        kept = np.bincount(rule[keep], minlength=len(self.plan.id))
        for one in np.flatnonzero(kept > MOST_PAIRS).tolist():
            fresh = np.flatnonzero(keep & ~known & (rule == one))
            over[fresh[max(len(fresh) - int(kept[one] - MOST_PAIRS), 0) :]] = True
        account = self.plan.account[rule]
        kept = np.bincount(account[keep & ~over])
        for one in np.flatnonzero(kept > MOST_OF_ACCOUNT).tolist():
            fresh = np.flatnonzero(keep & ~over & ~known & (account == one))
            over[fresh[max(len(fresh) - int(kept[one] - MOST_OF_ACCOUNT), 0) :]] = True
        left = int((keep & ~over).sum()) - MOST_OF_ALL
        if left > 0:
            fresh = np.flatnonzero(keep & ~over & ~known)
            over[fresh[max(len(fresh) - left, 0) :]] = True
        return over

    def _put(
        self,
        key: Ints,
        near: Mask,
        since_ms: Ints,
        changing_ms: Ints | None = None,
        distance: Floats | None = None,
        position_id: Ints | None = None,
    ) -> None:
        count = len(key)
        self.key, self.near, self.since_ms = key, near, since_ms
        self.changing_ms = np.full(count, NEVER) if changing_ms is None else changing_ms
        self.distance_m = np.full(count, np.nan) if distance is None else distance
        self.position_id = np.zeros(count, "i8") if position_id is None else position_id

    def _keep(self, held: Mask) -> None:
        self._put(
            self.key[held],
            self.near[held],
            self.since_ms[held],
            self.changing_ms[held],
            self.distance_m[held],
            self.position_id[held],
        )


def _at(values: NDArray[Any], place: Ints, known: Mask, otherwise: Any) -> NDArray[Any]:
    """Of known pairs their value, of others that."""
    if not len(values):
        return np.full(len(place), otherwise, values.dtype)
    return np.where(known, values[place], otherwise).astype(values.dtype)


def _newest(rule: Ints, since_ms: Ints, cooling: Mask) -> Mask:
    """Of pairs that parted lately those to be remembered: where there are too many, the oldest are near again too soon."""
    places = np.flatnonzero(cooling)
    if len(places) > MOST_PAIRS:
        places = places[np.lexsort((-since_ms[places], rule[places]))]
        start = np.searchsorted(rule[places], rule[places])
        places = places[np.arange(len(places)) - start < MOST_PAIRS]
        places = places[np.argsort(-since_ms[places], kind="stable")][:MOST_OF_ALL]
    newest = np.zeros(len(rule), "?")
    newest[places] = True
    return newest


def _without(flips: Flips, over: Mask) -> Flips:
    if not over.any():
        return flips
    left = ~over
    return Flips(
        flips.key[left],
        flips.near[left],
        flips.since_ms[left],
        flips.distance_m[left],
        flips.position_id[left],
        flips.silent[left],
        flips.noticed_ms[left],
    )


def _no_flips() -> Flips:
    none = np.zeros(0, "i8")
    return Flips(none, none.astype("?"), none, none.astype("f8"), none, none.astype("?"), none)


def _ids(plan: Plan, rules: Ints) -> tuple[int, ...]:
    return tuple(plan.id[rules].tolist())
