"""AVL ids: what each IO element means, as a table.

The same id may mean different things in different trackers (11 is the SIM's number in an FMB, an analogue input in an FM4), and
a packet doesn't say which tracker sent it. The element's size tells them apart, so ids are looked up together with it; what is
not in the table stays in the attributes as `io<id>`, unsigned, as Traccar has it.

Sources: Teltonika wiki, "Teltonika Data Sending Parameters ID" of FMB/FMC/FMM/FMT (permanent, eventual, OBD, CAN adapter (LVCAN),
Bluetooth and EYE elements); Traccar 6 for names. Elements that raise an alarm stay in the attributes too, since their value says
more than the alarm does (start or end, which kind of crash, at what speed).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.columns import ALARM_BIT


@dataclass(frozen=True, slots=True)
class Element:
    """How to read one element: value × times / 10**decimals goes to a column, or into the attributes."""

    name: str = ""  # in the attributes; empty: not there
    column: str = ""  # of Columns; empty: none
    signed: bool = False
    flag: bool = False  # true when not 0
    times: int = 1
    decimals: int = 0
    hex_reversed: bool = False  # a name in hex, last byte first; 0: none
    text: bool = False  # digits that are a name, not a number
    missing: tuple[int, ...] = ()  # raw values that say why there is no value
    alarms: dict[int, int] = field(default_factory=dict)  # bits by value
    alarm_otherwise: int = 0  # bit for all other values but 0


def _alarm(number: int, name: str) -> Element:
    return Element(f"io{number}", alarm_otherwise=ALARM_BIT[name])


_DALLAS_ERRORS = (850, 2000, 3000, 4000, 5000)  # not ready, unread, not connected, unknown sensor, not ready
_GREEN = {1: ALARM_BIT["hardAcceleration"], 2: ALARM_BIT["hardBraking"], 3: ALARM_BIT["hardCornering"]}
_ZONE = {0: ALARM_BIT["geofenceExit"], 1: ALARM_BIT["geofenceEnter"], 3: ALARM_BIT["overspeed"]}

ELEMENTS: dict[tuple[int, int], Element] = {  # by id and bytes
    # inputs and outputs
    (1, 1): Element("in1", flag=True),
    (2, 1): Element("in2", flag=True),
    (3, 1): Element("in3", flag=True),
    (4, 1): Element("in4", flag=True),
    (4, 4): Element("count1"),  # pulses at input 1
    (5, 4): Element("count2"),
    (6, 2): Element("adc2", decimals=3),  # V
    (9, 2): Element("adc1", decimals=3),
    (10, 2): Element("adc2", decimals=3),  # FM4 and FM5
    (11, 2): Element("adc3", decimals=3),
    (179, 1): Element("out1", flag=True),
    (180, 1): Element("out2", flag=True),
    (380, 1): Element("out3", flag=True),
    # the tracker itself
    (11, 8): Element("iccid", text=True),  # of the SIM, its first half
    (12, 4): Element("fuelUsed", decimals=3),  # l, reckoned from the speed
    (13, 2): Element("fuelConsumption", decimals=2),  # l/100 km
    (16, 4): Element(column="odometer_m"),
    (17, 2): Element("axisX", signed=True),  # mG
    (18, 2): Element("axisY", signed=True),
    (19, 2): Element("axisZ", signed=True),
    (21, 1): Element(column="gsm"),  # 0 to 5
    (66, 2): Element(column="power_v", decimals=3),
    (67, 2): Element(column="battery_v", decimals=3),
    (68, 2): Element("batteryCurrent", decimals=3),  # A
    (78, 8): Element("driverUniqueId", hex_reversed=True),  # iButton
    (80, 1): Element("dataMode"),
    (113, 1): Element(column="battery_percent"),
    (116, 1): Element("charge", flag=True),
    (181, 2): Element("pdop", decimals=1),
    (182, 2): Element("hdop", decimals=1),
    (199, 4): Element("tripOdometer"),  # m
    (200, 1): Element("sleepMode"),
    (205, 2): Element("cid2g"),
    (206, 2): Element("lac"),
    (239, 1): Element(column="ignition", flag=True),
    (240, 1): Element(column="motion", flag=True),
    (241, 4): Element("operator"),  # MCC and MNC
    (636, 4): Element("cid4g"),
    (662, 1): Element("door", flag=True),
    # events
    (236, 1): _alarm(236, "general"),  # alarm button
    (242, 1): _alarm(242, "fallDown"),
    (246, 1): _alarm(246, "tow"),
    (247, 1): _alarm(247, "accident"),
    (249, 1): _alarm(249, "jamming"),
    (251, 1): _alarm(251, "idle"),
    (252, 1): _alarm(252, "powerCut"),
    (253, 1): Element("io253", alarms=_GREEN),
    (255, 1): _alarm(255, "overspeed"),  # the speed in km/h
    (318, 1): _alarm(318, "jamming"),  # of GNSS: 1 warning, 2 critical
    **{(number, 1): Element(f"io{number}", alarms=_ZONE) for number in (155, 156, 157, 158, 159)},
    (175, 1): Element("io175", alarms=_ZONE),  # the zone around where it was parked
    # temperatures, °C
    (72, 4): Element("temp1", signed=True, decimals=1, missing=_DALLAS_ERRORS),
    (73, 4): Element("temp2", signed=True, decimals=1, missing=_DALLAS_ERRORS),
    (74, 4): Element("temp3", signed=True, decimals=1, missing=_DALLAS_ERRORS),
    (75, 4): Element("temp4", signed=True, decimals=1, missing=_DALLAS_ERRORS),
    (25, 2): Element("bleTemp1", signed=True, decimals=2),
    (26, 2): Element("bleTemp2", signed=True, decimals=2),
    (27, 2): Element("bleTemp3", signed=True, decimals=2),
    (28, 2): Element("bleTemp4", signed=True, decimals=2),
    # Bluetooth humidity, %. The batteries of such sensors (20, 22, 23, 29) keep their numbers: in an FM1 these are something else
    (86, 2): Element("bleHumidity1", decimals=1),
    (104, 2): Element("bleHumidity2", decimals=1),
    (106, 2): Element("bleHumidity3", decimals=1),
    (108, 2): Element("bleHumidity4", decimals=1),
    # fuel probes (LLS): level in their own unit, temperature in °C
    **{(number, 1): Element(f"io{number}", signed=True) for number in (202, 204, 211, 213, 215)},
    # OBD
    (30, 1): Element("faultCount"),
    (31, 1): Element("engineLoad"),  # %
    (32, 1): Element("coolantTemp", signed=True),
    (36, 2): Element("rpm"),
    (37, 1): Element("obdSpeed"),  # km/h
    (41, 1): Element("throttle"),  # %
    (43, 2): Element("milDistance"),  # km with the malfunction lamp on
    (48, 1): Element("fuelLevel"),  # %
    (389, 4): Element("obdOdometer", times=1000),  # km there, m here
    (390, 2): Element(column="fuel_l", decimals=1),
    (390, 4): Element(column="fuel_l", decimals=1),
    **{(number, 1): Element(f"io{number}", signed=True) for number in (33, 38, 39, 47, 53)},
    (59, 2): Element("io59", signed=True),
    # CAN adapter
    (81, 1): Element("obdSpeed"),
    (82, 1): Element("throttle"),
    (83, 4): Element("fuelUsed", decimals=1),  # l
    (84, 2): Element(column="fuel_l", decimals=1),
    (85, 2): Element("rpm"),
    (87, 4): Element("obdOdometer"),  # m
    (89, 1): Element("fuelLevel"),  # %
    (102, 4): Element(column="engine_hours_s", times=60),
    (107, 4): Element("fuelUsed", decimals=1),  # l, counted by the engine
    (110, 2): Element("fuelConsumption", decimals=1),  # l/h
    (114, 1): Element("engineLoad"),
    (115, 2): Element("engineTemp", signed=True, decimals=1),
    # gas and oil
    (232, 1): Element("cngStatus", flag=True),
    (233, 4): Element("cngUsed", decimals=1),
    (234, 2): Element("cngLevel"),
    (235, 1): Element("oilLevel"),
    # probes of FMC and FMM for temperature, and EYE sensors, four of each
    **{(10644 + place, 2): Element(f"tempProbe{place + 1}", signed=True, decimals=2) for place in range(6)},
    **{(10800 + place, 2): Element(f"eyeTemp{place + 1}", signed=True, decimals=2) for place in range(4)},
    **{(10804 + place, 1): Element(f"eyeHumidity{place + 1}") for place in range(4)},
    **{(10808 + place, 1): Element(f"eyeMagnet{place + 1}", flag=True) for place in range(4)},
    **{(10812 + place, 1): Element(f"eyeMotion{place + 1}", flag=True) for place in range(4)},
    **{(10816 + place, 1): Element(f"eyePitch{place + 1}", signed=True) for place in range(4)},
    **{(10820 + place, 1): Element(f"eyeLowBattery{place + 1}", flag=True) for place in range(4)},
    **{(10824 + place, 2): Element(f"eyeBattery{place + 1}", decimals=3) for place in range(4)},  # V
    **{(10832 + place, 2): Element(f"eyeRoll{place + 1}", signed=True) for place in range(4)},
}


def element(number: int, size: int) -> Element:
    return ELEMENTS.get((number, size)) or Element(f"io{number}")
