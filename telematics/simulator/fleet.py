"""A fleet that drives: deliveries, tow trucks, taxis, buses and long-haul trucks in and between the cities of Kazakhstan.

Where a vehicle is follows from the fleet's seed, the vehicle's number and the time alone. Its days (long-haul: its round trips of
some days) are planned one by one, each from its own random numbers, and each begins and ends parked at home; so the past can be
asked for without living through it, and a fleet that is started again goes on where it would have been.

    Motion    one plan: where at that moment   (TEMPLATES of them at most; a larger fleet follows them some minutes later)
    Vehicle   a tracker in it: what it measures (noise, voltage, alarms) and when it reports
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import msgspec

from telematics.simulator.fix import Fix
from telematics.simulator.motion import Manner, State, Trip
from telematics.simulator.orders import Order
from telematics.simulator.roads import METRES_PER_DEGREE, Edge, kazakhstan

DAY_S = 86_400.0
TEMPLATES = 60  # plans; beyond, vehicle n drives like n - 60 some minutes later
FOLLOW_S = 171.0
KEPT_CYCLES = 4  # plans kept per motion: the present one, and those that followers and the odometer ask for
KERB_M = 4.0  # vehicles keep to the right of the line that the road is drawn with
PARKED_S = 180.0  # a parked vehicle reports that often …
STANDING_S = 30.0  # … and one that waits with its engine running that often, or at its interval if that is longer
HAIR_S = 0.001  # a second is a second, though floats may lack a hair of it
TURN_DEG = 28.0  # a turn is reported at once, or the line on the map would cut the corner
COVERAGE_S = 900.0  # whether there is mobile coverage is drawn anew so often
ALARM_S = 3600.0
ALARMS = ("sos", "powerCut", "lowBattery", "vibration")
PROTOCOLS = (  # those that can be simulated, as they are dealt out: the first four go on with fleets that began with them alone
    "gt06", "teltonika", "wialon", "osmand", "h02", "jt808", "gl200", "ruptela", "egts", "galileo", "meitrack", "suntech",
    "owntracks", "flespi",
)  # fmt: skip
IMEI_HEADS = {
    "gt06": "86886103", "teltonika": "35263307", "wialon": "86470303", "osmand": "35912309", "gl200": "86596004",
    "ruptela": "86955604", "egts": "86105905", "galileo": "86120405", "meitrack": "86659103", "flespi": "35784409",
}  # fmt: skip
OTHER_IMEI_HEAD = "86123406"
SEEDS_APART = 7919  # so many numbers lie between two seeds' trackers

CAR = Manner(accelerate_ms2=1.6, brake_ms2=2.2, top_kmh=140, haste=1.02)
VAN = Manner(accelerate_ms2=1.3, brake_ms2=2.0, top_kmh=120, haste=0.98)
TRUCK = Manner(accelerate_ms2=0.6, brake_ms2=1.3, top_kmh=92, haste=0.95)
TOW = Manner(accelerate_ms2=1.0, brake_ms2=1.7, top_kmh=100, haste=1.05)
BUS = Manner(accelerate_ms2=0.9, brake_ms2=1.3, top_kmh=70, haste=0.9, light_chance=0.6, light_s=(10, 35))
COACH = Manner(accelerate_ms2=0.8, brake_ms2=1.3, top_kmh=105, haste=0.97)
MOTORCYCLE = Manner(accelerate_ms2=2.4, brake_ms2=2.8, top_kmh=120, haste=1.1, light_chance=0.2)


@dataclass(frozen=True, slots=True)
class Role:
    """What a kind of vehicle does all day."""

    word: str  # its name begins so
    category: str  # Traccar's
    city: str
    plate: str  # region code of its plate
    manner: Manner
    stop_s: tuple[float, float] = (150.0, 1200.0)  # at a customer's, engine off
    to: str = ""  # long-haul: the other city
    cycle_days: int = 1
    sleeps: bool = True  # parked at home by night
    engine_runs: bool = False  # while it stops
    volts: float = 12.6
    count: int = 1


ROLES: tuple[Role, ...] = (
    Role("Tow truck", "truck", "Almaty", "02", TOW, (600, 1800), sleeps=False, engine_runs=True, volts=25.2, count=5),
    Role("Delivery van", "van", "Almaty", "02", VAN, (120, 900), count=7),
    Role("Газель", "van", "Almaty", "02", VAN, (180, 1200), count=2),
    Role("Taxi", "car", "Almaty", "02", CAR, (120, 420), sleeps=False, engine_runs=True, count=5),
    Role("Service car", "car", "Almaty", "02", CAR, (400, 1200), count=2),
    Role("Bus 92", "bus", "Almaty", "02", BUS, (240, 480), sleeps=False, engine_runs=True, volts=25.4, count=4),
    Role("Courier", "motorcycle", "Almaty", "02", MOTORCYCLE, (120, 300), count=2),
    Role("Tow truck", "truck", "Astana", "01", TOW, (600, 1800), sleeps=False, engine_runs=True, volts=25.2, count=3),
    Role("Van Astana", "van", "Astana", "01", VAN, (120, 900), count=5),
    Role("Taxi Astana", "car", "Astana", "01", CAR, (120, 420), sleeps=False, engine_runs=True, count=4),
    Role("Автобус 10", "bus", "Astana", "01", BUS, (240, 480), sleeps=False, engine_runs=True, volts=25.4, count=3),
    Role(
        "Эвакуатор Қарағанды", "truck", "Karaganda", "09", TOW, (600, 1800), sleeps=False, engine_runs=True, volts=25.2, count=1
    ),
    Role("Van Karaganda", "van", "Karaganda", "09", VAN, (180, 1000), count=2),
    Role("Шымкент жеткізу", "van", "Shymkent", "17", VAN, (180, 1000), count=2),
    Role("Taxi Taraz", "car", "Taraz", "08", CAR, (120, 420), sleeps=False, engine_runs=True, count=1),
    Role("КамАЗ", "truck", "Almaty", "02", TRUCK, to="Astana", cycle_days=3, sleeps=False, volts=25.0, count=4),
    Role("MAN TGX", "truck", "Astana", "01", TRUCK, to="Almaty", cycle_days=3, sleeps=False, volts=25.0, count=2),
    Role("Coach Almaty – Astana", "bus", "Almaty", "02", COACH, to="Astana", cycle_days=2, sleeps=False, volts=25.4, count=2),
    Role("Volvo FH", "truck", "Shymkent", "17", TRUCK, to="Almaty", cycle_days=2, sleeps=False, volts=25.0, count=1),
    Role("Tow truck Balkhash", "truck", "Balkhash", "09", TOW, to="Konaev", cycle_days=1, sleeps=False, volts=25.2, count=1),
    Role("Sprinter Karaganda – Astana", "van", "Karaganda", "09", COACH, to="Astana", cycle_days=1, sleeps=False, count=2),
)


class Leg(msgspec.Struct, frozen=True):
    """Something the vehicle does from second `start_s` of its cycle on: a trip, or standing where the last trip ended."""

    start_s: float
    trip: Trip | None
    before_m: float
    stand: State


class Motion:
    """One vehicle's plan. `at(second)` takes seconds since 1970."""

    def __init__(self, seed: int, number: int, role: Role) -> None:
        chance = random.Random(f"{seed}/{number}")  # noqa: S311 - a simulation
        self.role = role
        self.cycle_s = role.cycle_days * DAY_S
        self._seed = f"{seed}/{number}"
        wish = chance.uniform(0.92, 1.12) if chance.random() < 0.85 else chance.uniform(1.12, 1.25)  # some are always late
        m = role.manner
        self._manner = Manner(m.accelerate_ms2, m.brake_ms2, m.top_kmh * wish, m.haste * wish, m.light_chance, m.light_s)
        self._home = _somewhere(role.city, chance)
        # Sleepers' cycles begin at 3 in the morning of Kazakhstan (UTC+5); the others' at any time, or all would rest at once.
        self._phase_s = 22 * 3600 + chance.uniform(-1800, 1800) if role.sleeps else chance.uniform(0, self.cycle_s)
        self._cycles: dict[int, list[Leg]] = {}
        self._before_m: dict[int, float] = {}

    def at(self, second: float) -> State:
        """Where it is; `travelled_m` counts from the first moment this motion was ever asked for."""
        cycle, into = self._cycle(second)
        legs, before_m = self._legs(cycle)
        leg = legs[max(0, bisect_right(legs, into, key=_start) - 1)]
        if leg.trip is None:
            return msgspec.structs.replace(leg.stand, travelled_m=before_m + leg.before_m)
        state = leg.trip.at(into - leg.start_s)
        return msgspec.structs.replace(state, travelled_m=before_m + leg.before_m + state.travelled_m)

    def changes_after(self, second: float) -> float:
        """When the leg after this moment begins: a standing vehicle needs no look before."""
        cycle, into = self._cycle(second)
        legs, _ = self._legs(cycle)
        place = bisect_right(legs, into, key=_start)
        begins = legs[place].start_s if place < len(legs) else self.cycle_s
        return cycle * self.cycle_s + self._phase_s + begins

    def _cycle(self, second: float) -> tuple[int, float]:
        cycle, into = divmod(second - self._phase_s, self.cycle_s)
        return int(cycle), into

    def _legs(self, cycle: int) -> tuple[list[Leg], float]:
        legs = self._cycles.get(cycle)
        if legs is None:
            legs = self._plan(random.Random(f"{self._seed}/{cycle}"))  # noqa: S311 - a simulation
            self._cycles[cycle] = legs
            self._before_m[cycle] = self._metres_before(cycle)
            if len(self._cycles) > KEPT_CYCLES:
                furthest = max(self._cycles, key=lambda known: abs(known - cycle))
                del self._cycles[furthest], self._before_m[furthest]
        return legs, self._before_m[cycle]

    def _metres_before(self, cycle: int) -> float:
        """The odometer goes on from the cycle before; after a gap in the asking, from the nearest one that is known."""
        nearest = min(self._before_m, key=lambda known: abs(known - cycle), default=None)
        if nearest is None:
            return 0.0
        if nearest < cycle:
            return self._before_m[nearest] + self._cycles[nearest][-1].before_m
        return self._before_m[nearest] - self._cycles[cycle][-1].before_m

    def _plan(self, chance: random.Random) -> list[Leg]:
        plan = _Plan(self._home, self._manner, chance)
        if self.role.to:
            _round_trip(plan, self.role, chance, self.cycle_s)
        else:
            _city_day(plan, self.role, chance)
        return plan.legs


