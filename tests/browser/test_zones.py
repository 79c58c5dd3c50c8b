"""Zones are drawn on the real map with the mouse, changed, taken back, stored, and come from files."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.api.conftest import World
from tests.browser.conftest import PHONE, Visits
from tests.browser.test_access import faults

pytestmark = pytest.mark.asyncio(loop_scope="module")
SMALL = {"width": 1000, "height": 620}  # the map is drawn without a graphics card: each pixel takes its time
VIEW = json.dumps({"center": [76.9, 43.24], "zoom": 12})
KML = """<kml xmlns="http://www.opengis.net/kml/2.2"><Document>
<Placemark><name>Warehouse</name><Polygon><outerBoundaryIs><LinearRing><coordinates>
76.90,43.20 76.92,43.20 76.92,43.22 76.90,43.22 76.90,43.20</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>
<Placemark><name>Yard</name><Polygon><outerBoundaryIs><LinearRing><coordinates>
76.95,43.20 76.97,43.20 76.97,43.22 76.95,43.20</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>
<Placemark><name>Nowhere</name></Placemark></Document></kml>"""


@asynccontextmanager
async def zones_page(visits: Visits, name: str = "anna", **more: Any) -> AsyncIterator[Page]:
    """The page over Almaty, 14 m a pixel."""
    async with visits.signed_in(name, at="/account", **{"size": SMALL, **more}) as page:
        await page.evaluate(f"sessionStorage.setItem('map-view', {VIEW!r})")
        await page.goto("/zones")
        await expect(page.locator("#zone-list [data-id], #list-empty:visible").first).to_be_attached()
        yield page


async def stored(page: Page, name: str) -> dict[str, Any]:
    """The zone, as the API has it."""
    (found,) = [zone for zone in await (await page.request.get("/api/geofences")).json() if zone["name"] == name]
    return dict(found)


async def clicks(page: Page, *places: tuple[int, int]) -> None:
    """Like a hand: it comes from somewhere, and one click isn't a part of the next."""
    for x, y in places:
        await page.mouse.move(x - 6, y - 4)
        await page.mouse.move(x, y)
        await page.mouse.click(x, y)
        await page.wait_for_timeout(60)


async def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    await page.mouse.move(*start)
    await page.mouse.down()
    await page.mouse.move(*end, steps=12)  # the first of them only begins it
    await page.mouse.up()
    await page.wait_for_timeout(60)


async def add(page: Page, kind: str) -> None:
    await page.click("#add")
    await page.check(f"[name=kind][value={kind}]")
    await expect(page.locator("#draw-hint")).to_contain_text("Click where")


async def save(page: Page, name: str) -> None:
    await page.fill("[name=name]", name)
    await page.click("#form-save")
    await expect(page.locator("#zone-list [aria-current]")).to_contain_text(name)


async def test_a_circle_is_drawn_changed_and_there_after_a_reload(visits: Visits) -> None:
    async with zones_page(visits) as page:
        await add(page, "circle")
        await clicks(page, (700, 300), (760, 300))
        drawn = float(await page.input_value("#size"))
        assert drawn == pytest.approx(60 * 13.92, rel=0.02)  # m a pixel at zoom 12 and 43.24° north
        await drag(page, (760, 300), (790, 300))
        assert float(await page.input_value("#size")) == pytest.approx(drawn * 1.5, rel=0.02)
        await page.click("#draw-undo")
        await expect(page.locator("#size")).to_have_value(f"{drawn:g}")
        await drag(page, (700, 300), (600, 300))  # the area: all of it moves
        await expect(page.locator("#size")).to_have_value(f"{drawn:g}")
        await page.fill("#size", "500")
        await page.check("[data-for=dwell]")
        await page.fill("[name=dwell]", "45")
        await page.click("[data-preset=work]")
        await save(page, "Depot")
        zone = await stored(page, "Depot")
        assert (zone["kind"], zone["radius"], zone["dwellSeconds"], zone["allDevices"]) == ("circle", 500, 2700, True)
        assert zone["hours"] == [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "18:00"}]
        longitude, latitude = zone["geometry"]["coordinates"]
        assert longitude == pytest.approx(76.9 + (600 - 686) * 360 / 512 / 4096, abs=0.002)
        assert latitude == pytest.approx(43.24, abs=0.01)
        await page.reload()
        await page.click("#zone-list [data-id]:has-text('Depot')")
        await expect(page.locator("#card-facts")).to_contain_text("stays over 45 min")
        await page.click("#card-edit")
        await expect(page.locator("#size")).to_have_value("500")


async def test_a_polygon_with_a_hole_a_corner_moved_and_undone(visits: Visits) -> None:
    async with zones_page(visits) as page:
        await add(page, "polygon")
        await clicks(page, (480, 180), (800, 180), (800, 420), (520, 450))
        await page.keyboard.press("Control+z")  # the corner that went wrong
        await clicks(page, (480, 420))
        await page.click("#draw-finish")
        area = page.locator("#size-words")
        await expect(area).to_have_text(re.compile("Area .+ (ha|km²)"))
        before = await area.text_content()
        await drag(page, (800, 180), (860, 140))
        await expect(area).not_to_have_text(before or "")
        await page.keyboard.press("Control+z")
        await expect(area).to_have_text(before or "")
        await page.keyboard.press("Control+Shift+z")
        await expect(area).not_to_have_text(before or "")
        await drag(page, (640, 420), (640, 480))  # the small point between two corners: a fifth corner
        await page.click("#draw-hole")
        await clicks(page, (560, 260), (660, 260), (610, 340), (560, 260))
        await expect(page.locator("#draw-hole")).to_be_visible()
        await save(page, "With a yard")
        geometry = (await stored(page, "With a yard"))["geometry"]
        assert (geometry["type"], [len(ring) for ring in geometry["coordinates"]]) == ("Polygon", [6, 4])
        await page.click("#card-edit")
        await page.wait_for_timeout(600)  # it flies there
        await page.keyboard.press("Escape")  # nothing has changed, so nobody is asked
        await expect(page.locator("#list-view")).to_be_visible()


