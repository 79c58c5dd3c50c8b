"""Real tracks from files: CSV with a header, and GPX. Each becomes, per vehicle, fixes in the order of time.

    vehicle,time,latitude,longitude,course_deg      time, latitude, longitude are needed, vehicle when there are many;
    4716,2026-01-26T15:57:02Z,53.4445,-2.9251,53    speed_kmh, altitude_m, satellites and ignition are read when there

A speed that was not recorded is computed from the neighbouring fix before, and so is a course.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import gpxpy
import gpxpy.gpx
import msgspec

from telematics.simulator.fix import Fix
from telematics.simulator.roads import course, metres

LARGEST_BYTES = 512 * 2**20
STANDING_KMH = 2.0  # slower than that is GPS noise, and has no course
LONGEST_GAP_S = 600.0  # over a longer one a mean speed says nothing

HEADINGS: dict[str, tuple[str, ...]] = {  # what the columns of others are called
    "vehicle": ("vehicle", "id", "device", "deviceid", "uniqueid", "name", "vehicle_id", "imei", "trip"),
    "time": ("time", "timestamp", "fixtime", "datetime", "date", "t", "time_utc"),
    "latitude": ("latitude", "lat", "y"),
    "longitude": ("longitude", "lon", "lng", "long", "x"),
    "altitude_m": ("altitude_m", "altitude", "elevation", "ele", "alt"),
    "speed_kmh": ("speed_kmh", "speedkmh", "kmh"),
    "course_deg": ("course_deg", "course", "bearing", "heading", "azimuth"),
    "satellites": ("satellites", "sat", "sats"),
    "ignition": ("ignition",),
}
Value = TypeVar("Value")
YES, NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class TrackError(Exception):
    """The file can't be replayed. Says where it is wrong."""


class Told(msgspec.Struct, frozen=True):
    """What a file says of one moment."""

    time: datetime
    latitude: float
    longitude: float
    altitude_m: float | None = None
    speed_kmh: float | None = None
    course_deg: float | None = None
    satellites: float | None = None
    ignition: bool | None = None


def read_tracks(path: Path) -> dict[str, list[Fix]]:
    """Fixes by vehicle. Raises TrackError."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise TrackError(f"{path} is larger than {LARGEST_BYTES // 2**20} MB: cut it into pieces")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TrackError(f"can't read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise TrackError(f"{path} is not text in UTF-8 (byte {error.start})") from None
    told = _gpx(path, text) if path.suffix.lower() == ".gpx" else _csv(path, text)
    tracks = {vehicle: _fixes(moments) for vehicle, moments in told.items()}
    if not any(tracks.values()):
        raise TrackError(f"{path} holds no fix")
    return tracks


def shifted(tracks: Mapping[str, list[Fix]], by: timedelta) -> dict[str, list[Fix]]:
    """The same tracks at another time."""
    return {name: [msgspec.structs.replace(fix, time=fix.time + by) for fix in fixes] for name, fixes in tracks.items()}


def _csv(path: Path, text: str) -> dict[str, list[Told]]:
    lines = text.splitlines()
    dialect = ";" if lines and lines[0].count(";") > lines[0].count(",") else ","
    rows = csv.DictReader(lines, delimiter=dialect, strict=True)
    column = _columns(path, rows.fieldnames or ())
    tracks: dict[str, list[Told]] = {}
    try:
        for row in rows:
            try:
                told = _row(row, column)
            except ValueError as error:
                raise TrackError(f"{path}, line {rows.line_num}: {error}") from None
            vehicle = (row[column["vehicle"]] or "").strip() if "vehicle" in column else path.stem
            if not vehicle:
                raise TrackError(f"{path}, line {rows.line_num}: no vehicle")
            tracks.setdefault(vehicle, []).append(told)
    except csv.Error as error:
        raise TrackError(f"{path}, line {rows.reader.line_num}: {error}") from None
    return tracks


def _columns(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Our name of a column: the file's. Raises TrackError when one that is needed is missing."""
    there = {name.strip().lower(): name for name in names if name}
    found = {ours: there[other] for ours, others in HEADINGS.items() for other in reversed(others) if other in there}
    missing = [name for name in ("time", "latitude", "longitude") if name not in found]
    if missing:
        raise TrackError(f"{path}: the first line must name the columns; there is no {', '.join(missing)}")
    return found


