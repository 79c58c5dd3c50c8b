"""What NMEA 0183 sentences have in common, for the protocols that wrap them (t55, gpsgate, xexun).

Sentence  $ | talker (GP, GL, GN …) and type | fields parted by "," | * | checksum, hex: the XOR of all between $ and *
RMC       hhmmss[.sss] , A|V , ddmm.mmmm , N|S , dddmm.mmmm , E|W , knots , degrees , ddmmyy , …
GGA       hhmmss[.sss] , ddmm.mmmm , N|S , dddmm.mmmm , E|W , quality, 0: no fix , satellites , hdop , altitude m , M , …
Source    NMEA 0183, "Recommended minimum specific GNSS data" and "Global positioning system fix data"
"""

from __future__ import annotations

from functools import reduce
from operator import xor

from protocols.fields import KMH_PER_KNOT, minutes, time_ms
from protocols.reports import NAN, CantRead, Report


def checksum(body: bytes) -> int:
    """Of what stands between $ and *."""
    return reduce(xor, body, 0)


def number(text: str) -> float:
    """NaN for an empty field: not sent. Raises ValueError for what is no number."""
    return float(text) if text else NAN


def moment_ms(ddmmyy: str, hhmmss: str) -> int | None:
    """None when one of them wasn't sent. Raises CantRead and ValueError."""
    if len(ddmmyy) < 6 or len(hhmmss) < 6:
        return None
    return time_ms(
        int(ddmmyy[4:6]), int(ddmmyy[2:4]), int(ddmmyy[:2]), int(hhmmss[:2]), int(hhmmss[2:4]), float(hhmmss[4:])
    )  # a fraction of the second is kept


def rmc(fields: list[str]) -> Report:
    """The report in an RMC sentence's fields, from the time on. Without a place it is NaN there. Raises CantRead."""
    if len(fields) < 9:
        raise CantRead(f"an RMC sentence has 9 fields at least, not {len(fields)}")
    time, status, latitude, north, longitude, east, speed, course, date = fields[:9]
    placed = bool(latitude and longitude)
    return Report(
        time_ms=moment_ms(date, time),
        valid=status == "A" and placed,
        latitude=minutes(latitude, north) if placed else NAN,
        longitude=minutes(longitude, east) if placed else NAN,
        speed_kmh=float(speed) * KMH_PER_KNOT if speed else NAN,
        course_deg=number(course),
        attributes={},
    )


def gga(fields: list[str]) -> Report:
    """The report in a GGA sentence's fields, from the time on. A time without a date is none: that of arrival counts."""
    if len(fields) < 9:
        raise CantRead(f"a GGA sentence has 9 fields at least, not {len(fields)}")
    _, latitude, north, longitude, east, quality, satellites, hdop, altitude = fields[:9]
    placed = bool(latitude and longitude)
    return Report(
        valid=quality not in ("", "0") and placed,
        latitude=minutes(latitude, north) if placed else NAN,
        longitude=minutes(longitude, east) if placed else NAN,
        altitude_m=number(altitude),
        satellites=number(satellites),
        attributes={"hdop": float(hdop)} if hdop else {},
    )
