"""Zones as text: Traccar's WKT both ways, and files that people have: GeoJSON, KML and standard WKT.

Traccar writes latitude first, and circles: CIRCLE (lat lon, metres), POLYGON ((lat lon, …), (hole)), LINESTRING (lat lon, …).
Everybody else writes longitude first. Sources: Traccar, "Geofences" of its documentation and openapi.yaml; RFC 7946; OGC 06-103r4
(WKT); OGC 12-007r2 (KML 2.3). What a file holds is told by its content: names of files lie.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.etree.ElementTree import Element, ParseError  # for its types; what parses is defusedxml

import defusedxml.ElementTree
import msgspec
from defusedxml import DefusedXmlException

from telematics.zones import shapes

LARGEST_FILE_BYTES = 1024 * 1024  # as of any request
MOST_ITEMS = 2_000
MOST_POINTS = 50_000  # of a file: 30 s of work at most, done zone by zone
MOST_ELEMENTS = 200_000  # of KML
LONGEST_NAME, LONGEST_TEXT = 128, 512
DEFAULT_RADIUS_M, DEFAULT_WIDTH_M = 100.0, 50.0
LATITUDE_FIRST = "CIRCLE"

_SHAPE = re.compile(r"\s*([A-Z]+)\s*(?:(?:ZM|Z|M)\s*)?(\(.*\))\s*", re.IGNORECASE | re.DOTALL)  # each space has one place
_KEYWORD = re.compile(
    r"\b(?:SRID=(\d+);\s*)?((?:MULTI)?(?:POINT|LINESTRING|POLYGON)|GEOMETRYCOLLECTION|[A-Z]*CURVE[A-Z]*|CIRCLE)\b", re.I
)
_NUMBERS = re.compile(r"[^\s,()]+(?:\s+[^\s,()]+)*")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_NAMES = ("name", "title", "label", "id")


@dataclass(frozen=True, slots=True)
class Draft:
    """A zone as a file says it is."""

    name: str
    kind: str
    geometry: dict[str, Any]  # GeoJSON, not looked at yet
    radius_m: float | None = None
    width_m: float | None = None
    description: str | None = None
    color: str | None = None
    group: str = ""
    note: str | None = None  # what was assumed


@dataclass(frozen=True, slots=True)
class Refused:
    """What a file says that can't be a zone, and why."""

    name: str
    reason: str


Item = Draft | Refused


# Traccar's area


def area_of(geometry: Mapping[str, Any], radius_m: float | None) -> str:
    """A zone's geometry in Traccar's WKT, latitude first."""
    coordinates = geometry["coordinates"]
    match geometry["type"]:
        case "Point":
            return f"CIRCLE ({_turned(coordinates)}, {_number(radius_m or 0)})"
        case "LineString":
            return f"LINESTRING ({_line(coordinates)})"
        case "Polygon":
            return f"POLYGON ({_lines(coordinates)})"
        case _:
            return f"MULTIPOLYGON ({', '.join(f'({_lines(rings)})' for rings in coordinates)})"


def read_area(text: str) -> tuple[str, dict[str, Any], float | None]:
    """Kind, GeoJSON and radius of Traccar's WKT, latitude first. Raises ValueError that says how it is written."""
    found = _SHAPE.fullmatch(text)
    kinds = {"CIRCLE": "circle", "POLYGON": "polygon", "MULTIPOLYGON": "polygon", "LINESTRING": "corridor"}
    if not found or found[1].upper() not in kinds or len(text) > LARGEST_FILE_BYTES:
        raise ValueError("write CIRCLE (lat lon, metres), POLYGON ((lat lon, lat lon, lat lon)) or LINESTRING (lat lon, lat lon)")
    word = found[1].upper()
    if word == "CIRCLE":
        middle, radius_m = _circle(found[2])
        return "circle", {"type": "Point", "coordinates": middle}, radius_m
    kind = {"POLYGON": "Polygon", "MULTIPOLYGON": "MultiPolygon", "LINESTRING": "LineString"}[word]
    return kinds[word], {"type": kind, "coordinates": _swapped(_nested(found[2]))}, None


