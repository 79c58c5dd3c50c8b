"""Zones: Traccar's geofences through the API, drawn, changed, imported, linked, and refused with a reason."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from geographiclib.geodesic import Geodesic

from dashboards.api import geofences
from tests.api.conftest import World, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

CIRCLE = "CIRCLE (43.2389 76.8897, 300)"
SQUARE = [[76.0, 43.0], [77.0, 43.0], [77.0, 44.0], [76.0, 44.0], [76.0, 43.0]]
HOLE = [[76.4, 43.4], [76.6, 43.4], [76.6, 43.6], [76.4, 43.6], [76.4, 43.4]]


async def made(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await client.post("/api/geofences", json={"name": "Depot", "area": CIRCLE, **more})
    assert answer.status_code == 200, answer.text
    zone: dict[str, Any] = answer.json()
    return zone


async def test_as_traccar_s_clients_do_it(world: World) -> None:
    """A name, an area and a description; then a permission."""
    async with world.signed_in("anna") as anna:
        body = {"name": " Depot ", "area": CIRCLE, "description": "By the river", "calendarId": 0, "attributes": {"key": 1}}
        answer = await anna.post("/api/geofences", json=body)
        assert answer.status_code == 200, answer.text
        zone = answer.json()
        assert zone == {
            "id": zone["id"],
            "name": "Depot",
            "description": "By the river",
            "area": CIRCLE,
            "calendarId": 0,
            "attributes": {"key": 1},
            "accountId": world.ids["Anna Ltd"],
            "kind": "circle",
            "geometry": {"type": "Point", "coordinates": [76.8897, 43.2389]},
            "radius": 300.0,
            "width": None,
            "color": None,
            "group": "",
            "allDevices": False,
            "deviceIds": [],
            "groupIds": [],
            "enabled": True,
            "hours": None,
            "border": 15.0,
            "confirmFixes": 2,
            "confirmSeconds": 120.0,
            "dwellSeconds": None,
            "backBy": None,
            "speedLimit": None,
            "passes": True,
        }
        link = {"deviceId": world.ids["a1"], "geofenceId": zone["id"]}
        assert (await anna.post("/api/permissions", json=link)).status_code == 204
        path = f"/api/geofences/{zone['id']}"
        assert (await anna.get(path)).json()["deviceIds"] == [world.ids["a1"]]
        for device, seen in (("a1", [zone["id"]]), ("a2", [])):
            found = (await anna.get("/api/geofences", params={"deviceId": world.ids[device]})).json()
            assert [one["id"] for one in found] == seen

        moved = (await anna.put(path, json={**zone, "area": "CIRCLE (43.25 76.9, 500)", "deviceIds": None})).json()
        assert moved["geometry"] == {"type": "Point", "coordinates": [76.9, 43.25]}
        assert moved["radius"] == 500
        assert moved["deviceIds"] == [world.ids["a1"]]
        assert (await anna.request("DELETE", "/api/permissions", json=link)).status_code == 204
        assert (await anna.get(path)).json()["deviceIds"] == []
        assert (await anna.delete(path)).status_code == 204
        assert (await anna.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        pytest.param(
            {"area": "POLYGON ((43 76, 43 77, 44 77, 44 76, 43 76), (43.4 76.4, 43.4 76.6, 43.6 76.6, 43.6 76.4, 43.4 76.4))"},
            {"kind": "polygon", "geometry": {"type": "Polygon", "coordinates": [SQUARE, HOLE]}, "radius": None, "width": None},
            id="polygon with a hole, as WKT",
        ),
        pytest.param(
            {"geometry": {"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [[[10, 50], [11, 50], [11, 51]]]]}},
            {
                "kind": "polygon",
                "geometry": {
                    "type": "MultiPolygon",
                    "coordinates": [[SQUARE, HOLE], [[[10.0, 50.0], [11.0, 50.0], [11.0, 51.0], [10.0, 50.0]]]],
                },
                "area": "MULTIPOLYGON (((43 76, 43 77, 44 77, 44 76, 43 76), (43.4 76.4, 43.4 76.6, 43.6 76.6, 43.6 76.4,"
                " 43.4 76.4)), ((50 10, 50 11, 51 11, 50 10)))",
            },
            id="several polygons, as GeoJSON",
        ),
        pytest.param(
            {"area": "LINESTRING (43 76, 43.5 76.5)", "attributes": {"polylineDistance": 40}},
            {"kind": "corridor", "width": 80.0, "attributes": {"polylineDistance": 40.0}, "radius": None},
            id="corridor, Traccar's half width",
        ),
        pytest.param(
            {"area": "LINESTRING (43 76, 43.5 76.5)"},
            {"kind": "corridor", "width": 50.0, "attributes": {"polylineDistance": 25.0}},
            id="corridor, nothing said: 25 m on each side as in Traccar",
        ),
        pytest.param(
            {"geometry": {"type": "LineString", "coordinates": [[76, 43], [76.5, 43.5]]}, "width": 120},
            {"kind": "corridor", "width": 120.0, "area": "LINESTRING (43 76, 43.5 76.5)"},
            id="corridor, ours",
        ),
        pytest.param(
            {"geometry": {"type": "Point", "coordinates": [76, 43, 700]}, "radius": 50.5},
            {"kind": "circle", "area": "CIRCLE (43 76, 50.5)", "geometry": {"type": "Point", "coordinates": [76.0, 43.0]}},
            id="circle, ours, with a height that is nothing to us",
        ),
        pytest.param(
            {
                "area": CIRCLE,
                "color": "#2f7de1",
                "group": " Depots ",
                "enabled": False,
                "border": 0,
                "confirmFixes": 3,
                "confirmSeconds": 0,
                "dwellSeconds": 600,
                "backBy": "18:00",
                "speedLimit": 20.5,
                "passes": False,
                "allDevices": True,
                "hours": [{"days": ["tue", "mon"], "from": "20:00", "to": "06:00"}],
            },
            {
                "color": "#2f7de1",
                "attributes": {"color": "#2f7de1"},
                "group": "Depots",
                "enabled": False,
                "border": 0.0,
                "confirmFixes": 3,
                "confirmSeconds": 0.0,
                "dwellSeconds": 600.0,
                "backBy": "18:00",
                "speedLimit": 20.5,
                "passes": False,
                "allDevices": True,
                "hours": [{"days": ["mon", "tue"], "from": "20:00", "to": "06:00"}],
            },
            id="all that is ours",
        ),
    ],
)
async def test_every_kind_is_stored_whole(world: World, given: dict[str, Any], stored: dict[str, Any]) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/geofences", json={"name": "Zone", **given})
        assert answer.status_code == 200, answer.text
        zone = answer.json()
        assert {key: zone[key] for key in stored} == stored
        path = f"/api/geofences/{zone['id']}"
        assert (await anna.get(path)).json() == zone
        assert (await anna.put(path, json=zone)).json() == zone, "what is sent back unchanged is unchanged"
        emptied = dict.fromkeys(("hours", "dwellSeconds", "backBy", "speedLimit", "color", "description"))
        again = (await anna.put(path, json={**emptied, "attributes": {}})).json()
        assert {key: again[key] for key in emptied} == emptied


async def test_what_differs_is_what_was_changed(world: World) -> None:
    async with world.signed_in("anna") as anna:
        line = {"type": "LineString", "coordinates": [[76.0, 43.0], [76.5, 43.5]]}
        zone = await made(anna, area=None, geometry=line, width=100, color="#111111")
        path = f"/api/geofences/{zone['id']}"

        async def put(**change: Any) -> dict[str, Any]:
            answer = await anna.put(path, json={**zone, **change})
            assert answer.status_code == 200, answer.text
            saved: dict[str, Any] = answer.json()
            return saved

        assert (await put(width=200))["attributes"]["polylineDistance"] == 100
        assert (await put(width=200, attributes={**zone["attributes"], "polylineDistance": 30}))["width"] == 60
        assert (await put(attributes={"color": "#222222"}))["color"] == "#222222"
        assert (await put(area="LINESTRING (50 70, 51 71)"))["geometry"]["coordinates"] == [[70.0, 50.0], [71.0, 51.0]]
        circle = await put(geometry={"type": "Point", "coordinates": [1, 2]}, radius=5)
        assert (circle["kind"], circle["area"], circle["width"]) == ("circle", "CIRCLE (2 1, 5)", None)
        assert (await anna.put(path, json={"radius": 70})).json()["area"] == "CIRCLE (2 1, 70)"
        assert (await anna.put(path, json={"name": "Other"})).json()["radius"] == 70


async def test_outlines_are_of_the_ellipsoid(world: World) -> None:
    async with world.signed_in("anna") as anna:
        zone = await made(anna, area="CIRCLE (60 30, 1000)")
        assert "outline" not in (await anna.get(f"/api/geofences/{zone['id']}")).json()
        (found,) = (await anna.get("/api/geofences", params={"id": zone["id"], "outline": True})).json()
        assert found["outline"]["type"] == "Polygon"
        (ring,) = found["outline"]["coordinates"]
        distances = [Geodesic.WGS84.Inverse(60, 30, latitude, longitude)["s12"] for longitude, latitude in ring]
        assert min(distances) > 998
        assert max(distances) < 1002
        moved = await anna.put(f"/api/geofences/{zone['id']}", json={"area": "CIRCLE (60 31, 10)"})
        assert moved.status_code == 200
        (found,) = (await anna.get("/api/geofences", params={"id": zone["id"], "outline": True})).json()
        assert all(30.99 < longitude < 31.01 for longitude, _ in found["outline"]["coordinates"][0])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "area"),
        ({"area": ""}, "CIRCLE (lat lon, metres)"),
        ({"area": "CIRCLE (43 76)"}, "CIRCLE (lat lon, metres)"),
        ({"area": "CIRCLE (nan 76, 100)"}, "numbers"),
        ({"area": "CIRCLE (43 76, 0)"}, "radius"),
        ({"area": "CIRCLE (43 76, 9e99)"}, "radius"),
        ({"area": "CIRCLE (88 76, 100)"}, "85"),
        ({"area": "POLYGON ((43 76, 44 77))"}, "three"),
        ({"area": "POLYGON ((43 76, 43 76, 43 76, 43 76))"}, "three"),
        ({"area": "POLYGON ((0 0, 0 1, 0 2))"}, "no area"),
        ({"area": "POLYGON " + "(" * 5000 + ")" * 5000}, "area"),
        ({"area": "LINESTRING (43 76)"}, "two"),
        ({"area": "POINT (43 76)"}, "CIRCLE (lat lon, metres)"),
        ({"geometry": {"type": "Point", "coordinates": [76, 43]}}, "radius"),
        ({"geometry": {"type": "Point", "coordinates": ["76", 43]}, "radius": 5}, "longitude"),
        ({"geometry": {"type": "Point", "coordinates": [43, 176]}, "radius": 5}, "in this order"),
        ({"geometry": {"type": "Point"}, "radius": 5}, "longitude"),
        ({"geometry": {"type": "Circle", "coordinates": [1, 2]}}, "LineString"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]] * 2000]}}, "2000"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[[0]]]]}}, "longitude"),
        ({"geometry": {"type": "Polygon", "coordinates": None}}, "coordinates"),
        ({"geometry": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, "width": 0.1}, "width"),
        ({"area": CIRCLE, "name": ""}, "name"),
        ({"area": CIRCLE, "backBy": "25:00"}, "backBy"),
        ({"area": CIRCLE, "border": -1}, "border"),
        ({"area": CIRCLE, "confirmFixes": 0}, "confirmFixes"),
        ({"area": CIRCLE, "speedLimit": 0}, "speedLimit"),
        ({"area": CIRCLE, "hours": [{"days": ["x"], "from": "1", "to": "2"}]}, "days are some of"),
        ({"area": CIRCLE, "attributes": {"polylineDistance": "wide"}}, "polylineDistance"),
        ({"area": CIRCLE, "color": "#\u0000"}, "color"),
        ({"area": CIRCLE, "deviceIds": [0]}, "deviceIds"),
    ],
)
async def test_what_cant_be_a_zone_is_refused_with_advice(world: World, body: dict[str, Any], says: str) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/geofences", json={"name": "x", **body})
        assert answer.status_code == 400, answer.text
        assert says in answer.json()["detail"], answer.text


async def test_only_ones_own(world: World) -> None:
    ids = world.ids
    async with (
        world.signed_in("anna") as anna,
        world.signed_in("boris") as boris,
        world.signed_in("rita") as rita,
        world.signed_in("admin") as admin,
    ):
        hers, his = await made(anna), await made(boris)
        group = (await anna.post("/api/groups", json={"name": "hers"})).json()["id"]
        mine = f"/api/geofences/{his['id']}"
        for answer in (
            await boris.get(f"/api/geofences/{hers['id']}"),
            await boris.put(f"/api/geofences/{hers['id']}", json={"name": "x"}),
            await boris.delete(f"/api/geofences/{hers['id']}"),
            await boris.put(mine, json={"deviceIds": [ids["a1"]]}),
            await boris.put(mine, json={"groupIds": [group]}),
            await boris.put(mine, json={"calendarId": 10**9}),
            await boris.post("/api/geofences", json={"name": "x", "area": CIRCLE, "accountId": ids["Anna Ltd"]}),
            await boris.post("/api/geofences/import", params={"accountId": ids["Anna Ltd"]}, content=b"POINT (1 2)"),
            await admin.put(mine, json={"deviceIds": [ids["a1"]]}),
            await admin.post("/api/geofences", json={"name": "x", "area": CIRCLE, "accountId": 10**9}),
        ):
            assert answer.status_code == 404, answer.text
        assert [zone["id"] for zone in (await boris.get("/api/geofences")).json()] == [his["id"]]
        assert (await boris.get("/api/geofences", params={"deviceId": ids["a1"]})).json() == []
        assert (await boris.get("/api/geofences", params={"id": hers["id"]})).json() == []
        features = (await boris.get("/api/geofences/geojson")).json()["features"]
        assert [one["id"] for one in features] == [his["id"]]
        assert (await rita.get(f"/api/geofences/{hers['id']}")).status_code == 200
        for answer in (
            await rita.post("/api/geofences", json={"name": "x", "area": CIRCLE}),
            await rita.put(f"/api/geofences/{hers['id']}", json={"name": "x"}),
            await rita.delete(f"/api/geofences/{hers['id']}"),
            await rita.post("/api/geofences/import", content=b"POINT (1 2)"),
        ):
            assert answer.status_code == 403
        for_boris = await admin.post("/api/geofences", json={"name": "his", "area": CIRCLE, "accountId": ids["Boris Ltd"]})
        assert for_boris.json()["accountId"] == ids["Boris Ltd"]
        assert len((await admin.get("/api/geofences")).json()) > 2
        await boris.delete(mine)
        await boris.delete(f"/api/geofences/{for_boris.json()['id']}")


async def test_a_list_comes_in_pages(world: World) -> None:
    async with world.signed_in("boris") as boris:
        made_now = await asyncio.gather(*(made(boris, name=f"Zone {number}") for number in range(5)))
        first = await boris.get("/api/geofences", params={"limit": 2})
        assert first.headers["X-Total-Count"] == "5"
        assert "offset=2" in first.headers["Link"]
        rest = await boris.get("/api/geofences", params={"limit": 10, "offset": 2})
        assert sorted(zone["id"] for zone in first.json() + rest.json()) == sorted(zone["id"] for zone in made_now)
        for zone in made_now:
            await boris.delete(f"/api/geofences/{zone['id']}")


async def test_zones_for_groups_and_those_within(world: World) -> None:
    async with world.signed_in("anna") as anna:
        upper = (await anna.post("/api/groups", json={"name": "upper"})).json()["id"]
        lower = (await anna.post("/api/groups", json={"name": "lower", "groupId": upper})).json()["id"]
        van = await world.tracker()
        await anna.put(f"/api/devices/{van.id}", json={"groupId": lower})
        of_upper = await made(anna, groupIds=[upper])
        of_all = await made(anna, allDevices=True)
        of_another = await made(anna, deviceIds=[world.ids["a2"]])
        for query in ({"deviceId": van.id}, {"groupId": lower}, {"groupId": upper}):
            found = {zone["id"] for zone in (await anna.get("/api/geofences", params=query)).json()}
            assert {of_upper["id"], of_all["id"]} <= found
            assert of_another["id"] not in found
            assert int((await anna.get("/api/geofences", params=query)).headers["X-Total-Count"]) == len(found)


async def test_a_calendar_is_named_and_kept(world: World) -> None:
    event = "BEGIN:VEVENT\nDTSTART:20260105T090000\nDTEND:20260105T180000\nEND:VEVENT"
    async with world.signed_in("anna") as anna:
        data = base64.b64encode(event.encode()).decode()
        calendar = (await anna.post("/api/calendars", json={"name": "Day", "data": data})).json()["id"]
        zone = await made(anna, name="Yard", calendarId=calendar)
        assert zone["calendarId"] == calendar
        answer = await anna.delete(f"/api/calendars/{calendar}")
        assert answer.status_code == 409
        assert "the zone “Yard”" in answer.json()["detail"]
        assert (await anna.put(f"/api/geofences/{zone['id']}", json={"calendarId": 0})).json()["calendarId"] == 0
        assert (await anna.delete(f"/api/calendars/{calendar}")).status_code == 204


FILE = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [SQUARE]}, "properties": {"name": "Square"}},
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [76, 43]},
            "properties": {"title": "Gate", "radius": 30},
        },
        {"type": "Feature", "geometry": {"type": "LineString", "coordinates": [[76, 43], [77, 43]]}, "properties": None},
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, "properties": {"name": "Bad"}},
        {"type": "Feature", "geometry": None, "properties": {"name": "Nowhere"}},
    ],
}


async def test_a_file_is_looked_at_and_then_stored(world: World) -> None:
    async with world.signed_in("boris") as boris:
        content = json.dumps(FILE).encode()
        headers = {"Content-Type": "application/octet-stream"}
        found = (await boris.post("/api/geofences/import", content=content, headers=headers)).json()
        assert [(one["name"], one["kind"], one["radius"], one["width"]) for one in found["geofences"]] == [
            ("Square", "polygon", None, None),
            ("Gate", "circle", 30.0, None),
            ("Zone 3", "corridor", None, 50.0),
        ]
        assert found["geofences"][2]["note"] == "a line, made a corridor 50 m wide"
        assert {one["name"]: one["reason"] for one in found["refused"]} == {
            "Nowhere": "it has no geometry",
            "Bad": "a polygon's ring has at least three different points.",
        }
        assert (await boris.get("/api/geofences")).json() == []
        saved = (
            await boris.post(
                "/api/geofences/import", params={"save": True, "group": "From a file", "allDevices": True}, content=content
            )
        ).json()
        zones = (await boris.get("/api/geofences")).json()
        assert saved["geofences"] == zones
        assert {(zone["group"], zone["allDevices"]) for zone in zones} == {("From a file", True)}

        exported = (await boris.get("/api/geofences/geojson")).content
        again = (await boris.post("/api/geofences/import", content=exported)).json()
        assert again["refused"] == []
        for draft, zone in zip(again["geofences"], zones, strict=True):
            for key in ("name", "kind", "geometry", "radius", "width", "color", "group", "area"):
                assert draft[key] == zone[key], key
        for zone in zones:
            await boris.delete(f"/api/geofences/{zone['id']}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\xff\xfe\x00",
        b"{",
        b"[" * 100_000,
        b"<kml",
        b"<gpx></gpx>",
        b'<!DOCTYPE lolz [<!ENTITY lol "lol">]><kml>&lol;</kml>',
        b"PK\x03\x04",
    ],
)
async def test_what_is_no_such_file_is_refused(world: World, content: bytes) -> None:
    async with world.signed_in("anna") as anna:
        answer = await anna.post("/api/geofences/import", content=content)
        assert answer.status_code == 400, answer.text
        assert answer.json()["detail"]


async def test_the_server_hears_of_a_zone(world: World) -> None:
    async with world.signed_in("anna") as anna:
        zone = await made(anna, allDevices=True)
        await eventually(lambda: world.server.zones.get(zone["id"]))
        await anna.delete(f"/api/geofences/{zone['id']}")


async def test_a_device_that_changes_hands_leaves_the_zones(world: World) -> None:
    """A zone that still named it could not be sent back whole."""
    async with world.signed_in("anna") as anna, world.signed_in("admin") as admin:
        van = await world.tracker()
        zone = await made(anna, deviceIds=[van.id, world.ids["a1"]])
        rule = (
            await anna.post("/api/notifications", json={"type": "geofenceEnter", "deviceIds": [van.id, world.ids["a1"]]})
        ).json()
        near = {"name": "Near", "deviceId": van.id, "toDeviceId": world.ids["a1"], "enter": 100}
        proximity = (await anna.post("/api/proximities", json=near)).json()["id"]
        moved = await admin.put(f"/api/devices/{van.id}", json={"accountId": world.ids["Boris Ltd"]})
        assert moved.status_code == 200, moved.text
        assert (await anna.get(f"/api/geofences/{zone['id']}")).json()["deviceIds"] == [world.ids["a1"]]
        assert (await anna.get(f"/api/notifications/{rule['id']}")).json()["deviceIds"] == [world.ids["a1"]]
        assert (await anna.get(f"/api/proximities/{proximity}")).status_code == 404


async def test_an_account_goes_with_its_zones_and_calendars(world: World) -> None:
    async with world.signed_in("admin") as admin:
        account = (await admin.post("/api/accounts", json={"name": "Short-lived"})).json()["id"]
        data = base64.b64encode(b"BEGIN:VEVENT\nDTSTART:20260105T090000\nEND:VEVENT").decode()
        calendar = (await admin.post("/api/calendars", json={"name": "x", "data": data, "accountId": account})).json()["id"]
        group = (await admin.post("/api/groups", json={"name": "x", "accountId": account})).json()["id"]
        zone = await made(admin, accountId=account, calendarId=calendar, groupIds=[group])
        assert (await admin.delete(f"/api/accounts/{account}")).status_code == 204
        assert (await admin.get(f"/api/geofences/{zone['id']}")).status_code == 404


async def test_an_accounts_zones_fit_into_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world.signed_in("boris") as boris:
        there = (await boris.get("/api/geofences")).json()
        circle = {"name": "x", "area": "CIRCLE (43 76, 100)"}
        made = [(await boris.post("/api/geofences", json=circle)).json()["id"] for _ in range(2)]
        first = f"/api/geofences/{made[0]}"
        monkeypatch.setattr(geofences, "MOST_BYTES", 1)
        for answer in (
            await boris.post("/api/geofences", json=circle),
            await boris.put(first, json={"area": "CIRCLE (43 76, 200)"}),
            await boris.put(first, json={"attributes": {"a": 1}}),
            await boris.post("/api/geofences/import?save=true", content=b"POINT (76 43)"),
        ):
            assert answer.status_code == 400
            assert "Simplify" in answer.json()["detail"]
        assert (await boris.put(first, json={"name": "y"})).status_code == 200
        monkeypatch.setattr(geofences, "MOST_TARGETS", 1 + sum(len(zone["deviceIds"] + zone["groupIds"]) for zone in there))
        for _ in range(2):  # what it has already is no more
            assert (await boris.put(first, json={"deviceIds": [world.ids["b1"]]})).status_code == 200
        answer = await boris.post("/api/permissions", json={"deviceId": world.ids["b1"], "geofenceId": made[1]})
        assert answer.status_code == 400
        assert "groups" in answer.json()["detail"]
