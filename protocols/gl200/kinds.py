"""Messages as text beside reports of position, a reader each; those without one have a place, an alarm and little else."""

from __future__ import annotations

from collections.abc import Callable

from protocols.frames import Frame
from protocols.gl200 import binary
from protocols.gl200.canbus import can, obd
from protocols.gl200.reports import extended, fixed, usual
from protocols.gl200.text import STATES, Text, hours_s, is_degrees, number, percent, put, take_analog
from protocols.reports import CantRead, Report


def read(frame: Frame) -> list[Report]:
    """The reports of one message."""
    if frame.kind == "binary":
        return binary.read(frame)
    text = frame.payload.decode("utf-8", "replace")
    fields = text.split(",")
    try:
        if report := usual(fields):
            return [report]
    except ValueError:  # the telemetry has something that is no number: `fixed` keeps the place
        pass
    fields[-1] = fields[-1].rstrip("$\0\r\n")
    message = Text([*fields])
    if message.head[:4] == "+ACK":
        report = message.bare()
        report.attributes = {"result": text.rstrip("$\0\r\n")}
        return [report]
    reader = READERS.get(message.type)
    if reader is None:
        return common(message)
    try:
        return reader(message)
    except (ValueError, IndexError):  # a firmware with other fields than the type's own: what all types share is read
        message = Text(fields)
        message.attributes["incomplete"] = True
        return common(message)


# --- The place, and what is beside it ----------------------------------------------------------------------------------------


def common(message: Text) -> list[Report]:
    """Any message with a place: what its type means, the place, and the battery where it ends the message."""
    kind = message.type
    if message.seek_place():
        at = message.at
        report = message.place()
        rest = message.rest()
        if len(rest) != 1 or rest[0] in ("", "00") or "." in rest[0]:
            message.appended(report)
            rest = message.rest()
        if rest and "." in rest[0]:
            report.odometer_m = number(rest[0]) * 1000
        if rest and rest[-1]:
            report.battery_percent = percent(rest[-1])
    else:
        at = len(message.fields)
        report = message.bare()
    if alarm := ALARMS.get(kind):
        report.alarm(alarm)
    if take := MEANINGS.get(kind):
        take(message, report, at)
    return [report]


ALARMS: dict[str, str] = {
    "SOS": "sos",
    "SPD": "overspeed",
    "TOW": "tow",
    "IDL": "idle",
    "PNA": "powerOn",
    "PFA": "powerOff",
    "EPN": "powerRestored",
    "MPN": "powerRestored",
    "EPF": "powerCut",
    "MPF": "powerCut",
    "BPL": "lowBattery",
    "PLA": "lowBattery",
    "STT": "movement",
    "SWG": "geofence",
    "TMP": "temperature",
    "TEM": "temperature",
    "JDR": "jamming",
    "JDS": "jamming",
    "CRA": "accident",
}
Meaning = Callable[[Text, Report, int], None]


def _report_type(message: Text) -> int | None:
    """Two hex digits behind name and power, or behind the vehicle's number, name and power."""
    text = message.fields[5] if len(message.fields) > 5 else ""
    return int(text, 16) if 0 < len(text) <= 2 and text.isalnum() and text.isascii() else None


def _harsh(message: Text, report: Report, at: int) -> None:
    kind = _report_type(message)
    name = HARSH.get(kind % 16) if kind is not None else None
    if name:
        report.alarm(name)


HARSH = {0: "hardBraking", 3: "hardBraking", 1: "hardAcceleration", 4: "hardAcceleration", 2: "hardCornering"}


def _moved(message: Text, report: Report, at: int) -> None:
    if (kind := _report_type(message)) is not None:
        report.motion = float(kind == 1)


def _input(message: Text, report: Report, at: int) -> None:
    if (kind := _report_type(message)) is not None:
        report.attributes[f"in{kind >> 4}"] = kind & 15 == 1


def _ignition_changed(message: Text, report: Report, at: int) -> None:
    if (kind := _report_type(message)) is not None:
        report.ignition = float(kind & 15 == 1)


def _fenced(message: Text, report: Report, at: int) -> None:
    if (kind := _report_type(message)) is not None and kind & 15 < 2:
        report.alarm("geofenceEnter" if kind & 15 else "geofenceExit")