def _circle(text: str) -> tuple[list[float], float]:
    match _nested(text):
        case [[float(latitude), float(longitude)], [float(radius_m)]]:
            return [longitude, latitude], radius_m
    raise ValueError("write a circle as CIRCLE (lat lon, metres)")


def _turned(place: Sequence[float]) -> str:
    return f"{_number(place[1])} {_number(place[0])}"


def _line(places: Iterable[Sequence[float]]) -> str:
    return ", ".join(map(_turned, places))


def _lines(lines: Iterable[Iterable[Sequence[float]]]) -> str:
    return ", ".join(f"({_line(line)})" for line in lines)


def _number(value: float) -> str:
    return f"{value:.8f}".rstrip("0").rstrip(".")


def _nested(text: str) -> Any:
    """WKT's brackets as lists: "(1 2, 3 4)" is [[1, 2], [3, 4]]. Raises ValueError."""
    try:
        listed = _NUMBERS.sub(lambda found: str([float(number) for number in found[0].split()]), text)
        return msgspec.json.decode(listed.replace("(", "[").replace(")", "]"))
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors; nan and inf are no JSON
        raise ValueError("its brackets or numbers can't be read") from None


def _swapped(nested: Any) -> Any:
    if isinstance(nested, list) and len(nested) >= 2 and isinstance(nested[0], float):
        return [nested[1], nested[0]]
    return [_swapped(one) for one in nested] if isinstance(nested, list) else nested


# Files


def read(data: bytes) -> list[Item]:
    """The zones of a file, and what in it can't be one, in its order. Raises ValueError when it is no such file at all."""
    if len(data) > LARGEST_FILE_BYTES:
        raise ValueError(f"a file has at most {LARGEST_FILE_BYTES // 1024 // 1024} MiB; split it, or simplify its outlines")
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start in (b"{", b"["):
        items = _read_geojson(data)
    elif start == b"<" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        items = _read_kml(data)
    else:
        items = _read_wkt(data)
    return list(_bounded(items))


def _bounded(items: Iterator[Item]) -> Iterator[Item]:
    points = 0
    for number, item in enumerate(items, 1):
        points += _points(item.geometry.get("coordinates")) if isinstance(item, Draft) else 0
        if number > MOST_ITEMS or points > MOST_POINTS:
            raise ValueError(f"a file has at most {MOST_ITEMS} zones with {MOST_POINTS} points together; split it")
        yield _named(item, number)


def _named(item: Item, number: int) -> Item:
    name = _text(item.name, LONGEST_NAME) or f"Zone {number}"
    if isinstance(item, Refused):
        return replace(item, name=name)
    description = _text(item.description, LONGEST_TEXT) or None
    return replace(item, name=name, description=description, group=_text(item.group, LONGEST_NAME))


def _points(coordinates: object) -> int:
    """How many, without following what is nested deeper than any geometry."""
    level: list[Any] = [coordinates]
    for _ in range(5):
        inner = [one for part in level if isinstance(part, list) for one in part]
        if not any(isinstance(one, list) for one in inner):
            return max(len(level), 1)
        level = inner
    return MOST_POINTS + 1


def _text(value: object, longest: int) -> str:
    text = "".join(letter if ord(letter) >= 32 and ord(letter) != 127 else " " for letter in str(value or "")[: 4 * longest])
    return text.encode("utf-8", "ignore").decode().strip()[:longest].rstrip()


def _drafts(name: str, geometry: Mapping[str, Any], **said: Any) -> Iterator[Item]:
    """A geometry's zones: points become circles and lines corridors, each its own."""
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    match kind:
        case "Polygon" | "MultiPolygon":
            yield Draft(name, "polygon", {"type": kind, "coordinates": coordinates}, **said | {"radius_m": None, "width_m": None})
        case "Point":
            radius_m = said.get("radius_m")
            note = None if radius_m else f"a point, made a circle of {DEFAULT_RADIUS_M:g} m"
            circle = {"radius_m": radius_m or DEFAULT_RADIUS_M, "width_m": None, "note": note}
            yield Draft(name, "circle", {"type": kind, "coordinates": coordinates}, **said | circle)
        case "LineString":
            width_m = said.get("width_m")
            note = None if width_m else f"a line, made a corridor {DEFAULT_WIDTH_M:g} m wide"
            corridor = {"width_m": width_m or DEFAULT_WIDTH_M, "radius_m": None, "note": note}
            yield Draft(name, "corridor", {"type": kind, "coordinates": coordinates}, **said | corridor)
        case "MultiPoint" | "MultiLineString" if isinstance(coordinates, list):
            for number, one in enumerate(coordinates, 1):
                numbered = f"{name[: LONGEST_NAME - 6]} {number}" if name and len(coordinates) > 1 else name
                yield from _drafts(numbered, {"type": kind.removeprefix("Multi"), "coordinates": one}, **said)
        case _:
            yield Refused(name, f"{str(kind)[:40]!r} has no area that could be a zone; draw a polygon, a line or a point")