def _start(leg: Leg) -> float:
    return leg.start_s


class _Spot(msgspec.Struct, frozen=True):
    """A place between two junctions: so many metres before the end of an edge."""

    edge: Edge
    before_end_m: float


def _somewhere(city: str, chance: random.Random) -> _Spot:
    edge = chance.choice(kazakhstan().edges_of_city[city])
    return _Spot(edge, edge.length_m * chance.uniform(0.25, 0.75))


class _Plan:
    """A cycle being planned: where the clock and the vehicle are after the legs so far."""

    def __init__(self, home: _Spot, manner: Manner, chance: random.Random) -> None:
        self.home, self.manner, self.chance = home, manner, chance
        self.spot, self.clock_s, self.travelled_m = home, 0.0, 0.0
        start = Trip([home.edge], manner, chance, 0, home.before_end_m)
        self.stand = State(*start.end, 0.0, start.end_course_deg, 0.0, False)
        self.legs = [Leg(0.0, None, 0.0, self.stand)]

    def wait(self, seconds: float, engine_runs: bool = False) -> None:
        self.stand = msgspec.structs.replace(self.stand, ignition=engine_runs)
        self.legs.append(Leg(self.clock_s, None, self.travelled_m, self.stand))
        self.clock_s += seconds

    def drive(self, goal: _Spot) -> None:
        here = self.spot
        way = (here.edge, *kazakhstan().route(here.edge.end, goal.edge.start), goal.edge)
        self._drive(Trip(way, self.manner, self.chance, here.edge.length_m - here.before_end_m, goal.before_end_m))
        self.spot = goal

    def haul(self, goal: _Spot, rest_after_m: float, rest_s: tuple[float, float], sleep_s: float) -> None:
        """A long way with rests on the roadside; half way a long one."""
        here = self.spot
        way = (here.edge, *kazakhstan().route(here.edge.end, goal.edge.start), goal.edge)
        stages = _stages(way, rest_after_m)
        cut_start = here.edge.length_m - here.before_end_m
        for number, (stage, cut_end) in enumerate(stages):
            last = number == len(stages) - 1
            self._drive(Trip(stage, self.manner, self.chance, cut_start, goal.before_end_m if last else cut_end))
            if not last:
                self.wait(sleep_s if sleep_s and number == len(stages) // 2 else self.chance.uniform(*rest_s))
            cut_start = stage[-1].length_m - cut_end
        self.spot = goal

    def _drive(self, trip: Trip) -> None:
        self.legs.append(Leg(self.clock_s, trip, self.travelled_m, self.stand))
        self.clock_s += trip.duration_s
        self.travelled_m += trip.length_m
        self.stand = State(*trip.end, 0.0, trip.end_course_deg, 0.0, False)


def _stages(way: Sequence[Edge], rest_after_m: float) -> list[tuple[list[Edge], float]]:
    """The way cut into stages of that length: the edges of each, and how much of the last edge is left to the next stage."""
    stages: list[tuple[list[Edge], float]] = []
    stage: list[Edge] = []
    room = rest_after_m
    for edge in way:
        stage.append(edge)
        ahead = edge.length_m  # of this edge not yet in a stage
        while ahead > room and edge.length_m > 2000:
            ahead -= room
            if ahead > 1000:
                stages.append((stage, ahead))
                stage = [edge]
            room = rest_after_m
        room -= ahead
    stages.append((stage, 0.0))
    return stages


def _city_day(plan: _Plan, role: Role, chance: random.Random) -> None:
    """From home to customers and back. Ends early enough to be home before the cycle does."""
    if role.sleeps:
        plan.wait(chance.uniform(3.2, 5.5) * 3600)
        until = chance.uniform(16, 19.5) * 3600
    else:
        plan.wait(chance.uniform(300, 1500))
        until = 22.3 * 3600
    lunch = chance.uniform(0.4, 0.6) * until
    line = [_somewhere(role.city, chance) for _ in range(2)]
    number = 0
    while plan.clock_s < until:
        plan.drive(line[number % 2] if role.category == "bus" else _somewhere(role.city, chance))
        number += 1
        if plan.clock_s > lunch:
            lunch = math.inf
            plan.wait(chance.uniform(1200, 3000))
        else:
            plan.wait(_stop_s(role, chance), engine_runs=role.engine_runs)
    plan.drive(plan.home)
    plan.wait(0)


def _stop_s(role: Role, chance: random.Random) -> float:
    """Most stops are short, some are long."""
    shortest, longest = role.stop_s
    return shortest + (longest - shortest) * chance.random() ** 3


def _round_trip(plan: _Plan, role: Role, chance: random.Random, cycle_s: float) -> None:
    """To the other city and back; what is left of the cycle is a rest at home."""
    truck = role.manner is TRUCK
    rest_after_m, rest_s = (240_000.0, (1200.0, 2700.0)) if truck else (280_000.0, (900.0, 1500.0))
    plan.wait(chance.uniform(600, 3600))
    begin = plan.clock_s
    for goal in (_somewhere(role.to, chance), plan.home):
        plan.haul(goal, rest_after_m, rest_s, sleep_s=chance.uniform(5, 7) * 3600 if truck and role.cycle_days > 2 else 0)
        if goal is not plan.home:
            one_way = plan.clock_s - begin
            if plan.clock_s + 3 * one_way < cycle_s:  # near enough to go twice
                plan.wait(chance.uniform(900, 2400))
                plan.haul(plan.home, rest_after_m, rest_s, 0)
                plan.wait(chance.uniform(900, 2400))
                plan.haul(goal, rest_after_m, rest_s, 0)
            plan.wait(chance.uniform(2400, 5400))
    plan.wait(0)


class Vehicle:
    """A tracker in a vehicle. `advance` is for time that passes, `history` for time that has passed."""

    def __init__(
        self,
        seed: int,
        number: int,
        motion: Motion,
        behind_s: float,
        unique_id: str,
        name: str,
        protocol: str,
        interval_s: float,
        parked_s: float,
    ) -> None:
        self.unique_id, self.name, self.protocol, self.category = unique_id, name, protocol, motion.role.category
        self.interval_s, self.parked_s = interval_s, parked_s
        self._motion, self._behind_s = motion, behind_s
        chance = random.Random(f"{seed}/{number}/tracker")  # noqa: S311 - a simulation
        self._seed = chance.getrandbits(48)
        self._phases = [chance.uniform(0, 2 * math.pi) for _ in range(4)]
        self._noise_m = chance.uniform(0.6, 1.8)
        self._odometer_m = chance.uniform(15_000, 280_000) * 1000
        self._last: Fix | None = None
        self._last_s = -math.inf
        self._cut = False  # by a command
        self._cut_s: float | None = None  # since when it has shown
        self._asked = False  # for a report at once

    def obey(self, order: Order) -> None:
        """A command: whose engine is cut off stands, and goes on later from there. What it has been told is forgotten with it."""
        if order.type in ("engineStop", "engineResume"):
            self._cut = order.type == "engineStop"
        elif order.type == "positionPeriodic" and order.interval_s:
            self.interval_s = float(order.interval_s)
        elif order.type == "positionSingle":
            self._asked = True

    def state(self, second: float) -> State:
        """The truth, without the tracker's errors."""
        if self._cut_s is not None:
            state = self._motion.at(self._cut_s - self._behind_s)
            return msgspec.structs.replace(state, speed_kmh=0.0, ignition=False)
        return self._motion.at(second - self._behind_s)

    def set_odometer(self, second: float, metres: float) -> None:
        """Make the odometer show that at that moment: how a fleet that was stopped goes on."""
        self._odometer_m = metres - self.state(second).travelled_m

    def fix(self, second: float) -> Fix:
        """What the tracker measures at that moment."""
        return self._measure(second, self.state(second))

    def advance(self, now: datetime) -> Fix | None:
        """A fix when one is due. Call it each second or so, time never falling."""
        return self._advance(now.timestamp())

    def history(self, since: datetime, until: datetime) -> Iterator[Fix]:
        """The fixes due between two moments; `advance` goes on behind it."""
        second, end = since.timestamp(), until.timestamp()
        while second < end:
            fix = self._advance(second)
            if fix is not None:
                yield fix
            if self._last is not None and not self._last.ignition:
                wake = min(self._motion.changes_after(second - self._behind_s) + self._behind_s, self._last_s + self.parked_s)
                second = max(second + 1, wake)
            else:
                second += min(self.interval_s, 5.0)

    def covered(self, now: datetime) -> bool:
        """Whether there is mobile coverage: on the highway it is lost for minutes, in town hardly ever."""
        slot, into = divmod(now.timestamp() - self._seed % COVERAGE_S, COVERAGE_S)
        drawn = _drawn(self._seed, int(slot), 1)
        chance = 0.2 if self._motion.role.to else 0.02
        return drawn > chance or into > 60 + 420 * drawn / chance

    def _advance(self, second: float) -> Fix | None:
        since = second - self._last_s + HAIR_S
        if since < 1:
            return None
        self._switch(second)
        state, last = self.state(second), self._last
        if last is None or state.ignition != last.ignition or self._asked or self._cut != last.blocked:
            due = True
        elif not state.ignition:
            due = since >= self.parked_s
        elif state.speed_kmh == 0 and last.speed_kmh == 0:
            due = since >= min(max(self.interval_s, STANDING_S), self.parked_s)
        else:
            turned = abs((state.course_deg - last.course_deg + 180) % 360 - 180)
            due = since >= self.interval_s or (turned >= TURN_DEG and since >= 2)
        alarm = self._alarm(second)
        if not due and alarm is None:
            return None
        fix = self._measure(second, state, alarm)
        self._last, self._last_s, self._asked = fix, second, False
        return fix

    def _switch(self, second: float) -> None:
        """Do with the engine what it has been told."""
        if self._cut and self._cut_s is None:
            self._cut_s = second
        elif not self._cut and self._cut_s is not None:
            self._behind_s += second - self._cut_s
            self._cut_s = None

    def _alarm(self, second: float) -> str | None:
        """An alarm now and then: in one of some sixty hours, at a moment that `_last_s` has not passed."""
        slot = second // ALARM_S
        drawn = _drawn(self._seed, int(slot), 2)
        if drawn > 1 / 60:
            return None
        moment = slot * ALARM_S + drawn * 60 * ALARM_S
        if not self._last_s < moment <= second:
            return None
        return ALARMS[self._seed % 7 % len(ALARMS)] if drawn < 1 / 120 else ALARMS[int(slot) % len(ALARMS)]

    def _measure(self, second: float, state: State, alarm: str | None = None) -> Fix:
        north, east = self._error(second, parked=not state.ignition)
        side = math.radians(state.course_deg + 90)
        north += KERB_M * math.cos(side)
        east += KERB_M * math.sin(side)
        role = self._motion.role
        wave = math.sin(second / 600 + self._phases[0])
        charging = 1.5 if state.ignition else 0.0
        power = 0.0 if alarm == "powerCut" else role.volts + charging * role.volts / 12.6 + 0.15 * wave
        return Fix(
            time=datetime.fromtimestamp(int(second), UTC),
            latitude=state.latitude + north / METRES_PER_DEGREE,
            longitude=state.longitude + east / METRES_PER_DEGREE / math.cos(math.radians(state.latitude)),
            altitude_m=round(_altitude(state.latitude, state.longitude) + 3 * wave, 1),
            speed_kmh=round(state.speed_kmh, 1),
            course_deg=round(state.course_deg % 360, 1) % 360,
            satellites=int(13 + 4 * math.sin(second / 420 + self._phases[1])),
            ignition=state.ignition,
            power_v=round(power, 2),
            battery_percent=int(88 + 8 * wave) if alarm != "lowBattery" else 9,
            gsm=max(1, min(5, int(4 + 1.6 * math.sin(second / 300 + self._phases[2])))),
            odometer_m=int(self._odometer_m + state.travelled_m),
            alarm=alarm,
            blocked=self._cut,
        )

    def _error(self, second: float, *, parked: bool) -> tuple[float, float]:
        """GPS error in metres, north and east: a slow drift and a quicker one, smaller when the filter holds a parked vehicle."""
        size = self._noise_m * (0.35 if parked else 1.0)
        p = self._phases
        north = math.sin(second / 61 + p[0]) + 0.6 * math.sin(second / 7.3 + p[1])
        east = math.sin(second / 53 + p[2]) + 0.6 * math.sin(second / 8.9 + p[3])
        return size * north, size * east


def _drawn(seed: int, slot: int, purpose: int) -> float:
    """A random number from 0 to 1 that is always the same for these three."""
    mixed = (seed ^ (slot * 0x9E3779B97F4A7C15) ^ (purpose * 0xC2B2AE3D27D4EB4F)) & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return (mixed >> 11) / 2**53


def _altitude(latitude: float, longitude: float) -> float:
    """Rough heights: Almaty's slope towards its mountains, the lake's basin, the hills of Karaganda, Astana's plain."""
    if latitude < 43.5 and longitude > 76.3:
        return 780 + max(0.0, 43.25 - latitude) * 6000
    if latitude < 45:
        return 640.0
    return 345 + 330 * math.exp(-((latitude - 48.9) ** 2))


class Fleet:
    """`count` vehicles; the same for the same seed, whatever the count. `protocols` are dealt out in turn."""

    def __init__(
        self,
        seed: int = 1,
        count: int = TEMPLATES,
        protocols: Sequence[str] = PROTOCOLS,
        interval_s: float = 10.0,
        first_id: int | None = None,
        parked_s: float = PARKED_S,
    ) -> None:
        self.seed, self._protocols, self._interval_s, self._first_id = seed, tuple(protocols), interval_s, first_id
        self._count, self._parked_s = count, parked_s

    @cached_property
    def vehicles(self) -> tuple[Vehicle, ...]:
        roles = dealt_roles()
        motions = [Motion(self.seed, number, roles[number]) for number in range(min(self._count, TEMPLATES))]
        return tuple(self._vehicle(number, motions[number % TEMPLATES]) for number in range(self._count))

    def _vehicle(self, number: int, motion: Motion) -> Vehicle:
        protocol = self._protocols[number % len(self._protocols)]
        return Vehicle(
            seed=self.seed,
            number=number,
            motion=motion,
            behind_s=(number // TEMPLATES) * FOLLOW_S,
            unique_id=self._unique_id(protocol, number),
            name=_name(self.seed, number, motion.role),
            protocol=protocol,
            interval_s=self._interval_s,
            parked_s=self._parked_s,
        )

    def _unique_id(self, protocol: str, number: int) -> str:
        if self._first_id is not None:
            return str(self._first_id + number)
        return identity(protocol, self.seed, number)


def dealt_roles() -> list[Role]:
    """One role per template, mixed so that a small fleet has some of each."""
    cards = [(place / role.count, number, role) for number, role in enumerate(ROLES) for place in range(role.count)]
    return [role for _, _, role in sorted(cards, key=lambda card: card[:2])]


def identity(protocol: str, seed: int, number: int) -> str:
    """What such a tracker calls itself: most by their IMEI, some otherwise."""
    counted = (seed * SEEDS_APART + number) % 1_000_000
    match protocol:
        case "jt808":  # the phone number of its card
            return f"13910{counted:06d}"
        case "h02":  # ten digits, the last of an IMEI
            return f"4109{counted:06d}"
        case "suntech":
            return f"205{counted:06d}"
        case "owntracks":  # user and device
            return f"owntracks-driver{counted}-phone"
    return imei(IMEI_HEADS.get(protocol, OTHER_IMEI_HEAD), seed, number)


def imei(head: str, seed: int, number: int) -> str:
    """15 digits: the maker's eight, six for the seed and number, and the check digit."""
    return with_check_digit(f"{head}{(seed * SEEDS_APART + number) % 1_000_000:06d}")


def with_check_digit(body: str) -> str:
    """Fourteen digits and Luhn's."""
    total = 0
    for place, digit in enumerate(int(letter) for letter in body):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return body + str(-total % 10)


def _name(seed: int, number: int, role: Role) -> str:
    chance = random.Random(f"{seed}/{number}/plate")  # noqa: S311 - a simulation
    letters = "".join(chance.choice("ABCDEFHKLMNOPRSTUVXYZ") for _ in range(3))
    return f"{role.word} {number + 1:02d} · {chance.randrange(1, 1000):03d} {letters} {role.plate}"
