"""Traccar's WKT both ways; GeoJSON, KML and WKT as people have them; files that mean harm."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telematics.zones import formats, shapes
from telematics.zones.formats import Draft, Refused

SQUARE = [[76.0, 43.0], [77.0, 43.0], [77.0, 44.0], [76.0, 44.0], [76.0, 43.0]]
HOLE = [[76.4, 43.4], [76.6, 43.4], [76.6, 43.6], [76.4, 43.4]]


@pytest.mark.parametrize(
    ("text", "kind", "geometry", "radius_m"),
    [
        pytest.param(
            "CIRCLE (55.75414 37.6204, 100)", "circle", {"type": "Point", "coordinates": [37.6204, 55.75414]}, 100.0, id="circle"
        ),
        pytest.param("circle(-1 -2,0.5)", "circle", {"type": "Point", "coordinates": [-2.0, -1.0]}, 0.5, id="written close"),
        pytest.param(
            "POLYGON ((43 76, 43 77, 44 77, 44 76, 43 76), (43.4 76.4, 43.4 76.6, 43.6 76.6, 43.4 76.4))",
            "polygon",
            {"type": "Polygon", "coordinates": [SQUARE, HOLE]},
            None,
            id="polygon with a hole",
        ),
        pytest.param(
            "LINESTRING (43 76, 43.5 76.5, 1e1 +.5)",
            "corridor",
            {"type": "LineString", "coordinates": [[76.0, 43.0], [76.5, 43.5], [0.5, 10.0]]},
            None,
            id="line, numbers as people write them",
        ),
        pytest.param(
            "MULTIPOLYGON (((43 76, 43 77, 44 77, 44 76, 43 76)), ((0 0, 0 1, 1 1)))",
            "polygon",
            {"type": "MultiPolygon", "coordinates": [[SQUARE], [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]]]},
            None,
            id="several",
        ),
    ],
)
def test_traccar_s_wkt_is_latitude_first(text: str, kind: str, geometry: dict[str, Any], radius_m: float | None) -> None:
    assert formats.read_area(text) == (kind, geometry, radius_m)
    assert formats.read_area(formats.area_of(geometry, radius_m)) == (kind, geometry, radius_m)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "POINT (1 2)",
        "CIRCLE",
        "CIRCLE (1 2)",
        "CIRCLE (1 2, 3 4)",
        "CIRCLE (1 2 3, 4)",
        "CIRCLE (x y, z)",
        "CIRCLE (1 nan, 3)",
        "POLYGON ((1 2, 3 4)",
        "POLYGON (1 2, 3 4))",
        "LINESTRING (1;2)",
        "POLYGON " + "(" * 9_000 + ")" * 9_000,
        'POLYGON (("1" 2))',
    ],
)
def test_what_is_no_area_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|brackets or numbers"):
        formats.read_area(text)


COORDINATES = st.tuples(st.floats(-180, 180), st.floats(-85, 85)).map(lambda place: [round(number, 7) for number in place])


@settings(max_examples=60, deadline=None)
@given(st.lists(COORDINATES, min_size=3, max_size=8), st.floats(1, 500_000).map(lambda radius: round(radius, 3)))
def test_what_is_written_is_read_again(places: list[list[float]], radius_m: float) -> None:
    line = {"type": "LineString", "coordinates": places}
    ring = {"type": "Polygon", "coordinates": [[*places, places[0]]]}
    circle = {"type": "Point", "coordinates": places[0]}
    assert formats.read_area(formats.area_of(line, None)) == ("corridor", line, None)
    assert formats.read_area(formats.area_of(ring, None)) == ("polygon", ring, None)
    assert formats.read_area(formats.area_of(circle, radius_m)) == ("circle", circle, radius_m)


KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"><Document><name>Fleet</name><Folder>
<Placemark><name> Depot </name><description>By the river</description><Polygon><outerBoundaryIs><LinearRing><coordinates>
 76,43,0 77,43,0 77,44,0 76,44,0 76,43,0 </coordinates></LinearRing></outerBoundaryIs><innerBoundaryIs><LinearRing><coordinates>
 76.4,43.4 76.6,43.4 76.6,43.6 76.4,43.4</coordinates></LinearRing></innerBoundaryIs></Polygon></Placemark>
<Placemark><name>Road</name><LineString><coordinates>76,43 76.5,43.5</coordinates></LineString></Placemark>
<Placemark><name>Gate</name><Point><coordinates>76.9, 43.2, 700</coordinates></Point></Placemark>
<Placemark><name>Yards</name><MultiGeometry>
 <Polygon><outerBoundaryIs><LinearRing><coordinates>1,1 2,1 2,2 1,1</coordinates></LinearRing></outerBoundaryIs></Polygon>
 <Polygon><outerBoundaryIs><LinearRing><coordinates>5,5 6,5 6,6 5,5</coordinates></LinearRing></outerBoundaryIs></Polygon>
 <Point><coordinates>3,3</coordinates></Point>
</MultiGeometry></Placemark>
<Placemark><name>Model</name><Model/></Placemark>
<Placemark><name>Words</name><Point><coordinates>here,there</coordinates></Point></Placemark>
</Folder></Document></kml>"""