def _state(message: Text, report: Report, at: int) -> None:
    report.ignition, report.motion = STATES.get(message.fields[4].upper(), (report.ignition, report.motion))


def _battery_volts(message: Text, report: Report, at: int) -> None:
    if "." in message.fields[4] and not is_degrees(message.fields[4]):
        report.battery_v = number(message.fields[4])


def _supply(message: Text, report: Report, at: int) -> None:
    """Millivolts behind the name, on those that measure them."""
    value = message.fields[4]
    if value.isdecimal() and len(value) > 2 and at != len(message.fields):
        report.power_v = int(value) / 1000


def _charging(message: Text, report: Report, at: int) -> None:
    report.attributes["charge"] = message.type == "BTC"


def _started(message: Text, report: Report, at: int) -> None:
    """STR and CTN of the GL500 say the battery's level before the place."""
    if message.model.signal == 2 and at > 8:
        report.battery_percent = percent(message.fields[8])


MEANINGS: dict[str, Meaning] = {
    "HBM": _harsh,
    "NMR": _moved,
    "DIS": _input,
    "IGL": _ignition_changed,
    "STT": _state,
    "BPL": _battery_volts,
    "BTC": _charging,
    "STC": _charging,
    "EPS": _supply,
    "STR": _started,
    "CTN": _started,
}


# --- Types with fields of their own ------------------------------------------------------------------------------------------


def _fence(message: Text) -> list[Report]:
    reports = fixed(message)
    _fenced(message, reports[-1], 0)
    return reports


def _ignition(message: Text) -> list[Report]:
    """`name,how long,place…,hours,odometer`: IGN and VGN are on, IGF and VGF off."""
    message.at = 4
    if not message.seek_place():
        message.at = message.model.ignition_at
    report = message.place()
    message.appended(report)
    rest = message.rest()
    report.ignition = float(message.type[1:] == "GN")
    if rest:
        report.engine_hours_s = hours_s(rest[0])
    if len(rest) > 1 and rest[1]:
        report.odometer_m = number(rest[1]) * 1000
    return [report]


def _switch(message: Text) -> list[Report]:
    """`name,type,state,place…`"""
    name = "in1" if message.type == "LSW" else "in2"
    state = message.fields[5]
    (report,) = common(message)
    if state:
        report.attributes[name] = state == "1"
    return [report]


def _driver(message: Text) -> list[Report]:
    """`name,,key,type,count,place…,odometer`"""
    (report,) = common(message)
    if driver := message.fields[5]:
        report.attributes["driverUniqueId"] = driver
    return [report]


def _information(message: Text) -> list[Report]:
    """`name,state,iccid,gsm,error rate,has supply,…`: what follows differs by model, the shape of fields tells."""
    report = message.bare()
    if message.old:  # no name, and other fields
        report.attributes["iccid"] = message.fields[3]
        return [report]
    attributes = report.attributes
    model = message.model.name
    message.at = 5 if message.model.vin and message.fields[5].upper() in STATES else 4
    report.ignition, report.motion = STATES.get(message.next().upper(), (report.ignition, report.motion))
    if iccid := message.next():
        attributes["iccid"] = iccid
    if gsm := message.next():
        report.gsm = float(gsm)
    message.at += 2
    if len(message.fields[message.at + 1]) >= 12:  # a sensor's address stands in front
        message.at += 2
        put(attributes, "deviceTemp", message.fields[message.at - 1])
        put(attributes, "humidity", message.next())
    value = message.next()
    if "." in value:
        report.odometer_m = float(value) * 1000
    elif value:
        report.power_v = int(value) / 1000
    if model in ("GV350M", "GV310LAU"):
        message.next()  # which accessories, or which network
    elif (second := message.next()).isdecimal():
        attributes["power2"] = int(second) / 1000
    if battery := message.next():
        report.battery_v = float(battery)
    if charge := message.next():
        attributes["charge"] = charge == "1"
    if model == "GV310LAU":
        message.at += 5  # lights, power saving, antenna, last fix, pins
        for number_ in range(1, 4):
            take_analog(report, number_, message.next())
    return [report]


def _version(message: Text) -> list[Report]:
    """`name,device type,firmware,hardware`, the last two in hex."""
    report = message.bare()
    message.at = 4
    report.attributes["deviceType"] = message.next()
    for name in ("versionFw", "versionHw"):
        report.attributes[name] = int(message.next(), 16)
    return [report]


