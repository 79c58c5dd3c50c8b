"""Suntech's reports in text: legacy, ST4xx, ST9xx and universal. Each reader raises IndexError or ValueError for a field that
isn't there or is no number."""

from __future__ import annotations

from typing import Any

from protocols.fields import time_ms
from protocols.reports import CantRead, Report

ALERTS = {
    1: "overspeed", 3: "gpsAntennaCut", 5: "geofenceExit", 6: "geofenceEnter", 14: "lowBattery", 15: "vibration", 16: "accident",
    40: "powerRestored", 41: "powerCut", 42: "sos", 46: "hardAcceleration", 47: "hardBraking", 50: "jamming", 132: "door",
}  # fmt: skip
EMERGENCIES = {1: "sos", 2: "parking", 3: "powerCut", 5: "door", 6: "door", 7: "movement", 8: "vibration"}
CODES = {"EMG": EMERGENCIES, "ALT": ALERTS}
VARIED_MODEL, MOVES = "41", "2"  # of ST4xx
DRIVER_ALERT = 59  # its data is the driver's key

BLE_MASK = 0b1100000110110


def words_of(message: bytes) -> str:
    return message.decode("ascii", "replace").removesuffix("\r").strip("\n")


def _time_ms(date: str, time: str) -> int:
    if len(date) != 8 or len(time) != 8:
        raise CantRead(f"no date and time: {date[:10]} {time[:10]}")
    return time_ms(int(date[:4]), int(date[4:6]), int(date[6:]), int(time[:2]), int(time[3:5]), float(time[6:]))


def read_legacy(fields: list[str]) -> Report:
    kind = fields[0][-3:]
    report = Report(attributes={"type": kind})
    attributes = report.attributes
    if kind == "HTE":
        attributes["driverUniqueId"] = fields[-1]
        return report
    at = 4 if ":" in fields[4] else 5  # where the time stands: models have a field of their own in some families
    attributes["versionFw"] = fields[at - 2]
    report.time_ms = _time_ms(fields[at - 1], fields[at])
    at += 1
    while "." not in fields[at]:  # the cell: none, one or five fields
        at += 1
    report.latitude, report.longitude = float(fields[at]), float(fields[at + 1])
    report.speed_kmh, report.course_deg = float(fields[at + 2]), float(fields[at + 3])
    report.satellites = int(fields[at + 4])
    report.valid = fields[at + 5] == "1"
    report.odometer_m = int(fields[at + 6])
    report.power_v = float(fields[at + 7])
    states = fields[at + 8]
    if len(states) >= 6:
        report.ignition = float(states[0] == "1")
        for name, state in zip(("in1", "in2", "in3", "out1", "out2"), states[1:], strict=False):
            attributes[name] = state == "1"
    at += 9
    if kind == "STT":
        attributes["status"], attributes["index"] = int(fields[at]), int(fields[at + 1])
        at += 2
    elif kind == "UEX":
        at = read_serial(report, fields, at)
    else:
        say_why(report, kind, int(fields[at]))
        at += 1
    _tail(report, fields[at:])
    return report


def say_why(report: Report, kind: str, code: int) -> None:
    """Why a legacy report was sent."""
    report.attributes["event"] = code
    if alarm := CODES.get(kind, {}).get(code):
        report.alarm(alarm)


def _tail(report: Report, fields: list[str]) -> None:
    """What is sent if the tracker is set so; known by its looks, as nothing announces it. What looks like nothing known is passed
    over: the place in front of it holds all the same."""
    if len(fields) < 2 or not fields[0].isdecimal() or "." not in fields[1]:
        return
    minutes, battery = _number(fields[0]), _number(fields[1])
    if minutes is None or battery is None or (len(fields) > 2 and fields[2] not in ("0", "1")):
        return
    report.engine_hours_s = minutes * 60
    report.battery_v = battery
    attributes = report.attributes
    if len(fields) > 2 and fields[2] == "0":
        attributes["archive"] = True
    rest = fields[3:]
    if (cell := _cell(rest[-CELL_FIELDS:])) is not None:
        attributes |= cell
        rest = rest[:-CELL_FIELDS]
    if len(rest) >= 3 and all(":" in field for field in rest[-3:]):
        for number, field in enumerate(rest[-3:], 1):
            if (degrees := _number(field.partition(":")[2])) is not None:
                attributes[f"temp{number}"] = degrees
        rest = rest[:-3]
    if len(rest) >= 2 and len(rest[-2]) == 14:
        if rest[-1] == "1":
            attributes["driverUniqueId"] = rest[-2]
        rest = rest[:-2]
    for number, field in enumerate(rest[:3], 1):
        if "." in field and (volts := _number(field)) is not None:
            attributes[f"adc{number}"] = volts