def _row(row: Mapping[str, str | None], column: Mapping[str, str]) -> Told:
    """Raises ValueError, which says what is wrong."""

    def text(name: str) -> str:
        return (row.get(column.get(name, "")) or "").strip()

    def number(name: str, low: float, high: float) -> float:
        try:
            value = float(text(name))
        except ValueError:
            raise ValueError(f"{name} is {text(name)!r}, not a number") from None
        if not low <= value <= high:  # false for NaN too
            raise ValueError(f"{name} is {value:g}, not between {low:g} and {high:g}")
        return value

    def maybe(name: str, low: float, high: float) -> float | None:
        return number(name, low, high) if text(name) else None

    return Told(
        time=_time(text("time")),
        latitude=number("latitude", -90, 90),
        longitude=number("longitude", -180, 180),
        altitude_m=maybe("altitude_m", -1000, 30_000),
        speed_kmh=maybe("speed_kmh", 0, 2000),
        course_deg=maybe("course_deg", -360, 360),
        satellites=maybe("satellites", 0, 200),
        ignition=_flag(text("ignition")),
    )


def _time(text: str) -> datetime:
    """ISO 8601 (without a zone: UTC), or seconds or milliseconds since 1970. Raises ValueError."""
    try:
        if text.replace(".", "", 1).isdigit():
            since = float(text)
            return datetime.fromtimestamp(since / 1000 if since > 1e11 else since, UTC)
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"time is {text!r}, not like 2026-01-26T15:57:02Z") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _flag(text: str) -> bool | None:
    if text.lower() in YES:
        return True
    if text.lower() in NO:
        return False
    if text:
        raise ValueError(f"ignition is {text!r}, not true or false")
    return None


def _gpx(path: Path, text: str) -> dict[str, list[Told]]:
    try:
        gpx = gpxpy.parse(text)
    except (gpxpy.gpx.GPXException, ValueError) as error:
        raise TrackError(f"{path} is not GPX: {error}") from None
    tracks: dict[str, list[Told]] = {}
    for number, track in enumerate(gpx.tracks, 1):
        name = track.name or (path.stem if len(gpx.tracks) == 1 else f"{path.stem}-{number}")
        tracks.setdefault(name, []).extend(_gpx_points(path, track))
    return tracks


def _gpx_points(path: Path, track: gpxpy.gpx.GPXTrack) -> Iterator[Told]:
    for segment in track.segments:
        for number, point in enumerate(segment.points, 1):
            if point.time is None:
                raise TrackError(f"{path}, track {track.name or ''}, point {number}: has no time, so it can't be replayed")
            if not (-90 <= point.latitude <= 90 and -180 <= point.longitude <= 180):
                raise TrackError(f"{path}, track {track.name or ''}, point {number}: is not on Earth")
            yield Told(
                time=point.time.replace(tzinfo=UTC) if point.time.tzinfo is None else point.time.astimezone(UTC),
                latitude=point.latitude,
                longitude=point.longitude,
                altitude_m=point.elevation,
                speed_kmh=None if point.speed is None else point.speed * 3.6,
                course_deg=point.course,
                satellites=point.satellites,
            )


def _fixes(told: list[Told]) -> list[Fix]:
    """In the order of time; of two fixes of one moment the first counts."""
    fixes: list[Fix] = []
    before: Told | None = None
    for now in sorted(told, key=_moment):
        if before is not None and now.time == before.time:
            continue
        fixes.append(_fix(now, before, fixes[-1] if fixes else None))
        before = now
    return fixes


def _moment(told: Told) -> datetime:
    return told.time


def _fix(now: Told, before: Told | None, last: Fix | None) -> Fix:
    moved_m, moved_deg, since_s = 0.0, last.course_deg if last else 0.0, math.inf
    if before is not None:
        a, b = (before.latitude, before.longitude), (now.latitude, now.longitude)
        moved_m, since_s = metres(a, b), (now.time - before.time).total_seconds()
        if moved_m / since_s * 3.6 >= STANDING_KMH:
            moved_deg = course(a, b)
    speed = moved_m / since_s * 3.6 if since_s <= LONGEST_GAP_S else 0.0
    return Fix(
        time=now.time,
        latitude=now.latitude,
        longitude=now.longitude,
        altitude_m=_known(now.altitude_m, 0.0),
        speed_kmh=round(_known(now.speed_kmh, speed), 2),
        course_deg=_known(now.course_deg, moved_deg) % 360,
        satellites=int(_known(now.satellites, 12)),
        ignition=_known(now.ignition, True),
    )


def _known(value: Value | None, otherwise: Value) -> Value:
    return otherwise if value is None else value