def _networks(message: Text) -> list[Report]:
    """WIF: `name,count,` an address and a strength each, …, battery."""
    report = message.bare()
    report.battery_percent = percent(message.fields[-3])
    report.attributes.update(message.around(len(message.fields), networks_at=4))
    return [report]


def _cells(message: Text) -> list[Report]:
    """GSM: `why,` six fields for each cell; LBS: the same behind `name,trigger,type,battery,…`."""
    report = message.bare()
    if message.type == "LBS":
        report.battery_percent = percent(message.fields[6])
    report.attributes.update(message.around(12 if message.type == "LBS" else 4, step=6))
    return [report]


def _fatigue(message: Text) -> list[Report]:
    """`name,warning,degree,,,place…`"""
    warning, degree = message.fields[4], message.fields[5]
    (report,) = common(message)
    if warning == "1":
        report.alarm("fatigueDriving")
        put(report.attributes, "fatigueDegree", degree)
    else:
        put(report.attributes, "warningType", warning)
    return [report]


def _serial(message: Text) -> list[Report]:
    """DTT: `name,,,type,length,data in hex`: what a device at the serial port sent; a fuel sensor writes `COMB,0,per cent,…`."""
    report = message.bare()
    data = next((field for field in reversed(message.fields[4:-2]) if field), "")
    try:
        text = bytes.fromhex(data).decode("ascii", "replace")
    except ValueError:
        text = data
    values = text.split(",")
    if "COMB" in text and len(values) > 2:
        put(report.attributes, "fuel", values[2])
    else:
        report.attributes["result"] = text
    return [report]


ACCESSORY: tuple[tuple[int, str, float], ...] = (  # bits of the mask, in order; factor 0: text
    (0, "accessoryName", 0),
    (1, "accessoryMac", 0),
    (2, "accessoryStatus", 1),
    (3, "accessoryVoltage", 0.001),
    (4, "accessoryTemp", 1),
    (5, "accessoryHumidity", 1),
)


def _accessory(message: Text) -> list[Report]:
    """BAA: `name,index,type,model,alarm,mask,…place`; BID: `name,count,model,mask,…place`."""
    message.at = mask_at = 8 if message.type == "BAA" else 6
    values = message.fields[mask_at + 1 :]
    (report,) = common(message)
    mask = int(message.fields[mask_at] or "0", 16)
    at = 0
    for bit, name, factor in ACCESSORY:
        if mask >> bit & 1:
            value = values[at]
            at += 1
            if not factor:
                report.attributes[name] = value
            elif value:
                report.attributes[name] = number(value) * factor if factor != 1 else number(value)
    return [report]


def _light(message: Text) -> list[Report]:
    """`name,state,state,count,place…,gsm,error rate,light,battery,mode,motion,temperature`"""
    message.at = 4
    if not message.seek_place():
        raise CantRead("a report of light without a place")
    report = message.place()
    rest = message.rest()
    if len(rest) > 3:
        put(report.attributes, "lightLevel", rest[2])
        report.battery_percent = percent(rest[3])
    if len(rest) > 6:
        put(report.attributes, "temp1", rest[6])
    return [report]


def _data(message: Text) -> list[Report]:
    """DAT: `name,type,,,data,place…`"""
    data = message.fields[7] if len(message.fields) > 9 else ""
    (report,) = common(message)
    if data:
        report.attributes["data"] = data
    return [report]


READERS: dict[str, Callable[[Text], list[Report]]] = {
    "FRI": fixed,
    "RTL": fixed,
    "DOG": fixed,
    "GEO": _fence,
    "ERI": extended,
    "INF": _information,
    "OBD": obd,
    "CAN": can,
    "IGN": _ignition,
    "IGF": _ignition,
    "VGN": _ignition,
    "VGF": _ignition,
    "LSW": _switch,
    "TSW": _switch,
    "IDA": _driver,
    "WIF": _networks,
    "GSM": _cells,
    "LBS": _cells,
    "VER": _version,
    "DAR": _fatigue,
    "DTT": _serial,
    "BAA": _accessory,
    "BID": _accessory,
    "LSA": _light,
    "DAT": _data,
}