CELL_FIELDS = 5


def _cell(fields: list[str]) -> dict[str, Any] | None:
    """Cell, country, network, signal in dBm, area: known by the signal, which no other of these fields is like."""
    if len(fields) < CELL_FIELDS or not fields[3].startswith("-") or not all(field.lstrip("-").isdecimal() for field in fields):
        return None
    return dict(zip(("cid", "mcc", "mnc", "dbm", "lac"), map(int, fields), strict=True))


def _number(text: str) -> float | None:
    """None for what is no number."""
    try:
        return float(text)
    except ValueError:
        return None


def read_serial(report: Report, fields: list[str], at: int) -> int:
    """What a serial device said; its own ";" are counted by the length. Where the fields behind data and checksum begin."""
    left = int(fields[at])
    at += 1
    fuel = 0.0
    while left > 0:
        said = fields[at]
        at += 1
        left -= len(said) + 1
        if said.startswith("CabAVL"):
            for number, text in enumerate(said.split(",")[2:4], 1):
                if (value := float(text)) > 0:
                    fuel += value
                    report.attributes[f"fuel{number}"] = value
        elif said.startswith("GTSL"):
            report.attributes["driverUniqueId"] = said.split("|")[4]
        elif "=" in said:
            fuel += _sensor(report, said)
        else:
            report.attributes["serial"] = said.strip()
    if fuel > 0:
        report.fuel_l = fuel
    return at + 1


def _sensor(report: Report, said: str) -> float:
    """`t_0=1C` a temperature, `N_0=0419.0` a level of fuel, `Q_D=09` quality of driving; all hex. The fuel in it."""
    name, _, text = said.partition("=")
    if len(name) < 3 or name[0] not in "tNQ" or not text.strip():
        return 0
    value = int(text.strip().partition(".")[0], 16)
    if name[0] == "t":
        report.attributes[f"temp{name[2]}"] = value
    elif name[0] == "Q":
        report.attributes["drivingQuality"] = value
    else:
        report.attributes[f"fuel{name[2]}"] = value
        return value
    return 0


def read_st9(fields: list[str]) -> Report:
    report = Report(attributes={})
    if fields[1] != "Location":
        report.alarm("general")
    at = 3
    if ":" not in fields[4]:
        report.attributes["versionFw"] = fields[3]
        at = 4
    report.time_ms = _time_ms(fields[at], fields[at + 1])
    at += 2
    has_cell = "." not in fields[at]
    at += has_cell
    report.latitude, report.longitude = float(fields[at]), float(fields[at + 1])
    report.speed_kmh, report.course_deg = float(fields[at + 2]), float(fields[at + 3])
    report.valid = fields[at + 4] == "1"
    behind = fields[at + 5] if len(fields) > at + 5 else ""
    if has_cell and behind.isdecimal():
        report.odometer_m = int(behind)
    elif "." in behind:
        report.battery_v = float(behind)
    return report


def read_st4(fields: list[str]) -> Report:
    report = Report(attributes={"type": fields[0][-3:], "versionFw": fields[2]})
    has_variant = fields[3] == VARIED_MODEL
    at = 4 + has_variant + 7 * 6
    report.battery_v = float(fields[at])
    if fields[at + 1] == "0":
        report.attributes["archive"] = True
    report.attributes["index"], report.attributes["status"] = int(fields[at + 2]), int(fields[at + 3])
    at += 4
    if len(fields[at]) == 3:  # how other trackers near by helped to find the place
        at += 1
    if has_variant:  # the same in a field that is always there, temperature, and how it moves
        report.motion = float(fields[at + 2] == MOVES)
        at += 3
    if fields[at]:
        report.time_ms = _time_ms(fields[at], fields[at + 1])
        report.latitude, report.longitude = float(fields[at + 2]), float(fields[at + 3])
        report.speed_kmh, report.course_deg = float(fields[at + 4]), float(fields[at + 5])
        report.satellites = int(fields[at + 6])
        report.valid = fields[at + 7] == "1"
    return report