# GeoJSON


def _read_geojson(data: bytes) -> Iterator[Item]:
    try:
        top = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this looks like GeoJSON, but isn't JSON that can be read ({error})") from None
    for one in top if isinstance(top, list) else [top]:
        yield from _of_geojson(one, {}, levels=4)


def _of_geojson(one: Any, properties: Mapping[str, Any], levels: int) -> Iterator[Item]:
    if not isinstance(one, dict) or not levels:
        yield Refused(_name(properties), "this isn't a GeoJSON object")
        return
    if "crs" in one and not re.search(r"CRS84|4326", str(one["crs"])):
        raise ValueError("its coordinates aren't longitude and latitude (crs); save it anew as WGS 84 (EPSG:4326)")
    match one.get("type"):
        case "FeatureCollection" if isinstance(one.get("features"), list):
            for feature in one["features"]:
                yield from _of_geojson(feature, {}, levels - 1)
        case "Feature":
            known = one.get("properties")
            properties = {"id": one.get("id"), **known} if isinstance(known, dict) else {"id": one.get("id")}
            if one.get("geometry") is None:
                yield Refused(_name(properties), "it has no geometry")
            else:
                yield from _of_geojson(one["geometry"], properties, levels - 1)
        case "GeometryCollection" if isinstance(one.get("geometries"), list):
            for geometry in one["geometries"]:
                yield from _of_geojson(geometry, properties, levels - 1)
        case _:
            yield from _drafts(_name(properties), one, **_said(properties))


def _name(properties: Mapping[str, Any]) -> str:
    known = {str(key).lower(): value for key, value in properties.items()}
    return next((str(known[key]) for key in _NAMES if isinstance(known.get(key), str | int) and str(known[key]).strip()), "")


