"""History as files for other programs, written part by part: GPX 1.1, KML 2.2 and CSV.

A GPX or KML track has the places that the vehicle reported itself; CSV has every report.
Sources: topografix.com/GPX/1/1; OGC 07-147r2 "KML 2.2", LineString.
"""

from __future__ import annotations

import csv as csv_module
import io
from collections.abc import AsyncIterator
from xml.sax.saxutils import escape

import msgspec

from dashboards.shapes import KMH_PER_KNOT, Position

Parts = AsyncIterator[list[Position]]
HEADINGS = (
    "id", "deviceId", "protocol", "serverTime", "deviceTime", "fixTime", "valid", "outdated", "latitude", "longitude", "altitude",
    "speed", "course", "accuracy", "address", "attributes", "speedKmh",
)  # fmt: skip


async def csv(parts: Parts) -> AsyncIterator[bytes]:
    """Traccar's columns, speed in knots among them, and the speed in km/h."""
    yield _lines([HEADINGS])
    async for part in parts:
        yield _lines(
            (
                p.id, p.device_id, p.protocol, p.server_time, p.device_time, p.fix_time, p.valid, p.outdated, p.latitude,
                p.longitude, p.altitude, p.speed, p.course, p.accuracy, p.address or "",
                msgspec.json.encode(p.attributes).decode(), round(p.speed * KMH_PER_KNOT, 2),
            )
            for p in part
        )  # fmt: skip


async def gpx(parts: Parts, name: str) -> AsyncIterator[bytes]:
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<gpx version="1.1" creator="telematics" xmlns="http://www.topografix.com/GPX/1/1">\n'
        f"<trk><name>{escape(name)}</name><trkseg>\n"
    ).encode()
    async for part in parts:
        yield "".join(
            f'<trkpt lat="{p.latitude}" lon="{p.longitude}"><ele>{p.altitude}</ele><time>{p.fix_time}</time></trkpt>\n'
            for p in part
            if _of_the_way(p)
        ).encode()
    yield b"</trkseg></trk>\n</gpx>\n"


async def kml(parts: Parts, name: str) -> AsyncIterator[bytes]:
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2">\n'
        f"<Document><name>{escape(name)}</name><Placemark><name>{escape(name)}</name>"
        "<LineString><tessellate>1</tessellate><coordinates>\n"
    ).encode()
    async for part in parts:
        yield "".join(f"{p.longitude},{p.latitude},{p.altitude}\n" for p in part if _of_the_way(p)).encode()
    yield b"</coordinates></LineString></Placemark></Document>\n</kml>\n"


def _of_the_way(position: Position) -> bool:
    return not position.outdated and "outlier" not in position.attributes


def _lines(rows: object) -> bytes:
    text = io.StringIO()
    csv_module.writer(text).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue().encode()