FEATURES = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"Name": "Depot", "description": "By the river", "color": "#2f7de1", "group": "Depots"},
            "geometry": {"type": "Polygon", "coordinates": [SQUARE, HOLE]},
        },
        {
            "type": "Feature",
            "properties": {"title": "Gate", "radius": 30},
            "geometry": {"type": "Point", "coordinates": [76.9, 43.2]},
        },
        {
            "type": "Feature",
            "id": "r1",
            "properties": {},
            "geometry": {"type": "LineString", "coordinates": [[76, 43], [76.5, 43.5]]},
        },
        {
            "type": "Feature",
            "properties": {"name": "Both"},
            "geometry": {
                "type": "GeometryCollection",
                "geometries": [{"type": "Point", "coordinates": [1, 2]}, {"type": "Point", "coordinates": [3, 4]}],
            },
        },
        {
            "type": "Feature",
            "properties": {"name": "Roads"},
            "geometry": {"type": "MultiLineString", "coordinates": [[[1, 1], [2, 2]]] * 2},
        },
        {"type": "Feature", "properties": {"name": "Lost"}, "geometry": None},
        {"type": "Feature", "properties": None, "geometry": {"type": "Circle"}},
        7,
    ],
}

WKT = """SRID=4326;POLYGON ((76 43, 77 43, 77 44, 76 44, 76 43))
POINT Z (76.9 43.2 700)
LINESTRING (76 43, 76.5 43.5);
MULTIPOINT ((1 2), (3 4))
CIRCLE (43.2 76.9, 300)
SRID=3857;POINT (8500000 5300000)
CURVEPOLYGON (CIRCULARSTRING (0 0, 4 0, 4 4, 0 4, 0 0))
"""
LINE_NOTE, POINT_NOTE = "a line, made a corridor 50 m wide", "a point, made a circle of 100 m"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        pytest.param(
            KML,
            [
                Draft("Depot", "polygon", {"type": "Polygon", "coordinates": [SQUARE, HOLE]}, description="By the river"),
                Draft(
                    "Road",
                    "corridor",
                    {"type": "LineString", "coordinates": [[76, 43], [76.5, 43.5]]},
                    width_m=50,
                    note=LINE_NOTE,
                ),
                Draft("Gate", "circle", {"type": "Point", "coordinates": [76.9, 43.2]}, radius_m=100, note=POINT_NOTE),
                Draft(
                    "Yards",
                    "polygon",
                    {
                        "type": "MultiPolygon",
                        "coordinates": [[[[1, 1], [2, 1], [2, 2], [1, 1]]], [[[5, 5], [6, 5], [6, 6], [5, 5]]]],
                    },
                ),
                Draft("Yards", "circle", {"type": "Point", "coordinates": [3, 3]}, radius_m=100, note=POINT_NOTE),
                Refused("Model", "it has no Polygon, LineString or Point"),
                Refused("Words", "its coordinates aren't numbers: longitude,latitude longitude,latitude …"),
            ],
            id="KML",
        ),
        pytest.param(
            json.dumps(FEATURES),
            [
                Draft(
                    "Depot",
                    "polygon",
                    {"type": "Polygon", "coordinates": [SQUARE, HOLE]},
                    description="By the river",
                    color="#2f7de1",
                    group="Depots",
                ),
                Draft("Gate", "circle", {"type": "Point", "coordinates": [76.9, 43.2]}, radius_m=30),
                Draft(
                    "r1", "corridor", {"type": "LineString", "coordinates": [[76, 43], [76.5, 43.5]]}, width_m=50, note=LINE_NOTE
                ),
                Draft("Both", "circle", {"type": "Point", "coordinates": [1, 2]}, radius_m=100, note=POINT_NOTE),
                Draft("Both", "circle", {"type": "Point", "coordinates": [3, 4]}, radius_m=100, note=POINT_NOTE),
                Draft("Roads 1", "corridor", {"type": "LineString", "coordinates": [[1, 1], [2, 2]]}, width_m=50, note=LINE_NOTE),
                Draft("Roads 2", "corridor", {"type": "LineString", "coordinates": [[1, 1], [2, 2]]}, width_m=50, note=LINE_NOTE),
                Refused("Lost", "it has no geometry"),
                Refused("Zone 9", "'Circle' has no area that could be a zone; draw a polygon, a line or a point"),
                Refused("Zone 10", "this isn't a GeoJSON object"),
            ],
            id="GeoJSON",
        ),
        pytest.param(
            '\ufeff{"type":"Point","coordinates":[1,2]}',
            [Draft("Zone 1", "circle", {"type": "Point", "coordinates": [1, 2]}, radius_m=100, note=POINT_NOTE)],
            id="a lone geometry, with a mark of its byte order",
        ),
        pytest.param(
            WKT,
            [
                Draft("Zone 1", "polygon", {"type": "Polygon", "coordinates": [SQUARE]}),
                Draft("Zone 2", "circle", {"type": "Point", "coordinates": [76.9, 43.2, 700]}, radius_m=100, note=POINT_NOTE),
                Draft(
                    "Zone 3",
                    "corridor",
                    {"type": "LineString", "coordinates": [[76, 43], [76.5, 43.5]]},
                    width_m=50,
                    note=LINE_NOTE,
                ),
                Draft("Zone 4 1", "circle", {"type": "Point", "coordinates": [1, 2]}, radius_m=100, note=POINT_NOTE),
                Draft("Zone 4 2", "circle", {"type": "Point", "coordinates": [3, 4]}, radius_m=100, note=POINT_NOTE),
                Draft("Zone 5", "circle", {"type": "Point", "coordinates": [76.9, 43.2]}, radius_m=300),
                Refused("Zone 6", "its coordinates aren't longitude and latitude (SRID 3857); save it as WGS 84 (SRID 4326)"),
                Refused("Zone 7", "its brackets or numbers can't be read"),
            ],
            id="WKT, longitude first, but for Traccar's circle",
        ),
    ],
)
def test_a_file_is_told_by_its_content(data: str, found: list[Any]) -> None:
    assert formats.read(data.encode()) == found


