"""OpenGTS' GPRMC servlet: HTTP GET requests with an NMEA sentence, as GPSLogger, GTSCell and old phones send them.

Query   id                   who; imei, un or dev where it is missing
        gprmc                $GPRMC,hhmmss,A,ddmm.mmmm,N,dddmm.mmmm,E,knots,course,ddmmyy,…*checksum
                             A: the tracker vouches for the place, V: it doesn't
        lat, lon, date, time where there is no sentence: degrees, yyyy/mm/dd and hh:mm:ss, UTC
        alt m · speed km/h · head degrees (both only without a sentence) · batt percent
        code                 why it was sent, hexadecimal: attribute `event` as a number
        acct, dev, user, pass    whose account it is in OpenGTS: passed over
        the rest             attributes
Answer  200 when stored, and the errors of `http.py`. The sentence's checksum is not looked at: apps put in what they like
Source  OpenGTS 2.6, servlet "gprmc" (org.opengts.war.gprmc.Data); Traccar's OpenGtsProtocolDecoder
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from protocols import fields
from protocols.fields import KMH_PER_KNOT
from protocols.http import LARGEST_BODY_BYTES, LARGEST_HEAD_BYTES, Connection, Request, Said, decode, parameters
from protocols.reports import CantRead, Report
from protocols.session import Codec

SENTENCE = re.compile(
    r"\$G[PNL]RMC,(\d\d)(\d\d)(\d\d)(?:\.\d{0,9})?,([AV]),(\d{0,3}\d\d\.\d{1,12})?,([NS])?,(\d{0,3}\d\d\.\d{1,12})?,([EW])?,"
    r"(\d{0,6}(?:\.\d{0,9})?),(\d{0,3}(?:\.\d{0,9})?),(\d\d)(\d\d)(\d\d)\b.*",
    re.ASCII | re.DOTALL,
)
IDS = ("id", "imei", "un", "dev")
PASSED_OVER = {*IDS, "acct", "account", "user", "pass", "gprmc", "lat", "lon", "date", "time", "speed", "head"}
DATE = re.compile(r"(\d{4})[/-](\d\d?)[/-](\d\d?)", re.ASCII)
HOUR = re.compile(r"(\d\d?):(\d\d):(\d\d)(?:\.\d{0,9})?", re.ASCII)


def read_request(request: Request) -> list[Said]:
    told = dict(parameters(request.query or request.body))
    tracker = next((told[name] for name in IDS if told.get(name, "").strip()), None)
    if tracker is None:
        raise CantRead("the tracker's id is missing: send it as id=")
    report = Report()
    if "gprmc" in told:
        _sentence(told["gprmc"], report)
    elif "lat" in told or "lon" in told:
        _place(told, report)
    _telemetry(told, report)
    return [(tracker, [report])]


def _sentence(text: str, report: Report) -> None:
    found = SENTENCE.fullmatch(text.strip())
    if found is None:
        raise CantRead(f"gprmc is no GPRMC sentence: {text[:80]}")
    hour, minute, second, letter, latitude, north, longitude, east, knots, course, day, month, year = found.groups()
    report.time_ms = fields.time_ms(int(year), int(month), int(day), int(hour), int(minute), int(second))
    report.speed_kmh = float(knots) * KMH_PER_KNOT if knots.strip(".") else 0.0
    report.course_deg = float(course) if course.strip(".") else 0.0
    if latitude is None or longitude is None:  # no fix yet
        return
    report.valid = letter == "A"
    report.latitude, report.longitude = fields.minutes(latitude, north or "N"), fields.minutes(longitude, east or "E")
    _check(report)


def _place(told: Mapping[str, str], report: Report) -> None:
    report.latitude, report.longitude = _number(told, "lat"), _number(told, "lon")
    report.valid = True
    _check(report)
    if "speed" in told:
        report.speed_kmh = _number(told, "speed")
    if "head" in told:
        report.course_deg = _number(told, "head")
    day, moment = DATE.fullmatch(told.get("date", "").strip()), HOUR.fullmatch(told.get("time", "").strip())
    if day and moment:
        report.time_ms = fields.time_ms(*map(int, day.groups()), *map(int, moment.groups()))


def _check(report: Report) -> None:
    if not (abs(report.latitude) <= 90 and abs(report.longitude) <= 180):
        raise CantRead(f"no such place: {report.latitude}, {report.longitude}")


def _telemetry(told: Mapping[str, str], report: Report) -> None:
    for name, text in told.items():
        if name in PASSED_OVER:
            continue
        if name == "alt":
            report.altitude_m = _number(told, name)
        elif name == "batt":
            report.battery_percent = _number(told, name)
        elif name == "code" and re.fullmatch(r"0[xX][0-9A-Fa-f]{1,8}", text.strip()):
            report.attributes["event"] = int(text, 16)
        else:
            report.attributes[name] = text


def _number(told: Mapping[str, str], name: str) -> float:
    text = told.get(name, "").strip()
    if not re.fullmatch(r"[-+]?\d{1,15}(?:\.\d{0,15})?", text, re.ASCII):
        raise CantRead(f"{name} is no number: {text[:40]}")
    return float(text)


CODEC = Codec(
    name="opengts",
    port=5159,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_HEAD_BYTES + LARGEST_BODY_BYTES,
    session=partial(Connection, read_request),
    datagram=None,
    decode=decode,
    makers="phones with GPSLogger, GTSCell and other apps that report to OpenGTS",
    source="http://www.opengts.org, servlet gprmc",
    models="GPSLogger, GTSCell",
    reads="battery, altitude, status code, any other parameter",
    http=True,
)
