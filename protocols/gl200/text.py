"""What messages as text have in common: the envelope, the place in it, and how many fields stand where.

A place is found by its shape (longitude and latitude have six decimals each, side by side), since what stands in front of it
differs from model to model; where there is none, the model's table says where its empty fields are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from protocols.cursor import Around
from protocols.fields import time_ms
from protocols.gl200.models import model_of
from protocols.reports import NAN, CantRead, Report

STATES: dict[str, tuple[float, float]] = {  # of the device: ignition, motion
    "11": (0.0, 0.0),
    "12": (0.0, 1.0),
    "16": (0.0, 1.0),  # towed
    "1A": (0.0, 1.0),  # perhaps towed
    "21": (1.0, 0.0),
    "22": (1.0, 1.0),
    "41": (NAN, 0.0),  # ignition isn't wired
    "42": (NAN, 1.0),
}
MOST_NETWORKS, MOST_CELLS = 64, 7
FIXED = 12  # fields of a place, its cell and what is appended
FEWEST_DIGITS = 6  # of a status, which is longer than any field beside it


class Text:
    """One message, cut at its commas. `at` is where the next field stands."""

    __slots__ = ("at", "attributes", "fields", "head", "model", "old", "type")

    def __init__(self, fields: list[str]) -> None:
        self.fields = fields
        self.head = head = fields[0]
        self.type = head[-3:]
        if len(fields) < 5:
            raise CantRead("a message has at least five fields")
        self.old = len(fields[1]) > 10
        if self.old:  # GT300 and its kin have the version at the end, or nowhere
            fields.insert(1, fields.pop() if len(fields[-1]) == 10 else "")
        self.model = model_of(fields[1])
        self.attributes: dict[str, Any] = {"type": self.type}
        if head[1] == "B":
            self.attributes["archive"] = True
        self.at = 3

    @property
    def sent_ms(self) -> int | None:
        return moment(self.fields[-2])

    def next(self) -> str:
        """The next field; nothing once only the send time is left: firmwares end at different fields."""
        at, self.at = self.at, self.at + 1
        return self.fields[at] if at < len(self.fields) - 2 else ""

    def rest(self) -> list[str]:
        """What stands between here and the send time."""
        return self.fields[self.at : -2]

    def bare(self) -> Report:
        """A report without a place."""
        return Report(time_ms=self.sent_ms, attributes=self.attributes)

    def seek_place(self) -> bool:
        """Go to the first place in the message, if it has one."""
        fields = self.fields
        for at in range(max(self.at, 4) + 4, len(fields) - 2):
            if is_degrees(fields[at]) and is_degrees(fields[at + 1]):
                self.at = at - 4
                return True
        return False

    def begins(self, at: int) -> bool:
        """Whether a place begins there, or the empty fields of one."""
        fields = self.fields
        if len(fields) - at <= FIXED:
            return False
        return (is_degrees(fields[at + 4]) and is_degrees(fields[at + 5])) or not any(fields[at + 1 : at + 7])

    def go_on(self, report: Report) -> bool:
        """From behind the cell of one place to the next one: models differ in how many fields stand between them."""
        cell, between = self.at, Report(attributes={})
        self.appended(between)
        if self.begins(self.at):
            report.satellites, report.odometer_m = between.satellites, between.odometer_m
            report.attributes.update(between.attributes)
            return True
        fields = self.fields
        for at in range(cell, min(cell + 5, len(fields) - 11)):
            if is_degrees(fields[at + 4]) and is_degrees(fields[at + 5]):
                if at > cell and "." in fields[at - 1]:
                    report.odometer_m = float(fields[at - 1]) * 1000
                self.at = at
                return True
        self.at = cell + self.model.reserves  # the next one is empty, or there is none
        return len(fields) - self.at > FIXED

    def place(self) -> Report:
        """Accuracy, km/h, degrees, metres, longitude, latitude, time, and the cell behind them."""
        fields, at = self.fields, self.at
        hdop, speed, course, altitude, longitude, latitude, time = fields[at : at + 7]
        attributes = {**self.attributes, "hdop": float(hdop)} if hdop else {**self.attributes}
        if longitude and latitude and time:
            report = Report(
                moment(time),
                True,
                0,
                float(latitude),
                float(longitude),
                float(altitude) if altitude else NAN,
                float(speed) if speed else NAN,
                float(course) if course else NAN,
                attributes=attributes,
            )
        else:
            report = Report(self.sent_ms, attributes=attributes)
        at = networks_at = at + 7
        if len(fields[at + 1]) == 12:  # networks nearby
            at += 1 + 5 * _whole(fields[at], most=MOST_NETWORKS)
        self.at = at + 4
        if not report.valid:
            report.attributes.update(self.around(at, networks_at=networks_at))
        return report

    def around(self, cells_at: int, *, networks_at: int | None = None, step: int = 4) -> dict[str, Any]:
        """The networks that stand between there and the cells, and the cells, for places that satellites don't know."""
        fields, around = self.fields, Around()
        for at in range(cells_at if networks_at is None else networks_at, min(cells_at, len(fields) - 3)):
            if len(fields[at]) == 12 and fields[at + 1][:1] == "-" and len(around.wifi) < MOST_NETWORKS:
                around.access_point(bytes.fromhex(fields[at]), int(fields[at + 1]))
        for at in range(cells_at, min(len(fields) - 5, cells_at + MOST_CELLS * step), step):
            mcc, mnc, area, tower = fields[at : at + 4]
            if mcc.isdecimal() and mnc.isdecimal() and area and tower:
                signal = fields[at + 4] if step > 4 else ""
                around.cell(int(mcc), int(mnc), int(area, 16), int(tower, 16), int(signal) if signal.isdecimal() else None)
            if step == 4:
                break
        return around.network()

    def appended(self, report: Report) -> None:
        """Behind the cell: strength of GSM on some models, then the odometer, nothing, or a mask of what follows."""
        model = self.model
        if model.signal and len(self.fields) - self.at >= model.signal + 3:  # the first of them had none
            self.at += model.signal
        if not model.reserves:
            return
        value = self.next()
        if not value:
            return
        if "." in value:
            report.odometer_m = float(value) * 1000
        elif model.appends and len(value) == 2 and _is_hex(value):
            mask = int(value, 16)
            for bit, takes in APPENDED:
                if mask & bit:
                    takes(report, self.next())