def test_kml_in_another_encoding() -> None:
    text = KML.replace("UTF-8", "UTF-16").replace("Depot", "База «Север»")
    assert formats.read(text.encode("utf-16"))[0].name == "База «Север»"


LAUGHS = '<!DOCTYPE lolz [<!ENTITY a "lol">' + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(f"{LAUGHS}]><kml><Placemark><name>&j;</name></Placemark></kml>", "entities", id="a billion laughs"),
        pytest.param('<!DOCTYPE k SYSTEM "http://127.0.0.1/x"><kml/>', "document type", id="a document type elsewhere"),
        pytest.param('<!DOCTYPE k [<!ENTITY x SYSTEM "file:///etc/passwd">]><kml>&x;</kml>', "entities", id="somebody's file"),
        pytest.param("<kml>" + "<a>" * 300_000, "isn't XML", id="deep and never ending"),
        pytest.param("<kml>" + "<a/>" * 200_001 + "</kml>", "elements", id="very many"),
        pytest.param("<gpx></gpx>", "not KML", id="GPX"),
        pytest.param("<kml", "isn't XML", id="cut off"),
        pytest.param('<?xml version="1.0" encoding="nonsense"?><kml/>', "isn't XML", id="no such encoding"),
        pytest.param("[" * 500_000, "isn't JSON", id="brackets"),
        pytest.param('{"type":"Point","coordinates":[1,2]', "isn't JSON", id="JSON cut off"),
        pytest.param(
            '{"type":"Point","crs":{"properties":{"name":"EPSG:3857"}},"coordinates":[1,2]}', "WGS 84", id="another projection"
        ),
        pytest.param("[" + "7," * 2_000 + "7]", "2000 zones", id="2,001 items"),
        pytest.param(json.dumps({"type": "LineString", "coordinates": [[1, 1]] * 50_001}), "50000 points", id="50,001 points"),
        pytest.param("POINT (1 2)" * 2_001, "2000 zones", id="2,001 points"),
        pytest.param("x" * 1_048_577, "at most 1 MiB", id="a byte too much"),
        pytest.param("", "isn't GeoJSON, KML or WKT", id="nothing"),
        pytest.param("name;area\nDepot;POINT (1 2)", "isn't GeoJSON, KML or WKT", id="a table"),
        pytest.param("\x00\x01", "isn't GeoJSON, KML or WKT", id="bytes"),
    ],
)
def test_files_that_mean_harm_cost_little(data: str, why: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match=why):
        formats.read(data.encode())
    assert time.process_time() - began < 5