def read_universal(fields: list[str]) -> Report:
    """A report whose mask says which fields it has: bit 1 is the first behind the mask, and so on."""
    kind = fields[0]
    report = Report(attributes={"type": kind})
    attributes = report.attributes
    if kind == "RES":
        attributes["result"] = ";".join(fields[2:])
        return report
    mask, at = (BLE_MASK, 2) if kind == "BLE" else (int(fields[2], 16), 3)
    if mask & 1 << 1:  # model
        at += 1
    if mask & 1 << 2:
        attributes["versionFw"] = fields[at]
        at += 1
    if mask & 1 << 3:
        if fields[at] == "0":
            attributes["archive"] = True
        at += 1
    if mask & 0b11 << 4 == 0b11 << 4:
        report.time_ms = _time_ms(fields[at], fields[at + 1])
        at += 2
    if mask & 0b1111 << 6:  # cell: id, country, network, area
        at += (mask >> 6 & 0b1111).bit_count()
    if mask & 1 << 10:
        report.gsm = int(fields[at])
        at += 1
    if mask & 1 << 11:
        report.latitude = float(fields[at])
        at += 1
    if mask & 1 << 12:
        report.longitude = float(fields[at])
        at += 1
    if kind == "BLE":
        report.valid = True
        _tags(report, fields, at)
        return report
    if mask & 1 << 13:
        report.speed_kmh = float(fields[at])
        at += 1
    if mask & 1 << 14:
        report.course_deg = float(fields[at])
        at += 1
    if mask & 1 << 15:
        report.satellites = int(fields[at])
        at += 1
    if mask & 1 << 16:
        report.valid = fields[at] == "1"
        at += 1
    if mask & 1 << 17:
        attributes["input"] = int(fields[at])
        report.ignition = float(attributes["input"] & 1)
        at += 1
    if mask & 1 << 18:
        attributes["output"] = int(fields[at])
        at += 1
    if kind == "UEX":
        read_serial(report, fields, at)
        return report
    at = (_alert if kind == "ALT" else _mode)(report, fields, at, mask)
    if mask & 1 << 22:  # reserved
        at += 1
    if mask & 1 << 23:
        _assigned(report, fields, at)
    else:
        for number, field in enumerate(fields[at:], 1):
            if field:
                attributes[f"assign{number}"] = field
    return report


def _alert(report: Report, fields: list[str], at: int, mask: int) -> int:
    alert = 0
    if mask & 1 << 19:
        alert = int(fields[at])
        at += 1
        report.attributes["event"] = alert
        if alert in ALERTS:
            report.alarm(ALERTS[alert])
    if mask & 1 << 20:
        if fields[at]:
            report.attributes["alertModifier"] = fields[at]
        at += 1
    if mask & 1 << 21:
        if fields[at]:
            report.attributes["driverUniqueId" if alert == DRIVER_ALERT else "alertData"] = fields[at]
        at += 1
    return at


def _mode(report: Report, fields: list[str], at: int, mask: int) -> int:
    for bit, name in ((19, "mode"), (20, "reason"), (21, "index")):
        if mask & 1 << bit:
            report.attributes[name] = int(fields[at])
            at += 1
    return at


VOLTAGES = {0: "battery_v", 1: "power_v"}


def _assigned(report: Report, fields: list[str], at: int) -> None:
    """Fields that the owner has chosen, with a mask of their own: the first are the voltages of backup and supply."""
    mask = int(fields[at], 16)
    chosen = (bit for bit in range(31) if mask & 1 << bit)
    for bit, field in zip(chosen, fields[at + 1 :], strict=False):  # a line that is cut short has fewer
        volts = _number(field) if bit in VOLTAGES else None
        if volts is not None:
            setattr(report, VOLTAGES[bit], volts)
        elif field:
            report.attributes[f"io{bit + 1}"] = field


def _tags(report: Report, fields: list[str], at: int) -> None:
    """Bluetooth tags: signal, its least and most, id, how often heard, major, minor."""
    for number in range(1, int(fields[at]) + 1):
        signal, _, _, tag, samples, major, minor = fields[at + 1 : at + 8]
        at += 7
        report.attributes |= {
            f"tag{number}Rssi": int(signal),
            f"tag{number}Id": tag,
            f"tag{number}Samples": int(samples),
            f"tag{number}Major": int(major),
            f"tag{number}Minor": int(minor),
        }