def _satellites(report: Report, value: str) -> None:
    report.satellites = number(value)


def _trigger(report: Report, value: str) -> None:
    if value:
        report.attributes["trigger"] = value


def _jamming(report: Report, value: str) -> None:
    if value:
        report.attributes["jamming"] = value


APPENDED: tuple[tuple[int, Callable[[Report, str], None]], ...] = ((1, _satellites), (2, _trigger), (16, _jamming))


def is_degrees(field: str) -> bool:
    return field[-7:-6] == "." and len(field) < 12


def is_status(field: str) -> bool:
    return FEWEST_DIGITS <= len(field) <= 10 and _is_hex(field)


@lru_cache(maxsize=4096)
def _is_hex(field: str) -> bool:
    return all(digit in "0123456789ABCDEFabcdef" for digit in field)


@lru_cache(maxsize=64)
def _day_ms(day: str) -> int:
    return time_ms(int(day[:4]), int(day[4:6]), int(day[6:]))


def moment(text: str) -> int | None:
    """yyyymmddhhmmss, UTC; None when it isn't whole."""
    if len(text) != 14:
        return None
    second = int(text[8:10]) * 3600 + int(text[10:12]) * 60 + int(text[12:])
    if not 0 <= second < 86_400:
        raise CantRead(f"no such time: {text}")
    return _day_ms(text[:8]) + second * 1000


def _whole(text: str, *, most: int) -> int:
    value = int(text) if text else 0
    if not 0 <= value <= most:
        raise CantRead(f"{text} of them can't be in one message")
    return value


def hours_s(text: str) -> float:
    """`01138:30:24`: hours, minutes, seconds; NaN for what is no such time."""
    try:
        if text[-6:-5] == ":":  # nearly always
            return float(int(text[:-6]) * 3600 + int(text[-5:-3]) * 60 + int(text[-2:]))
        hours, _, rest = text.partition(":")
        minutes, _, seconds = rest.partition(":")
        return float(int(hours) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)) if text else NAN
    except (ValueError, OverflowError):
        return NAN


@lru_cache(maxsize=4096)
def status_of(text: str) -> tuple[float, float, dict[str, Any]]:
    """Ignition, motion and the rest of a status: state u8, inputs u8, outputs u8, in hex; longer ones have more in front."""
    value = int(text, 16)
    state, inputs, outputs = value >> 16 & 0xFF, value >> 8 & 0xFF, value & 0xFF
    ignition = 0.0 if state & 0x10 else 1.0 if state & 0x20 else NAN
    motion = STATES.get(f"{state:02X}", (NAN, NAN))[1]
    return ignition, motion, {
        "input": inputs,
        "in1": bool(inputs & 2),
        "in2": bool(inputs & 4),
        "output": outputs,
        "out1": bool(outputs & 1),
        "out2": bool(outputs & 2),
    }  # fmt: skip


def take_status(report: Report, text: str) -> None:
    report.ignition, report.motion, more = status_of(text)
    report.attributes.update(more)


def take_analog(report: Report, number: int, text: str) -> None:
    """Millivolts, or `F80`: per cent of a fuel sensor's range."""
    if not text:
        return
    if text.isdecimal():
        report.attributes[f"adc{number}"] = int(text) / 1000
    elif text[0] == "F":
        report.attributes[f"fuel{number}"] = int(text[1:] or "0")
    else:
        report.attributes[f"adc{number}"] = text


def percent(text: str) -> float:
    return float(text) if text.isdecimal() and len(text) <= 3 else NAN


def number(text: str) -> float:
    """NaN also for what engines send when they don't know: nan, Inf."""
    try:
        return float(text)
    except ValueError:
        return NAN


def put(attributes: dict[str, Any], name: str, text: str) -> None:
    """A whole number where it is one, else a number; nothing where nothing was sent."""
    if text.isdecimal():
        attributes[name] = int(text)
    elif text and (value := number(text)) == value:
        attributes[name] = value