def _said(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What our own export says of a zone beside its place."""
    color, description = properties.get("color", properties.get("stroke")), properties.get("description")
    return {
        "radius_m": _metres(properties.get("radius")),
        "width_m": _metres(properties.get("width")),
        "description": description if isinstance(description, str) else None,
        "group": group if isinstance(group := properties.get("group"), str) else "",
        "color": color if isinstance(color, str) and _COLOR.fullmatch(color) else None,
    }


def _metres(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9 else None


# KML


def _read_kml(data: bytes) -> Iterator[Item]:
    try:
        root = defusedxml.ElementTree.fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise ValueError("this XML declares entities or a document type, which KML has none of; save it anew as KML") from None
    except (ParseError, ValueError, LookupError) as error:
        raise ValueError(f"this looks like KML, but isn't XML that can be read ({error})") from None
    if _tag(root) != "kml":
        raise ValueError(f"this is XML, but not KML (it begins with <{_tag(root)[:40]}>); save it as KML or GeoJSON")
    if sum(1 for _ in root.iter()) > MOST_ELEMENTS:
        raise ValueError(f"a KML file has at most {MOST_ELEMENTS} elements; split it")
    for placemark in _placemarks(root):
        yield from _of_placemark(placemark)


def _placemarks(root: Element) -> Iterator[Element]:
    """In their order. One within another is no KML, and would be read with each that it is in."""
    left = [root]
    while left:
        element = left.pop()
        if _tag(element) == "Placemark":
            yield element
        else:
            left += reversed(element)


def _of_placemark(placemark: Element) -> Iterator[Item]:
    said = {_tag(child): child.text or "" for child in placemark if _tag(child) in ("name", "description")}
    name = said.get("name", "")
    shapes_of: dict[str, list[Any]] = {"Polygon": [], "LineString": [], "Point": []}
    try:
        for element in placemark.iter():
            if _tag(element) in shapes_of:
                shapes_of[_tag(element)].append(_KML[_tag(element)](element))
    except ValueError as error:
        yield Refused(name, str(error))
        return
    found = {kind: coordinates for kind, coordinates in shapes_of.items() if coordinates}
    if not found:
        yield Refused(name, "it has no Polygon, LineString or Point")
    for kind, coordinates in found.items():
        several = {"type": f"Multi{kind}", "coordinates": coordinates}
        one = {"type": kind, "coordinates": coordinates[0]}
        yield from _drafts(name, one if len(coordinates) == 1 else several, description=said.get("description"))


def _kml_polygon(element: Element) -> list[list[list[float]]]:
    rings: dict[str, list[list[list[float]]]] = {"outerBoundaryIs": [], "innerBoundaryIs": []}
    for border in element:
        if _tag(border) in rings:
            rings[_tag(border)] += [_kml_places(ring) for ring in border if _tag(ring) == "LinearRing"]
    if len(rings["outerBoundaryIs"]) != 1:
        raise ValueError("a Polygon has one outerBoundaryIs")
    return rings["outerBoundaryIs"] + rings["innerBoundaryIs"]


def _kml_places(element: Element) -> list[list[float]]:
    text = " ".join(child.text or "" for child in element if _tag(child) == "coordinates")
    text = ",".join(part.strip() for part in text.split(","))  # people put spaces after commas
    try:
        return [[float(number) for number in place.split(",")[:2]] for place in text.split()]
    except ValueError:
        raise ValueError("its coordinates aren't numbers: longitude,latitude longitude,latitude …") from None


def _kml_point(element: Element) -> list[float]:
    places = _kml_places(element)
    if len(places) != 1:
        raise ValueError("a Point has one place")
    return places[0]


_KML: dict[str, Callable[[Element], Any]] = {"Polygon": _kml_polygon, "LineString": _kml_places, "Point": _kml_point}


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


# WKT


def _read_wkt(data: bytes) -> Iterator[Item]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("this isn't GeoJSON, KML or WKT; save it as one of these") from None
    starts = list(_KEYWORD.finditer(text[:LARGEST_FILE_BYTES]))
    if not starts or text[: starts[0].start()].strip():
        raise ValueError("this isn't GeoJSON, KML or WKT; save it as one of these")
    ends = [found.start() for found in starts[1:]] + [len(text)]
    for number, (found, end) in enumerate(zip(starts, ends, strict=True), 1):
        yield from _of_wkt(f"Zone {number}", found, text[found.start(2) : end].strip().rstrip(",;)" if number == 0 else ";"))


def _of_wkt(name: str, found: re.Match[str], text: str) -> Iterator[Item]:
    word = found[2].upper()
    if found[1] not in (None, "4326"):
        yield Refused(
            name, f"its coordinates aren't longitude and latitude (SRID {found[1][:10]}); save it as WGS 84 (SRID 4326)"
        )
        return
    try:
        if word == LATITUDE_FIRST:
            _, geometry, radius_m = read_area(text)
            yield from _drafts(name, geometry, radius_m=radius_m)
            return
        brackets = _SHAPE.fullmatch(text)
        if not brackets:
            raise ValueError("its brackets or numbers can't be read")
        yield from _drafts(name, {"type": _GEOJSON.get(word, word), "coordinates": _wkt_coordinates(word, _nested(brackets[2]))})
    except ValueError as error:
        yield Refused(name, str(error))


_GEOJSON = {kind.upper(): kind for kind in ("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon")}


def _wkt_coordinates(word: str, nested: Any) -> Any:
    """Points stand in brackets of their own in POINT, and may in MULTIPOINT."""
    if word == "POINT":
        return nested[0] if nested else nested
    if word == "MULTIPOINT":
        return [one[0] if one and isinstance(one[0], list) else one for one in nested]
    return nested


def checked(draft: Draft) -> tuple[Draft, shapes.Area]:
    """The draft with its geometry as it is stored, and its outline. Raises ValueError that says what to do. May take a second."""
    geometry = shapes.normal(draft.kind, draft.geometry)
    return replace(draft, geometry=geometry), shapes.outline(draft.kind, geometry, draft.radius_m, draft.width_m)