async def test_a_corridor_by_touch_on_a_phone(visits: Visits) -> None:
    async with zones_page(visits, size=PHONE, has_touch=True) as page:
        await page.click("#panel-toggle")
        await page.click("#add")
        await page.click("#panel-toggle")
        await page.check("[name=kind][value=corridor]")  # the sheet makes way for the map
        await expect(page.locator("#panel")).not_to_be_visible()
        for x, y in ((100, 300), (250, 350), (300, 500)):
            await page.touchscreen.tap(x, y)
            await page.wait_for_timeout(350)  # quicker ones are a double tap
        await page.click("#draw-finish")
        await page.click("#panel-toggle")
        await page.fill("#size", "800")
        await page.fill("[name=name]", "Ring road")
        await page.click("#form-save")
        await expect(page.locator("#card-name")).to_have_text("Ring road")
        zone = await stored(page, "Ring road")
        assert (zone["kind"], zone["width"], len(zone["geometry"]["coordinates"])) == ("corridor", 800, 3)


async def test_what_is_not_stored_is_not_lost_by_accident(visits: Visits) -> None:
    async with zones_page(visits) as page:
        await page.click("#add")
        await page.click("#form-save")
        await expect(page.locator("#form-error")).to_have_text("Draw the zone on the map first.")
        await page.click("#place")  # without a mouse on the map
        await page.click("#form-save")
        await expect(page.locator("#form-error")).to_have_text("Give the zone a name.")
        await page.click("#form-back")
        await expect(page.locator("dialog")).to_contain_text("Leave without saving?")
        await page.keyboard.press("Escape")
        await expect(page.locator("#zone-form")).to_be_visible()
        await page.click("#form-back")
        await page.click("dialog .button-danger")
        await expect(page.locator("#list-view")).to_be_visible()


async def test_a_file_is_looked_at_and_stored(visits: Visits) -> None:
    file: Any = {"name": "zones.kml", "mimeType": "application/vnd.google-earth.kml+xml", "buffer": KML.encode()}
    async with zones_page(visits) as page:
        await page.set_input_files("#import-file", file)
        await expect(page.locator("#import-list li")).to_have_count(2)
        await expect(page.locator("#refused-list")).to_contain_text("Nowhere")
        await page.uncheck("#import-list li:has-text('Yard') input")
        await page.fill("#import-group", "Imported")
        await page.click("#import-save")
        await expect(page.locator("#zone-list")).to_contain_text("Warehouse")
        await expect(page.locator("#zone-list")).not_to_contain_text("Yard")
        zone = await stored(page, "Warehouse")
        assert (zone["group"], zone["allDevices"], zone["kind"]) == ("Imported", True, "polygon")
        await page.click("#zone-list [data-id]:has-text('Warehouse')")
        await page.click("#card-delete")
        await page.click("dialog .button-danger")
        await expect(page.locator("#zone-list")).not_to_contain_text("Warehouse")


async def test_groups_are_made_and_nested(visits: Visits) -> None:
    async with visits.signed_in("anna", at="/trackers") as page:
        await page.click("#groups")
        for name in ("Trucks", "North"):
            await page.fill(".group-add input", name)
            await page.keyboard.press("Enter")
            await expect(page.locator(f".group-list li:has([value={name}])")).to_be_visible()
        await page.locator(".group-list li:has([value=North]) select").select_option(label="Trucks")
        await expect(page.locator(".group-list li").last).to_have_css("padding-left", "18px")
        assert await faults(page) == []
        await page.click("dialog [data-close]")
        await page.click("#trackers [aria-label^='Edit']")
        await page.locator("#tracker-form [name=groupId]").select_option(label="Trucks / North")
        await page.click("#tracker-form [type=submit]")
        await expect(page.locator("dialog")).not_to_be_visible()
        devices = await (await page.request.get("/api/devices")).json()
        assert [device["groupId"] > 0 for device in devices].count(True) == 1
        await page.goto("/")
        await page.select_option("#group", index=1)
        await expect(page.locator("#list .row:visible")).to_have_count(1)


@pytest.mark.parametrize("size", [pytest.param(SMALL, id="desktop"), pytest.param(PHONE, id="phone, Kazakh")])
async def test_nobody_is_kept_out(visits: Visits, world: World, size: dict[str, int]) -> None:
    phone = size is PHONE
    async with zones_page(visits, size=size, language="kk-KZ" if phone else "en-US", scheme="dark" if phone else "light") as page:
        if phone:
            await page.click("#panel-toggle")
        assert await faults(page) == []
        await page.click("#add")
        await page.click("#place", force=True)
        if phone:
            await page.click("#panel-toggle")
        await page.click(".zone-fine summary")
        await page.click("[data-preset=own]")
        await page.check("[name=whom][value=some]")
        assert await faults(page) == []