DEEP = "<Polygon><outerBoundaryIs>", "</outerBoundaryIs></Polygon>"
RING = "<LinearRing><coordinates>1,2 3,4 5,6</coordinates></LinearRing>"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("<kml>" + "<Placemark>" * 40_000 + "</Placemark>" * 40_000 + "</kml>", id="placemarks within placemarks"),
        pytest.param(
            f"<kml><Placemark>{DEEP[0] * 12_000}{RING}{DEEP[1] * 12_000}</Placemark></kml>", id="polygons within polygons"
        ),
        pytest.param(
            f"<kml><Placemark><Point><coordinates>{' ' * 900_000}x</coordinates></Point></Placemark></kml>", id="spaces in KML"
        ),
        pytest.param(f"POINT{' ' * 500_000}({'x' * 400_000}", id="spaces in WKT"),
    ],
)
def test_what_is_within_itself_or_nearly_empty_costs_little(data: str) -> None:
    """Work that grows with the square of a megabyte: some seconds of it before, hours for the spaces."""
    began = time.process_time()
    (item,) = formats.read(data.encode())
    assert isinstance(item, Refused)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "coordinates",
    [None, 7, "x", [], [[]], [[[]]], [[[[[[1]]]]]], [None], [[[1]]], [[[1, "x"]]], [[[1, None], [2, 2], [3, 3]]]],
)
def test_any_coordinates_are_a_zone_or_refused(coordinates: Any) -> None:
    for kind in ("Point", "LineString", "Polygon", "MultiPolygon", "MultiPoint", "MultiLineString"):
        try:
            items = formats.read(json.dumps({"type": kind, "coordinates": coordinates}).encode())
        except ValueError:
            continue
        for item in items:
            if isinstance(item, Draft):
                with pytest.raises(ValueError):  # noqa: PT011
                    shapes.outline(item.kind, item.geometry, item.radius_m, item.width_m)


def test_names_are_made_fit_to_store() -> None:
    (item,) = formats.read(json.dumps({"type": "Feature", "properties": {"name": "a\0b" + "c" * 500}, "geometry": {}}).encode())
    assert item.name == "a b" + "c" * 125
